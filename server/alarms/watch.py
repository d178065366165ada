"""Alarm performance kept along with the flow: counts alarm events, tells when a flood begins and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from server.alarms.metrics import AlarmMetrics
from server.alarms.performance import DAY_S, KEPT_DAYS, AlarmPerformance, Guide, Snapshot
from server.core.clock import SECOND, Clock, TimeUs
from server.core.values import AlarmEvent, DeviceId
from server.pipeline.ports import AlarmJournal, JournalEntry

log = structlog.get_logger("fieldloom.alarms")
PAGE, MOST = 5_000, 200_000
"""Journal entries read at once, and at most, to know the week before a start."""


class PerformanceWatch:
    """One for a server."""

    def __init__(self, clock: Clock, guide: Guide | None = None) -> None:
        self._clock = clock
        self._performance = AlarmPerformance(guide)
        self.metrics = AlarmMetrics(clock.now())
        """What AlarmMetricsType tells."""
        self._snapshot = Snapshot()
        self._at: TimeUs = 0
        self._told_flood = False

    async def load(self, journal: AlarmJournal, states: Iterable[AlarmEvent]) -> int:
        """Take in the week before a start and how conditions stand; how many events that were."""
        since = self._clock.now() - KEPT_DAYS * DAY_S * SECOND
        pages: list[Sequence[JournalEntry]] = []
        after: tuple[TimeUs, int] | None = None
        count = 0
        while count < MOST:
            page = await asyncio.to_thread(_page, journal, since, after)
            pages.append(page)
            count += len(page)
            if len(page) < PAGE:
                break
            after = page[-1].place
        for page in reversed(pages):
            self._performance.observe([entry.event for entry in reversed(page)])
            await asyncio.sleep(0)
        known = list(states)
        self._performance.seed(known)
        self.metrics.seed(known)
        return count

    async def alarms_changed(self, events: Sequence[AlarmEvent]) -> None:
        """Count them."""
        self._performance.observe(events)
        self.metrics.observe(events)
        if self._performance.flood != self._told_flood:
            self._tell()

    async def conditions_changed(self, device_ids: Sequence[DeviceId]) -> None:
        """What ended is told by its events."""

    def _tell(self) -> None:
        self._told_flood = self._performance.flood
        snapshot = self._performance.snapshot(self._clock.now())
        busiest = [f"{busy.condition_id} ({busy.count})" for busy in snapshot.top_ten[:3]]
        name = "alarm_flood_began" if self._told_flood else "alarm_flood_ended"
        log.warning(name, alarms_in_10_min=round(snapshot.rate_10min, 1), busiest=", ".join(busiest))

    @property
    def snapshot(self) -> Snapshot:
        """The measures, at most a second old."""
        now = self._clock.now()
        if now - self._at >= SECOND or now < self._at:
            self._snapshot, self._at = self._performance.snapshot(now), now
            if self._performance.flood != self._told_flood:
                self._tell()
        return self._snapshot


def _page(journal: AlarmJournal, since: TimeUs, after: tuple[TimeUs, int] | None) -> Sequence[JournalEntry]:
    return journal.journal_page(start=since, limit=PAGE, after=after, backward=True)
