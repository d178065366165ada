"""The devices behave like the plant: repeatable by seed, inside the plant's ranges, consistent in themselves."""

from __future__ import annotations

import json
import math

import pytest

from simulator import fleet
from simulator.device import CommandRejectedError, Device
from simulator.devices.asset import RANGES, Asset
from simulator.devices.breaker import Breaker
from simulator.devices.engine import Engine
from simulator.devices.loom import Loom
from simulator.environment import inputs_at, load_at
from simulator.inputs import Inputs

START_US = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z


def run(device: Device, seconds: int, inputs: Inputs | None = None) -> dict[str, float | int | bool]:
    readings = device.readings()
    for second in range(seconds):
        readings = device.step(1.0, inputs or inputs_at(START_US + second * 1_000_000))
    return readings


def one_of_each(seed: int) -> list[Device]:
    return fleet.build({"engine": 1, "breaker": 1, "loom": 1, "asset": 1, "sensor": 1}, seed)


def test_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def bytes_of(seed: int) -> list[bytes]:
        return [device.payload(run(device, 50), START_US) for device in one_of_each(seed)]

    assert bytes_of(7) == bytes_of(7)
    assert all(a != b for a, b in zip(bytes_of(7), bytes_of(8), strict=True))


def test_load_curve_has_its_peaks_by_day_and_its_valley_by_night() -> None:
    by_hour = [load_at(hour * 3600.0) for hour in range(24)]
    assert all(0.5 <= load <= 1.0 for load in by_hour)
    assert max(range(24), key=by_hour.__getitem__) in (10, 19)
    assert min(range(24), key=by_hour.__getitem__) in range(1, 5)


def test_a_day_of_every_asset_stays_in_the_ranges_of_the_plant() -> None:
    # Ranges of the plant's sheet, P: 60-120 °C, 1-10 bar, 100-500 kW, 50-200 units/h.
    assert RANGES["temperature"] == (60.0, 120.0) and RANGES["production_output"] == (50.0, 200.0)
    for device in fleet.build({"asset": 16}, seed=3):
        for minute in range(0, 1440, 5):
            readings = device.step(300.0, inputs_at(START_US + minute * 60_000_000))
            for name, (low, high) in RANGES.items():
                assert low <= float(readings[name]) <= high, (device.device_id, name, readings[name])


def test_output_of_an_asset_follows_its_power() -> None:
    asset = Asset("power-station-alpha", "turbine-a", "turbine", seed=1)
    quiet = run(asset, 900, Inputs(load=0.55))
    busy = run(asset, 900, Inputs(load=0.95))
    assert float(busy["power_consumption"]) > float(quiet["power_consumption"]) + 50.0
    assert float(busy["production_output"]) > float(quiet["production_output"]) + 15.0


def test_power_of_a_breaker_is_voltage_times_current_times_factor() -> None:
    # The recorded sample of the source system: mean of the phases, 6094.73 VA from 117.27*69.94, 112.34*33.83, …
    readings = {name: float(value) for name, value in run(Breaker("breaker-001", 5), 30).items()}
    apparent = sum(readings[f"voltage_phase_{p}"] * readings[f"current_phase_{p}"] for p in "abc") / 3.0
    assert readings["power_apparent"] == pytest.approx(apparent)
    assert readings["power_active"] == pytest.approx(apparent * readings["power_factor"])
    assert math.hypot(readings["power_active"], readings["power_reactive"]) == pytest.approx(apparent)
    assert all(105.0 < readings[f"voltage_phase_{p}"] < 125.0 for p in "abc")


@pytest.mark.parametrize("seed", range(20))
def test_no_breaker_and_no_engine_trips_by_itself_during_a_healthy_day(seed: int) -> None:
    for device in (Breaker("breaker-001", seed), Engine("gpu-1", seed)):
        for minute in range(1440):
            readings = device.step(60.0, inputs_at(START_US + minute * 60_000_000))
            assert readings.get("status_breaker", readings.get("status")) == 1


def test_overcurrent_opens_the_breaker_after_its_delay_and_no_current_flows() -> None:
    breaker = Breaker("breaker-001", 2)
    trips = breaker.readings()["protection_trip_count"]
    overload = Inputs(load=0.7, overload=2.5)
    assert breaker.step(1.0, overload)["status_breaker"] == 1
    assert breaker.step(1.0, overload)["status_breaker"] == 1
    after = breaker.step(1.0, overload)
    assert after["status_breaker"] == 2
    assert after["status_position"] == 0
    assert after["protection_trip_count"] == int(trips) + 1
    assert [after[f"current_phase_{p}"] for p in "abc"] == [0.0, 0.0, 0.0]
    assert after["power_active"] == 0.0
    # It stays open, counts once, although the overload goes on.
    assert run(breaker, 30, overload)["protection_trip_count"] == int(trips) + 1


def test_a_raised_overcurrent_threshold_lets_the_same_current_pass() -> None:
    breaker = Breaker("breaker-001", 2)
    breaker.execute("set_threshold", {"name": "threshold_overcurrent", "value": 200.0})
    assert run(breaker, 30, Inputs(load=0.7, overload=2.5))["status_breaker"] == 1


def test_current_to_ground_opens_the_breaker_at_once() -> None:
    assert Breaker("breaker-001", 2).step(1.0, Inputs(leakage_a=1.0))["status_breaker"] == 2
    assert Breaker("breaker-001", 2).step(1.0, Inputs(leakage_a=0.3))["status_breaker"] == 1


@pytest.mark.parametrize("load", [0.55, 0.75, 0.93])
def test_an_engine_without_most_of_its_cooling_passes_both_limits_at_any_hour_and_recovers(load: float) -> None:
    # 500 and 520 °C are the plant's warning and critical limits of the exhaust.
    engine = Engine("gpu-2", 0)
    assert float(run(engine, 120, Inputs(load=load))["temp_exhaust"]) < 490.0
    hot = run(engine, 120, Inputs(load=load, cooling_loss=0.75))
    assert float(hot["temp_exhaust"]) > 522.0
    assert hot["status"] == 1, "the scenario shows an alarm, not a stop"
    assert float(run(engine, 120, Inputs(load=load))["temp_exhaust"]) < 495.0


def test_an_engine_without_any_cooling_stops_itself() -> None:
    readings = run(Engine("gpu-2", 0), 300, Inputs(load=0.9, cooling_loss=1.0))
    assert readings["status"] == 2
    assert readings["power_kw"] == 0.0


def test_hours_of_an_engine_count_only_while_it_runs() -> None:
    engine = Engine("gpu-1", 0)
    before = float(engine.readings()["total_hours"])
    hour_later = float(run(engine, 3600)["total_hours"])
    assert hour_later - before == pytest.approx(1.0)
    engine.execute("trip", {})
    assert float(run(engine, 600)["total_hours"]) == hour_later


def test_a_shaking_loom_calls_its_own_value_uncertain() -> None:
    assert Loom("loom-01", 0).step(1.0, Inputs())["quality_flag"] == 0
    assert Loom("loom-01", 0).step(1.0, Inputs(wear=8.0))["quality_flag"] == 1


def test_a_command_takes_effect_without_time_passing_and_shows_in_the_next_payload() -> None:
    breaker = Breaker("breaker-001", 0)
    breaker.execute("trip", {})
    assert breaker.readings()["status_breaker"] == 2
    shown = json.loads(breaker.payload(breaker.step(1.0, Inputs()), START_US))["measurements"]
    assert shown["status"] == {"breaker": 2, "position": 0, "communication": 1}
    assert shown["current"] == {"phase_a": 0.0, "phase_b": 0.0, "phase_c": 0.0, "unit": "A"}
    with pytest.raises(CommandRejectedError):
        breaker.execute("trip", {})
