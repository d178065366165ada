"""Compiles declarations: each local gets a slot of its own, and starts anew whenever its declaration is reached."""

from __future__ import annotations

from server.fdi.eddl.expressions import Character, Expression, Integer, Reference, Text, Unary
from server.fdi.eddl.nodes import Position
from server.fdi.eddl.statements import Declaration, Declarator
from server.fdi.eddl.static import DynamicError, StaticError, evaluate
from server.fdi.methods import memory
from server.fdi.methods.constants import CONSTANTS
from server.fdi.methods.ctype import TEXT, VOID, CType, ctype_of
from server.fdi.methods.errors import MethodError
from server.fdi.methods.expressions import Expressions
from server.fdi.methods.program import Local

MAX_ELEMENTS = 1_000_000  # of a declared array; what a run may hold is less


class Declarations:
    """The locals of one METHOD: how many slots they take, and which of them count as its memory."""

    def __init__(self, expressions: Expressions, parameters: tuple[Local, ...]) -> None:
        self._in = expressions
        self.slots = len(parameters)
        self.owned = [
            local.slot
            for local in parameters
            if local.ctype.is_text and local.lengths is None and not local.by_reference
        ]

    def declaration(self, statement: Declaration) -> None:
        """Compile a declaration. Raises MethodError."""
        ctype = ctype_of(statement.ctype)
        if ctype is None:
            raise MethodError(statement.position, "method-type", f"{statement.ctype} is no type")
        for declarator in statement.declarators:
            self._declare(declarator, ctype)

    def _declare(self, declarator: Declarator, ctype: CType) -> None:
        lengths = self._lengths(declarator, ctype) if declarator.lengths else None
        local = Local(self.slots, declarator.name, ctype, lengths)
        initial = declarator.initial
        scalar_start = lengths is None and initial is not None and not isinstance(initial, tuple)
        if scalar_start and not isinstance(initial, tuple) and initial is not None:
            # In C the name is visible in its own initialiser but has no value there; here it is not yet visible.
            self._in.typed(initial, ctype)
        self.slots += 1
        if not self._in.scope.declare(local):
            raise MethodError(declarator.position, "method-name", f"{local.name} is declared twice in this block")
        if ctype.is_text or lengths is not None:
            self.owned.append(local.slot)
        if scalar_start:
            self._in.code.emit(memory.store(local, False), declarator.position)
            return
        self._in.code.emit(memory.declare(local, lengths), declarator.position)
        if initial is not None and lengths is not None:
            self._fill(local, lengths, initial, declarator.position)
        elif isinstance(initial, tuple):
            raise MethodError(declarator.position, "method-type", f"{local.name} is no array")

    def _lengths(self, declarator: Declarator, ctype: CType) -> tuple[int, ...]:
        found: list[int] = []
        total = 1
        for at, length in enumerate(declarator.lengths):
            if length is not None:
                count = whole_constant(length)
            elif at == 0 and len(declarator.lengths) == 1 and declarator.initial is not None:
                count = _initial_count(declarator.initial)
            else:
                raise MethodError(declarator.position, "method-type", f"{declarator.name} needs its length")
            total *= max(count, 0)
            if count < 1 or total > MAX_ELEMENTS:
                raise MethodError(declarator.position, "method-type", f"{declarator.name} cannot have {count} elements")
            found.append(count)
        return tuple(found)

    def _fill(
        self, local: Local, lengths: tuple[int, ...], initial: Expression | tuple[Expression, ...], at: Position
    ) -> None:
        if not isinstance(initial, tuple):
            if not (local.ctype.is_integer and local.ctype.bits == 8):
                raise MethodError(at, "method-type", f"{local.name} is an array and needs values between braces")
            self._in.text(initial)
            self._in.code.emit(memory.copy_text(local.slot, False), at)
            return
        total = 1
        for length in lengths:
            total *= length
        if len(initial) > total:
            raise MethodError(at, "method-type", f"{local.name} has {total} elements, not {len(initial)}")
        for value in initial:
            shape = self._in.value(value)
            if shape is VOID or (shape is TEXT) != local.ctype.is_text:
                raise MethodError(value.position, "method-type", f"this does not fit an array of {local.ctype.name}")
        self._in.code.emit(memory.fill(local.slot, len(initial)), at)


def _initial_count(initial: Expression | tuple[Expression, ...]) -> int:
    if isinstance(initial, tuple):
        return len(initial)
    return len(initial.raw) + 1 if isinstance(initial, Text) else 0


def whole_constant(node: Expression) -> int:
    """A whole number known while compiling. Raises MethodError."""
    match node:
        case Integer(value=value) | Character(value=value):
            return value
        case Unary(operator="-", operand=Integer(value=value)):
            return -value
        case Reference(name=name, steps=()) if isinstance(CONSTANTS.get(name), int):
            return int(CONSTANTS[name])
    try:
        found = evaluate(node)
    except (DynamicError, StaticError) as error:
        what = node.name if isinstance(node, Reference) else "this"
        raise MethodError(node.position, "method-constant", f"{what} is no constant") from error
    if not isinstance(found, int):
        raise MethodError(node.position, "method-constant", "a whole number is needed here")
    return found
