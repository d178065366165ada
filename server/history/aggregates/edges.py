"""What stands at the ends of an interval: Start, End, Delta and their bounds (OPC 10000-13, 5.4.3.25 to 5.4.3.30)."""

from __future__ import annotations

import numpy as np

from server.core.values import Scalar
from server.history.aggregates.bounds import Bound, interpolated, simple
from server.history.aggregates.intervals import Interval
from server.history.aggregates.results import (
    BAD,
    BAD_NO_DATA,
    CALCULATED,
    GOOD,
    UNCERTAIN_DATA_SUB_NORMAL,
    Processed,
    with_bits,
)
from server.history.aggregates.samples import Samples


def interpolative(samples: Samples, interval: Interval) -> Processed:
    """The interpolated bounding value at the start of the interval (5.4.3.4)."""
    found = interpolated(samples, interval.start)
    return Processed(interval.start, found.value, with_bits(found.code, found.bits))


def start(samples: Samples, interval: Interval) -> Processed:
    """The earliest raw value with its own time and status."""
    return _raw(samples, interval, first=True)


def end(samples: Samples, interval: Interval) -> Processed:
    """The latest raw value with its own time and status."""
    return _raw(samples, interval, first=False)


def _raw(samples: Samples, interval: Interval, *, first: bool) -> Processed:
    places = interval.places(samples)
    if places.start == places.stop:
        return Processed(interval.start, None, BAD_NO_DATA)
    place = places.start if first else places.stop - 1
    status = with_bits(samples.raw[place].status, interval.partial(samples))
    return Processed(int(samples.times[place]), samples.value(place), status)


def delta(samples: Samples, interval: Interval) -> Processed:
    """The latest minus the earliest Good value; Uncertain when others stand before or behind these."""
    places = interval.places(samples)
    good = np.flatnonzero((samples.severity[places] == GOOD) & ~np.isnan(samples.numbers[places]))
    if not len(good):
        return Processed(interval.start, None, BAD_NO_DATA)
    skipped = int(good[0]) > 0 or int(good[-1]) < places.stop - places.start - 1
    first, last = (samples.raw[places.start + int(place)].value for place in (good[0], good[-1]))
    bits = CALCULATED | interval.partial(samples)
    return Processed(interval.start, _minus(last, first), with_bits(UNCERTAIN_DATA_SUB_NORMAL if skipped else 0, bits))


def start_bound(samples: Samples, interval: Interval) -> Processed:
    """The simple bounding value at the start of the interval."""
    found = _bound(samples, interval, interval.start)
    if found.severity == BAD:
        return Processed(interval.start, None, found.code)
    return Processed(interval.start, found.value, with_bits(found.code, found.bits | interval.partial(samples)))


def end_bound(samples: Samples, interval: Interval) -> Processed:
    """The simple bounding value at the end of the interval, told at its start."""
    found = _bound(samples, interval, interval.end)
    if found.severity == BAD:
        return Processed(interval.start, None, found.code)
    return Processed(interval.start, found.value, with_bits(found.code, CALCULATED | interval.partial(samples)))


def delta_bounds(samples: Samples, interval: Interval) -> Processed:
    """The bound at the end minus the one at the start."""
    first, last = _bound(samples, interval, interval.start), _bound(samples, interval, interval.end)
    if BAD in (first.severity, last.severity) or np.isnan(first.number) or np.isnan(last.number):
        return Processed(interval.start, None, BAD_NO_DATA)
    sure = first.severity == last.severity == GOOD
    status = with_bits(0 if sure else UNCERTAIN_DATA_SUB_NORMAL, CALCULATED | interval.partial(samples))
    return Processed(interval.start, _minus(last.value, first.value), status)


def _bound(samples: Samples, interval: Interval, time: int) -> Bound:
    if interval.is_outside(samples):
        return Bound(None, BAD_NO_DATA, usable=False)
    return simple(samples, time)


def _minus(last: Scalar | None, first: Scalar | None) -> Scalar | None:
    if isinstance(last, int) and isinstance(first, int):
        return int(last) - int(first)
    if isinstance(last, int | float) and isinstance(first, int | float):
        return float(last) - float(first)
    return None
