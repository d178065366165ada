"""Runs a METHOD step by step: no I/O, no clock; what needs the outside becomes a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.core.values import Scalar
from server.fdi.eddl.nodes import Position
from server.fdi.logic.errors import EvaluationError
from server.fdi.methods.ctype import Raw, converter, text_bytes
from server.fdi.methods.errors import AbortError, BudgetError
from server.fdi.methods.host import ActionValue, Host
from server.fdi.methods.limits import DEFAULT_METHOD_LIMITS, MethodLimits
from server.fdi.methods.outcome import Aborted, Commit, Failed, Finished, Outcome, Running, Waiting
from server.fdi.methods.places import LocalPlace
from server.fdi.methods.program import SWITCH, Program
from server.fdi.methods.reactions import Reactions
from server.fdi.methods.requests import (
    Acknowledge,
    Answer,
    Cancelled,
    Choice,
    CommandDone,
    Delay,
    Display,
    Inform,
    InputLocal,
    InputParameter,
    Ok,
    Request,
    Select,
    ShowMenu,
    Transfer,
    Value,
)
from server.fdi.methods.workspace import Workspace

__all__ = ["Aborted", "Commit", "Failed", "Finished", "Machine", "Outcome", "Running", "Suspend", "Waiting"]

_ANSWERS: dict[type, type] = {
    Acknowledge: Ok,
    Inform: Ok,
    Display: Ok,
    Delay: Ok,
    InputParameter: Value,
    InputLocal: Value,
    Select: Choice,
    ShowMenu: Choice,
}
USER_ABORT = "aborted by the user"
INTERNAL = "internal fault"  # begins the reason of an end that no METHOD should be able to bring about
_OF_NUMBERS = (OverflowError, ValueError, MemoryError)
# A package must not get past its own run, even where an instruction has a fault: the run ends, the server goes on.
_FAULTS = (*_OF_NUMBERS, ArithmeticError, AttributeError, LookupError, TypeError)


@dataclass(slots=True)
class Suspend:
    """A builtin that waits: its request, what its answer leads to (a value, or the next Suspend), and how it is made
    again with present values.
    """

    request: Request
    then: Callable[[Machine, Any], Any]
    render: Callable[[], Request] | None = None


class Frame:
    """One active METHOD."""

    __slots__ = ("pc", "program", "slots", "stack")

    def __init__(self, program: Program, slots: list[Any]) -> None:
        self.program = program
        self.pc = 0
        self.stack: list[Any] = []
        self.slots = slots


class Machine(Workspace):
    """One run of a METHOD or action definition. `run` never raises, whatever the METHOD does."""

    def __init__(
        self,
        program: Program,
        host: Host,
        arguments: Sequence[Scalar] = (),
        *,
        limits: MethodLimits = DEFAULT_METHOD_LIMITS,
        languages: Sequence[str] = (),
        this: ActionValue | None = None,
    ) -> None:
        super().__init__(program.library, host, limits, languages)
        self.program = program
        self.this = this
        self.commit = Commit.DISCARD
        self.abort_methods: list[str] = []  # in the order they would run
        self.reactions = Reactions()
        self.transmitter = Reactions()  # of the XMTR_… builtins: additional status of a transmitter
        self.last = CommandDone()  # how the last communication went
        self.last_request: Request | None = None  # the last communication, whose response codes are asked for
        self.resolve_status = 0  # of the last resolve_… builtin
        self.steps = 0  # taken in all, without abort methods
        self._abort_steps = 0
        self._requests = 0
        self._abort_requests = 0
        self._delayed_s = 0.0
        self._frames: list[Frame] = []
        self._pending: Suspend | None = None
        self._answer: Answer | None = None
        self._ending: Aborted | Failed | None = None
        self._cleanup: list[str] = []
        self._outcome: Outcome | None = None
        self._results: list[tuple[str, list[Any]]] = []
        self._start(arguments)

    # ---- driving

    def run(self, max_steps: int) -> Outcome:
        """Go on for at most that many steps. After an end, the end again; while waiting, the request again."""
        if self._outcome is not None:
            return self._outcome
        if self._pending is not None and self._answer is None:
            return Waiting(self._pending.request)
        self._guarded(self._answered)
        left = max_steps
        while left > 0 and self._goes_on():
            allowed = min(left, self._steps_left())
            if allowed <= 0:
                self._spent("steps")
                continue
            was_aborting = self.aborting
            used = self._execute(allowed)
            left -= max(used, 1)
            if was_aborting:
                self._abort_steps += used
            else:
                self.steps += used
        return self._standing()

    def _goes_on(self) -> bool:
        return self._outcome is None and self._pending is None

    def _standing(self) -> Outcome:
        if self._outcome is not None:
            return self._outcome
        return Waiting(self._pending.request) if self._pending is not None else Running()

    def resume(self, answer: Answer) -> None:
        """Give the answer to the pending request. Raises ValueError for an answer of another sort, or none wanted."""
        if self._pending is None or self._answer is not None or self._outcome is not None:
            raise ValueError("no answer is awaited")
        wanted = _ANSWERS.get(type(self._pending.request), CommandDone)
        if not isinstance(answer, wanted | Cancelled):
            raise ValueError(f"{type(self._pending.request).__name__} is not answered by {type(answer).__name__}")
        self._answer = answer

    def user_abort(self) -> None:
        """The user ends the METHOD. During an abort method: that one ends and the next begins."""
        if self._outcome is None:
            self._pending = self._answer = None
            self._end(Aborted(USER_ABORT))

    def refreshed(self) -> Request | None:
        """The pending request with present values; None when none is pending."""
        pending = self._pending
        if pending is None or self._answer is not None:
            return None
        if pending.render is not None:
            pending.request = pending.render()
        return pending.request

    @property
    def aborting(self) -> bool:
        """Whether abort methods are running."""
        return self._ending is not None and self._outcome is None

    # ---- the loop

    def _execute(self, most: int) -> int:
        """Up to `most` instructions, or to the next wait or end; how many steps they took."""
        left = most
        frame = self._frames[-1]
        pc = frame.pc
        try:
            while left > 0:
                code, stack, slots, pc = frame.program.code, frame.stack, frame.slots, frame.pc
                while left > 0:
                    left -= 1
                    jump = code[pc](stack, slots, self)
                    if jump is None:
                        pc += 1
                    elif jump >= 0:
                        pc = jump
                    else:
                        pc += 1
                        left -= self.extra
                        self.extra = 0
                        if jump == SWITCH:
                            break
                frame.pc = pc
                if not self._frames or self._pending is not None or self._outcome is not None:
                    break
                frame = self._frames[-1]
        except (AbortError, BudgetError, EvaluationError) as error:
            frame.pc = pc
            self._caught(error)
        except _FAULTS as error:
            frame.pc = pc
            self._caught(_fault(error))
        left -= self.extra
        self.extra = 0
        return most - left

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (AbortError, BudgetError, EvaluationError) as error:
            self._caught(error)
        except _FAULTS as error:
            self._caught(_fault(error))

    def _caught(self, error: AbortError | BudgetError | EvaluationError) -> None:
        if isinstance(error, AbortError):
            self._end(Aborted(error.message))
        else:
            self._end(Failed(str(error), self._position()))

    def _position(self) -> Position | None:
        if not self._frames:
            return None
        frame = self._frames[-1]
        positions = frame.program.positions
        return positions[min(frame.pc, len(positions) - 1)] if positions else None

    def _steps_left(self) -> int:
        if self._ending is not None:
            return self.limits.abort_steps - self._abort_steps
        return self.limits.steps - self.steps

    def _spent(self, what: str) -> None:
        if self._ending is not None:
            self._cleanup.clear()
        self._end(Failed(f"budget: {what}", self._position()))

    # ---- waiting

    def suspend(self, wait: Suspend) -> None:
        """Wait for an answer. Raises BudgetError past the number of requests or the time of all waits."""
        if self._ending is not None:
            self._abort_requests += 1
            if self._abort_requests > self.limits.abort_requests:
                self._cleanup.clear()
                raise BudgetError("requests")
        else:
            self._requests += 1
            if self._requests > self.limits.requests:
                raise BudgetError("requests")
        if isinstance(wait.request, Delay):
            self._delayed_s += wait.request.seconds
            if self._delayed_s > self.limits.seconds:
                raise BudgetError("seconds")
        self._pending = wait

    def _answered(self) -> None:
        pending, answer = self._pending, self._answer
        if pending is None:
            return
        self._pending = self._answer = None
        if isinstance(answer, Cancelled) and not isinstance(pending.request, Transfer):
            raise AbortError(USER_ABORT)
        result = pending.then(self, answer)
        if isinstance(result, Suspend):
            self.suspend(result)
        else:
            self._frames[-1].stack.append(result)

    # ---- ends

    def _end(self, ending: Aborted | Failed) -> None:
        """End what runs; abort methods come next, after them the end that was first."""
        self._frames.clear()
        self.memory = 0
        self._pending = self._answer = None
        if self._ending is None:
            self._ending = ending
            self.commit = Commit.DISCARD
            self._cleanup, self.abort_methods = self.abort_methods, []
            self.reactions = Reactions()
        self._next_abort_method()

    def _next_abort_method(self) -> None:
        while self._cleanup:
            program = self.library.programs.get(self._cleanup.pop(0))
            if program is not None and not program.parameters:
                self._frames.append(Frame(program, [None] * program.slots))
                return
        self._outcome = self._ending

    def leave(self, value: Raw | None) -> None:
        """Return from the active METHOD."""
        frame = self._frames.pop()
        self._forget(frame)
        if self._frames:
            self._frames[-1].stack.append(value)
        elif self._ending is not None:
            self._next_abort_method()
        else:
            self._outcome = Finished(value, self.commit, {name: box[0] for name, box in self._results})

    # ---- calls

    def _start(self, arguments: Sequence[Scalar]) -> None:
        program = self.program
        slots: list[Any] = [None] * program.slots
        frame = Frame(program, slots)
        self._frames.append(frame)
        if len(arguments) != len(program.parameters):
            text = f"{program.name} takes {len(program.parameters)} arguments, not {len(arguments)}"
            self._end(Failed(text, None))
            return
        for local, given in zip(program.parameters, arguments, strict=True):
            if local.lengths is not None:
                self._end(Failed(f"{local.name} is an array, which only METHODs can pass", None))
                return
            raw: Raw = given.decode("latin-1") if isinstance(given, bytes) else given
            try:
                value = converter(local.ctype)(raw)
            except EvaluationError as error:
                self._end(Failed(f"{local.name}: {error}", None))
                return
            if local.by_reference:
                box: list[Any] = [value]
                self._results.append((local.name, box))
                slots[local.slot] = LocalPlace(box, 0, local.ctype, local.name)
            else:
                slots[local.slot] = value
            if isinstance(value, str):
                self._guarded(lambda text=value: self.hold_text("", text))  # type: ignore[misc]

    def enter(self, program: Program, arguments: list[Any]) -> None:
        """Call a METHOD. Raises BudgetError when too many are active."""
        if len(self._frames) >= self.limits.call_depth:
            raise BudgetError("call depth")
        slots: list[Any] = [None] * program.slots
        for local, given in zip(program.parameters, arguments, strict=True):
            slots[local.slot] = given
            if isinstance(given, str):
                self.hold_text("", given)
        self._frames.append(Frame(program, slots))

    def _forget(self, frame: Frame) -> None:
        for slot in frame.program.owned:
            held = frame.slots[slot]
            if isinstance(held, str):
                self.memory -= text_bytes(held)
            else:
                self.drop_array(held)

    @property
    def slots(self) -> list[Any]:
        """The locals of the active METHOD, for prompts that name them."""
        return self._frames[-1].slots


def _fault(error: Exception) -> EvaluationError:
    if isinstance(error, _OF_NUMBERS):
        return EvaluationError(str(error))
    return EvaluationError(f"{INTERNAL}: {type(error).__name__}: {error}")
