"""What kind of number an expression gives, told without running it: `?:` needs that of the side it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.fdi.eddl.expressions import Binary, Character, Expression, Floating, Integer, Reference, Ternary, Unary
from server.fdi.logic.context import Context
from server.fdi.logic.numbers import COMPARISONS, Kind, literal

KindOf = Callable[[Context], Kind | None]
"""None: it is no number, or its kind cannot be told."""
_TRUTHS: Final = frozenset({*COMPARISONS, "&&", "||"})
_SHIFTS: Final = frozenset({"<<", ">>"})
_LEVELS: Final = 20


def kind_in(expression: Expression, level: int = 0) -> KindOf:
    """The kind of an expression of constants, parameters and operators; deeper nested ones are not told."""
    if level > _LEVELS:
        return _untold
    match expression:
        case Integer():
            return _always(literal(expression.value, expression.unsigned).kind)
        case Floating() | Character():
            return _always(literal(expression.value).kind)
        case Unary(operator="!"):
            return _always(Kind.INT32)
        case Unary():
            return kind_in(expression.operand, level + 1)
        case Binary(operator=symbol) if symbol in _TRUTHS:
            return _always(Kind.INT32)
        case Binary(operator=symbol) if symbol in _SHIFTS:
            return kind_in(expression.left, level + 1)
        case Binary():
            return _greater(kind_in(expression.left, level + 1), kind_in(expression.right, level + 1))
        case Ternary():
            return _greater(kind_in(expression.then, level + 1), kind_in(expression.otherwise, level + 1))
        case Reference(name=name, steps=()):
            return lambda context: context.kind(name)
    return _untold


def _always(kind: Kind) -> KindOf:
    return lambda _context: kind


def _greater(left: KindOf, right: KindOf) -> KindOf:
    def kind(context: Context) -> Kind | None:
        one, other = left(context), right(context)
        return max(one, other) if one is not None and other is not None else None

    return kind


def _untold(_context: Context) -> Kind | None:
    return None
