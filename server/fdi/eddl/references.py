"""What a reference leads to: items by name, then through members, elements and attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.fdi.eddl.errors import Findings
from server.fdi.eddl.expressions import Call, Index, Integer, Reference
from server.fdi.eddl.inherit import Finished
from server.fdi.eddl.nodes import Construct, ListItem, TypeSpec
from server.fdi.eddl.static_view import StaticView, groups, list_items
from server.fdi.eddl.writing import written

UNKNOWN = "UNKNOWN"  # kind of what cannot be followed without a device or without the imported EDD
ATTRIBUTE = "ATTRIBUTE"  # kind of a step such as `.MAX_VALUE`
ELEMENT = "ELEMENT"  # kind of an element of a value array or LIST
REFERENCE_DEPTH = 32  # members that stand for members

# Supplied by the profile or the host rather than by the EDD.
PREDEFINED = frozenset({"TRUE", "FALSE", "response_code", "device_status"})
# Roots of the function block and component tables, which belong to the instance.
ROOTS = frozenset(
    {"PARAM", "LOCAL", "PARAM_LIST", "LOCAL_PARAM_LIST", "CHARACTERISTICS", "BLOCK", "SELF", "PARENT", "CHILD"}
    | {"FIRST", "LAST", "NEXT", "PREV"}
)
_ATTRIBUTES = frozenset(
    {"LABEL", "HELP", "MIN_VALUE", "MAX_VALUE", "DEFAULT_VALUE", "INITIAL_VALUE", "CONSTANT_UNIT", "SCALING_FACTOR"}
    | {"VALIDITY", "VISIBILITY", "COUNT", "CAPACITY", "NUMBER_OF_ELEMENTS", "VIEW_MIN", "VIEW_MAX", "VARIABLE_STATUS"}
    | {"X_AXIS", "Y_AXIS", "UNIT", "FIRST", "LAST"}
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference leads to: the kind of construct and, when it is a construct, its name."""

    kind: str
    name: str | None = None


_NOWHERE = Target(UNKNOWN)


class References:
    """Follows references through the constructs of one EDD."""

    def __init__(self, items: Mapping[str, Finished], view: StaticView, findings: Findings, *, imported: bool) -> None:
        self._items = items
        self._view = view
        self._findings = findings
        self._imported = imported  # other EDDs bring names that are not known here
        self._members: dict[str, dict[str, Reference]] = {}
        self._elements: dict[str, dict[int, Reference]] = {}
        self._known: dict[tuple[str, str | int], Target | None] = {}  # None: being followed, so a way back is a circle
        self._element_kinds: dict[str, Target] = {}

    def target(self, reference: Reference, owner: str, depth: int = 0) -> Target:
        """What it leads to; a problem is noted, in the name of `owner`, when that does not exist."""
        if reference.name in ROOTS or (reference.name in PREDEFINED and reference.name not in self._items):
            return _NOWHERE
        item = self._items.get(reference.name)
        if item is None:
            if not self._imported:
                text = f"{owner} refers to {reference.name}, which does not exist"
                self._findings.add(reference.position, "unresolved-reference", text)
            return _NOWHERE
        if depth > REFERENCE_DEPTH:
            return self._lost(reference, owner)
        found = Target(item.kind, item.name)
        for step in reference.steps:
            if found.name is None:
                return found if found.kind in (ATTRIBUTE, ELEMENT) else _NOWHERE
            construct = self._items[found.name]
            if not isinstance(construct, Construct):
                return _NOWHERE
            if isinstance(step, Index):
                found = self._element(construct, step, reference, owner, depth)
            else:
                found = self._member(construct, step.name, reference, owner, depth)
        return found

    def members(self, construct: Construct) -> dict[str, Reference]:
        """The members of a construct: name to the reference it stands for."""
        if construct.name not in self._members:
            found: dict[str, Reference] = {}
            listed = list(self._view.items(list_items(construct.attribute("MEMBERS"))))
            for group, _ in groups(listed):
                key, reference = member(group)
                if key is not None and reference is not None:
                    found.setdefault(key.name, reference)
            self._members[construct.name] = found
        return self._members[construct.name]

    def elements(self, construct: Construct) -> dict[int, Reference]:
        """The elements of a reference array by index."""
        if construct.name not in self._elements:
            found: dict[int, Reference] = {}
            listed = list(self._view.items(list_items(construct.attribute("ELEMENTS"))))
            for group, _ in groups(listed):
                if len(group) > 1 and isinstance(group[0].value, Integer):
                    reference = reference_of(group[1])
                    if reference is not None:
                        found.setdefault(group[0].value.value, reference)
            self._elements[construct.name] = found
        return self._elements[construct.name]

    def _followed(self, key: tuple[str, str | int], reference: Reference, depth: int) -> Target:
        """What a member or element stands for; each is followed once, however many references pass through it."""
        if key in self._known:
            return self._known[key] or self._lost(reference, key[0])
        self._known[key] = None
        found = self.target(reference, key[0], depth + 1)
        self._known[key] = found
        return found

    def _any_element(self, construct: Construct, elements: Mapping[int, Reference], depth: int) -> Target:
        """The kind all elements share, when only the device knows which one is meant."""
        if construct.name not in self._element_kinds:
            self._element_kinds[construct.name] = _NOWHERE
            kinds = {self._followed((construct.name, at), element, depth).kind for at, element in elements.items()}
            self._element_kinds[construct.name] = Target(kinds.pop()) if len(kinds) == 1 else _NOWHERE
        return self._element_kinds[construct.name]

    def _lost(self, reference: Reference, owner: str) -> Target:
        text = f"{owner}: {written(reference)} leads back to itself or through more than {REFERENCE_DEPTH} members"
        self._findings.add(reference.position, "unresolved-reference", text)
        return _NOWHERE

    def _member(self, construct: Construct, name: str, reference: Reference, owner: str, depth: int) -> Target:
        member_reference = self.members(construct).get(name)
        if member_reference is not None:
            return self._followed((construct.name, name), member_reference, depth)
        if name.rstrip("0123456789") in _ATTRIBUTES:
            return Target(ATTRIBUTE)
        if construct.kind not in ("LIST", "BLOCK", "COMPONENT"):
            text = f"{owner} refers to {written(reference)}, but {construct.kind} {construct.name} has no {name}"
            self._findings.add(reference.position, "unresolved-reference", text)
        return _NOWHERE

    def _element(self, construct: Construct, step: Index, reference: Reference, owner: str, depth: int) -> Target:
        if construct.kind in ("ARRAY", "ITEM_ARRAY") and construct.attribute("ELEMENTS") is not None:
            elements = self.elements(construct)
            index = step.value.value if isinstance(step.value, Integer) else None
            if index is None:
                return self._any_element(construct, elements, depth)
            if index in elements:
                return self._followed((construct.name, index), elements[index], depth)
            text = f"{owner} refers to {written(reference)}, but {construct.name} has no element {index}"
            self._findings.add(reference.position, "unresolved-reference", text)
            return _NOWHERE
        if construct.kind in ("ARRAY", "LIST"):
            return Target(ELEMENT)
        if construct.kind in ("VARIABLE", "COMPONENT"):
            return _NOWHERE
        text = f"{owner} refers to {written(reference)}, but {construct.kind} {construct.name} has no elements"
        self._findings.add(reference.position, "unresolved-reference", text)
        return _NOWHERE


def is_value_array(construct: Construct) -> bool:
    """Whether an ARRAY stores values (it has a TYPE) rather than refers to items."""
    found = construct.attribute("TYPE")
    return construct.kind == "ARRAY" and found is not None and isinstance(found.value, TypeSpec)


def member(group: list[ListItem]) -> tuple[Reference | None, Reference | None]:
    """The name and the reference of one entry of MEMBERS."""
    if len(group) < 2 or not isinstance(group[0].value, Reference):
        return None, None
    return group[0].value, reference_of(group[1])


def reference_of(item: ListItem) -> Reference | None:
    """The reference a list item shows, without the arguments of a call."""
    if isinstance(item.value, Reference):
        return item.value
    return item.value.target if isinstance(item.value, Call) else None
