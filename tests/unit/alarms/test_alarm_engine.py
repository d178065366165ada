"""The engine judges values once and keeps every condition's state."""

from __future__ import annotations

from itertools import count

import pytest

from server.alarms.engine import AlarmEngine
from server.core import status
from server.core.clock import SECOND, ManualClock
from server.core.errors import NotFoundError, RemoteError
from server.core.values import AlarmEvent, ChangeKind, ModelChange
from server.model.plant import Plant
from tests.kit.plant import measured, small_plant

TEMPERATURE = "pump-1/Alarms/temperature"
TRIP = "pump-1/Alarms/Trip"


class Bench:
    """A plant and an engine that are fed by hand."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.plant: Plant = small_plant()
        numbers = count(1)
        self.engine = AlarmEngine(self.plant, event_id=lambda: next(numbers).to_bytes(16, "big"))
        self.engine.model_changed(ModelChange(ChangeKind.TYPE_ADDED, "pump"))

    def feed(self, *, retained: bool = False, **values: float) -> list[AlarmEvent]:
        self.clock.advance(1)
        applied = self.plant.apply(measured(self.clock.now(), retained=retained, **values), self.clock.now())
        return self.engine.judge(applied.updates)

    def level(self, value: float) -> str:
        events = self.feed(temperature=value)
        return events[-1].limit_state if events else "-"


@pytest.fixture
def bench(clock: ManualClock) -> Bench:
    return Bench(clock)


def test_value_climbs_through_the_limits_and_back(bench: Bench) -> None:
    # Limits: low 10, high 80, high-high 100; the limit itself is still normal (OPC 10000-9 5.8.18).
    steps = [(50, "-"), (80, "-"), (80.1, "High"), (90, "-"), (100.1, "HighHigh"), (99, "High"), (70, ""), (9.9, "Low")]
    assert [(value, bench.level(value)) for value, _ in steps] == steps


def test_activation_fills_the_event(bench: Bench) -> None:
    (event,) = bench.feed(temperature=85.0)
    assert (event.active, event.acked, event.retain, event.severity) == (True, False, True, 500)
    assert event.message == "pump-1: Temperature 85 °C is above the high limit 80 °C"
    assert event.limits == {"HighHigh": 100.0, "High": 80.0, "Low": 10.0}
    assert event.time == event.active_time == bench.clock.now()
    (worse,) = bench.feed(temperature=101.0)
    assert (worse.severity, worse.last_severity) == (800, 500)
    assert worse.active_time == event.active_time


def test_acknowledged_alarm_stays_until_it_clears_and_then_is_gone(bench: Bench) -> None:
    (event,) = bench.feed(temperature=85.0)
    bench.clock.advance(1)
    acked = bench.engine.acknowledge(TEMPERATURE, event.event_id, "seen", "olga", bench.clock.now())
    assert (acked.acked, acked.active, acked.retain, acked.comment, acked.comment_user) == (
        True,
        True,
        True,
        "seen",
        "olga",
    )
    assert acked.event_id != event.event_id
    (clear,) = bench.feed(temperature=50.0)
    assert (clear.active, clear.retain) == (False, False)
    assert bench.engine.retained() == []


def test_unacknowledged_alarm_is_retained_after_it_clears(bench: Bench) -> None:
    bench.feed(temperature=85.0)
    (clear,) = bench.feed(temperature=50.0)
    assert (clear.active, clear.retain) == (False, True)
    assert [event.condition_id for event in bench.engine.retained()] == [TEMPERATURE]
    last = bench.engine.acknowledge(TEMPERATURE, None, "", "olga", bench.clock.now())
    assert last.retain is False


def test_a_worse_level_asks_for_a_new_acknowledgement_a_better_one_does_not(bench: Bench) -> None:
    bench.feed(temperature=85.0)
    bench.engine.acknowledge(TEMPERATURE, None, "", "olga", bench.clock.now())
    assert [event.acked for event in bench.feed(temperature=105.0)] == [False]
    bench.engine.acknowledge(TEMPERATURE, None, "", "olga", bench.clock.now())
    assert [event.acked for event in bench.feed(temperature=85.0)] == [True]


def test_old_event_id_is_refused_after_the_state_moved_on(bench: Bench) -> None:
    # OPC 10000-9 5.7.3: the operator must have seen what he acknowledges.
    (first,) = bench.feed(temperature=85.0)
    bench.feed(temperature=105.0)
    with pytest.raises(RemoteError) as caught:
        bench.engine.acknowledge(TEMPERATURE, first.event_id, "", "olga", bench.clock.now())
    assert caught.value.status == status.BAD_EVENT_ID_UNKNOWN


def test_a_comment_does_not_make_the_alarms_own_event_id_old(bench: Bench) -> None:
    (first,) = bench.feed(temperature=85.0)
    commented = bench.engine.comment(TEMPERATURE, first.event_id, "looking", "olga", bench.clock.now())
    assert (commented.comment, commented.acked) == ("looking", False)
    assert bench.engine.acknowledge(TEMPERATURE, first.event_id, "", "olga", bench.clock.now()).comment == "looking"


def test_second_acknowledgement_and_unknown_alarms_are_refused(bench: Bench) -> None:
    bench.feed(temperature=85.0)
    bench.engine.acknowledge(TEMPERATURE, None, "", "olga", bench.clock.now())
    with pytest.raises(RemoteError) as again:
        bench.engine.acknowledge(TEMPERATURE, None, "", "olga", bench.clock.now())
    assert again.value.status == status.BAD_CONDITION_BRANCH_ALREADY_ACKED
    with pytest.raises(RemoteError) as early:
        bench.engine.acknowledge(TRIP, b"x", "", "olga", bench.clock.now())
    assert early.value.status == status.BAD_EVENT_ID_UNKNOWN
    with pytest.raises(NotFoundError):
        bench.engine.acknowledge("pump-7/Alarms/Trip", None, "", "olga", bench.clock.now())


def test_retained_message_raises_no_alarm_but_the_next_live_value_does(bench: Bench) -> None:
    bench.feed(temperature=50.0)
    assert bench.feed(retained=True, temperature=120.0) == []
    assert [event.limit_state for event in bench.feed(temperature=121.0)] == ["HighHigh"]


def test_changed_limit_is_judged_at_once(bench: Bench) -> None:
    bench.feed(temperature=70.0)
    assert [event.limit_state for event in bench.feed(limit_high=60.0)] == ["High"]
    assert [event.active for event in bench.feed(limit_high=75.0)] == [False]


def test_bad_and_late_values_are_not_judged(bench: Bench) -> None:
    bench.feed(temperature=50.0)
    late = measured(bench.clock.now() - 10 * SECOND, temperature=120.0)
    assert bench.engine.judge(bench.plant.apply(late, bench.clock.now()).updates) == []


def test_trip_follows_the_enumeration(bench: Bench) -> None:
    assert bench.feed(state=1) == []
    (tripped,) = bench.feed(state=2)
    assert (tripped.condition_id, tripped.kind, tripped.severity, tripped.active) == (TRIP, "trip", 900, True)
    assert bench.feed(state=2) == []
    (over,) = bench.feed(state=0)
    assert over.active is False


def test_restart_restores_state_and_the_old_event_id_still_counts(bench: Bench) -> None:
    (event,) = bench.feed(temperature=85.0)
    second = AlarmEngine(bench.plant)
    second.model_changed(ModelChange(ChangeKind.TYPE_ADDED, "pump"))
    assert second.restore([event]) == 1
    assert second.retained() == [event]
    # Still above its limit: the same alarm, not a new one.
    bench.clock.advance(1)
    update = bench.plant.apply(measured(bench.clock.now(), temperature=86.0), bench.clock.now()).updates
    assert second.judge(update) == []
    assert second.acknowledge(TEMPERATURE, event.event_id, "", "olga", bench.clock.now()).acked


def test_initial_state_is_inactive_and_acknowledged(bench: Bench) -> None:
    bench.feed(note="x")  # type: ignore[arg-type]
    state = bench.engine.state(TEMPERATURE)
    assert state is not None
    assert (state.active, state.acked, state.retain, state.event_id) == (False, True, False, b"")
    assert bench.engine.state("pump-1/Alarms/none") is None
    assert bench.engine.condition_ids("pump-1") == [TEMPERATURE, TRIP]
