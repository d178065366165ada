"""Where the simulator gets its time from: the only module that asks the system for now."""

from __future__ import annotations

import time
from typing import Protocol

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """Tells the present moment."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC; never runs backwards."""
        ...


class SystemClock:
    """UTC taken once at the start and carried on by the monotonic clock, so a step of the host's clock is not seen."""

    def __init__(self) -> None:
        self._start_us = time.time_ns() // 1000
        self._start_ns = time.monotonic_ns()

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self._start_us + (time.monotonic_ns() - self._start_ns) // 1000


class ManualClock:
    """A clock that stands still until it is moved by hand."""

    def __init__(self, now_us: int) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, as last set."""
        return self._now_us

    def advance(self, seconds: float) -> int:
        """Moves the clock forward by `seconds` and returns the new moment; a negative step is a ValueError."""
        if seconds < 0:
            raise ValueError(f"a clock moves forward only, not by {seconds} s")
        self._now_us += round(seconds * MICROSECONDS)
        return self._now_us
