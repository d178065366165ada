"""Builtins on texts; each gives a new text and leaves its arguments alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from server.fdi.logic.numbers import Kind, fitted
from server.fdi.methods.builtins.table import Arg, Builtin, builtin
from server.fdi.methods.builtins.texts import into_buffer
from server.fdi.methods.ctype import TEXT
from server.fdi.methods.machine import Machine
from server.fdi.methods.program import Site

FAMILY: Final = "strings"
_WHOLE: Final = re.compile(r"\s*([+-]?\d{1,20})", re.ASCII)
_DECIMAL: Final = re.compile(r"\s*([+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?)", re.ASCII)
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def _changed(change: Callable[[str], str]) -> Callable[..., str]:
    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> str:
        return machine.new_text(change(arguments[0]))

    return run


def _length(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    text: str = arguments[0]
    return len(text)


def _compare(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """-1, 0 or 1 by the codes of the characters."""
    left: str = arguments[0]
    right: str = arguments[1]
    machine.extra += min(len(left), len(right)) >> 8
    return (left > right) - (left < right)


def _find(machine: Machine, arguments: Sequence[Any], site: Site) -> str:
    """The text from the first place where the other stands in it; empty when it does not."""
    text, sought = arguments
    machine.extra += len(text) >> 6
    at = text.find(sought)
    return machine.new_text(text[at:]) if at >= 0 else ""


def _middle(machine: Machine, arguments: Sequence[Any], site: Site) -> str:
    """`strmid(text, start, length)`: from 0; what lies outside is left out."""
    text, start, length = arguments
    begin = max(0, start)
    return machine.new_text(text[begin : begin + length] if length > 0 else "")


def _to_whole(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    match = _WHOLE.match(arguments[0])
    return fitted(int(match[1]), 32, True) if match else 0


def _to_decimal(machine: Machine, arguments: Sequence[Any], site: Site) -> float:
    match = _DECIMAL.match(arguments[0])
    return float(match[1]) if match else 0.0


def _from_whole(machine: Machine, arguments: Sequence[Any], site: Site) -> str:
    """`itoa(number [, buffer [, base]])`, base 2 to 36; as in C only base 10 shows a sign."""
    number = arguments[0]
    base = arguments[2] if len(arguments) > 2 else 10
    text = str(number) if base == 10 or not 2 <= base <= 36 else _in_base(number & 0xFFFF_FFFF, base)
    if len(arguments) > 1:
        into_buffer(machine, arguments[1], text, None)
    return text


def _in_base(number: int, base: int) -> str:
    digits: list[str] = []
    while number:
        number, digit = divmod(number, base)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"


BUILTINS: Final[Mapping[str, Builtin]] = {
    "strlen": builtin(FAMILY, Kind.INT32, _length, Arg.TEXT),
    "strcmp": builtin(FAMILY, Kind.INT32, _compare, Arg.TEXT, Arg.TEXT),
    "strstr": builtin(FAMILY, TEXT, _find, Arg.TEXT, Arg.TEXT),
    "strlwr": builtin(FAMILY, TEXT, _changed(str.lower), Arg.TEXT),
    "strupr": builtin(FAMILY, TEXT, _changed(str.upper), Arg.TEXT),
    "strtrim": builtin(FAMILY, TEXT, _changed(str.strip), Arg.TEXT),
    "strmid": builtin(FAMILY, TEXT, _middle, Arg.TEXT, Arg.INT, Arg.INT),
    "atoi": builtin(FAMILY, Kind.INT32, _to_whole, Arg.TEXT),
    "atof": builtin(FAMILY, Kind.DOUBLE, _to_decimal, Arg.TEXT),
    "itoa": builtin(FAMILY, TEXT, _from_whole, Arg.WIDE, Arg.OUT, Arg.INT, least=1),
}
