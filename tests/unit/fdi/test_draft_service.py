"""Drafts on a running server: bounded in number, time and size, for engineers, on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from bridge.rehearsal import rehearse
from server.core.clock import ManualClock
from server.core.errors import DeniedError, NotFoundError, RemoteError
from server.core.values import Caller, RawMessage
from server.fdi.draft.limits import DraftLimits
from server.fdi.draft.service import DraftService, Take, device_type_of
from tests.kit.drafts import message
from tests.kit.sinks import Remembered

ENGINEER = Caller("engineer", "engineer", "http")
OPERATOR = Caller("operator", "operator", "http")
NAMES = {"name": "Pump P7", "manufacturer": "Acme", "type_id": ""}


class Broker:
    """Listenings that the test feeds and breaks."""

    def __init__(self) -> None:
        self.takes: list[Take] = []
        self.filters: list[list[str]] = []
        self.left = 0
        self.failure: RemoteError | None = None
        self._ends: list[asyncio.Event] = []
        self._listening = asyncio.Event()

    async def listen(self, filters: Sequence[str], take: Take) -> None:
        if self.failure is not None:
            raise self.failure
        end = asyncio.Event()
        self.takes.append(take)
        self.filters.append(list(filters))
        self._ends.append(end)
        self._listening.set()
        try:
            await end.wait()
        finally:
            self.left += 1

    async def ready(self) -> None:
        await self._listening.wait()

    def send(self, *messages: RawMessage) -> None:
        """To all who listen, as far as they want more."""
        for take, end in zip(self.takes, self._ends, strict=True):
            if not take(messages):
                end.set()


class Desk:
    def __init__(self, clock: ManualClock, *, at_once: int = 2, longest_s: float = 60.0, messages: int = 100) -> None:
        self.broker = Broker()
        self.records = Remembered()
        self.service = DraftService(
            self.broker.listen,
            lambda binding, found: rehearse(binding, found),
            audit=self.records.audit,
            clock=clock,
            limits=DraftLimits(messages=messages),
            at_once=at_once,
            longest_s=longest_s,
        )

    async def start(self, *, seconds: float = 60.0, messages: int = 100, caller: Caller = ENGINEER) -> str:
        found = await self.service.start(["pumps/{device}/raw"], seconds, messages, NAMES, caller)
        await self.broker.ready()
        return str(found["id"])

    async def ended(self, draft_id: str) -> str:
        """Why a draft has ended, once it has."""
        async with asyncio.timeout(10):
            while (found := await self.service.details(draft_id))["state"] != "ended":
                await asyncio.sleep(0)
        return str(found["reason"])


@pytest.fixture
async def desk(clock: ManualClock):  # type: ignore[no-untyped-def]
    made = Desk(clock)
    yield made
    await made.service.close()


FLOW = message("pumps/p-1/raw", {"flow": 1.5})


async def test_a_draft_listens_learns_and_gives_its_source(desk: Desk) -> None:
    draft_id = await desk.start()
    assert desk.broker.filters == [["pumps/+/raw"]]
    desk.broker.send(FLOW, message("pumps/p-2/raw", {"flow": 3}))
    found = await desk.service.details(draft_id)
    assert (found["state"], found["heard"], found["kept"]) == ("listening", 2, 2)
    assert [entry["name"] for entry in found["model"]["parameters"]] == ["flow"]
    device_type = await device_type_of(await desk.service.source(draft_id))
    (told,) = await desk.service.dry_run(device_type, [FLOW])
    assert told["measurements"][0]["device_id"] == "p-1"
    assert told["measurements"][0]["values"] == [{"parameter": "flow", "value": 1.5, "unit": "", "status": "Good"}]


async def test_what_comes_later_is_learned_too(desk: Desk) -> None:
    draft_id = await desk.start()
    desk.broker.send(FLOW)
    await desk.service.details(draft_id)
    desk.broker.send(message("pumps/p-1/raw", {"head": 2}))
    found = await desk.service.details(draft_id)
    assert [entry["name"] for entry in found["model"]["parameters"]] == ["flow", "head"]


async def test_enough_messages_end_it(desk: Desk) -> None:
    draft_id = await desk.start(messages=2)
    desk.broker.send(FLOW, FLOW, FLOW)
    assert await desk.ended(draft_id) == "it has heard enough"
    assert (await desk.service.details(draft_id))["kept"] == 2


async def test_its_time_ends_it(desk: Desk) -> None:
    draft_id = await desk.start(seconds=0.01)
    assert await desk.ended(draft_id) == "its time is over"


async def test_what_is_asked_beyond_the_limits_is_brought_down(clock: ManualClock) -> None:
    desk = Desk(clock, longest_s=0.01, messages=3)
    by_time = await desk.start(seconds=86_400)
    assert await desk.ended(by_time) == "its time is over"
    await desk.service.close()
    desk = Desk(clock, messages=3)
    by_count = await desk.start(messages=1_000)
    desk.broker.send(*[FLOW] * 10)
    assert await desk.ended(by_count) == "it has heard enough"
    assert (await desk.service.details(by_count))["kept"] == 3
    await desk.service.close()


async def test_a_lost_broker_ends_it_with_the_reason(desk: Desk) -> None:
    desk.broker.failure = RemoteError("cannot reach the broker")
    found = await desk.service.start(["#"], 60, 10, NAMES, ENGINEER)
    assert await desk.ended(found["id"]) == "cannot reach the broker"


async def test_a_stopped_draft_keeps_what_it_heard(desk: Desk) -> None:
    draft_id = await desk.start()
    desk.broker.send(FLOW)
    found = await desk.service.stop(draft_id, ENGINEER)
    assert (found["state"], found["reason"], found["kept"]) == ("ended", "stopped", 1)
    assert desk.broker.left == 1
    assert await desk.service.source(draft_id)
    assert (await desk.service.stop(draft_id, ENGINEER))["reason"] == "stopped"  # once more changes nothing


async def test_a_removed_draft_is_gone_and_no_longer_listens(desk: Desk) -> None:
    draft_id = await desk.start()
    await desk.service.remove(draft_id, ENGINEER)
    assert desk.broker.left == 1
    for asked in (desk.service.details(draft_id), desk.service.source(draft_id)):
        with pytest.raises(NotFoundError):
            await asked


async def test_only_so_many_drafts_at_once_ended_ones_too(desk: Desk) -> None:
    first = await desk.start()
    await desk.start()
    await desk.service.stop(first, ENGINEER)
    with pytest.raises(RemoteError, match="remove one first"):
        await desk.start()
    await desk.service.remove(first, ENGINEER)
    await desk.start()


@pytest.mark.parametrize("topics", [[], ["a/#/b"], ["a"] * 17])
async def test_what_is_no_topic_starts_nothing(desk: Desk, topics: list[str]) -> None:
    with pytest.raises(RemoteError):
        await desk.service.start(topics, 60, 10, NAMES, ENGINEER)
    assert desk.service.summaries() == []


async def test_a_draft_without_values_has_no_source_yet(desk: Desk) -> None:
    draft_id = await desk.start()
    desk.broker.send(message("pumps/p-1/raw", b"not json"))
    with pytest.raises(RemoteError, match="no message with a value"):
        await desk.service.source(draft_id)
    found = await desk.service.details(draft_id)
    assert found["model"]["refused"][0]["reason"] == "no JSON in UTF-8"


@pytest.mark.parametrize("action", ["start", "stop", "remove"])
async def test_operators_may_not_and_the_try_is_on_record(desk: Desk, action: str) -> None:
    draft_id = await desk.start()
    before = len(desk.records.audits)
    tries: dict[str, Callable[[], object]] = {
        "start": lambda: desk.service.start(["#"], 60, 10, NAMES, OPERATOR),
        "stop": lambda: desk.service.stop(draft_id, OPERATOR),
        "remove": lambda: desk.service.remove(draft_id, OPERATOR),
    }
    with pytest.raises(DeniedError):
        await tries[action]()  # type: ignore[misc]
    assert len(desk.service.summaries()) == 1
    assert len(desk.records.audits) == before + 1


async def test_every_change_is_on_record(desk: Desk) -> None:
    draft_id = await desk.start()
    await desk.service.stop(draft_id, ENGINEER)
    await desk.service.remove(draft_id, ENGINEER)
    with pytest.raises(NotFoundError):
        await desk.service.remove(draft_id, ENGINEER)
    told = [(entry[5], entry[7]) for entry in desk.records.audits]  # action and outcome
    assert told == [
        ("draft start", "Good"), ("draft stop", "Good"), ("draft remove", "Good"), ("draft remove", "BadNotFound"),
    ]  # fmt: skip


async def test_closing_ends_every_listening(desk: Desk) -> None:
    await desk.start()
    await desk.start()
    await desk.service.close()
    assert (desk.broker.left, desk.service.summaries()) == (2, [])
