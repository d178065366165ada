"""The server tells operators of itself: its broker goes away and comes back."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.kit.mosquitto import mosquitto
from tests.kit.peers import peer
from tests.kit.product import product
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]
BROKER = "fieldloom-server/Alarms/Broker"


async def test_a_broker_that_goes_away_is_an_alarm_and_lowers_the_service_level(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "broker") as broker:
        env = {"FIELDLOOM_MQTT__URL": broker.url, "FIELDLOOM_OPCUA__ALLOW_NONE": "true"}
        async with product(tmp_path, env=env) as server, peer("asyncua", tmp_path) as client:
            headers = {"Authorization": f"Bearer {server.token}"}
            async with httpx.AsyncClient(base_url=server.http_url, headers=headers) as http:
                # The package waits ten seconds for a connection to come back: that is not what is tested here.
                rule = {"match": {"types": ["fieldloom_server"]}, "alarm": {"name": "Broker", "on_delay_s": 0}}
                (await http.put("/api/alarm-rules/at-once", json=rule)).raise_for_status()
                await client.connect(server.opcua_url, "viewer", server.password("viewer"))

                async def level(wanted: int) -> bool:
                    (found,) = await client.read(["i=2267"])
                    return bool(found["value"] == wanted)

                async def active(wanted: bool) -> bool:
                    answer = await http.get(f"/api/alarms/{BROKER}")
                    return answer.status_code == 200 and answer.json()["active"] is wanted

                async def well() -> bool:
                    return await level(255) and await active(False)

                async def without_field() -> bool:
                    return await level(100) and await active(True)

                await until(well, "a healthy server", within_s=30)
                await broker.stop()
                await until(without_field, "the broker's alarm", within_s=30)
                alarm = (await http.get(f"/api/alarms/{BROKER}")).json()
                entries = (await http.get("/api/alarms/rationalization")).json()["alarms"]
    assert (alarm["severity"], alarm["class"]) == (800, "System")
    own = [entry for entry in entries if entry["type"] == "fieldloom_server"]
    assert {entry["name"] for entry in own} >= {"Broker", "Historian", "LoopLag", "DiskFree", "Certificate"}
