"""C arithmetic on EDDL numbers, for attribute expressions and for METHODs alike (eddl.md, sections 4 and 7).

A `Number` is a kind and a Python value that fits it: `Number(Kind.UINT32, 7)`. Every operation takes Numbers and
gives one: `add sub mul div mod shl shr and_ or_ xor` (two operands, the usual arithmetic conversions), `neg plus inv
lnot` (one), `compare("<", a, b)` (INT32 0 or 1); `BINARY` and `UNARY` hold them by operator. `convert(kind, number)`
is a cast, `fitted(value, bits, signed)` what a smaller C integer (`char`, `short`) keeps, `literal(value)` the Number
of a constant in source, `of_kind(kind, value)` one of a Python value. Signed results wrap; `/` and `%` truncate toward
zero; an integer divided by zero raises EvaluationError, a float gives an infinity or NaN. FLOAT rounds to single
precision after each operation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from server.core.floats import single
from server.fdi.logic.errors import EvaluationError


class Kind(IntEnum):
    """C's arithmetic types after promotion; of two operands the greater kind is the common one."""

    INT32 = 0
    UINT32 = 1
    INT64 = 2
    UINT64 = 3
    FLOAT = 4
    DOUBLE = 5

    @property
    def is_integer(self) -> bool:
        return self <= Kind.UINT64

    @property
    def bits(self) -> int:
        """Width of the type."""
        return 32 if self in (Kind.INT32, Kind.UINT32, Kind.FLOAT) else 64

    @property
    def is_signed(self) -> bool:
        return self not in (Kind.UINT32, Kind.UINT64)


class Number(NamedTuple):
    """A value that fits its kind: `int` for the integer kinds, `float` for the others."""

    kind: Kind
    value: int | float


Comparison = Callable[[int | float, int | float], bool]

ZERO: Final = Number(Kind.INT32, 0)
ONE: Final = Number(Kind.INT32, 1)
_INT32_MAX, _UINT32_MAX, _INT64_MAX, _UINT64_MAX = 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1
_RANGES: Final[Mapping[Kind, tuple[int, int]]] = {
    Kind.INT32: (-(2**31), _INT32_MAX),
    Kind.UINT32: (0, _UINT32_MAX),
    Kind.INT64: (-(2**63), _INT64_MAX),
    Kind.UINT64: (0, _UINT64_MAX),
}


def fitted(value: int, bits: int, signed: bool) -> int:
    """The low `bits` of a whole number, read as signed (two's complement) or unsigned."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def of_kind(kind: Kind, value: int | float) -> Number:
    """A Python number as a Number of this kind, converted as `convert` does."""
    if kind <= Kind.UINT64:
        if isinstance(value, float):
            return Number(kind, _truncated(kind, value))
        low, high = _RANGES[kind]
        whole = int(value)  # a bool counts as 0 or 1
        return Number(kind, whole if low <= whole <= high else fitted(whole, kind.bits, kind.is_signed))
    return Number(kind, single(float(value)) if kind is Kind.FLOAT else float(value))


def convert(kind: Kind, number: Number) -> Number:
    """A C cast: whole numbers keep their low bits, a fraction is cut.

    Raises:
        EvaluationError: NaN, or a float beyond the range of an integer kind (undefined in C).
    """
    return number if number.kind is kind else of_kind(kind, number.value)


def literal(value: int | float, unsigned: bool = False) -> Number:
    """The Number of a constant: the smallest of int and long long that holds it (unsigned ones with a `u` suffix)."""
    if isinstance(value, float):
        return Number(Kind.DOUBLE, value)
    if unsigned:
        return of_kind(Kind.UINT32 if value <= _UINT32_MAX else Kind.UINT64, value)
    if value <= _INT32_MAX:
        return of_kind(Kind.INT32 if value >= -(2**31) else Kind.INT64, value)
    return of_kind(Kind.INT64 if value <= _INT64_MAX else Kind.UINT64, value)


def is_true(number: Number) -> bool:
    """C truth: anything but zero, NaN included."""
    return number.value != 0


def add(left: Number, right: Number) -> Number:
    """left + right."""
    kind, a, b = _common(left, right)
    return of_kind(kind, a + b)


def sub(left: Number, right: Number) -> Number:
    """left - right."""
    kind, a, b = _common(left, right)
    return of_kind(kind, a - b)


def mul(left: Number, right: Number) -> Number:
    """left * right."""
    kind, a, b = _common(left, right)
    return of_kind(kind, a * b)


def div(left: Number, right: Number) -> Number:
    """left / right, cut toward zero for integers. Raises EvaluationError for an integer zero divisor."""
    kind, a, b = _common(left, right)
    if isinstance(a, int) and isinstance(b, int):
        return of_kind(kind, _quotient(a, b))
    if b != 0:
        return of_kind(kind, a / b)
    if a == 0 or math.isnan(a):
        return Number(kind, math.nan)
    return Number(kind, math.copysign(math.inf, a) * math.copysign(1.0, b))


def mod(left: Number, right: Number) -> Number:
    """left % right with the sign of `left`. Raises EvaluationError for floats and for a zero divisor."""
    kind, a, b = _integers("%", left, right)
    return of_kind(kind, a - _quotient(a, b) * b)


def shl(left: Number, right: Number) -> Number:
    """left << right in the kind of `left`. Raises EvaluationError for a count outside the width, and for floats."""
    value, count = _shift("<<", left, right)
    return of_kind(left.kind, value << count)


def shr(left: Number, right: Number) -> Number:
    """left >> right in the kind of `left`; a signed one keeps its sign. Raises EvaluationError as `shl` does."""
    value, count = _shift(">>", left, right)
    return of_kind(left.kind, value >> count)


def and_(left: Number, right: Number) -> Number:
    """left & right. Raises EvaluationError for floats."""
    kind, a, b = _integers("&", left, right)
    return of_kind(kind, a & b)


def or_(left: Number, right: Number) -> Number:
    """left | right. Raises EvaluationError for floats."""
    kind, a, b = _integers("|", left, right)
    return of_kind(kind, a | b)


def xor(left: Number, right: Number) -> Number:
    """left ^ right. Raises EvaluationError for floats."""
    kind, a, b = _integers("^", left, right)
    return of_kind(kind, a ^ b)


def neg(number: Number) -> Number:
    """-x in its kind: the negative of an unsigned number wraps."""
    return of_kind(number.kind, -number.value)


def plus(number: Number) -> Number:
    """+x."""
    return number


def inv(number: Number) -> Number:
    """~x. Raises EvaluationError for floats."""
    if not isinstance(number.value, int):
        raise EvaluationError("~ takes whole numbers only")
    return of_kind(number.kind, ~number.value)


def lnot(number: Number) -> Number:
    """!x: 1 for zero, else 0."""
    return ZERO if is_true(number) else ONE


def compare(symbol: str, left: Number, right: Number) -> Number:
    """One of `== != < > <= >=` after the usual conversions; with NaN only != holds."""
    _, a, b = _common(left, right)
    return ONE if COMPARISONS[symbol](a, b) else ZERO


COMPARISONS: Final[Mapping[str, Comparison]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
BINARY: Final[Mapping[str, Callable[[Number, Number], Number]]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": div,
    "%": mod,
    "<<": shl,
    ">>": shr,
    "&": and_,
    "|": or_,
    "^": xor,
}
UNARY: Final[Mapping[str, Callable[[Number], Number]]] = {"-": neg, "+": plus, "~": inv, "!": lnot}


def _common(left: Number, right: Number) -> tuple[Kind, int | float, int | float]:
    """The usual arithmetic conversions (C 6.3.1.8). Kinds are ordered so that the greater one is the common type."""
    if left.kind is right.kind:
        return left.kind, left.value, right.value
    kind = max(left.kind, right.kind)
    return kind, convert(kind, left).value, convert(kind, right).value


def _integers(symbol: str, left: Number, right: Number) -> tuple[Kind, int, int]:
    kind, a, b = _common(left, right)
    if not isinstance(a, int) or not isinstance(b, int):
        raise EvaluationError(f"{symbol} takes whole numbers only")
    return kind, a, b


def _shift(symbol: str, left: Number, right: Number) -> tuple[int, int]:
    if not isinstance(left.value, int) or not isinstance(right.value, int):
        raise EvaluationError(f"{symbol} takes whole numbers only")
    if not 0 <= right.value < left.kind.bits:
        raise EvaluationError(f"shift by {right.value} bits; 0 to {left.kind.bits - 1} have a meaning")
    return left.value, right.value


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _truncated(kind: Kind, value: float) -> int:
    low, high = _RANGES[kind]
    if not math.isfinite(value) or not low <= math.trunc(value) <= high:
        raise EvaluationError(f"{value!r} does not fit a whole number of {kind.bits} bits")
    return math.trunc(value)
