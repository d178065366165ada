"""Messages of one topic that several device types share reach the type that their device names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from bridge.intake import Bridge
from bridge.source import Deliver
from server.core.binding import DeviceBinding, DeviceIdentity, ParameterBinding, RowBinding
from server.core.clock import ManualClock
from server.core.values import CommandResponse, Measurement, OutboundMessage, RawMessage

TELL = {"manufacturer_id": "/who/manufacturer", "model_id": "/who/model", "device_revision": "/who/revision"}


def kind(type_id: str, identity: DeviceIdentity, parameter: str) -> DeviceBinding:
    return DeviceBinding(
        type_id=type_id,
        codec="pointer_json",
        rows=(RowBinding("field/{device}/raw", (ParameterBinding(parameter, "/v", "float"),), attributes=TELL),),
        command_topic="field/{device}/command",
        response_topic="field/{device}/response",
        identity=identity,
    )


SMALL = kind("small", DeviceIdentity("0x00FF", "1", ("1",)), "a")
LARGE = kind("large", DeviceIdentity("0x00FF", "2"), "b")
ANY = kind("any", DeviceIdentity(profile=True), "c")


class OneBatch:
    """A source that hands over what it was given, then waits."""

    def __init__(self, messages: Sequence[RawMessage]) -> None:
        self._messages = messages
        self.acknowledged: list[RawMessage] = []
        self.done = asyncio.Event()

    async def run(self, deliver: Deliver) -> None:
        await deliver(self._messages)
        await asyncio.Event().wait()

    def subscribe(self, topics: Sequence[str]) -> None: ...

    async def send(self, message: OutboundMessage) -> None: ...

    def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        self.acknowledged += messages
        self.done.set()

    def renounce(self, reason: str) -> None: ...

    def health(self) -> Mapping[str, object]:
        return {}


class Rig:
    def __init__(self, clock: ManualClock, *bindings: DeviceBinding) -> None:
        self.clock = clock
        self.bindings = bindings
        self.assigned: dict[str, str] = {}
        self.measured: list[Measurement] = []
        self.answers: list[CommandResponse] = []
        self.counters: dict[str, int | float] = {}

    def message(self, who: dict[str, object] | None, device: str = "d-1", topic: str = "raw") -> RawMessage:
        body: dict[str, object] = {"v": 1.5} if topic == "raw" else {"command_id": "x", "status": "done"}
        if who is not None:
            body["who"] = who
        return RawMessage(f"field/{device}/{topic}", json.dumps(body).encode(), self.clock.now(), token=1)

    async def taken(self, *messages: RawMessage) -> list[tuple[str, str]]:
        """(device, type) of what came through, in order."""
        source = OneBatch(messages)

        async def inlet(measurements: Sequence[Measurement]) -> asyncio.Future[None]:
            self.measured += measurements
            durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            durable.set_result(None)
            return durable

        bridge = Bridge(source, self.bindings, inlet=inlet, answered=self.answers.append, clock=self.clock)
        bridge.assign(self.assigned)
        task = asyncio.create_task(bridge.run())
        async with asyncio.timeout(5):
            await source.done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.counters = bridge.counters()
        return [(found.device_id, found.type_id) for found in self.measured]


def who(model: object, revision: object = "1", manufacturer: object = "0xff") -> dict[str, object]:
    return {"manufacturer": manufacturer, "model": model, "revision": revision}


async def test_the_device_decides_by_what_it_says_of_itself(clock: ManualClock) -> None:
    rig = Rig(clock, SMALL, LARGE, ANY)
    found = await rig.taken(
        rig.message(who("1"), "s"),
        rig.message(who(2, 7, 255), "l"),
        rig.message(who("1", "1", "0x0001"), "x"),
        rig.message(None, "y"),
    )
    assert found == [("s", "small"), ("l", "large"), ("x", "any"), ("y", "any")]
    assert [[name for name, _, _ in each.values] for each in rig.measured] == [["a"], ["b"], ["c"], ["c"]]


async def test_what_was_told_once_holds_for_messages_that_tell_nothing(clock: ManualClock) -> None:
    rig = Rig(clock, SMALL, LARGE, ANY)
    found = await rig.taken(rig.message(who("2"), "l"), rig.message(None, "l"), rig.message(None, "l", "response"))
    assert found == [("l", "large")] * 2
    assert [answer.command_id for answer in rig.answers] == ["x"]


@pytest.mark.parametrize(
    "told",
    [None, who("9"), who("1", "1", "0x0001"), who({}), who([1]), who(""), who(True), who("1" * 10_000), who(None)],
    ids=["nothing", "model", "manufacturer", "object", "list", "empty", "flag", "long", "null"],
)
async def test_a_device_that_fits_no_type_is_refused_and_counted(
    clock: ManualClock, told: dict[str, object] | None
) -> None:
    # Guessing would show one device's values under another's names.
    rig = Rig(clock, SMALL, LARGE)
    assert await rig.taken(rig.message(told)) == []
    assert rig.counters["bridge_refused_no_matching_type"] == 1


@pytest.mark.parametrize("payload", [b"", b"[]", b"[1]", b"7", b"{", b"\xff", b"[[]]"])
async def test_payloads_that_are_none_are_refused(clock: ManualClock, payload: bytes) -> None:
    rig = Rig(clock, SMALL, LARGE)
    message = RawMessage("field/d-1/raw", payload, clock.now(), token=1)
    assert await rig.taken(message) == []
    assert sum(count for name, count in rig.counters.items() if name.startswith("bridge_refused_")) == 1


async def test_a_topic_of_one_type_asks_nothing(clock: ManualClock) -> None:
    rig = Rig(clock, SMALL)
    assert await rig.taken(rig.message(who("9")), rig.message(None)) == [("d-1", "small")] * 2


async def test_a_type_chosen_by_hand_counts_before_what_the_device_says(clock: ManualClock) -> None:
    # Also for a device that says nothing, which nobody else could take in.
    rig = Rig(clock, SMALL, LARGE)
    rig.assigned = {"s": "large", "quiet": "small", "other": "nobody"}
    found = await rig.taken(
        rig.message(who("1"), "s"),
        rig.message(None, "quiet"),
        rig.message(who("1"), "other"),
        rig.message(None, "s", "response"),
    )
    assert found == [("s", "large"), ("quiet", "small"), ("other", "small")]
    assert len(rig.answers) == 1


def test_types_that_share_a_topic_are_known(clock: ManualClock) -> None:
    elsewhere = replace(ANY, type_id="elsewhere", rows=(replace(ANY.rows[0], topic="elsewhere/{device}/raw"),))
    bridge = Bridge(
        OneBatch([]), (SMALL, LARGE, elsewhere), inlet=_no_inlet, answered=lambda _answer: None, clock=clock
    )
    assert bridge.share("small", "large")
    assert not bridge.share("small", "elsewhere")
    assert not bridge.share("small", "nobody")


async def _no_inlet(_measurements: Sequence[Measurement]) -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()
