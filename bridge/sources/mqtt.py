"""MQTT 5 through paho, with manual acknowledgement: QoS 1 is acknowledged only after the durable commit.

paho's network loop runs in one thread of its own; messages cross to the event loop in batches, acknowledgements go
back the same way. paho is seen by this file only.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.source import Deliver
from server.core.clock import Clock
from server.core.errors import RemoteError
from server.core.values import OutboundMessage, RawMessage

log = structlog.get_logger("fieldloom.mqtt")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
SEND_S = 5.0
STOP_S = 3.0
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """Where the broker is and how to stand with it."""

    url: str  # mqtt://user:password@host:1883 or mqtts://host:8883
    client_id: str = "fieldloom"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    session_expiry_s: int = 86_400
    receive_maximum: int = 2_000
    payload_limit_bytes: int = 262_144
    keepalive_s: int = 30

    @property
    def broker(self) -> str:
        """The broker without its password, for people."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}:{self.port}"

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (8883 if parts.scheme == "mqtts" else 1883)


class MqttSource:
    """One persistent session with one broker."""

    def __init__(self, options: MqttOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._topics: list[str] = []
        self._client: paho.Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: deque[RawMessage] = deque()
        self._lock = threading.Lock()
        self._wakened = False
        self._arrived = asyncio.Event()
        self._lost = asyncio.Event()
        self._connected = asyncio.Event()
        self._generation = 0
        self._sending: dict[int, asyncio.Future[None]] = {}
        self.received = 0
        self.acknowledged = 0
        self.reconnects = 0
        self.redelivered = 0
        self.last_error = ""

    # -- Source

    async def run(self, deliver: Deliver) -> None:
        self._loop = asyncio.get_running_loop()
        wait_s = FIRST_WAIT_S
        while True:
            started = self._clock.monotonic()
            try:
                await self._session(deliver)
            except RemoteError as error:
                self.last_error = error.text
                log.warning("mqtt_lost", broker=self._options.broker, reason=error.text, next_try_s=round(wait_s, 1))
            if self._clock.monotonic() - started > LONGEST_WAIT_S:
                wait_s = FIRST_WAIT_S
            self.reconnects += 1
            await asyncio.sleep(
                wait_s * random.uniform(0.7, 1.3)
            )  # all clients at once would knock the broker over again
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def subscribe(self, topics: Sequence[str]) -> None:
        new = [topic for topic in topics if topic not in self._topics]
        old = [topic for topic in self._topics if topic not in topics]
        self._topics = list(topics)
        client = self._client
        if client is None or not self._connected.is_set():
            return
        if new:
            client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in new])
        if old:
            client.unsubscribe(old)

    async def send(self, message: OutboundMessage) -> None:
        client = self._client
        if client is None or not self._connected.is_set():
            raise RemoteError(f"the MQTT broker {self._options.broker} is away")
        properties = Properties(PacketTypes.PUBLISH)
        if message.response_topic is not None:
            properties.ResponseTopic = message.response_topic
        if message.correlation is not None:
            properties.CorrelationData = message.correlation
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            info = client.publish(message.topic, message.payload, qos=1, properties=properties)
            if info.rc != paho.MQTT_ERR_SUCCESS:
                raise RemoteError(f"the MQTT broker {self._options.broker} is away")
            self._sending[info.mid] = sent
        try:
            async with asyncio.timeout(SEND_S):
                await sent
        except TimeoutError:
            raise RemoteError(f"the MQTT broker {self._options.broker} did not take the command") from None
        finally:
            self._sending.pop(info.mid, None)

    def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        client = self._client
        if client is None:
            return
        for message in messages:
            token = message.token
            # A token of an earlier connection means nothing on this one: the broker delivers that message again.
            if isinstance(token, tuple) and token[0] == self._generation and token[2] > 0:
                client.ack(token[1], token[2])
                self.acknowledged += 1

    def renounce(self, reason: str) -> None:
        self.last_error = reason
        self._lost.set()

    def health(self) -> Mapping[str, object]:
        return {
            "connected": self._connected.is_set(),
            "broker": self._options.broker,
            "received": self.received,
            "acknowledged": self.acknowledged,
            "redelivered": self.redelivered,
            "reconnects": self.reconnects,
            "last_error": self.last_error,
        }

    # -- one connection

    async def _session(self, deliver: Deliver) -> None:
        self._generation += 1
        self._lost.clear()
        self._connected.clear()
        self._arrived.clear()
        with self._lock:
            self._inbox.clear()
        client = self._make_client(self._generation)
        self._client = client
        parts = urlsplit(self._options.url)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._options.session_expiry_s
        properties.ReceiveMaximum = self._options.receive_maximum
        properties.MaximumPacketSize = max(self._options.payload_limit_bytes * 8, 4 * 1024 * 1024)
        try:
            await asyncio.to_thread(
                client.connect,
                parts.hostname or "127.0.0.1",
                self._options.port,
                self._options.keepalive_s,
                clean_start=False,
                properties=properties,
            )
        except (OSError, ValueError) as error:
            self._client = None
            raise RemoteError(f"cannot reach {self._options.broker}: {error}") from None
        client.loop_start()
        try:
            await self._pump(deliver)
        finally:
            self._connected.clear()
            self._client = None
            await asyncio.shield(asyncio.to_thread(_end, client))
            for waiting in self._sending.values():
                if not waiting.done():
                    waiting.set_exception(RemoteError("the MQTT connection was lost"))

    async def _pump(self, deliver: Deliver) -> None:
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            while not lost.done():
                arrived = asyncio.ensure_future(self._arrived.wait())
                try:
                    await asyncio.wait({arrived, lost}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    arrived.cancel()
                batch = self._take()
                if batch:
                    await deliver(batch)
        finally:
            lost.cancel()
        raise RemoteError(self.last_error or f"the connection to {self._options.broker} was lost")

    def _take(self) -> list[RawMessage]:
        with self._lock:
            batch = [self._inbox.popleft() for _ in range(min(BATCH, len(self._inbox)))]
            if not self._inbox:
                self._wakened = False
                self._arrived.clear()
        return batch

    def _make_client(self, generation: int) -> paho.Client:
        options = self._options
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            protocol=paho.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        parts = urlsplit(options.url)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            context = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
            if options.cert_file is not None:
                context.load_cert_chain(str(options.cert_file), str(options.key_file) if options.key_file else None)
            client.tls_set_context(context)
        # paho must not drop what it was told to keep: our own limit is the broker's Receive Maximum.
        client.max_queued_messages_set(0)
        client.max_inflight_messages_set(min(options.receive_maximum, 1_000))

        def on_connect(_client: paho.Client, _data: Any, flags: Any, code: Any, _properties: Any) -> None:
            if generation == self._generation:
                self._call(self._on_connected, bool(code.is_failure), str(code), bool(flags.session_present))

        def on_disconnect(_client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
            if generation == self._generation:
                self._call(self._on_lost, str(code))

        def on_message(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
            if generation == self._generation:
                self._on_message(message, generation)

        def on_publish(_client: paho.Client, _data: Any, mid: int, code: Any, _properties: Any) -> None:
            self._call(self._on_sent, mid, bool(code.is_failure), str(code))

        client.on_connect = on_connect
        client.on_disconnect = on_disconnect
        client.on_message = on_message
        client.on_publish = on_publish
        return client

    # -- from paho's thread

    def _call(self, function: Any, *arguments: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(function, *arguments)

    def _on_message(self, message: paho.MQTTMessage, generation: int) -> None:
        properties = message.properties
        raw = RawMessage(
            topic=message.topic,
            payload=message.payload,
            received_at=self._clock.now(),
            retained=bool(message.retain),
            correlation=getattr(properties, "CorrelationData", None) if properties is not None else None,
            token=(generation, message.mid, message.qos),
        )
        with self._lock:
            self.received += 1
            self.redelivered += bool(message.dup)
            self._inbox.append(raw)
            wake = not self._wakened
            self._wakened = True
        if wake:
            # One wake-up for all that arrives until the loop takes it.
            self._call(self._arrived.set)

    # -- on the event loop

    def _on_connected(self, failed: bool, code: str, session_present: bool) -> None:
        if failed:
            self._on_lost(f"refused: {code}")
            return
        client = self._client
        if client is None:
            return
        self._connected.set()
        self.last_error = ""
        log.info("mqtt_connected", broker=self._options.broker, session_present=session_present)
        if self._topics:
            client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._topics])

    def _on_lost(self, reason: str) -> None:
        self.last_error = f"{self._options.broker}: {reason}"
        self._connected.clear()
        self._lost.set()

    def _on_sent(self, mid: int, failed: bool, code: str) -> None:
        with self._lock:
            waiting = self._sending.get(mid)
        if waiting is not None and not waiting.done():
            if failed:
                waiting.set_exception(RemoteError(f"the MQTT broker refused the command: {code}"))
            else:
                waiting.set_result(None)


def _end(client: paho.Client) -> None:
    client.disconnect()
    client.loop_stop()
