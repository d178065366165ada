"""What a raw read returns, page by page, over any store that can fetch an ordered range. Pure.

OPC 10000-11 v1.05 §4.4 has the table that the contract tests type in; §6.5.3 the rules.
"""

from __future__ import annotations

from typing import Protocol

from server.core import status
from server.core.clock import SECOND, TimeUs
from server.history.store import Page, StoredValue


class Fetch(Protocol):
    """One series, values with low <= source time <= high (None: open), in order, at most `limit`."""

    def __call__(
        self, low: TimeUs | None, high: TimeUs | None, limit: int, /, *, newest_first: bool
    ) -> list[StoredValue]: ...


def _missing(time: TimeUs) -> StoredValue:
    return StoredValue(time, time, None, status.BAD_BOUND_NOT_FOUND)


def raw_page(
    fetch: Fetch, start: TimeUs | None, end: TimeUs | None, limit: int, *, bounds: bool, resume: TimeUs | None
) -> Page:
    """One page of a raw read; arguments as `HistoryStore.read_raw`.

    Raises:
        ValueError: neither start nor end, or a limit below 1.
    """
    if limit < 1:
        raise ValueError("a page holds at least one value")
    if start is not None and (end is None or start <= end):
        return _forward(fetch, start, end, limit, bounds=bounds, resume=resume)
    if start is not None:
        return _backward(fetch, start, end, limit, bounds=bounds, resume=resume)
    if end is not None:
        return _backward(fetch, end, None, limit, bounds=bounds, resume=resume)
    raise ValueError("a raw read needs a start or an end")


def _page(values: list[StoredValue], limit: int) -> Page:
    if len(values) <= limit:
        return Page(tuple(values))
    return Page(tuple(values[:limit]), values[limit].source_time)


def _forward(
    fetch: Fetch, start: TimeUs, end: TimeUs | None, limit: int, *, bounds: bool, resume: TimeUs | None
) -> Page:
    values: list[StoredValue] = []
    low = start
    if resume is not None:
        low = resume
    elif bounds:
        values = fetch(None, start, 1, newest_first=True) or [_missing(start)]
        if values[0].source_time == start and values[0].status != status.BAD_BOUND_NOT_FOUND:
            low = start + 1
    high = None if end is None else max(end - 1, start)  # start = end: the value at that very time
    room = limit + 1 - len(values)
    if high is None or low <= high:
        values += fetch(low, high, room, newest_first=False)
    if bounds and len(values) <= limit:
        if end is None:
            at = values[-1].source_time if values else _last_time(fetch, start, newest_first=True)
            values.append(_missing(at + SECOND))
        else:
            after = end if end > start else end + 1
            values += fetch(after, None, 1, newest_first=False) or [_missing(after)]
    return _page(values, limit)


def _backward(
    fetch: Fetch, start: TimeUs, end: TimeUs | None, limit: int, *, bounds: bool, resume: TimeUs | None
) -> Page:
    values: list[StoredValue] = []
    high = start
    if resume is not None:
        high = resume
    elif bounds:
        values = fetch(start, None, 1, newest_first=False) or [_missing(start)]
        if values[0].source_time == start and values[0].status != status.BAD_BOUND_NOT_FOUND:
            high = start - 1
    low = None if end is None else end + 1
    room = limit + 1 - len(values)
    if low is None or low <= high:
        values += fetch(low, high, room, newest_first=True)
    if bounds and len(values) <= limit:
        if end is None:
            at = values[-1].source_time if values else _last_time(fetch, start, newest_first=False)
            values.append(_missing(at - SECOND))
        else:
            values += fetch(None, end, 1, newest_first=True) or [_missing(end)]
    return _page(values, limit)


def _last_time(fetch: Fetch, start: TimeUs, *, newest_first: bool) -> TimeUs:
    # A resumed read of which only the missing bound is left: it stands beyond the last value there is.
    found = fetch(None, None, 1, newest_first=newest_first)
    return found[0].source_time if found else start
