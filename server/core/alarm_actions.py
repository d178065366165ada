"""What operators do to alarms, whatever door they come through (OPC 10000-9, 5.5 to 5.8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verb(Enum):
    """One action; its value is the word in routes and in the audit trail."""

    ACKNOWLEDGE = "acknowledge"
    CONFIRM = "confirm"
    COMMENT = "comment"
    ENABLE = "enable"
    DISABLE = "disable"
    TIMED_SHELVE = "shelve"
    ONE_SHOT_SHELVE = "shelve-once"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"  # by design, by hand
    UNSUPPRESS = "unsuppress"
    REMOVE_FROM_SERVICE = "remove-from-service"
    PLACE_IN_SERVICE = "place-in-service"
    SILENCE = "silence"
    RESET = "reset"  # of a latched alarm


NAMES_A_STATE = frozenset({Verb.ACKNOWLEDGE, Verb.CONFIRM, Verb.COMMENT})
"""Actions that name the state they mean by its EventId."""
BY_ENGINEERS = frozenset(
    {
        Verb.ENABLE,
        Verb.DISABLE,
        Verb.SUPPRESS,
        Verb.UNSUPPRESS,
        Verb.REMOVE_FROM_SERVICE,
        Verb.PLACE_IN_SERVICE,
    }
)
"""Actions that change what operators are told at all: Right.MANAGE_ALARMS; all others: Right.ACKNOWLEDGE."""


@dataclass(frozen=True, slots=True)
class AlarmAction:
    """One action on one condition."""

    verb: Verb
    condition_id: str
    event_id: bytes | None = None  # the state that is meant (NAMES_A_STATE); None: the current one
    comment: str | None = None  # None leaves the comment as it is; "" clears it
    shelve_s: float | None = None  # TIMED_SHELVE: for how long
