"""Keeps the history store in order: figures of closed hours, packing, the end of what is too old."""

from __future__ import annotations

import asyncio

import structlog

from server.core.clock import SECOND, Clock, TimeUs
from server.core.errors import IntegrationError, RemoteError
from server.history.ages import AgeBook
from server.history.store import HistoryStore
from server.history.tiers import HOUR
from server.settings import HistorySettings

log = structlog.get_logger("fieldloom.history")

STEADY_S = 3_600.0
"""Nothing is removed before the clock ran evenly for so long: a clock that jumps ahead must not cost the history."""
JUMP: TimeUs = 600 * SECOND
EXPIRE_EVERY: TimeUs = HOUR
_COUNTERS = (
    "history_upkeep_hours",  # hours of series that got their figures
    "history_packed_hours",  # of these, packed into blocks
    "history_expired_rows",  # raw values removed because of their age
    "history_expired_cells",  # figures of minutes and hours removed because of theirs
    "history_upkeep_failures",  # rounds that the store turned down; tried again
)


class Keeper:
    """One task; every step is short and runs off the event loop."""

    def __init__(self, store: HistoryStore, settings: HistorySettings, ages: AgeBook, clock: Clock) -> None:
        self._store = store
        self._every_s = settings.upkeep_s
        self._ages = ages
        self._clock = clock
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self._problem = ""
        self._warnings: tuple[str, ...] = ()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._steady_from = (clock.now(), clock.monotonic())
        self._expired_at: TimeUs | None = None
        self._looked_at: TimeUs | None = None
        self.archive_from: TimeUs | None = None
        """Before this there are no raw values, as of the last hour; None: nothing is stored, or nobody looked yet."""

    def start(self) -> None:
        """Begin; the first round comes after one interval."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="history upkeep")

    async def stop(self) -> None:
        """End after the step that runs."""
        self._stop.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        try:
            await self._look(self._clock.now())
        except IntegrationError as error:
            self._failed(error.text)
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(self._every_s):
                    await self._stop.wait()
            except TimeoutError:
                await self.round()

    async def round(self) -> None:
        """Do what there is to do now; a store that is away is left for the next round."""
        now = self._clock.now()
        try:
            more = True
            while more and not self._stop.is_set():
                step = await asyncio.to_thread(self._store.maintain, now)
                self._counts["history_upkeep_hours"] += step.hours
                self._counts["history_packed_hours"] += step.packed
                more = step.more
            self._warnings = step.warnings
            if step.problems:
                raise RemoteError("; ".join(step.problems))
            if not self._stop.is_set() and self._may_expire(now):
                gone = await asyncio.to_thread(self._store.expire, now, self._ages.of)
                self._expired_at = now
                self._counts["history_expired_rows"] += gone.rows
                self._counts["history_expired_cells"] += gone.cells
                if gone.rows or gone.cells:
                    log.info("history_expired", rows=gone.rows, cells=gone.cells)
                    self._looked_at = None
            await self._look(now)
        except IntegrationError as error:
            self._failed(error.text)
        except Exception as error:
            # A fault of ours must be seen, and must not end the upkeep of everything else for good.
            log.exception("history_upkeep_fault")
            self._failed(repr(error))
        else:
            if self._problem:
                log.info("history_upkeep_back")
            self._problem = ""

    async def _look(self, now: TimeUs) -> None:
        """Where the archive begins; anew while it has not begun, every hour, and after something went."""
        known = self.archive_from is not None and self._looked_at is not None
        if not known or not 0 <= now - (self._looked_at or 0) < EXPIRE_EVERY:
            self.archive_from = await asyncio.to_thread(self._store.oldest)
            self._looked_at = now

    def _failed(self, reason: str) -> None:
        self._counts["history_upkeep_failures"] += 1
        if reason != self._problem:
            log.warning("history_upkeep_failed", reason=reason)
        self._problem = reason

    def _may_expire(self, now: TimeUs) -> bool:
        wall, monotonic = self._steady_from
        passed_s = self._clock.monotonic() - monotonic
        if abs(now - wall - round(passed_s * SECOND)) > JUMP:
            log.warning("history_clock_jumped", seconds=(now - wall) / SECOND - passed_s)
            self._steady_from = now, self._clock.monotonic()
            return False
        if passed_s < STEADY_S:
            return False
        return self._expired_at is None or not 0 <= now - self._expired_at < EXPIRE_EVERY

    def counters(self) -> dict[str, int | float]:
        """What was done since the start."""
        return dict(self._counts)

    def health(self) -> dict[str, object]:
        """ok while the store lets itself be kept in order."""
        return {"ok": not self._problem, "last_error": self._problem, "warnings": list(self._warnings)}
