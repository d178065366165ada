"""The alarm life cycle as a transition table (ISA-18.2 states; OPC 10000-9 Acked and Active).

Everything about transitions stands in this file; an event that a state does not know changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where an alarm stands."""

    NORMAL = "normal"  # inactive, acknowledged
    UNACKED = "unacknowledged"  # active, not acknowledged
    ACKED = "acknowledged"  # active, acknowledged
    RETURNED = "returned unacknowledged"  # inactive again, not acknowledged


class Event(Enum):
    """What can happen to it."""

    ACTIVATE = "activate"
    ESCALATE = "escalate"  # still active, now more severe
    EASE = "ease"  # still active, now less severe or the other side
    CLEAR = "clear"
    ACKNOWLEDGE = "acknowledge"


TABLE: Mapping[tuple[State, Event], State] = {
    (State.NORMAL, Event.ACTIVATE): State.UNACKED,
    (State.UNACKED, Event.ESCALATE): State.UNACKED,
    (State.UNACKED, Event.EASE): State.UNACKED,
    (State.UNACKED, Event.CLEAR): State.RETURNED,
    (State.UNACKED, Event.ACKNOWLEDGE): State.ACKED,
    # A worse state is a new reason to look: what was acknowledged has to be acknowledged again.
    (State.ACKED, Event.ESCALATE): State.UNACKED,
    (State.ACKED, Event.EASE): State.ACKED,
    (State.ACKED, Event.CLEAR): State.NORMAL,
    (State.RETURNED, Event.ACTIVATE): State.UNACKED,
    (State.RETURNED, Event.ACKNOWLEDGE): State.NORMAL,
}


def follow(state: State, event: Event) -> State | None:
    """The state after the event, or None when the event does not apply there."""
    return TABLE.get((state, event))


def is_active(state: State) -> bool:
    """ActiveState/Id."""
    return state in (State.UNACKED, State.ACKED)


def is_acked(state: State) -> bool:
    """AckedState/Id."""
    return state in (State.NORMAL, State.ACKED)


def is_retained(state: State) -> bool:
    """Retain: somebody must still see it (OPC 10000-9, 5.5.2)."""
    return state is not State.NORMAL


def state_of(*, active: bool, acked: bool) -> State:
    """The state that these two flags name."""
    if active:
        return State.ACKED if acked else State.UNACKED
    return State.NORMAL if acked else State.RETURNED
