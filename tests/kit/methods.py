"""METHODs for tests: a device type from a few lines of EDD, a host that keeps values, and a driver that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from server.core import status
from server.core.values import Scalar
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from server.fdi.eddl.strings import parse_dictionary
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.compile import compile_method
from server.fdi.methods.host import ActionValue, ValueRefusedError
from server.fdi.methods.limits import DEFAULT_METHOD_LIMITS, MethodLimits
from server.fdi.methods.machine import Machine
from server.fdi.methods.outcome import Finished, Outcome, Running, Waiting
from server.fdi.methods.requests import Answer, Choice, CommandDone, Delay, Inform, Ok, Request
from server.fdi.parameters import translate_parameters
from server.model.device_type import ParameterSpec
from tests.kit.edd import HEADER

MAX_ANSWERS = 20_000


def type_logic(source: str, dictionary: str = "") -> TypeLogic:
    """The logic of an EDD given without its identification."""
    texts = parse_dictionary(dictionary) if dictionary else None
    model = resolve(parse(HEADER + source, file="device.ddl", dictionary=texts))
    shown, hidden = translate_parameters(model, part="device.ddl")
    return TypeLogic(model, {**shown, **hidden})


@dataclass
class FakeHost:
    """Values in a dictionary; one outside the ranges of its parameter is refused."""

    parameters: Mapping[str, ParameterSpec]
    values: dict[str, Scalar] = field(default_factory=dict)
    offline: bool = False
    time_us: int = 0
    logged: list[tuple[int, str]] = field(default_factory=list)

    def value(self, name: str) -> Scalar | None:
        return self.values.get(name)

    def assign(self, name: str, value: Scalar) -> None:
        spec = self.parameters[name]
        if spec.ranges and not any(low <= float(value) <= high for low, high in spec.ranges):
            raise ValueRefusedError(status.BAD_OUT_OF_RANGE)
        self.values[name] = value

    def spec(self, name: str) -> ParameterSpec | None:
        return self.parameters.get(name)

    def log(self, priority: int, text: str) -> None:
        self.logged.append((priority, text))

    def now_us(self) -> int:
        return self.time_us


Answers = Callable[[Request], Answer]


def agreeable(request: Request) -> Answer:
    """OK to everything, the first of a choice, every communication done."""
    if isinstance(request, Inform | Delay) or type(request).__name__ in ("Acknowledge", "Display"):
        return Ok()
    if type(request).__name__ in ("Select", "ShowMenu"):
        return Choice(0)
    return CommandDone()


@dataclass
class Run:
    """One run to its end: what it asked, and how it ended."""

    logic: TypeLogic
    host: FakeHost
    machine: Machine
    requests: list[Request] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Running)

    @property
    def value(self) -> Scalar | None:
        assert isinstance(self.outcome, Finished), self.outcome
        return self.outcome.value

    def drive(self, answers: Answers, slice_steps: int = 2_000) -> Run:
        for _ in range(MAX_ANSWERS * 10):
            self.outcome = self.machine.run(slice_steps)
            if isinstance(self.outcome, Waiting):
                self.requests.append(self.outcome.request)
                self.machine.resume(answers(self.outcome.request))
            elif not isinstance(self.outcome, Running):
                return self
        raise AssertionError("the METHOD goes on and on")


def run_method(
    source: str,
    name: str = "m",
    arguments: Sequence[Scalar] = (),
    *,
    values: Mapping[str, Scalar] | None = None,
    answers: Answers | Sequence[Answer] | None = None,
    limits: MethodLimits = DEFAULT_METHOD_LIMITS,
    languages: Sequence[str] = ("en",),
    this: ActionValue | None = None,
    dictionary: str = "",
    offline: bool = False,
    time_us: int = 0,
    slice_steps: int = 2_000,
) -> Run:
    """Run a METHOD of an EDD; `answers` is a function, or what is answered in turn."""
    logic = type_logic(source, dictionary)
    host = FakeHost(logic.parameters, dict(values or {}), offline, time_us)
    machine = Machine(compile_method(logic, name), host, arguments, limits=limits, languages=languages, this=this)
    if answers is None:
        answer: Answers = agreeable
    elif callable(answers):
        answer = answers
    else:
        waiting = iter(answers)
        answer = lambda _: next(waiting)  # noqa: E731 - one line beside the other two
    return Run(logic, host, machine).drive(answer, slice_steps)


def run_code(code: str, returns: str = "INTEGER", items: str = "", **options: object) -> Run:
    """Run the body of a METHOD `m` that returns a value of an EDD type."""
    source = f"{items}\nMETHOD m {{ TYPE {returns}; DEFINITION {{ {code} }} }}"
    return run_method(source, **options)  # type: ignore[arg-type]
