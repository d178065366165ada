"""The life of an Action: every (state, event) pair."""

from __future__ import annotations

import pytest

from server.core import status
from server.core.errors import LocalError
from server.fdi.actions.states import ActionEvent, ActionLife, ActionState

# The state model written out by hand; "" means that the event has no meaning there.
EXPECTED = {
    "Executing": {
        "asked": "WaitingForResponse", "answered": "", "abort": "Aborting",
        "completed": "Completed", "aborted": "Aborted", "failed": "Failed",
    },
    "WaitingForResponse": {
        "asked": "", "answered": "Executing", "abort": "Aborting", "completed": "", "aborted": "", "failed": "Failed",
    },
    "Aborting": {
        "asked": "", "answered": "", "abort": "", "completed": "", "aborted": "Aborted", "failed": "Failed",
    },
    "Completed": dict.fromkeys(("asked", "answered", "abort", "completed", "aborted", "failed"), ""),
    "Aborted": dict.fromkeys(("asked", "answered", "abort", "completed", "aborted", "failed"), ""),
    "Failed": dict.fromkeys(("asked", "answered", "abort", "completed", "aborted", "failed"), ""),
}  # fmt: skip


def life(state: ActionState) -> ActionLife:
    found = ActionLife()
    found.state = state
    return found


@pytest.mark.parametrize("event", list(ActionEvent), ids=lambda event: event.value)
@pytest.mark.parametrize("state", list(ActionState), ids=lambda state: state.value)
def test_every_event_leads_where_the_table_says_or_changes_nothing(state: ActionState, event: ActionEvent) -> None:
    now = life(state)
    wanted = EXPECTED[state.value][event.value]
    assert now.allows(event) is bool(wanted)
    if wanted:
        assert now.happen(event).value == wanted
    else:
        with pytest.raises(LocalError) as caught:
            now.happen(event)
        assert caught.value.status == status.BAD_INVALID_STATE
        assert now.state is state


def test_three_states_are_ends_and_an_action_begins_executing() -> None:
    assert {state.value for state in ActionState if state.ended} == {"Completed", "Aborted", "Failed"}
    assert ActionLife().state is ActionState.EXECUTING
