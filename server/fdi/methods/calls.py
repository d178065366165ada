"""Compiles calls: builtins with their argument forms, METHODs, and the functions resolved while compiling."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any

from server.core.texts import Texts
from server.fdi.eddl.expressions import Call, DictionaryReference, Expression, Integer, Reference, Text, Unary
from server.fdi.eddl.nodes import Group, Position
from server.fdi.eddl.writing import written
from server.fdi.logic.numbers import Kind
from server.fdi.methods import arithmetic, memory
from server.fdi.methods.builtins.all import BUILTINS
from server.fdi.methods.builtins.table import Arg, Builtin
from server.fdi.methods.ctype import DOUBLE, ITEM, LONG, LONG_LONG, TEXT, VOID, Shape
from server.fdi.methods.errors import MethodError
from server.fdi.methods.machine import Suspend
from server.fdi.methods.program import SPENT, SWITCH, Instruction, Local, Program, Site
from server.fdi.methods.prompts import names_in

if TYPE_CHECKING:
    from server.fdi.methods.expressions import Expressions
    from server.fdi.methods.machine import Machine

PSEUDO = frozenset({"ITEM_ID", "VARID", "METHODID", "MEMBER_ID", "DICT_ID"})
_KINDS = {Arg.METHOD: "METHOD", Arg.MENU: "MENU", Arg.COMMAND: "COMMAND", Arg.LIST: "LIST"}


class Calls:
    """Compiles the calls of one METHOD; `callee` gives another METHOD's program."""

    def __init__(self, expressions: Expressions, callee: Callable[[str, Position], Program]) -> None:
        self._in = expressions
        self._code = expressions.code
        self._names = expressions.library.names
        self._callee = callee

    def call(self, node: Call) -> Shape:
        """Compile a call. Raises MethodError for an unknown name and for arguments that do not fit."""
        name = node.target.name
        if node.target.steps:
            raise MethodError(node.position, "method-call", f"{written(node.target)} cannot be called")
        if name in self._in.library.model.methods:
            return self._method(node, self._callee(name, node.position))
        if name in PSEUDO:
            return self._pseudo(node)
        found = BUILTINS.get(name)
        if found is not None:
            return self._builtin(node, name, found)
        if self._names.is_parameter(name):
            return self._enumeration_text(node)
        meant = self._in.library.meant(name, chain(BUILTINS, PSEUDO, self._in.library.model.methods))
        raise MethodError(node.position, "method-builtin", f"there is no builtin or METHOD {name}{meant}")

    # ---- METHODs

    def _method(self, node: Call, program: Program) -> Shape:
        wanted = program.parameters
        if len(node.arguments) != len(wanted):
            text = f"{program.name} takes {len(wanted)} arguments, not {len(node.arguments)}"
            raise MethodError(node.position, "method-arguments", text)
        for argument, local in zip(_expressions(node), wanted, strict=True):
            if local.lengths is not None:
                self._array(argument, local)
            elif local.ctype is ITEM:
                self._item(argument, None)
                self._code.emit(_number_of, argument.position)
            elif local.by_reference:
                self._place(argument)
            else:
                self._in.typed(argument, local.ctype)
        self._code.emit(_enter(program, len(wanted)), node.position)
        return program.returns.shape if program.returns is not None else VOID

    def _array(self, node: Expression, local: Local) -> None:
        plain = _without_address(node)
        given = self._in.scope.find(plain.name) if isinstance(plain, Reference) and not plain.steps else None
        if given is None or given.lengths is None:
            raise MethodError(node.position, "method-arguments", f"{local.name} takes a local array")
        if given.ctype.shape is not local.ctype.shape or given.ctype.bits != local.ctype.bits:
            text = f"{local.name} takes an array of {local.ctype.name}, not of {given.ctype.name}"
            raise MethodError(node.position, "method-arguments", text)
        self._code.emit(arithmetic.load(given.slot), node.position)

    # ---- functions resolved while compiling

    def _pseudo(self, node: Call) -> Kind:
        (argument,) = self._counted(node, 1)
        name = node.target.name
        if name == "MEMBER_ID" or name == "DICT_ID":
            if (isinstance(argument, DictionaryReference) and name == "DICT_ID") or (
                isinstance(argument, Reference) and not argument.steps
            ):
                word = argument.name
            else:
                raise MethodError(node.position, "method-arguments", f"{name} takes a name")
            number = self._names.member_id(word) if name == "MEMBER_ID" else self._names.text_id(word)
            if not number:
                raise MethodError(node.position, "method-name", f"{name}: there is no {word}")
            self._code.emit(arithmetic.push(number), node.position)
            return Kind.UINT32
        if not isinstance(argument, Reference):
            raise MethodError(node.position, "method-arguments", f"{name} takes a reference")
        self._item(argument, "METHOD" if name == "METHODID" else None)
        self._code.emit(_number_of, node.position)
        return Kind.UINT32

    def _enumeration_text(self, node: Call) -> Shape:
        (argument,) = self._counted(node, 1)
        self._in.typed(argument, LONG_LONG)
        self._code.emit(_enumeration_text(node.target.name), node.position)
        return TEXT

    def _counted(self, node: Call, count: int) -> list[Expression]:
        arguments = _expressions(node)
        if len(arguments) != count:
            text = f"{node.target.name} takes {count} arguments, not {len(arguments)}"
            raise MethodError(node.position, "method-arguments", text)
        return arguments

    # ---- builtins

    def _builtin(self, node: Call, name: str, found: Builtin) -> Shape:
        arguments = _expressions(node)
        if not found.least <= len(arguments) <= found.most:
            count = str(found.least) if found.least == found.most else f"{found.least} to {found.most}"
            text = f"{name} takes {count} arguments, not {len(arguments)}"
            raise MethodError(node.position, "method-arguments", text)
        for argument, form in zip(arguments, found.takes, strict=False):
            self._argument(argument, form)
        site = Site(name, self._in.scope, node.position)
        self._code.emit(_run(found, len(arguments), site), node.position)
        return found.gives

    def _argument(self, node: Expression, form: Arg) -> None:
        match form:
            case Arg.INT:
                self._in.typed(node, LONG)
            case Arg.WIDE:
                self._in.typed(node, LONG_LONG)
            case Arg.REAL:
                self._in.typed(node, DOUBLE)
            case Arg.TEXT:
                self._in.text(node)
            case Arg.PROMPT:
                self._prompt(node)
            case Arg.ITEM | Arg.METHOD | Arg.MENU | Arg.COMMAND | Arg.LIST:
                self._item(node, _KINDS.get(form))
            case Arg.MEMBER:
                self._member(node)
            case Arg.DICTIONARY:
                self._dictionary(node)
            case Arg.IDS:
                self._ids(node)
            case Arg.OUT:
                self._out(node)
            case Arg.LOCAL:
                self._local(node)
            case Arg.ANY:
                self._any(node)
            case Arg.VALUE:
                self._item_or_value(node)

    def _any(self, node: Expression) -> None:
        if self._in.value(node) is VOID:
            raise MethodError(node.position, "method-type", "this gives no value")

    def _prompt(self, node: Expression) -> None:
        if isinstance(node, Text):
            texts = Texts(dict(node.languages))
            self._check_names(texts, node.position)
            self._code.emit(arithmetic.push(texts), node.position)
        elif isinstance(node, DictionaryReference):
            texts = Texts(self._in.dictionary_text(node.name, node.position))
            self._code.emit(arithmetic.push(texts), node.position)
        else:
            self._in.text(node)

    def _check_names(self, texts: Texts, position: Position) -> None:
        """A prompt that names what is not there shows the name as written, which its author should know."""
        for text in texts.by_language.values():
            for name in names_in(text):
                if self._in.scope.find(name) is None and self._names.kind(name) is None:
                    self._in.program.warnings.append((position, f"the prompt names {name}, which is not declared"))

    def _item(self, node: Expression, kind: str | None) -> None:
        """The name of an item: of a reference to one, else by number."""
        node = _without_address(node)
        if isinstance(node, Reference) and self._in.scope.find(node.name) is None:
            path = self._in.targets.path(node)
            found = self._names.kind(path.sample)
            if path.attribute or (kind is not None and found != kind):
                text = f"{written(node)} is no {kind or 'item'}"
                raise MethodError(node.position, "method-arguments", text)
            self._in.targets.emit_item(path, node.position)
            if found == "METHOD":
                self._callee(path.sample, node.position)
            return
        self._in.typed(node, LONG_LONG)
        self._code.emit(_item_of, node.position)

    def _member(self, node: Expression) -> None:
        if isinstance(node, Reference) and not node.steps and self._in.scope.find(node.name) is None:
            number = self._names.member_id(node.name)
            if number:
                self._code.emit(arithmetic.push(number), node.position)
                return
        self._in.typed(node, LONG_LONG)

    def _dictionary(self, node: Expression) -> None:
        if isinstance(node, Reference) and not node.steps and self._in.scope.find(node.name) is None:
            texts = Texts(self._in.dictionary_text(node.name, node.position))
            self._code.emit(arithmetic.push(texts), node.position)
        elif isinstance(node, Text | DictionaryReference):
            self._prompt(node)
        elif self._in.value(node) is TEXT:
            self._code.emit(arithmetic.apply(Texts.of), node.position)
        else:
            self._code.emit(_text_of, node.position)

    def _ids(self, node: Expression) -> None:
        plain = _without_address(node)
        local = self._in.scope.find(plain.name) if isinstance(plain, Reference) and not plain.steps else None
        if local is not None and local.lengths is not None:
            self._code.emit(arithmetic.load(local.slot), node.position)
        elif isinstance(plain, Integer) or (isinstance(plain, Reference) and plain.name == "NULL" and local is None):
            self._code.emit(arithmetic.push(None), node.position)
        else:
            raise MethodError(node.position, "method-arguments", "an array of item numbers, or 0, is needed here")

    def _out(self, node: Expression) -> None:
        if isinstance(node, Integer) or (isinstance(node, Reference) and node.name == "NULL"):
            self._code.emit(arithmetic.push(None), node.position)
        else:
            self._place(node)

    def _place(self, node: Expression) -> None:
        """The place of `&x` or `x`."""
        plain = _without_address(node)
        if not isinstance(plain, Reference):
            raise MethodError(node.position, "method-arguments", "a variable is needed here, to put a result into")
        local = self._in.scope.find(plain.name)
        if local is not None and not plain.steps:
            self._code.emit(memory.local_place(local), node.position)
            return
        self._in.targets.place(self._in.targets.find(plain))

    def _local(self, node: Expression) -> None:
        plain = _without_address(node)
        if isinstance(plain, Text):
            plain = Reference(plain.raw, (), plain.position)
        if not isinstance(plain, Reference) or self._in.scope.find(plain.name) is None:
            raise MethodError(node.position, "method-arguments", "the name of a local variable is needed here")
        self._place(plain)

    def _item_or_value(self, node: Expression) -> None:
        plain = _without_address(node)
        if isinstance(plain, Reference) and self._in.scope.find(plain.name) is None:
            path = self._in.targets.path(plain)
            self._in.targets.emit_item(path, node.position)
            self._code.emit(memory.item_place, node.position)
        else:
            self._any(plain)


def _expressions(node: Call) -> list[Expression]:
    found: list[Expression] = []
    for argument in node.arguments:
        if isinstance(argument, Group):
            raise MethodError(node.position, "method-arguments", "a list cannot be an argument")
        found.append(argument)
    return found


def _without_address(node: Expression) -> Expression:
    return node.operand if isinstance(node, Unary) and node.operator == "&" else node


def _run(found: Builtin, count: int, site: Site) -> Instruction:
    act = found.run

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        if count:
            arguments = stack[-count:]
            del stack[-count:]
        else:
            arguments = []
        result = act(machine, arguments, site)
        if type(result) is Suspend:
            machine.suspend(result)
            return SWITCH
        stack.append(result)
        return SPENT

    return run


def _enter(program: Program, count: int) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        arguments = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        machine.enter(program, arguments)
        return SWITCH

    return run


def _number_of(stack: list[Any], slots: list[Any], machine: Machine) -> None:
    stack[-1] = machine.library.names.item_id(stack[-1])


def _item_of(stack: list[Any], slots: list[Any], machine: Machine) -> None:
    stack[-1] = machine.library.names.item_of(stack[-1])


def _text_of(stack: list[Any], slots: list[Any], machine: Machine) -> None:
    stack[-1] = machine.library.text(machine.library.names.text_name(stack[-1]))


def _enumeration_text(name: str) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        spec = machine.spec(name)
        value = stack[-1]
        texts = next((entry.text for entry in spec.enum_values if entry.value == value), None) if spec else None
        stack[-1] = machine.new_text(machine.chosen(texts) if texts else "")

    return run
