"""The one edge to the network: carries the simulation's messages to the broker and commands back, on one thread."""

from __future__ import annotations

import contextlib
import random
import secrets
import select
import socket
import ssl
import sys
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulator.broker import Broker
from simulator.clock import MICROSECONDS, Clock
from simulator.messages import Message
from simulator.simulation import Simulation

SUBSCRIPTIONS = ("iot/+/command", "engines/+/command", "kaldor/loom/+/config", "plant/+/+/command")
TICK_US = 5_000  # messages leave in small batches, at most so late
IDLE_US = 250_000  # the longest wait, so that a stop is seen
GREETINGS_PER_TICK = 16  # statuses after connecting, paced: brokers bound what they queue for a subscriber
KEEPALIVE_S = 30
CONNACK_TIMEOUT_US = 10 * MICROSECONDS
FIRST_BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 15.0
PAUSE_US = 120 * MICROSECONDS  # after a longer standstill (a closed laptop) what was missed is left out
MAX_QUEUED = 20_000  # messages waiting for the broker's acknowledgement
MAX_IN_FLIGHT = 20  # unacknowledged at a time: what Mosquitto allows by default, and enough for 2 000/s on a LAN
FAREWELL_US = 3 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class _Received:
    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None
    correlation: bytes | None


class Publisher:
    """Runs a simulation against a broker until it is told to stop; reconnects with growing back-off."""

    def __init__(self, simulation: Simulation, broker: Broker, clock: Clock, *, seed: int = 0) -> None:
        self.published = 0
        self.refused = 0  # messages the client would not take: queue full, connection gone
        self.connections = 0
        self._simulation = simulation
        self._broker = broker
        self._clock = clock
        self._rng = random.Random(f"{seed}/back-off")
        self._connected = False
        self._open = False
        self._deadline_us = 0
        self._retry_us = 0
        self._failures = 0
        self._inbox: deque[_Received] = deque()
        self._greetings: deque[Message] = deque()
        self._misc_us = 0
        self._in_flight = MAX_IN_FLIGHT
        self._renew = False
        self._client = self._new_client()

    @property
    def connected(self) -> bool:
        """True between the broker's welcome and the loss of the connection."""
        return self._connected

    def run(self, stop: threading.Event, until_us: int | None = None) -> None:
        """Publishes until `stop` is set or the clock reaches `until_us`, then says farewell and disconnects."""
        last_us = self._clock.now_us()
        try:
            while not stop.is_set():
                now_us = self._clock.now_us()
                if until_us is not None and now_us >= until_us:
                    break
                if now_us - last_us > PAUSE_US:
                    self._simulation.skip_to(now_us)
                last_us = now_us
                self._send(self._simulation.advance(now_us))
                self._greet()
                wake_us = max(now_us + TICK_US, min(self._simulation.next_due_us, now_us + IDLE_US))
                self._wait(wake_us if not self._greetings else now_us + TICK_US, stop)
            self._say_farewell()
        finally:
            self._close()

    def _wait(self, wake_us: int, stop: threading.Event) -> None:
        """Serves the connection until the clock reaches `wake_us`."""
        while not stop.is_set():
            now_us = self._clock.now_us()
            left_s = (wake_us - now_us) / MICROSECONDS
            if left_s <= 0:
                return
            if self._open:
                self._serve(left_s, now_us)
            elif now_us >= self._retry_us:
                self._connect(now_us)
            else:
                stop.wait(min(left_s, (self._retry_us - now_us) / MICROSECONDS))

    def _connect(self, now_us: int) -> None:
        self._deadline_us = now_us + CONNACK_TIMEOUT_US
        try:
            self._client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S, clean_start=True)
        except (OSError, ValueError) as error:
            self._back_off(f"cannot connect: {error}")
            return
        self._open = True

    def _serve(self, timeout_s: float, now_us: int) -> None:
        sock = self._client.socket()
        if sock is None:
            self._lost("connection lost")
            return
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            timeout_s = 0.0
        readable, writable, _ = select.select([sock], [sock] if self._client.want_write() else [], [], timeout_s)
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        if readable or (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            code = self._client.loop_read()
        if writable and code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = self._client.loop_write()
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and now_us >= self._misc_us:
            self._misc_us = now_us + MICROSECONDS
            code = self._client.loop_misc()
        if self._renew:
            self._renew = False
            self._close()
            self._client = self._new_client()
        elif code != MQTTErrorCode.MQTT_ERR_SUCCESS or self._client.socket() is None:
            self._lost(f"connection lost: {mqtt.error_string(code)}")
        elif not self._connected and now_us > self._deadline_us:
            self._client.disconnect()
            self._lost("the broker does not answer")
        self._obey()

    def _obey(self) -> None:
        while self._inbox:
            received = self._inbox.popleft()
            # What was due before the command is published before its effect.
            self._send(self._simulation.advance(self._clock.now_us()))
            answer = self._simulation.command(
                received.topic,
                received.payload,
                retained=received.retained,
                response_topic=received.response_topic,
                correlation=received.correlation,
            )
            if answer is not None:
                self._send([answer])

    def _send(self, messages: Iterable[Message]) -> None:
        publish = self._client.publish
        for message in messages:
            properties = None
            if message.correlation is not None:
                properties = Properties(PacketTypes.PUBLISH)
                properties.CorrelationData = message.correlation
            info = publish(message.topic, message.payload, message.qos, message.retain, properties)
            if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                self.published += 1
            else:
                self.refused += 1

    def _greet(self) -> None:
        if self._connected:
            count = min(GREETINGS_PER_TICK, len(self._greetings))
            self._send([self._greetings.popleft() for _ in range(count)])

    def _say_farewell(self) -> None:
        if not self._connected:
            return
        now_us = self._clock.now_us()
        end_us = now_us + FAREWELL_US
        self._greetings.clear()
        self._greetings.extend(self._simulation.farewell(now_us))
        never = threading.Event()
        while self._connected and self._clock.now_us() < end_us:
            if self._greetings:
                self._greet()
            elif not self._client.want_write():
                break
            self._wait(self._clock.now_us() + TICK_US, never)

    def _close(self) -> None:
        if self._client.socket() is not None:
            self._client.disconnect()
            while self._client.want_write() and self._client.loop_write() == MQTTErrorCode.MQTT_ERR_SUCCESS:
                pass
        sock = self._client.socket()
        if sock is not None:
            sock.close()
        self._connected = self._open = False

    def _lost(self, reason: str) -> None:
        self._open = False
        self._greetings.clear()
        if self._connected:
            self._connected = False
            self._simulation.disconnect()
        self._back_off(reason)

    def _back_off(self, reason: str) -> None:
        wait_s = min(FIRST_BACK_OFF_S * 2.0**self._failures, LONGEST_BACK_OFF_S) * self._rng.uniform(0.8, 1.2)
        self._failures = min(self._failures + 1, 10)
        self._retry_us = self._clock.now_us() + round(wait_s * MICROSECONDS)
        print(f"simulator: {self._broker}: {reason}; next try in {wait_s:.1f} s", file=sys.stderr)

    def _new_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"fieldloom-simulator-{secrets.token_hex(4)}",
            protocol=mqtt.MQTTv5,
        )
        client.max_queued_messages_set(MAX_QUEUED)
        client.max_inflight_messages_set(self._in_flight)
        client.connect_timeout = 3.0
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.tls:
            client.tls_set(ca_certs=self._broker.ca, certfile=self._broker.cert, keyfile=self._broker.key)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        return client

    def _on_socket_open(self, client: mqtt.Client, userdata: Any, sock: Any) -> None:
        # Without this a small message waits up to 40 ms for the acknowledgement of the one before.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(self, client: mqtt.Client, userdata: Any, flags: Any, reason_code: Any, properties: Any) -> None:
        if reason_code.is_failure:
            print(f"simulator: {self._broker} refuses: {reason_code}", file=sys.stderr)
            return  # the broker closes the connection, which starts the back-off
        receive_maximum = getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT)
        if receive_maximum < self._in_flight:
            self._in_flight = receive_maximum
            self._renew = True  # the client takes this number only when it is new
            return
        client.subscribe([(topic, mqtt.SubscribeOptions(qos=1)) for topic in SUBSCRIPTIONS])
        self._connected = True
        self._failures = 0
        self.connections += 1
        self._greetings.extend(self._simulation.connect(self._clock.now_us()))

    def _on_message(self, client: mqtt.Client, userdata: Any, message: Any) -> None:
        properties = message.properties
        self._inbox.append(
            _Received(
                topic=message.topic,
                payload=bytes(message.payload),
                retained=bool(message.retain),
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation=getattr(properties, "CorrelationData", None),
            )
        )
