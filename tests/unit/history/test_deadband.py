"""Deadbands: what is left out never was further away than they say, and nothing else is left out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from server.core import status
from server.core.clock import SECOND
from server.history.deadband import Deadband
from server.history.store import HistoryRow
from server.history.thinning import Thinning
from server.settings import DeadbandSettings

SERIES = ("loom-1", "speed_rpm")


def row(second: float, value: object, code: int = status.GOOD) -> HistoryRow:
    at = round(second * SECOND)
    return HistoryRow(*SERIES, at, at, value, code)  # type: ignore[arg-type]


def stored(deadband: Deadband, rows: list[HistoryRow]) -> list[HistoryRow]:
    return [each for one in rows for each in deadband.offer(one)]


def test_a_step_is_a_step_because_the_held_value_is_stored_before_it() -> None:
    deadband = Deadband(DeadbandSettings(exception=0.5), stepped=False)
    rows = [row(0, 10.0), row(1, 10.2), row(2, 9.9), row(3, 10.1), row(4, 20.0), row(5, 20.1)]
    assert stored(deadband, rows) == [row(0, 10.0), row(3, 10.1), row(4, 20.0)]
    assert list(deadband.held()) == [row(5, 20.1)]


def test_a_ramp_is_two_values() -> None:
    deadband = Deadband(DeadbandSettings(compression=0.5), stepped=False)
    ramp = [row(second, float(second)) for second in range(100)]
    assert stored(deadband, ramp) == [ramp[0]]
    assert stored(deadband, [row(100, 50.0)]) == [ramp[99]]
    assert list(deadband.held()) == [row(100, 50.0)]


def test_a_value_that_stays_is_stored_again_after_the_longest_time() -> None:
    deadband = Deadband(DeadbandSettings(exception=0, longest_s=10), stepped=True)
    found = stored(deadband, [row(second, True) for second in range(25)])
    assert [each.source_time // SECOND for each in found] == [0, 10, 20]


def test_another_status_or_kind_of_value_is_stored_whatever_the_deadband() -> None:
    deadband = Deadband(DeadbandSettings(exception=100, compression=100), stepped=False)
    rows = [
        row(0, 1.0),
        row(1, 1.0),
        row(2, 1.0, status.UNCERTAIN_LAST_USABLE_VALUE),
        row(3, None, status.BAD_NO_COMMUNICATION),
        row(4, None, status.BAD_NO_COMMUNICATION),
        row(5, 1.0),
        row(6, "text"),
        row(7, float("nan")),
    ]
    assert stored(deadband, rows) == rows


def test_a_late_value_is_stored_as_it_is() -> None:
    deadband = Deadband(DeadbandSettings(exception=5), stepped=False)
    assert stored(deadband, [row(10, 1.0), row(20, 1.0)]) == [row(10, 1.0)]
    assert deadband.offer(row(15, 1.0)) == [row(15, 1.0)]
    assert deadband.offer(row(20, 1.0)) == [row(20, 1.0)]


def test_without_lines_compression_is_an_exception_deadband() -> None:
    deadband = Deadband(DeadbandSettings(compression=2), stepped=True)
    assert stored(deadband, [row(0, 1), row(1, 2), row(2, 3), row(3, 4)]) == [row(0, 1), row(2, 3), row(3, 4)]


STEPS = st.lists(st.tuples(st.integers(1, 40), st.integers(-60, 60), st.integers(0, 9)), min_size=1, max_size=80)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(0, 30), st.booleans(), st.booleans())
def test_what_is_left_out_was_near_what_is_stored(
    steps: list[tuple[int, int, int]], deviation: int, compressed: bool, both: bool
) -> None:
    exception = float(deviation) if both or not compressed else None
    compression = float(deviation + 1) if compressed else None
    deadband = Deadband(DeadbandSettings(exception=exception, compression=compression, longest_s=200), stepped=False)
    rows, time = [], 0
    for step, value, luck in steps:
        time += step
        rows.append(row(time, float(value), status.GOOD if luck else status.BAD_OUT_OF_RANGE))
    found = stored(deadband, rows)
    assert [each.source_time for each in found] == sorted({each.source_time for each in found})
    assert all(each in rows for each in found)
    closed = [*found, *sorted(deadband.held(), key=lambda each: each.source_time)]
    allowed = (exception or 0.0) + (compression or 0.0)
    for early, late in pairwise(closed):
        for each in rows:
            if early.source_time < each.source_time < late.source_time:
                assert each.status == early.status
                if each.status == status.GOOD:
                    share = (each.source_time - early.source_time) / (late.source_time - early.source_time)
                    line = early.value + (late.value - early.value) * share  # type: ignore[operator]
                    flat = abs(each.value - early.value) <= allowed  # type: ignore[operator]
                    assert flat or abs(each.value - line) <= allowed + 1e-6  # type: ignore[operator]
        between = [each for each in rows if early.source_time < each.source_time < late.source_time]
        assert all(each.source_time - early.source_time < 200 * SECOND for each in between)


def test_what_a_failed_commit_owes_is_what_was_held_before() -> None:
    thinning = Thinning(lambda *_: (DeadbandSettings(exception=1), False))
    assert thinning.take([row(0, 1.0)]) == [row(0, 1.0)]
    assert thinning.take([row(1, 1.5)]) == []
    kept = thinning.to_keep()
    assert kept.held == {SERIES: [row(1, 1.5)]} and kept.released == []
    assert thinning.take([row(2, 9.0)]) == [row(1, 1.5), row(2, 9.0)]
    kept = thinning.to_keep()
    assert kept.held == {SERIES: []} and kept.released == [row(1, 1.5)]
    assert thinning.failed(kept) == [row(1, 1.5)]
    assert thinning.to_keep().held == {SERIES: []}, "the next commit has to say it again"
    assert thinning.left_out == 0
    thinning.take([row(3, 9.0), row(4, 9.0), row(5, 9.0)])
    assert thinning.left_out == 2, "the last one is held"


def test_what_is_owed_is_owed_until_a_commit_comes_about() -> None:
    thinning = Thinning(lambda *_: (DeadbandSettings(exception=1), False))
    thinning.take([row(0, 1.0), row(1, 1.5)])
    thinning.to_keep()
    thinning.take([row(2, 9.0), row(3, 9.5)])
    first = thinning.to_keep()
    assert thinning.failed(first) == [row(1, 1.5)]
    thinning.take([row(4, 20.0)])
    second = thinning.to_keep()
    assert thinning.failed(second) == [row(1, 1.5), row(3, 9.5)]


def test_after_a_gap_the_next_value_is_stored() -> None:
    thinning = Thinning(lambda *_: (DeadbandSettings(exception=1), False))
    thinning.take([row(0, 1.0), row(1, 1.5)])
    assert thinning.restart([row(2, 1.0)]) == [row(1, 1.5)]
    assert thinning.take([row(3, 1.0)]) == [row(3, 1.0)]


def test_what_a_device_that_changes_held_is_stored() -> None:
    thinning = Thinning(lambda *_: (DeadbandSettings(exception=1), False))
    thinning.take([row(0, 1.0), row(1, 1.0)])
    assert thinning.forget("loom-2") == []
    assert thinning.forget("loom-1") == [row(1, 1.0)]
    assert thinning.to_keep().held == {SERIES: []}
