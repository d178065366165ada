"""The aggregates against a slow reading of the same clauses (tests/kit/aggregate_reference.py), on random data."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.history.aggregates.bounds import interpolated, simple
from server.history.aggregates.catalogue import BY_NAME
from server.history.aggregates.registry import processed
from server.history.aggregates.results import BAD, Configuration, severity_of
from server.history.aggregates.samples import Samples
from server.history.store import StoredValue
from tests.kit.aggregate_reference import Reference, Result

CODES = {0: 0, 1: 0x40920000, 2: 0x808C0000}
VALUES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(-8, 8).map(lambda number: number / 4), st.sampled_from([0, 0, 0, 1, 2])),
    max_size=40,
    unique_by=lambda value: value[0],
).map(sorted)
MADE = {
    "Average": "average",
    "Count": "count",
    "TimeAverage": "time_average",
    "TimeAverage2": "time_average2",
    "Maximum": "maximum",
    "Maximum2": "maximum2",
    "DurationGood": "duration_good",
}


def same(value: object, status: int, expected: Result) -> bool:
    number, severity = expected
    if severity_of(status) != severity or (value is None) != (number is None):
        return False
    return number is None or math.isclose(float(value), float(number), rel_tol=1e-9, abs_tol=1e-9)  # type: ignore[arg-type]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    VALUES,
    st.booleans(),
    st.booleans(),
    st.integers(0, 100),
    st.integers(1, 100),
    st.integers(-50, 420),
    st.integers(1, 300),
    st.sampled_from([0, 7, 20, 64]),
)
def test_the_fast_way_is_the_slow_way(
    values: list[tuple[int, float, int]],
    uncertain_is_bad: bool,
    stepped: bool,
    good: int,
    bad: int,
    start: int,
    length: int,
    width: int,
) -> None:
    raw = [
        StoredValue(time, time, None if severity == BAD else number, CODES[severity])
        for time, number, severity in values
    ]
    samples = Samples(raw, Configuration(uncertain_is_bad, bad, good, False, stepped))
    exact = [(time, Fraction(number), severity) for time, number, severity in values]
    slow = Reference(exact, uncertain_is_bad=uncertain_is_bad, stepped=stepped, good=good, bad=bad)
    for time in (start, start + length):
        bound = interpolated(samples, time)
        assert same(bound.value, bound.code, slow.interpolated(time, stepped=stepped))
        bound = simple(samples, time)
        assert same(bound.value, bound.code, slow.simple(time))
    for name, way in MADE.items():
        found = processed(BY_NAME[name], samples, start, start + length, width)
        lows = list(range(start, start + length, width)) if width else [start]
        assert len(found) == len(lows)
        for low, each in zip(lows, found, strict=True):
            high = min(low + (width or length), start + length)
            expected = getattr(slow, way)(low, high)
            if name == "DurationGood" and expected[0] is not None:
                expected = expected[0], 0
            if name == "Count" and each.value is not None:
                assert (each.value, severity_of(each.status)) == (expected[0], expected[1]), (name, low, high)
                continue
            assert same(each.value, each.status, expected), (name, low, high, each, expected)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, st.booleans(), st.integers(-50, 420), st.integers(1, 300), st.sampled_from([7, 20, 64]))
def test_every_aggregate_answers_every_interval(
    values: list[tuple[int, float, int]], stepped: bool, start: int, length: int, width: int
) -> None:
    raw = [
        StoredValue(time, time, None if severity == BAD else number, CODES[severity])
        for time, number, severity in values
    ]
    samples = Samples(raw, Configuration(stepped=stepped))
    for begin, end in ((start, start + length), (start + length, start)):
        for name, aggregate in BY_NAME.items():
            found = processed(aggregate, samples, begin, end, width)
            assert len(found) == -(-length // width), name
            low, high = min(begin, end), max(begin, end)
            assert all(low <= each.time <= high for each in found), name
            if name not in ("WorstQuality", "WorstQuality2", "Count", "NumberOfTransitions"):
                assert all(each.value is None for each in found if severity_of(each.status) == BAD), name
