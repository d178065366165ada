"""The recorder: durable before it says so, delivered once, nothing lost while the store is away."""

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from server.core import status
from server.core.clock import SECOND, ManualClock
from server.core.errors import ConfigurationError, LocalError, RemoteError
from server.core.values import DeviceId, PointUpdate, UpdateKind
from server.history.reader import HistoryReader
from server.history.recorder import Recorder
from server.history.rows import row_of
from server.history.store import HistoryRow
from server.history.stores.memory import MemoryStore
from server.settings import HistorySettings

T0 = 1_767_600_000 * SECOND
FAST = HistorySettings(commit_ms=1, flush_ms=1)


def update(
    number: int, value: object = 1.0, code: int = status.GOOD, kind: UpdateKind = UpdateKind.LIVE
) -> PointUpdate:
    time = T0 + number * SECOND
    return PointUpdate(DeviceId("gpu-1"), "power_kw", value, code, time, time + 2000, kind)  # type: ignore[arg-type]


class PickyStore(MemoryStore):
    """A database that can never take 13."""

    def write(self, rows: Sequence[HistoryRow]) -> int:
        if any(row.value == 13.0 for row in rows):
            raise LocalError("13 is refused")
        return super().write(rows)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def recorder(store: MemoryStore, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Recorder]:
    made = Recorder(store, FAST, tmp_path, clock)
    await made.start()
    yield made
    await made.stop()


async def times(reader: HistoryReader) -> list[int]:
    page = await reader.read_raw("gpu-1", "power_kw", T0 - SECOND, None, 10_000)
    assert page.next_time is None
    return [(value.source_time - T0) // SECOND for value in page.values]


async def test_what_was_acknowledged_can_be_read_at_once(recorder: Recorder, store: MemoryStore) -> None:
    await recorder.record([update(number) for number in range(100)])
    assert await times(HistoryReader(store, recorder)) == list(range(100))
    latest = await HistoryReader(store, recorder).latest("gpu-1", "power_kw")
    assert latest is not None and latest.source_time == T0 + 99 * SECOND


async def test_the_future_waits_for_the_disk_not_for_the_store(recorder: Recorder, store: MemoryStore) -> None:
    store.away = True
    await asyncio.wait_for(recorder.record([update(1)]), 10)
    counters = recorder.counters()
    assert (counters["history_spooled"], counters["history_stored"], counters["history_spool_rows"]) == (1, 0, 1)


async def test_while_the_store_is_away_all_waits_in_order_and_nothing_is_doubled(
    recorder: Recorder, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.history.recorder.FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("server.history.recorder.LONGEST_WAIT_S", 0.02)
    store.away = True
    for number in range(5):
        await recorder.record([update(number), update(number)])
    reader = HistoryReader(store, recorder)
    with pytest.raises(RemoteError):
        await reader.read_raw("gpu-1", "power_kw", T0, None, 10)
    store.away = False
    async with asyncio.timeout(10):
        while recorder.counters()["history_spool_rows"]:
            async with recorder._moved:
                await recorder._moved.wait()
    assert await times(reader) == [0, 1, 2, 3, 4]
    counters = recorder.counters()
    assert (counters["history_stored"], counters["history_duplicates"], counters["history_dropped"]) == (5, 5, 0)
    assert recorder.health()["ok"] is True


async def test_health_tells_why_the_store_takes_nothing(recorder: Recorder, store: MemoryStore) -> None:
    store.away = True
    await recorder.record([update(1)])
    async with asyncio.timeout(10):
        while recorder.health()["ok"]:
            await asyncio.sleep(0)
    assert "away" in str(recorder.health()["last_error"])


async def test_a_restart_delivers_what_the_spool_holds(tmp_path: Path, clock: ManualClock) -> None:
    store = MemoryStore()
    store.away = True
    first = Recorder(store, FAST, tmp_path, clock)
    await first.start()
    await first.record([update(1), update(2)])
    await first.stop()
    store.away = False
    second = Recorder(store, FAST, tmp_path, clock)
    await second.start()
    assert await times(HistoryReader(store, second)) == [1, 2]
    await second.stop()


async def test_stop_commits_and_delivers_what_is_pending(tmp_path: Path, clock: ManualClock) -> None:
    store = MemoryStore()
    recorder = Recorder(store, HistorySettings(commit_ms=60_000, flush_ms=60_000), tmp_path, clock)
    await recorder.start()
    future = recorder.record([update(1)])
    await asyncio.wait_for(recorder.stop(), 10)
    assert future.done() and future.exception() is None
    assert store.latest("gpu-1", "power_kw") is not None
    with pytest.raises(RemoteError, match="not running"):
        await recorder.record([update(2)])


async def test_a_full_spool_refuses_and_says_so_and_keeps_what_it_has(tmp_path: Path, clock: ManualClock) -> None:
    store = MemoryStore()
    store.away = True
    settings = HistorySettings(commit_ms=1, flush_ms=1, spool_limit_bytes=1024**2)
    recorder = Recorder(store, settings, tmp_path, clock)
    await recorder.start()
    taken = refused = 0
    for number in range(40):
        try:
            await recorder.record([update(number, "x" * 60_000)])
            taken += 1
        except RemoteError as error:
            assert error.status == status.BAD_RESOURCE_UNAVAILABLE
            refused += 1
    # 1 MiB holds 17 texts of 60 kB.
    assert (taken, refused) == (17, 23)
    assert recorder.counters()["history_refused"] == 23
    store.away = False
    await recorder.stop()
    after = Recorder(store, settings, tmp_path, clock)
    await after.start()
    assert await times(HistoryReader(store, after)) == list(range(17))
    await after.record([update(99)])
    await after.stop()


async def test_a_broken_disk_fails_the_future_and_the_next_try_works(
    recorder: Recorder, store: MemoryStore, tmp_path: Path
) -> None:
    await recorder.record([update(1)])
    await recorder.flushed()
    spool = recorder._spool
    assert spool is not None
    spool._raw.execute("PRAGMA max_page_count = 1")  # SQLite's own "disk full"
    with pytest.raises(RemoteError, match=r"full.*free space"):
        await recorder.record([update(2, "x" * 60_000)])
    spool._raw.execute("PRAGMA max_page_count = 100000")
    await recorder.record([update(3)])
    assert await times(HistoryReader(store, recorder)) == [1, 3]


async def test_one_row_that_can_never_be_stored_is_set_aside_alone(tmp_path: Path, clock: ManualClock) -> None:
    store = PickyStore()
    recorder = Recorder(store, FAST, tmp_path, clock)
    await recorder.start()
    await recorder.record([update(number, float(number)) for number in range(20)])
    assert await times(HistoryReader(store, recorder)) == [number for number in range(20) if number != 13]
    assert recorder.counters()["history_set_aside"] == 1
    await recorder.stop()
    raw = sqlite3.connect(tmp_path / "spool.db")
    assert raw.execute("SELECT rows, reason FROM refused").fetchall() == [(1, "13 is refused")]
    raw.close()


async def test_a_damaged_block_is_set_aside_and_does_not_hold_up_the_rest(tmp_path: Path, clock: ManualClock) -> None:
    store = MemoryStore()
    store.away = True
    first = Recorder(store, FAST, tmp_path, clock)
    await first.start()
    await first.record([update(1)])
    await first.record([update(2)])
    await first.stop()
    raw = sqlite3.connect(tmp_path / "spool.db")
    raw.execute("UPDATE batches SET block = x'c1' WHERE number = (SELECT min(number) FROM batches)")
    raw.commit()
    raw.close()
    store.away = False
    second = Recorder(store, FAST, tmp_path, clock)
    await second.start()
    assert await times(HistoryReader(store, second)) == [2]
    assert second.counters()["history_set_aside"] == 1
    await second.stop()


async def test_an_unexpected_fault_is_seen_and_nothing_more_is_acknowledged(tmp_path: Path, clock: ManualClock) -> None:
    class Broken(MemoryStore):
        def write(self, rows: Sequence[HistoryRow]) -> int:
            raise TypeError("a bug")

    recorder = Recorder(Broken(), FAST, tmp_path, clock)
    await recorder.start()
    await recorder.record([update(1)])
    async with asyncio.timeout(10):
        while recorder.health()["ok"]:
            await asyncio.sleep(0)
    with pytest.raises(RemoteError, match="a bug"):
        await recorder.record([update(2)])
    await recorder.stop()


async def test_a_damaged_spool_ends_the_start(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "spool.db").write_bytes(b"no database" * 1000)
    recorder = Recorder(MemoryStore(), FAST, tmp_path, clock)
    with pytest.raises(ConfigurationError, match=r"spool\.db"):
        await recorder.start()


def test_live_and_late_values_keep_the_devices_time() -> None:
    for kind in (UpdateKind.LIVE, UpdateKind.LATE):
        row = row_of(update(7, 3, kind=kind))
        assert (row.source_time, row.server_time, row.value) == (T0 + 7 * SECOND, T0 + 7 * SECOND + 2000, 3)


def test_a_bad_value_is_a_row_without_a_value() -> None:
    row = row_of(update(7, 3.0, status.BAD_SENSOR_FAILURE))
    assert (row.value, row.status) == (None, status.BAD_SENSOR_FAILURE)


def test_silence_becomes_a_marker_after_the_last_value_and_at_no_devices_time() -> None:
    stale = update(7, 3.0, status.BAD_NO_COMMUNICATION, UpdateKind.STALE)
    row = row_of(stale)
    # Noticed 2 ms after the second: marked in that millisecond's last microsecond.
    assert (row.source_time, row.value) == (T0 + 7 * SECOND + 2999, None)
    uncertain = row_of(update(7, 3.0, status.UNCERTAIN_LAST_USABLE_VALUE, UpdateKind.STALE))
    assert (uncertain.value, uncertain.status) == (3.0, status.UNCERTAIN_LAST_USABLE_VALUE)
    # A device whose clock runs ahead: the marker still follows its value.
    ahead = PointUpdate(
        DeviceId("gpu-1"), "p", 1.0, status.BAD_NO_COMMUNICATION, T0 + 60 * SECOND, T0, UpdateKind.STALE
    )
    assert row_of(ahead).source_time == T0 + 60 * SECOND + 999


@pytest.mark.parametrize("value", [math.nan, "x" * 65_537, b"x" * 65_537, 2**64, -(2**63) - 1])
async def test_what_no_store_can_hold_is_said_to_be_out_of_range(
    recorder: Recorder, store: MemoryStore, value: object
) -> None:
    await recorder.record([update(1, value), update(2, 5.0)])
    page = await HistoryReader(store, recorder).read_raw("gpu-1", "power_kw", T0, None, 10)
    assert [(entry.value, entry.status) for entry in page.values] == [
        (None, status.BAD_OUT_OF_RANGE),
        (5.0, status.GOOD),
    ]
    assert recorder.counters()["history_out_of_range"] == 1


async def test_a_time_nobody_can_place_is_counted(recorder: Recorder) -> None:
    outside = PointUpdate(DeviceId("gpu-1"), "p", 1.0, status.GOOD, 2**62, T0)
    await recorder.record([outside])
    assert recorder.counters()["history_out_of_time"] == 1
