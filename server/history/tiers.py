"""How long history is kept how finely, and which of what is kept answers a question. Pure.

Values lie as they came (raw), as figures of each minute and as figures of each hour. Figures of cells can be joined
exactly, so an interval is answered from the coarsest cells that lie wholly within it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from server.core.clock import SECOND, TimeUs

MINUTE: TimeUs = 60 * SECOND
HOUR: TimeUs = 60 * MINUTE
DAY: TimeUs = 24 * HOUR
MOST_SEGMENTS = 64
"""Ranges that one question is divided into; when it would be more, finer cells answer it alone."""


class Tier(IntEnum):
    """What is kept; the value is the width of its cells in µs."""

    RAW = 1
    MINUTES = MINUTE
    HOURS = HOUR


NAMES = {Tier.RAW: "raw", Tier.MINUTES: "minutes", Tier.HOURS: "hours"}
"""What the answers of HTTP call them."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long each tier of a series is kept, µs; None: for ever."""

    raw: TimeUs | None = 7 * DAY
    minutes: TimeUs | None = 90 * DAY
    hours: TimeUs | None = 730 * DAY

    def of(self, tier: Tier) -> TimeUs | None:
        """The age that a tier is kept to."""
        return {Tier.RAW: self.raw, Tier.MINUTES: self.minutes, Tier.HOURS: self.hours}[tier]

    def holds(self, tier: Tier, time: TimeUs, now: TimeUs) -> bool:
        """True when what lies at a time is still there."""
        age = self.of(tier)
        return age is None or time >= horizon(now, age)


def horizon(now: TimeUs, age: TimeUs) -> TimeUs:
    """What lies before this is over; a whole hour, so that cells go as a whole."""
    return (now - age) // HOUR * HOUR


@dataclass(frozen=True, slots=True)
class Choice:
    """What answers a question, and the intervals that it can answer: never narrower than its cells."""

    tier: Tier
    start: TimeUs
    end: TimeUs
    width: TimeUs


def choose(start: TimeUs, end: TimeUs, width: TimeUs, now: TimeUs, ages: Ages) -> Choice:
    """The finest tier that still holds all of start..end; its cells are the limit of the answer.

    From raw values the question is answered as it was asked. From cells the start is moved back and the end forward
    to theirs, and the width is a whole number of them.

    Raises:
        ValueError: a width below 1 or an end that is not after the start.
    """
    if width < 1 or end <= start:
        raise ValueError("an interval has at least a microsecond, and the end is after the start")
    for tier in (Tier.RAW, Tier.MINUTES):
        if ages.holds(tier, start, now):
            break
    else:
        tier = Tier.HOURS
    if tier is Tier.RAW:
        return Choice(tier, start, end, width)
    low, high = start // tier * tier, -(-end // tier) * tier
    if width >= end - start:
        return Choice(tier, low, high, high - low)  # one interval stays one
    return Choice(tier, low, high, -(-width // tier) * tier)


def in_minutes(choice: Choice) -> Choice:
    """The same in intervals of whole minutes, where so many that are none would have to be made from single values."""
    width = choice.width
    if width <= MINUTE or width % MINUTE == 0 or (choice.end - choice.start) // width <= MOST_SEGMENTS // 3:
        return choice
    return Choice(choice.tier, choice.start // MINUTE * MINUTE, choice.end, -(-width // MINUTE) * MINUTE)


@dataclass(frozen=True, slots=True)
class Segment:
    """A range that one tier answers; no interval's edge lies within one of its cells."""

    tier: Tier
    low: TimeUs
    high: TimeUs  # not included


def segments(start: TimeUs, end: TimeUs, width: TimeUs) -> list[Segment]:
    """The ranges that together are start..end in intervals of `width` from the start on, in order."""
    for coarsest in (Tier.HOURS, Tier.MINUTES):
        if width < coarsest:
            continue  # no cell lies within an interval
        found: list[Segment] = []
        for segment in _divided(start, end, width, coarsest):
            if found and found[-1].tier is segment.tier:
                found[-1] = Segment(segment.tier, found[-1].low, segment.high)
            else:
                found.append(segment)
            if len(found) > MOST_SEGMENTS:
                break
        else:
            return found
    return [Segment(Tier.RAW, start, end)]


def _divided(start: TimeUs, end: TimeUs, width: TimeUs, coarsest: Tier) -> Iterator[Segment]:
    if start % coarsest == 0 and width % coarsest == 0:
        # No edge within a cell, but for the end.
        last = end // coarsest * coarsest
        if last > start:
            yield Segment(coarsest, start, last)
        yield from _interval(max(start, last), end, coarsest)
        return
    low = start
    while low < end:
        high = min(low + width, end)
        yield from _interval(low, high, coarsest)
        low = high


def _interval(low: TimeUs, high: TimeUs, tier: Tier) -> Iterator[Segment]:
    """One interval: the cells within it, what is left on both sides by finer ones."""
    if high <= low:
        return
    if tier is Tier.RAW:
        yield Segment(tier, low, high)
        return
    finer = Tier.MINUTES if tier is Tier.HOURS else Tier.RAW
    first, last = -(-low // tier) * tier, high // tier * tier
    if first >= last:
        yield from _interval(low, high, finer)
        return
    yield from _interval(low, first, finer)
    yield Segment(tier, first, last)
    yield from _interval(last, high, finer)
