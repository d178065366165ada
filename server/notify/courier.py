"""Takes events into the outbox with the very transaction that keeps them, and hands messages over until taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from server.core.clock import SECOND, Clock, TimeUs
from server.core.errors import IntegrationError, NotFoundError
from server.core.values import AlarmEvent, Caller
from server.database import outbox_store
from server.database.outbox_store import GIVEN_UP, WAITING, OutboxRow
from server.database.site import SiteDatabase
from server.model.alarm_spec import AlarmSpec
from server.model.plant import Plant
from server.notify.channels.email import Email
from server.notify.channels.syslog import Syslog
from server.notify.channels.webhook import Webhook
from server.notify.lane import Lane, Sender
from server.notify.message import message_of, to_text, trial_event
from server.notify.wanted import wanted
from server.security.access import Right, require
from server.security.audit import AuditTrail
from server.settings.notify import Channel, EmailChannel, NotifySettings, WebhookChannel

log = structlog.get_logger("fieldloom.notify")
PRUNE_S = 3_600.0
FULL = "the outbox of this channel is full"


def sender_of(channel: Channel, clock: Clock) -> Sender:
    """The way out that a channel's settings describe; raises ConfigurationError."""
    if isinstance(channel, EmailChannel):
        return Email(channel)
    if isinstance(channel, WebhookChannel):
        return Webhook(channel, clock)
    return Syslog(channel)


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
            channel.name: Lane(channel, senders(channel, clock), settings, clock, self._in_turn)
            for channel in settings.channels
        }
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- in

    def take(self, connection: Connection, events: Sequence[AlarmEvent]) -> Callable[[], None] | None:
        """Called inside the transaction that keeps the events, off the event loop (`SiteDatabase.on_alarms`); what is
        returned is called when they are on disk.
        """
        rows: list[OutboxRow] = []
        counts: dict[str, Counter[str]] = {}
        now = self._clock.now()
        for lane in self._lanes.values():
            count = counts[lane.channel.name] = Counter()
            for event in events:
                if wanted(lane.channel, event):
                    device = self._plant.devices.get(event.device_id)
                    message = message_of(lane.channel.name, event, self._spec(event.condition_id), device)
                    full = lane.waiting + count[WAITING] >= self._settings.waiting
                    state, error = (GIVEN_UP, FULL) if full else (WAITING, "")
                    rows.append(
                        OutboxRow(
                            message.message_id, lane.channel.name, to_text(message), now, state=state, error=error
                        )
                    )
                    count[state] += 1
        if not rows:
            return None
        outbox_store.add(connection, rows)
        return partial(self._kept, counts)

    def _kept(self, counts: Mapping[str, Counter[str]]) -> None:
        loop = self._loop
        for name, count in counts.items():
            lane = self._lanes[name]
            lane.count(waiting=count[WAITING], given_up=count[GIVEN_UP])
            if count[WAITING] and loop is not None:
                with contextlib.suppress(RuntimeError):  # the server has just stopped: the next start finds them
                    loop.call_soon_threadsafe(lane.wake)

    # -- out

    async def load(self) -> None:
        """Count what earlier runs left; once, before anything is taken."""
        counts = await asyncio.to_thread(self._in_turn, outbox_store.counts)
        for name, lane in self._lanes.items():
            lane.count(waiting=counts.get((name, WAITING), 0), given_up=counts.get((name, GIVEN_UP), 0))

    def _in_turn(self, work: Callable[..., Any], *arguments: Any) -> Any:
        with self._site.transaction() as connection:
            return work(connection, *arguments)

    async def run(self) -> None:
        """Work until cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes.values():
                    group.create_task(lane.serve())
                if self._lanes:
                    group.create_task(self._prune())
        finally:
            self._loop = None

    async def _prune(self) -> None:
        while True:
            before = self._clock.now() - self._settings.keep_days * 86_400 * SECOND
            try:
                await asyncio.to_thread(self._in_turn, outbox_store.prune, before)
                counts = await asyncio.to_thread(self._in_turn, outbox_store.counts)
            except IntegrationError as error:  # a full disk: what is old stays for another hour
                log.warning("outbox_not_pruned", reason=error.text)
            else:
                for name, lane in self._lanes.items():
                    lane.count(given_up=counts.get((name, GIVEN_UP), 0) - lane.given_up)
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
        lane.count(waiting=1)
        lane.hurry()
        await self._trail.write(caller, "test notification channel", name, "Good")

    async def try_again(self, name: str, caller: Caller) -> int:
        """Let what was given up wait anew; how many messages.

        Raises:
            DeniedError, NotFoundError: may not; no such channel.
        """
        require(caller, Right.MANAGE_ALARMS, "send notifications again")
        lane = self._lane(name)
        count: int = await asyncio.to_thread(self._in_turn, outbox_store.again, name, self._clock.now())
        lane.count(waiting=count, given_up=-count)
        lane.hurry()
        await self._trail.write(caller, "send notifications again", name, "Good", f"{count} messages")
        return count
