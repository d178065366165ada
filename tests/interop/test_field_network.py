"""A broker and a gas engine that is not well, as OPC UA and HTTP clients of the running product see them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from asyncua import Client, ua

from tests.kit.product import product
from tests.kit.publisher import Publisher
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]
DI, PLANT = "http://opcfoundation.org/UA/DI/", "urn:fieldloom:plant"
STOPPED_ITSELF, COOLING = 1, 2  # bits of the engine's `diagnostics`
FAILURE, OFF_SPEC = 1, 3  # NE 107 as DI numbers it


def telemetry(diagnostics: int) -> tuple[str, bytes]:
    body = {
        "engine_id": "gpu-1",
        "model": "J420",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "power_kw": 900.0,
        "temp_exhaust": 470.0,
        "gas_consumption": 230.0,
        "vibration": 6.0,
        "gas_pressure": 2.1,
        "total_hours": 10_000.0,
        "status": 1,
        "diagnostics": diagnostics,
    }
    return "engines/gpu-1/telemetry", json.dumps(body).encode()


async def test_health_reaches_every_door_and_the_network_is_online(tmp_path: Path) -> None:
    async with product(tmp_path, env={"FIELDLOOM_OPCUA__ALLOW_NONE": "true"}) as server:
        client = Client(server.opcua_url, timeout=10)
        await client.connect()
        try:
            index = await client.get_namespace_index(PLANT)
            online = client.get_node(ua.NodeId(6095, await client.get_namespace_index(DI)))
            await until(lambda: online.read_value(), "OnlineAccess")
            health = client.get_node(f"ns={index};s=gpu-1/DeviceHealth")
            reasons = client.get_node(f"ns={index};s=gpu-1/DeviceHealthDiagnostics")
            with Publisher(server.mqtt_url) as publisher:

                async def tells(bits: int, expected: int) -> bool:
                    publisher.send(*telemetry(bits))
                    try:
                        return bool(await health.read_value() == expected)
                    except ua.UaStatusCodeError:  # the device is not known yet
                        return False

                await until(lambda: tells(COOLING, OFF_SPEC), "cooling")
                await until(lambda: tells(COOLING | STOPPED_ITSELF, FAILURE), "stopped by itself")
            assert [text.Text for text in await reasons.read_value()] == [
                "Stopped by its protection",
                "Cooling is not sufficient",
            ]
            headers = {"Authorization": f"Bearer {server.token}"}
            async with httpx.AsyncClient(base_url=server.http_url, headers=headers) as http:

                async def listed() -> dict[str, Any]:
                    found = (await http.get("/api/alarms")).json()
                    rows = found if isinstance(found, list) else found["alarms"]
                    own = {row["name"]: row for row in rows if row["device_id"] == "gpu-1"}
                    return own if {"Failure", "OffSpec"} <= own.keys() else {}

                alarms = await until(listed, "both alarms")
        finally:
            await client.disconnect()
    assert {name: (row["severity"], row["active"]) for name, row in alarms.items()} == {
        "Failure": (900, True),
        "OffSpec": (600, True),
    }
