"""Aggregates that follow from the figures of an interval when all its values are Good numbers. Pure.

Then the result is the same as that of the values themselves, StatusCode and bits included: how many there are, how far
apart the least and the greatest are, and that the whole interval is Good. Averages are left out (the order of their sum
would show in the last digits), and least and greatest values (their bits tell where and how often they stand).
"""

from __future__ import annotations

from collections.abc import Callable

from server.history.aggregates.catalogue import Aggregate
from server.history.aggregates.intervals import Interval
from server.history.aggregates.results import CALCULATED, Processed, with_bits
from server.history.aggregates.samples import Samples
from server.history.store import Bucket

_OF_TIME = {"DurationGood", "DurationBad", "PercentGood", "PercentBad"}
PUSHED = frozenset({"Count", "Range", *_OF_TIME})
"""Their names."""
_US_A_MS = 1_000
_EXACT = 2.0**53


def pushed(
    aggregate: Aggregate, interval: Interval, figures: Bucket | None, span: Samples, starts_good: Callable[[], bool]
) -> Processed | None:
    """The result of one interval, or None: the values themselves are needed.

    Args:
        figures: of the interval; None: it has no values.
        span: values that tell whether data begin or end in the interval.
        starts_good: whether the last value at or before the start is Good; asked when it matters.
    """
    if interval.backward or interval.is_outside(span) or int(span.times[0]) > interval.low:
        return None
    if figures is not None and (figures.rows != figures.count or not figures.count):
        return None
    status = with_bits(0, CALCULATED | interval.partial(span))
    name = aggregate.name
    if name == "Count":
        return Processed(interval.start, figures.count if figures is not None else 0, status)
    if name == "Range":
        # Whole numbers beyond that, and what is infinite, are not exact as figures.
        if figures is None or not max(abs(figures.minimum), abs(figures.maximum)) < _EXACT:
            return None
        return Processed(interval.start, figures.maximum - figures.minimum, status)
    if not starts_good():
        return None
    whole = 100.0 if name.startswith("Percent") else interval.width / _US_A_MS
    return Processed(interval.start, whole if name.endswith("Good") else 0.0, status)
