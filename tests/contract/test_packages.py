"""Every package that comes with the product: identifiers, methods, limits and messages as the plant has them.

The expected names and numbers are typed in from the plant's sheet and the product's outside contract.
"""

from __future__ import annotations

import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from server.core.binding import RowBinding
from server.fdi.build import assemble, build_package, check_package, read_sources, source_folders
from server.fdi.store import PackageStore
from server.model.device_type import DataType, DeviceType, GroupSpec

ROOT = Path(__file__).parents[2]
SOURCES = source_folders(ROOT / "fdi_packages" / "src")
BY_TYPE = {folder.name.partition(".")[2]: folder for folder in SOURCES}

IDENTIFIERS = {
    "smart_breaker": """voltage_phase_a voltage_phase_b voltage_phase_c current_phase_a current_phase_b current_phase_c
        power_active power_reactive power_apparent power_factor frequency temperature status_breaker status_position
        status_communication protection_trip_count protection_ground_fault_current protection_arc_fault_detected
        operational_load_percentage operational_operating_hours operational_maintenance_due
        threshold_overcurrent threshold_ground_fault threshold_temperature""",
    "gas_engine": """power_kw temp_exhaust gas_consumption vibration gas_pressure total_hours status
        diagnostics threshold_temp_exhaust_high threshold_temp_exhaust_high_high threshold_vibration_high
        threshold_vibration_high_high""",
    "loom_bbw": "bbw_value temperature vibration threshold_bbw_low threshold_bbw_high",
    "plant_asset": """temperature pressure power_consumption production_output temperature_min temperature_max
        pressure_min pressure_max power_consumption_min power_consumption_max production_output_min
        production_output_max""",
    "energy_sensor": "current temperature pressure",
}
WRITABLE = {
    "smart_breaker": {"threshold_overcurrent", "threshold_ground_fault", "threshold_temperature"},
    "gas_engine": {name for name in IDENTIFIERS["gas_engine"].split() if name.startswith("threshold_")},
    "loom_bbw": {"threshold_bbw_low", "threshold_bbw_high"},
    "plant_asset": {name for name in IDENTIFIERS["plant_asset"].split() if name.endswith(("_min", "_max"))},
    "energy_sensor": set(),
}
METHODS = {
    "smart_breaker": {"Trip": (), "Reset": (), "SetThreshold": ("Name", "Value"), "GetDiagnostics": ()},
    "gas_engine": {"Trip": (), "Reset": (), "SetThreshold": ("Name", "Value")},
    "loom_bbw": {"Reset": (), "SetThreshold": ("Name", "Value")},
    "plant_asset": {},
    "energy_sensor": {},
}
COMMAND_TOPICS = {
    "smart_breaker": "iot/{device}/command",
    "gas_engine": "engines/{device}/command",
    "loom_bbw": "kaldor/loom/{device}/config",
}
MESSAGES = {
    "iot/{device}/raw": """{"device_id": "breaker-001", "device_type": "smart_breaker",
        "timestamp": "2025-08-20T18:00:54.117782Z", "event_type": "telemetry", "measurements": {
        "voltage": {"phase_a": 117.27, "phase_b": 112.34, "phase_c": 114.52, "unit": "V"},
        "current": {"phase_a": 69.94, "phase_b": 33.83, "phase_c": 54.86, "unit": "A"},
        "power": {"active": 5775.99, "reactive": 1945.16, "apparent": 6094.73, "factor": 0.948, "unit": "W"},
        "frequency": {"value": 59.28, "unit": "Hz"},
        "temperature": {"value": 34.92, "unit": "°C"},
        "status": {"breaker": 1, "position": 1, "communication": 1},
        "protection": {"trip_count": 5, "ground_fault_current": 0.0, "arc_fault_detected": false},
        "operational": {"load_percentage": 48.1, "operating_hours": 982.8, "maintenance_due": true}}}""",
    "engines/{device}/telemetry": """{"engine_id": "gpu-1", "model": "J420", "time": "2026-01-05T08:00:00.120Z",
        "power_kw": 1180.0, "temp_exhaust": 470.2, "gas_consumption": 301.5, "vibration": 6.2, "gas_pressure": 2.1,
        "total_hours": 15324, "status": 1, "diagnostics": 4}""",
    "plant/{facility}/{asset}/readings": """{"facility": "power-station-alpha", "asset": "turbine-a",
        "type": "turbine", "timestamp": "2026-01-05T08:00:00Z",
        "readings": [{"metric": "temperature", "value": 92.1, "unit": "°C"},
                     {"metric": "pressure", "value": 5.2, "unit": "bar"},
                     {"metric": "power_consumption", "value": 310.4, "unit": "kW"},
                     {"metric": "production_output", "value": 128.0, "unit": "units/h"}]}""",
    "kaldor/loom/{device}/bbw/raw": """{"loom_id": "loom-01", "sensor_id": "bbw-1",
        "time": "2026-01-05T08:00:00.000Z", "bbw_value": 1523.4, "temperature": 27.1, "vibration": 1.2,
        "quality_flag": 0, "metadata": {"firmware": "1.4.2"}}""",
    "sensors/{device}/telemetry": """{"sensor_id": "sensor-001", "timestamp": "2026-01-05T08:00:00Z",
        "current": 41.7, "temperature": 36.0, "pressure": 3.1}""",
}
KINDS: dict[str, Any] = {"float": (int, float), "integer": int, "boolean": bool, "string": str}


@cache
def built(type_id: str) -> DeviceType:
    # Built in memory once: the build itself has its own test below.

    report = check_package(assemble(read_sources(BY_TYPE[type_id]))[0])
    assert report.warnings == ()
    return report.device_types[0]


def look(document: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        document = document[step]
    return document


def row_of(topic: str) -> tuple[DeviceType, RowBinding]:
    for type_id in IDENTIFIERS:
        for row in built(type_id).binding.rows:
            if row.topic == topic:
                return built(type_id), row
    raise AssertionError(f"no package takes {topic}")


def test_the_five_packages_are_there() -> None:
    assert set(BY_TYPE) == set(IDENTIFIERS)


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_identifiers_are_those_of_the_contract(type_id: str) -> None:
    found = built(type_id)
    assert found.type_id == type_id
    assert set(found.parameters) == set(IDENTIFIERS[type_id].split())


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_only_settings_are_writable(type_id: str) -> None:
    parameters = built(type_id).parameters
    assert {name for name, spec in parameters.items() if spec.writable} == WRITABLE[type_id]
    assert {name for name, spec in parameters.items() if not spec.dynamic} == WRITABLE[type_id]


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_every_number_has_a_unit_and_a_range(type_id: str) -> None:
    for name, spec in built(type_id).parameters.items():
        if spec.data_type is DataType.DOUBLE:
            assert spec.unit is not None, name
            assert spec.eu_range is not None, name
            low, high = spec.eu_range
            assert low < high < 1e9, name
            if spec.default_value is not None:
                assert isinstance(spec.default_value, float)
                assert low <= spec.default_value <= high, name


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_only_plain_whole_numbers_and_enumerations_are_no_doubles(type_id: str) -> None:
    expected = {
        "status_breaker": DataType.BYTE,
        "status_position": DataType.BYTE,
        "status_communication": DataType.BYTE,
        "status": DataType.BYTE,
        "diagnostics": DataType.BYTE,
        "protection_trip_count": DataType.UINT32,
        "protection_arc_fault_detected": DataType.BOOLEAN,
        "operational_maintenance_due": DataType.BOOLEAN,
    }
    for name, spec in built(type_id).parameters.items():
        assert spec.data_type is expected.get(name, DataType.DOUBLE), name


def every_text(found: DeviceType) -> list[tuple[str, Any]]:
    texts: list[tuple[str, Any]] = [("label", found.label), ("description", found.description)]
    for name, spec in found.parameters.items():
        texts += [(name, spec.label), (f"help of {name}", spec.help)]
        texts += [(f"{name} = {entry.value}", entry.text) for entry in spec.enum_values]
    for method in found.methods:
        texts += [(method.name, method.label), (f"description of {method.name}", method.description)]
        texts += [(f"{method.name}.{entry.name}", entry.description) for entry in (*method.inputs, *method.outputs)]
    texts += [(action.name, action.label) for action in found.actions]
    texts += [(alarm.name, alarm.label) for alarm in found.alarms]
    groups: list[GroupSpec] = list(found.groups)
    while groups:
        group = groups.pop()
        texts.append((group.name, group.label))
        groups += group.groups
    return texts


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_every_text_is_there_in_english_and_russian(type_id: str) -> None:
    for name, texts in every_text(built(type_id)):
        assert texts.by_language.get("en"), name
        russian = texts.by_language.get("ru", "")
        assert any("а" <= letter.lower() <= "я" for letter in russian), name


def test_what_the_engines_controller_says_of_the_engine_is_its_health() -> None:
    # NE 107: failure 1, check function 2, out of specification 3, maintenance 4 (fdi-information-model.md, section 13).
    health = built("gas_engine").health
    assert {(bit.parameter, bit.mask): bit.health for bit in health} == {
        ("diagnostics", 0x01): 1,
        ("diagnostics", 0x02): 3,
        ("diagnostics", 0x04): 4,
        ("diagnostics", 0x08): 2,
    }
    assert all({"en", "ru"} <= bit.text.by_language.keys() for bit in health)


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_methods_and_arguments_are_those_of_the_contract(type_id: str) -> None:
    found = built(type_id)
    assert {entry.name: tuple(a.name for a in entry.inputs) for entry in found.methods} == METHODS[type_id]
    for method in found.methods:
        if method.name == "SetThreshold":
            assert [entry.data_type for entry in method.inputs] == [DataType.STRING, DataType.DOUBLE]
            assert method.params == ("name", "value")
            assert method.command == "set_threshold"
        if method.name == "GetDiagnostics":
            assert [(entry.name, entry.data_type) for entry in method.outputs] == [("Report", DataType.STRING)]
    if WRITABLE[type_id]:
        carrier = [entry.name for entry in found.binding.commands if entry.writes == "parameter"]
        assert carrier == ["set_threshold"]
    if type_id in COMMAND_TOPICS:
        assert found.binding.command_topic == COMMAND_TOPICS[type_id]


@pytest.mark.parametrize("topic", MESSAGES)
def test_the_plants_message_gives_every_measured_value(topic: str) -> None:
    device_type, row = row_of(topic)
    message = json.loads(MESSAGES[topic])
    given: set[str] = set()
    for entry in row.parameters:
        if entry.key:
            listed = look(message, entry.pointer)
            reading = next(each for each in listed if each[row.key_name] == entry.key)
            value, unit = reading[row.value_name], reading[row.unit_name]
        else:
            value = look(message, entry.pointer)
            unit = look(message, entry.unit_pointer) if entry.unit_pointer else entry.unit
        assert isinstance(value, KINDS[entry.kind]), entry.parameter
        assert isinstance(value, bool) == (entry.kind == "boolean"), entry.parameter
        assert unit == entry.unit == device_type.parameters[entry.parameter].unit_symbol, entry.parameter
        given.add(entry.parameter)
    assert given == {name for name, spec in device_type.parameters.items() if spec.dynamic}
    assert isinstance(look(message, row.time_pointer), str)
    if row.device_pointer:
        assert isinstance(look(message, row.device_pointer), str)
    for pointer in row.attributes.values():
        assert isinstance(look(message, pointer), str)


def test_a_looms_rows_carry_quality_and_may_come_in_arrays() -> None:
    _, row = row_of("kaldor/loom/{device}/bbw/raw")
    assert (row.quality_pointer, row.quality_map, row.rows) == ("/quality_flag", "quality_flag", True)
    assert row.sensor_pointer == "/sensor_id"
    _, processed = row_of("kaldor/loom/{device}/bbw/processed")
    assert [entry.pointer for entry in processed.parameters] == [entry.pointer for entry in row.parameters]


@pytest.mark.parametrize("topic", ["iot/{device}/trends", "kaldor/loom/{device}/alerts"])
def test_known_messages_without_parameters_are_counted(topic: str) -> None:
    assert row_of(topic)[1].count_only


@pytest.mark.parametrize("type_id", [name for name, names in WRITABLE.items() if names])
def test_settings_arrive_in_the_status_message(type_id: str) -> None:
    found = built(type_id)
    status = next(row for row in found.binding.rows if row.topic.endswith("/status"))
    assert status.values_pointer == "/values"
    carried = {entry.parameter: entry.pointer for entry in status.parameters}
    for name in WRITABLE[type_id]:
        assert carried[name] == f"/values/{name}"


def test_a_plant_assets_id_is_facility_and_asset() -> None:
    assert built("plant_asset").binding.device_id == "{facility}.{asset}"


def limits(type_id: str) -> dict[str, tuple[Any, ...]]:
    return {
        alarm.parameter: tuple(alarm.sources.get(level) for level in ("LowLow", "Low", "High", "HighHigh"))
        for alarm in built(type_id).alarms
        if alarm.kind == "exclusive_limit"
    }


def defaults(type_id: str) -> dict[str, Any]:
    return {name: built(type_id).parameters[name].default_value for name in WRITABLE[type_id]}


def test_limits_of_the_gas_engine() -> None:
    assert limits("gas_engine") == {
        "temp_exhaust": (None, None, "threshold_temp_exhaust_high", "threshold_temp_exhaust_high_high"),
        "vibration": (None, None, "threshold_vibration_high", "threshold_vibration_high_high"),
    }
    assert defaults("gas_engine") == {
        "threshold_temp_exhaust_high": 500.0,
        "threshold_temp_exhaust_high_high": 520.0,
        "threshold_vibration_high": 10.0,
        "threshold_vibration_high_high": 15.0,
    }


def test_limits_of_breaker_loom_and_asset() -> None:
    assert limits("smart_breaker") == {
        **{f"current_phase_{phase}": (None, None, "threshold_overcurrent", None) for phase in "abc"},
        "protection_ground_fault_current": (None, None, "threshold_ground_fault", None),
        "temperature": (None, None, "threshold_temperature", None),
    }
    assert limits("loom_bbw") == {"bbw_value": (None, "threshold_bbw_low", "threshold_bbw_high", None)}
    assert limits("plant_asset") == {
        name: (None, f"{name}_min", f"{name}_max", None)
        for name in ("temperature", "pressure", "power_consumption", "production_output")
    }
    assert defaults("plant_asset") == {
        "temperature_min": 60.0,
        "temperature_max": 120.0,
        "pressure_min": 1.0,
        "pressure_max": 10.0,
        "power_consumption_min": 100.0,
        "power_consumption_max": 500.0,
        "production_output_min": 50.0,
        "production_output_max": 200.0,
    }


def test_trips_of_breaker_and_engine() -> None:
    for type_id, parameter in (("smart_breaker", "status_breaker"), ("gas_engine", "status")):
        found = built(type_id)
        assert [(alarm.name, alarm.parameter, alarm.sources) for alarm in found.alarms if alarm.kind == "trip"] == [
            ("Trip", parameter, {"Tripped": 2})
        ]
        assert [entry.value for entry in found.parameters[parameter].enum_values] == [0, 1, 2]


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_every_parameter_stands_in_a_group(type_id: str) -> None:
    found = built(type_id)
    shown: set[str] = set()
    groups = list(found.groups)
    while groups:
        group = groups.pop()
        shown |= set(group.parameters)
        groups += group.groups
    assert shown == set(found.parameters)
    assert found.groups[0].name == "Operational"


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_documents_and_images_are_there(type_id: str) -> None:
    found = built(type_id)
    assert {entry.language for entry in found.documents} == {"en", "ru"}
    assert found.icon is not None
    sizes = [struct.unpack(">II", entry.data[16:24]) for entry in (*found.images, found.icon)]
    assert sizes == [(256, 256), (256, 256), (32, 32)]


@pytest.mark.parametrize("type_id", IDENTIFIERS)
def test_the_build_is_the_same_each_time(type_id: str, tmp_path: Path) -> None:
    first = build_package(BY_TYPE[type_id], tmp_path / "a")
    second = build_package(BY_TYPE[type_id], tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_all_of_them_live_in_one_store(tmp_path: Path) -> None:
    for folder in SOURCES:
        build_package(folder, tmp_path / "built")
    store = PackageStore(tmp_path / "store")
    installed, refused = store.load_builtin(tmp_path / "built")
    assert refused == ()
    assert {entry.device_types[0].type_id for entry in installed} == set(IDENTIFIERS)
