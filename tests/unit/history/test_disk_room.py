"""A disk that runs full: history takes nothing more before it is, says so once, and goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.core import status
from server.core.clock import SECOND, ManualClock
from server.core.errors import RemoteError
from server.core.values import DeviceId, PointUpdate
from server.history.disk import DiskRoom, free_bytes
from server.history.recorder import Recorder
from server.history.stores.memory import MemoryStore
from server.settings import HistorySettings

RESERVE = 1_000_000
T0 = 1_767_600_000 * SECOND


class Disk:
    def __init__(self) -> None:
        self.free = 10 * RESERVE
        self.asked = 0

    def __call__(self, folder: Path) -> int:
        self.asked += 1
        if self.free < 0:
            raise OSError("no such disk")
        return self.free


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def room(disk: Disk, clock: ManualClock, tmp_path: Path) -> DiskRoom:
    return DiskRoom(tmp_path, RESERVE, clock, disk)


def test_it_stops_below_the_reserve_and_goes_on_with_a_quarter_more(
    room: DiskRoom, disk: Disk, clock: ManualClock
) -> None:
    with capture_logs() as logs:
        seen = []
        for free in (RESERVE, RESERVE - 1, 0, RESERVE, RESERVE * 5 // 4 - 1, RESERVE * 5 // 4, RESERVE):
            disk.free = free
            clock.advance(1)
            seen.append(room.is_low)
    assert seen == [False, True, True, True, True, False, False]
    assert [each["event"] for each in logs] == ["history_disk_low", "history_disk_back"]


def test_it_looks_once_a_second_at_most(room: DiskRoom, disk: Disk, clock: ManualClock) -> None:
    for _ in range(100):
        assert not room.is_low
    assert disk.asked == 1
    clock.advance(1)
    assert not room.is_low
    assert disk.asked == 2


def test_what_cannot_be_found_out_changes_nothing(room: DiskRoom, disk: Disk, clock: ManualClock) -> None:
    disk.free = 0
    assert room.is_low
    disk.free = -1
    clock.advance(5)
    assert room.is_low


def test_without_a_reserve_it_never_stops(disk: Disk, clock: ManualClock, tmp_path: Path) -> None:
    disk.free = 0
    assert not DiskRoom(tmp_path, 0, clock, disk).is_low
    assert disk.asked == 0
    assert free_bytes(tmp_path) > 0


async def test_the_recorder_acknowledges_nothing_until_there_is_room(
    room: DiskRoom, disk: Disk, clock: ManualClock, tmp_path: Path
) -> None:
    store = MemoryStore()
    recorder = Recorder(store, HistorySettings(commit_ms=1, flush_ms=1), tmp_path, clock, room=room)
    await recorder.start()

    def update(number: int) -> PointUpdate:
        time = T0 + number * SECOND
        return PointUpdate(DeviceId("gpu-1"), "power_kw", float(number), status.GOOD, time, time)

    try:
        await recorder.record([update(1)])
        disk.free = RESERVE - 1
        clock.advance(1)
        with pytest.raises(RemoteError, match="disk_reserve_bytes"):
            await recorder.record([update(2), update(3)])
        assert recorder.counters()["history_refused"] == 2
        assert recorder.counters()["history_disk_low"] == 1
        health = recorder.health()
        assert not health["ok"]
        assert "less than 1000000 bytes" in str(health["last_error"])
        disk.free = 2 * RESERVE
        clock.advance(1)
        # The broker sends again what was not acknowledged.
        await recorder.record([update(2), update(3)])
        assert recorder.health()["ok"]
        assert recorder.counters()["history_disk_low"] == 0
    finally:
        await recorder.stop()
    assert [value.value for value in store.fetch("gpu-1", "power_kw", None, None, 9)] == [1.0, 2.0, 3.0]
