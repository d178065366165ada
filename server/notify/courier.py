"""Takes events into the outbox with the very transaction that keeps them, and hands messages over until taken."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection

from server.core.clock import SECOND, Clock, TimeUs
from server.core.errors import IntegrationError, NotFoundError
from server.core.values import AlarmEvent, Caller
from server.database import outbox_store
from server.database.outbox_store import GIVEN_UP, SENT, WAITING, OutboxRow
from server.database.site import SiteDatabase
from server.model.alarm_spec import AlarmSpec
from server.model.plant import Plant
from server.notify.channels.email import Email
from server.notify.channels.syslog import Syslog
from server.notify.channels.webhook import Webhook
from server.notify.message import Message, SendError, from_text, message_of, to_text, trial_event
from server.notify.wanted import wanted
from server.security.access import Right, require
from server.security.audit import AuditTrail
from server.settings.notify import Channel, EmailChannel, NotifySettings, WebhookChannel

log = structlog.get_logger("fieldloom.notify")
PRUNE_S = 3_600.0
FULL = "the outbox of this channel is full"


class Sender(Protocol):
    """One channel's way out."""

    at_once: int

    async def send(self, messages: Sequence[Message]) -> None:
        """Hand all over, or raise SendError."""


def sender_of(channel: Channel, clock: Clock) -> Sender:
    """The way out that a channel's settings describe; raises ConfigurationError."""
    if isinstance(channel, EmailChannel):
        return Email(channel)
    if isinstance(channel, WebhookChannel):
        return Webhook(channel, clock)
    return Syslog(channel)


@dataclass(slots=True)
class Lane:
    """One channel at work."""

    channel: Channel
    sender: Sender
    wake: asyncio.Event
    waiting: int = 0
    sent: int = 0
    given_up: int = 0
    failures: int = 0  # tries in a row that did not succeed
    error: str = ""


class Courier:
    """All channels of a site.

    A message is kept in the transaction of its event, and is marked when the other side has taken it: what happens in
    between, a crash too, leads to another try with the same message id, never to a message that is forgotten.
    """

    def __init__(
        self,
        settings: NotifySettings,
        site: SiteDatabase,
        plant: Plant,
        spec: Callable[[str], AlarmSpec | None],
        clock: Clock,
        senders: Callable[[Channel, Clock], Sender] = sender_of,
    ) -> None:
        self._settings = settings
        self._site = site
        self._plant = plant
        self._spec = spec
        self._clock = clock
        self._trail = AuditTrail(site.audit, clock)
        self._lanes = {
            channel.name: Lane(channel, senders(channel, clock), asyncio.Event()) for channel in settings.channels
        }
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- in

    def take(self, connection: Connection, events: Sequence[AlarmEvent]) -> None:
        """Called inside the transaction that keeps the events, off the event loop (`SiteDatabase.on_alarms`)."""
        rows: list[OutboxRow] = []
        woken: list[Lane] = []
        now = self._clock.now()
        for lane in self._lanes.values():
            for event in events:
                if wanted(lane.channel, event):
                    device = self._plant.devices.get(event.device_id)
                    message = message_of(lane.channel.name, event, self._spec(event.condition_id), device)
                    full = lane.waiting >= self._settings.waiting
                    state, error = (GIVEN_UP, FULL) if full else (WAITING, "")
                    rows.append(
                        OutboxRow(
                            message.message_id, lane.channel.name, to_text(message), now, state=state, error=error
                        )
                    )
                    lane.waiting += not full
                    lane.given_up += full
                    woken.append(lane)
        if rows:
            outbox_store.add(connection, rows)
            for lane in woken:
                self._wake(lane)

    def _wake(self, lane: Lane) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(lane.wake.set)

    # -- out

    async def load(self) -> None:
        """What earlier runs left."""
        counts = await asyncio.to_thread(self._in_turn, outbox_store.counts)
        for name, lane in self._lanes.items():
            lane.waiting, lane.given_up = counts.get((name, WAITING), 0), counts.get((name, GIVEN_UP), 0)

    def _in_turn(self, work: Callable[..., Any], *arguments: Any) -> Any:
        with self._site.transaction() as connection:
            return work(connection, *arguments)

    async def run(self) -> None:
        """Work until cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes.values():
                    lane.wake.set()
                    group.create_task(self._serve(lane))
                if self._lanes:
                    group.create_task(self._prune())
        finally:
            self._loop = None

    async def _serve(self, lane: Lane) -> None:
        while True:
            lane.wake.clear()
            try:
                wait_s = await self._turn(lane)
            except IntegrationError as error:
                log.error("outbox_unreadable", channel=lane.channel.name, reason=error.text)
                wait_s = self._settings.first_retry_s
            if wait_s == 0:
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await lane.wake.wait()
                    if lane.failures:
                        await asyncio.Event().wait()  # new messages do not hurry a side that is away
            except TimeoutError:
                pass

    async def _turn(self, lane: Lane) -> float | None:
        """Send what is next; how long to wait before the next turn, None until something comes."""
        name, now = lane.channel.name, self._clock.now()
        rows = await asyncio.to_thread(self._in_turn, outbox_store.waiting, name, lane.sender.at_once)
        if not rows:
            return None
        if rows[0].due_at > now:
            return float((rows[0].due_at - now) / SECOND)
        entries = [row.entry for row in rows]
        try:
            messages = [from_text(row.message_id, row.body) for row in rows]
            await lane.sender.send(messages)
        except SendError as error:
            return await self._failed(lane, rows, error)
        except Exception as error:  # one channel must not take the others and the server with it
            log.exception("channel_failed", channel=name)
            return await self._failed(lane, rows, SendError(f"{type(error).__name__}: {error}"))
        await asyncio.to_thread(self._in_turn, outbox_store.settle, entries, SENT)
        if lane.failures:
            log.info("channel_is_back", channel=name, after_tries=lane.failures)
        lane.failures, lane.error = 0, ""
        lane.sent += len(rows)
        lane.waiting -= len(rows)
        return 0.0

    async def _failed(self, lane: Lane, rows: Sequence[OutboxRow], error: SendError) -> float:
        now, text = self._clock.now(), str(error)[:500]
        lane.error = text
        gone = [
            row.entry for row in rows if error.permanent or now - row.created_at >= self._settings.give_up_s * SECOND
        ]
        if gone:
            await asyncio.to_thread(self._in_turn, outbox_store.settle, gone, GIVEN_UP, text)
            lane.waiting -= len(gone)
            lane.given_up += len(gone)
            log.error("notification_given_up", channel=lane.channel.name, messages=len(gone), reason=text)
        left = [row.entry for row in rows if row.entry not in gone]
        if not left:
            return 0.0
        if not lane.failures:
            log.warning("notification_failed", channel=lane.channel.name, reason=text)
        lane.failures += 1
        doubled = self._settings.first_retry_s * 2.0 ** min(lane.failures - 1, 30)
        wait_s: float = min(doubled, self._settings.longest_retry_s)
        wait_s *= random.uniform(0.8, 1.0)  # so that many servers do not come back at once
        due = now + round(wait_s * SECOND)
        await asyncio.to_thread(self._in_turn, outbox_store.postpone, left, due, text)
        return wait_s

    async def _prune(self) -> None:
        while True:
            before = self._clock.now() - self._settings.keep_days * 86_400 * SECOND
            await asyncio.to_thread(self._in_turn, outbox_store.prune, before)
            await self.load()  # what was counted for events that could not be kept is counted off again
            await asyncio.sleep(PRUNE_S)

    # -- what others ask

    def channels(self) -> list[dict[str, Any]]:
        """Each channel and how it does."""
        return [
            {
                "name": name,
                "kind": lane.channel.kind,
                "ok": not lane.failures,
                "waiting": lane.waiting,
                "sent": lane.sent,
                "given_up": lane.given_up,
                "error": lane.error,
            }
            for name, lane in self._lanes.items()
        ]

    def counters(self) -> Mapping[str, int | float]:
        """For metrics."""
        lanes = self._lanes.values()
        return {
            "notifications_waiting": sum(lane.waiting for lane in lanes),
            "notifications_sent": sum(lane.sent for lane in lanes),
            "notifications_given_up": sum(lane.given_up for lane in lanes),
            "notification_channels_failing": sum(bool(lane.failures) for lane in lanes),
        }

    def _lane(self, name: str) -> Lane:
        lane = self._lanes.get(name)
        if lane is None:
            raise NotFoundError(f"no notification channel {name!r}")
        return lane

    async def try_out(self, name: str, caller: Caller) -> None:
        """Put a test message into a channel's outbox.

        Raises:
            DeniedError, NotFoundError: may not; no such channel.
        """
        require(caller, Right.MANAGE_ALARMS, "test notification channels")
        lane = self._lane(name)
        now: TimeUs = self._clock.now()
        message = message_of(name, trial_event(now, os.urandom(16), caller.user), None, None)
        row = OutboxRow(message.message_id, name, to_text(message), now)
        await asyncio.to_thread(self._in_turn, outbox_store.add, [row])
        lane.waiting += 1
        lane.wake.set()
        await self._trail.write(caller, "test notification channel", name, "Good")

    async def try_again(self, name: str, caller: Caller) -> int:
        """Let what was given up wait anew; how many messages.

        Raises:
            DeniedError, NotFoundError: may not; no such channel.
        """
        require(caller, Right.MANAGE_ALARMS, "send notifications again")
        lane = self._lane(name)
        count: int = await asyncio.to_thread(self._in_turn, outbox_store.again, name, self._clock.now())
        lane.given_up -= count
        lane.waiting += count
        lane.wake.set()
        await self._trail.write(caller, "send notifications again", name, "Good", f"{count} messages")
        return count
