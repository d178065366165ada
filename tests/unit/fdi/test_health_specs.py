"""DeviceHealth of DIAGNOSTIC bits (fdi-information-model.md, section 13)."""

from __future__ import annotations

import pytest

from server.core.texts import Texts
from server.fdi.health_specs import health_of, health_specs
from server.model.device_type import HealthSpec
from tests.kit.edd import model


@pytest.mark.parametrize(
    ("words", "health"),
    [
        ({"DIAGNOSTIC", "ERROR"}, 1),
        ({"FAILURE", "MODE"}, 1),  # the graver one
        ({"INFO", "MODE"}, 2),
        ({"SIMULATION"}, 2),
        ({"WARNING", "PROCESS"}, 3),
        ({"INFO", "STATE"}, 4),
        ({"MAINTENANCE_REQUIRED"}, 4),
        ({"DIAGNOSTIC"}, 4),
        (set(), 4),
        ({"IGNORE_IN_HOST", "ERROR"}, None),
    ],
    ids=["error", "failure", "mode", "simulation", "warning", "info", "maintenance", "unknown", "none", "ignored"],
)
def test_status_classes_tell_the_health(words: set[str], health: int | None) -> None:
    assert health_of(frozenset(words)) == health


def test_bits_of_diagnostic_parameters_are_listed() -> None:
    edd = model(
        """VARIABLE flags { CLASS DIAGNOSTIC & DYNAMIC; TYPE BIT_ENUMERATED (2) {
            { 1, "Worn", "Replace it.", DIAGNOSTIC, WARNING }, { 2, "Broken", ERROR },
            { 4, "Quiet", IGNORE_IN_HOST } } }
        VARIABLE word { CLASS DIAGNOSTIC; TYPE BIT_ENUMERATED { { 1, "Test mode", "", MODE } } }
        ARRAY words { LABEL "W"; TYPE word; NUMBER_OF_ELEMENTS 2; }
        VARIABLE options { CLASS DEVICE; TYPE BIT_ENUMERATED { { 1, "Option", ERROR } } }
        VARIABLE secret { CLASS DIAGNOSTIC; PRIVATE TRUE; TYPE BIT_ENUMERATED { { 1, "S", ERROR } } }"""
    )
    assert health_specs(edd, {"flags", "words_0", "words_1", "options"}) == (
        HealthSpec("flags", 1, 3, Texts.of("Worn"), Texts.of("Replace it.")),
        HealthSpec("flags", 2, 1, Texts.of("Broken")),
        HealthSpec("words_0", 1, 2, Texts.of("Test mode"), Texts.of("")),
        HealthSpec("words_1", 1, 2, Texts.of("Test mode"), Texts.of("")),
    )
