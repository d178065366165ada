"""Another version of a device type: which conditions end, which are judged anew, which are left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from server.alarms.engine import AlarmEngine
from server.core.clock import ManualClock
from server.core.texts import Texts
from server.core.values import AlarmEvent, ChangeKind, ModelChange
from server.model.alarm_spec import exclusive_limit, trip
from server.model.device_type import DeviceType
from tests.kit.plant import measured, pump_type, small_plant

TEMPERATURE = "pump-1/Alarms/temperature"
TRIP = "pump-1/Alarms/Trip"


class Bench:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.plant = small_plant()
        numbers = count(1)
        self.engine = AlarmEngine(self.plant, event_id=lambda: next(numbers).to_bytes(16, "big"))
        self.engine.model_changed(ModelChange(ChangeKind.TYPE_ADDED, "pump"), clock.now())

    def feed(self, *, retained: bool = False, **values: float) -> list[AlarmEvent]:
        self.clock.advance(1)
        applied = self.plant.apply(measured(self.clock.now(), retained=retained, **values), self.clock.now())
        return self.engine.judge(applied.updates)

    def update(self, device_type: DeviceType) -> list[AlarmEvent]:
        self.clock.advance(1)
        found: list[AlarmEvent] = []
        for change in self.plant.replacing(device_type).steps():
            found += self.engine.model_changed(change, self.clock.now())
        return found

    def remove(self) -> list[AlarmEvent]:
        found: list[AlarmEvent] = []
        for change in self.plant.uninstall("pump"):
            found += self.engine.model_changed(change, self.clock.now())
        return found


@pytest.fixture
def bench(clock: ManualClock) -> Bench:
    return Bench(clock)


def same(pump: DeviceType) -> DeviceType:
    return replace(pump, version="2.0.0", label=Texts.of("Other name"))


def without_trip(pump: DeviceType) -> DeviceType:
    return replace(pump, alarms=pump.alarms[:1])


def lower_limit(pump: DeviceType) -> DeviceType:
    # The limit stands in a parameter that the device has not told: its DEFAULT_VALUE counts.
    spec = replace(pump.parameters["limit_high"], default_value=60.0)
    return replace(pump, parameters={**pump.parameters, "limit_high": spec})


def other_condition(pump: DeviceType) -> DeviceType:
    return replace(
        pump, alarms=(replace(pump.alarms[0], sources={"HighHigh": 70.0, "High": "limit_high"}), *pump.alarms[1:])
    )


def trip_by_temperature(pump: DeviceType) -> DeviceType:
    limit = exclusive_limit(parameter="temperature", label=Texts.of("Hot"), high=90.0)
    odd = trip(name="temperature", parameter="state", tripped_value=1, label=Texts.of("Odd"))
    return replace(pump, alarms=(odd,)) if len(pump.alarms) > 1 else replace(pump, alarms=(limit,))


def test_conditions_that_stay_are_left_alone(bench: Bench) -> None:
    bench.feed(temperature=85.0, state=2)
    acked = bench.engine.acknowledge(TEMPERATURE, None, "seen", "olga", bench.clock.now())
    trip = bench.engine.state(TRIP)
    assert bench.update(same(pump_type())) == []
    assert bench.engine.state(TEMPERATURE) == acked  # acknowledged stays acknowledged, and the comment too
    assert bench.engine.state(TRIP) == trip
    (over,) = bench.feed(temperature=70.0)
    assert (over.condition_id, over.active, over.retain) == (TEMPERATURE, False, False)


def test_a_condition_that_is_gone_ends_once(bench: Bench) -> None:
    bench.feed(state=2, temperature=20.0)
    (ended,) = bench.update(without_trip(pump_type()))
    assert (ended.condition_id, ended.active, ended.acked, ended.retain, ended.enabled) == (
        TRIP,
        False,
        True,
        False,
        False,
    )
    assert (ended.time, ended.severity, ended.last_severity) == (bench.clock.now(), 900, 0)
    assert ended.event_id != b""
    assert bench.engine.retained() == []
    assert bench.engine.state(TRIP) is None
    assert bench.engine.condition_ids("pump-1") == [TEMPERATURE]
    assert bench.feed(state=2) == []


def test_a_condition_that_was_normal_goes_without_a_word(bench: Bench) -> None:
    bench.feed(state=0, temperature=20.0)
    assert bench.update(without_trip(pump_type())) == []


def test_a_condition_that_comes_back_begins_anew(bench: Bench) -> None:
    bench.feed(state=2, temperature=20.0)
    bench.update(without_trip(pump_type()))
    (event,) = bench.update(pump_type())
    assert (event.condition_id, event.active, event.acked, event.time) == (TRIP, True, False, bench.clock.now())


@pytest.mark.parametrize(
    ("change", "value", "level"),
    [
        (lower_limit, 65.0, "High"),  # the limit is another one: 60
        (lower_limit, 55.0, "-"),
        (other_condition, 75.0, "HighHigh"),
        (other_condition, 5.0, ""),  # was Low: that limit is gone
        (same, 75.0, "-"),
    ],
)
def test_changed_conditions_are_judged_on_the_present_value(
    bench: Bench, change: Callable[[DeviceType], DeviceType], value: float, level: str
) -> None:
    bench.feed(temperature=value)
    events = bench.update(change(pump_type()))
    assert [event.limit_state for event in events] == ([level] if level != "-" else [])
    assert all(event.value == value for event in events)


def test_a_condition_of_another_kind_is_another_condition(bench: Bench) -> None:
    bench.feed(temperature=85.0, state=1)
    ended, began = bench.update(trip_by_temperature(pump_type()))
    assert (ended.condition_id, ended.kind, ended.retain) == (TEMPERATURE, "exclusive_limit", False)
    assert (began.condition_id, began.kind, began.active) == (TEMPERATURE, "trip", True)


def test_a_retained_value_starts_no_alarm_because_of_an_update(bench: Bench) -> None:
    # Retained ones never activate by themselves; an unchanged condition is not asked again.
    assert bench.feed(retained=True, temperature=85.0) == []
    assert bench.update(same(pump_type())) == []


def test_a_device_that_has_said_nothing_raises_nothing(bench: Bench) -> None:
    bench.feed(state=0)
    assert bench.update(lower_limit(pump_type())) == []


def test_alarms_of_a_device_that_goes_end_with_it(bench: Bench) -> None:
    # Nobody could acknowledge or clear them any more: the device is not there.
    trip, hot = bench.feed(temperature=85.0, state=2)[::-1]
    bench.engine.acknowledge(hot.condition_id, None, "seen", "olga", bench.clock.now())
    bench.clock.advance(1)
    ended = bench.remove()
    assert {(event.condition_id, event.active, event.acked, event.retain, event.enabled) for event in ended} == {
        (TEMPERATURE, False, True, False, False),
        (TRIP, False, True, False, False),
    }
    assert {event.time for event in ended} == {bench.clock.now()}
    assert len({event.event_id for event in (*ended, trip, hot)}) == 4
    assert "the device was removed" in ended[0].message
    assert (bench.engine.retained(), bench.engine.state(TRIP)) == ([], None)


def test_a_device_that_goes_quietly_ends_nothing(bench: Bench) -> None:
    bench.feed(temperature=85.0, state=0)
    bench.engine.acknowledge(TEMPERATURE, None, "", "olga", bench.clock.now())
    bench.feed(temperature=20.0)
    assert bench.remove() == []


def test_a_device_that_comes_back_is_judged_anew(bench: Bench) -> None:
    bench.feed(temperature=85.0)
    bench.remove()
    for change in bench.plant.install(pump_type()):
        bench.engine.model_changed(change, bench.clock.now())
    (event,) = bench.feed(temperature=85.0)
    assert (event.condition_id, event.active, event.acked, event.comment) == (TEMPERATURE, True, False, "")


def test_a_restart_ends_what_nobody_could_clear(bench: Bench) -> None:
    # Its package was removed while no server ran; what ended before is not told again.
    hot, trip = bench.feed(temperature=85.0, state=2)
    done = bench.engine.acknowledge(TEMPERATURE, None, "", "olga", bench.clock.now())
    bench.plant.uninstall("pump")
    second = AlarmEngine(bench.plant)
    lost = second.lost([hot, trip, replace(done, retain=False)], bench.clock.now())
    assert [(event.condition_id, event.retain, event.active) for event in lost] == [
        (TEMPERATURE, False, False),
        (TRIP, False, False),
    ]
    assert second.restore([hot, trip]) == 0
    assert second.retained() == []
    assert second.lost(lost, bench.clock.now()) == []


def test_a_restart_forgets_conditions_that_a_known_device_no_longer_has(bench: Bench) -> None:
    # Its package was replaced while no server ran: nothing could ever clear it.
    events = bench.feed(temperature=85.0, state=2)
    assert len(events) == 2
    bench.update(without_trip(pump_type()))
    second = AlarmEngine(bench.plant)
    second.model_changed(ModelChange(ChangeKind.TYPE_ADDED, "pump"))
    assert second.restore(events) == 1
    assert [event.condition_id for event in second.retained()] == [TEMPERATURE]
