"""Listens to topics without taking anything away from anybody: QoS 0, a session of its own that ends with it.

A subscription at QoS 0 is delivered at QoS 0 (MQTT 5, 3.8.3.1), so there is never anything to acknowledge.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.sources.mqtt_client import BROKEN, Client
from bridge.sources.mqtt_options import MqttOptions
from server.core.clock import Clock
from server.core.errors import ConfigurationError, RemoteError
from server.core.values import RawMessage

HELD_BYTES = 4 * 1024 * 1024
"""What may wait for the event loop; more is dropped and counted."""
MESSAGE_BYTES = 512
BATCH = 500
CONNECT_S = 10.0

Take = Callable[[Sequence[RawMessage]], bool]
"""Gets messages in order of receipt; False ends the listening."""


class MqttListener:
    """One listening at a time; it ends with the connection and does not come again by itself."""

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
        self.dropped = 0

    async def listen(self, filters: Sequence[str], take: Take, subscribed: Callable[[], None] | None = None) -> None:
        """Hand over what comes until `take` has enough; `subscribed` is called once the broker listens for us.

        Raises:
            RemoteError: the broker cannot be reached, refuses us or a filter, or the connection is lost.
        """
        session = _Session(self._options, self._clock, asyncio.get_running_loop())
        try:
            await session.connect(filters)
            if subscribed is not None:
                subscribed()
            while True:
                batch = await session.next()
                if batch and not take(batch):
                    return
        finally:
            self.dropped += session.dropped
            await session.close()


class _Session:
    """One connection; paho's thread fills the inbox, the event loop empties it."""

    def __init__(self, options: MqttOptions, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._options = options
        self._clock = clock
        self._loop = loop
        self._lock = threading.Lock()
        self._inbox: deque[RawMessage] = deque()
        self._held = 0
        self._arrived = asyncio.Event()
        self._connected: asyncio.Future[None] = loop.create_future()
        self._reason = ""
        self._connecting: asyncio.Future[Any] | None = None
        self.dropped = 0
        self._filters: list[str] = []
        self._client = self._make_client()

    def _make_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"fieldloom-draft-{secrets.token_hex(4)}",
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        parts = urlsplit(self._options.url)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        try:
            context = self._options.tls()
        except (OSError, ValueError) as error:
            raise RemoteError(f"the certificates for {self._options.broker} cannot be read: {error}") from None
        if context is not None:
            client.tls_set_context(context)

        def on_connect(_client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
            if code.is_failure:
                self._call(self._lost, f"refused: {code}")
            else:
                client.subscribe([(topic, SubscribeOptions(qos=0)) for topic in self._filters])

        def on_subscribe(_client: paho.Client, _data: Any, _mid: int, codes: Any, _properties: Any) -> None:
            refused = [topic for topic, code in zip(self._filters, codes, strict=False) if code.is_failure]
            if refused:
                self._call(self._lost, f"the broker refuses to deliver {', '.join(refused)}")
            else:
                self._call(self._ready)

        def on_disconnect(_client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
            self._call(self._lost, str(code))

        client.broken = lambda reason: self._call(self._lost, reason)
        client.on_connect = on_connect
        client.on_subscribe = on_subscribe
        client.on_disconnect = on_disconnect
        client.on_message = lambda _client, _data, message: self._on_message(message)
        return client

    async def connect(self, filters: Sequence[str]) -> None:
        """Connect and subscribe."""
        self._filters = list(filters)
        parts = urlsplit(self._options.url)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0
        self._connecting = asyncio.ensure_future(
            asyncio.to_thread(
                self._client.connect,
                parts.hostname or "127.0.0.1",
                self._options.port,
                self._options.keepalive_s,
                clean_start=True,
                properties=properties,
            )
        )
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.shield(self._connecting)
                self._client.loop_start()
                await asyncio.shield(self._connected)
        except TimeoutError:
            raise RemoteError(f"{self._options.broker} does not answer") from None
        except BROKEN as error:
            raise RemoteError(f"cannot reach {self._options.broker}: {error}") from None

    async def next(self) -> list[RawMessage]:
        """Messages that have come; waits for the first one.

        Raises:
            RemoteError: the connection is lost and everything that had come is handed over.
        """
        await self._arrived.wait()
        with self._lock:
            batch = [self._inbox.popleft() for _ in range(min(BATCH, len(self._inbox)))]
            self._held -= sum(map(_weight, batch))
            if not self._inbox and not self._reason:
                self._arrived.clear()
        if not batch and self._reason:
            raise RemoteError(f"the connection to {self._options.broker} was lost: {self._reason}")
        return batch

    async def close(self) -> None:
        """Leave the broker and close every socket."""
        if self._connecting is not None and not self._connecting.done():
            await asyncio.wait((self._connecting,))
        if self._connecting is not None and not self._connecting.cancelled():
            self._connecting.exception()  # told already, or nobody waits for it any more
        await asyncio.shield(asyncio.to_thread(self._client.close))
        if self._connected.done():
            self._connected.exception()
        else:
            self._connected.cancel()

    # -- from paho's thread

    def _on_message(self, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # not UTF-8, which no broker may pass on
        raw = RawMessage(topic, message.payload, self._clock.now(), retained=bool(message.retain))
        with self._lock:
            if self._held + _weight(raw) > HELD_BYTES:
                self.dropped += 1
                return
            wake = not self._inbox
            self._inbox.append(raw)
            self._held += _weight(raw)
        if wake:
            self._call(self._arrived.set)

    def _call(self, function: Any, *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    # -- on the event loop

    def _ready(self) -> None:
        if not self._connected.done():
            self._connected.set_result(None)

    def _lost(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._arrived.set()
        if not self._connected.done():
            self._connected.set_exception(RemoteError(f"cannot listen at {self._options.broker}: {reason}"))


def _weight(message: RawMessage) -> int:
    return len(message.payload) + len(message.topic) + MESSAGE_BYTES
