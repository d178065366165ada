"""What the nodes of a condition are: their types, data types and Methods, by browse path."""

from __future__ import annotations

from collections.abc import Mapping

from asyncua import ua

from server.core.values import AlarmEvent
from server.model.alarm_spec import AlarmSpec
from server.opcua.space import PROPERTY_TYPE

_IDS = ua.ObjectIds
PARTS: Mapping[str, int] = {
    "ShelvingState": _IDS.ShelvedStateMachineType,
    "LimitState": _IDS.ExclusiveLimitStateMachineType,
}
"""State machines, by BrowseName."""
TWO_STATE = ua.NodeId(_IDS.TwoStateVariableType)
CONDITION_VARIABLE = ua.NodeId(_IDS.ConditionVariableType)
FINITE_STATE = ua.NodeId(_IDS.FiniteStateVariableType)
AUDIO = ua.NodeId(_IDS.AudioVariableType)
_VARIABLES = {"Quality": CONDITION_VARIABLE, "LastSeverity": CONDITION_VARIABLE, "Comment": CONDITION_VARIABLE}
_VARIABLES |= {"CurrentState": FINITE_STATE, "AudibleSound": AUDIO}
_DURATION, _UTC = _IDS.Duration, _IDS.UtcTime
DATA_TYPES: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "MaxTimeShelved",
            "UnshelveTime",
            "OnDelay",
            "OffDelay",
            "ReAlarmTime",
            "ResponseTime",
            "ExpectedTime",
            "ExpirationLimit",
        ),
        _DURATION,
    ),
    **dict.fromkeys(
        (
            "Time",
            "ReceiveTime",
            "SourceTimestamp",
            "TransitionTime",
            "EffectiveTransitionTime",
        ),
        _UTC,
    ),
    "ExpirationDate": _IDS.DateTime,
    "EngineeringUnits": _IDS.EUInformation,
    "AudibleSound": _IDS.AudioDataType,
}
"""DataTypes that the built-in type of the value does not tell, by the last name of a path."""
SHELVING_METHODS = (
    _IDS.ShelvedStateMachineType_TimedShelve,
    _IDS.ShelvedStateMachineType_TimedShelve2,
    _IDS.ShelvedStateMachineType_OneShotShelve,
    _IDS.ShelvedStateMachineType_OneShotShelve2,
    _IDS.ShelvedStateMachineType_Unshelve,
    _IDS.ShelvedStateMachineType_Unshelve2,
)
# Methods stay those of the type: clients call them with the condition as object (OPC 10000-9, 5.7.3).
_ALWAYS = (
    _IDS.ConditionType_Enable,
    _IDS.ConditionType_Disable,
    _IDS.ConditionType_AddComment,
    _IDS.AcknowledgeableConditionType_Acknowledge,
    _IDS.AlarmConditionType_Suppress,
    _IDS.AlarmConditionType_Suppress2,
    _IDS.AlarmConditionType_Unsuppress,
    _IDS.AlarmConditionType_Unsuppress2,
    _IDS.AlarmConditionType_RemoveFromService,
    _IDS.AlarmConditionType_RemoveFromService2,
    _IDS.AlarmConditionType_PlaceInService,
    _IDS.AlarmConditionType_PlaceInService2,
)


def methods_of(event: AlarmEvent, spec: AlarmSpec | None) -> list[int]:
    """The Methods that a condition has."""
    found = list(_ALWAYS)
    if event.has_confirm:
        found.append(_IDS.AcknowledgeableConditionType_Confirm)
    if event.has_silence:
        found.append(_IDS.AlarmConditionType_Silence)
    if event.has_latch:
        found += (_IDS.AlarmConditionType_Reset, _IDS.AlarmConditionType_Reset2)
    if spec is not None and spec.groups:
        found.append(_IDS.AlarmConditionType_GetGroupMemberships)
    return found


def variable_type(path: str) -> ua.NodeId:
    """The VariableType of a field's node."""
    name = path.rsplit("/", 1)[-1]
    if "/" not in path and name.endswith("State") and name != "NormalState":
        return TWO_STATE
    return _VARIABLES.get(name, PROPERTY_TYPE)


def is_property(path: str) -> bool:
    """True for Properties, which have no children."""
    return bool(variable_type(path) == PROPERTY_TYPE)
