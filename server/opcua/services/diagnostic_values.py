"""The diagnostic structures of OPC 10000-5, 12.9 to 12.16, from sessions and subscriptions as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from asyncua import ua

from server.core.clock import SECOND, Clock, to_datetime
from server.opcua.services.context import Session

_MASK = 0xFFFFFFFF
"""Counters are UInt32 and begin again at 0."""
ANONYMOUS = "anonymous"


@dataclass(slots=True)
class SecurityDiagnostics:
    """SessionSecurityDiagnosticsDataType; the stack's own class takes its field Encoding for something else."""

    data_type = ua.NodeId(ua.ObjectIds.SessionSecurityDiagnosticsDataType)

    SessionId: ua.NodeId = field(default_factory=ua.NodeId)
    ClientUserIdOfSession: ua.String = None
    ClientUserIdHistory: list[ua.String] = field(default_factory=list)
    AuthenticationMechanism: ua.String = None
    TextEncoding: ua.String = None  # named Encoding in the address space
    TransportProtocol: ua.String = None
    SecurityMode: ua.MessageSecurityMode = ua.MessageSecurityMode.Invalid
    SecurityPolicyUri: ua.String = None
    ClientCertificate: ua.ByteString = None


ua.register_extension_object(
    "SessionSecurityDiagnosticsDataType",
    ua.NodeId(ua.ObjectIds.SessionSecurityDiagnosticsDataType_Encoding_DefaultBinary),
    SecurityDiagnostics,
    ua.NodeId(ua.ObjectIds.SessionSecurityDiagnosticsDataType),
)

SERVICES = tuple(
    member.name.removesuffix("Count")
    for member in fields(ua.SessionDiagnosticsDataType)
    if "ServiceCounterDataType" in str(member.type) and member.name != "TotalRequestCount"
)
"""Services that have a counter of their own."""


class Subscription(Protocol):
    """What of a subscription is shown."""

    subscription_id: int
    session: Session | None
    priority: int
    publishing_interval_ms: float
    keep_alive_count: int
    lifetime_count: int
    max_notifications: int
    publishing_enabled: bool
    items: Mapping[int, Any]
    next_sequence: int
    current_keep_alive: int
    current_lifetime: int
    disabled_item_count: int


_COUNTERS = {
    "ModifyCount": "modify_count",
    "EnableCount": "enable_count",
    "DisableCount": "disable_count",
    "RepublishRequestCount": "republish_request_count",
    "RepublishMessageRequestCount": "republish_message_request_count",
    "RepublishMessageCount": "republish_message_count",
    "TransferRequestCount": "transfer_request_count",
    "TransferredToAltClientCount": "transferred_to_alt_client_count",
    "TransferredToSameClientCount": "transferred_to_same_client_count",
    "PublishRequestCount": "publish_request_count",
    "DataChangeNotificationsCount": "data_change_notifications_count",
    "EventNotificationsCount": "event_notifications_count",
    "NotificationsCount": "notifications_count",
    "LatePublishRequestCount": "late_publish_request_count",
    "UnacknowledgedMessageCount": "unacknowledged_message_count",
    "DiscardedMessageCount": "discarded_message_count",
    "MonitoringQueueOverflowCount": "monitoring_queue_overflow_count",
    "EventQueueOverflowCount": "event_queue_overflow_count",
}


def session_diagnostics(session: Session, clock: Clock) -> ua.SessionDiagnosticsDataType:
    """What a session has done so far."""
    idle_us = round((clock.monotonic() - session.last_seen) * SECOND)
    queue = session.publish
    found = ua.SessionDiagnosticsDataType(
        SessionId=session.session_id,
        SessionName=session.name,
        ClientDescription=session.client,
        ServerUri=session.server_uri,
        EndpointUrl=session.endpoint_url,
        LocaleIds=list(session.locale_ids),
        ActualSessionTimeout=session.timeout_ms,
        MaxResponseMessageSize=session.max_response_bytes,
        ClientConnectionTime=to_datetime(session.created),
        ClientLastContactTime=to_datetime(clock.now() - idle_us),
        CurrentSubscriptionsCount=len(session.subscriptions),
        CurrentMonitoredItemsCount=sum(len(subscription.items) for subscription in session.subscriptions.values()),
        CurrentPublishRequestsInQueue=len(queue.waiting) if queue is not None else 0,
        TotalRequestCount=_total(session.counters.values()),
        UnauthorizedRequestCount=session.unauthorized & _MASK,
    )
    for service in SERVICES:
        counter = session.counters.get(service)
        if counter is not None:
            setattr(found, f"{service}Count", ua.ServiceCounterDataType(counter[0] & _MASK, counter[1] & _MASK))
    return found


def _total(counters: Iterable[list[int]]) -> ua.ServiceCounterDataType:
    total = errors = 0
    for counter in counters:
        total += counter[0]
        errors += counter[1]
    return ua.ServiceCounterDataType(total & _MASK, errors & _MASK)


def security_diagnostics(session: Session) -> SecurityDiagnostics:
    """Who a session belongs to, and how it is secured. For administrators only."""
    return SecurityDiagnostics(
        SessionId=session.session_id,
        ClientUserIdOfSession=_shown(session.caller.user),
        ClientUserIdHistory=[_shown(user) for user in session.identity_history],
        AuthenticationMechanism=session.token_kind,
        TextEncoding="UA Binary",
        TransportProtocol="opc.tcp",
        SecurityMode=ua.MessageSecurityMode(session.mode),
        SecurityPolicyUri=session.policy_uri,
        ClientCertificate=session.certificate,
    )


def _shown(user: str) -> str | None:
    """ClientUserId: null for anonymous (OPC 10000-5, 6.4.3)."""
    return None if user == ANONYMOUS else user


def subscription_diagnostics(subscription: Subscription) -> ua.SubscriptionDiagnosticsDataType:
    """What a subscription has done so far."""
    session = subscription.session
    found = ua.SubscriptionDiagnosticsDataType(
        SessionId=session.session_id if session is not None else ua.NodeId(),
        SubscriptionId=subscription.subscription_id,
        Priority=subscription.priority,
        PublishingInterval=subscription.publishing_interval_ms,
        MaxKeepAliveCount=subscription.keep_alive_count,
        MaxLifetimeCount=subscription.lifetime_count,
        MaxNotificationsPerPublish=subscription.max_notifications,
        PublishingEnabled=subscription.publishing_enabled,
        CurrentKeepAliveCount=subscription.current_keep_alive,
        CurrentLifetimeCount=subscription.current_lifetime,
        MonitoredItemCount=len(subscription.items),
        DisabledMonitoredItemCount=subscription.disabled_item_count,
        NextSequenceNumber=subscription.next_sequence,
    )
    for name, attribute in _COUNTERS.items():
        setattr(found, name, getattr(subscription, attribute) & _MASK)
    return found
