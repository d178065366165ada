"""A disk that refuses, and deliveries that must stay what they were: nothing is sent twice, nothing waits for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from server.core.clock import ManualClock
from server.core.errors import IntegrationError
from server.database import outbox_store
from server.notify.message import Message, SendError
from tests.kit.until import until
from tests.unit.notify.test_notify_courier import EMMA, Site, taken


@pytest.fixture
async def site(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Site]:
    site = Site(tmp_path, clock)
    yield site
    site.site.close()


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> list[int]:
    """Let a write of the outbox fail so often; how often it was asked."""
    real: Callable[..., Any] = getattr(outbox_store, name)
    asked = [0]

    def refused(*arguments: Any) -> Any:
        asked[0] += 1
        if asked[0] <= times:
            raise IntegrationError("no space left on device")
        return real(*arguments)

    monkeypatch.setattr(outbox_store, name, refused)
    return asked


async def test_what_was_taken_is_not_sent_again_while_the_disk_cannot_note_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = refuse(monkeypatch, "settle", 5)
    async with site.working():
        ids = site.tell(2)
        await taken(site, 2)

        async def noted() -> bool:
            return site.states() == {"sent": 2}

        await until(noted, "both noted as sent")
    assert asked == [6]
    assert site.receiver.ids == ids
    assert site.courier.counters() == {
        "notifications_waiting": 0,
        "notifications_sent": 2,
        "notifications_given_up": 0,
        "notification_channels_failing": 0,
    }


@pytest.mark.parametrize("name", ["waiting", "postpone", "prune", "counts"])
async def test_an_outbox_that_cannot_be_used_for_a_while_ends_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    left = [1]

    def away(_messages: Sequence[Message]) -> SendError | None:
        left[0] -= 1
        return SendError("away") if left[0] >= 0 else None

    site.receiver.fails = away
    ids = site.tell(2)
    refuse(monkeypatch, name, 3)
    async with site.working():
        await taken(site, 2)
    assert site.receiver.ids == ids


async def test_a_channel_that_gave_everything_up_goes_on_with_what_comes(site: Site) -> None:
    left = [1]

    def away(messages: Sequence[Message]) -> SendError | None:
        left[0] -= 1
        return SendError("away") if left[0] >= 0 else SendError("no", permanent=True)

    site.receiver.fails = away
    async with site.working():
        site.tell(2)

        async def given_up() -> bool:
            site.clock.advance(1)
            return site.states() == {"given up": 2}

        await until(given_up, "both given up")
        site.receiver.fails = lambda _messages: None
        ids = site.tell(1)
        await taken(site, 1)
    assert site.receiver.ids == ids


async def test_a_test_message_hurries_a_channel_that_fails(tmp_path: Path, clock: ManualClock) -> None:
    site = Site(tmp_path, clock, first_retry_s=600, longest_retry_s=600)
    site.receiver.fails = lambda _messages: SendError("away")
    async with site.working():
        site.tell(1)

        async def tried() -> bool:
            return site.courier.counters()["notification_channels_failing"] == 1

        await until(tried, "the first try")
        site.receiver.fails = lambda _messages: None
        await site.courier.try_out("duty", EMMA)
        await taken(site, 2)
    assert [message.event.cause for message in site.receiver.got] == ["transition", "test"]
    site.site.close()


async def test_one_delivery_stays_what_it_was_at_every_try(tmp_path: Path, clock: ManualClock) -> None:
    site = Site(tmp_path, clock)
    site.receiver.at_once, site.receiver.together = 50, True
    site.receiver.fails = lambda _messages: SendError("away")
    first = site.tell(3)
    async with site.working():

        async def tried() -> bool:
            site.clock.advance(1)
            return site.receiver.calls >= 2

        await until(tried, "two tries")
        second = site.tell(2)
    await site.restart()
    site.receiver.fails = lambda _messages: None
    third = site.tell(1)
    async with site.working():
        await taken(site, 6)
    assert {tuple(batch) for batch in site.receiver.batches} == {tuple(first), (*second, *third)}
    assert site.receiver.ids == [*first, *second, *third]
    site.site.close()


async def test_who_was_refused_while_others_got_it_is_told(site: Site) -> None:
    site.receiver.told = "mx:25: refused for x@y: 550 unknown"
    async with site.working():
        site.tell(1)
        await taken(site, 1)

        async def noted() -> bool:
            return site.states() == {"sent": 1}

        await until(noted, "noted as sent")
    (channel,) = site.courier.channels()
    assert (channel["ok"], channel["error"]) == (True, site.receiver.told)
