"""What one TCP connection, one channel and all of them together may cost before anybody has signed in."""

from __future__ import annotations

from dataclasses import dataclass

MIN_BUFFER_BYTES = 8192
"""The smallest chunk buffer of OPC 10000-6 7.1.2.3."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Limits of the transport; defaults suit a server of about a hundred clients."""

    buffer_bytes: int = 65_535
    """Largest chunk we take and send."""
    max_message_bytes: int = 16 * 1024 * 1024
    """Largest request body, all chunks together."""
    max_chunks: int = 4096
    """Most chunks of one request."""
    handshake_s: float = 10.0
    """HEL and the first OPN must have come within."""
    assembly_s: float = 30.0
    """A request may take so long from its first byte to its last."""
    activation_s: float = 30.0
    """A channel may stay so long without an activated session while the pool is nearly full."""
    idle_channel_s: float = 120.0
    """A channel without an activated session may stay so long after its last message."""
    stalled_s: float = 60.0
    """A client may take nothing of what waits for it for so long."""
    closing_s: float = 5.0
    """What was sent before a close may take so long to leave; then the connection is cut."""
    sweep_s: float = 0.5
    """Time-outs are looked at every so many seconds."""
    max_connections: int = 512
    """TCP connections at once; each carries at most one channel."""
    max_connections_per_address: int = 256
    """TCP connections at once from one address."""
    max_channels_per_address: int = 256
    """Open channels at once from one address."""
    pending_bytes: int = 64 * 1024 * 1024
    """Unfinished requests of all connections together; those without an activated session share half of it."""
    pending_bytes_unactivated: int = 1024 * 1024
    """Largest request, and all unfinished ones together, of a connection without an activated session."""
    write_buffer_bytes: int = 32 * 1024 * 1024
    """Answers waiting for a slow client; beyond it the connection is ended."""
    congestion_bytes: int = 256 * 1024
    """Answers waiting for a client; beyond it no more of its requests are read."""
    max_certificate_bytes: int = 16 * 1024
    """SenderCertificate of an OPN, chain included."""
    min_lifetime_ms: int = 10_000
    """Shortest lifetime of a security token; less is revised to it."""
    max_lifetime_ms: int = 3_600_000
    """Longest lifetime of a security token; more, or 0, is revised to it."""

    def __post_init__(self) -> None:
        if self.buffer_bytes < MIN_BUFFER_BYTES:
            raise ValueError(f"buffer_bytes must be at least {MIN_BUFFER_BYTES}")
        if min(self.max_message_bytes, self.pending_bytes_unactivated) < self.buffer_bytes:
            raise ValueError("a message must be allowed to fill one buffer")
        if not 0 < self.min_lifetime_ms <= self.max_lifetime_ms:
            raise ValueError("min_lifetime_ms must be positive and at most max_lifetime_ms")

    def revised_lifetime_ms(self, requested: int) -> int:
        """The lifetime a client gets: never 0, never endless (OPC 10000-4 5.6.2)."""
        return min(max(requested or self.max_lifetime_ms, self.min_lifetime_ms), self.max_lifetime_ms)
