"""The integer expression of `#if` and `#elif`."""

from __future__ import annotations

from collections.abc import Sequence

from server.fdi.eddl.numbers import NumberError, read_number
from server.fdi.eddl.static import StaticError, integer_operation
from server.fdi.eddl.tokens import Token

_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
CONDITION_DEPTH = 40  # brackets and signs inside one another


class ConditionError(Exception):
    """A condition that cannot be worked out."""


def holds(tokens: Sequence[Token]) -> bool:
    """Whether the condition is not zero; names that are left count as 0. Raises ConditionError."""
    reader = _Reader(tokens)
    value = reader.ternary(0)
    if reader.at != len(tokens):
        raise ConditionError(f"{tokens[reader.at].text!r} is not expected in this condition")
    return value != 0


class _Reader:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.left_out = 0  # sides of && and || that do not count: division by zero there is no error

    def _next(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def _take(self, text: str) -> None:
        if self._next() != text:
            raise ConditionError(f"expected {text!r} in this condition")
        self.at += 1

    def ternary(self, depth: int) -> int:
        if depth > CONDITION_DEPTH:
            raise ConditionError(f"this condition is nested more than {CONDITION_DEPTH} deep")
        condition = self._binary(0, depth)
        if self._next() != "?":
            return condition
        self.at += 1
        then = self.ternary(depth + 1)
        self._take(":")
        otherwise = self.ternary(depth + 1)
        return then if condition else otherwise

    def _binary(self, level: int, depth: int) -> int:
        if level == len(_LEVELS):
            return self._unary(depth)
        left = self._binary(level + 1, depth)
        while (operator := self._next()) in _LEVELS[level]:
            self.at += 1
            decided = (operator == "&&" and not left) or (operator == "||" and bool(left))
            self.left_out += decided
            right = self._binary(level + 1, depth)
            self.left_out -= decided
            try:
                left = integer_operation(operator, left, right)
            except StaticError as error:
                if not self.left_out:
                    raise ConditionError(f"{error} in this condition") from error
        return left

    def _unary(self, depth: int) -> int:
        if self.at >= len(self.tokens):
            raise ConditionError("this condition is not complete")
        if depth > CONDITION_DEPTH:
            raise ConditionError(f"this condition is nested more than {CONDITION_DEPTH} deep")
        token = self.tokens[self.at]
        self.at += 1
        match token.text:
            case "-" | "+" | "~" | "!":
                value = self._unary(depth + 1)
                return {"-": -value, "+": value, "~": ~value, "!": int(not value)}[token.text]
            case "(":
                value = self.ternary(depth + 1)
                self._take(")")
                return value
        if token.type == "NAME":
            return 0
        if token.type == "NUMBER":
            try:
                number = read_number(token.text)
            except NumberError as error:
                raise ConditionError(str(error)) from error
            if isinstance(number.value, int):
                return number.value
        raise ConditionError(f"{token.text!r} is not a whole number")
