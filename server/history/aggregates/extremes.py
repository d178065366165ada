"""Least and greatest values, without bounds and with simple ones (OPC 10000-13, 5.4.3.10 to 5.4.3.19)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.core.clock import TimeUs
from server.core.values import Scalar
from server.history.aggregates.bounds import simple
from server.history.aggregates.intervals import Interval
from server.history.aggregates.quality import between, by_time
from server.history.aggregates.results import (
    BAD,
    BAD_NO_DATA,
    CALCULATED,
    GOOD,
    MULTI_VALUE,
    RAW,
    UNCERTAIN,
    UNCERTAIN_DATA_SUB_NORMAL,
    Processed,
    severity_of,
    with_bits,
)
from server.history.aggregates.samples import Samples


@dataclass(frozen=True, slots=True)
class _Extreme:
    """What was found; `time` is its own."""

    value: Scalar | None
    number: float
    time: TimeUs
    bits: int  # RAW or INTERPOLATED
    several: bool
    code: int


def minimum(samples: Samples, interval: Interval) -> Processed:
    """The least Good value, at the start of the interval."""
    return _at_start(samples, interval, _plain(samples, interval, -1))


def maximum(samples: Samples, interval: Interval) -> Processed:
    """The greatest Good value, at the start of the interval."""
    return _at_start(samples, interval, _plain(samples, interval, 1))


def minimum_actual_time(samples: Samples, interval: Interval) -> Processed:
    """The least Good value at its own time, the oldest of several."""
    return _at_time(samples, interval, _plain(samples, interval, -1))


def maximum_actual_time(samples: Samples, interval: Interval) -> Processed:
    """The greatest Good value at its own time, the oldest of several."""
    return _at_time(samples, interval, _plain(samples, interval, 1))


def value_range(samples: Samples, interval: Interval) -> Processed:
    """Greatest minus least Good value."""
    return _difference(samples, interval, _plain(samples, interval, -1), _plain(samples, interval, 1))


def minimum2(samples: Samples, interval: Interval) -> Processed:
    """The least usable value with simple bounds, at the start of the interval."""
    return _at_start(samples, interval, _bounded(samples, interval, -1))


def maximum2(samples: Samples, interval: Interval) -> Processed:
    """The greatest usable value with simple bounds, at the start of the interval."""
    return _at_start(samples, interval, _bounded(samples, interval, 1))


def minimum_actual_time2(samples: Samples, interval: Interval) -> Processed:
    """The least usable value with simple bounds at its own time."""
    return _at_time(samples, interval, _bounded(samples, interval, -1))


def maximum_actual_time2(samples: Samples, interval: Interval) -> Processed:
    """The greatest usable value with simple bounds at its own time."""
    return _at_time(samples, interval, _bounded(samples, interval, 1))


def range2(samples: Samples, interval: Interval) -> Processed:
    """Greatest minus least usable value with simple bounds."""
    return _difference(samples, interval, _bounded(samples, interval, -1), _bounded(samples, interval, 1))


def _plain(samples: Samples, interval: Interval, sign: int) -> _Extreme | None:
    """Of Good raw values; Uncertain when a Bad one is there, or an Uncertain one is further out."""
    places = interval.places(samples)
    numbers, severity = samples.numbers[places] * sign, samples.severity[places]
    good = np.flatnonzero((severity == GOOD) & ~np.isnan(numbers))
    if not len(good):
        return None
    best = good[int(np.argmax(numbers[good]))]
    further = numbers[(severity == UNCERTAIN) & ~np.isnan(numbers)]
    doubtful = bool(np.any(severity == BAD)) or bool(np.any(further > numbers[best]))
    place = places.start + int(best)
    return _Extreme(
        samples.value(place),
        float(samples.numbers[place]),
        int(samples.times[place]),
        RAW,
        int(np.count_nonzero(numbers[good] == numbers[best])) > 1,
        UNCERTAIN_DATA_SUB_NORMAL if doubtful else 0,
    )


def _bounded(samples: Samples, interval: Interval, sign: int) -> _Extreme | None:
    """Of usable values and the start bound; of the end bound only where a sloped line reaches its extreme there."""
    if interval.is_outside(samples):
        return None
    stepped = samples.configuration.stepped
    first, last = simple(samples, interval.start), simple(samples, interval.end)
    low, high = (last, first) if interval.backward else (first, last)
    code = by_time(samples.configuration, between(samples, interval, low, high), stepped=stepped)
    inside = interval.inside(samples)
    found = [
        _Extreme(samples.value(place), float(samples.numbers[place]), int(samples.times[place]), RAW, False, code)
        for place in _outermost(samples, inside, sign)
    ]
    if first.usable and not np.isnan(first.number):
        found.append(_Extreme(first.value, first.number, interval.start, first.bits, False, code))
    if not found:
        return None
    most = max(each.number * sign for each in found)
    same = [each for each in found if each.number * sign == most]
    best = min(same, key=lambda each: each.time)
    if not stepped and last.usable and last.number * sign > most:
        return _Extreme(last.value, last.number, interval.effective_end, last.bits, False, code)
    return _Extreme(best.value, best.number, best.time, best.bits, len(same) > 1, code)


def _outermost(samples: Samples, inside: slice, sign: int) -> list[int]:
    """Places of the outermost usable values in a slice: two at most tell that there are several."""
    numbers = samples.numbers[inside] * sign
    usable = np.flatnonzero(samples.usable[inside] & ~np.isnan(numbers))
    if not len(usable):
        return []
    same = usable[numbers[usable] == numbers[usable].max()]
    return [inside.start + int(place) for place in same[:2]]


def _at_start(samples: Samples, interval: Interval, found: _Extreme | None) -> Processed:
    if found is None or severity_of(found.code) == BAD:
        return _nothing(samples, interval, found)
    # At the start it is what stands there, and elsewhere it is a calculation that moved it.
    bits = found.bits if found.time == interval.start and not found.code else CALCULATED
    return Processed(interval.start, found.value, _status(samples, interval, found, bits))


def _at_time(samples: Samples, interval: Interval, found: _Extreme | None) -> Processed:
    if found is None or severity_of(found.code) == BAD:
        return _nothing(samples, interval, found)
    bits = CALCULATED if found.code and found.bits == RAW else found.bits
    return Processed(found.time, found.value, _status(samples, interval, found, bits))


def _difference(samples: Samples, interval: Interval, least: _Extreme | None, most: _Extreme | None) -> Processed:
    if least is None or most is None or severity_of(least.code) == BAD:
        return _nothing(samples, interval, least)
    code = max(least.code, most.code)
    status = with_bits(code, CALCULATED | interval.partial(samples))
    whole = isinstance(least.value, int) and isinstance(most.value, int)
    value: Scalar = int(most.value) - int(least.value) if whole else most.number - least.number  # type: ignore[arg-type]
    return Processed(interval.start, value, status)


def _status(samples: Samples, interval: Interval, found: _Extreme, bits: int) -> int:
    return with_bits(found.code, bits | (MULTI_VALUE if found.several else 0) | interval.partial(samples))


def _nothing(samples: Samples, interval: Interval, found: _Extreme | None) -> Processed:
    if found is None:
        return Processed(interval.start, None, BAD_NO_DATA)
    return Processed(interval.start, None, with_bits(found.code, CALCULATED | interval.partial(samples)))
