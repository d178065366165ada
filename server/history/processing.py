"""Aggregates and values at given times of what a store holds: it fetches no more than they need. Blocks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import islice

from server.core import status
from server.core.clock import TimeUs
from server.core.errors import RemoteError
from server.history.aggregates.bounds import interpolated, simple
from server.history.aggregates.catalogue import ANNOTATION_COUNT, Aggregate
from server.history.aggregates.intervals import Interval, intervals
from server.history.aggregates.pushed import PUSHED, pushed
from server.history.aggregates.registry import calculated
from server.history.aggregates.results import (
    CALCULATED,
    GOOD,
    Configuration,
    Processed,
    ProcessedPage,
    severity_of,
    with_bits,
)
from server.history.aggregates.samples import Samples
from server.history.store import HistoryStore, StoredValue
from server.history.tiers import MINUTE

MOST_SAMPLES = 1_000_000
"""Raw values in memory at once; an interval of more cannot be calculated."""
SEARCHED = 10_000
"""How many values before or after a range are looked at to find usable ones (OPC 10000-13, 3.1.8: server dependent)."""
_FIRST_LOOK = 16
ANNOTATIONS_AT_ONCE = 10_000
"""Annotations in memory at once; any number is counted."""


class TooManyValuesError(RemoteError):
    """One interval holds more raw values than fit into memory."""

    status = status.BAD_RESOURCE_UNAVAILABLE


def process(
    store: HistoryStore,
    place: tuple[str, str],
    aggregate: Aggregate,
    start: TimeUs,
    end: TimeUs,
    width: int,
    configuration: Configuration,
    limit: int,
) -> ProcessedPage:
    """At most `limit` values of a processed read; arguments as `aggregates.registry.processed`.

    Raises:
        TooManyValuesError: an interval of more than a million values.
        RemoteError: the database is away.
    """
    wanted = list(islice(intervals(start, end, width), limit + 1))
    more = wanted[limit].start if len(wanted) > limit else None
    if aggregate == ANNOTATION_COUNT:
        return ProcessedPage(tuple(_annotation_counts(store, place, wanted[:limit])), more)
    some = wanted[:limit]
    if aggregate.name in PUSHED and start < end and (width or end - start) >= MINUTE:
        found = _from_figures(store, place, aggregate, some, width or end - start, configuration)
    else:
        found = _from_values(store, place, aggregate, some, configuration)
    return ProcessedPage(tuple(found), more)


def _from_values(
    store: HistoryStore,
    place: tuple[str, str],
    aggregate: Aggregate,
    wanted: Sequence[Interval],
    configuration: Configuration,
) -> list[Processed]:
    found: list[Processed] = []
    _some(store, place, aggregate, wanted, configuration, found)
    return found


def _from_figures(
    store: HistoryStore,
    place: tuple[str, str],
    aggregate: Aggregate,
    wanted: Sequence[Interval],
    width: int,
    configuration: Configuration,
) -> list[Processed]:
    """Intervals of Good numbers alone from the figures of the store, the others from their values."""
    if not wanted:
        return []
    low, high = wanted[0].low, wanted[-1].high
    buckets = store.buckets([place], low, high, width, every=True).get(place, [])
    figures = {bucket.time: bucket for bucket in buckets}
    span = Samples(_span(store, place, low, high), configuration)
    found: list[Processed] = []
    rest: list[Interval] = []
    ends_good = False  # whether the last value so far is known to be Good
    for interval in wanted:
        bucket = figures.get(interval.low)

        def starts_good(known: bool = ends_good, time: TimeUs = interval.low) -> bool:
            before = () if known else store.fetch(*place, None, time, 1, newest_first=True)
            return known or bool(before and severity_of(before[0].status) == GOOD)

        result = pushed(aggregate, interval, bucket, span, starts_good)
        if result is None:
            rest.append(interval)
        else:
            found += _from_values(store, place, aggregate, rest, configuration)
            rest = []
            found.append(result)
        if bucket is not None:
            ends_good = bucket.rows == bucket.count
    return found + _from_values(store, place, aggregate, rest, configuration)


def _span(store: HistoryStore, place: tuple[str, str], low: TimeUs, high: TimeUs) -> list[StoredValue]:
    """The values that tell where data begin and end: at most one before and after a range, its first and last one."""
    found = [
        *store.fetch(*place, None, low, 1, newest_first=True),
        *store.fetch(*place, low, high, 1),
        *store.fetch(*place, low, high, 1, newest_first=True),
        *store.fetch(*place, high, None, 1),
    ]
    by_time = {value.source_time: value for value in found}
    return [by_time[time] for time in sorted(by_time)]


def _some(
    store: HistoryStore,
    place: tuple[str, str],
    aggregate: Aggregate,
    wanted: Sequence[Interval],
    configuration: Configuration,
    found: list[Processed],
) -> None:
    if not wanted:
        return
    low, high = min(each.low for each in wanted), max(each.high for each in wanted)
    samples = around(store, place, low, high, configuration)
    if samples is not None:
        found += calculated(aggregate, samples, wanted)
        return
    if len(wanted) == 1:
        raise TooManyValuesError(f"one interval of {'/'.join(place)} has more than {MOST_SAMPLES} values")
    middle = len(wanted) // 2
    _some(store, place, aggregate, wanted[:middle], configuration, found)
    _some(store, place, aggregate, wanted[middle:], configuration, found)


def _annotation_counts(store: HistoryStore, place: tuple[str, str], wanted: Sequence[Interval]) -> list[Processed]:
    """How many annotations each interval has (OPC 10000-13, 5.4.3.20); none is 0, and every count is Good."""
    if not wanted:
        return []
    backward = wanted[0].backward
    rising = wanted[::-1] if backward else wanted
    lows = [each.low for each in rising]
    counts = [0] * len(rising)
    # The time an interval begins at in its direction belongs to it: forwards the earlier one, backwards the later one.
    first, last = (rising[0].low + 1, rising[-1].high + 1) if backward else (rising[0].low, rising[-1].high)
    after = 0
    while True:
        rows = store.annotations(*place, first, last, ANNOTATIONS_AT_ONCE, after=after)
        for each in rows:
            counts[(bisect_left if backward else bisect_right)(lows, each.time) - 1] += 1
        after += len(rows)
        if len(rows) < ANNOTATIONS_AT_ONCE:
            break
    code = with_bits(status.GOOD, CALCULATED)
    found = [Processed(each.start, count, code) for each, count in zip(rising, counts, strict=True)]
    return found[::-1] if backward else found


def around(
    store: HistoryStore, place: tuple[str, str], low: TimeUs, high: TimeUs, configuration: Configuration
) -> Samples | None:
    """The values between two times with what bounds need on either side; None when there are too many."""
    inside = store.fetch(*place, low, high, MOST_SAMPLES + 1)
    if len(inside) > MOST_SAMPLES:
        return None
    before = _look(store, place, low - 1, configuration, wanted=2, backward=True)
    after = _look(store, place, high + 1, configuration, wanted=1, backward=False)
    return Samples([*reversed(before), *inside, *after], configuration)


def _look(
    store: HistoryStore,
    place: tuple[str, str],
    start: TimeUs,
    configuration: Configuration,
    *,
    wanted: int,
    backward: bool,
) -> list[StoredValue]:
    """Values from a time on, until so many usable ones are among them: two before, to extrapolate along a line."""
    best = 1 if configuration.treat_uncertain_as_bad else 2
    found: list[StoredValue] = []
    size, usable = _FIRST_LOOK, 0
    while usable < wanted and len(found) < SEARCHED:
        low, high = (None, start) if backward else (start, None)
        part = store.fetch(*place, low, high, size, newest_first=backward)
        for value in part:
            found.append(value)
            usable += severity_of(value.status) < best
            if usable == wanted:
                return found
        if len(part) < size:
            return found
        start = found[-1].source_time + (-1 if backward else 1)
        size *= 4
    return found


def at_times(
    store: HistoryStore,
    place: tuple[str, str],
    times: Sequence[TimeUs],
    configuration: Configuration,
    *,
    simple_bounds: bool = False,
) -> list[Processed]:
    """The value at each time: what stands there, else a bounding value (OPC 10000-11, 6.5.5).

    Raises:
        TooManyValuesError: more than a million values are not usable around these times.
    """
    found: list[Processed] = []
    looked_at = 0
    for time in times:
        before = _look(store, place, time, configuration, wanted=2, backward=True)
        after = _look(store, place, time + 1, configuration, wanted=1, backward=False)
        looked_at += len(before) + len(after)
        if looked_at > MOST_SAMPLES:
            raise TooManyValuesError(f"{len(times)} times of {'/'.join(place)} have too few usable values around them")
        samples = Samples([*reversed(before), *after], configuration)
        bound = (simple if simple_bounds else interpolated)(samples, time)
        found.append(Processed(time, bound.value, with_bits(bound.code, bound.bits)))
    return found
