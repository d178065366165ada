"""The drill of the historian: values stream in, hours are packed, the process is killed; acknowledged = stored, once.

Run as a module it is the process that is killed.
"""

from __future__ import annotations

import asyncio
import math
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from server.core.clock import SECOND, SystemClock, TimeUs, from_iso
from server.core.values import DeviceId, PointUpdate
from server.history.ages import AgeBook
from server.history.keeper import Keeper
from server.history.recorder import Recorder
from server.history.stores.postgres import PostgresStore
from server.history.stores.sqlite import SqliteStore
from server.history.tiers import HOUR
from server.settings import HistorySettings

SERIES = 8
STEP: TimeUs = 20 * SECOND  # 180 values an hour and series
PER_BATCH = 25  # steps of all series that are acknowledged together
START = from_iso("2026-01-05T00:00:00Z")  # long ago: every hour is closed as soon as it has values
LATE_EVERY = 7  # every seventh batch brings what an earlier one left out, into an hour that may be packed by now
MOST_SPOOLED = 20_000
SETTINGS = HistorySettings(commit_ms=1, flush_ms=1, batch_rows=500, upkeep_s=1)


def open_store(url: URL) -> SqliteStore | PostgresStore:
    """The store of a drill."""
    return SqliteStore(Path(str(url.database))) if url.get_backend_name() == "sqlite" else PostgresStore(url)


def value_of(series: int, step: int) -> float:
    """What a series says at a step."""
    return round(50 + series + 10 * math.sin(step / 40), 2)


def steps_of(batch: int) -> list[int]:
    """The steps of a batch; each step belongs to one batch."""
    first = batch * PER_BATCH
    own = [step for step in range(first, first + PER_BATCH) if step % LATE_EVERY]
    # What is left out comes 20 batches later: more than two hours.
    late = [
        step for step in range(first - 20 * PER_BATCH, first - 19 * PER_BATCH) if step >= 0 and not step % LATE_EVERY
    ]
    return own + late


def updates(batch: int) -> list[PointUpdate]:
    """The values of a batch."""
    return [
        PointUpdate(
            DeviceId("drill"), f"p{series}", value_of(series, step), 0, START + step * STEP, START + step * STEP
        )
        for step in steps_of(batch)
        for series in range(SERIES)
    ]


async def stream(folder: Path, url: URL, first: int) -> None:
    """Record batch after batch from `first` on and say which are acknowledged; keep the store in order meanwhile."""
    clock = SystemClock()
    store = open_store(url)
    recorder = Recorder(store, SETTINGS, folder, clock)
    keeper = Keeper(store, SETTINGS, AgeBook(HistorySettings(raw_days=0), lambda _: None), clock)
    await recorder.start()

    async def upkeep() -> None:
        while True:
            await keeper.round()
            print(f"packed {keeper.counters()['history_packed_hours']}", flush=True)
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(upkeep())]
    for batch in range(first, first + 1_000_000):
        await recorder.record(updates(batch))
        print(f"ack {batch}", flush=True)
        if recorder.counters()["history_spool_rows"] > MOST_SPOOLED:
            await recorder.flushed(60)  # or the drill would be about one long queue
    await asyncio.gather(*tasks)


@dataclass
class Drill:
    """Kill after kill; the values acknowledged are compared with what is stored."""

    folder: Path
    url: URL
    seed: int = 0
    kills: int = 0
    packed: int = 0
    next_batch: int = 0
    acknowledged: list[int] = field(default_factory=list)

    def kill_once(self) -> None:
        """One run of the process, ended at a random moment."""
        chance = random.Random(self.seed * 100_003 + self.kills)
        after = chance.randrange(1, 60)
        wait_for_packing = chance.random() < 0.5  # then the kill comes close to a commit of the keeper
        command = [sys.executable, "-m", "tests.kit.history_drill", str(self.folder), self._url(), str(self.next_batch)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        packed = 0
        try:
            assert child.stdout is not None
            with child.stdout:
                for line in child.stdout:
                    if not line.endswith("\n"):
                        continue
                    if line.startswith("packed "):
                        packed = int(line[7:])
                    elif line.startswith("ack "):
                        self.acknowledged.append(int(line[4:]))
                        self.next_batch = self.acknowledged[-1] + 1
                        after -= 1
                    if after <= 0 and child.poll() is None and (packed or not wait_for_packing or after < -200):
                        child.kill()
        finally:
            child.kill()
            code = child.wait(60)
        assert code == -9, code
        self.kills += 1
        self.packed += packed

    def _url(self) -> str:
        return self.url.render_as_string(hide_password=False)

    async def compare(self) -> tuple[int, int]:
        """Deliver what the spool holds, compare all; (values acknowledged, values stored)."""
        store = open_store(self.url)
        recorder = Recorder(store, SETTINGS, self.folder, SystemClock())
        await recorder.start()
        try:
            await recorder.flushed(60)
            return await asyncio.to_thread(self._compare, store)
        finally:
            await recorder.stop()

    def _compare(self, store: SqliteStore | PostgresStore) -> tuple[int, int]:
        wanted = sorted({step for batch in self.acknowledged for step in steps_of(batch)})
        stored = 0
        for series in range(SERIES):
            found = store.fetch("drill", f"p{series}", None, None, 10_000_000)
            steps = [(value.source_time - START) // STEP for value in found]
            assert len(set(steps)) == len(steps), "a value is there twice"
            assert steps == sorted(steps)
            assert all(value.value == value_of(series, step) for step, value in zip(steps, found, strict=True))
            missing = set(wanted) - set(steps)
            assert not missing, f"acknowledged and not stored: {sorted(missing)[:5]} of p{series}"
            stored += len(steps)
            self._compare_figures(store, series, steps)
        # The batch in flight at a kill may be there though nobody was told.
        in_flight = stored - SERIES * len(wanted)
        assert in_flight <= self.kills * SERIES * PER_BATCH * 2
        return SERIES * len(wanted), stored

    def _compare_figures(self, store: SqliteStore | PostgresStore, series: int, steps: Sequence[int]) -> None:
        hours: dict[int, list[float]] = {}
        for step in steps:
            hours.setdefault(step * STEP // HOUR, []).append(value_of(series, step))
        last = max(hours, default=0) + 1
        found = store.buckets([("drill", f"p{series}")], START, START + last * HOUR, HOUR)
        figures = {(each.time - START) // HOUR: each for each in found.get(("drill", f"p{series}"), [])}
        assert figures.keys() == hours.keys()
        for hour, values in hours.items():
            each = figures[hour]
            assert (each.count, each.minimum, each.maximum) == (len(values), min(values), max(values))
            assert math.isclose(each.average, math.fsum(values) / len(values), rel_tol=1e-9)

    async def run(self, kills: int, *, compare_every: int = 10) -> str:
        """So many kills; what was seen, in words."""
        for number in range(1, kills + 1):
            await asyncio.to_thread(self.kill_once)
            if number % compare_every == 0 or number == kills:
                acknowledged, stored = await self.compare()
        return (
            f"{self.kills} kills, {acknowledged} values acknowledged, {stored} stored (the rest was in flight), "
            f"0 lost, 0 doubled, figures equal; {self.packed} hours packed meanwhile"
        )


if __name__ == "__main__":
    asyncio.run(stream(Path(sys.argv[1]), make_url(sys.argv[2]), int(sys.argv[3])))
