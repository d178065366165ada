"""The life of an Action (IEC 62769-2, its state machine reconstructed): every transition stands in this table.

An event that a state does not know raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from server.core import status
from server.core.errors import LocalError


class ActionState(Enum):
    """Where an Action stands; the value is the word clients read."""

    EXECUTING = "Executing"
    WAITING = "WaitingForResponse"  # the METHOD waits for an answer of the user
    ABORTING = "Aborting"  # its abort methods run
    COMPLETED = "Completed"
    ABORTED = "Aborted"
    FAILED = "Failed"

    @property
    def ended(self) -> bool:
        """True when nothing comes after it."""
        return not TRANSITIONS[self]


class ActionEvent(Enum):
    """What can happen to an Action."""

    ASKED = "asked"  # the METHOD wants an answer from the user
    ANSWERED = "answered"  # a fitting answer came
    ABORT = "abort"  # the user, a lost lock or a closed Session ends it
    COMPLETED = "completed"  # the METHOD returned
    ABORTED = "aborted"  # the METHOD gave up, or its abort methods are done
    FAILED = "failed"  # a limit was crossed or the program is wrong


TRANSITIONS: Mapping[ActionState, Mapping[ActionEvent, ActionState]] = {
    ActionState.EXECUTING: {
        ActionEvent.ASKED: ActionState.WAITING,
        ActionEvent.ABORT: ActionState.ABORTING,
        ActionEvent.COMPLETED: ActionState.COMPLETED,
        ActionEvent.ABORTED: ActionState.ABORTED,
        ActionEvent.FAILED: ActionState.FAILED,
    },
    ActionState.WAITING: {
        ActionEvent.ANSWERED: ActionState.EXECUTING,
        ActionEvent.ABORT: ActionState.ABORTING,
        ActionEvent.FAILED: ActionState.FAILED,
    },
    ActionState.ABORTING: {
        ActionEvent.ABORTED: ActionState.ABORTED,
        ActionEvent.FAILED: ActionState.FAILED,
    },
    ActionState.COMPLETED: {},
    ActionState.ABORTED: {},
    ActionState.FAILED: {},
}


class ActionLife:
    """The state of one Action."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = ActionState.EXECUTING

    def allows(self, event: ActionEvent) -> bool:
        """Whether the event means something now."""
        return event in TRANSITIONS[self.state]

    def happen(self, event: ActionEvent) -> ActionState:
        """Take the event; the new state.

        Raises:
            LocalError: the state knows no such event (BadInvalidState).
        """
        after = TRANSITIONS[self.state].get(event)
        if after is None:
            raise LocalError(
                f"an action that is {self.state.value} cannot be {event.value}", status_code=status.BAD_INVALID_STATE
            )
        self.state = after
        return after
