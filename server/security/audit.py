"""One audit record shape for every changing action, from whatever door."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from server.core.clock import Clock, TimeUs
from server.core.values import Caller

DETAIL_LIMIT = 1_000  # characters; what a client sends must not fill the disk
TARGET_LIMIT = 256


class AuditWriter(Protocol):
    """Appends one record; blocks until it is on disk (`SiteDatabase.audit`)."""

    def __call__(
        self,
        time: int,
        user: str,
        role: str,
        door: str,
        address: str,
        action: str,
        target: str,
        outcome: str,
        detail: str,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """Writes records with the time at which something happened."""

    writer: AuditWriter
    clock: Clock

    def record(
        self, caller: Caller, action: str, target: str, outcome: str, detail: str = "", *, time: TimeUs | None = None
    ) -> None:
        """Append one record; blocks. Texts from outside lose control characters and are cut to their limits.

        Args:
            time: when it happened, now when absent. Records that wait for the disk may change places; times do not.
        """
        self.writer(
            self.clock.now() if time is None else time,
            one_line(caller.user, TARGET_LIMIT),
            caller.role,
            caller.door,
            one_line(caller.address, TARGET_LIMIT),
            action,
            one_line(target, TARGET_LIMIT),
            outcome,
            one_line(detail, DETAIL_LIMIT),
        )

    async def write(
        self, caller: Caller, action: str, target: str, outcome: str, detail: str = "", *, time: TimeUs | None = None
    ) -> None:
        """Append one record off the event loop; it is on disk when this returns. `time`: now when absent."""
        when = self.clock.now() if time is None else time
        await asyncio.to_thread(self.record, caller, action, target, outcome, detail, time=when)


def one_line(text: str, limit: int) -> str:
    """The text without control characters, at most `limit` long: a record is one line, whoever wrote it."""
    return "".join(character if character.isprintable() else " " for character in text[:limit])
