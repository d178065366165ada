"""A slow and plain reading of OPC 10000-13 with fractions, to check the fast one on random data.

A value is (time, number, severity): 0 Good, 1 Uncertain, 2 Bad. A result is (number or None, severity).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

Value = tuple[int, Fraction, int]
Result = tuple[Fraction | None, int]
NOTHING: Result = (None, 2)


class Reference:
    """One series under one configuration, asked for one interval [low, high) at a time."""

    def __init__(self, values: Sequence[Value], *, uncertain_is_bad: bool, stepped: bool, good: int, bad: int) -> None:
        self.values = list(values)
        self.limit = 1 if uncertain_is_bad else 2
        self.stepped = stepped
        self.good = good
        self.bad = bad

    def usable(self, severity: int) -> bool:
        return severity < self.limit

    def inside(self, low: int, high: int) -> list[Value]:
        return [each for each in self.values if low <= each[0] < high]

    # -- bounds

    def interpolated(self, time: int, *, stepped: bool) -> Result:
        before = [each for each in self.values if each[0] <= time and self.usable(each[2])]
        after = [each for each in self.values if each[0] > time and self.usable(each[2])]
        if not before:
            return NOTHING
        early = before[-1]
        if early[0] == time:
            return early[1], early[2]
        if stepped:
            skipped = any(early[0] < each[0] <= time for each in self.values)
            beyond = self.values[-1][0] < time
            return early[1], 1 if skipped or beyond or early[2] else 0
        if not after:
            return early[1], 1
        late = after[0]
        skipped = any(early[0] < each[0] < late[0] for each in self.values)
        value = early[1] + (late[1] - early[1]) * Fraction(time - early[0], late[0] - early[0])
        return value, 1 if skipped or early[2] or late[2] else 0

    def simple(self, time: int) -> Result:
        before = [each for each in self.values if each[0] <= time]
        after = [each for each in self.values if each[0] > time]
        if not before:
            return NOTHING
        early = before[-1]
        if early[0] == time:
            return (None if early[2] == 2 else early[1]), early[2]
        if not self.usable(early[2]) or not after:
            return NOTHING
        late = after[0]
        if self.stepped:
            return early[1], 1 if early[2] else 0
        if not self.usable(late[2]):
            return early[1], 1
        value = early[1] + (late[1] - early[1]) * Fraction(time - early[0], late[0] - early[0])
        return value, 1 if early[2] or late[2] else 0

    def corners(self, low: int, high: int) -> list[tuple[int, Fraction | None, int]]:
        """The simple bounds with what stands between them."""
        between = [each for each in self.values if low < each[0] < high]
        first, last = self.simple(low), self.simple(high)
        return [(low, *first), *((t, v if s < 2 else None, s) for t, v, s in between), (high, *last)]

    # -- status

    def share(self, good: Fraction, bad: Fraction) -> int:
        whole = good + bad
        if not whole or not bad:
            return 0
        if 100 * bad >= self.bad * whole:
            return 2
        return 0 if 100 * good >= self.good * whole else 1

    def by_values(self, low: int, high: int) -> int:
        usable = [self.usable(each[2]) for each in self.inside(low, high)]
        return self.share(Fraction(sum(usable)), Fraction(len(usable) - sum(usable)))

    def by_time(self, low: int, high: int, *, stepped: bool) -> int:
        good = bad = Fraction(0)
        corners = self.corners(low, high)
        for (begin, _, severity), (end, _, next_severity) in itertools.pairwise(corners):
            quality = 1 if not stepped and severity == 0 and next_severity else severity
            if self.usable(quality):
                good += end - begin
            else:
                bad += end - begin
        return self.share(good, bad)

    # -- aggregates

    def outside(self, low: int, high: int) -> bool:
        return not self.values or self.values[0][0] >= high or self.values[-1][0] < low

    def average(self, low: int, high: int) -> Result:
        numbers = [value for _, value, severity in self.inside(low, high) if self.usable(severity)]
        if not numbers:
            return NOTHING
        status = self.by_values(low, high)
        return (None if status == 2 else sum(numbers, Fraction(0)) / len(numbers)), status

    def count(self, low: int, high: int) -> Result:
        if self.outside(low, high):
            return NOTHING
        found = sum(self.usable(severity) for _, _, severity in self.inside(low, high))
        return Fraction(found), self.by_values(low, high)

    def time_average(self, low: int, high: int) -> Result:
        first, last = self.interpolated(low, stepped=False), self.interpolated(high, stepped=False)
        between = [each for each in self.values if low < each[0] < high]
        points = [(low, first[0])] if first[0] is not None else []
        points += [(t, v) for t, v, s in between if self.usable(s)]
        points += [(high, last[0])] if last[0] is not None else []
        if len(points) < 2:
            return NOTHING
        area = sum(
            ((u + v) / 2 * (b - a) for (a, u), (b, v) in itertools.pairwise(points) if u is not None and v is not None),
            Fraction(0),
        )
        sure = not any(s for _, _, s in between) and last[1] == 0 and (first[1] == 0 or first[0] is None)
        return area / (points[-1][0] - points[0][0]), 0 if sure else 1

    def time_average2(self, low: int, high: int) -> Result:
        if self.outside(low, high):
            return NOTHING
        area, width = Fraction(0), 0
        corners = self.corners(low, high)
        for (begin, value, severity), (end, after, next_severity) in itertools.pairwise(corners):
            if not self.usable(severity) or value is None:
                continue
            line = not self.stepped and self.usable(next_severity) and after is not None
            area += ((value + after) / 2 if line and after is not None else value) * (end - begin)
            width += end - begin
        if not width:
            return NOTHING
        status = self.by_time(low, high, stepped=self.stepped)
        return (None if status == 2 else area / width), status

    def maximum(self, low: int, high: int) -> Result:
        found = self.inside(low, high)
        good = [value for _, value, severity in found if severity == 0]
        if not good:
            return NOTHING
        doubt = any(s == 2 or (s == 1 and v > max(good)) for _, v, s in found)
        return max(good), 1 if doubt else 0

    def maximum2(self, low: int, high: int) -> Result:
        if self.outside(low, high):
            return NOTHING
        corners = self.corners(low, high)
        counted = corners if not self.stepped else corners[:-1]
        numbers = [value for _, value, severity in counted if self.usable(severity) and value is not None]
        begin = [v for _, v, s in corners[:-1] if self.usable(s) and v is not None]
        if not begin:
            return NOTHING
        status = self.by_time(low, high, stepped=self.stepped)
        return (None if status == 2 else max(numbers)), status

    def duration_good(self, low: int, high: int) -> Result:
        if self.outside(low, high):
            return NOTHING
        before = [each[2] for each in self.values if each[0] <= low]
        marks = [(low, before[-1] if before else 2), *((t, s) for t, _, s in self.values if low < t < high), (high, 2)]
        span = sum(b - a for (a, s), (b, _) in itertools.pairwise(marks) if s == 0)
        return Fraction(span, 1_000), 0
