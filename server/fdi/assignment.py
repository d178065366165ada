"""Device types chosen by hand (IEC 62769-2, matching: when nothing fits for certain, somebody decides)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog

from server.core import status
from server.core.clock import Clock
from server.core.errors import IntegrationError, NotFoundError, RemoteError
from server.core.status import name_of
from server.core.values import Caller, DeviceId
from server.model.plant import DEVICE_ID, RESERVED_IDS, Plant
from server.pipeline.ports import Guard
from server.security.access import Right, require
from server.security.audit import AuditTrail, AuditWriter

log = structlog.get_logger("fieldloom.packages")
MOST = 10_000
"""Devices with a type chosen by hand."""


class Records(Protocol):
    """Where the choices are kept. Blocks."""

    def assigned_types(self) -> dict[str, str]: ...

    def assign_type(self, device_id: str, type_id: str | None) -> None: ...

    def delete_device(self, device_id: str) -> None: ...


class Flow(Protocol):
    """What changes devices: the pipeline."""

    async def retype(self, device_id: DeviceId, type_id: str) -> None: ...

    async def forget(self, device_id: DeviceId) -> None: ...


class Intake(Protocol):
    """What takes messages for the type that was chosen: the bridge."""

    def assign(self, types: Mapping[str, str]) -> None: ...

    def share(self, one: str, other: str) -> bool: ...


class TypeAssignments:
    """The choices, and what follows from them. A choice is on disk before anything changes."""

    def __init__(
        self, plant: Plant, flow: Flow, intake: Intake, records: Records, guard: Guard, audit: AuditWriter, clock: Clock
    ) -> None:
        self._plant = plant
        self._flow = flow
        self._intake = intake
        self._records = records
        self._guard = guard
        self._audit = AuditTrail(audit, clock)
        self._types: dict[str, str] = {}
        self._turn = asyncio.Lock()

    @property
    def types(self) -> Mapping[str, str]:
        """The type chosen for each device."""
        return self._types

    async def load(self) -> None:
        """Read the choices of earlier runs."""
        self._types = await asyncio.to_thread(self._records.assigned_types)
        self._intake.assign(self._types)

    async def settle(self) -> None:
        """Let devices be what was chosen for them: after a start, and when types have come."""
        async with self._turn:
            for device_id, type_id in self._types.items():
                if self._differs(device_id, type_id):
                    try:
                        await self._flow.retype(DeviceId(device_id), type_id)
                    except NotFoundError as error:
                        log.warning("type_not_assigned", device=device_id, type=type_id, reason=error.text)

    def _differs(self, device_id: str, type_id: str) -> bool:
        device = self._plant.devices.get(DeviceId(device_id))
        if device is None or type_id not in self._plant.types or device.device_type.type_id == type_id:
            return False
        return self._intake.share(device.device_type.type_id, type_id)

    async def assign(self, device_id: str, type_id: str, caller: Caller) -> None:
        """Choose the type of a device that is known, or of one that could not be taken in so far.

        Raises:
            DeniedError: the caller may not, or somebody else holds the device's lock.
            NotFoundError: no such type.
            RemoteError: no device id, too many choices, or the types have no topic in common.
        """

        async def change() -> None:
            self._check(device_id, type_id)
            await self._keep(device_id, type_id)
            if self._differs(device_id, type_id):
                await self._flow.retype(DeviceId(device_id), type_id)

        await self._carry_out("assign type", device_id, type_id, caller, change)

    async def release(self, device_id: str, caller: Caller) -> None:
        """Let a device be again what it says itself: it goes, and its next message brings it back.

        Raises:
            DeniedError, NotFoundError: may not; no type was chosen for it.
        """

        async def change() -> None:
            if device_id not in self._types:
                raise NotFoundError(f"no type was chosen for device {device_id!r}")
            await self._keep(device_id, None)
            if device_id in self._plant.devices:
                await self._flow.forget(DeviceId(device_id))
                await asyncio.to_thread(self._records.delete_device, device_id)

        await self._carry_out("release type", device_id, "", caller, change)

    async def _carry_out(
        self, action: str, device_id: str, detail: str, caller: Caller, change: Callable[[], Awaitable[None]]
    ) -> None:
        async with self._turn:
            old = self._types.get(device_id, "")
            try:
                require(caller, Right.PACKAGES, f"{action} of {device_id[:64]}")
                if device_id in self._plant.devices:
                    self._guard.require(DeviceId(device_id), caller)
                await change()
            except IntegrationError as error:
                await self._audit.write(caller, action, device_id[:64], name_of(error.status), error.text)
                raise
        log.info("type_assigned" if detail else "type_released", user=caller.user, device=device_id, type=detail or old)
        await self._audit.write(caller, action, device_id, "Good", detail)

    async def _keep(self, device_id: str, type_id: str | None) -> None:
        await asyncio.to_thread(self._records.assign_type, device_id, type_id)
        types = {**self._types, device_id: type_id or ""}
        self._types = {device: kind for device, kind in types.items() if kind}
        self._intake.assign(self._types)

    def _check(self, device_id: str, type_id: str) -> None:
        if not DEVICE_ID.fullmatch(device_id) or device_id in RESERVED_IDS:
            raise RemoteError(f"{device_id!r} is no device id", status_code=status.BAD_INVALID_ARGUMENT)
        if type_id not in self._plant.types:
            raise NotFoundError(f"no device type {type_id!r}")
        if device_id not in self._types and len(self._types) >= MOST:
            raise RemoteError(f"types of {MOST} devices are chosen already", status_code=status.BAD_INVALID_STATE)
        device = self._plant.devices.get(DeviceId(device_id))
        kind = device.device_type.type_id if device is not None else type_id
        if kind != type_id and not self._intake.share(kind, type_id):
            raise RemoteError(
                f"{device_id} is heard as {kind}, and {type_id} shares no topic with it",
                status_code=status.BAD_INVALID_ARGUMENT,
            )
