"""Subscriptions without a network: hand-moved clock and scheduler, any number of channels and sessions."""

from __future__ import annotations

import struct
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from server.core.clock import ManualClock
from server.core.values import Caller
from server.opcua.events import EventBus
from server.opcua.nodes.keys import Key, node_id_of, wire_of
from server.opcua.nodes.node import OBJECT, OBJECT_TYPE, VARIABLE, Node
from server.opcua.nodes.values import new_point, put_data_value
from server.opcua.roles import MODE_SIGN_AND_ENCRYPT, ROLE_NAMES
from server.opcua.services.attribute import AttributeService
from server.opcua.services.context import Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.engine import SubscriptionEngine
from server.opcua.services.limits import OperationLimits
from server.opcua.services.schedule import Scheduler
from server.opcua.services.subscription_limits import SubscriptionLimits
from server.opcua.wire import Point
from server.opcua.wire.ticks import to_ticks
from tests.kit.channels import FakeChannel
from tests.kit.service_space import HAS_PROPERTY, PROPERTY_TYPE, ServiceSpace, answer_of, scalar

V = ua.VariantType
SERVER = 2253
NS = 2


class NoDoor:
    """Nothing is written to devices here."""

    def write(self, node: Node, value: ua.DataValue, request: Any) -> int:
        return int(ua.StatusCodes.BadNotSupported)


class NoAudit:
    """Nobody listens."""

    wanted = False

    def written(self, *_what: Any) -> None: ...


class Client:
    """One session on a channel of its own."""

    def __init__(self, rig: SubscriptionRig, session: Session, line: FakeChannel) -> None:
        self.rig = rig
        self.session = session
        self.line = line
        self.waiting: int | None = None  # the Publish request of `message` that was not answered yet
        self._next = 0

    def post(self, request: Any, *, timeout_ms: int = 0) -> int:
        """Send; the request id."""
        self._next += 1
        header = request.RequestHeader
        header.AuthenticationToken = ua.NodeId(self.session.token[7:], 0)
        header.RequestHandle = self._next
        header.TimeoutHint = timeout_ms
        self.rig.dispatcher.message(self.line, self._next, struct_to_binary(request))
        return self._next

    def post_bytes(self, name: str, parameters: bytes) -> int:
        """Send a request whose parameters are bytes."""
        self._next += 1
        header = ua.RequestHeader(AuthenticationToken=ua.NodeId(self.session.token[7:], 0), RequestHandle=self._next)
        number = getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary")
        body = struct.pack("<BBH", 1, 0, number) + struct_to_binary(header) + parameters
        self.rig.dispatcher.message(self.line, self._next, body)
        return self._next

    def raw(self, request_id: int) -> bytes | None:
        """The bytes of an answer, None when there is none yet."""
        found = [body for sent, body in self.line.sent if sent == request_id]
        assert len(found) < 2, "answered twice"
        return found[0] if found else None

    def answer(self, request_id: int) -> Any:
        """The answer, None when there is none yet."""
        body = self.raw(request_id)
        return answer_of(body) if body is not None else None

    def ask(self, request: Any) -> Any:
        """The answer to a request that does not wait."""
        answer = self.answer(self.post(request))
        assert answer is not None, "no answer"
        return answer

    # -- services

    def subscribe(
        self,
        interval: float = 100.0,
        *,
        keep_alive: int = 10,
        lifetime: int = 100,
        most: int = 0,
        enabled: bool = True,
        priority: int = 0,
    ) -> Any:
        """The result of CreateSubscription."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(interval, lifetime, keep_alive, most, enabled, priority)
        return self.ask(request).Parameters

    def monitor(self, subscription_id: int, *wanted: ua.MonitoredItemCreateRequest, which: int = 2) -> list[Any]:
        """The results of CreateMonitoredItems."""
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = subscription_id
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn(which)
        request.Parameters.ItemsToCreate = list(wanted)
        answer = self.ask(request)
        answer.ResponseHeader.ServiceResult.check()
        return list(answer.Results)

    def publish(self, *acknowledged: tuple[int, int], timeout_ms: int = 0) -> int:
        """Send Publish; the request id."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(*pair) for pair in acknowledged
        ]
        return self.post(request, timeout_ms=timeout_ms)

    def published(self, request_id: int) -> Any:
        """The PublishResult, None while it waits."""
        answer = self.answer(request_id)
        if answer is None:
            return None
        answer.ResponseHeader.ServiceResult.check()
        return answer.Parameters


def item(key: Key, handle: int = 1, **more: Any) -> ua.MonitoredItemCreateRequest:
    """A MonitoredItemCreateRequest; `more`: attribute, index_range, encoding, mode, sampling, queue, oldest, filter."""
    return ua.MonitoredItemCreateRequest(
        ua.ReadValueId(
            node_id_of(key),
            more.get("attribute", 13),
            more.get("index_range"),
            more.get("encoding") or ua.QualifiedName(),
        ),
        ua.MonitoringMode(more.get("mode", 2)),
        ua.MonitoringParameters(
            handle, more.get("sampling", 0.0), more.get("filter"), more.get("queue", 10), more.get("oldest", True)
        ),
    )


def changes(result: Any) -> list[tuple[int, Any, int]]:
    """(client handle, value, StatusCode) of every data notification of a message."""
    return [
        (int(each.ClientHandle), each.Value.Value.Value if each.Value.Value else None, each.Value.StatusCode.value)
        for part in result.NotificationMessage.NotificationData or []
        if isinstance(part, ua.DataChangeNotification)
        for each in part.MonitoredItems
    ]


def message(rig: SubscriptionRig, client: Client, ms: float = 100.0) -> list[tuple[int, Any, int]]:
    """The data of what one publishing interval brings; nothing for a keep-alive or no message."""
    result = next_message(rig, client, ms)
    return changes(result) if result is not None else []


def next_message(rig: SubscriptionRig, client: Client, ms: float = 100.0) -> Any:
    """The PublishResult that one publishing interval brings, or None."""
    request = client.publish() if client.waiting is None else client.waiting
    rig.run(ms)
    result = client.published(request)
    client.waiting = request if result is None else None
    return result


def events(result: Any) -> list[tuple[int, list[Any]]]:
    """(client handle, values) of every event of a message."""
    return [
        (int(each.ClientHandle), [field.Value for field in each.EventFields])
        for part in result.NotificationMessage.NotificationData or []
        if isinstance(part, ua.EventNotificationList)
        for each in part.Events
    ]


def statuses(result: Any) -> list[int]:
    """StatusCodes of the StatusChangeNotifications of a message."""
    return [
        part.Status.value
        for part in result.NotificationMessage.NotificationData or []
        if isinstance(part, ua.StatusChangeNotification)
    ]


class SubscriptionRig:
    """A small address space, the subscription engine over it, and clients."""

    def __init__(self, limits: SubscriptionLimits | None = None) -> None:
        self.space = ServiceSpace()
        self.store = self.space.store
        self.clock = ManualClock()
        self.scheduler = Scheduler(self.clock, by_hand=True)
        self.sessions: dict[bytes, Session] = {}
        self.dispatcher = Dispatcher(self, self.clock)
        self.bus = EventBus(self.store, self.clock)
        operations = OperationLimits()
        attributes = AttributeService(
            self.store, self.space.rights, self.space, self.clock, operations, NoDoor(), NoAudit()
        )
        self.engine = SubscriptionEngine(
            self.store,
            self.space.rights,
            self.clock,
            limits or SubscriptionLimits(),
            attributes.read_one,
            self.bus,
            operations=operations,
            scheduler=self.scheduler,
        )
        self.engine.register(self.dispatcher)
        self.lines = 0
        for kind in range(2, 12):  # Number has the numeric types below it, as in namespace 0
            self.store.unlink(24, 45, kind)
            self.store.unlink(kind, 45, 24, forward=False)
            self.store.link(26, 45, kind)
        self.space.add(SERVER, "Server", OBJECT, notifier=1)
        self.event_type(2041, "BaseEventType", 58)
        for name in ("EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message", "Severity"):
            self.field(2041, name)

    def find(self, token: bytes) -> Session | None:
        """The session table."""
        return self.sessions.get(token)

    def client(self, user: str = "operator", *, role: str = "operator", mode: int = MODE_SIGN_AND_ENCRYPT) -> Client:
        """An activated session on a new channel."""
        self.lines += 1
        line = FakeChannel(self.lines, mode)
        token = wire_of((0, self.lines.to_bytes(32, "big")))
        session = Session(
            ua.NodeId(self.lines, 1),
            token,
            line,
            Caller(user, role, "opcua"),
            self.space.rights.audience(ROLE_NAMES[role], mode),
        )
        session.activated = True
        session.token_kind = "Anonymous" if user == "anonymous" else "UserName"
        self.sessions[token] = session
        return Client(self, session, line)

    # -- time

    def run(self, ms: float, step_ms: float = 10.0) -> None:
        """Let time pass in steps."""
        for _ in range(round(ms / step_ms)):
            self.clock.advance(step_ms / 1000)
            self.scheduler.run_due()

    # -- nodes

    def variable(self, number: int, value: Any = 0.0, kind: ua.VariantType = V.Double, **shape: Any) -> Node:
        """A readable variable that has a value of now."""
        shape.setdefault("data_type", int(kind.value))
        shape.setdefault("access", 3)
        node = self.space.add(NS << 32 | number, f"V{number}", VARIABLE, index=NS, **shape)
        now = self.now()
        node.point = new_point(scalar(value, kind))
        node.point.put(node.point.flags, node.point.body, now, now)
        return node

    def now(self) -> int:
        """Ticks."""
        return to_ticks(self.clock.now())

    def put(self, node: Node, value: Any, *, kind: int = 11, status: int = 0, source: int | None = None) -> None:
        """Another value, of now."""
        now = self.now()
        self.point(node).put_scalar(kind, value, status, now if source is None else source, now)

    @staticmethod
    def point(node: Node) -> Point:
        """The node's point."""
        assert node.point is not None
        return node.point

    def property(self, node: Node, name: str, value: ua.Variant) -> Node:
        """A property with a value."""
        child = self.space.add(
            (NS, f"{node.key}/{name}"),
            name,
            VARIABLE,
            parent=node.key,
            reference=HAS_PROPERTY,
            type_key=PROPERTY_TYPE,
            value=ua.DataValue(value),
        )
        put_data_value(self.point(child), ua.DataValue(value))
        return child

    def event_type(self, key: Key, name: str, parent: Key) -> Node:
        """An event type."""
        node = self.space.add(key, name, OBJECT_TYPE)
        self.store.link(parent, 45, key)
        return node

    def field(self, type_key: Key, name: str) -> Node:
        """A field of an event type."""
        return self.space.add((NS, f"{type_key}/{name}"), name, VARIABLE, parent=type_key, reference=HAS_PROPERTY)
