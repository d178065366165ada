"""A restart on the same data folder: NamespaceArray, NodeIds and the state of an alarm are what they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.core.clock import SystemClock, to_iso
from tests.kit.mosquitto import mosquitto
from tests.kit.peers import AsyncuaPeer
from tests.kit.product import Product, product
from tests.kit.publisher import Publisher
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]
DEVICES = ("gpu-1", "gpu-2", "breaker-001")
ALARM = "gpu-1/Alarms/temp_exhaust"


def telemetry(device: str, exhaust: float) -> tuple[str, str]:
    """Topic and payload of an engine or a breaker."""
    now = to_iso(SystemClock().now())
    if device.startswith("gpu"):
        return f"engines/{device}/telemetry", f'{{"engine_id": "{device}", "time": "{now}", "temp_exhaust": {exhaust}}}'
    body = f'"timestamp": "{now}", "measurements": {{"frequency": {{"value": 50.0, "unit": "Hz"}}}}'
    return f"iot/{device}/raw", f'{{"device_id": "{device}", {body}}}'


async def every_node(client: AsyncuaPeer) -> set[str]:
    """NodeIds outside namespace 0 that can be reached from Objects."""
    seen: set[str] = set()
    waiting = ["i=85"]
    while waiting:
        for entry in await client.browse(waiting.pop()):
            node = entry["id"]
            if node.startswith("ns=") and "Pipeline/" not in node and node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


async def look(server: Product, poke: Callable[[], None]) -> tuple[list[str], set[str], dict[str, Any]]:
    """Namespaces, nodes, and the alarm as its nodes show it."""
    client = AsyncuaPeer()
    try:
        await client.connect(server.opcua_url)
        (array,) = await client.read(["i=2255"])
        index = array["value"].index("urn:fieldloom:plant")
        alarm = f"ns={index};s={ALARM}"
        names = ["EventId", "ActiveState/Id", "AckedState/Id", "Retain", "Severity", "Message"]

        async def shown() -> dict[str, Any]:
            poke()
            values = await client.read([f"{alarm}/{name}" for name in names])
            found = {name: value["value"] for name, value in zip(names, values, strict=True)}
            return found if found["ActiveState/Id"] else {}

        state = await until(shown, "the active alarm")

        async def all_there() -> set[str]:
            nodes = await every_node(client)
            wanted = {f"ns={index};s={device}" for device in DEVICES}
            return nodes if wanted <= nodes else set()

        return array["value"], await until(all_there, "the devices"), state
    finally:
        await client.close()


async def test_nothing_a_client_knows_by_name_changes(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "broker") as broker:
        env = {"FIELDLOOM_MQTT__URL": broker.url, "FIELDLOOM_OPCUA__ALLOW_NONE": "true"}
        with Publisher(broker.url) as publisher:
            async with product(tmp_path, env=env) as server:

                def speak() -> None:
                    # Said again until the server, which may still be subscribing, has heard it.
                    for device in DEVICES:
                        publisher.send(*telemetry(device, 530.0))

                before = await look(server, speak)
            # While it was away nothing is said: what is shown next comes from the data folder.
            async with product(tmp_path, env=env) as server:
                after = await look(server, lambda: None)
    assert after[0] == before[0]
    assert after[1] == before[1]
    assert len(before[1]) > 150
    assert after[2] == before[2]
    assert (before[2]["AckedState/Id"], before[2]["Retain"], before[2]["Severity"]) == (False, True, 800)
