"""Machines for METHODs and for actions written in place: compiled once a type, one machine a run."""

from __future__ import annotations

from collections.abc import Sequence

from server.core.values import Scalar
from server.fdi.actions.data import MethodData
from server.fdi.eddl.statements import Block
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.compile import compile_block, compile_method
from server.fdi.methods.host import ActionValue
from server.fdi.methods.limits import MethodLimits
from server.fdi.methods.machine import Machine


def make_machine(
    logic: TypeLogic,
    what: str | Block,
    data: MethodData,
    arguments: Sequence[Scalar],
    limits: MethodLimits,
    this: ActionValue | None,
) -> Machine:
    """A machine ready to run a METHOD by name, or a program.

    Raises:
        MethodError: its text cannot run.
    """
    program = compile_method(logic, what) if isinstance(what, str) else compile_block(logic, what)
    return Machine(program, data, arguments, limits=limits, languages=data.languages, this=this)
