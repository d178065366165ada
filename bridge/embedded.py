"""The embedded MQTT 5 broker of the demo: a child process on 127.0.0.1. It keeps nothing over its own death."""

from __future__ import annotations

import asyncio
import logging
import socket
import tempfile
from pathlib import Path

from iotcore import Broker

from server.core.errors import InUseError, RemoteError

HOST = "127.0.0.1"
READY_S = 15.0
_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "fieldloom"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {payload}
max_inflight_count = 1000
dynamic_filters = true
"""


class EmbeddedBroker:
    """Start and stop of the child."""

    def __init__(self, port: int, payload_limit_bytes: int) -> None:
        self.port = port
        self._payload = payload_limit_bytes
        self._broker: Broker | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"mqtt://{HOST}:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it accepts connections; port 0 takes a free one.

        Raises:
            InUseError: the port is taken.
            RemoteError: the broker did not come up.
        """
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        if self.port == 0:
            self.port = _free_port()
        # Its own INFO lines are about segments and links: nothing for an operator.
        logging.getLogger("iotcore").setLevel(logging.WARNING)
        self._folder = tempfile.TemporaryDirectory(prefix="fieldloom-broker-")
        config = Path(self._folder.name) / "broker.toml"
        # Room for what a client may wrongly send: the refusal is ours, with a counter, not a dropped connection.
        payload = max(self._payload * 8, 4 * 1024 * 1024)
        config.write_text(_CONFIG.format(host=HOST, port=self.port, payload=payload), encoding="utf-8")
        broker = Broker(config_path=str(config))
        self._broker = broker  # known before it runs: a stop that comes meanwhile ends it
        try:
            broker.start(timeout=READY_S)
        except OSError as error:
            self._broker = None
            self._cleanup()
            raise InUseError(
                f"MQTT: port {self.port} on {HOST} is not free ({error}); choose another with FIELDLOOM_MQTT__PORT"
            ) from None
        except RuntimeError as error:
            self._broker = None
            self._cleanup()
            raise RemoteError(f"the embedded MQTT broker did not start: {error}") from None

    async def stop(self) -> None:
        """End the child."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await asyncio.to_thread(broker.stop)
        self._cleanup()

    @property
    def running(self) -> bool:
        """True while the child lives."""
        return self._broker is not None and bool(self._broker.is_running)

    def _cleanup(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
