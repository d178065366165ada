"""Payloads have exactly the shapes of the plant's sheet: keys, order of magnitude, types, topics, times."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from simulator import fleet
from simulator.device import Device
from simulator.devices.breaker import Breaker
from simulator.devices.engine import Engine
from simulator.messages import iso_ms, iso_us

TIME_US = 1_767_600_000_120_456  # 2026-01-05T08:00:00.120456Z

SAMPLES: dict[str, tuple[str, str]] = {
    "engine": (
        "engines/gpu-1/telemetry",
        '{"engine_id": "gpu-1", "model": "J420", "time": "2026-01-05T08:00:00.120Z", "power_kw": 1180.0,'
        ' "temp_exhaust": 470.2, "gas_consumption": 301.5, "vibration": 6.2, "gas_pressure": 2.1,'
        ' "total_hours": 15324.0, "status": 1}',
    ),
    "breaker": (
        "iot/breaker-001/raw",
        '{"device_id": "breaker-001", "device_type": "smart_breaker", "timestamp": "2026-01-05T08:00:00.120456Z",'
        ' "event_type": "telemetry", "measurements": {'
        ' "voltage": {"phase_a": 117.27, "phase_b": 112.34, "phase_c": 114.52, "unit": "V"},'
        ' "current": {"phase_a": 69.94, "phase_b": 33.83, "phase_c": 54.86, "unit": "A"},'
        ' "power": {"active": 5775.99, "reactive": 1945.16, "apparent": 6094.73, "factor": 0.948, "unit": "W"},'
        ' "frequency": {"value": 59.28, "unit": "Hz"}, "temperature": {"value": 34.92, "unit": "°C"},'
        ' "status": {"breaker": 1, "position": 1, "communication": 1},'
        ' "protection": {"trip_count": 5, "ground_fault_current": 0.0, "arc_fault_detected": false},'
        ' "operational": {"load_percentage": 48.1, "operating_hours": 982.8, "maintenance_due": true}}}',
    ),
    "loom": (
        "kaldor/loom/loom-01/bbw/raw",
        '{"loom_id": "loom-01", "sensor_id": "bbw-1", "time": "2026-01-05T08:00:00.120Z", "bbw_value": 1523.4,'
        ' "temperature": 27.1, "vibration": 1.2, "quality_flag": 0, "metadata": {"firmware": "1.4.2"}}',
    ),
    "asset": (
        "plant/power-station-alpha/turbine-a/readings",
        '{"facility": "power-station-alpha", "asset": "turbine-a", "type": "turbine",'
        ' "timestamp": "2026-01-05T08:00:00.120Z",'
        ' "readings": [{"metric": "temperature", "value": 92.1, "unit": "°C"},'
        ' {"metric": "pressure", "value": 5.2, "unit": "bar"},'
        ' {"metric": "power_consumption", "value": 310.4, "unit": "kW"},'
        ' {"metric": "production_output", "value": 128.0, "unit": "units/h"}]}',
    ),
    "sensor": (
        "sensors/sensor-001/telemetry",
        '{"sensor_id": "sensor-001", "timestamp": "2026-01-05T08:00:00.120Z", "current": 41.7,'
        ' "temperature": 36.0, "pressure": 3.1}',
    ),
}

WORDS = {"model", "unit", "metric", "type", "device_type", "event_type", "firmware", "time", "timestamp"}


def shape(value: Any, key: str = "") -> Any:
    """The sample with every number replaced by its type; ids, units and times stay as they are."""
    if isinstance(value, dict):
        return {name: shape(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    if key in WORDS or isinstance(value, str):
        return value
    return type(value)


def device_of(kind: str) -> Device:
    return fleet.build({kind: 1}, seed=1)[0]


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_telemetry_has_exactly_the_shape_of_the_sheet(kind: str) -> None:
    topic, sample = SAMPLES[kind]
    device = device_of(kind)
    assert device.topics.telemetry == topic
    assert shape(json.loads(device.payload(device.readings(), TIME_US))) == shape(json.loads(sample))


def test_times_are_iso_8601_in_utc() -> None:
    assert iso_us(TIME_US) == "2026-01-05T08:00:00.120456Z"
    assert iso_ms(TIME_US) == "2026-01-05T08:00:00.120Z"
    assert iso_ms(1_767_600_000_999_999) == "2026-01-05T08:00:00.999Z"
    assert datetime.fromisoformat(iso_us(TIME_US)) == datetime(2026, 1, 5, 8, 0, 0, 120456, UTC)


@pytest.mark.parametrize(
    ("kind", "topic", "identity", "time_key", "values"),
    [
        (
            "breaker",
            "iot/breaker-001/status",
            {"device_id": "breaker-001"},
            "timestamp",
            {"threshold_overcurrent", "threshold_ground_fault", "threshold_temperature"},
        ),
        (
            "engine",
            "engines/gpu-1/status",
            {"engine_id": "gpu-1"},
            "time",
            {
                "threshold_temp_exhaust_high",
                "threshold_temp_exhaust_high_high",
                "threshold_vibration_high",
                "threshold_vibration_high_high",
            },
        ),
        (
            "loom",
            "kaldor/loom/loom-01/status",
            {"loom_id": "loom-01"},
            "time",
            {"threshold_bbw_low", "threshold_bbw_high"},
        ),
        (
            "asset",
            "plant/power-station-alpha/turbine-a/status",
            {"facility": "power-station-alpha", "asset": "turbine-a", "type": "turbine"},
            "timestamp",
            {
                f"{value}_{side}"
                for value in ("temperature", "pressure", "power_consumption", "production_output")
                for side in ("min", "max")
            },
        ),
    ],
)
def test_status_is_retained_and_carries_every_threshold(
    kind: str, topic: str, identity: dict[str, str], time_key: str, values: set[str]
) -> None:
    message = device_of(kind).status(TIME_US, online=True)
    assert message is not None
    assert (message.topic, message.retain, message.qos) == (topic, True, 1)
    body = json.loads(message.payload)
    assert set(body) == {*identity, time_key, "online", "values"}
    assert body.items() >= {**identity, time_key: "2026-01-05T08:00:00.120Z", "online": True}.items()
    assert set(body["values"]) == values
    assert all(isinstance(value, float) for value in body["values"].values())


def test_a_sensor_has_no_thresholds_and_so_no_status() -> None:
    assert device_of("sensor").status(TIME_US, online=True) is None


def test_engine_limits_are_delivered_as_the_plant_set_them() -> None:
    # 500/520 °C and 10/15 mm/s: the table of engine constants.
    assert Engine("gpu-1").thresholds == {
        "threshold_temp_exhaust_high": 500.0,
        "threshold_temp_exhaust_high_high": 520.0,
        "threshold_vibration_high": 10.0,
        "threshold_vibration_high_high": 15.0,
    }


def test_trends_come_in_windows_of_three_to_eight_seconds_and_aggregate_what_was_sent() -> None:
    breaker = Breaker("breaker-001", 4)
    powers: list[float] = []
    bursts = 0
    for second in range(600):
        readings = {**breaker.readings(), "power_active": float(second)}
        powers.append(float(second))
        for message in breaker.bursts(readings, 1.0, TIME_US):
            bursts += 1
            body = json.loads(message.payload)
            assert message.topic == "iot/breaker-001/trends"
            assert set(body) == {"device_id", "timestamp", "event_type", "window_s", "aggregates"}
            assert body["event_type"] == "trends"
            assert 3.0 <= body["window_s"] <= 8.0
            assert body["window_s"] == len(powers)
            assert body["aggregates"]["power_active"] == {
                "avg": pytest.approx(sum(powers) / len(powers), abs=0.01),
                "min": powers[0],
                "max": powers[-1],
            }
            powers = []
    assert 600 / 8 <= bursts <= 600 / 3


def test_the_demo_plant_has_the_ids_everyone_relies_on() -> None:
    ids = [device.device_id for device in fleet.build(fleet.DEMO)]
    assert len(ids) == len(set(ids)) == 6 + 6 + 10 + 16 + 300
    for expected in ("gpu-1", "gpu-6", "breaker-001", "breaker-006", "loom-01", "loom-10", "sensor-001", "sensor-300"):
        assert expected in ids
    assert "power-station-alpha.turbine-a" in ids
    facilities = [device_id.split(".")[0] for device_id in ids if "." in device_id]
    assert len(facilities) == 16
    assert len(set(facilities)) == 3
    assert facilities.count("power-station-alpha") == 5


@pytest.mark.parametrize("counts", [{"loom": 2001}, {"loom": 0}, {"robot": 1}, {"loom": 1500, "sensor": 501}])
def test_a_fleet_that_cannot_be_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(fleet.FleetError):
        fleet.build(counts)


def test_two_thousand_devices_of_all_kinds_have_ids_the_server_takes() -> None:
    counts = {"engine": 300, "breaker": 300, "loom": 1000, "asset": 100, "sensor": 300}
    ids = [device.device_id for device in fleet.build(counts)]
    assert len(set(ids)) == 2000
    assert all(
        len(device_id) <= 64 and set(device_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for device_id in ids
    )
