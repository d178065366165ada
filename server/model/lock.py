"""DI locking (OPC 10000-100, locking model): who may change a device now. A transition table, no I/O, time by Clock.

The owner of a lock is one Session of one client application under one user; it goes with that Session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from server.core.clock import Clock
from server.core.errors import LockedError
from server.core.values import Caller

OK = 0
E_ALREADY_LOCKED = -1  # InitLock
E_NOT_LOCKED = -1  # RenewLock, ExitLock, BreakLock
E_INVALID = -2  # InitLock: this cannot be locked

NETWORK = "Network/MQTT"
"""The scope that locks every device at once."""
CONTEXT_LIMIT = 1_000
"""Characters kept of the text that a client gives with its lock; it only informs."""


class State(Enum):
    """Where the lock of one element stands."""

    FREE = "free"
    OCCUPIED = "occupied"  # nobody holds it, but work runs that a new lock would have to forbid
    HELD = "held"
    WORKING = "working"  # held, and work runs that needs it: it cannot end now
    CLOSING = "closing"  # given up while work runs: ends with the work


class Event(Enum):
    """What can happen to it."""

    INIT_OWNER = "InitLock by its owner"
    INIT_OTHER = "InitLock by somebody else"
    RENEW_OWNER = "RenewLock by its owner"
    RENEW_OTHER = "RenewLock by somebody else"
    EXIT_OWNER = "ExitLock by its owner"
    EXIT_OTHER = "ExitLock by somebody else"
    BREAK = "BreakLock"
    ACTIVITY = "another call of its owner"
    EXPIRE = "MaxInactiveLockTime has passed"
    SESSION_CLOSED = "its Session closed"
    BEGIN = "work begins"
    END = "the last work ended"


class Effect(Enum):
    """What a step does besides."""

    NONE = "none"
    LOCK = "lock"  # the caller becomes the owner, the timer starts
    RESTART = "restart"  # the timer starts again
    RELEASE = "release"  # nobody is the owner


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event leads, what the Method answers, what happens besides."""

    state: State
    answer: int = OK
    effect: Effect = Effect.NONE


def _refuse(state: State) -> dict[Event, Step]:
    """The answers of a lock that nobody may use now; other events change nothing."""
    calls = {
        Event.INIT_OWNER,
        Event.INIT_OTHER,
        Event.RENEW_OWNER,
        Event.RENEW_OTHER,
        Event.EXIT_OWNER,
        Event.EXIT_OTHER,
        Event.BREAK,
    }
    return {event: Step(state, E_NOT_LOCKED if event in calls else OK) for event in Event}


TABLE: Mapping[State, Mapping[Event, Step]] = {
    State.FREE: {
        **_refuse(State.FREE),
        Event.INIT_OWNER: Step(State.HELD, effect=Effect.LOCK),
        Event.INIT_OTHER: Step(State.HELD, effect=Effect.LOCK),
        Event.BEGIN: Step(State.OCCUPIED),
    },
    State.OCCUPIED: {**_refuse(State.OCCUPIED), Event.END: Step(State.FREE)},
    State.HELD: {
        **_refuse(State.HELD),
        Event.INIT_OWNER: Step(State.HELD, E_ALREADY_LOCKED, Effect.RESTART),
        Event.RENEW_OWNER: Step(State.HELD, effect=Effect.RESTART),
        Event.EXIT_OWNER: Step(State.FREE, effect=Effect.RELEASE),
        Event.BREAK: Step(State.FREE, effect=Effect.RELEASE),
        Event.ACTIVITY: Step(State.HELD, effect=Effect.RESTART),
        Event.EXPIRE: Step(State.FREE, effect=Effect.RELEASE),
        Event.SESSION_CLOSED: Step(State.FREE, effect=Effect.RELEASE),
        Event.BEGIN: Step(State.WORKING),
    },
    State.WORKING: {
        **_refuse(State.WORKING),
        Event.RENEW_OWNER: Step(State.WORKING, effect=Effect.RESTART),
        Event.EXIT_OWNER: Step(State.CLOSING),
        Event.BREAK: Step(State.CLOSING),
        Event.ACTIVITY: Step(State.WORKING, effect=Effect.RESTART),
        Event.SESSION_CLOSED: Step(State.CLOSING),
        Event.END: Step(State.HELD, effect=Effect.RESTART),
    },
    State.CLOSING: {
        **_refuse(State.CLOSING),
        Event.BREAK: Step(State.CLOSING),
        Event.END: Step(State.FREE, effect=Effect.RELEASE),
    },
}

LOCKED = frozenset({State.HELD, State.WORKING, State.CLOSING})


@dataclass(frozen=True, slots=True)
class LockOwner:
    """Who holds a lock."""

    application: str  # ApplicationUri; "" for other doors
    user: str
    session: str


def owner_of(caller: Caller) -> LockOwner:
    """The lock owner that a caller is."""
    return LockOwner(caller.application, caller.user, caller.session)


@dataclass(frozen=True, slots=True)
class LockState:
    """What everybody may see of a lock."""

    locked: bool = False
    client: str = ""  # ApplicationUri of the owner, or the door it came by
    user: str = ""
    context: str = ""
    remaining_ms: float = 0.0


@dataclass(slots=True)
class _Lock:
    state: State = State.FREE
    owner: LockOwner | None = None
    client: str = ""
    context: str = ""
    deadline: float = 0.0  # monotonic seconds
    works: int = 0
    reason: str = ""  # why it is released: told when it happens


def _anything(_scope: str) -> bool:
    return True


@dataclass(slots=True)
class Locks:
    """All locks of the server; `scope` is a device id or `NETWORK`.

    A device shows the network's lock as its own while that is held; only one of both can be.
    """

    clock: Clock
    timeout_s: float = 60.0
    known: Callable[[str], bool] = _anything  # what can be locked
    on_change: list[Callable[[str, LockState], None]] = field(default_factory=list)
    on_released: list[Callable[[str, LockOwner, str], None]] = field(default_factory=list)
    _locks: dict[str, _Lock] = field(default_factory=dict)  # without those that are FREE

    # -- the four Methods

    def init_lock(self, scope: str, context: str, owner: LockOwner, client: str = "") -> int:
        """InitLock: 0, -1 (already locked, or work runs that it would have to forbid), -2 (cannot be locked).

        Args:
            client: what LockingClient shows when the owner has no ApplicationUri.
        """
        if scope != NETWORK and not self.known(scope):
            return E_INVALID
        self.tick()
        if scope == NETWORK:
            blocked = any(name != NETWORK for name in self._locks)
        else:
            blocked = NETWORK in self._locks
        if blocked:
            return E_ALREADY_LOCKED
        lock = self._locks.get(scope, _Lock())
        step = self._step(scope, lock, Event.INIT_OWNER if lock.owner == owner else Event.INIT_OTHER)
        if step.effect is Effect.LOCK:
            lock.owner, lock.client, lock.context = owner, owner.application or client, context[:CONTEXT_LIMIT]
            self._tell(scope)
        return step.answer

    def renew_lock(self, scope: str, owner: LockOwner) -> int:
        """RenewLock: 0 and the timer starts again, or -1 for everybody but the owner."""
        return self._call(scope, owner, Event.RENEW_OWNER, Event.RENEW_OTHER)

    def exit_lock(self, scope: str, owner: LockOwner) -> int:
        """ExitLock: 0, or -1 for everybody but the owner. While work runs the lock ends with it."""
        return self._call(scope, owner, Event.EXIT_OWNER, Event.EXIT_OTHER, "exit")

    def break_lock(self, scope: str) -> int:
        """BreakLock: 0, or -1 when there is no lock. Whether the caller may is for the door to decide."""
        self.tick()
        lock = self._locks.get(scope)
        return E_NOT_LOCKED if lock is None else self._step(scope, lock, Event.BREAK, "break").answer

    def _call(self, scope: str, owner: LockOwner, mine: Event, others: Event, reason: str = "") -> int:
        self.tick()
        lock = self._locks.get(scope)
        if lock is None:
            return E_NOT_LOCKED
        return self._step(scope, lock, mine if lock.owner == owner else others, reason).answer

    # -- questions; they change nothing

    def state(self, scope: str) -> LockState:
        """What the Properties of the Lock object show."""
        lock = self._holding(scope)
        if lock is None or lock.owner is None:
            return LockState()
        left = self.timeout_s if lock.works else lock.deadline - self.clock.monotonic()
        return LockState(True, lock.client, lock.owner.user, lock.context, max(0.0, left * 1000.0))

    def holder(self, scope: str) -> LockOwner | None:
        """Who holds the lock, the network's included; None when nobody does."""
        lock = self._holding(scope)
        return lock.owner if lock is not None else None

    def owns(self, scope: str, owner: LockOwner) -> bool:
        """True when this owner may begin what needs the lock; not while he is giving it up."""
        lock = self._holding(scope)
        return lock is not None and lock.owner == owner and lock.state is not State.CLOSING

    def held_by_other(self, scope: str, owner: LockOwner) -> bool:
        """True while somebody else's lock forbids changes."""
        lock = self._holding(scope)
        return lock is not None and lock.owner != owner

    def _holding(self, scope: str) -> _Lock | None:
        """The lock in force for a scope, the network's included; one that has run out is none."""
        for name in (scope, NETWORK):
            lock = self._locks.get(name)
            if lock is not None and lock.state in LOCKED and not self._expired(lock):
                return lock
        return None

    def _expired(self, lock: _Lock) -> bool:
        return lock.state is State.HELD and self.clock.monotonic() >= lock.deadline

    # -- the door of every change

    def require(self, device_id: str, caller: Caller) -> None:
        """Pass unless somebody else holds the lock; the owner's timer starts again.

        Raises:
            LockedError: BadLocked.
        """
        if caller.door == "internal" or not self._locks:
            return
        owner = owner_of(caller)
        lock = self._holding(device_id)
        if lock is None or lock.owner is None:
            return
        if lock.owner != owner:
            raise LockedError(f"{device_id} is locked by {lock.owner.user} ({lock.client})")
        self.touch(device_id, owner)

    def touch(self, scope: str, owner: LockOwner) -> None:
        """Another call of the owner on the locked element: its timer starts again."""
        for name in (scope, NETWORK):
            lock = self._locks.get(name)
            if lock is not None and lock.owner == owner and not self._expired(lock):
                self._step(name, lock, Event.ACTIVITY)

    @contextmanager
    def busy(self, scope: str) -> Iterator[None]:
        """Work that the lock protects: it cannot end meanwhile, and nobody can take it anew."""
        self.tick()
        name = NETWORK if NETWORK in self._locks and scope not in self._locks else scope
        lock = self._locks.setdefault(name, _Lock())
        lock.works += 1
        self._step(name, lock, Event.BEGIN)
        try:
            yield
        finally:
            lock.works -= 1
            if lock.works == 0:
                self._step(name, lock, Event.END)

    # -- what ends a lock from outside

    def session_closed(self, session: str) -> None:
        """A Session has ended: its locks end too."""
        for scope, lock in list(self._locks.items()):
            if lock.owner is not None and lock.owner.session == session:
                self._step(scope, lock, Event.SESSION_CLOSED, "session closed")

    def removed(self, scope: str) -> None:
        """What was locked is no more: its lock ends, while work runs with the work."""
        lock = self._locks.get(scope)
        if lock is not None:
            self._step(scope, lock, Event.BREAK, "removed")

    def tick(self) -> None:
        """Release what has run out; call it at least once a second."""
        for scope, lock in list(self._locks.items()):
            if self._expired(lock):
                self._step(scope, lock, Event.EXPIRE, "time-out")

    # -- one step

    def _step(self, scope: str, lock: _Lock, event: Event, reason: str = "") -> Step:
        step = TABLE[lock.state][event]
        if step.state is State.CLOSING and lock.state is not State.CLOSING:
            lock.reason = reason
        lock.state = step.state
        if step.effect in (Effect.LOCK, Effect.RESTART):
            lock.deadline = self.clock.monotonic() + self.timeout_s
        if lock.state is State.FREE:
            self._locks.pop(scope, None)
        else:
            self._locks[scope] = lock
        if step.effect is Effect.RELEASE and lock.owner is not None:
            owner, lock.owner = lock.owner, None
            for released in self.on_released:
                released(scope, owner, lock.reason or reason)
            self._tell(scope)
        return step

    def _tell(self, scope: str) -> None:
        """Only the scope itself is named: what `NETWORK` does to the devices their `state` says."""
        state = self.state(scope)
        for changed in self.on_change:
            changed(scope, state)
