"""Prompts: the places in their texts filled with locals, parameters and entries of an array of item numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from server.core.texts import Texts
from server.fdi.logic.numbers import Kind
from server.fdi.methods.ctype import CArray, Raw
from server.fdi.methods.places import Place
from server.fdi.methods.printf import formatted, plain
from server.fdi.methods.program import Local, Site
from server.fdi.methods.variables import moment_text
from server.model.device_type import DataType, ParameterSpec

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine

_FIELD: Final = re.compile(r"%(?:\[(?P<format>[^\]\[{}]{0,40})\])?\{(?P<name>[^{}]{1,200})\}")
MAX_FIELDS: Final = 64  # in one text
MAX_LANGUAGES: Final = 16  # of one prompt; further ones are left out
_CACHED_CHARS: Final = 2_000
_FIELD_STEPS: Final = 10  # what filling one place costs
_BASE: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ELEMENT: Final = re.compile(r"([A-Za-z_]\w*)\[(\d{1,7})\]\Z", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,6}\Z", re.ASCII)


class Field(NamedTuple):
    """`%[format]{name}` in a text; `written` is what stands there when it cannot be filled."""

    format: str
    name: str
    written: str


def parse(text: str) -> tuple[str | Field, ...]:
    """A text as pieces and fields in turn; what stands behind the first MAX_FIELDS is left as written."""
    return _parsed(text) if len(text) <= _CACHED_CHARS else _parsed.__wrapped__(text)


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[str | Field, ...]:
    found: list[str | Field] = []
    at = 0
    for match in islice(_FIELD.finditer(text), MAX_FIELDS):
        found.append(text[at : match.start()])
        found.append(Field(match["format"] or "", match["name"].strip(), match.group()))
        at = match.end()
    found.append(text[at:])
    return tuple(found)


def names_in(text: str) -> list[str]:
    """The locals and items a text names, without members and elements."""
    found = (_BASE.match(part.name) for part in parse(text) if isinstance(part, Field))
    return [match.group() for match in found if match is not None]


def item_names(
    machine: Machine, ids: CArray | None, indices: CArray | None = None, count: int | None = None
) -> list[str]:
    """The items that an array of numbers stands for, with members where the FOUNDATION form gives them; "" for none."""
    names = machine.library.names
    found: list[str] = []
    for at, number in enumerate(ids.data if ids is not None else ()):
        if count is not None and at >= count:
            break
        item = names.item_of(int(number)) if not isinstance(number, str) else ""
        member = indices.data[at] if indices is not None and at < len(indices.data) else 0
        if item and member and not isinstance(member, str):
            item = names.member_of(item, int(member)) or item
        found.append(item)
    return found


def filled(machine: Machine, prompt: Texts | str, site: Site, items: Sequence[str] = ()) -> Texts:
    """A prompt with its places filled, in each language it is written in.

    A place that names nothing stays as written; a value not known shows as "?". Raises BudgetError for a text too long.
    """
    if isinstance(prompt, str):
        return Texts({machine.language: _filled(machine, prompt, machine.language, site, items)})
    texts = dict(islice(prompt.by_language.items(), MAX_LANGUAGES)) or {machine.language: ""}
    return Texts({language: _filled(machine, text, language, site, items) for language, text in texts.items()})


def parameters_in(machine: Machine, prompt: Texts | str, site: Site, items: Sequence[str] = ()) -> tuple[str, ...]:
    """The parameters whose values a prompt shows."""
    texts = [prompt] if isinstance(prompt, str) else list(prompt.by_language.values())
    found: dict[str, None] = {}
    for text in texts:
        for part in parse(text):
            if isinstance(part, Field) and site.scope.find(part.name) is None:
                item = _item(machine, part.name, items)
                if item and machine.library.names.is_parameter(item):
                    found[item] = None
    return tuple(found)


def _filled(machine: Machine, text: str, language: str, site: Site, items: Sequence[str]) -> str:
    parts = parse(text)
    if len(parts) == 1:
        return machine.new_text(text)
    machine.extra += _FIELD_STEPS * (len(parts) // 2)
    pieces = (part if isinstance(part, str) else _field(machine, part, language, site, items) for part in parts)
    return machine.new_text("".join(pieces))


def _field(machine: Machine, field: Field, language: str, site: Site, items: Sequence[str]) -> str:
    local = _local_value(machine, field.name, site)
    if local is not None:
        value, is_single = local
        return formatted(field.format, value) if field.format else plain(value, 7 if is_single else 15)
    item = _item(machine, field.name, items)
    if not item:
        return field.written
    return parameter_text(machine, item, field.format, language)


def _local_value(machine: Machine, name: str, site: Site) -> tuple[Raw, bool] | None:
    element = _ELEMENT.match(name)
    local: Local | None = site.scope.find(element[1] if element else name)
    if local is None:
        return None
    held = machine.slots[local.slot]
    is_single = local.ctype.shape is Kind.FLOAT
    if held is None:
        return "?", False
    if isinstance(held, CArray):
        if element is None:
            return (held.text(), False) if held.is_characters else ("?", False)
        at = int(element[2])
        return (held.data[at], is_single) if at < len(held.data) else ("?", False)
    if local.by_reference:
        place: Place = held
        return place.get(machine), is_single
    return held, is_single


def _item(machine: Machine, name: str, items: Sequence[str]) -> str:
    if _NUMBER.match(name):
        at = int(name)
        return items[at] if at < len(items) else ""
    return machine.library.names.written(name) or ""


def parameter_text(machine: Machine, name: str, form: str, language: str) -> str:
    """A parameter's value in a prompt; `L` as format is its label, `U` its unit."""
    spec = machine.spec(name)
    if spec is None:
        value = machine.peek(name) if "[" in name else None
        return "?" if value is None else formatted(form, value)
    if form == "L":
        return spec.label.best((language,))[1]
    if form == "U":
        return spec.unit_symbol
    value = machine.peek(name)
    if value is None:
        return "?"
    if form:
        return formatted(form, value)
    return _unformatted(spec, value, language)


def _unformatted(spec: ParameterSpec, value: Raw, language: str) -> str:
    for entry in spec.enum_values:
        if entry.value == value:
            return entry.text.best((language,))[1]
    if spec.enum_values and not spec.bit_enumerated:
        return f"unknown ({value})"
    if spec.display_format and not isinstance(value, str):
        return formatted(spec.display_format, value).strip()
    if spec.data_type is DataType.DATETIME and isinstance(value, int):
        return moment_text(value, spec)
    return plain(value, 7 if spec.edd_type == "FLOAT" else 15)
