"""The state of a dialog as a transition table (OPC 10000-9, DialogConditionType)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class DialogState(Enum):
    """DialogState: TRUE while somebody is asked."""

    INACTIVE = "Inactive"
    ACTIVE = "Active"


class DialogEvent(Enum):
    """What can happen to a dialog."""

    ASK = "ask"
    RESPOND = "respond"
    END = "end"  # who asked is gone, or was answered through another door


S, E = DialogState, DialogEvent
TABLE: Mapping[tuple[DialogState, DialogEvent], DialogState] = {
    (S.INACTIVE, E.ASK): S.ACTIVE,
    (S.ACTIVE, E.ASK): S.ACTIVE,  # the next question of the same METHOD
    (S.ACTIVE, E.RESPOND): S.INACTIVE,
    (S.ACTIVE, E.END): S.INACTIVE,
}


def follow(state: DialogState, event: DialogEvent) -> DialogState | None:
    """The state after the event, or None when the event does not apply there."""
    return TABLE.get((state, event))
