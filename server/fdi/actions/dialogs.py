"""The value of an Action as XML, and the XML that users answer with. `client.xsd` is the schema of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.core.texts import NO_TEXT, Texts
from server.core.values import Scalar
from server.fdi import client_literals as names
from server.fdi.actions.inputs import (
    option,
    parameter_type,
    plain_type,
    read_input,
    read_parameter,
    type_of_ctype,
    variant,
)
from server.fdi.actions.states import ActionState
from server.fdi.client_xml import Element, document, leaf, optional_leaf, text_of
from server.fdi.errors import PackageError
from server.fdi.methods.requests import (
    Answer,
    Cancelled,
    Choice,
    Delay,
    Dialog,
    Display,
    InputLocal,
    InputParameter,
    Ok,
    Select,
    ShowMenu,
    Value,
)
from server.fdi.xml_reader import XmlElement, XmlLimits, read_xml
from server.model.device_type import DataType, ParameterSpec

RESPONSE_LIMITS = XmlLimits(max_bytes=512 * 1024, max_depth=4, max_elements=16)
"""A response is small; its longest part is one text."""
TEXT_LIMIT = 64 * 1024
"""Characters of one entered text."""


class WrongResponseError(Exception):
    """A response that does not fit what was asked; the text says why."""


class DialogValues(Protocol):
    """What a dialog shows beside its prompt."""

    def spec(self, name: str) -> ParameterSpec | None:
        """The parameter as it is now."""

    def value(self, name: str) -> Scalar | None:
        """Its value in the Action's data set."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the value of an Action tells; the document is made of it for each reader's languages."""

    name: str
    label: Texts
    state: ActionState
    request: Dialog | Delay | None = None
    request_id: int = 0  # above 0 while an answer is awaited
    remaining_s: float = 0.0  # of a Delay
    result: Scalar | None = None
    error: str = ""


def action_document(
    shown: Shown,
    locales: Sequence[str],
    values: DialogValues,
    menu: Callable[[str, Sequence[str]], Element | None],
) -> str:
    """The value of an Action in the languages of one reader.

    Args:
        menu: the UIDescription element of a MENU by its name; None when the EDD has none of this name.
    """
    root = Element(names.ACTION, {"Name": shown.name, "State": shown.state.value})
    root.add(optional_leaf(names.LABEL, shown.label.best(locales)[1]))
    if shown.request is not None:
        root.add(_asked(shown, shown.request, locales, values, menu))
    if shown.result is not None:
        root.add(leaf(names.RESULT, text_of(shown.result), DataType=_type_name(shown.result)))
    root.add(optional_leaf(names.ERROR, shown.error))
    return document(root)


def _type_name(value: Scalar) -> str:
    if isinstance(value, bool):
        return names.NAMES_OF_TYPES[DataType.BOOLEAN]
    if isinstance(value, int):
        small = -(2**31) <= value < 2**31
        return names.NAMES_OF_TYPES[DataType.INT32 if small else DataType.INT64]
    if isinstance(value, float):
        return names.NAMES_OF_TYPES[DataType.DOUBLE]
    return names.NAMES_OF_TYPES[DataType.BYTESTRING if isinstance(value, bytes) else DataType.STRING]


def _asked(
    shown: Shown,
    request: Dialog | Delay,
    locales: Sequence[str],
    values: DialogValues,
    menu: Callable[[str, Sequence[str]], Element | None],
) -> Element:
    if isinstance(request, Delay):
        delay = Element(names.DELAY, {"RemainingSeconds": text_of(max(0.0, round(shown.remaining_s, 3)))})
        return delay.add(_prompt(request.prompt, locales))
    if shown.request_id == 0:
        told = Element(names.INFO).add(_prompt(NO_TEXT if isinstance(request, ShowMenu) else request.prompt, locales))
        return told.add(*_values(request, locales, values))
    outer = Element(names.REQUEST, {names.REQUEST_ID: str(shown.request_id)})
    return outer.add(_request(request, locales, values, menu))


def _prompt(prompt: Texts, locales: Sequence[str]) -> Element | None:
    return optional_leaf(names.PROMPT, prompt.best(locales)[1])


def _values(request: Dialog, locales: Sequence[str], values: DialogValues) -> list[Element]:
    if not isinstance(request, Display):
        return []
    found = []
    for name in request.names:
        spec = values.spec(name)
        if spec is not None:
            label = spec.label.best(locales)[1]
            found.append(
                variant(names.VALUE, values.value(name), spec.data_type, Name=name, Label=label, Unit=spec.unit_symbol)
            )
    return found


def _request(
    request: Dialog,
    locales: Sequence[str],
    values: DialogValues,
    menu: Callable[[str, Sequence[str]], Element | None],
) -> Element:
    if isinstance(request, InputParameter):
        asked = Element(names.PARAMETER_INPUT_REQUEST).add(_prompt(request.prompt, locales))
        return asked.add(_parameter_input(request.parameter, locales, values))
    if isinstance(request, InputLocal):
        data_type = type_of_ctype(request.ctype) or DataType.STRING
        entry = Element(names.INPUT_VALUE, {"Name": request.name}).add(
            variant(names.INITIAL_VALUE, request.initial, data_type), plain_type(data_type, TEXT_LIMIT)
        )
        return Element(names.INPUT_REQUEST).add(_prompt(request.prompt, locales), entry)
    if isinstance(request, Select):
        options = Element(names.OPTIONS).add(*_choices(request.options, locales))
        return Element(names.SELECTION_REQUEST).add(_prompt(request.prompt, locales), options)
    if isinstance(request, ShowMenu):
        shown = menu(request.menu, locales) or _empty_menu(request.menu)
        buttons = Element(names.BUTTON_LIST)
        for index, text in enumerate(request.buttons or (Texts.of("OK"),)):
            buttons.add(_renamed(option(text.best(locales)[1], str(index))))
        return Element(names.MENU_REQUEST).add(shown, buttons)
    asked = Element(names.ACKNOWLEDGEMENT_REQUEST).add(_prompt(request.prompt, locales))
    return asked.add(*_values(request, locales, values))


def _choices(options: Sequence[Texts], locales: Sequence[str]) -> list[Element]:
    return [option(text.best(locales)[1], str(index)) for index, text in enumerate(options)]


def _renamed(element: Element) -> Element:
    element.name = names.BUTTON
    return element


def _empty_menu(name: str) -> Element:
    body = Element("Menu", {"Name": name or "none", "Style": "Dialog"}).add(Element("Items"))
    return Element(names.UI_DESCRIPTION).add(body)


def _parameter_input(name: str, locales: Sequence[str], values: DialogValues) -> Element:
    entry = Element(names.INPUT_VALUE, {"Name": name})
    spec = values.spec(name)
    if spec is None:
        return entry
    entry.add(
        optional_leaf(names.LABEL, spec.label.best(locales)[1]), optional_leaf(names.HELP, spec.help.best(locales)[1])
    )
    value = values.value(name)
    if value is not None and spec.edd_type != "PASSWORD":
        entry.add(variant(names.INITIAL_VALUE, value, spec.data_type))
    return entry.add(parameter_type(spec, locales))


# -- answers


def read_response(xml: str, request: Dialog, request_id: int, values: DialogValues) -> Answer:
    """What the user answered; Cancelled for AbortResponse.

    White space around an entered text does not count.

    Raises:
        WrongResponseError: not XML of a response, an answer to something else, or a value that is not taken.
    """
    root = _root(xml)
    told = root.attributes.get(names.REQUEST_ID)
    if told is not None and told != str(request_id):
        raise WrongResponseError(f"an answer to request {told[:20]}, but {request_id} is waiting")
    if root.name == names.ABORT_RESPONSE:
        return Cancelled()
    wanted = _RESPONSES.get(type(request), names.ACKNOWLEDGEMENT_RESPONSE)
    if root.name != wanted:
        raise WrongResponseError(f"{wanted} is expected, not {root.name[:60]}")
    if isinstance(request, InputParameter):
        spec = values.spec(request.parameter)
        if spec is None or not spec.valid:
            raise WrongResponseError(f"{request.parameter} does not exist now")
        return _value(root, read_parameter(_text(root, names.INPUT_VALUE), spec), request.parameter)
    if isinstance(request, InputLocal):
        data_type = type_of_ctype(request.ctype) or DataType.STRING
        entered = read_input(_text(root, names.INPUT_VALUE), data_type, longest=TEXT_LIMIT)
        return _value(root, entered, request.name)
    if isinstance(request, Select):
        return _choice(root, len(request.options))
    if isinstance(request, ShowMenu):
        return _choice(root, max(1, len(request.buttons)))
    return Ok()


_RESPONSES: dict[type, str] = {
    InputParameter: names.PARAMETER_INPUT_RESPONSE,
    InputLocal: names.INPUT_RESPONSE,
    Select: names.SELECTION_RESPONSE,
    ShowMenu: names.MENU_RESPONSE,
}


def _root(xml: str) -> XmlElement:
    try:
        root = read_xml(xml.encode(), part="Response", limits=RESPONSE_LIMITS)
    except PackageError as error:
        raise WrongResponseError(str(error)) from None
    except UnicodeEncodeError:
        raise WrongResponseError("text that is no Unicode") from None
    if root.namespace not in ("", names.CLIENT_NAMESPACE):
        raise WrongResponseError(f"namespace {root.namespace[:100]}")
    return root


def _text(root: XmlElement, name: str) -> str:
    found = [child for child in root.children if child.name == name and child.namespace == root.namespace]
    if len(found) != 1 or len(root.children) != 1 or found[0].children:
        raise WrongResponseError(f"{root.name} holds one {name}")
    return found[0].text


def _value(root: XmlElement, value: Scalar | None, what: str) -> Value:
    if value is None:
        raise WrongResponseError(f"{root.name}: {what} does not take this value")
    return Value(value)


def _choice(root: XmlElement, count: int) -> Choice:
    index = read_input(_text(root, names.VALUE), DataType.UINT32, longest=0)
    if not isinstance(index, int) or index >= count:
        raise WrongResponseError(f"{root.name}: the choice is a number from 0 to {count - 1}")
    return Choice(index)
