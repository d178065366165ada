"""Figures of minutes and hours, packed hours and the end of old values: no answer changes but for what is over."""

from __future__ import annotations

import math
import random
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.core.clock import SECOND, ManualClock, from_iso
from server.history.store import Bucket, Change, Expired, HistoryRow, HistoryStore, StoredValue
from server.history.stores.memory import MemoryStore
from server.history.stores.sqlite import SqliteStore
from server.history.tiers import DAY, HOUR, MINUTE, Ages

START = from_iso("2026-01-05T00:00:00Z")
CASES = count()
PLACE = ("gpu-1", "power_kw")
CODES = (0, 0, 0, 0x40900000, 0x80070000)


def all_done(store: HistoryStore, now: int) -> int:
    """Maintain until nothing is left; how many hours got figures."""
    hours = 0
    while True:
        step = store.maintain(now)
        hours += step.hours
        if not step.more:
            return hours


def readings(hours: float, period_s: int = 20, place: tuple[str, str] = PLACE, seed: int = 1) -> list[HistoryRow]:
    noise = random.Random(seed)
    made = []
    for number in range(int(hours * 3600 / period_s)):
        time = START + number * period_s * SECOND + noise.randrange(1000)
        code = noise.choice(CODES)
        value = None if code & 0x80000000 else round(noise.gauss(50, 20), noise.choice((0, 2, 17)))
        made.append(HistoryRow(*place, time, time + 700, value, code))
    return made


def plain(rows: list[HistoryRow]) -> list[StoredValue]:
    return [StoredValue(row.source_time, row.server_time, row.value, row.status) for row in rows]


def close(one: list[Bucket], other: list[Bucket]) -> bool:
    return len(one) == len(other) and all(
        (a.time, a.count, a.minimum, a.maximum) == (b.time, b.count, b.minimum, b.maximum)
        and math.isclose(a.average, b.average, rel_tol=1e-9, abs_tol=1e-9)
        for a, b in zip(one, other, strict=True)
    )


def test_closed_hours_answer_as_their_values_did(store: HistoryStore) -> None:
    rows = readings(5.5)
    store.write(rows)
    all_done(store, START + 6 * HOUR)
    assert store.fetch(*PLACE, None, None, 10_000) == plain(rows)
    assert store.fetch(*PLACE, None, None, 10_000, newest_first=True) == plain(rows)[::-1]
    inside = [each for each in plain(rows) if START + HOUR + 7 <= each.source_time <= START + 3 * HOUR + 7]
    assert store.fetch(*PLACE, START + HOUR + 7, START + 3 * HOUR + 7, 10_000) == inside
    assert store.fetch(*PLACE, START + HOUR + 7, None, 5) == inside[:5]
    assert store.fetch(*PLACE, None, START + 3 * HOUR + 7, 5, newest_first=True) == inside[:-6:-1]
    assert store.latest(*PLACE) == plain(rows)[-1]
    assert store.write(rows) == 0
    assert store.fetch(*PLACE, None, None, 10_000) == plain(rows)


def test_late_values_and_changes_find_their_place_in_closed_hours(store: HistoryStore) -> None:
    rows = readings(4)
    store.write(rows)
    now = START + 6 * HOUR
    all_done(store, now)
    late = [HistoryRow(*PLACE, START + HOUR + 5_000_001, now, 1000.0, 0)]
    other = HistoryRow(*PLACE, rows[3].source_time, now, -1.5, 0)
    assert store.write([*late, *rows[:9], other]) == 1
    modified = store.read_modified(*PLACE, START, START + HOUR, 10).values
    assert [each.value.value for each in modified] == [-1.5]
    expected = sorted([*rows, *late], key=lambda row: row.source_time)
    assert store.fetch(*PLACE, None, None, 10_000) == plain(expected)
    reference = MemoryStore()
    reference.write(expected)
    for _ in range(2):
        for asked in ((START, START + 4 * HOUR, HOUR), (START + 61, START + 4 * HOUR - 9, 37 * MINUTE)):
            assert close(store.buckets([PLACE], *asked)[PLACE], reference.buckets([PLACE], *asked)[PLACE])
        assert store.buckets([PLACE], START + HOUR, START + 2 * HOUR, HOUR)[PLACE][0].maximum == 1000.0
        all_done(store, now)
    # Changes by hand, each before and after the figures are made.
    for _ in range(2):
        for kept in (store, reference):
            value = StoredValue(START + HOUR + 5_000_001, now, 7.0, 0)
            kept.change(*PLACE, [value], Change.UPDATE, "anna", now)
            kept.delete(*PLACE, START + 2 * HOUR, START + 3 * HOUR + MINUTE, "anna", now)
            kept.delete_times(*PLACE, [expected[0].source_time, expected[1].source_time], "anna", now)
        assert store.fetch(*PLACE, None, None, 10_000) == reference.fetch(*PLACE, None, None, 10_000)
        asked = (START, START + 4 * HOUR, HOUR)
        assert close(store.buckets([PLACE], *asked)[PLACE], reference.buckets([PLACE], *asked)[PLACE])
        all_done(store, now)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_figures_are_what_the_values_are_whenever_they_are_made(store: HistoryStore, data: st.DataObject) -> None:
    # Writes, late writes, deletions and maintenance in any order; the reference only has the values.
    place = "any", f"u{next(CASES)}"
    reference = MemoryStore()
    moment = st.integers(0, 6 * 3600).map(lambda second: START + second * SECOND)
    for _ in range(data.draw(st.integers(1, 5))):
        times = data.draw(
            st.lists(st.tuples(moment, st.sampled_from(CODES)), max_size=60, unique_by=lambda each: each[0])
        )
        rows = [
            HistoryRow(*place, time, time, None if code & 0x80000000 else float(time % 977) / 8, code)
            for time, code in times
        ]
        for kept in (store, reference):
            kept.write(rows)
        if data.draw(st.booleans()):
            all_done(store, data.draw(moment) + 2 * HOUR)
        if data.draw(st.booleans()):
            low, high = sorted((data.draw(moment), data.draw(moment)))
            for kept in (store, reference):
                kept.delete(*place, low, high, "anna", START)
    assert store.fetch(*place, None, None, 1000) == reference.fetch(*place, None, None, 1000)
    for _ in range(4):
        start, end = sorted((data.draw(moment), data.draw(moment)))
        if data.draw(st.booleans()):
            start, end = start // HOUR * HOUR, end // HOUR * HOUR + HOUR
        width = data.draw(st.sampled_from([HOUR, 2 * HOUR, MINUTE, 7 * MINUTE, 17 * MINUTE + 3, 6 * HOUR, 3 * SECOND]))
        one = store.buckets([place], start, end, width).get(place, [])
        assert close(one, reference.buckets([place], start, end, width).get(place, []))


# -- what is too old


AGES = Ages(raw=DAY, minutes=2 * DAY, hours=4 * DAY)


def test_values_go_with_their_age_and_figures_stay_longer(sql_store: HistoryStore) -> None:
    rows = readings(30, period_s=60)
    sql_store.write(rows)
    asked = (START, START + 5 * HOUR, HOUR)
    before = sql_store.buckets([PLACE], *asked)[PLACE]
    now = START + 2 * DAY  # values end where a day does: some stores remove them by days
    all_done(sql_store, now)
    gone = sql_store.expire(now, lambda _: AGES)
    assert gone.rows == len([row for row in rows if row.source_time < START + DAY])
    assert gone.cells == 0
    left = sql_store.fetch(*PLACE, None, None, 10_000)
    assert left == [each for each in plain(rows) if each.source_time >= START + DAY]
    assert close(sql_store.buckets([PLACE], *asked)[PLACE], before)
    assert len(sql_store.buckets([PLACE], START, START + HOUR, MINUTE)[PLACE]) > 30
    # The minutes go too, the hours stay; then all is over.
    sql_store.expire(START + 3 * DAY, lambda _: AGES)
    assert sql_store.buckets([PLACE], START, START + HOUR, MINUTE) == {}
    assert close(sql_store.buckets([PLACE], *asked)[PLACE], before)
    sql_store.expire(START + 6 * DAY, lambda _: AGES)
    assert sql_store.buckets([PLACE], *asked) == {}
    assert sql_store.fetch(*PLACE, None, None, 10_000) == []
    assert sql_store.expire(START + 6 * DAY, lambda _: AGES) == Expired(0, 0)


def test_values_stay_until_their_hour_has_its_figures(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "history.db", clock=ManualClock(START))
    rows = readings(3)
    store.write(rows)
    assert store.expire(START + 9 * DAY, lambda _: AGES).rows == 0
    assert store.fetch(*PLACE, None, None, 10_000) == plain(rows)
    all_done(store, START + 9 * DAY)
    assert store.expire(START + 9 * DAY, lambda _: AGES).rows == len(rows)
    store.close()


def test_what_comes_late_for_values_that_are_gone_joins_their_figures(sql_store: HistoryStore) -> None:
    rows = readings(2, period_s=60)
    sql_store.write(rows)
    now = START + 2 * DAY
    all_done(sql_store, now)
    sql_store.expire(now, lambda _: AGES)
    asked = (START, START + 2 * HOUR, HOUR)
    before = sql_store.buckets([PLACE], *asked)[PLACE]
    sql_store.write(
        [HistoryRow(*PLACE, START + 5, now, 5000.0, 0), HistoryRow(*PLACE, START + 9, now, None, 0x80070000)]
    )
    all_done(sql_store, now)
    after = sql_store.buckets([PLACE], *asked)[PLACE]
    assert (after[0].count, after[0].maximum) == (before[0].count + 1, 5000.0)
    total = before[0].average * before[0].count + 5000.0
    assert math.isclose(after[0].average, total / after[0].count)
    assert after[1:] == before[1:]


def test_each_device_has_its_own_ages(sql_store: HistoryStore) -> None:
    one, other = readings(2), readings(2, place=("loom-7", "speed"))
    sql_store.write([*one, *other])
    now = START + 2 * DAY
    all_done(sql_store, now)
    ages = {"gpu-1": AGES, "loom-7": Ages(raw=None)}
    assert sql_store.expire(now, ages.__getitem__).rows == len(one)
    assert sql_store.fetch(*PLACE, None, None, 10) == []
    assert sql_store.fetch("loom-7", "speed", None, None, 10_000) == plain(other)


def test_the_archive_begins_with_the_first_value_of_any_series(store: HistoryStore) -> None:
    assert store.oldest() is None
    early, late = ("gpu-2", "power_kw"), ("gpu-1", "power_kw")
    store.write([HistoryRow(*late, START + 2 * HOUR + MINUTE, START, 1.0, 0)])
    store.write([HistoryRow(*early, START + MINUTE, START, 1.0, 0), HistoryRow(*early, START + DAY, START, 1.0, 0)])
    oldest = store.oldest()
    assert oldest is not None and START <= oldest <= START + MINUTE
    store.delete(*early, START, START + DAY, "eva", START)
    oldest = store.oldest()
    assert oldest is not None and START + 2 * HOUR <= oldest <= START + 2 * HOUR + MINUTE
