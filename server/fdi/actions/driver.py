"""Drives a METHOD machine on the event loop: slices in their turn, requests to a desk, an end to everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from server.fdi.actions.pacing import Pacer
from server.fdi.methods.limits import DEFAULT_METHOD_LIMITS, MethodLimits
from server.fdi.methods.outcome import Aborted, Failed, Finished, Outcome, Running, Waiting
from server.fdi.methods.requests import (
    Acknowledge,
    Answer,
    Cancelled,
    Communication,
    Delay,
    Dialog,
    Display,
    Inform,
    Ok,
    ReadValue,
    Request,
    SaveValues,
    SendAll,
    SendCommand,
    SendValue,
    Transfer,
)

SLICE_S = 0.002
"""A slice should take so long at most; slower machines get fewer steps."""
LEAST_STEPS = 32
OUT_OF_TIME = Failed("budget: time", None)

_COMMUNICATION = (SendCommand, ReadValue, SendValue, SendAll, SaveValues, Transfer)


class RunningMethod(Protocol):
    """A METHOD machine: `server.fdi.methods.machine.Machine`."""

    def run(self, max_steps: int) -> Outcome: ...

    def resume(self, answer: Answer) -> None: ...

    def user_abort(self) -> None: ...

    def refreshed(self) -> Request | None:
        """The request that waits, with the values of now in its prompt; None when none does."""


class Desk(Protocol):
    """Who answers a METHOD's requests."""

    @property
    def abort_wanted(self) -> bool:
        """Whether the METHOD is to end now; a dialog or wait is answered Cancelled then."""

    async def dialog(self, request: Dialog, refreshed: Callable[[], Request | None]) -> Answer: ...

    async def delay(self, request: Delay) -> Answer: ...

    async def communicate(self, request: Communication) -> Answer: ...


class MachineDriver:
    """Runs machines to their end; all share one pacer."""

    def __init__(self, pacer: Pacer, limits: MethodLimits = DEFAULT_METHOD_LIMITS, *, abort_s: float = 10.0) -> None:
        """`abort_s`: seconds that abort methods have once the time is up."""
        self._pacer = pacer
        self._limits = limits
        self._abort_s = abort_s

    async def drive(
        self, machine: RunningMethod, desk: Desk, *, seconds: float | None = None
    ) -> Finished | Aborted | Failed:
        """Run to the end, `seconds` at most (the limits' own without); after that abort methods run without a user."""
        try:
            async with asyncio.timeout(self._limits.seconds if seconds is None else seconds) as bound:
                return await self._run(machine, desk, aborting=False)
        except TimeoutError:
            if not bound.expired():
                raise
        machine.user_abort()
        try:
            async with asyncio.timeout(self._abort_s) as bound:
                await self._run(machine, _Deserted(desk), aborting=True)
        except TimeoutError:
            if not bound.expired():
                raise
        return OUT_OF_TIME

    async def _run(self, machine: RunningMethod, desk: Desk, *, aborting: bool) -> Finished | Aborted | Failed:
        steps = self._limits.slice_steps
        while True:
            if desk.abort_wanted and not aborting:
                aborting = True
                machine.user_abort()
            outcome, took = await self._pacer.turn(partial(machine.run, steps))
            if took > SLICE_S:
                steps = max(LEAST_STEPS, steps // 2)
            elif took < SLICE_S / 4:
                steps = min(self._limits.slice_steps, steps * 2)
            if isinstance(outcome, Running):
                continue
            if not isinstance(outcome, Waiting):
                return outcome
            answer = await self._answer(outcome.request, machine, desk)
            if isinstance(answer, Cancelled) and not isinstance(outcome.request, _COMMUNICATION):
                aborting = True  # the machine takes this answer as the user's abort
            machine.resume(answer)

    async def _answer(self, request: Request, machine: RunningMethod, desk: Desk) -> Answer:
        if isinstance(request, _COMMUNICATION):
            return await desk.communicate(request)
        if isinstance(request, Delay):
            return await desk.delay(request)
        return await desk.dialog(request, machine.refreshed)


class _Deserted:
    """A desk whose user has gone: abort methods still reach the device."""

    abort_wanted = True

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def dialog(self, request: Dialog, refreshed: Callable[[], Request | None]) -> Answer:
        return unread(request)

    async def delay(self, request: Delay) -> Answer:
        return Ok()

    async def communicate(self, request: Communication) -> Answer:
        return await self._desk.communicate(request)


def unread(request: Dialog) -> Answer:
    """The answer to a dialog of abort methods that nobody is there to give: a message counts as read."""
    return Ok() if isinstance(request, Acknowledge | Inform | Display) else Cancelled()
