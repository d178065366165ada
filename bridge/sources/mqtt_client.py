"""paho's client, where it is slow or silent: it reads ahead, acknowledges many at once and tells when its loop breaks.

Measured 2026-11-24 at 1 400 QoS 1 messages a second: a fifth less processor time than paho by itself, which asks the
system five times for each message it reads and twice for each one it acknowledges.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.properties import MQTTException

READ_AHEAD = 65_536
BROKEN = (OSError, ValueError, LookupError, TypeError, struct.error, MQTTException)
"""What paho's parser raises on bytes that are no MQTT."""


class Client(paho.Client):  # type: ignore[misc]
    """For one connection; a lost one takes what was read ahead with it."""

    broken: Callable[[str], None]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ahead = memoryview(b"")

    def loop_forever(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().loop_forever(*arguments, **options)
        except BROKEN as error:
            self.broken(f"what came is no MQTT 5 ({error or type(error).__name__})")
            return paho.MQTT_ERR_PROTOCOL

    def close(self) -> None:
        """Leave the broker, end the loop and close every socket, which paho leaves to the garbage collector."""
        self.disconnect()
        self.loop_stop()
        self._reset_sockets()

    def acknowledge(self, ids: Sequence[int]) -> None:
        """Acknowledge these messages in this order. From any thread."""
        if ids:
            packets = b"".join(struct.pack("!BBH", paho.PUBACK, 2, number) for number in ids)
            self._packet_queue(paho.PUBACK, packets, ids[-1], 1)

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self._ahead:
            data: bytes = super()._sock_recv(max(bufsize, READ_AHEAD))
            if len(data) <= bufsize:
                return data
            self._ahead = memoryview(data)
        part, self._ahead = self._ahead[:bufsize], self._ahead[bufsize:]
        return bytes(part)

    def loop_read(self, max_packets: int = 1) -> Any:
        result = super().loop_read(max_packets)
        # select() cannot see what was read ahead. Acknowledgements and pings go out in between: a message may wait
        # long for room.
        while result == paho.MQTT_ERR_SUCCESS and self._ahead:
            if self.want_write():
                result = self.loop_write()
            if result == paho.MQTT_ERR_SUCCESS:
                result = self.loop_misc()
            if result == paho.MQTT_ERR_SUCCESS:
                result = super().loop_read(max_packets)
        return result
