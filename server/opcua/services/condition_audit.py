"""Audit events of what is done to conditions (OPC 10000-9, 5.10): the type of each Method, and its own fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asyncua import ua

from server.core.alarm_actions import NAMES_A_STATE, AlarmAction, Verb
from server.opcua.condition_methods import VERBS, verb_of
from server.opcua.nodes.keys import Key

_I = ua.ObjectIds
_V = ua.VariantType
_TYPES: Mapping[Verb, int] = {
    Verb.ENABLE: _I.AuditConditionEnableEventType,
    Verb.DISABLE: _I.AuditConditionEnableEventType,
    Verb.COMMENT: _I.AuditConditionCommentEventType,
    Verb.ACKNOWLEDGE: _I.AuditConditionAcknowledgeEventType,
    Verb.CONFIRM: _I.AuditConditionConfirmEventType,
    Verb.TIMED_SHELVE: _I.AuditConditionShelvingEventType,
    Verb.ONE_SHOT_SHELVE: _I.AuditConditionShelvingEventType,
    Verb.UNSHELVE: _I.AuditConditionShelvingEventType,
    Verb.SUPPRESS: _I.AuditConditionSuppressionEventType,
    Verb.UNSUPPRESS: _I.AuditConditionSuppressionEventType,
    Verb.REMOVE_FROM_SERVICE: _I.AuditConditionOutOfServiceEventType,
    Verb.PLACE_IN_SERVICE: _I.AuditConditionOutOfServiceEventType,
    Verb.SILENCE: _I.AuditConditionSilenceEventType,
    Verb.RESET: _I.AuditConditionResetEventType,
}
_NAMES: Mapping[Verb, str] = {
    Verb.ENABLE: "Enable",
    Verb.DISABLE: "Disable",
    Verb.COMMENT: "AddComment",
    Verb.ACKNOWLEDGE: "Acknowledge",
    Verb.CONFIRM: "Confirm",
    Verb.TIMED_SHELVE: "TimedShelve",
    Verb.ONE_SHOT_SHELVE: "OneShotShelve",
    Verb.UNSHELVE: "Unshelve",
    Verb.SUPPRESS: "Suppress",
    Verb.UNSUPPRESS: "Unsuppress",
    Verb.REMOVE_FROM_SERVICE: "RemoveFromService",
    Verb.PLACE_IN_SERVICE: "PlaceInService",
    Verb.SILENCE: "Silence",
    Verb.RESET: "Reset",
}


RESPOND = frozenset({_I.DialogConditionType_Respond, _I.DialogConditionType_Respond2})


def of_call(method: Key, inputs: Sequence[ua.Variant]) -> tuple[int, str, dict[str, ua.Variant]]:
    """(type of the audit event, SourceName, fields of its own) of a Call of any Method."""
    if method in RESPOND:
        option = int(inputs[0].Value) if inputs else -1
        chosen = ua.Variant(option, _V.UInt32) if option >= 0 else ua.Variant()
        return _I.AuditConditionRespondEventType, "Method/Respond", {"SelectedResponse": chosen}
    verb = verb_of(method)
    if verb is None:
        return _I.AuditUpdateMethodEventType, "Attribute/Call", {}
    return *event_type(verb), own_fields(verb, inputs)


def event_type(verb: Verb) -> tuple[int, str]:
    """(type of the audit event, SourceName) of an action."""
    return _TYPES[verb], f"Method/{_NAMES[verb]}"


def method_of(verb: Verb) -> ua.NodeId:
    """The Method that an action is, for actions that came through another door."""
    return ua.NodeId(next(number for number, known in VERBS.items() if known is verb))


def own_fields(verb: Verb, inputs: Sequence[ua.Variant]) -> dict[str, ua.Variant]:
    """The fields that the type of its audit event adds."""
    if verb in NAMES_A_STATE and len(inputs) == 2:
        return {"ConditionEventId": inputs[0], "Comment": inputs[1]}
    if verb is Verb.TIMED_SHELVE and inputs:
        return {"ShelvingTime": inputs[0]}
    if verb in (Verb.ONE_SHOT_SHELVE, Verb.UNSHELVE):
        return {"ShelvingTime": ua.Variant(0.0, _V.Double)}
    return {}


def inputs_of(action: AlarmAction) -> list[ua.Variant]:
    """The arguments that a Method would have had, for an action that came through another door."""
    comment = ua.Variant(ua.LocalizedText(action.comment, "en" if action.comment else None), _V.LocalizedText)
    if action.verb in NAMES_A_STATE:
        return [ua.Variant(action.event_id or b"", _V.ByteString), comment]
    if action.verb is Verb.TIMED_SHELVE:
        return [ua.Variant((action.shelve_s or 0.0) * 1000.0, _V.Double)]
    return []
