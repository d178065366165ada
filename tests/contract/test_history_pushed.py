"""Processed reads from the figures of the store are those from the values, StatusCode and bits included."""

from __future__ import annotations

import random
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.core.clock import SECOND, from_iso
from server.history import processing
from server.history.aggregates.catalogue import BY_NAME
from server.history.aggregates.intervals import intervals
from server.history.aggregates.pushed import PUSHED
from server.history.aggregates.registry import calculated
from server.history.aggregates.results import Configuration
from server.history.store import HistoryRow, HistoryStore
from server.history.tiers import HOUR, MINUTE

START = from_iso("2026-01-05T00:00:00Z")
NUMBERS = count()
CODES = {"good": (0,), "mixed": (0, 0, 0, 0x40920000, 0x808C0000), "bad": (0x808C0000, 0)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    period_s=st.sampled_from([7, 20, 45, 400]),
    codes=st.sampled_from(["good", "good", "mixed", "bad"]),
    offset_s=st.one_of(st.sampled_from([0, -3_600, 60]), st.integers(-5_000, 9_000)),
    width_s=st.sampled_from([60, 61, 300, 3_600, 4_000, 0]),
    intervals_=st.integers(1, 12),
    whole=st.booleans(),
    cut_s=st.integers(0, 59),
)
def test_figures_give_what_values_give(
    store: HistoryStore,
    seed: int,
    period_s: int,
    codes: str,
    offset_s: int,
    width_s: int,
    intervals_: int,
    whole: bool,
    cut_s: int,
) -> None:
    chance = random.Random(seed)
    place = ("pushed", f"p{next(NUMBERS)}")
    rows = []
    time = START + chance.randrange(30 * SECOND)
    while time < START + 2 * HOUR:
        code = chance.choice(CODES[codes])
        value = None if code >= 0x80000000 else chance.randint(-50, 50) if whole else chance.gauss(0, 9)
        rows.append(HistoryRow(*place, time, time, value, code))
        time += chance.randint(1, 2 * period_s) * SECOND if chance.random() < 0.95 else 1_500 * SECOND
    store.write(rows)
    while store.maintain(START + chance.choice([0, 2, 4]) * HOUR).more:
        pass
    start = START + offset_s * SECOND
    end = start + max((width_s or 600) * intervals_ - cut_s, 1) * SECOND
    configuration = Configuration(chance.random() < 0.5, chance.choice([100, 50]), 100, False, chance.random() < 0.5)
    wanted = list(intervals(start, end, width_s * SECOND))
    samples = processing.around(store, place, wanted[0].low, wanted[-1].high, configuration)
    assert samples is not None
    for name in sorted(PUSHED):
        page = processing.process(store, place, BY_NAME[name], start, end, width_s * SECOND, configuration, 10_000)
        assert list(page.values) == calculated(BY_NAME[name], samples, wanted), name


@pytest.mark.parametrize("name", sorted(PUSHED))
def test_intervals_of_good_values_are_not_read_value_by_value(
    name: str, store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = ("pushed", "still")
    store.write([HistoryRow(*place, START + n * 10 * SECOND, START, float(n % 7), 0) for n in range(2_000)])
    while store.maintain(START + 20 * HOUR).more:
        pass
    fetched = 0
    fetch = store.fetch

    def counted(*arguments: object, **named: object) -> object:
        nonlocal fetched
        found = fetch(*arguments, **named)  # type: ignore[arg-type]
        fetched += len(found)
        return found

    monkeypatch.setattr(store, "fetch", counted)
    end = START + 5 * HOUR
    page = processing.process(store, place, BY_NAME[name], START, end, 10 * MINUTE, Configuration(), 100)
    assert len(page.values) == 30 and all(value.status & 0xC0000000 == 0 for value in page.values)
    assert fetched < 10
