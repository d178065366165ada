"""Partitions of the PostgreSQL history table: a day each, made before rows need them.

Rows far in the past (a device whose clock says 1970) share wider ones, so that no device can make thousands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, timedelta

from sqlalchemy import Connection, text

from server.core.clock import Clock, TimeUs, to_datetime

_DAY_US = 86_400_000_000
RECENT_DAYS = 400
"""Days this far back get a partition each; older ones share a year, or what of it is still free."""
_AHEAD_DAYS = 2
_CENTURY_START = date(2000, 1, 1)  # everything before lies in one partition
_CENTURY_END = date(2100, 1, 1)  # and everything from here on in another


class Partitions:
    """Which days are covered; adds what is missing. Not thread-safe: the store's write lock holds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ranges: list[tuple[date, date]] = []  # half-open, disjoint, sorted
        self._days: set[int] = set()  # day numbers known to be covered

    def load(self, connection: Connection) -> None:
        """Read what exists."""
        rows = connection.execute(text("SELECT lower, upper FROM history_partitions ORDER BY lower")).all()
        self._ranges = [(row.lower, row.upper) for row in rows]
        self._days = set()

    def cover(self, connection: Connection, times: Iterable[TimeUs]) -> None:
        """Make the partitions that these source times, today and tomorrow need; the caller's transaction holds them."""
        today = self._clock.now() // _DAY_US
        wanted = {time // _DAY_US for time in times} | set(range(today, today + _AHEAD_DAYS))
        missing = wanted - self._days
        if not missing:
            return
        # Another server on the same database may have made some of them meanwhile.
        connection.execute(text("SELECT pg_advisory_xact_lock(7366921555)"))
        self.load(connection)
        recent = to_datetime(today * _DAY_US).astimezone(UTC).date() - timedelta(days=RECENT_DAYS)
        for number in sorted(wanted):
            day = to_datetime(number * _DAY_US).date()
            if not self._covered(day):
                lower, upper = self._span(day, recent)
                self._make(connection, lower, upper)
        self._days = wanted

    def _covered(self, day: date) -> bool:
        at = bisect_right(self._ranges, (day, date.max)) - 1
        return at >= 0 and self._ranges[at][0] <= day < self._ranges[at][1]

    def _span(self, day: date, recent: date) -> tuple[date, date]:
        if day < _CENTURY_START:
            return date.min, _CENTURY_START
        if day >= _CENTURY_END:
            return _CENTURY_END, date.max
        if day >= recent:
            return day, day + timedelta(days=1)
        # The free part of its year around that day.
        lower, upper = date(day.year, 1, 1), date(day.year + 1, 1, 1)
        for start, end in self._ranges:
            if end <= day:
                lower = max(lower, end)
            elif start > day:
                upper = min(upper, start)
        return lower, min(upper, recent)

    def _make(self, connection: Connection, lower: date, upper: date) -> None:
        name = f"history_points_{lower:%Y%m%d}_{upper:%Y%m%d}"
        low = "MINVALUE" if lower == date.min else f"'{lower.isoformat()} 00:00:00+00'"
        high = "MAXVALUE" if upper == date.max else f"'{upper.isoformat()} 00:00:00+00'"
        connection.execute(text(f"CREATE TABLE {name} PARTITION OF history_points FOR VALUES FROM ({low}) TO ({high})"))
        connection.execute(
            text("INSERT INTO history_partitions (name, lower, upper) VALUES (:name, :lower, :upper)"),
            {"name": name, "lower": lower, "upper": upper},
        )
        self._ranges.append((lower, upper))
        self._ranges.sort()
