"""Device health alarms: one for each NE 107 class that has bits (OPC 10000-100)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from server.alarms.conditions.device_health import CLASSES, DeviceHealthAlarm, health_alarms
from server.alarms.engine import AlarmEngine
from server.core import status
from server.core.clock import ManualClock
from server.core.texts import Texts
from server.core.values import AlarmEvent, ChangeKind, DeviceId, Measurement, ModelChange, Scalar
from server.model.device_type import DataType, DeviceType, HealthSpec
from server.model.plant import Plant
from tests.kit.plant import parameter, pump_type

FAILURE, CHECK, OFF_SPEC, MAINTENANCE = 1, 2, 3, 4
BITS = (
    HealthSpec("flags", 0x01, FAILURE, Texts.of("Motor broken", ru="Двигатель сломан")),
    HealthSpec("flags", 0x02, OFF_SPEC, Texts.of("Too hot")),
    HealthSpec("flags", 0x0C, FAILURE, Texts.of("Both windings open")),
    HealthSpec("more", 0x01, FAILURE, Texts.of("Seal leaks")),
    HealthSpec("more", 0x80, MAINTENANCE, Texts.of("Oil is old")),
)


def flagged_type() -> DeviceType:
    pump = pump_type()
    flags = {name: parameter(name, DataType.UINT16, edd_type="BIT_ENUMERATED") for name in ("flags", "more")}
    return replace(pump, parameters={**pump.parameters, **flags}, health=BITS)


class Bench:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.plant = Plant()
        self.plant.install(flagged_type())
        numbers = count(1)
        self.engine = AlarmEngine(self.plant, event_id=lambda: next(numbers).to_bytes(16, "big"))
        self.engine.model_changed(ModelChange(ChangeKind.TYPE_ADDED, "pump"), clock.now())

    def feed(self, *, code: int = status.GOOD, retained: bool = False, **values: Scalar) -> list[AlarmEvent]:
        self.clock.advance(1)
        now = self.clock.now()
        rows = tuple((name, value, code) for name, value in values.items())
        measurement = Measurement("pump", DeviceId("pump-1"), rows, now, now, retained=retained)
        return self.engine.judge(self.plant.apply(measurement, now).updates)

    def update(self, device_type: DeviceType) -> list[AlarmEvent]:
        self.clock.advance(1)
        found: list[AlarmEvent] = []
        for change in self.plant.replacing(device_type).steps():
            found += self.engine.model_changed(change, self.clock.now())
        return found


@pytest.fixture
def bench(clock: ManualClock) -> Bench:
    return Bench(clock)


def test_each_class_has_its_name_and_severity() -> None:
    # The severities are the project's choice of di.md, section 4.
    found = {each.name: (each.health, each.severity) for each in CLASSES}
    assert found == {
        "Failure": (1, 900),
        "CheckFunction": (2, 500),
        "OffSpec": (3, 600),
        "MaintenanceRequired": (4, 300),
    }


def test_only_classes_that_have_bits_make_a_condition() -> None:
    assert [alarm.name for alarm in health_alarms(BITS)] == ["Failure", "OffSpec", "MaintenanceRequired"]


def test_a_set_bit_activates_the_alarm_of_its_class_and_is_named(bench: Bench) -> None:
    (event,) = bench.feed(flags=0x01)
    assert (event.condition_id, event.kind, event.severity) == ("pump-1/Alarms/Failure", "failure", 900)
    assert (event.active, event.acked, event.retain) == (True, False, True)
    assert event.message == "pump-1: failure: Motor broken"


def test_no_bit_is_no_alarm(bench: Bench) -> None:
    assert bench.feed(flags=0, more=0) == []


def test_a_mask_of_several_bits_needs_all_of_them(bench: Bench) -> None:
    assert bench.feed(flags=0x04) == []
    assert [event.message for event in bench.feed(flags=0x0C)] == ["pump-1: failure: Both windings open"]


def test_bits_of_one_class_share_one_alarm_whatever_parameter_carries_them(bench: Bench) -> None:
    first, second = bench.feed(flags=0x01)[0], bench.feed(more=0x01)[0]
    assert second.condition_id == first.condition_id
    assert second.message == "pump-1: failure: Motor broken, Seal leaks"


def test_a_further_bit_asks_for_a_new_acknowledgement_one_less_does_not(bench: Bench) -> None:
    event = bench.feed(flags=0x01)[0]
    bench.engine.acknowledge(event.condition_id, event.event_id, "", "olga", bench.clock.now())
    more = bench.feed(flags=0x0D)[0]
    assert not more.acked
    bench.engine.acknowledge(more.condition_id, more.event_id, "", "olga", bench.clock.now())
    less = bench.feed(flags=0x0C)[0]
    assert (less.active, less.acked) == (True, True)
    assert less.message == "pump-1: failure: Both windings open"


def test_the_same_bits_again_are_no_news(bench: Bench) -> None:
    bench.feed(flags=0x01)
    assert bench.feed(flags=0x01) == []


def test_the_last_bit_ends_the_alarm(bench: Bench) -> None:
    bench.feed(flags=0x03)
    ended = {event.name: event for event in bench.feed(flags=0)}
    assert set(ended) == {"Failure", "OffSpec"}
    assert all(not event.active and event.retain for event in ended.values())
    assert ended["OffSpec"].message == "pump-1: out of specification is over"


@pytest.mark.parametrize(
    "feed",
    [
        lambda bench: bench.feed(flags=0x01, retained=True),
        lambda bench: bench.feed(flags=0x01, code=status.BAD_SENSOR_FAILURE),
    ],
    ids=["retained", "bad"],
)
def test_what_says_nothing_of_now_raises_no_alarm(bench: Bench, feed: Callable[[Bench], list[AlarmEvent]]) -> None:
    assert feed(bench) == []


def test_one_parameter_without_a_value_does_not_hide_the_other(bench: Bench) -> None:
    # `flags` was never told; it is the alarm's first input.
    assert [event.message for event in bench.feed(more=0x01)] == ["pump-1: failure: Seal leaks"]


def test_a_version_without_the_bits_ends_the_alarm(bench: Bench) -> None:
    bench.feed(flags=0x01)
    (event,) = bench.update(replace(flagged_type(), version="2.0.0", health=()))
    assert (event.name, event.retain) == ("Failure", False)


def test_a_version_that_judges_a_bit_otherwise_moves_the_alarm(bench: Bench) -> None:
    bench.feed(flags=0x02)
    bits = tuple(replace(bit, health=CHECK) if bit.health == OFF_SPEC else bit for bit in BITS)
    found = {event.name: event.active for event in bench.update(replace(flagged_type(), health=bits))}
    assert found == {"OffSpec": False, "CheckFunction": True}


def test_conditions_compare_by_their_rules() -> None:
    one, other = health_alarms(BITS)[0], health_alarms(BITS)[0]
    assert one == other
    assert hash(one) == hash(other)
    assert one != DeviceHealthAlarm(CLASSES[0], BITS[:1])
    assert one != "Failure"
