"""What OPC UA clients do (sign in, lock, apply, transfer) on its way to the audit trail: in its order, off the loop."""

from __future__ import annotations

import asyncio

import structlog

from server.core.clock import TimeUs
from server.core.values import Caller
from server.security.audit import AuditTrail

log = structlog.get_logger("fieldloom.opcua")
SIGN_IN = "sign in"
WAITING = 1_000
"""Records that wait for the disk at most; further ones are lost, counted and logged."""


class SignInTrail:
    """Called with each record; `run` writes them until it is cancelled, `drain` what is left after that."""

    def __init__(self, trail: AuditTrail, *, most: int = WAITING) -> None:
        self._trail = trail
        self._waiting: asyncio.Queue[tuple[TimeUs, tuple[Caller, str, str, str, str]]] = asyncio.Queue(most)
        self.lost = 0

    def __call__(self, caller: Caller, action: str, target: str, outcome: str, detail: str) -> None:
        """Take a record; returns at once. A refused sign-in is logged too."""
        if action == SIGN_IN and outcome != "Good":
            # Nobody has vouched for this text: no control characters of it reach an operator's terminal.
            user = caller.user if caller.user.isprintable() else ascii(caller.user)
            log.info("sign_in_refused", user=user, address=caller.address, reason=outcome)
        try:
            self._waiting.put_nowait((self._trail.clock.now(), (caller, action, target, outcome, detail)))
        except asyncio.QueueFull:
            if not self.lost % self._waiting.maxsize:
                log.error("sign_ins_not_recorded", lost=self.lost + 1, user=caller.user, address=caller.address)
            self.lost += 1

    async def run(self) -> None:
        """Write what comes."""
        while True:
            time, record = await self._waiting.get()
            writing = asyncio.ensure_future(self._trail.write(*record, time=time))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing  # this one is not among those that wait any more
                raise

    async def drain(self) -> None:
        """Write what waits."""
        while not self._waiting.empty():
            time, record = self._waiting.get_nowait()
            await self._trail.write(*record, time=time)
