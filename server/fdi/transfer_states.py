"""The life of a transfer as a transition table (OPC 10000-100, transfer services).

An event that a state does not know raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from server.core import status
from server.core.errors import LocalError


class State(Enum):
    """Where a transfer and its results stand."""

    RUNNING = "running"  # results come in and can be fetched in part
    DONE = "done"  # performed, perhaps with failures of single parameters
    FAILED = "failed"  # as a whole: there are no results of parameters
    EMPTY = "empty"  # everything has been fetched and acknowledged
    GONE = "gone"  # too old, or another transfer of the device took its place


class Event(Enum):
    """What can happen to it."""

    RESULT = "a parameter's result"
    FINISH = "the work is done"
    FAIL = "the work could not be done at all"
    DRAINED = "the last portion was acknowledged"
    EXPIRE = "the results are too old"
    REPLACE = "another transfer of the device begins"


TABLE: Mapping[State, Mapping[Event, State]] = {
    State.RUNNING: {
        Event.RESULT: State.RUNNING,
        Event.FINISH: State.DONE,
        Event.FAIL: State.FAILED,
    },
    State.DONE: {Event.DRAINED: State.EMPTY, Event.EXPIRE: State.GONE, Event.REPLACE: State.GONE},
    State.FAILED: {Event.DRAINED: State.EMPTY, Event.EXPIRE: State.GONE, Event.REPLACE: State.GONE},
    State.EMPTY: {Event.EXPIRE: State.GONE, Event.REPLACE: State.GONE},
    State.GONE: {},
}


def follow(state: State, event: Event) -> State:
    """The state after the event.

    Raises:
        LocalError: the state knows no such event (BadInvalidState).
    """
    after = TABLE[state].get(event)
    if after is None:
        raise LocalError(f"a transfer that is {state.value}: {event.value}", status_code=status.BAD_INVALID_STATE)
    return after
