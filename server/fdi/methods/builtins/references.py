"""Builtins that find items by number: elements, members, parameters of a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import BI_SUCCESS, BLTIN_BAD_ID, BLTIN_BLOCK_NOT_FOUND, Arg, Builtin, builtin
from server.fdi.methods.machine import Machine
from server.fdi.methods.program import Site

FAMILY: Final = "references"
Find = Callable[[Machine, Sequence[Any]], str | None]


def _step(machine: Machine, arguments: Sequence[Any]) -> str | None:
    """`(id, index or member)`"""
    names = machine.library.names
    item, number = arguments
    return names.element(item, number) or names.member_of(item, number) if item else None


def _list(machine: Machine, arguments: Sequence[Any]) -> str | None:
    """`(id [, index])`: without an index the LIST itself; its elements have no numbers"""
    return _step(machine, arguments) if len(arguments) > 1 else arguments[0] or None


def _of_block(machine: Machine, arguments: Sequence[Any]) -> str | None:
    """`(member)`: a parameter, local or list of the block"""
    names = machine.library.names
    return names.block_member(names.member_name(arguments[0]) or names.item_of(arguments[0]))


def _block(machine: Machine, arguments: Sequence[Any]) -> str | None:
    """`(member)`: a BLOCK"""
    names = machine.library.names
    item = names.item_of(arguments[0])
    return item if (names.kind(item) or "").startswith("BLOCK") else None


def _resolve(find: Find, skip: int, nothing: int = BLTIN_BAD_ID) -> Callable[..., int]:
    """The number of what is found, 0 for nothing; the first `skip` arguments name a block, of which there is one."""

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
        found = find(machine, arguments[skip:])
        number = machine.library.names.item_id(found) if found is not None else 0
        machine.resolve_status = BI_SUCCESS if number else nothing
        return number

    return run


def _status(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    return machine.resolve_status


def _both(
    name: str, find: Find, *takes: Arg, nothing: int = BLTIN_BAD_ID, least: int | None = None
) -> dict[str, Builtin]:
    """A builtin and its form with a block and an instance in front."""
    few = len(takes) if least is None else least
    return {
        name: builtin(FAMILY, Kind.UINT32, _resolve(find, 0, nothing), *takes, least=few),
        f"{name}2": builtin(FAMILY, Kind.UINT32, _resolve(find, 2, nothing), Arg.VALUE, Arg.INT, *takes, least=few + 2),
    }


BUILTINS: Final[Mapping[str, Builtin]] = {
    **_both("resolve_array_ref", _step, Arg.ITEM, Arg.WIDE),
    **_both("resolve_record_ref", _step, Arg.ITEM, Arg.MEMBER),
    **_both("resolve_list_ref", _list, Arg.ITEM, Arg.WIDE, least=1),
    **_both("resolve_param_ref", _of_block, Arg.MEMBER),
    **_both("resolve_local_ref", _of_block, Arg.MEMBER),
    **_both("resolve_param_list_ref", _of_block, Arg.MEMBER),
    **_both("resolve_block_ref", _block, Arg.WIDE, nothing=BLTIN_BLOCK_NOT_FOUND),
    "get_resolve_status": builtin(FAMILY, Kind.INT32, _status),
}
