"""How history grows: `python -m tests.bench.bench_history_scale [--points 10000000] [--store postgres]`.

Series of 100 000 points over a month (one in 26 s), at least a hundred of them; a quarter each: counters, rarely
changing states, readings of two decimals, noise of full precision. Written in batches of 10 000, kept in order
meanwhile; then asked.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlalchemy.engine import make_url

from server.core.clock import ManualClock, from_iso
from server.history.store import HistoryRow, HistoryStore
from server.history.stores.postgres import PostgresStore
from server.history.stores.sqlite import SqliteStore
from server.history.tiers import DAY, HOUR
from tests.kit.postgres import PostgresServer

PER_SERIES = 100_000
START = from_iso("2026-01-05T00:00:00Z")
MONTH = 30 * DAY
ASKED = 9


def batches(points: int, all_series: int) -> tuple[int, Callable[[int], list[HistoryRow]]]:
    """(how many batches, what is in one): time-major, with jitter of milliseconds."""
    steps = points // all_series
    period = MONTH // steps
    chance = random.Random(7)
    noise = [chance.gauss(50, 20) for _ in range(4_099)]
    per_batch = max(10_000 // all_series, 1)

    def rows(number: int) -> list[HistoryRow]:
        made = []
        for step in range(number * per_batch, min((number + 1) * per_batch, steps)):
            for series in range(all_series):
                some = noise[(step * 31 + series * 17) % 4_099]
                kind = series % 4
                value = (
                    float(step)
                    if kind == 0
                    else float(step // 500 % 4)
                    if kind == 1
                    else round(some, 2)
                    if kind == 2
                    else some
                )
                at = START + step * period + int(abs(some) * 100) * 10
                made.append(HistoryRow(f"device-{series // 10:03d}", f"p{series % 10}", at, at + 4_000, value, 0))
        return made

    return -(-steps // per_batch), rows


def median_ms(ask: Callable[[], object]) -> str:
    """The median of some askings."""
    taken = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - begun) * 1000)
    return f"{statistics.median(taken):.1f} ms"


def upkeep(store: HistoryStore, now: int) -> float:
    """All the upkeep there is; CPU seconds of this process."""
    begun = time.process_time()
    while store.maintain(now).more:
        pass
    return time.process_time() - begun


def run(store: HistoryStore, points: int, size: Callable[[], int]) -> None:
    """Write, keep in order, ask, print."""
    all_series = max(points // PER_SERIES, 100)
    count, rows = batches(points, all_series)
    writing = keeping = 0.0
    cpu = 0.0
    for number in range(count):
        made = rows(number)
        begun = time.perf_counter()
        store.write(made)
        writing += time.perf_counter() - begun
        if number % 50 == 49 or number == count - 1:
            begun = time.perf_counter()
            cpu += upkeep(store, made[-1].source_time + (2 * HOUR if number == count - 1 else 0))
            keeping += time.perf_counter() - begun
    stored = points // all_series * all_series
    print(
        f"{stored} points: written {stored / writing:.0f}/s, figures and packing {stored / keeping:.0f}/s "
        f"({cpu / stored * 1e6:.2f} CPU-s of this process per million), {size() / stored:.1f} bytes a point, "
        f"memory {psutil.Process().memory_info().rss >> 20} MiB",
        flush=True,
    )
    chance = random.Random(3)

    def place() -> tuple[str, str]:
        series = chance.randrange(all_series)
        return f"device-{series // 10:03d}", f"p{series % 10}"

    def day() -> int:
        return START + chance.randrange(29) * DAY

    hundred = [(f"device-{series // 10:03d}", f"p{series % 10}") for series in range(100)]
    print(
        "raw day of one series:",
        median_ms(lambda: (first := day(), store.fetch(*place(), first, first + DAY - 1, 10**6))),
    )
    print(
        "5 min of one series, a day:",
        median_ms(lambda: store.buckets([place()], first := day(), first + DAY, HOUR // 12)),
    )
    print("hours of 100 series, a month:", median_ms(lambda: store.buckets(hundred, START, START + MONTH, HOUR)))
    print("last value:", median_ms(lambda: store.latest(*place())), flush=True)


def main() -> None:
    """One store and one number of points."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    clock = ManualClock(START + 400 * DAY)
    with tempfile.TemporaryDirectory(prefix="history-scale") as name:
        folder = Path(name)
        if options.store == "sqlite":
            store = SqliteStore(folder / "history.db", clock=clock)
            run(store, options.points, lambda: sum(each.stat().st_size for each in folder.iterdir() if each.is_file()))
            store.close()
            return
        server = PostgresServer(folder)
        try:
            made = PostgresStore(make_url(server.new_database()), clock=clock)

            def size() -> int:
                with made._engine.connect() as connection:
                    return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)

            run(made, options.points, size)
            made.close()
        finally:
            server.remove()


if __name__ == "__main__":
    main()
