"""The upkeep task: what it asks of the store, and when nothing may be removed."""

from __future__ import annotations

import pytest

from server.core.clock import ManualClock, from_iso
from server.core.errors import RemoteError
from server.history.ages import AgeBook
from server.history.keeper import Keeper
from server.history.reader import HistoryReader
from server.history.store import HistoryRow, Upkeep
from server.history.stores.memory import MemoryStore
from server.history.tiers import DAY, HOUR, Ages, Tier
from server.settings import HistorySettings, RetentionSettings
from tests.kit.history import MemoryHistory

NOW = from_iso("2026-03-01T10:00:00Z")


class Clock(ManualClock):
    """One whose wall time can jump alone."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead


class Store(MemoryStore):
    """Tells of so many steps of upkeep."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0

    def maintain(self, now: int) -> Upkeep:
        self._check()
        self.left = max(self.left - 1, 0)
        return Upkeep(2, 1, more=self.left > 0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    made = Store()
    made.write([HistoryRow("gpu-1", "power_kw", NOW - days * DAY, NOW, 1.0, 0) for days in (1, 8, 400)])
    return made


def keeper(store: Store, clock: Clock, settings: HistorySettings | None = None) -> Keeper:
    settings = settings or HistorySettings()
    return Keeper(store, settings, AgeBook(settings, lambda _: None), clock)


def stored(store: Store) -> int:
    return len(store.fetch("gpu-1", "power_kw", None, None, 10))


async def test_a_round_goes_on_until_nothing_is_left(store: Store, clock: Clock) -> None:
    store.left = 5
    upkeep = keeper(store, clock)
    await upkeep.round()
    assert (upkeep.counters()["history_upkeep_hours"], upkeep.counters()["history_packed_hours"]) == (10, 5)


async def test_nothing_is_removed_in_the_first_hour_and_then_once_an_hour(store: Store, clock: Clock) -> None:
    upkeep = keeper(store, clock)
    clock.advance(3_599)
    await upkeep.round()
    assert stored(store) == 3
    clock.advance(1)
    await upkeep.round()
    assert stored(store) == 1
    assert upkeep.counters()["history_expired_rows"] == 2
    store.write([HistoryRow("gpu-1", "power_kw", NOW - 9 * DAY, NOW, 1.0, 0)])
    clock.advance(3_000)
    await upkeep.round()
    assert stored(store) == 2
    clock.advance(600)
    await upkeep.round()
    assert stored(store) == 1


async def test_a_clock_that_jumps_ahead_removes_nothing_for_an_hour(store: Store, clock: Clock) -> None:
    upkeep = keeper(store, clock)
    clock.advance(7_200)
    clock.ahead = 3_000 * DAY
    await upkeep.round()
    clock.advance(3_500)
    await upkeep.round()
    assert stored(store) == 3
    clock.ahead = 0  # set right again: counted from here
    await upkeep.round()
    clock.advance(3_600)
    await upkeep.round()
    assert stored(store) == 1


async def test_a_store_that_is_away_is_told_and_tried_again(store: Store, clock: Clock) -> None:
    upkeep = keeper(store, clock)
    store.away = True
    await upkeep.round()
    assert upkeep.health() == {"ok": False, "last_error": "the memory store was told to be away", "warnings": []}
    assert upkeep.counters()["history_upkeep_failures"] == 1
    store.away = False
    await upkeep.round()
    assert upkeep.health() == {"ok": True, "last_error": "", "warnings": []}


async def test_a_fault_of_the_store_does_not_end_the_upkeep(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = keeper(store, clock)

    def broken(now: int) -> Upkeep:
        raise KeyError(now)

    with monkeypatch.context() as patch:
        patch.setattr(store, "maintain", broken)
        await upkeep.round()
    assert "KeyError" in str(upkeep.health()["last_error"])
    await upkeep.round()
    assert upkeep.health()["ok"]


async def test_it_ends_when_it_is_told_to(store: Store, clock: Clock) -> None:
    upkeep = keeper(store, clock)
    upkeep.start()
    await upkeep.stop()
    await upkeep.stop()


# -- ages


def test_types_have_ages_of_their_own_and_inherit_the_rest() -> None:
    settings = HistorySettings(
        raw_days=3,
        hours_days=0,
        retention_of={"loom": RetentionSettings(raw_days=0.5), "pump": RetentionSettings(raw_days=0)},
    )
    book = AgeBook(settings, {"loom-1": "loom", "pump-1": "pump", "gpu-1": "engine"}.get)
    assert book.of("loom-1") == Ages(DAY // 2, 90 * DAY, None)
    assert book.of("pump-1") == Ages(None, None, None), "figures stay as long as values"
    assert book.of("gpu-1") == book.of("gone") == Ages(3 * DAY, 90 * DAY, None)
    assert book.shortest(["loom-1", "pump-1", "gpu-1"]) == Ages(DAY // 2, 90 * DAY, None)
    assert book.shortest(["pump-1"]).raw is None
    assert book.shortest([]) == Ages(3 * DAY, 90 * DAY, None)


async def test_a_reader_answers_from_what_is_kept_of_all_devices(clock: Clock) -> None:
    history = MemoryHistory()
    settings = HistorySettings(retention_of={"loom": RetentionSettings(raw_days=0.5)})
    book = AgeBook(settings, {"loom-1": "loom"}.get)
    reader = HistoryReader(history.store, history, book, clock)
    for device in ("loom-1", "gpu-1"):
        for minute in range(3):
            history.put(device, "speed", NOW - DAY + minute * 60_000_000, float(minute))
    asked = (NOW - DAY + 1, NOW - DAY + HOUR, 1_000_000)
    fine = await reader.buckets([("gpu-1", "speed")], *asked)
    assert (fine.tier, fine.choice.start, len(fine.get(("gpu-1", "speed")))) == ("raw", asked[0], 2)
    coarse = await reader.buckets([("gpu-1", "speed"), ("loom-1", "speed")], *asked)
    assert (coarse.tier, coarse.choice.tier, coarse.choice.start) == ("minutes", Tier.MINUTES, NOW - DAY)
    assert [each.time for each in coarse.get(("loom-1", "speed"))] == [NOW - DAY + n * 60_000_000 for n in range(3)]
    assert coarse.get(("gpu-2", "speed")) == []
    with pytest.raises(ValueError, match="after the start"):
        await reader.buckets([], NOW, NOW, 1)
    history.store.away = True
    with pytest.raises(RemoteError):
        await reader.buckets([("gpu-1", "speed")], *asked)
