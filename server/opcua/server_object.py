"""What the Server object says: identity, state, capabilities and limits, true to the settings (OPC 10000-5, 6.3)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from server.core.clock import Clock, TimeUs, to_datetime
from server.opcua.namespace_metadata import NamespaceMetadata
from server.opcua.nodes.prune import ROLES
from server.opcua.nodes.snapshot import Model
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import Encoded, encoded, put_data_value
from server.opcua.roles import CALL, ROLE_NAMES, SECRET, SEE, Rights, permissions
from server.opcua.services.limits import OperationLimits
from server.opcua.space import Space
from server.opcua.wire import Point, to_ticks

_ids = ua.ObjectIds
_V = ua.VariantType
_TICKS = struct.Struct("<q")
_CURRENT_TIME_AT = 18
"""Where CurrentTime stands in an encoded ServerStatusDataType: behind type (1), encoding id (4), kind (1), size (4)
and StartTime (8)."""
_DATE_TIME = _V.DateTime.value

EVERYBODY_CALLS = permissions(everybody=SEE | CALL)
"""Methods that only concern the caller's own session."""
OWN_METHODS = (
    _ids.ConditionType_ConditionRefresh,
    _ids.ConditionType_ConditionRefresh2,
    _ids.Server_GetMonitoredItems,
    _ids.ServerType_GetMonitoredItems,
    _ids.Server_ResendData,
    _ids.ServerType_ResendData,
    _ids.Server_SetSubscriptionDurable,
    _ids.ServerType_SetSubscriptionDurable,
)
_ROLE_RULES = {
    _ids.WellKnownRole_Anonymous: (ua.IdentityCriteriaType.Anonymous, ("",)),
    _ids.WellKnownRole_AuthenticatedUser: (ua.IdentityCriteriaType.AuthenticatedUser, ("",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What the settings and the build say; sizes in bytes, 0 is no limit of its own."""

    application_uri: str
    product_uri: str
    software_version: str
    build_date: TimeUs
    manufacturer: str = "Fieldloom"
    product_name: str = "Fieldloom"
    operations: OperationLimits = field(default_factory=OperationLimits)
    profiles: tuple[str, ...] = ()
    """ServerProfileArray: the profiles whose every test has passed."""
    locales: tuple[str, ...] = ("en", "ru")
    min_sampling_ms: float = 50.0
    max_sessions: int = 100
    max_subscriptions: int = 2_000
    max_subscriptions_per_session: int = 100
    max_items: int = 500_000
    max_items_per_subscription: int = 100_000
    max_queue_size: int = 1_000
    max_select_clauses: int = 0
    max_where_clauses: int = 0
    max_array_length: int = 0
    max_string_length: int = 0
    max_byte_string_length: int = 0
    history_page_rows: int = 10_000
    history_events: bool = False
    history_server_time: bool = True
    """ServerTimestamps are kept and given back."""
    auditing: bool = False


def describe(
    space: Space, rights: Rights, facts: ServerFacts, clock: Clock, models: Sequence[Model] = ()
) -> ServerObject:
    """Fill the Server object; `models` are the NodeSets that are loaded."""
    return ServerObject(space, rights, facts, clock, models)


class ServerObject:
    """The Server object in step with what happens: state, service level, namespaces."""

    def __init__(
        self, space: Space, rights: Rights, facts: ServerFacts, clock: Clock, models: Sequence[Model] = ()
    ) -> None:
        self._store: NodeStore = space.store
        self._facts = facts
        self._clock = clock
        self._started: TimeUs = clock.now()
        self._metadata = NamespaceMetadata(space, rights, facts.software_version, facts.build_date, models)
        self._info = ua.BuildInfo(
            ProductUri=facts.product_uri,
            ManufacturerName=facts.manufacturer,
            ProductName=facts.product_name,
            SoftwareVersion=facts.software_version,
            BuildNumber=facts.software_version,
            BuildDate=to_datetime(facts.build_date),
        )
        self._status = Encoded()
        self._identity()
        self._capabilities()
        self._history()
        self._roles()
        self._time()
        self.set_service_level(255)
        self.set_state(ua.ServerState.Running)
        self.namespaces_changed(sorted(space.indexes, key=space.indexes.__getitem__))

    # -- what changes

    def set_state(
        self, state: ua.ServerState, seconds_till_shutdown: int = 0, reason: ua.LocalizedText | None = None
    ) -> None:
        """ServerStatus, as structure and as children alike."""
        reason = reason or ua.LocalizedText(None)
        status = ua.ServerStatusDataType(
            StartTime=to_datetime(self._started),
            CurrentTime=to_datetime(self._clock.now()),
            State=state,
            BuildInfo=self._info,
            SecondsTillShutdown=seconds_till_shutdown,
            ShutdownReason=reason,
        )
        self._status = encoded(ua.DataValue(ua.Variant(status, _V.ExtensionObject)))
        self._put(_ids.Server_ServerStatus_State, int(state), _V.Int32)
        self._put(_ids.Server_ServerStatus_SecondsTillShutdown, seconds_till_shutdown, _V.UInt32)
        self._put(_ids.Server_ServerStatus_ShutdownReason, reason, _V.LocalizedText)

    def set_service_level(self, level: int) -> None:
        """ServiceLevel: 255 is best, below 200 the server is degraded (OPC 10000-4, 6.6.2.4.2)."""
        self._put(_ids.Server_ServiceLevel, level, _V.Byte)

    def namespaces_changed(self, names: Sequence[str], models: Sequence[Model] = ()) -> None:
        """NamespaceArray, and one NamespaceMetadata object for each; `models` tell version and date of new ones."""
        self._put_array(_ids.Server_NamespaceArray, list(names), _V.String)
        self._metadata.show(names, models)

    def namespace_described(self, model: Model) -> None:
        """Version and date of a namespace whose content has changed, such as a package's."""
        self._metadata.describe(model)

    # -- what stays

    def _point(self, number: int) -> Point | None:
        node = self._store.peek(number)
        return None if node is None else node.point

    def _put(self, number: int, value: Any, kind: ua.VariantType) -> None:
        point = self._point(number)
        if point is not None:
            put_data_value(point, ua.DataValue(ua.Variant(value, kind)))

    def _put_array(self, number: int, values: list[Any], kind: ua.VariantType) -> None:
        point = self._point(number)
        if point is not None:
            put_data_value(point, ua.DataValue(ua.Variant(values, kind, is_array=True)))

    def _identity(self) -> None:
        facts, info = self._facts, self._info
        self._put_array(_ids.Server_ServerArray, [facts.application_uri], _V.String)
        self._put(_ids.Server_ServerStatus_BuildInfo, info, _V.ExtensionObject)
        for name in ("ProductUri", "ManufacturerName", "ProductName", "SoftwareVersion", "BuildNumber"):
            self._put(getattr(_ids, f"Server_ServerStatus_BuildInfo_{name}"), getattr(info, name), _V.String)
        self._put(_ids.Server_ServerStatus_BuildInfo_BuildDate, info.BuildDate, _V.DateTime)
        self._put(_ids.Server_ServerStatus_StartTime, to_datetime(self._started), _V.DateTime)
        self._put(_ids.Server_Auditing, facts.auditing, _V.Boolean)
        self._put(_ids.Server_ServerRedundancy_RedundancySupport, int(ua.RedundancySupport.None_), _V.Int32)
        for number in OWN_METHODS:
            node = self._store.peek(number)
            if node is not None:
                self._store.reshape(node, permissions=EVERYBODY_CALLS)

    def _capabilities(self) -> None:
        facts, limits = self._facts, self._facts.operations
        top = "Server_ServerCapabilities_"
        self._put_array(_ids.Server_ServerCapabilities_ServerProfileArray, list(facts.profiles), _V.String)
        self._put_array(_ids.Server_ServerCapabilities_LocaleIdArray, list(facts.locales), _V.String)
        self._put_array(_ids.Server_ServerCapabilities_SoftwareCertificates, [], _V.ExtensionObject)
        self._put(_ids.Server_ServerCapabilities_MinSupportedSampleRate, facts.min_sampling_ms, _V.Double)
        for name, value in (
            ("MaxBrowseContinuationPoints", limits.browse_points),
            ("MaxQueryContinuationPoints", 0),
            ("MaxHistoryContinuationPoints", limits.history_points),
        ):
            self._put(getattr(_ids, top + name), value, _V.UInt16)
        for name, value in (
            ("MaxArrayLength", facts.max_array_length),
            ("MaxStringLength", facts.max_string_length),
            ("MaxByteStringLength", facts.max_byte_string_length),
            ("MaxSessions", facts.max_sessions),
            ("MaxSubscriptions", facts.max_subscriptions),
            ("MaxMonitoredItems", facts.max_items),
            ("MaxSubscriptionsPerSession", facts.max_subscriptions_per_session),
            ("MaxMonitoredItemsPerSubscription", facts.max_items_per_subscription),
            ("MaxMonitoredItemsQueueSize", facts.max_queue_size),
            ("MaxSelectClauseParameters", facts.max_select_clauses),
            ("MaxWhereClauseParameters", facts.max_where_clauses),
            ("OperationLimits_MaxNodesPerRead", limits.read),
            ("OperationLimits_MaxNodesPerWrite", limits.write),
            ("OperationLimits_MaxNodesPerBrowse", limits.browse),
            ("OperationLimits_MaxNodesPerRegisterNodes", limits.register),
            ("OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds", limits.translate),
            ("OperationLimits_MaxNodesPerNodeManagement", limits.node_management),
            ("OperationLimits_MaxNodesPerMethodCall", limits.call),
            ("OperationLimits_MaxMonitoredItemsPerCall", limits.monitored_items),
            ("OperationLimits_MaxNodesPerHistoryReadData", limits.history_read),
            ("OperationLimits_MaxNodesPerHistoryReadEvents", limits.history_read),
            ("OperationLimits_MaxNodesPerHistoryUpdateData", limits.history_update),
            ("OperationLimits_MaxNodesPerHistoryUpdateEvents", limits.history_update),
        ):
            self._put(getattr(_ids, top + name), value, _V.UInt32)

    def _history(self) -> None:
        facts = self._facts
        for name in (
            "InsertDataCapability",
            "ReplaceDataCapability",
            "UpdateDataCapability",
            "DeleteRawCapability",
            "DeleteAtTimeCapability",
            "InsertAnnotationCapability",
        ):
            self._put(getattr(_ids, f"HistoryServerCapabilities_{name}"), True, _V.Boolean)
        for name in (
            "InsertEventCapability",
            "ReplaceEventCapability",
            "UpdateEventCapability",
            "DeleteEventCapability",
        ):
            self._put(getattr(_ids, f"HistoryServerCapabilities_{name}"), facts.history_events, _V.Boolean)
        self._put(_ids.HistoryServerCapabilities_AccessHistoryDataCapability, True, _V.Boolean)
        self._put(_ids.HistoryServerCapabilities_ServerTimestampSupported, facts.history_server_time, _V.Boolean)
        self._put(_ids.HistoryServerCapabilities_MaxReturnDataValues, facts.history_page_rows, _V.UInt32)
        self._put(_ids.HistoryServerCapabilities_AccessHistoryEventsCapability, facts.history_events, _V.Boolean)
        events = facts.history_page_rows if facts.history_events else 0
        self._put(_ids.HistoryServerCapabilities_MaxReturnEventValues, events, _V.UInt32)

    def _roles(self) -> None:
        """Identities: which of our accounts' roles lead to a well-known role (OPC 10000-18, 4.4.4)."""
        for role in ROLES:
            kind, words = _ROLE_RULES.get(
                role,
                (
                    ua.IdentityCriteriaType.Role,
                    tuple(name for name, granted in ROLE_NAMES.items() if role in granted and name != "anonymous"),
                ),
            )
            rules = [ua.IdentityMappingRuleType(CriteriaType=kind, Criteria=word) for word in words]
            for key in self._store.targets(role, _ids.HasProperty):
                node = self._store[key]
                if node.name.Name == "Identities" and node.point is not None:
                    put_data_value(node.point, ua.DataValue(ua.Variant(rules, _V.ExtensionObject, is_array=True)))
                    self._store.reshape(node, permissions=SECRET)
        # Roles are what the accounts say: a client cannot add one.
        for number in (
            _ids.Server_ServerCapabilities_RoleSet_AddRole,
            _ids.Server_ServerCapabilities_RoleSet_RemoveRole,
        ):
            method = self._store.peek(number)
            if method is not None:
                self._store.reshape(method, executable=False)

    def _time(self) -> None:
        current = self._point(_ids.Server_ServerStatus_CurrentTime)
        status = self._point(_ids.Server_ServerStatus)
        if current is not None:
            current.live = lambda: self._tick(current)
        if status is not None:
            status.live = lambda: self._tell(status)

    def _tick(self, point: Point) -> None:
        now = to_ticks(self._clock.now())
        point.put_scalar(_DATE_TIME, now, 0, now, now)

    def _tell(self, point: Point) -> None:
        now = to_ticks(self._clock.now())
        flags, body, _source, _server = self._status
        end = _CURRENT_TIME_AT + _TICKS.size
        point.put(flags, body[:_CURRENT_TIME_AT] + _TICKS.pack(now) + body[end:], now, now)
