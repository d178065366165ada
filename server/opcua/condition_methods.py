"""The Methods of conditions (OPC 10000-9, 5.5 to 5.8): which action each is, and what its arguments say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from asyncua import ua

from server.alarms.condition_set import group_ids
from server.core import status
from server.core.alarm_actions import NAMES_A_STATE, AlarmAction, Verb
from server.core.errors import IntegrationError
from server.core.values import AlarmEvent, Caller
from server.model.alarm_spec import AlarmSpec
from server.opcua.datavalues import stack_status
from server.opcua.names import ALARMS, PLANT_URI, Place, place_of
from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.services.context import Request
from server.opcua.space import Space

_IDS = ua.ObjectIds
SHELVING = "ShelvingState"
VERBS: Mapping[int, Verb] = {
    _IDS.ConditionType_Enable: Verb.ENABLE,
    _IDS.ConditionType_Disable: Verb.DISABLE,
    _IDS.ConditionType_AddComment: Verb.COMMENT,
    _IDS.AcknowledgeableConditionType_Acknowledge: Verb.ACKNOWLEDGE,
    _IDS.AcknowledgeableConditionType_Confirm: Verb.CONFIRM,
    _IDS.ShelvedStateMachineType_TimedShelve: Verb.TIMED_SHELVE,
    _IDS.ShelvedStateMachineType_TimedShelve2: Verb.TIMED_SHELVE,
    _IDS.ShelvedStateMachineType_OneShotShelve: Verb.ONE_SHOT_SHELVE,
    _IDS.ShelvedStateMachineType_OneShotShelve2: Verb.ONE_SHOT_SHELVE,
    _IDS.ShelvedStateMachineType_Unshelve: Verb.UNSHELVE,
    _IDS.ShelvedStateMachineType_Unshelve2: Verb.UNSHELVE,
    _IDS.AlarmConditionType_Suppress: Verb.SUPPRESS,
    _IDS.AlarmConditionType_Suppress2: Verb.SUPPRESS,
    _IDS.AlarmConditionType_Unsuppress: Verb.UNSUPPRESS,
    _IDS.AlarmConditionType_Unsuppress2: Verb.UNSUPPRESS,
    _IDS.AlarmConditionType_RemoveFromService: Verb.REMOVE_FROM_SERVICE,
    _IDS.AlarmConditionType_RemoveFromService2: Verb.REMOVE_FROM_SERVICE,
    _IDS.AlarmConditionType_PlaceInService: Verb.PLACE_IN_SERVICE,
    _IDS.AlarmConditionType_PlaceInService2: Verb.PLACE_IN_SERVICE,
    _IDS.AlarmConditionType_Silence: Verb.SILENCE,
    _IDS.AlarmConditionType_Reset: Verb.RESET,
    _IDS.AlarmConditionType_Reset2: Verb.RESET,
}
"""Methods of the types by number in namespace 0; instances have these very nodes."""
DECLARED: Mapping[int, int] = {
    getattr(_IDS, f"AlarmConditionType_ShelvingState_{name}"): getattr(_IDS, f"ShelvedStateMachineType_{name}")
    for name in ("TimedShelve", "TimedShelve2", "OneShotShelve", "OneShotShelve2", "Unshelve", "Unshelve2")
}
"""Methods of the instance declaration ShelvingState, which clients call that browsed AlarmConditionType."""
MEMBERSHIPS = _IDS.AlarmConditionType_GetGroupMemberships


def verb_of(method: Key) -> Verb | None:
    """The action that a Method is; None for Methods that are none of a condition's."""
    return VERBS.get(DECLARED.get(method, method)) if isinstance(method, int) else None


class Actions(Protocol):
    """What of the pipeline these Methods need."""

    @property
    def alarms(self) -> Any: ...

    async def alarm_action(self, action: AlarmAction, caller: Caller) -> AlarmEvent: ...


class ConditionMethods:
    """Carries the calls out."""

    def __init__(self, space: Space, actions: Actions) -> None:
        self._space = space
        self._actions = actions

    async def act(
        self, request: Request, object_key: Key, method_key: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        """One action on one condition."""
        verb = verb_of(method_key)
        place = place_of(node_id_of(object_key), self._space.indexes[PLANT_URI])
        if verb is None or place is None:
            return _result(status.BAD_NODE_ID_INVALID)
        session = request.session
        if session is None or not is_condition(place):
            return _result(status.BAD_NODE_ID_UNKNOWN)
        action = action_of(verb, f"{place.device_id}/{ALARMS}/{place.name}", arguments)
        try:
            await self._actions.alarm_action(action, session.caller)
        except IntegrationError as error:
            return _result(error.status)
        return _result(status.GOOD, [status.GOOD for _ in arguments])

    def memberships(
        self, _request: Request, object_key: Key, _method_key: Key, _arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        """GetGroupMemberships: the alarm groups of a condition (OPC 10000-9, 5.8.12)."""
        place = place_of(node_id_of(object_key), self._space.indexes[PLANT_URI])
        if place is None or not is_condition(place):
            return _result(status.BAD_NODE_ID_INVALID)
        spec: AlarmSpec | None = self._actions.alarms.spec(f"{place.device_id}/{ALARMS}/{place.name}")
        if spec is None:
            return _result(status.BAD_NODE_ID_UNKNOWN)
        groups = [self._space.id(PLANT_URI, group) for group in group_ids(place.device_id, spec)]
        found = _result(status.GOOD)
        found.OutputArguments = [ua.Variant(groups, ua.VariantType.NodeId, is_array=True)]
        return found


def is_condition(place: Place) -> bool:
    """True for a condition, and for its ShelvingState, whose Methods shelve it."""
    return place.part == ALARMS and bool(place.name) and place.rest in ("", SHELVING)


def action_of(verb: Verb, condition_id: str, arguments: Sequence[ua.Variant]) -> AlarmAction:
    """What a call asks for. An EventId that names nothing is kept as such: it must not mean the current state."""
    values = [argument.Value for argument in arguments]
    if verb in NAMES_A_STATE:
        event_id, comment = values
        return AlarmAction(verb, condition_id, bytes(event_id or b""), comment_of(comment))
    if verb is Verb.TIMED_SHELVE:
        comment = comment_of(values[1]) if len(values) > 1 else None
        return AlarmAction(verb, condition_id, comment=comment, shelve_s=float(values[0]) / 1000.0)
    return AlarmAction(verb, condition_id, comment=comment_of(values[0]) if values else None)


def comment_of(value: Any) -> str | None:
    """A null text, and an empty one without a locale, leave the comment as it is; empty with a locale clears it."""
    if not isinstance(value, ua.LocalizedText) or value.Text is None:
        return None
    if not value.Text and not value.Locale:
        return None
    return str(value.Text)


def _result(code: int, arguments: Sequence[int] = ()) -> ua.CallMethodResult:
    return ua.CallMethodResult(
        StatusCode=stack_status(code),
        InputArgumentResults=[stack_status(argument) for argument in arguments],
        OutputArguments=[],
    )
