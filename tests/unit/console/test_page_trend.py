"""The trend on the screen: what leaves its window, limits with their names."""

from __future__ import annotations

from server.console.pages import trend
from server.history.downsample import Sample


def test_what_left_the_window_goes_and_a_long_watch_stays_light() -> None:
    samples: list[Sample] = [(float(n), float(n)) for n in range(5_000)]
    assert trend.trimmed(samples[:10], 4.0) == samples[4:10]
    assert len(trend.trimmed(samples, 0.0)) <= 2 * trend.BUCKETS


def test_limits_are_drawn_with_their_names() -> None:
    drawn = trend.options({"HighHigh": 520.0, "High": 500.0}, [(0.0, 1.0)], steps=False)
    lines = drawn["series"][0]["markLine"]["data"]
    assert [(line["yAxis"], line["label"]["formatter"]) for line in lines] == [(520.0, "HH 520"), (500.0, "H 500")]
