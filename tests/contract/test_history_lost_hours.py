"""Hours whose values went because of their age: what comes for them afterwards costs no figure and counts once."""

from __future__ import annotations

import math

from server.core import status
from server.core.clock import from_iso
from server.history.store import Change, HistoryRow, HistoryStore, StoredValue
from server.history.tiers import DAY, HOUR, MINUTE, Ages

START = from_iso("2026-01-05T00:00:00Z")
PLACE, OTHER = ("gpu-1", "power_kw"), ("gpu-2", "power_kw")
NOW = START + 9 * DAY


def minutely(count: int = 60, first: int = START, place: tuple[str, str] = PLACE) -> list[HistoryRow]:
    return [HistoryRow(*place, first + number * MINUTE, first, float(number), 0) for number in range(count)]


def maintained(store: HistoryStore, now: int = NOW) -> None:
    while store.maintain(now).more:
        pass


def lost(store: HistoryStore) -> None:
    """An hour of values that are gone, with its figures."""
    store.write(minutely())
    maintained(store)
    assert store.expire(NOW, lambda _: Ages()).rows == 60
    assert figures(store) == (60, 29.5)


def figures(store: HistoryStore, place: tuple[str, str] = PLACE, hour: int = START) -> tuple[int, float]:
    (bucket,) = store.buckets([place], hour, hour + HOUR, HOUR).get(place, [None])
    return (0, math.nan) if bucket is None else (bucket.count, bucket.average)


def test_what_comes_late_counts_beside_the_figures_before_and_after_upkeep(sql_store: HistoryStore) -> None:
    lost(sql_store)
    sql_store.write([HistoryRow(*PLACE, START + 30, START, 90.5, 0)])
    assert figures(sql_store) == (61, 30.5)
    maintained(sql_store)
    assert figures(sql_store) == (61, 30.5)


def test_an_old_value_of_one_series_leaves_the_figures_of_the_others(sql_store: HistoryStore) -> None:
    lost(sql_store)
    sql_store.write([HistoryRow(*OTHER, START + 30, START, 5.0, 0)])
    maintained(sql_store)
    assert figures(sql_store) == (60, 29.5)
    assert figures(sql_store, OTHER) == (1, 5.0)
    minutes = sql_store.buckets([PLACE, OTHER], START, START + HOUR, MINUTE)
    assert len(minutes[PLACE]) == 60 and len(minutes[OTHER]) == 1


def test_nothing_goes_before_its_hour_has_its_figures(sql_store: HistoryStore) -> None:
    lost(sql_store)
    # Between the last step of upkeep and the end of what is old: a late value, and an hour nobody has seen yet.
    hour = START + DAY
    sql_store.write([HistoryRow(*PLACE, START + 30, START, 90.5, 0), *minutely(30, hour)])
    sql_store.expire(NOW + 2 * DAY, lambda _: Ages())
    maintained(sql_store, NOW + 2 * DAY)
    assert figures(sql_store) == (61, 30.5)
    assert figures(sql_store, hour=hour) == (30, 14.5)


def test_a_change_where_values_are_over_is_refused(sql_store: HistoryStore) -> None:
    lost(sql_store)
    assert sql_store.begins(*PLACE) is not None and sql_store.begins(*OTHER) is None
    value = StoredValue(START + 30, START, 5.0, 0)
    for how in Change.INSERT, Change.REPLACE, Change.UPDATE:
        assert sql_store.change(*PLACE, [value], how, "eva", NOW) == [status.BAD_OUT_OF_RANGE]
        assert figures(sql_store) == (60, 29.5)
    maintained(sql_store)
    assert figures(sql_store) == (60, 29.5)
