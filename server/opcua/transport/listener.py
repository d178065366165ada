"""The socket that clients connect to, and the caps and time-outs over all its connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import structlog
from asyncua import ua

from server.core.clock import Clock
from server.opcua.transport.connection import Connection
from server.opcua.transport.framing import ByteBudget
from server.opcua.transport.limits import TransportLimits
from server.opcua.transport.opening import Certificates, Opener
from server.opcua.transport.receiver import Receiver
from server.security.pki import OwnCertificate

log = structlog.get_logger("fieldloom.opcua")

_S = ua.StatusCodes
_CROWDED = 0.8
"""From this share of `max_connections` on, channels without a session must hurry."""


class Listener:
    """Accepts connections and passes whole messages to the receiver."""

    def __init__(
        self,
        endpoints: Iterable[tuple[str, int]],
        receiver: Receiver,
        limits: TransportLimits,
        certificates: Certificates,
        own: OwnCertificate,
        clock: Clock,
    ) -> None:
        """`endpoints` are the offered pairs of policy URI and mode; (None, None) is always open, for discovery."""
        self.receiver = receiver
        self.limits = limits
        self.clock = clock
        self.budget = ByteBudget(limits.pending_bytes)
        self.opener = Opener(endpoints, certificates, own, limits, clock, self._admit_channel)
        self.refused = 0
        """Connections refused because there were enough."""
        self.evicted = 0
        """Connections without a session that were closed to make room."""
        self._connections: dict[Connection, None] = {}
        self._addresses: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    @property
    def connection_count(self) -> int:
        """TCP connections now."""
        return len(self._connections)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which is chosen by the system for 0.

        Raises:
            OSError: the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port, backlog=256)
        self._timer = loop.call_later(self.limits.sweep_s, self._tick)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the socket and all connections; those that do not drain in `closing_s` are cut."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._server is None:
            return
        self._server.close()
        self._emptied = asyncio.Event()
        for connection in list(self._connections):
            if connection.closing:
                connection.abort()
            else:
                connection.end(_S.BadServerHalted, "the server stops", linger=False)
        if self._connections:
            try:
                async with asyncio.timeout(self.limits.closing_s):
                    await self._emptied.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.abort()
                await self._emptied.wait()
        await self._server.wait_closed()
        self._server = None

    # -- caps

    def admit(self, connection: Connection) -> str:
        """Count a new connection; the reason, when there are enough already."""
        address = connection.address
        self._connections[connection] = None
        self._addresses[address] += 1
        reason = ""
        if self._emptied is not None:
            reason = "the server stops"
        elif self._addresses[address] > self.limits.max_connections_per_address:
            reason = "too many connections from this address"
        elif len(self._connections) > self.limits.max_connections and not self._evict(connection):
            reason = "too many connections"
        if reason:
            self.refused += 1
            log.info("connection_refused", address=address, reason=reason)
        return reason

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        if self._connections.pop(connection, 0) is None:
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]
        if self._emptied is not None and not self._connections:
            self._emptied.set()

    def _evict(self, newcomer: Connection) -> bool:
        """Close the oldest connection without an activated session (OPC 10000-4 5.6.2)."""
        # Those that are closing already give their place away.
        closing = sum(1 for connection in self._connections if connection.closing)
        if len(self._connections) - closing <= self.limits.max_connections:
            return closing <= self.limits.max_connections
        for connection in self._connections:
            if connection is not newcomer and connection.evictable:
                self.evicted += 1
                connection.end(_S.BadSecureChannelClosed, "room is needed for another client")
                return True
        return False

    def _admit_channel(self, address: str) -> bool:
        count = sum(
            1
            for connection in self._connections
            if connection.address == address and connection.channel and connection.channel.opened
        )
        return count < self.limits.max_channels_per_address

    # -- time

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.limits.sweep_s, self._tick)
        self.sweep()

    def sweep(self) -> None:
        """End all whose time is up; called every `sweep_s` seconds."""
        now = self.clock.monotonic()
        crowded = len(self._connections) >= self.limits.max_connections * _CROWDED
        for connection in list(self._connections):
            connection.sweep(now, crowded=crowded)
