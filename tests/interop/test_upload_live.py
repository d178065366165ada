"""A package the server has never seen is uploaded; its device publishes; its nodes are live within two seconds."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from server.core.clock import SystemClock, to_iso
from tests.kit.mosquitto import mosquitto
from tests.kit.packages import make_package
from tests.kit.peers import peer
from tests.kit.product import product
from tests.kit.publisher import Publisher
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]
LIVE_S = 2.0


async def test_uploaded_type_is_usable_at_once(tmp_path: Path) -> None:
    data = make_package("tank", topic="tanks/{device}/telemetry")
    async with (
        mosquitto(tmp_path / "broker") as broker,
        product(tmp_path, env={"FIELDLOOM_MQTT__URL": broker.url, "FIELDLOOM_OPCUA__ALLOW_NONE": "true"}) as server,
        peer("asyncua", tmp_path) as client,
        httpx.AsyncClient(base_url=server.http_url, timeout=30) as http,
    ):
        answer = await http.post("/api/login", json={"user": "engineer", "password": server.password("engineer")})
        assert answer.status_code == 200, answer.text
        rights = {"Authorization": f"Bearer {answer.json()['token']}"}
        await client.connect(server.opcua_url)
        binary = {**rights, "Content-Type": "application/octet-stream"}
        refused = await http.post("/api/packages", content=data[: len(data) // 2], headers=binary)
        assert 400 <= refused.status_code < 500, refused.text
        assert refused.headers["content-type"].startswith("application/problem+json")
        installed = await http.post("/api/packages", content=data, headers=binary)
        assert installed.status_code in (200, 201), installed.text
        (array,) = await client.read(["i=2255"])
        node = f"ns={array['value'].index('urn:fieldloom:plant')};s=tank-7/ParameterSet/level"
        with Publisher(broker.url) as publisher:
            began = time.monotonic()
            publisher.send("tanks/tank-7/telemetry", json.dumps({"time": to_iso(SystemClock().now()), "level": 41.5}))

            async def live() -> bool:
                (value,) = await client.read([node])
                return bool(value["status"] == "Good" and value["value"] == 41.5)

            await until(live, "the new device's level")
            took = time.monotonic() - began
        print(f"nodes live {took:.2f} s after the message")
        assert took < LIVE_S
        details = (await http.get("/api/devices/tank-7", headers=rights)).json()
        assert details["id"] == "tank-7"
