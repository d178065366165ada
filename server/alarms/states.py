"""The alarm life cycle as a transition table (ISA-18.2 states; OPC 10000-9 Active, Acked and Confirmed).

Everything about these transitions stands in this file; an event that a state does not know changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where an alarm stands."""

    NORMAL = "normal"  # inactive, acknowledged, confirmed
    UNACKED = "unacknowledged"  # active
    ACKED = "acknowledged"  # active, confirmed or not to be confirmed
    UNCONFIRMED = "acknowledged, to be confirmed"  # active
    RETURNED = "returned unacknowledged"  # inactive again
    RETURNED_UNCONFIRMED = "returned, to be confirmed"  # inactive again, acknowledged


class Event(Enum):
    """What can happen to it."""

    ACTIVATE = "activate"
    ESCALATE = "escalate"  # still active, now more severe
    EASE = "ease"  # still active, now less severe or the other side
    CLEAR = "clear"
    ACKNOWLEDGE = "acknowledge"  # where nobody has to confirm
    ACKNOWLEDGE_FIRST = "acknowledge, confirm later"
    CONFIRM = "confirm"
    RE_ALARM = "re-alarm"


S, E = State, Event
TABLE: Mapping[tuple[State, Event], State] = {
    (S.NORMAL, E.ACTIVATE): S.UNACKED,
    (S.UNACKED, E.ESCALATE): S.UNACKED,
    (S.UNACKED, E.EASE): S.UNACKED,
    (S.UNACKED, E.CLEAR): S.RETURNED,
    (S.UNACKED, E.ACKNOWLEDGE): S.ACKED,
    (S.UNACKED, E.ACKNOWLEDGE_FIRST): S.UNCONFIRMED,
    (S.UNACKED, E.RE_ALARM): S.UNACKED,
    # A worse state is a new reason to look: what was acknowledged has to be acknowledged again.
    (S.ACKED, E.ESCALATE): S.UNACKED,
    (S.ACKED, E.EASE): S.ACKED,
    (S.ACKED, E.CLEAR): S.NORMAL,
    (S.ACKED, E.RE_ALARM): S.UNACKED,
    (S.UNCONFIRMED, E.ESCALATE): S.UNACKED,
    (S.UNCONFIRMED, E.EASE): S.UNCONFIRMED,
    (S.UNCONFIRMED, E.CLEAR): S.RETURNED_UNCONFIRMED,
    (S.UNCONFIRMED, E.CONFIRM): S.ACKED,
    (S.UNCONFIRMED, E.RE_ALARM): S.UNACKED,
    (S.RETURNED, E.ACTIVATE): S.UNACKED,
    (S.RETURNED, E.ACKNOWLEDGE): S.NORMAL,
    (S.RETURNED, E.ACKNOWLEDGE_FIRST): S.RETURNED_UNCONFIRMED,
    (S.RETURNED_UNCONFIRMED, E.ACTIVATE): S.UNACKED,
    (S.RETURNED_UNCONFIRMED, E.CONFIRM): S.NORMAL,
}


def follow(state: State, event: Event) -> State | None:
    """The state after the event, or None when the event does not apply there."""
    return TABLE.get((state, event))


def is_active(state: State) -> bool:
    """ActiveState/Id."""
    return state in (S.UNACKED, S.ACKED, S.UNCONFIRMED)


def is_acked(state: State) -> bool:
    """AckedState/Id."""
    return state not in (S.UNACKED, S.RETURNED)


def is_confirmed(state: State) -> bool:
    """ConfirmedState/Id: FALSE between Acknowledge and Confirm only (OPC 10000-9, Annex B)."""
    return state not in (S.UNCONFIRMED, S.RETURNED_UNCONFIRMED)


def is_retained(state: State) -> bool:
    """Retain, as far as this cycle decides it: somebody must still see it (OPC 10000-9, 5.5.2)."""
    return state is not S.NORMAL


def state_of(*, active: bool, acked: bool, confirmed: bool = True) -> State:
    """The state that these flags name."""
    if not acked:
        return S.UNACKED if active else S.RETURNED
    if not confirmed:
        return S.UNCONFIRMED if active else S.RETURNED_UNCONFIRMED
    return S.ACKED if active else S.NORMAL
