"""Every reference an attribute may hold is followed once, so that a wrong name is found before any device speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from server.fdi.eddl.expressions import (
    Assignment,
    Binary,
    Call,
    Cast,
    Comma,
    Index,
    Reference,
    Ternary,
    Unary,
)
from server.fdi.eddl.inherit import Finished
from server.fdi.eddl.nodes import (
    Attribute,
    Conditional,
    Construct,
    Content,
    Group,
    ItemList,
    ListItem,
    RelationItem,
    Scalar,
    Transaction,
    TypeSpec,
)
from server.fdi.eddl.references import ATTRIBUTE, ELEMENT, UNKNOWN, References, reference_of
from server.fdi.eddl.static_view import StaticView, groups
from server.fdi.eddl.type_words import EDD_TYPES
from server.fdi.eddl.writing import written

LAYOUT_WORDS: Final = frozenset({"COLUMNBREAK", "ROWBREAK", "SEPARATOR"})
_PLAIN_LISTS: Final = frozenset(
    {"ITEMS", "REQUEST", "REPLY", "EDIT_ITEMS", "DISPLAY_ITEMS", "X_VALUES", "Y_VALUES", "KEY_POINTS", "VECTORS"}
)
_GROUPED_LISTS: Final = frozenset({"MEMBERS", "ELEMENTS"})
_EXPRESSIONS: Final = frozenset(
    {"VALIDITY", "VISIBILITY", "PRIVATE", "DEFAULT_VALUE", "INITIAL_VALUE", "SCALING_FACTOR", "COUNT", "CAPACITY"}
    | {"NUMBER_OF_ELEMENTS", "X_AXIS", "Y_AXIS", "LINK", "CONSTANT_UNIT", "LABEL", "HELP", "X_INITIAL", "X_INCREMENT"}
    | {"NUMBER_OF_POINTS", "MIN_VALUE", "MAX_VALUE", "RESPONSE_CODES"}
)
_RELATION_KINDS: Final = frozenset(
    {"VARIABLE", "ARRAY", "ITEM_ARRAY", "COLLECTION", "RECORD", "LIST", "AXIS", ELEMENT, ATTRIBUTE, UNKNOWN}
)
_DATA_KINDS: Final = frozenset({"VARIABLE", "ARRAY", "ITEM_ARRAY", "COLLECTION", "RECORD", "LIST", ELEMENT, UNKNOWN})


class ReferenceChecks:
    """Walks the attributes of every construct but METHOD programs."""

    def __init__(self, items: Mapping[str, Finished], references: References, view: StaticView) -> None:
        self._items = items
        self._references = references
        self._view = view

    def run(self) -> None:
        """Check all constructs; problems are noted."""
        for item in self._items.values():
            owner = f"{item.kind} {item.name}"
            if isinstance(item, RelationItem):
                self._relation(item, owner)
            else:
                self._attributes(item.attributes, owner)
                if item.kind == "CHART":
                    self._chart(item)

    def _relation(self, item: RelationItem, owner: str) -> None:
        for reference in relation_references((*item.causes, *item.effects)):
            target = self._references.target(reference, owner)
            if target.kind not in _RELATION_KINDS:
                text = f"{owner}: {written(reference)} is a {target.kind}, not a VARIABLE or a group of them"
                self._view.findings.add(reference.position, "relation", text)
        self._subjects((*item.causes, *item.effects), owner)

    def _attributes(self, attributes: tuple[Attribute, ...], owner: str) -> None:
        for attribute in attributes:
            self._attribute(attribute, owner)

    def _attribute(self, attribute: Attribute, owner: str) -> None:
        name, value = attribute.name, attribute.value
        match value:
            case Scalar() | Conditional():
                self._subjects((value,), owner)
                if name.rstrip("0123456789") in _EXPRESSIONS:
                    for scalar in self._view.all_scalars(attribute, set()):
                        for expression in scalar.values:
                            self._expression(expression, owner)
            case ItemList():
                self._subjects(value.items, owner)
                if name in _GROUPED_LISTS:
                    self._members(value, owner)
                elif name in _PLAIN_LISTS or name.endswith(("_ACTIONS", "_ITEMS")):
                    self._list(name, value.items, owner)
            case TypeSpec():
                self._type(value, owner)
            case Transaction():
                self._attributes(value.attributes, owner)

    def _type(self, spec: TypeSpec, owner: str) -> None:
        if spec.target is not None:
            self._references.target(spec.target, owner)
        if owner.startswith(("ARRAY ", "LIST ")) and spec.reference.name not in EDD_TYPES:
            self._references.target(spec.reference, owner)
        self._subjects(spec.items, owner)
        for item, _ in self._view.items(spec.items):
            if isinstance(item, Attribute):
                self._attribute(item, owner)

    def _members(self, value: ItemList, owner: str) -> None:
        for group, _ in groups(list(self._view.items(value.items))):
            reference = reference_of(group[1]) if len(group) > 1 else None
            if reference is None:
                text = f"{owner}: an entry needs a name or number, and a reference"
                self._view.findings.add(group[0].position if group else value.position, "member", text)
            else:
                self._references.target(reference, owner)

    def _list(self, name: str, items: tuple[Content, ...], owner: str) -> None:
        for item, _ in self._view.items(items):
            if not isinstance(item, ListItem):
                continue
            if isinstance(item.value, Group):
                self._list(name, item.value.items, owner)
                continue
            reference = reference_of(item)
            if reference is None or (reference.name in LAYOUT_WORDS and not reference.steps):
                continue
            target = self._references.target(reference, owner)
            self._fits(name, item, reference, target.kind, target.name, owner)

    def _fits(self, name: str, item: ListItem, reference: Reference, kind: str, target: str | None, owner: str) -> None:
        add = self._view.findings.add
        if name in ("REQUEST", "REPLY") and kind not in _DATA_KINDS:
            add(reference.position, "data-item", f"{owner}: {written(reference)} is a {kind}, not a VARIABLE")
        if name.endswith("_ACTIONS") and kind not in ("METHOD", UNKNOWN, ELEMENT):
            add(reference.position, "action", f"{owner}: {written(reference)} is a {kind}, not a METHOD")
        method = self._items.get(target or "")
        if isinstance(method, Construct) and kind == "METHOD" and isinstance(item.value, Call):
            wanted, given = len(method.parameters or ()), len(item.value.arguments)
            if wanted != given:
                text = f"{owner}: METHOD {method.name} takes {wanted} arguments, here stand {given}"
                add(reference.position, "arguments", text)

    def _chart(self, chart: Construct) -> None:
        kinds = [
            self._references.target(reference, f"CHART {chart.name}").kind
            for reference in self._references.members(chart).values()
        ]
        if not {"SOURCE", UNKNOWN} & set(kinds):
            self._view.findings.add(chart.position, "chart", f"CHART {chart.name} has no SOURCE among its MEMBERS")

    def _subjects(self, contents: tuple[object, ...], owner: str) -> None:
        for part in contents:
            if isinstance(part, Conditional):
                self._expression(part.subject, owner)
                for case in part.cases:
                    self._subjects(case.content, owner)
                self._subjects(part.default or (), owner)

    def _expression(self, expression: object, owner: str) -> None:
        for reference in references_in(expression):
            self._references.target(reference, owner)


def relation_references(side: tuple[Reference | Conditional, ...]) -> Iterator[Reference]:
    """All references of a relation's side, whichever branch they stand in."""
    for part in side:
        if isinstance(part, Reference):
            yield part
        else:
            for case in part.cases:
                yield from relation_references(case.content)  # type: ignore[arg-type]
            yield from relation_references(part.default or ())  # type: ignore[arg-type]


def references_in(expression: object) -> Iterator[Reference]:
    """The references of an expression, those inside an index too."""
    match expression:
        case Reference():
            yield expression
            for step in expression.steps:
                if isinstance(step, Index):
                    yield from references_in(step.value)
        case Call():
            yield from references_in(expression.target)
            for argument in expression.arguments:
                yield from references_in(argument)
        case Unary() | Cast():
            yield from references_in(expression.operand)
        case Binary():
            yield from references_in(expression.left)
            yield from references_in(expression.right)
        case Ternary():
            yield from references_in(expression.condition)
            yield from references_in(expression.then)
            yield from references_in(expression.otherwise)
        case Assignment():
            yield from references_in(expression.target)
            yield from references_in(expression.value)
        case Comma():
            for value in expression.values:
                yield from references_in(value)
