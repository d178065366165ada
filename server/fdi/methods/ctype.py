"""Types of the METHOD language: C's scalars, DD_STRING, arrays; and how values become them."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from server.core.floats import single
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind, fitted

Raw: TypeAlias = int | float | str
"""A value inside the machine: int for whole numbers, float for decimal ones, str for DD_STRING."""


class Special(Enum):
    """What an expression can give besides a number."""

    TEXT = "text"
    VOID = "nothing"


TEXT: Final = Special.TEXT
VOID: Final = Special.VOID
Shape: TypeAlias = Kind | Special
"""The static type of an expression: C's kind after promotion, a text, or nothing."""


@dataclass(frozen=True, slots=True)
class CType:
    """A declared scalar type; `bits` and `signed` only mean something for whole numbers."""

    name: str
    shape: Shape
    bits: int = 0
    signed: bool = True

    @property
    def is_text(self) -> bool:
        return self.shape is TEXT

    @property
    def is_integer(self) -> bool:
        return isinstance(self.shape, Kind) and self.shape.is_integer

    @property
    def zero(self) -> Raw:
        """What a variable without an initialiser starts as (C leaves it open)."""
        return "" if self.is_text else 0 if self.is_integer else 0.0


CHAR: Final = CType("char", Kind.INT32, 8)
SHORT: Final = CType("short", Kind.INT32, 16)
LONG: Final = CType("long", Kind.INT32, 32)
ULONG: Final = CType("unsigned long", Kind.UINT32, 32, False)
LONG_LONG: Final = CType("long long", Kind.INT64, 64)
ULONG_LONG: Final = CType("unsigned long long", Kind.UINT64, 64, False)
FLOAT: Final = CType("float", Kind.FLOAT)
DOUBLE: Final = CType("double", Kind.DOUBLE)
STRING: Final = CType("DD_STRING", TEXT)
OF_KIND: Final[Mapping[Kind, CType]] = {
    Kind.INT32: LONG,
    Kind.UINT32: ULONG,
    Kind.INT64: LONG_LONG,
    Kind.UINT64: ULONG_LONG,
    Kind.FLOAT: FLOAT,
    Kind.DOUBLE: DOUBLE,
}
ITEM: Final = CType("DD_ITEM", Kind.UINT32, 32, False)  # the number of an item; a METHOD's parameter may be one
# Names that headers of EDDs use like types: seconds since 1970, and a DATE packed into one number.
_NAMED: Final[Mapping[str, CType]] = {
    "time_t": LONG,
    "DATE": ULONG,
    "TIME": LONG,
    "TIME_VALUE": LONG,
    "BOOLEAN": LONG,
    "DD_ITEM": ITEM,
}
_SIZES: Final[Mapping[tuple[str, ...], int]] = {
    ("char",): 8,
    ("short",): 16,
    ("int", "short"): 16,
    (): 32,
    ("int",): 32,
    ("long",): 32,
    ("int", "long"): 32,
    ("long", "long"): 64,
    ("int", "long", "long"): 64,
}


def ctype_of(words: str) -> CType | None:
    """The type that declaration words name, in any order (`unsigned long int`); None for words that name none."""
    parts = words.split()
    if len(parts) == 1 and parts[0] in _NAMED:
        return _NAMED[parts[0]]
    if parts == ["DD_STRING"]:
        return STRING
    if parts == ["float"]:
        return FLOAT
    if parts in (["double"], ["long", "double"]):
        return DOUBLE
    sign = [part for part in parts if part in ("signed", "unsigned")]
    rest = tuple(sorted(part for part in parts if part not in ("signed", "unsigned")))
    bits = _SIZES.get(rest)
    if bits is None or len(sign) > 1 or not parts:
        return None
    signed = sign != ["unsigned"]
    name = {8: "char", 16: "short", 32: "long", 64: "long long"}[bits]
    kind = (
        (Kind.INT64 if signed else Kind.UINT64)
        if bits == 64
        else Kind.UINT32
        if bits == 32 and not signed
        else Kind.INT32
    )
    return CType(name if signed else f"unsigned {name}", kind, bits, signed)


def _whole(bits: int, signed: bool) -> Callable[[Raw], Raw]:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)

    def convert(value: Raw) -> Raw:
        if isinstance(value, float):
            # C leaves a fraction's conversion beyond 64 bits undefined; here it is an error of the METHOD.
            if not math.isfinite(value) or abs(value) >= 2.0**64:
                raise EvaluationError(f"{value!r} is no whole number of {bits} bits")
            value = math.trunc(value)
        if isinstance(value, str):
            raise EvaluationError("a text stands where a number belongs")
        return value if low <= value <= high else fitted(value, bits, signed)

    return convert


def _decimal(value: Raw) -> Raw:
    if isinstance(value, str):
        raise EvaluationError("a text stands where a number belongs")
    return float(value)


def _single(value: Raw) -> Raw:
    if isinstance(value, str):
        raise EvaluationError("a text stands where a number belongs")
    try:
        return single(float(value))
    except struct.error as error:  # pragma: no cover - float() of a 64-bit number always fits a double
        raise EvaluationError(str(error)) from error


def _text(value: Raw) -> Raw:
    if not isinstance(value, str):
        raise EvaluationError("a number stands where a text belongs")
    return value


def converter(ctype: CType) -> Callable[[Raw], Raw]:
    """The C conversion to a type: whole numbers keep their low bits, a fraction is cut. It raises EvaluationError."""
    if ctype.is_text:
        return _text
    if ctype.shape is Kind.FLOAT:
        return _single
    if ctype.shape is Kind.DOUBLE:
        return _decimal
    return _CONVERTERS[ctype.bits, ctype.signed]


_CONVERTERS: Final = {(bits, signed): _whole(bits, signed) for bits in (8, 16, 32, 64) for signed in (True, False)}


def element_bytes(is_text: bool) -> int:
    """What one element of an array takes in memory beside its text, in octets; dropping a text costs time, too."""
    return 256 if is_text else 32


def text_bytes(text: str) -> int:
    """What a text takes in memory, in octets."""
    return len(text) if text.isascii() else 4 * len(text)


@dataclass(slots=True)
class CArray:
    """A fixed array of scalars, row by row. An array of char holds a text up to its first 0, a character a place."""

    ctype: CType
    lengths: tuple[int, ...]
    data: list[Raw] = field(default_factory=list)

    @property
    def is_characters(self) -> bool:
        return self.ctype.is_integer and self.ctype.bits == 8

    def text(self, most: int = 1 << 16) -> str:
        """The text an array of char holds; no more of it than one character past `most` is looked at."""
        codes: list[int] = self.data[: most + 1]  # type: ignore[assignment]  # an array of char holds whole numbers
        with suppress(ValueError):
            codes = codes[: codes.index(0)]
        try:
            return bytes(codes).decode("latin-1")
        except ValueError:  # a negative char, or a character past 255 that a text brought along
            return "".join([chr(code & 0xFF if code < 0 else code) for code in codes])

    def set_text(self, text: str, most: int | None = None) -> bool:
        """Store a text with its closing 0, cut where the array (or `most`) ends. False when it was cut."""
        room = len(self.data) if most is None else min(most, len(self.data))
        if room <= 0:
            return False
        kept = text[: room - 1]
        codes: Sequence[int] = [ord(char) for char in kept]
        self.data[: len(codes) + 1] = [*codes, 0]
        return len(kept) == len(text)
