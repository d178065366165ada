"""What a raw read has to give, written a second time on a list of times (OPC 10000-11, 6.5.3)."""

from __future__ import annotations

from collections.abc import Sequence


def expected(known: Sequence[int], start: int, end: int | None, *, bounds: bool) -> list[int | None]:
    """The times of what lies between, then the bounds around it; None: a bound that is missing.

    `known`: the times there are, rising. start > end reads backwards; without an end all that follows is read.
    """
    backward = end is not None and start > end
    if backward:
        inside = [time for time in reversed(known) if end is not None and end < time <= start]
    else:
        inside = [time for time in known if start <= time and (end is None or time < end or time == start == end)]
    found: list[int | None] = list(inside)
    if not bounds:
        return found
    if not inside or inside[0] != start:
        around = [time for time in known if time >= start] if backward else [time for time in known if time <= start]
        found.insert(0, (min(around) if backward else max(around)) if around else None)
    if end is None:
        found.append(None)
        return found
    after = (
        [time for time in known if time <= end]
        if backward
        else [time for time in known if (time > end if start == end else time >= end)]
    )
    found.append((max(after) if backward else min(after)) if after else None)
    return found
