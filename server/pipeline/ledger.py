"""Keeps alarm events before they are shown; what the disk refuses is shown all the same, and kept when it can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from server.core.errors import IntegrationError
from server.core.values import AlarmEvent

log = structlog.get_logger("fieldloom.alarms")
MOST = 100_000
"""Events that wait for the disk; the oldest of more are given up."""


class AlarmLedger:
    """Events in the order in which they happened.

    An operator must see an alarm even when nothing can be stored: states and journal then lack it until the disk is
    back, and would lack it for good if the server died before.
    """

    def __init__(self, save: Callable[[Sequence[AlarmEvent]], None], most: int = MOST) -> None:
        self._save = save
        self._most = most
        self._owed: list[AlarmEvent] = []
        self.lost = 0
        """Events that were given up."""

    @property
    def owed(self) -> int:
        """Events that are shown and not kept."""
        return len(self._owed)

    async def keep(self, events: Sequence[AlarmEvent]) -> bool:
        """Keep events behind those that wait; False when they have to wait themselves."""
        wanted = [*self._owed, *events]
        if not wanted:
            return True
        try:
            await asyncio.to_thread(self._save, wanted)
        except IntegrationError as error:
            if not self._owed:
                log.error("alarms_not_kept", events=len(wanted), reason=error.text)
            over = max(0, len(wanted) - self._most)
            self.lost += over
            self._owed = wanted[over:]
            return False
        if self._owed:
            log.info("alarms_kept_again", events=len(wanted), lost=self.lost)
        self._owed = []
        return True
