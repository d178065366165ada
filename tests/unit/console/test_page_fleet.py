"""What the start page's tables say: values as an operator reads them, the abnormal in front."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from server.console.pages import fleet
from server.console.pages.fleet import Choice, Overview
from server.console.pages.words import _WORDS, LANGUAGES, Words
from server.core import status
from server.core.clock import SECOND, ManualClock
from server.core.texts import Texts
from server.core.units import unit_of
from server.core.values import AlarmEvent, DeviceId
from server.model.device_type import DataType, EnumValue
from tests.kit.http import Site, make_site
from tests.kit.plant import parameter, pump_type

EN, RU = Words("en"), Words("ru")


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    return await make_site(clock, tmp_path)


def alarm(device: str, severity: int, time_s: int, *, active: bool = True, acked: bool = False) -> AlarmEvent:
    return AlarmEvent(
        condition_id=f"{device}/Alarms/temperature",
        device_id=DeviceId(device),
        name="temperature",
        kind="exclusive_limit",
        event_id=bytes(16),
        time=time_s * SECOND,
        receive_time=time_s * SECOND,
        message="too hot",
        severity=severity,
        active=active,
        acked=acked,
        retain=True,
        input_parameter="temperature",
    )


def rows(site: Site, choice: Choice, found: Overview | None = None) -> tuple[list[str], int]:
    devices = site.plant.devices_of("pump")
    shown, total = fleet.fleet_rows(devices, pump_type(), choice, found or Overview(), EN, {})
    return [row["id"] for row in shown], total


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (1234567.0, parameter("p", ranges=((0.0, 2e6),)), "1\u2009234\u2009567"),
        (41.25, parameter("p", ranges=((0.0, 100.0),)), "41.2"),
        (2.125, parameter("p", ranges=((0.0, 10.0),)), "2.12"),
        (0.0456, parameter("p", ranges=((0.0, 0.1),)), "0.046"),
        (7.0, parameter("p"), "7.00"),
        (7.1234, parameter("p", display_format="8.3f"), "7.123"),
        (7, parameter("p", DataType.INT32), "7"),
        (float("nan"), parameter("p"), fleet.NOTHING),
        (None, parameter("p"), fleet.NOTHING),
        (True, parameter("p", DataType.BOOLEAN), "yes"),
        ("x" * 500, parameter("p", DataType.STRING), "x" * 60),
    ],
)
def test_a_value_has_the_decimals_its_range_deserves(value: object, spec: object, text: str) -> None:
    assert fleet.value_text(spec, value, EN) == text  # type: ignore[arg-type]


def test_enumerations_units_and_ages_speak_the_language_of_the_page() -> None:
    state = parameter("state", DataType.BYTE, enum_values=(EnumValue(1, Texts.of("running", ru="работает")),))
    assert fleet.value_text(state, 1, EN) == "running"
    assert fleet.value_text(state, 1, RU) == "работает"
    assert fleet.value_text(state, 9, EN) == "9"  # a value that the package does not name is shown as it is
    power = parameter("power", unit=unit_of("kW"), unit_symbol="kW")
    assert (fleet.unit_text(power, EN), fleet.unit_text(power, RU)) == ("kW", "кВт")
    ages = [fleet.age_text(seconds * SECOND, EN) for seconds in (-5, 0, 119, 120, 7_199, 7_200, 172_800)]
    assert ages == ["0 s", "0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]


def test_every_text_exists_in_every_language() -> None:
    for key, texts in _WORDS.items():
        assert len(texts) == len(LANGUAGES), key
        assert all(texts), key
    assert Words("xx").language == "en"


async def test_devices_stand_in_the_order_people_count(site: Site) -> None:
    for name in ("pump-10", "pump-9", "Pump-2", "7"):
        await site.feed(device=name, temperature=20.0)
    assert rows(site, Choice("pump"))[0] == ["7", "Pump-2", "pump-9", "pump-10"]


async def test_the_fleet_is_paged_searched_and_reduced_to_what_is_abnormal(site: Site) -> None:
    for number in range(30):
        await site.feed(device=f"pump-{number:02}", temperature=20.0)
    assert rows(site, Choice("pump", page=2, page_size=12)) == ([f"pump-{n}" for n in range(24, 30)], 30)
    assert rows(site, Choice("pump", search=" PUMP-1 "))[1] == 10
    assert rows(site, Choice("pump", search="nothing")) == ([], 0)
    found = fleet.overview(site.plant.devices.values(), [alarm("pump-07", 800, 1)])
    assert rows(site, Choice("pump", abnormal_only=True), found) == (["pump-07"], 1)


async def test_silent_devices_count_as_abnormal_and_are_counted(site: Site, clock: ManualClock) -> None:
    await site.feed(device="pump-1", temperature=20.0)
    clock.advance(31)  # the pump's binding: Bad after 30 s
    await site.feed(device="pump-2", temperature=20.0)
    await site.pipeline.tick()
    found = fleet.overview(site.plant.devices.values(), [])
    assert (found.devices, found.silent) == (2, 1)
    assert rows(site, Choice("pump", abnormal_only=True), found) == (["pump-1"], 1)
    shown, _ = fleet.fleet_rows(site.plant.devices_of("pump"), pump_type(), Choice("pump"), found, EN, {})
    assert shown[0]["connection"] == "silent"
    assert "fl-bad" in shown[0]["classes"]["temperature"]
    assert shown[1]["classes"]["temperature"] == ""  # the normal looks like nothing


async def test_a_value_in_alarm_carries_its_priority_and_others_do_not(site: Site) -> None:
    await site.feed(device="pump-1", temperature=120.0, state=1)
    found = fleet.overview(site.plant.devices.values(), site.pipeline.alarms.retained())
    assert found.marks == {("pump-1", "temperature"): 1}
    panel = {row["id"]: row for row in fleet.panel_rows(site.plant.device("pump-1"), found, EN, site.clock.now())}
    assert panel["temperature"]["classes"] == "fl-p1"
    assert panel["state"]["classes"] == ""
    assert panel["limit_high"]["quality"] == status.name_of(status.BAD_WAITING_FOR_INITIAL_DATA)
    assert panel["note"]["draws"] is False


def test_alarms_are_listed_by_what_needs_the_operator_first() -> None:
    acknowledged = alarm("a", 900, 50, acked=True)
    gone = alarm("b", 900, 40, active=False)
    low, old, new = alarm("c", 300, 60), alarm("d", 800, 10), alarm("e", 800, 20)
    found = fleet.overview([], [acknowledged, gone, low, old, new])
    assert [event.device_id for event in found.alarms] == ["e", "d", "c", "b", "a"]
    assert (found.active, found.unacked) == (4, 4)


@pytest.mark.parametrize(("severity", "priority"), [(1000, 1), (800, 1), (799, 2), (500, 2), (499, 3), (1, 3)])
def test_severity_becomes_one_of_three_priorities(severity: int, priority: int) -> None:
    assert fleet.priority_of(severity) == priority


def test_columns_show_what_can_alarm_before_the_rest() -> None:
    many = {f"extra_{n}": parameter(f"extra_{n}") for n in range(20)}
    kind = replace(pump_type(), parameters={**many, **pump_type().parameters})
    names = [spec.name for spec in fleet.columns_of(kind)]
    assert len(names) == fleet.COLUMNS
    assert {"temperature", "state"} <= set(names)
    assert "note" not in names
