"""Expressions of EDDL and of its METHOD language, as trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from server.fdi.eddl.nodes import Position

if TYPE_CHECKING:
    from server.fdi.eddl.nodes import Group


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number; `unsigned` tells a `u` suffix."""

    value: int
    position: Position
    unsigned: bool = False


@dataclass(frozen=True, slots=True)
class Floating:
    """A decimal number."""

    value: float
    position: Position


@dataclass(frozen=True, slots=True)
class Character:
    """A character constant of the METHOD language, as its code."""

    value: int
    position: Position


@dataclass(frozen=True, slots=True)
class Text:
    """A string after concatenation; `raw` as written with escapes decoded, `languages` its parts by language."""

    raw: str
    languages: Mapping[str, str] = field(hash=False)
    position: Position
    bars: tuple[int, ...] = ()  # where in `raw` stand bars that were escaped and so part no languages


@dataclass(frozen=True, slots=True)
class DictionaryReference:
    """`[name]`: a text of the dictionary."""

    name: str
    position: Position


@dataclass(frozen=True, slots=True)
class Member:
    """A step `.NAME` of a reference."""

    name: str
    position: Position


@dataclass(frozen=True, slots=True)
class Index:
    """A step `[expression]` of a reference."""

    value: Expression
    position: Position


@dataclass(frozen=True, slots=True)
class Reference:
    """A name with the steps that follow it."""

    name: str
    steps: tuple[Member | Index, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Call:
    """A reference followed by arguments."""

    target: Reference
    arguments: tuple[Expression | Group, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x +x ~x !x`, and `&x` of the METHOD language."""

    operator: str
    operand: Expression
    position: Position


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands with one of the C operators between them; position is the operator's."""

    operator: str
    left: Expression
    right: Expression
    position: Position


@dataclass(frozen=True, slots=True)
class Ternary:
    """`condition ? then : otherwise`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    position: Position


@dataclass(frozen=True, slots=True)
class Cast:
    """`(ctype) operand`, METHOD language only."""

    ctype: str
    operand: Expression
    position: Position


@dataclass(frozen=True, slots=True)
class Assignment:
    """`target = value` or with one of `+= -= …`, METHOD language only."""

    operator: str
    target: Expression
    value: Expression
    position: Position


@dataclass(frozen=True, slots=True)
class Increment:
    """`++x x++ --x x--`, METHOD language only."""

    operator: str
    operand: Expression
    is_prefix: bool
    position: Position


@dataclass(frozen=True, slots=True)
class Comma:
    """Expressions evaluated in order; the last gives the value."""

    values: tuple[Expression, ...]
    position: Position


Expression: TypeAlias = (
    Integer
    | Floating
    | Character
    | Text
    | DictionaryReference
    | Reference
    | Call
    | Unary
    | Binary
    | Ternary
    | Cast
    | Assignment
    | Increment
    | Comma
)
