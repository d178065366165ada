"""Attributes of items as METHODs read them: `x.LABEL`, `x.MAX_VALUE2`, `curve.NUMBER_OF_ELEMENTS`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind
from server.fdi.methods.ctype import TEXT, Raw, Shape
from server.fdi.methods.program import Instruction
from server.fdi.methods.variables import shape_of, to_method
from server.model.device_type import ParameterSpec

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine

_WORD: Final = re.compile(r"([A-Z_]+?)(\d{0,3})\Z")
_OF_PARAMETER: Final[dict[str, Shape]] = {
    "LABEL": TEXT,
    "HELP": TEXT,
    "CONSTANT_UNIT": TEXT,
    "MIN_VALUE": Kind.DOUBLE,
    "MAX_VALUE": Kind.DOUBLE,
    "VIEW_MIN": Kind.DOUBLE,
    "VIEW_MAX": Kind.DOUBLE,
    "SCALING_FACTOR": Kind.DOUBLE,
    "VALIDITY": Kind.INT32,
    "VISIBILITY": Kind.INT32,
    "VARIABLE_STATUS": Kind.INT32,
}
_OF_ARRAY: Final = frozenset({"COUNT", "CAPACITY", "NUMBER_OF_ELEMENTS"})


def parameter_attribute(word: str, spec: ParameterSpec) -> Shape | None:
    """What an attribute of a parameter gives, None for a word that is none."""
    match = _WORD.match(word)
    if match is None:
        return None
    if match[1] in ("DEFAULT_VALUE", "INITIAL_VALUE"):
        return shape_of(spec)
    return _OF_PARAMETER.get(match[1])


def is_array_attribute(word: str) -> bool:
    return word in _OF_ARRAY


def load_attribute(word: str) -> Instruction:
    """The name of a parameter on top becomes the value of its attribute."""
    match = _WORD.match(word)
    name, pair = (match[1], int(match[2] or 1)) if match is not None else (word, 1)

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        spec = machine.spec(stack[-1])
        if spec is None:
            raise EvaluationError(f"there is no parameter {stack[-1]}")
        stack[-1] = _value(spec, name, pair, machine)

    return run


def load_array_attribute(word: str) -> Instruction:
    """The name of an array or LIST on top becomes its COUNT, CAPACITY or NUMBER_OF_ELEMENTS."""

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        item = stack[-1]
        if word == "COUNT" and machine.library.names.kind(item) == "LIST":
            stack[-1] = len(machine.lists.get(item, ()))
        else:
            stack[-1] = machine.library.names.elements(item)

    return run


def _value(spec: ParameterSpec, name: str, pair: int, machine: Machine) -> Raw:
    match name:
        case "LABEL":
            return machine.new_text(machine.chosen(spec.label))
        case "HELP":
            return machine.new_text(machine.chosen(spec.help))
        case "CONSTANT_UNIT":
            return machine.new_text(spec.unit_symbol)
        case "MIN_VALUE" | "MAX_VALUE" | "VIEW_MIN" | "VIEW_MAX":
            if not 1 <= pair <= len(spec.ranges):
                raise EvaluationError(f"{spec.name} has no {name} {pair}")
            return float(spec.ranges[pair - 1][0 if "MIN" in name else 1])
        case "SCALING_FACTOR":
            return 1.0 if spec.scaling_factor is None else spec.scaling_factor
        case "VALIDITY":
            return int(spec.valid)
        case "VISIBILITY":
            return int(spec.visible)
        case "DEFAULT_VALUE" | "INITIAL_VALUE":
            found = spec.default_value if name == "DEFAULT_VALUE" else spec.initial_value
            if found is None:
                raise EvaluationError(f"{spec.name} has no {name}")
            return to_method(found, spec)
    return 0  # VARIABLE_STATUS: nothing is wrong with a value that can be read
