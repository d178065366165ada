"""METHODs without a machine: scripts that ask like one, a device access that remembers, a thing to run them on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from server.core import status
from server.core.clock import ManualClock
from server.core.status import StatusCode
from server.core.values import Caller, DeviceId, Measurement, Scalar
from server.fdi.actions.data import MethodData
from server.fdi.build import check_package
from server.fdi.logic.live import LiveLogic
from server.fdi.methods.outcome import Aborted, Commit, Failed, Finished, Outcome, Running, Waiting
from server.fdi.methods.requests import Answer, Cancelled, CommandDone, Request, Transfer
from server.model.device_type import DeviceType
from server.model.plant import Plant
from tests.kit.packages import make_package

ENGINEER = Caller("ann", "engineer", "opcua", session="s1", application="urn:client:a")
OPERATOR = Caller("bob", "operator", "opcua", session="s2", application="urn:client:b")
HEADER = "MANUFACTURER 1, DEVICE_TYPE 2, DEVICE_REVISION 3, DD_REVISION 4\n"
THING = """
VARIABLE level { LABEL "Level"; CLASS DYNAMIC; HANDLING READ; CONSTANT_UNIT "%"; TYPE DOUBLE; }
VARIABLE limit { LABEL "|en|Limit|ru|Предел"; HELP "How much."; CONSTANT_UNIT "%";
                 TYPE DOUBLE { MIN_VALUE 0.0; MAX_VALUE 100.0; DEFAULT_VALUE 50.0; } }
VARIABLE mode { LABEL "Mode"; TYPE ENUMERATED { { 0, "|en|Off|ru|Выкл" }, { 1, "On" } } }
VARIABLE count { LABEL "Count"; CLASS LOCAL; HANDLING READ; TYPE UNSIGNED_INTEGER (2); }
VARIABLE secret { PRIVATE TRUE; TYPE DOUBLE; }
VARIABLE note { LABEL "Note"; CLASS LOCAL; TYPE ASCII (8); }
COMMAND command_start { NUMBER 1; OPERATION COMMAND; TRANSACTION { REQUEST { limit } REPLY { level, secret } }
    RESPONSE_CODES { 7, SUCCESS, "Done"; 21, MODE_ERROR, "No"; 22, DATA_ENTRY_ERROR, "Bad";
                     23, PROCESS_ERROR, "Ill"; } }
COMMAND write_limit { NUMBER 2; OPERATION WRITE; TRANSACTION { REQUEST { limit } REPLY { } } }
COMMAND read_level { NUMBER 3; OPERATION READ; TRANSACTION { REQUEST { } REPLY { level } } }
COMMAND strange { NUMBER 4; OPERATION COMMAND; TRANSACTION { REQUEST { } REPLY { } } }
"""
BINDING = """
type = "thing"
[[message]]
topic = "things/{device}/raw"
values = "/values"
[commands]
topic = "things/{device}/command"
response = "things/{device}/response"
[[command]]
name = "start"
arguments = [ { name = "Limit", param = "limit", type = "Double" } ]
[[command]]
name = "set_threshold"
writes = "parameter"
arguments = [
    { name = "Name", param = "name", type = "String" },
    { name = "Value", param = "value", type = "Double" },
]
[[command]]
name = "report"
reads = "parameters"
role = "viewer"
"""


def thing(more: str = "", binding: str = BINDING) -> DeviceType:
    """A device type with one of everything, and more EDD."""
    return check_package(make_package("thing", edd=HEADER + THING + more, binding=binding)).device_types[0]


class Things:
    """A plant with one thing that was just heard."""

    def __init__(self, device_type: DeviceType | None = None, **values: Scalar) -> None:
        self.clock = ManualClock()
        self.plant = Plant()
        self.plant.install(device_type or thing())
        self.live = LiveLogic(self.plant)
        self.heard(**({"level": 10.0, "limit": 40.0, "mode": 1} | values))

    def heard(self, **values: Scalar) -> None:
        """The thing reports values."""
        self.clock.advance(0.001)
        now = self.clock.now()
        told = tuple((name, value, status.GOOD) for name, value in values.items())
        self.plant.apply(Measurement("thing", DeviceId("thing-1"), told, now, now), now)

    def silence(self) -> None:
        """The thing is quiet for too long."""
        self.clock.advance(3_600)
        self.plant.decay(self.clock.now())


class ScriptedAccess:
    """Remembers what was asked; `codes` by parameter and `done` by command number say how it goes."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.codes: dict[str, StatusCode] = {}
        self.done: dict[int | None, CommandDone] = {}
        self.values: dict[str, Scalar] = {}
        self.before: Callable[[], Any] | None = None  # awaited before a command is answered

    async def write(self, device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode:
        self.asked.append(("write", name, value))
        return self.codes.get(name, status.GOOD)

    async def keep_local(self, device_id: str, name: str, value: Scalar) -> StatusCode:
        self.asked.append(("local", name, value))
        return self.codes.get(name, status.GOOD)

    async def read(
        self, device_id: str, names: Iterable[str], caller: Caller
    ) -> dict[str, tuple[Scalar | None, StatusCode]]:
        wanted = tuple(names)
        self.asked.append(("read", *wanted))
        return {name: (self.values.get(name), self.codes.get(name, status.GOOD)) for name in wanted}

    async def refresh(self, device_id: str, caller: Caller) -> StatusCode:
        self.asked.append(("refresh",))
        return status.GOOD

    async def send_command(
        self,
        device_id: str,
        number: int | None,
        transaction: int | None,
        values: Any,
        caller: Caller,
        *,
        name: str = "",
    ) -> CommandDone:
        self.asked.append(("command", number))
        if self.before is not None:
            await self.before()
        return self.done.get(number, CommandDone())


class ScriptedKept:
    """An offline data set."""

    def __init__(self) -> None:
        self.offline: dict[str, Scalar | None] = {}

    async def set_offline(self, device_id: str, values: Mapping[str, Scalar | None]) -> None:
        self.offline.update(values)


Script = Generator[Request | None, Answer, Scalar | None]
"""Yields requests (None: a slice is used up), is sent answers, returns the METHOD's value."""


class ScriptedMachine:
    """Behaves like the METHOD machine, as a script says; `farewell` are requests of its abort methods."""

    def __init__(self, script: Script, commit: Commit = Commit.DISCARD, farewell: Iterable[Request] = ()) -> None:
        self._script = script
        self._commit = commit
        self._farewell = list(farewell)
        self._aborting = False
        self._answer: Answer | None = None
        self._waiting: Request | None = None
        self.steps: list[int] = []
        self.answers: list[Answer] = []

    def run(self, max_steps: int) -> Outcome:
        self.steps.append(max_steps)
        if self._aborting:
            self._waiting = self._farewell.pop(0) if self._farewell else None
            return Waiting(self._waiting) if self._waiting is not None else Aborted("given up")
        answer, self._answer = self._answer, None
        try:
            request = next(self._script) if answer is None else self._script.send(answer)
        except StopIteration as stop:
            return Finished(stop.value, self._commit)
        except ZeroDivisionError:
            return Failed("division by zero", None)
        self._waiting = request
        return Running() if request is None else Waiting(request)

    def resume(self, answer: Answer) -> None:
        self.answers.append(answer)
        if isinstance(answer, Cancelled) and not isinstance(self._waiting, Transfer):
            self._aborting = True
        self._answer = answer

    def user_abort(self) -> None:
        self._aborting = True

    def refreshed(self) -> Request | None:
        return self._waiting


def maker(*scripts: Callable[[MethodData], Script], **options: Any) -> Callable[..., ScriptedMachine]:
    """A machine maker: the first machine runs the first script, and so on; the last one goes on being used."""
    left = list(scripts)
    made: list[ScriptedMachine] = []

    def make(logic: Any, what: Any, data: MethodData, arguments: Any, limits: Any, this: Any) -> ScriptedMachine:
        script = left.pop(0) if len(left) > 1 else left[0]
        data.this = this  # type: ignore[attr-defined]  # so that scripts reach the value under processing
        data.arguments = arguments  # type: ignore[attr-defined]
        made.append(ScriptedMachine(script(data), **options))
        return made[-1]

    make.made = made  # type: ignore[attr-defined]
    return make


async def settle(turns: int = 20) -> None:
    """Let everything that can go on go on: as many turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
