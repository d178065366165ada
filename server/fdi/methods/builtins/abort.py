"""Builtins that end a METHOD, and those that name the METHODs to run then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import BI_ERROR, BI_SUCCESS, Arg, Builtin, builtin
from server.fdi.methods.ctype import VOID
from server.fdi.methods.errors import AbortError, BudgetError
from server.fdi.methods.machine import Machine
from server.fdi.methods.program import Site
from server.fdi.methods.prompts import filled

FAMILY: Final = "abort"


def _abort(machine: Machine, arguments: Sequence[Any], site: Site) -> None:
    raise AbortError(machine.chosen(filled(machine, arguments[0], site)))


def _process_abort(machine: Machine, arguments: Sequence[Any], site: Site) -> None:
    raise AbortError("aborted by the METHOD")


def _ready(machine: Machine, name: str) -> bool:
    """Whether a METHOD can be run then: it exists, takes nothing, and is not registered yet."""
    program = machine.library.programs.get(name)
    if program is None or program.parameters or machine.aborting:
        return False
    if len(machine.abort_methods) >= machine.limits.abort_methods:
        raise BudgetError("abort methods")
    return True


def _add(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """Added ones run in the order of their list."""
    (name,) = arguments
    if not _ready(machine, name):
        return BI_ERROR
    if name not in machine.abort_methods:
        machine.abort_methods.append(name)
    return BI_SUCCESS


def _push(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """Pushed ones run before all others, the last one first."""
    (name,) = arguments
    if not _ready(machine, name):
        return BI_ERROR
    machine.abort_methods.insert(0, name)
    return BI_SUCCESS


def _pop(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    if not machine.abort_methods:
        return BI_ERROR
    machine.abort_methods.pop(0)
    return BI_SUCCESS


def _remove(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    (name,) = arguments
    if name not in machine.abort_methods:
        return BI_ERROR
    machine.abort_methods.remove(name)
    return BI_SUCCESS


def _remove_all(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    machine.abort_methods.clear()
    return BI_SUCCESS


BUILTINS: Final[Mapping[str, Builtin]] = {
    "abort": builtin(FAMILY, VOID, _abort, Arg.PROMPT),
    "method_abort": builtin(FAMILY, VOID, _abort, Arg.PROMPT),
    "process_abort": builtin(FAMILY, VOID, _process_abort),
    "add_abort_method": builtin(FAMILY, Kind.INT32, _add, Arg.METHOD),
    "remove_abort_method": builtin(FAMILY, Kind.INT32, _remove, Arg.METHOD),
    "remove_all_abort_methods": builtin(FAMILY, Kind.INT32, _remove_all),
    "push_abort_method": builtin(FAMILY, Kind.INT32, _push, Arg.METHOD),
    "pop_abort_method": builtin(FAMILY, Kind.INT32, _pop),
}
