"""C arithmetic of EDDL: expectations follow C99 6.3.1 and 6.5, worked out by hand."""

from __future__ import annotations

import ctypes
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import (
    BINARY,
    UNARY,
    Kind,
    Number,
    compare,
    convert,
    fitted,
    literal,
    of_kind,
    shl,
    shr,
    single,
)

I32, U32, I64, U64, F, D = Kind.INT32, Kind.UINT32, Kind.INT64, Kind.UINT64, Kind.FLOAT, Kind.DOUBLE
TENTH = 0.10000000149011612  # 0.1 in single precision

TABLE = [
    ("+", (I32, 2147483647), (I32, 1), (I32, -2147483648)),  # wraps in 32 bits
    ("+", (U32, 4294967295), (I32, 1), (U32, 0)),  # int becomes unsigned
    ("+", (I32, 2147483647), (I64, 1), (I64, 2147483648)),
    ("+", (U64, 2**64 - 1), (I32, 2), (U64, 1)),
    ("+", (I64, 2**63 - 1), (I32, 1), (I64, -(2**63))),
    ("-", (U32, 0), (I32, 1), (U32, 4294967295)),
    ("-", (I32, -2147483648), (I32, 1), (I32, 2147483647)),
    ("*", (I32, 65536), (I32, 65536), (I32, 0)),
    ("*", (I64, 65536), (I32, 65536), (I64, 4294967296)),
    ("/", (I32, -7), (I32, 2), (I32, -3)),  # toward zero, not down
    ("/", (I32, 7), (I32, -2), (I32, -3)),
    ("/", (I32, -7), (U32, 2), (U32, 2147483644)),  # (2^32 - 7) / 2
    ("/", (I32, -2147483648), (I32, -1), (I32, -2147483648)),
    ("/", (I32, 7), (D, 2.0), (D, 3.5)),
    ("%", (I32, -7), (I32, 2), (I32, -1)),  # the sign of the dividend
    ("%", (I32, 7), (I32, -2), (I32, 1)),
    ("&", (I32, -1), (I32, 0xF0), (I32, 0xF0)),
    ("|", (I32, 1), (U32, 0x80000000), (U32, 0x80000001)),
    ("^", (I32, -1), (I32, 1), (I32, -2)),
    ("<<", (I32, 1), (I32, 31), (I32, -2147483648)),
    ("<<", (U32, 3), (I32, 31), (U32, 0x80000000)),
    ("<<", (I32, 1), (I64, 3), (I32, 8)),  # the kind of the left side
    (">>", (I32, -8), (I32, 1), (I32, -4)),
    (">>", (U32, 0x80000000), (I32, 31), (U32, 1)),
    ("+", (F, 1.0), (I32, 16777217), (F, 16777216.0)),  # the int is rounded to single first
    ("*", (F, TENTH), (F, 3.0), (F, 0.30000001192092896)),
    ("*", (F, TENTH), (D, 3.0), (D, 0.30000000447034836)),
    ("*", (F, 3e38), (F, 10.0), (F, math.inf)),
    ("/", (D, 1.0), (D, 0.0), (D, math.inf)),
    ("/", (D, -1.0), (I32, 0), (D, -math.inf)),
]


@pytest.mark.parametrize(("symbol", "left", "right", "expected"), TABLE, ids=[str(n) for n in range(len(TABLE))])
def test_operators_give_what_c_gives(symbol, left, right, expected):
    result = BINARY[symbol](Number(*left), Number(*right))
    # The constant of the FLOAT rows is rounded to single precision as the operands are.
    assert result.kind is expected[0]
    assert result.value == (single(expected[1]) if expected[0] is F else expected[1])
    assert isinstance(result.value, int if expected[0].is_integer else float)


def test_zero_by_zero_in_floats_is_no_number():
    assert math.isnan(BINARY["/"](Number(D, 0.0), Number(D, 0.0)).value)


@pytest.mark.parametrize(
    ("symbol", "left", "right"),
    [
        ("/", (I32, 1), (I32, 0)),
        ("%", (I32, 1), (I32, 0)),
        ("%", (D, 1.0), (I32, 2)),
        ("&", (F, 1.0), (I32, 2)),
        ("|", (I32, 1), (D, 2.0)),
        ("^", (D, 1.0), (D, 2.0)),
        ("<<", (I32, 1), (I32, 32)),
        (">>", (I32, 1), (I32, -1)),
        (">>", (D, 1.0), (I32, 1)),
    ],
    ids=["div", "mod", "float-mod", "float-and", "float-or", "float-xor", "wide", "negative", "float-shift"],
)
def test_what_c_leaves_undefined_or_forbids_is_an_error(symbol, left, right):
    with pytest.raises(EvaluationError):
        BINARY[symbol](Number(*left), Number(*right))


def test_a_shift_may_use_the_width_of_its_left_side():
    assert shl(Number(I64, 1), Number(I32, 32)) == (I64, 4294967296)
    assert shr(Number(U64, 2**63), Number(I32, 63)) == (U64, 1)


@pytest.mark.parametrize(
    ("symbol", "number", "expected"),
    [
        ("-", (I32, -2147483648), (I32, -2147483648)),
        ("-", (U32, 1), (U32, 4294967295)),
        ("-", (D, 2.5), (D, -2.5)),
        ("+", (F, 2.5), (F, 2.5)),
        ("~", (I32, 0), (I32, -1)),
        ("~", (U32, 0), (U32, 4294967295)),
        ("!", (D, 0.0), (I32, 1)),
        ("!", (D, math.nan), (I32, 0)),
        ("!", (I32, 5), (I32, 0)),
    ],
    ids=["neg-least", "neg-unsigned", "neg-double", "plus", "inv", "inv-unsigned", "not-zero", "not-nan", "not-five"],
)
def test_signs_and_complements(symbol, number, expected):
    assert UNARY[symbol](Number(*number)) == expected


def test_a_complement_of_a_float_is_an_error():
    with pytest.raises(EvaluationError):
        UNARY["~"](Number(D, 1.0))


@pytest.mark.parametrize(
    ("symbol", "left", "right", "holds"),
    [
        ("<", (I32, -1), (I32, 0), 1),
        ("<", (I32, -1), (U32, 0), 0),  # -1 becomes 4294967295
        (">", (I32, -1), (U64, 5), 1),
        ("<", (I64, -1), (U32, 0), 1),  # long long holds every unsigned int
        ("==", (F, TENTH), (D, 0.1), 0),
        ("==", (I32, 3), (D, 3.0), 1),
        ("!=", (D, math.nan), (D, math.nan), 1),
        ("==", (D, math.nan), (D, math.nan), 0),
        (">=", (I32, 3), (I32, 3), 1),
        ("<=", (I32, 4), (I32, 3), 0),
    ],
    ids=["signed", "unsigned", "u64", "i64", "tenth", "mixed", "nan-differs", "nan-equals", "ge", "le"],
)
def test_comparisons_follow_the_usual_conversions(symbol, left, right, holds):
    assert compare(symbol, Number(*left), Number(*right)) == (I32, holds)


def test_casts_keep_the_low_bits_and_cut_fractions():
    assert convert(I32, Number(I64, 0x1_8000_0000)) == (I32, -2147483648)
    assert convert(U32, Number(I32, -1)) == (U32, 4294967295)
    assert convert(I32, Number(D, -2.9)) == (I32, -2)
    assert convert(F, Number(D, 0.1)) == (F, TENTH)
    assert convert(D, Number(F, TENTH)) == (D, TENTH)
    assert fitted(200, 8, True) == -56
    assert fitted(-1, 16, False) == 65535


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2147483648.0, -2147483649.0], ids=str)
def test_a_float_outside_an_integer_is_no_cast(value):
    with pytest.raises(EvaluationError):
        convert(I32, Number(D, value))


def test_constants_take_the_smallest_kind_that_holds_them():
    assert literal(2147483647) == (I32, 2147483647)
    assert literal(2147483648) == (I64, 2147483648)
    assert literal(2**63) == (U64, 2**63)
    assert literal(1, unsigned=True) == (U32, 1)
    assert literal(2**32, unsigned=True) == (U64, 2**32)
    assert literal(0.5) == (D, 0.5)


def test_python_values_become_numbers_that_fit():
    assert of_kind(I32, True) == (I32, 1)
    assert of_kind(U32, -1) == (U32, 4294967295)
    assert of_kind(F, 1e300) == (F, math.inf)


C_TYPES = {I32: ctypes.c_int32, U32: ctypes.c_uint32, I64: ctypes.c_int64, U64: ctypes.c_uint64}
WHOLE = st.integers(-(2**64), 2**64)


@given(st.sampled_from(sorted(C_TYPES)), WHOLE, WHOLE, st.sampled_from("+-*&|^"))
def test_whole_numbers_wrap_as_the_machine_has_them(kind, left, right, symbol):
    # ctypes stores into the machine's own types: an independent second opinion on the width.
    a, b = of_kind(kind, left), of_kind(kind, right)
    assert (a.value, b.value) == (C_TYPES[kind](left).value, C_TYPES[kind](right).value)
    exact = {"+": a.value + b.value, "-": a.value - b.value, "*": a.value * b.value}
    exact |= {"&": a.value & b.value, "|": a.value | b.value, "^": a.value ^ b.value}
    assert BINARY[symbol](a, b) == (kind, C_TYPES[kind](exact[symbol]).value)


@given(st.sampled_from(sorted(C_TYPES)), WHOLE, WHOLE.filter(bool))
def test_quotient_and_remainder_belong_together(kind, left, right):
    # C99 6.5.5: (a / b) * b + a % b == a, and the remainder is smaller than the divisor.
    a, b = of_kind(kind, left), of_kind(kind, right)
    if b.value == 0 or (b.value == -1 and a.value == min(a.value, -(2 ** (kind.bits - 1)))):
        return
    quotient, remainder = BINARY["/"](a, b).value, BINARY["%"](a, b).value
    assert quotient * b.value + remainder == a.value
    assert abs(remainder) < abs(b.value)
    assert remainder == 0 or (remainder < 0) == (a.value < 0)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.floats(allow_nan=False))
def test_single_precision_is_that_of_the_machine(near, any_float):
    assert single(near) == near
    assert single(any_float) == ctypes.c_float(any_float).value
