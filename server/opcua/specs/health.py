"""DeviceHealth and DeviceHealthDiagnostics (OPC 10000-100; IEC 62769-5): how a device is, and why.

Both follow the DIAGNOSTIC bits that a device reports and the quality that it gives its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua

from server.alarms.conditions.device_health import is_set
from server.core import status
from server.core.clock import to_datetime
from server.core.texts import Texts
from server.core.values import PointUpdate, UpdateKind
from server.model.device import Device
from server.model.device_type import HealthSpec
from server.opcua.datavalues import stack_status
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import FDI5_URI, PLANT_URI
from server.opcua.nodes.values import put_data_value
from server.opcua.space import HAS_COMPONENT, HAS_PROPERTY, data_value, localized
from server.opcua.specs.binding import Binding
from server.opcua.wire import Point, to_ticks

HEALTH, DIAGNOSTICS = "DeviceHealth", "DeviceHealthDiagnostics"
NORMAL, FAILURE, OFF_SPEC = 0, 1, 3
"""DeviceHealthEnumeration of OPC 10000-100, as far as it is named here; 1 weighs most, 4 least."""
SILENT = 2
"""Of `Device.stage`: nothing was heard for longer than `bad_after_s`."""
_FAILED = frozenset({status.BAD_SENSOR_FAILURE, status.BAD_DEVICE_FAILURE})
_WORDS = {
    FAILURE: Texts.of("sensor failure", ru="отказ датчика"),
    OFF_SPEC: Texts.of("sensor not accurate", ru="датчик неточен"),
}
_INT32 = 6
_LOCALIZED = ua.VariantType.LocalizedText


def bind(binding: Binding, _fdi: Any) -> None:
    """Judge every device from now on."""
    HealthNodes(binding)


class _Shown:
    """The two Variables of one device and what they rest on."""

    __slots__ = ("bits", "device", "diagnostics", "health", "told", "unwell")

    def __init__(self, device: Device, health: Point, diagnostics: Point) -> None:
        self.device = device
        self.health = health
        self.diagnostics = diagnostics
        self.bits = _by_weight(device)
        self.unwell: dict[str, int] = {}  # parameter -> health that its quality means; only those that are not well
        self.told: list[tuple[str, str]] | None = []  # (language, text) of what is shown; None: not known


class HealthNodes:
    """The health of every device."""

    def __init__(self, binding: Binding) -> None:
        self._space = binding.space
        self._plant = binding.plant
        self._shown: dict[str, _Shown] = {}  # by device
        self._watched: set[str] = set()  # devices that are not well: every value of theirs may change that
        self._names: set[str] = set()  # parameters that carry bits, of whatever type
        binding.devices.parts.append(self._add)
        binding.twin_parts.append(self._add_twin)
        binding.point_sinks.append(self.updated)
        binding.device_gone.append(self._forget)
        binding.device_changed.append(self._follow)

    # -- nodes

    def _add(self, device: Device, root: ua.NodeId) -> None:
        space = self._space
        health = space.id(PLANT_URI, f"{device.device_id}/{HEALTH}")
        diagnostics = space.id(PLANT_URI, f"{device.device_id}/{DIAGNOSTICS}")
        space.property(
            diagnostics,
            space.name(FDI5_URI, DIAGNOSTICS),
            data_value([], _LOCALIZED, is_array=True),
            ua.NodeId(ua.ObjectIds.LocalizedText),
            parent=root,
            rank=1,
        )
        shown = _Shown(device, space.point(health), space.point(diagnostics))
        self._take_in(shown)

    def _take_in(self, shown: _Shown) -> None:
        self._shown[shown.device.device_id] = shown
        self._names.update(bit.parameter for bit in shown.bits)
        newest = max(shown.device.points.values(), key=lambda point: point.source_time, default=None)
        if newest is not None and newest.source_time:
            code = status.BAD_NO_COMMUNICATION if shown.device.stage == SILENT else status.GOOD
            self._show(shown, code, newest.source_time, newest.server_time)

    def _add_twin(self, device: Device, root: ua.NodeId) -> None:
        """Data sets of a device show the same two Variables: there is one device."""
        space = self._space
        space.link(root, HAS_COMPONENT, space.id(PLANT_URI, f"{device.device_id}/{HEALTH}"))
        space.link(root, HAS_PROPERTY, space.id(PLANT_URI, f"{device.device_id}/{DIAGNOSTICS}"))

    def _follow(self, update: DeviceUpdate) -> None:
        """Another version of the device's type: other bits, other texts."""
        shown = self._shown.get(update.device.device_id)
        if shown is None:
            return
        shown.device = update.device
        shown.bits = _by_weight(update.device)
        shown.unwell = {name: health for name, health in shown.unwell.items() if name in update.device.points}
        self._take_in(shown)

    def _forget(self, device_id: str) -> None:
        self._shown.pop(device_id, None)
        self._watched.discard(device_id)

    # -- values

    def updated(self, updates: Sequence[PointUpdate]) -> None:
        """Values that have just been shown."""
        for update in updates:
            if (
                update.status & 0xC0000000 or update.device_id in self._watched or update.parameter in self._names
            ) and update.kind is not UpdateKind.LATE:
                self._judge(update)

    def _judge(self, update: PointUpdate) -> None:
        """Failed sensors are FAILURE, inaccurate ones OFF_SPEC; a silent device's health is not known."""
        shown = self._shown.get(update.device_id)
        if shown is None:
            return
        base = update.status & 0xFFFF0000
        if base in _FAILED:
            shown.unwell[update.parameter] = FAILURE
        elif base == status.UNCERTAIN_SENSOR_NOT_ACCURATE:
            shown.unwell[update.parameter] = OFF_SPEC
        else:
            shown.unwell.pop(update.parameter, None)
        code = status.BAD_NO_COMMUNICATION if base == status.BAD_NO_COMMUNICATION else status.GOOD
        self._show(shown, code, update.source_time, update.server_time)

    def _show(self, shown: _Shown, code: int, source_time: int, server_time: int) -> None:
        device_id = shown.device.device_id
        active = [bit for bit in shown.bits if is_set(bit, shown.device.points.get(bit.parameter))]
        reasons = [(bit.health, bit.text) for bit in active]
        reasons += [(health, self._reason(shown.device, name, health)) for name, health in shown.unwell.items()]
        reasons.sort(key=lambda reason: reason[0])  # stable: the EDD's order within a class
        if reasons or code:
            self._watched.add(device_id)
        else:
            self._watched.discard(device_id)
        health = None if code else reasons[0][0] if reasons else NORMAL
        shown.health.put_scalar(_INT32, health, code, to_ticks(source_time), to_ticks(server_time))
        told = [text.best() for _, text in reasons] if not code else None
        if told != shown.told:
            shown.told = told
            texts = [localized(text) for _, text in reasons]
            content = ua.Variant(None if code else texts, ua.VariantType.Null if code else _LOCALIZED)
            times = {"SourceTimestamp": to_datetime(source_time), "ServerTimestamp": to_datetime(server_time)}
            put_data_value(shown.diagnostics, ua.DataValue(content, stack_status(code), **times))

    def _reason(self, device: Device, name: str, health: int) -> Texts:
        """Which value is not well: its label and what is wrong."""
        spec = device.spec(name)
        words = _WORDS[health].by_language
        if spec is None:
            return _WORDS[health]
        return Texts({language: f"{spec.label.best((language,))[1]}: {text}" for language, text in words.items()})


def _by_weight(device: Device) -> tuple[HealthSpec, ...]:
    return tuple(sorted(device.device_type.health, key=lambda bit: bit.health))
