"""The intervals of a processed read (OPC 10000-13, 5.4.2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from server.core.clock import TimeUs
from server.history.aggregates.results import PARTIAL
from server.history.aggregates.samples import Samples


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval between two times; where a request runs backwards, it begins at the later one."""

    low: TimeUs
    high: TimeUs
    backward: bool = False
    cut: bool = False  # shorter than the ProcessingInterval, because the request ends there

    @property
    def start(self) -> TimeUs:
        """Where it begins in the direction of the request: the timestamp of its value. It belongs to the interval."""
        return self.high if self.backward else self.low

    @property
    def end(self) -> TimeUs:
        """Where it ends; that time does not belong to it."""
        return self.low if self.backward else self.high

    @property
    def effective_end(self) -> TimeUs:
        """The last time that belongs to it (3.1.3), in our resolution of a microsecond."""
        return self.low + 1 if self.backward else self.high - 1

    @property
    def width(self) -> int:
        """In microseconds."""
        return self.high - self.low

    def places(self, samples: Samples) -> slice:
        """The samples in it."""
        count = samples.count_until if self.backward else samples.count_before
        return slice(count(self.low), count(self.high))

    def inside(self, samples: Samples) -> slice:
        """The samples between its ends, without those at them."""
        return slice(samples.count_until(self.low), samples.count_before(self.high))

    def is_outside(self, samples: Samples) -> bool:
        """Whether it lies before the first sample or after the last one."""
        if not len(samples):
            return True
        first, last = int(samples.times[0]), int(samples.times[-1])
        return (first > self.high or last <= self.low) if self.backward else (first >= self.high or last < self.low)

    def partial(self, samples: Samples) -> int:
        """The Partial bit, when another read of the same may give something else (5.3.3.2): it was cut, or data begin
        or end in it.
        """
        begins = not len(samples) or int(samples.times[0]) > self.low
        ends = not len(samples) or int(samples.times[-1]) < self.high
        return PARTIAL if self.cut or begins or ends else 0


def intervals(start: TimeUs, end: TimeUs, width: int) -> Iterator[Interval]:
    """Those from `start` to `end`, `width` µs each; one for the whole when that is 0. None when start = end."""
    if start == end:
        return
    backward = start > end
    low, high = min(start, end), max(start, end)
    if width <= 0 or width >= high - low:
        yield Interval(low, high, backward, cut=width > high - low)
        return
    at = start
    while at != end:
        to = max(at - width, end) if backward else min(at + width, end)
        cut = abs(to - at) < width
        yield Interval(to, at, True, cut) if backward else Interval(at, to, False, cut)
        at = to
