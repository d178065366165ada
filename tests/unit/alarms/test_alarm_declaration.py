"""Alarms as written in packages and rules: what is read, what is refused, and that the way back says the same."""

from __future__ import annotations

from typing import Any

import pytest

from server.alarms.kinds import kinds
from server.core.table import Table
from server.model.alarm_declaration import read_alarm, spec_of, written
from server.model.alarm_kinds import KINDS, mistakes
from server.model.alarm_spec import AlarmSpec
from tests.kit.alarm_room import every_kind
from tests.kit.plant import pump_type

RATE: dict[str, Any] = {
    "name": "fast",
    "kind": "exclusive_rate_of_change",
    "input": "temperature",
    "sources": {"High": 5},
}


def read(document: dict[str, Any], base: AlarmSpec | None = None) -> AlarmSpec:
    problems: list[str] = []
    declaration = read_alarm(Table(document, "alarm", problems))
    assert problems == []
    return spec_of(declaration, base)


def problems_of(document: dict[str, Any]) -> list[str]:
    problems: list[str] = []
    read_alarm(Table(document, "alarm", problems))
    return problems


def test_every_kind_of_condition_can_be_declared() -> None:
    own = {"failure", "check_function", "off_spec", "maintenance_required"}
    assert set(KINDS) == set(kinds()) - own


@pytest.mark.parametrize("spec", every_kind().alarms, ids=lambda spec: spec.name)
def test_what_is_written_makes_the_same_alarm_and_has_no_mistakes(spec: AlarmSpec) -> None:
    assert read(written(spec)) == spec
    assert mistakes(spec, every_kind().parameters) == []


def test_a_change_leaves_everything_else_as_the_package_says() -> None:
    base = pump_type().alarms[0]
    changed = read({"name": "temperature", "sources": {"High": 70}, "on_delay_s": 2, "priority": "high"}, base)
    assert changed.sources == {"HighHigh": "limit_high_high", "High": 70.0, "Low": 10.0}
    assert (changed.kind, changed.label, changed.life.on_delay_s) == (base.kind, base.label, 2.0)
    assert changed.rationale.priority == "high"


def test_a_new_alarm_is_called_by_its_name_unless_told_otherwise() -> None:
    spec = read(RATE)
    assert (spec.label.default, spec.parameter, spec.sources) == ("fast", "temperature", {"High": 5.0})


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "alarm.name: is missing"),
        ({"name": "a/b"}, "alarm.name: 'a/b' is not right"),
        ({"name": "x" * 65}, "is not right"),
        ({"name": 5}, "must be a text"),
        ({"name": "a", "kind": "discrete"}, "alarm.input: is missing"),
        ({"name": "a", "kind": "discrete", "input": "b", "remove": True}, "cannot be removed"),
        ({"name": "a", "sources": 5}, "alarm.sources: must be a table"),
        ({"name": "a", "sources": {"High": None}}, "alarm.sources.High: must be a number or the name of a parameter"),
        ({"name": "a", "sources": {"High": float("nan")}}, "alarm.sources.High: must be a number"),
        ({"name": "a", "sources": {"High": 10**400}}, "alarm.sources.High: must be a number"),
        ({"name": "a", "severity": 0}, "alarm.severity: must be a whole number from 1 to 1000"),
        ({"name": "a", "severity": {"High": 1.5}}, "alarm.severity.High: must be a whole number"),
        ({"name": "a", "on_delay_s": -1}, "alarm.on_delay_s: must be a number from 0 to 604800"),
        ({"name": "a", "on_delay_s": True}, "alarm.on_delay_s"),
        ({"name": "a", "deadband": float("inf")}, "alarm.deadband"),
        ({"name": "a", "branches": 101}, "alarm.branches"),
        ({"name": "a", "max_time_shelved_s": 0}, "alarm.max_time_shelved_s"),
        ({"name": "a", "max_time_shelved_s": 1e9}, "alarm.max_time_shelved_s: must be at most"),
        ({"name": "a", "label": "x" * 501}, "alarm.label: is longer than 500"),
        ({"name": "a", "audible": "x" * 501}, "alarm.audible: is longer than 500"),
        ({"name": "a", "re_alarm_s": 0.00001}, "alarm.re_alarm_s: must be 0 or at least 1"),
        ({"name": "a", "confirm": "yes"}, "alarm.confirm: must be true or false"),
        ({"name": "a", "priority": "urgent"}, "alarm.priority: 'urgent' is none of"),
        ({"name": "a", "class": "Odd"}, "alarm.class: 'Odd' is none of"),
        ({"name": "a", "cause": "x" * 2_001}, "alarm.cause: is longer than 2000"),
        ({"name": "a", "groups": ["a/b"]}, "alarm.groups: 'a/b' is not right"),
        ({"name": "a", "suppressed_while": [{"name": "off"}]}, "suppressed_while[1].inputs: names no parameter"),
        (
            {"name": "a", "suppressed_while": [{"name": "off", "inputs": {"mode": "x"}}]},
            "inputs.mode: must be a number",
        ),
        ({"name": "a", "on_dely_s": 1}, "alarm.on_dely_s: means nothing here"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(document: dict[str, Any], told: str) -> None:
    assert any(told in problem for problem in problems_of(document)), problems_of(document)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "odd"}, "kind 'odd' is none of"),
        ({"name": "Failure"}, "Failure is the name of an alarm of DeviceHealth"),
        ({"input": "none"}, "input 'none' is no parameter"),
        ({"input": "note"}, "input note must be a number, not STRING"),
        ({"sources": {}}, "names none of HighHigh, High, Low, LowLow"),
        ({"sources": {"High": 1, "Setpoint": 2}}, "Setpoint means nothing for exclusive_rate_of_change"),
        ({"sources": {"High": "none"}}, "High: 'none' is no parameter"),
        ({"sources": {"High": "note"}}, "High: note must be a number"),
        ({"sources": {"High": 1, "Low": 2}}, "High (1) lies below Low (2)"),
        ({"sources": {"High": 3, "Low": 2}, "deadband": 1}, "the deadband 1 is as wide as"),
        ({"severity": {"Top": 500}}, "severity: 'Top' is no level"),
        ({"suppressed_while": [{"name": "off", "inputs": {"none": 1}}]}, "suppressed by off: 'none' is no parameter"),
        ({"suppressed_while": [{"name": "off", "inputs": {"note": 1}}]}, "suppressed by off: note must be"),
        ({"kind": "discrete", "sources": {"Active": 1}, "deadband": 1, "input": "state"}, "deadband means nothing"),
        ({"kind": "exclusive_deviation"}, "Setpoint is missing"),
        ({"kind": "trip", "input": "state", "sources": {"Tripped": "limit_high"}}, "Tripped must be a number"),
        ({"kind": "off_normal", "sources": {"Normal": 1}}, "input temperature must be an enumeration"),
        ({"kind": "instrument_diagnostic", "input": "state", "sources": {"Mask": 0}}, "Mask must be a whole number"),
        ({"kind": "certificate_expiration", "sources": {"ExpirationLimit": 5}}, "must be a DateTime"),
        (
            {"kind": "discrepancy", "sources": {"Target": "limit_high", "ExpectedTime": -1}},
            "ExpectedTime (-1) must not be negative",
        ),
    ],
)
def test_what_makes_no_sense_for_the_devices_is_told(changes: dict[str, Any], told: str) -> None:
    found = mistakes(read({**RATE, **changes}), pump_type().parameters)
    assert any(told in sentence for sentence in found), found
