"""History on a real PostgreSQL server that goes away, comes back, or is killed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from server.core import status
from server.core.clock import SECOND, ManualClock, SystemClock, from_iso
from server.core.errors import ConfigurationError, RemoteError
from server.core.values import DeviceId, PointUpdate
from server.database.migration import NEWEST
from server.history.reader import HistoryReader
from server.history.recorder import Recorder
from server.history.store import HistoryRow
from server.history.stores.postgres import PostgresStore
from server.history.tiers import HOUR
from server.settings import HistorySettings
from tests.kit.postgres import PostgresServer

pytestmark = pytest.mark.interop

DAY = from_iso("2026-01-05T00:00:00Z")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    running = PostgresServer(tmp_path)
    yield running
    running.remove()


def rows(first: int, count: int) -> list[HistoryRow]:
    return [
        HistoryRow("d", "p", DAY + n * SECOND, DAY + n * SECOND, float(n), status.GOOD)
        for n in range(first, first + count)
    ]


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_values_wait_on_disk_while_the_server_is_away_and_follow_when_it_is_back(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr("server.history.recorder.FIRST_WAIT_S", 0.05)
    monkeypatch.setattr("server.history.recorder.LONGEST_WAIT_S", 0.1)
    store = PostgresStore(make_url(server.url), connect_timeout_s=2)
    recorder = Recorder(store, HistorySettings(commit_ms=1, flush_ms=1, batch_rows=100), tmp_path, SystemClock())
    await recorder.start()

    def updates(first: int) -> list[PointUpdate]:
        return [
            PointUpdate(DeviceId("d"), "p", row.value, 0, row.source_time, row.source_time) for row in rows(first, 50)
        ]

    for first in range(0, 1000, 50):
        await recorder.record(updates(first))
        if first == 300:
            await asyncio.to_thread(server.stop if end == "stop" else server.kill)
        if first == 700:
            assert recorder.counters()["history_spool_rows"] > 0
            with pytest.raises(RemoteError):
                await asyncio.to_thread(store.latest, "d", "p")
            await asyncio.to_thread(server.start)
    async with asyncio.timeout(60):
        while recorder.counters()["history_spool_rows"]:
            async with recorder._moved:
                await recorder._moved.wait()
    page = await HistoryReader(store, recorder).read_raw("d", "p", DAY, None, 10_000)
    assert [value.value for value in page.values] == [float(number) for number in range(1000)]
    assert recorder.counters()["history_stored"] + recorder.counters()["history_duplicates"] == 1000
    assert recorder.health()["ok"] is True
    await recorder.stop()


def test_days_get_their_partitions_and_old_times_share_few(server: PostgresServer) -> None:
    clock = ManualClock(DAY)
    store = PostgresStore(make_url(server.url), clock=clock)
    store.write(rows(0, 10))
    clock.advance(86_400)
    store.write([HistoryRow("d", "p", DAY + 86_400 * SECOND, DAY, 1.0, 0)])
    # A device that names a new day of 2010 each time makes one partition, not a thousand.
    old = from_iso("2010-01-01T00:00:00Z")
    store.write([HistoryRow("d", "old", old + day * 86_400 * SECOND, DAY, 1.0, 0) for day in range(365)])
    with store._engine.connect() as connection:
        ranges = connection.execute(text("SELECT lower, upper FROM history_partitions ORDER BY lower")).all()
        # All of a read's days but its own are left alone.
        plan = "\n".join(
            connection.scalars(
                text(
                    "EXPLAIN SELECT * FROM history_points WHERE series_id = 1 "
                    "AND ts >= '2026-01-05T00:00Z' AND ts < '2026-01-06T00:00Z'"
                )
            )
        )
    assert [f"{lower} {upper}" for lower, upper in ranges] == [
        "2010-01-01 2011-01-01",
        "2026-01-05 2026-01-06",  # the first row's day
        "2026-01-06 2026-01-07",  # made a day ahead
        "2026-01-07 2026-01-08",
    ]
    assert "history_points_20260105" in plan and "history_points_20260106_" not in plan.replace("20260105_20260106", "")
    store.close()


def test_a_partition_dropped_by_hand_keeps_the_rows_with_the_caller(server: PostgresServer) -> None:
    store = PostgresStore(make_url(server.url), clock=ManualClock(DAY))
    store.write(rows(0, 1))
    with store._engine.begin() as connection:
        connection.execute(text("DROP TABLE history_points_20260105_20260106"))
        connection.execute(text("DELETE FROM history_partitions WHERE lower = '2026-01-05'"))
    with pytest.raises(RemoteError, match="no partition"):
        store.write(rows(1, 1))
    assert store.write(rows(1, 1)) == 1
    store.close()


def test_two_writers_on_one_database_agree(server: PostgresServer) -> None:
    one, other = (PostgresStore(make_url(server.url), clock=ManualClock(DAY)) for _ in range(2))
    assert one.write(rows(0, 100)) == 100
    assert other.write(rows(50, 100)) == 50
    assert one.write(rows(0, 200)) == 50
    assert len(other.read_raw("d", "p", DAY, None, 1000).values) == 200
    one.close()
    other.close()


def test_migrations_run_once_and_a_newer_schema_is_left_untouched(server: PostgresServer) -> None:
    store = PostgresStore(make_url(server.url))
    store.open()
    with store._engine.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM history_schema")) == NEWEST["history"]
        connection.execute(text("UPDATE history_schema SET version_num = 'h9999'"))
    store.close()
    late = PostgresStore(make_url(server.url))
    with pytest.raises(ConfigurationError, match="h9999 is newer"):
        late.write(rows(0, 1))
    late.close()


def test_a_write_after_another_server_closed_the_hour_is_in_the_figures(server: PostgresServer) -> None:
    # One server still takes values for an hour that the other has made the figures of: its clock is a little behind.
    clocks = ManualClock(DAY), ManualClock(DAY)
    one, other = (PostgresStore(make_url(server.url), clock=clock) for clock in clocks)
    place = ("d", "closing")
    try:
        one.write([HistoryRow(*place, DAY, DAY, 1.0, 0)])
        clocks[0].advance(3_600 + 400)
        clocks[1].advance(3_600 + 601)
        assert other.maintain(clocks[1].now()).hours == 1
        one.write([HistoryRow(*place, DAY + 5, DAY, 9.0, 0)])
        for store in (one, other):
            (figures,) = store.buckets([place], DAY, DAY + HOUR, HOUR)[place]
            assert (figures.count, figures.maximum) == (2, 9.0)
        assert other.maintain(clocks[1].now()).hours == 1
    finally:
        one.close()
        other.close()
