"""Aggregates of values alone: Average, Count, NumberOfTransitions, deviations (OPC 10000-13, 5.4.3.5, 20, 24, 37 …)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from server.history.aggregates.intervals import Interval
from server.history.aggregates.quality import by_values
from server.history.aggregates.results import BAD_NO_DATA, CALCULATED, Processed, severity_of, with_bits
from server.history.aggregates.samples import Samples


def average(samples: Samples, interval: Interval) -> Processed:
    """The mean of the usable values."""
    return _of_numbers(samples, interval, lambda numbers: math.fsum(numbers) / len(numbers), partial=False)


def variance_sample(samples: Samples, interval: Interval) -> Processed:
    """Sum of squares around the mean by n - 1; 0 for one value."""
    return _of_numbers(samples, interval, lambda numbers: _variance(numbers, 1))


def variance_population(samples: Samples, interval: Interval) -> Processed:
    """Sum of squares around the mean by n."""
    return _of_numbers(samples, interval, lambda numbers: _variance(numbers, 0))


def deviation_sample(samples: Samples, interval: Interval) -> Processed:
    """The root of the sample's variance."""
    return _of_numbers(samples, interval, lambda numbers: math.sqrt(_variance(numbers, 1)))


def deviation_population(samples: Samples, interval: Interval) -> Processed:
    """The root of the population's variance."""
    return _of_numbers(samples, interval, lambda numbers: math.sqrt(_variance(numbers, 0)))


def count(samples: Samples, interval: Interval) -> Processed:
    """How many usable values there are."""
    if interval.is_outside(samples):
        return Processed(interval.start, None, BAD_NO_DATA)
    places = interval.places(samples)
    found = int(np.count_nonzero(samples.usable[places]))
    return Processed(interval.start, found, _status(samples, interval, places))


def transitions(samples: Samples, interval: Interval) -> Processed:
    """How often the value changed from one usable value to the next, the last one before the interval included."""
    if interval.is_outside(samples):
        return Processed(interval.start, None, BAD_NO_DATA)
    places = interval.places(samples)
    first = int(np.searchsorted(samples.usable_at, places.start, "left"))
    last = int(np.searchsorted(samples.usable_at, places.stop, "left"))
    values = [samples.raw[int(place)].value for place in samples.usable_at[max(first - 1, 0) : last]]
    changes = sum(before != after for before, after in pairwise(values))
    if first == 0 and last > 0:
        changes += 1  # there was none before: the first one is a transition
    return Processed(interval.start, changes, _status(samples, interval, places))


def _of_numbers(
    samples: Samples, interval: Interval, make: Callable[[NDArray[np.float64]], float], *, partial: bool = True
) -> Processed:
    places = interval.places(samples)
    numbers = samples.numbers[places][samples.usable[places]]
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return Processed(interval.start, None, BAD_NO_DATA)
    code = _status(samples, interval, places, partial=partial)
    if severity_of(code) > 1:
        return Processed(interval.start, None, code)
    try:
        value = make(numbers)
    except (OverflowError, ValueError):
        value = math.inf
    return Processed(interval.start, value, code)


def _status(samples: Samples, interval: Interval, places: slice, *, partial: bool = True) -> int:
    return with_bits(by_values(samples, places), CALCULATED | (interval.partial(samples) if partial else 0))


def _variance(numbers: NDArray[np.float64], less: int) -> float:
    if len(numbers) == 1:
        return 0.0
    mean = math.fsum(numbers) / len(numbers)
    return math.fsum((numbers - mean) ** 2) / (len(numbers) - less)
