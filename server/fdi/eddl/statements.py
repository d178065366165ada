"""Statements of the METHOD language, as trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from server.fdi.eddl.expressions import Expression
from server.fdi.eddl.nodes import Position


@dataclass(frozen=True, slots=True)
class Block:
    """Statements between braces."""

    statements: tuple[Statement, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Declarator:
    """One declared local: array lengths from left to right (None where left open) and what it starts as."""

    name: str
    lengths: tuple[Expression | None, ...]
    initial: Expression | tuple[Expression, ...] | None
    position: Position


@dataclass(frozen=True, slots=True)
class Declaration:
    """Locals of one type."""

    ctype: str
    declarators: tuple[Declarator, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class ExpressionStatement:
    """An expression ended by a semicolon; None for the empty statement."""

    value: Expression | None
    position: Position


@dataclass(frozen=True, slots=True)
class If:
    """`if` with its `else`, if there is one."""

    condition: Expression
    then: Statement
    otherwise: Statement | None
    position: Position


@dataclass(frozen=True, slots=True)
class While:
    """`while`; `body_first` for `do … while`."""

    condition: Expression
    body: Statement
    body_first: bool
    position: Position


@dataclass(frozen=True, slots=True)
class For:
    """`for`; each of the three parts may be absent."""

    start: Expression | None
    condition: Expression | None
    step: Expression | None
    body: Statement
    position: Position


@dataclass(frozen=True, slots=True)
class CaseLabel:
    """`case value:` or, with None, `default:`."""

    value: Expression | None
    position: Position


@dataclass(frozen=True, slots=True)
class Switch:
    """`switch`: labels and statements in source order, so that falling through is kept."""

    subject: Expression
    body: tuple[CaseLabel | Statement, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    kind: str
    position: Position


@dataclass(frozen=True, slots=True)
class Return:
    """`return` with its value, if it has one."""

    value: Expression | None
    position: Position


Statement: TypeAlias = Block | Declaration | ExpressionStatement | If | While | For | Switch | Jump | Return
