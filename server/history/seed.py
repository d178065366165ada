"""Realistic readings of plant assets through the bulk path: daily load curve, power drives production and heat."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from itertools import islice

from server.core import status
from server.core.clock import SECOND, TimeUs
from server.history.store import HistoryRow, HistoryStore

BATCH = 10_000
_DAY_US = 86_400 * SECOND
_TIME = struct.Struct("!q")
_EIGHT = struct.Struct("!8H")

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
    # The next batch is made while the last one is written.
    with ThreadPoolExecutor(1) as writer:
        written: Future[int] | None = None
        for batch in _batches(_rows(devices, times, random_seed)):
            if written is not None:
                new += written.result()
                progress(done, total)
            written = writer.submit(store.write, batch)
            done += len(batch)
        if written is not None:
            new += written.result()
            progress(done, total)
    return new


def _batches(rows: Iterator[HistoryRow]) -> Iterator[list[HistoryRow]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _rows(devices: Sequence[str], times: Sequence[TimeUs], random_seed: int) -> Iterator[HistoryRow]:
    good = status.GOOD
    for device in devices:
        key = blake2b(f"{random_seed}:{device}".encode(), digest_size=32).digest()
        size = 0.75 + 0.25 * _noise(key, 0)[0] / 2.0
        for time in times:
            on_load, on_temperature, on_pressure, on_output = _noise(key, time)
            # A plant's day: least at about four in the morning, most in the afternoon.
            day = time % _DAY_US / _DAY_US
            load = size * (0.55 + 0.35 * math.sin(2 * math.pi * (day - 0.42)) + 0.05 * (on_load - 1.0))
            load = min(1.0, max(0.05, load))
            yield HistoryRow(
                device, "temperature", time, time, round(75.0 + 36.0 * load + 1.5 * on_temperature, 2), good
            )
            yield HistoryRow(device, "pressure", time, time, round(2.8 + 5.4 * load + 0.1 * on_pressure, 2), good)
            yield HistoryRow(device, "power_consumption", time, time, round(100.0 + 400.0 * load, 2), good)
            yield HistoryRow(
                device, "production_output", time, time, round(52.0 + 140.0 * load + 4.0 * on_output, 2), good
            )


def _noise(key: bytes, time: TimeUs) -> tuple[float, float, float, float]:
    """Four numbers in 0..2, mostly about 1, that only depend on their arguments: a second run gives the same."""
    a, b, c, d, e, f, g, h = _EIGHT.unpack(blake2b(_TIME.pack(time), key=key, digest_size=16).digest())
    return (a + b) / 65_535, (c + d) / 65_535, (e + f) / 65_535, (g + h) / 65_535
