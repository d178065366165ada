"""Compiles METHODs and the inline definitions of actions; a METHOD brings along those it calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from server.fdi.eddl.model import EddMethod
from server.fdi.eddl.nodes import Position
from server.fdi.eddl.statements import (
    Block,
    CaseLabel,
    Declaration,
    ExpressionStatement,
    For,
    If,
    Jump,
    Return,
    Statement,
    Switch,
    While,
)
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.calls import Calls
from server.fdi.methods.code import Code, Label, jump, jump_false, jump_true
from server.fdi.methods.ctype import DOUBLE, FLOAT, ITEM, LONG, STRING, ULONG, VOID, CType, ctype_of
from server.fdi.methods.declarations import Declarations, whole_constant
from server.fdi.methods.errors import MethodError
from server.fdi.methods.expressions import Expressions
from server.fdi.methods.library import Library, library_of
from server.fdi.methods.program import Local, Program, Scope
from server.fdi.methods.returning import give_back

MAX_NESTING = 64  # statements inside one another; bounds the recursion of the compiler
MAX_PROBLEMS = 10  # listed of one METHOD
MAX_ALL_INSTRUCTIONS = 500_000  # of one device type
_LIMITS = frozenset({"method-size", "method-depth"})
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
    refused = library.refused.get(name)
    if refused is not None:
        raise refused.again()
    method = library.model.methods.get(name)
    if method is None:
        raise MethodError(Position("", 0, 0), "method-name", f"there is no METHOD {name}")
    try:
        return _Batch(library).method(method)
    except MethodError as error:
        library.refused[name] = error.again()
        raise


def compile_block(logic: TypeLogic, block: Block, name: str = "action") -> Program:
    """The program of an inline DEFINITION of an action. Raises MethodError."""
    library = library_of(logic)
    known = library.blocks.get(id(block))
    if known is None:
        made: Program | MethodError
        try:
            made = _Batch(library).block(block, name)
        except MethodError as error:
            made = error.again()
        known = library.blocks[id(block)] = (block, made)
    if isinstance(known[1], MethodError):
        raise known[1].again()
    return known[1]


class _GivenUpError(Exception):
    """The rest of a METHOD is not looked at."""


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
    """Compiles the statements of one METHOD; what is wrong in one statement does not hide what is in the next."""

    def __init__(self, library: Library, program: Program, callee: Callable[[str, Position], Program]) -> None:
        self._library = library
        self._program = program
        self._code = Code()
        self._in = Expressions(library, program, self._code)
        self._in.calls = Calls(self._in, callee)
        self._locals = Declarations(self._in, program.parameters)
        self._breaks: list[Label] = []
        self._continues: list[Label] = []
        self._nesting = 0
        self._problems: list[MethodError] = []

    def run(self, block: Block) -> None:
        """Fill the program. Raises MethodError."""
        for local in self._program.parameters:
            self._in.scope.declare(local)
        with suppress(_GivenUpError):
            self._block(block.statements)
        if self._problems:
            first, *rest = self._problems
            first.more = tuple(rest)
            raise first
        self._code.emit(give_back(False, self._program.returns), block.position)
        self._program.code, self._program.positions = self._code.finished()
        self._library.instructions += len(self._program.code)
        if self._library.instructions > MAX_ALL_INSTRUCTIONS:
            text = f"the METHODs have more than {MAX_ALL_INSTRUCTIONS} instructions together"
            raise MethodError(block.position, "method-size", text)
        self._program.slots = self._locals.slots
        self._program.owned = tuple(self._locals.owned)

    # ---- statements

    def _block(self, statements: Sequence[CaseLabel | Statement]) -> None:
        outer = self._in.scope
        self._in.scope = Scope(outer)
        for statement in statements:
            if not isinstance(statement, CaseLabel):
                self._checked(statement)
        self._in.scope = outer

    def _checked(self, statement: Statement) -> None:
        """Compile a statement; after what is wrong in it the next one is looked at, for the list of problems."""
        scope, nesting, loops = self._in.scope, self._nesting, (len(self._breaks), len(self._continues))
        try:
            self._statement(statement)
        except MethodError as error:
            if error.reason not in {entry.reason for entry in self._problems}:
                self._problems.append(error.again())
            # What is not declared after all, or a limit that is crossed, would be told again and again.
            hopeless = isinstance(statement, Declaration) or error.rule in _LIMITS
            if hopeless or len(self._problems) >= MAX_PROBLEMS:
                raise _GivenUpError from None
            self._in.scope, self._nesting = scope, nesting
            del self._breaks[loops[0] :], self._continues[loops[1] :]

    def _statement(self, statement: Statement) -> None:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise MethodError(statement.position, "method-depth", f"statements more than {MAX_NESTING} deep")
        match statement:
            case Block():
                self._block(statement.statements)
            case Declaration():
                self._locals.declaration(statement)
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
            value = whole_constant(part.value)
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
                self._checked(part)
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
