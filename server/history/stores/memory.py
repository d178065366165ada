"""History in memory, for tests of other rooms: same answers, nothing kept."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from server.core.clock import TimeUs
from server.core.errors import LocalError, RemoteError
from server.history.reading import raw_page
from server.history.store import HistoryRow, Page, StoredValue
from server.history.values import from_columns, in_time, to_columns


class MemoryStore:
    """A `HistoryStore`; with `away` set it answers like a database that is."""

    def __init__(self) -> None:
        self.away = False
        self._lock = threading.Lock()
        self._series: dict[tuple[str, str], dict[TimeUs, StoredValue]] = {}
        self._times: dict[tuple[str, str], list[TimeUs]] = {}

    def open(self) -> None:
        """Nothing to open."""

    def _check(self) -> None:
        if self.away:
            raise RemoteError("the memory store was told to be away")

    def write(self, rows: Sequence[HistoryRow]) -> int:
        self._check()
        if any(not in_time(row.source_time) for row in rows):
            raise LocalError("a source time is outside years 1 to 9998")
        new = 0
        with self._lock:
            for row in rows:
                key = row.device_id, row.parameter
                values = self._series.setdefault(key, {})
                if row.source_time not in values:
                    value = from_columns(*to_columns(row.value))
                    values[row.source_time] = StoredValue(row.source_time, row.server_time, value, row.status)
                    self._times.pop(key, None)
                    new += 1
        return new

    def read_raw(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        bounds: bool = False,
        resume: TimeUs | None = None,
    ) -> Page:
        self._check()
        key = device_id, parameter

        def fetch(low: TimeUs | None, high: TimeUs | None, count: int, *, newest_first: bool) -> list[StoredValue]:
            values = self._series.get(key, {})
            times = self._times.setdefault(key, sorted(values))
            first = 0 if low is None else bisect_left(times, low)
            after = len(times) if high is None else bisect_right(times, high)
            chosen = times[max(first, after - count) : after][::-1] if newest_first else times[first:after][:count]
            return [values[time] for time in chosen]

        with self._lock:
            return raw_page(fetch, start, end, limit, bounds=bounds, resume=resume)

    def latest(self, device_id: str, parameter: str) -> StoredValue | None:
        self._check()
        with self._lock:
            values = self._series.get((device_id, parameter))
            return values[max(values)] if values else None

    def close(self) -> None:
        """Nothing to release."""
