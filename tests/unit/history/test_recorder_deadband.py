"""Deadbands in the recorder: a held value is on disk before it is acknowledged, and no kill or fault loses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.core import status
from server.core.clock import SECOND, ManualClock
from server.core.errors import RemoteError
from server.core.values import ChangeKind, DeviceId, ModelChange, PointUpdate
from server.history.recorder import Recorder
from server.history.stores.memory import MemoryStore
from server.history.thinning import Thinning
from server.settings import DeadbandSettings, HistorySettings

T0 = 1_767_600_000 * SECOND
FAST = HistorySettings(commit_ms=1, flush_ms=1)


def recorder(store: MemoryStore, folder: Path, clock: ManualClock) -> Recorder:
    settings = {"speed": (DeadbandSettings(exception=1.0), False)}
    return Recorder(store, FAST, folder, clock, thinning=Thinning(lambda _, name: settings.get(name)))


def update(number: int, value: float, parameter: str = "speed") -> PointUpdate:
    time = T0 + number * SECOND
    return PointUpdate(DeviceId("loom-1"), parameter, value, status.GOOD, time, time)


def stored(store: MemoryStore, parameter: str = "speed") -> list[tuple[int, object]]:
    values = store.fetch("loom-1", parameter, None, None, 10_000)
    return [((each.source_time - T0) // SECOND, each.value) for each in values]


async def test_only_what_leaves_the_deadband_is_stored_and_told(tmp_path: Path, clock: ManualClock) -> None:
    store = MemoryStore()
    made = recorder(store, tmp_path, clock)
    await made.start()
    for number, value in enumerate([5.0, 5.5, 4.5, 9.0, 9.5]):
        await made.record([update(number, value), update(number, value, "power")])
    await made.flushed()
    assert stored(store) == [(0, 5.0), (2, 4.5), (3, 9.0)]
    assert len(stored(store, "power")) == 5
    counters = made.counters()
    assert (counters["history_left_out"], counters["history_spooled"]) == (1, 8)
    await made.stop()


async def test_what_is_held_survives_a_kill(tmp_path: Path, clock: ManualClock) -> None:
    store = MemoryStore()
    made = recorder(store, tmp_path, clock)
    await made.start()
    await made.record([update(0, 5.0)])
    await made.record([update(1, 5.5), update(2, 5.25)])
    await made.flushed()
    # No orderly stop: the file is left as a kill would leave it.
    (tmp_path / "after").mkdir()
    for name in ("spool.db", "spool.db-wal"):
        (tmp_path / "after" / name).write_bytes((tmp_path / name).read_bytes())
    assert stored(store) == [(0, 5.0)]
    again = recorder(store, tmp_path / "after", clock)
    await again.start()
    await again.flushed()
    assert stored(store) == [(0, 5.0), (2, 5.25)]
    await again.stop()
    await made.stop()


async def test_a_disk_that_refuses_costs_no_value_that_was_acknowledged(tmp_path: Path, clock: ManualClock) -> None:
    store = MemoryStore()
    made = recorder(store, tmp_path, clock)
    await made.start()
    await made.record([update(0, 5.0), update(1, 5.5)])
    spool = made._spool
    assert spool is not None
    append = spool.append

    def refuse(*_: object, **__: object) -> int:
        raise RemoteError("disk full")

    spool.append = refuse  # type: ignore[method-assign]
    with pytest.raises(RemoteError):
        await made.record([update(2, 9.0)])
    spool.append = append  # type: ignore[method-assign]
    await made.record([update(2, 9.0)])  # the broker sends it again
    await made.record([update(3, 20.0)])
    await made.flushed()
    assert stored(store) == [(0, 5.0), (1, 5.5), (2, 9.0), (3, 20.0)]
    await made.stop()


async def test_what_is_held_of_a_device_that_goes_is_stored(tmp_path: Path, clock: ManualClock) -> None:
    store = MemoryStore()
    made = recorder(store, tmp_path, clock)
    await made.start()
    await made.record([update(0, 5.0), update(1, 5.5)])
    made.model_changed(ModelChange(ChangeKind.DEVICE_REMOVED, "loom", DeviceId("loom-1")))
    await made.record([update(5, 1.0, "power")])
    await made.flushed()
    assert stored(store) == [(0, 5.0), (1, 5.5)]
    await made.stop()
