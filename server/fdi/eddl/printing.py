"""A parsed EDD as source again: parsing what is printed gives the same tree, positions aside.

Macros are expanded and comments gone; IMPORTs stand first.
"""

from __future__ import annotations

import re
from typing import Final

from server.fdi.eddl import printed_expressions as expressions
from server.fdi.eddl import printed_lists as lists
from server.fdi.eddl.expressions import Reference
from server.fdi.eddl.keywords import KEYWORDS
from server.fdi.eddl.nodes import (
    Attribute,
    Conditional,
    Construct,
    Edd,
    HeaderEntry,
    Import,
    Item,
    ItemList,
    Like,
    Parameter,
    RelationItem,
    Removal,
)
from server.fdi.eddl.strings import LITERAL_BAR

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_VERSION: Final = "__TOKVER__"  # as a name in the tree it was no macro any more


def print_edd(edd: Edd) -> str:
    """The whole EDD, one construct after the other."""
    parts = [_header(tuple(edd.identification.values()))]
    parts.extend(_import(order) for order in edd.imports)
    parts.extend(print_item(item) for item in edd.declarations)
    text = "\n\n".join(parts) + "\n"
    return f"#undef {_VERSION}\n{text}" if _VERSION in text else text


def print_item(item: Item, depth: int = 0) -> str:
    """One construct, LIKE, relation or removal."""
    match item:
        case Removal():
            return f"DELETE {item.kind} {item.name};"
        case Like():
            kind = f"{item.kind} " if item.kind is not None else ""
            return f"{_modifier(item.modifier)}{item.name} LIKE {kind}{item.base} {_body(item.attributes, depth)}"
        case RelationItem():
            sides = (
                [*_side(item.causes), ":", *_side(item.effects)] if item.kind != "WRITE_AS_ONE" else _side(item.causes)
            )
            return f"{_modifier(item.modifier)}{item.kind} {item.name} {lists.braces(sides, depth)}"
        case Construct():
            return _modifier(item.modifier) + _construct(item, depth)


def _modifier(word: str | None) -> str:
    return f"{word} " if word else ""


def _header(entries: tuple[HeaderEntry, ...]) -> str:
    return ", ".join([f"{entry.name} {_entry(entry.value)}" for entry in entries])


def _entry(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    if _NAME.match(value) and value not in KEYWORDS:
        return value
    return expressions.quoted(value, [at for at, char in enumerate(value) if char == LITERAL_BAR])


def _import(order: Import) -> str:
    parts = [f"{taken.kind};" if taken.name is None else f"{taken.kind} {taken.name};" for taken in order.selections]
    if order.redefinitions:
        parts.append("REDEFINITIONS " + _bodies([print_item(item, 2) for item in order.redefinitions], 1))
    return f"IMPORT {_header(order.identification)} {_bodies(parts, 0)}"


def _bodies(parts: list[str], depth: int) -> str:
    pad = "\n" + "    " * depth
    return "{" + "".join(pad + "    " + part for part in parts) + pad + "}"


def _body(attributes: tuple[Attribute, ...], depth: int) -> str:
    return _bodies(lists.contents(attributes, depth + 1), depth) if attributes else "{ }"


def _side(references: tuple[Reference | Conditional, ...]) -> list[str]:
    return lists.contents(references, 1)


def _construct(item: Construct, depth: int) -> str:
    of = f"OF {item.of} " if item.of is not None else ""
    head = f"{item.kind} {of}{item.name} "
    if item.parameters is not None:
        head += f"({', '.join([_parameter(each) for each in item.parameters])}) "
    if item.kind == "RESPONSE_CODES" and item.of is None and item.parameters is None:
        codes = item.attributes[0].value if item.attributes else None
        return head + lists.braces(lists.contents(codes.items, depth + 1) if isinstance(codes, ItemList) else [], depth)
    return head + _body(item.attributes, depth)


def _parameter(parameter: Parameter) -> str:
    return f"{parameter.ctype} {'&' * parameter.by_reference}{parameter.name}{'[]' * parameter.is_array}"
