"""One running Action: its state, what it asks, and the desk where its user answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from server.core.texts import Texts
from server.core.values import Caller, Scalar
from server.fdi.actions.communication import MethodLine
from server.fdi.actions.data import MethodData
from server.fdi.actions.dialogs import Shown
from server.fdi.actions.driver import unread
from server.fdi.actions.states import ActionEvent, ActionLife, ActionState
from server.fdi.actions.waiting import pause
from server.fdi.methods.outcome import Aborted, Failed, Finished
from server.fdi.methods.requests import Answer, Cancelled, Communication, Delay, Dialog, Display, Inform, Ok, Request

DELAY_STEP_S = 1.0
"""How often the remaining time of a wait, and the values of a live display, are told anew."""
TEXT_LIMIT = 1_000
"""Characters of an error text that clients get."""


class Action:
    """A `Desk` for its METHOD; `changed` is called after every change of what is shown."""

    def __init__(
        self,
        action_id: str,
        device_id: str,
        name: str,
        label: Texts,
        caller: Caller,
        data: MethodData,
        line: MethodLine,
        changed: Callable[[Action], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.action_id = action_id
        self.device_id = device_id
        self.name = name
        self.label = label
        self.caller = caller
        self.data = data
        self.line = line
        self._changed = changed
        self._sleep = sleep
        self._life = ActionLife()
        self._request: Dialog | Delay | None = None
        self._request_id = 0
        self._asked = 0
        self._remaining_s = 0.0
        self._answer: asyncio.Future[Answer] | None = None
        self._abort = asyncio.Event()
        self._deserted = False
        self._abort_reason = ""
        self.result: Scalar | None = None
        self.error = ""

    # -- what others see

    @property
    def state(self) -> ActionState:
        return self._life.state

    @property
    def shown(self) -> Shown:
        """What the Action's value tells now."""
        return Shown(
            name=self.name,
            label=self.label,
            state=self.state,
            request=self._request,
            request_id=self._request_id,
            remaining_s=self._remaining_s,
            result=self.result,
            error=self.error,
        )

    @property
    def waiting_for(self) -> tuple[Dialog, int] | None:
        """The request that waits for an answer, and its number; None when none does."""
        if self.state is not ActionState.WAITING or self._request is None or isinstance(self._request, Delay):
            return None
        return self._request, self._request_id

    # -- what users do

    def answer(self, answer: Answer) -> bool:
        """Give the answer that fits what is asked; False when nothing waits for one."""
        if isinstance(answer, Cancelled):
            return self.abort()
        if self._answer is None or self._answer.done() or not self._life.allows(ActionEvent.ANSWERED):
            return False
        self._life.happen(ActionEvent.ANSWERED)
        self._request, self._request_id = None, 0
        self._answer.set_result(answer)
        self._changed(self)
        return True

    def abort(self, reason: str = "", *, deserted: bool = False) -> bool:
        """End it; abort methods run. False when it has ended or is ending already.

        Args:
            reason: what ended it when it was not its user.
            deserted: nobody is there any more to read messages of the abort methods.
        """
        self._deserted = self._deserted or deserted
        if not self._life.allows(ActionEvent.ABORT):
            return False
        self._life.happen(ActionEvent.ABORT)
        self._abort_reason = reason
        self._request, self._request_id = None, 0
        self._abort.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Cancelled())
        self._changed(self)
        return True

    # -- its end

    def ended(self, outcome: Finished | Aborted | Failed) -> None:
        """Take the METHOD's end."""
        self._request, self._request_id = None, 0
        if isinstance(outcome, Finished) and self._life.allows(ActionEvent.COMPLETED):
            self._life.happen(ActionEvent.COMPLETED)
            self.result = outcome.value
        elif isinstance(outcome, Failed):
            self._life.happen(ActionEvent.FAILED)
            where = outcome.position
            place = f" ({where.file}:{where.line}:{where.column})" if where is not None else ""
            self.error = f"{outcome.reason}{place}"[:TEXT_LIMIT]
        else:
            # A METHOD that was told to abort at its last step has ended all the same.
            self._life.happen(ActionEvent.ABORTED)
            told = outcome.message if isinstance(outcome, Aborted) else ""
            self.error = (self._abort_reason or told)[:TEXT_LIMIT]
        self._changed(self)

    # -- the desk

    @property
    def abort_wanted(self) -> bool:
        return self._abort.is_set()

    async def dialog(self, request: Dialog, refreshed: Callable[[], Request | None]) -> Answer:
        if isinstance(request, Inform):
            if not self._deserted:
                self._show(request)
            return Ok()
        if self.state is ActionState.ABORTING:
            # The user has given up: messages of the abort methods are shown to him, but not waited for.
            if not self._deserted:
                self._show(request)
            return unread(request)
        self._asked += 1
        self._request, self._request_id = request, self._asked
        self._life.happen(ActionEvent.ASKED)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._changed(self)
        try:
            if isinstance(request, Display):
                await self._live(answer, refreshed)
            return await answer
        finally:
            self._answer = None

    async def _live(self, answer: asyncio.Future[Answer], refreshed: Callable[[], Request | None]) -> None:
        """Show a display's values of now again and again until it is answered."""
        while not answer.done():
            await asyncio.wait([answer], timeout=DELAY_STEP_S)
            fresh = refreshed()
            if not answer.done() and isinstance(fresh, Display) and self._request is not None:
                self._request = fresh
                self._changed(self)

    def _show(self, request: Dialog | Delay) -> None:
        self._request, self._request_id = request, 0
        self._changed(self)

    async def delay(self, request: Delay) -> Answer:
        if self._deserted:
            return Ok()
        left = request.seconds
        aborting = self.state is ActionState.ABORTING
        while left > 0 and (aborting or not self.abort_wanted):
            self._remaining_s = left
            self._show(request)
            step = min(left, DELAY_STEP_S)
            await (self._sleep(step) if aborting else pause(step, self._abort, self._sleep))
            left -= step
        self._remaining_s = 0.0
        if not aborting and self.abort_wanted:
            return Cancelled()
        if self._request is request:
            self._request = None
        return Ok()

    async def communicate(self, request: Communication) -> Answer:
        return await self.line.carry_out(request)
