"""Attributes of items, each compiled when something first asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from server.core.texts import NO_TEXT, Texts
from server.fdi.eddl.expressions import DictionaryReference, Text
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.nodes import Construct, Content, Group, ListItem, Scalar, TypeSpec
from server.fdi.eddl.static_view import names_in
from server.fdi.logic.branches import attribute_in, items, scalar
from server.fdi.logic.context import Compiled, Context, Key, Run, number
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.expressions import Compiler, constant
from server.fdi.logic.numbers import ONE, ZERO, Kind, Number, is_true, literal
from server.fdi.logic.places import Places
from server.model.device_type import EnumValue

_BOUND: Final = re.compile(r"(MIN|MAX)_VALUE(\d{0,4})\Z")
_COUNTS: Final = frozenset({"COUNT", "CAPACITY", "NUMBER_OF_ELEMENTS"})


class AttributeTable:
    """Every attribute by (item, name). `ENUMERATORS` is the list of an enumeration, `HANDLING` a set of words.

    Without the attribute: LABEL is the name, HELP empty, VALIDITY and VISIBILITY true, SCALING_FACTOR 1; VIEW_MIN and
    VIEW_MAX are MIN_VALUE and MAX_VALUE; VARIABLE_STATUS is 0 while a value is known, else 1.
    """

    def __init__(self, model: EddModel, places: Places) -> None:
        self._model = model
        self._places = places
        self._known: dict[Key, Compiled | None] = {}

    def compiler(self) -> Compiler:
        """For one more result over the same EDD."""
        return Compiler(self._places, self._model.dictionary)

    def compiled(self, key: Key) -> Compiled | None:
        """The attribute, ready to run; None when the item has none and nothing stands for it."""
        if key not in self._known:
            compiler = self.compiler()
            run = self._run(compiler, key[0], key[1])
            self._known[key] = compiler.finished(run) if run is not None else None
        return self._known[key]

    def _run(self, compiler: Compiler, item: str, name: str) -> Run | None:
        if name == "VARIABLE_STATUS":
            compiler.reads.add(item)
            return lambda context: ZERO if context.known(item) else ONE
        if name in _COUNTS:
            return self._count(compiler, item, name)
        element = self._places.array_of.get(item)
        if element is not None and name in ("LABEL", "HELP", "VALIDITY"):
            return self._element(compiler, element[0], element[1], name)
        construct = self._places.construct(item)
        if construct is None:
            return None
        if name == "ENUMERATORS":
            return self._enumerators(compiler, construct)
        leaf = _words if name == "HANDLING" else _first(compiler)
        found = self._find(compiler, construct, name, leaf)
        return found if found is not None else self._without(compiler, construct, item, name)

    def _find(self, compiler: Compiler, construct: Construct, name: str, leaf: Any) -> Run | None:
        run = attribute_in(compiler, _type_items(construct), name, leaf)
        if run is None:
            attribute = construct.attribute(name)
            run = scalar(compiler, attribute.value, leaf) if attribute is not None else None
        return run

    def _without(self, compiler: Compiler, construct: Construct, item: str, name: str) -> Run | None:
        match name:
            case "LABEL":
                return constant(Texts.of(item))
            case "HELP":
                return constant(NO_TEXT)
            case "VALIDITY" | "VISIBILITY":
                return constant(ONE)
            case "SCALING_FACTOR":
                return constant(Number(Kind.DOUBLE, 1.0))
            case "VIEW_MIN" | "VIEW_MAX":
                return self._find(compiler, construct, f"{name[-3:]}_VALUE", _first(compiler))
        bound = _BOUND.match(name)
        if bound is None or bound[2] not in ("", "1"):
            return None
        # The first pair is written with or without its number.
        return self._find(compiler, construct, f"{bound[1]}_VALUE{'' if bound[2] else '1'}", _first(compiler))

    def _count(self, compiler: Compiler, item: str, name: str) -> Run | None:
        array = self._model.arrays.get(item)
        if array is not None:
            return constant(literal(array.count or 0))
        if item in self._model.collections:
            return constant(literal(len(self._model.collections[item].members)))
        construct = self._places.construct(item)
        return self._find(compiler, construct, name, _first(compiler)) if construct is not None else None

    def _element(self, compiler: Compiler, array: str, index: int, name: str) -> Run:
        """An element takes LABEL and HELP from its array; valid it is only with its array and its type."""
        own, template = (array, name), (self._model.arrays[array].element or "", name)
        compiler.reads.add(own)
        if name == "LABEL":
            return lambda context: _numbered(text_in(context.attribute(own)), index)
        compiler.reads.add(template)
        if name == "HELP":
            return lambda context: context.attribute(own) or context.attribute(template)
        return lambda context: (
            ONE if is_true(number(context.attribute(own))) and is_true(number(context.attribute(template))) else ZERO
        )

    def _enumerators(self, compiler: Compiler, construct: Construct) -> Run:
        dictionary = self._model.dictionary

        def entry(part: Content) -> tuple[Run, Run, Texts] | None:
            if not isinstance(part, ListItem) or not isinstance(part.value, Group):
                return None
            inner = [inside.value for inside in part.value.items if isinstance(inside, ListItem)]
            if len(inner) < 2:
                return None
            help_text = _plain_text(inner[2], dictionary) if len(inner) > 2 else NO_TEXT
            value, text = inner[0], inner[1]
            return compiler.run(value), compiler.run(text), help_text  # type: ignore[arg-type]  # checked when resolved

        # While a condition is not known all that may be listed is, as in the static view.
        listed = items(compiler, _type_items(construct), entry, everything=True)

        def run(context: Context) -> tuple[EnumValue, ...]:
            found: dict[int, EnumValue] = {}
            for value, text, help_text in listed(context):
                at = int(number(value(context)).value)
                found.setdefault(at, EnumValue(at, text_in(text(context)), help_text))
            return tuple(found.values())

        return run


def _type_items(construct: Construct) -> Sequence[Content]:
    typed = construct.attribute("TYPE")
    return typed.value.items if typed is not None and isinstance(typed.value, TypeSpec) else ()


def _first(compiler: Compiler) -> Any:
    return lambda value: compiler.run(value.values[0])


def _words(value: Scalar) -> Run:
    words = frozenset(word for part in value.values for word in names_in(part))
    return lambda _context: words


def _plain_text(value: object, dictionary: Mapping[str, Mapping[str, str]]) -> Texts:
    if isinstance(value, Text):
        return Texts(value.languages)
    if isinstance(value, DictionaryReference):
        return Texts(dictionary.get(value.name) or {"en": value.name})
    return NO_TEXT


def _numbered(label: Texts, index: int) -> Texts:
    return Texts({language: f"{text} [{index}]" for language, text in label.by_language.items()})


def text_in(value: object) -> Texts:
    """The text in a value. Raises EvaluationError for a number."""
    if not isinstance(value, Texts):
        raise EvaluationError("a number stands where a text belongs")
    return value
