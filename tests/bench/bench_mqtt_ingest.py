"""From MQTT QoS 1 to the spool: what connections take in when they acknowledge after the durable commit.

Run: `python -m tests.bench.bench_mqtt_ingest [messages] [connections]`. Mosquitto holds the messages (14 points each)
for persistent sessions, so nobody publishes while it is measured. Ways:

  bare      paho that acknowledges by itself, a typed decoder, nothing kept: for the ratio
  decoded   the product's source, the same decoder, the recorder on PostgreSQL
  bridge    the same behind the product's bridge, with the binding of a package
  shared    `decoded` in as many processes as connections, which share one subscription
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from sqlalchemy.engine import make_url

from bridge.codec import CodecLimits
from bridge.intake import Bridge
from bridge.sources.mqtt import MqttSource
from bridge.sources.mqtt_options import MqttOptions
from server.core.binding import DeviceBinding, ParameterBinding, RowBinding
from server.core.clock import SystemClock, from_iso
from server.core.values import DeviceId, Measurement, PointUpdate, RawMessage
from server.history.recorder import Recorder
from server.history.stores.postgres import PostgresStore
from server.settings import HistorySettings
from tests.kit.mosquitto import mosquitto
from tests.kit.postgres import PostgresServer

POINTS = 14
DEVICES = 700
WAIT_S = 120.0
NAMES = [f"value_{number}" for number in range(POINTS)]


class Payload(msgspec.Struct):
    """What a device sends."""

    time: str
    values: dict[str, float]


DECODER = msgspec.json.Decoder(Payload)
BINDING = DeviceBinding(
    type_id="bench",
    codec="pointer_json",
    rows=(
        RowBinding(
            topic="bench/{device}/values",
            time_pointer="/time",
            parameters=tuple(ParameterBinding(name, f"/values/{name}", "float") for name in NAMES),
        ),
    ),
)


def publish(url: str, messages: int) -> None:
    """All messages at QoS 1, and wait until the broker has them."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(1_000)
    client.max_queued_messages_set(0)
    port = urlsplit(url).port or 1883
    client.connect("127.0.0.1", port)
    client.loop_start()
    begin = time.time() - messages / 1_000
    last = None
    for number in range(messages):
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begin + number // 1_000)) + f".{number % 1_000:03d}Z"
        payload = {"time": at, "values": {name: number % 977 + place / 8 for place, name in enumerate(NAMES)}}
        last = client.publish(f"bench/d{number % DEVICES}/values", json.dumps(payload), qos=1)
    if last is not None:
        last.wait_for_publish(WAIT_S)
    client.disconnect()
    client.loop_stop()


def options(url: str, client_id: str) -> MqttOptions:
    """A persistent session of the bench."""
    return MqttOptions(url=url, client_id=client_id)


async def make_session(url: str, client_id: str, topic: str) -> None:
    """Let the broker keep what comes for us from now on."""
    source = MqttSource(options(url, client_id), SystemClock())
    source.subscribe([topic])
    subscribed = asyncio.Event()
    told = source._on_subscribed

    def on_subscribed(mid: int, refused: Sequence[int], code: str) -> None:
        told(mid, refused, code)
        subscribed.set()

    source._on_subscribed = on_subscribed  # type: ignore[method-assign]

    async def nothing(_: Sequence[RawMessage]) -> None:
        raise AssertionError("nobody has published yet")

    running = asyncio.ensure_future(source.run(nothing))
    await asyncio.wait_for(subscribed.wait(), WAIT_S)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def updates_of(message: RawMessage) -> list[PointUpdate]:
    """The points of one message."""
    found = DECODER.decode(message.payload)
    at, device = from_iso(found.time), DeviceId(message.topic.split("/")[1])
    return [PointUpdate(device, name, value, 0, at, message.received_at) for name, value in found.values.items()]


async def decoded(url: str, recorder: Recorder, client_id: str, topic: str, messages: Callable[[int], bool]) -> float:
    """Until `messages` says of the number taken that it was all; seconds from the first to the last commit."""
    source = MqttSource(options(url, client_id), SystemClock())
    source.subscribe([topic])
    taken, begun = 0, 0.0
    waiting: asyncio.Queue[tuple[asyncio.Future[None], Sequence[RawMessage]]] = asyncio.Queue(64)
    done = asyncio.Event()

    async def deliver(batch: Sequence[RawMessage]) -> None:
        nonlocal begun
        begun = begun or time.perf_counter()
        updates = [update for message in batch for update in updates_of(message)]
        await waiting.put((recorder.record(updates), batch))

    async def acknowledge() -> None:
        nonlocal taken
        while True:
            durable, batch = await waiting.get()
            await durable
            source.acknowledge(batch)
            taken += len(batch)
            if messages(taken):
                done.set()

    tasks = [asyncio.ensure_future(source.run(deliver)), asyncio.ensure_future(acknowledge())]
    await asyncio.wait_for(done.wait(), WAIT_S)
    passed = time.perf_counter() - begun
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return passed


async def bridged(url: str, recorder: Recorder, client_id: str, messages: int) -> float:
    """The same through the bridge."""
    taken, begun = 0, 0.0
    done = asyncio.Event()

    async def inlet(measurements: Sequence[Measurement]) -> asyncio.Future[None]:
        nonlocal begun, taken
        begun = begun or time.perf_counter()
        future = recorder.record(
            [
                PointUpdate(each.device_id, name, value, code, each.source_time, each.received_at)
                for each in measurements
                for name, value, code in each.values
            ]
        )

        def count(_: asyncio.Future[None], number: int = len(measurements)) -> None:
            nonlocal taken
            taken += number
            if taken >= messages:
                done.set()

        future.add_done_callback(count)
        return future

    bridge = Bridge(
        MqttSource(options(url, client_id), SystemClock()),
        [BINDING],
        inlet=inlet,
        answered=lambda _: None,
        clock=SystemClock(),
        limits=CodecLimits(),
    )
    running = asyncio.ensure_future(bridge.run())
    await asyncio.wait_for(done.wait(), WAIT_S)
    passed = time.perf_counter() - begun
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return passed


def bare(url: str, client_id: str, messages: int) -> float:
    """paho alone: decoded and forgotten."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
    taken, begun = 0, 0.0

    def on_message(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal taken, begun
        begun = begun or time.perf_counter()
        DECODER.decode(message.payload)
        taken += 1

    client.on_message = on_message
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3_600
    properties.ReceiveMaximum = 2_000
    client.connect("127.0.0.1", urlsplit(url).port or 1883, clean_start=False, properties=properties)
    until = time.monotonic() + WAIT_S
    while taken < messages and time.monotonic() < until:
        client.loop(1.0)
    passed = time.perf_counter() - begun
    client.disconnect()
    return passed


def share(url: str, database: str, folder: str, client_id: str, told: Connection) -> None:
    """One process of `shared`: says when it listens, how many it took, and stops when it is told to."""

    async def run() -> None:
        store = PostgresStore(make_url(database))
        recorder = Recorder(store, HistorySettings(), Path(folder), SystemClock())
        await recorder.start()
        last = 0.0

        def all_of_it(taken: int) -> bool:
            nonlocal last
            told.send((taken, time.time()))
            return told.poll()

        told.send("ready")
        await asyncio.to_thread(told.recv)
        with contextlib.suppress(TimeoutError):
            await decoded(url, recorder, client_id, "$share/bench/bench/+/values", all_of_it)
        await recorder.flushed(WAIT_S)
        await recorder.stop()

    Path(folder).mkdir()
    asyncio.run(run())


async def shared(url: str, database: str, folder: Path, messages: int, connections: int) -> float:
    """Seconds from the start to the last commit of all processes."""
    context = get_context("spawn")
    ends, processes = [], []
    for number in range(connections):
        await make_session(url, f"share-{number}", "$share/bench/bench/+/values")
    await asyncio.to_thread(publish, url, messages)
    for number in range(connections):
        ours, theirs = context.Pipe()
        arguments = (url, database, str(folder / f"share-{number}"), f"share-{number}", theirs)
        process = context.Process(target=share, args=arguments, daemon=True)
        process.start()
        ends.append(ours)
        processes.append(process)
    for end in ends:
        assert await asyncio.to_thread(end.recv) == "ready"
    begun = time.time()
    for end in ends:
        end.send("go")
    taken = [0] * connections
    last = begun
    while sum(taken) < messages and time.time() - begun < WAIT_S:
        for place, end in enumerate(ends):
            while end.poll():
                taken[place], at = end.recv()
                last = max(last, at)
        await asyncio.sleep(0.01)
    for process in processes:
        process.terminate()
        process.join()
    print("each took:", ", ".join(map(str, taken)))
    return last - begun


def say(way: str, messages: int, seconds: float, base: float | None = None) -> float:
    """Print one figure; points a second."""
    rate = messages * POINTS / seconds
    ratio = f"  {rate / base:.2f} of bare" if base else ""
    print(f"{way:8s} {messages / seconds:8.0f} messages/s {rate:9.0f} points/s{ratio}", flush=True)
    return rate


async def main(messages: int, connections: int) -> None:
    """All ways."""
    print(f"{messages} messages of {POINTS} points, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mqtt-ingest") as name:
        folder = Path(name)
        database = PostgresServer(folder / "server")
        try:
            async with mosquitto(folder / "broker") as broker:
                await make_session(broker.url, "bare", "bench/+/values")
                await asyncio.to_thread(publish, broker.url, messages)
                base = say("bare", messages, await asyncio.to_thread(bare, broker.url, "bare", messages))
            for way in ("decoded", "bridge"):
                async with mosquitto(folder / f"broker-{way}") as broker:
                    await make_session(broker.url, way, "bench/+/values")
                    await asyncio.to_thread(publish, broker.url, messages)
                    store = PostgresStore(make_url(database.new_database()))
                    (folder / way).mkdir()
                    recorder = Recorder(store, HistorySettings(), folder / way, SystemClock())
                    await recorder.start()
                    if way == "decoded":
                        seconds = await decoded(
                            broker.url, recorder, way, "bench/+/values", lambda taken: taken >= messages
                        )
                    else:
                        seconds = await bridged(broker.url, recorder, way, messages)
                    say(way, messages, seconds, base)
                    await recorder.flushed(WAIT_S)
                    print(f"         stored {recorder.counters()['history_stored']:.0f} of {messages * POINTS}")
                    await recorder.stop()
            if connections > 1:
                async with mosquitto(folder / "broker-shared") as broker:
                    seconds = await shared(broker.url, database.new_database(), folder, messages, connections)
                    say("shared", messages, seconds, base)
        finally:
            database.remove()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000, int(sys.argv[2]) if len(sys.argv) > 2 else 2))
