"""The intake with a source of our own: what is acknowledged when, what is counted, what never stops it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from bridge import intake
from bridge.intake import Bridge, BridgeLimits
from bridge.source import Deliver
from server.core.binding import CommandBinding, DeviceBinding, ParameterBinding, RowBinding
from server.core.clock import ManualClock
from server.core.errors import ConfigurationError, LocalError, RemoteError
from server.core.values import CommandResponse, Measurement, OutboundMessage, RawMessage

TIMEOUT_S = 5.0
PUMP = DeviceBinding(
    type_id="pump",
    codec="pointer_json",
    rows=(
        RowBinding("pumps/{device}/raw", (ParameterBinding("level", "/level", "float"),)),
        RowBinding("pumps/{device}/trends", count_only=True),
    ),
    command_topic="pumps/{device}/command",
    response_topic="pumps/{device}/response",
    commands=(CommandBinding("trip", "Trip"),),
)
ASSET = DeviceBinding(
    type_id="asset",
    codec="pointer_json",
    rows=(RowBinding("plant/{facility}/{asset}/readings", (ParameterBinding("level", "/level", "float"),)),),
    command_topic="plant/{facility}/{asset}/command",
    response_topic="plant/{facility}/{asset}/response",
    device_id="{facility}.{asset}",
)


class FakeSource:
    """Hands over what the test gives it and remembers what it is told."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.sent: list[OutboundMessage] = []
        self.acknowledged: list[RawMessage] = []
        self.renounced: list[str] = []
        self.away = False
        self._queue: asyncio.Queue[Sequence[RawMessage]] = asyncio.Queue()
        self._handed = 0
        self._news = asyncio.Condition()

    async def run(self, deliver: Deliver) -> None:
        while True:
            batch = await self._queue.get()
            await deliver(batch)
            self._handed += 1
            await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def give(self, *batches: Sequence[RawMessage]) -> None:
        for batch in batches:
            self._queue.put_nowait(batch)

    @property
    def handed(self) -> int:
        """Batches that the bridge has taken."""
        return self._handed

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S), self._news:
            await self._news.wait_for(ready)

    def subscribe(self, topics: Sequence[str]) -> None:
        self.topics = list(topics)

    async def send(self, message: OutboundMessage) -> None:
        if self.away:
            raise RemoteError("the MQTT broker is away")
        self.sent.append(message)

    def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        self.acknowledged += messages
        self._soon = asyncio.ensure_future(self._tell())

    def renounce(self, reason: str) -> None:
        self.renounced.append(reason)
        self._soon = asyncio.ensure_future(self._tell())

    def health(self) -> Mapping[str, object]:
        return {"connected": not self.away, "broker": "mqtt://fake", "received": 7}


class Rig:
    """A bridge between a fake source and an inlet whose commits the test makes."""

    def __init__(self, clock: ManualClock, limits: BridgeLimits | None = None) -> None:
        self.source = FakeSource()
        self.offered: list[list[Measurement]] = []
        self.commits: list[asyncio.Future[None]] = []
        self.answers: list[CommandResponse] = []
        self.commit_at_once = True
        self.refuse: Exception | None = None
        self.clock = clock
        self.bridge = Bridge(
            self.source, [PUMP, ASSET], inlet=self._offer, answered=self.answers.append, clock=clock, limits=limits
        )
        self._numbers = 0

    async def _offer(self, measurements: Sequence[Measurement]) -> asyncio.Future[None]:
        if self.refuse is not None:
            raise self.refuse
        commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.offered.append(list(measurements))
        self.commits.append(commit)
        if self.commit_at_once:
            commit.set_result(None)
        return commit

    def message(self, payload: object = None, topic: str = "pumps/p-1/raw", *, retained: bool = False) -> RawMessage:
        content = payload if isinstance(payload, bytes) else json.dumps(payload or {"level": 1}).encode()
        self._numbers += 1
        return RawMessage(topic, content, self.clock.now(), retained=retained, token=self._numbers)

    async def taken(self, *messages: RawMessage) -> None:
        """Give them as one batch and wait until the bridge has acknowledged them."""
        wanted = len(self.source.acknowledged) + len(messages)
        self.source.give(messages)
        await self.source.until(lambda: len(self.source.acknowledged) >= wanted)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        work = asyncio.ensure_future(self.bridge.run())
        try:
            yield
            assert not work.done(), "the bridge has ended"
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


@pytest.fixture
def rig(clock: ManualClock) -> Rig:
    return Rig(clock)


async def test_nothing_is_acknowledged_before_its_commit(rig: Rig) -> None:
    rig.commit_at_once = False
    message = rig.message()
    async with rig.running():
        rig.source.give([message])
        await rig.source.until(lambda: rig.source.handed == 1)
        assert rig.source.acknowledged == []
        rig.commits[0].set_result(None)
        await rig.source.until(lambda: rig.source.acknowledged == [message])


async def test_acknowledgements_keep_the_order_of_receipt(rig: Rig) -> None:
    # MQTT 5 asks for it; a later commit that is done first has to wait.
    rig.commit_at_once = False
    first, second = rig.message(), rig.message()
    async with rig.running():
        rig.source.give([first], [second])
        await rig.source.until(lambda: rig.source.handed == 2)
        rig.commits[1].set_result(None)
        rig.source.give([rig.message(b"no json")])
        await rig.source.until(lambda: rig.source.handed == 3)
        assert rig.source.acknowledged == []
        rig.commits[0].set_result(None)
        await rig.source.until(lambda: len(rig.source.acknowledged) == 3)
        assert rig.source.acknowledged[:2] == [first, second]


@pytest.mark.parametrize("error", [RemoteError("the disk is full"), LocalError("the disk is full")])
async def test_a_failed_commit_is_renounced_and_not_acknowledged(rig: Rig, error: Exception) -> None:
    rig.commit_at_once = False
    async with rig.running():
        rig.source.give([rig.message()])
        await rig.source.until(lambda: rig.source.handed == 1)
        rig.commits[0].set_exception(error)
        await rig.source.until(lambda: rig.source.renounced == ["the disk is full"])
        assert rig.source.acknowledged == []
        assert rig.bridge.counters()["bridge_not_durable"] == 1
        rig.commit_at_once = True
        await rig.taken(rig.message())


async def test_a_cancelled_commit_is_renounced_and_the_bridge_goes_on(rig: Rig) -> None:
    rig.commit_at_once = False
    async with rig.running():
        rig.source.give([rig.message()])
        await rig.source.until(lambda: rig.source.handed == 1)
        rig.commits[0].cancel()
        await rig.source.until(lambda: len(rig.source.renounced) == 1)
        rig.commit_at_once = True
        await rig.taken(rig.message())


async def test_an_inlet_that_refuses_is_renounced_and_the_bridge_goes_on(rig: Rig) -> None:
    rig.refuse = RemoteError("the site database is locked")
    async with rig.running():
        for _ in range(intake.PENDING_BATCHES + 2):  # a place that is not given back would block here
            rig.source.give([rig.message()])
        await rig.source.until(lambda: len(rig.source.renounced) == intake.PENDING_BATCHES + 2)
        assert rig.source.acknowledged == []
        rig.refuse = None
        await rig.taken(rig.message())


async def test_too_many_uncommitted_batches_hold_the_source_back(rig: Rig) -> None:
    rig.commit_at_once = False
    many = intake.PENDING_BATCHES
    async with rig.running():
        rig.source.give(*([rig.message()] for _ in range(many + 3)))
        await rig.source.until(lambda: rig.source.handed == many)
        assert len(rig.offered) == many
        assert rig.bridge.counters()["bridge_waiting_for_commit"] == many
        rig.commits[0].set_result(None)
        await rig.source.until(lambda: rig.source.handed == many + 1)
        assert len(rig.offered) == many + 1


POISON = [
    b"",
    b"\xff",
    b"[" * 1_000,
    b"[1, null, {}]",
    b'{"level": NaN}',
    b'{"level": [[]]}',
    b"x" * 300_000,
]


@pytest.mark.parametrize("payload", POISON)
@pytest.mark.parametrize("topic", ["pumps/p-1/raw", "pumps/p-1/response", "pumps/p-1/trends", "plant/a.b/c/readings"])
async def test_poison_is_acknowledged_once_and_the_next_is_taken(rig: Rig, topic: str, payload: bytes) -> None:
    # What can never be read must not come again for ever.
    poison, good = rig.message(payload, topic), rig.message({"level": 3})
    async with rig.running():
        await rig.taken(poison, good)
        assert rig.source.acknowledged == [poison, good]
        assert [m.values for m in rig.offered[0]] == [(("level", 3.0, 0),)]
        assert rig.source.renounced == []


async def test_a_bad_value_in_an_answer_is_counted_and_the_answer_taken(rig: Rig) -> None:
    payload = {"command_id": "c", "status": "done", "values": {"level": "high", "note": "x"}}
    async with rig.running():
        await rig.taken(rig.message(payload, "pumps/p-1/response"))
    assert [(answer.outcome, answer.values) for answer in rig.answers] == [("done", {"note": "x"})]
    assert rig.bridge.refused_by_device() == {"p-1": {"wrong_type": 1}}


@pytest.mark.parametrize("status", ["[]", "{}", "5", "null", '"DONE"'])
async def test_an_answer_with_an_odd_status_is_poison_too(rig: Rig, status: str) -> None:
    payload = f'{{"command_id": "c", "status": {status}}}'.encode()
    async with rig.running():
        await rig.taken(rig.message(payload, "pumps/p-1/response"))
    assert rig.answers == []
    assert rig.bridge.counters()["bridge_refused_wrong_type"] == 1


async def test_an_answer_reaches_who_waits_for_it_with_its_device(rig: Rig) -> None:
    payload = {"command_id": "c1", "status": "done", "reason": "", "values": {"state": 2}}
    async with rig.running():
        await rig.taken(rig.message(payload, "pumps/p-1/response"))
    assert rig.answers == [CommandResponse("c1", "done", "", {"state": 2}, rig.clock.now(), "p-1")]


async def test_a_retained_answer_answers_nothing(rig: Rig) -> None:
    payload = {"command_id": "c1", "status": "done"}
    async with rig.running():
        await rig.taken(rig.message(payload, "pumps/p-1/response", retained=True))
    assert rig.answers == []
    assert rig.bridge.counters()["bridge_retained_answers"] == 1


async def test_what_came_is_counted(rig: Rig) -> None:
    async with rig.running():
        await rig.taken(
            rig.message({"level": 1}),
            rig.message({"level": 2}),
            rig.message({"level": "high"}),
            rig.message({"other": 1}),
            rig.message(b"{", "pumps/p-2/raw"),
            rig.message({}, "pumps/p-1/trends"),
            rig.message({}, "nobody/knows"),
        )
    counted = rig.bridge.counters()
    assert counted["bridge_messages"] == 7
    assert counted["bridge_rows"] == 2
    assert counted["bridge_without_values"] == 1
    assert counted["bridge_counted_only"] == 1
    assert counted["bridge_unknown_topic"] == 1
    assert counted["bridge_refused_wrong_type"] == 1
    assert counted["bridge_refused_not_json"] == 1
    assert counted["mqtt_connected"] == 1
    assert "mqtt_broker" not in counted
    assert rig.bridge.refused_by_device() == {"p-1": {"wrong_type": 1}, "p-2": {"not_json": 1}}
    assert rig.bridge.unknown_topics() == {"nobody/knows": 1}


async def test_devices_counted_one_by_one_are_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DEVICES_TRACKED", 10)
    async with rig.running():
        for number in range(50):
            await rig.taken(rig.message(b"{", f"pumps/made-up-{number}/raw"), rig.message(b"{", "pumps/real/raw"))
    counted = rig.bridge.refused_by_device()
    assert len(counted) == 10
    # The one that keeps failing stays, with its whole count.
    assert counted["real"] == {"not_json": 50}
    assert rig.bridge.counters()["bridge_refused_not_json"] == 100


async def test_one_line_a_minute_for_a_device_and_reason(rig: Rig) -> None:
    async with rig.running():
        with capture_logs() as lines:
            for _ in range(100):
                await rig.taken(rig.message({"level": "x"}))
            rig.clock.advance(60.0)
            await rig.taken(rig.message({"level": "x"}))
    assert lines == [
        {
            "event": "payload_refused",
            "log_level": "warning",
            "topic": "pumps/p-1/raw",
            "reason": "wrong_type",
            "path": "/level",
            "expected": "a number",
            "so_far": so_far,
        }
        for so_far in (1, 101)
    ]


async def test_made_up_devices_do_not_fill_the_log(rig: Rig) -> None:
    async with rig.running():
        with capture_logs() as lines:
            await rig.taken(*(rig.message(b"{", f"pumps/made-up-{number}/raw") for number in range(500)))
            rig.clock.advance(60.0)
            await rig.taken(rig.message(b"{", "pumps/p-1/raw"))
    assert len(lines) == intake.LOG_LINES + 1
    assert rig.bridge.counters()["bridge_log_lines_spared"] == 500 - intake.LOG_LINES


async def test_a_flood_of_large_messages_leaves_turns_to_others(rig: Rig) -> None:
    turns = 0

    async def neighbour() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(neighbour())
    try:
        async with rig.running():
            await rig.taken(*(rig.message(b"[" * 250_000) for _ in range(20)))
            assert turns >= 20
    finally:
        beside.cancel()


async def test_the_limits_are_the_settings(clock: ManualClock) -> None:
    rig = Rig(clock, BridgeLimits(payload_bytes=20))
    async with rig.running():
        await rig.taken(rig.message({"level": 1}), rig.message({"level": 1, "more": "x"}))
    assert [len(batch) for batch in rig.offered] == [1]
    assert rig.bridge.counters()["bridge_refused_too_large"] == 1


# -- bindings


def test_the_topics_of_all_bindings_are_subscribed(rig: Rig) -> None:
    assert sorted(rig.source.topics) == [
        "plant/+/+/readings",
        "plant/+/+/response",
        "pumps/+/raw",
        "pumps/+/response",
        "pumps/+/trends",
    ]


async def test_a_type_that_comes_is_heard_and_one_that_goes_is_not(rig: Rig) -> None:
    valve = DeviceBinding("valve", "pointer_json", (RowBinding("valves/{device}", PUMP.rows[0].parameters),))
    rig.bridge.update_bindings([valve])
    assert rig.source.topics == ["valves/+"]
    async with rig.running():
        await rig.taken(rig.message(topic="valves/v-1"), rig.message())
    assert [m.device_id for m in rig.offered[0]] == ["v-1"]
    assert rig.bridge.unknown_topics() == {"pumps/p-1/raw": 1}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (DeviceBinding("valve", "morse", (RowBinding("valves/{device}"),)), "valve: no codec 'morse'"),
        (DeviceBinding("valve", "pointer_json", (RowBinding("valves/#"),)), "valves/#"),
    ],
)
async def test_a_wrong_binding_changes_nothing(rig: Rig, wrong: DeviceBinding, told: str) -> None:
    before = list(rig.source.topics)
    with pytest.raises(ConfigurationError, match=told):
        rig.bridge.update_bindings([wrong])
    assert rig.source.topics == before
    async with rig.running():
        await rig.taken(rig.message())
    await rig.bridge.send_command("pump", "p-1", "c1", "trip", {})
    assert len(rig.offered) == 1


# -- out


async def test_a_command_goes_to_its_device(rig: Rig) -> None:
    await rig.bridge.send_command("pump", "p-1", "c1", "trip", {"hard": True})
    (sent,) = rig.source.sent
    assert (sent.topic, sent.response_topic, sent.correlation) == ("pumps/p-1/command", "pumps/p-1/response", b"c1")
    assert json.loads(sent.payload) == {"command_id": "c1", "command": "trip", "params": {"hard": True}}


async def test_an_assets_id_is_taken_apart_for_its_topic(rig: Rig) -> None:
    await rig.bridge.send_command("asset", "alpha.boiler-1", "c1", "trip", {})
    assert rig.source.sent[0].topic == "plant/alpha/boiler-1/command"
    assert rig.source.sent[0].response_topic == "plant/alpha/boiler-1/response"


@pytest.mark.parametrize(
    ("type_id", "device_id"),
    [("valve", "v-1"), ("asset", "boiler"), ("pump", "p/1"), ("pump", "#"), ("pump", ""), ("pump", "p" * 65)],
)
async def test_a_command_that_cannot_be_addressed_is_not_sent(rig: Rig, type_id: str, device_id: str) -> None:
    with pytest.raises(RemoteError):
        await rig.bridge.send_command(type_id, device_id, "c1", "trip", {})
    assert rig.source.sent == []


async def test_a_command_while_the_broker_is_away_says_so(rig: Rig) -> None:
    rig.source.away = True
    with pytest.raises(RemoteError, match="away"):
        await rig.bridge.send_command("pump", "p-1", "c1", "trip", {})
    assert "bridge_commands" not in rig.bridge.counters()
    assert rig.bridge.health()["connected"] is False
