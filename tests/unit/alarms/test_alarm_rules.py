"""Rules of the site: which devices they are for, what they make of alarms, and what they do to alarms that stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server.alarms.engine import AlarmEngine
from server.alarms.rule import RuleError, read_rule
from server.alarms.rules import AlarmRules
from server.core.alarm_actions import AlarmAction, Verb
from server.core.clock import ManualClock
from server.core.values import AlarmEvent, DeviceId
from tests.kit.plant import measured, pump_type, small_plant

HOTTER = {"match": {"types": ["pump"]}, "alarm": {"name": "temperature", "sources": {"High": 50}}}
DOOR = {
    "match": {"devices": ["pump-*"]},
    "alarm": {"name": "door", "kind": "discrete", "input": "door_open", "sources": {"Active": True}, "severity": 300},
}
GONE = {"match": {}, "alarm": {"name": "temperature", "remove": True}}


class Site:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.plant = small_plant()
        self.rules = AlarmRules(self.plant)
        self.engine = AlarmEngine(self.plant, declared=self.rules.specs_of)

    def feed(self, device: str = "pump-1", **values: float) -> list[AlarmEvent]:
        self.clock.advance(1)
        applied = self.plant.apply(measured(self.clock.now(), device=device, **values), self.clock.now())
        return self.engine.judge(applied.updates)

    def put(self, rule_id: str, body: object) -> list[AlarmEvent]:
        return self.engine.redeclared(self.rules.put(read_rule(rule_id, body)), self.clock.now())

    def remove(self, rule_id: str) -> list[AlarmEvent]:
        return self.engine.redeclared(self.rules.remove(rule_id), self.clock.now())

    def names(self, device: str = "pump-1") -> list[str]:
        return [spec.name for spec in self.engine.specs_of(self.plant.devices[DeviceId(device)])]


@pytest.fixture
def site(clock: ManualClock) -> Site:
    return Site(clock)


def test_a_changed_limit_is_judged_at_once_and_given_back_when_the_rule_goes(site: Site) -> None:
    assert site.feed(temperature=60.0) == []
    (raised,) = site.put("hot", HOTTER)
    assert (raised.active, raised.limit_state, raised.limits["High"]) == (True, "High", 50.0)
    (cleared,) = site.remove("hot")
    assert (cleared.active, cleared.limits["High"]) == (False, 80.0)


def test_a_new_alarm_comes_and_ends_with_its_rule(site: Site) -> None:
    site.feed(door_open=True)
    (raised,) = site.put("door", DOOR)
    assert (raised.condition_id, raised.active, raised.severity) == ("pump-1/Alarms/door", True, 300)
    assert site.engine.spec("pump-1/Alarms/door").rule == "door"  # type: ignore[union-attr]
    (ended,) = site.remove("door")
    assert (ended.cause, ended.retain) == ("ended", False)
    assert "rule" in ended.message
    assert site.names() == ["temperature", "Trip"]


def test_an_alarm_of_the_package_can_be_removed(site: Site) -> None:
    site.feed(temperature=90.0)
    (ended,) = site.put("no", GONE)
    assert (ended.cause, ended.active) == ("ended", False)
    assert site.names() == ["Trip"]
    (raised,) = site.remove("no")
    assert raised.active


def test_what_operators_set_ends_with_the_alarm(site: Site) -> None:
    site.put("door", DOOR)
    site.feed(door_open=False)
    action = AlarmAction(Verb.TIMED_SHELVE, "pump-1/Alarms/door", shelve_s=60.0)
    site.engine.act(action, "olga", site.clock.now())
    (ended,) = site.remove("door")
    assert (ended.cause, ended.retain) == ("ended", False)
    site.put("door", DOOR)
    state = site.engine.state("pump-1/Alarms/door")
    assert state is not None
    assert state.shelving == "Unshelved"


def test_periods_that_went_by_unseen_are_one_re_alarm(site: Site) -> None:
    site.put("again", {"match": {}, "alarm": {"name": "temperature", "re_alarm_s": 60}})
    site.feed(temperature=90.0)
    site.clock.advance(86_400)
    (told,) = site.engine.tick(site.clock.now())
    assert (told.cause, told.re_alarms) == ("re-alarmed", 1)
    assert site.engine.tick(site.clock.now()) == []
    site.clock.advance(60)
    assert [event.re_alarms for event in site.engine.tick(site.clock.now())] == [2]


def test_changing_the_life_only_leaves_the_state(site: Site) -> None:
    (first,) = site.feed(temperature=90.0)
    told = site.put("slow", {"match": {}, "alarm": {"name": "temperature", "on_delay_s": 5}})
    assert told == []
    assert site.engine.state(first.condition_id) == first


def test_rules_are_for_the_devices_that_fit_everything(site: Site) -> None:
    site.feed(temperature=60.0)
    site.feed("pump-2", temperature=60.0)
    body = {**HOTTER, "match": {"types": ["pump"], "devices": ["*-2"]}}
    assert [event.device_id for event in site.put("one", body)] == ["pump-2"]
    path = site.plant.devices[DeviceId("pump-1")].path
    assert [e.device_id for e in site.put("two", {**HOTTER, "match": {"place": [*path, "elsewhere"]}})] == []
    assert [e.device_id for e in site.put("three", {**HOTTER, "match": {"place": list(path)}})] == ["pump-1"]


def test_a_device_that_comes_later_has_the_alarms_of_its_rules(site: Site) -> None:
    site.put("door", DOOR)
    (raised,) = site.feed("pump-9", door_open=True)
    assert raised.condition_id == "pump-9/Alarms/door"


def test_of_two_rules_the_later_id_wins_and_sees_what_the_earlier_made(site: Site) -> None:
    site.feed(temperature=1.0)
    site.put("a", DOOR)
    site.put("b", {"match": {}, "alarm": {"name": "door", "severity": 700}})
    specs = {spec.name: spec for spec in site.engine.specs_of(site.plant.devices[DeviceId("pump-1")])}
    assert (specs["door"].severity, specs["door"].rule, specs["door"].kind) == ({"": 700}, "b", "discrete")
    assert site.remove("a") == []
    assert "door" not in site.names()  # there is nothing left for b to change


def test_a_switched_off_rule_does_nothing(site: Site) -> None:
    site.feed(temperature=60.0)
    assert site.put("hot", {**HOTTER, "enabled": False}) == []
    (raised,) = site.put("hot", HOTTER)
    assert raised.active
    (cleared,) = site.put("hot", {**HOTTER, "enabled": False})
    assert not cleared.active


def test_devices_declared_alike_share_what_is_made(site: Site) -> None:
    site.put("hot", HOTTER)
    site.feed(temperature=1.0)
    site.feed("pump-2", temperature=1.0)
    one, two = (site.rules.specs_of(site.plant.devices[DeviceId(name)]) for name in ("pump-1", "pump-2"))
    assert one is two


def test_a_change_for_all_devices_passes_over_those_that_lack_the_alarm(site: Site) -> None:
    bare = replace(pump_type("fan"), alarms=())
    site.plant.install(bare)
    site.feed(temperature=60.0)
    now = site.clock.now()
    site.plant.apply(measured(now, device="fan-1", type_id="fan", temperature=60.0), now)
    everywhere = {"match": {}, "alarm": HOTTER["alarm"]}
    effect = site.rules.effect(read_rule("hot", everywhere))
    assert (effect.devices, effect.problems) == (("pump-1",), ())
    (raised,) = site.put("hot", everywhere)
    assert raised.device_id == "pump-1"
    named = site.rules.effect(read_rule("other", {"match": {"types": ["fan"]}, "alarm": HOTTER["alarm"]}))
    assert named.problems == ("fan: there is no alarm 'temperature' to change; a new one needs a kind and an input",)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"match": {"types": ["none"]}, "alarm": DOOR["alarm"]}, "there is no device type 'none'"),
        ({"match": {}, "alarm": {"name": "none", "severity": 5}}, "pump: there is no alarm 'none' to change"),
        ({"match": {}, "alarm": {"name": "temperature", "input": "note"}}, "input note must be a number"),
        ({"match": {"types": ["pump"]}, "alarm": {"name": "temperature", "sources": {"Low": 90, "High": 80}}}, "below"),
    ],
)
def test_what_a_rule_cannot_do_is_told(site: Site, body: dict[str, Any], told: str) -> None:
    site.feed(temperature=1.0)
    effect = site.rules.effect(read_rule("r", body))
    assert any(told in problem for problem in effect.problems), effect.problems


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([], "is an object"),
        ({}, "alarm: is missing"),
        ({"alarm": {"name": "a"}, "match": {"devices": ["pump;drop"]}}, "match.devices"),
        ({"alarm": {"name": "a"}, "match": {"kind": "x"}}, "match.kind: means nothing here"),
        ({"alarm": {"name": "a"}, "note": "x" * 2_001}, "note: is longer"),
        ({"alarm": {"name": "a"}, "enabled": 1}, "enabled: must be true or false"),
        ({"alarm": {"name": "a"}, "owner": "x"}, "owner: means nothing here"),
        ({"alarm": {"name": "a", "cause": {f"{n:03}": "x" * 500 for n in range(200)}}}, "bytes of rule"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused(body: object, told: str) -> None:
    with pytest.raises(RuleError) as refused:
        read_rule("r", body)
    assert any(told in problem for problem in refused.value.problems), refused.value.problems
