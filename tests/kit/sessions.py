"""Sessions without sockets: channels with real keys, a dispatcher with the session services, a bus that remembers."""

from __future__ import annotations

import asyncio
import datetime
import struct
from collections.abc import Iterable
from functools import cache
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

from server.core.clock import SECOND, ManualClock, from_datetime, to_datetime
from server.core.values import Caller
from server.opcua.endpoints import AES256, BASIC, Endpoints
from server.opcua.identity import Identities, SignIn
from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.roles import Rights
from server.opcua.services.activation import ActivationService
from server.opcua.services.audit_events import AuditEvents
from server.opcua.services.cancel import CancelService
from server.opcua.services.discovery import DiscoveryService
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.session import SessionService
from server.opcua.services.session_table import SessionLimits, SessionTable
from server.opcua.transport.security import MODE_ENCRYPT, MODE_NONE, POLICIES, POLICY_NONE
from server.security.pki import OwnCertificate
from server.settings import OpcUaSettings
from tests.kit.certificates import self_signed

CLIENT_URI = "urn:test:client"
SERVER_URI = "urn:fieldloom:test"
PASSWORDS = {"olga": ("operator", "turn"), "adam": ("admin", "rule")}
START = from_datetime(datetime.datetime(2026, 1, 5, 8, tzinfo=datetime.UTC))
__all__ = ["AES256", "BASIC", "MODE_ENCRYPT", "MODE_NONE", "POLICY_NONE"]


Pair = OwnCertificate
"""A key and its self-signed certificate."""


@cache
def pair(name: str, uri: str = CLIENT_URI, bits: int = 2048) -> Pair:
    """One of this name for the whole process; valid around the manual clock's time."""
    return self_signed(name, uri, to_datetime(START), bits)


class KeyChannel:
    """A secure channel as services see it; `sent` keeps what went out."""

    def __init__(
        self, number: int, policy_uri: str, mode: int, client: Pair | None, address: str = "127.0.0.1"
    ) -> None:
        self.channel_id = number
        self.policy_uri = policy_uri
        self.mode = mode
        self.client = client
        self.address = address
        self.peer_certificate = client.der if client else None
        self.peer_chain = self.peer_certificate
        self.own_certificate = pair("server", SERVER_URI).der
        self.max_response_bytes = 0
        self.lifetime_ms = 60_000
        self.opened = True
        self.activated = False
        self.sent: dict[int, bytes] = {}
        self._came = asyncio.Event()

    @property
    def signature_uri(self) -> str:
        return POLICIES[self.policy_uri].signature_uri if self.client else ""

    def send(self, request_id: int, body: bytes) -> None:
        assert request_id not in self.sent, "answered twice"
        self.sent[request_id] = body
        self._came.set()

    async def take(self, request_id: int) -> bytes:
        """The answer to a request, when it has come."""
        async with asyncio.timeout(20):
            while request_id not in self.sent:
                self._came.clear()
                await self._came.wait()
        return self.sent[request_id]

    def sign_with_own_key(self, data: bytes) -> bytes:
        return POLICIES[self.policy_uri].sign(pair("server", SERVER_URI).key, data) if self.client else b""

    def verify_with_peer_key(self, data: bytes, signature: bytes) -> bool:
        if self.client is None:
            return True
        try:
            POLICIES[self.policy_uri].verify(self.client.certificate, data, signature)
        except Exception:
            return False
        return True

    def signature(self, data: bytes) -> ua.SignatureData:
        """The client's own signature."""
        if self.client is None:
            return ua.SignatureData()
        return ua.SignatureData(self.signature_uri, POLICIES[self.policy_uri].sign(self.client.key, data))


class RememberingBus:
    """Keeps every event."""

    def __init__(self) -> None:
        self.listening = True
        self.events: list[dict[str, ua.Variant]] = []

    def audit_wanted(self) -> bool:
        return self.listening

    def base_fields(
        self, event_type: int, source: Key, source_name: str, message: str, severity: int
    ) -> dict[str, ua.Variant]:
        return {
            "EventType": ua.Variant(ua.NodeId(event_type), ua.VariantType.NodeId),
            "SourceNode": ua.Variant(node_id_of(source), ua.VariantType.NodeId),
            "SourceName": ua.Variant(source_name, ua.VariantType.String),
            "Message": ua.Variant(ua.LocalizedText(message, "en"), ua.VariantType.LocalizedText),
            "Severity": ua.Variant(severity, ua.VariantType.UInt16),
        }

    def send(self, fields: dict[str, ua.Variant], notifiers: Iterable[Key]) -> None:
        assert list(notifiers) == [2253]
        self.events.append(fields)

    def of(self, event_type: int) -> list[dict[str, Any]]:
        """Plain fields of the events of one type."""
        wanted = ua.NodeId(event_type)
        return [
            {name: variant.Value for name, variant in event.items()}
            for event in self.events
            if event["EventType"].Value == wanted
        ]


class RefusedError(Exception):
    """A ServiceFault."""

    def __init__(self, code: int) -> None:
        super().__init__(ua.StatusCode(code).name)
        self.name = ua.StatusCode(code).name


class Client:
    """One session as its client knows it."""

    def __init__(self, rig: SessionRig, channel: KeyChannel) -> None:
        self.rig = rig
        self.channel = channel
        self.token = ua.NodeId()
        self.nonce = b""
        self.session_id = ua.NodeId()

    async def create(self, **changes: Any) -> ua.CreateSessionResult:
        request = ua.CreateSessionRequest()
        params = request.Parameters
        params.ClientDescription.ApplicationUri = CLIENT_URI
        params.ClientDescription.ApplicationName = ua.LocalizedText("Test", "en")
        params.EndpointUrl = "opc.tcp://127.0.0.1:4840/fieldloom"
        params.SessionName = "test"
        params.ClientNonce = bytes(range(32))
        params.ClientCertificate = self.channel.peer_certificate
        params.RequestedSessionTimeout = 60_000.0
        for name, value in changes.items():
            setattr(params, name, value)
        result = (await self.rig.ask(self.channel, request)).Parameters
        self.token, self.nonce, self.session_id = result.AuthenticationToken, result.ServerNonce, result.SessionId
        return result

    def activation(self, token: Any = None, **changes: Any) -> ua.ActivateSessionRequest:
        request = ua.ActivateSessionRequest()
        request.RequestHeader.AuthenticationToken = self.token
        params = request.Parameters
        if token is not None:
            params.UserIdentityToken = token
        params.ClientSignature = self.channel.signature(self.channel.own_certificate + self.nonce)
        for name, value in changes.items():
            setattr(params, name, value)
        return request

    async def activate(self, token: Any = None, *, channel: KeyChannel | None = None, **changes: Any) -> None:
        kept = self.channel
        self.channel = channel or kept
        try:
            response = await self.rig.ask(self.channel, self.activation(token, **changes))
        except RefusedError:
            self.channel = kept
            raise
        self.nonce = response.Parameters.ServerNonce

    async def request(self, request: Any, *, channel: KeyChannel | None = None, handle: int = 7) -> Any:
        request.RequestHeader.AuthenticationToken = self.token
        return await self.rig.ask(channel or self.channel, request, handle=handle)

    async def close(self, delete: bool = True, *, channel: KeyChannel | None = None) -> None:
        await self.request(ua.CloseSessionRequest(DeleteSubscriptions=delete), channel=channel)

    def password(self, user: str, password: str, **changes: Any) -> ua.UserNameIdentityToken:
        policy = POLICIES[BASIC if self.channel.policy_uri == POLICY_NONE else self.channel.policy_uri]
        token = ua.UserNameIdentityToken(f"username_{policy.uri.rsplit('#')[1].lower()}", user)
        token.EncryptionAlgorithm = policy.encryption_uri
        token.Password = encrypted(policy.uri, password.encode(), self.nonce)
        for name, value in changes.items():
            setattr(token, name, value)
        return token


def encrypted(policy_uri: str, secret: bytes, nonce: bytes, size: int | None = None) -> bytes:
    """A secret for the server, block by block (OPC 10000-4, 7.41.2.2)."""
    policy = POLICIES[policy_uri]
    key = pair("server", SERVER_URI).key.public_key()
    content = struct.pack("<I", len(secret) + len(nonce) if size is None else size) + secret + nonce
    room = key.key_size // 8 - policy.overhead_bytes
    return b"".join(policy.encrypt(key, content[at : at + room]) for at in range(0, len(content), room))


class SessionRig:
    """Everything that sessions need, wired."""

    def __init__(
        self,
        *,
        limits: SessionLimits | None = None,
        certificates: Any = None,
        tokens: Any = None,
        attempts: int = 10,
        trail: Any = None,
        verify: Any = None,
        **settings: Any,
    ) -> None:
        self.clock = ManualClock(START)
        self.rights = Rights()
        self.bus = RememberingBus()
        options = OpcUaSettings(**{"allow_none": True, **settings})
        own = pair("server", SERVER_URI)
        self.endpoints = Endpoints(
            options, SERVER_URI, own.der, certificates=certificates is not None, issued=tokens is not None
        )
        self.table = SessionTable(self.rights, self.clock, limits or SessionLimits())
        self.dispatcher = Dispatcher(self.table, self.clock)
        self.audit = AuditEvents(self.bus, self.clock, SERVER_URI, trail=trail)
        self.audit.register(self.dispatcher)
        self.asked: list[str] = []
        sign_in = SignIn(verify or self._verify, self.clock, attempts=attempts)
        identities = Identities(self.endpoints, own.key, sign_in, certificates=certificates, tokens=tokens)
        DiscoveryService(self.endpoints).register(self.dispatcher)
        SessionService(self.table, self.endpoints, self.audit).register(self.dispatcher)
        ActivationService(self.table, identities, self.audit).register(self.dispatcher)
        CancelService(self.audit).register(self.dispatcher)
        self.dispatcher.register("RegisterNodes", lambda _request, _params: ua.RegisterNodesResponse())
        self._requests = 0
        self._channels = 0

    def _verify(self, user: str, password: str) -> str | None:
        self.asked.append(user)
        role, known = PASSWORDS.get(user, ("", None))
        return role if known == password else None

    def channel(
        self, policy_uri: str = BASIC, mode: int = MODE_ENCRYPT, client: Pair | None = None, address: str = "127.0.0.1"
    ) -> KeyChannel:
        self._channels += 1
        secured = client or pair("client")
        return KeyChannel(self._channels, policy_uri, mode, None if policy_uri == POLICY_NONE else secured, address)

    def open_channel(self, address: str = "127.0.0.1") -> KeyChannel:
        """A channel without security."""
        return self.channel(POLICY_NONE, MODE_NONE, address=address)

    def send(self, channel: KeyChannel, request: Any, *, handle: int = 7) -> int:
        """Send one request; returns its request id."""
        self._requests += 1
        request.RequestHeader.RequestHandle = handle
        self.dispatcher.message(channel, self._requests, struct_to_binary(request))  # type: ignore[arg-type]
        return self._requests

    async def answer(self, channel: KeyChannel, request_id: int, request: Any) -> Any:
        """The response to a request. Raises RefusedError for a ServiceFault."""
        body = await channel.take(request_id)
        if nodeid_from_binary(Buffer(body)) == ua.NodeId(ua.ObjectIds.ServiceFault_Encoding_DefaultBinary):
            raise RefusedError(struct_from_binary(ua.ServiceFault, Buffer(body)).ResponseHeader.ServiceResult.value)
        kind = getattr(ua, type(request).__name__.replace("Request", "Response"))
        return struct_from_binary(kind, Buffer(body))

    async def ask(self, channel: KeyChannel, request: Any, *, handle: int = 7) -> Any:
        """Send one request and wait for its response."""
        return await self.answer(channel, self.send(channel, request, handle=handle), request)

    def client(self, channel: KeyChannel | None = None) -> Client:
        return Client(self, channel or self.channel())

    async def active(self, token: Any = None, channel: KeyChannel | None = None) -> Client:
        """A client with an activated session."""
        client = self.client(channel)
        await client.create()
        await client.activate(token)
        return client

    async def signed_in(self, user: str, channel: KeyChannel | None = None) -> Client:
        client = self.client(channel)
        await client.create()
        await client.activate(client.password(user, PASSWORDS[user][1]))
        return client

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.table.sweep()

    def later(self, seconds: float) -> float:
        """The manual clock's time in seconds since 1970, so much later: for tokens."""
        return self.clock.now() / SECOND + seconds


Trail = list[tuple[Caller, str, str, str, str]]
