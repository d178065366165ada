"""Which ConditionType the alarms of each kind have, and which class they belong to (OPC 10000-9; OPC 10000-100)."""

from __future__ import annotations

from collections.abc import Mapping

from asyncua import ua

from server.opcua.names import DI_URI

_IDS = ua.ObjectIds
STANDARD: Mapping[str, int] = {
    "exclusive_limit": _IDS.ExclusiveLevelAlarmType,
    "non_exclusive_limit": _IDS.NonExclusiveLevelAlarmType,
    "exclusive_deviation": _IDS.ExclusiveDeviationAlarmType,
    "non_exclusive_deviation": _IDS.NonExclusiveDeviationAlarmType,
    "exclusive_rate_of_change": _IDS.ExclusiveRateOfChangeAlarmType,
    "non_exclusive_rate_of_change": _IDS.NonExclusiveRateOfChangeAlarmType,
    "discrete": _IDS.DiscreteAlarmType,
    "off_normal": _IDS.OffNormalAlarmType,
    "trip": _IDS.TripAlarmType,
    "system_off_normal": _IDS.SystemOffNormalAlarmType,
    "discrepancy": _IDS.DiscrepancyAlarmType,
    "certificate_expiration": _IDS.CertificateExpirationAlarmType,
    "instrument_diagnostic": _IDS.InstrumentDiagnosticAlarmType,
    "system_diagnostic": _IDS.SystemDiagnosticAlarmType,
}
DEVICE_HEALTH: Mapping[str, int] = {
    "failure": 15292,
    "check_function": 15441,
    "off_spec": 15590,
    "maintenance_required": 15739,
}
"""FailureAlarmType, CheckFunctionAlarmType, OffSpecAlarmType, MaintenanceRequiredAlarmType of the DI namespace."""
EXCLUSIVE = frozenset({"exclusive_limit", "exclusive_deviation", "exclusive_rate_of_change"})
NON_EXCLUSIVE = frozenset({"non_exclusive_limit", "non_exclusive_deviation", "non_exclusive_rate_of_change"})
LIMITS = EXCLUSIVE | NON_EXCLUSIVE
DEVIATION = frozenset({"exclusive_deviation", "non_exclusive_deviation"})
RATE = frozenset({"exclusive_rate_of_change", "non_exclusive_rate_of_change"})
OFF_NORMAL = frozenset(
    {
        "off_normal",
        "trip",
        "system_off_normal",
        "certificate_expiration",
        "instrument_diagnostic",
        "system_diagnostic",
        *DEVICE_HEALTH,
    }
)
"""Kinds whose type is OffNormalAlarmType or below it: they have NormalState."""


def condition_type(indexes: Mapping[str, int], kind: str) -> ua.NodeId:
    """The type of the conditions of a kind."""
    number = DEVICE_HEALTH.get(kind)
    return ua.NodeId(STANDARD[kind]) if number is None else ua.NodeId(number, indexes[DI_URI])


def condition_class(name: str) -> tuple[ua.NodeId, str]:
    """(ConditionClassId, ConditionClassName) of a class of model.alarm_spec.CLASSES."""
    return ua.NodeId(getattr(_IDS, f"{name}ConditionClassType")), name
