"""Events that are no conditions: a device falls silent or is back, the broker goes, a transfer makes progress.

OPC 10000-5: DeviceFailureEventType, SystemEventType, ProgressEventType. Alarms of the same things stand beside them for
operators; these events are for those who keep records of the system.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua

from server.core.values import PointUpdate, UpdateKind
from server.model.device import Device
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import key_of
from server.opcua.space import SERVER
from server.opcua.specs.binding import Binding

_IDS = ua.ObjectIds
_V = ua.VariantType
FAILED, BACK, BROKER_GONE = 600, 200, 800
"""Severities."""
GONE_STAGE = 2
"""Device.stage: silent for longer than `bad_after_s`."""


def bind(binding: Binding, fdi: Any) -> None:
    """Tell of them from now on."""
    events = DeviceEvents(binding)
    if fdi is not None:
        fdi.transfers.on_progress.append(events.progress)


class DeviceEvents:
    """What is remembered of devices and broker to see them change."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._silent: set[str] = set()
        self._broker: bool | None = None
        binding.point_sinks.append(self._look)
        binding.device_gone.append(self._silent.discard)
        binding.ticks.append(self._look_at_broker)

    def _look(self, updates: Sequence[PointUpdate]) -> None:
        for device_id in dict.fromkeys(update.device_id for update in updates if update.kind is not UpdateKind.LATE):
            device = self._binding.plant.devices.get(device_id)
            if device is None:
                continue
            silent = device.stage == GONE_STAGE
            if silent and device_id not in self._silent:
                self._silent.add(device_id)
                self._tell(device, _IDS.DeviceFailureEventType, f"{device_id} is no longer heard", FAILED)
            elif not silent and device_id in self._silent:
                self._silent.discard(device_id)
                self._tell(device, _IDS.SystemEventType, f"{device_id} is heard again", BACK)

    def _tell(self, device: Device, event_type: int, message: str, severity: int) -> None:
        binding = self._binding
        source = key_of(binding.space.id(PLANT_URI, device.device_id))
        name = device.name or device.device_id
        fields = binding.bus.base_fields(event_type, source, name, message, severity)
        binding.bus.send(fields, binding.conditions.notifiers_of(device))

    def _look_at_broker(self) -> None:
        connected, address = self._binding.network()
        before, self._broker = self._broker, connected
        if before is None or before == connected or not address:
            return
        message = f"Connected to the broker {address}" if connected else f"No connection to the broker {address}"
        fields = self._binding.bus.base_fields(
            _IDS.SystemEventType, key_of(SERVER), "Server", message, BACK if connected else BROKER_GONE
        )
        self._binding.bus.send(fields, ())

    def progress(self, device_id: str, transfer_id: int, percent: int) -> None:
        """A transfer has come so far; Context is its TransferID."""
        device = self._binding.plant.devices.get(device_id)  # type: ignore[call-overload]
        if device is None:
            return
        bus, space = self._binding.bus, self._binding.space
        source = key_of(space.id(PLANT_URI, f"{device_id}/Transfer"))
        fields = bus.base_fields(
            _IDS.ProgressEventType, source, f"{device_id}/Transfer", f"Transfer {transfer_id}: {percent} %", 100
        )
        fields["Context"] = ua.Variant(transfer_id, _V.Int32)
        fields["Progress"] = ua.Variant(percent, _V.UInt16)
        bus.send(fields, self._binding.conditions.notifiers_of(device))
