"""Diagrams of state machines in the documents are drawn from the tables that the program follows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

import pytest

from server.fdi import edit_states
from server.fdi.actions.states import TRANSITIONS, ActionState
from server.model import lock

ARCHITECTURE = Path(__file__).resolve().parents[3] / "docs" / "architecture.md"
Arrow = tuple[Enum, Enum, Enum]  # from, event, to


def _diagram(states: type[Enum], first: Enum, arrows: Iterable[Arrow]) -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {first.name}"]
    lines += [f"    {state.name} : {state.value}" for state in states]
    lines += [f"    {source.name} --> {target.name} : {event.value}" for source, event, target in arrows]
    return "\n".join(lines) + "\n"


def lock_diagram() -> str:
    """Steps that change the state of a lock; calls that are refused or only restart its timer are left out."""
    steps = ((state, event, step.state) for state, row in lock.TABLE.items() for event, step in row.items())
    return _diagram(lock.State, lock.State.FREE, (arrow for arrow in steps if arrow[0] is not arrow[2]))


def action_diagram() -> str:
    """The life of an Action; every event that a state knows."""
    steps = ((state, event, after) for state, row in TRANSITIONS.items() for event, after in row.items())
    return _diagram(ActionState, ActionState.EXECUTING, steps)


def edit_diagram() -> str:
    """What the user did with a value of an edit context; events that leave the state are left out."""
    states = edit_states.State
    steps = ((state, event, after) for state, row in edit_states.TABLE.items() for event, after in row.items())
    return _diagram(states, states.UNEDITED, (arrow for arrow in steps if arrow[0] is not arrow[2]))


@pytest.mark.parametrize("drawing", [lock_diagram, action_diagram, edit_diagram], ids=lambda drawing: drawing.__name__)
def test_a_diagram_of_the_fdi_server_is_its_table(drawing: object) -> None:
    assert callable(drawing)
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert re.findall(r"^```mermaid\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).count(drawing()) == 1
