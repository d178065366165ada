"""Time weighted aggregates: TimeAverage, TimeAverage2, Total, Total2 (OPC 10000-13, 5.4.3.6 to 5.4.3.9)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from server.core.clock import SECOND
from server.history.aggregates.bounds import interpolated
from server.history.aggregates.intervals import Interval
from server.history.aggregates.quality import by_time, regions
from server.history.aggregates.results import (
    BAD_NO_DATA,
    CALCULATED,
    GOOD,
    UNCERTAIN_DATA_SUB_NORMAL,
    Processed,
    severity_of,
    with_bits,
)
from server.history.aggregates.samples import Samples


def time_average(samples: Samples, interval: Interval) -> Processed:
    """The area below sloped lines between interpolated bounds and usable values, by its width."""
    return _interpolated(samples, interval, total=False)


def total(samples: Samples, interval: Interval) -> Processed:
    """That area, in units of the value times seconds."""
    return _interpolated(samples, interval, total=True)


def time_average2(samples: Samples, interval: Interval) -> Processed:
    """The area below stepped or sloped lines of what is usable between simple bounds, by the time that it covers."""
    return _simple(samples, interval, total=False)


def total2(samples: Samples, interval: Interval) -> Processed:
    """That area, in units of the value times seconds."""
    return _simple(samples, interval, total=True)


def _interpolated(samples: Samples, interval: Interval, *, total: bool) -> Processed:
    first = interpolated(samples, interval.low, stepped=False)
    last = interpolated(samples, interval.high, stepped=False)
    inside = interval.inside(samples)
    usable = samples.usable[inside] & ~np.isnan(samples.numbers[inside])
    times, numbers = samples.times[inside][usable], samples.numbers[inside][usable]
    # Without a start bound what there is counts: the part of the interval from the first value on.
    if first.usable and not math.isnan(first.number):
        times, numbers = np.insert(times, 0, interval.low), np.insert(numbers, 0, first.number)
    if last.usable and not math.isnan(last.number):
        times, numbers = np.append(times, interval.high), np.append(numbers, last.number)
    if len(times) < 2:
        return Processed(interval.start, None, BAD_NO_DATA)
    widths = np.diff(times)
    whole = int(widths.sum())
    # Shares of the whole: a mean of large numbers is no larger than they are.
    mean = _sum((numbers[:-1] / 2 + numbers[1:] / 2) * (widths / whole))
    sure = bool(np.all(samples.severity[inside] == GOOD)) and last.severity == GOOD
    sure = sure and (first.severity == GOOD or not first.usable)
    status = with_bits(0 if sure else UNCERTAIN_DATA_SUB_NORMAL, CALCULATED | interval.partial(samples))
    return Processed(interval.start, mean * (whole / SECOND) if total else mean, status)


def _simple(samples: Samples, interval: Interval, *, total: bool) -> Processed:
    if interval.is_outside(samples):
        return Processed(interval.start, None, BAD_NO_DATA)
    configuration = samples.configuration
    found = regions(samples, interval)
    begins = found.usable[:-1] & ~np.isnan(found.numbers[:-1])
    if not begins.any():
        return Processed(interval.start, None, BAD_NO_DATA)
    start, widths = found.numbers[:-1], found.widths
    if configuration.stepped:
        end = start
    else:
        # A line to a value that cannot be used is a step.
        end = np.where(found.usable[1:] & ~np.isnan(found.numbers[1:]), found.numbers[1:], start)
    whole = int(widths[begins].sum())
    mean = _sum(((start / 2 + end / 2) * (widths / whole))[begins])
    code = by_time(configuration, found, stepped=configuration.stepped)
    if severity_of(code) > 1:
        return Processed(interval.start, None, with_bits(code, CALCULATED | interval.partial(samples)))
    value = mean * (whole / SECOND) if total else mean
    return Processed(interval.start, value, with_bits(code, CALCULATED | interval.partial(samples)))


def _sum(parts: NDArray[np.float64]) -> float:
    """Without the rounding of a running sum; what is too large for a double is infinite."""
    try:
        return math.fsum(parts)
    except (OverflowError, ValueError):
        return float(np.sum(parts))
