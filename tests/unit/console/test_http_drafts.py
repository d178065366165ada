"""Drafts and dry runs over HTTP: what engineers can ask for and what comes back."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.rehearsal import rehearse
from server.console.api import create_app
from server.core.clock import ManualClock
from server.fdi.build import assemble
from server.fdi.draft.limits import DraftLimits
from server.fdi.draft.service import DraftService, Take
from tests.kit.drafts import message
from tests.kit.http import Site, make_site

TOPIC = "pumps/p-1/raw"
SENT = [message(TOPIC, {"flow": 1.5, "unit_of": "x"}), message(TOPIC, {"flow": 2}), message("pumps/p-1/log", b"hello")]


async def hear(filters: Sequence[str], take: Take) -> None:
    """A broker that has sent what it had, and is silent."""
    take(SENT)
    await asyncio.Event().wait()


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> AsyncIterator[Site]:
    made = await make_site(clock, tmp_path)
    service = DraftService(
        hear,
        lambda binding, messages: rehearse(binding, messages),
        audit=made.records.audit,
        clock=clock,
        limits=DraftLimits(),
        at_once=2,
        longest_s=60,
    )
    made.context = replace(made.context, drafts=service)
    made.app = create_app(made.context, pages=False)
    yield made
    await service.close()


async def start(client: httpx.AsyncClient, **more: Any) -> str:
    answer = await client.post("/api/drafts", json={"topics": ["pumps/#"], "name": "Pump P7", **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_draft_from_start_to_removal(site: Site) -> None:
    async with site.signed_in("engineer") as client:
        draft_id = await start(client, manufacturer="Acme")
        (listed,) = (await client.get("/api/drafts")).json()
        assert (listed["id"], listed["state"], listed["topics"]) == (draft_id, "listening", ["pumps/#"])
        found = (await client.get(f"/api/drafts/{draft_id}")).json()
        assert [entry["name"] for entry in found["model"]["parameters"]] == ["flow", "unit_of"]
        assert found["model"]["refused"] == [{"reason": "no JSON in UTF-8", "count": 1, "examples": ["pumps/p-1/log"]}]
        assert (await client.post(f"/api/drafts/{draft_id}/stop")).json()["state"] == "ended"
        assert (await client.delete(f"/api/drafts/{draft_id}")).status_code == 204
        assert (await client.get(f"/api/drafts/{draft_id}")).status_code == 404
        assert (await client.get("/api/drafts")).json() == []


async def test_the_source_comes_as_archive_or_as_text(site: Site) -> None:
    async with site.signed_in("engineer") as client:
        draft_id = await start(client)
        archive = await client.get(f"/api/drafts/{draft_id}/source")
        assert archive.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
            files = {name: opened.read(name) for name in opened.namelist()}
        assert sorted(files) == ["catalog.toml", "device.ddl", "mqtt.toml"]
        assert assemble(files)[1] == "0.1.0"  # it builds
        text = await client.get(f"/api/drafts/{draft_id}/source?file=mqtt.toml")
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert text.content == files["mqtt.toml"]
        assert (await client.get(f"/api/drafts/{draft_id}/source?file=../x")).status_code == 422


async def test_a_dry_run_of_a_draft_tells_what_its_messages_become(site: Site) -> None:
    async with site.signed_in("engineer") as client:
        draft_id = await start(client)
        first, second, log = (await client.post("/api/drafts/dry-run", json={"draft": draft_id})).json()
    assert first["message"] == "pumps/{device}/raw"
    assert first["measurements"] == [
        {
            "device_id": "p-1",
            "time": "2026-01-05T08:00:00.000000Z",
            "attributes": {},
            "values": [
                {"parameter": "flow", "value": 1.5, "unit": "", "status": "Good"},
                {"parameter": "unit_of", "value": "x", "unit": "", "status": "Good"},
            ],
        }
    ]
    assert [entry["value"] for entry in second["measurements"][0]["values"]] == [2.0]
    assert [problem["reason"] for problem in log["refused"]] == ["unknown_topic"]
    assert "p-1" not in site.plant.devices  # nothing has happened


async def test_a_dry_run_takes_edited_sources_packages_and_types_in_use(site: Site) -> None:
    async with site.signed_in("engineer") as client:
        draft_id = await start(client)
        names = ("catalog.toml", "device.ddl", "mqtt.toml")
        files = {name: (await client.get(f"/api/drafts/{draft_id}/source?file={name}")).text for name in names}
        package = base64.b64encode(assemble({name: text.encode() for name, text in files.items()})[0]).decode()
        edited = {**files, "mqtt.toml": files["mqtt.toml"].replace("/{device}/raw", "/{device}/other")}
        sent = [{"topic": TOPIC, "payload": {"flow": 7}}, {"topic": TOPIC, "text": "no json"}]
        by_package = (await client.post("/api/drafts/dry-run", json={"package": package, "messages": sent})).json()
        by_files = (await client.post("/api/drafts/dry-run", json={"files": edited, "messages": sent})).json()
        own = (await client.post("/api/drafts/dry-run", json={"files": edited, "draft": draft_id})).json()
        in_use = (await client.post("/api/drafts/dry-run", json={"device_type": "pump", "messages": sent})).json()
    assert by_package[0]["measurements"][0]["values"][0]["value"] == 7.0
    assert by_package[1]["refused"][0]["reason"] == "not_json"
    assert [entry["refused"][0]["reason"] for entry in by_files] == ["unknown_topic"] * 2
    assert len(own) == len(SENT)
    assert len(in_use) == 2


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/drafts", {"topics": []}, 422),
        ("/api/drafts", {"topics": ["a/#/b"]}, 422),
        ("/api/drafts", {"topics": ["a"], "seconds": 0}, 422),
        ("/api/drafts", {"topics": ["a"], "surprise": 1}, 422),
        ("/api/drafts", {"topics": ["a"], "type_id": "Nein"}, 422),
        ("/api/drafts/dry-run", {"draft": "00"}, 404),
        ("/api/drafts/dry-run", {"device_type": "none", "messages": [{"topic": "a"}]}, 404),
        ("/api/drafts/dry-run", {"device_type": "pump"}, 422),  # no message
        ("/api/drafts/dry-run", {"messages": [{"topic": "a"}]}, 422),  # nothing to try them with
        ("/api/drafts/dry-run", {"device_type": "pump", "package": "UEs=", "messages": [{"topic": "a"}]}, 422),
        ("/api/drafts/dry-run", {"package": "!", "messages": [{"topic": "a"}]}, 422),
        ("/api/drafts/dry-run", {"package": "UEs=", "messages": [{"topic": "a"}]}, 422),  # no ZIP
        ("/api/drafts/dry-run", {"files": {"x": "y"}, "messages": [{"topic": "a"}]}, 422),
        ("/api/drafts/dry-run", {"device_type": "pump", "messages": [{"topic": "a"}] * 101}, 422),
    ],
)
async def test_what_cannot_be_done_is_told_as_a_problem(site: Site, path: str, body: Any, code: int) -> None:
    async with site.signed_in("engineer") as client:
        answer = await client.post(path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json")


async def test_more_drafts_than_there_may_be_conflict(site: Site) -> None:
    async with site.signed_in("engineer") as client:
        await start(client)
        await start(client)
        answer = await client.post("/api/drafts", json={"topics": ["a"]})
    assert answer.status_code == 409
    assert "remove one first" in answer.json()["detail"]


async def test_a_broken_source_tells_its_mistakes(site: Site) -> None:
    async with site.signed_in("engineer") as client:
        draft_id = await start(client)
        names = ("catalog.toml", "device.ddl", "mqtt.toml")
        files = {name: (await client.get(f"/api/drafts/{draft_id}/source?file={name}")).text for name in names}
        files["mqtt.toml"] = files["mqtt.toml"].replace("flow =", "flaw =")
        answer = await client.post("/api/drafts/dry-run", json={"files": files, "draft": draft_id})
    assert answer.status_code == 422
    assert "did you mean flow?" in answer.json()["errors"][0]["detail"]


async def test_a_server_without_drafts_says_so(clock: ManualClock, tmp_path: Path) -> None:
    plain = await make_site(clock, tmp_path)
    async with plain.signed_in("engineer") as client:
        assert (await client.get("/api/drafts")).status_code == 404
