"""Compiles expressions: each leaves one value on the stack, of a type known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.core.floats import single
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
    Reference,
    Ternary,
    Text,
    Unary,
)
from server.fdi.eddl.nodes import Position
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind, literal
from server.fdi.methods import arithmetic, memory
from server.fdi.methods.code import Code, Label, jump, jump_false, jump_true
from server.fdi.methods.constants import CONSTANTS
from server.fdi.methods.ctype import OF_KIND, TEXT, VOID, CType, Shape, converter, ctype_of
from server.fdi.methods.errors import MethodError
from server.fdi.methods.library import Library
from server.fdi.methods.program import Local, Program, Scope
from server.fdi.methods.targets import Target, Targets
from server.fdi.methods.texts import load_text

if TYPE_CHECKING:
    from server.fdi.methods.calls import Calls
    from server.fdi.methods.machine import Machine

MAX_DEPTH = 200  # expressions inside one another; bounds the recursion of the compiler
_COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})


class Expressions:
    """Compiles the expressions of one METHOD into its code."""

    def __init__(self, library: Library, program: Program, code: Code) -> None:
        self.library = library
        self.program = program
        self.code = code
        self.scope = Scope()
        self.targets = Targets(self)
        self.calls: Calls  # set by the compiler, which knows the other METHODs
        self._depth = 0

    # ---- values

    def number(self, node: Expression) -> Kind:
        """An expression that must be a number."""
        shape = self.value(node)
        if not isinstance(shape, Kind):
            raise MethodError(node.position, "method-type", f"a number is needed here, not {_said(shape)}")
        return shape

    def text(self, node: Expression) -> None:
        """An expression that must be a text."""
        shape = self.value(node)
        if shape is not TEXT:
            raise MethodError(node.position, "method-type", f"a text is needed here, not {_said(shape)}")

    def typed(self, node: Expression, ctype: CType) -> None:
        """An expression converted to a type as C does on assignment."""
        shape = self.value(node)
        self.convert(shape, ctype, node.position)

    def convert(self, shape: Shape, ctype: CType, position: Position) -> None:
        """The value on top becomes one of a type."""
        if shape is VOID or (shape is TEXT) != ctype.is_text:
            raise MethodError(position, "method-type", f"{_said(shape)} cannot become {ctype.name}")
        narrow = ctype.is_integer and ctype.bits < 32
        if not ctype.is_text and (shape is not ctype.shape or narrow):
            self.code.emit(arithmetic.apply(converter(ctype)), position)

    def effect(self, node: Expression) -> None:
        """An expression whose value nobody wants."""
        match node:
            case Assignment():
                self._assignment(node, keep=False)
            case Increment():
                self._increment(node, keep=False)
            case Comma():
                for part in node.values:
                    self.effect(part)
            case _:
                self.value(node)
                self.code.emit(arithmetic.drop, node.position)

    def value(self, node: Expression) -> Shape:
        """Compile an expression. Raises MethodError."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise MethodError(node.position, "method-depth", f"an expression more than {MAX_DEPTH} deep")
        try:
            return self._value(node)
        except EvaluationError as error:
            raise MethodError(node.position, "method-type", str(error)) from error
        finally:
            self._depth -= 1

    def _value(self, node: Expression) -> Shape:
        match node:
            case Integer():
                constant = literal(node.value, node.unsigned)
                self.code.emit(arithmetic.push(constant.value), node.position)
                return constant.kind
            case Floating():
                self.code.emit(arithmetic.push(node.value), node.position)
                return Kind.DOUBLE
            case Character():
                self.code.emit(arithmetic.push(node.value), node.position)
                return Kind.INT32
            case Text():
                self.code.emit(load_text(node.languages), node.position)
                return TEXT
            case DictionaryReference():
                self.code.emit(load_text(self.dictionary_text(node.name, node.position)), node.position)
                return TEXT
            case Reference():
                return self._reference(node)
            case Call():
                return self.calls.call(node)
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node)
            case Ternary():
                return self._ternary(node)
            case Cast():
                return self._cast(node)
            case Assignment():
                return self._assignment(node, keep=True)
            case Increment():
                return self._increment(node, keep=True)
            case Comma():
                for part in node.values[:-1]:
                    self.effect(part)
                return self.value(node.values[-1])

    def dictionary_text(self, name: str, position: Position) -> dict[str, str]:
        """A text of the dictionary by language. Raises MethodError when there is none."""
        found = self.library.model.dictionary.get(name)
        if found is None:
            raise MethodError(position, "method-name", f"the dictionary has no text {name}")
        return dict(found)

    # ---- names

    def _reference(self, node: Reference) -> Shape:
        if self.scope.find(node.name) is None and not node.steps:
            constant = CONSTANTS.get(node.name)
            known = self.library.names.kind(node.name) is not None
            if constant is not None and not known:
                self.code.emit(arithmetic.push(constant), node.position)
                return Kind.DOUBLE if isinstance(constant, float) else literal(constant).kind
            if node.name in ("response_code", "device_status") and not known:
                self.code.emit(_last_status if node.name == "device_status" else _last_code, node.position)
                return Kind.INT32
        return self.targets.load(node)

    # ---- operators

    def _unary(self, node: Unary) -> Shape:
        if node.operator == "&":
            raise MethodError(node.position, "method-type", "& stands only before an argument")
        kind = self.number(node.operand)
        instruction, result = arithmetic.unary(node.operator, kind)
        if instruction is not None:
            self.code.emit(instruction, node.position)
        return result

    def _binary(self, node: Binary) -> Shape:
        symbol = node.operator
        if symbol in ("&&", "||"):
            return self._short_circuit(node)
        left = self._operand(node.left, node.right, symbol)
        right = self._operand(node.right, node.left, symbol)
        return self.combine(symbol, left, right, node.position)

    def _operand(self, node: Expression, other: Expression, symbol: str) -> Shape:
        """One side; a decimal literal compared with a FLOAT has its precision (eddl.md, 7.7)."""
        plain = node.operand if isinstance(node, Unary) and node.operator == "-" else node
        if symbol in _COMPARISONS and isinstance(plain, Floating) and self.targets.is_float(other):
            self.code.emit(arithmetic.push(single(plain.value if plain is node else -plain.value)), node.position)
            return Kind.FLOAT
        return self.value(node)

    def combine(self, symbol: str, left: Shape, right: Shape, position: Position) -> Shape:
        """An operator on the two topmost values. Raises MethodError for types it does not take."""
        if left is TEXT and right is TEXT and symbol == "+":
            self.code.emit(arithmetic.concatenate, position)
            return TEXT
        if left is TEXT and right is TEXT and symbol in _COMPARISONS:
            self.code.emit(arithmetic.text_comparison(symbol), position)
            return Kind.INT32
        if not isinstance(left, Kind) or not isinstance(right, Kind):
            text = f"{symbol} does not take {_said(left)} and {_said(right)}"
            raise MethodError(position, "method-type", text)
        if symbol in _COMPARISONS:
            self.code.emit(arithmetic.comparison(symbol, left, right), position)
            return Kind.INT32
        try:
            instruction, kind = arithmetic.binary(symbol, left, right)
        except EvaluationError as error:
            raise MethodError(position, "method-type", str(error)) from error
        self.code.emit(instruction, position)
        return kind

    def _short_circuit(self, node: Binary) -> Kind:
        decided, end = Label(), Label()
        leave = jump_false if node.operator == "&&" else jump_true
        self.number(node.left)
        self.code.branch(leave, decided, node.position)
        self.number(node.right)
        self.code.branch(leave, decided, node.position)
        self.code.emit(arithmetic.push(1 if node.operator == "&&" else 0), node.position)
        self.code.branch(jump, end, node.position)
        self.code.place(decided)
        self.code.emit(arithmetic.push(0 if node.operator == "&&" else 1), node.position)
        self.code.place(end)
        return Kind.INT32

    def _ternary(self, node: Ternary) -> Shape:
        otherwise, end = Label(), Label()
        self.number(node.condition)
        self.code.branch(jump_false, otherwise, node.position)
        first = self.value(node.then)
        self.code.branch(jump, end, node.position)
        self.code.place(otherwise)
        second = self.value(node.otherwise)
        self.code.place(end)
        if isinstance(first, Kind) and isinstance(second, Kind):
            kind = max(first, second)
            if first is not second:
                self.code.emit(arithmetic.convert(kind), node.position)
            return kind
        if first is not second:
            raise MethodError(node.position, "method-type", f"?: gives {_said(first)} or {_said(second)}")
        return first

    def _cast(self, node: Cast) -> Shape:
        ctype = ctype_of(node.ctype)
        if ctype is None:
            raise MethodError(node.position, "method-type", f"{node.ctype} is no type")
        self.typed(node.operand, ctype)
        return ctype.shape

    # ---- assignments

    def _assignment(self, node: Assignment, *, keep: bool) -> Shape:
        target = self.targets.find(node.target)
        if target.characters is not None:
            return self._assign_characters(node, target.characters, keep=keep)
        symbol = node.operator[:-1]
        if target.local is not None:
            if symbol:
                self.code.emit(arithmetic.load(target.local.slot), node.position)
            self._combined(node, symbol, target)
            self.code.emit(memory.store(target.local, keep), node.position)
            return target.shape
        self.targets.place(target)
        if symbol:
            self.code.emit(memory.load_place, node.position)
            self.targets.checked(target, node.position)
        given = self._combined(node, symbol, target)
        self.code.emit(memory.store_place(keep), node.position)
        if keep and given is not target.shape and isinstance(target.shape, Kind):
            self.code.emit(arithmetic.convert(target.shape), node.position)
        return target.shape

    def _combined(self, node: Assignment, symbol: str, target: Target) -> Shape:
        """The new value, for `+=` and its like with the old one on the stack; what it is for the target.

        A local's is converted. A whole parameter is given any number, to refuse what is out of range instead of
        wrapping it.
        """
        right = self.value(node.value)
        if symbol:
            right = self.combine(symbol, target.shape, right, node.position)
        if target.ctype is not None:
            self.convert(right, target.ctype, node.position)
            return target.shape
        if right is VOID or (right is TEXT) != (target.shape is TEXT):
            raise MethodError(node.position, "method-type", f"{_said(right)} cannot be assigned to {target.name}")
        return right

    def _assign_characters(self, node: Assignment, local: Local, *, keep: bool) -> Shape:
        if node.operator not in ("=", "+="):
            raise MethodError(node.position, "method-type", f"{node.operator} does not take an array")
        if node.operator == "+=":
            self.code.emit(arithmetic.load(local.slot), node.position)
            self.code.emit(memory.array_text, node.position)
        self.text(node.value)
        if node.operator == "+=":
            self.code.emit(arithmetic.concatenate, node.position)
        self.code.emit(memory.copy_text(local.slot, keep), node.position)
        return TEXT

    def _increment(self, node: Increment, *, keep: bool) -> Shape:
        target = self.targets.find(node.operand)
        if not isinstance(target.shape, Kind) or target.characters is not None:
            raise MethodError(node.position, "method-type", f"{node.operator} takes a number")
        amount = 1 if node.operator == "++" else -1
        if target.local is not None:
            self.code.emit(memory.step_local(target.local, amount, keep, node.is_prefix), node.position)
            return target.shape
        self.targets.place(target)
        self.code.emit(memory.load_place, node.position)
        self.targets.checked(target, node.position)
        if keep and not node.is_prefix:
            self.code.emit(arithmetic.duplicate, node.position)
            self.code.emit(arithmetic.swap_down, node.position)
        self.code.emit(arithmetic.push(amount), node.position)
        kind = self.combine("+", target.shape, Kind.INT32, node.position)
        if target.ctype is not None:
            self.convert(kind, target.ctype, node.position)
        self.code.emit(memory.store_place(keep and node.is_prefix), node.position)
        return target.shape


def _said(shape: Shape) -> str:
    """A type in a sentence."""
    if shape is TEXT:
        return "a text"
    return "nothing" if shape is VOID else f"a number ({OF_KIND[shape].name})" if isinstance(shape, Kind) else "?"


def _last_code(stack: list[object], slots: list[object], machine: Machine) -> None:
    stack.append(machine.last.code)


def _last_status(stack: list[object], slots: list[object], machine: Machine) -> None:
    stack.append(machine.last.status)
