"""Failed sign-ins by user and by address: who has failed too often within a minute waits."""

from __future__ import annotations

from collections import OrderedDict, deque

from server.core.clock import Clock

WINDOW_S = 60.0
KEYS_LIMIT = 10_000  # names and addresses remembered; the one longest quiet is forgotten first


class SignInThrottle:
    """Counts attempts. One under way counts as failed until it succeeds, so that a burst gains nothing."""

    def __init__(self, clock: Clock, attempts: int) -> None:
        self._clock = clock
        self._attempts = attempts
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, user: str, address: str) -> float:
        """Seconds until the next attempt is taken; 0.0: now."""
        now = self._clock.monotonic()
        waits = [self._wait(key, now) for key in _keys(user, address)]
        return max(waits)

    def begin(self, user: str, address: str) -> None:
        """An attempt starts."""
        now = self._clock.monotonic()
        for key in _keys(user, address):
            times = self._failed.setdefault(key, deque(maxlen=self._attempts))
            times.append(now)
            self._failed.move_to_end(key)
        while len(self._failed) > KEYS_LIMIT:
            self._failed.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """The attempt was right: its user's failures are forgotten, the address loses only this attempt.

        Otherwise somebody with one account could try passwords of others without end.
        """
        by_user, by_address = _keys(user, address)
        self._failed.pop(by_user, None)
        times = self._failed.get(by_address)
        if times:
            times.pop()

    def _wait(self, key: str, now: float) -> float:
        times = self._failed.get(key)
        if times is None:
            return 0.0
        while times and now - times[0] >= WINDOW_S:
            times.popleft()
        if not times:
            del self._failed[key]
            return 0.0
        return times[0] + WINDOW_S - now if len(times) >= self._attempts else 0.0


def _keys(user: str, address: str) -> tuple[str, str]:
    return f"user {user[:128]}", f"address {address}"
