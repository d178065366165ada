"""Actions as clients see them: who may, what is refused with which number, what the value tells, how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

import server.fdi
from server.core.errors import DeniedError, IntegrationError
from server.core.texts import Texts
from server.core.values import Caller
from server.fdi.actions import service
from server.fdi.actions.data import MethodData
from server.fdi.actions.pacing import Pacer
from server.fdi.actions.runner import ActionRunner
from server.fdi.actions.service import ActionLimits, ActionService
from server.fdi.actions.turns import DeviceTurns
from server.fdi.methods.limits import MethodLimits
from server.fdi.methods.outcome import Commit
from server.fdi.methods.requests import (
    Acknowledge,
    Cancelled,
    Choice,
    CommandDone,
    Delay,
    Display,
    Inform,
    InputParameter,
    Ok,
    Select,
    SendCommand,
    ShowMenu,
    Value,
)
from server.model.lock import NETWORK, Locks, owner_of
from server.security.audit import AuditTrail
from tests.kit.actions import (
    ENGINEER,
    OPERATOR,
    Script,
    ScriptedAccess,
    ScriptedKept,
    ScriptedMachine,
    Things,
    maker,
    settle,
    thing,
)

NS = "{http://fdi-cooperation.com/2010/client}"
SCHEMA = xmlschema.XMLSchema(str(Path(server.fdi.__file__).parent / "client.xsd"))
HI = Texts.of("hi", ru="привет")
METHODS = """
METHOD guided { LABEL "|en|Guided|ru|Ведомый"; CLASS SERVICE; DEFINITION { } }
METHOD simple { LABEL "Simple"; CLASS OPERATE; DEFINITION { } }
METHOD online_only { LABEL "On"; ACCESS ONLINE; DEFINITION { } }
METHOD offline_only { LABEL "Off"; ACCESS OFFLINE; DEFINITION { } }
METHOD when_on { LABEL "When"; VALIDITY IF (mode == 1) { TRUE; } ELSE { FALSE; } DEFINITION { } }
METHOD taking (long amount, DD_STRING why) { LABEL "Taking"; DEFINITION { } }
METHOD internal { LABEL "Internal"; PRIVATE TRUE; DEFINITION { } }
MENU shown_menu { LABEL "Shown"; ITEMS { level, IF (mode == 1) { limit } } }
MENU device_root_menu { LABEL "M"; ITEMS { guided, simple, online_only, offline_only, when_on, taking, internal } }
"""
ACKNOWLEDGED = "<AcknowledgementResponse/>"


def script(*requests: object, result: int = 0) -> Callable[[MethodData], Script]:
    def program(data: MethodData) -> Script:
        for request in requests:  # noqa: UP028  # what is sent in must not reach the tuple's iterator
            yield request  # type: ignore[misc]
        return result

    return program


class Sleep:
    """A sleep that lasts until the test lets it end."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def __call__(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((seconds, future))
        await future

    def pass_(self) -> list[float]:
        """Everything that sleeps now wakes up; how long each wanted to sleep."""
        woken = [(seconds, future) for seconds, future in self.waiting if not future.done()]
        self.waiting.clear()
        for _, future in woken:
            future.set_result(None)
        return [seconds for seconds, _ in woken]


class Room:
    """A service with scripts for METHODs and a lock that the engineer holds."""

    def __init__(
        self,
        *scripts: Callable[[MethodData], Script],
        limits: ActionLimits | None = None,
        farewell: tuple[object, ...] = (),
        seconds: float = 60.0,
        wait_s: float = 5.0,
        commit: Commit = Commit.DISCARD,
    ) -> None:
        self.things = Things(thing(METHODS))
        self.access = ScriptedAccess()
        self.locks = Locks(self.things.clock)
        self.make = maker(*(scripts or (script(),)), farewell=farewell, commit=commit)
        self.runner = ActionRunner(
            self.things.plant,
            self.things.live,
            self.access,
            self.things.clock,
            self.make,
            kept=ScriptedKept(),
            limits=MethodLimits(seconds=seconds),
            pacer=Pacer(sleep=lambda _seconds: asyncio.sleep(0)),
            turns=DeviceTurns(wait_s=wait_s),
        )
        self.sleep = Sleep()
        self.service = ActionService(self.things.plant, self.locks, self.runner, limits=limits, sleep=self.sleep)
        self.states: list[str] = []
        self.gone: list[str] = []
        self.service.on_changed.append(lambda action_id: self.states.append(self.state(action_id)))
        self.service.on_gone.append(self.gone.append)
        self.locks.init_lock("thing-1", "", owner_of(ENGINEER))

    @property
    def made(self) -> list[ScriptedMachine]:
        return self.make.made  # type: ignore[attr-defined,no-any-return]

    def root(self, action_id: str, *locales: str) -> etree._Element:
        return etree.fromstring(self.service.value(action_id, locales).encode())

    def state(self, action_id: str) -> str:
        return self.root(action_id).get("State") or ""

    async def start(self, name: str = "guided", arguments: str = "") -> str:
        action_id, error = self.service.invoke("thing-1", name, arguments, ENGINEER, online=True)
        assert error == 0
        await settle()
        return action_id

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Room]:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.service.run())
            await settle(2)
            yield self
            await self.service.stop()


# ---- who may, and what is refused


async def test_an_action_needs_the_lock_of_its_caller() -> None:
    async with Room().open() as room:
        other = replace(ENGINEER, session="s9")
        assert room.service.invoke("thing-1", "guided", "", other, online=True) == ("", -1)
        room.locks.exit_lock("thing-1", owner_of(ENGINEER))
        assert room.service.invoke("thing-1", "guided", "", ENGINEER, online=True) == ("", -1)
        room.locks.init_lock(NETWORK, "", owner_of(ENGINEER))
        assert room.service.invoke("thing-1", "guided", "", ENGINEER, online=True)[1] == 0


@pytest.mark.parametrize(
    ("device", "name", "arguments", "online", "error"),
    [
        ("thing-1", "nothing", "", True, -2),
        ("nobody", "guided", "", True, -2),
        ("thing-1", "internal", "", True, -2),
        ("thing-1", "online_only", "", False, -2),
        ("thing-1", "offline_only", "", True, -2),
        ("thing-1", "offline_only", "", False, 0),
        ("thing-1", "guided", '<MethodArguments><Argument Name="x">1</Argument></MethodArguments>', True, -3),
        ("thing-1", "taking", "", True, -3),
        ("thing-1", "taking", '<MethodArguments><Argument Name="amount">5</Argument>'
                              '<Argument Name="why">so</Argument></MethodArguments>', True, 0),
        ("thing-1", "when_on", "", True, 0),
    ],
)  # fmt: skip
async def test_what_cannot_start_is_answered_with_its_number(
    device: str, name: str, arguments: str, online: bool, error: int
) -> None:
    async with Room().open() as room:
        action_id, answer = room.service.invoke(device, name, arguments, ENGINEER, online=online)
        assert (answer, bool(action_id)) == (error, error == 0)


async def test_validity_silence_and_limits_refuse() -> None:
    async with Room(script(Acknowledge(HI)), limits=ActionLimits(per_device=1)).open() as room:
        room.things.heard(mode=0)
        assert room.service.invoke("thing-1", "when_on", "", ENGINEER, online=True) == ("", -5)
        await room.start()
        assert room.service.invoke("thing-1", "guided", "", ENGINEER, online=True) == ("", -5)
    assert room.service.invoke("thing-1", "guided", "", ENGINEER, online=True) == ("", -5)  # nothing runs it any more
    silent = Room()
    silent.things.silence()
    silent.locks.init_lock("thing-1", "", owner_of(ENGINEER))
    async with silent.open():
        assert silent.service.invoke("thing-1", "online_only", "", ENGINEER, online=True) == ("", -4)
        assert silent.service.invoke("thing-1", "guided", "", ENGINEER, online=True)[1] == 0


async def test_operators_run_methods_of_class_operate_only() -> None:
    async with Room().open() as room:
        room.locks.exit_lock("thing-1", owner_of(ENGINEER))
        room.locks.init_lock("thing-1", "", owner_of(OPERATOR))
        assert room.service.invoke("thing-1", "simple", "", OPERATOR, online=True)[1] == 0
        with pytest.raises(DeniedError):
            room.service.invoke("thing-1", "guided", "", OPERATOR, online=True)
        with pytest.raises(DeniedError):
            room.service.invoke("thing-1", "simple", "", Caller("eve", "viewer", "opcua"), online=True)


async def test_only_its_creator_answers_and_aborts() -> None:
    async with Room(script(Acknowledge(HI))).open() as room:
        action = await room.start()
        other = replace(ENGINEER, session="s9")
        assert room.service.respond(action, ACKNOWLEDGED, other) == -2
        assert room.service.abort(action, other) == -2
        assert room.service.owner(action) == owner_of(ENGINEER)
        assert room.service.device_of(action) == "thing-1"
        assert (room.service.owner("nothing"), room.service.value("nothing")) == (None, "")
        assert room.service.respond(action, ACKNOWLEDGED, ENGINEER) == 0


# ---- a dialog from begin to end


async def test_a_guided_action_from_its_first_dialog_to_its_end() -> None:
    requests = (
        Inform(HI),
        Acknowledge(HI),
        SendCommand(1),
        Select(HI, (Texts.of("Yes"), Texts.of("No"))),
        InputParameter(HI, "limit"),
    )
    async with Room(script(*requests, result=7)).open() as room:
        action = await room.start()
        assert room.state(action) == "WaitingForResponse"
        assert room.root(action, "ru").findtext(f"{NS}Label") == "Ведомый"
        assert room.root(action, "ru").findtext(f".//{NS}Prompt") == "привет"
        # A wrong answer changes nothing: the Action goes on waiting.
        assert room.service.respond(action, "<SelectionResponse><Value>0</Value></SelectionResponse>", ENGINEER) == -3
        assert room.service.respond(action, ACKNOWLEDGED, ENGINEER) == 0
        assert room.service.respond(action, ACKNOWLEDGED, ENGINEER) == -5  # the same answer twice
        await settle()
        assert room.access.asked == [("command", 1)]
        assert room.service.respond(action, "<SelectionResponse><Value>2</Value></SelectionResponse>", ENGINEER) == -3
        assert room.service.respond(action, "<SelectionResponse><Value>1</Value></SelectionResponse>", ENGINEER) == 0
        await settle()
        entered = "<ParameterInputResponse><InputValue>{}</InputValue></ParameterInputResponse>"
        assert room.service.respond(action, entered.format(101), ENGINEER) == -3
        assert room.service.respond(action, entered.format(60), ENGINEER) == 0
        await settle()
        assert room.made[0].answers == [Ok(), Ok(), CommandDone(), Choice(1), Value(60.0)]
        root = room.root(action)
        assert (root.get("State"), root.findtext(f"{NS}Result")) == ("Completed", "7")
        assert room.service.respond(action, ACKNOWLEDGED, ENGINEER) == -5
        assert room.service.abort(action, ENGINEER) == -5
        assert room.states == [
            "Executing", "WaitingForResponse", "Executing", "WaitingForResponse", "Executing", "WaitingForResponse",
            "Executing", "Completed",
        ]  # fmt: skip
        # The value stays for a while after the end, so that a client that subscribes late misses nothing.
        assert (room.gone, room.sleep.pass_()) == ([], [30.0])
        await settle()
        assert (room.gone, room.service.value(action), room.service.owner(action)) == ([action], "", None)


async def test_arguments_reach_the_method() -> None:
    seen: list[object] = []

    def program(data: MethodData) -> Script:
        seen.append(data.arguments)  # type: ignore[attr-defined]
        return 0
        yield

    async with Room(program).open() as room:
        await room.start(
            "taking",
            '<MethodArguments><Argument Name="why">so</Argument>'
            '<Argument Name="amount">-5</Argument></MethodArguments>',
        )
    assert seen == [(-5, "so")]


async def test_a_wait_tells_the_remaining_seconds_and_goes_by() -> None:
    async with Room(script(Delay(2.5, HI))).open() as room:
        action = await room.start()
        left = []
        for _ in range(3):
            delay = room.root(action).find(f"{NS}Delay")
            assert delay is not None
            left.append(delay.get("RemainingSeconds"))
            room.sleep.pass_()
            await settle()
        assert (left, room.state(action)) == (["2.5", "1.5", "0.5"], "Completed")


async def test_a_live_display_is_told_anew_until_it_is_read() -> None:
    async with Room(script(Display(HI, ("level",)))).open() as room:
        action = await room.start()
        room.things.heard(level=55.5)
        assert room.root(action).findtext(f".//{NS}Value") == "55.5"
        assert room.service.respond(action, ACKNOWLEDGED, ENGINEER) == 0
        await settle()
        assert room.state(action) == "Completed"


async def test_a_menu_of_a_method_shows_the_values_of_its_own_data_set() -> None:
    def program(data: MethodData) -> Script:
        data.assign("mode", 0)
        yield ShowMenu("shown_menu", (Texts.of("Next"), Texts.of("Cancel")))
        return 0

    async with Room(program).open() as room:
        action = await room.start()
        root = room.root(action)
        SCHEMA.validate(etree.tostring(root))
        assert [each.get("Path") for each in root.iter(f"{NS}Parameter")] == ["ParameterSet/level"]
        assert [each.findtext(f"{NS}Label") for each in root.iter(f"{NS}Button")] == ["Next", "Cancel"]
        room.service.targets = lambda device_id: lambda kind, name: f"{device_id}:{kind}:{name}"
        assert [each.get("Path") for each in room.root(action).iter(f"{NS}Parameter")] == ["thing-1:parameter:level"]
        assert room.service.respond(action, "<MenuResponse><Value>1</Value></MenuResponse>", ENGINEER) == 0
        await settle()
        assert room.made[0].answers == [Choice(1)]


# ---- how they end early


@pytest.mark.parametrize("request_", [Acknowledge(HI), Delay(60.0, HI)], ids=["dialog", "wait"])
@pytest.mark.parametrize("how", ["abort", "response"])
async def test_the_user_ends_it_in_the_middle(request_: object, how: str) -> None:
    async with Room(script(request_, SendCommand(1))).open() as room:
        action = await room.start()
        if how == "abort":
            assert room.service.abort(action, ENGINEER) == 0
            assert room.service.abort(action, ENGINEER) == -5
        else:
            expected = 0 if isinstance(request_, Acknowledge) else -5
            assert room.service.respond(action, "<AbortResponse/>", ENGINEER) == expected
            if expected:
                assert room.service.abort(action, ENGINEER) == 0
        assert room.state(action) == "Aborting"
        await settle()
        root = room.root(action)
        assert (root.get("State"), root.findtext(f"{NS}Error")) == ("Aborted", "given up")
        assert (room.made[0].answers, room.access.asked) == ([Cancelled()], [])


async def test_a_command_on_its_way_is_answered_before_the_action_ends() -> None:
    async with Room(script(SendCommand(1), Acknowledge(HI))).open() as room:
        answered = asyncio.Event()
        room.access.before = answered.wait
        action = await room.start()
        assert room.service.abort(action, ENGINEER) == 0
        await settle()
        assert room.state(action) == "Aborting"
        answered.set()
        await settle()
        assert (room.state(action), room.made[0].answers) == ("Aborted", [CommandDone()])


async def test_abort_methods_talk_to_the_device_and_wait_for_nobody() -> None:
    farewell = (Acknowledge(HI), SendCommand(2), Select(HI, (HI,)))
    async with Room(script(Acknowledge(HI)), farewell=farewell).open() as room:
        action = await room.start()
        room.service.abort(action, ENGINEER)
        await settle()
        assert (room.state(action), room.access.asked) == ("Aborted", [("command", 2)])
        assert room.made[0].answers == [Cancelled(), Ok(), CommandDone(), Cancelled()]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("exit", "the lock ended"),
        ("break", "the lock ended"),
        ("expire", "the lock ran out"),
        ("session", "the session ended"),
        ("closed", "the session ended"),
    ],
)
async def test_without_its_lock_or_session_an_action_is_aborted(how: str, told: str) -> None:
    # Its value and the audit trail do not say that a user did it.
    records: list[tuple[object, ...]] = []
    async with Room(script(Acknowledge(HI))).open() as room:
        room.service._trail = AuditTrail(lambda *record: records.append(record), room.things.clock)
        action = await room.start()
        if how == "exit":
            room.locks.exit_lock("thing-1", owner_of(ENGINEER))
        elif how == "break":
            room.locks.break_lock("thing-1")
        elif how == "expire":
            room.things.clock.advance(61.0)
            room.locks.tick()
        elif how == "session":
            room.locks.session_closed("s1")
        else:
            room.service.session_closed("s1")
        async with asyncio.timeout(10.0):
            while len(records) < 2:
                await settle()
        assert (room.state(action), room.root(action).findtext(f"{NS}Error")) == ("Aborted", told)
        assert [(record[5], record[8]) for record in records] == [
            ("invoke", "Executing"),
            ("action ended", f"Aborted: {told}"),
        ]


async def test_nobody_gets_a_lost_lock_while_abort_methods_run() -> None:
    async with Room(script(Acknowledge(HI)), farewell=(Delay(1.0, HI),)).open() as room:
        action = await room.start()
        room.locks.break_lock("thing-1")
        await settle()
        assert room.state(action) == "Aborting"
        assert not room.locks.state("thing-1").locked
        assert room.locks.init_lock("thing-1", "", owner_of(OPERATOR)) == -1
        room.sleep.pass_()
        await settle()
        assert room.state(action) == "Aborted"
        assert room.locks.init_lock("thing-1", "", owner_of(OPERATOR)) == 0


async def test_a_closed_session_leaves_the_device_free_for_others() -> None:
    async with Room(script(Acknowledge(HI)), farewell=(SendCommand(2),)).open() as room:
        action = await room.start()
        room.service.session_closed("s1")
        room.locks.session_closed("s1")
        await settle()
        assert room.state(action) == "Aborted"
        assert room.access.asked == [("command", 2)]
        assert room.locks.init_lock("thing-1", "", owner_of(OPERATOR)) == 0


async def test_abort_methods_that_do_not_end_keep_the_lock_from_others_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "LOCK_KEPT_S", 0.0)
    async with Room(script(Acknowledge(HI)), farewell=(Delay(1.0, HI),)).open() as room:
        action = await room.start()
        room.locks.session_closed("s1")
        await settle()
        assert room.state(action) == "Aborting"
        assert room.locks.init_lock("thing-1", "", owner_of(OPERATOR)) == 0
        room.sleep.pass_()


async def test_a_fault_in_showing_a_request_ends_its_action_only() -> None:
    async with Room(script(Acknowledge(HI)), script()).open() as room:
        faults: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))

        def broken(action_id: str) -> None:
            if room.state(action_id) == "WaitingForResponse":
                raise ZeroDivisionError

        room.service.on_changed.append(broken)
        action = await room.start()
        assert (room.state(action), room.root(action).findtext(f"{NS}Error")) == ("Failed", "internal fault")
        assert [type(fault["exception"]) for fault in faults] == [ZeroDivisionError]
        assert room.state(await room.start()) == "Completed"


async def test_a_disk_that_takes_no_audit_record_fails_the_action_and_nothing_else() -> None:
    def full(*_record: object) -> None:
        raise IntegrationError("disk full")

    async with Room().open() as room:
        room.service._trail = AuditTrail(full, room.things.clock)
        changed = asyncio.Event()
        room.service.on_changed.append(lambda _action_id: changed.set())
        action, _ = room.service.invoke("thing-1", "guided", "", ENGINEER, online=True)
        await asyncio.wait_for(changed.wait(), 10.0)
        assert (room.state(action), room.root(action).findtext(f"{NS}Error")) == ("Failed", "disk full")
        assert room.made == []  # it did not begin
        room.service._trail = None
        assert room.state(await room.start()) == "Completed"


async def test_a_menu_is_left_out_when_another_version_of_the_type_has_none() -> None:
    async with Room(script(ShowMenu("shown_menu", (Texts.of("Next"),)))).open() as room:
        action = await room.start()
        list(room.things.plant.replacing(replace(thing(METHODS), logic=None)).steps())
        assert list(room.root(action).iter(f"{NS}Parameter")) == []
        assert room.service.abort(action, ENGINEER) == 0


async def test_another_ones_lost_lock_or_session_changes_nothing() -> None:
    async with Room(script(Acknowledge(HI))).open() as room:
        action = await room.start()
        room.locks.init_lock("thing-2", "", owner_of(ENGINEER))
        room.locks.exit_lock("thing-2", owner_of(ENGINEER))
        room.service.session_closed("s9")
        await settle()
        assert room.state(action) == "WaitingForResponse"


async def test_answers_keep_the_lock_alive() -> None:
    async with Room(script(Acknowledge(HI), Acknowledge(HI))).open() as room:
        action = await room.start()
        room.things.clock.advance(50.0)
        assert room.service.respond(action, ACKNOWLEDGED, ENGINEER) == 0
        room.things.clock.advance(50.0)
        room.locks.tick()
        await settle()
        assert room.state(action) == "WaitingForResponse"


async def test_a_fault_of_the_method_fails_it_with_the_reason() -> None:
    def broken(data: MethodData) -> Script:
        raise ZeroDivisionError
        yield

    async with Room(broken).open() as room:
        root = room.root(await room.start())
        assert (root.get("State"), root.findtext(f"{NS}Error")) == ("Failed", "division by zero")


async def test_a_dialog_that_nobody_answers_ends_with_the_time() -> None:
    async with Room(script(Acknowledge(HI)), seconds=0.02).open() as room:
        ended = asyncio.Event()
        action = await room.start()
        room.service.on_changed.append(lambda _id: ended.set())
        await ended.wait()
        root = room.root(action)
        assert (root.get("State"), root.findtext(f"{NS}Error")) == ("Failed", "budget: time")


async def test_a_second_action_waits_for_the_first_and_fails_when_that_does_not_end() -> None:
    async with Room(script(Acknowledge(HI)), script(), wait_s=5.0).open() as room:
        first = await room.start()
        second = await room.start()
        assert room.state(second) == "Executing"
        room.service.respond(first, ACKNOWLEDGED, ENGINEER)
        await settle()
        assert room.state(second) == "Completed"
    async with Room(script(Acknowledge(HI)), wait_s=0.0).open() as room:
        await room.start()
        second = await room.start()
        await settle()
        assert room.root(second).findtext(f"{NS}Error") == "another METHOD runs on thing-1"


async def test_stopping_aborts_what_runs_and_leaves_nothing() -> None:
    room = Room(script(Acknowledge(HI)), farewell=(SendCommand(2),))
    async with room.open():
        action = await room.start()
    assert (room.access.asked, room.gone, room.service.owner(action)) == ([("command", 2)], [action], None)


async def test_values_that_the_device_refuses_at_the_end_fail_the_action() -> None:
    def program(data: MethodData) -> Script:
        data.assign("limit", 12.0)
        return 0
        yield

    room = Room(program, commit=Commit.SEND)
    room.access.codes["limit"] = 0x80AF0000  # BadInvalidState
    async with room.open():
        root = room.root(await room.start())
        assert (root.get("State"), room.access.asked) == ("Failed", [("write", "limit", 12.0)])
