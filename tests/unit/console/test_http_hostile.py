"""Bodies, headers and paths that mean harm: refused as problem documents, nothing of our inside shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.core.clock import ManualClock
from tests.kit.http import PACKAGE, Site, make_site

LIMIT_HIGH = "/api/devices/pump-1/values/limit_high"
TRIP = "/api/devices/pump-1/commands/trip"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    site = await make_site(clock, tmp_path, body_limit_bytes=4096, upload_limit_bytes=65_536)
    await site.feed(temperature=20.0)
    return site


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"null",
        b"[1]",
        b"{}",
        b'{"value": null}',
        b'{"value": [1]}',
        b'{"value": {"a": 1}}',
        b'{"value": NaN}',
        b'{"value": Infinity}',
        b'{"value": 1e999}',
        b'{"value": ' + b"9" * 400 + b"}",
        b'{"value": -' + b"9" * 4000 + b"}",
        b'{"value": 70.0, "force": true}',
        b'{"value": "\\ud800"}',
        b'{"value": "' + b"\\u0000" * 100 + b'"}',
        b"\xff\xfe\x00{",
        b"[" * 4000,
    ],
    ids=lambda body: repr(body[:28]),
)
async def test_a_hostile_value_never_reaches_the_device(site: Site, body: bytes) -> None:
    async with site.signed_in("operator") as client:
        answer = await client.put(LIMIT_HIGH, content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert "server/" not in answer.text
    assert site.sender.sent == []


@pytest.mark.parametrize(
    "params",
    [
        '{"name": "limit_high", "value": ' + "9" * 400 + "}",
        '{"name": "\\ud800", "value": 1.0}',
        '{"": 1, "value": 1.0}',
    ],
)
async def test_hostile_arguments_of_a_command_are_refused(site: Site, params: str) -> None:
    async with site.signed_in("operator") as client:
        content = f'{{"params": {params}}}'
        answer = await client.post("/api/devices/pump-1/commands/set_threshold", content=content, headers=JSON)
    assert answer.status_code == 422
    assert site.sender.sent == []


async def test_a_body_beyond_its_limit_is_413_announced_or_not(site: Site) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    async with site.signed_in("engineer") as client:
        announced = await client.put(LIMIT_HIGH, content=b" " * 5_000, headers=JSON)
        dripped = await client.put(LIMIT_HIGH, content=dripping(), headers=JSON)
        lied = await client.put(LIMIT_HIGH, content=dripping(), headers={**JSON, "Content-Length": "10"})
        no_number = await client.put(LIMIT_HIGH, content=b"{}", headers={**JSON, "Content-Length": "-1"})
        big = await client.post("/api/packages", content=PACKAGE + b"x" * 65_536)
        fits = await client.post("/api/packages", content=PACKAGE + b"x" * 10_000)
    assert [answer.status_code for answer in (announced, dripped, lied, no_number, big)] == [413] * 5
    assert announced.headers["content-type"] == "application/problem+json"
    assert fits.status_code == 201


async def test_a_package_that_is_none_is_refused_with_its_rule(site: Site) -> None:
    async with site.signed_in("engineer") as client:
        broken = await client.post("/api/packages", content=b"GIF89a")
        empty = await client.post("/api/packages", content=b"")
        text = await client.post("/api/packages", content=PACKAGE, headers={"Content-Type": "text/html"})
        nameless = await client.post("/api/packages", files={"note": (None, "no file")})
        two = await client.post("/api/packages", files=[("file", ("a", PACKAGE)), ("file", ("b", PACKAGE))])
        torn = await client.post(
            "/api/packages", content=b"--x\r\nbroken", headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        unbound = await client.post("/api/packages", content=PACKAGE, headers={"Content-Type": "multipart/form-data"})
    assert broken.status_code == 422
    assert "zip.broken" in broken.json()["detail"]
    answers = [empty, nameless, two, torn, unbound]
    assert {answer.status_code for answer in answers} <= {400, 422}
    assert text.status_code == 415
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in [*answers, text, broken])
    assert site.packages.installed == {}


async def test_an_unknown_method_is_405_and_says_so_as_a_problem(site: Site) -> None:
    async with site.signed_in("admin") as client:
        answers = [
            await client.delete("/api/devices/pump-1"),
            await client.patch("/api/alarms"),
            await client.request("BREW", "/api/me"),
        ]
    assert [answer.status_code for answer in answers] == [405, 405, 405]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


async def test_a_failure_of_ours_shows_nothing_of_our_inside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[dict[str, object]]:
        raise RuntimeError("secret path /var/lib/fieldloom")

    monkeypatch.setattr(site.packages, "list", broken)
    async with site.signed_in("viewer") as client:
        answer = await client.get("/api/packages")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text


async def test_every_answer_carries_the_security_headers(site: Site) -> None:
    async with site.client() as client:
        for path in ("/health", "/docs", "/api/devices", "/nothing", "/openapi.json"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "access-control-allow-origin" not in headers
        assert (await client.get("/api/devices")).headers["cache-control"] == "no-store"


async def test_control_characters_make_no_second_audit_line(site: Site) -> None:
    async with site.signed_in("viewer") as client:
        await client.post("/api/devices/pump-1/commands/trip%0Aadmin%20did%20it")
        await client.post("/api/login", json={"user": "x\r\nadmin signed in", "password": "x"})
    assert site.records.audits
    assert not any("\n" in str(part) for record in site.records.audits for part in record)


async def test_long_names_in_paths_are_refused(site: Site) -> None:
    async with site.signed_in("operator") as client:
        for path in (f"/api/devices/{'x' * 65}", f"/api/alarms/{'x' * 300}", f"/api/devices/pump-1/values/{'x' * 200}"):
            assert (await client.get(path)).status_code == 422
        assert (await client.post(TRIP, json={"params": {f"p{n}": 1 for n in range(50)}})).status_code == 422
