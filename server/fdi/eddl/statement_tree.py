"""Grammar callbacks for the METHOD language: tokens and finished parts in, statement nodes out."""

from __future__ import annotations

from typing import Any

from server.fdi.eddl.expressions import Expression
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
    Switch,
    While,
)
from server.fdi.eddl.tokens import Token


def _parts(c: list[Any]) -> list[Any]:
    return [part for part in c if not isinstance(part, Token)]


class StatementTree:
    """One callback per statement rule of the grammar; keeps no state."""

    def block(self, c: list[Any]) -> Block:
        return Block(tuple(c[1:]), c[0].position)

    def stmt(self, c: list[Any]) -> Any:
        return c[0]

    def empty_statement(self, c: list[Any]) -> ExpressionStatement:
        return ExpressionStatement(None, c[0].position)

    def expression_statement(self, c: list[Any]) -> ExpressionStatement:
        return ExpressionStatement(c[0], c[0].position)

    def declaration(self, c: list[Any]) -> Declaration:
        words: list[str] = []
        for part in c:
            if not isinstance(part, Token):
                break
            words.append(part.text)
        return Declaration(" ".join(words), tuple(_parts(c)), c[0].position)

    def declr(self, c: list[Any]) -> Declarator:
        lengths: list[Expression | None] = []
        initial: Any = None
        for part in c[1:]:
            if isinstance(part, _Length):
                lengths.append(part.value)
            elif not isinstance(part, Token):
                initial = part
        return Declarator(c[0].text, tuple(lengths), initial, c[0].position)

    def length(self, c: list[Any]) -> _Length:
        return _Length(c[1] if len(c) > 1 else None)

    def initial_list(self, c: list[Any]) -> tuple[Expression, ...]:
        return tuple(_parts(c))

    def if_(self, c: list[Any]) -> If:
        parts = _parts(c)
        return If(parts[0], parts[1], parts[2] if len(parts) > 2 else None, c[0].position)

    def while_(self, c: list[Any]) -> While:
        condition, body = _parts(c)
        return While(condition, body, False, c[0].position)

    def do_while(self, c: list[Any]) -> While:
        body, condition = _parts(c)
        return While(condition, body, True, c[0].position)

    def for_part(self, c: list[Any]) -> _Part:
        return _Part(c[0] if c else None)

    def for_(self, c: list[Any]) -> For:
        start, condition, step, body = _parts(c)
        return For(start.value, condition.value, step.value, body, c[0].position)

    def switch(self, c: list[Any]) -> Switch:
        parts = _parts(c)
        return Switch(parts[0], tuple(parts[1:]), c[0].position)

    def case_label(self, c: list[Any]) -> CaseLabel:
        parts = _parts(c)
        return CaseLabel(parts[0] if parts else None, c[0].position)

    def jump(self, c: list[Any]) -> Jump:
        return Jump(c[0].text, c[0].position)

    def return_(self, c: list[Any]) -> Return:
        return Return(c[1].value, c[0].position)


class _Part:
    """An expression that may be absent."""

    __slots__ = ("value",)

    def __init__(self, value: Expression | None) -> None:
        self.value = value


class _Length(_Part):
    """The length of an array, open when absent."""

    __slots__ = ()
