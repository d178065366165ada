"""The only source of now. Times inside the flow are integer microseconds since 1970-01-01 UTC (`TimeUs`)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

TimeUs = int
"""Microseconds since 1970-01-01T00:00:00Z. An integer has no time zone to forget (docs/decisions/0001)."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400 * SECOND


class Clock(Protocol):
    """What a room is given when it needs to know the time."""

    def now(self) -> TimeUs:
        """The wall clock, UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean something."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> TimeUs:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that a test moves by hand; wall and monotonic time move together."""

    def __init__(self, start: TimeUs = 1_767_600_000 * SECOND) -> None:
        self._now = start
        self._start = start

    def now(self) -> TimeUs:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start) / SECOND

    def advance(self, seconds: float) -> None:
        """Move forward by so many seconds."""
        self._now += round(seconds * SECOND)


def to_datetime(time_us: TimeUs) -> datetime:
    """The aware UTC datetime of a `TimeUs`."""
    return EPOCH + timedelta(microseconds=time_us)


def from_datetime(moment: datetime) -> TimeUs:
    """The `TimeUs` of an aware datetime.

    Raises:
        ValueError: the datetime is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone cannot be placed in time")
    return (moment - EPOCH) // _MICROSECOND


def to_iso(time_us: TimeUs) -> str:
    """ISO 8601 in UTC with microseconds and a trailing Z.

    Raises:
        OverflowError: no time between the years 1 and 9999.
    """
    # Answers of history have hundreds of times of the same few days: a third of what a datetime would take.
    day, of_day = divmod(time_us, _DAY)
    seconds, micros = divmod(of_day, SECOND)
    minutes, second = divmod(seconds, 60)
    return f"{_date(day)}T{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{micros:06d}Z"


@lru_cache(maxsize=1_024)
def _date(day: int) -> str:
    return (EPOCH + timedelta(days=day)).date().isoformat()


def from_iso(text: str) -> TimeUs:
    """The `TimeUs` of an ISO 8601 text with a zone.

    Raises:
        ValueError: not ISO 8601, or no zone given.
    """
    return from_datetime(datetime.fromisoformat(text))
