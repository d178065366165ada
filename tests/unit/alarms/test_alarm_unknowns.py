"""What is not known, or not new, must not decide: limits unheard, inputs lost, rules that change, restarts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from server.alarms.engine import AlarmEngine
from server.core import status
from server.core.alarm_actions import AlarmAction, Verb
from server.core.clock import SECOND, ManualClock
from server.core.texts import Texts
from server.core.values import AlarmEvent, DeviceId, Measurement
from server.database.alarm_store import is_over
from server.model.alarm_spec import AlarmSpec, Life, SuppressionGroup
from server.model.plant import Plant
from tests.kit.plant import measured, parameter, pump_type

ALARM = "pump-1/Alarms/a"


def spec(kind: str = "exclusive_limit", **more: Any) -> AlarmSpec:
    """An alarm on the temperature."""
    given: dict[str, Any] = {"name": "a", "parameter": "temperature", "label": Texts.of("A")}
    if kind == "exclusive_limit":
        given["sources"] = {"High": 80.0}
    return AlarmSpec(kind=kind, **(given | more))


class Site:
    """One pump whose alarms are declared by hand, and a server that can end and start again."""

    def __init__(self, clock: ManualClock, *specs: AlarmSpec) -> None:
        self.clock = clock
        self.specs: Sequence[AlarmSpec] = specs
        self.kept: dict[tuple[str, str], AlarmEvent] = {}
        self._begin()

    def _begin(self) -> None:
        pump = pump_type()
        bare = parameter("goal", dynamic=False, writable=True)
        self.plant = Plant()
        self.plant.install(replace(pump, alarms=(), parameters={**pump.parameters, "goal": bare}))
        self.plant.restore(DeviceId("pump-1"), "pump", ("hall",), self.clock.now())
        self.engine = AlarmEngine(self.plant, declared=lambda device: self.specs)

    def _keep(self, events: Sequence[AlarmEvent]) -> list[AlarmEvent]:
        for event in events:
            key = event.condition_id, event.branch_id
            if is_over(event):
                self.kept.pop(key, None)
            else:
                self.kept[key] = event
        return list(events)

    def feed(self, *, retained: bool = False, **values: Any) -> list[AlarmEvent]:
        """Values a second later."""
        self.clock.advance(1)
        return self.take(measured(self.clock.now(), retained=retained, **values))

    def take(self, *measurements: Measurement) -> list[AlarmEvent]:
        """Measurements of one batch."""
        updates = [update for each in measurements for update in self.plant.apply(each, self.clock.now()).updates]
        return self._keep(self.engine.judge(updates))

    def lose(self, name: str = "temperature") -> list[AlarmEvent]:
        """The sensor says that it has failed."""
        self.clock.advance(1)
        values = ((name, 0.0, status.BAD_SENSOR_FAILURE),)
        now = self.clock.now()
        return self.take(
            Measurement(type_id="pump", device_id=DeviceId("pump-1"), values=values, source_time=now, received_at=now)
        )

    def wait(self, seconds: float) -> list[AlarmEvent]:
        self.clock.advance(seconds)
        return self._keep(self.engine.tick(self.clock.now()))

    def act(self, verb: Verb, comment: str | None = None, user: str = "olga") -> list[AlarmEvent]:
        return self._keep(self.engine.act(AlarmAction(verb, ALARM, None, comment), user, self.clock.now()))

    def redeclare(self, *specs: AlarmSpec) -> list[AlarmEvent]:
        self.specs = specs
        return self._keep(self.engine.redeclared([DeviceId("pump-1")], self.clock.now()))

    def restart(self, *specs: AlarmSpec) -> list[AlarmEvent]:
        """With other declarations, if given."""
        self.specs = specs or self.specs
        self._begin()
        self.engine.restore(self.kept.values())
        return self._keep(self.engine.reconcile(self.clock.now()))

    @property
    def state(self) -> AlarmEvent:
        found = self.engine.state(ALARM)
        assert found is not None
        return found


Make = Callable[..., Site]


@pytest.fixture
def site(clock: ManualClock) -> Make:
    return lambda *specs: Site(clock, *specs)


# -- not heard yet


@pytest.mark.parametrize(
    ("kind", "sources", "begin", "end"),
    [
        ("exclusive_limit", {"High": "goal"}, {"goal": 50.0}, {"goal": 70.0}),
        ("non_exclusive_limit", {"High": "goal"}, {"goal": 50.0}, {"goal": 70.0}),
        ("exclusive_deviation", {"High": 5.0, "Setpoint": "goal"}, {"goal": 50.0}, {"goal": 60.0}),
        ("discrete", {"Active": "goal"}, {"goal": 60.0}, {"goal": 61.0}),
        ("off_normal", {"Normal": "goal"}, {"goal": 50.0}, {"goal": 60.0}),
        ("discrepancy", {"Target": "goal", "ExpectedTime": 5.0}, {"goal": 50.0}, {"goal": 60.0}),
    ],
)
def test_after_a_start_an_alarm_waits_for_what_it_is_judged_by(
    site: Make, kind: str, sources: dict[str, object], begin: dict[str, Any], end: dict[str, Any]
) -> None:
    here = site(spec(kind, sources=sources))
    here.feed(**begin, temperature=60.0)
    here.wait(10)
    here.feed(temperature=60.0)
    assert here.state.active
    assert here.restart() == []
    assert here.feed(temperature=60.0) == []  # its limit is not known: it neither ends nor begins
    assert here.state.active
    assert [event.active for event in here.feed(**end)] == [False]


def test_an_outer_limit_that_is_not_known_holds_only_what_the_inner_one_allows(site: Make) -> None:
    here = site(spec(sources={"HighHigh": "goal", "High": 50.0}))
    here.feed(goal=90.0, temperature=95.0)
    here.restart()
    assert here.feed(temperature=60.0) == []
    assert here.state.limit_state == "HighHigh"
    assert [event.limit_state for event in here.feed(temperature=40.0)] == [""]


def test_a_suppression_whose_input_is_not_heard_yet_stays_over_a_restart(site: Make) -> None:
    group = SuppressionGroup(name="stopped", inputs=(("state", 0.0),))
    here = site(spec(suppression=(group,)))
    here.feed(state=0, temperature=90.0)
    assert here.state.suppressed
    here.restart()
    here.feed(temperature=91.0)
    assert here.state.suppressed
    here.feed(state=1)
    assert not here.state.suppressed


def test_a_suppression_group_that_is_gone_suppresses_no_more(site: Make) -> None:
    group = SuppressionGroup(name="stopped", inputs=(("state", 0.0),))
    here = site(spec(suppression=(group,)))
    here.feed(state=0, temperature=90.0)
    assert [event.cause for event in here.restart(spec())] == ["unsuppressed"]
    assert not here.state.suppressed


# -- lost


def test_a_delay_ends_when_its_input_is_lost(site: Make) -> None:
    here = site(spec(life=Life(on_delay_s=5.0)))
    here.feed(temperature=90.0)
    here.lose()
    assert here.wait(20) == []
    here.feed(temperature=90.0)
    assert [event.active for event in here.wait(5)] == [True]


def test_an_alarm_whose_input_is_lost_does_not_end_by_its_off_delay(site: Make) -> None:
    here = site(spec(life=Life(off_delay_s=5.0)))
    here.feed(temperature=90.0)
    here.feed(temperature=20.0)
    here.lose()
    here.wait(20)
    assert here.state.active


# -- not new


@pytest.fixture
def rising(site: Make) -> Site:
    """A rate alarm that stands: 20 a second."""
    here = site(spec("exclusive_rate_of_change", sources={"High": 10.0}))
    here.feed(temperature=20.0)
    assert [event.active for event in here.feed(temperature=40.0)] == [True]
    return here


def test_a_rate_is_not_judged_again_on_the_same_value(rising: Site) -> None:
    rising.clock.advance(5)
    assert [event.limits["High"] for event in rising.redeclare(spec(rising.specs[0].kind, sources={"High": 5.0}))] == []
    assert rising.state.active
    rising.act(Verb.DISABLE)
    rising.clock.advance(5)
    assert [event.cause for event in rising.act(Verb.ENABLE)] == ["enabled"]
    assert rising.state.active


def test_a_rate_is_not_judged_by_the_time_of_its_limit(site: Make) -> None:
    here = site(spec("exclusive_rate_of_change", sources={"High": "goal"}))
    here.feed(goal=10.0, temperature=20.0)
    here.feed(temperature=40.0)
    assert here.feed(goal=15.0) == []
    assert here.state.active


def test_values_of_one_batch_are_judged_one_by_one(site: Make) -> None:
    here = site(spec())
    here.clock.advance(3)
    now = here.clock.now()
    events = here.take(*(measured(now - (3 - n) * SECOND, temperature=t) for n, t in enumerate((50.0, 95.0, 50.0))))
    assert [(event.active, event.value, event.time) for event in events] == [
        (True, 95.0, now - 2 * SECOND),
        (False, 50.0, now - SECOND),
    ]


def test_what_the_broker_kept_begins_no_discrepancy(site: Make) -> None:
    here = site(spec("discrepancy", sources={"Target": 50.0, "ExpectedTime": 5.0}))
    here.feed(retained=True, temperature=60.0)
    assert here.wait(20) == []
    here.feed(temperature=60.0)
    assert [event.active for event in here.wait(5)] == [True]


# -- declared otherwise


def test_a_rule_that_judges_another_input_forgets_the_one_before(rising: Site) -> None:
    events = rising.redeclare(spec("exclusive_rate_of_change", parameter="goal", sources={"High": 10.0}))
    assert [event.input_parameter for event in events] == ["goal"]
    assert rising.state.active  # the new input has not been heard
    rising.feed(goal=1_000.0)  # the first value has no rate
    assert rising.state.active
    assert [event.active for event in rising.feed(goal=1_001.0)] == [False]


def test_latch_and_confirm_that_a_rule_gave_are_there_after_a_restart(site: Make) -> None:
    here = site(spec())
    here.feed(temperature=90.0)
    here.feed(temperature=20.0)
    here.act(Verb.ACKNOWLEDGE)
    here.redeclare(spec(life=Life(latch=True, confirm=True)))
    here.restart()
    assert here.state.has_latch
    assert here.state.has_confirm
    here.feed(temperature=90.0)
    here.act(Verb.ACKNOWLEDGE)
    here.feed(temperature=20.0)
    here.act(Verb.CONFIRM)
    assert (here.state.latched, here.state.retain) == (True, True)
    assert [event.cause for event in here.act(Verb.RESET)] == ["reset"]


def test_a_package_that_changed_while_no_server_ran_is_told_at_the_start(site: Make) -> None:
    here = site(spec())
    here.feed(temperature=90.0)
    assert [event.condition_class for event in here.restart()] == []
    (told,) = here.restart(spec(severity={"": 800}))
    assert (told.severity, told.last_severity, told.active) == (800, 500, True)


def test_a_rule_disables_and_enables_an_alarm_that_stands(site: Make) -> None:
    here = site(spec())
    here.feed(temperature=90.0)
    assert [event.cause for event in here.redeclare(spec(life=Life(enabled=False)))] == ["disabled"]
    assert (here.state.enabled, here.state.retain) == (False, False)
    here.feed(temperature=20.0)
    events = here.redeclare(spec())
    assert [(event.cause, event.active) for event in events] == [("enabled", True), ("transition", False)]


def test_an_operators_switch_outlasts_rules_that_do_not_speak_of_it(site: Make) -> None:
    here = site(spec())
    here.feed(temperature=90.0)
    here.act(Verb.DISABLE)
    here.redeclare(spec(sources={"High": 70.0}))
    here.restart()
    assert not here.state.enabled


def test_a_disabled_alarm_is_not_the_first_of_its_group(site: Make) -> None:
    group: dict[str, Any] = {"groups": ("one",), "first_in_group": True}
    here = site(spec(**group), spec("discrete", name="b", parameter="state", sources={"Active": 2.0}, **group))
    assert [event.first_in_group for event in here.feed(temperature=90.0)] == [True]
    here.act(Verb.DISABLE)
    assert [event.first_in_group for event in here.feed(state=2)] == [True]
    here.feed(state=1)
    here.act(Verb.ENABLE)
    assert [event.first_in_group for event in here.feed(state=2)] == [False]


# -- who, and since when


def test_the_comment_keeps_its_author_whoever_acts_without_one(site: Make) -> None:
    here = site(spec())
    here.feed(temperature=90.0)
    (said,) = here.act(Verb.COMMENT, "look at the valve", "olga")
    assert (said.comment_user, said.user) == ("olga", "olga")
    (acked,) = here.act(Verb.ACKNOWLEDGE, None, "ivan")
    assert (acked.comment, acked.comment_user, acked.user) == ("look at the valve", "olga", "ivan")
    (over,) = here.feed(temperature=20.0)
    assert (over.comment_user, over.user) == ("olga", "")


def test_a_re_alarm_is_no_new_activation_and_keeps_its_beat_over_a_restart(site: Make) -> None:
    here = site(spec(life=Life(re_alarm_s=60.0)))
    (raised,) = here.feed(temperature=90.0)
    (again,) = here.wait(60)
    assert (again.active_time, again.annunciated) == (raised.time, raised.time + 60 * SECOND)
    here.wait(10)
    here.restart()
    assert here.wait(49) == []
    (third,) = here.wait(1)
    assert (third.re_alarms, third.active_time) == (2, raised.time)
    here.clock.advance(205)
    here.restart()
    (late,) = here.wait(0)  # three beats went by unseen: one re-alarm
    assert (late.re_alarms, late.annunciated) == (3, raised.time + 300 * SECOND)
    assert [event.re_alarms for event in here.wait(35)] == [4]


def test_a_mistake_in_one_condition_leaves_the_others_judged(site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    here = site(spec(), spec("discrete", name="b", sources={"Active": 90.0}))
    here.feed(temperature=20.0)

    def broken(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("server.alarms.limits.Limits.level", broken)
    assert [event.name for event in here.feed(temperature=90.0)] == ["b"]
    assert here.engine.failures == 1


def test_timers_that_were_moved_do_not_pile_up(site: Make) -> None:
    here = site(spec(life=Life(re_alarm_s=36_000.0)))
    for _ in range(6_000):
        here.feed(temperature=90.0)
        here.feed(temperature=20.0)
    assert len(here.engine._timers) < 3_000
