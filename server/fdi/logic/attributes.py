"""What a parameter means for given values: every attribute that depends on the device, put into its ParameterSpec.

An attribute whose value cannot be told (a value is not known, an expression is wrong) keeps the choice of the static
specification; so do all ranges while one of their bounds cannot be told.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from server.core.status import is_good
from server.core.texts import Texts
from server.core.units import EUInformation, unit_of
from server.core.values import Scalar
from server.fdi.eddl.model import EddVariable
from server.fdi.eddl.nodes import Attribute, Conditional, Content
from server.fdi.logic.context import Context, Dependency, Key, number, scalar_of
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import is_true
from server.fdi.logic.table import text_in
from server.fdi.parameters import bounded
from server.model.device_type import DataType, EnumValue, ParameterSpec
from server.pipeline.commands import check_value

Changes = dict[str, Any]
Part = Callable[[Context, ParameterSpec], Changes]
"""Some fields of a specification; raises EvaluationError when they cannot be told."""

_BOUND: Final = re.compile(r"(MIN|MAX)_VALUE\d{0,4}\Z")
_FLAGS: Final[Mapping[str, str]] = {"VALIDITY": "valid", "VISIBILITY": "visible"}
_TEXTS: Final[Mapping[str, str]] = {"LABEL": "label", "HELP": "help"}
_VALUES: Final[Mapping[str, str]] = {"DEFAULT_VALUE": "default_value", "INITIAL_VALUE": "initial_value"}
_EVALUATED: Final = frozenset(
    {*_FLAGS, *_TEXTS, *_VALUES, "HANDLING", "TYPE", "SCALING_FACTOR", "DISPLAY_FORMAT", "CONSTANT_UNIT"}
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the changing attributes of one parameter are found, and what they are found from."""

    parts: tuple[Part, ...]
    reads: frozenset[Dependency]

    def effective(self, static: ParameterSpec, context: Context) -> ParameterSpec:
        """The specification for the context's values; the static one itself when nothing differs."""
        changes: Changes = {}
        for part in self.parts:
            try:
                found = part(context, static)
            except EvaluationError:
                continue
            changes.update((name, value) for name, value in found.items() if value != getattr(static, name))
        return replace(static, **changes) if changes else static


def recipe(
    item: str, variable: EddVariable, bounds: Mapping[str, None], conditional: frozenset[str], unit_from: str | None
) -> Recipe | None:
    """How one parameter changes; None when it never does.

    Args:
        bounds: names of the MIN_VALUE and MAX_VALUE attributes that the VARIABLE has.
        conditional: names of its attributes that depend on the device.
        unit_from: the parameter that names its unit.
    """
    parts: list[Part] = []
    reads: set[Dependency] = set()

    def key(name: str) -> Key:
        reads.add((item, name))
        return (item, name)

    parts += [_text(field, key(name)) for name, field in _TEXTS.items() if name in conditional]
    parts += [_flag(field, key(name)) for name, field in _FLAGS.items() if name in conditional]
    parts += [_default(field, key(name)) for name, field in _VALUES.items() if name in conditional]
    if "HANDLING" in conditional:
        parts.append(_handling(key("HANDLING"), variable))
    if any(name in conditional for name in bounds):
        parts.append(_ranges(_pairs(bounds, key), variable))
    if "TYPE" in conditional:
        parts.append(_enumerators(key("ENUMERATORS")))
    if "SCALING_FACTOR" in conditional:
        parts.append(_scaling(key("SCALING_FACTOR")))
    if "DISPLAY_FORMAT" in conditional:
        parts.append(_format(key("DISPLAY_FORMAT")))
    constant = key("CONSTANT_UNIT") if "CONSTANT_UNIT" in conditional else None
    if unit_from is not None:
        reads.update((unit_from, (unit_from, "ENUMERATORS")))
    if constant is not None or unit_from is not None:
        parts.append(_unit(constant, unit_from))
    return Recipe(tuple(parts), frozenset(reads)) if parts else None


def bound_names(contents: Iterable[Content]) -> dict[str, None]:
    """Names of the MIN_VALUE and MAX_VALUE attributes among these, those of all branches, in order."""
    found: dict[str, None] = {}
    for part in contents:
        if isinstance(part, Attribute):
            if _BOUND.match(part.name):
                found[part.name] = None
        elif isinstance(part, Conditional):
            for case in part.cases:
                found.update(bound_names(case.content))
            found.update(bound_names(part.default or ()))
    return found


def fixed(conditional: frozenset[str]) -> frozenset[str]:
    """Of the attributes that depend on the device those that are not evaluated."""
    return frozenset(name for name in conditional - _EVALUATED if not _BOUND.match(name))


def _text(field: str, key: Key) -> Part:
    return lambda context, _static: {field: text_in(context.attribute(key))}


def _flag(field: str, key: Key) -> Part:
    return lambda context, _static: {field: is_true(number(context.attribute(key)))}


def _scaling(key: Key) -> Part:
    return lambda context, _static: {"scaling_factor": float(number(context.attribute(key)).value)}


def _format(key: Key) -> Part:
    return lambda context, _static: {"display_format": text_in(context.attribute(key)).default}


def _handling(key: Key, variable: EddVariable) -> Part:
    def part(context: Context, _static: ParameterSpec) -> Changes:
        words = context.attribute(key)
        return {
            "readable": "READ" in words and variable.edd_type != "PASSWORD",
            "writable": "WRITE" in words and "CONSTANT" not in variable.classes,
        }

    return part


def _default(field: str, key: Key) -> Part:
    def part(context: Context, static: ParameterSpec) -> Changes:
        value: Scalar = scalar_of(context.attribute(key))
        if static.data_type is DataType.BOOLEAN:
            value = bool(value)
        elif static.data_type.integer and isinstance(value, float) and value.is_integer():
            value = int(value)
        elif static.data_type.numeric and not static.data_type.integer and isinstance(value, int):
            value = float(value)
        if not is_good(check_value(static, value, ranges=False)):
            raise EvaluationError(f"{value!r} does not fit {static.name}")
        return {field: value}

    return part


def _pairs(bounds: Mapping[str, None], key: Callable[[str], Key]) -> list[tuple[Key | None, Key | None]]:
    numbers = sorted({int(name[len("MIN_VALUE") :] or 0) for name in bounds})
    named = {(name[:3], int(name[len("MIN_VALUE") :] or 0)): name for name in bounds}
    return [
        (
            key(named["MIN", at]) if ("MIN", at) in named else None,
            key(named["MAX", at]) if ("MAX", at) in named else None,
        )
        for at in numbers
    ]


def _ranges(pairs: list[tuple[Key | None, Key | None]], variable: EddVariable) -> Part:
    def bound(context: Context, key: Key | None) -> float | None:
        if key is None:
            return None
        value = float(number(context.attribute(key)).value)
        return value if abs(value) <= sys.float_info.max else None  # neither infinite nor NaN

    def part(context: Context, static: ParameterSpec) -> Changes:
        found = [(bound(context, low), bound(context, high)) for low, high in pairs]
        if any(low is not None and high is not None and low > high for low, high in found):
            raise EvaluationError(f"{static.name}: a MIN_VALUE lies above its MAX_VALUE")
        return {"ranges": bounded(found, static.data_type) if not variable.enumerators else ()}

    return part


def _enumerators(key: Key) -> Part:
    def part(context: Context, _static: ParameterSpec) -> Changes:
        entries: tuple[EnumValue, ...] = context.attribute(key)
        return {"enum_values": tuple(replace(e, text=e.text or Texts.of(str(e.value))) for e in entries)}

    return part


def _unit(constant: Key | None, unit_from: str | None) -> Part:
    def part(context: Context, static: ParameterSpec) -> Changes:
        texts = None
        if unit_from is not None:
            try:
                texts = _named_unit(context, unit_from)
            except EvaluationError:
                texts = None
        if not texts and constant is not None:
            texts = text_in(context.attribute(constant))
        if not texts or not texts.default or not static.data_type.numeric:
            raise EvaluationError("no unit is named")
        return {"unit": unit_named(texts), "unit_symbol": texts.default}

    return part


def _named_unit(context: Context, name: str) -> Texts:
    """The text of a unit variable: of its enumerator, or its own."""
    value = context.value(name)
    if isinstance(value, Texts):
        return value
    for entry in context.attribute((name, "ENUMERATORS")):
        if entry.value == value.value:
            return entry.text  # type: ignore[no-any-return]
    raise EvaluationError(f"{name} has no text for {value.value}")


def unit_named(texts: Texts) -> EUInformation:
    """EUInformation of a unit's name; without a UNECE code the name in all its languages and unitId -1."""
    unit = unit_of(texts.default)
    return unit if unit.unit_id != -1 else replace(unit, display_name=texts, description=texts)
