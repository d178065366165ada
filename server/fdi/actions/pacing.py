"""Keeps METHODs from the rest of the server: one slice at a time, and a pause after each that fits what it took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
SHARE = 0.2
"""The part of the event loop's time that all METHODs together may take."""


class Pacer:
    """Shared by all running METHODs; they take turns in the order they ask."""

    def __init__(
        self,
        *,
        share: float = SHARE,
        timer: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pause_factor = 1.0 / share - 1.0
        self._timer = timer
        self._sleep = sleep
        self._free_at = 0.0
        self._turn = asyncio.Lock()

    async def turn(self, work: Callable[[], T]) -> tuple[T, float]:
        """Do the work when it is its turn; its result and the seconds it took. Always lets others run before."""
        async with self._turn:
            await self._sleep(max(0.0, self._free_at - self._timer()))
            begin = self._timer()
            result = work()
            took = self._timer() - begin
            self.charge(took)
            return result, took

    def charge(self, took: float) -> None:
        """Count work of so many seconds that was done for METHODs outside of a turn."""
        self._free_at = max(self._free_at, self._timer()) + took * self._pause_factor
