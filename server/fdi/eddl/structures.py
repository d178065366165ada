"""MENU, METHOD, COLLECTION, RECORD and ARRAY constructs to the static view."""

from __future__ import annotations

from collections.abc import Iterator

from server.fdi.eddl.expressions import Call, Integer, Reference, Text
from server.fdi.eddl.model import (
    NO_TEXT,
    EddArray,
    EddCollection,
    EddMenu,
    EddMethod,
    Member,
    MenuItem,
    MenuItemKind,
    MethodParameter,
    Texts,
)
from server.fdi.eddl.nodes import Construct, ListItem, TypeSpec
from server.fdi.eddl.reading import conditional_attributes
from server.fdi.eddl.reference_checks import LAYOUT_WORDS
from server.fdi.eddl.references import References, member, reference_of
from server.fdi.eddl.statements import Block
from server.fdi.eddl.static_view import StaticView, groups, list_items
from server.fdi.eddl.writing import written

_ITEM_KINDS: dict[str, MenuItemKind] = {
    "VARIABLE": "variable",
    "MENU": "menu",
    "METHOD": "method",
    "COLLECTION": "collection",
    "RECORD": "collection",
}


def menu(construct: Construct, view: StaticView, references: References) -> EddMenu:
    """The static view of a MENU; items of every branch are listed."""
    dynamic: set[str] = set()
    items: list[MenuItem] = []
    for item, conditional in view.items(list_items(construct.attribute("ITEMS"))):
        if isinstance(item, ListItem):
            shown = _menu_item(item, conditional, construct, view, references)
            if shown is not None and shown not in items[-1:]:
                items.append(shown)
    return EddMenu(
        name=construct.name,
        label=view.texts(construct.attribute("LABEL"), dynamic),
        help=view.texts(construct.attribute("HELP"), dynamic),
        style=view.word(construct.attribute("STYLE"), dynamic),
        items=tuple(items),
        access=view.word(construct.attribute("ACCESS"), dynamic),
        position=construct.position,
        conditional=conditional_attributes(construct, view, dynamic),
    )


def _menu_item(
    item: ListItem, conditional: bool, construct: Construct, view: StaticView, references: References
) -> MenuItem | None:
    qualifiers = frozenset(item.qualifiers)
    texts = view.text_of(item.value)
    if texts is not None:
        return MenuItem("text", None, texts, qualifiers, conditional)
    reference = reference_of(item)
    if reference is None:
        view.findings.add(item.position, "menu-item", f"MENU {construct.name}: this cannot stand in ITEMS")
        return None
    if reference.name in LAYOUT_WORDS and not reference.steps:
        return MenuItem("layout", reference.name, None, qualifiers, conditional)
    target = references.target(reference, f"MENU {construct.name}")
    kind = _ITEM_KINDS.get(target.kind, "other")
    if target.name is None:
        return MenuItem("other", written(reference), None, qualifiers, conditional)
    if isinstance(item.value, Call) and kind != "method":
        view.findings.add(item.position, "menu-item", f"MENU {construct.name}: {target.name} takes no arguments")
    return MenuItem(kind, target.name, None, qualifiers, conditional)


def method(construct: Construct, view: StaticView) -> EddMethod:
    """The signature of a METHOD."""
    dynamic: set[str] = set()
    returned = construct.attribute("TYPE")
    parameters = tuple(
        MethodParameter(part.ctype, part.name, part.by_reference, part.is_array) for part in construct.parameters or ()
    )
    names = [part.name for part in parameters]
    if len(set(names)) != len(names):
        view.findings.add(construct.position, "duplicate-name", f"METHOD {construct.name}: two parameters share a name")
    definition = construct.attribute("DEFINITION")
    if definition is None:
        view.findings.add(construct.position, "definition", f"METHOD {construct.name} has no DEFINITION")
    return EddMethod(
        name=construct.name,
        label=view.texts(construct.attribute("LABEL"), dynamic),
        help=view.texts(construct.attribute("HELP"), dynamic),
        classes=view.words(construct.attribute("CLASS"), dynamic),
        access=view.word(construct.attribute("ACCESS"), dynamic),
        parameters=parameters,
        returns=returned.value.reference.name if returned and isinstance(returned.value, TypeSpec) else None,
        private=view.flag(construct.attribute("PRIVATE"), dynamic, otherwise=False),
        position=construct.position,
        conditional=conditional_attributes(construct, view, dynamic),
        definition=definition.value if definition is not None and isinstance(definition.value, Block) else None,
    )


def _described(group: list[ListItem], view: StaticView) -> tuple[Texts, Texts]:
    texts = [view.text_of(part.value) or NO_TEXT for part in group[2:4]]
    return (texts[0] if texts else NO_TEXT), (texts[1] if len(texts) > 1 else NO_TEXT)


def _member_groups(construct: Construct, name: str, view: StaticView) -> Iterator[tuple[list[ListItem], bool]]:
    yield from groups(list(view.items(list_items(construct.attribute(name)))))


def collection(construct: Construct, view: StaticView) -> EddCollection:
    """The static view of a COLLECTION or RECORD."""
    dynamic: set[str] = set()
    members: dict[str, Member] = {}
    always: set[str] = set()
    for group, conditional in _member_groups(construct, "MEMBERS", view):
        key, reference = member(group)
        if key is None or reference is None:
            continue  # noted by the check of references
        if key.name in always and not conditional:
            text = f"{construct.kind} {construct.name} has two members {key.name}"
            view.findings.add(key.position, "duplicate-name", text)
            continue
        if not conditional:
            always.add(key.name)
        members.setdefault(key.name, Member(written(reference), *_described(group, view)))
    return EddCollection(
        name=construct.name,
        label=view.texts(construct.attribute("LABEL"), dynamic),
        help=view.texts(construct.attribute("HELP"), dynamic),
        of=construct.of,
        members=members,
        kind=construct.kind,
        position=construct.position,
        conditional=conditional_attributes(construct, view, dynamic),
    )


def array(construct: Construct, view: StaticView) -> EddArray:
    """The static view of an ARRAY of either sort."""
    dynamic: set[str] = set()
    label = view.texts(construct.attribute("LABEL"), dynamic)
    help_text = view.texts(construct.attribute("HELP"), dynamic)
    typed = construct.attribute("TYPE")
    if typed is not None and isinstance(typed.value, TypeSpec):
        count = view.value(construct.attribute("NUMBER_OF_ELEMENTS"), dynamic)
        if not isinstance(count, int) or count < 1:
            text = f"ARRAY {construct.name} needs NUMBER_OF_ELEMENTS, a whole number from 1"
            view.findings.add(construct.position, "array", text)
            count = None
        element = written(typed.value.reference)
        conditional = conditional_attributes(construct, view, dynamic)
        return EddArray(
            construct.name, label, help_text, "value", element, count, construct.of, {}, construct.position, conditional
        )
    elements: dict[int, Member] = {}
    for group, depends in _member_groups(construct, "ELEMENTS", view):
        reference = reference_of(group[1]) if len(group) > 1 else None
        index = view.constant(group[0].value) if group and isinstance(group[0].value, Integer | Reference) else None
        if reference is None or not isinstance(index, int) or isinstance(group[0].value, Text):
            continue
        if index in elements and not depends:
            text = f"{construct.kind} {construct.name} has two elements {index}"
            view.findings.add(group[0].position, "duplicate-value", text)
            continue
        elements.setdefault(index, Member(written(reference), *_described(group, view)))
    if construct.attribute("ELEMENTS") is None:
        view.findings.add(
            construct.position, "array", f"{construct.kind} {construct.name} has neither TYPE nor ELEMENTS"
        )
    return EddArray(
        construct.name,
        label,
        help_text,
        "reference",
        None,
        len(elements),
        construct.of,
        elements,
        construct.position,
        conditional_attributes(construct, view, dynamic),
    )
