"""Compiles METHODs and the inline definitions of actions; a METHOD brings along those it calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.fdi.eddl.errors import Problem
from server.fdi.eddl.expressions import Character, Expression, Integer, Reference, Text, Unary
from server.fdi.eddl.model import EddMethod
from server.fdi.eddl.nodes import Position
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
    Statement,
    Switch,
    While,
)
from server.fdi.eddl.static import DynamicError, StaticError, evaluate
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods import memory
from server.fdi.methods.calls import Calls
from server.fdi.methods.code import Code, Label, jump, jump_false, jump_true
from server.fdi.methods.constants import CONSTANTS
from server.fdi.methods.ctype import DOUBLE, FLOAT, ITEM, LONG, STRING, TEXT, ULONG, VOID, CType, ctype_of
from server.fdi.methods.errors import MethodError
from server.fdi.methods.expressions import Expressions
from server.fdi.methods.library import Library, library_of
from server.fdi.methods.program import Local, Program, Scope
from server.fdi.methods.returning import give_back

MAX_NESTING = 64  # statements inside one another; bounds the recursion of the compiler
MAX_ELEMENTS = 1_000_000  # of a declared array; what a run may hold is less
_RESULTS = {
    "INTEGER": LONG,
    "UNSIGNED_INTEGER": ULONG,
    "FLOAT": FLOAT,
    "DOUBLE": DOUBLE,
    "BOOLEAN": LONG,
    "ENUMERATED": ULONG,
    "ASCII": STRING,
    "VISIBLE": STRING,
}


def compile_method(logic: TypeLogic, name: str) -> Program:
    """The program of a METHOD, made once for all devices of the type.

    Raises MethodError: there is no such METHOD, or it or one it calls cannot run.
    """
    library = library_of(logic)
    found = library.programs.get(name)
    if found is not None:
        return found
    method = library.model.methods.get(name)
    if method is None:
        raise MethodError(Position("", 0, 0), "method-name", f"there is no METHOD {name}")
    return _Batch(library).method(method)


def compile_block(logic: TypeLogic, block: Block, name: str = "action") -> Program:
    """The program of an inline DEFINITION of an action. Raises MethodError."""
    library = library_of(logic)
    known = library.blocks.get(id(block))
    if known is not None:
        return known[1]
    program = _Batch(library).block(block, name)
    library.blocks[id(block)] = (block, program)
    return program


def check_methods(logic: TypeLogic) -> list[Problem]:
    """What keeps METHODs from running, the first problem of each; rule "method-prompt" is only odd."""
    library = library_of(logic)
    found: dict[tuple[Position, str], Problem] = {}
    for name in library.model.methods:
        try:
            warnings = compile_method(logic, name).warnings
        except MethodError as error:
            _note(found, error.position, error.rule, error.reason)
            continue
        for position, text in warnings:
            _note(found, position, "method-prompt", text)
    return list(found.values())


def _note(found: dict[tuple[Position, str], Problem], at: Position, rule: str, text: str) -> None:
    found.setdefault((at, text), Problem(at.file, at.line, at.column, rule, text))


class _Batch:
    """METHODs compiled together; they join the library only when all of them could be."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._new: dict[str, Program] = {}
        self._waiting: list[tuple[Program, Block]] = []

    def method(self, method: EddMethod) -> Program:
        return self._finished(self._declared(method))

    def block(self, block: Block, name: str) -> Program:
        program = Program(name, self._library, None)
        self._waiting.append((program, block))
        return self._finished(program)

    def callee(self, name: str, position: Position) -> Program:
        found = self._library.programs.get(name) or self._new.get(name)
        return found if found is not None else self._declared(self._library.model.methods[name])

    def _declared(self, method: EddMethod) -> Program:
        position = method.position or Position("", 0, 0)
        if method.definition is None:
            raise MethodError(position, "method-name", f"METHOD {method.name} has no DEFINITION")
        program = Program(method.name, self._library, method)
        program.parameters = tuple(_parameters(method, position))
        program.returns = _returned(method.returns, position)
        self._new[method.name] = program
        self._waiting.append((program, method.definition))
        return program

    def _finished(self, program: Program) -> Program:
        while self._waiting:
            waiting, block = self._waiting.pop()
            _Compiler(self._library, waiting, self.callee).run(block)
        self._library.programs.update(self._new)
        return program


def _parameters(method: EddMethod, position: Position) -> list[Local]:
    found: list[Local] = []
    for slot, parameter in enumerate(method.parameters):
        ctype = ctype_of(parameter.ctype)
        if ctype is None:
            raise MethodError(position, "method-type", f"METHOD {method.name}: {parameter.ctype} is no type")
        lengths = () if parameter.is_array else None
        by_reference = parameter.by_reference and not parameter.is_array and ctype is not ITEM
        found.append(Local(slot, parameter.name, ctype, lengths, by_reference))
    return found


def _returned(word: str | None, position: Position) -> CType | None:
    if word is None or word == "void":
        return None
    found = _RESULTS.get(word) or ctype_of(word)
    if found is None:
        raise MethodError(position, "method-type", f"{word} is no type a METHOD can return")
    return found


class _Compiler:
    """Compiles the statements of one METHOD."""

    def __init__(self, library: Library, program: Program, callee: Callable[[str, Position], Program]) -> None:
        self._program = program
        self._code = Code()
        self._in = Expressions(library, program, self._code)
        self._in.calls = Calls(self._in, callee)
        self._slots = len(program.parameters)
        self._owned = [
            local.slot
            for local in program.parameters
            if local.ctype.is_text and local.lengths is None and not local.by_reference
        ]
        self._breaks: list[Label] = []
        self._continues: list[Label] = []
        self._nesting = 0

    def run(self, block: Block) -> None:
        """Fill the program. Raises MethodError."""
        for local in self._program.parameters:
            self._in.scope.declare(local)
        self._block(block.statements)
        self._code.emit(give_back(False, self._program.returns), block.position)
        self._program.code, self._program.positions = self._code.finished()
        self._program.slots = self._slots
        self._program.owned = tuple(self._owned)

    # ---- statements

    def _block(self, statements: Sequence[CaseLabel | Statement]) -> None:
        outer = self._in.scope
        self._in.scope = Scope(outer)
        for statement in statements:
            if not isinstance(statement, CaseLabel):
                self._statement(statement)
        self._in.scope = outer

    def _statement(self, statement: Statement) -> None:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise MethodError(statement.position, "method-depth", f"statements more than {MAX_NESTING} deep")
        match statement:
            case Block():
                self._block(statement.statements)
            case Declaration():
                self._declaration(statement)
            case ExpressionStatement():
                if statement.value is not None:
                    self._in.effect(statement.value)
            case If():
                self._if(statement)
            case While():
                self._while(statement)
            case For():
                self._for(statement)
            case Switch():
                self._switch(statement)
            case Jump():
                self._jump(statement)
            case Return():
                self._return(statement)
        self._nesting -= 1

    def _if(self, statement: If) -> None:
        """An if with its chain of else-ifs, however long."""
        end = Label()
        current: Statement | None = statement
        while isinstance(current, If):
            otherwise = Label()
            self._in.number(current.condition)
            self._code.branch(jump_false, otherwise, current.position)
            self._statement(current.then)
            if current.otherwise is not None:
                self._code.branch(jump, end, current.position)
            self._code.place(otherwise)
            current = current.otherwise
        if current is not None:
            self._statement(current)
        self._code.place(end)

    def _while(self, statement: While) -> None:
        start, test, end = Label(), Label(), Label()
        if not statement.body_first:
            self._code.branch(jump, test, statement.position)
        self._code.place(start)
        self._loop(statement.body, end, test)
        self._code.place(test)
        self._in.number(statement.condition)
        self._code.branch(jump_true, start, statement.position)
        self._code.place(end)

    def _for(self, statement: For) -> None:
        start, step, test, end = Label(), Label(), Label(), Label()
        if statement.start is not None:
            self._in.effect(statement.start)
        self._code.branch(jump, test, statement.position)
        self._code.place(start)
        self._loop(statement.body, end, step)
        self._code.place(step)
        if statement.step is not None:
            self._in.effect(statement.step)
        self._code.place(test)
        if statement.condition is None:
            self._code.branch(jump, start, statement.position)
        else:
            self._in.number(statement.condition)
            self._code.branch(jump_true, start, statement.position)
        self._code.place(end)

    def _loop(self, body: Statement, end: Label, again: Label) -> None:
        self._breaks.append(end)
        self._continues.append(again)
        outer = self._in.scope
        self._in.scope = Scope(outer)  # a declaration as the whole body ends with it
        self._statement(body)
        self._in.scope = outer
        self._breaks.pop()
        self._continues.pop()

    def _switch(self, statement: Switch) -> None:
        kind = self._in.number(statement.subject)
        if not kind.is_integer:
            raise MethodError(statement.position, "method-type", "switch takes a whole number")
        end, otherwise = Label(), None
        labels: list[tuple[CaseLabel, Label]] = []
        cases: dict[int, Label] = {}
        for part in statement.body:
            if not isinstance(part, CaseLabel):
                continue
            label = Label()
            labels.append((part, label))
            if part.value is None:
                if otherwise is not None:
                    raise MethodError(part.position, "method-switch", "this switch has two defaults")
                otherwise = label
                continue
            value = _whole_constant(part.value)
            if value in cases:
                raise MethodError(part.position, "method-switch", f"this switch has two cases {value}")
            cases[value] = label
        self._code.dispatch(cases, otherwise or end, statement.position)
        self._breaks.append(end)
        outer = self._in.scope
        self._in.scope = Scope(outer)
        waiting = iter(labels)
        for part in statement.body:
            if isinstance(part, CaseLabel):
                self._code.place(next(waiting)[1])
            else:
                self._statement(part)
        self._in.scope = outer
        self._breaks.pop()
        self._code.place(end)

    def _jump(self, statement: Jump) -> None:
        targets = self._breaks if statement.kind == "break" else self._continues
        if not targets:
            raise MethodError(statement.position, "method-jump", f"{statement.kind} stands in no loop")
        self._code.branch(jump, targets[-1], statement.position)

    def _return(self, statement: Return) -> None:
        returns = self._program.returns
        if statement.value is None:
            self._code.emit(give_back(False, returns), statement.position)
            return
        shape = self._in.value(statement.value)
        if returns is not None:
            self._in.convert(shape, returns, statement.position)
        elif shape is VOID:
            raise MethodError(statement.position, "method-type", "this gives no value to return")
        self._code.emit(give_back(True, returns), statement.position)

    # ---- declarations

    def _declaration(self, statement: Declaration) -> None:
        ctype = ctype_of(statement.ctype)
        if ctype is None:
            raise MethodError(statement.position, "method-type", f"{statement.ctype} is no type")
        for declarator in statement.declarators:
            self._declare(declarator, ctype)

    def _declare(self, declarator: Declarator, ctype: CType) -> None:
        lengths = self._lengths(declarator, ctype) if declarator.lengths else None
        local = Local(self._slots, declarator.name, ctype, lengths)
        initial = declarator.initial
        scalar_start = lengths is None and initial is not None and not isinstance(initial, tuple)
        if scalar_start and not isinstance(initial, tuple) and initial is not None:
            # In C the name is visible in its own initialiser but has no value there; here it is not yet visible.
            self._in.typed(initial, ctype)
        self._slots += 1
        if not self._in.scope.declare(local):
            raise MethodError(declarator.position, "method-name", f"{local.name} is declared twice in this block")
        if ctype.is_text or lengths is not None:
            self._owned.append(local.slot)
        if scalar_start:
            self._code.emit(memory.store(local, False), declarator.position)
            return
        self._code.emit(memory.declare(local, lengths), declarator.position)
        if initial is not None and lengths is not None:
            self._fill(local, lengths, initial, declarator.position)
        elif isinstance(initial, tuple):
            raise MethodError(declarator.position, "method-type", f"{local.name} is no array")

    def _lengths(self, declarator: Declarator, ctype: CType) -> tuple[int, ...]:
        found: list[int] = []
        total = 1
        for at, length in enumerate(declarator.lengths):
            if length is not None:
                count = _whole_constant(length)
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
            self._code.emit(memory.copy_text(local.slot, False), at)
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
        self._code.emit(memory.fill(local.slot, len(initial)), at)


def _initial_count(initial: Expression | tuple[Expression, ...]) -> int:
    if isinstance(initial, tuple):
        return len(initial)
    return len(initial.raw) + 1 if isinstance(initial, Text) else 0


def _whole_constant(node: Expression) -> int:
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
