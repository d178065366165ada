"""MENUs as they are now: conditions decided, what is not valid or not visible left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from server.core.texts import NO_TEXT, Texts
from server.fdi.eddl.expressions import Call, DictionaryReference, Expression, Reference, Text
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.nodes import Construct, Content, ListItem
from server.fdi.eddl.reference_checks import LAYOUT_WORDS
from server.fdi.eddl.static_view import list_items
from server.fdi.logic.branches import items
from server.fdi.logic.context import Context, Dependency, Key, number
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.expressions import Compiler
from server.fdi.logic.numbers import is_true
from server.fdi.logic.places import Place, Places
from server.fdi.logic.table import AttributeTable, text_in
from server.fdi.references import variables_of

_KINDS: Final = {"RECORD": "collection", "ITEM_ARRAY": "array"}
_FLAGS: Final = ("VALIDITY", "VISIBILITY")
LOOKED_AT: Final = 200_000
"""Items in all MENUs of an EDD, those of collections included, whose flags are watched."""


@dataclass(frozen=True, slots=True)
class MenuItemView:
    """One entry of a MENU as it is shown now.

    `kind` is variable, menu, method, collection, array, text, layout, or the construct's kind in lower case (chart,
    graph, grid, image, plugin, edit_display …); `target` the item's EDD identifier or the layout word.
    """

    kind: str
    target: str = ""
    text: Texts = NO_TEXT  # static text
    qualifiers: frozenset[str] = frozenset()
    arguments: tuple[Expression, ...] = ()  # of a METHOD


@dataclass(frozen=True, slots=True)
class MenuView:
    """A MENU as it is now."""

    name: str
    label: Texts
    help: Texts
    style: str  # "" where the EDD names none
    items: tuple[MenuItemView, ...]
    visible: bool = True
    valid: bool = True


Entry = Callable[[Context], MenuItemView | None]


class Menus:
    """All MENUs of an EDD, ready to run."""

    def __init__(self, model: EddModel, places: Places, table: AttributeTable) -> None:
        self._model = model
        self._places = places
        self._table = table
        self._left = LOOKED_AT
        self._items: dict[str, Callable[[Context], list[Entry]]] = {}
        self.reads: dict[str, frozenset[Dependency]] = {}
        """What each MENU is made from."""
        for name in model.menus:
            construct = places.construct(name)
            if construct is not None:
                self._compile(name, construct)

    def _compile(self, name: str, construct: Construct) -> None:
        compiler = self._table.compiler()
        contents = list_items(construct.attribute("ITEMS"))
        self._items[name] = items(compiler, contents, lambda part: self._entry(compiler, part), everything=True)
        own = {(name, attribute) for attribute in ("LABEL", "HELP", *_FLAGS)}
        self.reads[name] = frozenset(own | compiler.reads)

    def view(self, name: str, context: Context) -> MenuView | None:
        """A MENU for the context's values, None when there is none of that name.

        A condition that cannot be told shows all its branches, an item whose VALIDITY cannot be told is shown.
        """
        listed = self._items.get(name)
        if listed is None:
            return None
        return MenuView(
            name=name,
            label=_text(context, (name, "LABEL")),
            help=_text(context, (name, "HELP")),
            style=self._model.menus[name].style or "",
            items=tuple(view for entry in self._listed(listed, context) if (view := entry(context)) is not None),
            visible=flag(context, (name, "VISIBILITY")),
            valid=flag(context, (name, "VALIDITY")),
        )

    @staticmethod
    def _listed(listed: Callable[[Context], list[Entry]], context: Context) -> list[Entry]:
        try:
            return listed(context)
        except EvaluationError:
            return []

    def _entry(self, compiler: Compiler, part: Content) -> Entry | None:
        if not isinstance(part, ListItem):
            return None
        value, qualifiers = part.value, frozenset(part.qualifiers)
        if isinstance(value, Text):
            view = MenuItemView("text", "", Texts(value.languages), qualifiers)
            return lambda _context: view
        if isinstance(value, DictionaryReference):
            texts = Texts(self._model.dictionary.get(value.name) or {"en": value.name})
            view = MenuItemView("text", "", texts, qualifiers)
            return lambda _context: view
        reference = value.target if isinstance(value, Call) else value
        if not isinstance(reference, Reference):
            return None
        if reference.name in LAYOUT_WORDS and not reference.steps:
            view = MenuItemView("layout", reference.name, NO_TEXT, qualifiers)
            return lambda _context: view
        arguments = tuple(value.arguments) if isinstance(value, Call) else ()
        try:
            place = self._places.of(reference, compiler.run)
        except EvaluationError:
            return None
        return self._shown(compiler, place, qualifiers, arguments)  # type: ignore[arg-type]  # a Group is no argument

    def _shown(
        self, compiler: Compiler, place: Place, qualifiers: frozenset[str], arguments: tuple[Expression, ...]
    ) -> Entry:
        compiler.reads.update(self._flags(place))
        pick, fixed = place.pick, place.names[0] if place.names else ""
        if pick is not None:
            compiler.reads.add(place.path)

        def entry(context: Context) -> MenuItemView | None:
            try:
                name = fixed if pick is None else pick(context)
            except EvaluationError:
                return None
            if not all(flag(context, (name, attribute)) for attribute in _FLAGS):
                return None
            return MenuItemView(self._kind(name), name, NO_TEXT, qualifiers, arguments)

        return entry

    def _flags(self, place: Place) -> Iterator[Key]:
        """The flags that decide whether an item and what it holds are shown; constant ones are left out."""
        for name in place.names:
            for item in {name: None, **dict.fromkeys(variables_of(self._model, name))}:
                self._left -= 1
                if self._left < 0:
                    return
                construct = self._places.construct(item)
                for attribute in _FLAGS:
                    if construct is not None and construct.attribute(attribute) is not None:
                        yield (item, attribute)

    def _kind(self, name: str) -> str:
        construct = self._places.construct(name)
        kind = construct.kind if construct is not None else ""
        return _KINDS.get(kind, kind.lower())


def flag(context: Context, key: Key) -> bool:
    """VALIDITY or VISIBILITY of an item; true when it cannot be told."""
    try:
        return is_true(number(context.attribute(key)))
    except EvaluationError:
        return True


def _text(context: Context, key: Key) -> Texts:
    try:
        return text_in(context.attribute(key))
    except EvaluationError:
        return Texts.of(key[0]) if key[1] == "LABEL" else NO_TEXT
