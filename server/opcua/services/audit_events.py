"""Audit events of OPC 10000-5, 6.4: who did what to the server, whether it worked or not. Never a secret in them.

Built only while somebody listens. Sign-ins also go to the site's audit trail, whoever listens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from asyncua import ua

from server.core.alarm_actions import AlarmAction
from server.core.clock import Clock, to_datetime
from server.core.values import Caller
from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.nodes.node import Node
from server.opcua.services.condition_audit import event_type as event_type_of
from server.opcua.services.condition_audit import inputs_of, method_of, of_call, own_fields
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.history_audit import of_update
from server.opcua.wire.headers import audit_entry

SERVER_KEY: Key = 2253
SUCCESS_SEVERITY, FAILURE_SEVERITY = 100, 500
TEXT_LIMIT = 256
"""Characters of a client's text in an event."""
Fields = dict[str, ua.Variant]
Trail = Callable[[Caller, str, str, str, str], None]
"""(caller, action, target, outcome, detail) -> the audit trail that is kept; must not block."""

_S = ua.StatusCodes
_I = ua.ObjectIds
_V = ua.VariantType
_CERTIFICATE_EVENTS = {
    int(_S.BadCertificateTimeInvalid): _I.AuditCertificateExpiredEventType,
    int(_S.BadCertificateIssuerTimeInvalid): _I.AuditCertificateExpiredEventType,
    int(_S.BadCertificateInvalid): _I.AuditCertificateInvalidEventType,
    int(_S.BadCertificateChainIncomplete): _I.AuditCertificateInvalidEventType,
    int(_S.BadCertificatePolicyCheckFailed): _I.AuditCertificateInvalidEventType,
    int(_S.BadCertificateUntrusted): _I.AuditCertificateUntrustedEventType,
    int(_S.BadCertificateRevoked): _I.AuditCertificateRevokedEventType,
    int(_S.BadCertificateIssuerRevoked): _I.AuditCertificateRevokedEventType,
    int(_S.BadCertificateRevocationUnknown): _I.AuditCertificateRevokedEventType,
    int(_S.BadCertificateIssuerRevocationUnknown): _I.AuditCertificateRevokedEventType,
    int(_S.BadCertificateUseNotAllowed): _I.AuditCertificateMismatchEventType,
    int(_S.BadCertificateIssuerUseNotAllowed): _I.AuditCertificateMismatchEventType,
    int(_S.BadCertificateUriInvalid): _I.AuditCertificateDataMismatchEventType,
    int(_S.BadCertificateHostNameInvalid): _I.AuditCertificateDataMismatchEventType,
}
_NODE_EVENTS = {
    "AddNodes": ("NodesToAdd", _I.AuditAddNodesEventType),
    "AddReferences": ("ReferencesToAdd", _I.AuditAddReferencesEventType),
    "DeleteNodes": ("NodesToDelete", _I.AuditDeleteNodesEventType),
    "DeleteReferences": ("ReferencesToDelete", _I.AuditDeleteReferencesEventType),
}


class Bus(Protocol):
    """What carries events to those who listen."""

    def audit_wanted(self) -> bool: ...

    def base_fields(self, event_type: int, source: Key, source_name: str, message: str, severity: int) -> Fields: ...

    def send(self, fields: Fields, notifiers: Iterable[Key]) -> None: ...


class AuditEvents:
    """One method for each thing that is audited; each returns at once while nobody listens."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        application_uri: str,
        *,
        enabled: bool = True,
        trail: Trail | None = None,
        plant: int = 2,
    ) -> None:
        """`plant`: index of the namespace of conditions."""
        self._plant = plant
        self._bus = bus
        self._clock = clock
        self._application_uri = application_uri
        self._trail = trail
        self.enabled = enabled
        """The value of Server/Auditing."""

    @property
    def wanted(self) -> bool:
        """True when an event would reach somebody who may see it."""
        return self.enabled and self._bus.audit_wanted()

    def register(self, dispatcher: Dispatcher) -> None:
        """Listen to what happens to channels."""
        dispatcher.on_channel_opened.append(self.channel_opened)
        dispatcher.on_channel_refused.append(self.channel_refused)

    # -- channels and certificates

    def channel_opened(self, channel: Any, renewed: bool) -> None:
        """AuditOpenSecureChannelEvent of a channel that was opened or renewed."""
        if self.wanted:
            fields = self._channel(channel.peer_certificate, channel.policy_uri, int(channel.mode), int(_S.Good))
            fields["SecureChannelId"] = _text(str(channel.channel_id))
            fields["RequestType"] = ua.Variant(int(renewed), _V.Int32)
            fields["RequestedLifetime"] = ua.Variant(float(channel.lifetime_ms), _V.Double)
            self._send(fields)

    def channel_refused(self, address: str, code: int, reason: str, certificate: bytes | None, policy_uri: str) -> None:
        """A channel that was not opened, or that broke its security; with the event of a refused certificate."""
        if self.wanted:
            self.certificate_refused(address, code, reason, certificate)
            fields = self._channel(certificate, policy_uri, 0, code, reason)
            fields["SecureChannelId"] = _text(None)
            fields["RequestType"] = ua.Variant(0, _V.Int32)
            fields["RequestedLifetime"] = ua.Variant(0.0, _V.Double)
            self._send(fields)

    def _channel(self, certificate: bytes | None, policy_uri: str, mode: int, code: int, reason: str = "") -> Fields:
        fields = self._security(
            _I.AuditOpenSecureChannelEventType,
            "SecureChannel/OpenSecureChannel",
            code,
            "System/OpenSecureChannel",
            f"OpenSecureChannel: {reason}" if reason else "OpenSecureChannel",
        )
        fields |= _certificate(certificate)
        fields["SecurityPolicyUri"] = _text(policy_uri)
        fields["SecurityMode"] = ua.Variant(mode, _V.Int32)
        return fields

    def certificate_refused(
        self, address: str, code: int, reason: str, certificate: bytes | None, uri: str = ""
    ) -> None:
        """AuditCertificateEvent of the kind that the check which failed has; `uri` is what did not match."""
        event_type = _CERTIFICATE_EVENTS.get(code)
        if event_type is None or not self.wanted:
            return
        message = f"Certificate of {address} refused: {reason}"
        fields = self._security(event_type, "Security/Certificate", code, "System/OpenSecureChannel", message)
        fields["Certificate"] = ua.Variant(certificate or b"", _V.ByteString)
        if event_type == _I.AuditCertificateDataMismatchEventType:
            fields["InvalidHostname"] = _text(None)
            fields["InvalidUri"] = _text(uri)
        self._send(fields)

    # -- sessions

    def session_created(
        self, request: Request, session: Session | None, params: ua.CreateSessionParameters, code: int
    ) -> None:
        """AuditCreateSessionEvent; without a session when it was refused."""
        if not self.wanted:
            return
        fields = self._session(
            _I.AuditCreateSessionEventType, "Session/CreateSession", session, code, "System/CreateSession", request
        )
        channel = request.channel
        fields["SecureChannelId"] = _text(str(channel.channel_id))
        fields |= _certificate(channel.peer_certificate)
        timeout_ms = session.timeout_ms if session is not None else 0.0
        fields["RevisedSessionTimeout"] = ua.Variant(timeout_ms, _V.Double)
        self._send(fields)

    def url_mismatch(self, request: Request, session: Session, url: str) -> None:
        """AuditUrlMismatchEvent: the client reached us by a name that we do not know for ours."""
        if not self.wanted:
            return
        fields = self._session(
            _I.AuditUrlMismatchEventType,
            "Session/CreateSession",
            session,
            int(_S.Good),
            "System/CreateSession",
            request,
        )
        fields["SecureChannelId"] = _text(str(request.channel.channel_id))
        fields |= _certificate(request.channel.peer_certificate)
        fields["RevisedSessionTimeout"] = ua.Variant(session.timeout_ms, _V.Double)
        fields["EndpointUrl"] = _text(url)
        self._send(fields)

    def session_activated(self, request: Request, token: Any, code: int) -> None:
        """AuditActivateSessionEvent; the token is shown without its secret."""
        session = request.session
        if session is None:
            return
        shown = _shown(token)
        named = getattr(shown, "UserName", None)
        self._note(request, session, named, code)
        if not self.wanted:
            return
        user = _user(session) if code == _S.Good else named
        fields = self._session(
            _I.AuditActivateSessionEventType, "Session/ActivateSession", session, code, user, request
        )
        fields["ClientSoftwareCertificates"] = ua.Variant([], _V.ExtensionObject, is_array=True)
        fields["UserIdentityToken"] = ua.Variant(shown, _V.ExtensionObject)
        fields["SecureChannelId"] = _text(str(request.channel.channel_id))
        roles = [node_id_of(role) for role in sorted(session.audience.roles, key=str)]
        fields["CurrentRoleIds"] = ua.Variant(roles, _V.NodeId, is_array=True)
        self._send(fields)

    def _note(self, request: Request, session: Session, named: str | None, code: int) -> None:
        if self._trail is None:
            return
        if code == _S.Good:
            if session.caller.role != "anonymous":
                detail = f"{session.token_kind}, {session.application_uri}"
                self._trail(session.caller, "sign in", session.caller.user, "Good", detail)
        elif named:
            claimed = Caller(named[:TEXT_LIMIT], "anonymous", "opcua", request.channel.address)
            self._trail(claimed, "sign in", claimed.user, ua.StatusCode(code).name, session.application_uri)

    def session_closed(self, session: Session, how: str) -> None:
        """AuditSessionEvent: by CloseSession, by its time-out, or by us."""
        if self.wanted:
            source = f"Session/{how}"
            self._send(self._session(_I.AuditSessionEventType, source, session, int(_S.Good), _user(session), None))

    def cancelled(self, request: Request, handle: int, code: int) -> None:
        """AuditCancelEvent."""
        if self.wanted and request.session is not None:
            user = _user(request.session)
            fields = self._session(_I.AuditCancelEventType, "Session/Cancel", request.session, code, user, request)
            fields["RequestHandle"] = ua.Variant(handle, _V.UInt32)
            self._send(fields)

    # -- what sessions do

    def written(
        self,
        request: Request,
        node: Node,
        attribute: int,
        index_range: str | None,
        old: ua.Variant | None,
        new: ua.DataValue,
        code: int,
    ) -> None:
        """AuditWriteUpdateEvent of one Write operation."""
        if not self.wanted:
            return
        name = ua.AttributeIds(attribute).name if attribute in ua.AttributeIds.__members__.values() else str(attribute)
        fields = self._by_user(
            _I.AuditWriteUpdateEventType,
            node.key,
            "Attribute/Write",
            code,
            request,
            f"Write {name} of {node.name.Name}",
        )
        fields["AttributeId"] = ua.Variant(attribute, _V.UInt32)
        fields["IndexRange"] = _text(index_range)
        fields["OldValue"] = old if old is not None else ua.Variant()
        fields["NewValue"] = new.Value if new.Value is not None else ua.Variant()
        self._send(fields)

    def called(
        self, request: Request, object_key: Key, method_key: Key, inputs: Sequence[ua.Variant], code: int
    ) -> None:
        """AuditUpdateMethodEvent of one Call operation."""
        if not self.wanted:
            return
        event_type, name, own = of_call(method_key, inputs)
        fields = self._by_user(event_type, object_key, name, code, request, name.rpartition("/")[2])
        fields |= own
        fields["MethodId"] = ua.Variant(node_id_of(method_key), _V.NodeId)
        fields["InputArguments"] = ua.Variant(list(inputs), _V.Variant, is_array=True)
        fields["StatusCodeId"] = ua.Variant(ua.StatusCode(code), _V.StatusCode)
        self._send(fields)

    def condition_changed(self, action: AlarmAction, caller: Caller, code: int) -> None:
        """The same event for what was done to a condition through another door."""
        if not self.wanted or caller.door == "opcua":
            return
        event_type, name = event_type_of(action.verb)
        source = (self._plant, action.condition_id)
        fields = self._common(event_type, source, name, code, caller.user, name.rpartition("/")[2], None)
        inputs = inputs_of(action)
        fields |= own_fields(action.verb, inputs)
        fields["MethodId"] = ua.Variant(method_of(action.verb), _V.NodeId)
        fields["InputArguments"] = ua.Variant(inputs, _V.Variant, is_array=True)
        fields["StatusCodeId"] = ua.Variant(ua.StatusCode(code), _V.StatusCode)
        self._send(fields)

    def node_management(self, request: Request, kind: str, items: Sequence[Any], codes: Sequence[int]) -> None:
        """One event for all items of an AddNodes, AddReferences, DeleteNodes or DeleteReferences request.

        Status is FALSE when any of them failed.
        """
        if not self.wanted:
            return
        name, event_type = _NODE_EVENTS[kind]
        worst = next((code for code in codes if code), int(_S.Good))
        fields = self._by_user(event_type, SERVER_KEY, f"NodeManagement/{kind}", worst, request, kind)
        fields[name] = ua.Variant(list(items), _V.ExtensionObject, is_array=True)
        self._send(fields)

    def history_updated(self, request: Request, details: Any, code: int, old: Sequence[Any] = ()) -> None:
        """AuditHistoryUpdateEvent of one HistoryUpdate operation, of the type of its details.

        `old`: what stood there before, some of it.
        """
        if not self.wanted:
            return
        node_id = getattr(details, "NodeId", None)
        kind, own, cut = of_update(details, old)
        source = "Attribute/HistoryUpdate"
        fields = self._by_user(kind, SERVER_KEY, source, code, request, f"HistoryUpdate{cut}") | own
        if isinstance(node_id, ua.NodeId):
            fields["SourceNode"] = ua.Variant(node_id, _V.NodeId)
        data_type = getattr(type(details), "data_type", ua.NodeId())
        fields["ParameterDataTypeId"] = ua.Variant(data_type, _V.NodeId)
        self._send(fields)

    def note(self, caller: Caller, action: str, target: str, outcome: str, detail: str = "") -> None:
        """A line in the site's audit trail, whoever listens to events."""
        if self._trail is not None:
            self._trail(caller, action, target, outcome, detail)

    # -- fields that all have

    def _common(
        self,
        event_type: int,
        source: Key,
        source_name: str,
        code: int,
        user: str | None,
        message: str,
        request: Request | None,
    ) -> Fields:
        bad = bool(code & 0x80000000)
        if bad:
            message = f"{message}: {ua.StatusCode(code).name}"
        severity = FAILURE_SEVERITY if bad else SUCCESS_SEVERITY
        fields = dict(self._bus.base_fields(event_type, source, source_name, message[:TEXT_LIMIT], severity))
        fields["ActionTimeStamp"] = ua.Variant(to_datetime(self._clock.now()), _V.DateTime)
        fields["Status"] = ua.Variant(not bad, _V.Boolean)
        fields["ServerId"] = _text(self._application_uri)
        fields["ClientAuditEntryId"] = _text(audit_entry(request.body) if request is not None else None)
        fields["ClientUserId"] = _text(user)
        return fields

    def _security(self, event_type: int, source_name: str, code: int, user: str | None, message: str) -> Fields:
        fields = self._common(event_type, SERVER_KEY, source_name, code, user, message, None)
        fields["StatusCodeId"] = ua.Variant(ua.StatusCode(code), _V.StatusCode)
        return fields

    def _session(
        self,
        event_type: int,
        source_name: str,
        session: Session | None,
        code: int,
        user: str | None,
        request: Request | None,
    ) -> Fields:
        message = source_name.rpartition("/")[2]
        fields = self._common(event_type, SERVER_KEY, source_name, code, user, message, request)
        fields["StatusCodeId"] = ua.Variant(ua.StatusCode(code), _V.StatusCode)
        fields["SessionId"] = ua.Variant(session.session_id if session is not None else ua.NodeId(), _V.NodeId)
        return fields

    def _by_user(
        self, event_type: int, source: Key, source_name: str, code: int, request: Request, message: str
    ) -> Fields:
        user = _user(request.session) if request.session is not None else None
        return self._common(event_type, source, source_name, code, user, message, request)

    def _send(self, fields: Fields) -> None:
        self._bus.send(fields, (SERVER_KEY,))


def _text(text: str | None) -> ua.Variant:
    return ua.Variant(text[:TEXT_LIMIT] if text is not None else None, _V.String)


def _user(session: Session) -> str | None:
    """ClientUserId: null for anonymous (OPC 10000-5, 6.4.3)."""
    return None if session.caller.role == "anonymous" else session.caller.user


def _certificate(der: bytes | None) -> Fields:
    print_ = hashlib.sha1(der, usedforsecurity=False).hexdigest() if der else None
    return {
        "ClientCertificate": ua.Variant(der or b"", _V.ByteString),
        "ClientCertificateThumbprint": _text(print_),
    }


def _shown(token: Any) -> Any:
    """An identity token without password, token and signature."""
    if isinstance(token, ua.UserNameIdentityToken):
        name = (token.UserName or "")[:TEXT_LIMIT]
        return ua.UserNameIdentityToken(PolicyId=_cut(token.PolicyId), UserName=name)
    if isinstance(token, ua.X509IdentityToken):
        return ua.X509IdentityToken(PolicyId=_cut(token.PolicyId), CertificateData=token.CertificateData)
    if isinstance(token, ua.IssuedIdentityToken):
        return ua.IssuedIdentityToken(PolicyId=_cut(token.PolicyId))
    return ua.AnonymousIdentityToken(PolicyId=_cut(getattr(token, "PolicyId", None)))


def _cut(text: str | None) -> str | None:
    return text[:TEXT_LIMIT] if text is not None else None
