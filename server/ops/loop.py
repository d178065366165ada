"""How late the event loop runs: the first sign of work that does not belong on it."""

from __future__ import annotations

import asyncio
import time

INTERVAL_S = 0.25


class LoopLag:
    """Measures the loop's lag; the worst of the last ten seconds counts."""

    def __init__(self) -> None:
        self._samples: list[float] = []

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(INTERVAL_S)
            self._samples.append(max(0.0, time.monotonic() - before - INTERVAL_S))
            del self._samples[:-40]

    @property
    def worst_s(self) -> float:
        """Worst lag of the last ten seconds, in seconds."""
        return max(self._samples, default=0.0)
