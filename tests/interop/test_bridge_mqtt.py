"""The bridge against a real Mosquitto, and the embedded broker: what is kept, what comes again, what is told."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.embedded import EmbeddedBroker
from bridge.intake import Bridge
from bridge.sources import mqtt
from bridge.sources.mqtt import MqttOptions, MqttSource
from server.core.binding import CommandBinding, DeviceBinding, ParameterBinding, RowBinding
from server.core.clock import SystemClock
from server.core.errors import ConfigurationError, InUseError, RemoteError
from server.core.values import CommandResponse, Measurement
from tests.kit.broker import HOST, Mosquitto, free_port, make_certificates, mosquitto, peer

pytestmark = pytest.mark.interop

LIMIT_S = 30.0
PUMP = DeviceBinding(
    type_id="pump",
    codec="pointer_json",
    rows=(RowBinding("pumps/{device}/raw", (ParameterBinding("level", "/level", "float"),)),),
    command_topic="pumps/{device}/command",
    response_topic="pumps/{device}/response",
    commands=(CommandBinding("trip", "Trip"),),
)
VALVE = DeviceBinding(
    "valve", "pointer_json", (RowBinding("valves/{device}", (ParameterBinding("level", "/level", "float"),)),)
)


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once: these tests are not about patience."""
    monkeypatch.setattr(mqtt, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(mqtt, "LONGEST_WAIT_S", 0.1)


class Site:
    """A bridge on one broker; the test holds the commits."""

    def __init__(self, options: MqttOptions, bindings: Sequence[DeviceBinding] = (PUMP,)) -> None:
        self.clock = SystemClock()
        self.source = MqttSource(options, self.clock)
        self.hold = False
        self.held: list[asyncio.Future[None]] = []
        self.measured: list[Measurement] = []
        self.answers: list[CommandResponse] = []
        self._news = asyncio.Condition()
        self.bridge = Bridge(self.source, bindings, inlet=self._offer, answered=self.answers.append, clock=self.clock)

    async def _offer(self, measurements: Sequence[Measurement]) -> asyncio.Future[None]:
        commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.measured += measurements
        if self.hold:
            self.held.append(commit)
        else:
            commit.set_result(None)
        async with self._news:
            self._news.notify_all()
        return commit

    @property
    def levels(self) -> list[float]:
        return [value for m in self.measured for _, value, _ in m.values if isinstance(value, float)]

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait for news from the inlet."""
        async with asyncio.timeout(LIMIT_S), self._news:
            await self._news.wait_for(ready)

    async def until_health(self, ready: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask the health again and again: nothing tells when it changes."""
        async with asyncio.timeout(LIMIT_S):
            while not ready(health := dict(self.source.health())):
                await asyncio.sleep(0.005)
        return health

    async def connected(self) -> None:
        await self.until_health(lambda health: health["connected"])

    @asynccontextmanager
    async def running(self, *, connected: bool = True) -> AsyncIterator[None]:
        work = asyncio.ensure_future(self.bridge.run())
        try:
            if connected:
                await self.connected()
            yield
            assert not work.done(), "the bridge has ended"
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def levels(*numbers: float) -> list[str]:
    return [json.dumps({"level": number}) for number in numbers]


async def subscribed(site: Site, client: Any, topic: str = "pumps/probe/raw") -> None:
    """Publish until the first message comes through: then the subscriptions stand."""
    before = len(site.measured)
    async with asyncio.timeout(LIMIT_S):
        while len(site.measured) == before:
            await client.publish(topic, *levels(-1))
            await asyncio.sleep(0)
    # All probes are here when the last one is.
    last = -2.0 - before
    await client.publish(topic, *levels(last))
    await site.until(lambda: site.levels[-1:] == [last])


async def settled(site: Site) -> None:
    """All that came is acknowledged."""
    await site.until_health(lambda health: health["acknowledged"] == health["received"])


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with mosquitto(tmp_path / "broker") as running:
        yield running


# -- what is acknowledged, and when


async def test_the_broker_keeps_what_is_not_yet_durable(broker: Mosquitto) -> None:
    options = MqttOptions(broker.url(), client_id="site")
    async with peer("devices", broker) as devices:
        site = Site(options)
        async with site.running():
            await subscribed(site, devices)
            site.hold = True
            await devices.publish("pumps/p-1/raw", *levels(1, 2, 3))
            await site.until(lambda: site.levels[-3:] == [1, 2, 3])
            acknowledged = site.source.acknowledged
        # Gone without the commit: all three were never acknowledged, so the next connection gets them.
        assert site.source.acknowledged == acknowledged
        again = Site(options)
        async with again.running():
            await again.until(lambda: len(again.measured) >= 3)
            assert again.levels == [1, 2, 3]
            assert again.source.redelivered == 3


async def test_what_is_durable_does_not_come_again(broker: Mosquitto) -> None:
    options = MqttOptions(broker.url(), client_id="site")
    async with peer("devices", broker) as devices:
        site = Site(options)
        async with site.running():
            await subscribed(site, devices)
            site.hold = True
            await devices.publish("pumps/p-1/raw", *levels(1, 2, 3))
            await site.until(lambda: site.levels[-3:] == [1, 2, 3])
            for commit in site.held:
                commit.set_result(None)
            await settled(site)
        again = Site(options)
        async with again.running():
            await devices.publish("pumps/p-1/raw", *levels(4))
            await again.until(lambda: 4.0 in again.levels)
            assert again.levels == [4]


async def test_a_failed_commit_brings_the_messages_again_on_a_new_connection(broker: Mosquitto) -> None:
    async with peer("devices", broker) as devices:
        site = Site(MqttOptions(broker.url()))
        async with site.running():
            await subscribed(site, devices)
            site.hold = True
            await devices.publish("pumps/p-1/raw", *levels(1))
            await site.until(lambda: site.levels[-1:] == [1])
            await devices.publish("pumps/p-1/raw", *levels(2))
            await site.until(lambda: site.levels[-1:] == [2])
            acknowledged = site.source.acknowledged
            site.hold = False
            site.held[-1].set_result(None)  # the later one is durable, but MQTT 5 acknowledges in order
            site.held[0].set_exception(RemoteError("the disk is full"))
            await site.until(lambda: Counter(site.levels)[1.0] == 2 and Counter(site.levels)[2.0] == 2)
            await site.until_health(lambda health: health["acknowledged"] == acknowledged + 2)
            assert site.source.reconnects == 1


async def test_five_thousand_messages_arrive_once_each(broker: Mosquitto) -> None:
    async with peer("devices", broker) as devices:
        site = Site(MqttOptions(broker.url(), receive_maximum=100))
        async with site.running():
            await subscribed(site, devices)
            del site.measured[:]
            await devices.publish("pumps/p-1/raw", *levels(*range(5_000)))
            await site.until(lambda: len(site.measured) >= 5_000)
            assert site.levels == [float(number) for number in range(5_000)]
            await settled(site)
            assert site.source.redelivered == 0


async def test_messages_of_our_absence_arrive_when_we_are_back(broker: Mosquitto) -> None:
    options = MqttOptions(broker.url(), client_id="site")
    async with peer("devices", broker) as devices:
        site = Site(options)
        async with site.running():
            await subscribed(site, devices)
            await settled(site)
        await devices.publish("pumps/p-1/raw", *levels(*range(500)))
        again = Site(options)
        async with again.running():
            await again.until(lambda: len(again.measured) >= 500)
            assert again.levels == [float(number) for number in range(500)]


async def test_a_killed_broker_is_joined_again_and_gives_what_it_kept(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "broker", persistence=True) as broker:
        site = Site(MqttOptions(broker.url(), client_id="site"))
        async with site.running():
            async with peer("devices", broker) as devices:
                await subscribed(site, devices)
                site.hold = True
                await devices.publish("pumps/p-1/raw", *levels(1, 2))
                await site.until(lambda: site.levels[-2:] == [1, 2])
            await broker.stop()
            health = await site.until_health(lambda health: not health["connected"])
            assert health["last_error"]
            await broker.start()
            await site.connected()
            await site.until(lambda: Counter(site.levels)[2.0] == 2)
            site.hold = False
            for commit in site.held:
                commit.set_result(None)
            async with peer("devices", broker) as devices:
                await broker.kill()
                await site.until_health(lambda health: not health["connected"])
                await broker.start()
                await site.connected()
            async with peer("devices", broker) as devices:
                await subscribed(site, devices)
                await devices.publish("pumps/p-1/raw", *levels(7))
                await site.until(lambda: 7.0 in site.levels)


async def test_a_loss_in_the_middle_of_a_burst_does_not_leave_us_deaf(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Messages still in the inbox when the connection goes; the next connection has to wake the loop again.
    monkeypatch.setattr(mqtt, "BATCH", 1)
    async with peer("devices", broker) as devices:
        site = Site(MqttOptions(broker.url()))
        async with site.running():
            await subscribed(site, devices)
            del site.measured[:]
            received = site.source.received
            site.hold = True
            await devices.publish("pumps/p-1/raw", *levels(*range(300)))
            await site.until_health(lambda health: health["received"] >= received + 300)
            assert len(site.measured) < 300
            site.hold = False
            for commit in site.held:
                commit.cancel()
            await site.until_health(lambda health: health["reconnects"] >= 1 and health["connected"])
            await devices.publish("pumps/p-1/raw", *levels(1_000))
            await site.until(lambda: 1_000.0 in site.levels)
            assert set(site.levels) >= {float(number) for number in range(300)}


async def test_the_broker_holds_what_we_have_no_room_for(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "HELD_BYTES", 100_000)
    monkeypatch.setattr(mqtt, "BATCH", 10)
    monkeypatch.setattr("bridge.intake.PENDING_BATCHES", 2)
    async with peer("devices", broker) as devices:
        site = Site(MqttOptions(broker.url()))
        async with site.running():
            await subscribed(site, devices)
            del site.measured[:]
            received = site.source.received
            site.hold = True
            big = [json.dumps({"level": number, "note": "x" * 5_000}) for number in range(1_000)]
            await devices.publish("pumps/p-1/raw", *big)
            await site.until(lambda: len(site.held) >= 1)
            assert site.source.received - received < 300
            site.hold = False
            for commit in site.held:
                commit.set_result(None)
            await site.until(lambda: len(site.measured) >= 1_000)
            assert site.levels == [float(number) for number in range(1_000)]


async def test_a_retained_message_is_marked(broker: Mosquitto) -> None:
    async with peer("devices", broker) as devices:
        await devices.publish("pumps/p-1/raw", *levels(5), retain=True)
        site = Site(MqttOptions(broker.url()))
        async with site.running():
            await site.until(lambda: site.levels == [5])
            await devices.publish("pumps/p-1/raw", *levels(6))
            await site.until(lambda: site.levels == [5, 6])
    assert [measurement.retained for measurement in site.measured] == [True, False]


async def test_poison_leaves_the_queue(broker: Mosquitto) -> None:
    options = MqttOptions(broker.url(), client_id="site")
    async with peer("devices", broker) as devices:
        site = Site(options)
        async with site.running():
            await subscribed(site, devices)
            await devices.publish("pumps/p-1/raw", b"\xff", b"[" * 5_000, b"x" * 1_048_576, b"", *levels(1))
            await devices.publish("pumps/p-1/response", b'{"command_id": "c", "status": []}')
            await devices.publish("pumps/p-1/raw", *levels(2))
            await site.until(lambda: site.levels[-2:] == [1, 2])
            await settled(site)
            assert site.source.reconnects == 0
            counted = site.bridge.counters()
            assert counted["bridge_refused_too_large"] == 1
            assert counted["bridge_refused_too_deep"] == 1
            assert counted["bridge_refused_not_json"] == 2


async def test_qos_0_is_taken_too(broker: Mosquitto) -> None:
    async with peer("devices", broker) as devices:
        site = Site(MqttOptions(broker.url()))
        async with site.running():
            await subscribed(site, devices)
            await settled(site)
            acknowledged = site.source.acknowledged
            await devices.publish("pumps/p-1/raw", *levels(8), qos=0)
            await site.until(lambda: 8.0 in site.levels)
            assert site.source.acknowledged == acknowledged


# -- topics that come and go


async def test_a_new_types_topics_are_heard_without_a_new_connection(broker: Mosquitto) -> None:
    async with peer("devices", broker) as devices:
        site = Site(MqttOptions(broker.url()))
        async with site.running():
            await subscribed(site, devices)
            site.bridge.update_bindings([PUMP, VALVE])
            await subscribed(site, devices, "valves/v-1")
            site.bridge.update_bindings([VALVE])
            await subscribed(site, devices, "valves/v-2")  # the broker has seen the UNSUBSCRIBE by now
            received = site.source.received
            await devices.publish("pumps/p-1/raw", *levels(9))
            await devices.publish("valves/v-3", *levels(10))
            await site.until(lambda: 10.0 in site.levels)
            assert site.source.received - received == 1
            assert site.bridge.unknown_topics() == {}
            assert site.source.reconnects == 0


async def test_a_type_that_went_while_we_were_away_is_not_heard_again(broker: Mosquitto) -> None:
    options = MqttOptions(broker.url(), client_id="site")
    async with peer("devices", broker) as devices:
        site = Site(options, [PUMP, VALVE])
        async with site.running():
            await subscribed(site, devices)
            await settled(site)
        site.bridge.update_bindings([VALVE])
        async with site.running():
            await subscribed(site, devices, "valves/v-1")
            received = site.source.received
            await devices.publish("pumps/p-1/raw", *levels(9))
            await devices.publish("valves/v-3", *levels(10))
            await site.until(lambda: 10.0 in site.levels)
            assert site.source.received - received == 1
            assert site.bridge.unknown_topics() == {}


# -- who may in


async def test_tls_and_a_password(tmp_path: Path) -> None:
    files = make_certificates(tmp_path / "certificates")
    async with mosquitto(tmp_path / "broker", tls=files, accounts={"plant": "s:e/c@r#t"}) as broker:
        options = MqttOptions(broker.url("plant", "s%3Ae%2Fc%40r%23t"), ca_file=files.authority)
        site = Site(options)
        async with site.running(), peer("devices", broker, user="plant", password="s:e/c@r#t") as devices:
            await subscribed(site, devices)
            assert site.source.health()["broker"] == f"mqtts://{HOST}:{broker.port}"


async def test_a_broker_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    files, others = make_certificates(tmp_path / "certificates"), make_certificates(tmp_path / "others")
    async with mosquitto(tmp_path / "broker", tls=files) as broker:
        site = Site(MqttOptions(broker.url(), ca_file=others.authority))
        async with site.running(connected=False):
            health = await site.until_health(lambda health: health["reconnects"] >= 2)
            assert "certificate verify failed" in health["last_error"].lower()
            assert not health["connected"]
    gc.collect()  # an open socket that nobody holds any more is a warning, and so a failure


async def test_a_wrong_password_is_told_and_tried_again(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "broker", accounts={"plant": "right"}) as broker:
        site = Site(MqttOptions(broker.url("plant", "hidden-word")))
        async with site.running(connected=False):
            health = await site.until_health(lambda health: health["reconnects"] >= 3)
            assert "Not authorized" in health["last_error"]
            assert str(broker.port) in health["last_error"]
            assert "hidden-word" not in str(health)
            with pytest.raises(RemoteError, match="away"):
                await site.bridge.send_command("pump", "p-1", "c1", "trip", {})


async def test_topics_the_broker_refuses_are_told() -> None:
    # Mosquitto 2.0 grants what its ACL then holds back, so a broker that says no is played: SUBACK with 0x87.
    async with impostor(CONNACK, {0x82: b"\x90\x05\x00\x01\x00\x00\x87"}) as port:
        site = Site(MqttOptions(f"mqtt://{HOST}:{port}"))
        async with site.running():
            health = await site.until_health(lambda health: bool(health["refused_topics"]))
            assert health["refused_topics"] == "pumps/+/response"
            assert "Not authorized" in str(health["last_error"])


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://host"},
        {"url": "mqtt://"},
        {"url": "mqtt://host:99999"},
        {"url": "mqtts://host", "ca_file": Path("/nowhere/ca.pem")},
        {"url": "mqtts://host", "cert_file": Path("/nowhere/cert.pem")},
    ],
)
def test_options_that_cannot_work_end_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="mqtt"):
        MqttSource(MqttOptions(**options), SystemClock())


def test_a_file_without_a_certificate_ends_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        MqttSource(MqttOptions("mqtts://host", ca_file=wrong), SystemClock())


# -- commands


async def test_a_command_carries_its_answers_topic_and_correlation(broker: Mosquitto) -> None:
    site = Site(MqttOptions(broker.url()))
    async with site.running(), peer("p-1", broker) as device:
        await subscribed(site, device)
        await device.subscribe("pumps/p-1/command")
        await site.bridge.send_command("pump", "p-1", "c-42", "trip", {})
        (message,) = await device.until(lambda heard: len(heard) == 1)
        assert message.qos == 1
        assert json.loads(message.payload) == {"command_id": "c-42", "command": "trip", "params": {}}
        assert message.properties.ResponseTopic == "pumps/p-1/response"
        assert message.properties.CorrelationData == b"c-42"
        # The device leaves the id to the correlation data, as MQTT 5 lets it.
        properties = Properties(PacketTypes.PUBLISH)
        properties.CorrelationData = message.properties.CorrelationData
        await device.publish(message.properties.ResponseTopic, b'{"status": "done"}', properties=properties)
        await subscribed(site, device)
        assert [(answer.command_id, answer.outcome, answer.device_id) for answer in site.answers] == [
            ("c-42", "done", "p-1")
        ]


async def test_two_hundred_commands_at_once_reach_their_devices(broker: Mosquitto) -> None:
    site = Site(MqttOptions(broker.url()))
    async with site.running(), peer("p-1", broker) as device:
        await device.subscribe("pumps/+/command")
        await asyncio.gather(*(site.bridge.send_command("pump", f"p-{n}", f"c-{n}", "trip", {}) for n in range(200)))
        heard = await device.until(lambda heard: len(heard) >= 200)
        assert {message.topic for message in heard} == {f"pumps/p-{n}/command" for n in range(200)}


async def test_never_more_commands_under_way_than_the_broker_wants() -> None:
    # MQTT 5, 3.3.4: a client that exceeds the server's Receive Maximum is cut off.
    under_way: list[int] = []

    def answer(writer: asyncio.StreamWriter, open_ids: list[bytes]) -> None:
        writer.write(b"\x40\x02" + open_ids.pop(0))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ids: list[bytes] = []
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                kind = (await reader.readexactly(1))[0] >> 4
                length = shift = 0
                more = True
                while more:
                    byte = (await reader.readexactly(1))[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    more = byte > 0x7F
                body = await reader.readexactly(length)
                if kind == 1:  # CONNECT, answered by CONNACK with Receive Maximum 2
                    writer.write(b"\x20\x06\x00\x00\x03\x21\x00\x02")
                elif kind == 3:
                    topic = int.from_bytes(body[:2], "big")
                    open_ids.append(body[2 + topic : 4 + topic])
                    under_way.append(len(open_ids))
                    # The answer takes its time; without the limit more would pile up before it.
                    asyncio.get_running_loop().call_later(0.02, answer, writer, open_ids)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        site = Site(MqttOptions(f"mqtt://{HOST}:{server.sockets[0].getsockname()[1]}"))
        async with site.running():
            sent = [site.bridge.send_command("pump", "p-1", f"c-{n}", "trip", {}) for n in range(10)]
            await asyncio.gather(*sent)
    finally:
        server.close()
        await server.wait_closed()
    assert len(under_way) == 10
    assert max(under_way) == 2


async def test_a_command_while_the_broker_is_away_says_so(broker: Mosquitto) -> None:
    site = Site(MqttOptions(broker.url()))
    async with site.running():
        await broker.kill()
        await site.until_health(lambda health: not health["connected"])
        with pytest.raises(RemoteError, match=f"{broker.port}.* away"):
            await site.bridge.send_command("pump", "p-1", "c1", "trip", {})


async def test_nobody_listening_is_told_and_tried_again() -> None:
    port = free_port()
    site = Site(MqttOptions(f"mqtt://{HOST}:{port}"))
    async with site.running(connected=False):
        health = await site.until_health(lambda health: health["reconnects"] >= 3)
        assert "refused" in health["last_error"].lower()
        assert str(port) in health["last_error"]


async def test_a_fault_inside_the_mqtt_library_ends_in_another_try(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its network thread must never end unheard: the bridge would wait for ever.
    whole, faults = mqtt.paho.Client.loop_forever, [ValueError("a bug"), KeyError("a bug")]

    def broken(client: Any, *arguments: Any, **options: Any) -> Any:
        if faults:
            raise faults.pop()
        return whole(client, *arguments, **options)

    monkeypatch.setattr(mqtt.paho.Client, "loop_forever", broken)
    site = Site(MqttOptions(broker.url()))
    async with site.running(), peer("devices", broker) as devices:
        await subscribed(site, devices)
        assert site.source.reconnects == 2


# -- what is no broker


@asynccontextmanager
async def impostor(answer: bytes, replies: Mapping[int, bytes] = MappingProxyType({})) -> AsyncIterator[int]:
    """A server that says something else than a broker: once to CONNECT, then to each packet by its first byte."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(65_536)
        writer.write(answer)
        with contextlib.suppress(ConnectionResetError):
            while packet := await reader.read(65_536):
                writer.write(replies.get(packet[0], b""))
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


CONNACK = b"\x20\x03\x00\x00\x00"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x7f\x00\x00\x05\xff\xff\xff\xff\xff" + b"\xff" * 120,
        b"\x00" * 64,
        b"\xff" * 64,
        CONNACK + b"\x30\x02\x00\xff",
        CONNACK + b"\x30\x05\x00\x01\xff\x00x",
        CONNACK + b"\x32\x03\x00\x01a",
        CONNACK + b"\x30\x06\x00\x01a\x02\x7f\x00",
        CONNACK + b"\x90\x02\x00\x01",
        CONNACK + b"\x40\x00",
    ],
)
async def test_what_is_no_mqtt_ends_in_another_try(answer: bytes) -> None:
    async with impostor(answer) as port:
        site = Site(MqttOptions(f"mqtt://{HOST}:{port}", keepalive_s=1))
        async with site.running(connected=False):
            health = await site.until_health(lambda health: health["reconnects"] >= 2)
            assert health["last_error"]


async def test_a_server_that_never_answers_ends_in_another_try() -> None:
    with socket.create_server((HOST, 0)) as silent:
        site = Site(MqttOptions(f"mqtt://{HOST}:{silent.getsockname()[1]}", keepalive_s=1))
        async with site.running(connected=False):
            health = await site.until_health(lambda health: health["reconnects"] >= 2)
            assert health["last_error"]
            assert not health["connected"]


async def test_a_stop_while_connecting_leaves_nothing_behind() -> None:
    with socket.create_server((HOST, 0)) as silent:
        site = Site(MqttOptions(f"mqtt://{HOST}:{silent.getsockname()[1]}"))
        async with site.running(connected=False):
            await asyncio.sleep(0)


# -- the embedded broker


async def test_the_embedded_broker_carries_messages_both_ways() -> None:
    embedded = EmbeddedBroker(0, 262_144)
    await embedded.start()
    try:
        assert embedded.running
        assert embedded.url == f"mqtt://127.0.0.1:{embedded.port}"
        site = Site(MqttOptions(embedded.url))
        async with site.running(), peer("p-1", port=embedded.port) as device:
            await subscribed(site, device)
            await device.subscribe("pumps/p-1/command")
            await device.publish("pumps/p-1/raw", b"x" * 1_048_576, *levels(3))
            await site.until(lambda: 3.0 in site.levels)
            assert site.bridge.counters()["bridge_refused_too_large"] == 1
            await site.bridge.send_command("pump", "p-1", "c1", "trip", {})
            (message,) = await device.until(lambda heard: len(heard) == 1)
            assert message.properties.CorrelationData == b"c1"
    finally:
        await embedded.stop()
    assert not embedded.running
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, embedded.port)


async def test_the_embedded_broker_is_reachable_from_this_machine_only() -> None:
    embedded = EmbeddedBroker(0, 262_144)
    await embedded.start()
    try:
        # All of 127/8 is this machine: a listener on 0.0.0.0 would answer here as well.
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.2", embedded.port)
    finally:
        await embedded.stop()


async def test_a_used_port_is_told_with_the_setting_that_changes_it() -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        embedded = EmbeddedBroker(port, 262_144)
        with pytest.raises(InUseError, match=rf"{port}.*FIELDLOOM_MQTT__PORT"):
            await embedded.start()
        assert not embedded.running
        await embedded.stop()


async def test_the_embedded_broker_starts_again_after_a_stop() -> None:
    embedded = EmbeddedBroker(0, 262_144)
    for _ in range(2):
        await embedded.start()
        assert embedded.running
        await embedded.stop()


async def test_the_death_of_the_embedded_broker_is_seen() -> None:
    embedded = EmbeddedBroker(0, 262_144)
    await embedded.start()
    try:
        site = Site(MqttOptions(embedded.url))
        async with site.running():
            (child,) = (p for p in psutil.Process().children() if "iotcore" in " ".join(p.cmdline()))
            child.kill()
            health = await site.until_health(lambda health: not health["connected"])
            assert str(embedded.port) in health["last_error"]
            assert not embedded.running
    finally:
        await embedded.stop()
