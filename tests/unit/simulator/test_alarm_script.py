"""Alarm scripts: what is read, what is refused with its line, what a scripted plant sends."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from simulator.alarm_script import Act, AlarmLog, AlarmScriptError, differences, parse
from simulator.clock import MICROSECONDS
from simulator.play import load, meant
from simulator.scripted import ScriptedPlant, expected_of

HEAD = "start 2026-03-02T06:00:00Z\ndevice gpu-77 engine\ndevice gpu-78 engine\n"
TOLD = {
    "active": True,
    "level": "High",
    "acked": False,
    "confirmed": True,
    "retain": True,
    "severity": 500,
    "enabled": True,
    "shelving": "",
    "suppressed": False,
    "out_of_service": False,
    "latched": False,
    "silenced": False,
    "first": False,
    "re_alarms": 0,
    "bad": False,
    "branch": "",
}


def test_steps_are_read_with_their_expectations() -> None:
    script = parse(
        HEAD
        + "06:00:01 set vibration=11 status=1   # remark\n  > vibration active High unacked retain 500 # why\n"
        + '06:00:02.5 acknowledge gpu-78: Trip "a # b" by engineer\n  ! BadEventIdUnknown\n06:00:03 wait\n'
    )
    setting, act, wait = script.steps
    assert setting.setting is not None
    assert (setting.setting.device, dict(setting.setting.values)) == ("gpu-77", {"vibration": 11.0, "status": 1.0})
    assert setting.expected == ["gpu-77/Alarms/vibration active High unacked retain 500"]
    assert act.act is not None
    assert (act.act.device, act.act.condition, act.act.comment, act.act.user) == ("gpu-78", "Trip", "a # b", "engineer")
    assert (act.at_s, act.refused, wait.setting, wait.act) == (2.5, "BadEventIdUnknown", None, None)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("06:00:01 jump", "line 4: 'jump' is none of"),
        ("06:00:01", "line 4: nothing happens"),
        ("05:59:59 wait", "line 4: 05:59:59 lies before"),
        ("06:00:01 set vibration", "line 4: 'vibration': write parameter=number"),
        ("06:00:01 set vibration=much", "line 4: 'much' is no number"),
        ("06:00:01 set vibration=nan", "line 4: 'nan' is no number"),
        ("06:00:01 set", "line 4: set names no value"),
        ("06:00:01 set gpu-1: vibration=1", "line 4: no device 'gpu-1'"),
        ("06:00:01 acknowledge", "line 4: acknowledge names no alarm"),
        ("06:00:01 shelve Trip", "line 4: shelve needs its seconds"),
        ("06:00:01 acknowledge Trip soon", "line 4: 'soon' means nothing"),
        ('06:00:01 acknowledge Trip "open', "line 4: No closing quotation"),
        ("> Trip active", "line 4: there is no step yet"),
        ("06:00:01 wait\n! BadOutOfRange", "line 5: only an action can be refused"),
        ("06:00:01 wait\n> Trip", "line 5: write the alarm and what is told of it"),
        ("later", "line 4: 'later' begins no line"),
        ("start tomorrow", "line 4"),
        ("start 2026-03-02T06:00:00", "has no zone"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(lines: str, told: str) -> None:
    with pytest.raises(AlarmScriptError) as refused:
        parse(HEAD + lines)
    assert told in str(refused.value)


@pytest.mark.parametrize("text", ["", "start 2026-03-02T06:00:00Z", "device a engine", "wait\n" * 20_001])
def test_a_script_lacks_nothing(text: str) -> None:
    with pytest.raises(AlarmScriptError):
        parse(text)


def test_who_said_what_stands_where_it_changed() -> None:
    log = AlarmLog()
    log.add("a", TOLD, "", "")
    log.add("a", TOLD | {"acked": True}, "seen", "olga")
    log.add("a", TOLD | {"branch": "b1"}, "seen", "olga")
    log.add("a", TOLD | {"enabled": False}, "seen", "emma")
    assert log.lines == [
        "a active High unacked retain 500",
        'a active High acked retain 500 "seen" olga',
        "a active High unacked retain 500 branch",
        "a disabled",
    ]


def test_differences_name_both_sides() -> None:
    assert differences(["a", "b"], ["a", "c", "d"]) == ["event 2: expected 'b', found 'c'", "not expected: 'd'"]
    assert differences(["a", "b"], ["a"]) == ["missing: 'b'"]


def test_a_scripted_plant_sends_a_setting_at_once_and_holds_it() -> None:
    script = parse(HEAD + "06:00:01.5 set vibration=11\n")
    plant = ScriptedPlant(script, start_us=10 * MICROSECONDS)
    plant.connect(10 * MICROSECONDS)
    before = [json.loads(m.payload) for m in plant.advance(11_400_000) if "gpu-77" in m.topic]
    assert plant.next_due_us == 11_500_000
    at, *later = [json.loads(m.payload) for m in plant.advance(13_500_000) if "gpu-77" in m.topic]
    assert {message["vibration"] for message in before} == {before[0]["vibration"]}  # physics stand still
    assert (at["vibration"], at["time"]) == (11.0, "1970-01-01T00:00:11.500Z")
    assert len(later) == 2
    assert {message["vibration"] for message in later} == {11.0}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("device x pump\n", "'pump' is none of engine"),
        ("06:00:01 set colour=1\n", "line 4: gpu-77 measures no 'colour'"),
        ("06:00:01 set vibration=?\n", "line 4: a simulated device always has a value"),
    ],
)
def test_what_no_simulated_device_can_do_is_refused(lines: str, told: str) -> None:
    with pytest.raises(AlarmScriptError, match=told):
        ScriptedPlant(parse(HEAD + lines), start_us=0)


def test_the_scripts_of_the_simulator_can_be_played() -> None:
    script = load("engine")
    ScriptedPlant(script, start_us=0)
    assert set(expected_of(script)) == {"gpu-77/Alarms/temp_exhaust", "gpu-77/Alarms/Trip"}


def test_a_script_that_is_not_there_is_told() -> None:
    with pytest.raises(AlarmScriptError, match="nowhere"):
        load("nowhere")


class Journal:
    """A server that only has events."""

    def __init__(self, *events: dict[str, str]) -> None:
        self.asked: list[str] = []
        self._events = list(events)

    def events(self, condition: str, since_us: int) -> list[dict[str, str]]:
        self.asked.append(condition)
        return self._events


def test_an_act_on_a_branch_names_the_newest_one() -> None:
    one, other = {"event_id": "a1", "branch_id": "b"}, {"event_id": "a2", "branch_id": "c"}
    journal = Journal(one, other, {"event_id": "a3", "branch_id": ""})
    act = Act("acknowledge", "pump-1", "level", "operator", None, None, True)
    assert meant(journal, act, 0) == "a2"  # type: ignore[arg-type]
    assert journal.asked == ["pump-1/Alarms/level"]
    assert meant(Journal(), act, 0) == "none"  # type: ignore[arg-type]  # the server refuses it: there is none
    assert meant(journal, replace(act, branch=False), 0) == ""  # type: ignore[arg-type]
