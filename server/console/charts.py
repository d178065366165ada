"""A parameter's history as a line on a screen: every value looked at, few samples drawn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from server.console.context import History
from server.core.clock import TimeUs
from server.history.downsample import Sample, broken, lttb, sample, thin
from server.history.store import Bucket, StoredValue
from server.history.tiers import NAMES, Tier

Method = Literal["minmax", "lttb"]
PAGE = 10_000
MOST_VALUES = 200_000
"""Values looked at one by one; of more the least and greatest of each part come from the figures of the store."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, and of what: `raw` values, or the figures of `minutes` and `hours` where values are over."""

    samples: list[Sample]
    tier: str
    of_values: bool  # False: samples are least and greatest of equal parts, and stand where these begin and half-way


async def chart(
    history: History,
    place: tuple[str, str],
    start: TimeUs,
    end: TimeUs,
    *,
    points: int,
    silence_s: float,
    method: Method = "minmax",
) -> Chart:
    """About so many samples of start <= time < end; a silence longer than `silence_s`, and than a deadband may be the
    reason of, breaks the line.

    Raises:
        RemoteError: the database is away.
    """
    silence_s = history.silence_s(place, silence_s)
    tier = history.tier(place, start, end)
    if tier is Tier.RAW:
        values = await _values(history, place, start, end)
        if values is not None:
            return Chart(
                await asyncio.to_thread(_drawn, values, start, end, points, silence_s, method), NAMES[tier], True
            )
    found = await history.buckets([place], start, end, max(-(-(end - start) // max(points // 2, 1)), 1))
    width = found.choice.width
    lines = _of_figures(found.get(place), width, max(silence_s * 1_000_000, 1.5 * width))
    return Chart(lines, found.tier, False)


async def _values(history: History, place: tuple[str, str], start: TimeUs, end: TimeUs) -> list[StoredValue] | None:
    """All values, or None when there are too many."""
    found: list[StoredValue] = []
    resume: TimeUs | None = None
    while True:
        page = await history.read_raw(*place, start, end, PAGE, resume=resume)
        found += page.values
        resume = page.next_time
        if resume is None:
            return found
        # As thick as up to here, the rest would be this many.
        if len(found) * ((end - start) / max(resume - start, 1)) > MOST_VALUES and len(found) >= PAGE:
            return None


def _drawn(
    values: list[StoredValue], start: TimeUs, end: TimeUs, points: int, silence_s: float, method: Method
) -> list[Sample]:
    drawn = (sample(value.source_time, value.value, value.status) for value in values)
    samples = broken([entry for entry in drawn if entry is not None], silence_s * 1000)
    if method == "lttb":
        return lttb(samples, points)
    return thin(samples, start / 1000, end / 1000, max(points // 2, 1))


def _of_figures(buckets: list[Bucket], width: int, silence: float) -> list[Sample]:
    found: list[Sample] = []
    before: TimeUs | None = None
    for each in buckets:
        if before is not None and each.time - before > silence:
            found.append(((before + width) / 1000, None))
        found.append((each.time / 1000, each.minimum))
        if each.maximum > each.minimum:
            found.append(((each.time + width // 2) / 1000, each.maximum))
        before = each.time
    return found
