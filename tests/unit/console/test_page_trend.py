"""The trend shows what was: no peak thinned away, no line over a silence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.console.pages import trend
from server.core import status
from server.core.clock import SECOND
from tests.kit.history import MemoryHistory


def test_the_highest_and_lowest_of_every_moment_survive_thinning() -> None:
    samples = [(float(n), 10.0) for n in range(10_000)]
    samples[4_321] = (4_321.0, 99.0)
    samples[4_322] = (4_322.0, -99.0)
    thinned = trend.thin(samples, 0.0, 10_000.0, 100)
    assert len(thinned) <= 200
    assert (4_321.0, 99.0) in thinned
    assert (4_322.0, -99.0) in thinned
    assert thinned == sorted(thinned)


def test_a_quality_that_flickers_does_not_make_the_chart_heavy() -> None:
    samples = [(float(n), None if n % 2 else 1.0) for n in range(50_000)]
    assert len(trend.thin(samples, 0.0, 50_000.0, 100)) <= 500


def test_few_samples_are_drawn_as_they_are() -> None:
    samples = [(0.0, 1.0), (1.0, None), (2.0, 3.0)]
    assert trend.thin(samples, 0.0, 10.0, 100) == samples


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=400), st.integers(1, 50))
def test_thinning_keeps_order_extremes_and_breaks(values: list[float | None], buckets: int) -> None:
    samples = [(float(n), value) for n, value in enumerate(values)]
    thinned = trend.thin(samples, 0.0, float(max(1, len(values))), buckets)
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
    assert trend.broken(samples, 30_000.0) == [(0.0, 1.0), (1_000.0, 2.0), (1_001.0, None), (40_000.0, 3.0)]


def test_bad_values_break_the_line_and_texts_are_not_drawn() -> None:
    assert trend.sample(SECOND, 5.0, status.GOOD) == (1_000.0, 5.0)
    assert trend.sample(SECOND, 5.0, status.UNCERTAIN_LAST_USABLE_VALUE) == (1_000.0, 5.0)
    assert trend.sample(SECOND, 5.0, status.BAD_NO_COMMUNICATION) == (1_000.0, None)
    assert trend.sample(SECOND, None, status.GOOD) == (1_000.0, None)
    assert trend.sample(SECOND, True, status.GOOD) == (1_000.0, 1.0)
    assert trend.sample(SECOND, "text", status.GOOD) is None
    assert trend.sample(SECOND, float("nan"), status.GOOD) is None


async def test_a_window_is_read_over_all_its_pages() -> None:
    history = MemoryHistory()
    for number in range(25_000):
        history.put("pump-1", "temperature", number * SECOND, float(number))
    samples = await trend.load(history, "pump-1", "temperature", 0, 25_000 * SECOND, 30.0)
    assert samples[0] == (0.0, 0.0)
    assert samples[-1] == (24_999_000.0, 24_999.0)
    assert len(samples) <= 2 * trend.BUCKETS


def test_what_left_the_window_goes_and_a_long_watch_stays_light() -> None:
    samples: list[trend.Sample] = [(float(n), float(n)) for n in range(5_000)]
    assert trend.trimmed(samples[:10], 4.0) == samples[4:10]
    assert len(trend.trimmed(samples, 0.0)) <= 2 * trend.BUCKETS


def test_limits_are_drawn_with_their_names() -> None:
    drawn = trend.options({"HighHigh": 520.0, "High": 500.0}, [(0.0, 1.0)], steps=False)
    lines = drawn["series"][0]["markLine"]["data"]
    assert [(line["yAxis"], line["label"]["formatter"]) for line in lines] == [(520.0, "HH 520"), (500.0, "H 500")]
