"""Expressions made ready to run: one closure a node, together with what it reads.

A value that is not known makes the whole expression unknown (UnknownValueError), but for the sides that `&&`, `||`
and `?:` leave out. Texts carry all their languages; `==` and its like compare the default one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.core.texts import Texts
from server.fdi.eddl.expressions import (
    Binary,
    Call,
    Character,
    Comma,
    DictionaryReference,
    Expression,
    Floating,
    Integer,
    Reference,
    Ternary,
    Text,
    Unary,
)
from server.fdi.eddl.model import Texts as EddTexts
from server.fdi.logic.context import (
    Compiled,
    Context,
    Dependency,
    Run,
    UnknownValueError,
    Value,
    number,
    value_of,
)
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.kinds import kind_in
from server.fdi.logic.numbers import (
    BINARY,
    COMPARISONS,
    ONE,
    UNARY,
    ZERO,
    Kind,
    Number,
    compare,
    convert,
    is_true,
    literal,
)
from server.fdi.logic.places import Places

NESTING: Final = 150
"""Operators and brackets inside one another in one expression."""
_CONSTANTS: Final = {"TRUE": ONE, "FALSE": ZERO}
_THIS: Final = frozenset({"igetval", "fgetval", "dgetval", "lgetval", "sgetval"})
"""Builtins that give the value an action is about."""


def constant(value: Value) -> Run:
    """Always the same value."""
    return lambda _context: value


def failing(text: str) -> Run:
    """An expression that never has a value."""

    def run(_context: Context) -> Value:
        raise EvaluationError(text)

    return run


class Compiler:
    """Compiles expressions and collects what they read; one for each result."""

    def __init__(self, places: Places, dictionary: Mapping[str, EddTexts]) -> None:
        self._places = places
        self._dictionary = dictionary
        self._level = 0
        self.depth = 1
        self.reads: set[Dependency] = set()

    def finished(self, run: Run) -> Compiled:
        """What was compiled so far, as one result."""
        return Compiled(run, self.depth, frozenset(self.reads))

    def run(self, expression: Expression) -> Run:
        """The closure of an expression; one that makes no sense fails when it runs."""
        self._level += 1
        self.depth = max(self.depth, self._level)
        try:
            return self._node(expression) if self._level <= NESTING else failing("nested too deeply")
        except EvaluationError as error:
            return failing(str(error))
        finally:
            self._level -= 1

    def _node(self, expression: Expression) -> Run:
        match expression:
            case Integer():
                return constant(literal(expression.value, expression.unsigned))
            case Floating() | Character():
                return constant(literal(expression.value))
            case Text():
                return constant(Texts(expression.languages))
            case DictionaryReference(name=name):
                return constant(Texts(self._dictionary.get(name) or {"en": name}))
            case Reference():
                return self._reference(expression)
            case Call():
                return self._call(expression)
            case Unary(operator=symbol) if symbol in UNARY:
                operand, apply = self.run(expression.operand), UNARY[symbol]
                return lambda context: apply(number(operand(context)))
            case Binary():
                return self._binary(expression)
            case Ternary():
                return self._ternary(expression)
            case Comma():
                return [self.run(value) for value in expression.values][-1]
        return failing("only a METHOD can do this")

    def _ternary(self, expression: Ternary) -> Run:
        condition, then = self.run(expression.condition), self.run(expression.then)
        otherwise = self.run(expression.otherwise)
        kind_then, kind_otherwise = kind_in(expression.then), kind_in(expression.otherwise)

        def run(context: Context) -> Value:
            taken = is_true(number(condition(context)))
            value: Value = (then if taken else otherwise)(context)
            # C: both sides have one type, the greater one, whichever is taken.
            other = (kind_otherwise if taken else kind_then)(context)
            if other is None or not isinstance(value, Number) or other <= value.kind:
                return value
            return convert(other, value)

        return run

    def _reference(self, reference: Reference) -> Run:
        if not reference.steps and reference.name in _CONSTANTS:
            return constant(_CONSTANTS[reference.name])
        place = self._places.of(reference, self.run)
        pick, attribute = place.pick, place.attribute
        if pick is not None:
            self.depth = max(self.depth, self._level + len(reference.steps))
            self.reads.add(place.path)
            if attribute:
                return lambda context: context.attribute((pick(context), attribute))
            return lambda context: context.value(pick(context))
        name = place.names[0]
        if attribute:
            key = (name, attribute)
            self.reads.add(key)
            return lambda context: context.attribute(key)
        self.reads.add(name)
        return lambda context: context.value(name)

    def _call(self, call: Call) -> Run:
        """`enumeration(5)`: the text of a value; `igetval()` and its like: the value an action is about."""
        if not call.target.steps and call.target.name in _THIS and not call.arguments:
            return _this
        if len(call.arguments) != 1:
            raise EvaluationError(f"{call.target.name} takes one value here")
        place = self._places.of(call.target, self.run)
        if place.pick is not None or place.attribute:
            raise EvaluationError(f"{call.target.name} is no enumeration")
        key = (place.names[0], "ENUMERATORS")
        self.reads.add(key)
        argument = self.run(call.arguments[0])  # type: ignore[arg-type]  # a Group fails as no expression

        def run(context: Context) -> Value:
            wanted = number(argument(context)).value
            for entry in context.attribute(key):
                if entry.value == wanted:
                    return entry.text  # type: ignore[no-any-return]
            raise UnknownValueError(f"{key[0]} has no text for {wanted}")

        return run

    def _binary(self, expression: Binary) -> Run:
        symbol = expression.operator
        left, right = self.run(expression.left), self.run(expression.right)
        if symbol in ("&&", "||"):
            decided = symbol == "||"

            def logical(context: Context) -> Value:
                if is_true(number(left(context))) == decided:
                    return ONE if decided else ZERO
                return ONE if is_true(number(right(context))) else ZERO

            return logical
        if symbol in COMPARISONS:
            # Decimal constants meet a FLOAT in single precision (eddl.md, section 7): 0.1 equals a FLOAT of 0.1.
            return _comparison(symbol, left, right, _is_decimal(expression.left), _is_decimal(expression.right))
        arithmetic = BINARY[symbol]

        def run(context: Context) -> Value:
            first, second = left(context), right(context)
            if isinstance(first, Texts) and isinstance(second, Texts) and symbol == "+":
                return joined(first, second)
            return arithmetic(number(first), number(second))

        return run


def joined(left: Texts, right: Texts) -> Texts:
    """Two texts one after the other, in every language that either has."""
    languages = {**left.by_language, **right.by_language}
    return Texts({name: left.best((name,))[1] + right.best((name,))[1] for name in languages})


def _this(context: Context) -> Value:
    if context.this is None:
        raise UnknownValueError("there is no value that is being processed")
    return value_of(context.this)


def _comparison(symbol: str, left: Run, right: Run, left_decimal: bool, right_decimal: bool) -> Run:
    holds = COMPARISONS[symbol]

    def run(context: Context) -> Value:
        first, second = left(context), right(context)
        if isinstance(first, Texts) and isinstance(second, Texts):
            return ONE if holds(first.default, second.default) else ZERO  # type: ignore[arg-type]  # two strings
        a, b = number(first), number(second)
        if left_decimal and b.kind is Kind.FLOAT:
            a = convert(Kind.FLOAT, a)
        elif right_decimal and a.kind is Kind.FLOAT:
            b = convert(Kind.FLOAT, b)
        return compare(symbol, a, b)

    return run


def _is_decimal(expression: Expression) -> bool:
    while isinstance(expression, Unary):
        expression = expression.operand
    return isinstance(expression, Floating)
