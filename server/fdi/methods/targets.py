"""Compiles references: what a name and its steps lead to, reading it, and putting a value there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from server.fdi.eddl.expressions import Expression, Index, Integer, Reference
from server.fdi.eddl.nodes import Position
from server.fdi.eddl.writing import written
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind
from server.fdi.methods import arithmetic, memory
from server.fdi.methods.attributes import is_array_attribute, load_array_attribute, load_attribute, parameter_attribute
from server.fdi.methods.ctype import LONG, OF_KIND, STRING, TEXT, CType, Shape, converter
from server.fdi.methods.errors import MethodError
from server.fdi.methods.names import ROOTS, Names
from server.fdi.methods.program import Local
from server.fdi.methods.variables import shape_of

if TYPE_CHECKING:
    from server.fdi.methods.expressions import Expressions


@dataclass(frozen=True, slots=True)
class Target:
    """Something a value can be put into.

    `local` is a scalar with a slot of its own, `characters` a whole array of char; anything else is reached through
    its place. `ctype` is None for a parameter, which takes what it can and refuses the rest.
    """

    name: str
    shape: Shape
    ctype: CType | None = None
    local: Local | None = None
    characters: Local | None = None
    place: Callable[[], None] | None = field(default=None, compare=False)
    is_dynamic: bool = False  # what lies there, and its type, turns out when the METHOD runs


@dataclass(slots=True)
class Path:
    """A reference to an item: what it starts from, the steps left for run time, an item of the type it ends at."""

    start: str
    sample: str
    steps: list[str | Expression] = field(default_factory=list)
    attribute: str = ""


class Targets:
    """Resolves the references of one METHOD."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions
        self._names: Names = expressions.library.names

    # ---- locals and parameters as targets

    def find(self, node: Expression) -> Target:
        """What an expression on the left of `=` stands for. Raises MethodError when it is nothing of the kind."""
        if not isinstance(node, Reference):
            raise MethodError(node.position, "method-target", "only a variable can be assigned to")
        local = self._expressions.scope.find(node.name)
        if local is not None:
            return self._local(node, local)
        path = self.path(node)
        if path.attribute:
            raise MethodError(node.position, "method-target", f"{written(node)} cannot be assigned to")
        shape = self._shape(path.sample, node)
        return Target(
            written(node), shape, place=lambda: self._item_place(path, node.position), is_dynamic=bool(path.steps)
        )

    def _local(self, node: Reference, local: Local) -> Target:
        ctype = local.ctype
        if local.lengths is None:
            if node.steps:
                raise MethodError(node.position, "method-type", f"{local.name} is no array")
            if not local.by_reference:
                return Target(local.name, ctype.shape, ctype, local=local)
            emit = self._expressions.code.emit
            return Target(
                local.name,
                ctype.shape,
                ctype,
                place=lambda: emit(memory.local_place(local), node.position),
                is_dynamic=True,
            )
        if not node.steps:
            if ctype.is_integer and ctype.bits == 8:
                return Target(local.name, TEXT, STRING, characters=local)
            raise MethodError(node.position, "method-type", f"{local.name} is an array; its elements hold values")
        self._check_dimensions(node, local)
        return Target(local.name, ctype.shape, ctype, place=lambda: self._element_place(node, local))

    def _check_dimensions(self, node: Reference, local: Local) -> None:
        if not all(isinstance(step, Index) for step in node.steps):
            raise MethodError(node.position, "method-type", f"{local.name} has no members")
        if local.lengths and len(node.steps) != len(local.lengths):
            text = f"{local.name} has {len(local.lengths)} dimensions, not {len(node.steps)}"
            raise MethodError(node.position, "method-type", text)

    def _indexes(self, node: Reference) -> int:
        for step in node.steps:
            if isinstance(step, Index):
                self._expressions.typed(step.value, LONG)
        return len(node.steps)

    def _element_place(self, node: Reference, local: Local) -> None:
        count = self._indexes(node)
        self._expressions.code.emit(memory.element_place(local, count), node.position)

    def _item_place(self, path: Path, position: Position) -> None:
        self.emit_item(path, position)
        self._expressions.code.emit(memory.item_place, position)

    def place(self, target: Target) -> None:
        """Compile the place of a target that is not a plain local."""
        if target.place is not None:
            target.place()

    def checked(self, target: Target, position: Position) -> None:
        """The value just read from the target's place has its type."""
        if target.is_dynamic:
            self._expressions.code.emit(arithmetic.apply(_as(target.shape)), position)

    # ---- reading

    def load(self, node: Reference) -> Shape:
        """Compile the value of a reference."""
        code = self._expressions.code
        local = self._expressions.scope.find(node.name)
        if local is not None:
            return self._load_local(node, local)
        path = self.path(node)
        if path.attribute:
            return self._load_attribute(path, node)
        shape = self._shape(path.sample, node)
        if not path.steps:
            code.emit(memory.load_item(path.start), node.position)
            return shape
        self.emit_item(path, node.position)
        code.emit(memory.item_value, node.position)
        code.emit(arithmetic.apply(_as(shape)), node.position)
        return shape

    def _load_local(self, node: Reference, local: Local) -> Shape:
        code = self._expressions.code
        if local.lengths is None or not node.steps:
            target = self._local(node, local)
            if target.characters is not None:
                code.emit(arithmetic.load(local.slot), node.position)
                code.emit(memory.array_text, node.position)
            elif local.by_reference:
                code.emit(memory.load_reference(local.slot), node.position)
                code.emit(arithmetic.apply(converter(local.ctype)), node.position)
            else:
                code.emit(arithmetic.load(local.slot), node.position)
            return target.shape
        self._check_dimensions(node, local)
        count = self._indexes(node)
        code.emit(memory.load_element(local, count), node.position)
        return local.ctype.shape

    def _load_attribute(self, path: Path, node: Reference) -> Shape:
        code = self._expressions.code
        spec = self._expressions.library.parameters.get(path.sample)
        shape = parameter_attribute(path.attribute, spec) if spec is not None else None
        self.emit_item(path, node.position)
        if shape is not None:
            code.emit(load_attribute(path.attribute), node.position)
            return shape
        code.emit(load_array_attribute(path.attribute), node.position)
        return Kind.INT32

    def is_float(self, node: Expression) -> bool:
        """Whether an expression is a FLOAT by its name alone."""
        if not isinstance(node, Reference):
            return False
        local = self._expressions.scope.find(node.name)
        if local is not None:
            return local.ctype.shape is Kind.FLOAT
        try:
            path = self.path(node)
            return not path.attribute and self._shape(path.sample, node) is Kind.FLOAT
        except MethodError:
            return False  # told where the reference itself is compiled

    # ---- items

    def path(self, node: Reference) -> Path:
        """Follow a reference as far as it is fixed. Raises MethodError for a name or step that does not exist."""
        names = self._names
        steps = list(node.steps)
        start: str | None = node.name
        if node.name in ROOTS and names.kind(node.name) is None and steps:
            first = steps.pop(0)
            start = None if isinstance(first, Index) else names.block_member(first.name)
        if start is None or names.kind(start) is None:
            library = self._expressions.library
            meant = library.meant(node.name, chain(self._expressions.scope.names(), library.model.constructs))
            raise MethodError(node.position, "method-name", f"{written(node)} is not declared{meant}")
        path = Path(start, start)
        for at, step in enumerate(steps):
            if isinstance(step, Index):
                self._index(path, step, node)
                continue
            found = names.member(path.sample, step.name)
            if found is not None:
                path.sample = found
                if path.steps:
                    path.steps.append(step.name)
                else:
                    path.start = found
            elif at == len(steps) - 1 and self._is_attribute(path.sample, step.name):
                path.attribute = step.name
            else:
                raise MethodError(step.position, "method-name", f"{written(node)}: there is no {step.name}")
        return path

    def _index(self, path: Path, step: Index, node: Reference) -> None:
        names = self._names
        if names.kind(path.sample) not in ("ARRAY", "LIST"):
            raise MethodError(step.position, "method-type", f"{written(node)}: {path.sample} has no elements")
        if isinstance(step.value, Integer) and not path.steps:
            found = names.element(path.sample, step.value.value)
            if found is None:
                text = f"{written(node)}: {path.sample} has no element {step.value.value}"
                raise MethodError(step.position, "method-name", text)
            path.start = path.sample = found
            return
        sample = names.some_element(path.sample)
        if sample is None:
            raise MethodError(step.position, "method-name", f"{written(node)}: {path.sample} has no elements")
        path.sample = sample
        path.steps.append(step.value)

    def _is_attribute(self, item: str, word: str) -> bool:
        spec = self._expressions.library.parameters.get(item)
        if spec is not None:
            return parameter_attribute(word, spec) is not None
        return self._names.kind(item) in ("ARRAY", "LIST") and is_array_attribute(word)

    def emit_item(self, path: Path, position: Position) -> None:
        """Compile the name of the item a path ends at."""
        code, names = self._expressions.code, self._names
        code.emit(arithmetic.push(path.start), position)
        for step in path.steps:
            if isinstance(step, str):
                code.emit(arithmetic.apply(_member(names, step)), position)
            else:
                self._expressions.typed(step, LONG)
                code.emit(memory.step_into(names.element, path.start), position)

    def _shape(self, item: str, node: Reference) -> Shape:
        spec = self._expressions.library.parameters.get(item)
        if spec is not None:
            return shape_of(spec)
        kind = self._names.kind(item)
        if kind != "ELEMENT":
            raise MethodError(node.position, "method-type", f"{written(node)} is a {kind}, which has no value")
        return self._expressions.library.list_type(item.partition("[")[0]).shape


def _as(shape: Shape) -> Callable[[int | float | str], int | float | str]:
    return converter(OF_KIND[shape] if isinstance(shape, Kind) else STRING)


def _member(names: Names, name: str) -> Callable[[str], str]:
    def find(item: str) -> str:
        found = names.member(item, name)
        if found is None:
            raise EvaluationError(f"{item} has no member {name}")
        return found

    return find
