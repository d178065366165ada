"""Builtins that read and assign parameters, the value under processing of an action, and what becomes of it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from server.core import status
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import (
    BI_ERROR,
    BI_SUCCESS,
    BLTIN_BAD_ID,
    BLTIN_CANNOT_READ_VARIABLE,
    BLTIN_WRONG_DATA_TYPE,
    Arg,
    Builtin,
    builtin,
)
from server.fdi.methods.ctype import DOUBLE, FLOAT, LONG, LONG_LONG, STRING, ULONG, CType, Raw, converter
from server.fdi.methods.errors import AbortError
from server.fdi.methods.host import ValueRefusedError
from server.fdi.methods.machine import Machine
from server.fdi.methods.outcome import Commit
from server.fdi.methods.places import ArrayPlace, CharactersPlace, Place
from server.fdi.methods.program import Site
from server.fdi.methods.variables import from_method, to_method

FAMILY: Final = "values"
Run = Callable[[Machine, Sequence[Any], Site], Any]


# ---- by reference: ivar_value(x), iassign(x, v)


def _value(ctype: CType) -> Run:
    change = converter(ctype)

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Raw:
        return change(machine.read(_parameter(machine, arguments[0])))

    return run


def _assign(ctype: CType) -> Run:
    change = converter(ctype)

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
        name, value = arguments
        return BI_SUCCESS if machine.try_write(name, change(value)) == status.GOOD else BI_ERROR

    return run


def _assign_variable(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`vassign(destination, source)`"""
    value = machine.peek(arguments[1])
    if value is None:
        return BI_ERROR
    return BI_SUCCESS if machine.try_write(arguments[0], value) == status.GOOD else BI_ERROR


def _parameter(machine: Machine, name: str) -> str:
    if not machine.library.names.is_parameter(name) and "[" not in name:
        raise EvaluationError(f"{name or 'this number'} is no VARIABLE")
    return name


# ---- by number: get_float_value(id, member, &v)


def _found(machine: Machine, arguments: Sequence[Any], at: int = 0) -> str | None:
    name = machine.library.names.member_of(arguments[at], arguments[at + 1])
    return name if name is not None and machine.library.names.kind(name) in ("VARIABLE", "ELEMENT") else None


def _returned(ctype: CType) -> Run:
    change = converter(ctype)

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Raw:
        name = _found(machine, arguments)
        if name is None:
            raise EvaluationError(f"there is no VARIABLE ({arguments[0]}, {arguments[1]})")
        return change(machine.read(name))

    return run


def _get(ctype: CType) -> Run:
    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
        name = _found(machine, arguments)
        if name is None:
            return BLTIN_BAD_ID
        value = machine.peek(name)
        if value is None:
            return BLTIN_CANNOT_READ_VARIABLE
        if isinstance(value, str) != ctype.is_text:
            return BLTIN_WRONG_DATA_TYPE
        place: Place | None = arguments[2]
        if place is None:
            return BLTIN_WRONG_DATA_TYPE
        place.set(machine, converter(ctype)(value))
        if ctype.is_text and len(arguments) > 3 and arguments[3] is not None:
            length: Place = arguments[3]
            length.set(machine, len(str(value)))
        return BI_SUCCESS

    return run


def _get_date(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """Into a number as it is; into an array as octets day, month, years since 1900."""
    place = arguments[2]
    if not isinstance(place, ArrayPlace | CharactersPlace) or not place.array.ctype.is_integer:
        return int(_get(LONG_LONG)(machine, arguments, site))
    name = _found(machine, arguments)
    value = machine.peek(name) if name is not None else None
    if not isinstance(value, int):
        return BLTIN_BAD_ID if name is None else BLTIN_CANNOT_READ_VARIABLE
    octets = [value >> 16 & 0xFF, value >> 8 & 0xFF, value & 0xFF]
    if len(place.array.data) < len(octets):
        return BLTIN_WRONG_DATA_TYPE
    place.array.data[: len(octets)] = octets
    if len(arguments) > 3 and arguments[3] is not None:
        arguments[3].set(machine, len(octets))
    return BI_SUCCESS


def _put(ctype: CType) -> Run:
    change = converter(ctype)

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
        name = _found(machine, arguments)
        if name is None:
            return BLTIN_BAD_ID
        good = machine.try_write(name, change(arguments[2])) == status.GOOD
        return BI_SUCCESS if good else BLTIN_WRONG_DATA_TYPE

    return run


def _put_date(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """From a number as it is; from an array of char as octets day, month, years since 1900."""
    value = arguments[2]
    if isinstance(value, str):
        octets = [ord(char) & 0xFF for char in value[:3]] + [0, 0, 0]
        value = octets[0] << 16 | octets[1] << 8 | octets[2]
    return int(_put(LONG_LONG)(machine, [*arguments[:2], value], site))


def _assign_by_number(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`assign(destination, member, source, member)`"""
    to, source = _found(machine, arguments), _found(machine, arguments, 2)
    if to is None or source is None:
        return BLTIN_BAD_ID
    value = machine.peek(source)
    if value is None:
        return BLTIN_CANNOT_READ_VARIABLE
    return BI_SUCCESS if machine.try_write(to, value) == status.GOOD else BLTIN_WRONG_DATA_TYPE


# ---- the value under processing: igetval(), isetval(v)


def _get_this(ctype: CType) -> Run:
    change = converter(ctype)

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Raw:
        this = machine.this
        spec = machine.spec(this.name) if this is not None else None
        if this is None or spec is None:
            raise EvaluationError(f"{site.name} works in actions of a VARIABLE only")
        if this.value is None:
            raise AbortError(f"the value of {this.name} is not known")
        value = change(to_method(this.value, spec))
        if isinstance(value, str) and arguments and arguments[0] is not None:
            arguments[0].set(machine, machine.new_text(value))
        return value

    return run


def _set_this(ctype: CType) -> Run:
    change = converter(ctype)

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Raw:
        this = machine.this
        spec = machine.spec(this.name) if this is not None else None
        if this is None or spec is None:
            raise EvaluationError(f"{site.name} works in actions of a VARIABLE only")
        value = change(arguments[0])
        try:
            this.value = from_method(value, spec)
        except ValueRefusedError as error:
            raise AbortError(f"{this.name} does not take {value!r}: {error}") from error
        this.changed = True
        return value

    return run


# ---- the end


def _commit(policy: Commit) -> Run:
    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
        machine.commit = policy
        return BI_SUCCESS

    return run


def _is_offline(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    return int(machine.host.offline)


# Whole numbers are written as they are, so that one out of range is refused instead of wrapping (eddl.md, 7.5).
_WRITTEN: Final = {Arg.WIDE: LONG_LONG, Arg.REAL: DOUBLE, Arg.TEXT: STRING}


def _by_reference(ctype: CType, argument: Arg, *prefixes: str) -> dict[str, Builtin]:
    """Readers and writers of one type: `<prefix>var_value` and `<prefix>assign`, or as the archaic names have it."""
    found: dict[str, Builtin] = {}
    for prefix in prefixes:
        read, write = (
            (f"{prefix}var_value", f"{prefix}assign")
            if len(prefix) == 1
            else (
                f"{prefix}_value",
                f"assign_{prefix}",
            )
        )
        found[read] = builtin(FAMILY, ctype.shape, _value(ctype), Arg.ITEM)
        found[write] = builtin(FAMILY, Kind.INT32, _assign(_WRITTEN[argument]), Arg.ITEM, argument)
    return found


def _processed(letter: str, ctype: CType, argument: Arg) -> dict[str, Builtin]:
    buffer = (Arg.OUT, Arg.INT) if ctype.is_text else ()
    return {
        f"{letter}getval": builtin(FAMILY, ctype.shape, _get_this(ctype), *buffer, least=0),
        f"{letter}setval": builtin(FAMILY, _WRITTEN[argument].shape, _set_this(_WRITTEN[argument]), argument),
    }


def _by_number(word: str, ctype: CType, argument: Arg) -> dict[str, Builtin]:
    return {
        f"ret_{word}_value": builtin(FAMILY, ctype.shape, _returned(ctype), Arg.ITEM, Arg.MEMBER),
        f"get_{word}_value": builtin(FAMILY, Kind.INT32, _get(ctype), Arg.ITEM, Arg.MEMBER, Arg.OUT),
        f"put_{word}_value": builtin(FAMILY, Kind.INT32, _put(_WRITTEN[argument]), Arg.ITEM, Arg.MEMBER, argument),
    }


BUILTINS: Final[Mapping[str, Builtin]] = {
    **_by_reference(LONG, Arg.WIDE, "i", "l", "int", "long"),
    **_by_reference(FLOAT, Arg.REAL, "f", "float"),
    **_by_reference(DOUBLE, Arg.REAL, "d", "double"),
    **_by_reference(STRING, Arg.TEXT, "s", "string"),
    "vassign": builtin(FAMILY, Kind.INT32, _assign_variable, Arg.ITEM, Arg.ITEM),
    "assign_var": builtin(FAMILY, Kind.INT32, _assign_variable, Arg.ITEM, Arg.ITEM),
    **_by_number("signed", LONG, Arg.WIDE),
    **_by_number("unsigned", ULONG, Arg.WIDE),
    **_by_number("float", FLOAT, Arg.REAL),
    **_by_number("double", DOUBLE, Arg.REAL),
    **_by_number("string", STRING, Arg.TEXT),
    "get_string_value": builtin(FAMILY, Kind.INT32, _get(STRING), Arg.ITEM, Arg.MEMBER, Arg.OUT, Arg.OUT, least=3),
    "put_string_value": builtin(FAMILY, Kind.INT32, _put(STRING), Arg.ITEM, Arg.MEMBER, Arg.TEXT, Arg.INT, least=3),
    "get_date_value": builtin(FAMILY, Kind.INT32, _get_date, Arg.ITEM, Arg.MEMBER, Arg.OUT, Arg.OUT, least=3),
    "put_date_value": builtin(FAMILY, Kind.INT32, _put_date, Arg.ITEM, Arg.MEMBER, Arg.ANY, Arg.INT, least=3),
    "assign": builtin(FAMILY, Kind.INT32, _assign_by_number, Arg.ITEM, Arg.MEMBER, Arg.ITEM, Arg.MEMBER),
    **_processed("i", LONG, Arg.WIDE),
    **_processed("l", LONG, Arg.WIDE),
    **_processed("f", FLOAT, Arg.REAL),
    **_processed("d", DOUBLE, Arg.REAL),
    **_processed("s", STRING, Arg.TEXT),
    "discard_on_exit": builtin(FAMILY, Kind.INT32, _commit(Commit.DISCARD)),
    "save_on_exit": builtin(FAMILY, Kind.INT32, _commit(Commit.SAVE)),
    "send_on_exit": builtin(FAMILY, Kind.INT32, _commit(Commit.SEND)),
    "isOffline": builtin(FAMILY, Kind.INT32, _is_offline),
}
