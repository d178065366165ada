"""Partitions of the PostgreSQL history table: a day each, made before rows need them.

Rows far in the past (a device whose clock says 1970) share wider ones, so that no device can make thousands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, timedelta

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
        self._days: frozenset[int] = frozenset()  # day numbers known to be covered

    def load(self, connection: Connection) -> None:
        """Read what exists."""
        rows = connection.execute(text("SELECT lower, upper FROM history_partitions ORDER BY lower")).all()
        self._ranges = [(row.lower, row.upper) for row in rows]

    def missing(self, times: Iterable[TimeUs]) -> frozenset[int]:
        """Day numbers that these source times, today and tomorrow need and that are not known to be covered."""
        today = self._clock.now() // _DAY_US
        return frozenset({time // _DAY_US for time in times} | set(range(today, today + _AHEAD_DAYS))) - self._days

    def forget(self) -> None:
        """Somebody dropped a partition: look again before the next row."""
        self._days = frozenset()

    def covered(self, days: frozenset[int]) -> None:
        """The transaction that made them is committed."""
        self._days |= days

    def cover(self, connection: Connection, days: frozenset[int]) -> None:
        """Make the partitions that these days need; the caller's transaction holds them, then calls `covered`."""
        # Another server on the same database may have made some of them meanwhile.
        connection.execute(text("SELECT pg_advisory_xact_lock(7366921555)"))
        self.load(connection)
        recent = to_datetime(self._clock.now()).date() - timedelta(days=RECENT_DAYS)
        for number in sorted(days):
            day = to_datetime(number * _DAY_US).date()
            if not self._covered(day):
                lower, upper = self._span(day, recent)
                self._make(connection, lower, upper)

    def drop_before(self, connection: Connection, limit: TimeUs) -> int:
        """Drop the partitions that end before a time; how many rows they had."""
        connection.execute(text("SELECT pg_advisory_xact_lock(7366921555)"))
        last = to_datetime(limit).date()
        query = text("SELECT name, upper FROM history_partitions WHERE upper <= :last ORDER BY lower")
        gone = 0
        for name, _ in connection.execute(query, {"last": last}).all():
            gone += int(connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0)  # noqa: S608 - names of our own
            connection.execute(text(f"DROP TABLE {name}"))
            connection.execute(text("DELETE FROM history_partitions WHERE name = :name"), {"name": name})
        self.forget()
        return gone

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
