"""Constant expressions follow C, not Python."""

from __future__ import annotations

import math

import pytest

from server.fdi.eddl.nodes import Scalar
from server.fdi.eddl.numbers import NumberError, read_number
from server.fdi.eddl.static import DynamicError, StaticError, evaluate
from tests.kit.edd import construct


def _evaluate(text: str) -> int | float | str:
    attribute = construct(f"VARIABLE x {{ DEFAULT_VALUE {text}; }}").attributes[0]
    assert isinstance(attribute.value, Scalar)
    return evaluate(attribute.value.values[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # truncation toward zero, remainder with the sign of the dividend
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("-7 % 2", -1),
        ("7 % -2", 1),
        ("-7 / -2", 3),
        ("7.0 / 2", 3.5),
        ("1 / 3 * 3", 0),
        # comparisons and logic give 0 or 1
        ("3 < 4", 1),
        ("3 > 4", 0),
        ("!5", 0),
        ("!0", 1),
        ("2 && 3", 1),
        ("0 || 0", 0),
        ("0 && 1 / 0", 0),
        ("1 || 1 / 0", 1),
        ("TRUE + TRUE", 2),
        ("FALSE ? 1 / 0 : 4", 4),
        # bits
        ("0xF0 >> 4 | 1 << 3", 0xF | 8),
        ("~0", -1),
        ("5 ^ 3", 6),
        ("6 & 3", 2),
        ("-8 >> 1", -4),
        # 64 bits
        ("0xFFFFFFFFFFFFFFFF", 2**64 - 1),
        ("0xFFFFFFFFFFFFFFFF + 1", 0),
        ("9223372036854775807 * 4", -4),
        ("2147483647 + 1", 2147483648),
        # text
        ('"a" + "b"', "ab"),
        ('"a" == "a"', 1),
    ],
)
def test_constant_expressions(text: str, value: float | str) -> None:
    found = _evaluate(text)
    assert found == value
    assert type(found) is type(value)


def test_float_division_by_zero_is_infinite_or_no_number() -> None:
    assert _evaluate("1.0 / 0") == math.inf
    assert _evaluate("-1.0 / 0") == -math.inf
    assert math.isnan(float(_evaluate("0.0 / 0")))


@pytest.mark.parametrize(
    "text", ["1 / 0", "1 % 0", "1 << 64", "1 >> -1", "1.5 % 2", "~1.5", "1.5 & 1", '"a" * 2', '-"a"']
)
def test_what_never_has_a_value_says_so(text: str) -> None:
    with pytest.raises(StaticError):
        _evaluate(text)


@pytest.mark.parametrize("text", ["other", "other.MAX_VALUE", "1 + other", "f(1)", "other ? 1 : 2", "[text]"])
def test_what_depends_on_the_device_is_dynamic(text: str) -> None:
    with pytest.raises(DynamicError):
        _evaluate(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1F", 31),
        ("0b101", 5),
        ("017", 15),
        ("0", 0),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("2.5E-1", 0.25),
        ("10UL", 10),
    ],
)
def test_number_literals(text: str, value: float) -> None:
    found = read_number(text).value
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["08", "0x", "12ab", "1e999", "18446744073709551616", "1" * 500])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(NumberError):
        read_number(text)
