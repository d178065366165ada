"""Conditions as clients see them: event fields from an AlarmEvent, nodes on demand, refresh, acknowledge, comment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from asyncua import ua

from server.core.clock import to_datetime
from server.core.values import AlarmEvent
from server.model.plant import Plant
from server.opcua.condition_types import DEVICE_HEALTH, condition_class, condition_type
from server.opcua.datavalues import stack_status
from server.opcua.events import Fields
from server.opcua.names import ALARMS, HEALTH_ALARMS, PLANT_URI, folder_path, parameter_path
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import OBJECT, Node
from server.opcua.nodes.values import put_data_value
from server.opcua.space import (
    HAS_COMPONENT,
    HAS_CONDITION,
    ORGANIZES,
    PROPERTY_TYPE,
    SERVER,
    Space,
)

V = ua.VariantType
TWO_STATE = ua.NodeId(ua.ObjectIds.TwoStateVariableType)
CONDITION_VARIABLE = ua.NodeId(ua.ObjectIds.ConditionVariableType)
LIMIT_STATE_MACHINE = ua.NodeId(ua.ObjectIds.ExclusiveLimitStateMachineType)
FINITE_STATE = ua.NodeId(ua.ObjectIds.FiniteStateVariableType)
LIMIT_STATES = {
    "HighHigh": ua.ObjectIds.ExclusiveLimitStateMachineType_HighHigh,
    "High": ua.ObjectIds.ExclusiveLimitStateMachineType_High,
    "Low": ua.ObjectIds.ExclusiveLimitStateMachineType_Low,
    "LowLow": ua.ObjectIds.ExclusiveLimitStateMachineType_LowLow,
}
# Methods stay those of the type: clients call them with the condition as object (OPC 10000-9, 5.7.3).
METHODS = (
    ua.ObjectIds.ConditionType_AddComment,
    ua.ObjectIds.AcknowledgeableConditionType_Acknowledge,
)


class AlarmStates(Protocol):
    """What conditions ask the engine."""

    def state(self, condition_id: str) -> AlarmEvent | None: ...

    def retained(self) -> list[AlarmEvent]: ...


def _two_state(on: bool, yes: str, no: str) -> ua.Variant:
    return ua.Variant(ua.LocalizedText(yes if on else no, "en"), V.LocalizedText)


def _time(time_us: int | None) -> ua.Variant:
    return ua.Variant(to_datetime(time_us), V.DateTime) if time_us else ua.Variant(None, V.Null)


def condition_fields(
    event: AlarmEvent, type_definition: ua.NodeId, source: ua.NodeId, input_node: ua.NodeId
) -> dict[str, ua.Variant]:
    """Every field of the condition's type, by browse path."""
    boolean = V.Boolean
    class_id, class_name = condition_class(event.kind)
    fields: dict[str, ua.Variant] = {
        "EventId": ua.Variant(event.event_id, V.ByteString),
        "EventType": ua.Variant(type_definition, V.NodeId),
        "SourceNode": ua.Variant(source, V.NodeId),
        "SourceName": ua.Variant(event.device_id, V.String),
        "Time": _time(event.time),
        "ReceiveTime": _time(event.receive_time),
        "Message": ua.Variant(ua.LocalizedText(event.message, "en"), V.LocalizedText),
        "Severity": ua.Variant(event.severity, V.UInt16),
        "ConditionClassId": ua.Variant(class_id, V.NodeId),
        "ConditionClassName": ua.Variant(ua.LocalizedText(class_name, "en"), V.LocalizedText),
        "ConditionName": ua.Variant(event.name, V.String),
        "BranchId": ua.Variant(ua.NodeId(), V.NodeId),
        "Retain": ua.Variant(event.retain, boolean),
        "EnabledState": _two_state(event.enabled, "Enabled", "Disabled"),
        "EnabledState/Id": ua.Variant(event.enabled, boolean),
        "Quality": ua.Variant(stack_status(event.quality), V.StatusCode),
        "Quality/SourceTimestamp": _time(event.time),
        "LastSeverity": ua.Variant(event.last_severity, V.UInt16),
        "LastSeverity/SourceTimestamp": _time(event.time),
        "Comment": ua.Variant(
            ua.LocalizedText(event.comment or None, "en" if event.comment else None), V.LocalizedText
        ),
        "Comment/SourceTimestamp": _time(event.acked_time or event.time),
        "ClientUserId": ua.Variant(event.comment_user, V.String),
        "AckedState": _two_state(event.acked, "Acknowledged", "Unacknowledged"),
        "AckedState/Id": ua.Variant(event.acked, boolean),
        "ActiveState": _two_state(event.active, "Active", "Inactive"),
        "ActiveState/Id": ua.Variant(event.active, boolean),
        "InputNode": ua.Variant(input_node, V.NodeId),
        "SuppressedOrShelved": ua.Variant(False, boolean),
    }
    if event.active_time and event.active:
        fields["ActiveState/TransitionTime"] = _time(event.active_time)
    if event.acked_time and event.acked:
        fields["AckedState/TransitionTime"] = _time(event.acked_time)
    if event.kind == "exclusive_limit":
        state = LIMIT_STATES.get(event.limit_state)
        shown = ua.LocalizedText(event.limit_state, "en") if state else ua.LocalizedText(None)
        fields["LimitState/CurrentState"] = ua.Variant(shown, V.LocalizedText)
        fields["LimitState/CurrentState/Id"] = ua.Variant(ua.NodeId(state) if state else ua.NodeId(), V.NodeId)
        fields["ActiveState/EffectiveDisplayName"] = ua.Variant(
            ua.LocalizedText(event.limit_state if event.active else "Inactive", "en"), V.LocalizedText
        )
        for level, limit in event.limits.items():
            fields[f"{level}Limit"] = ua.Variant(limit, V.Double)
    else:
        fields["NormalState"] = ua.Variant(ua.NodeId(), V.NodeId)
    return fields


def _variable_type(path: str) -> ua.NodeId:
    name = path.rsplit("/", 1)[-1]
    if name in ("EnabledState", "AckedState", "ActiveState"):
        return TWO_STATE
    if name in ("Quality", "LastSeverity", "Comment"):
        return CONDITION_VARIABLE
    return FINITE_STATE if name == "CurrentState" else PROPERTY_TYPE


class ConditionNodes:
    """Condition instances: made when somebody looks at them, kept in step with their last event from then on."""

    def __init__(self, space: Space, plant: Plant, alarms: AlarmStates) -> None:
        self._space = space
        self._plant = plant
        self._alarms = alarms
        self._made: set[str] = set()

    def fields_of(self, event: AlarmEvent) -> dict[str, ua.Variant]:
        """The event fields of an alarm."""
        source = self._space.id(PLANT_URI, event.device_id)
        input_node = self._space.id(PLANT_URI, parameter_path(event.device_id, event.input_parameter))
        return condition_fields(event, self._type(event), source, input_node)

    def _type(self, event: AlarmEvent) -> ua.NodeId:
        return condition_type(self._space.indexes, event.kind)

    def key(self, event: AlarmEvent) -> Key:
        """The ConditionId."""
        return key_of(self._space.id(PLANT_URI, event.condition_id))

    def announced(self, key: Key) -> tuple[ua.QualifiedName, int, Key] | None:
        """(BrowseName, NodeClass, type) of a condition that is not made, for those who browse its parents."""
        event = self._event(key)
        if event is None:
            return None
        return self._space.name(PLANT_URI, event.name), OBJECT, key_of(self._type(event))

    def _event(self, key: Key) -> AlarmEvent | None:
        if isinstance(key, int) or key[0] != self._space.indexes[PLANT_URI] or not isinstance(key[1], str):
            return None
        parts = key[1].split("/", 3)
        return self._alarms.state(key[1]) if len(parts) == 3 and parts[1] == ALARMS else None

    def make(self, key: Key) -> bool:
        """Make the nodes of the condition that a key belongs to; False when there is no such condition."""
        if isinstance(key, int) or key[0] != self._space.indexes[PLANT_URI] or not isinstance(key[1], str):
            return False
        parts = key[1].split("/", 3)
        if len(parts) < 3 or parts[1] != ALARMS:
            return False
        condition_id = "/".join(parts[:3])
        if condition_id in self._made:
            return False
        event = self._alarms.state(condition_id)
        if event is None or self._space.id(PLANT_URI, f"{parts[0]}/{ALARMS}") not in self._space:
            return False
        self._made.add(condition_id)
        self._build(condition_id, event)
        return True

    def _build(self, condition_id: str, event: AlarmEvent) -> None:
        space = self._space
        root = space.id(PLANT_URI, condition_id)
        folder = space.id(PLANT_URI, f"{event.device_id}/{ALARMS}")
        source = space.id(PLANT_URI, parameter_path(event.device_id, event.input_parameter))
        space.object(root, space.name(PLANT_URI, event.name), self._type(event))
        space.back(folder, HAS_COMPONENT, root)
        space.back(source, HAS_CONDITION, root)
        if event.kind in DEVICE_HEALTH:
            space.back(space.id(PLANT_URI, f"{event.device_id}/{HEALTH_ALARMS}"), ORGANIZES, root)
        for method in METHODS:
            space.link(root, HAS_COMPONENT, ua.NodeId(method), inverse=False)
        if event.kind == "exclusive_limit":
            machine = space.id(PLANT_URI, f"{condition_id}/LimitState")
            space.object(machine, ua.QualifiedName("LimitState", 0), LIMIT_STATE_MACHINE, parent=root)
        for path, value in self.fields_of(event).items():
            above, _, name = path.rpartition("/")
            parent = space.id(PLANT_URI, f"{condition_id}/{above}") if above else root
            type_definition = _variable_type(path)
            is_property = type_definition == PROPERTY_TYPE
            space.variable(
                space.id(PLANT_URI, f"{condition_id}/{path}"),
                ua.QualifiedName(name, 0),
                ua.DataValue(value),
                ua.NodeId(value.VariantType.value if value.VariantType != V.Null else ua.ObjectIds.UtcTime),
                type_definition=type_definition if not is_property else PROPERTY_TYPE,
                parent=parent,
                reference=ua.NodeId(ua.ObjectIds.HasProperty) if is_property else HAS_COMPONENT,
            )

    def changed(self, event: AlarmEvent, fields: Fields) -> None:
        """Bring a made instance in step with an event; one that nobody has looked at has no nodes."""
        if event.condition_id not in self._made:
            return
        for path, value in fields.items():
            node_id = self._space.id(PLANT_URI, f"{event.condition_id}/{path}")
            if node_id in self._space:
                put_data_value(self._space.point(node_id), ua.DataValue(value))

    def forget(self, device_id: str) -> None:
        """A device went: its conditions will be made anew if it returns."""
        prefix = f"{device_id}/{ALARMS}/"
        self._made = {condition for condition in self._made if not condition.startswith(prefix)}

    def drop(self, condition_ids: Iterable[str]) -> list[Node]:
        """Take made instances out; those that still exist will be made anew. Returns what went."""
        gone: list[Node] = []
        for condition_id in condition_ids:
            if condition_id in self._made:
                self._made.discard(condition_id)
                root = self._space.id(PLANT_URI, condition_id)
                gone += self._space.remove(self._space.subtree(root, f"{condition_id}/"))
        return gone

    def redeclared(self, device_ids: Iterable[str]) -> None:
        """Rules gave these devices other conditions: bring announcements and made instances in step."""

    def notifiers(self, event: AlarmEvent) -> list[Key]:
        """Every notifier above a condition: its device, the folders of its place, Plant, Server."""
        device = self._plant.devices.get(event.device_id)
        path = device.path if device is not None else ()
        found = [event.device_id, *(folder_path(*path[:depth]) for depth in range(len(path), 0, -1)), "Plant"]
        return [*(key_of(self._space.id(PLANT_URI, name)) for name in found), key_of(SERVER)]
