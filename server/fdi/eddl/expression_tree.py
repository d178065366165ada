"""Grammar callbacks for expressions: tokens and finished parts in, expression nodes out."""

from __future__ import annotations

from typing import Any

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
    Index,
    Integer,
    Member,
    Reference,
    Ternary,
    Text,
    Unary,
)
from server.fdi.eddl.nodes import Position
from server.fdi.eddl.strings import LITERAL_BAR, plain, split_languages
from server.fdi.eddl.tokens import Token

# How strongly C's binary operators bind; all of them group from the left.
PRECEDENCE = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, ">": 7, "<=": 7, ">=": 7,
    "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
}  # fmt: skip


class BuildError(Exception):
    """Something the grammar takes but EDDL does not."""

    def __init__(self, position: Position, text: str) -> None:
        super().__init__(text)
        self.position = position
        self.text = text


class ExpressionTree:
    """One callback per expression rule of the grammar; keeps no state."""

    def integer(self, c: list[Any]) -> Integer:
        token: Token = c[0]
        value = token.value if isinstance(token.value, int) else 0
        return Integer(value, token.position, token.text[-1] in "uU" or token.text[-2:-1] in ("u", "U"))

    def floating(self, c: list[Any]) -> Floating:
        return Floating(float(c[0].value), c[0].position)

    def character(self, c: list[Any]) -> Character:
        return Character(c[0].value, c[0].position)

    def text(self, c: list[Any]) -> Text:
        decoded = c[0].value if len(c) == 1 else "".join(token.value for token in c)
        bars = tuple(at for at, char in enumerate(decoded) if char == LITERAL_BAR) if LITERAL_BAR in decoded else ()
        return Text(plain(decoded), split_languages(decoded), c[0].position, bars)

    def dictionary_reference(self, c: list[Any]) -> DictionaryReference:
        return DictionaryReference(c[1].text, c[0].position)

    def parenthesised(self, c: list[Any]) -> Expression:
        return c[1]  # type: ignore[no-any-return]

    def ref(self, c: list[Any]) -> Reference:
        return Reference(c[0].text, tuple(c[1:]), c[0].position)

    def member(self, c: list[Any]) -> Member:
        return Member(c[0].text, c[0].position)

    def index(self, c: list[Any]) -> Index:
        return Index(c[1], c[0].position)

    def args(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(part for part in c if not isinstance(part, Token))

    margs = args

    def call(self, c: list[Any]) -> Call:
        return Call(c[0], c[2], c[0].position)

    def unary(self, c: list[Any]) -> Unary:
        return Unary(c[0].text, c[1], c[0].position)

    def prefix(self, c: list[Any]) -> Increment:
        return Increment(c[0].text, c[1], True, c[0].position)

    def postfix(self, c: list[Any]) -> Increment:
        return Increment(c[1].text, c[0], False, c[1].position)

    def cast(self, c: list[Any]) -> Cast:
        return Cast(" ".join(token.text for token in c[1:-1]), c[-1], c[0].position)

    def chain(self, c: list[Any]) -> Expression:
        """Operands with operators between them, grouped by precedence."""
        operands: list[Expression] = [c[0]]
        waiting: list[Token] = []
        for at in range(1, len(c), 2):
            symbol: Token = c[at]
            while waiting and PRECEDENCE[waiting[-1].text] >= PRECEDENCE[symbol.text]:
                _join(operands, waiting.pop())
            waiting.append(symbol)
            operands.append(c[at + 1])
        while waiting:
            _join(operands, waiting.pop())
        return operands[0]

    def ternary(self, c: list[Any]) -> Ternary:
        condition, then, _, otherwise = c
        return Ternary(condition, then, otherwise, condition.position)

    def assignment(self, c: list[Any]) -> Assignment:
        return Assignment(c[1].text, c[0], c[2], c[1].position)

    def comma(self, c: list[Any]) -> Comma:
        values = tuple(part for part in c if not isinstance(part, Token))
        return Comma(values, values[0].position)


def _join(operands: list[Expression], symbol: Token) -> None:
    right = operands.pop()
    operands[-1] = Binary(symbol.text, operands[-1], right, symbol.position)
