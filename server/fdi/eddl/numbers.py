"""Number literals of EDDL."""

from __future__ import annotations

import re
from dataclasses import dataclass

LARGEST = 2**64 - 1
LITERAL_CHARS = 400

_INTEGER = re.compile(r"(0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)([uUlL]{0,3})\Z", re.ASCII)
_FLOATING = re.compile(r"((?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?)[fFlL]?\Z", re.ASCII)


class NumberError(ValueError):
    """A literal that is not a number."""


@dataclass(frozen=True, slots=True)
class Number:
    """A read literal: int for a whole number, float for a decimal one."""

    value: int | float
    unsigned: bool = False


def read_number(text: str) -> Number:
    """The value of a literal: decimal, `0x`, `0b`, octal with a leading 0, or decimal with point or exponent.

    Raises NumberError, also for a whole number past 64 bits.
    """
    if len(text) > LITERAL_CHARS:
        raise NumberError(f"this number has more than {LITERAL_CHARS} digits")
    whole = _INTEGER.match(text)
    if whole:
        digits, suffix = whole.group(1), whole.group(2)
        value = _whole(digits, text)
        if value > LARGEST:
            raise NumberError(f"{text} does not fit into 64 bits")
        return Number(value, "u" in suffix.lower())
    decimal = _FLOATING.match(text)
    if not decimal:
        raise NumberError(f"{text} is not a number")
    number = float(decimal.group(1))
    if number in (float("inf"), float("-inf")):
        raise NumberError(f"{text} is too large for a DOUBLE")
    return Number(number)


def _whole(digits: str, text: str) -> int:
    if digits[:2].lower() == "0x":
        return int(digits[2:], 16)
    if digits[:2].lower() == "0b":
        return int(digits[2:], 2)
    if len(digits) > 1 and digits[0] == "0":
        if not set(digits) <= set("01234567"):
            raise NumberError(f"{text} starts with 0 and is octal, but has digits above 7")
        return int(digits, 8)
    return int(digits)
