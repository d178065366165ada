"""Results of one transfer, fetched in portions that the client acknowledges (OPC 10000-100, transfer services)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from server.core import status
from server.core.status import StatusCode
from server.fdi.transfer_states import Event, State, follow

PORTION_LIMIT = 1_000
"""Results of one portion when the client names no number, or a larger one."""


@dataclass(frozen=True, slots=True)
class ParameterResult:
    """How one parameter fared."""

    name: str
    status: StatusCode
    text: str = ""


@dataclass(frozen=True, slots=True)
class FetchOutcome:
    """One answer of FetchTransferResultData.

    `code` is the Method's own StatusCode; when it is Good, `error` makes it a TransferResultError, else it is a
    TransferResultData.
    """

    code: StatusCode
    sequence: int = 0
    end: bool = False
    results: tuple[ParameterResult, ...] = ()
    error: int | None = None


class TransferResults:
    """What one transfer has brought so far, and how far its client has read."""

    def __init__(self) -> None:
        self.state = State.RUNNING
        self.error = 0
        self.last = ""  # the parameter whose result came last
        self._left: deque[ParameterResult] = deque()  # not handed out yet
        self._portion: FetchOutcome | None = None  # handed out, not acknowledged
        self._sequence = 0  # of the last portion handed out

    def add(self, result: ParameterResult) -> None:
        """A parameter's result."""
        self.state = follow(self.state, Event.RESULT)
        self._left.append(result)
        self.last = result.name

    def finish(self) -> None:
        """The work is done."""
        self.state = follow(self.state, Event.FINISH)

    def fail(self, error: int) -> None:
        """The transfer failed as a whole; results of parameters are dropped."""
        self.state = follow(self.state, Event.FAIL)
        self.error = error
        self._left.clear()

    def close(self, event: Event) -> None:
        """The results are no longer to be had (`EXPIRE` or `REPLACE`)."""
        self.state = follow(self.state, event)
        self._left.clear()
        self._portion = None

    def fetch(self, sequence: int, most: int, *, omit_good: bool) -> FetchOutcome:
        """The next portion, or the last one again.

        Args:
            sequence: number of the portion that the client has got and hereby acknowledges; 0 acknowledges nothing
                and asks for the last portion again. The number before it, from a client that lost an answer, does too.
            most: results at most; 0 leaves it to the server.
        """
        if most < 0 or sequence not in (0, self._sequence, max(self._sequence - 1, 0)):
            return FetchOutcome(status.BAD_INVALID_ARGUMENT)
        last = self._portion
        if last is not None and sequence == self._sequence:
            self._portion = None
            if last.end:
                self.state = follow(self.state, Event.DRAINED)
        elif last is not None and (last.results or last.end):
            return last  # one that was empty is not worth repeating: by now there may be more
        if self.state in (State.EMPTY, State.GONE):
            return FetchOutcome(status.BAD_NOTHING_TO_DO)
        return self._next(min(most or PORTION_LIMIT, PORTION_LIMIT), omit_good)

    def _next(self, most: int, omit_good: bool) -> FetchOutcome:
        taken: list[ParameterResult] = []
        while self._left and len(taken) < most:
            result = self._left.popleft()
            if not (omit_good and status.is_good(result.status)):
                taken.append(result)
        while omit_good and self._left and status.is_good(self._left[0].status):
            self._left.popleft()
        end = self.state is not State.RUNNING and not self._left
        self._sequence += 1
        error = self.error if self.state is State.FAILED else None
        self._portion = FetchOutcome(status.GOOD, self._sequence, end, tuple(taken), error)
        return self._portion
