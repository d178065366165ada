"""Which ConditionType the alarms of each kind have, and which class they belong to (OPC 10000-9; OPC 10000-100)."""

from __future__ import annotations

from collections.abc import Mapping

from asyncua import ua

from server.opcua.names import DI_URI

STANDARD: Mapping[str, int] = {
    "exclusive_limit": ua.ObjectIds.ExclusiveLevelAlarmType,
    "trip": ua.ObjectIds.TripAlarmType,
}
DEVICE_HEALTH: Mapping[str, int] = {
    "failure": 15292,
    "check_function": 15441,
    "off_spec": 15590,
    "maintenance_required": 15739,
}
"""FailureAlarmType, CheckFunctionAlarmType, OffSpecAlarmType, MaintenanceRequiredAlarmType of the DI namespace."""


def condition_type(indexes: Mapping[str, int], kind: str) -> ua.NodeId:
    """The type of the conditions of a kind."""
    number = DEVICE_HEALTH.get(kind)
    return ua.NodeId(STANDARD[kind]) if number is None else ua.NodeId(number, indexes[DI_URI])


def condition_class(kind: str) -> tuple[ua.NodeId, str]:
    """(ConditionClassId, ConditionClassName): a device's own state is for those who maintain it."""
    if kind in DEVICE_HEALTH:
        return ua.NodeId(ua.ObjectIds.MaintenanceConditionClassType), "Maintenance"
    return ua.NodeId(ua.ObjectIds.ProcessConditionClassType), "Process"
