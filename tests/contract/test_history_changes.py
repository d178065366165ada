"""What every history store must do when history is changed: values, what they leave behind, annotations."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.core import status
from server.core.clock import from_iso
from server.history.store import Annotation, Change, HistoryRow, HistoryStore, ModifiedValue, StoredValue

DAY = from_iso("2026-01-05T00:00:00Z")
NOW = from_iso("2026-01-05T12:00:00Z")
PLACE = ("gpu-1", "power_kw")


def value(offset: int, number: object = 1.0, code: int = status.GOOD) -> StoredValue:
    return StoredValue(DAY + offset, DAY + offset + 1500, number, code)  # type: ignore[arg-type]


def row(offset: int, number: object = 1.0) -> HistoryRow:
    return HistoryRow(*PLACE, DAY + offset, DAY + offset + 1500, number, status.GOOD)  # type: ignore[arg-type]


def now_stored(store: HistoryStore) -> dict[int, object]:
    return {each.source_time - DAY: each.value for each in store.fetch(*PLACE, None, None, 1000)}


def modified(store: HistoryStore, start: int = -100, end: int = 10_000, size: int = 1000) -> list[ModifiedValue]:
    """All pages of a read of modified values."""
    found: list[ModifiedValue] = []
    resume = None
    while True:
        page = store.read_modified(*PLACE, DAY + start, DAY + end, size, resume=resume)
        assert len(page.values) <= size
        found += page.values
        resume = page.resume
        if resume is None:
            return found


def told(found: list[ModifiedValue]) -> list[tuple[int, object, Change, str]]:
    return [(each.value.source_time - DAY, each.value.value, each.how, each.user) for each in found]


def test_insert_replace_and_update(store: HistoryStore) -> None:
    store.write([row(1, 1.0), row(2, 2.0)])
    assert store.change(*PLACE, [value(2, 20.0), value(3, 30.0)], Change.INSERT, "olga", NOW) == [
        status.BAD_ENTRY_EXISTS,
        status.GOOD_ENTRY_INSERTED,
    ]
    assert store.change(*PLACE, [value(2, 21.0), value(4, 40.0)], Change.REPLACE, "olga", NOW + 1) == [
        status.GOOD_ENTRY_REPLACED,
        status.BAD_NO_ENTRY_EXISTS,
    ]
    assert store.change(*PLACE, [value(2, "text"), value(5, True)], Change.UPDATE, "emma", NOW + 2) == [
        status.GOOD_ENTRY_REPLACED,
        status.GOOD_ENTRY_INSERTED,
    ]
    assert now_stored(store) == {1: 1.0, 2: "text", 3: 30.0, 5: True}
    found = modified(store)
    assert told(found) == [(2, 21.0, Change.UPDATE, "emma"), (2, 2.0, Change.REPLACE, "olga")]
    assert [each.modified_at for each in found] == [NOW + 2, NOW + 1]
    assert found[1].value == value(2, 2.0)


def test_one_time_twice_in_a_change_is_changed_twice(store: HistoryStore) -> None:
    codes = store.change(*PLACE, [value(1, 1.0), value(1, 2.0)], Change.UPDATE, "olga", NOW)
    assert codes == [status.GOOD_ENTRY_INSERTED, status.GOOD_ENTRY_REPLACED]
    assert now_stored(store) == {1: 2.0}
    assert told(modified(store)) == [(1, 1.0, Change.UPDATE, "olga")]


def test_a_series_that_is_not_there(store: HistoryStore) -> None:
    assert store.change(*PLACE, [value(1)], Change.REPLACE, "olga", NOW) == [status.BAD_NO_ENTRY_EXISTS]
    assert store.delete(*PLACE, DAY, DAY + 9, "olga", NOW) == 0
    assert store.delete_times(*PLACE, [DAY], "olga", NOW) == [False]
    assert store.delete_modified(*PLACE, DAY, DAY + 9) == 0
    assert modified(store) == []
    assert store.annotations(*PLACE, DAY, DAY + 9, 10) == []
    note = Annotation(DAY, "x", "olga", NOW)
    assert store.annotate(*PLACE, [note], Change.DELETE) == [status.BAD_NO_ENTRY_EXISTS]
    assert store.fetch(*PLACE, None, None, 10) == []
    assert store.change(*PLACE, [value(1)], Change.INSERT, "olga", NOW) == [status.GOOD_ENTRY_INSERTED]
    assert store.latest(*PLACE) == value(1)


def test_times_and_values_that_history_cannot_hold(store: HistoryStore) -> None:
    far = replace(value(1), source_time=2**62)
    odd = [far, value(2, float("nan")), value(3, "x" * 70_000), value(4, 5.0, status.BAD_SENSOR_FAILURE)]
    assert store.change(*PLACE, odd, Change.UPDATE, "olga", NOW) == [
        status.BAD_OUT_OF_RANGE,
        *[status.GOOD_ENTRY_INSERTED] * 3,
    ]
    found = store.fetch(*PLACE, None, None, 10)
    assert [(each.value, each.status) for each in found] == [
        (None, status.BAD_OUT_OF_RANGE),
        (None, status.BAD_OUT_OF_RANGE),
        (None, status.BAD_SENSOR_FAILURE),
    ]
    assert store.delete_times(*PLACE, [2**62, DAY + 2], "olga", NOW) == [False, True]


@pytest.mark.parametrize(
    ("start", "end", "gone"),
    [(2, 4, [2, 3]), (4, 2, [3, 4]), (3, 3, [3]), (0, 99, [1, 2, 3, 4, 5]), (6, 99, []), (99, 6, []), (-9, 1, [])],
)
def test_delete_leaves_out_the_end_and_keeps_what_went(
    store: HistoryStore, start: int, end: int, gone: list[int]
) -> None:
    store.write([row(each, float(each)) for each in (1, 2, 3, 4, 5)])
    assert store.delete(*PLACE, DAY + start, DAY + end, "olga", NOW) == len(gone)
    assert sorted(now_stored(store)) == [each for each in (1, 2, 3, 4, 5) if each not in gone]
    assert told(modified(store)) == [(each, float(each), Change.DELETE, "olga") for each in gone]


def test_delete_at_times(store: HistoryStore) -> None:
    store.write([row(each) for each in range(1200)])
    times = [DAY + each for each in (*range(0, 1200, 2), 5_000, 0)]
    assert store.delete_times(*PLACE, times, "olga", NOW) == [True] * 600 + [False, False]
    assert len(now_stored(store)) == 600
    assert len(modified(store)) == 600


def test_another_value_for_a_time_that_has_one_is_a_modification_and_the_first_stays(store: HistoryStore) -> None:
    rows = [row(each, float(each)) for each in range(5)]
    store.write(rows)
    again = [*rows, row(3, 33.0), row(4, "other"), row(9, 9.0), row(9, 99.0)]
    assert store.write(again) == 1
    assert store.write(again) == 0  # delivered again after a kill: nothing is kept twice
    assert now_stored(store) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0, 9: 9.0}
    found = modified(store)
    assert told(found) == [
        (3, 33.0, Change.INSERT, ""),
        (4, "other", Change.INSERT, ""),
        (9, 99.0, Change.INSERT, ""),
    ]
    assert [each.modified_at for each in found] == [DAY + each + 1500 for each in (3, 4, 9)]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_modified_values_by_pages_in_both_directions(store: HistoryStore, size: int) -> None:
    store.write([row(each, float(each)) for each in range(10)])
    for step in range(3):
        store.change(
            *PLACE, [value(each, 100.0 * step + each + 50) for each in range(10)], Change.UPDATE, str(step), NOW
        )
    forward = [(time, user) for time in range(2, 8) for user in ("2", "1", "0")]
    assert [(time, user) for time, _, _, user in told(modified(store, 2, 8, size))] == forward
    backward = [(time, user) for time in range(8, 2, -1) for user in ("2", "1", "0")]
    assert [(time, user) for time, _, _, user in told(modified(store, 8, 2, size))] == backward
    assert [each.value.source_time - DAY for each in modified(store, 4, 4, size)] == [4, 4, 4]
    open_end = store.read_modified(*PLACE, None, DAY + 3, 4)
    assert [each.value.source_time - DAY for each in open_end.values] == [3, 3, 3, 2]
    assert store.delete_modified(*PLACE, DAY + 2, DAY + 8) == 18
    assert {time for time, _, _, _ in told(modified(store))} == {0, 1, 8, 9}


def test_a_read_of_modified_values_needs_a_time_and_a_page(store: HistoryStore) -> None:
    with pytest.raises(ValueError, match="start or an end"):
        store.read_modified(*PLACE, None, None, 5)
    with pytest.raises(ValueError, match="at least one"):
        store.read_modified(*PLACE, DAY, None, 0)


def test_annotations(store: HistoryStore) -> None:
    notes = [Annotation(DAY + each, f"note {each}", "olga", NOW + each) for each in range(5)]
    assert store.annotate(*PLACE, notes, Change.INSERT) == [status.GOOD_ENTRY_INSERTED] * 5
    assert store.annotate(*PLACE, notes[:1], Change.INSERT) == [status.BAD_ENTRY_EXISTS]
    second = Annotation(DAY + 2, "дополнение", "emma", NOW + 9)
    assert store.annotate(*PLACE, [second], Change.UPDATE) == [status.GOOD_ENTRY_INSERTED]
    better = replace(notes[1], message="better")
    lost = replace(notes[1], user="nobody")
    assert store.annotate(*PLACE, [better, lost], Change.REPLACE) == [
        status.GOOD_ENTRY_REPLACED,
        status.BAD_NO_ENTRY_EXISTS,
    ]
    assert store.annotate(*PLACE, [notes[3], notes[3]], Change.DELETE) == [status.GOOD, status.BAD_NO_ENTRY_EXISTS]
    assert store.annotate(*PLACE, [replace(second, time=2**62)], Change.UPDATE) == [status.BAD_OUT_OF_RANGE]
    found = store.annotations(*PLACE, DAY + 1, DAY + 4, 10)
    assert found == [better, notes[2], second]
    assert store.annotations(*PLACE, DAY, DAY + 99, 2, after=2) == [notes[2], second]


def test_fetch_gives_what_lies_between(store: HistoryStore) -> None:
    store.write([row(each, float(each)) for each in range(10)])
    assert [each.value for each in store.fetch(*PLACE, DAY + 3, DAY + 5, 10)] == [3.0, 4.0, 5.0]
    assert [each.value for each in store.fetch(*PLACE, None, DAY + 5, 2, newest_first=True)] == [5.0, 4.0]
    assert [each.value for each in store.fetch(*PLACE, DAY + 8, None, 10)] == [8.0, 9.0]


CASES = count()
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "replace", "update", "delete", "times", "write"]),
        st.integers(0, 12),
        st.integers(0, 12),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_changes_give_what_a_plain_list_gives(store: HistoryStore, steps: list[tuple[str, int, int]]) -> None:
    """Nothing goes without a trace: current values and modified ones together are all that ever was."""
    place = "any", f"c{next(CASES)}"
    current: dict[int, float] = {}
    past: list[tuple[int, float]] = []
    for number, (what, one, other) in enumerate(steps):
        new = float(number)
        if what == "write":
            store.write([HistoryRow(*place, DAY + one, DAY + one, new, status.GOOD)])
            if one in current:
                past.append((one, new))
            current.setdefault(one, new)
        elif what == "delete":
            gone = [t for t in current if t == one or one < t < other or other < t < one]
            assert store.delete(*place, DAY + one, DAY + other, "u", NOW) == len(gone)
            past += [(t, current.pop(t)) for t in gone]
        elif what == "times":
            assert store.delete_times(*place, [DAY + one], "u", NOW) == [one in current]
            past += [(one, current.pop(one))] if one in current else []
        else:
            how = Change[what.upper()]
            (code,) = store.change(*place, [StoredValue(DAY + one, DAY + one, new, 0)], how, "u", NOW)
            done = code in (status.GOOD_ENTRY_INSERTED, status.GOOD_ENTRY_REPLACED)
            assert done == (how is Change.UPDATE or (one in current) == (how is Change.REPLACE))
            if done:
                past += [(one, current[one])] if one in current else []
                current[one] = new
    assert {each.source_time - DAY: each.value for each in store.fetch(*place, None, None, 100)} == current
    found = store.read_modified(*place, DAY, DAY + 99, 100).values
    assert sorted((each.value.source_time - DAY, each.value.value) for each in found) == sorted(past)
