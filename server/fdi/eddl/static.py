"""Expressions without a device: constants worked out with the rules of C; anything else says so."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import TypeAlias

from server.fdi.eddl.expressions import (
    Binary,
    Character,
    DictionaryReference,
    Expression,
    Floating,
    Integer,
    Reference,
    Ternary,
    Text,
    Unary,
)

Value: TypeAlias = int | float | str

_CONSTANTS: Mapping[str, int] = {"TRUE": 1, "FALSE": 0}
_BITS = 64
_COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class DynamicError(Exception):
    """The expression depends on the device, so it has no value yet."""


class StaticError(ValueError):
    """The expression can never have a value, such as a division by zero."""


def wrapped(value: int) -> int:
    """A whole number in 64 bits: what fits signed or unsigned stays, the rest wraps to two's complement."""
    if -(1 << (_BITS - 1)) <= value < 1 << _BITS:
        return value
    value &= (1 << _BITS) - 1
    return value - (1 << _BITS) if value >> (_BITS - 1) else value


def divided(left: int, right: int) -> int:
    """Quotient that truncates toward zero. Raises StaticError for a zero divisor."""
    if right == 0:
        raise StaticError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def integer_operation(symbol: str, left: int, right: int) -> int:
    """One C operator on whole numbers, in 64 bits. Raises StaticError."""
    match symbol:
        case "+":
            return wrapped(left + right)
        case "-":
            return wrapped(left - right)
        case "*":
            return wrapped(left * right)
        case "/":
            return wrapped(divided(left, right))
        case "%":
            return left - divided(left, right) * right
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
        case "<<" | ">>":
            if not 0 <= right < _BITS:
                raise StaticError(f"shift by {right} bits; 0 to {_BITS - 1} have a meaning")
            return wrapped(left << right) if symbol == "<<" else left >> right
        case "&&":
            return int(bool(left) and bool(right))
        case "||":
            return int(bool(left) or bool(right))
    if symbol in _COMPARISONS:
        return int(_COMPARISONS[symbol](left, right))
    raise StaticError(f"operator {symbol} has no value for whole numbers")


def _float_operation(symbol: str, left: float, right: float) -> Value:
    if symbol in _COMPARISONS:
        return int(_COMPARISONS[symbol](left, right))
    match symbol:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            if right != 0.0:
                return left / right
            if left == 0.0 or math.isnan(left):
                return math.nan
            return math.copysign(math.inf, left) * math.copysign(1.0, right)
    raise StaticError(f"operator {symbol} takes whole numbers only")


def _binary(symbol: str, left: Value, right: Value) -> Value:
    if isinstance(left, str) or isinstance(right, str):
        if isinstance(left, str) and isinstance(right, str):
            if symbol == "+":
                return left + right
            if symbol in _COMPARISONS:
                return int(_COMPARISONS[symbol](left, right))
        raise StaticError(f"operator {symbol} does not take a text here")
    if isinstance(left, int) and isinstance(right, int):
        return integer_operation(symbol, left, right)
    return _float_operation(symbol, float(left), float(right))


def _unary(symbol: str, value: Value) -> Value:
    if isinstance(value, str):
        raise StaticError(f"operator {symbol} does not take a text")
    match symbol:
        case "-":
            return wrapped(-value) if isinstance(value, int) else -value
        case "+":
            return value
        case "!":
            return int(not value)
        case "~" if isinstance(value, int):
            return wrapped(~value)
    raise StaticError(f"operator {symbol} takes whole numbers only")


def evaluate(expression: Expression, text_of: Callable[[DictionaryReference], str] | None = None) -> Value:
    """The value of a constant expression: int (0 or 1 for truth), float or the default text of a string.

    Raises DynamicError when a VARIABLE, a call or a METHOD operator is involved, StaticError when it is constant
    but has no value. `&&`, `||` and `?:` leave out what C leaves out.
    """
    match expression:
        case Integer(value=value) | Floating(value=value) | Character(value=value):
            return value
        case Text():
            return next(iter(expression.languages.values()), "")
        case DictionaryReference() if text_of is not None:
            return text_of(expression)
        case Reference(name=name, steps=()) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case Unary(operator=symbol) if symbol != "&":
            return _unary(symbol, evaluate(expression.operand, text_of))
        case Binary(operator="&&" | "||" as symbol):
            left = truth(evaluate(expression.left, text_of))
            if left == (symbol == "||"):
                return int(left)
            return int(truth(evaluate(expression.right, text_of)))
        case Binary():
            return _binary(expression.operator, evaluate(expression.left, text_of), evaluate(expression.right, text_of))
        case Ternary():
            chosen = truth(evaluate(expression.condition, text_of))
            return evaluate(expression.then if chosen else expression.otherwise, text_of)
    raise DynamicError


def truth(value: Value) -> bool:
    """Whether C takes the value for true. Raises StaticError for a text."""
    if isinstance(value, str):
        raise StaticError("a text is neither true nor false")
    return value != 0
