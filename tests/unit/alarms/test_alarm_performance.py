"""The measures of ISA-18.2, each against figures found by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.alarms.performance import AlarmPerformance, Busy, Guide
from server.core.clock import SECOND
from server.core.values import AlarmEvent, DeviceId

START = 1_767_600_000 * SECOND  # a multiple of 600 s: the beginning of a 10-minute period
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
_numbers = count(1)


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def event(
    name: str, seconds: float, *, active: bool, acked: bool = False, cause: str = "transition", **more: object
) -> AlarmEvent:
    base = AlarmEvent(
        condition_id=name,
        device_id=DeviceId("d"),
        name=name,
        kind="exclusive_limit",
        event_id=next(_numbers).to_bytes(16, "big"),
        time=at(seconds),
        receive_time=at(seconds),
        message="",
        severity=500,
        active=active,
        acked=acked,
        retain=True,
        active_time=at(seconds) if active else None,
        cause=cause,
        priority="medium",
    )
    return replace(base, **more)  # type: ignore[arg-type]


def on(name: str, seconds: float, **more: object) -> AlarmEvent:
    return event(name, seconds, active=True, **more)  # type: ignore[arg-type]


def off(name: str, seconds: float, **more: object) -> AlarmEvent:
    return event(name, seconds, active=False, **more)  # type: ignore[arg-type]


def bursts(performance: AlarmPerformance, seconds: float, number: int) -> None:
    """So many alarms, each another one, a tenth of a second apart."""
    performance.observe([on(f"{seconds}/{index}", seconds + index / 10) for index in range(number)])


def test_nothing_has_happened() -> None:
    found = AlarmPerformance().snapshot(at(0))
    assert (found.rate_10min, found.flood, found.standing, found.top_ten) == (0.0, False, 0, ())


def test_rates() -> None:
    performance = AlarmPerformance()
    bursts(performance, 0, 4)
    bursts(performance, 25 * MINUTE, 6)
    bursts(performance, 55 * MINUTE, 3)
    found = performance.snapshot(at(59 * MINUTE))
    assert found.rate_10min == 3  # of the last ten minutes
    assert found.average_rate_hour == pytest.approx(13 / 6)  # six periods an hour
    assert found.average_rate_week == pytest.approx(13 / 6)  # so far there were six periods
    assert found.average_rate_day == pytest.approx(13 / 144)
    assert (found.peak_rate_week, found.annunciated_day) == (6, 13)
    assert performance.snapshot(at(65 * MINUTE + 1)).rate_10min == 0


def test_rates_are_told_for_each_operator() -> None:
    performance = AlarmPerformance(Guide(operators=2))
    bursts(performance, 0, 12)
    found = performance.snapshot(at(2))
    assert (found.rate_10min, found.peak_rate_week, found.flood) == (6.0, 6.0, False)


def test_a_flood_begins_above_ten_and_ends_below_five() -> None:
    performance = AlarmPerformance()
    bursts(performance, 0, 10)
    assert not performance.snapshot(at(2)).flood
    bursts(performance, 8 * MINUTE, 1)
    assert performance.snapshot(at(8 * MINUTE + 1)).flood  # eleven
    bursts(performance, 9 * MINUTE, 4)
    assert performance.snapshot(at(10 * MINUTE + 2)).flood  # five are left: not fewer than five
    assert not performance.snapshot(at(18 * MINUTE + 1)).flood  # four
    assert performance.snapshot(at(19 * MINUTE)).flood_percent_week == 50.0  # one of two periods had more than ten


@pytest.mark.parametrize("hidden", [{"shelving": "TimedShelved"}, {"suppressed": True}, {"out_of_service": True}])
def test_what_is_not_shown_is_not_annunciated(hidden: dict[str, object]) -> None:
    performance = AlarmPerformance()
    performance.observe([on("a", 0, **hidden), on("b", 1)])
    found = performance.snapshot(at(2))
    assert (found.annunciated_day, found.standing, found.unacknowledged) == (1, 1, 1)
    assert found.shelved + found.suppressed + found.out_of_service == 1


def test_a_worse_level_is_no_further_alarm_but_a_re_alarm_is() -> None:
    performance = AlarmPerformance()
    performance.observe([on("a", 0), on("a", 1), on("a", 2, cause="re-alarmed")])
    assert performance.snapshot(at(3)).annunciated_day == 2


def test_chattering_is_three_times_within_a_minute() -> None:
    performance = AlarmPerformance()
    for start in (0, 29, 58):
        performance.observe([on("fast", start), off("fast", start + 1)])
    for start in (0, 30, 61):
        performance.observe([on("slow", start), off("slow", start + 1)])
    assert performance.snapshot(at(62)).chattering_ids == ("fast",)
    assert performance.snapshot(at(58 + 61)).chattering == 0  # it has come to rest


def test_fleeting_is_gone_before_anybody_could_act() -> None:
    performance = AlarmPerformance()
    performance.observe([on("a", 0), off("a", 4.9), on("b", 10), off("b", 15), on("c", 20), off("c", 21, acked=True)])
    assert performance.snapshot(at(30)).fleeting_day == 1
    assert performance.snapshot(at(DAY + 5)).fleeting_day == 0


def test_stale_is_active_for_more_than_a_day() -> None:
    performance = AlarmPerformance()
    performance.observe([on("a", 0), on("b", HOUR), on("c", 0), off("c", HOUR)])
    assert performance.snapshot(at(DAY)).stale == 0
    assert performance.snapshot(at(DAY + 1)).stale_ids == ("a",)


def test_acknowledgement() -> None:
    performance = AlarmPerformance()
    for number, seconds in enumerate((10, 20, 30, 40)):
        name = f"a{number}"
        performance.observe(
            [
                on(name, 0),
                on(name, seconds, acked=True, cause="acknowledged", active_time=at(0), acked_time=at(seconds)),
            ]
        )
    performance.observe([on("waits", 50)])
    found = performance.snapshot(at(110))
    assert (found.acknowledge_median_s, found.acknowledge_p95_s) == (20.0, 40.0)
    assert (found.unacknowledged, found.oldest_unacknowledged_s) == (1, 60.0)


def test_priorities_and_the_top_ten() -> None:
    performance = AlarmPerformance()
    for number in range(12):
        for again in range(number + 1):
            performance.observe([on(f"n{number:02}", again, priority="low"), off(f"n{number:02}", again + 0.5)])
    performance.observe([on("last", 100, priority="critical")])
    found = performance.snapshot(at(101))
    assert found.top_ten[0] == Busy("n11", 12, pytest.approx(100 * 12 / 79))
    assert [busy.condition_id for busy in found.top_ten] == [f"n{number:02}" for number in range(11, 1, -1)]
    assert found.annunciated_mix == {
        "critical": pytest.approx(100 / 79),
        "high": 0.0,
        "medium": 0.0,
        "low": pytest.approx(7800 / 79),
    }
    assert found.standing_mix == {"critical": 100.0, "high": 0.0, "medium": 0.0, "low": 0.0}


def test_what_is_older_than_a_week_is_forgotten() -> None:
    performance = AlarmPerformance()
    bursts(performance, 0, 5)
    bursts(performance, 8 * DAY, 1)
    found = performance.snapshot(at(8 * DAY + 1))
    assert (len(found.top_ten), found.peak_rate_week) == (1, 1)


def test_a_condition_that_ends_is_no_longer_counted() -> None:
    performance = AlarmPerformance()
    performance.observe([on("a", 0), off("a", 1, acked=True, cause="ended", enabled=False)])
    found = performance.snapshot(at(2))
    assert (found.standing, found.unacknowledged, found.disabled) == (0, 0, 0)


def test_states_of_an_earlier_run_stand_without_being_counted_again() -> None:
    performance = AlarmPerformance()
    performance.seed([on("a", 0), off("b", 0)])
    found = performance.snapshot(at(10))
    assert (found.standing, found.unacknowledged, found.annunciated_day) == (1, 2, 0)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 3 * DAY)), max_size=80), st.floats(0, DAY))
def test_counting_as_it_goes_is_counting_all(happened: list[tuple[int, float]], later: float) -> None:
    # An independent count over the list of activations.
    times = sorted((seconds, name) for name, seconds in happened)
    performance = AlarmPerformance()
    for seconds, name in times:
        performance.observe([on(str(name), seconds), off(str(name), seconds)])
    now = (times[-1][0] if times else 0.0) + later
    found = performance.snapshot(at(now))
    second = at(now) // SECOND
    recent = [seconds for seconds, _ in times if second - at(seconds) // SECOND < 600]
    assert found.rate_10min == len(recent)
    assert sum(busy.count for busy in found.top_ten) == sum(
        at(now) // SECOND // 86_400 - at(seconds) // SECOND // 86_400 < 7 for seconds, _ in times
    )
