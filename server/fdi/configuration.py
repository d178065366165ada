"""What the server keeps for a device besides what it reports: its offline data set and the values of LOCAL parameters.

Both survive a killed process: an acknowledged change is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Protocol

from server.core import status
from server.core.clock import TimeUs
from server.core.errors import IntegrationError, NotFoundError
from server.core.status import StatusCode, name_of
from server.core.values import (
    Caller,
    ChangeKind,
    DeviceId,
    Measurement,
    ModelChange,
    PointUpdate,
    Scalar,
    UpdateKind,
)
from server.database.device_values import DeviceValueRow
from server.fdi.rules import as_typed, check_type, fits, rules_of
from server.model.device import Device
from server.model.device_type import ParameterSpec
from server.model.plant import Plant
from server.pipeline.ports import Guard
from server.security.access import Right, require
from server.security.audit import AuditTrail


class Kind(Enum):
    """Which set of values; the word is the one on disk."""

    OFFLINE = "offline"  # what an engineer prepared and the device does not have yet
    LOCAL = "local"  # CLASS LOCAL: lives in the server only


NOTHING: Mapping[str, Scalar] = MappingProxyType({})


class Records(Protocol):
    """The site database. All calls block until the change is on disk and run off the event loop."""

    def load_device_values(self) -> list[DeviceValueRow]: ...

    def save_device_values(self, rows: list[DeviceValueRow]) -> None: ...

    def delete_device_values(self, device_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class OfflineValue:
    """One value of the offline data set as clients see it."""

    value: Scalar | None
    status: StatusCode  # GoodEdited while it differs from what the device last reported
    source_time: TimeUs  # 0: none
    initial: bool = False  # the EDD's default: neither device nor engineer ever gave one


class OfflineValues:
    """The offline data set of one device as expressions read it (a `ValueSource`)."""

    __slots__ = ("_configuration", "_device_id")

    def __init__(self, configuration: Configuration, device_id: str) -> None:
        self._configuration = configuration
        self._device_id = device_id

    def value(self, name: str) -> Scalar | None:
        return self._configuration.plain(self._device_id, name).value


class Configuration:
    """All kept values, in memory and on disk."""

    def __init__(
        self, records: Records, plant: Plant, *, guard: Guard | None = None, trail: AuditTrail | None = None
    ) -> None:
        self._records = records
        self._plant = plant
        self._guard = guard
        self._trail = trail
        self._values: dict[Kind, dict[str, dict[str, Scalar]]] = {kind: {} for kind in Kind}
        self._order = asyncio.Lock()  # changes reach the disk in the order they were asked for
        self._behind: dict[tuple[str, Kind, str], Scalar | None] = {}  # in memory already, not on disk yet
        self._aside: dict[str, dict[tuple[Kind, str], Scalar]] = {}  # by device: what its type does not know now
        self._forgotten: list[str] = []  # devices whose rows are to go
        self._any_local: bool | None = None  # whether any type has LOCAL parameters; None: not looked up yet
        self.on_changed: list[Callable[[str, frozenset[str]], None]] = []
        """(device id, names) whose offline value changed, or means something else now."""

    # -- life

    async def load(self) -> None:
        """Read what an earlier run kept; call once, before devices are restored."""
        for row in await asyncio.to_thread(self._records.load_device_values):
            if row.value is not None and row.kind in (Kind.OFFLINE.value, Kind.LOCAL.value):
                self._values[Kind(row.kind)].setdefault(row.device_id, {})[row.name] = row.value

    async def flush(self) -> None:
        """Bring to disk what `put_local` and `model_changed` left; call it once a second and at the end.

        Raises:
            IntegrationError: the disk refused; it is tried again with the next flush.
        """
        async with self._order:
            await self._flush()

    async def _flush(self) -> None:
        while self._forgotten:
            await asyncio.to_thread(self._records.delete_device_values, self._forgotten[0])
            del self._forgotten[0]
        if self._behind:
            taken = dict(self._behind)
            rows = [DeviceValueRow(device, kind.value, name, value) for (device, kind, name), value in taken.items()]
            await asyncio.to_thread(self._records.save_device_values, rows)
            for key, value in taken.items():
                if key in self._behind and self._behind[key] is value:
                    del self._behind[key]

    def model_changed(self, change: ModelChange) -> None:
        """Values of parameters that are gone go too; those of a device only when its type is uninstalled.

        They come back with their parameters when the version before takes over again, as after an update that fails.
        """
        self._any_local = None
        if change.device_id is None:
            return
        device = self._plant.devices.get(change.device_id)
        if device is not None:
            self._prune(device)
            self._bring_back(device)
        elif change.kind is ChangeKind.DEVICE_REMOVED:
            for values in self._values.values():
                values.pop(change.device_id, None)
            self._aside.pop(change.device_id, None)
            for key in [key for key in self._behind if key[0] == change.device_id]:
                del self._behind[key]
            self._forgotten.append(change.device_id)

    def _prune(self, device: Device) -> None:
        """Drop what this version of the device's type knows no longer, or knows as another type."""
        known = rules_of(device.device_type).parameters
        for kind, devices in self._values.items():
            kept = devices.get(device.device_id)
            for name in list(kept or ()):
                spec = known.get(name)
                if kept is not None and (spec is None or not fits(spec, kept[name])):
                    self._aside.setdefault(device.device_id, {})[kind, name] = kept.pop(name)
                    self._behind[device.device_id, kind, name] = None

    def _bring_back(self, device: Device) -> None:
        known = rules_of(device.device_type).parameters
        aside = self._aside.get(device.device_id, {})
        for (kind, name), value in list(aside.items()):
            spec = known.get(name)
            if spec is not None and fits(spec, value):
                del aside[kind, name]
                if self._values[kind].setdefault(device.device_id, {}).setdefault(name, value) is value:
                    self._behind[device.device_id, kind, name] = value

    # -- reading

    def offline(self, device_id: str) -> Mapping[str, Scalar]:
        """Values that somebody set and that no transfer has brought to the device yet."""
        return MappingProxyType(self._values[Kind.OFFLINE].get(device_id, {}))

    def local(self, device_id: str, name: str) -> Scalar | None:
        """The kept value of a LOCAL parameter; None when it was never set."""
        return self._values[Kind.LOCAL].get(device_id, NOTHING).get(name)

    def locals_of(self, device_id: str) -> Mapping[str, Scalar]:
        """All kept values of LOCAL parameters of one device."""
        return MappingProxyType(self._values[Kind.LOCAL].get(device_id, {}))

    def values_changed(self, updates: Iterable[PointUpdate]) -> None:
        """Values that were accepted: those of LOCAL parameters are kept for the next start."""
        if self._any_local is None:
            self._any_local = any(spec.local for one in self._plant.types.values() for spec in one.parameters.values())
        for update in updates if self._any_local else ():
            device = self._plant.devices.get(update.device_id)
            if device is None or update.kind is not UpdateKind.LIVE or update.value is None:
                continue
            point = device.points.get(update.parameter)
            if point is not None and point.spec.local and status.is_good(update.status):
                self.put_local(update.device_id, update.parameter, update.value)

    def local_measurement(self, device_id: str, now: TimeUs) -> Measurement | None:
        """What a device's LOCAL parameters are worth from the start: kept values, else the EDD's; None without any.

        It goes in like values of the device, whose echo these parameters do not have.
        """
        device = self._plant.device(device_id)
        values: list[tuple[str, Scalar | None, StatusCode]] = []
        for name, spec in device.device_type.parameters.items():
            if not spec.local:
                continue
            kept = self.local(device_id, name)
            first = spec.initial_value if spec.initial_value is not None else spec.default_value
            if kept is not None:
                values.append((name, kept, status.GOOD))
            elif first is not None:
                values.append((name, first, status.UNCERTAIN_INITIAL_VALUE))
        if not values:
            return None
        return Measurement(device.device_type.type_id, device.device_id, tuple(values), now, now, retained=True)

    def values(self, device_id: str) -> OfflineValues:
        """The offline data set as expressions read it."""
        return OfflineValues(self, device_id)

    def view(self, device_id: str, name: str) -> OfflineValue:
        """One offline value as clients read it: one that is not valid under the others gives BadNotReadable."""
        shown = self.plain(device_id, name)
        spec = self.spec(device_id, name)
        return shown if spec is None or spec.valid else replace(shown, status=status.BAD_NOT_READABLE)

    def spec(self, device_id: str, name: str) -> ParameterSpec | None:
        """What a parameter means under the offline values; None when there is no such device or parameter."""
        device = self._plant.devices.get(DeviceId(device_id))
        rules = rules_of(device.device_type) if device is not None else None
        if rules is None or name not in rules.parameters:
            return None
        return rules.spec(name, self.values(device_id))

    def plain(self, device_id: str, name: str) -> OfflineValue:
        """One offline value: what was set, else what the device last reported, else the EDD's default."""
        device = self._plant.devices.get(DeviceId(device_id))
        if device is None:
            return OfflineValue(None, status.BAD_NODE_ID_UNKNOWN, 0)
        point = device.points.get(name)
        reported = point.value if point is not None else self.local(device_id, name)
        pending = self.offline(device_id).get(name)
        when = point.source_time if point is not None else 0
        if pending is not None:
            return OfflineValue(pending, status.GOOD if pending == reported else status.GOOD_EDITED, when)
        if reported is not None:
            # The configuration is as good as ever while the device is away.
            return OfflineValue(reported, status.GOOD, when)
        spec = rules_of(device.device_type).parameters.get(name)
        if spec is None:
            return OfflineValue(None, status.BAD_NODE_ID_UNKNOWN, 0)
        default = spec.default_value if spec.default_value is not None else spec.initial_value
        if default is None:
            return OfflineValue(None, status.BAD_WAITING_FOR_INITIAL_DATA, 0)
        return OfflineValue(default, status.UNCERTAIN_INITIAL_VALUE, 0, initial=True)

    # -- changing

    async def write(self, device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode:
        """A plain Write to the offline data set, checked against its own values; leaves an audit record.

        Raises:
            NotFoundError: no such device.
            DeniedError: the caller may not.
            LockedError: somebody else holds the device's lock.
            IntegrationError: the disk refused; nothing changed.
        """
        target = f"{device_id}/Offline/{name}"
        try:
            code = await self._write(device_id, name, value, caller)
        except IntegrationError as error:
            await self._record(caller, target, error.status, error.text)
            raise
        await self._record(caller, target, code, f"{value!r}")
        return code

    async def _write(self, device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode:
        device = self._plant.device(device_id)
        require(caller, Right.WRITE, f"write {device_id}/Offline/{name}")
        if self._guard is not None:
            self._guard.require(device.device_id, caller)
        code = self._check(device, name, value)
        if status.is_good(code):
            spec = rules_of(device.device_type).parameters[name]
            await self.set_offline(device_id, {name: as_typed(spec, value)})
        return code

    async def _record(self, caller: Caller, target: str, code: StatusCode, detail: str) -> None:
        if self._trail is not None:
            await self._trail.write(caller, "write", target, name_of(code), detail)

    def _check(self, device: Device, name: str, value: Scalar) -> StatusCode:
        rules = rules_of(device.device_type)
        values = self.values(device.device_id)
        static = rules.parameters.get(name)
        if static is None or static.private:
            return status.BAD_NODE_ID_UNKNOWN
        spec = rules.spec(name, values)
        if not spec.writable or not spec.valid:
            return status.BAD_NOT_WRITABLE
        code = check_type(spec, value)
        return code if not status.is_good(code) else rules.check(name, value, values)

    async def set_offline(self, device_id: str, values: Mapping[str, Scalar | None]) -> None:
        """Keep values in the offline data set, or give them up (None); on disk when this returns.

        Raises:
            NotFoundError: no such device.
            IntegrationError: the disk refused; nothing changed.
        """
        await self._set(Kind.OFFLINE, device_id, values)

    async def clear_offline(self, device_id: str, names: Iterable[str] | None = None) -> None:
        """The offline data set shows what the device reports: all of it, or these names; errors as `set_offline`."""
        await self.set_offline(device_id, dict.fromkeys(self.offline(device_id) if names is None else names))

    async def set_local(self, device_id: str, values: Mapping[str, Scalar | None]) -> None:
        """Keep values of LOCAL parameters; on disk when this returns. Errors as `set_offline`."""
        await self._set(Kind.LOCAL, device_id, values)

    def put_local(self, device_id: str, name: str, value: Scalar) -> None:
        """Keep a LOCAL value at once in memory and with the next flush on disk; for what cannot wait."""
        device = self._plant.device(device_id)
        if name not in rules_of(device.device_type).parameters:
            raise NotFoundError(f"{device_id} has no parameter {name!r}")
        kept = self._values[Kind.LOCAL].setdefault(device_id, {})
        if kept.get(name) != value or type(kept.get(name)) is not type(value):
            kept[name] = value
            self._behind[device_id, Kind.LOCAL, name] = value

    async def _set(self, kind: Kind, device_id: str, values: Mapping[str, Scalar | None]) -> None:
        device = self._plant.device(device_id)
        known = rules_of(device.device_type).parameters
        unknown = next((name for name in values if name not in known), None)
        if unknown is not None:
            # What is kept is bounded by what the type knows.
            raise NotFoundError(f"{device_id} has no parameter {unknown!r}")
        async with self._order:
            await self._flush()
            kept = self._values[kind].get(device_id, NOTHING)
            changed = {
                name: value
                for name, value in values.items()
                if kept.get(name) != value or type(kept.get(name)) is not type(value)
            }
            if not changed:
                return
            rows = [DeviceValueRow(device_id, kind.value, name, value) for name, value in changed.items()]
            await asyncio.to_thread(self._records.save_device_values, rows)
            now = self._plant.devices.get(device.device_id)
            if now is None:
                self._forgotten.append(device_id)  # uninstalled meanwhile
                return
            target = self._values[kind].setdefault(device_id, {})
            for name, value in changed.items():
                if value is None:
                    target.pop(name, None)
                else:
                    target[name] = value
            if now is not device:
                self._prune(now)  # another version of its type took over meanwhile
        rules = rules_of(now.device_type)
        names = frozenset(changed) | (rules.dependents(changed) & rules.parameters.keys())
        for told in self.on_changed:
            told(device_id, names)
