"""METHODs of whole EDDs: a breaker like that of eddl.md section 9, the smart breaker's package, and the corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.core.texts import Texts
from server.core.values import Scalar
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.checking import check_methods
from server.fdi.methods.compile import compile_method
from server.fdi.methods.host import ActionValue
from server.fdi.methods.limits import MethodLimits
from server.fdi.methods.machine import Machine
from server.fdi.methods.outcome import Aborted, Commit, Failed, Finished
from server.fdi.methods.requests import (
    Acknowledge,
    Answer,
    Choice,
    CommandDone,
    Delay,
    Inform,
    InputLocal,
    InputParameter,
    Request,
    Select,
    SendCommand,
    Value,
)
from server.fdi.parameters import translate_parameters
from tests.kit.edd import imported, read
from tests.kit.methods import FakeHost, Run, agreeable

PACKAGES = Path(__file__).parents[3] / "fdi_packages" / "src"
BUILTIN_FILES = ("dialogs", "items", "maths", "messages", "texts", "time", "values")
FILES = ("blocks", "breaker", "imported", "importing", "interface", "messages", "network", "pump", "variables")


def logic_of(model: EddModel) -> TypeLogic:
    shown, hidden = translate_parameters(model, part="device.ddl")
    return TypeLogic(model, {**shown, **hidden})


@pytest.fixture(scope="module")
def breaker() -> TypeLogic:
    """A breaker in the manner of eddl.md section 9."""
    return logic_of(resolve(read("breaker.ddl")))


@pytest.fixture(scope="module")
def smart_breaker() -> TypeLogic:
    """The breaker that this project ships."""
    source = (PACKAGES / "fieldloom.smart_breaker" / "device.ddl").read_bytes()
    return logic_of(resolve(parse(source, file="device.ddl")))


class Device:
    """Answers a METHOD: the wanted codes for its commands, and a state that changes after some of them."""

    def __init__(self, host: FakeHost, codes: dict[int, int], changes: dict[int, list[tuple[str, Scalar]]]) -> None:
        self.host = host
        self.codes = codes
        self.changes = changes
        self.choice = 0

    def __call__(self, request: Request) -> Answer:
        if isinstance(request, SendCommand) and request.number is not None:
            waiting = self.changes.get(request.number, [])
            if waiting:
                name, value = waiting.pop(0)
                self.host.values[name] = value
            return CommandDone(code=self.codes.get(request.number, 0))
        return Choice(self.choice) if isinstance(request, Select) else agreeable(request)


def run(logic: TypeLogic, name: str, device: Device, this: ActionValue | None = None) -> Run:
    machine = Machine(compile_method(logic, name), device.host, this=this)
    return Run(logic, device.host, machine).drive(device)


def test_a_trip_asks_sends_and_waits_for_the_contacts(breaker: TypeLogic) -> None:
    host = FakeHost(breaker.parameters, {"breaker_state": 1})
    found = run(breaker, "trip", Device(host, {}, {131: [("breaker_state", 1), ("breaker_state", 2)]}))
    wait = Delay(1.0, Texts.of("The contacts move"))
    assert found.requests == [
        Acknowledge(Texts.of("The load will lose power. Go on?")),
        SendCommand(141),
        wait,
        SendCommand(131),
        wait,
        SendCommand(131),
    ]
    assert found.outcome == Finished(None, Commit.DISCARD)
    assert host.values["control_word"] == 0xA5


def test_a_refused_trip_aborts_and_clears_the_control_word(breaker: TypeLogic) -> None:
    host = FakeHost(breaker.parameters, {"breaker_state": 1})
    found = run(breaker, "trip", Device(host, {141: 16}, {}))
    assert found.requests[1:] == [SendCommand(141), Acknowledge(Texts.of("The breaker refused."))]
    assert isinstance(found.outcome, Aborted)
    assert host.values["control_word"] == 0  # clear_control ran


def test_a_user_who_gives_up_the_trip_clears_the_control_word(breaker: TypeLogic) -> None:
    host = FakeHost(breaker.parameters, {"breaker_state": 1, "control_word": 9})
    machine = Machine(compile_method(breaker, "trip"), host)
    machine.run(1_000)
    machine.user_abort()
    assert machine.run(1_000) == Aborted("aborted by the user")
    assert host.values["control_word"] == 0


@pytest.mark.parametrize(("choice", "word"), [(0, 0x01), (1, 0x03)])
def test_a_reset_sends_what_was_chosen(breaker: TypeLogic, choice: int, word: int) -> None:
    device = Device(FakeHost(breaker.parameters, {"breaker_state": 2}), {}, {})
    device.choice = choice
    found = run(breaker, "reset", device)
    assert found.requests[1:] == [SendCommand(141), SendCommand(131)]
    assert device.host.values["control_word"] == word


@pytest.mark.parametrize(("value", "messages"), [(500.5, 1), (500.0, 0)])
def test_an_edit_action_looks_at_the_value_being_edited(breaker: TypeLogic, value: float, messages: int) -> None:
    host = FakeHost(breaker.parameters, {"trip_threshold": value})
    this = ActionValue("trip_threshold", value)
    found = run(breaker, "check_threshold", Device(host, {}, {}), this)
    assert [type(request) for request in found.requests] == [Inform] * messages
    assert this == ActionValue("trip_threshold", value)


def test_the_shipped_breaker_trips(smart_breaker: TypeLogic) -> None:
    host = FakeHost(smart_breaker.parameters, {"status_breaker": 1, "current_phase_a": 40.25})
    states = {"status_breaker": [entry.value for entry in smart_breaker.parameters["status_breaker"].enum_values]}
    closed = states["status_breaker"][1]
    opened = next(value for value in states["status_breaker"] if value != closed)
    host.values["status_breaker"] = closed
    found = run(smart_breaker, "trip", Device(host, {}, {1: [("status_breaker", opened)]}))
    prompt = found.requests[0]
    assert isinstance(prompt, Acknowledge)
    assert " 40.2 A" in prompt.prompt.by_language["en"]
    assert " 40.2 А" in prompt.prompt.by_language["ru"]
    assert found.requests[1:] == [SendCommand(1)]
    assert isinstance(found.outcome, Finished)


def test_the_shipped_breaker_says_when_it_refuses(smart_breaker: TypeLogic) -> None:
    host = FakeHost(smart_breaker.parameters, {"status_breaker": 1, "current_phase_a": 40.0})
    found = run(smart_breaker, "trip", Device(host, {1: 16}, {}))
    assert isinstance(found.outcome, Aborted)
    host = FakeHost(smart_breaker.parameters, {"status_breaker": 2})
    found = run(smart_breaker, "reset", Device(host, {2: 16}, {}))
    assert isinstance(found.requests[-1], Acknowledge)
    assert isinstance(found.outcome, Finished)


def test_a_reset_whose_cause_remains_is_given_up(smart_breaker: TypeLogic) -> None:
    device = Device(FakeHost(smart_breaker.parameters, {"status_breaker": 2}), {}, {})
    device.choice = 1
    found = run(smart_breaker, "reset", device)
    assert [type(request) for request in found.requests] == [Select]
    assert isinstance(found.outcome, Aborted)


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in PACKAGES.glob("*/device.ddl")))
def test_methods_of_shipped_packages_can_run(folder: str) -> None:
    source = (PACKAGES / folder / "device.ddl").read_bytes()
    assert check_methods(logic_of(resolve(parse(source, file="device.ddl")))) == []


@pytest.mark.parametrize("name", BUILTIN_FILES)
def test_the_corpus_of_builtins_can_run(name: str) -> None:
    """Written from the sheet, not from the table of builtins here: both must agree on names and arguments."""
    assert check_methods(logic_of(resolve(read(f"builtins_{name}.ddl")))) == []


@pytest.mark.parametrize("name", [*(f"builtins_{name}" for name in BUILTIN_FILES), *FILES])
def test_every_method_of_the_corpus_comes_to_an_end(name: str) -> None:
    """With values, and without any; none raises, whatever it does."""
    logic = logic_of(resolve(read(f"{name}.ddl"), imports=imported))
    assert check_methods(logic) == []
    for method in logic.model.methods.values():
        for known in (False, True):
            values: dict[str, Scalar] = {}
            if known:
                values = {name: _some(spec.data_type.name) for name, spec in logic.parameters.items()}
            host = FakeHost(logic.parameters, values)
            arguments = [0 if parameter.ctype != "DD_STRING" else "" for parameter in method.parameters]
            machine = Machine(compile_method(logic, method.name), host, arguments, limits=MethodLimits(requests=200))
            outcome = Run(logic, host, machine).drive(_entered).outcome
            assert isinstance(outcome, Finished | Aborted | Failed)


def _some(data_type: str) -> Scalar:
    return {"STRING": "7", "BYTESTRING": b"7", "FLOAT": 7.0, "DOUBLE": 7.0, "BOOLEAN": True}.get(data_type, 7)


def _entered(request: Request) -> Answer:
    if isinstance(request, InputParameter):
        return Value(5)
    if isinstance(request, InputLocal):
        return Value(request.initial)
    return agreeable(request)
