"""How every standard aggregate is calculated, and a processed read of one (OPC 10000-11, 6.5.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from server.core.clock import TimeUs
from server.history.aggregates import counting, durations, edges, extremes, weighted
from server.history.aggregates.bounds import interpolated
from server.history.aggregates.catalogue import Aggregate
from server.history.aggregates.intervals import Interval, intervals
from server.history.aggregates.results import Processed, with_bits
from server.history.aggregates.samples import Samples

Make = Callable[[Samples, Interval], Processed]
MAKERS: Mapping[str, Make] = {
    "Interpolative": edges.interpolative,
    "Average": counting.average,
    "TimeAverage": weighted.time_average,
    "TimeAverage2": weighted.time_average2,
    "Total": weighted.total,
    "Total2": weighted.total2,
    "Minimum": extremes.minimum,
    "Maximum": extremes.maximum,
    "MinimumActualTime": extremes.minimum_actual_time,
    "MaximumActualTime": extremes.maximum_actual_time,
    "Range": extremes.value_range,
    "Minimum2": extremes.minimum2,
    "Maximum2": extremes.maximum2,
    "MinimumActualTime2": extremes.minimum_actual_time2,
    "MaximumActualTime2": extremes.maximum_actual_time2,
    "Range2": extremes.range2,
    "Count": counting.count,
    "DurationInStateZero": durations.duration_in_state_zero,
    "DurationInStateNonZero": durations.duration_in_state_non_zero,
    "NumberOfTransitions": counting.transitions,
    "Start": edges.start,
    "End": edges.end,
    "Delta": edges.delta,
    "StartBound": edges.start_bound,
    "EndBound": edges.end_bound,
    "DeltaBounds": edges.delta_bounds,
    "DurationGood": durations.duration_good,
    "DurationBad": durations.duration_bad,
    "PercentGood": durations.percent_good,
    "PercentBad": durations.percent_bad,
    "WorstQuality": durations.worst_quality,
    "WorstQuality2": durations.worst_quality2,
    "StandardDeviationSample": counting.deviation_sample,
    "StandardDeviationPopulation": counting.deviation_population,
    "VarianceSample": counting.variance_sample,
    "VariancePopulation": counting.variance_population,
}
"""How each aggregate of the catalogue is calculated, by its name."""


def processed(aggregate: Aggregate, samples: Samples, start: TimeUs, end: TimeUs, width: int) -> list[Processed]:
    """One value an interval of `width` µs (0: one for all) from start to end, backwards when start is later."""
    return calculated(aggregate, samples, intervals(start, end, width))


def calculated(aggregate: Aggregate, samples: Samples, wanted: Iterable[Interval]) -> list[Processed]:
    """One value for each of these intervals."""
    make = MAKERS[aggregate.name]
    with np.errstate(all="ignore"):  # what is too large is infinite, what is none is NaN
        return [make(samples, interval) for interval in wanted]


def at_times(samples: Samples, times: Iterable[TimeUs]) -> list[Processed]:
    """The value at each time: raw where one stands there, else interpolated (OPC 10000-11, 6.5.5)."""
    found = []
    for time in times:
        bound = interpolated(samples, time)
        found.append(Processed(time, bound.value, with_bits(bound.code, bound.bits)))
    return found
