"""VARIABLE constructs to the static view: type, size, ranges, enumerators, access."""

from __future__ import annotations

import re
from collections.abc import Iterator

from server.fdi.eddl.expressions import Expression
from server.fdi.eddl.model import NO_TEXT, EddVariable, Enumerator
from server.fdi.eddl.nodes import Attribute, Construct, Content, Group, ItemList, ListItem, TypeSpec
from server.fdi.eddl.static import Value
from server.fdi.eddl.static_view import StaticView, names_in
from server.fdi.eddl.type_words import EDD_TYPES
from server.fdi.eddl.writing import written

_BOUND = re.compile(r"(MIN|MAX)_VALUE(\d{0,4})\Z")


def variable(construct: Construct, view: StaticView) -> EddVariable | None:
    """The static view of a VARIABLE; None (with a problem noted) when its TYPE cannot be used."""
    add = view.findings.add
    name = construct.name
    found = construct.attribute("TYPE")
    if found is None or not isinstance(found.value, TypeSpec):
        add(construct.position, "type-missing", f"VARIABLE {name} has no TYPE")
        return None
    spec = found.value
    word = spec.reference.name
    if word not in EDD_TYPES or spec.reference.steps:
        add(spec.reference.position, "type-unknown", f"VARIABLE {name}: {written(spec.reference)} is not a TYPE")
        return None
    dynamic: set[str] = set()
    inner = _type_attributes(spec, view, dynamic)

    def attribute(attribute_name: str) -> Attribute | None:
        return inner.get(attribute_name) or construct.attribute(attribute_name)

    handling = construct.attribute("HANDLING")
    access = view.words(handling, dynamic, every_branch=True)
    view.check_handling(handling, f"VARIABLE {name}")
    unit = construct.attribute("CONSTANT_UNIT") or inner.get("CONSTANT_UNIT")
    scaling = view.value(attribute("SCALING_FACTOR"), dynamic)
    result = EddVariable(
        name=name,
        label=view.texts(construct.attribute("LABEL"), dynamic),
        help=view.texts(construct.attribute("HELP"), dynamic),
        edd_type=word,
        size=_size(spec, word, name, view),
        classes=view.words(construct.attribute("CLASS"), dynamic),
        readable=handling is None or "READ" in access,
        writable=handling is None or "WRITE" in access,
        private=view.flag(construct.attribute("PRIVATE"), dynamic, otherwise=False),
        constant_unit=view.texts(unit, dynamic) if unit is not None else None,
        ranges=_ranges(name, inner, construct, view, dynamic),
        default_value=_typed(word, view.value(attribute("DEFAULT_VALUE"), dynamic)),
        initial_value=_typed(word, view.value(attribute("INITIAL_VALUE"), dynamic)),
        display_format=_text(view.value(attribute("DISPLAY_FORMAT"), dynamic)),
        edit_format=_text(view.value(attribute("EDIT_FORMAT"), dynamic)),
        enumerators=_enumerators(name, word, spec, view, dynamic),
        conditional=frozenset(),
        scaling_factor=None if scaling is None or isinstance(scaling, str) else float(scaling),
        index_of=written(spec.target) if spec.target is not None else None,
        position=construct.position,
    )
    for shown in ("VALIDITY", "VISIBILITY"):
        view.value(construct.attribute(shown), dynamic)
    if not dynamic:
        return result
    fields = {slot: getattr(result, slot) for slot in EddVariable.__dataclass_fields__}
    return EddVariable(**{**fields, "conditional": frozenset(dynamic)})


def _typed(word: str, value: Value | None) -> Value | None:
    return bool(value) if word == "BOOLEAN" and isinstance(value, int | float) else value


def _text(value: Value | None) -> str | None:
    return value if isinstance(value, str) else None


def _type_attributes(spec: TypeSpec, view: StaticView, dynamic: set[str]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for item, conditional in view.items(spec.items):
        if isinstance(item, Attribute):
            found.setdefault(item.name, item)
            if conditional:
                dynamic.add(item.name)
    return found


def _size(spec: TypeSpec, word: str, name: str, view: StaticView) -> int | None:
    known = EDD_TYPES[word]
    if spec.size is None:
        return known.default
    size = view.constant(spec.size)
    if not isinstance(size, int) or not known.smallest <= size <= known.largest:
        text = f"VARIABLE {name}: {word} takes a size from {known.smallest} to {known.largest}"
        view.findings.add(spec.size.position, "type-size", text)
        return known.default
    return size


def _bounds(inner: dict[str, Attribute], construct: Construct) -> Iterator[tuple[str, int, Attribute]]:
    for attribute in (*inner.values(), *construct.attributes):
        match = _BOUND.match(attribute.name)
        if match:
            yield match.group(1), int(match.group(2) or 0), attribute


def _ranges(
    name: str, inner: dict[str, Attribute], construct: Construct, view: StaticView, dynamic: set[str]
) -> tuple[tuple[float | None, float | None], ...]:
    pairs: dict[int, dict[str, tuple[Attribute, float | None]]] = {}
    for side, number, attribute in _bounds(inner, construct):
        value = view.value(attribute, dynamic)
        if isinstance(value, str):
            view.findings.add(attribute.position, "range", f"VARIABLE {name}: {attribute.name} is not a number")
            value = None
        pairs.setdefault(number, {}).setdefault(side, (attribute, value))
    found: list[tuple[float | None, float | None]] = []
    for number in sorted(pairs):
        low, high = (pairs[number].get(side) for side in ("MIN", "MAX"))
        minimum, maximum = (side[1] if side else None for side in (low, high))
        found.append((minimum, maximum))
        if not low or not high or {low[0].name, high[0].name} & dynamic:
            continue
        if minimum is not None and maximum is not None and minimum > maximum:
            text = f"VARIABLE {name}: {low[0].name} {minimum} is above {high[0].name} {maximum}"
            view.findings.add(low[0].position, "range", text)
    return tuple(pair for pair in found if pair != (None, None))


def _enumerators(name: str, word: str, spec: TypeSpec, view: StaticView, dynamic: set[str]) -> tuple[Enumerator, ...]:
    add = view.findings.add
    found: dict[int, Enumerator] = {}
    always: set[int] = set()
    for item, conditional in view.items(spec.items):
        if not isinstance(item, ListItem) or not isinstance(item.value, Group):
            continue
        if not EDD_TYPES[word].enumerated:
            add(item.position, "enumerator", f"VARIABLE {name}: a {word} has no list of values")
            break
        parts = [part.value for part in item.value.items if isinstance(part, ListItem)]
        value = _number(parts[0], view) if parts else None
        text = view.text_of(parts[1]) if len(parts) > 1 else None
        if value is None or text is None:
            add(item.position, "enumerator", f"VARIABLE {name}: an entry needs a whole number and a text")
            continue
        if value in always and not conditional:
            add(item.position, "duplicate-value", f"VARIABLE {name} lists the value {value} more than once")
            continue
        if conditional:
            dynamic.add("TYPE")
        else:
            always.add(value)
        rest = parts[2:]
        help_text = view.text_of(rest[0]) if rest else None
        words = rest[1:] if help_text is not None else rest
        status = tuple(status for part in words for status in names_in(part))
        found.setdefault(value, Enumerator(value, text, help_text or NO_TEXT, status))
    if word == "BIT_ENUMERATED":
        _overlaps(name, spec, [entry for entry in found.values() if entry.value in always], view)
    if word == "ENUMERATED" and not found and not _lists_anything(spec.items):
        add(spec.position, "enumerator", f"VARIABLE {name}: an ENUMERATED needs a list of values")
    return tuple(found.values())


def _overlaps(name: str, spec: TypeSpec, entries: list[Enumerator], view: StaticView) -> None:
    taken = 0
    for entry in entries:
        if entry.value & taken:
            text = f"VARIABLE {name}: the mask {entry.value:#x} shares bits with another entry"
            view.findings.warn(spec.position, "mask", text)
            return
        taken |= entry.value


def _lists_anything(items: tuple[Content, ...]) -> bool:
    return any(not isinstance(item, Attribute) for item in items)


def _number(value: object, view: StaticView) -> int | None:
    if isinstance(value, Group | ItemList):
        return None
    expression: Expression = value  # type: ignore[assignment]  # a list holds expressions, groups and blocks
    number = view.constant(expression)
    return number if isinstance(number, int) else None
