"""Every (state, event) pair of the alarm life cycle."""

from __future__ import annotations

import pytest

from server.alarms.states import Event, State, follow, is_acked, is_active, is_retained, state_of

N, U, A, R = State.NORMAL, State.UNACKED, State.ACKED, State.RETURNED
# Rows by hand from ISA-18.2's life cycle: activate, escalate, ease, clear, acknowledge. None: the event does not apply.
EXPECTED = {
    N: (U, None, None, None, None),
    U: (None, U, U, R, A),
    A: (None, U, A, N, None),
    R: (U, None, None, None, N),
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_pair(state: State, event: Event) -> None:
    assert follow(state, event) == EXPECTED[state][list(Event).index(event)]


@pytest.mark.parametrize(
    ("state", "active", "acked", "retain"),
    [(N, False, True, False), (U, True, False, True), (A, True, True, True), (R, False, False, True)],
)
def test_flags(state: State, active: bool, acked: bool, retain: bool) -> None:
    assert (is_active(state), is_acked(state), is_retained(state)) == (active, acked, retain)
    assert state_of(active=active, acked=acked) is state
