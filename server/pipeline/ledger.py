"""Keeps alarm events before they are shown; what the disk refuses is shown all the same, and kept when it can be."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import structlog

from server.core.errors import IntegrationError
from server.core.values import AlarmEvent

log = structlog.get_logger("fieldloom.alarms")
MOST = 100_000
"""Events that wait for the disk; the oldest of more are given up."""
PART = 1_000
"""Waiting events that are kept at once: a disk that still refuses costs no more than these."""


class AlarmLedger:
    """Events in the order in which they happened.

    An operator must see an alarm even when nothing can be stored: states and journal then lack it until the disk is
    back, and would lack it for good if the server died before.
    """

    def __init__(self, save: Callable[[Sequence[AlarmEvent]], None], most: int = MOST) -> None:
        self._save = save
        self._most = most
        self._owed: deque[AlarmEvent] = deque()
        self.lost = 0
        """Events that were given up."""

    @property
    def owed(self) -> int:
        """Events that are shown and not kept."""
        return len(self._owed)

    async def keep(self, events: Sequence[AlarmEvent]) -> bool:
        """Keep events; False when they have to wait, as they do behind others that wait."""
        if not events:
            return not self._owed
        if not self._owed and await self._try(events):
            return True
        self._owed.extend(events)
        while len(self._owed) > self._most:
            self._owed.popleft()
            self.lost += 1
        return False

    async def settle(self) -> None:
        """Try to keep what waits, the oldest first; called every now and then."""
        kept = 0
        while self._owed:
            part = list(islice(self._owed, PART))
            if not await self._try(part):
                return
            for _ in part:
                self._owed.popleft()
            kept += len(part)
        if kept:
            log.info("alarms_kept_again", events=kept, lost=self.lost)

    async def _try(self, events: Sequence[AlarmEvent]) -> bool:
        try:
            await asyncio.to_thread(self._save, events)
        except IntegrationError as error:
            if not self._owed:
                log.error("alarms_not_kept", events=len(events), reason=error.text)
            return False
        return True
