"""One TCP connection: which certificates and policies may open a channel, how a session begins, what runs beside it.

The stack's own processor is kept for the rest of the services.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import structlog
from asyncua import ua
from asyncua.common.utils import NotEnoughData, ServiceError
from asyncua.crypto.uacrypto import InvalidSignature
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, uatcp_to_binary

from server.opcua.identity import NONE, decrypt_password
from server.security.pki import CertificateRefusedError, application_uri_of, split_chain

log = structlog.get_logger("fieldloom.opcua")

ASIDE = 64
"""Requests of one connection that may wait for devices or disks at once; more are taken one after the other."""
NONCE_BYTES = 32
_S = ua.StatusCodes


def _request(name: str) -> ua.NodeId:
    return ua.NodeId(getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary"))


CREATE_SESSION = _request("CreateSession")
ACTIVATE_SESSION = _request("ActivateSession")
CLOSE_SESSION = _request("CloseSession")
CLOSE_CHANNEL = _request("CloseSecureChannel")
BROWSE_NEXT = _request("BrowseNext")
DISCOVERY = frozenset(map(_request, ("GetEndpoints", "FindServers")))
WAITING = frozenset(map(_request, ("Call", "Write", "HistoryRead")))
# Nodes come from packages and devices, servers register elsewhere: nobody adds any here.
NOT_OFFERED = frozenset(
    map(
        _request,
        (
            "AddNodes",
            "DeleteNodes",
            "AddReferences",
            "DeleteReferences",
            "RegisterServer",
            "RegisterServer2",
            "HistoryUpdate",
        ),
    )
)
_BROKEN = (
    ua.UaError,
    InvalidSignature,
    NotEnoughData,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    struct.error,
)


class Processor(UaProcessor):  # type: ignore[misc]
    """What one client may do before and around its session."""

    session: Any

    def __init__(self, stack: Any, transport: Any, limits: Any) -> None:
        super().__init__(stack, transport, limits)
        self._stack = stack
        self._peer: bytes | None = None  # the certificate that opened the channel
        self._aside: set[asyncio.Task[Any]] = set()

    @property
    def _policy(self) -> Any:
        return self._connection.security_policy

    # -- channel

    async def process(self, header: Any, body: Any) -> bool:
        """Take one message; a broken one ends the connection with an ERR message (OPC 10000-6, 7.1.5)."""
        try:
            return await super().process(header, body) is not False
        except ServiceError as error:
            code = error.code
        except _BROKEN as error:
            log.info("connection_refused", peer=str(self.name), reason=f"{type(error).__name__}: {error}")
            code = _S.BadSecurityChecksFailed
        message = ua.ErrorMessage(ua.StatusCode(code), "")
        self._transport.write(uatcp_to_binary(ua.MessageType.Error, message))
        return False

    def open_secure_channel(self, algohdr: Any, seqhdr: Any, body: Any) -> None:
        """Open or renew a channel for a certificate that is trusted at this moment."""
        certificate = algohdr.SenderCertificate
        renewal = self._connection.is_open()
        if renewal and (certificate or None) != self._peer:
            raise ServiceError(_S.BadSecurityChecksFailed)
        if algohdr.SecurityPolicyURI != NONE.URI:
            try:
                self._stack.certificates.check(certificate or b"")
            except CertificateRefusedError as error:
                log.warning("channel_refused", peer=str(self.name), reason=error.text)
                raise ServiceError(_S.BadSecurityChecksFailed) from None
        elif certificate:
            certificate = None
        request = struct_from_binary(ua.OpenSecureChannelRequest, body.copy())
        if not renewal:
            self._require_endpoint(algohdr.SecurityPolicyURI, request.Parameters.SecurityMode)
        self._peer = certificate or None
        super().open_secure_channel(algohdr, seqhdr, body)

    def _require_endpoint(self, uri: str, mode: ua.MessageSecurityMode) -> None:
        offered = {(edp.SecurityPolicyUri, edp.SecurityMode) for edp in self._stack.endpoints}
        # An open channel is always good for discovery; whether a session may use it is another question.
        offered.add((NONE.URI, ua.MessageSecurityMode.None_))
        if (uri, mode) not in offered:
            known = {policy for policy, _mode in offered}
            raise ServiceError(_S.BadSecurityModeRejected if uri in known else _S.BadSecurityPolicyRejected)

    # -- requests

    async def process_message(self, seqhdr: Any, body: Any) -> bool:
        """Answer one request; those that wait for others run beside the connection, so that publishing goes on."""
        typeid = nodeid_from_binary(body.copy())
        if typeid in WAITING and len(self._aside) < ASIDE:
            task = asyncio.create_task(self._answer(seqhdr, body))
            self._aside.add(task)
            task.add_done_callback(self._aside.discard)
            return True
        return await self._answer(seqhdr, body)

    async def _answer(self, seqhdr: Any, body: Any) -> bool:
        # A denied request leaves the stack's branch without a value; the connection goes on all the same.
        return await super().process_message(seqhdr, body) is not False

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> bool:
        if typeid in NOT_OFFERED:
            raise ServiceError(_S.BadServiceUnsupported)
        if typeid == CREATE_SESSION:
            self._check_create(struct_from_binary(ua.CreateSessionParameters, body.copy()))
            if self.session is not None and not self.session.is_activated():
                await self.session.close_session(True)  # nobody can use it any more
        elif typeid == ACTIVATE_SESSION:
            return await self._activate(requesthdr, seqhdr, struct_from_binary(ua.ActivateSessionParameters, body))
        elif typeid not in DISCOVERY and typeid != CLOSE_CHANNEL:
            if self.session is None or requesthdr.AuthenticationToken != self.session.auth_token:
                raise ServiceError(_S.BadSessionIdInvalid)
            if typeid == BROWSE_NEXT:
                return await self._browse_next(requesthdr, seqhdr, body)
        result = await super()._process_message(typeid, requesthdr, seqhdr, body)
        if typeid == CREATE_SESSION and self.session is not None:
            self._bind(self.session)
        elif typeid == CLOSE_SESSION:
            self.session = None
        return result is not False

    def _bind(self, session: Any) -> None:
        session.processor, session.peer = self, self._peer

    def _check_create(self, params: ua.CreateSessionParameters) -> None:
        if self._policy.URI == NONE.URI and not self._stack.allow_none:
            raise ServiceError(_S.BadSecurityPolicyRejected)
        if self._stack.session_count() >= self._stack.max_sessions:
            raise ServiceError(_S.BadTooManySessions)
        if self._peer is None:
            return
        leaf = split_chain(self._peer)[0]
        sent = params.ClientCertificate or b""
        if not sent or split_chain(sent)[0] != leaf:
            raise ServiceError(_S.BadCertificateInvalid)
        if len(params.ClientNonce or b"") < NONCE_BYTES:
            raise ServiceError(_S.BadNonceInvalid)
        if application_uri_of(leaf) != params.ClientDescription.ApplicationUri:
            raise ServiceError(_S.BadCertificateUriInvalid)

    async def _activate(self, requesthdr: Any, seqhdr: Any, params: ua.ActivateSessionParameters) -> bool:
        """ActivateSession (OPC 10000-4, 5.7.3): proof of the channel's key, then of the user."""
        session = self.session or self._stack.lookup_external_session(requesthdr.AuthenticationToken)
        if session is None or requesthdr.AuthenticationToken != session.auth_token:
            raise ServiceError(_S.BadSessionIdInvalid)
        if session.peer != self._peer:
            raise ServiceError(_S.BadSecurityChecksFailed)
        own = self._policy.host_certificate if self._peer is not None else None
        try:
            self._policy.asymmetric_cryptography.verify((own or b"") + session.nonce, params.ClientSignature.Signature)
        except (InvalidSignature, ValueError, TypeError):
            raise ServiceError(_S.BadApplicationSignatureInvalid) from None
        user, role = await self._identity(session, params.UserIdentityToken)
        if self.session is None:
            if session.is_activated() and session.caller.user != user:
                raise ServiceError(_S.BadSecurityChecksFailed)
            self._adopt(session)
        result = session.activated(params, user, role)
        response = ua.ActivateSessionResponse()
        response.Parameters = result
        self.send_response(requesthdr.RequestHandle, seqhdr, response)
        return True

    def _adopt(self, session: Any) -> None:
        """A session moves to this connection with its subscriptions (OPC 10000-4, 6.7)."""
        self.session = session
        self._bind(session)
        self._closing = False
        self._session_watchdog_task = asyncio.create_task(self._session_watchdog_loop())
        for subscription in self.iserver.subscription_service.subscriptions.values():
            if subscription.session_id == session.session_id:
                subscription.pub_result_callback = self.forward_publish_response
                subscription.pub_request_callback = self.get_publish_request

    async def _identity(self, session: Any, token: Any) -> tuple[str, str]:
        if isinstance(token, ua.ExtensionObject) and token.TypeId == ua.NodeId(ua.ObjectIds.Null):
            token = ua.AnonymousIdentityToken("anonymous")
        if isinstance(token, ua.AnonymousIdentityToken):
            if not self._stack.allow_anonymous:
                raise ServiceError(_S.BadIdentityTokenRejected)
            return "anonymous", "anonymous"
        if not isinstance(token, ua.UserNameIdentityToken):
            raise ServiceError(_S.BadIdentityTokenInvalid)
        password = decrypt_password(token, type(self._policy), self._stack.private_key, session.nonce)
        user = token.UserName or ""
        return user, await self._stack.sign_in.role(user, password, str(self.name[0] if self.name else ""))

    async def _browse_next(self, requesthdr: Any, seqhdr: Any, body: Any) -> bool:
        session = self.session
        if session is None or not session.is_activated():
            raise ServiceError(_S.BadSessionNotActivated)
        session.touch()
        response = ua.BrowseNextResponse()
        response.Parameters.Results = await session.browse_next(struct_from_binary(ua.BrowseNextParameters, body))
        self.send_response(requesthdr.RequestHandle, seqhdr, response)
        return True

    async def close(self) -> None:
        for task in list(self._aside):
            task.cancel()
        if self._aside:
            await asyncio.gather(*self._aside, return_exceptions=True)
        if self.session is not None and self.session.processor is not self:
            self.session = None  # it lives on at another connection
        await super().close()


class Connection(OPCUAProtocol):  # type: ignore[misc]
    """A connection with our processor behind it."""

    processor: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = Processor(self.iserver, self.transport, self.limits)
            self.processor.set_policies(self.policies)


class Listener(BinaryServer):  # type: ignore[misc]
    """The socket; connections are ours."""

    def _make_protocol(self) -> OPCUAProtocol:
        return Connection(self.iserver, self._policies, self.clients, self.closing_tasks, self.limits)
