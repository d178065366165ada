"""Work that reading causes, bounded: no client makes the server build nodes or documents for seconds on end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from server.core.clock import Clock

PERIOD_S = 1.0


class Budget:
    """Seconds of the event loop that one kind of work may take in each period."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._since = clock.monotonic()
        self._spent = 0.0

    @property
    def exhausted(self) -> bool:
        """True when the work has to wait for the next period."""
        now = self._clock.monotonic()
        if now - self._since >= PERIOD_S:
            self._since, self._spent = now, 0.0
        return self._spent >= self._seconds

    @contextmanager
    def charged(self) -> Iterator[None]:
        """Count what happens inside."""
        begin = perf_counter()
        try:
            yield
        finally:
            self._spent += perf_counter() - begin
