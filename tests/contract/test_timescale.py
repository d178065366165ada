"""What is TimescaleDB's own: hypertable, columnstore, continuous aggregates, chunks that go, jobs that must run.

The extension really runs here, in WebAssembly: without background workers and without COPY.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from server.core.clock import SECOND, ManualClock, from_datetime, from_iso
from server.database import timescale as ddl
from server.history.store import Change, HistoryRow, StoredValue
from server.history.stores.postgres import PostgresStore
from server.history.tiers import DAY, HOUR, MINUTE, Ages
from server.history.timescale import WATCH_EVERY, JobWatch, windows
from tests.kit.postgres import PostgresServer
from tests.kit.timescale import TimescaleServer

START = from_iso("2026-01-05T00:00:00Z")
PLACE = ("gpu-1", "power_kw")
ALL = 100_000


@pytest.fixture
def store(timescale: TimescaleServer) -> Iterator[PostgresStore]:
    made = PostgresStore(
        make_url(timescale.empty_database()), clock=ManualClock(START), strategy="unnest", prepare_threshold=None
    )
    made.open()
    yield made
    made.close()


def rows(hours: float, start: int = START) -> list[HistoryRow]:
    noise = random.Random(3)
    return [
        HistoryRow(*PLACE, time, time + 9, round(noise.gauss(50, 9), 2), 0)
        for time in range(start, start + round(hours * HOUR), MINUTE)
    ]


def plain(given: list[HistoryRow]) -> list[StoredValue]:
    return [StoredValue(row.source_time, row.server_time, row.value, row.status) for row in given]


def ask(timescale: TimescaleServer, query: str) -> list[tuple[Any, ...]]:
    with closing(timescale.connect()) as connection:
        return connection.execute(query).fetchall()


def compressed(timescale: TimescaleServer) -> list[bool]:
    query = (
        "SELECT is_compressed FROM timescaledb_information.chunks "
        "WHERE hypertable_name = 'history_points' ORDER BY range_start"
    )
    return [bool(row[0]) for row in ask(timescale, query)]


def job(timescale: TimescaleServer) -> int:
    ((found, name),) = ask(
        timescale,
        "SELECT job_id, proc_name FROM timescaledb_information.jobs WHERE hypertable_name = 'history_points'",
    )
    assert name == "policy_compression"
    return int(found)


def test_history_lies_in_a_hypertable_of_days_with_two_continuous_aggregates(
    timescale: TimescaleServer, store: PostgresStore
) -> None:
    store.write(rows(60))
    chunks = ask(
        timescale,
        "SELECT range_start, range_end FROM timescaledb_information.chunks "
        "WHERE hypertable_name = 'history_points' ORDER BY 1",
    )
    assert [(from_datetime(low), from_datetime(high)) for low, high in chunks] == [
        (START + day * DAY, START + (day + 1) * DAY) for day in range(3)
    ]
    assert ask(
        timescale,
        "SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates ORDER BY 1",
    ) == [("history_hours", False), ("history_minutes", False)]
    assert ask(timescale, "SELECT to_regclass('history_partitions')") == [(None,)]


def test_the_job_packs_old_days_into_the_columnstore_and_nothing_else_changes(
    timescale: TimescaleServer, store: PostgresStore
) -> None:
    given = rows(60)
    store.write(given)
    assert compressed(timescale) == [False] * 3
    store.maintain(START + 3 * DAY)  # no background workers here: the historian runs the job itself
    # The policy counts from the clock of the database, for which all of this is old.
    assert compressed(timescale) == [True] * 3
    ((before, after),) = ask(
        timescale,
        "SELECT before_compression_total_bytes, after_compression_total_bytes "
        "FROM hypertable_columnstore_stats('history_points')",
    )
    assert after < before
    assert store.fetch(*PLACE, None, None, ALL) == plain(given)
    assert store.fetch(*PLACE, None, None, 3, newest_first=True) == plain(given)[:-4:-1]
    assert store.latest(*PLACE) == plain(given)[-1]
    # Written again, late, changed, deleted: within packed days.
    assert store.write(given[100:300]) == 0
    late = HistoryRow(*PLACE, START + 7, START + 9, 1000.0, 0)
    assert store.write([late, HistoryRow(*PLACE, given[5].source_time, START, -1.0, 0)]) == 1
    assert [each.value.value for each in store.read_modified(*PLACE, START, START + DAY, 9).values] == [-1.0]
    store.change(*PLACE, [StoredValue(given[9].source_time, START, 7.0, 0)], Change.REPLACE, "anna", START)
    assert store.delete(*PLACE, START + DAY, START + DAY + HOUR, "anna", START) == 60
    expected = sorted([*plain(given), *plain([late])], key=lambda value: value.source_time)
    expected = [each for each in expected if not START + DAY <= each.source_time < START + DAY + HOUR]
    expected[10] = StoredValue(given[9].source_time, START, 7.0, 0)
    assert store.fetch(*PLACE, None, None, ALL) == expected
    found = store.buckets([PLACE], START, START + 60 * HOUR, HOUR)[PLACE]
    assert (found[0].count, found[0].maximum) == (61, 1000.0)
    assert [each.time for each in found if START + DAY <= each.time < START + DAY + 2 * HOUR] == [START + DAY + HOUR]


def test_figures_come_from_the_continuous_aggregates(timescale: TimescaleServer, store: PostgresStore) -> None:
    given = rows(5)
    store.write(given)
    store.maintain(START + 9 * HOUR)
    (found,) = ask(
        timescale,
        "SELECT rows, good, total, low, high FROM history_hours WHERE ts = '2026-01-05T02:00:00Z'",
    )
    values = [float(row.value) for row in given[120:180]]  # type: ignore[arg-type]
    assert (found[0], found[1], found[3], found[4]) == (60, 60, min(values), max(values))
    assert math.isclose(found[2], math.fsum(values))
    assert ask(timescale, "SELECT count(*) FROM history_minutes") == [(300,)]
    # They are stored: what is shown while the values are away is not calculated from them.
    ((name,),) = ask(
        timescale,
        "SELECT materialization_hypertable_name FROM timescaledb_information.continuous_aggregates "
        "WHERE view_name = 'history_hours'",
    )
    assert ask(timescale, f"SELECT count(*) FROM _timescaledb_internal.{name}") == [(5,)]


def test_old_days_go_as_chunks_and_their_figures_stay(timescale: TimescaleServer, store: PostgresStore) -> None:
    given = rows(60)
    store.write(given)
    now = START + 3 * DAY
    while store.maintain(now).more:
        pass
    before = store.buckets([PLACE], START, START + 60 * HOUR, HOUR)
    assert store.expire(now, lambda _: Ages(raw=DAY, minutes=30 * DAY)).rows == 2 * 1440
    assert len(compressed(timescale)) == 1
    assert store.buckets([PLACE], START, START + 60 * HOUR, HOUR) == before
    # A refresh of what is left does not reach into what is gone.
    store.write([HistoryRow(*PLACE, START + 2 * DAY + 5, now, 9000.0, 0)])
    store.maintain(now)
    after = store.buckets([PLACE], START, START + 60 * HOUR, HOUR)
    assert after[PLACE][:48] == before[PLACE][:48]
    assert after[PLACE][48].maximum == 9000.0


def test_devices_that_keep_longer_hold_their_days(timescale: TimescaleServer, store: PostgresStore) -> None:
    given = rows(30)
    store.write([*given, *(HistoryRow("loom-7", "speed", row.source_time, row.server_time, 1.0, 0) for row in given)])
    now = START + 3 * DAY
    while store.maintain(now).more:
        pass
    gone = store.expire(now, lambda device: Ages(raw=DAY if device == "gpu-1" else None))
    assert gone.rows == len(given)
    assert store.fetch(*PLACE, None, None, 9) == []
    assert len(store.fetch("loom-7", "speed", None, None, ALL)) == len(given)


def test_times_far_apart_find_chunks(timescale: TimescaleServer, store: PostgresStore) -> None:
    times = [from_iso(f"{year:04}-07-01T00:00:00Z") for year in (1, 1970, 2003, 2100, 9998)]
    assert store.write([HistoryRow(*PLACE, time, time, 1.0, 0) for time in times]) == 5
    assert [each.source_time for each in store.fetch(*PLACE, None, None, 9)] == times


# -- jobs


def test_jobs_are_run_when_nobody_else_does_and_not_more_often(
    timescale: TimescaleServer, store: PostgresStore
) -> None:
    number = job(timescale)
    watch = JobWatch()
    engine = create_engine(timescale.url, connect_args={"prepare_threshold": None}, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            assert watch.look(connection, START) == 1
            assert not watch.is_due(START + WATCH_EVERY - 1)
            assert watch.is_due(START + WATCH_EVERY)
            assert watch.look(connection, START + WATCH_EVERY) == 0
            ((interval,),) = ask(
                timescale,
                f"SELECT schedule_interval FROM timescaledb_information.jobs WHERE job_id = {number}",
            )
            assert watch.look(connection, START + round(2 * interval.total_seconds() * SECOND)) == 0
            assert watch.look(connection, START + round(2 * interval.total_seconds() * SECOND) + 1) == 1
            assert watch.problems == ()
            # One that cannot run is a problem, which the store tells whoever keeps it in order.
            connection.execute(
                text("UPDATE _timescaledb_config.bgw_job SET config = '{}' WHERE id = :job"), {"job": number}
            )
            assert JobWatch().look(connection, START) == 0
            (problem,) = store.maintain(START).problems
            assert problem.startswith(f"job {number} (policy_compression): ")
    finally:
        engine.dispose()


def test_hours_that_follow_each_other_are_one_window() -> None:
    assert windows([3 * HOUR, HOUR, 2 * HOUR, 9 * HOUR, HOUR]) == [(HOUR, 4 * HOUR), (9 * HOUR, 10 * HOUR)]
    assert windows([]) == []


# -- without it


def test_without_the_extension_days_are_partitions(server: PostgresServer) -> None:
    engine = create_engine(server.new_database())
    with engine.begin() as connection:
        assert not ddl.is_usable(connection)
        assert not ddl.is_hypertable(connection)
    engine.dispose()
    store = PostgresStore(make_url(server.new_database()), clock=ManualClock(START))
    store.write(rows(30))
    with store._engine.connect() as connection:
        assert connection.scalar(text("SELECT relkind::text FROM pg_class WHERE relname = 'history_points'")) == "p"
    store.close()


def test_a_database_of_partitions_stays_one_when_the_extension_comes(
    timescale: TimescaleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(timescale.empty_database())
    with monkeypatch.context() as patch:
        patch.setattr(ddl, "_version", lambda _: None)  # as where it is not installed
        store = PostgresStore(url, clock=ManualClock(START), strategy="unnest", prepare_threshold=None)
        store.write(rows(2))
        store.close()
    again = PostgresStore(url, clock=ManualClock(START), strategy="unnest", prepare_threshold=None)
    assert again.fetch(*PLACE, None, None, ALL) == plain(rows(2))
    assert again.write(rows(3)) == 60
    assert again.maintain(START + 9 * HOUR).hours == 3
    again.close()
    assert ask(timescale, "SELECT count(*) FROM history_partitions") != [(0,)]
    assert ask(timescale, "SELECT relkind::text FROM pg_class WHERE relname = 'history_points'") == [("p",)]
