"""The flow: sinks in their order, commands confirmed by the device's echo, alarms by one door."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from server.alarms.engine import AlarmEngine
from server.core import status
from server.core.clock import ManualClock
from server.core.errors import DeniedError, NotFoundError
from server.core.values import Caller, ChangeKind, Command, CommandResponse, CommandResult, DeviceId, Scalar, UpdateKind
from server.model.plant import Plant
from server.pipeline import Pipeline
from tests.kit.plant import measured, pump_type
from tests.kit.sinks import RememberedFeed, RememberedHistory, RememberedPoints, RememberedSender

OPERATOR = Caller("olga", "operator", "opcua")
VIEWER = Caller("vera", "viewer", "http")
PUMP = DeviceId("pump-1")


@dataclass
class Rig:
    clock: ManualClock
    points: RememberedPoints = field(default_factory=RememberedPoints)
    history: RememberedHistory = field(default_factory=RememberedHistory)
    feed: RememberedFeed = field(default_factory=RememberedFeed)
    sender: RememberedSender = field(default_factory=RememberedSender)
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        self.plant = Plant()
        self.pipeline = Pipeline(
            plant=self.plant,
            clock=self.clock,
            points=[self.points],
            alarms=AlarmEngine(self.plant),
            alarm_sinks=[self.points],
            history=self.history,
            feeds=[self.feed],
            sender=self.sender,
            records=self.points,
            command_timeout_s=self.timeout_s,
        )

    async def live(self, **values: Scalar) -> None:
        self.clock.advance(1)
        await self.pipeline.offer([measured(self.clock.now(), **values)])

    def answer(self, command_id: str, outcome: str = "done", **values: Scalar) -> None:
        self.clock.advance(0.1)
        self.pipeline.answered(CommandResponse(command_id, outcome, "because", values, self.clock.now(), PUMP))


@pytest.fixture
async def rig(clock: ManualClock) -> Rig:
    rig = Rig(clock)
    await rig.pipeline.install(pump_type())
    return rig


async def test_device_then_value_then_alarm_then_the_rest(rig: Rig) -> None:
    # A client that sees an alarm can read its cause; an alarm is on disk before anybody sees it.
    future = await rig.pipeline.offer([measured(rig.clock.now(), temperature=120.0)])
    kinds = [name for name, _ in rig.points.seen]
    assert kinds == ["change", "change", "publish", "saved", "alarms"]
    assert [change.kind for change in rig.points.changes] == [ChangeKind.TYPE_ADDED, ChangeKind.DEVICE_ADDED]
    assert [row[0] for row in rig.points.saved_devices] == ["pump-1"]
    assert rig.feed.offered == rig.history.recorded == rig.points.updates
    # Durable is only what history says is durable.
    assert not future.done()
    rig.history.commits[-1].set_result(None)
    await future


async def test_command_is_good_only_after_the_echo_has_come_in(rig: Rig) -> None:
    await rig.live(state=1, temperature=20.0)
    call = asyncio.ensure_future(rig.pipeline.submit(Command(PUMP, "trip", {}, OPERATOR)))
    command_id = await rig.sender.next_id()
    assert rig.plant.device("pump-1").points["state"].value == 1  # a wish changes nothing
    rig.answer(command_id, state=2)
    result = await call
    assert (result.status, dict(result.values)) == (status.GOOD, {"state": 2})
    assert rig.plant.device("pump-1").points["state"].value == 2
    assert [event.name for event in rig.points.events] == ["Trip"]
    assert rig.points.audits[-1][1:4] == ("olga", "operator", "opcua")


@pytest.mark.parametrize(
    ("outcome", "code"), [("rejected", status.BAD_INVALID_STATE), ("failed", status.BAD_DEVICE_FAILURE)]
)
async def test_device_says_no(rig: Rig, outcome: str, code: int) -> None:
    await rig.live(state=1)
    call = asyncio.ensure_future(rig.pipeline.submit(Command(PUMP, "trip", {}, OPERATOR)))
    rig.answer(await rig.sender.next_id(), outcome)
    assert await call == CommandResult(code, "because", {})


async def test_no_answer_ends_in_time_out_and_a_late_answer_is_still_news(clock: ManualClock) -> None:
    rig = Rig(clock, timeout_s=0.01)
    await rig.pipeline.install(pump_type())
    await rig.live(state=1)
    result = await rig.pipeline.submit(Command(PUMP, "trip", {}, OPERATOR))
    assert result.status == status.BAD_TIMEOUT
    rig.answer(rig.sender.sent[0][2], state=2)
    assert rig.plant.device("pump-1").points["state"].value == 1
    await rig.pipeline.tick()
    assert rig.plant.device("pump-1").points["state"].value == 2


async def test_silent_device_and_absent_broker_are_no_communication(rig: Rig) -> None:
    await rig.live(state=1)
    rig.sender.away = True
    assert (await rig.pipeline.submit(Command(PUMP, "trip", {}, OPERATOR))).status == status.BAD_NO_COMMUNICATION
    rig.sender.away = False
    rig.clock.advance(31)
    await rig.pipeline.tick()
    assert (await rig.pipeline.submit(Command(PUMP, "trip", {}, OPERATOR))).status == status.BAD_NO_COMMUNICATION
    assert rig.sender.sent == []


@pytest.mark.parametrize(
    ("params", "code", "arguments"),
    [
        ({"name": "limit_high"}, status.BAD_ARGUMENTS_MISSING, ()),
        ({"name": "limit_high", "value": 1.0, "more": 1}, status.BAD_TOO_MANY_ARGUMENTS, ()),
        ({"name": "limit_high", "value": "x"}, status.BAD_INVALID_ARGUMENT, (status.GOOD, status.BAD_TYPE_MISMATCH)),
        ({"name": "nothing", "value": 1.0}, status.BAD_INVALID_ARGUMENT, (status.BAD_OUT_OF_RANGE, status.GOOD)),
        ({"name": "temperature", "value": 1.0}, status.BAD_INVALID_ARGUMENT, (status.BAD_OUT_OF_RANGE, status.GOOD)),
        ({"name": "limit_high", "value": 151.0}, status.BAD_INVALID_ARGUMENT, (status.GOOD, status.BAD_OUT_OF_RANGE)),
        (
            {"name": "limit_high", "value": float("nan")},
            status.BAD_INVALID_ARGUMENT,
            (status.GOOD, status.BAD_OUT_OF_RANGE),
        ),
    ],
)
async def test_wrong_arguments_never_reach_the_device(
    rig: Rig, params: dict[str, Scalar], code: int, arguments: tuple[int, ...]
) -> None:
    await rig.live(state=1)
    result = await rig.pipeline.submit(Command(PUMP, "set_threshold", params, OPERATOR))
    assert (result.status, result.argument_status) == (code, arguments)
    assert rig.sender.sent == []


async def test_the_audit_trail_names_a_refused_value_once(rig: Rig) -> None:
    await rig.live(state=1)
    await rig.pipeline.write_parameter(PUMP, "limit_high", 333.0, Caller("emma", "engineer", "opcua"))
    await rig.pipeline.submit(Command(PUMP, "set_threshold", {"name": "limit_high", "value": 333.0}, OPERATOR))
    assert [audit[5:] for audit in rig.points.audits] == [
        ("write", "pump-1/limit_high", "BadOutOfRange", "333.0: the value does not fit limit_high"),
        (
            "command",
            "pump-1/set_threshold",
            "BadInvalidArgument",
            "name='limit_high' value=333.0: the value does not fit 'limit_high'",
        ),
    ]


async def test_rights_and_unknown_names(rig: Rig) -> None:
    await rig.live(state=1)
    with pytest.raises(DeniedError):
        await rig.pipeline.submit(Command(PUMP, "trip", {}, VIEWER))
    assert rig.points.audits[-1][7] == "BadUserAccessDenied"
    with pytest.raises(NotFoundError):
        await rig.pipeline.submit(Command(DeviceId("pump-7"), "trip", {}, OPERATOR))
    assert (await rig.pipeline.submit(Command(PUMP, "explode", {}, OPERATOR))).status == status.BAD_METHOD_INVALID
    with pytest.raises(DeniedError):
        await rig.pipeline.write_parameter(PUMP, "limit_high", 70.0, VIEWER)


async def test_plain_write_travels_as_the_binding_says(rig: Rig) -> None:
    await rig.live(state=1)
    call = asyncio.ensure_future(rig.pipeline.write_parameter(PUMP, "limit_high", 70.0, OPERATOR))
    command_id = await rig.sender.next_id()
    assert rig.sender.sent[-1][3:] == ("set_threshold", {"name": "limit_high", "value": 70.0})
    rig.answer(command_id, limit_high=70.0)
    assert (await call).ok
    assert rig.plant.device("pump-1").points["limit_high"].value == 70.0


@pytest.mark.parametrize(
    ("parameter", "value", "code"),
    [
        ("temperature", 1.0, status.BAD_NOT_WRITABLE),
        ("nothing", 1.0, status.BAD_NODE_ID_UNKNOWN),
        ("limit_high", "x", status.BAD_TYPE_MISMATCH),
        ("limit_high", True, status.BAD_TYPE_MISMATCH),
        ("limit_high", -1.0, status.BAD_OUT_OF_RANGE),
        ("limit_high", float("inf"), status.BAD_OUT_OF_RANGE),
        ("limit_high", 10**400, status.BAD_OUT_OF_RANGE),
    ],
)
async def test_plain_write_refused_before_the_device(rig: Rig, parameter: str, value: Scalar, code: int) -> None:
    await rig.live(state=1)
    assert (await rig.pipeline.write_parameter(PUMP, parameter, value, OPERATOR)).status == code
    assert rig.sender.sent == []


async def test_what_a_type_cannot_carry_is_left_out_of_an_answer(rig: Rig) -> None:
    # 70000 in a Byte cannot be encoded; the device's other words still count.
    await rig.live(state=1)
    call = asyncio.ensure_future(rig.pipeline.submit(Command(PUMP, "trip", {}, OPERATOR)))
    rig.answer(await rig.sender.next_id(), state=70_000, note="jammed")
    assert (await call).ok
    assert rig.plant.device("pump-1").points["state"].value == 1
    assert rig.plant.device("pump-1").points["note"].value == "jammed"


async def test_an_answer_with_another_devices_topic_does_not_confirm(rig: Rig) -> None:
    await rig.live(state=1)
    call = asyncio.ensure_future(rig.pipeline.submit(Command(PUMP, "trip", {}, OPERATOR)))
    command_id = await rig.sender.next_id()
    rig.pipeline.answered(CommandResponse(command_id, "done", "", {}, rig.clock.now(), DeviceId("pump-2")))
    assert not call.done()
    rig.answer(command_id)
    assert (await call).ok


async def test_acknowledge_needs_the_right_and_leaves_a_record(rig: Rig) -> None:
    await rig.live(temperature=120.0)
    with pytest.raises(DeniedError):
        await rig.pipeline.acknowledge("pump-1/Alarms/temperature", None, "", VIEWER)
    event = await rig.pipeline.acknowledge("pump-1/Alarms/temperature", None, "seen", OPERATOR)
    assert event.acked
    assert rig.points.events[-1] is event
    assert [record[5:8] for record in rig.points.audits] == [
        ("acknowledge", "pump-1/Alarms/temperature", "BadUserAccessDenied"),
        ("acknowledge", "pump-1/Alarms/temperature", "Good"),
    ]


async def test_silence_travels_the_same_way(rig: Rig) -> None:
    await rig.live(temperature=20.0)
    rig.clock.advance(6)
    await rig.pipeline.tick()
    assert rig.points.updates[-1].kind is UpdateKind.STALE
    assert rig.history.recorded[-1].status == status.UNCERTAIN_LAST_USABLE_VALUE
    assert rig.pipeline.counters()["stale_values"] == 1
