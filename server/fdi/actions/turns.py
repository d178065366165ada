"""One METHOD at a time on a device: others wait, not too many and not too long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType

from server.core import status
from server.core.errors import IntegrationError

# Devices whose turn the running task has, and how deep its METHODs are inside one another there: a METHOD that writes
# a parameter may set off that parameter's own actions, which are part of it and must not wait for it.
_HELD: ContextVar[Mapping[str, int]] = ContextVar("held_devices", default=MappingProxyType({}))


class BusyError(IntegrationError):
    """Another METHOD runs on the device and does not end, or actions set one another off without end."""

    status = status.BAD_INVALID_STATE


@dataclass(slots=True)
class _Line:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0  # the one inside and those that wait


class DeviceTurns:
    """The line before each device."""

    def __init__(self, *, wait_s: float = 10.0, waiting: int = 16, depth: int = 4) -> None:
        """Waits `wait_s` seconds at most; `waiting` METHODs in one line, `depth` of them inside one another."""
        self._wait_s = wait_s
        self._waiting = waiting
        self._depth = depth
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def of(self, device_id: str) -> AsyncIterator[None]:
        """Run the body alone on the device.

        Raises:
            BusyError: it did not become free in time, the line is too long, or the nesting too deep.
        """
        held = _HELD.get()
        depth = held.get(device_id, 0)
        if depth >= self._depth:
            raise BusyError(f"actions of {device_id} set one another off more than {self._depth} times")
        if depth:
            with _holding(held, device_id, depth + 1):
                yield
            return
        line = self._lines.setdefault(device_id, _Line())
        if line.users > self._waiting:
            raise BusyError(f"{line.users} METHODs wait for {device_id}")
        line.users += 1
        try:
            try:
                async with asyncio.timeout(self._wait_s):
                    await line.lock.acquire()
            except TimeoutError:
                raise BusyError(f"another METHOD runs on {device_id}") from None
            try:
                with _holding(held, device_id, 1):
                    yield
            finally:
                line.lock.release()
        finally:
            line.users -= 1
            if not line.users:
                del self._lines[device_id]


class _holding:  # noqa: N801  # reads as a word of the `with` statement
    def __init__(self, held: Mapping[str, int], device_id: str, depth: int) -> None:
        self._new = MappingProxyType({**held, device_id: depth})

    def __enter__(self) -> None:
        self._token = _HELD.set(self._new)

    def __exit__(self, *details: object) -> None:
        _HELD.reset(self._token)
