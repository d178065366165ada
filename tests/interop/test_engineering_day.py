"""An engineering day at the running product with a foreign client: lock, edit, apply, transfer, act, unlock."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.parts import require_node_client
from tests.kit.peers import INTEROP, peer
from tests.kit.product import product
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]
DEVICE = "breaker-001"
DAY_S = 120.0
GOOD_EDITED = "GoodEdited"
DOMINANT_CHANGED = {"UncertainDominantValueChanged", "BadDominantValueChanged"}


async def _day(url: str, passwords: dict[str, str], folder: Path) -> dict[str, Any]:
    """The steps of engineering_day.mjs by their names."""
    given = {
        "url": url,
        "pki": str(folder / "day-pki"),
        "device": DEVICE,
        **{user: [user, passwords[user]] for user in ("engineer", "operator", "admin")},
    }
    process = await asyncio.create_subprocess_exec(
        require_node_client(),
        str(INTEROP / "engineering_day.mjs"),
        json.dumps(given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DAY_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    steps = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
    for step in steps:
        print(json.dumps(step, ensure_ascii=False))
    assert process.returncode == 0, err.decode()[-4000:]
    return {step["step"]: step for step in steps}


async def test_an_engineering_day(tmp_path: Path) -> None:
    # What IEC 62769-3 and OPC 10000-100 promise an engineer, seen from a client that is not ours.
    async with product(tmp_path, "--devices", "demo", command="demo") as server:
        async with peer("node-opcua", tmp_path) as client:
            await client.connect(server.opcua_url, "viewer", server.password("viewer"))
            (array,) = await client.read(["i=2255"])
            index = array["value"].index("urn:fieldloom:plant")
            node = f"ns={index};s={DEVICE}/ParameterSet/status_breaker"

            async def closed() -> bool:
                (found,) = await client.read([node])
                return found["status"] == "Good" and found["value"] == 1

            await until(closed, "the breaker's first values")
        passwords = {user: server.password(user) for user in ("engineer", "operator", "admin")}
        check(await _day(server.opcua_url, passwords, tmp_path))


def check(day: dict[str, Any]) -> None:
    """Every step went as it should."""
    assert (day["lock"]["status"], day["lock"]["outputs"]) == ("Good", [0])
    # A second client reads but changes nothing meanwhile.
    locked = day["locked"]
    assert locked["shown"] == [[True, "Good"], ["engineer", "Good"]]
    assert (locked["write"], locked["call"], locked["lock"]) == ("BadLocked", "BadLocked", [-1])
    assert day["context"] == {"step": "context", "status": 0, "named": True}
    registered = day["registered"]
    assert (registered["status"], registered["nodes"]) == (0, [0, 0])
    assert registered["device"].endswith(f"s={DEVICE}/Online/ParameterSet/threshold_overcurrent")
    # The edit shows in the context only; the value that depends on it turns.
    edited, wanted = day["edited"], day["applied"]["wanted"]
    assert edited["write"] == "Good"
    assert edited["value"] == [wanted, GOOD_EDITED]
    assert edited["dependent"][1] in DOMINANT_CHANGED
    assert edited["leading"][0] == edited["before"][0][0] != wanted
    assert edited["others"] == "BadUserAccessDenied"
    # Apply brings it to the device, whose confirmation everybody sees.
    applied = day["applied"]
    assert (applied["status"], applied["incidents"]) == (0, 0)
    assert applied["leading"] == [wanted, "Good"]
    assert applied["context"] == [wanted, "Good"]
    transferred = day["transferred"]
    assert transferred["status"] == 0
    assert ["threshold_overcurrent", "Good"] in transferred["results"]
    # The METHOD asks before it trips the breaker.
    acted = day["acted"]
    assert (acted["invoked"], acted["answered"]) == (0, [0])
    assert "will be disconnected" in acted["asked"]
    assert acted["states"][-1] == "Completed"
    assert acted["breaker"] == [2, "Good"]
    assert day["unlock"]["outputs"] == [0]
    assert day["unlocked"]["context"] == "BadNodeIdUnknown"
    assert day["unlocked"]["write"] == "Good"
    events = day["audited"]["events"]
    methods = {event["method"].rpartition("i=")[2] for event in events if event["user"] == "engineer" and event["good"]}
    assert {"6393", "55", "58", "64", "6529", "6531", "22", "25", "6398"} <= methods
