"""Statements of the METHOD language as source again."""

from __future__ import annotations

import re
from typing import Final

from server.fdi.eddl import printed_expressions as expressions
from server.fdi.eddl.expressions import Expression
from server.fdi.eddl.keywords import KEYWORDS
from server.fdi.eddl.statements import (
    Block,
    CaseLabel,
    Declaration,
    Declarator,
    ExpressionStatement,
    For,
    If,
    Jump,
    Return,
    Statement,
    Switch,
    While,
)

_FIRST_WORD: Final = re.compile(r"[A-Za-z_]\w*")


def block(node: Block, depth: int) -> str:
    """Statements between braces, each on its line."""
    pad = "    " * depth
    if not node.statements:
        return "{ }"
    inner = "".join(f"{pad}    {statement(each, depth + 1)}\n" for each in node.statements)
    return "{\n" + inner + pad + "}"


def statement(node: Statement | CaseLabel, depth: int) -> str:
    """One statement, its first line without indentation."""
    match node:
        case Block():
            return block(node, depth)
        case Declaration(ctype=ctype, declarators=declarators):
            return f"{ctype} {', '.join([_declarator(each) for each in declarators])};"
        case ExpressionStatement(value=value):
            return ";" if value is None else _expression_statement(value)
        case If():
            return _if(node, depth)
        case While(body_first=True):
            return f"do {statement(node.body, depth)} while ({expressions.expression(node.condition)});"
        case While():
            return f"while ({expressions.expression(node.condition)}) {statement(node.body, depth)}"
        case For():
            head = "; ".join([_optional(part) for part in (node.start, node.condition, node.step)])
            return f"for ({head}) {statement(node.body, depth)}"
        case Switch():
            pad = "    " * depth
            inner = "".join(f"{pad}    {statement(each, depth + 1)}\n" for each in node.body)
            return f"switch ({expressions.expression(node.subject)}) {{\n{inner}{pad}}}"
        case CaseLabel(value=value):
            return "default:" if value is None else f"case {expressions.expression(value, expressions.TERNARY)}:"
        case Jump(kind=kind):
            return f"{kind};"
        case Return(value=value):
            return "return;" if value is None else f"return {expressions.expression(value)};"


def _if(node: If, depth: int) -> str:
    """`if` with a chain of `else if` on one level."""
    text = ""
    while True:
        text += f"if ({expressions.expression(node.condition)}) {statement(node.then, depth)}"
        if node.otherwise is None:
            return text
        text += " else "
        if not isinstance(node.otherwise, If):
            return text + statement(node.otherwise, depth)
        node = node.otherwise


def _expression_statement(value: Expression) -> str:
    text = expressions.expression(value)
    word = _FIRST_WORD.match(text)
    return f"({text});" if word is not None and word.group() in KEYWORDS else f"{text};"


def _optional(value: Expression | None) -> str:
    return "" if value is None else expressions.expression(value)


def _declarator(node: Declarator) -> str:
    text = node.name + "".join(
        "[]" if length is None else f"[{expressions.expression(length, expressions.ASSIGNMENT)}]"
        for length in node.lengths
    )
    if node.initial is None:
        return text
    if isinstance(node.initial, tuple):
        parts = ", ".join([expressions.expression(each, expressions.ASSIGNMENT) for each in node.initial])
        return f"{text} = {{ {parts} }}" if parts else f"{text} = {{ }}"
    return f"{text} = {expressions.expression(node.initial, expressions.ASSIGNMENT)}"
