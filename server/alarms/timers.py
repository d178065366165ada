"""What falls due and when: a heap; each owner has one timer of a kind, what was moved is dropped late or in bulk."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from server.core.clock import TimeUs

SPARE = 1_024
"""Moved or cancelled timers that may always stay in the heap."""


class Timed(Protocol):
    """Who has timers: `due` is the truth, the heap only finds the next one."""

    condition_id: str
    due: dict[str, TimeUs]


Owner = TypeVar("Owner", bound=Timed)


class Timers(Generic[Owner]):
    """Timers by kind and owner, in order of time, then of the owner's id, then of the kind."""

    def __init__(self) -> None:
        self._heap: list[tuple[TimeUs, str, str, int, Owner]] = []
        self._count = 0
        self._tidy_at = 2 * SPARE

    def __len__(self) -> int:
        """Entries of the heap, those that were moved or cancelled among them."""
        return len(self._heap)

    def set(self, owner: Owner, kind: str, due: TimeUs) -> None:
        """Let it fall due then, and not when it was to before."""
        if owner.due.get(kind) == due:
            return
        owner.due[kind] = due
        self._count += 1
        heapq.heappush(self._heap, (due, owner.condition_id, kind, self._count, owner))
        if len(self._heap) >= self._tidy_at:
            self._tidy()

    def _tidy(self) -> None:
        """Drop what no longer counts: a chattering alarm moves its timers far more often than they fall due."""
        self._heap = [entry for entry in self._heap if entry[4].due.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)
        self._tidy_at = 2 * (len(self._heap) + SPARE)

    @staticmethod
    def cancel(owner: Timed, kind: str) -> None:
        """Let it not fall due; one that is not set is no error."""
        owner.due.pop(kind, None)

    @staticmethod
    def stop(owner: Timed) -> None:
        """Cancel all of an owner."""
        owner.due.clear()

    def take(self, now: TimeUs) -> Iterator[tuple[Owner, str, TimeUs]]:
        """(owner, kind, due) of everything due by now; each is gone when it is handed out."""
        while self._heap and self._heap[0][0] <= now:
            due, _, kind, _, owner = heapq.heappop(self._heap)
            if owner.due.get(kind) == due:
                del owner.due[kind]
                yield owner, kind, due

    @staticmethod
    def take_of(owner: Timed, now: TimeUs) -> Iterator[tuple[str, TimeUs]]:
        """(kind, due) of one owner's timers due by now, in order."""
        while owner.due:
            kind, due = min(owner.due.items(), key=lambda entry: (entry[1], entry[0]))
            if due > now:
                return
            del owner.due[kind]
            yield kind, due
