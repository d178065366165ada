"""Instructions for operators, made for the kinds of their operands; the commonest are written out for speed."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from server.fdi.logic import numbers
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import COMPARISONS, Kind, Number, fitted
from server.fdi.methods.ctype import OF_KIND, Raw, converter
from server.fdi.methods.program import SPENT, Instruction

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine

BITWISE = {"&": operator.and_, "|": operator.or_, "^": operator.xor}


def push(value: object) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        stack.append(value)

    return run


def load(slot: int) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        stack.append(slots[slot])

    return run


def drop(stack: list[Any], slots: list[Any], machine: Machine) -> None:
    stack.pop()


def duplicate(stack: list[Any], slots: list[Any], machine: Machine) -> None:
    stack.append(stack[-1])


def swap_down(stack: list[Any], slots: list[Any], machine: Machine) -> None:
    """The top goes two places down."""
    top = stack.pop()
    stack.insert(-2, top)


def convert(kind: Kind) -> Instruction:
    """The value on top becomes one of the kind."""
    return apply(converter(OF_KIND[kind]))


def apply(change: Callable[[Any], Any]) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        stack[-1] = change(stack[-1])

    return run


def _calculated(symbol: str, kind: Kind) -> Callable[[Any, Any], Raw]:
    calculate = numbers.BINARY[symbol]
    return lambda left, right: calculate(Number(kind, left), Number(kind, right)).value


def calculation(symbol: str, left: Kind, right: Kind) -> tuple[Callable[[Any, Any], Raw], Kind]:
    """A C operator on raw values, with the kind of its result. It may raise EvaluationError."""
    if symbol in ("<<", ">>"):
        shift = numbers.BINARY[symbol]
        return (lambda a, b: shift(Number(left, a), Number(right, b)).value), left
    kind = max(left, right)
    if kind > Kind.UINT64 and symbol in ("%", "&", "|", "^"):
        raise EvaluationError(f"{symbol} takes whole numbers only")
    return _converting(_same_kind(symbol, kind), left, right, kind), kind


def _same_kind(symbol: str, kind: Kind) -> Callable[[Any, Any], Raw]:
    if symbol in BITWISE:
        return BITWISE[symbol]  # operands that fit give a result that fits
    if kind is Kind.DOUBLE and symbol in ("+", "-", "*"):
        return {"+": operator.add, "-": operator.sub, "*": operator.mul}[symbol]
    return _calculated(symbol, kind)


def _converting(run: Callable[[Any, Any], Any], left: Kind, right: Kind, kind: Kind) -> Callable[[Any, Any], Any]:
    if left is kind and right is kind:
        return run
    change = converter(OF_KIND[kind])
    return lambda a, b: run(change(a), change(b))


def binary(symbol: str, left: Kind, right: Kind) -> tuple[Instruction, Kind]:
    """An arithmetic instruction and the kind of its result. Raises EvaluationError for operands it does not take."""
    if left is right and left <= Kind.UINT64 and symbol in ("+", "-", "*"):
        return _whole(symbol, left), left
    calculate, kind = calculation(symbol, left, right)

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        right_value = stack.pop()
        stack[-1] = calculate(stack[-1], right_value)

    return run, kind


def _whole(symbol: str, kind: Kind) -> Instruction:
    bits, signed = kind.bits, kind.is_signed
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)

    def add(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        right = stack.pop()
        value = stack[-1] + right
        stack[-1] = value if low <= value <= high else fitted(value, bits, signed)

    def subtract(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        right = stack.pop()
        value = stack[-1] - right
        stack[-1] = value if low <= value <= high else fitted(value, bits, signed)

    def multiply(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        right = stack.pop()
        value = stack[-1] * right
        stack[-1] = value if low <= value <= high else fitted(value, bits, signed)

    return {"+": add, "-": subtract, "*": multiply}[symbol]


def comparison(symbol: str, left: Kind, right: Kind) -> Instruction:
    """A comparison after the usual conversions; 1 or 0."""
    kind = max(left, right)
    # Whole numbers of one sign compare alike in any width; -1 against an unsigned one does not, so it is converted.
    compare = _converting(COMPARISONS[symbol], left, right, kind)

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        right_value = stack.pop()
        stack[-1] = 1 if compare(stack[-1], right_value) else 0

    return run


def text_comparison(symbol: str) -> Instruction:
    compare = COMPARISONS[symbol]

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        right = stack.pop()
        stack[-1] = 1 if compare(stack[-1], right) else 0

    return run


def concatenate(stack: list[Any], slots: list[Any], machine: Machine) -> int:
    right = stack.pop()
    stack[-1] = machine.new_text(stack[-1] + right)
    return SPENT


def unary(symbol: str, kind: Kind) -> tuple[Instruction | None, Kind]:
    """`- + ~ !`; None where nothing is to be done. Raises EvaluationError for an operand it does not take."""
    if symbol == "!":
        return apply(lambda value: 0 if value else 1), Kind.INT32
    if symbol == "+":
        return None, kind
    if symbol == "~" and kind > Kind.UINT64:
        raise EvaluationError("~ takes whole numbers only")
    calculate = numbers.UNARY[symbol]
    return apply(lambda value: calculate(Number(kind, value)).value), kind
