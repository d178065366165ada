"""The standard AggregateFunctions: NodeId, name, DataType of what they give (OPC 10000-13, 4.2.2 and 5.4.2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SOURCE, DOUBLE, DURATION, INT32, STATUS_CODE = "source", "Double", "Duration", "Int32", "StatusCode"
"""DataTypes of results: `SOURCE` is that of the Variable."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One AggregateFunction."""

    node_id: int  # in namespace 0
    name: str  # BrowseName
    data_type: str


_ALL = (
    Aggregate(2341, "Interpolative", SOURCE),
    Aggregate(2342, "Average", DOUBLE),
    Aggregate(2343, "TimeAverage", DOUBLE),
    Aggregate(11285, "TimeAverage2", DOUBLE),
    Aggregate(2344, "Total", DOUBLE),
    Aggregate(11304, "Total2", DOUBLE),
    Aggregate(2346, "Minimum", SOURCE),
    Aggregate(2347, "Maximum", SOURCE),
    Aggregate(2348, "MinimumActualTime", SOURCE),
    Aggregate(2349, "MaximumActualTime", SOURCE),
    Aggregate(2350, "Range", SOURCE),
    Aggregate(11286, "Minimum2", SOURCE),
    Aggregate(11287, "Maximum2", SOURCE),
    Aggregate(11305, "MinimumActualTime2", SOURCE),
    Aggregate(11306, "MaximumActualTime2", SOURCE),
    Aggregate(11288, "Range2", SOURCE),
    Aggregate(2352, "Count", INT32),
    Aggregate(11307, "DurationInStateZero", DURATION),
    Aggregate(11308, "DurationInStateNonZero", DURATION),
    Aggregate(2355, "NumberOfTransitions", INT32),
    Aggregate(2357, "Start", SOURCE),
    Aggregate(2358, "End", SOURCE),
    Aggregate(2359, "Delta", SOURCE),
    Aggregate(11505, "StartBound", SOURCE),
    Aggregate(11506, "EndBound", SOURCE),
    Aggregate(11507, "DeltaBounds", SOURCE),
    Aggregate(2360, "DurationGood", DURATION),
    Aggregate(2361, "DurationBad", DURATION),
    Aggregate(2362, "PercentGood", DOUBLE),
    Aggregate(2363, "PercentBad", DOUBLE),
    Aggregate(2364, "WorstQuality", STATUS_CODE),
    Aggregate(11292, "WorstQuality2", STATUS_CODE),
    Aggregate(11426, "StandardDeviationSample", DOUBLE),
    Aggregate(11427, "StandardDeviationPopulation", DOUBLE),
    Aggregate(11428, "VarianceSample", DOUBLE),
    Aggregate(11429, "VariancePopulation", DOUBLE),
)
AGGREGATES: Mapping[int, Aggregate] = {each.node_id: each for each in _ALL}
BY_NAME: Mapping[str, Aggregate] = {each.name: each for each in _ALL}
ANNOTATION_COUNT = Aggregate(2351, "AnnotationCount", INT32)
"""It counts annotations, not values: `processing` answers for it, and it is none of `AGGREGATES`."""
NUMBERS_ONLY = frozenset(
    each.node_id
    for each in _ALL
    if (each.data_type == DOUBLE and not each.name.startswith("Percent"))
    or each.name.startswith(("Minimum", "Maximum", "Range", "Delta"))
)
"""Those that calculate with values; the others also serve texts."""
