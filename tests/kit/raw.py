"""A small OPC UA client on bare frames, for tests that send what no decent client would: sessions, and all the kit."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any

from asyncua import ua

from tests.kit.opcua import CLIENT_URI, Identity
from tests.kit.raw_channel import (
    Ack,
    EndedError,
    Frame,
    OutOfOrderError,
    RawChannel,
    RawConnection,
    RefusedError,
    ServiceFaultError,
    certificate_of,
    endpoints_of,
    hello,
)
from tests.kit.raw_keys import NONE_URI, SUITES, ForgedError, check_signature, encrypt_for, sign_as

__all__ = [
    "Ack",
    "EndedError",
    "ForgedError",
    "Frame",
    "OutOfOrderError",
    "RawChannel",
    "RawConnection",
    "RawSession",
    "RefusedError",
    "ServiceFaultError",
    "certificate_of",
    "endpoints_of",
    "hello",
    "read_request",
]


def read_request(*nodes: ua.NodeId, attribute: int = ua.AttributeIds.Value) -> ua.ReadRequest:
    """Reads one attribute of some nodes with both timestamps."""
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.NodesToRead = [ua.ReadValueId(node, attribute) for node in nodes]
    return request


@dataclass
class RawSession:
    """A session; `token` is the authentication token, which every request of `post` and `call` carries."""

    channel: RawChannel
    created: Any  # CreateSessionResult
    token: ua.NodeId
    session_id: ua.NodeId
    server_nonce: bytes
    server_certificate: bytes
    client_nonce: bytes = b""
    timeout_ms: float = 0.0

    @classmethod
    async def create(
        cls,
        channel: RawChannel,
        *,
        user: str | None = None,
        password: str = "",
        certificate: Identity | None = None,
        issued: bytes | None = None,
        activate: bool = True,
        name: str = "raw",
        timeout_ms: float = 60_000,
        client_uri: str = CLIENT_URI,
        client_nonce: bytes | None = None,
        max_response: int = 0,
    ) -> RawSession:
        """CreateSession and, unless told otherwise, ActivateSession; raises ServiceFaultError, ForgedError."""
        secured = channel.policy_uri != NONE_URI
        nonce = os.urandom(32) if client_nonce is None else client_nonce
        own = channel.identity.der if channel.identity is not None and secured else None
        request = ua.CreateSessionRequest()
        request.Parameters = ua.CreateSessionParameters(
            ua.ApplicationDescription(
                ApplicationUri=client_uri,
                ApplicationName=ua.LocalizedText("raw"),
                ApplicationType=ua.ApplicationType.Client,
            ),
            None,
            channel.connection.url,
            name,
            nonce,
            own,
            timeout_ms,
            max_response,
        )
        created = (await channel.call(request)).Parameters
        server_certificate = channel.server_certificate or created.ServerCertificate or b""
        if not server_certificate:
            offered = (endpoint.ServerCertificate for endpoint in created.ServerEndpoints)
            server_certificate = next((der for der in offered if der), b"")
        if secured:
            signature = created.ServerSignature.Signature
            check_signature(server_certificate, channel.policy_uri, (own or b"") + nonce, signature)
        session = cls(
            channel,
            created,
            created.AuthenticationToken,
            created.SessionId,
            created.ServerNonce,
            server_certificate,
            nonce,
            created.RevisedSessionTimeout,
        )
        if activate:
            await session.activate(user=user, password=password, certificate=certificate, issued=issued)
        return session

    def policy(self, kind: ua.UserTokenType) -> tuple[str, str]:
        """Policy id and security policy of a kind of token, as our channel's endpoint offers it."""
        for endpoint in self.created.ServerEndpoints:
            if endpoint.SecurityPolicyUri == self.channel.policy_uri and endpoint.SecurityMode == self.channel.mode:
                for offered in endpoint.UserIdentityTokens:
                    if offered.TokenType == kind:
                        return offered.PolicyId, offered.SecurityPolicyUri or endpoint.SecurityPolicyUri
        raise LookupError(f"no {kind.name} token on {self.channel.policy_uri}")

    def secret(self, data: bytes, uri: str, nonce: bytes | None = None) -> tuple[bytes, str | None]:
        """A password or token encrypted with the server's nonce (OPC 10000-4 7.40.2.2), and its algorithm."""
        if uri == NONE_URI:
            return data, None
        nonce = self.server_nonce if nonce is None else nonce
        plain = struct.pack("<I", len(data) + len(nonce)) + data + nonce
        return encrypt_for(self.server_certificate, uri, plain), SUITES[uri].policy.AsymmetricEncryptionURI

    def activation(
        self,
        *,
        user: str | None = None,
        password: str = "",
        certificate: Identity | None = None,
        issued: bytes | None = None,
        locales: tuple[str, ...] = (),
        channel: RawChannel | None = None,
    ) -> ua.ActivateSessionRequest:
        """The ActivateSession request of a user, for tests to change before they send it."""
        channel = channel or self.channel
        request = ua.ActivateSessionRequest()
        request.RequestHeader.AuthenticationToken = self.token
        parameters = request.Parameters
        parameters.LocaleIds = list(locales)
        signed = self.server_certificate + self.server_nonce
        if channel.policy_uri != NONE_URI:
            assert channel.identity is not None
            parameters.ClientSignature = sign_as(channel.identity, channel.policy_uri, signed)
        if user is not None:
            name, uri = self.policy(ua.UserTokenType.UserName)
            secret, algorithm = self.secret(password.encode(), uri)
            parameters.UserIdentityToken = ua.UserNameIdentityToken(name, user, secret, algorithm)
        elif certificate is not None:
            name, uri = self.policy(ua.UserTokenType.Certificate)
            parameters.UserIdentityToken = ua.X509IdentityToken(name, certificate.der)
            parameters.UserTokenSignature = sign_as(certificate, uri, signed)
        elif issued is not None:
            name, uri = self.policy(ua.UserTokenType.IssuedToken)
            secret, algorithm = self.secret(issued, uri)
            parameters.UserIdentityToken = ua.IssuedIdentityToken(name, secret, algorithm)
        else:
            name, _ = self.policy(ua.UserTokenType.Anonymous)
            parameters.UserIdentityToken = ua.AnonymousIdentityToken(name)
        return request

    async def activate(self, *, channel: RawChannel | None = None, **identity: Any) -> Any:
        """ActivateSession, if given on another channel, where the session then lives; takes `activation`'s words."""
        target = channel or self.channel
        result = (await target.call(self.activation(channel=target, **identity))).Parameters
        self.server_nonce = result.ServerNonce
        self.channel = target
        return result

    async def post(self, request: Any, **wrong: Any) -> int:
        """Send a typed request without waiting; returns its request id."""
        request.RequestHeader.AuthenticationToken = self.token
        return await self.channel.post(request, **wrong)

    async def answer(self, request_id: int) -> Any:
        """The typed response to a request; raises ServiceFaultError."""
        return await self.channel.answer(request_id)

    async def call(self, request: Any) -> Any:
        """One typed request and its response; raises ServiceFaultError."""
        return await self.answer(await self.post(request))

    async def read(self, *nodes: ua.NodeId, attribute: int = ua.AttributeIds.Value) -> list[ua.DataValue]:
        """One attribute of some nodes."""
        return list((await self.call(read_request(*nodes, attribute=attribute))).Results)

    async def close(self, *, delete_subscriptions: bool = True) -> None:
        """CloseSession; the channel stays open."""
        request = ua.CloseSessionRequest()
        request.DeleteSubscriptions = delete_subscriptions
        await self.call(request)
