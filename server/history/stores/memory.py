"""History in memory, for tests of other rooms: same answers, nothing kept."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from server.core import status
from server.core.clock import TimeUs
from server.core.errors import LocalError, RemoteError
from server.core.status import StatusCode
from server.history.reading import raw_page
from server.history.store import (
    Annotation,
    Bucket,
    Change,
    Expired,
    HistoryRow,
    ModifiedPage,
    ModifiedValue,
    Page,
    StoredValue,
    Upkeep,
)
from server.history.tiers import Ages, horizon
from server.history.values import from_columns, in_time, storable, to_columns


def _bucket(time: TimeUs, of: Sequence[float], rows: int) -> Bucket:
    if not of:
        return Bucket(time, 0, math.nan, math.nan, math.nan, rows)
    return Bucket(time, len(of), sum(of) / len(of), min(of), max(of), rows)


class MemoryStore:
    """A `HistoryStore`; with `away` set it answers like a database that is."""

    def __init__(self) -> None:
        self.away = False
        self._lock = threading.Lock()
        self._series: dict[tuple[str, str], dict[TimeUs, StoredValue]] = {}
        self._times: dict[tuple[str, str], list[TimeUs]] = {}
        self._modified: dict[tuple[str, str], list[ModifiedValue]] = {}
        self._entries = 0
        self._annotations: dict[tuple[str, str], dict[tuple[TimeUs, TimeUs, str], Annotation]] = {}

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
                value = from_columns(*to_columns(row.value))
                stored = StoredValue(row.source_time, row.server_time, value, row.status)
                if row.source_time not in values:
                    values[row.source_time] = stored
                    self._times.pop(key, None)
                    new += 1
                else:
                    self._conflict(key, stored, values[row.source_time])
        return new

    def _conflict(self, key: tuple[str, str], later: StoredValue, first: StoredValue) -> None:
        def same(one: StoredValue, other: StoredValue) -> bool:
            return (type(one.value), one.value, one.status) == (type(other.value), other.value, other.status)

        kept = self._modified.setdefault(key, [])
        if not same(later, first) and not any(
            same(later, each.value) and each.value.source_time == later.source_time for each in kept
        ):
            self._keep(key, later, Change.INSERT, "", later.server_time)

    def _keep(self, key: tuple[str, str], value: StoredValue, how: Change, user: str, now: TimeUs) -> None:
        self._entries += 1
        self._modified.setdefault(key, []).append(ModifiedValue(value, now, how, user, self._entries))

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

        with self._lock:
            return raw_page(partial(self._fetch, key), start, end, limit, bounds=bounds, resume=resume)

    def _fetch(
        self, key: tuple[str, str], low: TimeUs | None, high: TimeUs | None, limit: int, *, newest_first: bool
    ) -> list[StoredValue]:
        values = self._series.get(key, {})
        times = self._times.setdefault(key, sorted(values))
        first = 0 if low is None else bisect_left(times, low)
        after = len(times) if high is None else bisect_right(times, high)
        chosen = times[max(first, after - limit) : after][::-1] if newest_first else times[first:after][:limit]
        return [values[time] for time in chosen]

    def fetch(
        self,
        device_id: str,
        parameter: str,
        low: TimeUs | None,
        high: TimeUs | None,
        limit: int,
        *,
        newest_first: bool = False,
    ) -> list[StoredValue]:
        self._check()
        with self._lock:
            return self._fetch((device_id, parameter), low, high, limit, newest_first=newest_first)

    def latest(self, device_id: str, parameter: str) -> StoredValue | None:
        self._check()
        with self._lock:
            values = self._series.get((device_id, parameter))
            return values[max(values)] if values else None

    def buckets(
        self, places: Sequence[tuple[str, str]], start: TimeUs, end: TimeUs, width: int, *, every: bool = False
    ) -> dict[tuple[str, str], list[Bucket]]:
        self._check()
        if width < 1:
            raise ValueError("an interval has at least a microsecond")
        found: dict[tuple[str, str], list[Bucket]] = {}
        for place in places:
            numbers: dict[TimeUs, list[float]] = {}
            rows: Counter[TimeUs] = Counter()
            for time, value in sorted(self._series.get(place, {}).items()):
                number = to_columns(value.value)[0]
                if start <= time < end:
                    rows[time - (time - start) % width] += 1
                if start <= time < end and status.is_good(value.status) and number is not None:
                    numbers.setdefault(time - (time - start) % width, []).append(number)
            buckets = [_bucket(time, numbers.get(time, []), count) for time, count in rows.items()]
            if wanted := [each for each in buckets if each.count or every]:
                found[place] = wanted
        return found

    # -- changes

    def change(
        self, device_id: str, parameter: str, values: Sequence[StoredValue], how: Change, user: str, now: TimeUs
    ) -> list[StatusCode]:
        self._check()
        key = device_id, parameter
        codes: list[StatusCode] = []
        with self._lock:
            current = self._series.setdefault(key, {})
            for value in values:
                before = current.get(value.source_time)
                if not in_time(value.source_time):
                    codes.append(status.BAD_OUT_OF_RANGE)
                elif before is None and how is Change.REPLACE:
                    codes.append(status.BAD_NO_ENTRY_EXISTS)
                elif before is not None and how is Change.INSERT:
                    codes.append(status.BAD_ENTRY_EXISTS)
                else:
                    if before is not None:
                        self._keep(key, before, how, user, now)
                    held, code = storable(value.value, value.status)
                    current[value.source_time] = replace(value, value=from_columns(*to_columns(held)), status=code)
                    codes.append(status.GOOD_ENTRY_INSERTED if before is None else status.GOOD_ENTRY_REPLACED)
            self._times.pop(key, None)
        return codes

    def delete(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, user: str, now: TimeUs) -> int:
        times = [value.source_time for value in self._between(device_id, parameter, start, end)]
        return sum(self.delete_times(device_id, parameter, times, user, now))

    def _between(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs) -> list[StoredValue]:
        self._check()
        return [
            value
            for time, value in sorted(self._series.get((device_id, parameter), {}).items())
            if time == start or start < time < end or end < time < start
        ]

    def delete_times(
        self, device_id: str, parameter: str, times: Sequence[TimeUs], user: str, now: TimeUs
    ) -> list[bool]:
        self._check()
        key = device_id, parameter
        found: list[bool] = []
        with self._lock:
            for time in times:
                value = self._series.get(key, {}).pop(time, None)
                if value is not None:
                    self._keep(key, value, Change.DELETE, user, now)
                found.append(value is not None)
            self._times.pop(key, None)
        return found

    def read_modified(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        resume: tuple[TimeUs, int] | None = None,
    ) -> ModifiedPage:
        self._check()
        if (start is None and end is None) or limit < 1:
            raise ValueError("a read needs a start or an end, and a page holds at least one value")
        backward = start is None or (end is not None and start > end)
        first, last = (end, None) if start is None else (start, end)
        sign = -1 if backward else 1
        found = [
            each
            for each in self._modified.get((device_id, parameter), [])
            if first is not None
            and sign * each.value.source_time >= sign * first
            and (last is None or sign * each.value.source_time < sign * last or each.value.source_time == first == last)
        ]
        found.sort(key=lambda each: (sign * each.value.source_time, -each.entry))
        if resume is not None:
            place = sign * resume[0], -resume[1]
            found = [each for each in found if (sign * each.value.source_time, -each.entry) >= place]
        more = (found[limit].value.source_time, found[limit].entry) if len(found) > limit else None
        return ModifiedPage(tuple(found[:limit]), more)

    def delete_modified(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs) -> int:
        self._check()
        with self._lock:
            kept = self._modified.get((device_id, parameter), [])
            left = [
                each
                for each in kept
                if not (
                    each.value.source_time == start
                    or start < each.value.source_time < end
                    or end < each.value.source_time < start
                )
            ]
            self._modified[device_id, parameter] = left
            return len(kept) - len(left)

    def keep_modified(self, device_id: str, parameter: str, values: Sequence[ModifiedValue]) -> int:
        self._check()
        with self._lock:
            key = device_id, parameter
            known = {(each.value, each.modified_at, each.how, each.user) for each in self._modified.get(key, [])}
            new = [each for each in values if (each.value, each.modified_at, each.how, each.user) not in known]
            for each in new:
                self._keep(key, each.value, each.how, each.user, each.modified_at)
            return len(new)

    def series(self) -> list[tuple[str, str]]:
        self._check()
        return sorted(self._series)

    def annotations(
        self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, limit: int, *, after: int = 0
    ) -> list[Annotation]:
        self._check()
        found = self._annotations.get((device_id, parameter), {}).values()
        inside = [each for each in found if start <= each.time < end]
        return sorted(inside, key=lambda each: (each.time, each.annotated_at, each.user))[after : after + limit]

    def annotate(
        self, device_id: str, parameter: str, annotations: Sequence[Annotation], how: Change
    ) -> list[StatusCode]:
        self._check()
        codes: list[StatusCode] = []
        with self._lock:
            known = self._annotations.setdefault((device_id, parameter), {})
            for each in annotations:
                place = each.time, each.annotated_at, each.user
                if not in_time(each.time) or not in_time(each.annotated_at):
                    codes.append(status.BAD_OUT_OF_RANGE)
                elif how is Change.DELETE:
                    codes.append(status.GOOD if known.pop(place, None) else status.BAD_NO_ENTRY_EXISTS)
                elif place in known and how is Change.INSERT:
                    codes.append(status.BAD_ENTRY_EXISTS)
                elif place not in known and how is Change.REPLACE:
                    codes.append(status.BAD_NO_ENTRY_EXISTS)
                else:
                    codes.append(status.GOOD_ENTRY_REPLACED if place in known else status.GOOD_ENTRY_INSERTED)
                    known[place] = each
        return codes

    def maintain(self, now: TimeUs) -> Upkeep:
        """There is nothing to keep in order."""
        self._check()
        return Upkeep(0, 0, more=False)

    def expire(self, now: TimeUs, ages_of: Callable[[str], Ages]) -> Expired:
        self._check()
        gone = 0
        with self._lock:
            for (device_id, parameter), values in self._series.items():
                age = ages_of(device_id).raw
                old = [] if age is None else [time for time in values if time < horizon(now, age)]
                for time in old:
                    del values[time]
                gone += len(old)
                if old:
                    self._times.pop((device_id, parameter), None)
        return Expired(gone, 0)

    def begins(self, device_id: str, parameter: str) -> TimeUs | None:
        self._check()
        return None

    def oldest(self) -> TimeUs | None:
        self._check()
        with self._lock:
            return min((time for values in self._series.values() for time in values), default=None)

    def close(self) -> None:
        """Nothing to release."""
