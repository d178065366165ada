"""Drafts from real brokers: heard beside the server, which keeps every message that is its own."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from bridge.embedded import EmbeddedBroker
from bridge.sources import mqtt_listener
from bridge.sources.mqtt_listener import MqttListener
from bridge.sources.mqtt_options import MqttOptions
from server.cli import app
from server.core.clock import SystemClock
from server.core.errors import RemoteError
from server.core.values import RawMessage
from server.fdi.build import assemble, read_sources
from tests.interop.test_bridge_wire import CONNECT, SESSION_EXPIRY, SUBSCRIBE, Broker, filters, publish
from tests.kit.broker import HOST, Peer, free_port, mosquitto, peer
from tests.kit.drafts import built, decode, drafted, values
from tests.kit.product import product
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]
LIMIT_S = 30.0


@dataclass
class Heard:
    """A listening in the background and what it has taken."""

    listener: MqttListener
    messages: list[RawMessage]
    task: asyncio.Task[None]

    async def until(self, ready: Callable[[list[RawMessage]], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not ready(self.messages):
                assert not self.task.done(), self.task
                await asyncio.sleep(0.005)


@asynccontextmanager
async def listening(url: str, *filters: str, most: int = 1_000_000) -> AsyncIterator[Heard]:
    """A listener that the broker already delivers to."""
    listener, messages, ready = MqttListener(MqttOptions(url), SystemClock()), [], asyncio.Event()

    def take(batch: Sequence[RawMessage]) -> bool:
        messages.extend(batch)
        return len(messages) < most

    task = asyncio.create_task(listener.listen(filters, take, ready.set))
    try:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.wait({task, waiting := asyncio.ensure_future(ready.wait())}, return_when="FIRST_COMPLETED")
        waiting.cancel()
        yield Heard(listener, messages, task)
    finally:
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


@asynccontextmanager
async def broker(kind: str, folder: Path) -> AsyncIterator[int]:
    """The port of a running broker."""
    if kind == "mosquitto":
        async with mosquitto(folder) as running:
            yield running.port
        return
    embedded = EmbeddedBroker(0, 262_144)
    await embedded.start()
    try:
        yield embedded.port
    finally:
        await embedded.stop()


def payload(number: int) -> str:
    return json.dumps({"flow": number / 2, "running": number % 2 == 0})


@pytest.mark.parametrize("kind", ["mosquitto", "embedded"])
async def test_a_draft_of_live_traffic_reads_the_same_traffic(kind: str, tmp_path: Path) -> None:
    async with (
        broker(kind, tmp_path) as port,
        listening(f"mqtt://{HOST}:{port}", "pumps/#") as heard,
        peer("pumps", port=port) as devices,
    ):
        for number in range(20):
            await devices.publish(f"pumps/p-{number % 3}/raw", payload(number))
        await heard.until(lambda messages: len(messages) == 20)
    draft = drafted(heard.messages, ["pumps/#"])
    assert [entry.topic for entry in draft.messages] == ["pumps/{device}/raw"]
    device_type = built(draft)
    for raw in heard.messages:
        (measurement,) = decode(device_type, raw).measurements
        assert dict(values(measurement)) == json.loads(raw.payload)
    assert heard.listener.dropped == 0


async def test_what_the_server_has_not_acknowledged_stays_its_own(tmp_path: Path) -> None:
    """QoS 1 messages that wait for a persistent session are all still there after a draft has heard them."""
    async with mosquitto(tmp_path) as running, peer("pumps", running) as devices:
        server = Peer("fieldloom", session_expiry_s=3_600)
        await server.connect(running)
        await server.subscribe("pumps/+/raw")
        await server.close()
        async with listening(running.url(), "pumps/+/raw") as heard:
            await devices.publish("pumps/p-1/raw", *map(payload, range(10)))
            await heard.until(lambda messages: len(messages) == 10)
        again = Peer("fieldloom", session_expiry_s=3_600)
        await again.connect(running)
        try:
            waiting = await again.until(lambda messages: len(messages) >= 10)
        finally:
            await again.close()
    assert [message.payload.decode() for message in waiting] == [payload(number) for number in range(10)]


async def test_it_asks_for_qos_0_in_a_session_that_ends_with_it() -> None:
    """MQTT 5, 3.1.2.4 and 3.1.2.11.2: a clean start, and no expiry, leave nothing behind at the broker."""
    played = Broker(65_535)
    server = await asyncio.start_server(played.accept, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with listening(f"mqtt://{HOST}:{port}", "pumps/#") as heard:
        wire = await played.wire()
        wire.send(publish("pumps/p-1/raw", b"{}"))
        await heard.until(lambda messages: len(messages) == 1)
    server.close()
    await asyncio.gather(*played.tasks)
    await server.wait_closed()
    (body,) = wire.of(CONNECT)
    assert body[7] & 0x02  # clean start
    properties = body[11 : 11 + body[10]]
    assert properties in (b"", bytes([SESSION_EXPIRY]) + bytes(4))  # absent means 0
    assert body[11 + body[10] + 2 :].startswith(b"fieldloom-draft-")
    assert [(name, options & 3) for name, options in filters(wire.of(SUBSCRIBE)[0])] == [("pumps/#", 0)]
    assert wire.acknowledged == []


async def test_retained_messages_come_first(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as running, peer("pumps", running) as devices:
        await devices.publish("pumps/p-1/status", payload(1), retain=True)
        async with listening(running.url(), "pumps/#") as heard:
            await heard.until(lambda messages: len(messages) == 1)
            assert heard.messages[0].retained


async def test_enough_ends_it(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as running, peer("pumps", running) as devices:
        async with listening(running.url(), "pumps/#", most=3) as heard:
            await devices.publish("pumps/p-1/raw", *map(payload, range(5)))
            async with asyncio.timeout(LIMIT_S):
                await heard.task
        assert len(heard.messages) >= 3


async def test_a_lost_broker_is_told(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as running, listening(running.url(), "#") as heard:
        await running.kill()
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(RemoteError, match="was lost"):
                await heard.task


async def test_a_broker_that_is_not_there_is_told() -> None:
    with pytest.raises(RemoteError, match="cannot reach"):
        await MqttListener(MqttOptions(f"mqtt://{HOST}:{free_port()}"), SystemClock()).listen(["#"], lambda _: True)


async def test_traffic_faster_than_it_is_taken_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for a draft: neither memory nor the broker."""
    monkeypatch.setattr(mqtt_listener, "HELD_BYTES", 2_000)
    async with (
        mosquitto(tmp_path) as running,
        peer("pumps", running) as devices,
        listening(running.url(), "pumps/#") as heard,
    ):
        await devices.publish("pumps/p-1/raw", "x" * 3_000, payload(1))
        await heard.until(bool)
        assert [message.payload.decode() for message in heard.messages] == [payload(1)]
    assert heard.listener.dropped == 1


async def test_the_command_line_drafts_from_a_broker(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "broker") as running, peer("pumps", running) as devices:
        words = ["--topic", "pumps/{device}/raw", "--broker", running.url(), "--messages", "10", "--seconds", "60"]
        names = ["--name", "Pump P7", "--manufacturer", "Acme", "--out", str(tmp_path / "src")]
        ran = asyncio.ensure_future(asyncio.to_thread(_run, ["package", "draft", *words, *names]))
        number = 0
        while not ran.done():
            await devices.publish(f"pumps/p-{number % 2}/raw", payload(number))
            number += 1
        result = await ran
    assert result.exit_code == 0, (result.output, result.exception)
    data, version = assemble(read_sources(tmp_path / "src" / "acme.pump_p7"))
    assert version == "0.1.0"
    assert "flow: DOUBLE" in result.output
    again = await asyncio.to_thread(_run, ["package", "draft", *words, *names])
    assert isinstance(again.exception, RemoteError)  # nothing is overwritten
    assert data


def _run(words: list[str]) -> Result:
    return CliRunner().invoke(app, words)


async def test_a_running_server_drafts_tries_and_installs(tmp_path: Path) -> None:
    """The whole way over HTTP on a server with its own broker: learn, try, build, install, and the device is there."""
    async with (
        mosquitto(tmp_path / "broker") as running,
        product(
            tmp_path, env={"FIELDLOOM_MQTT__URL": running.url(), "FIELDLOOM_PACKAGES__UNSIGNED": "allow"}
        ) as server,
        peer("pumps", running) as devices,
        httpx.AsyncClient(base_url=server.http_url, timeout=60) as http,
    ):
        signed = await http.post("/api/login", json={"user": "engineer", "password": server.password("engineer")})
        http.headers["Authorization"] = f"Bearer {signed.json()['token']}"
        started = await http.post("/api/drafts", json={"topics": ["wells/#"], "name": "Well", "messages": 20})
        draft = f"/api/drafts/{started.json()['id']}"

        async def ended() -> bool:
            await devices.publish("wells/w-1/raw", payload(3))
            return bool((await http.get(draft)).json()["state"] == "ended")

        await until(ended, "the draft's end")
        files = {
            name: (await http.get(f"{draft}/source", params={"file": name})).text
            for name in ("catalog.toml", "device.ddl", "mqtt.toml")
        }
        data, _ = assemble({name: text.encode() for name, text in files.items()})
        sent = [{"topic": "wells/w-1/raw", "payload": {"flow": 4.5}}]
        package = base64.b64encode(data).decode()
        (told,) = (await http.post("/api/drafts/dry-run", json={"package": package, "messages": sent})).json()
        assert [entry["value"] for entry in told["measurements"][0]["values"]] == [4.5]
        octets = {"Content-Type": "application/octet-stream"}
        installed = await http.post("/api/packages", content=data, headers=octets)
        assert installed.status_code == 201, installed.text

        async def live() -> bool:
            await devices.publish("wells/w-1/raw", payload(9))
            answer: Any = await http.get("/api/devices/w-1/values/flow")
            return bool(answer.status_code == 200 and answer.json()["value"] == 4.5)

        await until(live, "the value of the drafted type")
