"""Every (state, event) pair of the life cycle, of shelving and of the switches."""

from __future__ import annotations

import pytest

from server.alarms import shelving
from server.alarms.shelving import Shelving
from server.alarms.states import Event, State, follow, is_acked, is_active, is_confirmed, is_retained, state_of
from server.alarms.switches import switch
from server.core import status
from server.core.alarm_actions import Verb
from server.core.errors import RemoteError

N, U, A, C = State.NORMAL, State.UNACKED, State.ACKED, State.UNCONFIRMED
R, RC = State.RETURNED, State.RETURNED_UNCONFIRMED
# Rows by hand from ISA-18.2's life cycle and OPC 10000-9, Annex B: activate, escalate, ease, clear, acknowledge,
# acknowledge where somebody confirms, confirm, re-alarm. None: the event does not apply.
EXPECTED = {
    N: (U, None, None, None, None, None, None, None),
    U: (None, U, U, R, A, C, None, U),
    A: (None, U, A, N, None, None, None, U),
    C: (None, U, C, RC, None, None, A, U),
    R: (U, None, None, None, N, RC, None, None),
    RC: (U, None, None, None, None, None, N, None),
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_pair(state: State, event: Event) -> None:
    assert follow(state, event) == EXPECTED[state][list(Event).index(event)]


@pytest.mark.parametrize(
    ("state", "active", "acked", "confirmed", "retain"),
    [
        (N, False, True, True, False),
        (U, True, False, True, True),
        (A, True, True, True, True),
        (C, True, True, False, True),
        (R, False, False, True, True),
        (RC, False, True, False, True),
    ],
)
def test_flags(state: State, active: bool, acked: bool, confirmed: bool, retain: bool) -> None:
    flags = is_active(state), is_acked(state), is_confirmed(state), is_retained(state)
    assert flags == (active, acked, confirmed, retain)
    assert state_of(active=active, acked=acked, confirmed=confirmed) is state


UN, T, ONE = Shelving.UNSHELVED, Shelving.TIMED, Shelving.ONE_SHOT
# TimedShelve, OneShotShelve, Unshelve, time over, the alarm became inactive (OPC 10000-9, ShelvedStateMachineType).
SHELVED = {
    UN: (T, ONE, None, None, None),
    T: (None, ONE, UN, UN, None),
    ONE: (T, None, UN, UN, UN),
}


@pytest.mark.parametrize("state", list(Shelving))
@pytest.mark.parametrize("event", list(shelving.Event))
def test_shelving_pair(state: Shelving, event: shelving.Event) -> None:
    assert shelving.follow(state, event) == SHELVED[state][list(shelving.Event).index(event)]


@pytest.mark.parametrize(
    ("state", "event", "code"),
    [
        (UN, shelving.Event.UNSHELVE, status.BAD_CONDITION_NOT_SHELVED),
        (T, shelving.Event.TIMED_SHELVE, status.BAD_CONDITION_ALREADY_SHELVED),
        (ONE, shelving.Event.ONE_SHOT_SHELVE, status.BAD_CONDITION_ALREADY_SHELVED),
    ],
)
def test_a_shelving_call_that_does_not_apply_is_refused(state: Shelving, event: shelving.Event, code: int) -> None:
    with pytest.raises(RemoteError) as caught:
        shelving.require(state, event)
    assert caught.value.status == code


@pytest.mark.parametrize("seconds", [0.0, -1.0, 10.001, float("nan"), float("inf"), None])
def test_a_shelving_time_out_of_range_is_refused(seconds: float | None) -> None:
    with pytest.raises(RemoteError) as caught:
        shelving.require_time(seconds, 10.0)
    assert caught.value.status == status.BAD_SHELVING_TIME_OUT_OF_RANGE
    assert shelving.require_time(10.0, 10.0) == 10.0


# (verb, state before) -> state after, or the StatusCode.
SWITCHED = {
    (Verb.ENABLE, False): True,
    (Verb.ENABLE, True): status.BAD_CONDITION_ALREADY_ENABLED,
    (Verb.DISABLE, True): False,
    (Verb.DISABLE, False): status.BAD_CONDITION_ALREADY_DISABLED,
    (Verb.SUPPRESS, False): True,
    (Verb.SUPPRESS, True): status.BAD_INVALID_STATE,
    (Verb.UNSUPPRESS, True): False,
    (Verb.UNSUPPRESS, False): status.BAD_INVALID_STATE,
    (Verb.REMOVE_FROM_SERVICE, False): True,
    (Verb.REMOVE_FROM_SERVICE, True): status.BAD_INVALID_STATE,
    (Verb.PLACE_IN_SERVICE, True): False,
    (Verb.PLACE_IN_SERVICE, False): status.BAD_INVALID_STATE,
    (Verb.SILENCE, False): True,
    (Verb.SILENCE, True): status.BAD_INVALID_STATE,
    (Verb.RESET, True): False,
    (Verb.RESET, False): status.BAD_INVALID_STATE,
}


@pytest.mark.parametrize(("pair", "after"), SWITCHED.items(), ids=lambda pair: str(pair))
def test_switch(pair: tuple[Verb, bool], after: bool | int) -> None:
    if isinstance(after, bool):
        assert switch(*pair, "x") is after
        return
    with pytest.raises(RemoteError) as caught:
        switch(*pair, "x")
    assert caught.value.status == after
