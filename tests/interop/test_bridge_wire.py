"""What the MQTT source puts on the wire, byte by byte, towards a broker that the test plays itself."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from bridge.sources import mqtt
from bridge.sources.mqtt import MqttSource
from bridge.sources.mqtt_options import MqttOptions
from server.core.clock import SystemClock
from server.core.values import OutboundMessage, RawMessage

pytestmark = pytest.mark.interop

HOST = "127.0.0.1"
LIMIT_S = 20.0
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14
SESSION_EXPIRY, RECEIVE_MAXIMUM, MAXIMUM_PACKET_SIZE = 0x11, 0x21, 0x27


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(mqtt, "LONGEST_WAIT_S", 0.1)


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A control packet: fixed header with the remaining length as a variable byte integer (MQTT 5, 2.1)."""
    length, count = b"", len(body)
    while True:
        count, low = divmod(count, 128)
        length += bytes([low | (0x80 if count else 0)])
        if not count:
            return bytes([kind << 4 | flags]) + length + body


def publish(topic: str, payload: bytes, mid: int = 0, *, dup: bool = False) -> bytes:
    """A PUBLISH, QoS 1 when it has an id."""
    text = topic.encode()
    head = struct.pack("!H", len(text)) + text + (struct.pack("!H", mid) if mid else b"") + b"\0"
    return packet(PUBLISH, head + payload, (2 if mid else 0) | (8 if dup else 0))


@dataclass
class Wire:
    """The broker's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    packets: list[tuple[int, bytes]] = field(default_factory=list)  # (kind, body) as received
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self, receive_maximum: int) -> None:
        """Answer what a broker must answer; keep everything."""
        try:
            while True:
                (first,) = await self.reader.readexactly(1)
                length, shift = 0, 0
                while True:
                    (byte,) = await self.reader.readexactly(1)
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                kind, body = first >> 4, await self.reader.readexactly(length)
                if kind == CONNECT:
                    properties = bytes([RECEIVE_MAXIMUM]) + struct.pack("!H", receive_maximum)
                    self.writer.write(packet(CONNACK, b"\1\0" + bytes([len(properties)]) + properties))
                elif kind == SUBSCRIBE:
                    self.writer.write(packet(SUBACK, body[:2] + b"\0" + b"\1" * len(filters(body))))
                elif kind == PINGREQ:
                    self.writer.write(packet(13, b""))
                self.packets.append((kind, body))
                async with self.news:
                    self.news.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writer.close()

    def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    def of(self, kind: int) -> list[bytes]:
        return [body for found, body in self.packets if found == kind]

    @property
    def acknowledged(self) -> list[int]:
        return [struct.unpack("!H", body[:2])[0] for body in self.of(PUBACK)]

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S), self.news:
            await self.news.wait_for(ready)


def filters(body: bytes) -> list[tuple[str, int]]:
    """(filter, options) of a SUBSCRIBE without properties."""
    found, at = [], 3
    while at < len(body):
        (size,) = struct.unpack_from("!H", body, at)
        found.append((body[at + 2 : at + 2 + size].decode(), body[at + 2 + size]))
        at += 3 + size
    return found


class Broker:
    """Accepts connections one after another."""

    def __init__(self, receive_maximum: int) -> None:
        self._receive_maximum = receive_maximum
        self._wires: asyncio.Queue[Wire] = asyncio.Queue()
        self.tasks: list[asyncio.Task[None]] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.tasks.append(asyncio.ensure_future(wire.listen(self._receive_maximum)))
        self._wires.put_nowait(wire)

    async def wire(self) -> Wire:
        """The next connection, once it has subscribed."""
        async with asyncio.timeout(LIMIT_S):
            wire = await self._wires.get()
        await wire.until(lambda: bool(wire.of(SUBSCRIBE)))
        return wire


class Taker:
    """What the source hands over."""

    def __init__(self) -> None:
        self.taken: list[RawMessage] = []
        self._news = asyncio.Condition()

    async def deliver(self, batch: Sequence[RawMessage]) -> None:
        self.taken += batch
        async with self._news:
            self._news.notify_all()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_S), self._news:
            await self._news.wait_for(lambda: len(self.taken) >= count)


@asynccontextmanager
async def connected(broker_takes: int = 65_535, **options: object) -> AsyncIterator[tuple[MqttSource, Broker, Taker]]:
    broker, taker = Broker(broker_takes), Taker()
    server = await asyncio.start_server(broker.accept, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    source = MqttSource(MqttOptions(f"mqtt://{HOST}:{port}", **options), SystemClock())  # type: ignore[arg-type]
    source.subscribe(["pumps/+/raw", "pumps/+/response"])
    work = asyncio.ensure_future(source.run(taker.deliver))
    try:
        yield source, broker, taker
        assert not work.done(), "the source has ended"
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        server.close()
        await asyncio.gather(*broker.tasks)
        await server.wait_closed()


async def test_the_session_is_kept_and_bounded() -> None:
    async with connected(client_id="plant-7", session_expiry_s=3_600, receive_maximum=321) as (_, broker, _taker):
        wire = await broker.wire()
    body = wire.of(CONNECT)[0]
    assert body[:7] == b"\0\4MQTT\5"
    assert body[7] & 0x02 == 0  # clean start off: the broker's queue for us survives our absence
    size = body[10]
    properties = body[11 : 11 + size]
    assert bytes([SESSION_EXPIRY]) + struct.pack("!I", 3_600) in properties
    assert bytes([RECEIVE_MAXIMUM]) + struct.pack("!H", 321) in properties
    assert bytes([MAXIMUM_PACKET_SIZE]) in properties
    assert body[11 + size :] == b"\0\7plant-7"
    assert [(name, options & 3) for name, options in filters(wire.of(SUBSCRIBE)[0])] == [
        ("pumps/+/raw", 1),
        ("pumps/+/response", 1),
    ]
    # Leaving says nothing of the session, so that its expiry stays (MQTT 5, 3.14.2.2.2).
    assert wire.of(DISCONNECT) in ([b""], [b"\0"], [b"\0\0"])


async def test_acknowledgements_go_out_in_order_of_receipt_and_only_when_asked() -> None:
    async with connected() as (source, broker, taker):
        wire = await broker.wire()
        ids = [*range(40_000, 40_300), *range(1, 201)]  # ids say nothing about order
        wire.send(*(publish("pumps/p-1/raw", b"%d" % mid, mid) for mid in ids))
        await taker.until(500)
        # An answer that was asked for afterwards is on the wire: no acknowledgement can still be on its way.
        sending = asyncio.ensure_future(source.send(OutboundMessage("pumps/p-1/command", b"{}")))
        await wire.until(lambda: bool(wire.of(PUBLISH)))
        assert wire.acknowledged == []
        source.acknowledge(taker.taken[:200])
        await wire.until(lambda: len(wire.acknowledged) >= 200)
        source.acknowledge(taker.taken[200:])
        await wire.until(lambda: len(wire.acknowledged) >= 500)
        assert wire.acknowledged == ids
        assert [int(message.payload) for message in taker.taken] == ids
        assert source.acknowledged == 500
        command = wire.of(PUBLISH)[0]
        wire.send(packet(PUBACK, command[19:21]))
        await sending


async def test_qos_0_is_never_acknowledged() -> None:
    async with connected() as (source, broker, taker):
        wire = await broker.wire()
        wire.send(publish("pumps/p-1/raw", b"a", 5), publish("pumps/p-1/raw", b"b"), publish("pumps/p-1/raw", b"c", 6))
        await taker.until(3)
        source.acknowledge(taker.taken)
        await wire.until(lambda: len(wire.acknowledged) >= 2)
        assert wire.acknowledged == [5, 6]


async def test_a_commit_of_the_last_connection_acknowledges_nothing_on_this_one() -> None:
    # The broker may give the same id to another message: acknowledging it would lose that one.
    async with connected() as (source, broker, taker):
        first = await broker.wire()
        first.send(publish("pumps/p-1/raw", b"old", 1), publish("pumps/p-1/raw", b"old", 2))
        await taker.until(2)
        first.writer.close()
        second = await broker.wire()
        source.acknowledge(taker.taken)
        second.send(publish("pumps/p-1/raw", b"other", 1), publish("pumps/p-1/raw", b"other", 3))
        await taker.until(4)
        source.acknowledge(taker.taken[3:])
        await second.until(lambda: bool(second.acknowledged))
        assert second.acknowledged == [3]
        assert first.acknowledged == []


async def test_after_a_renunciation_nothing_more_is_acknowledged() -> None:
    async with connected() as (source, broker, taker):
        first = await broker.wire()
        first.send(publish("pumps/p-1/raw", b"a", 1), publish("pumps/p-1/raw", b"b", 2))
        await taker.until(2)
        source.renounce("the disk is full")
        source.acknowledge(taker.taken[1:])  # the later one is durable; the earlier has to come before it
        second = await broker.wire()
        assert first.acknowledged == []
        second.send(publish("pumps/p-1/raw", b"a", 1, dup=True), publish("pumps/p-1/raw", b"b", 2, dup=True))
        await taker.until(4)
        source.acknowledge(taker.taken[2:])
        await second.until(lambda: len(second.acknowledged) >= 2)
        assert second.acknowledged == [1, 2]
        assert source.redelivered == 2


@pytest.mark.parametrize("piece", [1, 7, 1_000])
async def test_messages_in_pieces_are_the_same_messages(piece: int) -> None:
    # TCP cuts anywhere: inside the length, the topic or the payload.
    payloads = [b"", b"x", b"y" * 127, b"z" * 128, b"w" * 20_000]
    stream = b"".join(publish("pumps/p-1/raw", payload, mid) for mid, payload in enumerate(payloads * 2, 1))
    async with connected() as (source, broker, taker):
        wire = await broker.wire()
        for at in range(0, min(len(stream), 400), piece):
            wire.send(stream[at : at + piece])
            await asyncio.sleep(0)
        wire.send(stream[-(-400 // piece) * piece :])
        await taker.until(10)
        assert [message.payload for message in taker.taken] == payloads * 2
        source.acknowledge(taker.taken)
        await wire.until(lambda: len(wire.acknowledged) >= 10)
        assert wire.acknowledged == list(range(1, 11))


async def test_a_stream_of_messages_does_not_silence_pings() -> None:
    # keep-alive 1 s: a client that only reads would be cut off by the broker.
    async with connected(keepalive_s=1) as (source, broker, taker):
        wire = await broker.wire()
        for number in range(10_000):
            wire.send(publish("pumps/p-1/raw", b"x" * 500, number % 60_000 + 1))
            if number % 100 == 0:
                await wire.writer.drain()
        await wire.until(lambda: bool(wire.of(PINGREQ)))
        await taker.until(10_000)
        assert source.reconnects == 0


async def test_no_more_is_sent_at_once_than_the_broker_takes() -> None:
    async with connected(broker_takes=3) as (source, broker, _taker):
        wire = await broker.wire()
        sending = [
            asyncio.ensure_future(source.send(OutboundMessage("pumps/p-1/command", b"%d" % number)))
            for number in range(10)
        ]
        for answered in range(10):
            await wire.until(lambda answered=answered: len(wire.of(PUBLISH)) > answered)
            assert len(wire.of(PUBLISH)) - answered <= 3
            wire.send(packet(PUBACK, wire.of(PUBLISH)[answered][19:21]))
        await asyncio.gather(*sending)
        assert [body[-1:] for body in wire.of(PUBLISH)] == [b"%d" % number for number in range(10)]
