"""How an EDD's communication reaches a device: what goes out, and which response code an outcome becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest

from server.core import status
from server.core.errors import DeniedError, LockedError
from server.core.status import StatusCode
from server.core.values import Caller, Command, CommandResult, DeviceId, Measurement, Scalar
from server.fdi.access import DeviceAccess
from server.fdi.methods.requests import CommandDone
from tests.kit.actions import BINDING, ENGINEER, Things, thing


class Line:
    """A flow that answers as told and remembers what was asked."""

    def __init__(self, things: Things) -> None:
        self.things = things
        self.asked: list[object] = []
        self.result = CommandResult(status.GOOD)
        self.error: Exception | None = None
        self.report: dict[str, Scalar] = {}

    async def submit(self, command: Command) -> CommandResult:
        self.asked.append((command.name, dict(command.params)))
        if self.error is not None:
            raise self.error
        if command.name == "report" and self.result.ok:
            self.things.heard(**{name: value for name, value in self.report.items() if name != "secret"})
            return CommandResult(status.GOOD, values=dict(self.report))
        return self.result

    async def write_parameter(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> CommandResult:
        self.asked.append((parameter, value))
        if self.error is not None:
            raise self.error
        return self.result

    async def offer(self, measurements: Sequence[Measurement]) -> object:
        for measurement in measurements:
            self.things.plant.apply(measurement, self.things.clock.now())
        return None


class Kept(dict[str, Scalar]):
    """LOCAL values that were kept."""

    def put_local(self, device_id: str, name: str, value: Scalar) -> None:
        self[name] = value


class Values(dict[str, Scalar]):
    """Values of a request."""

    def value(self, name: str) -> Scalar | None:
        return self.get(name)


def room(things: Things | None = None) -> tuple[DeviceAccess, Line, Kept]:
    things = things or Things()
    line, kept = Line(things), Kept()
    return DeviceAccess(line, things.plant, things.live, things.clock, local=kept), line, kept


async def test_a_command_goes_out_under_its_name_with_the_requests_values() -> None:
    access, line, _ = room()
    line.result = CommandResult(status.GOOD, values={"level": 3.0})
    done = await access.send_command("thing-1", 1, None, Values(limit=12), ENGINEER)
    # The number is the EDD's first SUCCESS code; a Double on the wire is never an integer.
    assert (done, line.asked) == (CommandDone(code=7, values={"level": 3.0}), [("start", {"limit": 12.0})])
    by_name = await access.send_command("thing-1", None, None, Values(limit=1.0), ENGINEER, name="command_start")
    assert by_name.code == 7


@pytest.mark.parametrize(
    ("code", "done"),
    [
        (status.BAD_INVALID_STATE, CommandDone(code=21)),
        (status.BAD_INVALID_ARGUMENT, CommandDone(code=22)),
        (status.BAD_DEVICE_FAILURE, CommandDone(code=23)),
        (status.BAD_TIMEOUT, CommandDone(comm_error=1)),
        (status.BAD_NO_COMMUNICATION, CommandDone(comm_error=2, no_device=True)),
        (status.BAD_METHOD_INVALID, CommandDone(code=64)),
    ],
)
async def test_outcomes_become_the_edds_response_codes(code: StatusCode, done: CommandDone) -> None:
    access, line, _ = room()
    line.result = CommandResult(code)
    assert await access.send_command("thing-1", 1, None, Values(limit=1.0), ENGINEER) == done


@pytest.mark.parametrize(
    ("code", "expected"),
    [(status.BAD_INVALID_STATE, 16), (status.BAD_OUT_OF_RANGE, 2), (status.BAD_DEVICE_FAILURE, 1)],
)
async def test_without_response_codes_the_common_ones_stand_in(code: StatusCode, expected: int) -> None:
    access, line, _ = room()
    line.result = CommandResult(code)
    assert (await access.send_command("thing-1", 2, None, Values(limit=1.0), ENGINEER)).code == expected


@pytest.mark.parametrize("error", [LockedError("taken"), DeniedError("no")], ids=["locked", "denied"])
async def test_a_refusal_is_an_answer_not_an_exception(error: Exception) -> None:
    access, line, _ = room()
    line.error = error
    assert (await access.send_command("thing-1", 1, None, Values(limit=1.0), ENGINEER)).code == 16
    assert await access.write("thing-1", "limit", 1.0, ENGINEER) in (status.BAD_LOCKED, status.BAD_USER_ACCESS_DENIED)


@pytest.mark.parametrize("number", [4, 99, -1], ids=["no binding", "unknown", "negative"])
async def test_a_command_that_nothing_carries_is_not_implemented(number: int) -> None:
    access, line, _ = room()
    assert (await access.send_command("thing-1", number, None, Values(), ENGINEER)).code == 64
    assert line.asked == []


async def test_a_value_that_is_not_known_is_missing_in_the_request() -> None:
    access, line, _ = room()
    assert (await access.send_command("thing-1", 1, None, Values(), ENGINEER)).code == 22
    assert (await access.send_command("thing-1", 2, None, Values(), ENGINEER)).code == 5
    assert line.asked == []


async def test_write_and_read_commands_without_a_binding_use_parameters() -> None:
    access, line, _ = room()
    line.report = {"level": 77.0, "limit": 41.0}
    assert await access.send_command("thing-1", 2, None, Values(limit=33.0), ENGINEER) == CommandDone()
    done = await access.send_command("thing-1", 3, None, Values(), ENGINEER)
    assert (done.code, done.values, line.asked) == (0, {"level": 77.0}, [("limit", 33.0), ("report", {})])


async def test_reading_asks_the_device_where_the_package_has_a_command_for_it() -> None:
    access, line, _ = room()
    line.report = {"level": 77.0, "limit": 41.0, "secret": 5.0}
    found = await access.read("thing-1", ("level", "secret", "nothing", "level"), ENGINEER)
    assert found == {
        "level": (77.0, status.GOOD),
        "secret": (5.0, status.GOOD),
        "nothing": (None, status.BAD_NODE_ID_UNKNOWN),
    }
    assert line.asked == [("report", {})]


async def test_without_such_a_command_the_last_reported_values_count() -> None:
    binding = 'type = "thing"\n[[message]]\ntopic = "things/{device}/raw"\nvalues = "/values"\n'
    access, line, _ = room(Things(thing(binding=binding)))
    assert await access.read("thing-1", ("level", "mode"), ENGINEER) == {
        "level": (10.0, status.GOOD),
        "mode": (1, status.GOOD),
    }
    assert line.asked == []


async def test_a_silent_device_is_not_asked_and_a_failing_one_tells_why() -> None:
    things = Things()
    access, line, _ = room(things)
    line.result = CommandResult(status.BAD_TIMEOUT)
    assert await access.read("thing-1", ("level",), ENGINEER) == {"level": (10.0, status.BAD_TIMEOUT)}
    things.silence()
    assert await access.read("thing-1", ("level",), ENGINEER) == {"level": (10.0, status.BAD_NOT_CONNECTED)}
    assert await access.refresh("thing-1", ENGINEER) == status.BAD_NOT_CONNECTED
    assert line.asked == [("report", {})]


async def test_local_values_live_in_the_server_whatever_their_handling() -> None:
    things = Things()
    access, line, kept = room(things)
    assert await access.keep_local("thing-1", "count", 9) == status.GOOD  # HANDLING READ: a METHOD's result
    assert (kept["count"], things.plant.device("thing-1").points["count"].value) == (9, 9)
    assert await access.keep_local("thing-1", "count", 70_000) == status.BAD_OUT_OF_RANGE
    assert await access.keep_local("thing-1", "limit", 9.0) == status.BAD_NOT_WRITABLE
    assert await access.keep_local("thing-1", "nothing", 9.0) == status.BAD_NOT_WRITABLE
    assert await access.write("thing-1", "secret", 9.0, ENGINEER) == status.BAD_NOT_WRITABLE
    assert await access.write("nobody", "limit", 9.0, ENGINEER) == status.BAD_NOT_FOUND
    assert line.asked == []


class Hooks:
    """Read actions that refuse, or double what was read."""

    def __init__(self, code: StatusCode, only: str = "") -> None:
        self.code = code
        self.only = only  # the parameter that is refused; all of them without
        self.ran: list[str] = []

    async def before_read(self, device_id: str, names: Iterable[str], caller: Caller) -> StatusCode:
        return self.code if not self.only or self.only in names else status.GOOD

    async def after_command(self, device_id: str, methods: Sequence[str], caller: Caller) -> StatusCode:
        self.ran += methods
        return self.code

    async def after_read(
        self, device_id: str, found: Mapping[str, tuple[Scalar | None, StatusCode]], caller: Caller
    ) -> dict[str, tuple[Scalar | None, StatusCode]]:
        return {name: (2 * value if isinstance(value, float) else value, code) for name, (value, code) in found.items()}


async def test_read_actions_come_before_and_after() -> None:
    access, line, _ = room()
    line.report = {"level": 4.0}
    access.hooks = Hooks(status.BAD_INVALID_STATE)
    assert await access.read("thing-1", ("level",), ENGINEER) == {"level": (None, status.BAD_INVALID_STATE)}
    assert line.asked == []
    access.hooks = Hooks(status.GOOD)
    assert await access.read("thing-1", ("level",), ENGINEER) == {"level": (8.0, status.GOOD)}


async def test_an_action_that_gives_up_before_reading_a_value_leaves_the_others_readable() -> None:
    access, line, _ = room()
    line.report = {"level": 4.0}
    access.hooks = Hooks(status.BAD_INVALID_STATE, only="limit")
    assert await access.read("thing-1", ("limit", "level"), ENGINEER) == {
        "limit": (None, status.BAD_INVALID_STATE),
        "level": (8.0, status.GOOD),
    }


AFTER = """
METHOD check { LABEL "Check"; DEFINITION { } }
COMMAND command_stop { NUMBER 8; OPERATION COMMAND;
    TRANSACTION { REQUEST { } REPLY { } POST_RQSTRECEIVE_ACTIONS { check } } }
"""


@pytest.mark.parametrize(
    ("outcome", "after", "code", "ran"),
    [
        (status.GOOD, status.GOOD, 0, ["check"]),
        (status.GOOD, status.BAD_INVALID_STATE, 16, ["check"]),
        (status.BAD_DEVICE_FAILURE, status.GOOD, 1, ["check"]),
        (status.BAD_TIMEOUT, status.GOOD, 0, []),
    ],
    ids=["done", "the action refuses", "the device failed", "no answer"],
)
async def test_actions_after_a_command_run_once_an_answer_has_come(
    outcome: StatusCode, after: StatusCode, code: int, ran: list[str]
) -> None:
    more = BINDING + '[[command]]\nname = "stop"\n'
    access, line, _ = room(Things(thing(AFTER, binding=more)))
    line.result = CommandResult(outcome)
    hooks = access.hooks = Hooks(after)
    assert (await access.send_command("thing-1", 8, None, Values(), ENGINEER)).code == code
    assert hooks.ran == ran
