"""Settings of OPC UA and HTTP, and the limits of what clients may ask."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from server.settings.section import Section


class OpcUaSettings(Section):
    """The OPC UA endpoint."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=4840, ge=0, le=65535)
    """TCP port; 0 takes a free one."""
    advertised_host: str = ""
    """Host name in the endpoint URLs; empty: the address to listen on."""
    allow_none: bool = False
    """Offer SecurityPolicy None (loopback only); anonymous there only reads."""
    allow_anonymous: bool = True
    """Accept anonymous sessions, which only read."""
    test_nodes: bool = False
    """Expose the test nodes, writable by anonymous clients (loopback only)."""
    load_nodes: int = Field(default=0, ge=0, le=100_000)
    """How many load nodes to expose (loopback only); 0: none."""
    load_period_ms: int = Field(default=1000, ge=10, le=3_600_000)
    """Every so many milliseconds all load nodes count up."""
    max_sessions: int = Field(default=100, ge=1, le=10_000)
    """Sessions at once."""
    min_session_timeout_ms: int = Field(default=10_000, ge=1_000, le=3_600_000)
    """Shortest time-out of a session without requests, milliseconds; less is revised to it."""
    max_session_timeout_ms: int = Field(default=3_600_000, ge=1_000, le=86_400_000)
    """Longest time-out of a session without requests, milliseconds; more is revised to it."""
    session_activation_s: float = Field(default=30.0, gt=0, le=600)
    """A session that nobody activates ends after so many seconds."""
    login_attempts: int = Field(default=10, ge=1, le=1_000)
    """Failed sign-ins of one user or address within a minute before further ones are refused unseen."""
    user_certificates_file: Path | None = None
    """TOML file of certificates that sign users in (X.509 user tokens); absent: not offered."""
    jwt_keys_file: Path | None = None
    """TOML file of the issuers whose JSON Web Tokens sign users in; absent: not offered."""
    diagnostics: bool = True
    """Collect ServerDiagnostics from the start; administrators switch EnabledFlag at run time."""
    auditing: bool = True
    """Send audit events to administrators who subscribe to them."""

    @model_validator(mode="after")
    def _check_timeouts(self) -> OpcUaSettings:
        if self.min_session_timeout_ms > self.max_session_timeout_ms:
            raise ValueError("min_session_timeout_ms must not be above max_session_timeout_ms")
        return self


class LimitSettings(Section):
    """What OPC UA clients may cost, before and after they sign in. Excess gets the standard's StatusCode."""

    chunk_bytes: int = Field(default=65_535, ge=8_192, le=16 * 1024 * 1024)
    """Largest chunk taken and sent."""
    message_bytes: int = Field(default=16 * 1024 * 1024, ge=65_535, le=256 * 1024 * 1024)
    """Largest request, all its chunks together."""
    message_bytes_unactivated: int = Field(default=1024 * 1024, ge=65_535)
    """Largest request of a connection on which nobody has signed in."""
    pending_bytes: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024)
    """Unfinished requests of all connections together."""
    chunks: int = Field(default=4_096, ge=1)
    """Chunks of one request."""
    unread_bytes: int = Field(default=32 * 1024 * 1024, ge=1024 * 1024)
    """Answers that wait for a slow client; beyond it the connection is ended."""
    handshake_s: float = Field(default=10.0, gt=0, le=600)
    """HEL and the first OPN must have come within so many seconds."""
    assembly_s: float = Field(default=30.0, gt=0, le=600)
    """A request may take so many seconds from its first byte to its last."""
    idle_channel_s: float = Field(default=120.0, gt=0, le=3_600)
    """A channel on which nobody has signed in ends after so many seconds without a message."""
    connections: int = Field(default=512, ge=2, le=100_000)
    """TCP connections at once; each carries at most one secure channel."""
    connections_per_address: int = Field(default=256, ge=1, le=100_000)
    """TCP connections at once from one address."""
    nesting: int = Field(default=100, ge=100, le=250)
    """Variants, ExtensionObjects and DiagnosticInfos inside each other; the standard wants 100 to be taken."""
    array_elements: int = Field(default=1_000_000, ge=1_000)
    """Elements of one array that a client sends."""
    text_bytes: int = Field(default=16 * 1024 * 1024, ge=1_024)
    """Bytes of one String or ByteString that a client sends."""
    decoded_bytes: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024)
    """What decoding one request may cost: memory, or 15 ns a byte of time, whichever is more."""
    decoded_bytes_unactivated: int = Field(default=2 * 1024 * 1024, ge=65_536)
    """The same on a channel on which nobody has signed in."""
    waiting_requests: int = Field(default=64, ge=1, le=10_000)
    """Requests of one channel that wait for devices or disks at once; further ones stand in line."""
    queued_requests: int = Field(default=1_000, ge=0, le=100_000)
    """Requests of one channel that stand in line; beyond it Bad_ResourceUnavailable."""
    operations: int = Field(default=10_000, ge=1, le=1_000_000)
    """Elements of one request; published under OperationLimits."""
    browse_points: int = Field(default=20, ge=5, le=1_000)
    """Continuation points of Browse that one session may hold."""
    history_points: int = Field(default=100, ge=5, le=10_000)
    """Continuation points of HistoryRead that one session may hold."""
    subscriptions: int = Field(default=2_000, ge=1)
    """Subscriptions of all sessions together."""
    subscriptions_per_session: int = Field(default=100, ge=5)
    """Subscriptions of one session."""
    items: int = Field(default=500_000, ge=500)
    """Monitored items of all subscriptions together."""
    items_per_subscription: int = Field(default=100_000, ge=500)
    """Monitored items of one subscription."""
    items_per_node: int = Field(default=5_000, ge=100)
    """Monitored items of all subscriptions on one node."""
    queue_size: int = Field(default=1_000, ge=1, le=1_000_000)
    """Values or events that one monitored item holds."""
    queue_slots: int = Field(default=5_000_000, ge=10_000)
    """Queue sizes of all monitored items together; items made later get smaller queues."""
    queue_slots_per_subscription: int = Field(default=1_000_000, ge=10_000)
    """Queue sizes of the monitored items of one subscription together."""
    publish_requests: int = Field(default=100, ge=5, le=10_000)
    """Publish requests that wait in one session; beyond it the oldest is answered."""
    retransmission_messages: int = Field(default=100, ge=2)
    """Messages of one subscription kept for Republish."""
    publishing_ms: float = Field(default=50.0, ge=1.0, le=60_000)
    """Shortest publishing interval, milliseconds."""
    sampling_ms: float = Field(default=50.0, ge=1.0, le=60_000)
    """Shortest sampling interval above 0, milliseconds; 0 samples every change."""
    durable_hours: int = Field(default=168, ge=1, le=8_760)
    """Longest lifetime of a durable subscription, hours."""
    added_nodes: int = Field(default=10_000, ge=0)
    """Nodes that clients may have added (AddNodes)."""


class HttpSettings(Section):
    """REST, streams and console."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """TCP port; 0 takes a free one."""
    public_view: bool = False
    """Let the start page be read without signing in (the demo does)."""
    session_s: int = Field(default=28_800, ge=60)
    """A sign-in is good for so many seconds."""
    upload_limit_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest package upload taken."""
    body_limit_bytes: int = Field(default=1024 * 1024, ge=1024)
    """Largest other request body taken."""
    login_attempts: int = Field(default=10, ge=1)
    """Failed sign-ins of one user or address within a minute before it has to wait."""
