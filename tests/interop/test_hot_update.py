"""A package is updated, rolled back and removed under foreign clients while its devices publish: nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.bench.bench_hot_update import measure
from tests.kit.packages import EDD, make_package
from tests.kit.peers import peer
from tests.kit.product import ROOT, Product, product
from tests.kit.publisher import Publisher
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]
CLIENTS = pytest.mark.parametrize("kind", ["node-opcua", "asyncua"])
DEVICES = [f"tank-{number}" for number in range(10)]
NEW = EDD.replace(
    "VARIABLE count",
    'VARIABLE flow { LABEL "Flow"; CLASS DYNAMIC; HANDLING READ; TYPE DOUBLE; }\nVARIABLE volume',
).replace("level, count, state", "level, volume, flow, state")
NEW_PARAMETERS = {
    "level": "/level",
    "flow": "/flow",
    "volume": "/count",
    "state": "/state",
    "level_high": "/level_high",
}


def binding(parameters: dict[str, str]) -> str:
    rows = "\n".join(f'{name} = "{pointer}"' for name, pointer in parameters.items())
    return f"""
type = "tank"
[silence]
uncertain_after_s = 60
bad_after_s = 120
[[message]]
topic = "tanks/{{device}}/telemetry"
[message.parameters]
{rows}
"""


def first() -> bytes:
    parameters = {"level": "/level", "count": "/count", "state": "/state", "level_high": "/level_high"}
    return make_package("tank", version="1.0.0", binding=binding(parameters))


def second() -> bytes:
    """`count` went (as `volume` it is another parameter), `flow` came."""
    return make_package("tank", version="1.1.0", edd=NEW, binding=binding(NEW_PARAMETERS))


async def fieldloom(server: Product, *words: str) -> str:
    """One command against the running server of a data folder; returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        *words,
        env={"FIELDLOOM_DATA_DIR": str(server.data), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=server.data.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


class Plant:
    """Publishes the next number for every device."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.number = 0

    def round(self) -> None:
        self.number += 1
        body = {"level": self.number / 10, "count": self.number, "flow": self.number, "state": 1}
        for device in DEVICES:
            self._publisher.send(f"tanks/{device}/telemetry", json.dumps(body))


@CLIENTS
async def test_an_update_under_a_foreign_client_loses_nothing(kind: str, tmp_path: Path) -> None:
    env = {"FIELDLOOM_OPCUA__ALLOW_NONE": "true"}
    async with product(tmp_path, env=env) as server, peer(kind, tmp_path) as client:
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/octet-stream"}
        async with httpx.AsyncClient(base_url=server.http_url, timeout=60, headers=headers) as http:
            assert (await http.post("/api/packages", content=first())).status_code == 201
            await client.connect(server.opcua_url)
            (array,) = await client.read(["i=2255"])
            index = array["value"].index("urn:fieldloom:plant")

            def node(device: str, name: str) -> str:
                return f"ns={index};s={device}/ParameterSet/{name}"

            with Publisher(server.mqtt_url) as publisher:
                plant = Plant(publisher)
                plant.round()
                await until(lambda: _good(client, node(DEVICES[-1], "level")), "the first values")
                watched = [node(device, name) for device in DEVICES for name in ("level", "count")]
                assert await client.subscribe(watched, 100) == 0
                await _rounds(client, plant, node, 5)
                updating = http.post("/api/packages", content=second())
                answer, _ = await asyncio.gather(updating, _rounds(client, plant, node, 5))
                assert answer.status_code == 201, answer.text
                await _rounds(client, plant, node, 5)
                await until(lambda: _good(client, node(DEVICES[-1], "flow")), "the new parameter")

                async def told() -> bool:
                    seen = await client.values()
                    return all(_codes(seen[node(d, "count")]).count("BadNodeIdUnknown") == 1 for d in DEVICES)

                await until(told, "the end of the removed parameter")
                listed = await fieldloom(server, "package", "list")
                rows = [line.split() for line in listed.splitlines() if "tank" in line]
                assert [(row[0] == "*", *row[-2:]) for row in rows] == [
                    (False, "Unsigned", listed_id(listed)),
                    (True, "Unsigned", listed_id(listed)),
                ]
                rolled = await fieldloom(server, "package", "rollback", listed_id(listed))
                assert "1.0.0 is in use" in rolled
                await _rounds(client, plant, node, 5)
                await until(lambda: _good(client, node(DEVICES[-1], "count")), "the parameter that is back")
                seen = await client.values()
                events = [entry for entry in (await http.get("/api/packages")).json() if entry["current"]]
                assert "1.0.0" in {entry["version"] for entry in events if entry["package_id"] == listed_id(listed)}
    gaps = 0
    for device in DEVICES:
        levels = list(dict.fromkeys(round(value[0] * 10) for value in seen[node(device, "level")]))
        assert levels == list(range(levels[0], plant.number + 1)), device
        assert all(code.startswith("Good") for code in _codes(seen[node(device, "level")]))
        gaps += sum(later - earlier != 1 for earlier, later in itertools.pairwise(levels))
    print(f"{kind}: {len(DEVICES)} devices, {plant.number} values of each, update and roll back, {gaps} lost")
    assert gaps == 0


def listed_id(listed: str) -> str:
    """The package id in what `package list` prints."""
    row = next(line for line in listed.splitlines() if "tank" in line)
    return next(word for word in row.split() if word.count("-") == 4)


def _codes(values: list[list[Any]]) -> list[str]:
    return [value[2] for value in values]


async def _good(client: Any, node: str) -> bool:
    (value,) = await client.read([node])
    return bool(value["status"] == "Good")


async def _rounds(client: Any, plant: Plant, node: Any, count: int) -> None:
    """Some rounds, each seen by the client before the next: what then is missing was lost by the server."""
    for _ in range(count):
        await asyncio.to_thread(plant.round)
        wanted = plant.number / 10

        async def seen(wanted: float = wanted) -> bool:
            values = await client.values()
            return all(any(v[0] == wanted for v in values.get(node(d, "level"), [])) for d in DEVICES)

        await until(seen, f"round {plant.number}")


async def test_many_monitored_items_get_every_value_through_an_update(tmp_path: Path) -> None:
    # The measurement of the benchmark, smaller: its figures are printed, and nothing may be lost.
    found = await measure(tmp_path, items=600, seconds=3.0, period_s=0.5)
    around = max(found.gaps_update)
    print(f"{found.items} items: {found.notifications} notifications, longest gap around the update {around:.2f} s")
    assert (found.lost, found.doubled, found.bad) == (0, 0, 0)
    assert len(found.gaps_update) == 600


async def test_a_roll_back_outlives_a_restart(tmp_path: Path) -> None:
    async with product(tmp_path) as server:
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/octet-stream"}
        async with httpx.AsyncClient(base_url=server.http_url, timeout=60, headers=headers) as http:
            for data in (first(), second()):
                assert (await http.post("/api/packages", content=data)).status_code == 201
            packages = (await http.get("/api/packages")).json()
            package = next(e for e in packages if e["version"] == "1.1.0" and not e["builtin"])["package_id"]
            answer = await http.post(f"/api/packages/{package}/rollback")
            assert (answer.status_code, answer.json()["version"]) == (200, "1.0.0")
            assert (await http.post(f"/api/packages/{package}/rollback")).status_code == 404
    async with product(tmp_path) as server:
        headers = {"Authorization": f"Bearer {server.token}"}
        async with httpx.AsyncClient(base_url=server.http_url, timeout=60, headers=headers) as http:
            rows = [e for e in (await http.get("/api/packages")).json() if e["package_id"] == package]
    assert [(row["version"], row["current"]) for row in rows] == [("1.0.0", True), ("1.1.0", False)]
