"""A stranger's first hour with two foreign clients: browse, read, subscribe, trip, acknowledge, history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit.peers import Peer, peer
from tests.kit.product import Product, product
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]
PLANT = "urn:fieldloom:plant"
MEASURED = {
    *("voltage_phase_a", "voltage_phase_b", "voltage_phase_c", "current_phase_a", "current_phase_b"),
    *("current_phase_c", "power_active", "power_reactive", "power_apparent", "power_factor", "frequency"),
    *("temperature", "status_breaker", "status_position", "status_communication", "protection_trip_count"),
    *("protection_ground_fault_current", "protection_arc_fault_detected", "operational_load_percentage"),
    *("operational_operating_hours", "operational_maintenance_due"),
}
THRESHOLDS = {"threshold_overcurrent", "threshold_ground_fault", "threshold_temperature"}
FIELDS = ["EventId", "EventType", "SourceName", "Message", "Severity", "Retain", "ConditionName"]


async def plant_index(client: Peer) -> int:
    (array,) = await client.read(["i=2255"])
    return int(array["value"].index(PLANT))


@pytest.mark.parametrize("kind", ["node-opcua", "asyncua"])
async def test_walk_through(kind: str, tmp_path: Path) -> None:
    async with (
        product(tmp_path, "--scenario", "demo", "--devices", "demo", command="demo") as server,
        peer(kind, tmp_path) as client,
    ):
        await client.connect(server.opcua_url, "operator", server.password("operator"))
        index = await plant_index(client)
        await _browse_and_read(client, index)
        await _trip_and_acknowledge(client, index)
        await _history(client, index, server)


async def _browse_and_read(client: Peer, index: int) -> None:
    objects = {entry["name"]: entry["id"] for entry in await client.browse("i=85")}
    assert {"Server", "DeviceSet", "DeviceTopology", "NetworkSet", "Plant", "Fieldloom"} <= objects.keys()

    async def devices() -> set[str]:
        names = {entry["name"] for entry in await client.browse(objects["DeviceSet"])}
        return names if {"breaker-001", "gpu-1", "loom-01", "sensor-300"} <= names else set()

    names = await until(devices, "the demo's devices")
    assert "power-station-alpha.turbine-a" in names
    parameters = await client.browse(f"ns={index};s=breaker-001/ParameterSet")
    assert {entry["name"] for entry in parameters} == MEASURED | THRESHOLDS

    async def all_good() -> list[dict[str, Any]]:
        values = await client.read([entry["id"] for entry in parameters])
        return values if all(value["status"] == "Good" for value in values) else []

    values = await until(all_good, "a Good value of every parameter of breaker-001")
    by_name = {entry["name"]: value for entry, value in zip(parameters, values, strict=True)}
    assert by_name["voltage_phase_a"]["type"] == "Double"
    assert 90 < by_name["voltage_phase_a"]["value"] < 140
    assert by_name["protection_arc_fault_detected"]["value"] is False
    # The source time is the device's: a moment ago, not the time of the read.
    age = datetime.now(UTC) - datetime.fromisoformat(by_name["temperature"]["source"])
    assert timedelta(0) <= age < timedelta(seconds=10)


async def _trip_and_acknowledge(client: Peer, index: int) -> None:
    state = f"ns={index};s=breaker-001/ParameterSet/status_breaker"
    methods = f"ns={index};s=breaker-001/MethodSet"
    await client.subscribe_events("i=2253", FIELDS)
    assert await client.subscribe([state]) == 0
    assert (await client.call(methods, f"{methods}/Trip"))["status"] == "Good"

    async def tripped() -> bool:
        return any(value[0] == 2 for value in await client.values(state))

    await until(tripped, "status_breaker = 2 by the device's echo")

    async def alarm() -> list[dict[str, Any]]:
        return [e for e in await client.events() if e["SourceName"] == "breaker-001" and e["ConditionName"] == "Trip"]

    (event, *_) = await until(alarm, "the trip alarm's event")
    assert event["Retain"] is True
    condition = f"ns={index};s=breaker-001/Alarms/Trip"
    (acked,) = await client.read([f"{condition}/AckedState/Id"])
    assert acked["value"] is False
    inputs = (("ByteString", event["EventId"]["hex"]), ("LocalizedText", "seen by the test"))
    assert (await client.call(condition, "i=9111", *inputs))["status"] == "Good"
    (acked,) = await client.read([f"{condition}/AckedState/Id"])
    assert acked["value"] is True
    # The same EventId again no longer names the current state.
    assert (await client.call(condition, "i=9111", *inputs))["status"] == "BadEventIdUnknown"
    assert await client.refresh() == "Good"
    assert (await client.call(methods, f"{methods}/Reset"))["status"] == "Good"
    wrong = await client.call(methods, f"{methods}/SetThreshold", ("String", "nothing"), ("Double", 1.0))
    assert (wrong["status"], wrong["arguments"]) == ("BadInvalidArgument", ["BadOutOfRange", "Good"])
    assert (await client.call(methods, f"{methods}/SetThreshold", ("String", "x")))["status"] == "BadArgumentsMissing"
    diagnostics = await client.call(methods, f"{methods}/GetDiagnostics")
    assert diagnostics["status"] == "Good"
    assert "protection_trip_count" in diagnostics["outputs"][0]


async def _history(client: Peer, index: int, server: Product) -> None:
    node = f"ns={index};s=gpu-1/ParameterSet/power_kw"
    end = datetime.now(UTC)
    start = end - timedelta(minutes=5)

    async def enough() -> dict[str, Any]:
        found = await client.history(node, start.isoformat(), datetime.now(UTC).isoformat(), 1000)
        return found if len(found["values"]) >= 5 else {}

    whole = await until(enough, "five recorded values")
    stop = datetime.fromisoformat(whole["values"][-1][0]) + timedelta(milliseconds=1)
    small = await client.history(node, start.isoformat(), stop.isoformat(), 2)
    assert small["status"] == "Good"
    assert small["values"] == whole["values"]
    assert small["pages"][:-1] == [2] * (len(small["pages"]) - 1)
