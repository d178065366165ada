"""Lists, conditionals and the values of attributes as EDDL source again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from server.fdi.eddl import printed_expressions as expressions
from server.fdi.eddl.expressions import Binary, Expression, Integer, Reference, Ternary, Unary
from server.fdi.eddl.nodes import (
    Attribute,
    Conditional,
    Content,
    Deletion,
    Group,
    ItemList,
    ListItem,
    Scalar,
    Transaction,
    TypeSpec,
)
from server.fdi.eddl.printed_statements import block
from server.fdi.eddl.statements import Block
from server.fdi.eddl.tree import QUALIFIERS

_LINE: Final = 100  # characters before a list is broken over lines
_FIRST_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_MODIFIERS: Final = frozenset({"ADD", "REDEFINE", "DELETE"})
# Attribute words that a name after them would turn into keywords, and a bracket would not.
_BEFORE_BRACKETS: Final = frozenset({"TYPE", "ADD", "REDEFINE", "DELETE"})


def braces(parts: Sequence[str], depth: int) -> str:
    """Parts between braces, on one line where they fit."""
    line = "{ " + " ".join(parts) + " }" if parts else "{ }"
    if len(line) + 4 * depth <= _LINE and "\n" not in line:
        return line
    pad = "\n" + "    " * (depth + 1)
    return "{" + "".join(pad + part for part in parts) + "\n" + "    " * depth + "}"


def group(node: Group, depth: int = 0) -> str:
    """Items between braces, with the name before them."""
    return (f"{node.name} " if node.name is not None else "") + braces(contents(node.items, depth + 1), depth)


def contents(items: Sequence[Content], depth: int) -> list[str]:
    """Items with the separators they had; where there was none, brackets keep an item apart from the next."""
    found: list[str] = []
    following = ""
    for item in reversed(items):
        text = _content(item, depth)
        if isinstance(item, ListItem):
            if following and not item.separator and _touches(item, text, following[0]):
                text = list_item(item, depth, closed=True)
            text += item.separator
        elif isinstance(item, Reference):
            text += ","
        elif isinstance(item, Conditional | Attribute) and following.startswith("ELSE"):
            text += ";"  # something of that name follows, no branch
        found.append(text)
        following = text
    found.reverse()
    return found


def _touches(item: ListItem, text: str, following: str) -> bool:
    """Whether what begins with that character could be read as part of the item's expression."""
    last = item.assigned or item.value
    if isinstance(last, Group | Block) or item.mask is not None or (item.qualifiers and item.assigned is None):
        return False
    if text in _MODIFIERS or (following == '"' and text[-1] == '"'):
        return True
    if following == "{":
        return item.assigned is None and isinstance(last, Reference) and not last.steps
    return following == "[" and text[-1] != ")" and isinstance(_rightmost(last), Reference)


def _rightmost(node: Expression) -> Expression:
    """The operand an expression ends with."""
    while True:
        match node:
            case Binary(right=inner) | Ternary(otherwise=inner) | Unary(operand=inner):
                node = inner
            case _:
                return node


def _content(item: Content, depth: int) -> str:
    match item:
        case ListItem():
            return list_item(item, depth)
        case Scalar():
            return scalar(item)
        case Conditional():
            return conditional(item, depth)
        case Attribute():
            return attribute(item, depth)
        case Deletion():
            return f"DELETE {expressions.expression(item.value)};"
        case Reference():
            return expressions.reference(item)


def list_item(item: ListItem, depth: int, *, closed: bool = False) -> str:
    """One item of a list without its separator; `closed` puts its expression in brackets."""
    value = item.value
    lead = f"{item.modifier} " if item.modifier else ""
    if isinstance(value, Group):
        return lead + group(value, depth)
    if isinstance(value, Block):
        return lead + "DEFINITION " + block(value, depth)
    if item.assigned is not None:
        assigned = expressions.expression(item.assigned)
        return f"{lead}{_opening(value, lead)} = {f'({assigned})' if closed else assigned}"
    text = _opening(value, lead)
    if item.mask is not None:
        return f"{lead}{text} <{item.mask:#x}>" + _qualifiers(item)
    called = bool(item.qualifiers) and text[-1] != ")" and isinstance(_rightmost(value), Reference)
    if called and isinstance(value, Reference) and QUALIFIERS.issuperset(item.qualifiers):
        called = False
    if called or (closed and not lead and not item.qualifiers):
        text = f"({expressions.expression(value)})"
    return lead + text + _qualifiers(item)


def _qualifiers(item: ListItem) -> str:
    return f" ({', '.join(item.qualifiers)})" if item.qualifiers else ""


def _opening(value: Expression, lead: str) -> str:
    """An expression at the start of an item: a name such as ADD may not be taken for a modifier."""
    text = expressions.expression(value)
    word = _FIRST_WORD.match(text)
    if lead or word is None or word.group() not in _MODIFIERS:
        return text
    rest = text[word.end() :].lstrip()
    if rest.startswith("&&") or not rest.startswith(("[", "-", "+", "&")):
        return text
    return f"({text})"


def conditional(node: Conditional, depth: int) -> str:
    """IF or SELECT; a chain of ELSE IF stays one."""
    text = ""
    while True:
        if node.kind != "IF":
            return text + _select(node, depth)
        text += (
            f"IF ({expressions.expression(node.subject)}) {braces(contents(node.cases[0].content, depth + 1), depth)}"
        )
        if node.default is None:
            return text
        if len(node.default) != 1 or not isinstance(node.default[0], Conditional):
            return text + " ELSE " + braces(contents(node.default, depth + 1), depth)
        text += " ELSE "
        node = node.default[0]


def _select(node: Conditional, depth: int) -> str:
    parts: list[str] = []
    for case in node.cases:
        label = expressions.expression(case.label) if case.label is not None else "0"
        parts.append(" ".join([f"CASE {label}:", *contents(case.content, depth + 1)]))
    if node.default is not None:
        parts.append(" ".join(["DEFAULT:", *contents(node.default, depth + 1)]))
    return f"SELECT ({expressions.expression(node.subject)}) {braces(parts, depth)}"


def scalar(node: Scalar) -> str:
    """Values between commas up to the semicolon."""
    return ", ".join([expressions.expression(value) for value in node.values]) + ";"


def attribute(node: Attribute, depth: int) -> str:
    """A named attribute with its value."""
    lead = f"{node.modifier} " if node.modifier else ""
    match node.value:
        case None:
            return f"DELETE {node.name};"
        case Scalar() as value:
            text = scalar(value)
            if not lead and node.name in _BEFORE_BRACKETS and text[0] not in '"':
                first, *rest = value.values
                text = ", ".join([f"({expressions.expression(first)})", *map(expressions.expression, rest)]) + ";"
            return f"{lead}{node.name} {text}"
        case Conditional() as value:
            return f"{lead}{node.name} {conditional(value, depth)}"
        case ItemList() as value:
            return f"{lead}{node.name} {braces(contents(value.items, depth + 1), depth)}"
        case TypeSpec() as value:
            return lead + _type(value, depth)
        case Transaction() as value:
            number = "" if value.number is None else _number(value.number) + " "
            return f"{lead}TRANSACTION {number}{braces(contents(value.attributes, depth + 1), depth)}"
        case Block() as value:
            return f"{lead}DEFINITION {block(value, depth)}"


def _number(value: Expression) -> str:
    return str(value.value) if isinstance(value, Integer) else f"({expressions.expression(value)})"


def _type(node: TypeSpec, depth: int) -> str:
    text = "TYPE " + expressions.reference(node.reference)
    if node.size is not None:
        text += f" ({expressions.expression(node.size)})"
    if node.target is not None:
        text += " " + expressions.reference(node.target)
    return text + (" " + braces(contents(node.items, depth + 1), depth) if node.items else ";")
