"""A thinned line shows what was: no peak thinned away, no line over a silence."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.core import status
from server.core.clock import SECOND
from server.history.downsample import Sample, broken, lttb, sample, thin


def test_the_highest_and_lowest_of_every_moment_survive_thinning() -> None:
    samples = [(float(n), 10.0) for n in range(10_000)]
    samples[4_321] = (4_321.0, 99.0)
    samples[4_322] = (4_322.0, -99.0)
    thinned = thin(samples, 0.0, 10_000.0, 100)
    assert len(thinned) <= 200
    assert (4_321.0, 99.0) in thinned
    assert (4_322.0, -99.0) in thinned
    assert thinned == sorted(thinned)


def test_a_quality_that_flickers_does_not_make_the_chart_heavy() -> None:
    samples = [(float(n), None if n % 2 else 1.0) for n in range(50_000)]
    assert len(thin(samples, 0.0, 50_000.0, 100)) <= 500


def test_few_samples_are_drawn_as_they_are() -> None:
    samples = [(0.0, 1.0), (1.0, None), (2.0, 3.0)]
    assert thin(samples, 0.0, 10.0, 100) == samples


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=400), st.integers(1, 50))
def test_thinning_keeps_order_extremes_and_breaks(values: list[float | None], buckets: int) -> None:
    samples = [(float(n), value) for n, value in enumerate(values)]
    thinned = thin(samples, 0.0, float(max(1, len(values))), buckets)
    moments = [moment for moment, _ in thinned]
    assert moments == sorted(moments)
    assert set(thinned) <= set(samples)
    known = [value for value in values if value is not None]
    drawn = [value for _, value in thinned if value is not None]
    if known:
        assert (min(drawn), max(drawn)) == (min(known), max(known))
    assert (None in values) == any(value is None for _, value in thinned)


def test_a_silence_breaks_the_line_and_the_usual_pace_does_not() -> None:
    samples = [(0.0, 1.0), (1_000.0, 2.0), (40_000.0, 3.0)]
    assert broken(samples, 30_000.0) == [(0.0, 1.0), (1_000.0, 2.0), (1_001.0, None), (40_000.0, 3.0)]


def test_bad_values_break_the_line_and_texts_are_not_drawn() -> None:
    assert sample(SECOND, 5.0, status.GOOD) == (1_000.0, 5.0)
    assert sample(SECOND, 5.0, status.UNCERTAIN_LAST_USABLE_VALUE) == (1_000.0, 5.0)
    assert sample(SECOND, 5.0, status.BAD_NO_COMMUNICATION) == (1_000.0, None)
    assert sample(SECOND, None, status.GOOD) == (1_000.0, None)
    assert sample(SECOND, True, status.GOOD) == (1_000.0, 1.0)
    assert sample(SECOND, "text", status.GOOD) is None
    assert sample(SECOND, float("nan"), status.GOOD) is None


def test_lttb_keeps_ends_peaks_and_as_many_as_asked() -> None:
    samples: list[Sample] = [(float(n), 10.0 + n % 2 / 10) for n in range(10_000)]
    samples[4_321] = (4_321.0, 99.0)
    drawn = lttb(samples, 100)
    assert len(drawn) == 100
    assert drawn[0] == samples[0] and drawn[-1] == samples[-1]
    assert (4_321.0, 99.0) in drawn


def test_lttb_of_a_triangle_by_hand() -> None:
    # Parts [1, 2] and [3, 4]. Of the first, with the mean of the next part (3.5, 0) and (0, 0): at 1
    # |(-3.5)(2) - (-1)(0)| = 7, at 2 |(-3.5)(5)| = 17.5, so 2 is kept. Of the second, from (2, 5) to the end (5, 0):
    # at 3 |(-3)(-5) - (-1)(-5)| = 10, at 4 |(-3)(-5) - (-2)(-5)| = 5, so 3 is kept.
    samples: list[Sample] = [(0.0, 0.0), (1.0, 2.0), (2.0, 5.0), (3.0, 0.0), (4.0, 0.0), (5.0, 0.0)]
    assert lttb(samples, 4) == [samples[0], samples[2], samples[3], samples[5]]


def test_lttb_of_few_values_between_many_breaks_stays_small() -> None:
    samples: list[Sample] = [(float(n), 1.0 if n % 1_000 == 0 else None) for n in range(20_001)]
    assert len(lttb(samples, 600)) == 41


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=300), st.integers(2, 40))
def test_lttb_keeps_order_and_says_every_break_between_what_it_keeps(values: list[float | None], points: int) -> None:
    samples: list[Sample] = [(float(n), value) for n, value in enumerate(values)]
    drawn = lttb(samples, points)
    assert [moment for moment, _ in drawn] == sorted(moment for moment, _ in drawn)
    assert set(drawn) <= set(samples)
    kept = [moment for moment, value in drawn if value is not None]
    known = [moment for moment, value in samples if value is not None]
    assert len(kept) == min(len(known), points)
    for early, late in pairwise(kept):
        there = any(early < moment < late for moment, value in samples if value is None)
        assert there == any(early < moment < late for moment, value in drawn if value is None)
