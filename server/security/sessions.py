"""Sign-ins that the server remembers: random tokens, an end, a bounded number."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace

from server.core.clock import Clock
from server.security.throttle import SignInThrottle

SESSIONS_LIMIT = 2_000
SESSIONS_PER_USER = 200
UNENDING_DOOR = "cli"  # the command line's token lives as long as the server


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. Only its owner knows the token; the server keeps its digest."""

    token: str  # "" in what `find` returns
    session_id: str  # safe to show and log
    user: str
    role: str
    door: str
    address: str
    csrf: str  # second secret, sent back in a header by pages that sign in by cookie
    ends_in_s: float | None  # seconds from its start; None: with the server


@dataclass(slots=True)
class _Held:
    session: Session
    ends_at: float | None  # by the monotonic clock


class Sessions:
    """All sign-ins of the HTTP door, and who has to wait before the next attempt."""

    def __init__(self, clock: Clock, lifetime_s: float, login_attempts: int) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._held: OrderedDict[str, _Held] = OrderedDict()  # oldest first
        self.throttle = SignInThrottle(clock, login_attempts)

    def __len__(self) -> int:
        return len(self._held)

    def open(self, user: str, role: str, door: str, address: str) -> Session:
        """Remember a sign-in; beyond the limits the user's oldest, then anybody's oldest ends."""
        self._drop_ended()
        token = secrets.token_urlsafe(32)
        lifetime = None if door == UNENDING_DOOR else self._lifetime_s
        kept = Session(
            token="",
            session_id=secrets.token_hex(8),
            user=user,
            role=role,
            door=door,
            address=address,
            csrf=secrets.token_urlsafe(24),
            ends_in_s=lifetime,
        )
        ends_at = None if lifetime is None else self._clock.monotonic() + lifetime
        self._held[_digest(token)] = _Held(kept, ends_at)
        mine = [key for key, held in self._held.items() if held.session.user == user and held.ends_at is not None]
        everybody = [key for key, held in self._held.items() if held.ends_at is not None]
        for key in {
            *mine[: max(0, len(mine) - SESSIONS_PER_USER)],
            *everybody[: max(0, len(everybody) - SESSIONS_LIMIT)],
        }:
            del self._held[key]
        return replace(kept, token=token)

    def find(self, token: str) -> Session | None:
        """The sign-in with this token, None when there is none or it has ended."""
        key = _digest(token)
        held = self._held.get(key)
        if held is None:
            return None
        if held.ends_at is not None and self._clock.monotonic() >= held.ends_at:
            del self._held[key]
            return None
        return held.session

    def close(self, token: str) -> None:
        """End a sign-in; an unknown one is no error."""
        self._held.pop(_digest(token), None)

    def close_user(self, user: str) -> int:
        """End every sign-in of a user; returns how many."""
        mine = [key for key, held in self._held.items() if held.session.user == user]
        for key in mine:
            del self._held[key]
        return len(mine)

    def _drop_ended(self) -> None:
        now = self._clock.monotonic()
        ended = [key for key, held in self._held.items() if held.ends_at is not None and now >= held.ends_at]
        for key in ended:
            del self._held[key]


def _digest(token: str) -> str:
    # What is looked up is the digest: comparing it leaks nothing of the token, however long the text sent.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
