"""The plant's own messages through the five packages: every expected value is typed in from the plant's sheet."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from bridge.codec import CodecLimits, Decoded
from bridge.codecs.pointer_json import CODEC
from bridge.routing import Router
from server.core import status
from server.core.binding import DeviceBinding
from server.core.values import RawMessage
from server.fdi.build import assemble, check_package, read_sources, source_folders

SOURCES = Path(__file__).parents[3] / "fdi_packages" / "src"
MORNING = 1_767_600_000_000_000  # 2026-01-05T08:00:00Z: 20458 days of 86400 s, and 8 h
RECEIVED = MORNING + 250_000
GOOD = status.GOOD


@cache
def bindings() -> tuple[DeviceBinding, ...]:
    reports = (check_package(assemble(read_sources(folder))[0]) for folder in source_folders(SOURCES))
    return tuple(device_type.binding for report in reports for device_type in report.device_types)


def decode(topic: str, payload: str, received_at: int = RECEIVED, *, retained: bool = False) -> Decoded:
    route = Router(bindings()).route(topic)
    assert route is not None, topic
    message = RawMessage(topic, payload.encode(), received_at, retained=retained)
    return CODEC.decode(message, route, CodecLimits())


def test_a_breakers_raw_message() -> None:
    found = decode(
        "iot/breaker-001/raw",
        """{"device_id": "breaker-001", "device_type": "smart_breaker", "timestamp": "2025-08-20T18:00:54.117782Z",
         "event_type": "telemetry",
         "measurements": {
          "voltage": {"phase_a": 117.27, "phase_b": 112.34, "phase_c": 114.52, "unit": "V"},
          "current": {"phase_a": 69.94, "phase_b": 33.83, "phase_c": 54.86, "unit": "A"},
          "power": {"active": 5775.99, "reactive": 1945.16, "apparent": 6094.73, "factor": 0.948, "unit": "W"},
          "frequency": {"value": 59.28, "unit": "Hz"},
          "temperature": {"value": 34.92, "unit": "°C"},
          "status": {"breaker": 1, "position": 1, "communication": 1},
          "protection": {"trip_count": 5, "ground_fault_current": 0.0, "arc_fault_detected": false},
          "operational": {"load_percentage": 48.1, "operating_hours": 982.8, "maintenance_due": true}}}""",
    )
    assert (found.problems, found.unit_mismatches, found.empty) == ([], 0, 0)
    (measurement,) = found.measurements
    assert (measurement.type_id, measurement.device_id) == ("smart_breaker", "breaker-001")
    # 2025-08-20 is day 20320 since 1970; 18:00:54.117782 is 64854.117782 s.
    assert measurement.source_time == 20_320 * 86_400_000_000 + 64_854_117_782
    assert measurement.received_at == RECEIVED
    assert measurement.facility is None
    assert measurement.attributes == {"device_type": "smart_breaker"}
    assert {name: value for name, value, _ in measurement.values} == {
        "voltage_phase_a": 117.27,
        "voltage_phase_b": 112.34,
        "voltage_phase_c": 114.52,
        "current_phase_a": 69.94,
        "current_phase_b": 33.83,
        "current_phase_c": 54.86,
        "power_active": 5775.99,
        "power_reactive": 1945.16,
        "power_apparent": 6094.73,
        "power_factor": 0.948,
        "frequency": 59.28,
        "temperature": 34.92,
        "status_breaker": 1,
        "status_position": 1,
        "status_communication": 1,
        "protection_trip_count": 5,
        "protection_ground_fault_current": 0.0,
        "protection_arc_fault_detected": False,
        "operational_load_percentage": 48.1,
        "operational_operating_hours": 982.8,
        "operational_maintenance_due": True,
    }
    kinds = {name: type(value) for name, value, _ in measurement.values}
    assert kinds["status_breaker"] is int
    assert kinds["operational_maintenance_due"] is bool
    assert {code for *_, code in measurement.values} == {GOOD}


def test_an_engines_telemetry() -> None:
    found = decode(
        "engines/gpu-1/telemetry",
        """{"engine_id": "gpu-1", "model": "J420", "time": "2026-01-05T08:00:00.120Z", "power_kw": 1180.0,
         "temp_exhaust": 470.2, "gas_consumption": 301.5, "vibration": 6.2, "gas_pressure": 2.1,
         "total_hours": 15324}""",
    )
    (measurement,) = found.measurements
    assert (measurement.type_id, measurement.device_id) == ("gas_engine", "gpu-1")
    assert measurement.source_time == MORNING + 120_000
    assert measurement.attributes == {"model": "J420"}
    # total_hours is a DOUBLE of the EDD, though the payload writes it without a point; `status` is optional.
    assert measurement.values == (
        ("power_kw", 1180.0, GOOD),
        ("temp_exhaust", 470.2, GOOD),
        ("gas_consumption", 301.5, GOOD),
        ("vibration", 6.2, GOOD),
        ("gas_pressure", 2.1, GOOD),
        ("total_hours", 15324.0, GOOD),
    )
    assert type(measurement.values[5][1]) is float
    assert found.problems == []


READINGS = """{"facility": "power-station-alpha", "asset": "turbine-a", "type": "turbine",
 "timestamp": "2026-01-05T08:00:00Z",
 "readings": [{"metric": "temperature", "value": 92.1, "unit": "°C"},
  {"metric": "pressure", "value": 5.2, "unit": "bar"},
  {"metric": "power_consumption", "value": 310.4, "unit": "kW"},
  {"metric": "production_output", "value": 128.0, "unit": "units/h"}]}"""


def test_an_assets_readings() -> None:
    found = decode("plant/power-station-alpha/turbine-a/readings", READINGS)
    (measurement,) = found.measurements
    assert (measurement.type_id, measurement.device_id) == ("plant_asset", "power-station-alpha.turbine-a")
    assert measurement.facility == "power-station-alpha"
    assert measurement.source_time == MORNING
    assert measurement.attributes == {"asset_type": "turbine"}
    assert measurement.values == (
        ("temperature", 92.1, GOOD),
        ("pressure", 5.2, GOOD),
        ("power_consumption", 310.4, GOOD),
        ("production_output", 128.0, GOOD),
    )
    assert (found.problems, found.unit_mismatches) == ([], 0)


def test_another_unit_in_the_payload_is_counted_and_the_packages_stands() -> None:
    found = decode("plant/power-station-alpha/turbine-a/readings", READINGS.replace('"°C"', '"°F"'))
    assert found.unit_mismatches == 1
    assert found.measurements[0].values[0] == ("temperature", 92.1, GOOD)


def test_one_bad_reading_leaves_the_others() -> None:
    found = decode("plant/power-station-alpha/turbine-a/readings", READINGS.replace("5.2", '"high"'))
    assert [name for name, *_ in found.measurements[0].values] == [
        "temperature",
        "power_consumption",
        "production_output",
    ]
    assert [(problem.reason, problem.path) for problem in found.problems] == [("wrong_type", "/readings/pressure")]


def loom(sensor: str = "bbw-1", flag: str = "0", time: str = "2026-01-05T08:00:00.000Z", value: str = "1523.4") -> str:
    return (
        f'{{"loom_id": "loom-01", "sensor_id": "{sensor}", "time": "{time}", "bbw_value": {value}, "temperature": 27.1,'
        f'"vibration": 1.2, "quality_flag": {flag}, "metadata": {{"firmware": "1.4.2"}}}}'
    )


def test_a_looms_row() -> None:
    (measurement,) = decode("kaldor/loom/loom-01/bbw/raw", loom()).measurements
    assert (measurement.type_id, measurement.device_id) == ("loom_bbw", "loom-01")
    assert measurement.source_time == MORNING
    assert measurement.attributes == {"firmware": "1.4.2", "sensor": "bbw-1"}
    assert measurement.values == (("bbw_value", 1523.4, GOOD), ("temperature", 27.1, GOOD), ("vibration", 1.2, GOOD))


def test_a_further_sensor_is_a_device_of_its_own() -> None:
    (measurement,) = decode("kaldor/loom/loom-01/bbw/raw", loom(sensor="bbw-2")).measurements
    assert measurement.device_id == "loom-01.bbw-2"


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("0", 0x00000000),
        ("1", 0x40930000),  # Uncertain_SensorNotAccurate
        ("2", 0x808C0000),  # Bad_SensorFailure
        ("3", 0x808C0000),
        ("-1", 0x808C0000),
    ],
)
def test_the_quality_flag_becomes_the_status(flag: str, code: int) -> None:
    for topic in ("kaldor/loom/loom-01/bbw/raw", "kaldor/loom/loom-01/bbw/processed"):
        (measurement,) = decode(topic, loom(flag=flag)).measurements
        assert [found for *_, found in measurement.values] == [code] * 3


@pytest.mark.parametrize("flag", ['"0"', "true", "0.5", "null", "[]"])
def test_a_quality_that_is_no_flag_refuses_the_row(flag: str) -> None:
    # A value whose quality is unknown must not be shown as good.
    found = decode("kaldor/loom/loom-01/bbw/raw", loom(flag=flag))
    assert found.measurements == []
    assert [(problem.reason, problem.path) for problem in found.problems] == [("wrong_type", "/quality_flag")]


def test_a_backfill_keeps_order_and_times_and_drops_only_its_bad_rows() -> None:
    rows = [
        loom(time="2026-01-05T07:58:00Z", value="1"),
        '"no row"',
        loom(time="2026-01-05T07:58:01Z", value='"wide"'),
        loom(time="yesterday", value="3"),
        loom(time="2026-01-05T07:58:03Z", value="4", sensor="bbw-2"),
    ]
    found = decode("kaldor/loom/loom-01/bbw/raw", f"[{','.join(rows)}]")
    start = MORNING - 120_000_000
    assert [(m.device_id, m.source_time) for m in found.measurements] == [
        ("loom-01", start),
        ("loom-01", start + 1_000_000),
        ("loom-01.bbw-2", start + 3_000_000),
    ]
    assert [name for name, *_ in found.measurements[1].values] == ["temperature", "vibration"]
    assert [(p.reason, p.path) for p in found.problems] == [
        ("wrong_type", "/1"),
        ("wrong_type", "/2/bbw_value"),
        ("bad_time", "/3/time"),
    ]


def test_a_sensors_telemetry() -> None:
    (measurement,) = decode(
        "sensors/sensor-001/telemetry",
        '{"sensor_id": "sensor-001", "timestamp": "2026-01-05T08:00:00Z", "current": 41.7, "temperature": 36.0, '
        '"pressure": 3.1}',
    ).measurements
    assert (measurement.type_id, measurement.device_id) == ("energy_sensor", "sensor-001")
    assert measurement.values == (("current", 41.7, GOOD), ("temperature", 36.0, GOOD), ("pressure", 3.1, GOOD))


@pytest.mark.parametrize("topic", ["iot/breaker-001/trends", "kaldor/loom/loom-01/alerts"])
def test_messages_without_parameters_are_taken(topic: str) -> None:
    found = decode(topic, "anything at all")
    assert (found.measurements, found.problems) == ([], [])


def test_thresholds_come_as_a_values_object() -> None:
    found = decode(
        "iot/breaker-001/status",
        '{"device_id": "breaker-001", "timestamp": "2026-01-05T08:00:00Z", "values": {"threshold_overcurrent": 80, '
        '"threshold_ground_fault": "much", "of_another_make": 1}}',
        retained=True,
    )
    (measurement,) = found.measurements
    assert measurement.values == (("threshold_overcurrent", 80.0, GOOD),)
    assert measurement.retained
    assert [(p.reason, p.path) for p in found.problems] == [("wrong_type", "/values/threshold_ground_fault")]


def test_a_status_without_values_is_counted_as_empty() -> None:
    found = decode("iot/breaker-001/status", '{"device_id": "breaker-001", "timestamp": "2026-01-05T08:00:00Z"}')
    assert (found.measurements, found.problems, found.empty) == ([], [], 1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("256", "out_of_range"),
        ("-1", "out_of_range"),
        ("1.5", "wrong_type"),
        ("true", "wrong_type"),
        ("1e300", "out_of_range"),
    ],
)
def test_an_enumeration_takes_only_what_its_type_can_hold(value: str, reason: str) -> None:
    found = decode(
        "iot/breaker-001/raw",
        '{"timestamp": "2026-01-05T08:00:00Z", "measurements": {"status": {"position": 1.0, "breaker": '
        + value
        + "}}}",
    )
    assert found.measurements[0].values == (("status_position", 1, GOOD),)
    assert [p.reason for p in found.problems] == [reason]
