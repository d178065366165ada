"""History: our write path against the bare driver in the same run, reads, and the seed.

Run: `python -m tests.bench.bench_history [rows]`. Prints medians of three rounds, the ways of one round shuffled.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy.engine import make_url

from server.core.clock import SECOND, SystemClock, to_datetime
from server.core.values import DeviceId, PointUpdate
from server.history.recorder import Recorder
from server.history.seed import DEMO_ASSETS, seed
from server.history.store import HistoryRow, HistoryStore
from server.history.stores.memory import MemoryStore
from server.history.stores.postgres import PostgresStore
from server.history.stores.sqlite import SqliteStore
from server.settings import HistorySettings
from tests.kit.postgres import PostgresServer

BATCH = 10_000
SERIES = 400
ROUNDS = 3
START = 1_767_600_000 * SECOND


def batches(rows: int) -> list[list[HistoryRow]]:
    """Time-major, as a plant sends them: every series once a second."""
    noise = random.Random(1)
    made = [
        HistoryRow(
            f"device-{number % SERIES:03d}",
            "value",
            START + number // SERIES * SECOND,
            START + number // SERIES * SECOND + 5000,
            round(noise.gauss(50, 10), 2),
            0,
        )
        for number in range(rows)
    ]
    return [made[first : first + BATCH] for first in range(0, rows, BATCH)]


def ours(store: HistoryStore, work: Sequence[list[HistoryRow]]) -> float:
    store.write([HistoryRow(f"device-{number:03d}", "value", START - 1, START, 0.0, 0) for number in range(SERIES)])
    started = time.perf_counter()
    for batch in work:
        store.write(batch)
    taken = time.perf_counter() - started
    store.close()
    return taken


def bare_sqlite(path: Path, work: Sequence[list[HistoryRow]]) -> float:
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute(
        "CREATE TABLE p (s INTEGER, t INTEGER, d INTEGER, c INTEGER, k INTEGER, n REAL, x TEXT, PRIMARY KEY (s, t)) "
        "WITHOUT ROWID"
    )
    plain = _plain(work)
    started = time.perf_counter()
    for batch in plain:
        raw.execute("BEGIN")
        raw.executemany("INSERT OR IGNORE INTO p VALUES (?, ?, ?, ?, ?, ?, ?)", batch)
        raw.execute("COMMIT")
    taken = time.perf_counter() - started
    raw.close()
    return taken


def bare_copy(url: str, work: Sequence[list[HistoryRow]]) -> float:
    import psycopg

    plain = [[(s, to_datetime(t), d, c, k, n, x) for s, t, d, c, k, n, x in batch] for batch in _plain(work)]
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(
            "CREATE TABLE p (s integer, t timestamptz, d bigint, c bigint, k smallint, n float8, x text, "
            "PRIMARY KEY (s, t))"
        )
        connection.commit()
        started = time.perf_counter()
        for batch in plain:
            with connection.cursor() as cursor, cursor.copy("COPY p FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int4", "timestamptz", "int8", "int8", "int2", "float8", "text"])
                for row in batch:
                    copy.write_row(row)
            connection.commit()
        return time.perf_counter() - started


def _plain(work: Sequence[list[HistoryRow]]) -> list[list[tuple[int, int, int, int, int, float, None]]]:
    return [
        [(int(row.device_id[-3:]), row.source_time, 5000, 0, 0, float(row.value or 0), None) for row in batch]
        for batch in work
    ]


def through_recorder(folder: Path, store: HistoryStore, work: Sequence[list[HistoryRow]]) -> float:
    """From updates to rows in the store, spool in between; 100 updates a call, each call's commit awaited late."""
    updates = [
        [PointUpdate(DeviceId(r.device_id), r.parameter, r.value, 0, r.source_time, r.server_time) for r in batch]
        for batch in work
    ]

    async def run() -> float:
        recorder = Recorder(store, HistorySettings(), folder, SystemClock())
        await recorder.start()
        started = time.perf_counter()
        for batch in updates:
            futures = [recorder.record(batch[first : first + 100]) for first in range(0, len(batch), 100)]
            await asyncio.gather(*futures)
        await recorder.flushed(600)
        taken = time.perf_counter() - started
        await recorder.stop()
        return taken

    return asyncio.run(run())


def seeded(store: HistoryStore) -> float:
    started = time.perf_counter()
    assert seed(store, DEMO_ASSETS, end=SystemClock().now()) == 368_640
    taken = time.perf_counter() - started
    store.close()
    return taken


def main(rows: int) -> None:
    """Measure and print."""
    work = batches(rows)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = PostgresServer(folder)
        try:
            number = 0

            def file() -> Path:
                nonlocal number
                number += 1
                made = folder / str(number)
                made.mkdir()
                return made

            def postgres() -> PostgresStore:
                return PostgresStore(make_url(server.new_database()))

            ways: dict[str, Callable[[], float]] = {
                "sqlite, bare executemany": lambda: bare_sqlite(file() / "bare.db", work),
                "sqlite, store": lambda: ours(SqliteStore(file() / "history.db"), work),
                "postgres, bare COPY write_row": lambda: bare_copy(server.new_database(), work),
                "postgres, store": lambda: ours(postgres(), work),
                "recorder and spool alone": lambda: through_recorder(file(), MemoryStore(), work),
                "recorder to sqlite": lambda: through_recorder(at := file(), SqliteStore(at / "history.db"), work),
                "recorder to postgres": lambda: through_recorder(file(), postgres(), work),
            }
            for _ in range(ROUNDS):
                for way in random.sample(sorted(ways), len(ways)):
                    times.setdefault(way, []).append(ways[way]())
            seeds = {
                "sqlite": seeded(SqliteStore(file() / "history.db")),
                "postgres": seeded(postgres()),
            }
            store = SqliteStore(file() / "history.db")
            for batch in work:
                store.write(batch)
            started = time.perf_counter()
            count = len(store.read_raw("device-007", "value", START, None, 1_000_000).values)
            read_s = time.perf_counter() - started
            store.close()
        finally:
            server.remove()
    middle = {way: statistics.median(taken) for way, taken in times.items()}
    for way in ways:
        print(f"{way:32} {rows / middle[way] / 1000:8.0f} k rows/s")
    for store_name, bare in (("sqlite", "sqlite, bare executemany"), ("postgres", "postgres, bare COPY write_row")):
        print(f"{store_name}: store {middle[bare] / middle[f'{store_name}, store']:.2f} of the bare loop, ", end="")
        print(f"with spool {middle[bare] / middle[f'recorder to {store_name}']:.2f}")
    for store_name, taken in seeds.items():
        print(f"seed of 368 640 readings, {store_name}: {taken:.2f} s")
    print(f"sqlite: {count} values of one series read in {read_s * 1000:.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
