"""All METHODs and action definitions of one EDD, compiled and run over a host that only keeps values."""

from __future__ import annotations

import zlib
from random import Random

from server.fdi.methods.checking import check_methods
from server.fdi.methods.compile import compile_method
from server.fdi.methods.errors import MethodError
from server.fdi.methods.host import ActionValue
from server.fdi.methods.limits import MethodLimits
from server.fdi.methods.machine import INTERNAL, Machine
from server.fdi.methods.outcome import Aborted, Failed, Finished, Running, Waiting
from tests.fuzz.logic_cases import logic_of, value_for
from tests.fuzz.method_cases import answer_to
from tests.kit.methods import FakeHost

LIMITS = MethodLimits(steps=5_000, abort_steps=1_000, memory_bytes=200_000, string_bytes=4_000, requests=100)
MOST_METHODS = 12


class FaultError(Exception):
    """A METHOD got past its budgets, or found a fault of the machine."""


def one_program_case(data: bytes) -> str:
    """Octets as an EDD, its METHODs run; how many ran. Raises FaultError, or whatever is a fault."""
    logic = logic_of(data)
    if logic is None:
        return "refused"
    check_methods(logic)
    random = Random(zlib.crc32(data))
    ran = 0
    for name in list(logic.model.methods)[:MOST_METHODS]:
        try:
            program = compile_method(logic, name)
        except MethodError:
            continue
        values = {each: value_for(spec, random) for each, spec in list(logic.parameters.items())[:200]}
        host = FakeHost(logic.parameters, values, offline=bool(random.randrange(2)))
        this = ActionValue(*random.choice(list(values.items()))) if values else None
        arguments = [random.choice((0, 7, -1.5)) for _ in program.parameters]
        _run(Machine(program, host, arguments, limits=LIMITS, languages=("de",), this=this), random)
        ran += 1
    return f"{ran} ran"


def _run(machine: Machine, random: Random) -> None:
    for turn in range(3_000):
        outcome = machine.run(500)
        if machine.memory > LIMITS.memory_bytes + LIMITS.string_bytes:
            raise FaultError(f"{machine.memory} bytes")
        if isinstance(outcome, Waiting):
            machine.refreshed()
            machine.resume(answer_to(outcome.request, turn + random.randrange(3)))
        elif isinstance(outcome, Failed) and outcome.reason.startswith(INTERNAL):
            raise FaultError(outcome.reason)
        elif isinstance(outcome, Finished | Aborted | Failed):
            return
        elif not isinstance(outcome, Running):
            raise FaultError(f"{outcome!r} is no outcome")
    raise FaultError("a METHOD that does not end")
