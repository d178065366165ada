"""What the plant is and what it last said: types, devices, live points. Pure; time is passed in.

`Plant.apply` is the only way in for values. It decides what is live, late or refused; nobody else changes a point.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from server.core import status
from server.core.clock import SECOND, TimeUs
from server.core.errors import NotFoundError, RemoteError
from server.core.values import ChangeKind, DeviceId, Measurement, ModelChange, PointUpdate, UpdateKind
from server.model.device import Device
from server.model.device_type import DeviceType, ParameterSpec, SpecChange
from server.model.layout import PlantLayout
from server.model.type_update import TypeUpdate

DEVICE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
RESERVED_IDS = frozenset({"Test", "Plant", "Fieldloom"})
UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True)
class Applied:
    """What one measurement did."""

    changes: tuple[ModelChange, ...] = ()
    updates: tuple[PointUpdate, ...] = ()
    refused: str = ""  # reason, "" when accepted


@dataclass(slots=True)
class PlantCounters:
    """What was taken and what was not, and why."""

    measurements: int = 0
    values: int = 0
    late: int = 0
    repeated: int = 0
    stale: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class Plant:
    """All device types and devices of this server."""

    def __init__(
        self, *, layout: PlantLayout | None = None, max_devices: int = 5_000, future_tolerance_s: float = 60.0
    ) -> None:
        self._types: dict[str, DeviceType] = {}
        self._devices: dict[DeviceId, Device] = {}
        self._layout = layout or PlantLayout()
        self._max_devices = max_devices
        self._future_us = round(future_tolerance_s * SECOND)
        self.counters = PlantCounters()

    @property
    def types(self) -> Mapping[str, DeviceType]:
        return self._types

    @property
    def devices(self) -> Mapping[DeviceId, Device]:
        return self._devices

    @property
    def layout(self) -> PlantLayout:
        return self._layout

    def device(self, device_id: str) -> Device:
        """The device with this id.

        Raises:
            NotFoundError: there is none.
        """
        device = self._devices.get(DeviceId(device_id))
        if device is None:
            raise NotFoundError(f"no device {device_id!r}")
        return device

    def devices_of(self, type_id: str) -> Iterator[Device]:
        """Every device of one type."""
        return (device for device in self._devices.values() if device.device_type.type_id == type_id)

    # -- types

    def replacing(self, device_type: DeviceType) -> TypeUpdate:
        """A type to take in, or another version of one; nothing happens before its steps are walked."""
        return TypeUpdate(self._types, self._devices, device_type)

    def install(self, device_type: DeviceType) -> tuple[ModelChange, ...]:
        """Take a type in, or replace it by another version, at once; its devices keep their values of the same type."""
        return tuple(self.replacing(device_type).steps())

    def uninstall(self, type_id: str) -> tuple[ModelChange, ...]:
        """Remove a type and its devices from the plant; history stays.

        Raises:
            NotFoundError: no such type.
        """
        if type_id not in self._types:
            raise NotFoundError(f"no device type {type_id!r}")
        changes = []
        for device in list(self.devices_of(type_id)):
            del self._devices[device.device_id]
            changes.append(ModelChange(ChangeKind.DEVICE_REMOVED, type_id, device.device_id))
        del self._types[type_id]
        return (*changes, ModelChange(ChangeKind.TYPE_REMOVED, type_id))

    # -- devices

    def retype(self, device_id: DeviceId, type_id: str) -> Iterator[ModelChange]:
        """Let a device be of another type, step by step: it goes, and is there again under the same id, place and age.

        Its values stay behind: they are those of other parameters.

        Raises:
            NotFoundError: no such device or type.
        """
        old = self.device(device_id)
        if type_id not in self._types:
            raise NotFoundError(f"no device type {type_id!r}")
        del self._devices[device_id]
        yield ModelChange(ChangeKind.DEVICE_REMOVED, old.device_type.type_id, device_id)
        if device_id not in self._devices and type_id in self._types:
            new = self._add(device_id, self._types[type_id], old.path, old.created_at)
            new.attributes.update(old.attributes)
            yield ModelChange(ChangeKind.DEVICE_ADDED, type_id, device_id)

    def forget(self, device_id: DeviceId) -> Iterator[ModelChange]:
        """Let a device go; the next message of it brings it back as what it says it is. Raises NotFoundError."""
        old = self.device(device_id)
        del self._devices[device_id]
        yield ModelChange(ChangeKind.DEVICE_REMOVED, old.device_type.type_id, device_id)

    def restore(
        self,
        device_id: DeviceId,
        type_id: str,
        path: tuple[str, ...],
        created_at: TimeUs,
        attributes: Mapping[str, str] | None = None,
    ) -> ModelChange | None:
        """Bring back a device seen in an earlier run; None when its type is not installed or the id is taken."""
        device_type = self._types.get(type_id)
        if device_type is None or device_id in self._devices:
            return None
        device = self._add(device_id, device_type, path, created_at)
        device.attributes.update(attributes or {})
        return ModelChange(ChangeKind.DEVICE_ADDED, type_id, device_id)

    def _add(self, device_id: DeviceId, device_type: DeviceType, path: tuple[str, ...], created_at: TimeUs) -> Device:
        entry = self._layout.devices.get(device_id)
        device = Device(device_id, device_type, entry.path if entry and entry.path else path, created_at)
        if entry is not None:
            device.name = entry.name
        self._devices[device_id] = device
        return device

    def _admit(self, measurement: Measurement, now: TimeUs) -> Device:
        device_type = self._types.get(measurement.type_id)
        if device_type is None:
            raise RemoteError("unknown_type")
        device_id = measurement.device_id
        if not DEVICE_ID.fullmatch(device_id) or device_id in RESERVED_IDS:
            raise RemoteError("bad_device_id")
        if len(self._devices) >= self._max_devices:
            raise RemoteError("too_many_devices")
        path = (measurement.facility,) if measurement.facility else device_type.area or (UNASSIGNED,)
        device = self._add(device_id, device_type, path, now)
        device.attributes.update(measurement.attributes)
        return device

    # -- values

    def apply(self, measurement: Measurement, now: TimeUs) -> Applied:
        """Take one measurement in: the device appears with its first one, values become live, late or are refused."""
        counters = self.counters
        counters.measurements += 1
        device = self._devices.get(measurement.device_id)
        changes: tuple[ModelChange, ...] = ()
        reason = ""
        if device is not None and device.device_type.type_id != measurement.type_id:
            reason = "other_type"
        elif measurement.source_time > now + self._future_us:
            reason = "future_time"
        elif device is None:
            try:
                device = self._admit(measurement, now)
                changes = (ModelChange(ChangeKind.DEVICE_ADDED, measurement.type_id, device.device_id),)
            except RemoteError as error:
                reason = error.text
        if reason or device is None:
            counters.refused[reason] += 1
            return Applied(refused=reason)
        if not measurement.retained:
            device.last_heard = now
            device.stage = 0
            if measurement.source_time > device.newest:
                device.newest = measurement.source_time
                device.clock_lag_us = measurement.received_at - measurement.source_time
        if measurement.attributes:
            device.attributes.update(measurement.attributes)
        return Applied(changes, tuple(self._accept(device, measurement, now)))

    def _accept(self, device: Device, measurement: Measurement, now: TimeUs) -> Iterator[PointUpdate]:
        source_time = measurement.source_time
        retained = measurement.retained
        for name, value, code in measurement.values:
            point = device.points.get(name)
            if point is None:
                self.counters.refused["unknown_parameter"] += 1
                continue
            if source_time < point.source_time:
                self.counters.late += 1
                yield PointUpdate(device.device_id, name, value, code, source_time, now, UpdateKind.LATE, retained)
                continue
            if source_time == point.source_time and value == point.value and code == point.status:
                # Delivered again: history may not have it yet (a crash before its commit), the live value has.
                self.counters.repeated += 1
                yield PointUpdate(device.device_id, name, value, code, source_time, now, UpdateKind.LATE, retained)
                continue
            point.value, point.status = value, code
            point.source_time, point.server_time = source_time, now
            self.counters.values += 1
            yield PointUpdate(device.device_id, name, value, code, source_time, now, UpdateKind.LIVE, retained)

    def respecify(self, device_id: DeviceId, specs: Mapping[str, ParameterSpec]) -> list[SpecChange]:
        """Let parameters of a device mean something else; returns those that really changed."""
        changes = []
        device = self._devices.get(device_id)
        for name, new in specs.items() if device is not None else ():
            point = device.points.get(name) if device is not None else None
            if point is not None and point.spec is not new and point.spec != new:
                changes.append(SpecChange(device_id, name, point.spec, new))
                point.spec = new
        return changes

    def echo_time(self, device: Device, received_at: TimeUs) -> TimeUs:
        """Source time of an answer that carries none: the device's own clock as far as we know it.

        A device whose clock is behind would otherwise have its next measurements taken for late ones.
        """
        return max(received_at - device.clock_lag_us, device.newest + 1)

    def decay(self, now: TimeUs) -> list[PointUpdate]:
        """Lower the quality of what has been silent too long (per type: `uncertain_after_s`, `bad_after_s`)."""
        updates: list[PointUpdate] = []
        for device in self._devices.values():
            if device.stage == 2 or device.last_heard == 0:
                continue
            binding = device.device_type.binding
            quiet_us = now - device.last_heard
            stage = (
                2
                if quiet_us > binding.bad_after_s * SECOND
                else 1
                if quiet_us > binding.uncertain_after_s * SECOND
                else 0
            )
            if stage <= device.stage:
                continue
            device.stage = stage
            code = status.BAD_NO_COMMUNICATION if stage == 2 else status.UNCERTAIN_LAST_USABLE_VALUE
            for name, point in device.points.items():
                if point.source_time == 0 or (stage == 1 and not status.is_good(point.status)):
                    continue
                if not point.spec.dynamic:
                    continue
                point.status, point.server_time = code, now
                self.counters.stale += 1
                updates.append(
                    PointUpdate(device.device_id, name, point.value, code, point.source_time, now, UpdateKind.STALE)
                )
        return updates
