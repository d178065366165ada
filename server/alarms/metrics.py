"""What AlarmMetricsType tells of all alarms since a start that clients may set anew (OPC 10000-9, 8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.core.clock import SECOND, TimeUs
from server.core.values import AlarmEvent

RATE_MINUTES = 10
"""Rates are alarms in so many minutes."""
_WINDOW = RATE_MINUTES * 60 * SECOND


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics at one time; durations in seconds, rates in alarms per RATE_MINUTES."""

    start: TimeUs
    count: int = 0
    longest_active_s: float = 0.0
    longest_unacked_s: float = 0.0
    most_re_alarms: int = 0
    current_rate: float = 0.0
    highest_rate: float = 0.0
    average_rate: float = 0.0


class AlarmMetrics:
    """Keeps count; branches are not counted, they are earlier states of alarms that were."""

    def __init__(self, now: TimeUs) -> None:
        self._start = now
        self._count = 0
        self._active: dict[str, TimeUs] = {}  # since when
        self._unacked: dict[str, TimeUs] = {}
        self._longest_active = 0
        self._longest_unacked = 0
        self._re_alarms = 0
        self._recent: deque[TimeUs] = deque()
        self._highest = 0

    def seed(self, states: Iterable[AlarmEvent]) -> None:
        """How alarms stand after a restart, without counting them."""
        for event in states:
            if not event.branch_id:
                self._take(event)

    def observe(self, events: Sequence[AlarmEvent]) -> None:
        """Events in the order in which they happened."""
        for event in events:
            if event.branch_id:
                continue
            if event.active and event.condition_id not in self._active and event.cause == "transition":
                self._count += 1
                self._recent.append(event.receive_time)
                self._forget(event.receive_time)
                self._highest = max(self._highest, len(self._recent))
            self._re_alarms = max(self._re_alarms, event.re_alarms)
            self._take(event)

    def _take(self, event: AlarmEvent) -> None:
        self._longest_active = _follow(self._active, event, event.active, event.active_time, self._longest_active)
        self._longest_unacked = _follow(self._unacked, event, not event.acked, event.active_time, self._longest_unacked)

    def _forget(self, now: TimeUs) -> None:
        while self._recent and self._recent[0] <= now - _WINDOW:
            self._recent.popleft()

    def reset(self, now: TimeUs) -> None:
        """Begin anew; alarms that stand go on standing, from now on."""
        self._start = now
        self._count = self._longest_active = self._longest_unacked = self._re_alarms = self._highest = 0
        self._recent.clear()
        self._active = dict.fromkeys(self._active, now)
        self._unacked = dict.fromkeys(self._unacked, now)

    def read(self, now: TimeUs) -> Reading:
        """The metrics now."""
        self._forget(now)
        elapsed = max(now - self._start, 1)
        return Reading(
            self._start,
            self._count,
            self._longest(self._active, self._longest_active, now),
            self._longest(self._unacked, self._longest_unacked, now),
            self._re_alarms,
            float(len(self._recent)),
            float(self._highest),
            round(self._count * _WINDOW / max(elapsed, _WINDOW), 3),
        )

    @staticmethod
    def _longest(since: dict[str, TimeUs], ended: int, now: TimeUs) -> float:
        standing = now - min(since.values()) if since else 0
        return round(max(ended, standing) / SECOND, 3)


def _follow(since: dict[str, TimeUs], event: AlarmEvent, on: bool, began: TimeUs | None, longest: int) -> int:
    """Follow one state of a condition; the longest time it has lasted so far."""
    if on:
        since.setdefault(event.condition_id, began or event.time)
        return longest
    start = since.pop(event.condition_id, None)
    return longest if start is None else max(longest, event.time - start)
