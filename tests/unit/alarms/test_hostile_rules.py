"""Rules and values that a careless or hostile editor or device could send: nothing of it may stop the judging."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from server.alarms.engine import AlarmEngine
from server.alarms.rule import Match, RuleError, read_rule
from server.alarms.rule_service import RuleService
from server.alarms.rules import AlarmRules
from server.core.clock import SECOND, ManualClock
from server.core.values import AlarmEvent, Caller, DeviceId, Scalar
from server.model.device_type import DataType
from server.model.plant import Plant
from tests.kit.http import RulesInMemory
from tests.kit.plant import measured, parameter, pump_type, small_plant

HUGE = 1e308
OPERATOR = Caller("olga", "operator", "http", "127.0.0.1", "s1")


def alarm(kind: str, of: str, sources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"alarm": {"name": "x", "kind": kind, "input": of, "sources": sources, **more}}


class Site:
    def __init__(self, clock: ManualClock, plant: Plant | None = None) -> None:
        self.clock = clock
        self.plant = plant or small_plant()
        self.rules = AlarmRules(self.plant)
        self.engine = AlarmEngine(self.plant, declared=self.rules.specs_of)

    def feed(self, **values: Scalar) -> list[AlarmEvent]:
        self.clock.advance(1)
        applied = self.plant.apply(measured(self.clock.now(), **values), self.clock.now())
        return self.engine.judge(applied.updates)

    def wait(self, seconds: float) -> list[AlarmEvent]:
        self.clock.advance(seconds)
        return self.engine.tick(self.clock.now())

    def put(self, rule_id: str, body: object) -> list[AlarmEvent]:
        return self.engine.redeclared(self.rules.put(read_rule(rule_id, body)), self.clock.now())


@pytest.fixture
def site(clock: ManualClock) -> Site:
    return Site(clock)


def everything() -> Plant:
    """A pump with a DateTime, bits, and a number that sources can name."""
    pump = pump_type()
    more = {
        "until": parameter("until", DataType.DATETIME),
        "bits": parameter("bits", DataType.UINT16),
        "span": parameter("span"),
    }
    plant = Plant()
    list(plant.replacing(replace(pump, parameters={**pump.parameters, **more})).steps())
    plant.restore(DeviceId("pump-1"), "pump", ("hall",), 1, {})
    return plant


def device_of(plant: Plant, device_id: str) -> Any:
    plant.restore(DeviceId(device_id), "pump", ("hall",), 1, {})
    return plant.devices[DeviceId(device_id)]


# -- what is read


@pytest.mark.parametrize(
    "body",
    [
        {**alarm("exclusive_limit", "temperature", {"High": 1}), "note": "\ud800"},
        alarm("exclusive_limit", "temperature", {"High": 1}, label="\udfff"),
        alarm("exclusive_limit", "temperature", {"High": 1}, audible="\ud800"),
        {**alarm("exclusive_limit", "temperature", {"High": 1}), "match": {"place": ["\ud800"]}},
        {"alarm": {"name": "x", "\ud800": 1}},
    ],
)
def test_half_a_character_is_refused_in_words_that_can_be_sent(body: object) -> None:
    with pytest.raises(RuleError) as refused:
        read_rule("r", body)
    assert "surrogate" in refused.value.text
    json.dumps(refused.value.text, ensure_ascii=False).encode()


def test_a_refusal_does_not_repeat_all_that_was_sent() -> None:
    for value in ("x" * 60_000, [["x" * 30_000]], int("9" * 4_000)):
        with pytest.raises(RuleError) as refused:
            read_rule("r", {"alarm": {"name": value, "sources": {"High": [value]}}})
        assert len(refused.value.text) < 3_000


def test_a_rule_too_large_is_not_looked_at() -> None:
    with pytest.raises(RuleError) as refused:
        read_rule("r", {"alarm": {"name": "x" * 70_000}, "nothing": 1})
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("kind", ["discrepancy", "certificate_expiration"])
def test_a_time_beyond_all_calendars_is_refused(clock: ManualClock, kind: str) -> None:
    site = Site(clock, everything())
    sources = {"discrepancy": {"Target": 1, "ExpectedTime": HUGE}, "certificate_expiration": {"ExpirationLimit": HUGE}}
    of = {"discrepancy": "temperature", "certificate_expiration": "until"}
    effect = site.rules.effect(read_rule("r", alarm(kind, of[kind], sources[kind])))
    assert "must be at most" in effect.problems[0]


@pytest.mark.parametrize(
    "patterns", [["*a" * 60 + "b"], ["[z-a]*"], ["[!]"], ["["], ["[]"], ["[a-]"], ["[!-]*"], ["[[]"]]
)
def test_odd_patterns_are_read_and_fast(patterns: list[str]) -> None:
    plant = small_plant()
    device = device_of(plant, "a" * 63)
    began = time.perf_counter()
    Match(devices=tuple(patterns)).fits(device)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("devices", "fitting"),
    [
        (["pump-1"], True),
        (["pump-2", "pump-?"], True),
        (["PUMP-1"], False),
        (["p[!x]mp-*"], True),
        (["ump-1", "1"], False),
    ],
)
def test_ids_and_patterns_mean_the_whole_id(devices: list[str], fitting: bool) -> None:
    assert Match(devices=tuple(devices)).fits(device_of(small_plant(), "pump-1")) is fitting


# -- what is judged


@pytest.mark.parametrize("reported", [HUGE, -HUGE, float("inf"), float("nan"), 0.0])
def test_a_source_may_report_any_number(clock: ManualClock, reported: float) -> None:
    site = Site(clock, everything())
    site.feed(span=reported, temperature=20.0, bits=3, until=site.clock.now() + 10 * SECOND)
    for number, body in enumerate(
        (
            alarm("discrepancy", "temperature", {"Target": 1, "ExpectedTime": "span", "Tolerance": "span"}),
            alarm("discrepancy", "temperature", {"Target": "span", "ExpectedTime": 1}),
            alarm("certificate_expiration", "until", {"ExpirationLimit": "span"}),
            alarm("instrument_diagnostic", "bits", {"Mask": "span"}),
            alarm("exclusive_deviation", "temperature", {"Setpoint": "span", "High": HUGE}),
            alarm("exclusive_rate_of_change", "span", {"High": 1, "Low": -1}),
            alarm("non_exclusive_limit", "temperature", {"High": "span", "Low": -HUGE}, deadband=HUGE),
        )
    ):
        body["alarm"]["name"] = f"x{number}"
        site.put(f"r{number}", body)
    for value in (20.0, HUGE, -HUGE, 0.0):
        site.feed(span=reported, temperature=value, bits=0xFFFF)
        site.feed(span=-reported, temperature=value, bits=1)
        site.wait(10)


@pytest.mark.parametrize("until", [-(2**63), 2**63 - 1, 0])
def test_a_certificate_may_end_beyond_all_calendars(clock: ManualClock, until: int) -> None:
    site = Site(clock, everything())
    site.put("r", alarm("certificate_expiration", "until", {"ExpirationLimit": 60}))
    site.feed(until=until)
    site.feed(until=site.clock.now() + 10 * SECOND)
    site.feed(until=2**63 - 1)


# -- what changes while alarms stand


def test_a_delay_that_was_taken_away_raises_nothing_later(site: Site) -> None:
    site.put("r", {"alarm": {"name": "temperature", "on_delay_s": 60}, "match": {"types": ["pump"]}})
    assert site.feed(temperature=90.0) == []
    site.put("r", {"alarm": {"name": "temperature", "on_delay_s": 0}, "match": {"types": ["pump"]}})
    assert [event.active for event in site.feed(temperature=91.0)] == [True]
    assert [event.active for event in site.feed(temperature=20.0)] == [False]
    assert site.wait(120) == []


def test_groups_may_change_while_an_alarm_is_active(site: Site) -> None:
    groups = {"first_in_group": True, "groups": ["one"]}
    for rule_id, name in (("a", "temperature"), ("b", "Trip")):
        site.put(rule_id, {"alarm": {"name": name, **groups}})
    (first,) = site.feed(temperature=90.0)
    assert first.first_in_group
    site.put("a", {"alarm": {"name": "temperature", "first_in_group": True, "groups": ["two"]}})
    site.feed(temperature=20.0)
    (tripped,) = site.feed(state=2)
    assert tripped.first_in_group  # nothing else is active in its group


def test_a_period_of_re_alarms_begins_and_ends_with_its_rule(site: Site) -> None:
    site.feed(temperature=90.0)
    site.put("r", {"alarm": {"name": "temperature", "re_alarm_s": 60}})
    assert [event.cause for event in site.wait(61)] == ["re-alarmed"]
    site.put("r", {"alarm": {"name": "temperature", "re_alarm_s": 0}})
    assert site.wait(600) == []


def test_a_state_of_another_kind_does_not_come_back(site: Site) -> None:
    (raised,) = site.feed(temperature=90.0)
    later = Site(site.clock)
    device_of(later.plant, "pump-1")
    later.put(
        "r",
        {"alarm": {"name": "temperature", "kind": "instrument_diagnostic", "input": "state", "sources": {"Mask": 1}}},
    )
    (ended,) = later.engine.lost([raised], later.clock.now())
    assert (ended.cause, ended.retain) == ("ended", False)
    assert later.engine.restore([raised]) == 0
    (fault,) = later.feed(state=1)  # its level is in bits; "High" is none
    assert fault.kind == "instrument_diagnostic"


# -- many rules, many editors


def test_a_thousand_rules_for_hundreds_of_devices_are_told_at_once(clock: ManualClock) -> None:
    plant = small_plant()
    for number in range(300):
        plant.restore(DeviceId(f"p-{number}"), "pump", ("hall",), 1, {})
    rules = AlarmRules(plant)
    rules.load(
        [
            read_rule(
                f"r{number:04}",
                {"match": {"devices": ["p-*"]}, **alarm("exclusive_limit", "temperature", {"High": number})},
            )
            for number in range(1_000)
        ]
    )
    began = time.perf_counter()
    effects = rules.effects()
    assert time.perf_counter() - began < 10  # looked at one by one it is minutes
    assert {len(effect.devices) for effect in effects.values()} == {300}


def test_what_all_rules_do_is_what_each_of_them_does(site: Site) -> None:
    bodies = {
        "a": alarm("exclusive_limit", "temperature", {"High": 50}),
        "b": {"alarm": {"name": "x", "remove": True}},
        "c": {"alarm": {"name": "x", "sources": {"High": 1}}},  # nothing to change by then
        "d": {**alarm("exclusive_limit", "temperature", {"High": 60}), "enabled": False},
        "e": {"alarm": {"name": "x", "sources": {"High": 1}}, "match": {"types": ["pump", "none"]}},
        "f": {
            "alarm": {"name": "temperature", "sources": {"High": 1}},
            "match": {"devices": ["other-*"], "types": ["pump"]},
        },
    }
    site.feed(temperature=20.0)
    for rule_id, body in bodies.items():
        site.put(rule_id, body)
    together = site.rules.effects()
    assert {name: together[name] for name in bodies} == {
        rule.rule_id: site.rules.effect(rule) for rule in site.rules.all
    }
    assert together["c"].problems
    assert not together["d"].problems
    assert together["e"].problems[0].startswith("pump: there is no alarm 'x'")


def test_rules_are_for_whatever_a_device_is_by_now(site: Site) -> None:
    site.put("all", alarm("exclusive_limit", "temperature", {"High": 50}))
    site.put("one", {"match": {"devices": ["late-*"]}, "alarm": {"name": "x", "sources": {"High": 1}}})
    device = device_of(site.plant, "late-1")
    assert {spec.name: spec.sources["High"] for spec in site.rules.specs_of(device) if spec.name == "x"} == {"x": 1}
    site.put("one", {"match": {"devices": ["later-*"]}, "alarm": {"name": "x", "sources": {"High": 1}}})
    assert {spec.name: spec.sources["High"] for spec in site.rules.specs_of(device) if spec.name == "x"} == {"x": 50}
    site.put("all", {**alarm("exclusive_limit", "temperature", {"High": 50}), "enabled": False})
    assert [spec.name for spec in site.rules.specs_of(device)] == ["temperature", "Trip"]


async def test_of_two_editors_each_is_answered_his_own_version(clock: ManualClock) -> None:
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def audit(*_record: object) -> None:
        # The record of the first is slow; the second editor is done before it is on disk.
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)

    service = RuleService(AlarmRules(small_plant()), RulesInMemory(), audit, clock)
    bodies = [alarm("exclusive_limit", "temperature", {"High": high}) for high in (50, 60)]
    first, second = (asyncio.create_task(service.put("r", body, OPERATOR)) for body in bodies)

    async def both_in_force() -> None:
        while service.list() == [] or service.list()[0]["body"] != bodies[1]:
            await asyncio.sleep(0)

    await asyncio.wait_for(both_in_force(), 10)
    gate.set()
    assert [(await each)["body"] for each in (first, second)] == bodies
    assert (await first)["etag"] != (await second)["etag"]
