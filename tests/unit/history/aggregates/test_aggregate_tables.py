"""Aggregates against tables that were calculated by hand; the derivation stands beside each line.

The series: a value every ten seconds that is what its clock says.

    10 20 30 | 40 is Bad | 50 60 | 70 is Uncertain | 80 90

Requests go from 0 to 100 s by intervals of 20 s. Sloped, TreatUncertainAsBad, PercentDataGood and -Bad 100.
"""

from __future__ import annotations

import math

import pytest

from server.core.clock import SECOND
from server.core.values import Scalar
from server.history.aggregates.catalogue import AGGREGATES, BY_NAME
from server.history.aggregates.registry import at_times, processed
from server.history.aggregates.results import Configuration
from server.history.aggregates.samples import Samples
from server.history.store import StoredValue

BAD_SENSOR, UNCERTAIN_CODE = 0x808C0000, 0x40920000
CODES = {40: BAD_SENSOR, 70: UNCERTAIN_CODE}
G, U, B, N = 0, 0x40A40000, 0x80000000, 0x809B0000
"""Good, Uncertain_DataSubNormal, Bad, Bad_NoData."""
R, C, INT, P, M = 0, 1, 2, 4, 16
"""Raw, Calculated, Interpolated, Partial, MultiValue."""
Row = tuple[float, Scalar | None, int, int]
"""(time in s, value, StatusCode, aggregate bits)."""


def series(*times: int, codes: dict[int, int] = CODES, **configuration: object) -> Samples:
    """Values that are their times."""
    raw = [StoredValue(each * SECOND, each * SECOND, float(each), codes.get(each, 0)) for each in times]
    return Samples(raw, Configuration(**configuration))  # type: ignore[arg-type]


WHOLE = (10, 20, 30, 40, 50, 60, 70, 80, 90)


def rows(name: str, samples: Samples, start: float, end: float, width: float) -> list[Row]:
    found = processed(BY_NAME[name], samples, round(start * SECOND), round(end * SECOND), round(width * SECOND))
    return [
        (each.time / SECOND, each.value, each.status & ~0x41F, each.status & 0x1F if each.status & 0x400 else 0)
        for each in found
    ]


def close(found: list[Row], expected: list[Row]) -> None:
    assert [(row[0], row[2], row[3]) for row in found] == [(row[0], row[2], row[3]) for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one[1] == other[1] or math.isclose(float(one[1]), float(other[1]), rel_tol=1e-12), (one, other)  # type: ignore[arg-type]


FORWARD: dict[str, list[Row]] = {
    "Interpolative": [
        (0, None, N, 0),  # nothing before it
        (20, 20.0, G, R),
        (40, 40.0, U, INT),  # between 30 and 50, the Bad one skipped
        (60, 60.0, G, R),
        (80, 80.0, G, R),
    ],
    "Average": [
        (0, 10.0, G, C),  # Partial is never set
        (20, 25.0, G, C),  # (20 + 30) / 2
        (40, 50.0, U, C),  # one of two is Good: 50 % are neither 100 % Good nor 100 % Bad
        (60, 60.0, U, C),
        (80, 85.0, G, C),
    ],
    "TimeAverage": [
        (0, 15.0, G, C | P),  # from the first value on: (10 + 20) / 2 over 10 s
        (20, 30.0, U, C),  # 20, 30, 40: (250 + 350) / 20; the bound at 40 skips a Bad value
        (40, 50.0, U, C),  # 40, 50, 60
        (60, 70.0, U, C),  # straight from 60 to 80, 70 is skipped
        (80, 87.5, U, C | P),  # 80, 90, then 90 held: (850 + 900) / 20
    ],
    "Total": [(0, 150.0, G, C | P), (20, 600.0, U, C), (40, 1000.0, U, C), (60, 1400.0, U, C), (80, 1750.0, U, C | P)],
    "TimeAverage2": [
        (0, 15.0, U, C | P),  # no bound: half of the interval is Bad; 150 over 10 s
        (20, 27.5, U, C),  # 250, then 30 held because 40 is Bad: 300; the second region is Uncertain
        (40, 55.0, U, C),  # from 50 to 60 only: 550 over 10 s
        (60, None, B, C),  # both regions are Uncertain, which counts as Bad: 100 %
        (80, 87.5, U, C | P),  # 850, then 90 held: there is no bound at the end
    ],
    "Total2": [(0, 150.0, U, C | P), (20, 550.0, U, C), (40, 550.0, U, C), (60, None, B, C), (80, 1750.0, U, C | P)],
    "Minimum": [
        (0, 10.0, G, C | P),  # it stands at 10, not at the start
        (20, 20.0, G, R),
        (40, 50.0, U, C),  # a Bad value is there
        (60, 60.0, G, R),  # the Uncertain one is greater
        (80, 80.0, G, P),
    ],
    "Maximum": [
        (0, 10.0, G, C | P),
        (20, 30.0, G, C),
        (40, 50.0, U, C),
        (60, 60.0, U, C),  # the Uncertain 70 is greater
        (80, 90.0, G, C | P),
    ],
    "MinimumActualTime": [
        (10, 10.0, G, P),
        (20, 20.0, G, R),
        (50, 50.0, U, C),
        (60, 60.0, G, R),
        (80, 80.0, G, P),
    ],
    "MaximumActualTime": [
        (10, 10.0, G, P),
        (30, 30.0, G, R),
        (50, 50.0, U, C),
        (60, 60.0, U, C),
        (90, 90.0, G, P),
    ],
    "Range": [(0, 0.0, G, C | P), (20, 10.0, G, C), (40, 0.0, U, C), (60, 0.0, U, C), (80, 10.0, G, C | P)],
    "Minimum2": [
        (0, 10.0, U, C | P),
        (20, 20.0, U, C),  # 30 to the Bad 40 is Uncertain: half of the time
        (40, 50.0, U, C),
        (60, None, B, C),
        (80, 80.0, U, C | P),
    ],
    "Maximum2": [
        (0, 20.0, U, C | P),  # the bound at the end of a sloped line
        (20, 30.0, U, C),  # the bound at 40 is Bad
        (40, 60.0, U, C),
        (60, None, B, C),
        (80, 90.0, U, C | P),
    ],
    "MaximumActualTime2": [
        (19.999999, 20.0, U, C | P),  # the effective end
        (30, 30.0, U, C),
        (59.999999, 60.0, U, C),
        (60, None, B, C),
        (90, 90.0, U, C | P),
    ],
    "Range2": [(0, 10.0, U, C | P), (20, 10.0, U, C), (40, 10.0, U, C), (60, None, B, C), (80, 10.0, U, C | P)],
    "Count": [(0, 1, G, C | P), (20, 2, G, C), (40, 1, U, C), (60, 1, U, C), (80, 2, G, C | P)],
    "NumberOfTransitions": [
        (0, 1, G, C | P),  # none before it
        (20, 2, G, C),
        (40, 1, U, C),
        (60, 1, U, C),
        (80, 2, G, C | P),
    ],
    "Start": [(10, 10.0, G, P), (20, 20.0, G, R), (40, None, BAD_SENSOR, R), (60, 60.0, G, R), (80, 80.0, G, P)],
    "End": [(10, 10.0, G, P), (30, 30.0, G, R), (50, 50.0, G, R), (70, 70.0, UNCERTAIN_CODE, R), (90, 90.0, G, P)],
    "Delta": [
        (0, 0.0, G, C | P),
        (20, 10.0, G, C),
        (40, 0.0, U, C),  # 40 was skipped
        (60, 0.0, U, C),  # 70 was skipped
        (80, 10.0, G, C | P),
    ],
    "StartBound": [(0, None, N, 0), (20, 20.0, G, R), (40, None, BAD_SENSOR, 0), (60, 60.0, G, R), (80, 80.0, G, P)],
    "EndBound": [
        (0, 20.0, G, C | P),
        (20, None, BAD_SENSOR, 0),
        (40, 60.0, G, C),
        (60, 80.0, G, C),
        (80, None, N, 0),  # beyond the last value
    ],
    "DeltaBounds": [(0, None, N, 0), (20, None, N, 0), (40, None, N, 0), (60, 20.0, G, C), (80, None, N, 0)],
    "DurationGood": [
        (0, 10_000.0, G, C | P),  # without a value before it, the first ten seconds are Bad
        (20, 20_000.0, G, C),
        (40, 10_000.0, G, C),
        (60, 10_000.0, G, C),
        (80, 20_000.0, G, C | P),
    ],
    "DurationBad": [
        (0, 10_000.0, G, C | P),
        (20, 0.0, G, C),
        (40, 10_000.0, G, C),
        (60, 0.0, G, C),  # Uncertain is not Bad
        (80, 0.0, G, C | P),
    ],
    "PercentGood": [(0, 50.0, G, C | P), (20, 100.0, G, C), (40, 50.0, G, C), (60, 50.0, G, C), (80, 100.0, G, C | P)],
    "PercentBad": [(0, 50.0, G, C | P), (20, 0.0, G, C), (40, 50.0, G, C), (60, 0.0, G, C), (80, 0.0, G, C | P)],
    "WorstQuality": [
        (0, 0, G, C | P),
        (20, 0, G, C | M),  # both are Good
        (40, BAD_SENSOR, G, C),
        (60, UNCERTAIN_CODE, G, C),
        (80, 0, G, C | M | P),
    ],
    "WorstQuality2": [
        (0, N, G, C | P),  # the bound
        (20, 0, G, C | M),
        (40, BAD_SENSOR, G, C),
        (60, UNCERTAIN_CODE, G, C),
        (80, 0, G, C | M | P),
    ],
    "VarianceSample": [(0, 0.0, G, C | P), (20, 50.0, G, C), (40, 0.0, U, C), (60, 0.0, U, C), (80, 50.0, G, C | P)],
    "VariancePopulation": [
        (0, 0.0, G, C | P),
        (20, 25.0, G, C),
        (40, 0.0, U, C),
        (60, 0.0, U, C),
        (80, 25.0, G, C | P),
    ],
    "StandardDeviationSample": [
        (0, 0.0, G, C | P),
        (20, math.sqrt(50.0), G, C),
        (40, 0.0, U, C),
        (60, 0.0, U, C),
        (80, math.sqrt(50.0), G, C | P),
    ],
    "StandardDeviationPopulation": [
        (0, 0.0, G, C | P),
        (20, 5.0, G, C),
        (40, 0.0, U, C),
        (60, 0.0, U, C),
        (80, 5.0, G, C | P),
    ],
    "DurationInStateNonZero": [
        (0, 10_000.0, U, C | P),
        (20, 20_000.0, G, C),
        (40, 10_000.0, U, C),
        (60, 10_000.0, U, C),
        (80, 20_000.0, G, C | P),
    ],
    "DurationInStateZero": [
        (0, 0.0, U, C | P),
        (20, 0.0, G, C),
        (40, 0.0, U, C),
        (60, 0.0, U, C),
        (80, 0.0, G, C | P),
    ],
}


@pytest.mark.parametrize("name", FORWARD)
def test_forward(name: str) -> None:
    close(rows(name, series(*WHOLE), 0, 100, 20), FORWARD[name])


def test_every_aggregate_has_a_table() -> None:
    assert set(BY_NAME) - set(FORWARD) == {"MinimumActualTime2"}
    assert len(AGGREGATES) == 36


def test_the_least_value_with_bounds_at_its_own_time() -> None:
    expected: list[Row] = [
        (10, 10.0, U, C | P),
        (20, 20.0, U, C),
        (50, 50.0, U, C),
        (60, None, B, C),
        (80, 80.0, U, C | P),
    ]
    close(rows("MinimumActualTime2", series(*WHOLE), 0, 100, 20), expected)


BACKWARD: dict[str, list[Row]] = {
    # An interval begins at its later end, which belongs to it: (80, 100], (60, 80] …
    "Average": [(100, 90.0, G, C), (80, 80.0, U, C), (60, 55.0, G, C), (40, 30.0, U, C), (20, 15.0, G, C)],
    "Interpolative": [
        (100, 90.0, U, INT),  # held beyond the last value
        (80, 80.0, G, R),
        (60, 60.0, G, R),
        (40, 40.0, U, INT),
        (20, 20.0, G, R),
    ],
    "Count": [(100, 1, G, C | P), (80, 1, U, C), (60, 2, G, C), (40, 1, U, C), (20, 2, G, C | P)],
    "TimeAverage": [
        (100, 87.5, U, C | P),
        (80, 70.0, U, C),
        (60, 50.0, U, C),
        (40, 30.0, U, C),
        (20, 15.0, G, C | P),
    ],
    "Minimum": [(100, 90.0, G, C | P), (80, 80.0, G, R), (60, 50.0, G, C), (40, 30.0, U, C), (20, 10.0, G, C | P)],
    "StartBound": [(100, None, N, 0), (80, 80.0, G, R), (60, 60.0, G, R), (40, None, BAD_SENSOR, 0), (20, 20.0, G, P)],
}


@pytest.mark.parametrize("name", BACKWARD)
def test_backward(name: str) -> None:
    if name == "Minimum":
        # 70 is Uncertain and less than 80, the only Good value of (60, 80].
        BACKWARD[name][1] = (80, 80.0, U, C)
    close(rows(name, series(*WHOLE), 100, 0, 20), BACKWARD[name])


def test_uncertain_values_count_when_they_are_told_to() -> None:
    samples = series(*WHOLE, treat_uncertain_as_bad=False)
    close(rows("Average", samples, 60, 80, 0), [(60, 65.0, G, C)])
    close(rows("TimeAverage2", samples, 60, 80, 0), [(60, 70.0, G, C)])  # 650 + 750 over 20 s
    close(rows("Maximum2", samples, 60, 80, 0), [(60, 80.0, G, C)])
    close(rows("MinimumActualTime2", samples, 65, 80, 0), [(65, 65.0, G, INT)])
    close(rows("Interpolative", samples, 65, 75, 0), [(65, 65.0, U, INT)])  # one of its ends is Uncertain
    # Good only: what Minimum, Maximum, Delta and DurationGood say of themselves stays.
    close(rows("Maximum", samples, 60, 80, 0), [(60, 60.0, U, C)])
    close(rows("DurationGood", samples, 60, 80, 0), [(60, 10_000.0, G, C)])


@pytest.mark.parametrize(
    ("good", "bad", "status"),
    [(50, 100, G), (51, 100, U), (100, 51, U), (100, 50, B), (50, 50, B)],  # Bad is asked first
)
def test_the_percentages_decide(good: int, bad: int, status: int) -> None:
    samples = series(*WHOLE, percent_data_good=good, percent_data_bad=bad)
    ((_, value, code, bits),) = rows("Average", samples, 40, 60, 0)
    assert (value, code, bits) == (None if status == B else 50.0, status, C)


def test_stepped_values_hold() -> None:
    samples = series(*WHOLE, stepped=True)
    close(rows("Interpolative", samples, 15, 16, 0), [(15, 10.0, G, INT)])
    close(rows("Interpolative", samples, 45, 46, 0), [(45, 30.0, U, INT)])
    close(rows("Interpolative", samples, 95, 96, 0), [(95, 90.0, U, INT)])
    close(rows("TimeAverage2", samples, 20, 40, 0), [(20, 25.0, G, C)])  # 20 and 30 for 10 s each; 40 does not reach in
    close(rows("TimeAverage", samples, 20, 40, 0), [(20, 30.0, U, C)])  # always sloped
    close(rows("Maximum2", samples, 20, 40, 0), [(20, 30.0, G, C)])  # the end bound is no part of it


def test_sloped_extrapolation_goes_on_along_the_line() -> None:
    samples = series(10, 20, use_sloped_extrapolation=True)
    close(rows("Interpolative", samples, 30, 31, 0), [(30, 30.0, U, INT)])
    close(rows("TimeAverage", samples, 20, 40, 0), [(20, 30.0, U, C | P)])  # 20 to 40


def test_the_last_interval_is_cut_and_says_so() -> None:
    samples = series(*WHOLE)
    close(rows("Count", samples, 20, 65, 20), [(20, 2, G, C), (40, 1, U, C), (60, 1, G, C | P)])
    close(rows("Count", samples, 65, 20, 20), [(65, 2, G, C), (45, 1, U, C), (25, 0, G, C | P)])
    close(rows("Count", samples, 20, 40, 50), [(20, 2, G, C | P)])  # shorter than the ProcessingInterval


def test_no_values_and_none_in_reach() -> None:
    empty = Samples([], Configuration())
    for aggregate in AGGREGATES.values():
        (found,) = processed(aggregate, empty, 0, 10 * SECOND, 0)
        assert (found.value, found.status) == (None, N), aggregate.name
        assert processed(aggregate, empty, 5, 5, 1) == []
    samples = series(*WHOLE)
    held = {"Interpolative", "TimeAverage", "Total"}
    for name in BY_NAME:
        ((_, value, code, _),) = rows(name, samples, 200, 220, 0)
        assert (code, value is None) == ((U, False) if name in held else (N, True)), name
        ((_, value, code, _),) = rows(name, samples, 0, 5, 0)
        assert (code, value) == (N, None), name
        ((_, value, code, _),) = rows(name, samples, 21, 29, 0)  # an interval between two values
        raw = {"Average", "Minimum", "Maximum", "Range", "Start", "End", "Delta", "WorstQuality"}
        raw |= {each for each in BY_NAME if "Deviation" in each or "Variance" in each or "imumActualTime" in each}
        raw -= {"MinimumActualTime2", "MaximumActualTime2"}
        assert (code == N) == (name in raw), name


def test_several_of_the_same() -> None:
    raw = [StoredValue(each * SECOND, 0, 5.0, 0) for each in (10, 20, 30)]
    samples = Samples(raw, Configuration())
    close(rows("MinimumActualTime", samples, 10, 30, 0), [(10, 5.0, G, M)])  # the oldest one
    close(rows("MinimumActualTime", samples, 30, 10, 0), [(20, 5.0, G, M)])
    close(rows("Maximum2", samples, 10, 30, 0), [(10, 5.0, G, M)])


def test_texts_and_whole_numbers() -> None:
    words = [StoredValue(each * SECOND, 0, text, 0) for each, text in ((10, "a"), (20, "b"), (30, "b"), (40, "c"))]
    samples = Samples(words, Configuration(stepped=True))
    close(rows("Interpolative", samples, 15, 16, 0), [(15, "a", G, INT)])
    close(rows("Start", samples, 10, 40, 0), [(10, "a", G, R)])
    close(rows("StartBound", samples, 25, 40, 0), [(25, "b", G, INT)])
    close(rows("NumberOfTransitions", samples, 20, 45, 0), [(20, 2, G, C | P)])
    close(rows("Average", samples, 10, 40, 0), [(10, None, N, 0)])
    close(rows("TimeAverage2", samples, 10, 40, 0), [(10, None, N, 0)])
    whole = Samples([StoredValue(each * SECOND, 0, each, 0) for each in (10, 20, 30)], Configuration())
    assert [type(row[1]) for row in rows("Delta", whole, 10, 30, 0)] == [int]
    assert [type(row[1]) for row in rows("Range", whole, 10, 30, 0)] == [int]


def test_values_at_given_times() -> None:
    found = at_times(series(*WHOLE), [each * SECOND for each in (5, 20, 25, 40, 95)])
    assert [(each.time // SECOND, each.value, each.status) for each in found] == [
        (5, None, N),
        (20, 20.0, G),
        (25, 25.0, G | 0x402),
        (40, 40.0, U | 0x402),
        (95, 90.0, U | 0x402),
    ]


def test_large_values_stay_finite_where_the_result_is() -> None:
    huge = [StoredValue(each * SECOND, 0, 1.7e308, 0) for each in (0, 10, 20)]
    ((_, value, code, _),) = rows("TimeAverage", Samples(huge, Configuration()), 0, 20, 0)
    assert code == G
    assert value == pytest.approx(1.7e308)
    close(rows("Interpolative", Samples(huge, Configuration()), 5, 6, 0), [(5, 1.7e308, G, INT)])
