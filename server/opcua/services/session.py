"""CreateSession and CloseSession (OPC 10000-4, 5.7.2 and 5.7.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asyncua import ua
from cryptography import x509

from server.opcua.endpoints import Endpoints
from server.opcua.nodes.keys import node_id_of, read_key
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import SECURITY_REASONS, Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.session_table import CLOSED, NONCE_BYTES, SessionTable
from server.opcua.transport.security import POLICY_NONE
from server.security.pki import application_uri_of

TEXT_LIMIT = 256
"""Characters kept of what a client says about itself: it is shown as diagnostics as long as the session lasts."""
URL_LIMIT = 4096
URLS_LIMIT = 10
_S = ua.StatusCodes


class Audit(Protocol):
    """What of the audit events sessions use."""

    def session_created(
        self, request: Request, session: Session | None, params: ua.CreateSessionParameters, code: int
    ) -> None: ...

    def session_closed(self, session: Session, how: str) -> None: ...

    def url_mismatch(self, request: Request, session: Session, url: str) -> None: ...

    def certificate_refused(
        self, address: str, code: int, reason: str, certificate: bytes | None, uri: str = ""
    ) -> None: ...


class SessionService:
    """Makes and ends sessions."""

    def __init__(
        self, table: SessionTable, endpoints: Endpoints, audit: Audit, *, max_request_bytes: int = 16 * 1024 * 1024
    ) -> None:
        self._table = table
        self._endpoints = endpoints
        self._audit = audit
        self._max_request_bytes = max_request_bytes
        table.on_closed.append(self._closed)
        self._fault: Callable[[Request, int], None] | None = None

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer CreateSession and CloseSession; requests of a session that ends are answered too."""
        dispatcher.register("CreateSession", self.create, needs="nothing")
        dispatcher.register("CloseSession", self.close, needs="session")
        dispatcher.on_channel_closed.append(self._table.channel_closed)
        self._fault = dispatcher.fault

    # -- CreateSession

    def create(self, request: Request, params: ua.CreateSessionParameters) -> ua.CreateSessionResponse:
        """A new session for the application behind the channel.

        Raises:
            ServiceFault: BadSecurityPolicyRejected, BadCertificateInvalid, BadNonceInvalid, BadCertificateUriInvalid,
                BadTooManySessions.
        """
        try:
            leaf = self._check(request, params)
            session = self._table.open(request.channel, float(params.RequestedSessionTimeout))
        except ServiceFault as fault:
            self._table.rejected += 1
            self._table.security_rejected += fault.code in SECURITY_REASONS
            self._audit.session_created(request, None, params, fault.code)
            raise
        self._describe(session, params, leaf)
        self._table.opened(session)
        self._audit.session_created(request, session, params, _S.Good)
        if params.EndpointUrl and not self._endpoints.is_ours(params.EndpointUrl):
            self._audit.url_mismatch(request, session, session.endpoint_url)
        return self._answer(session, params, leaf)

    def _check(self, request: Request, params: ua.CreateSessionParameters) -> bytes | None:
        """The client's certificate when it is the one of the channel, None on an open channel."""
        channel = request.channel
        if (channel.policy_uri, channel.mode) not in self._endpoints.offered:
            # Everybody may open a channel without security, for discovery.
            raise ServiceFault(_S.BadSecurityPolicyRejected)
        if channel.policy_uri == POLICY_NONE:
            return None
        leaf = channel.peer_certificate or b""
        # DER tells its own length: what begins with the leaf is the leaf, or a chain that starts with it.
        if not leaf or not (params.ClientCertificate or b"").startswith(leaf):
            raise ServiceFault(_S.BadCertificateInvalid)
        if len(params.ClientNonce or b"") < NONCE_BYTES:
            raise ServiceFault(_S.BadNonceInvalid)
        named = application_uri_of(x509.load_der_x509_certificate(leaf))
        said = params.ClientDescription.ApplicationUri
        if named != said:
            reason = f"the certificate names the application {named!r}"
            code = int(_S.BadCertificateUriInvalid)
            self._audit.certificate_refused(channel.address, code, reason, leaf, _cut(said))
            raise ServiceFault(code)
        return leaf

    def _describe(self, session: Session, params: ua.CreateSessionParameters, leaf: bytes | None) -> None:
        said = params.ClientDescription
        session.certificate = leaf
        session.application_uri = _cut(said.ApplicationUri)
        session.client = ua.ApplicationDescription(
            ApplicationUri=_cut(said.ApplicationUri),
            ProductUri=_cut(said.ProductUri),
            ApplicationName=ua.LocalizedText(
                _cut(said.ApplicationName.Text), _cut(said.ApplicationName.Locale) or None
            ),
            ApplicationType=said.ApplicationType,
            GatewayServerUri=_cut(said.GatewayServerUri),
            DiscoveryProfileUri=_cut(said.DiscoveryProfileUri),
            DiscoveryUrls=[_cut(url) for url in (said.DiscoveryUrls or [])[:URLS_LIMIT]],
        )
        session.name = _cut(params.SessionName) or f"Session {self._table.cumulated}"
        session.endpoint_url = (params.EndpointUrl or "")[:URL_LIMIT]
        session.server_uri = _cut(params.ServerUri)
        session.max_response_bytes = int(params.MaxResponseMessageSize)

    def _answer(
        self, session: Session, params: ua.CreateSessionParameters, leaf: bytes | None
    ) -> ua.CreateSessionResponse:
        channel = session.channel
        response = ua.CreateSessionResponse()
        result = response.Parameters
        result.SessionId = session.session_id
        result.AuthenticationToken = node_id_of(read_key(session.token, 0)[0])
        result.RevisedSessionTimeout = session.timeout_ms
        result.ServerNonce = session.nonce
        result.ServerEndpoints = self._endpoints.descriptions(params.EndpointUrl)
        result.MaxRequestMessageSize = self._max_request_bytes
        if channel is not None:
            # Also on an open channel: passwords are encrypted for it.
            result.ServerCertificate = channel.own_certificate
            if leaf is not None:
                signature = channel.sign_with_own_key(leaf + (params.ClientNonce or b""))
                result.ServerSignature = ua.SignatureData(channel.signature_uri, signature)
        return response

    # -- CloseSession

    def close(self, request: Request, params: ua.CloseSessionRequest) -> ua.CloseSessionResponse:
        """End a session from the channel it is bound to, activated or not.

        Raises:
            ServiceFault: BadSecureChannelIdInvalid.
        """
        session = request.session
        if session is None or session.channel is not request.channel:
            raise ServiceFault(_S.BadSecureChannelIdInvalid)
        self._table.close(session, delete_subscriptions=bool(params.DeleteSubscriptions), how=CLOSED)
        return ua.CloseSessionResponse()

    def _closed(self, session: Session, how: str) -> None:
        for waiting in list(session.pending.values()):
            for request in list(waiting):
                if self._fault is not None:
                    self._fault(request, int(_S.BadSessionClosed))
                if request.cancel is not None:
                    request.cancel()
        self._audit.session_closed(session, how)


def _cut(text: str | None) -> str:
    return (text or "")[:TEXT_LIMIT]
