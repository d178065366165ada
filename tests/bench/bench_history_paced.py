"""History under a steady load: from the spool's inlet to the store, at a given rate, for a given time.

Run: `python -m tests.bench.bench_history_paced [points/s] [seconds] [sqlite|postgres]`. The generator runs in the same
process and loop as the recorder: what it costs is taken from what is measured. Prints what was sustained, the depth
of the spool and the resident memory every few seconds, and counts what the store holds in the end.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy.engine import make_url

from server.core.clock import SystemClock
from server.core.errors import RemoteError
from server.core.values import DeviceId, PointUpdate
from server.history.recorder import Recorder
from server.history.store import HistoryStore
from server.history.stores.postgres import PostgresStore
from server.history.stores.sqlite import SqliteStore
from server.settings import HistorySettings
from tests.kit.postgres import PostgresServer

SERIES = 10_000
TICK_S = 0.05
TOLD_EVERY_S = 5.0
DRAIN_S = 240.0
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mb() -> float:
    """Resident memory of this process, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


async def load(store: HistoryStore, folder: Path, rate: int, seconds: float) -> None:
    """Offer `rate` points a second; what is refused is counted, what is acknowledged must be stored."""
    clock = SystemClock()
    recorder = Recorder(store, HistorySettings(), folder, clock)
    await recorder.start()
    places = [(DeviceId(f"device-{number // 10:04d}"), f"value-{number % 10}") for number in range(SERIES)]
    waiting: set[asyncio.Future[None]] = set()
    acknowledged = refused = offered = 0
    told = begun = time.perf_counter()

    def count(future: asyncio.Future[None], points: int) -> None:
        nonlocal acknowledged, refused
        waiting.discard(future)
        if isinstance(future.exception(), RemoteError):
            refused += points
        else:
            acknowledged += points

    while (passed := time.perf_counter() - begun) < seconds:
        due = int(rate * passed)
        now = clock.now()
        while offered < due and time.perf_counter() - begun < seconds:
            size = min(500, due - offered)
            updates = [
                PointUpdate(*places[number % SERIES], float(number % 977), 0, now + number % 50_000, now + 50_000)
                for number in range(offered, offered + size)
            ]
            offered += size
            future = recorder.record(updates)
            waiting.add(future)
            future.add_done_callback(lambda done, points=size: count(done, points))
            await asyncio.sleep(0)
            if time.perf_counter() - told >= TOLD_EVERY_S:
                break  # behind its pace: tell now, catch up after
        if time.perf_counter() - told >= TOLD_EVERY_S:
            told = time.perf_counter()  # a generator that does not keep up has taken more than `passed` by now
            counters = recorder.counters()
            print(
                f"{told - begun:5.0f} s  offered {offered:9d}  acknowledged {acknowledged:9d}  stored "
                f"{counters['history_stored']:9.0f}  spool {counters['history_spool_rows']:8.0f} rows "
                f"{counters['history_spool_age_s']:5.1f} s  before it {counters['history_queue_rows']:6.0f}  "
                f"memory {resident_mb():5.0f} MiB",
                flush=True,
            )
        await asyncio.sleep(TICK_S)
    sent_s = time.perf_counter() - begun
    await asyncio.gather(*waiting, return_exceptions=True)
    await recorder.flushed(DRAIN_S)
    drained_s = time.perf_counter() - begun
    counters = recorder.counters()
    kept = counters["history_stored"] + counters["history_duplicates"] + counters["history_spool_rows"]
    print(
        f"offered {offered / sent_s / 1000:.0f} k/s of {rate / 1000:.0f}; stored "
        f"{counters['history_stored'] / drained_s / 1000:.0f} k/s until all was there ({drained_s:.0f} s); "
        f"acknowledged {acknowledged}, refused {refused}, stored {counters['history_stored']:.0f}, same place "
        f"{counters['history_duplicates']:.0f}, still spooled {counters['history_spool_rows']:.0f}; "
        f"lost {acknowledged - kept:.0f}; memory {resident_mb():.0f} MiB"
    )
    await recorder.stop()


def main(rate: int, seconds: float, which: str) -> None:
    """Measure one store and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{which}: {rate} points/s for {seconds:.0f} s, {SERIES} series, load {os.getloadavg()[0]:.1f}")
        if which == "sqlite":
            asyncio.run(load(SqliteStore(folder / "history.db"), folder, rate, seconds))
            return
        server = PostgresServer(folder / "server")
        try:
            asyncio.run(load(PostgresStore(make_url(server.new_database())), folder, rate, seconds))
        finally:
            server.remove()


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 116_000,
        float(sys.argv[2]) if len(sys.argv) > 2 else 60.0,
        sys.argv[3] if len(sys.argv) > 3 else "postgres",
    )
