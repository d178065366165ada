"""Shelving as a transition table (OPC 10000-9, ShelvedStateMachineType)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum

from server.core import status
from server.core.errors import RemoteError

MAX_TIME_SHELVED_S = 28_800.0


class Shelving(Enum):
    """CurrentState of the machine."""

    UNSHELVED = "Unshelved"
    TIMED = "TimedShelved"
    ONE_SHOT = "OneShotShelved"


class Event(Enum):
    """What can happen to it."""

    TIMED_SHELVE = "TimedShelve"
    ONE_SHOT_SHELVE = "OneShotShelve"
    UNSHELVE = "Unshelve"
    EXPIRE = "the time is over"
    CLEAR = "the alarm became inactive"


S, E = Shelving, Event
TABLE: Mapping[tuple[Shelving, Event], Shelving] = {
    (S.UNSHELVED, E.TIMED_SHELVE): S.TIMED,
    (S.UNSHELVED, E.ONE_SHOT_SHELVE): S.ONE_SHOT,
    (S.TIMED, E.ONE_SHOT_SHELVE): S.ONE_SHOT,
    (S.TIMED, E.UNSHELVE): S.UNSHELVED,
    (S.TIMED, E.EXPIRE): S.UNSHELVED,
    (S.ONE_SHOT, E.TIMED_SHELVE): S.TIMED,
    (S.ONE_SHOT, E.UNSHELVE): S.UNSHELVED,
    (S.ONE_SHOT, E.EXPIRE): S.UNSHELVED,
    (S.ONE_SHOT, E.CLEAR): S.UNSHELVED,
}


def follow(state: Shelving, event: Event) -> Shelving | None:
    """The state after the event, or None when the event does not apply there."""
    return TABLE.get((state, event))


def require(state: Shelving, event: Event) -> Shelving:
    """The state after an operator's call.

    Raises:
        RemoteError: BadConditionAlreadyShelved or BadConditionNotShelved.
    """
    following = TABLE.get((state, event))
    if following is not None:
        return following
    if event is E.UNSHELVE:
        raise RemoteError("the alarm is not shelved", status_code=status.BAD_CONDITION_NOT_SHELVED)
    raise RemoteError("the alarm is shelved already", status_code=status.BAD_CONDITION_ALREADY_SHELVED)


def require_time(seconds: float | None, most: float) -> float:
    """A ShelvingTime that is allowed.

    Raises:
        RemoteError: BadShelvingTimeOutOfRange.
    """
    if seconds is None or math.isnan(seconds) or not 0 < seconds <= most:
        raise RemoteError(
            f"an alarm may be shelved for more than 0 and at most {most:g} s",
            status_code=status.BAD_SHELVING_TIME_OUT_OF_RANGE,
        )
    return seconds
