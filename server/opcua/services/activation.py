"""ActivateSession: proof of the application's key, then of the user; a session's move to another channel."""

from __future__ import annotations

from typing import Any, Protocol

from asyncua import ua

from server.opcua.identity import Identity, Waiting
from server.opcua.services.context import Channel, Request, Session
from server.opcua.services.dispatch import SECURITY_REASONS, Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.session_table import SessionTable
from server.opcua.transport.security import POLICY_NONE

LOCALES_LIMIT = 8
LOCALE_CHARACTERS = 32
HISTORY_LIMIT = 100
"""Users of one session remembered (ClientUserIdHistory)."""
_S = ua.StatusCodes


class Audit(Protocol):
    """What of the audit events activation uses."""

    def session_activated(self, request: Request, token: Any, code: int) -> None: ...


class Identifier(Protocol):
    """Who knows users by their identity tokens."""

    def identify(
        self, channel: Channel, token: Any, signature: ua.SignatureData, nonce: bytes
    ) -> Identity | Waiting: ...


class ActivationService:
    """ActivateSession (OPC 10000-4, 5.7.3). One that fails leaves the session as it was."""

    def __init__(self, table: SessionTable, identities: Identifier, audit: Audit) -> None:
        self._table = table
        self._identities = identities
        self._audit = audit
        self._running: set[Session] = set()

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer ActivateSession."""
        dispatcher.register("ActivateSession", self.activate, needs="session")

    def activate(self, request: Request, params: ua.ActivateSessionParameters) -> Any:
        """The response, or an awaitable of it while a password is verified.

        Raises:
            ServiceFault: BadSecureChannelIdInvalid, BadSecurityChecksFailed, BadApplicationSignatureInvalid,
                BadInvalidState (another ActivateSession of the session is under way), and those of the identity.
        """
        session = request.session
        if session is None:
            raise ServiceFault(_S.BadSessionIdInvalid)
        try:
            self._check(request, session, params)
            found = self._identities.identify(
                request.channel, params.UserIdentityToken, params.UserTokenSignature, session.nonce
            )
            if isinstance(found, Identity):
                self._require_alone(session)
                return self._apply(request, session, params, found)
        except ServiceFault as fault:
            self._refused(request, params, fault.code)
            raise
        return self._later(request, session, params, found)

    async def _later(
        self, request: Request, session: Session, params: ua.ActivateSessionParameters, found: Waiting
    ) -> ua.ActivateSessionResponse:
        try:
            self._require_alone(session)
            self._running.add(session)
            try:
                identity = await found()
            finally:
                self._running.discard(session)
            return self._apply(request, session, params, identity)
        except ServiceFault as fault:
            self._refused(request, params, fault.code)
            raise

    def _require_alone(self, session: Session) -> None:
        if session in self._running:
            raise ServiceFault(_S.BadInvalidState)

    def _check(self, request: Request, session: Session, params: ua.ActivateSessionParameters) -> None:
        """May this channel carry this session, and does it speak for the application's key."""
        channel = request.channel
        if session.channel is not channel:
            if not session.activated:
                # The first activation comes by the channel that the session was created on.
                raise ServiceFault(_S.BadSecureChannelIdInvalid)
            if (channel.policy_uri, channel.mode) != (session.policy_uri, session.mode):
                raise ServiceFault(_S.BadSecurityChecksFailed)
            if channel.peer_certificate != session.certificate:
                raise ServiceFault(_S.BadSecurityChecksFailed)
        if channel.policy_uri == POLICY_NONE:
            return
        signature = params.ClientSignature
        if signature.Algorithm != channel.signature_uri or not channel.verify_with_peer_key(
            channel.own_certificate + session.nonce, signature.Signature or b""
        ):
            raise ServiceFault(_S.BadApplicationSignatureInvalid)

    def _apply(
        self, request: Request, session: Session, params: ua.ActivateSessionParameters, identity: Identity
    ) -> ua.ActivateSessionResponse:
        if session.closed:
            raise ServiceFault(_S.BadSessionIdInvalid)
        channel = request.channel
        if not channel.opened:
            raise ServiceFault(_S.BadSecureChannelClosed)
        moves = session.channel is not channel
        if moves and (identity.user, identity.kind) != (session.caller.user, session.token_kind):
            raise ServiceFault(_S.BadSecurityChecksFailed)
        self._table.activate(session, channel, identity.user, identity.role, identity.kind)
        _set_locales(session, params.LocaleIds)
        if session.identity_history[-1:] != [identity.user]:
            session.identity_history = [*session.identity_history, identity.user][-HISTORY_LIMIT:]
        self._audit.session_activated(request, params.UserIdentityToken, int(_S.Good))
        response = ua.ActivateSessionResponse()
        response.Parameters.ServerNonce = session.nonce
        return response

    def _refused(self, request: Request, params: ua.ActivateSessionParameters, code: int) -> None:
        self._table.rejected += 1
        self._table.security_rejected += code in SECURITY_REASONS
        self._audit.session_activated(request, params.UserIdentityToken, code)


def _set_locales(session: Session, asked: list[str] | None) -> None:
    """Without a list the ones in force stay (OPC 10000-4, 5.7.3)."""
    if not asked:
        return
    locales = [locale[:LOCALE_CHARACTERS] for locale in asked[:LOCALES_LIMIT] if isinstance(locale, str) and locale]
    session.locale_ids = tuple(locales)
    # Texts are English unless told otherwise: what comes behind English is never needed.
    first = next((at for at, locale in enumerate(locales) if locale.lower().startswith("en")), len(locales))
    session.locales = tuple(locales[:first])
