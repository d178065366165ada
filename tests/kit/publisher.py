"""Publishes to a broker at QoS 1 and knows what the broker has taken."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

CONNECT_S = 10.0


class Publisher:
    """One paho client; `with` connects and disconnects."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 1883
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.max_inflight_messages_set(500)
        self._client.max_queued_messages_set(0)
        self._up = threading.Event()
        self._client.on_connect = self._connected

    def _connected(self, *_arguments: Any) -> None:
        self._up.set()

    def __enter__(self) -> Publisher:
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        assert self._up.wait(CONNECT_S), "the broker does not answer"
        return self

    def __exit__(self, *_reason: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payload: str | bytes, *, retain: bool = False, wait: bool = True) -> None:
        """Publish; returns when the broker has it (`wait`), or at once."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if wait:
            info.wait_for_publish(CONNECT_S)
            assert info.is_published(), f"the broker did not take {topic}"
