"""One value in an edit context as a transition table (IEC 62769-3, dominant and dependent variables).

A value is dominant for those that a UNIT or REFRESH relation makes depend on it. Everything about transitions and the
StatusCodes they show stands in this file; it knows no values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from server.core import status
from server.core.status import StatusCode


class State(Enum):
    """What the user did with the value itself."""

    UNEDITED = "unedited"
    EDITED = "edited"
    POST_FAILED = "applied, a post action failed"


class Dominance(Enum):
    """What edits of its dominant values did to it."""

    NONE = "none"
    CHANGED = "a dominant value changed"  # it still means what it meant before
    UNUSABLE = "unusable"  # with the dominant's new value it means nothing


class Event(Enum):
    """What can happen to it."""

    EDIT = "edited"
    EDIT_BACK = "edited to what lies under it"
    DOMINANT_EDITED = "a dominant value was edited"
    DOMINANT_UNUSABLE = "re-evaluated: unusable under its dominant values"
    DOMINANT_SETTLED = "no dominant value is edited any more"
    DEPENDENT_EDITED = "a dependent value was edited"
    DEPENDENT_SETTLED = "no dependent value is edited any more"
    LEFT_RANGE = "re-evaluated: outside its range"
    ENTERED_RANGE = "re-evaluated: inside its range"
    DEVICE_CHANGED = "what lies under it changed"
    APPLIED = "applied"
    APPLIED_POST_FAILED = "applied, a post action failed"
    APPLY_FAILED = "apply failed"
    RESET = "reset"


TABLE: Mapping[State, Mapping[Event, State]] = {
    State.UNEDITED: {
        **dict.fromkeys(Event, State.UNEDITED),
        Event.EDIT: State.EDITED,
        Event.APPLIED_POST_FAILED: State.POST_FAILED,
    },
    State.EDITED: {
        **dict.fromkeys(Event, State.EDITED),
        Event.EDIT_BACK: State.UNEDITED,
        Event.APPLIED: State.UNEDITED,
        Event.APPLIED_POST_FAILED: State.POST_FAILED,
        Event.RESET: State.UNEDITED,
    },
    State.POST_FAILED: {
        **dict.fromkeys(Event, State.POST_FAILED),
        Event.EDIT: State.EDITED,
        Event.EDIT_BACK: State.UNEDITED,
        # The device has said something new: the failed action is history.
        Event.DEVICE_CHANGED: State.UNEDITED,
        Event.APPLIED: State.UNEDITED,
        Event.RESET: State.UNEDITED,
    },
}


@dataclass(frozen=True, slots=True)
class ValueState:
    """Where one value of an edit context stands."""

    state: State = State.UNEDITED
    dominance: Dominance = Dominance.NONE
    dependent: bool = False  # one that depends on it is edited
    out_of_range: bool = False


CLEAN = ValueState()
_DOMINANCE: Mapping[Event, Dominance] = {
    Event.DOMINANT_EDITED: Dominance.CHANGED,
    Event.DOMINANT_UNUSABLE: Dominance.UNUSABLE,
    Event.DOMINANT_SETTLED: Dominance.NONE,
    Event.RESET: Dominance.NONE,
}
_DEPENDENT: Mapping[Event, bool] = {
    Event.DEPENDENT_EDITED: True,
    Event.DEPENDENT_SETTLED: False,
    Event.RESET: False,
}
_OUT_OF_RANGE: Mapping[Event, bool] = {
    Event.LEFT_RANGE: True,
    Event.ENTERED_RANGE: False,
    Event.RESET: False,
}


def follow(value: ValueState, event: Event) -> ValueState:
    """Where the value stands after the event."""
    return replace(
        value,
        state=TABLE[value.state][event],
        dominance=_DOMINANCE.get(event, value.dominance),
        dependent=_DEPENDENT.get(event, value.dependent),
        out_of_range=_OUT_OF_RANGE.get(event, value.out_of_range),
    )


def code(value: ValueState, under: StatusCode, *, initial: bool = False) -> StatusCode:
    """The StatusCode that the value shows.

    Args:
        under: status of what lies under the context: the parent context, the device or the offline data set.
        initial: the value is the EDD's default; nobody ever set it.
    """
    if value.state is State.EDITED:
        return _edited(value)
    if value.out_of_range and value.dominance is not Dominance.NONE:
        if value.dependent:
            return status.BAD_OUT_OF_RANGE_DOMINANT_VALUE_CHANGED_DEPENDENT_VALUE_CHANGED
        return status.BAD_OUT_OF_RANGE_DOMINANT_VALUE_CHANGED
    if value.out_of_range and initial:
        return status.BAD_INITIAL_VALUE_OUT_OF_RANGE
    if value.dominance is Dominance.UNUSABLE:
        return status.BAD_DOMINANT_VALUE_CHANGED
    if value.dominance is Dominance.CHANGED:
        # A value that was bad before does not become better by an edit elsewhere.
        return status.BAD_DOMINANT_VALUE_CHANGED if status.is_bad(under) else status.UNCERTAIN_DOMINANT_VALUE_CHANGED
    if value.state is State.POST_FAILED:
        return status.GOOD_POST_ACTION_FAILED
    if value.dependent:
        if status.is_bad(under):
            return status.BAD_DEPENDENT_VALUE_CHANGED
        if status.is_uncertain(under):
            return status.UNCERTAIN_DEPENDENT_VALUE_CHANGED
        return status.GOOD_DEPENDENT_VALUE_CHANGED
    return under


def _edited(value: ValueState) -> StatusCode:
    dominated = value.dominance is not Dominance.NONE
    if value.out_of_range:
        if dominated and value.dependent:
            return status.BAD_EDITED_OUT_OF_RANGE_DOMINANT_VALUE_CHANGED_DEPENDENT_VALUE_CHANGED
        if dominated:
            return status.BAD_EDITED_OUT_OF_RANGE_DOMINANT_VALUE_CHANGED
        return status.BAD_EDITED_OUT_OF_RANGE
    if value.dominance is Dominance.UNUSABLE:
        return status.BAD_DOMINANT_VALUE_CHANGED
    if dominated and value.dependent:
        return status.GOOD_EDITED_DOMINANT_VALUE_CHANGED_DEPENDENT_VALUE_CHANGED
    if dominated:
        return status.GOOD_EDITED_DOMINANT_VALUE_CHANGED
    if value.dependent:
        return status.GOOD_EDITED_DEPENDENT_VALUE_CHANGED
    return status.GOOD_EDITED
