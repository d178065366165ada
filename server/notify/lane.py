"""One channel at work: sends what waits in its outbox, in order, until the other side has taken it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from server.core.clock import SECOND, Clock
from server.core.errors import IntegrationError
from server.database import outbox_store
from server.database.outbox_store import GIVEN_UP, SENT, OutboxRow
from server.notify.message import Message, SendError, from_text
from server.settings.notify import Channel, NotifySettings

log = structlog.get_logger("fieldloom.notify")


class Sender(Protocol):
    """One channel's way out."""

    at_once: int
    together: bool
    """All messages of one call are one delivery, such as a mail: they stay together when it has to be tried again."""

    async def send(self, messages: Sequence[Message]) -> str:
        """Hand all over, or raise SendError; what went wrong although they count as taken, or nothing."""


class InTurn(Protocol):
    """A transaction of the site database."""

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any: ...


class Lane:
    """One channel: its sender, its counts, and the task that serves it."""

    def __init__(
        self, channel: Channel, sender: Sender, settings: NotifySettings, clock: Clock, in_turn: InTurn
    ) -> None:
        self.channel = channel
        self.sender = sender
        self._settings = settings
        self._clock = clock
        self._in_turn = in_turn
        self._lock = threading.Lock()  # events are counted in the thread that keeps them
        self.waiting = 0
        self.sent = 0
        self.given_up = 0
        self.failures = 0
        """Tries in a row that did not succeed."""
        self.error = ""
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._taken: list[int] = []
        """Entries that the other side has and the disk does not know of yet: never to be sent again."""
        self._unkept = False
        """The outbox cannot be read or written; told once."""

    # -- told by others

    def count(self, *, waiting: int = 0, sent: int = 0, given_up: int = 0) -> None:
        """Messages that are on disk in another state now; from any thread."""
        with self._lock:
            self.waiting += waiting
            self.sent += sent
            self.given_up += given_up

    def wake(self) -> None:
        """Something waits."""
        self._wake.set()

    def hurry(self) -> None:
        """Somebody wants to see the next try now, whatever time a failing channel would take."""
        self._hurry.set()
        self._wake.set()

    # -- at work

    async def serve(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            hurried = self._hurry.is_set()
            self._hurry.clear()
            try:
                wait_s = await self._turn(hurried)
                if self._unkept:
                    log.info("outbox_is_back", channel=self.channel.name)
                    self._unkept = False
            except IntegrationError as error:
                if not self._unkept:
                    log.error("outbox_not_usable", channel=self.channel.name, reason=error.text)
                self._unkept = True
                wait_s = self._settings.longest_retry_s if self.failures else self._settings.first_retry_s
            if wait_s != 0:
                await self._wait(wait_s)

    async def _wait(self, wait_s: float | None) -> None:
        try:
            async with asyncio.timeout(wait_s):
                # New messages do not hurry a side, or a disk, that is away.
                away = wait_s is not None and (self.failures or self._unkept)
                await (self._hurry if away else self._wake).wait()
        except TimeoutError:
            pass

    async def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.to_thread(self._in_turn, work, *arguments)

    async def _turn(self, hurried: bool) -> float | None:
        """Send what is next; how long to wait before the next turn, None until something comes."""
        if self._taken:
            await self._settle()
        now = self._clock.now()
        rows: list[OutboxRow] = await self._do(outbox_store.waiting, self.channel.name, self.sender.at_once)
        if not rows:
            return None
        if rows[0].due_at > now and not hurried:
            return float((rows[0].due_at - now) / SECOND)
        if self.sender.together:
            rows = _of_one_delivery(rows)
            if not rows[0].tries:
                # Whoever sends them again, after a crash too, sends the same ones under the same id.
                await self._do(outbox_store.begin, [row.entry for row in rows], now)
        try:
            messages = [from_text(row.message_id, row.body) for row in rows]
            told = await self.sender.send(messages)
        except SendError as error:
            return await self._failed(rows, error)
        except Exception as error:  # one channel must not take the others and the server with it
            log.exception("channel_failed", channel=self.channel.name)
            return await self._failed(rows, SendError(f"{type(error).__name__}: {error}"))
        if self.failures:
            log.info("channel_is_back", channel=self.channel.name, after_tries=self.failures)
        if told:
            log.error("notification_not_for_all", channel=self.channel.name, messages=len(rows), reason=told)
        self.failures, self.error = 0, told[:500]
        self._taken = [row.entry for row in rows]
        await self._settle()
        return 0.0

    async def _settle(self) -> None:
        await self._do(outbox_store.settle, self._taken, SENT)
        self.count(waiting=-len(self._taken), sent=len(self._taken))
        self._taken = []

    async def _failed(self, rows: Sequence[OutboxRow], error: SendError) -> float:
        now, text = self._clock.now(), str(error)[:500]
        self.error = text
        # What is one delivery is given up as one: the rest of it would be another.
        newest = rows[-1].created_at if self.sender.together else None
        oldest = now - self._settings.give_up_s * SECOND
        gone = [row.entry for row in rows if error.permanent or (newest or row.created_at) <= oldest]
        if gone:
            await self._do(outbox_store.settle, gone, GIVEN_UP, text)
            self.count(waiting=-len(gone), given_up=len(gone))
            log.error("notification_given_up", channel=self.channel.name, messages=len(gone), reason=text)
        left = [row.entry for row in rows if row.entry not in gone]
        if not left:
            return 0.0
        if not self.failures:
            log.warning("notification_failed", channel=self.channel.name, reason=text)
        self.failures += 1
        doubled = self._settings.first_retry_s * 2.0 ** min(self.failures - 1, 30)
        wait_s: float = min(doubled, self._settings.longest_retry_s)
        wait_s *= random.uniform(0.8, 1.0)  # so that many servers do not come back at once
        await self._do(outbox_store.postpone, left, now + round(wait_s * SECOND), text)
        return wait_s


def _of_one_delivery(rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """The first ones that were begun together, or that nobody has begun yet."""
    first = rows[0]
    mark = first.tries, first.due_at
    return [row for row in rows if (row.tries, row.due_at) == mark or (not first.tries and not row.tries)]
