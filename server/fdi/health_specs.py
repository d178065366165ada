"""DeviceHealth from the status classes of DIAGNOSTIC bits (fdi-information-model.md, section 13; NAMUR NE 107)."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

from server.core.texts import Texts
from server.fdi.eddl.model import EddModel, EddVariable
from server.fdi.parameters import texts_of
from server.model.device_type import HealthSpec

FAILURE, CHECK_FUNCTION, OFF_SPEC, MAINTENANCE_REQUIRED = 1, 2, 3, 4
"""DeviceHealthEnumeration of OPC 10000-100."""
_UNSEEN: Final = frozenset({"IGNORE_IN_HOST"})
_WORDS: Final = (  # in the order of their weight; R: the standard's own table could not be read
    (FAILURE, frozenset({"ERROR", "FAILURE", "MALFUNCTION"})),
    (CHECK_FUNCTION, frozenset({"CHECK_FUNCTION", "FUNCTION_CHECK", "SIMULATION", "LOCAL_OPERATION", "MODE"})),
    (OFF_SPEC, frozenset({"OFF_SPEC", "OUT_OF_SPECIFICATION", "WARNING"})),
    (MAINTENANCE_REQUIRED, frozenset({"MAINTENANCE_REQUIRED", "MAINTENANCE_DEMANDED", "MAINTENANCE", "INFO"})),
)


def health_specs(edd: EddModel, parameters: Container[str]) -> tuple[HealthSpec, ...]:
    """What every bit of a DIAGNOSTIC BIT_ENUMERATED parameter says of the device, in source order."""
    return tuple(
        HealthSpec(name, entry.value, health, texts_of(entry.text) or Texts.of(str(entry.value)), texts_of(entry.help))
        for name, variable in _diagnostics(edd)
        if name in parameters
        for entry in variable.enumerators
        if entry.value > 0 and (health := health_of(frozenset(entry.status))) is not None
    )


def _diagnostics(edd: EddModel) -> Iterator[tuple[str, EddVariable]]:
    for variable in edd.variables.values():
        if "DIAGNOSTIC" in variable.classes and variable.edd_type == "BIT_ENUMERATED":
            yield variable.name, variable
            for array in edd.arrays.values():
                if array.kind == "value" and array.element == variable.name:
                    yield from ((f"{array.name}_{index}", variable) for index in range(array.count or 0))


def health_of(words: frozenset[str]) -> int | None:
    """The health that status class words stand for; None for a bit that hosts ignore.

    A set bit always says something: without a known word it asks for maintenance, the mildest of the four.
    """
    if words & _UNSEEN:
        return None
    return next((health for health, known in _WORDS if words & known), MAINTENANCE_REQUIRED)
