"""Business logic of live devices: what values change in the meaning of others, device by device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from server.core.values import ChangeKind, DeviceId, ModelChange, PointUpdate, Scalar, UpdateKind
from server.fdi.logic.context import ValueSource
from server.fdi.logic.type_logic import TypeLogic
from server.model.device import Device
from server.model.device_type import SpecChange
from server.model.plant import Plant

LocalValue = Callable[[str, str], Scalar | None]
"""(device id, parameter) -> a value that the server keeps for the device, None when it keeps none."""


def _no_local(_device_id: str, _name: str) -> Scalar | None:
    return None


class DeviceValues:
    """What a device last reported; then what the server keeps for it; then what the EDD begins with.

    A parameter that only the device can tell is unknown until it has. A LOCAL or PRIVATE one begins with its
    INITIAL_VALUE, else its DEFAULT_VALUE.
    """

    __slots__ = ("_device", "_local")

    def __init__(self, device: Device, local: LocalValue) -> None:
        self._device = device
        self._local = local

    def value(self, name: str) -> Scalar | None:
        """The value of a parameter; None while it is not known."""
        device = self._device
        point = device.points.get(name)
        if point is not None:
            if point.value is not None:
                return point.value
            if not point.spec.local:
                return None
        kept = self._local(device.device_id, name)
        if kept is not None:
            return kept
        spec = point.spec if point is not None else device.device_type.hidden.get(name)
        if spec is None:
            return None
        return spec.initial_value if spec.initial_value is not None else spec.default_value


class LiveLogic:
    """The BusinessLogic of the flow, for all devices whose package says that something depends on values."""

    def __init__(self, plant: Plant, local: LocalValue = _no_local) -> None:
        """`local`: values of LOCAL and PRIVATE parameters that the server keeps for a device."""
        self._plant = plant
        self._local = local
        self._seen: dict[str, dict[str, Scalar | None]] = {}  # device -> watched value -> as last evaluated
        self.on_items: list[Callable[[str, frozenset[str]], None]] = []
        """Called with a device and the `menu:<name>` and `method:<name>` that may look different now."""

    def values(self, device_id: str) -> ValueSource:
        """The online values of a device.

        Raises:
            NotFoundError: there is none.
        """
        return DeviceValues(self._plant.device(device_id), self._local)

    def model_changed(self, change: ModelChange) -> Sequence[SpecChange]:
        """Evaluate everything of a device that came or changed its type; forget one that went."""
        device_id = change.device_id
        if device_id is None:
            return ()
        self._seen.pop(device_id, None)
        device = self._plant.devices.get(device_id)
        if device is None or change.kind not in (ChangeKind.DEVICE_ADDED, ChangeKind.DEVICE_CHANGED):
            return ()
        logic = device.device_type.logic
        if not isinstance(logic, TypeLogic) or not logic.dynamic:
            return ()
        return self._respecify(device, logic, logic.dynamic)

    def evaluate(self, updates: Sequence[PointUpdate]) -> Sequence[SpecChange]:
        """What values change. Late ones, and values equal to those evaluated before, do nothing."""
        changed: dict[DeviceId, set[str]] = {}
        devices = self._plant.devices
        for update in updates:
            device = devices.get(update.device_id)
            if device is None or update.kind is not UpdateKind.LIVE:
                continue
            logic = device.device_type.logic
            if isinstance(logic, TypeLogic) and update.parameter in logic.watched:
                changed.setdefault(update.device_id, set()).add(update.parameter)
        found: list[SpecChange] = []
        for device_id, names in changed.items():
            found += self.changed(device_id, names)
        return found

    def changed(self, device_id: str, names: Iterable[str]) -> Sequence[SpecChange]:
        """The same for values that came otherwise, such as LOCAL ones the server keeps; only real changes count."""
        device = self._plant.devices.get(DeviceId(device_id))
        logic = device.device_type.logic if device is not None else None
        if device is None or not isinstance(logic, TypeLogic):
            return ()
        values = DeviceValues(device, self._local)
        seen = self._seen.setdefault(device_id, {})
        differing = []
        for name in names:
            value = values.value(name)
            if name not in seen or not _same(seen[name], value):
                seen[name] = value
                differing.append(name)
        if not differing:
            return ()
        items = logic.dependents(differing)
        others = frozenset(item for item in items if ":" in item)
        if others:
            for heard in self.on_items:
                heard(device_id, others)
        return self._respecify(device, logic, items)

    def _respecify(self, device: Device, logic: TypeLogic, names: Iterable[str]) -> Sequence[SpecChange]:
        shown = [name for name in names if name in device.points]
        if not shown:
            return ()
        return self._plant.respecify(device.device_id, logic.specs(shown, DeviceValues(device, self._local)))


def _same(left: Scalar | None, right: Scalar | None) -> bool:
    """Equal and of one type: 1 and True differ, as do 1 and 1.0; two NaN are the same."""
    return type(left) is type(right) and (left == right or (left != left and right != right))
