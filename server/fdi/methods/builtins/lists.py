"""Builtins for LISTs. A LIST begins empty in each run and ends with it: nothing of it is kept between runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import BI_ERROR, BI_SUCCESS, Arg, Builtin, builtin
from server.fdi.methods.ctype import Raw, converter
from server.fdi.methods.machine import Machine
from server.fdi.methods.places import ItemPlace
from server.fdi.methods.program import Site

FAMILY: Final = "lists"
MAX_ELEMENTS: Final = 10_000  # of a LIST without CAPACITY


def _insert(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`ListInsert(list, index, item)`: the item is a VARIABLE or a value; a full list or a gap is an error."""
    name, index, item = arguments
    value: Raw | None = machine.peek(item.name) if isinstance(item, ItemPlace) else item
    held = machine.lists.get(name, [])
    most = machine.library.names.elements(name) or MAX_ELEMENTS
    if value is None or not 0 <= index <= len(held) or len(held) >= most:
        return BI_ERROR
    value = converter(machine.library.list_type(name))(value)
    machine.hold_elements(1, isinstance(value, str))
    if isinstance(value, str):
        machine.hold_text("", value)
    machine.extra += len(held) >> 6
    held.insert(index, value)
    machine.lists[name] = held
    return BI_SUCCESS


def _delete(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    name, index = arguments
    held = machine.lists.get(name, [])
    if not 0 <= index < len(held):
        return BI_ERROR
    machine.extra += len(held) >> 6
    machine.give_up(held.pop(index))
    return BI_SUCCESS


BUILTINS: Final[Mapping[str, Builtin]] = {
    "ListInsert": builtin(FAMILY, Kind.INT32, _insert, Arg.LIST, Arg.INT, Arg.VALUE),
    "ListDeleteElementAt": builtin(FAMILY, Kind.INT32, _delete, Arg.LIST, Arg.INT),
}
