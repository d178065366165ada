"""Which of what is kept answers a question."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.clock import SECOND, from_iso
from server.history.tiers import (
    DAY,
    HOUR,
    MINUTE,
    MOST_SEGMENTS,
    Ages,
    Choice,
    Segment,
    Tier,
    choose,
    in_minutes,
    segments,
)

NOW = from_iso("2026-03-01T10:20:30Z")
AGES = Ages()


def test_by_default_values_stay_7_days_minutes_90_and_hours_two_years() -> None:
    assert (AGES.raw, AGES.minutes, AGES.hours) == (7 * DAY, 90 * DAY, 730 * DAY)


@pytest.mark.parametrize(
    ("start", "end", "width", "expected"),
    [
        # Raw values are there: as it was asked.
        (NOW - DAY - 7, NOW, 11 * SECOND, Choice(Tier.RAW, NOW - DAY - 7, NOW, 11 * SECOND)),
        # The edge of the raw values is a whole hour: it still holds 10:00 of a week ago.
        (NOW // HOUR * HOUR - 7 * DAY, NOW, HOUR, Choice(Tier.RAW, NOW // HOUR * HOUR - 7 * DAY, NOW, HOUR)),
        # One microsecond earlier it is minutes, and these are whole ones.
        (
            NOW // HOUR * HOUR - 7 * DAY - 1,
            NOW,
            90 * SECOND,
            Choice(Tier.MINUTES, NOW // HOUR * HOUR - 7 * DAY - MINUTE, NOW // MINUTE * MINUTE + MINUTE, 2 * MINUTE),
        ),
        # One interval over all stays one.
        (
            NOW - 8 * DAY,
            NOW,
            8 * DAY,
            Choice(
                Tier.MINUTES,
                (NOW - 8 * DAY) // MINUTE * MINUTE,
                NOW // MINUTE * MINUTE + MINUTE,
                8 * DAY + MINUTE,
            ),
        ),
        (
            NOW - 100 * DAY,
            NOW,
            SECOND,
            Choice(Tier.HOURS, (NOW - 100 * DAY) // HOUR * HOUR, NOW // HOUR * HOUR + HOUR, HOUR),
        ),
        # Older than all of it: what may be left of the hours.
        (0, HOUR, HOUR, Choice(Tier.HOURS, 0, HOUR, HOUR)),
    ],
)
def test_the_finest_that_still_holds_the_start_answers(start: int, end: int, width: int, expected: Choice) -> None:
    assert choose(start, end, width, NOW, AGES) == expected


def test_what_is_kept_for_ever_answers_for_ever() -> None:
    assert choose(-DAY, NOW, 7, NOW, Ages(raw=None)).tier is Tier.RAW
    for wrong in ((0, 1, 0), (5, 5, 1), (5, 4, 1)):
        with pytest.raises(ValueError, match="microsecond"):
            choose(*wrong, NOW, AGES)


moments = st.integers(-3 * DAY, 3 * DAY)
times = st.one_of(moments, moments.map(lambda at: at // MINUTE * MINUTE), moments.map(lambda at: at // HOUR * HOUR))


@given(
    start=times,
    length=st.one_of(st.integers(1, 2 * DAY), st.integers(1, 50).map(lambda hours: hours * HOUR)),
    width=st.one_of(st.integers(SECOND, DAY), st.integers(1, 3000).map(lambda minutes: minutes * MINUTE)),
)
def test_segments_cover_the_range_and_no_cell_has_an_edge_in_it(start: int, length: int, width: int) -> None:
    end = start + length
    found = segments(start, end, width)
    assert 0 < len(found) <= MOST_SEGMENTS
    assert (found[0].low, found[-1].high) == (start, end)
    assert all(one.high == other.low for one, other in pairwise(found))
    for segment in found:
        assert segment.low < segment.high
        if segment.tier is not Tier.RAW:
            assert segment.low % segment.tier == segment.high % segment.tier == 0
            # Every edge of an interval in it is an edge of a cell; of many the first few tell, they repeat.
            edge = start + -(-(segment.low - start) // width) * width
            for at in range(edge, min(segment.high, edge + 100 * width), width):
                assert at % segment.tier == 0


def test_whole_hours_are_answered_by_hours_and_odd_edges_by_finer_cells() -> None:
    assert segments(0, 3 * HOUR, HOUR) == [Segment(Tier.HOURS, 0, 3 * HOUR)]
    assert segments(0, 3 * HOUR, MINUTE) == [Segment(Tier.MINUTES, 0, 3 * HOUR)]
    assert segments(-1, 3 * HOUR + MINUTE + 1, DAY) == [
        Segment(Tier.RAW, -1, 0),
        Segment(Tier.HOURS, 0, 3 * HOUR),
        Segment(Tier.MINUTES, 3 * HOUR, 3 * HOUR + MINUTE),
        Segment(Tier.RAW, 3 * HOUR + MINUTE, 3 * HOUR + MINUTE + 1),
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(Tier.RAW, 7, 7 + 10 * 61 * SECOND, 61 * SECOND), None),  # few of them
        (Choice(Tier.RAW, 7, 7 + 100 * MINUTE, MINUTE), None),  # whole minutes
        (Choice(Tier.RAW, 7, 7 + 1_000 * SECOND, 10 * SECOND), None),  # shorter than a minute
        (
            Choice(Tier.RAW, MINUTE + 7, 200 * MINUTE, 61 * SECOND),
            Choice(Tier.RAW, MINUTE, 200 * MINUTE, 2 * MINUTE),
        ),
    ],
)
def test_many_odd_intervals_become_whole_minutes(choice: Choice, expected: Choice | None) -> None:
    assert in_minutes(choice) == (expected or choice)
