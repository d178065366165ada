"""MQTT 5 through paho, with manual acknowledgement: QoS 1 is acknowledged only after the durable commit.

paho's network loop runs in one thread of its own; messages cross to the event loop in batches, acknowledgements go
back the same way. paho is seen by this file, `mqtt_client.py` and `mqtt_listener.py` only.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.source import Deliver
from bridge.sources.mqtt_client import BROKEN, Client
from bridge.sources.mqtt_options import MqttOptions
from server.core.clock import Clock
from server.core.errors import ConfigurationError, RemoteError
from server.core.values import OutboundMessage, RawMessage

log = structlog.get_logger("fieldloom.mqtt")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
SEND_S = 5.0
BATCH = 1_000
BATCH_BYTES = 4 * 1024 * 1024
"""A batch ends at either bound."""
MESSAGE_BYTES = 512
"""What a message takes besides its payload, roughly."""
HELD_BYTES = 64 * 1024 * 1024
"""What may wait for the event loop; more is left in the socket, so that the broker holds it."""
PATIENCE_S = 1.0
"""How long the network thread waits for room before it takes one message all the same: pings must go on."""
SENT_AT_ONCE = 1_000
"""Publishes under way at once, if the broker allows as many."""


class MqttSource:
    """One persistent session with one broker."""

    def __init__(self, options: MqttOptions, clock: Clock) -> None:
        """Check the options.

        Raises:
            ConfigurationError: the URL or a TLS file cannot be used.
        """
        problems = options.problems()
        if problems:
            raise ConfigurationError(problems, what="mqtt")
        self._options = options
        self._clock = clock
        self._topics: list[str] = []
        self._unwanted: set[str] = set()
        self._asked: dict[int, list[str]] = {}  # filters by the message id of their SUBSCRIBE
        self._client: Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: deque[RawMessage] = deque()
        self._held_bytes = 0
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._wakened = False
        self._arrived = asyncio.Event()
        self._lost = asyncio.Event()
        self._connected = asyncio.Event()
        self._generation = 0
        self._ended = 0  # the last generation that is over or renounced: its messages are not acknowledged any more
        self._sending: dict[int, asyncio.Future[None]] = {}
        self._slots = asyncio.Semaphore(SENT_AT_ONCE)
        self.received = 0
        self.acknowledged = 0
        self.reconnects = 0
        self.redelivered = 0
        self.refused_topics: list[str] = []
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
        self._unwanted = (self._unwanted | set(old)) - set(topics)
        client = self._client
        if client is None or not self._connected.is_set():
            return
        self._subscribe(client, new)

    def _subscribe(self, client: Client, topics: Sequence[str]) -> None:
        if topics:
            _, mid = client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
            self._asked[mid] = list(topics)
        if self._unwanted:
            client.unsubscribe(sorted(self._unwanted))
            self._unwanted.clear()

    async def send(self, message: OutboundMessage) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if message.response_topic is not None:
            properties.ResponseTopic = message.response_topic
        if message.correlation is not None:
            properties.CorrelationData = message.correlation
        try:
            async with asyncio.timeout(SEND_S):
                await self._publish(message, properties)
        except TimeoutError:
            raise RemoteError(f"the MQTT broker {self._options.broker} did not take the command") from None

    async def _publish(self, message: OutboundMessage, properties: Properties) -> None:
        slots = self._slots  # never more under way than the broker's Receive Maximum: it would cut the connection
        if not self._connected.is_set():
            raise RemoteError(f"the MQTT broker {self._options.broker} is away")
        await slots.acquire()
        try:
            client = self._client
            if client is None or slots is not self._slots or not self._connected.is_set():
                raise RemoteError(f"the MQTT broker {self._options.broker} is away")
            info = client.publish(message.topic, message.payload, qos=1, properties=properties)
            if info.rc != paho.MQTT_ERR_SUCCESS:
                raise RemoteError(f"the MQTT broker {self._options.broker} is away")
        except (RemoteError, ValueError) as error:
            slots.release()
            raise RemoteError(str(error)) from None
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def answered(future: asyncio.Future[None]) -> None:
            slots.release()
            if not future.cancelled():
                future.exception()  # nobody may be waiting for it any more

        # The slot is free when the broker has answered, not when the caller has lost patience.
        sent.add_done_callback(answered)
        self._sending[info.mid] = sent
        await asyncio.shield(sent)

    def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        client = self._client
        if client is None or self._ended == self._generation:
            return
        # A token of an earlier connection means nothing on this one: the broker delivers that message again.
        tokens = (message.token for message in messages)
        ids = [t[1] for t in tokens if isinstance(t, tuple) and t[0] == self._generation and t[2] > 0]
        client.acknowledge(ids)
        self.acknowledged += len(ids)

    def renounce(self, reason: str) -> None:
        # MQTT 5 acknowledges in order of receipt: after a gap nothing more of this connection is acknowledged.
        self._ended = self._generation
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
            "refused_topics": ", ".join(self.refused_topics),
            "last_error": self.last_error,
        }

    # -- one connection

    async def _session(self, deliver: Deliver) -> None:
        self._generation += 1
        self._lost.clear()
        self._connected.clear()
        self._slots = asyncio.Semaphore(SENT_AT_ONCE)
        with self._lock:
            # QoS 1 of the lost connection comes again; QoS 0 does not.
            kept = [raw for raw in self._inbox if _qos(raw) == 0]
            self._inbox = deque(kept)
            self._held_bytes = sum(map(_weight, kept))
            self._wakened = bool(kept)
            self._arrived.set() if kept else self._arrived.clear()
        try:
            client = self._make_client(self._generation)
        except (OSError, ValueError) as error:
            raise RemoteError(f"the certificates for {self._options.broker} cannot be read: {error}") from None
        self._client = client
        parts = urlsplit(self._options.url)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._options.session_expiry_s
        properties.ReceiveMaximum = self._options.receive_maximum
        properties.MaximumPacketSize = max(self._options.payload_limit_bytes * 8, 4 * 1024 * 1024)
        connecting = asyncio.ensure_future(
            asyncio.to_thread(
                client.connect,
                parts.hostname or "127.0.0.1",
                self._options.port,
                self._options.keepalive_s,
                clean_start=False,
                properties=properties,
            )
        )
        try:
            await asyncio.shield(connecting)
            client.loop_start()
            await self._pump(deliver)
        except BROKEN as error:
            if not connecting.done() or connecting.exception() is None:
                raise
            raise RemoteError(f"cannot reach {self._options.broker}: {error}") from None
        finally:
            await self._leave(client, connecting)

    async def _leave(self, client: Client, connecting: asyncio.Future[Any]) -> None:
        self._connected.clear()
        self._client = None
        with self._room:
            self._ended = self._generation
            self._room.notify_all()  # the network thread may be waiting for room
        if not connecting.done():
            await asyncio.wait((connecting,))  # cancelled while it connects: its socket is closed below all the same
        await asyncio.shield(asyncio.to_thread(client.close))
        for waiting in self._sending.values():
            if not waiting.done():
                waiting.set_exception(RemoteError(f"the connection to {self._options.broker} was lost"))
        self._sending.clear()
        self._asked.clear()

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
        batch: list[RawMessage] = []
        size = 0
        with self._room:
            while self._inbox and len(batch) < BATCH and size < BATCH_BYTES:
                batch.append(self._inbox.popleft())
                size += _weight(batch[-1])
            self._held_bytes -= size
            self._room.notify_all()
            if not self._inbox:
                self._wakened = False
                self._arrived.clear()
        return batch

    def _make_client(self, generation: int) -> Client:
        options = self._options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            protocol=paho.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        parts = urlsplit(options.url)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        context = options.tls()
        if context is not None:
            client.tls_set_context(context)
        # paho must not drop or hold back what it was given: `_slots` keeps the broker's Receive Maximum.
        client.max_queued_messages_set(0)
        client.max_inflight_messages_set(0)

        def on_connect(_client: paho.Client, _data: Any, flags: Any, code: Any, properties: Any) -> None:
            if generation == self._generation:
                most = min(getattr(properties, "ReceiveMaximum", SENT_AT_ONCE), SENT_AT_ONCE)
                self._call(self._on_connected, bool(code.is_failure), str(code), bool(flags.session_present), most)

        def on_subscribe(_client: paho.Client, _data: Any, mid: int, codes: Any, _properties: Any) -> None:
            refused = [number for number, code in enumerate(codes) if code.is_failure]
            if generation == self._generation:
                self._call(self._on_subscribed, mid, refused, str(codes[refused[0]]) if refused else "")

        def on_disconnect(_client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
            if generation == self._generation:
                self._call(self._on_lost, str(code))

        def on_message(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
            if generation == self._generation:
                self._on_message(message, generation)

        def on_publish(_client: paho.Client, _data: Any, mid: int, code: Any, _properties: Any) -> None:
            if generation == self._generation:
                self._call(self._on_sent, generation, mid, bool(code.is_failure), str(code))

        def broken(reason: str) -> None:
            if generation == self._generation:
                self._call(self._on_lost, reason)

        client.broken = broken
        client.on_connect = on_connect
        client.on_subscribe = on_subscribe
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
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "\ufffd"  # not UTF-8, which no broker may pass on: an unknown topic, counted as such
        raw = RawMessage(
            topic=topic,
            payload=message.payload,
            received_at=self._clock.now(),
            retained=bool(message.retain),
            correlation=getattr(properties, "CorrelationData", None) if properties is not None else None,
            token=(generation, message.mid, message.qos),
        )
        with self._room:
            if self._held_bytes > HELD_BYTES and self._ended != generation:
                self._room.wait(PATIENCE_S)
            self.received += 1
            self.redelivered += bool(message.dup)
            self._inbox.append(raw)
            self._held_bytes += _weight(raw)
            wake = not self._wakened
            self._wakened = True
        if wake:
            # One wake-up for all that arrives until the loop takes it.
            self._call(self._arrived.set)

    # -- on the event loop

    def _on_connected(self, failed: bool, code: str, session_present: bool, most: int) -> None:
        if failed:
            self._on_lost(f"refused: {code}")
            return
        client = self._client
        if client is None:
            return
        self._slots = asyncio.Semaphore(most)
        self._connected.set()
        self.last_error = ""
        self.refused_topics.clear()
        log.info("mqtt_connected", broker=self._options.broker, session_present=session_present)
        self._subscribe(client, self._topics)

    def _on_lost(self, reason: str) -> None:
        if not self._lost.is_set():  # the first reason is the cause, what follows are its consequences
            self.last_error = f"{self._options.broker}: {reason}"
        self._connected.clear()
        self._lost.set()

    def _on_subscribed(self, mid: int, refused: Sequence[int], code: str) -> None:
        topics = self._asked.pop(mid, [])
        self.refused_topics += [topics[number] for number in refused if number < len(topics)]
        if refused:
            self.last_error = f"{self._options.broker} refuses topics: {', '.join(self.refused_topics)} ({code})"
            log.warning("mqtt_topics_refused", broker=self._options.broker, topics=self.refused_topics, reason=code)

    def _on_sent(self, generation: int, mid: int, failed: bool, code: str) -> None:
        waiting = self._sending.pop(mid, None) if generation == self._generation else None
        if waiting is not None and not waiting.done():
            if failed:
                waiting.set_exception(RemoteError(f"the MQTT broker refused the command: {code}"))
            else:
                waiting.set_result(None)


def _qos(message: RawMessage) -> int:
    token = message.token
    return int(token[2]) if isinstance(token, tuple) else 0


def _weight(message: RawMessage) -> int:
    return len(message.payload) + len(message.topic) + MESSAGE_BYTES
