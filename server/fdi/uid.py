"""UI descriptions: a MENU as it is now, for one reader, as XML that clients draw (`client.xsd`)."""

from __future__ import annotations

from collections.abc import Sequence

from server.fdi.client_literals import UI_DESCRIPTION
from server.fdi.client_xml import Element, document, leaf, optional_leaf, text_of
from server.fdi.logic.menus import MenuItemView
from server.fdi.logic.type_logic import TypeLogic, ValueSource
from server.fdi.uid_elements import graphic
from server.fdi.uid_scope import Scope, Target

STYLES = {
    "WINDOW": "Window",
    "DIALOG": "Dialog",
    "PAGE": "Page",
    "GROUP": "Group",
    "MENU": "Menu",
    "TABLE": "Table",
}
INSIDE = frozenset({"PAGE", "GROUP", ""})
"""Styles that are drawn inside the menu that names them; others open on their own and are referred to."""
MAX_DEPTH = 8
"""Menus drawn inside one another; deeper ones are referred to."""
LAYOUT = {"COLUMNBREAK": "ColumnBreak", "ROWBREAK": "RowBreak", "SEPARATOR": "Separator"}
_GROUPS = frozenset({"collection", "array", "record", "list"})


def ui_description(logic: TypeLogic, menu: str, values: ValueSource, locales: Sequence[str], target: Target) -> str:
    """The whole document of a MENU.

    Raises:
        KeyError: no such MENU.
    """
    return document(ui_element(logic, menu, values, locales, target))


def ui_element(logic: TypeLogic, menu: str, values: ValueSource, locales: Sequence[str], target: Target) -> Element:
    """The same as an element, for a METHOD's dialog that shows it.

    Raises:
        KeyError: no such MENU.
    """
    scope = Scope(logic, values, locales, target)
    return Element(UI_DESCRIPTION).add(_menu(menu, "Window", scope, (), read_only=False))


def _menu(name: str, style: str, scope: Scope, outer: tuple[str, ...], *, read_only: bool) -> Element:
    """A MENU with its items; `style` where it names none, `outer` the menus that it stands in."""
    view = scope.logic.menu(name, scope.values)
    items = Element("Items")
    truncated = False
    for item in view.items:
        if not scope.take():
            truncated = True
            break
        items.add(*_item(item, scope, (*outer, name), read_only=read_only))
    attributes = {
        "Name": name,
        "Style": STYLES.get(view.style, style),
        "ReadOnly": "true" if read_only else None,
        "Truncated": "true" if truncated else None,
    }
    return Element("Menu", attributes).add(
        optional_leaf("Label", scope.say(view.label)), optional_leaf("Help", scope.say(view.help)), items
    )


def _item(item: MenuItemView, scope: Scope, outer: tuple[str, ...], *, read_only: bool) -> list[Element]:
    fixed = read_only or "READ_ONLY" in item.qualifiers
    if item.kind == "text":
        return [leaf("Text", scope.say(item.text))]
    if item.kind == "layout":
        name = LAYOUT.get(item.target)
        return [Element(name)] if name is not None else []
    if item.kind == "menu":
        return [_inner(item.target, scope, outer, read_only=fixed)]
    if item.kind == "method":
        return [_action(item, scope)] if scope.model.methods[item.target].private is False else []
    if item.kind == "edit_display":
        return [_edit_display(item.target, scope, read_only=fixed)]
    if item.kind in _GROUPS:
        inner = scope.parameters(item.target, item.qualifiers, read_only=fixed)
        return [_group(item.target, inner, scope)] if inner else []
    if item.target in scope.logic.parameters:
        element = scope.parameter(item.target, item.qualifiers, read_only=fixed)
        return [element] if element is not None else []
    drawn = graphic(item.kind, item.target, item.qualifiers, scope)
    return [drawn] if drawn is not None else []


def _inner(name: str, scope: Scope, outer: tuple[str, ...], *, read_only: bool) -> Element:
    style = scope.model.menus[name].style or ""
    if style in INSIDE and name not in outer and len(outer) < MAX_DEPTH:
        return _menu(name, "Group", scope, outer, read_only=read_only)
    attributes = {"Name": name, "Style": STYLES.get(style, "Window"), "Path": scope.target("menu", name)}
    return scope.labelled("MenuReference", name, attributes)


def _action(item: MenuItemView, scope: Scope) -> Element:
    element = scope.labelled(
        "ActionReference", item.target, {"Name": item.target, "Path": scope.target("action", item.target)}
    )
    for argument in item.arguments:
        element.add(leaf("Argument", text_of(scope.evaluated(argument))))
    return element


def _group(name: str, inner: list[Element], scope: Scope) -> Element:
    """The members of a collection, record or array under its label."""
    return scope.labelled("Menu", name, {"Name": name, "Style": "Group"}).add(Element("Items").add(*inner))


def _edit_display(name: str, scope: Scope, *, read_only: bool) -> Element:
    """A dialog of older EDDs: what it shows, then what it lets edit."""
    display = scope.model.edit_displays[name]
    items = Element("Items")
    for reference in display.display_items:
        items.add(*scope.parameters(reference, read_only=True))
    for reference in display.edit_items:
        items.add(*scope.parameters(reference, read_only=read_only))
    return scope.labelled("Menu", name, {"Name": name, "Style": "Dialog"}).add(items)
