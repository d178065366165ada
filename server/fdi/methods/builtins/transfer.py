"""Builtins for block transfers. The host carries them out; one that cannot answers Cancelled, which is BI_ERROR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.communication import outcome, put_octets
from server.fdi.methods.builtins.table import BI_ERROR, Arg, Builtin, builtin
from server.fdi.methods.machine import Machine, Suspend
from server.fdi.methods.places import ItemPlace
from server.fdi.methods.program import Site
from server.fdi.methods.requests import Answer, CommandDone, Transfer

FAMILY: Final = "transfer"
_ARGUMENTS: Final = 8


def _transfer(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
    request = Transfer(site.name, tuple(given.name if isinstance(given, ItemPlace) else given for given in arguments))

    def then(machine: Machine, answer: Answer) -> int:
        if not isinstance(answer, CommandDone):
            return BI_ERROR
        machine.last = answer
        return outcome(machine, request, answer)

    return Suspend(request, then)


def _state(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
    """`get_transfer_status(port, &status)`: the octets the host knows go into the second argument"""
    request = Transfer(site.name, (arguments[0],))

    def then(machine: Machine, answer: Answer) -> int:
        if not isinstance(answer, CommandDone):
            return BI_ERROR
        if len(arguments) > 1:
            put_octets(arguments[1], answer.more or [answer.code], machine)
        return outcome(machine, request, answer)

    return Suspend(request, then)


def _any(least: int) -> Builtin:
    return builtin(FAMILY, Kind.INT32, _transfer, *(Arg.VALUE,) * _ARGUMENTS, least=least)


BUILTINS: Final[Mapping[str, Builtin]] = {
    "openTransferPort": _any(0),
    "closeTransferPort": _any(0),
    "abortTransferPort": _any(0),
    "readItemFromDevice": _any(1),
    "writeItemToDevice": _any(1),
    "get_transfer_status": builtin(FAMILY, Kind.INT32, _state, Arg.INT, Arg.OUT, least=1),
}
