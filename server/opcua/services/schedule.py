"""One scheduler for all subscriptions: a heap of due moments, one handle in the event loop, no task per timer."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable
from itertools import count

from server.core.clock import Clock

TOLERANCE_S = 0.0005
"""What is due this soon runs with what is due now: one wake-up instead of two."""
STALE_TIMERS = 1_000
"""So many cancelled timers may stay in the heap before it is made anew."""


class Timer:
    """Something due once or again and again; `due` and `interval_s` in monotonic seconds (0: once)."""

    __slots__ = ("active", "callback", "due", "interval_s", "priority", "queued")

    def __init__(self, due: float, interval_s: float, callback: Callable[[], None], priority: int) -> None:
        self.due = due
        self.interval_s = interval_s
        self.callback = callback
        self.priority = priority
        self.active = True
        self.queued = True  # stands in the heap


class Scheduler:
    """Calls timers when they are due, those of one moment by priority. Drift free; missed moments are skipped.

    With `by_hand` it never arms the event loop: the owner moves the clock and calls `run_due`.
    """

    def __init__(self, clock: Clock, *, by_hand: bool = False) -> None:
        self._clock = clock
        self._by_hand = by_hand
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._stale = 0
        self._handle: asyncio.TimerHandle | None = None
        self._armed = math.inf

    def __len__(self) -> int:
        return len(self._heap) - self._stale

    def now(self) -> float:
        """Monotonic seconds."""
        return self._clock.monotonic()

    def at(self, due: float, callback: Callable[[], None]) -> Timer:
        """Call once, at `due`."""
        return self._push(Timer(due, 0.0, callback, 0))

    def every(self, interval_s: float, callback: Callable[[], None], *, first: float, priority: int = 0) -> Timer:
        """Call at `first` and every interval from there; higher priorities run before others of the same moment."""
        return self._push(Timer(first, interval_s, callback, priority))

    def cancel(self, timer: Timer) -> None:
        """The timer is not called any more."""
        if timer.active:
            timer.active = False
            self._stale += timer.queued
            if self._stale > STALE_TIMERS and self._stale * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2].active]
                heapq.heapify(self._heap)
                self._stale = 0

    def run_due(self) -> None:
        """Call everything that is due."""
        self._armed = math.inf
        self._handle = None
        now = self._clock.monotonic()
        ready: list[Timer] = []
        heap = self._heap
        while heap and heap[0][0] <= now + TOLERANCE_S:
            timer = heapq.heappop(heap)[2]
            if not timer.active:
                self._stale -= 1
                continue
            ready.append(timer)
            if timer.interval_s:
                missed = int((now - timer.due) / timer.interval_s) if now > timer.due else 0
                timer.due += timer.interval_s * (missed + 1)
                heapq.heappush(heap, (timer.due, next(self._order), timer))
            else:
                timer.queued = False
        if len(ready) > 1:
            ready.sort(key=lambda timer: -timer.priority)
        try:
            self._call(deque(ready))
        finally:
            self._arm()

    def _call(self, ready: deque[Timer]) -> None:
        try:
            while ready:
                timer = ready.popleft()
                if timer.active:
                    if not timer.interval_s:
                        timer.active = False
                    timer.callback()
        finally:
            if ready and not self._by_hand:
                # One that fails must not take the turn of those behind it.
                asyncio.get_running_loop().call_soon(self._call, ready)

    def stop(self) -> None:
        """Forget all timers."""
        self._heap.clear()
        self._stale = 0
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._armed = math.inf

    def _push(self, timer: Timer) -> Timer:
        heapq.heappush(self._heap, (timer.due, next(self._order), timer))
        if timer.due < self._armed:
            self._arm()
        return timer

    def _arm(self) -> None:
        if self._by_hand:
            return
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._armed = math.inf
        if self._heap:
            self._armed = self._heap[0][0]
            delay = max(self._armed - self._clock.monotonic(), 0.0)
            self._handle = asyncio.get_running_loop().call_later(delay, self.run_due)
