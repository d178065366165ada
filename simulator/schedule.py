"""When each device publishes: a group of one kind is spread evenly over its period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Staggered(Generic[T]):
    """`members` in turn, each once a period, neighbours period/len(members) apart.

    Slot n is due `n * period // len(members)` after the start, exactly: no drift, whatever the size of the steps.
    """

    def __init__(self, members: Sequence[T], *, start_us: int, period_us: int, phase_us: int = 0) -> None:
        if not members or period_us < 1:
            raise ValueError("a schedule takes at least one member and a period of at least 1 µs")
        self._members = members
        self._start_us = start_us + phase_us
        self._period_us = period_us
        self._slot = 0
        self.due_us = self._start_us  # when the next slot falls due

    def take(self) -> tuple[int, T]:
        """The next slot's moment and member; the slot counts as done."""
        due_us = self.due_us
        member = self._members[self._slot % len(self._members)]
        self._slot += 1
        self.due_us = self._start_us + self._slot * self._period_us // len(self._members)
        return due_us, member

    def skip_to(self, now_us: int) -> int:
        """Leaves out every slot before `now_us` and returns how many there were."""
        if self.due_us >= now_us:
            return 0
        before = self._slot
        behind_us = now_us - self._start_us
        self._slot = -(-behind_us * len(self._members) // self._period_us)  # rounded up
        self.due_us = self._start_us + self._slot * self._period_us // len(self._members)
        if self.due_us < now_us:
            self._slot += 1
            self.due_us = self._start_us + self._slot * self._period_us // len(self._members)
        return self._slot - before
