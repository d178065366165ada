"""A series made fit for a screen: few samples that show what the many did. Pure.

A sample is (milliseconds since 1970, value); None breaks the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from server.core.clock import TimeUs
from server.core.status import is_bad
from server.core.values import Scalar

Sample = tuple[float, float | None]
"""(milliseconds since 1970, value; None breaks the line)."""


def sample(time_us: TimeUs, value: Scalar | None, code: int) -> Sample | None:
    """A value to draw; Bad ones break the line, texts are none."""
    if value is None or is_bad(code):
        return time_us / 1000, None
    if isinstance(value, bool):
        return time_us / 1000, float(value)
    if isinstance(value, int | float) and math.isfinite(value):
        return time_us / 1000, float(value)
    return None


def broken(samples: Sequence[Sample], silence_ms: float) -> list[Sample]:
    """The same with a break wherever nothing came for too long: a line there would claim to know."""
    found: list[Sample] = []
    for entry in samples:
        if found and entry[0] - found[-1][0] > silence_ms:
            found.append((found[-1][0] + 1.0, None))
        found.append(entry)
    return found


def thin(samples: Sequence[Sample], start: float, end: float, buckets: int) -> list[Sample]:
    """Lowest and highest of each of so many equal times, and one break in each that has any.

    No peak is lost, however short; at most five samples come of each bucket, however often quality changes.
    """
    if len(samples) <= 2 * buckets or end <= start:
        return list(samples)
    width = (end - start) / buckets
    kept: list[Sample] = []
    bucket: list[tuple[float, float]] = []
    current = broken_in = -1

    def close() -> None:
        if bucket:
            lowest = min(bucket, key=lambda entry: entry[1])
            highest = max(bucket, key=lambda entry: entry[1])
            kept.extend(sorted({lowest, highest}))
            bucket.clear()

    for moment, value in samples:
        number = min(int((moment - start) / width), buckets - 1)
        if number != current or (value is None and broken_in != number):
            close()
            current = number
        if value is not None:
            bucket.append((moment, value))
        elif broken_in != number:
            kept.append((moment, None))
            broken_in = number
    close()
    return kept


def lttb(samples: Sequence[Sample], points: int) -> list[Sample]:
    """Largest triangle three buckets: of each of `points` - 2 equally large parts the sample that stands out most.

    It keeps the look of a line better than `thin`, but not every minimum and maximum. A break between two samples that
    are kept stays one break.
    """
    known = [(moment, value) for moment, value in samples if value is not None]
    breaks = [moment for moment, value in samples if value is None]
    if len(known) <= max(points, 2):
        return _with_breaks(known, breaks)
    kept = [known[0]]
    inner = max(points, 2) - 2
    for number in range(inner):
        first = 1 + number * (len(known) - 2) // inner
        last = 1 + (number + 1) * (len(known) - 2) // inner
        following = known[last : 1 + (number + 2) * (len(known) - 2) // inner] or known[-1:]
        x = sum(moment for moment, _ in following) / len(following)
        y = sum(value for _, value in following) / len(following)
        at, height = kept[-1]
        kept.append(
            max(known[first:last], key=lambda one: abs((at - x) * (one[1] - height) - (at - one[0]) * (y - height)))
        )
    kept.append(known[-1])
    return _with_breaks(kept, breaks)


def _with_breaks(kept: Sequence[tuple[float, float]], breaks: Sequence[float]) -> list[Sample]:
    found: list[Sample] = []
    place = 0
    for moment, value in kept:
        before = place
        while place < len(breaks) and breaks[place] < moment:
            place += 1
        if place > before:
            found.append((breaks[before], None))
        found.append((moment, value))
    if place < len(breaks):
        found.append((breaks[place], None))
    return found
