"""Server/ServerDiagnostics (OPC 10000-5, 6.3.3): values are made when they are read, session nodes when looked at.

With EnabledFlag FALSE the static Variables are not readable and the Objects of sessions are not there.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from asyncua import ua

from server.core.clock import Clock
from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import OBJECT
from server.opcua.nodes.values import put_data_value
from server.opcua.roles import SECRET, Permissions, permissions
from server.opcua.services.context import Session
from server.opcua.services.diagnostic_values import (
    SecurityDiagnostics,
    security_diagnostics,
    session_diagnostics,
    subscription_diagnostics,
)
from server.opcua.services.session_table import SessionTable
from server.opcua.space import BASE_DATA_VARIABLE_TYPE, HAS_COMPONENT, READ, WRITE, Space
from server.opcua.wire import Point

_I = ua.ObjectIds
ENABLED_FLAG: Key = int(_I.Server_ServerDiagnostics_EnabledFlag)
SUMMARY: Key = int(_I.Server_ServerDiagnostics_ServerDiagnosticsSummary)
SUBSCRIPTIONS: Key = int(_I.Server_ServerDiagnostics_SubscriptionDiagnosticsArray)
SAMPLING_INTERVALS: Key = int(_I.Server_ServerDiagnostics_SamplingIntervalDiagnosticsArray)
SESSIONS: Key = int(_I.Server_ServerDiagnostics_SessionsDiagnosticsSummary)
SESSION_ARRAY: Key = int(_I.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionDiagnosticsArray)
SECURITY_ARRAY: Key = int(_I.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray)
FRESH_S = 0.02
"""Values are made anew for each request, and without requests after so many seconds."""
PREFIX = "Session/"
"""Of the identifiers of what is below a session's Object, which itself has the SessionId as NodeId."""
_HAS_COMPONENT_KEY = key_of(HAS_COMPONENT)
_ADMINISTRATORS_WRITE = permissions()
_NOT_READABLE = ua.StatusCodes.BadNotReadable
_V = ua.VariantType
_KINDS: dict[Key, ua.VariantType] = {
    int(_I.UInt32): _V.UInt32,
    int(_I.String): _V.String,
    int(_I.LocaleId): _V.String,
    int(_I.NodeId): _V.NodeId,
    int(_I.ByteString): _V.ByteString,
    int(_I.UtcTime): _V.DateTime,
    int(_I.Duration): _V.Double,
    int(_I.MessageSecurityMode): _V.Int32,
    int(_I.ApplicationDescription): _V.ExtensionObject,
    int(_I.ServiceCounterDataType): _V.ExtensionObject,
}
"""Built-in types of the fields, by DataType."""


class Part(NamedTuple):
    """One Variable of SessionDiagnosticsObjectType; those with a structure show its fields as Variables below."""

    name: str
    type_definition: int
    data_type: int
    rank: int
    permissions: Permissions | None
    current: Callable[[Session, Clock], Any]


PARTS = (
    Part(
        "SessionDiagnostics",
        _I.SessionDiagnosticsVariableType,
        _I.SessionDiagnosticsDataType,
        -1,
        None,
        session_diagnostics,
    ),
    Part(
        "SessionSecurityDiagnostics",
        _I.SessionSecurityDiagnosticsType,
        _I.SessionSecurityDiagnosticsDataType,
        -1,
        SECRET,
        lambda session, _clock: security_diagnostics(session),
    ),
    Part(
        "SubscriptionDiagnosticsArray",
        _I.SubscriptionDiagnosticsArrayType,
        _I.SubscriptionDiagnosticsDataType,
        1,
        None,
        lambda session, _clock: [subscription_diagnostics(one) for one in session.subscriptions.values()],
    ),
)


class Counters(Protocol):
    """What the dispatcher counts."""

    requests: int
    rejected: int
    security_rejected: int


class Subscriptions(Protocol):
    """What the subscription engine shows."""

    @property
    def subscriptions(self) -> Mapping[int, Any]: ...

    @property
    def cumulated(self) -> int: ...


class Diagnostics:
    """The diagnostic nodes. Costs nothing per request: it reads the counters that others keep."""

    def __init__(
        self,
        space: Space,
        table: SessionTable,
        counters: Counters,
        subscriptions: Subscriptions,
        clock: Clock,
        *,
        enabled: bool = True,
    ) -> None:
        self._space = space
        self._store = space.store
        self._table = table
        self._counters = counters
        self._subscriptions = subscriptions
        self._clock = clock
        self._enabled = False
        self._shown: dict[Key, Session] = {}  # by the key of their Objects
        self._made: dict[Key, list[Key]] = {}  # Object -> it and all below it, once somebody has looked at it
        self.on_removed: list[Callable[[list[Key]], None]] = []
        """Called with the keys of nodes that went with their session."""
        self._attach()
        table.on_opened.append(self._opened)
        table.on_closed.append(self._closed)
        self.enabled = enabled

    # -- EnabledFlag

    @property
    def enabled(self) -> bool:
        """The value of EnabledFlag."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._put(self._point(ENABLED_FLAG), ua.DataValue(ua.Variant(value, ua.VariantType.Boolean)))
        if value == self._enabled:
            return
        self._enabled = value
        if value:
            for session in self._table:
                self._show(session)
        else:
            for key in list(self._shown):
                self._hide(key)

    def owns(self, key: Key) -> bool:
        """True for the one Variable here that clients write."""
        return key == ENABLED_FLAG

    def write(self, key: Key, value: ua.DataValue) -> int:
        """A client's Write of EnabledFlag, after all checks of the Attribute service; returns its StatusCode."""
        wanted = value.Value.Value if value.Value is not None else None
        if key != ENABLED_FLAG:
            return int(ua.StatusCodes.BadNotWritable)
        if not isinstance(wanted, bool):
            return int(ua.StatusCodes.BadTypeMismatch)
        self.enabled = wanted
        return int(ua.StatusCodes.Good)

    # -- static nodes

    def _attach(self) -> None:
        store = self._store
        flag = store[ENABLED_FLAG]
        store.reshape(flag, access=READ | WRITE, permissions=_ADMINISTRATORS_WRITE)
        # We sample by changes, not by intervals.
        store.remove([SAMPLING_INTERVALS])
        store.reshape(store[SECURITY_ARRAY], permissions=SECRET)
        self._live(self._point(SUMMARY), partial(_structure, self.summary))
        for key in store.targets(SUMMARY, _HAS_COMPONENT_KEY):
            self._live_field(key, self.summary)
        self._live(self._point(SESSION_ARRAY), partial(_array, self._sessions))
        self._live(self._point(SECURITY_ARRAY), partial(_array, self._securities))
        self._live(self._point(SUBSCRIPTIONS), partial(_array, self._all_subscriptions))

    def summary(self) -> ua.ServerDiagnosticsSummaryDataType:
        """The counters of the whole server (OPC 10000-5, 12.9)."""
        table = self._table
        subscriptions = self._subscriptions.subscriptions
        return ua.ServerDiagnosticsSummaryDataType(
            ServerViewCount=0,
            CurrentSessionCount=len(table),
            CumulatedSessionCount=table.cumulated,
            SecurityRejectedSessionCount=table.security_rejected,
            RejectedSessionCount=table.rejected,
            SessionTimeoutCount=table.timed_out,
            SessionAbortCount=table.aborted,
            CurrentSubscriptionCount=len(subscriptions),
            CumulatedSubscriptionCount=self._subscriptions.cumulated,
            PublishingIntervalCount=len({one.publishing_interval_ms for one in subscriptions.values()}),
            SecurityRejectedRequestsCount=self._counters.security_rejected,
            RejectedRequestsCount=self._counters.rejected,
        )

    # -- nodes of a session

    def _opened(self, session: Session) -> None:
        if self._enabled:
            self._show(session)

    def _closed(self, session: Session, _how: str) -> None:
        self._hide(key_of(session.session_id))

    def _show(self, session: Session) -> None:
        key = key_of(session.session_id)
        if key not in self._shown:
            self._shown[key] = session
            self._store.announce(SESSIONS, _HAS_COMPONENT_KEY, key)

    def _hide(self, key: Key) -> None:
        if self._shown.pop(key, None) is None:
            return
        made = self._made.pop(key, None)
        if made is None:
            self._store.unlink(SESSIONS, _HAS_COMPONENT_KEY, key)
            return
        self._store.remove(made)
        for listener in self.on_removed:
            listener(made)

    def announced(self, key: Key) -> tuple[ua.QualifiedName, int, Key] | None:
        """(BrowseName, NodeClass, type) of a session's object that is not made, for those who browse its parent."""
        session = self._shown.get(key)
        if session is None:
            return None
        name = ua.QualifiedName(self._name(session), session.session_id.NamespaceIndex)
        return name, OBJECT, _I.SessionDiagnosticsObjectType

    def make(self, key: Key) -> bool:
        """Make the nodes of the session that a key belongs to, when it is one that is shown; True when they are there.

        For `NodeStore.make`: a session has more than fifty nodes, and hardly ever does somebody look.
        """
        if not self._shown or isinstance(key, int):
            return False
        root: Key = key
        if isinstance(key[1], str):
            parts = key[1].split("/", 2)
            if len(parts) < 3 or parts[0] + "/" != PREFIX:
                return False
            try:
                root = (key[0], uuid.UUID(parts[1]))
            except ValueError:
                return False
        session = self._shown.get(root)
        if session is None or root in self._made:
            return False
        self._build(session, root)
        return key in {root, *self._made[root]}

    def _build(self, session: Session, root: Key) -> None:
        space, identifier = self._space, session.session_id
        made = self._made[root] = [root]
        name = ua.QualifiedName(self._name(session), identifier.NamespaceIndex)
        space.object(identifier, name, ua.NodeId(_I.SessionDiagnosticsObjectType))
        space.back(ua.NodeId(SESSIONS), HAS_COMPONENT, identifier)
        for part in PARTS:
            node_id = ua.NodeId(f"{PREFIX}{identifier.Identifier}/{part.name}", identifier.NamespaceIndex)
            space.variable(
                node_id,
                ua.QualifiedName(part.name, 0),
                ua.DataValue(),
                ua.NodeId(part.data_type),
                type_definition=ua.NodeId(part.type_definition),
                parent=identifier,
                rank=part.rank,
                permissions=part.permissions,
            )
            made.append(key_of(node_id))
            current = partial(part.current, session, self._clock)
            self._live(space.point(node_id), partial(_array if part.rank == 1 else _structure, current))
            if part.rank != 1:
                fields = self._store.targets(part.type_definition, _HAS_COMPONENT_KEY)
                made += [self._component(node_id, declared, part.permissions, current) for declared in fields]

    def _component(
        self, parent: ua.NodeId, declaration: Key, rights: Permissions | None, current: Callable[[], Any]
    ) -> Key:
        """One field of a structure as a Variable of its own, after the declaration of the type."""
        declared = self._store[declaration]
        name = str(declared.name.Name)
        node_id = ua.NodeId(f"{parent.Identifier}/{name}", parent.NamespaceIndex)
        self._space.variable(
            node_id,
            declared.name,
            ua.DataValue(),
            node_id_of(declared.shape.data_type or 0),
            type_definition=BASE_DATA_VARIABLE_TYPE,
            parent=parent,
            rank=declared.shape.rank,
            permissions=rights,
        )
        key = key_of(node_id)
        self._live_field(key, current)
        return key

    def _name(self, session: Session) -> str:
        """The session's name, made different from those of the others."""
        taken = sum(other.name == session.name for other in self._table if other.created <= session.created)
        return session.name if taken <= 1 else f"{session.name} {session.session_id.Identifier}"

    # -- values

    def _sessions(self) -> list[ua.SessionDiagnosticsDataType]:
        return [session_diagnostics(session, self._clock) for session in self._table]

    def _securities(self) -> list[SecurityDiagnostics]:
        return [security_diagnostics(session) for session in self._table]

    def _all_subscriptions(self) -> list[ua.SubscriptionDiagnosticsDataType]:
        return [subscription_diagnostics(one) for one in self._subscriptions.subscriptions.values()]

    def _point(self, key: Key) -> Point:
        point = self._store[key].point
        if point is None:
            raise KeyError(key)
        return point

    def _live_field(self, key: Key, current: Callable[[], Any]) -> None:
        """Let a Variable show one field of a structure."""
        node = self._store[key]
        name, kind = str(node.name.Name), _KINDS[node.shape.data_type or 0]
        # The one field whose name the structure's class cannot have.
        name = "TextEncoding" if name == "Encoding" else name
        is_array = node.shape.rank == 1

        def make() -> ua.Variant:
            return ua.Variant(getattr(current(), name), kind, is_array=is_array)

        self._live(self._point(key), make)

    def _live(self, point: Point, make: Callable[[], ua.Variant]) -> None:
        """Let a Point be made anew when it is read, but not again and again for one request or one sampling."""

        made = (-1, -1.0)

        def refresh() -> None:
            nonlocal made
            now = (self._counters.requests, self._clock.monotonic() // FRESH_S)
            if now == made:
                return
            made = now
            if self._enabled:
                self._put(point, ua.DataValue(make()))
            else:
                self._put(point, ua.DataValue(ua.Variant(), stack_status(_NOT_READABLE)))

        point.live = refresh

    def _put(self, point: Point, value: ua.DataValue) -> None:
        put_data_value(point, value)


def _array(items: Callable[[], list[Any]]) -> ua.Variant:
    return ua.Variant(items(), ua.VariantType.ExtensionObject, is_array=True)


def _structure(current: Callable[[], Any]) -> ua.Variant:
    return ua.Variant(current(), ua.VariantType.ExtensionObject)
