"""Plant.apply decides what is live, late or refused."""

from __future__ import annotations

import pytest

from server.core import status
from server.core.clock import SECOND, ManualClock
from server.core.errors import NotFoundError
from server.core.values import ChangeKind, DeviceId, UpdateKind
from tests.kit.plant import measured, pump_type, small_plant


def test_first_message_creates_the_device_and_its_value_is_live(clock: ManualClock) -> None:
    plant = small_plant()
    applied = plant.apply(measured(clock.now(), temperature=41.5), clock.now())
    assert [change.kind for change in applied.changes] == [ChangeKind.DEVICE_ADDED]
    assert [(u.parameter, u.value, u.kind) for u in applied.updates] == [("temperature", 41.5, UpdateKind.LIVE)]
    assert plant.device("pump-1").points["temperature"].value == 41.5
    # Control: what was not in the message still waits.
    assert plant.device("pump-1").points["note"].status == status.BAD_WAITING_FOR_INITIAL_DATA


def test_backfilled_value_goes_to_history_only(clock: ManualClock) -> None:
    # A loom that lost its link sends its buffer after newer live rows (plant.md L1).
    plant = small_plant()
    plant.apply(measured(clock.now(), temperature=41.5), clock.now())
    late = plant.apply(measured(clock.now() - 60 * SECOND, temperature=99.0), clock.now())
    assert [u.kind for u in late.updates] == [UpdateKind.LATE]
    assert plant.device("pump-1").points["temperature"].value == 41.5


def test_redelivered_message_reaches_history_again_but_not_the_live_value(clock: ManualClock) -> None:
    # After a crash before the durable commit the broker delivers again: dropping it here would lose it.
    plant = small_plant()
    plant.apply(measured(clock.now(), temperature=41.5), clock.now())
    again = plant.apply(measured(clock.now(), temperature=41.5), clock.now())
    assert [u.kind for u in again.updates] == [UpdateKind.LATE]
    assert plant.counters.repeated == 1


@pytest.mark.parametrize("device", ["Test", "Plant", "Fieldloom", "a b", "x" * 65, "", "a/b", "ü"])
def test_reserved_and_malformed_ids_are_refused_and_counted(device: str, clock: ManualClock) -> None:
    plant = small_plant()
    applied = plant.apply(measured(clock.now(), device, temperature=1.0), clock.now())
    assert applied.refused == "bad_device_id"
    assert not plant.devices
    assert plant.counters.refused["bad_device_id"] == 1


def test_same_id_under_another_type_is_refused(clock: ManualClock) -> None:
    plant = small_plant()
    plant.install(pump_type("fan"))
    plant.apply(measured(clock.now(), temperature=1.0), clock.now())
    applied = plant.apply(measured(clock.now() + 1, type_id="fan", temperature=2.0), clock.now())
    assert applied.refused == "other_type"
    assert plant.device("pump-1").points["temperature"].value == 1.0


def test_device_limit_refuses_new_devices_only(clock: ManualClock) -> None:
    plant = small_plant(max_devices=1)
    plant.apply(measured(clock.now(), temperature=1.0), clock.now())
    assert plant.apply(measured(clock.now(), "pump-2", temperature=1.0), clock.now()).refused == "too_many_devices"
    assert plant.apply(measured(clock.now() + 1, temperature=2.0), clock.now()).refused == ""


def test_time_from_the_future_is_refused_beyond_the_tolerance(clock: ManualClock) -> None:
    plant = small_plant(future_tolerance_s=60)
    refused = plant.apply(measured(clock.now() + 61 * SECOND, temperature=1.0), clock.now())
    assert refused.refused == "future_time"
    assert plant.apply(measured(clock.now() + 59 * SECOND, temperature=1.0), clock.now()).refused == ""


def test_silence_decays_to_uncertain_then_bad_and_a_new_message_heals(clock: ManualClock) -> None:
    plant = small_plant()
    first = clock.now()
    plant.apply(measured(first, temperature=41.5, limit_high=70.0), first)
    clock.advance(5.5)
    stale = plant.decay(clock.now())
    assert [(u.parameter, u.status, u.value, u.source_time, u.kind) for u in stale] == [
        ("temperature", status.UNCERTAIN_LAST_USABLE_VALUE, 41.5, first, UpdateKind.STALE)
    ]  # the limit is no measured value: it does not age
    assert plant.decay(clock.now()) == []
    clock.advance(25)
    assert [u.status for u in plant.decay(clock.now())] == [status.BAD_NO_COMMUNICATION]
    assert plant.device("pump-1").silent
    plant.apply(measured(clock.now(), temperature=41.6), clock.now())
    assert plant.device("pump-1").points["temperature"].status == status.GOOD
    assert not plant.device("pump-1").silent


def test_retained_message_does_not_make_a_device_heard(clock: ManualClock) -> None:
    plant = small_plant()
    plant.apply(measured(clock.now(), retained=True, limit_high=70.0), clock.now())
    assert plant.device("pump-1").silent
    assert plant.device("pump-1").limit_value("limit_high") == 70.0
    # Control: what the device never told is judged by the EDD's default.
    assert plant.device("pump-1").limit_value("limit_high_high") == 100.0


def test_echo_time_follows_a_device_clock_that_is_behind(clock: ManualClock) -> None:
    plant = small_plant()
    behind = clock.now() - 3600 * SECOND
    message = measured(behind, temperature=1.0)
    plant.apply(
        type(message)(**{**{f: getattr(message, f) for f in message.__slots__}, "received_at": clock.now()}),
        clock.now(),
    )
    assert plant.echo_time(plant.device("pump-1"), clock.now() + SECOND) == behind + SECOND


def test_new_type_version_keeps_values_of_unchanged_type(clock: ManualClock) -> None:
    plant = small_plant()
    plant.apply(measured(clock.now(), temperature=41.5), clock.now())
    changes = plant.install(pump_type())
    assert [change.kind for change in changes] == [
        ChangeKind.TYPE_CHANGED,
        ChangeKind.DEVICE_CHANGED,
    ]
    assert plant.device("pump-1").points["temperature"].value == 41.5


def test_uninstall_removes_the_devices_and_unknown_types_are_named(clock: ManualClock) -> None:
    plant = small_plant()
    plant.apply(measured(clock.now(), temperature=41.5), clock.now())
    plant.uninstall("pump")
    assert not plant.devices
    with pytest.raises(NotFoundError, match="pump"):
        plant.uninstall("pump")
    assert plant.apply(measured(clock.now(), temperature=1.0), clock.now()).refused == "unknown_type"


def test_restore_needs_the_type(clock: ManualClock) -> None:
    plant = small_plant()
    assert plant.restore(DeviceId("pump-9"), "pump", ("north",), clock.now()) is not None
    assert plant.device("pump-9").path == ("north",)
    assert plant.restore(DeviceId("fan-1"), "fan", ("north",), clock.now()) is None
