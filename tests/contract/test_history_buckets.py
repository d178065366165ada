"""Buckets that a store calculates where the values lie: the same as the aggregates of OPC 10000-13 on raw values."""

from __future__ import annotations

import math
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.core import status
from server.core.clock import from_iso
from server.core.values import Scalar
from server.history.aggregates.catalogue import BY_NAME
from server.history.aggregates.registry import processed
from server.history.aggregates.results import Configuration
from server.history.aggregates.samples import Samples
from server.history.store import Bucket, HistoryRow, HistoryStore

DAY = from_iso("2026-01-05T00:00:00Z")
CASES = count()
CODES = (0, 0, 0, status.UNCERTAIN_LAST_USABLE_VALUE, status.BAD_SENSOR_FAILURE)


def row(time: int, value: Scalar | None, code: int = 0, place: tuple[str, str] = ("d", "p")) -> HistoryRow:
    return HistoryRow(*place, DAY + time, DAY + time, value, code)


def test_only_good_numbers_count_and_series_do_not_mix(store: HistoryStore) -> None:
    store.write(
        [
            *(row(time, value) for time, value in ((0, 1.0), (5, 3.0), (9, True), (10, 7), (25, "text"), (26, None))),
            row(12, 99.0, status.UNCERTAIN_LAST_USABLE_VALUE),
            row(3, 5.0, 0, ("d", "q")),
        ]
    )
    found = store.buckets([("d", "p"), ("d", "q"), ("d", "p"), ("x", "y")], DAY, DAY + 30, 10)
    assert found == {
        ("d", "p"): [Bucket(DAY, 3, 5 / 3, 1.0, 3.0), Bucket(DAY + 10, 1, 7.0, 7.0, 7.0)],
        ("d", "q"): [Bucket(DAY, 1, 5.0, 5.0, 5.0)],
    }
    assert store.buckets([], DAY, DAY + 30, 10) == {}
    assert store.buckets([("d", "p")], DAY + 1, DAY + 5, 100) == {}
    assert store.buckets([("d", "p")], DAY + 1, DAY + 6, 100) == {("d", "p"): [Bucket(DAY + 1, 1, 3.0, 3.0, 3.0)]}
    with pytest.raises(ValueError, match="microsecond"):
        store.buckets([("d", "p")], DAY, DAY + 30, 0)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.tuples(st.integers(0, 200), st.floats(-1e6, 1e6), st.sampled_from(CODES)),
        max_size=40,
        unique_by=lambda value: value[0],
    ),
    start=st.integers(-20, 150),
    length=st.integers(1, 200),
    width=st.sampled_from([1, 7, 20, 64, 500]),
)
def test_they_equal_the_exact_aggregates(
    store: HistoryStore, values: list[tuple[int, float, int]], start: int, length: int, width: int
) -> None:
    place = "any", f"b{next(CASES)}"
    store.write([row(time, None if code & 0x80000000 else value, code, place) for time, value, code in values])
    samples = Samples(store.fetch(*place, None, None, 1000), Configuration())
    first, last = DAY + start, DAY + start + length
    found = {bucket.time: bucket for bucket in store.buckets([place], first, last, width).get(place, [])}
    exact = {
        name: {each.time: each.value for each in processed(BY_NAME[name], samples, first, last, width)}
        for name in ("Count", "Minimum", "Maximum")
    }
    good = {time: int(number or 0) for time, number in exact["Count"].items()}
    assert {time: bucket.count for time, bucket in found.items()} == {time: n for time, n in good.items() if n}
    for time, bucket in found.items():
        assert (bucket.minimum, bucket.maximum) == (exact["Minimum"][time], exact["Maximum"][time])
        inside = [value for at, value, code in values if time <= DAY + at < min(time + width, last) and not code]
        assert math.isclose(bucket.average, math.fsum(inside) / len(inside), rel_tol=1e-9, abs_tol=1e-6)
