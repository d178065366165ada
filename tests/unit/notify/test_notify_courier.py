"""The outbox: nothing is lost, nothing is told twice, a side that is away is tried again, in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from server.alarms.engine import new_event_id
from server.core.clock import SECOND, ManualClock
from server.core.errors import DeniedError, NotFoundError
from server.core.values import AlarmEvent, Caller
from server.database import outbox_store
from server.database.site import SiteDatabase
from server.model.plant import Plant
from server.notify.courier import Courier
from server.notify.message import Message, SendError
from server.settings.notify import NotifySettings
from tests.kit.until import until
from tests.unit.notify.test_notify_messages import EVENT

EMMA, OLGA = Caller("emma", "engineer", "http"), Caller("olga", "operator", "http")


class Receiver:
    """The other side: takes what it is sent, or refuses as told."""

    at_once = 2
    together = False

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.calls = 0
        self.batches: list[list[str]] = []
        self.told = ""
        self.fails: Callable[[Sequence[Message]], SendError | None] = lambda _messages: None

    async def send(self, messages: Sequence[Message]) -> str:
        self.calls += 1
        self.batches.append([message.event.event_id.hex() for message in messages])
        error = self.fails(messages)
        if error is not None:
            raise error
        self.got += messages
        return self.told

    @property
    def ids(self) -> list[str]:
        return [message.event.event_id.hex() for message in self.got]


class Site:
    """A site database with a courier that can be ended and started again."""

    def __init__(self, folder: Path, clock: ManualClock, **settings: Any) -> None:
        self.clock = clock
        self.folder = folder
        self.receiver = Receiver()
        channels = [{"kind": "syslog", "name": "duty", "host": "h"}]
        self.settings = TypeAdapter(NotifySettings).validate_python(
            {"channels": channels, "first_retry_s": 0.001, "longest_retry_s": 0.002, **settings}
        )
        self.site = SiteDatabase(folder / "site.db")
        self.courier = self._courier()

    def _courier(self) -> Courier:
        self.site.on_alarms.clear()
        courier = Courier(
            self.settings, self.site, Plant(), lambda _id: None, self.clock, lambda _channel, _clock: self.receiver
        )
        self.site.on_alarms.append(courier.take)
        return courier

    def tell(self, count: int = 1) -> list[str]:
        """Events, kept in one transaction; their ids."""
        events = [replace(EVENT, event_id=new_event_id()) for _ in range(count)]
        self.site.save_alarms(events)
        return [event.event_id.hex() for event in events]

    def states(self) -> dict[str, int]:
        with self.site.transaction() as connection:
            return {state: count for (_, state), count in outbox_store.counts(connection).items()}

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.courier.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def restart(self) -> None:
        self.site.close()
        self.site = SiteDatabase(self.folder / "site.db")
        self.courier = self._courier()
        await self.courier.load()


@pytest.fixture
async def site(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Site]:
    site = Site(tmp_path, clock)
    yield site
    site.site.close()


async def taken(site: Site, count: int) -> None:
    async def enough() -> bool:
        site.clock.advance(1)
        return len(site.receiver.got) >= count

    await until(enough, f"{count} messages")


async def test_every_event_is_told_once_and_in_order(site: Site) -> None:
    async with site.working():
        ids = [*site.tell(3), *await asyncio.to_thread(site.tell, 4)]
        await taken(site, 7)
    assert site.receiver.ids == ids
    assert site.states() == {"sent": 7}


async def test_what_waits_is_sent_after_a_restart_and_what_was_sent_is_not(site: Site) -> None:
    async with site.working():
        first = site.tell(2)
        await taken(site, 2)
    waiting = site.tell(3)
    await site.restart()
    assert site.courier.counters()["notifications_waiting"] == 3
    async with site.working():
        await taken(site, 5)
    assert site.receiver.ids == [*first, *waiting]


async def test_a_side_that_is_away_is_tried_again_and_loses_nothing(site: Site) -> None:
    left = [3]

    def away(_messages: Sequence[Message]) -> SendError | None:
        left[0] -= 1
        return SendError("connection refused") if left[0] >= 0 else None

    site.receiver.fails = away
    async with site.working():
        ids = site.tell(3)
        await taken(site, 3)

        async def counted() -> bool:
            return site.courier.counters()["notifications_sent"] == 3

        await until(counted, "three counted as sent")
    assert site.receiver.ids == ids
    assert site.receiver.calls >= 5
    (channel,) = site.courier.channels()
    assert (channel["ok"], channel["waiting"], channel["sent"], channel["error"]) == (True, 0, 3, "")


async def test_messages_that_are_refused_for_good_do_not_hold_up_the_others(site: Site) -> None:
    site.receiver.at_once = 1
    ids = site.tell(3)

    def refused(messages: Sequence[Message]) -> SendError | None:
        return SendError("answered 422", permanent=True) if messages[0].key == ids[1] else None

    site.receiver.fails = refused
    async with site.working():
        await taken(site, 2)
    assert site.receiver.ids == [ids[0], ids[2]]
    assert site.states() == {"sent": 2, "given up": 1}


async def test_what_was_given_up_can_be_sent_again(site: Site) -> None:
    site.receiver.fails = lambda _messages: SendError("no", permanent=True)
    async with site.working():
        ids = site.tell(2)

        async def given_up() -> bool:
            return site.states() == {"given up": 2}

        await until(given_up, "both given up")
        site.receiver.fails = lambda _messages: None
        with pytest.raises(DeniedError):
            await site.courier.try_again("duty", OLGA)
        assert await site.courier.try_again("duty", EMMA) == 2
        await taken(site, 2)
    assert site.receiver.ids == ids
    assert site.courier.channels()[0]["given_up"] == 0


async def test_a_message_is_given_up_after_its_time(tmp_path: Path, clock: ManualClock) -> None:
    site = Site(tmp_path, clock, give_up_s=60)
    site.receiver.fails = lambda _messages: SendError("away")
    async with site.working():
        site.tell(1)

        async def over() -> bool:
            site.clock.advance(10)
            return site.states() == {"given up": 1}

        await until(over, "the message given up")
    assert site.courier.channels()[0]["error"] == "away"
    site.site.close()


async def test_an_outbox_without_end_is_bounded(tmp_path: Path, clock: ManualClock) -> None:
    site = Site(tmp_path, clock, waiting=100)
    site.tell(150)
    assert site.states() == {"waiting": 100, "given up": 50}
    assert site.courier.counters()["notifications_given_up"] == 50
    site.site.close()


async def test_an_event_that_is_not_kept_is_neither_told_nor_counted(tmp_path: Path, clock: ManualClock) -> None:
    site = Site(tmp_path, clock, waiting=100)

    def broken(*_arguments: Any) -> None:
        raise RuntimeError("full")

    site.site.on_alarms.append(broken)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            site.tell(60)
    assert site.states() == {}
    site.site.on_alarms.remove(broken)
    site.tell(100)  # the outbox is not taken for full by what never was in it
    assert site.states() == {"waiting": 100}
    assert site.courier.counters()["notifications_waiting"] == 100
    site.site.close()


async def test_the_same_event_is_taken_once(site: Site) -> None:
    with site.site.transaction() as connection:
        site.courier.take(connection, [EVENT])
        site.courier.take(connection, [EVENT])
    assert site.states() == {"waiting": 1}


async def test_a_test_message_goes_the_whole_way(site: Site) -> None:
    with pytest.raises(NotFoundError):
        await site.courier.try_out("nobody", EMMA)
    with pytest.raises(DeniedError):
        await site.courier.try_out("duty", OLGA)
    async with site.working():
        await site.courier.try_out("duty", EMMA)
        await taken(site, 1)
    event: AlarmEvent = site.receiver.got[0].event
    assert event.cause == "test"
    assert "emma" in event.message


async def test_old_messages_are_forgotten(site: Site) -> None:
    async with site.working():
        site.tell(2)
        await taken(site, 2)
    waiting = site.tell(1)
    site.clock.advance(8 * 86_400)
    with site.site.transaction() as connection:
        assert outbox_store.prune(connection, site.clock.now() - 7 * 86_400 * SECOND) == 2
    assert site.states() == {"waiting": 1}
    assert json.dumps(waiting)
