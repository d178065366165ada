"""Expressions, texts and lists of the tree as EDDL source again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from server.fdi.eddl import printed_lists
from server.fdi.eddl.expression_tree import PRECEDENCE
from server.fdi.eddl.expressions import (
    Assignment,
    Binary,
    Call,
    Cast,
    Character,
    Comma,
    DictionaryReference,
    Expression,
    Floating,
    Increment,
    Integer,
    Member,
    Reference,
    Ternary,
    Text,
    Unary,
)
from server.fdi.eddl.nodes import Group
from server.fdi.eddl.strings import LITERAL_BAR

# How strongly the forms bind; a form that binds less than its place asks for stands in brackets.
COMMA, ASSIGNMENT, TERNARY, _BINARY, _UNARY, _POSTFIX, _PRIMARY = 0, 1, 2, 2, 13, 14, 15
_ESCAPES: Final = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    LITERAL_BAR: "\\|",
}  # fmt: skip


def quoted(text: str, bars: Sequence[int] = ()) -> str:
    """A text in quotation marks with the escapes it needs; the bars at these places are escaped."""
    marked = set(bars)
    return '"' + "".join("\\|" if at in marked else _escaped(char) for at, char in enumerate(text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return f"\\{ord(char):03o}" if char < " " or char == "\x7f" else char


def _character(code: int) -> str:
    char = chr(code)
    if char in ("'", "\\"):
        return f"'\\{char}'"
    if char == LITERAL_BAR:
        return "'\\|'"
    return f"'{char}'" if char >= " " and char != "\x7f" else f"'\\x{code:x}'"


def reference(node: Reference) -> str:
    """A name with its steps."""
    text = node.name
    for step in node.steps:
        text += f".{step.name}" if isinstance(step, Member) else f"[{expression(step.value)}]"
    return text


def expression(node: Expression, wanted: int = COMMA) -> str:
    """An expression; in brackets when it binds less strongly than `wanted`."""
    binds = _PRIMARY
    match node:
        case Integer(value=value, unsigned=unsigned):
            text = f"{value}u" if unsigned else str(value)
        case Floating(value=number):
            text = repr(number)
        case Character(value=value):
            text = _character(value)
        case Text(raw=raw, bars=bars):
            text = quoted(raw, bars)
        case DictionaryReference(name=name):
            text = f"[{name}]"
        case Reference():
            text = reference(node)
        case Call():
            text = f"{reference(node.target)}({', '.join([_argument(each) for each in node.arguments])})"
        case Unary(operator=symbol) | Increment(operator=symbol, is_prefix=True):
            binds = _UNARY
            operand = expression(node.operand, _UNARY)
            text = symbol + (" " if operand[0] in "+-&" else "") + operand
        case Increment(operator=symbol):
            binds = _POSTFIX
            text = expression(node.operand, _POSTFIX) + symbol
        case Cast(ctype=ctype):
            binds = _UNARY
            text = f"({ctype})" + expression(node.operand, _UNARY)
        case Binary(operator=symbol):
            binds = _BINARY + PRECEDENCE[symbol]
            left = expression(node.left, binds)
            if symbol == ">" and _may_be_mask(node.left):
                left = f"({left})"  # `a < 3 > b` in a list would be a mask
            text = f"{left} {symbol} {expression(node.right, binds + 1)}"
        case Ternary():
            binds = TERNARY
            then, otherwise = expression(node.then, TERNARY), expression(node.otherwise, TERNARY)
            text = f"{expression(node.condition, TERNARY + 1)} ? {then} : {otherwise}"
        case Assignment(operator=symbol):
            binds = ASSIGNMENT
            text = f"{expression(node.target, _UNARY)} {symbol} {expression(node.value, ASSIGNMENT)}"
        case Comma(values=values):
            binds = COMMA
            text = ", ".join([expression(value, ASSIGNMENT) for value in values])
    return f"({text})" if binds < wanted else text


def _may_be_mask(left: Expression) -> bool:
    return isinstance(left, Binary) and left.operator == "<" and isinstance(left.right, Integer)


def _argument(node: Expression | Group) -> str:
    if not isinstance(node, Group):
        return expression(node, ASSIGNMENT)
    return printed_lists.group(node)


def primary(node: Expression) -> str:
    """An expression that what follows cannot become part of by an operator."""
    return expression(node, _PRIMARY)
