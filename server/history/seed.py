"""Realistic readings of plant assets through the bulk path: daily load curve, power drives production and heat."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence

from server.core import status
from server.core.clock import SECOND, TimeUs
from server.history.store import HistoryRow, HistoryStore

BATCH = 10_000
_DAY_S = 86_400.0

DEMO_ASSETS = (
    "power-station-alpha.turbine-a",
    "power-station-alpha.turbine-b",
    "power-station-alpha.boiler-a",
    "power-station-alpha.generator-a",
    "power-station-alpha.compressor-a",
    "chemical-plant-beta.reactor-a",
    "chemical-plant-beta.reactor-b",
    "chemical-plant-beta.boiler-a",
    "chemical-plant-beta.compressor-a",
    "chemical-plant-beta.compressor-b",
    "chemical-plant-beta.pump-a",
    "manufacturing-gamma.furnace-a",
    "manufacturing-gamma.press-a",
    "manufacturing-gamma.press-b",
    "manufacturing-gamma.conveyor-a",
    "manufacturing-gamma.compressor-a",
)
"""Device ids of the demo's sixteen assets."""


def seed(
    store: HistoryStore,
    devices: Sequence[str],
    *,
    hours: float = 48.0,
    period_s: float = 30.0,
    end: TimeUs,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    random_seed: int = 0,
) -> int:
    """Write four values per asset and period up to `end`; returns how many rows were new.

    The times lie on a grid of the period, and the same seed gives the same values: a second run adds only what is new.

    Raises:
        RemoteError: the database is away; what was written stays.
    """
    steps = max(1, round(hours * 3600 / period_s))
    step_us = round(period_s * SECOND)
    last = end // step_us * step_us
    times = [last - (steps - 1 - number) * step_us for number in range(steps)]
    total = steps * len(devices) * 4
    done = new = 0
    batch: list[HistoryRow] = []
    for row in _rows(devices, times, random_seed):
        batch.append(row)
        if len(batch) >= BATCH:
            new += store.write(batch)
            done += len(batch)
            batch = []
            progress(done, total)
    if batch:
        new += store.write(batch)
        progress(total, total)
    return new


def _rows(devices: Sequence[str], times: Sequence[TimeUs], random_seed: int) -> Iterator[HistoryRow]:
    for device in devices:
        size = random.Random(f"{random_seed}:{device}").uniform(0.75, 1.0)
        for time in times:
            noise = random.Random(f"{random_seed}:{device}:{time}").gauss
            day = (time / SECOND % _DAY_S) / _DAY_S
            load = 0.55 + 0.35 * math.sin(2 * math.pi * (day - 0.29)) + noise(0.0, 0.03)
            load = min(1.0, max(0.05, load * size))
            values = (
                ("temperature", 60.0 + 60.0 * (0.25 + 0.6 * load) + noise(0.0, 0.8)),
                ("pressure", 1.0 + 9.0 * (0.2 + 0.6 * load) + noise(0.0, 0.05)),
                ("power_consumption", 100.0 + 400.0 * load),
                ("production_output", 50.0 + 150.0 * load + noise(0.0, 2.0)),
            )
            for parameter, value in values:
                yield HistoryRow(device, parameter, time, time, round(value, 2), status.GOOD)
