"""All sessions by their token: who may have one, what channel it is bound to, when it ends (OPC 10000-4, 5.7)."""

from __future__ import annotations

import math
import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from asyncua import ua

from server.core.clock import Clock
from server.core.values import Caller
from server.opcua.nodes.keys import wire_of
from server.opcua.roles import ROLE_NAMES, Rights
from server.opcua.services.context import Channel, Session
from server.opcua.services.fault import ServiceFault

NONCE_BYTES = 32
TOKEN_BYTES = 32
CLOSED, TIMED_OUT, TERMINATED = "CloseSession", "Timeout", "Terminated"
"""How a session ended; the words of SourceName in its audit event (OPC 10000-5, 6.4.7)."""
BY_PASSWORD = "UserName"  # noqa: S105 - the kind of token, not one
"""The kind of identity whose user has an account here."""
MISSES = 3
_S = ua.StatusCodes


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions there are at most, and how long they last without requests."""

    sessions: int = 100
    min_timeout_ms: float = 10_000
    max_timeout_ms: float = 3_600_000
    activation_s: float = 30.0
    """A session that nobody activates ends after so many seconds."""

    def revised_timeout_ms(self, requested: float) -> float:
        """The time-out a client gets; a number that is none counts as the smallest."""
        if math.isnan(requested):
            return self.min_timeout_ms
        return min(max(requested, self.min_timeout_ms), self.max_timeout_ms)


class SessionTable:
    """Sessions from their creation to their end. `sweep` ends those that nobody uses; call it every second or so."""

    def __init__(self, rights: Rights, clock: Clock, limits: SessionLimits) -> None:
        self._rights = rights
        self._clock = clock
        self.limits = limits
        self._by_token: dict[bytes, Session] = {}
        self._by_channel: dict[Channel, set[Session]] = {}
        self._missing: dict[str, int] = {}  # user -> how often in a row the account was not there
        self.on_opened: list[Callable[[Session], None]] = []
        """Called with each new session."""
        self.on_identity: list[Callable[[Session], None]] = []
        """Called when a session was activated by another user than before."""
        self.on_moved: list[Callable[[Session], None]] = []
        """Called when a session was bound to another channel; requests waiting on the old one get no answer there."""
        self.on_closed: list[Callable[[Session, str], None]] = []
        """Called with each session that ended, and how, after the session's own `on_close`."""
        # ServerDiagnosticsSummary (OPC 10000-5, 12.9)
        self.cumulated = 0
        self.rejected = 0
        self.security_rejected = 0
        self.timed_out = 0
        self.aborted = 0

    def __len__(self) -> int:
        return len(self._by_token)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_token.values()))

    def find(self, token: bytes) -> Session | None:
        """The session of an AuthenticationToken as it stands in the request."""
        return self._by_token.get(token)

    # -- life

    def open(self, channel: Channel, requested_timeout_ms: float) -> Session:
        """A new session, not activated yet.

        Raises:
            ServiceFault: BadTooManySessions.
        """
        self._make_room()
        caller = Caller("anonymous", "anonymous", "opcua", channel.address)
        audience = self._rights.audience(ROLE_NAMES["anonymous"], channel.mode)
        token = wire_of((0, secrets.token_bytes(TOKEN_BYTES)))
        session = Session(ua.NodeId(uuid.uuid4(), 1), token, channel, caller, audience)
        session.nonce = secrets.token_bytes(NONCE_BYTES)
        session.timeout_ms = self.limits.revised_timeout_ms(requested_timeout_ms)
        session.created = self._clock.now()
        session.last_seen = self._clock.monotonic()
        self._by_token[token] = session
        self._by_channel.setdefault(channel, set()).add(session)
        self.cumulated += 1
        return session

    def opened(self, session: Session) -> None:
        """The session has all its facts: tell those who show it."""
        for listener in self.on_opened:
            listener(session)

    def _make_room(self) -> None:
        """A full table gives up a session that was never activated: the oldest from where most of them come."""
        if len(self._by_token) < self.limits.sessions:
            return
        idle = [session for session in self._by_token.values() if not session.activated]
        if not idle:
            raise ServiceFault(_S.BadTooManySessions)
        counts = Counter(session.caller.address for session in idle)
        # The table is in order of creation, and max() takes the first of equals: the oldest.
        self.close(max(idle, key=lambda session: counts[session.caller.address]), how=TERMINATED)

    def activate(self, session: Session, channel: Channel, user: str, role: str, kind: str) -> None:
        """The user is proven: the session is his from now on, bound to this channel, with a new nonce."""
        moved = session.channel is not channel
        changed = session.activated and (session.caller.user, session.caller.role) != (user, role)
        if moved:
            self._leave(session)
            session.channel = channel
            self._by_channel.setdefault(channel, set()).add(session)
        session.activated = True
        channel.activated = True
        identifier = str(session.session_id.Identifier)
        session.caller = Caller(user, role, "opcua", channel.address, identifier, session.application_uri)
        if changed:
            session.own_roles = frozenset()  # what they show is the former user's
        self.judge_roles(session)
        session.token_kind = kind
        session.nonce = secrets.token_bytes(NONCE_BYTES)
        session.last_seen = self._clock.monotonic()
        if moved:
            for listener in self.on_moved:
                listener(session)
        if changed:
            for listener in self.on_identity:
                listener(session)

    def judge_roles(self, session: Session) -> None:
        """Let a session see with the roles of its user and its own ones."""
        roles = ROLE_NAMES.get(session.caller.role, ROLE_NAMES["anonymous"])
        session.audience = self._rights.audience((*roles, *session.own_roles), session.mode)

    def close(self, session: Session, *, delete_subscriptions: bool = True, how: str = CLOSED) -> None:
        """End a session; what was kept for it goes."""
        if session.closed:
            return
        session.closed = True
        del self._by_token[session.token]
        self._leave(session)
        if how == TIMED_OUT:
            self.timed_out += 1
        elif how == TERMINATED:
            self.aborted += 1
        for callback in session.on_close:
            callback(session, delete_subscriptions)
        for listener in self.on_closed:
            listener(session, how)

    def close_all(self) -> None:
        """The server stops."""
        for session in self:
            self.close(session, how=TERMINATED)

    # -- channels and time

    def _leave(self, session: Session) -> None:
        channel = session.channel
        session.channel = None
        if channel is None:
            return
        others = self._by_channel.get(channel, set())
        others.discard(session)
        channel.activated = any(other.activated for other in others)
        if not others:
            self._by_channel.pop(channel, None)

    def channel_closed(self, channel: Channel) -> None:
        """A lost channel leaves its sessions until their time-out; those never activated are lost with it."""
        for session in self._by_channel.pop(channel, ()):
            session.channel = None
            if not session.activated:
                self.close(session, how=TERMINATED)

    def accounts(self) -> set[str]:
        """The users who signed in by name and password."""
        return {session.caller.user for session in self if session.activated and session.token_kind == BY_PASSWORD}

    def judge_accounts(self, roles: Mapping[str, str | None]) -> None:
        """Let changed accounts reach open sessions: another role holds from now on; None, locked or gone, ends them.

        An account that was made a moment ago may not be in the list yet: it has to be missing `MISSES` times in a row.
        """
        self._missing = {user: self._missing.get(user, 0) + 1 for user, role in roles.items() if role is None}
        for session in self:
            caller = session.caller
            if not session.activated or session.token_kind != BY_PASSWORD or caller.user not in roles:
                continue
            role = roles[caller.user]
            if role is None:
                if self._missing[caller.user] >= MISSES:
                    self.close(session, how=TERMINATED)
            elif role != caller.role:
                session.caller = replace(caller, role=role)
                session.own_roles = frozenset()
                self.judge_roles(session)
                for listener in self.on_identity:
                    listener(session)

    def sweep(self) -> None:
        """End the sessions whose time is over; their subscriptions live on until their own lifetime ends."""
        now = self._clock.monotonic()
        for session in self:
            idle_s = now - session.last_seen
            if session.activated:
                if idle_s * 1000 > session.timeout_ms:
                    self.close(session, delete_subscriptions=False, how=TIMED_OUT)
            elif idle_s > self.limits.activation_s:
                self.close(session, how=TIMED_OUT)
