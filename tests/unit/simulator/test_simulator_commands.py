"""Commands: what devices obey, what they refuse and why, and that one command is carried out once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator import fleet
from simulator.commands import MAX_COMMAND_BYTES, REMEMBERED_ANSWERS, CommandDesk
from simulator.device import Device


def device_of(kind: str) -> Device:
    return fleet.build({kind: 1}, seed=1)[0]


def ask(desk: CommandDesk, command: str, command_id: str = "c1", **params: Any) -> dict[str, Any]:
    payload = json.dumps({"command_id": command_id, "command": command, "params": params}).encode()
    message = desk.answer(payload)
    assert message is not None
    answer: dict[str, Any] = json.loads(message.payload)
    assert set(answer) == {"command_id", "status", "reason", "values"}
    assert answer["command_id"] == command_id
    return answer


def test_trip_of_a_breaker_answers_every_parameter_it_changed() -> None:
    breaker = device_of("breaker")
    before = breaker.readings()
    answer = ask(CommandDesk(breaker), "trip")
    assert answer["status"] == "done"
    assert (
        answer["values"].items()
        >= {
            "status_breaker": 2,
            "status_position": 0,
            "protection_trip_count": int(before["protection_trip_count"]) + 1,
            "current_phase_a": 0.0,
            "power_active": 0.0,
            "operational_load_percentage": 0.0,
        }.items()
    )
    assert "voltage_phase_a" not in answer["values"], "the feeder stays under voltage"


def test_trip_of_an_engine_answers_status_tripped_and_no_power() -> None:
    answer = ask(CommandDesk(device_of("engine")), "trip")
    assert answer["status"] == "done"
    assert answer["values"].items() >= {"status": 2, "power_kw": 0.0, "gas_consumption": 0.0}.items()


@pytest.mark.parametrize(("kind", "status"), [("breaker", "status_breaker"), ("engine", "status")])
def test_reset_works_from_tripped_only(kind: str, status: str) -> None:
    desk = CommandDesk(device_of(kind))
    early = ask(desk, "reset", "a")
    assert (early["status"], early["values"]) == ("rejected", {})
    assert "not tripped" in early["reason"]
    assert ask(desk, "trip", "b")["status"] == "done"
    assert ask(desk, "trip", "c")["status"] == "rejected"
    after = ask(desk, "reset", "d")
    assert after["status"] == "done"
    assert after["values"][status] == 1


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("breaker", "threshold_overcurrent", 85.5),
        ("engine", "threshold_temp_exhaust_high", 490.0),
        ("loom", "threshold_bbw_high", 1540.0),
        ("asset", "temperature_max", 110.0),
    ],
)
def test_a_threshold_is_taken_confirmed_and_shown_at_the_next_connect(kind: str, name: str, value: float) -> None:
    device = device_of(kind)
    answer = ask(CommandDesk(device), "set_threshold", name=name, value=value)
    assert (answer["status"], answer["values"]) == ("done", {name: value})
    status = device.status(0, online=True)
    assert status is not None
    assert json.loads(status.payload)["values"][name] == value


def test_a_threshold_set_to_what_it_is_already_is_still_confirmed() -> None:
    answer = ask(CommandDesk(device_of("breaker")), "set_threshold", name="threshold_overcurrent", value=90)
    assert (answer["status"], answer["values"]) == ("done", {"threshold_overcurrent": 90.0})


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"name": "threshold_colour", "value": 1.0}, "unknown parameter"),
        ({"name": "voltage_phase_a", "value": 1.0}, "unknown parameter"),
        ({"name": "threshold_overcurrent", "value": 1e9}, "must lie in"),
        ({"name": "threshold_overcurrent", "value": -1}, "must lie in"),
        ({"name": "threshold_overcurrent", "value": "90"}, "takes a number"),
        ({"name": "threshold_overcurrent", "value": True}, "takes a number"),
        ({"name": "threshold_overcurrent", "value": None}, "takes a number"),
        ({"name": "threshold_overcurrent"}, "missing"),
        ({"name": ["x"], "value": 1}, "unknown parameter"),
        ({"name": "threshold_overcurrent", "value": 90, "force": True}, "force"),
        ({}, "missing"),
    ],
)
def test_a_wrong_threshold_is_rejected_with_the_reason_and_changes_nothing(params: dict[str, Any], word: str) -> None:
    device = device_of("breaker")
    before = dict(device.thresholds)
    answer = ask(CommandDesk(device), "set_threshold", **params)
    assert (answer["status"], answer["values"]) == ("rejected", {})
    assert word in answer["reason"]
    assert device.thresholds == before


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("loom", "threshold_bbw_low", 2000.0),
        ("asset", "pressure_min", 11.0),
        ("engine", "threshold_vibration_high", 20.0),
    ],
)
def test_a_lower_limit_above_its_upper_one_is_rejected(kind: str, name: str, value: float) -> None:
    assert ask(CommandDesk(device_of(kind)), "set_threshold", name=name, value=value)["status"] == "rejected"


def test_configure_of_a_loom_takes_all_or_nothing() -> None:
    loom = device_of("loom")
    desk = CommandDesk(loom)
    good = {"threshold_bbw_low": 1500.0, "threshold_bbw_high": 1550.0}
    assert ask(desk, "configure", "a", **good) == {"command_id": "a", "status": "done", "reason": "", "values": good}
    assert ask(desk, "configure", "b", threshold_bbw_low=1400.0, unknown=1.0)["status"] == "rejected"
    assert loom.thresholds == good


def test_diagnostics_report_every_parameter_and_change_nothing() -> None:
    breaker = device_of("breaker")
    answer = ask(CommandDesk(breaker), "get_diagnostics")
    assert answer["status"] == "done"
    assert set(answer["values"]) == set(breaker.readings()) | set(breaker.thresholds)
    assert len(answer["values"]) == 21 + 3, "design: 21 measured values, 3 thresholds"


def test_reset_of_a_loom_keeps_its_thresholds() -> None:
    loom = device_of("loom")
    desk = CommandDesk(loom)
    ask(desk, "set_threshold", "a", name="threshold_bbw_low", value=1490.0)
    assert ask(desk, "reset", "b")["status"] == "done"
    assert loom.thresholds["threshold_bbw_low"] == 1490.0


def test_an_unknown_command_is_rejected_with_the_known_ones() -> None:
    answer = ask(CommandDesk(device_of("breaker")), "explode")
    assert answer["status"] == "rejected"
    assert "trip" in answer["reason"]


def test_a_repeated_command_is_answered_again_but_carried_out_once() -> None:
    breaker = device_of("breaker")
    desk = CommandDesk(breaker)
    first = ask(desk, "trip", "same")
    assert ask(desk, "trip", "same") == first
    assert breaker.readings()["protection_trip_count"] == first["values"]["protection_trip_count"]
    assert ask(desk, "trip", "other")["status"] == "rejected", "control: another id is another command"


def test_remembered_answers_are_bounded() -> None:
    desk = CommandDesk(device_of("breaker"))
    for number in range(REMEMBERED_ANSWERS + 1):
        ask(desk, "get_diagnostics", f"c{number}")
    assert len(desk._answers) == REMEMBERED_ANSWERS


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"trip",
        b"[]",
        b"null",
        b'{"command": "trip"}',
        b'{"command_id": 5, "command": "trip"}',
        b'{"command_id": "a", "command": "trip", "params": []}',
        b'{"command_id": "a", "command": "trip", "params": {"x": NaN}}',
        b"\xff\xfe",
        b'{"command_id": "a", "command": "trip", "params": {"x": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"command_id": "' + b"a" * MAX_COMMAND_BYTES + b'", "command": "trip"}',
    ],
    ids=range(11),
)
def test_what_is_no_command_is_rejected_and_trips_nothing(payload: bytes) -> None:
    breaker = device_of("breaker")
    message = CommandDesk(breaker).answer(payload)
    assert message is not None
    assert json.loads(message.payload)["status"] == "rejected"
    assert breaker.readings()["status_breaker"] == 1


def test_a_retained_command_is_rejected() -> None:
    breaker = device_of("breaker")
    message = CommandDesk(breaker).answer(b'{"command_id":"a","command":"trip"}', retained=True)
    assert message is not None
    assert json.loads(message.payload)["status"] == "rejected"
    assert breaker.readings()["status_breaker"] == 1


@pytest.mark.parametrize(
    ("response_topic", "expected"),
    [
        (None, "iot/breaker-001/response"),
        ("replies/to/me", "replies/to/me"),
        ("replies/#", "iot/breaker-001/response"),
        ("$SYS/x", "iot/breaker-001/response"),
        ("", "iot/breaker-001/response"),
    ],
)
def test_the_answer_goes_where_the_command_asks_when_one_can_publish_there(
    response_topic: str | None, expected: str
) -> None:
    desk = CommandDesk(device_of("breaker"))
    message = desk.answer(
        b'{"command_id":"a","command":"get_diagnostics"}', response_topic=response_topic, correlation=b"\x00\x01"
    )
    assert message is not None
    assert (message.topic, message.correlation, message.qos) == (expected, b"\x00\x01", 1)


def test_a_sensor_takes_no_commands() -> None:
    assert CommandDesk(device_of("sensor")).answer(b"{}") is None
