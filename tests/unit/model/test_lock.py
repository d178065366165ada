"""DI locking: every (state, event) pair, the rules of OPC 10000-100 on time-outs and networks, and a random walk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import status
from server.core.clock import ManualClock
from server.core.errors import LockedError
from server.core.values import INTERNAL, Caller, DeviceId
from server.model.lock import (
    NETWORK,
    TABLE,
    Effect,
    Event,
    LockOwner,
    Locks,
    LockState,
    State,
    owner_of,
)

ANNA = LockOwner("urn:anna", "engineer", "s1")
BORIS = LockOwner("urn:boris", "operator", "s2")
DEVICE = "breaker-001"

F, B, H, W, C = State.FREE, State.OCCUPIED, State.HELD, State.WORKING, State.CLOSING
LOCK, RESTART, RELEASE, NONE = Effect.LOCK, Effect.RESTART, Effect.RELEASE, Effect.NONE
# By hand from OPC 10000-100's locking rules: (next state, answer, effect) for FREE, OCCUPIED, HELD, WORKING, CLOSING.
EXPECTED = {
    Event.INIT_OWNER: ((H, 0, LOCK), (B, -1, NONE), (H, -1, RESTART), (W, -1, NONE), (C, -1, NONE)),
    Event.INIT_OTHER: ((H, 0, LOCK), (B, -1, NONE), (H, -1, NONE), (W, -1, NONE), (C, -1, NONE)),
    Event.RENEW_OWNER: ((F, -1, NONE), (B, -1, NONE), (H, 0, RESTART), (W, 0, RESTART), (C, -1, NONE)),
    Event.RENEW_OTHER: ((F, -1, NONE), (B, -1, NONE), (H, -1, NONE), (W, -1, NONE), (C, -1, NONE)),
    Event.EXIT_OWNER: ((F, -1, NONE), (B, -1, NONE), (F, 0, RELEASE), (C, 0, NONE), (C, -1, NONE)),
    Event.EXIT_OTHER: ((F, -1, NONE), (B, -1, NONE), (H, -1, NONE), (W, -1, NONE), (C, -1, NONE)),
    Event.BREAK: ((F, -1, NONE), (B, -1, NONE), (F, 0, RELEASE), (C, 0, NONE), (C, 0, NONE)),
    Event.ACTIVITY: ((F, 0, NONE), (B, 0, NONE), (H, 0, RESTART), (W, 0, RESTART), (C, 0, NONE)),
    Event.EXPIRE: ((F, 0, NONE), (B, 0, NONE), (F, 0, RELEASE), (W, 0, NONE), (C, 0, NONE)),
    Event.SESSION_CLOSED: ((F, 0, NONE), (B, 0, NONE), (F, 0, RELEASE), (C, 0, NONE), (C, 0, NONE)),
    Event.BEGIN: ((B, 0, NONE), (B, 0, NONE), (W, 0, NONE), (W, 0, NONE), (C, 0, NONE)),
    Event.END: ((F, 0, NONE), (F, 0, NONE), (H, 0, NONE), (H, 0, RESTART), (F, 0, RELEASE)),
}


@pytest.mark.parametrize("event", list(Event), ids=lambda event: event.name)
@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
def test_lock_pair(state: State, event: Event) -> None:
    step = TABLE[state][event]
    assert (step.state, step.answer, step.effect) == EXPECTED[event][list(State).index(state)]


@pytest.fixture
def locks(clock: ManualClock) -> Locks:
    return Locks(clock, timeout_s=60.0, known=lambda scope: scope.startswith("breaker-"))


def caller(owner: LockOwner) -> Caller:
    return Caller(owner.user, "engineer", "opcua", session=owner.session, application=owner.application)


def test_a_lock_shows_its_owner_and_the_time_left(locks: Locks, clock: ManualClock) -> None:
    assert locks.state(DEVICE) == LockState()
    assert locks.init_lock(DEVICE, "spring check", ANNA) == 0
    clock.advance(12.5)
    assert locks.state(DEVICE) == LockState(True, "urn:anna", "engineer", "spring check", 47_500.0)
    assert locks.exit_lock(DEVICE, ANNA) == 0
    assert locks.state(DEVICE) == LockState()


def test_a_second_lock_is_refused_by_status_and_not_by_error(locks: Locks) -> None:
    # DI 1.03: InitLock on a locked element answers -1, whoever asks.
    locks.init_lock(DEVICE, "", ANNA)
    assert (locks.init_lock(DEVICE, "", BORIS), locks.init_lock(DEVICE, "", ANNA)) == (-1, -1)
    assert (locks.renew_lock(DEVICE, BORIS), locks.exit_lock(DEVICE, BORIS)) == (-1, -1)
    assert locks.owns(DEVICE, ANNA)


def test_what_is_no_device_cannot_be_locked(locks: Locks) -> None:
    assert locks.init_lock("nobody", "", ANNA) == -2


def test_the_same_application_and_user_in_another_session_is_somebody_else(locks: Locks) -> None:
    # Two windows of one program must not overwrite each other's edits; the lock goes with its Session.
    locks.init_lock(DEVICE, "", ANNA)
    twin = LockOwner(ANNA.application, ANNA.user, "s9")
    assert not locks.owns(DEVICE, twin)
    assert locks.held_by_other(DEVICE, twin)


def test_changes_of_others_are_refused_while_the_device_is_locked(locks: Locks) -> None:
    locks.require(DEVICE, caller(BORIS))  # nobody holds it: a plain write needs no lock
    locks.init_lock(DEVICE, "", ANNA)
    with pytest.raises(LockedError) as refused:
        locks.require(DEVICE, caller(BORIS))
    assert refused.value.status == status.BAD_LOCKED
    locks.require(DEVICE, caller(ANNA))
    locks.require(DEVICE, INTERNAL)
    locks.require("breaker-002", caller(BORIS))


def test_the_timer_starts_again_with_every_call_of_the_owner(locks: Locks, clock: ManualClock) -> None:
    locks.init_lock(DEVICE, "", ANNA)
    for again in (lambda: locks.require(DEVICE, caller(ANNA)), lambda: locks.renew_lock(DEVICE, ANNA)):
        clock.advance(59)
        again()
    clock.advance(59)
    locks.tick()
    assert locks.owns(DEVICE, ANNA)
    clock.advance(1)
    assert not locks.owns(DEVICE, ANNA)  # even before anybody has looked at the clock
    assert locks.renew_lock(DEVICE, ANNA) == -1


def test_a_lock_that_ran_out_can_be_taken_by_the_next(locks: Locks, clock: ManualClock) -> None:
    told: list[tuple[str, LockOwner, str]] = []
    locks.on_released.append(lambda *what: told.append(what))
    locks.init_lock(DEVICE, "", ANNA)
    clock.advance(60)
    assert locks.init_lock(DEVICE, "", BORIS) == 0
    assert told == [(DEVICE, ANNA, "time-out")]
    assert locks.owns(DEVICE, BORIS)


def test_a_lock_never_runs_out_while_work_needs_it(locks: Locks, clock: ManualClock) -> None:
    # DI 1.02: the lock is not disabled while a service that needs it executes; the timer starts after it.
    locks.init_lock(DEVICE, "", ANNA)
    with locks.busy(DEVICE), locks.busy(DEVICE):
        clock.advance(600)
        locks.tick()
        assert locks.owns(DEVICE, ANNA)
        assert locks.state(DEVICE).remaining_ms == 60_000.0
    clock.advance(59)
    assert locks.owns(DEVICE, ANNA)
    clock.advance(1)
    assert not locks.owns(DEVICE, ANNA)


@pytest.mark.parametrize("how", ["exit", "break", "session closed"])
def test_a_lock_given_up_during_work_ends_with_the_work(locks: Locks, how: str) -> None:
    told: list[str] = []
    locks.on_released.append(lambda _scope, _owner, reason: told.append(reason))
    locks.init_lock(DEVICE, "", ANNA)
    with locks.busy(DEVICE):
        if how == "exit":
            assert locks.exit_lock(DEVICE, ANNA) == 0
        elif how == "break":
            assert locks.break_lock(DEVICE) == 0
        else:
            locks.session_closed("s1")
        assert told == []
        assert locks.held_by_other(DEVICE, BORIS)
        assert not locks.owns(DEVICE, ANNA)  # nothing new begins
        locks.require(DEVICE, caller(ANNA))  # what runs still gets through
        assert locks.init_lock(DEVICE, "", BORIS) == -1
    assert told == [how]
    assert locks.init_lock(DEVICE, "", BORIS) == 0


def test_work_without_a_lock_keeps_others_from_locking(locks: Locks) -> None:
    # DI: a lock request is rejected while operations run that the lock would have to forbid.
    with locks.busy(DEVICE):
        assert locks.init_lock(DEVICE, "", ANNA) == -1
        assert not locks.state(DEVICE).locked
    assert locks.init_lock(DEVICE, "", ANNA) == 0


def test_break_removes_the_lock_of_somebody_else_and_tells_why(locks: Locks) -> None:
    told: list[tuple[str, LockOwner, str]] = []
    locks.on_released.append(lambda *what: told.append(what))
    assert locks.break_lock(DEVICE) == -1
    locks.init_lock(DEVICE, "", ANNA)
    assert locks.break_lock(DEVICE) == 0
    assert told == [(DEVICE, ANNA, "break")]


def test_only_the_locks_of_the_closed_session_go(locks: Locks) -> None:
    locks.init_lock(DEVICE, "", ANNA)
    locks.init_lock("breaker-002", "", BORIS)
    locks.session_closed("s1")
    assert (locks.state(DEVICE).locked, locks.state("breaker-002").locked) == (False, True)


def test_a_network_lock_covers_every_device_and_needs_all_of_them_free(locks: Locks) -> None:
    locks.init_lock(DEVICE, "", ANNA)
    assert locks.init_lock(NETWORK, "", ANNA) == -1  # DI: rejected when any connected device is locked
    locks.exit_lock(DEVICE, ANNA)
    assert locks.init_lock(NETWORK, "all", ANNA) == 0
    assert locks.state("breaker-007").user == "engineer"
    assert locks.owns("breaker-007", ANNA)
    assert locks.init_lock(DEVICE, "", BORIS) == -1
    with pytest.raises(LockedError):
        locks.require("breaker-007", caller(BORIS))
    assert locks.exit_lock(DEVICE, ANNA) == -1  # it has no lock of its own
    with locks.busy("breaker-007"):
        locks.exit_lock(NETWORK, ANNA)
        assert locks.state(DEVICE).locked
    assert not locks.state(DEVICE).locked


def test_changes_are_told_once_and_in_order(locks: Locks) -> None:
    told: list[tuple[str, bool]] = []
    locks.on_change.append(lambda scope, state: told.append((scope, state.locked)))
    locks.init_lock(DEVICE, "", ANNA)
    locks.renew_lock(DEVICE, ANNA)
    locks.init_lock(DEVICE, "", BORIS)
    locks.exit_lock(DEVICE, ANNA)
    assert told == [(DEVICE, True), (DEVICE, False)]


def test_the_context_of_a_lock_is_kept_only_so_long(locks: Locks) -> None:
    locks.init_lock(DEVICE, "x" * 100_000, ANNA)
    assert len(locks.state(DEVICE).context) == 1_000


def test_the_owner_is_the_session_of_the_caller() -> None:
    assert owner_of(Caller("u", "operator", "opcua", "1.2.3.4", "s", "urn:a")) == LockOwner("urn:a", "u", "s")


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["init", "renew", "exit", "break", "require", "close", "begin", "end", "wait", "tick"]),
        st.sampled_from([DEVICE, "breaker-002", NETWORK]),
        st.sampled_from([ANNA, BORIS]),
    ),
    max_size=60,
)


@given(acts=ACTS)
def test_at_most_one_owner_whatever_happens(acts: list[tuple[str, str, LockOwner]]) -> None:
    """The walk keeps its own book: who was told to have got a lock and not yet to have lost it."""
    clock = ManualClock()
    locks = Locks(clock, timeout_s=60.0)
    owners: dict[str, LockOwner] = {}
    works = []

    def released(scope: str, owner: LockOwner, _reason: str) -> None:
        assert owners.pop(scope) == owner

    locks.on_released.append(released)
    for act, scope, owner in acts:
        if act == "init" and locks.init_lock(scope, "", owner) == 0:
            assert scope not in owners
            owners[scope] = owner
        elif act == "renew":
            assert (locks.renew_lock(scope, owner) == 0) <= (owners.get(scope) == owner)
        elif act == "exit":
            mine = owners.get(scope) == owner
            assert (locks.exit_lock(scope, owner) == 0) <= mine
        elif act == "break":
            locks.break_lock(scope)
        elif act == "require":
            try:
                locks.require(DeviceId(scope), caller(owner))
            except LockedError:
                assert owner not in (owners.get(scope), owners.get(NETWORK))
        elif act == "close":
            locks.session_closed(owner.session)
        elif act == "begin" and len(works) < 4:
            work = locks.busy(scope)
            work.__enter__()
            works.append(work)
        elif act == "end" and works:
            works.pop().__exit__(None, None, None)
        elif act == "wait":
            clock.advance(25)
        elif act == "tick":
            locks.tick()
        assert not (NETWORK in owners and len(owners) > 1)
    while works:
        works.pop().__exit__(None, None, None)
    clock.advance(61)
    locks.tick()
    assert owners == {}
    assert locks.init_lock(NETWORK, "", ANNA) == 0
