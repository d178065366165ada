"""What services know of who asks: the session, and one request on its way to an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from asyncua import ua

from server.core.values import Caller
from server.opcua.nodes.keys import Key
from server.opcua.roles import Audience


class Channel(Protocol):
    """What of a secure channel services use (see transport.channel)."""

    channel_id: int
    policy_uri: str
    mode: int
    address: str
    peer_certificate: bytes | None
    peer_chain: bytes | None
    own_certificate: bytes
    max_response_bytes: int
    opened: bool  # False once it is gone; what is sent then goes nowhere
    activated: bool  # kept by the session table: an activated session is bound to it

    @property
    def congested(self) -> bool: ...

    @property
    def signature_uri(self) -> str: ...

    def send(self, request_id: int, body: bytes) -> None: ...

    def sign_with_own_key(self, data: bytes) -> bytes: ...

    def verify_with_peer_key(self, data: bytes, signature: bytes) -> bool: ...


class Session:
    """One session. Services keep their own things in the fields named after them; `on_close` runs when it ends.

    `audience` and `caller` change with ActivateSession; both are the anonymous ones before the first.
    """

    __slots__ = (
        "__weakref__",
        "activated",
        "application_uri",
        "audience",
        "browse_points",
        "caller",
        "certificate",
        "channel",
        "client",
        "closed",
        "counters",
        "created",
        "endpoint_url",
        "history_points",
        "identity_history",
        "last_seen",
        "locale_ids",
        "locales",
        "max_response_bytes",
        "mode",
        "name",
        "nonce",
        "on_close",
        "own_roles",
        "pending",
        "policy_uri",
        "publish",
        "server_uri",
        "session_id",
        "subscriptions",
        "timeout_ms",
        "token",
        "token_kind",
        "unauthorized",
    )

    def __init__(
        self, session_id: ua.NodeId, token: bytes, channel: Channel, caller: Caller, audience: Audience
    ) -> None:
        self.session_id = session_id
        self.token = token  # the AuthenticationToken as encoded NodeId: key of the session table
        self.channel: Channel | None = channel  # None while its channel is lost
        self.policy_uri = channel.policy_uri  # of the channel it was created on; it never changes
        self.mode = channel.mode
        self.caller = caller
        self.audience = audience
        self.own_roles: frozenset[Key] = frozenset()  # beside those of the user: see services.private_nodes
        self.activated = False
        self.closed = False
        self.locale_ids: tuple[str, ...] = ()  # as the client asked
        self.locales: tuple[str, ...] = ()  # those before English; () is the default language
        self.name = ""
        self.client = ua.ApplicationDescription()
        self.application_uri = ""
        self.certificate: bytes | None = None  # the client's, leaf, of the channel it was created on
        self.endpoint_url = ""
        self.server_uri = ""
        self.nonce = b""
        self.timeout_ms = 0.0
        self.max_response_bytes = 0  # 0: no limit of the session
        self.created = 0  # TimeUs
        self.last_seen = 0.0  # monotonic seconds of the last request: time-outs
        self.token_kind = "Anonymous"  # noqa: S105 - the kind of token, not one
        self.identity_history: list[str] = []
        self.counters: dict[str, list[int]] = {}  # request name -> [total, errors]
        self.unauthorized = 0
        self.subscriptions: dict[int, Any] = {}  # subscription id -> Subscription (services.subscription)
        self.publish: Any = None  # queue of waiting Publish requests (services.publish)
        self.browse_points: Any = None  # continuation points of Browse (services.view)
        self.history_points: Any = None  # continuation points of HistoryRead (history hook)
        self.pending: dict[int, set[Request]] = {}  # request handle -> requests not answered yet: Cancel
        self.on_close: list[Callable[[Session, bool], None]] = []  # (session, delete subscriptions)


class Request:
    """One request. Answer it once: return the body from the handler, or call `respond` or `fault` later."""

    __slots__ = (
        "__weakref__",
        "answered",
        "at",
        "body",
        "cancel",
        "channel",
        "handle",
        "name",
        "request_id",
        "session",
    )

    def __init__(self, channel: Channel, request_id: int, handle: int, body: bytes, at: int, name: str) -> None:
        self.channel = channel
        self.request_id = request_id
        self.handle = handle  # requestHandle of the client
        self.body = body  # whole message, TypeId included
        self.at = at  # offset of the service's own parameters, behind the RequestHeader
        self.name = name  # of the service, such as "Read"
        self.session: Session | None = None
        self.answered = False
        self.cancel: Callable[[], None] | None = None  # ends the work that still goes on for it
