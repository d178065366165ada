"""Every standard aggregate by its NodeId, and a processed read of one (OPC 10000-13, 4.2.2; OPC 10000-11, 6.5.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from server.core.clock import TimeUs
from server.history.aggregates import counting, durations, edges, extremes, weighted
from server.history.aggregates.bounds import interpolated
from server.history.aggregates.intervals import Interval, intervals
from server.history.aggregates.samples import Processed, Samples, with_bits

Make = Callable[[Samples, Interval], Processed]
SOURCE, DOUBLE, DURATION, INT32, STATUS_CODE = "source", "Double", "Duration", "Int32", "StatusCode"
"""DataTypes of results: `SOURCE` is that of the Variable."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One AggregateFunction."""

    node_id: int  # in namespace 0
    name: str  # BrowseName
    data_type: str
    make: Make


def _all() -> Iterator[Aggregate]:
    yield Aggregate(2341, "Interpolative", SOURCE, edges.interpolative)
    yield Aggregate(2342, "Average", DOUBLE, counting.average)
    yield Aggregate(2343, "TimeAverage", DOUBLE, weighted.time_average)
    yield Aggregate(11285, "TimeAverage2", DOUBLE, weighted.time_average2)
    yield Aggregate(2344, "Total", DOUBLE, weighted.total)
    yield Aggregate(11304, "Total2", DOUBLE, weighted.total2)
    yield Aggregate(2346, "Minimum", SOURCE, extremes.minimum)
    yield Aggregate(2347, "Maximum", SOURCE, extremes.maximum)
    yield Aggregate(2348, "MinimumActualTime", SOURCE, extremes.minimum_actual_time)
    yield Aggregate(2349, "MaximumActualTime", SOURCE, extremes.maximum_actual_time)
    yield Aggregate(2350, "Range", SOURCE, extremes.value_range)
    yield Aggregate(11286, "Minimum2", SOURCE, extremes.minimum2)
    yield Aggregate(11287, "Maximum2", SOURCE, extremes.maximum2)
    yield Aggregate(11305, "MinimumActualTime2", SOURCE, extremes.minimum_actual_time2)
    yield Aggregate(11306, "MaximumActualTime2", SOURCE, extremes.maximum_actual_time2)
    yield Aggregate(11288, "Range2", SOURCE, extremes.range2)
    yield Aggregate(2352, "Count", INT32, counting.count)
    yield Aggregate(11307, "DurationInStateZero", DURATION, durations.duration_in_state_zero)
    yield Aggregate(11308, "DurationInStateNonZero", DURATION, durations.duration_in_state_non_zero)
    yield Aggregate(2355, "NumberOfTransitions", INT32, counting.transitions)
    yield Aggregate(2357, "Start", SOURCE, edges.start)
    yield Aggregate(2358, "End", SOURCE, edges.end)
    yield Aggregate(2359, "Delta", SOURCE, edges.delta)
    yield Aggregate(11505, "StartBound", SOURCE, edges.start_bound)
    yield Aggregate(11506, "EndBound", SOURCE, edges.end_bound)
    yield Aggregate(11507, "DeltaBounds", SOURCE, edges.delta_bounds)
    yield Aggregate(2360, "DurationGood", DURATION, durations.duration_good)
    yield Aggregate(2361, "DurationBad", DURATION, durations.duration_bad)
    yield Aggregate(2362, "PercentGood", DOUBLE, durations.percent_good)
    yield Aggregate(2363, "PercentBad", DOUBLE, durations.percent_bad)
    yield Aggregate(2364, "WorstQuality", STATUS_CODE, durations.worst_quality)
    yield Aggregate(11292, "WorstQuality2", STATUS_CODE, durations.worst_quality2)
    yield Aggregate(11426, "StandardDeviationSample", DOUBLE, counting.deviation_sample)
    yield Aggregate(11427, "StandardDeviationPopulation", DOUBLE, counting.deviation_population)
    yield Aggregate(11428, "VarianceSample", DOUBLE, counting.variance_sample)
    yield Aggregate(11429, "VariancePopulation", DOUBLE, counting.variance_population)


ANNOTATION_COUNT = 2351
"""AnnotationCount is one of annotations, not of values: whoever reads those answers for it."""
AGGREGATES: Mapping[int, Aggregate] = {each.node_id: each for each in _all()}
BY_NAME: Mapping[str, Aggregate] = {each.name: each for each in AGGREGATES.values()}


def processed(aggregate: Aggregate, samples: Samples, start: TimeUs, end: TimeUs, width: int) -> list[Processed]:
    """One value an interval of `width` µs (0: one for all) from start to end, backwards when start is later."""
    with np.errstate(all="ignore"):  # what is too large is infinite, what is none is NaN
        return [aggregate.make(samples, interval) for interval in intervals(start, end, width)]


def at_times(samples: Samples, times: list[TimeUs]) -> list[Processed]:
    """The value at each time: raw where one stands there, else interpolated (OPC 10000-11, 6.5.5)."""
    found = []
    for time in times:
        bound = interpolated(samples, time)
        found.append(Processed(time, bound.value, with_bits(bound.code, bound.bits)))
    return found
