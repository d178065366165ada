"""What every history store must answer: the same rows in, the same pages out."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.core import status
from server.core.clock import SECOND, from_iso
from server.core.errors import LocalError
from server.history.store import HistoryRow, HistoryStore, StoredValue
from tests.kit import raw_rule

DAY = from_iso("2026-01-05T00:00:00Z")


def row(time: int, value: object = 1.0, code: int = status.GOOD, series: str = "power_kw") -> HistoryRow:
    return HistoryRow("gpu-1", series, time, time + 1500, value, code)  # type: ignore[arg-type]


def all_of(store: HistoryStore, start: int | None, end: int | None, size: int, bounds: bool) -> list[StoredValue]:
    """Every value of a read, asked page by page."""
    values: list[StoredValue] = []
    resume = None
    while True:
        page = store.read_raw("gpu-1", "power_kw", start, end, size, bounds=bounds, resume=resume)
        assert len(page.values) <= size
        values += page.values
        if page.next_time is None:
            return values
        assert len(page.values) == size, "only the last page may be short"
        resume = page.next_time


# OPC 10000-11 §4.4: values stand at 5:00, 5:02, 5:03, 5:05, 5:06. Minutes after 4:00 below; "<" and ">" are missing
# bounds before the first and after the last value; None is an open end. (start, end, numValues, bounds, times, more)
RAW_TABLE = [
    (60, 65, 0, True, "60 62 63 65", False),
    (60, 65, 0, False, "60 62 63", False),
    (61, 64, 0, True, "60 62 63 65", False),
    (61, 64, 0, False, "62 63", False),
    (65, 60, 0, True, "65 63 62 60", False),
    (65, 60, 0, False, "65 63 62", False),
    (64, 61, 0, True, "65 63 62 60", False),
    (64, 61, 0, False, "63 62", False),
    (59, 65, 0, True, "< 60 62 63 65", False),
    (59, 65, 0, False, "60 62 63", False),
    (61, 67, 0, True, "60 62 63 65 66 >", False),
    (61, 67, 0, False, "62 63 65 66", False),
    (60, 65, 3, True, "60 62 63", True),
    (60, 65, 3, False, "60 62 63", False),
    (61, 64, 3, True, "60 62 63", True),
    (61, 64, 3, False, "62 63", False),
    (65, 60, 3, True, "65 63 62", True),
    (65, 60, 3, False, "65 63 62", False),
    (64, 61, 3, True, "65 63 62", True),
    (64, 61, 3, False, "63 62", False),
    (59, 65, 3, True, "< 60 62", True),
    (59, 65, 3, False, "60 62 63", False),
    (61, 67, 3, True, "60 62 63", True),
    (61, 67, 3, False, "62 63 65", True),
    (60, None, 3, True, "60 62 63", True),
    (60, None, 3, False, "60 62 63", True),
    (60, None, 6, True, "60 62 63 65 66 >", False),
    (60, None, 6, False, "60 62 63 65 66", False),
    (67, None, 6, True, "66 >", False),
    (67, None, 6, False, "", False),
    (None, 66, 3, True, "66 65 63", True),
    (None, 66, 3, False, "66 65 63", True),
    (None, 66, 6, True, "66 65 63 62 60 <", False),
    (None, 66, 6, False, "66 65 63 62 60", False),
    (None, 48, 6, True, "60 <", False),
    (None, 48, 6, False, "", False),
    (48, 48, 0, True, "< 60", False),
    (48, 48, 0, False, "", False),
    (48, 48, 1, True, "<", True),
    (48, 48, 2, True, "< 60", False),
    (60, 60, 0, True, "60 62", False),
    (60, 60, 0, False, "60", False),
    (60, 60, 1, True, "60", True),
    (60, 60, 1, False, "60", False),
    (61, 61, 0, True, "60 62", False),
    (61, 61, 0, False, "", False),
    (61, 61, 1, True, "60", True),
]


def test_raw_reads_give_the_table_of_part_11(store: HistoryStore) -> None:
    def at(minute: int | None) -> int | None:
        return None if minute is None else DAY + minute * 60 * SECOND

    store.write([row(at(minute) or 0, float(minute)) for minute in (63, 60, 62, 66, 65)])
    for start, end, count, bounds, expected, more in RAW_TABLE:
        page = store.read_raw("gpu-1", "power_kw", at(start), at(end), count or 100, bounds=bounds)
        got = []
        for value in page.values:
            if value.status == status.BAD_BOUND_NOT_FOUND:
                assert value.value is None
                got.append("<" if value.source_time < DAY + 60 * 60 * SECOND else ">")
            else:
                got.append(str((value.source_time - DAY) // (60 * SECOND)))
        case = (start, end, count, bounds)
        assert (case, " ".join(got), page.next_time is not None) == (case, expected, more)


def test_a_missing_bound_stands_at_the_time_that_was_asked_for(store: HistoryStore) -> None:
    store.write([row(DAY + 10)])
    page = store.read_raw("gpu-1", "power_kw", DAY, DAY + 100, 10, bounds=True)
    assert [value.source_time for value in page.values] == [DAY, DAY + 10, DAY + 100]
    assert [value.status for value in page.values] == [
        status.BAD_BOUND_NOT_FOUND,
        status.GOOD,
        status.BAD_BOUND_NOT_FOUND,
    ]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("bounds", [False, True])
def test_paging_neither_loses_nor_doubles(store: HistoryStore, size: int, bounds: bool) -> None:
    times = [DAY + number * SECOND for number in range(50)]
    store.write([row(time, float(time - DAY)) for time in times])
    inner = times[5:40]
    forward = times[5:41] if bounds else inner
    assert [value.source_time for value in all_of(store, times[5], times[40], size, bounds)] == forward
    backward = times[5:41][::-1] if bounds else times[6:41][::-1]
    assert [value.source_time for value in all_of(store, times[40], times[5], size, bounds)] == backward
    # Every corner ends, whatever is missing.
    for start, end in ((times[0] - 9, times[-1] + 9), (times[-1] + 9, None), (None, times[0] - 9), (DAY - 9, DAY - 9)):
        whole = all_of(store, start, end, 1000, bounds)
        assert all_of(store, start, end, size, bounds) == whole


def test_an_unknown_series_is_empty_and_bounds_are_missing(store: HistoryStore) -> None:
    assert store.read_raw("gpu-1", "power_kw", DAY, DAY + 1, 10).values == ()
    assert store.latest("gpu-1", "power_kw") is None
    for start, end in ((DAY, DAY + 9), (DAY + 9, DAY), (DAY, DAY), (DAY, None), (None, DAY)):
        values = all_of(store, start, end, 1, True)
        assert [value.status for value in values] == [status.BAD_BOUND_NOT_FOUND] * 2


def test_a_read_needs_a_time_and_a_page(store: HistoryStore) -> None:
    with pytest.raises(ValueError, match="start or an end"):
        store.read_raw("gpu-1", "power_kw", None, None, 10)
    with pytest.raises(ValueError, match="at least one"):
        store.read_raw("gpu-1", "power_kw", DAY, None, 0)


VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    -(2**63),
    2**64 - 1,
    0.0,
    0.1,
    -1e308,
    5e-324,
    math.inf,
    -math.inf,
    "",
    "Давление \N{SNOWMAN} 'x'; DROP TABLE history_points; --",
    "nul \0 inside",
    "lone \ud800 surrogate",
    "x" * 65_536,
    b"",
    b"\x00\xff\n\\.",
]


def test_every_type_comes_back_exactly(store: HistoryStore) -> None:
    # Beyond 2**53 a double would lose digits; True must not become 1 nor 1 become 1.0.
    rows = [row(DAY + number, value) for number, value in enumerate(VALUES)]
    rows.append(row(DAY + len(rows), None, status.BAD_NO_COMMUNICATION))
    rows.append(row(DAY + len(rows), 1.5, status.UNCERTAIN_LAST_USABLE_VALUE))
    store.write(rows)
    back = store.read_raw("gpu-1", "power_kw", DAY, None, 100).values
    assert [(type(value.value), value.value) for value in back] == [(type(each.value), each.value) for each in rows]
    assert [value.status for value in back] == [each.status for each in rows]
    assert {value.server_time - value.source_time for value in back} == {1500}


def test_nan_does_not_break_a_batch(store: HistoryStore) -> None:
    assert store.write([row(DAY, math.nan), row(DAY + 1, 2.0)]) == 2
    values = store.read_raw("gpu-1", "power_kw", DAY, None, 9).values
    assert [value.value for value in values] == [None, 2.0]


def test_written_again_changes_nothing_and_counts_nothing(store: HistoryStore) -> None:
    rows = [row(DAY + number, float(number)) for number in range(100)]
    assert store.write(rows) == 100
    assert store.write(rows) == 0
    # Half old, half new, an old time with another value, one time twice in the batch: the first wins everywhere.
    again = [replace(rows[7], value=99.0), row(DAY + 200, 1.0), row(DAY + 200, 2.0), *rows[90:], row(DAY + 201, 3.0)]
    assert store.write(again) == 2
    back = {value.source_time - DAY: value.value for value in all_of(store, DAY, None, 1000, False)}
    assert back == {**{number: float(number) for number in range(100)}, 200: 1.0, 201: 3.0}
    assert store.write([]) == 0


def test_series_do_not_mix_and_the_latest_is_by_source_time(store: HistoryStore) -> None:
    store.write([row(DAY + 5, 5.0), row(DAY + 9, 9.0), row(DAY + 7, 7.0), row(DAY + 20, "x", series="note")])
    latest = store.latest("gpu-1", "power_kw")
    assert latest == StoredValue(DAY + 9, DAY + 1509, 9.0, status.GOOD)
    assert [value.value for value in store.read_raw("gpu-1", "note", DAY, None, 10).values] == ["x"]
    assert store.latest("gpu-2", "power_kw") is None


def test_rows_of_any_day_find_their_place(store: HistoryStore) -> None:
    # A device may say 1970, a back-fill comes from last year, a clock error may say 2200.
    days = [
        "1970-01-01T00:00:00Z",
        "1999-12-31T23:59:59.999999Z",
        "2003-07-01T00:00:00Z",
        "2024-11-30T00:00:00Z",  # just outside the days that get a partition each
        "2024-12-01T12:00:00Z",
        "2024-12-03T00:00:00Z",
        "2024-01-01T00:00:00Z",
        "2026-01-04T23:59:59.999999Z",
        "2026-01-05T00:00:00Z",
        "2026-12-31T00:00:00Z",
        "2100-01-01T00:00:00Z",
        "9998-01-01T00:00:00Z",
    ]
    times = [from_iso(day) for day in days]
    for time in reversed(times):
        assert store.write([row(time)]) == 1
    assert store.write([row(time) for time in times]) == 0
    assert [value.source_time for value in all_of(store, times[0], None, 5, False)] == sorted(times)
    # Clients may ask from any end of time.
    assert len(all_of(store, -(2**62), 2**62, 1000, False)) == len(days)
    assert len(all_of(store, 2**62, -(2**62), 1000, False)) == len(days)


def test_a_time_nobody_can_place_is_refused_whole(store: HistoryStore) -> None:
    with pytest.raises(LocalError, match="outside years"):
        store.write([row(DAY), row(2**62)])
    assert store.read_raw("gpu-1", "power_kw", DAY, None, 10).values == ()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    times=st.sets(st.integers(0, 40), max_size=20),
    start=st.integers(-2, 42),
    end=st.one_of(st.none(), st.integers(-2, 42)),
    size=st.integers(1, 9),
    bounds=st.booleans(),
    case=st.integers(0, 2**60),
)
def test_any_read_equals_the_plain_rule(
    store: HistoryStore, times: set[int], start: int, end: int | None, size: int, bounds: bool, case: int
) -> None:
    """The rule written a second time, on a list: what lies between, then the bounds around it."""
    name = f"p{case}"
    store.write([HistoryRow("any", name, DAY + time, DAY + time, float(time), status.GOOD) for time in sorted(times)])
    stored = store.read_raw("any", name, DAY - 10, None, 100).values
    known = sorted(value.source_time - DAY for value in stored)
    got: list[int | None] = []
    resume = None
    while True:
        page = store.read_raw(
            "any", name, DAY + start, None if end is None else DAY + end, size, bounds=bounds, resume=resume
        )
        got += [None if value.value is None else value.source_time - DAY for value in page.values]
        resume = page.next_time
        if resume is None:
            break
    assert got == raw_rule.expected(known, start, end, bounds=bounds)
