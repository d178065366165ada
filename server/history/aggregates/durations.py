"""How long a Variable was Good, Bad, zero or not, and how bad it was (OPC 10000-13, 5.4.3.22, 23 and 31 to 36)."""

from __future__ import annotations

import numpy as np

from server.core.clock import SECOND
from server.history.aggregates.bounds import simple
from server.history.aggregates.intervals import Interval
from server.history.aggregates.quality import between, by_time
from server.history.aggregates.results import (
    BAD,
    BAD_NO_DATA,
    CALCULATED,
    GOOD,
    MULTI_VALUE,
    Processed,
    severity_of,
    with_bits,
)
from server.history.aggregates.samples import Samples

_MS = SECOND / 1000


def duration_good(samples: Samples, interval: Interval) -> Processed:
    """Milliseconds of regions that begin with a Good value."""
    return _span(samples, interval, GOOD, percent=False)


def duration_bad(samples: Samples, interval: Interval) -> Processed:
    """Milliseconds of regions that begin with a Bad value, or with none."""
    return _span(samples, interval, BAD, percent=False)


def percent_good(samples: Samples, interval: Interval) -> Processed:
    """DurationGood in percent of the interval."""
    return _span(samples, interval, GOOD, percent=True)


def percent_bad(samples: Samples, interval: Interval) -> Processed:
    """DurationBad in percent of the interval."""
    return _span(samples, interval, BAD, percent=True)


def _span(samples: Samples, interval: Interval, severity: int, *, percent: bool) -> Processed:
    if interval.is_outside(samples):
        return Processed(interval.start, None, BAD_NO_DATA)
    inside = interval.inside(samples)
    # The first region is what the last value at or before it says; without one it is Bad.
    before = samples.count_until(interval.low) - 1
    first = int(samples.severity[before]) if before >= 0 else BAD
    qualities = np.concatenate(([first], samples.severity[inside]))
    widths = np.diff(np.concatenate(([interval.low], samples.times[inside], [interval.high])))
    span = int(widths[qualities == severity].sum())
    value = 100.0 * span / interval.width if percent else span / _MS
    return Processed(interval.start, value, with_bits(0, CALCULATED | interval.partial(samples)))


def duration_in_state_zero(samples: Samples, interval: Interval) -> Processed:
    """Milliseconds for which the value was zero."""
    return _in_state(samples, interval, zero=True)


def duration_in_state_non_zero(samples: Samples, interval: Interval) -> Processed:
    """Milliseconds for which the value was something else."""
    return _in_state(samples, interval, zero=False)


def _in_state(samples: Samples, interval: Interval, *, zero: bool) -> Processed:
    if interval.is_outside(samples):
        return Processed(interval.start, None, BAD_NO_DATA)
    found = between(samples, interval, simple(samples, interval.low), simple(samples, interval.high))
    numbers = found.numbers[:-1]
    known = found.usable[:-1] & ~np.isnan(numbers)
    if not known.any():
        return Processed(interval.start, None, BAD_NO_DATA)
    code = by_time(samples.configuration, found, stepped=True)
    status = with_bits(code, CALCULATED | interval.partial(samples))
    if severity_of(code) == BAD:
        return Processed(interval.start, None, status)
    span = int(found.widths[known & ((numbers == 0) == zero)].sum())
    return Processed(interval.start, span / _MS, status)


def worst_quality(samples: Samples, interval: Interval) -> Processed:
    """The worst StatusCode of the raw values, the first of several."""
    places = interval.places(samples)
    return _worst(samples, interval, [each.status for each in samples.raw[places]])


def worst_quality2(samples: Samples, interval: Interval) -> Processed:
    """The worst StatusCode of the simple start bound and the raw values."""
    if interval.is_outside(samples):
        return Processed(interval.start, None, BAD_NO_DATA)
    inside = interval.inside(samples)
    bound = simple(samples, interval.start)
    return _worst(samples, interval, [bound.code, *(each.status for each in samples.raw[inside])])


def _worst(samples: Samples, interval: Interval, codes: list[int]) -> Processed:
    if not codes:
        return Processed(interval.start, None, BAD_NO_DATA)
    worst = max(severity_of(code) for code in codes)
    found = [code for code in codes if severity_of(code) == worst]
    bits = CALCULATED | (MULTI_VALUE if len(found) > 1 else 0) | interval.partial(samples)
    return Processed(interval.start, found[0], with_bits(0, bits))
