"""Gap markers: where values are missing after a stop or a refusal, and only there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.core import status
from server.core.clock import SECOND, ManualClock
from server.core.errors import RemoteError
from server.core.values import DeviceId, PointUpdate
from server.history import recorder as module
from server.history.recorder import Recorder
from server.history.spool import Spool
from server.history.store import StoredValue
from server.history.stores.memory import MemoryStore
from server.settings import HistorySettings
from tests.kit.until import until

FAST = HistorySettings(commit_ms=1, flush_ms=1)
GRACE_S = module.GRACE // SECOND


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALIVE_S", 0.01)


class LastingStore(MemoryStore):
    """One that outlives the recorder."""

    def close(self) -> None:
        """Nothing: the next run reads on."""


@pytest.fixture
def store() -> LastingStore:
    return LastingStore()


@asynccontextmanager
async def running(store: MemoryStore, folder: Path, clock: ManualClock) -> AsyncIterator[Recorder]:
    recorder = Recorder(store, FAST, folder, clock)
    await recorder.start()
    try:
        yield recorder
    finally:
        await recorder.stop()


def sent(clock: ManualClock, parameter: str = "power", before_s: int = 0) -> list[PointUpdate]:
    time = clock.now() - before_s * SECOND
    return [PointUpdate(DeviceId("d"), parameter, 1.0, status.GOOD, time, clock.now())]


def stored(store: MemoryStore, parameter: str = "power") -> list[StoredValue]:
    return store.fetch("d", parameter, None, None, 1000)


def markers(store: MemoryStore, parameter: str = "power") -> list[int]:
    return [value.source_time for value in stored(store, parameter) if value.status == status.BAD_DATA_LOST]


async def judged(recorder: Recorder, clock: ManualClock) -> None:
    clock.advance(GRACE_S + 1)

    async def none_open() -> bool:
        return not recorder._gaps.spans

    await until(none_open, "every span judged")
    await recorder.flushed(10)


async def test_a_stop_leaves_one_marker_right_after_it(store: LastingStore, tmp_path: Path, clock: ManualClock) -> None:
    async with running(store, tmp_path, clock) as recorder:
        await recorder.record(sent(clock))
        clock.advance(3)
    stopped = clock.now()
    clock.advance(600)
    async with running(store, tmp_path, clock) as recorder:
        await recorder.record(sent(clock, before_s=-1))
        assert markers(store) == []  # not before the broker had its time
        await judged(recorder, clock)
        assert recorder.counters()["history_gap_markers"] == 1
    found = stored(store)
    assert [value.status for value in found] == [status.GOOD, status.BAD_DATA_LOST, status.GOOD]
    assert stopped <= found[1].source_time < stopped + 1000 and found[1].value is None


async def test_what_the_broker_kept_makes_a_marker_needless(
    store: LastingStore, tmp_path: Path, clock: ManualClock
) -> None:
    async with running(store, tmp_path, clock) as recorder:
        await recorder.record(sent(clock, "kept") + sent(clock, "lost"))
    clock.advance(600)
    async with running(store, tmp_path, clock) as recorder:
        for before_s in range(590, 0, -10):
            await recorder.record(sent(clock, "kept", before_s))
        await judged(recorder, clock)
    assert markers(store, "kept") == [] and len(stored(store, "kept")) == 60
    assert len(markers(store, "lost")) == 1


async def test_kills_one_after_the_other_leave_one_marker_at_the_first(
    store: LastingStore, tmp_path: Path, clock: ManualClock
) -> None:
    async with running(store, tmp_path, clock) as recorder:
        await recorder.record(sent(clock))
    first = clock.now()
    for _ in range(5):  # started, and killed before anything could be judged
        clock.advance(100)
        spool = await asyncio.to_thread(Spool, tmp_path / module.FILE_NAME, FAST.spool_limit_bytes)
        assert spool.begin(clock.now()) == {("d", "power"): (first, clock.now())}
        spool.close()
    async with running(store, tmp_path, clock) as recorder:
        await judged(recorder, clock)
    assert [time // 1000 for time in markers(store)] == [first // 1000]


async def test_a_first_start_marks_nothing(store: LastingStore, tmp_path: Path, clock: ManualClock) -> None:
    async with running(store, tmp_path, clock) as recorder:
        await recorder.record(sent(clock))
        await judged(recorder, clock)
        assert recorder.counters()["history_gap_markers"] == 0
    assert len(stored(store)) == 1


@pytest.mark.parametrize("again", [True, False])
async def test_refused_values_are_marked_unless_they_come_again(
    again: bool, store: LastingStore, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(store, tmp_path, clock) as recorder:
        await recorder.record(sent(clock))
        clock.advance(10)
        refused = sent(clock)
        with monkeypatch.context() as patch:
            patch.setattr(recorder._spool, "_limit_bytes", 0)
            with pytest.raises(RemoteError):
                await recorder.record(refused)
        if again:
            await recorder.record(refused)
        clock.advance(10)
        await recorder.record(sent(clock))
        await judged(recorder, clock)
    assert len(markers(store)) == (0 if again else 1)
    assert len([value for value in stored(store) if value.status == status.GOOD]) == (3 if again else 2)


@pytest.mark.parametrize(
    "missing",
    [
        ("DROP TABLE held", "DROP TABLE series", "DROP TABLE life", "PRAGMA user_version = 1"),
        ("DROP TABLE held", "PRAGMA user_version = 2"),
    ],
    ids=["format 1", "format 2"],
)
async def test_a_spool_of_an_earlier_format_is_taken_over(
    missing: tuple[str, ...], store: LastingStore, tmp_path: Path, clock: ManualClock
) -> None:
    def old() -> None:
        spool = Spool(tmp_path / module.FILE_NAME, FAST.spool_limit_bytes)
        for statement in missing:
            spool._raw.execute(statement)
        spool.close()

    await asyncio.to_thread(old)
    async with running(store, tmp_path, clock) as recorder:
        await recorder.record(sent(clock))
    assert len(stored(store)) == 1


def test_a_clock_set_back_makes_no_span(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 1_000_000)
    spool.append([], series=[("d", "p")], alive_at=100)
    assert spool.begin(50) == {}
    assert spool.begin(60) == {("d", "p"): (50, 60)}
    spool.close()


def test_ten_thousand_series_are_begun_at_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 1_000_000)
    spool.append([], series=[(f"d{number % 100}", f"p{number // 100}") for number in range(10_000)], alive_at=5)
    statements: list[str] = []
    spool._raw.set_trace_callback(statements.append)
    assert len(spool.begin(10)) == 10_000
    assert len(statements) < 10
    spool.close()
