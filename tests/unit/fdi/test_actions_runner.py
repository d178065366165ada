"""METHODs on the event loop: fairness, ends, one at a time on a device, and pre and post actions."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from server.core import status
from server.core.status import StatusCode
from server.core.texts import Texts
from server.core.values import DeviceId, Scalar
from server.fdi.actions.communication import MethodLine
from server.fdi.actions.data import MethodData
from server.fdi.actions.driver import LEAST_STEPS, MachineDriver
from server.fdi.actions.pacing import Pacer
from server.fdi.actions.runner import ActionRunner
from server.fdi.actions.turns import BusyError, DeviceTurns
from server.fdi.methods.host import ValueRefusedError
from server.fdi.methods.limits import MethodLimits
from server.fdi.methods.outcome import Aborted, Commit, Failed, Finished
from server.fdi.methods.requests import (
    Acknowledge,
    Answer,
    Cancelled,
    CommandDone,
    Communication,
    Delay,
    Dialog,
    Inform,
    Ok,
    ReadValue,
    Request,
    SaveValues,
    SendAll,
    SendCommand,
    SendValue,
    Transfer,
)
from tests.kit.actions import (
    ENGINEER,
    Script,
    ScriptedAccess,
    ScriptedKept,
    ScriptedMachine,
    Things,
    maker,
    settle,
    thing,
)

HI = Texts.of("hi")


class Time:
    """A timer and a sleep that know each other; sleeping is remembered."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def timer(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class PlainDesk:
    """Answers everything well."""

    abort_wanted = False

    def __init__(self, answers: Callable[[Request], Answer] | None = None) -> None:
        self.asked: list[Request] = []
        self._answers = answers or (lambda _request: Ok())

    async def dialog(self, request: Dialog, refreshed: Callable[[], Request | None]) -> Answer:
        self.asked.append(request)
        return self._answers(request)

    async def delay(self, request: Delay) -> Answer:
        self.asked.append(request)
        return self._answers(request)

    async def communicate(self, request: Communication) -> Answer:
        self.asked.append(request)
        return CommandDone()


def busy(time: Time, slices: int, took: float) -> Script:
    for _ in range(slices):
        time.now += took
        yield None
    return 0


# ---- fairness


async def test_a_method_gets_a_fifth_of_the_time() -> None:
    time = Time()
    pacer = Pacer(timer=time.timer, sleep=time.sleep)
    machine = ScriptedMachine(busy(time, 100, 0.001))
    await MachineDriver(pacer).drive(machine, PlainDesk())
    # 100 slices of 1 ms with 4 ms between two of them.
    assert time.now == pytest.approx(0.1 + 100 * 0.004)


async def test_several_methods_share_that_fifth_and_take_turns() -> None:
    time = Time()
    pacer = Pacer(timer=time.timer, sleep=time.sleep)
    machines = [ScriptedMachine(busy(time, 10, 0.001)) for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for machine in machines:
            group.create_task(MachineDriver(pacer).drive(machine, PlainDesk()))
    assert time.now == pytest.approx(40 * 0.005, rel=0.05)


async def test_slices_that_take_long_become_shorter_and_grow_again() -> None:
    time = Time()

    def program() -> Script:
        yield from busy(time, 20, 0.05)
        yield from busy(time, 20, 0.0001)
        return 0

    machine = ScriptedMachine(program())
    await MachineDriver(Pacer(timer=time.timer, sleep=time.sleep)).drive(machine, PlainDesk())
    assert machine.steps[0] == 2_000
    assert min(machine.steps) == LEAST_STEPS
    assert machine.steps[-1] == 2_000


async def test_work_done_for_methods_counts_too() -> None:
    time = Time()
    pacer = Pacer(timer=time.timer, sleep=time.sleep)
    pacer.charge(0.01)
    await pacer.turn(lambda: None)
    assert time.slept == [pytest.approx(0.04)]


# ---- ends


async def test_a_method_ends_when_its_time_is_up_and_its_abort_methods_still_reach_the_device() -> None:
    def program() -> Script:
        yield Delay(1.0, HI)
        return 0

    class Slow(PlainDesk):
        async def delay(self, request: Delay) -> Answer:
            await asyncio.Event().wait()
            return Ok()

    machine = ScriptedMachine(program(), farewell=(Acknowledge(HI), SendCommand(2), Delay(5.0, HI)))
    desk = Slow()
    ended = await MachineDriver(Pacer(), MethodLimits(seconds=0.05)).drive(machine, desk)
    assert ended == Failed("budget: time", None)
    assert desk.asked == [SendCommand(2)]
    assert machine.answers == [Ok(), CommandDone(), Ok()]


async def test_abort_methods_without_end_are_cut_off() -> None:
    def endless() -> Script:
        while True:
            yield None

    class Stubborn(ScriptedMachine):
        def user_abort(self) -> None:
            pass

    driver = MachineDriver(Pacer(), MethodLimits(seconds=0.02), abort_s=0.02)
    assert await driver.drive(Stubborn(endless()), PlainDesk()) == Failed("budget: time", None)


async def test_a_host_without_block_transfers_does_not_abort_the_method() -> None:
    class NoTransfers(PlainDesk):
        async def communicate(self, request: Communication) -> Answer:
            return Cancelled()

    def program() -> Script:
        yield Transfer("openTransferPort", ())
        return 3

    machine = ScriptedMachine(program())
    assert await MachineDriver(Pacer()).drive(machine, NoTransfers()) == Finished(3, Commit.DISCARD)


# ---- one at a time


async def test_a_second_method_waits_for_the_first_and_gives_up_in_time() -> None:
    turns = DeviceTurns(wait_s=0.02)
    async with turns.of("a"):

        async def second(device: str) -> str:
            try:
                async with turns.of(device):
                    return "in"
            except BusyError as error:
                assert error.status == status.BAD_INVALID_STATE
                return "busy"

        # Tasks of their own contexts: what this one holds does not count for them.
        loop = asyncio.get_running_loop()
        assert await loop.create_task(second("a"), context=contextvars.Context()) == "busy"
        assert await loop.create_task(second("b"), context=contextvars.Context()) == "in"
    async with turns.of("a"):
        pass


async def test_a_line_that_is_too_long_is_refused_at_once() -> None:
    turns = DeviceTurns(wait_s=5.0, waiting=1)
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with turns.of("a"):
            inside.set()
            await leave.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())
        await inside.wait()
        group.create_task(hold())
        await settle()
        with pytest.raises(BusyError):
            async with turns.of("a"):
                pass
        leave.set()


async def test_actions_that_set_one_another_off_are_part_of_one_method_and_bounded() -> None:
    turns = DeviceTurns(depth=2)
    async with turns.of("a"), turns.of("a"):
        with pytest.raises(BusyError):
            async with turns.of("a"):
                pass


# ---- pre and post actions

WRITING = """
METHOD first { LABEL "1"; DEFINITION { } }
METHOD second { LABEL "2"; DEFINITION { } }
VARIABLE guarded { LABEL "G"; TYPE DOUBLE; PRE_WRITE_ACTIONS { first, second } POST_WRITE_ACTIONS { first }
    POST_READ_ACTIONS { first } PRE_READ_ACTIONS { second } POST_EDIT_ACTIONS { first } }
VARIABLE choosy { LABEL "C"; TYPE DOUBLE; PRE_WRITE_ACTIONS { IF (guarded > 1.0) { first } } }
REFRESH fresh { guarded : level }
VARIABLE scale { LABEL "S"; TYPE ENUMERATED { { 0, "bar" }, { 1, "kPa" } } }
UNIT scales { scale : level }
"""


class Room:
    """A runner with scripts for machines."""

    def __init__(self, *scripts: Callable[[MethodData], Script], commit: Commit = Commit.DISCARD) -> None:
        self.things = Things(thing(WRITING))
        self.access = ScriptedAccess()
        self.kept = ScriptedKept()
        self.make = maker(*scripts, commit=commit)
        self.runner = ActionRunner(
            self.things.plant, self.things.live, self.access, self.things.clock, self.make, kept=self.kept
        )

    @property
    def made(self) -> list[ScriptedMachine]:
        return self.make.made  # type: ignore[attr-defined,no-any-return]

    async def before(self, value: Scalar, name: str = "guarded") -> tuple[StatusCode, Scalar]:
        return await self.runner.before_write(DeviceId("thing-1"), name, value, ENGINEER)


def adding(amount: float) -> Callable[[MethodData], Script]:
    def script(data: MethodData) -> Script:
        this = data.this  # type: ignore[attr-defined]
        this.value += amount
        return 0
        yield

    return script


def asking(request: Request) -> Callable[[MethodData], Script]:
    def script(data: MethodData) -> Script:
        yield request
        return 0

    return script


def assigning(name: str, value: Scalar) -> Callable[[MethodData], Script]:
    def script(data: MethodData) -> Script:
        data.assign(name, value)
        return 0
        yield

    return script


async def test_no_actions_cost_no_machine() -> None:
    room = Room(adding(1.0))
    assert await room.before(3.0, "limit") == (status.GOOD, 3.0)
    assert await room.runner.after_write(DeviceId("thing-1"), "limit", 3.0, ENGINEER) == status.GOOD
    assert await room.runner.before_write(DeviceId("nobody"), "limit", 3.0, ENGINEER) == (status.GOOD, 3.0)
    assert (room.made, room.access.asked) == ([], [])


async def test_actions_of_a_list_run_in_order_over_the_same_value() -> None:
    room = Room(adding(1.0), adding(10.0))
    assert await room.before(5.0) == (status.GOOD, 16.0)
    assert len(room.made) == 2


async def test_an_assignment_by_name_is_the_value_under_processing_too() -> None:
    room = Room(assigning("guarded", 2.5), adding(1.0))
    assert await room.before(5.0) == (status.GOOD, 3.5)
    assert room.access.asked == []


@pytest.mark.parametrize("request_", [Acknowledge(HI)], ids=["acknowledge"])
async def test_a_dialog_without_a_user_refuses_the_write(request_: Request) -> None:
    room = Room(asking(request_), adding(1.0))
    assert await room.before(5.0) == (status.BAD_INVALID_STATE, 5.0)
    assert (len(room.made), room.made[0].answers) == (1, [Cancelled()])


async def test_messages_are_kept_and_do_not_refuse() -> None:
    room = Room(asking(Inform(HI)))
    outcome = await room.runner.run_hooks("thing-1", "guarded", "POST_WRITE_ACTIONS", 1.0, None, ENGINEER)
    assert (outcome.status, outcome.messages) == (status.GOOD, (HI,))


async def test_a_failing_action_before_refuses_and_after_is_told() -> None:
    def broken(data: MethodData) -> Script:
        raise ZeroDivisionError
        yield

    room = Room(broken)
    assert (await room.before(5.0))[0] == status.BAD_INVALID_STATE
    assert (
        await room.runner.after_write(DeviceId("thing-1"), "guarded", 5.0, ENGINEER) == status.GOOD_POST_ACTION_FAILED
    )
    # A REFRESH relation counts all the same: the value was written.
    assert room.access.asked == [("refresh",)]


async def test_a_new_unit_has_the_values_in_it_read_anew() -> None:
    # eddl.md 5.4: changing the unit makes them stale.
    room = Room()
    assert await room.runner.after_write(DeviceId("thing-1"), "scale", 1, ENGINEER) == status.GOOD
    assert room.access.asked == [("refresh",)]


async def test_actions_under_a_condition_that_cannot_be_told_refuse() -> None:
    room = Room(adding(1.0))
    assert await room.before(5.0, "choosy") == (status.BAD_INVALID_STATE, 5.0)
    room.things.heard(guarded=0.5)
    assert await room.before(5.0, "choosy") == (status.GOOD, 5.0)
    room.things.heard(guarded=1.5)
    assert await room.before(5.0, "choosy") == (status.GOOD, 6.0)


async def test_read_actions_may_change_or_refuse_what_was_read() -> None:
    room = Room(adding(1.0))
    found = {"guarded": (5.0, status.GOOD), "level": (1.0, status.GOOD)}
    assert await room.runner.after_read("thing-1", found, ENGINEER) == {
        "guarded": (6.0, status.GOOD),
        "level": (1.0, status.GOOD),
    }
    refusing = Room(asking(Acknowledge(HI)))
    assert await refusing.runner.before_read("thing-1", ("level",), ENGINEER) == status.GOOD
    assert await refusing.runner.before_read("thing-1", ("level", "guarded"), ENGINEER) == status.BAD_INVALID_STATE
    assert await refusing.runner.after_read("thing-1", found, ENGINEER) == {
        "guarded": (5.0, status.BAD_INVALID_STATE),
        "level": (1.0, status.GOOD),
    }


async def test_edit_actions_hand_their_assignments_to_the_edit_context_only_when_they_end_well() -> None:
    room = Room(assigning("limit", 12.0))
    given: dict[str, Scalar] = {}
    outcome = await room.runner.run_hooks(
        "thing-1", "guarded", "POST_EDIT_ACTIONS", 1.0, None, ENGINEER, assign=given.__setitem__
    )
    assert (outcome.status, given, room.access.asked) == (status.GOOD, {"limit": 12.0}, [])

    def then_asks(data: MethodData) -> Script:
        data.assign("limit", 13.0)
        yield Acknowledge(HI)
        return 0

    refusing = Room(then_asks)
    outcome = await refusing.runner.run_hooks(
        "thing-1", "guarded", "POST_EDIT_ACTIONS", 1.0, None, ENGINEER, assign=given.__setitem__
    )
    assert (outcome.status, given) == (status.BAD_INVALID_STATE, {"limit": 12.0})


# ---- what becomes of assigned values


@pytest.mark.parametrize(
    ("commit", "asked", "offline"),
    [
        (Commit.DISCARD, [("local", "count", 4)], {}),
        (Commit.SAVE, [("local", "count", 4)], {"limit": 12.0}),
        (Commit.SEND, [("local", "count", 4), ("write", "limit", 12.0)], {}),
    ],
    ids=["discard", "save", "send"],
)
async def test_the_end_policy_decides_over_assigned_values_and_local_ones_stay(
    commit: Commit, asked: list[object], offline: dict[str, Scalar]
) -> None:
    room = Room(adding(0.0))
    data = room.runner.data_of("thing-1", offline=False)
    data.assign("limit", 12)
    data.assign("count", 4.0)
    assert await room.runner.line_of("thing-1", data, ENGINEER).commit(commit) == status.GOOD
    assert (room.access.asked, room.kept.offline, data.pending) == (asked, offline, {})


def line(room: Room, *, offline: bool = False) -> tuple[MethodLine, MethodData]:
    data = room.runner.data_of("thing-1", offline=offline)
    return room.runner.line_of("thing-1", data, ENGINEER), data


async def test_sent_values_leave_the_data_set_and_the_first_refusal_ends_it() -> None:
    room = Room(adding(0.0))
    carried, data = line(room)
    data.assign("mode", 0)
    data.assign("limit", 12.0)
    room.access.codes["limit"] = status.BAD_INVALID_STATE
    assert await carried.carry_out(SendValue("mode")) == CommandDone()
    assert (data.pending, data.value("mode")) == ({"limit": 12.0}, 1)  # what the device reported counts again
    assert await carried.carry_out(SendAll()) == CommandDone(code=16)
    assert data.pending == {"limit": 12.0}
    assert await carried.carry_out(SendValue("nothing")) == CommandDone()


async def test_reading_anew_drops_what_was_assigned_and_keeps_private_values() -> None:
    room = Room(adding(0.0))
    carried, data = line(room)
    room.access.values = {"limit": 44.0, "secret": 8.0}
    data.assign("limit", 12.0)
    assert await carried.carry_out(ReadValue("limit")) == CommandDone(values={"limit": 44.0})
    assert await carried.carry_out(ReadValue("secret")) == CommandDone(values={"secret": 8.0})
    assert (data.pending, data.value("secret")) == ({}, 8.0)
    room.access.codes["limit"] = status.BAD_NOT_CONNECTED
    assert await carried.carry_out(ReadValue("limit")) == CommandDone(comm_error=2, no_device=True)


async def test_offline_nothing_goes_to_the_device() -> None:
    room = Room(adding(0.0))
    carried, data = line(room, offline=True)
    data.assign("limit", 12.0)
    assert await carried.carry_out(SendCommand(1)) == CommandDone(comm_error=1, no_device=True)
    assert await carried.carry_out(ReadValue("limit")) == CommandDone(comm_error=1, no_device=True)
    assert await carried.carry_out(SendAll()) == CommandDone()
    assert await carried.carry_out(Transfer("openTransferPort", ())) == Cancelled()
    assert (room.access.asked, room.kept.offline) == ([], {"limit": 12.0})


async def test_what_nobody_may_write_is_not_saved() -> None:
    room = Room(adding(0.0))
    carried, data = line(room)
    data.assign("level", 3.0)
    assert await carried.carry_out(SaveValues()) == CommandDone(code=16)
    assert room.kept.offline == {}


def test_a_value_out_of_range_is_refused_where_it_is_assigned() -> None:
    data = Room(adding(0.0)).runner.data_of("thing-1", offline=False)
    for name, value, code in (
        ("limit", 101.0, status.BAD_OUT_OF_RANGE),
        ("mode", 5, status.BAD_OUT_OF_RANGE),
        ("limit", "much", status.BAD_TYPE_MISMATCH),
        ("nothing", 1, status.BAD_NODE_ID_UNKNOWN),
    ):
        with pytest.raises(ValueRefusedError) as caught:
            data.assign(name, value)
        assert caught.value.status == code
    assert data.pending == {}


async def test_an_aborted_method_settles_nothing() -> None:
    def program(data: MethodData) -> Script:
        data.assign("count", 3)
        yield Acknowledge(HI)
        return 0

    room = Room(program, commit=Commit.SEND)
    carried, data = line(room)
    desk = PlainDesk(lambda _request: Cancelled())
    ended = await room.runner.run("thing-1", "first", (), data, carried, desk)
    assert (ended, room.access.asked) == (Aborted("given up"), [])


def test_log_entries_are_bounded() -> None:
    data = Room(adding(0.0)).runner.data_of("thing-1", offline=False)
    for number in range(150):
        data.log(1, f"{number}" + "x" * 1_000)
    assert (len(data.log_entries), data.log_left_out, len(data.log_entries[0][1])) == (100, 50, 500)


async def test_log_entries_of_a_method_reach_the_log() -> None:
    def program(data: MethodData) -> Script:
        data.log(2, "said")
        return 0
        yield

    room = Room(program)
    with capture_logs() as lines:
        assert await room.runner.after_command("thing-1", ("first", "second"), ENGINEER) == status.GOOD
    assert [(line["event"], line["method"], line["text"], line["priority"]) for line in lines] == [
        ("method_message", "first", "said", 2),
        ("method_message", "second", "said", 2),
    ]


async def test_a_refusing_action_after_a_command_is_told() -> None:
    assert (
        await Room(asking(Acknowledge(HI))).runner.after_command("thing-1", ("first",), ENGINEER)
        == status.BAD_INVALID_STATE
    )
