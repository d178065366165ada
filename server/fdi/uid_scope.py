"""What the makers of UI descriptions share: the EDD, the values of now, the reader's languages, and a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from server.core.texts import Texts
from server.core.values import Scalar
from server.fdi.actions.inputs import parameter_type
from server.fdi.client_xml import Element, optional_leaf
from server.fdi.logic.context import number
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.table import text_in
from server.fdi.logic.type_logic import TypeLogic, ValueSource
from server.fdi.references import item_of, variables_of
from server.model.device_type import ParameterSpec

Target = Callable[[str, str], str]
"""Where a client finds something: (kind, name) to a path; kinds are parameter, menu, action, image, plugin."""

MAX_ELEMENTS = 2_000
"""Entries of one description, those of inner menus included."""

_FOLDERS = {"parameter": "ParameterSet/", "action": "ActionSet/", "image": "ImageSet/"}

_QUALIFIERS = {
    "HIDDEN": "Hidden",
    "DISPLAY_VALUE": "DisplayValue",
    "REVIEW": "Review",
    "INLINE": "Inline",
    "NO_LABEL": "NoLabel",
    "NO_UNIT": "NoUnit",
}


def relative_path(kind: str, name: str) -> str:
    """A path from the device down, for readers that have no addresses of their own."""
    return _FOLDERS.get(kind, "") + name


class Scope:
    """One description in the making."""

    def __init__(self, logic: TypeLogic, values: ValueSource, locales: Sequence[str], target: Target) -> None:
        self.logic = logic
        self.model = logic.model
        self.values = values
        self.locales = tuple(locales)
        self.target = target
        self.context = logic.context(values)
        self._left = MAX_ELEMENTS

    def take(self) -> bool:
        """Count one more entry; False when there are too many."""
        self._left -= 1
        return self._left >= 0

    def say(self, texts: Texts) -> str:
        """A text in the best of the reader's languages."""
        return texts.best(self.locales)[1]

    def text(self, item: str, attribute: str) -> str:
        """A text attribute of an item as it is now; "" while it cannot be told."""
        try:
            return self.say(text_in(self.context.attribute((item, attribute))))
        except EvaluationError:
            return ""

    def number(self, item: str, attribute: str) -> float | None:
        """A numeric attribute of an item as it is now; None while it cannot be told."""
        try:
            return float(number(self.context.attribute((item, attribute))).value)
        except EvaluationError:
            return None

    def labelled(self, name: str, item: str, attributes: Mapping[str, str | None]) -> Element:
        """An element with the Label and Help of an item."""
        return Element(name, attributes).add(
            optional_leaf("Label", self.text(item, "LABEL") or item), optional_leaf("Help", self.text(item, "HELP"))
        )

    def spec(self, name: str) -> ParameterSpec | None:
        """A parameter as it is now; None for one that is not shown outside: PRIVATE, or not valid."""
        if name not in self.logic.parameters:
            return None
        spec = self.logic.spec(name, self.values)
        return None if spec.private or not spec.valid else spec

    def parameter(self, name: str, qualifiers: Iterable[str] = (), *, read_only: bool = False) -> Element | None:
        """A reference to a parameter with what a client needs to show and edit it."""
        spec = self.spec(name)
        if spec is None:
            return None
        words = frozenset(qualifiers)
        fixed = read_only or "READ_ONLY" in words or not spec.writable
        attributes: dict[str, str | None] = {
            "Name": name,
            "Path": self.target("parameter", name),
            "ReadOnly": "true" if fixed else None,
        }
        attributes.update({shown: "true" for word, shown in _QUALIFIERS.items() if word in words})
        kind = parameter_type(spec, self.locales)
        variable = self.model.variables.get(name)
        if variable is not None and variable.edit_format and kind.children[0].name == "NumericType":
            kind.children[0].attributes = {**kind.children[0].attributes, "EditFormat": variable.edit_format}
        return Element("Parameter", attributes).add(
            optional_leaf("Label", self.say(spec.label)), optional_leaf("Help", self.say(spec.help)), kind
        )

    def parameters(self, reference: str, qualifiers: Iterable[str] = (), *, read_only: bool = False) -> list[Element]:
        """Every parameter that a reference leads to."""
        found: list[Element] = []
        for name in variables_of(self.model, reference):
            element = self.parameter(name, qualifiers, read_only=read_only)
            if element is not None:
                if not self.take():
                    break
                found.append(element)
        return found

    def item(self, reference: str | None) -> str:
        """The item a reference stands for; "" when it leads nowhere."""
        return (item_of(self.model, reference) or "") if reference else ""

    def evaluated(self, expression: object) -> Scalar | None:
        """The value of an expression; None while it cannot be told."""
        try:
            return self.logic.evaluate(expression, self.values)  # type: ignore[arg-type]  # menus hold expressions
        except EvaluationError:
            return None
