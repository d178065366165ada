"""One running product under everything bad its doors may get: all of it refused and counted, nobody else disturbed."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from server.core.clock import SECOND, SystemClock, to_iso
from tests.kit.mosquitto import mosquitto
from tests.kit.packages import EDD, make_package
from tests.kit.peers import Peer, peer
from tests.kit.product import Product, product
from tests.kit.publisher import Publisher
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]
PERIOD_S = 0.2
ROUNDS = 10
"""How often each hostile message comes while they are counted."""
WATCHED = 30
"""Values of the bystander at least; the storm goes on until then."""
GOOD = 118.25
"""The victim's last good voltage."""
PROBLEM = "application/problem+json"


def changed(data: bytes, **parts: bytes) -> bytes:
    """A package with parts put in or replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, parts.pop(name, None) or old.read(name))
        for name, content in parts.items():
            new.writestr(name, content)
    return out.getvalue()


def hostile_packages() -> Iterator[tuple[str, bytes, str, str]]:
    """(what, bytes, part the refusal must name, rule it must name)."""
    whole = make_package("victim")
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        name = next(entry for entry in archive.namelist() if entry.lower().endswith("catalog.xml"))
        catalog = archive.read(name)
    start = catalog.index(b"?>") + 2 if catalog.startswith(b"<?xml") else 0
    entity = b'<!DOCTYPE c [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    external = catalog[:start] + entity + catalog[start:].replace(b"Test Works", b"&e;")
    yield "zip bomb", changed(whole, **{"docs/bomb.txt": bytes(20_000_000)}), "docs/bomb.txt", "zip.ratio"
    yield "parent folder", changed(whole, **{"../../evil.txt": b"evil"}), "../../evil.txt", "opc.escape"
    yield "external entity", changed(whole, **{name: external}), name, "xml."
    yield "truncated EDD", make_package("victim", edd=EDD[: len(EDD) // 2]), "/edd/device.ddl", "edd."


def breaker(device: str, voltage: object, *, ahead_s: int = 0) -> str:
    """A breaker's message with one value."""
    time = to_iso(SystemClock().now() + ahead_s * SECOND)
    values = {"voltage": {"phase_a": voltage, "unit": "V"}}
    return json.dumps({"device_id": device, "timestamp": time, "event_type": "telemetry", "measurements": values})


def hostile_messages() -> Iterator[tuple[str, bytes, str]]:
    """(topic, payload, counter that must grow)."""
    topic = "iot/breaker-002/raw"
    good = breaker("breaker-002", 60.0)
    for wrong in ("60", True, [60.0], {"value": 60.0}):
        yield topic, breaker("breaker-002", wrong).encode(), "bridge_refused_wrong_type"
    yield topic, b"[1, 2]", "bridge_refused_wrong_type"
    yield topic, b'"text"', "bridge_refused_wrong_type"
    yield topic, breaker("breaker-002", float("nan")).encode(), "bridge_refused_not_json"
    yield topic, breaker("breaker-002", float("inf")).encode(), "bridge_refused_not_json"
    yield topic, good.replace("telemetry", "telemetr\xff").encode("latin-1"), "bridge_refused_not_json"
    yield topic, good[:-5].encode(), "bridge_refused_not_json"
    yield topic, b"", "bridge_refused_not_json"
    yield topic, good.encode() + b" " * 1_000_000, "bridge_refused_too_large"
    yield topic, b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "bridge_refused_too_deep"
    yield topic, breaker("breaker-002", 60.0, ahead_s=86_400).encode(), "bridge_refused_future_time"
    yield topic, breaker("breaker-003", 60.0).encode(), "bridge_refused_other_device"
    yield "iot/bad id/raw", breaker("bad id", 60.0).encode(), "bridge_unknown_topic"
    # No package subscribes to it: the broker keeps it.
    yield "nobody/knows/this", good.encode(), ""


class Bystander:
    """Publishes breaker-001's voltage all the time and watches it over OPC UA."""

    def __init__(self, client: Peer, publisher: Publisher, node: str) -> None:
        self._client, self._publisher, self._node = client, publisher, node
        self.sent: list[float] = []

    def publish(self) -> None:
        self.sent.append(round(100.0 + len(self.sent) / 64, 6))
        self._publisher.send("iot/breaker-001/raw", breaker("breaker-001", self.sent[-1]), wait=False)

    async def _feed(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.publish()
            try:
                async with asyncio.timeout(PERIOD_S):
                    await stop.wait()
            except TimeoutError:
                pass

    async def _seen(self) -> list[float]:
        return [value for value, _, code in await self._client.values(self._node) if code == "Good"]

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While the body runs values flow; at the end every one of them has come, in order."""
        self.publish()
        await shown(self._client, self._node, self.sent[0])
        assert await self._client.subscribe([self._node], 100) == 0
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed(stop))
            yield
            stop.set()

        async def complete() -> bool:
            return len(await self._seen()) >= len(self.sent)

        await until(complete, "the bystander's last value")
        assert await self._seen() == self.sent


async def shown(client: Peer, node: str, value: float) -> dict[str, Any]:
    """Wait for a value in the address space."""

    async def there() -> dict[str, Any]:
        (found,) = await client.read([node])
        return found if found["value"] == value else {}

    return await until(there, f"{node} = {value}")


async def counters(http: httpx.AsyncClient) -> dict[str, float]:
    """The server's counters by their own names."""
    text = (await http.get("/metrics")).text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("fieldloom_") and "{" not in line)
    return {name.removeprefix("fieldloom_").removesuffix("_total"): float(value) for name, value in pairs}


def files(server: Product) -> set[Path]:
    """What the packages folder holds outside quarantine."""
    folder = server.data / "packages"
    return {path for path in folder.rglob("*") if "quarantine" not in path.relative_to(folder).parts}


async def raw_request(url: str, head: str) -> str:
    """Answer to a request that an honest client library would not send."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"{head}\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        async with asyncio.timeout(10):
            return (await reader.read(65_536)).decode()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_broken_input_disturbs_nobody(tmp_path: Path) -> None:
    env = {"FIELDLOOM_OPCUA__ALLOW_NONE": "true"}
    async with (
        mosquitto(tmp_path / "broker") as broker,
        product(tmp_path, env={**env, "FIELDLOOM_MQTT__URL": broker.url}) as server,
        peer("asyncua", tmp_path) as client,
        httpx.AsyncClient(base_url=server.http_url, timeout=30) as http,
    ):
        await client.connect(server.opcua_url)
        (array,) = await client.read(["i=2255"])
        index = array["value"].index("urn:fieldloom:plant")
        nodes = [f"ns={index};s=breaker-00{n}/ParameterSet/voltage_phase_a" for n in (1, 2)]
        with Publisher(broker.url) as publisher:
            bystander = Bystander(client, publisher, nodes[0])
            async with bystander.watching():
                await _messages(client, publisher, http, nodes[1])
                rights = await _rights(http, server)
                await _uploads(http, server, rights)
                await _requests(http, server, rights)
                while len(bystander.sent) < WATCHED:
                    for topic, payload, _ in hostile_messages():
                        await asyncio.to_thread(publisher.send, topic, payload)
        health = await http.get("/health")
        assert (health.status_code, health.json()["ok"]) == (200, True), health.text
    log = server.log.read_text()
    assert "payload_refused" in log  # it is the log that tells
    assert "Traceback" not in log
    assert '"exception"' not in log
    print(f"{len(bystander.sent)} values of the bystander, none lost")


async def _rights(http: httpx.AsyncClient, server: Product) -> dict[str, str]:
    answer = await http.post("/api/login", json={"user": "engineer", "password": server.password("engineer")})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


async def _messages(client: Peer, publisher: Publisher, http: httpx.AsyncClient, node: str) -> None:
    publisher.send("iot/breaker-002/raw", breaker("breaker-002", GOOD))
    before = await shown(client, node, GOOD)
    expected = dict(await counters(http))
    devices = expected["devices"]
    grown = set()
    for topic, payload, counter in itertools.chain.from_iterable(hostile_messages() for _ in range(ROUNDS)):
        await asyncio.to_thread(publisher.send, topic, payload)
        if counter:
            grown.add(counter)
            expected[counter] = expected.get(counter, 0) + 1

    async def counted() -> bool:
        found = await counters(http)
        return all(found.get(name, 0) >= expected[name] for name in grown)

    try:
        await until(counted, "every hostile message counted", within_s=10)
    finally:
        found = await counters(http)
        print({name: (found.get(name), expected[name]) for name in sorted(grown)})
    assert {name: found[name] for name in grown} == {name: expected[name] for name in grown}
    assert found["devices"] == devices
    (after,) = await client.read([node])
    assert (after["value"], after["source"]) == (GOOD, before["source"])
    # And the device goes on as if nothing had been.
    publisher.send("iot/breaker-002/raw", breaker("breaker-002", GOOD + 1))
    assert (await shown(client, node, GOOD + 1))["status"] == "Good"


async def _uploads(http: httpx.AsyncClient, server: Product, rights: dict[str, str]) -> None:
    headers = {**rights, "Content-Type": "application/octet-stream"}
    kept, listed = files(server), (await http.get("/api/packages", headers=rights)).json()
    for what, data, part, rule in hostile_packages():
        answer = await http.post("/api/packages", content=data, headers=headers)
        told = answer.json()
        print(what, answer.status_code, told["detail"])
        assert answer.status_code == 422, what
        assert answer.headers["content-type"] == PROBLEM
        assert part in told["detail"]
        assert rule in told["detail"]
        assert "root:" not in answer.text
    assert files(server) == kept
    assert not list(server.data.parent.rglob("evil.txt"))
    assert (await http.get("/api/packages", headers=rights)).json() == listed
    reasons = list((server.data / "packages" / "quarantine").glob("*.txt"))
    assert len(reasons) == 4


async def _requests(http: httpx.AsyncClient, server: Product, rights: dict[str, str]) -> None:
    target = "/api/devices/breaker-002/values/threshold_overcurrent"
    body = {**rights, "Content-Type": "application/json"}
    for content in (b"{", b"null", b'{"value": NaN}', b"\xff\xfe", b"[" * 100_000):
        answer = await http.put(target, content=content, headers=body)
        assert answer.status_code in (400, 422), (content[:20], answer.text)
        assert answer.headers["content-type"] == PROBLEM
    for path in (
        "/api/packages/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/api/packages/smart_breaker/documents/..%2f..%2f..%2faccounts.json",
        "/api/devices/..%2f..%2fetc%2fpasswd",
    ):
        answer = await http.get(path, headers=rights)
        assert 400 <= answer.status_code < 500, path
        assert answer.headers["content-type"] == PROBLEM
    for head in ("GET /../../../../etc/passwd HTTP/1.1", "GET /docs/../../accounts.json HTTP/1.1"):
        text = await raw_request(server.http_url, head)
        assert text.startswith("HTTP/1.1 4"), text[:200]
        assert "root:" not in text
        assert server.password("engineer") not in text
    huge = await http.put(target, content=b" " * 2_000_000, headers=body)
    assert (huge.status_code, huge.headers["content-type"]) == (413, PROBLEM)
    announced = await raw_request(server.http_url, "POST /api/packages HTTP/1.1\r\nContent-Length: 1000000000000")
    assert announced.startswith("HTTP/1.1 413"), announced[:200]
