"""Runs METHODs: as pre and post actions of reads, writes and edits, and for the Actions that users start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from server.core import status
from server.core.clock import Clock
from server.core.errors import IntegrationError
from server.core.status import StatusCode
from server.core.texts import Texts
from server.core.values import Caller, DeviceId, Scalar
from server.fdi.access import LiveValues
from server.fdi.actions.communication import Access, Kept, MethodLine
from server.fdi.actions.data import MethodData
from server.fdi.actions.driver import Desk, MachineDriver, RunningMethod
from server.fdi.actions.machines import make_machine
from server.fdi.actions.pacing import Pacer
from server.fdi.actions.turns import DeviceTurns
from server.fdi.eddl.statements import Block
from server.fdi.logic.actions import ActionCall
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.type_logic import TypeLogic, ValueSource
from server.fdi.methods.host import ActionValue
from server.fdi.methods.limits import DEFAULT_METHOD_LIMITS, MethodLimits
from server.fdi.methods.outcome import Aborted, Failed, Finished
from server.fdi.methods.requests import Answer, Cancelled, Communication, Delay, Dialog, Inform, Ok, Request
from server.model.plant import Plant

log = structlog.get_logger("fieldloom.fdi")

MESSAGES = 100
"""Messages of one set of actions that are kept."""


class MachineMaker(Protocol):
    """Makes a machine ready to run.

    Raises MethodError when the text of the METHOD cannot run.
    """

    def __call__(
        self,
        logic: TypeLogic,
        what: str | Block,
        data: MethodData,
        arguments: Sequence[Scalar],
        limits: MethodLimits,
        this: ActionValue | None,
    ) -> RunningMethod: ...


@dataclass(frozen=True, slots=True)
class HookOutcome:
    """How pre or post actions ended: Good and the value as they leave it, or why the operation is refused."""

    status: StatusCode
    value: Scalar | None
    messages: tuple[Texts, ...] = ()


class ActionRunner:
    """One per server."""

    def __init__(
        self,
        plant: Plant,
        live: LiveValues,
        access: Access,
        clock: Clock,
        machines: MachineMaker = make_machine,
        *,
        kept: Kept | None = None,
        limits: MethodLimits = DEFAULT_METHOD_LIMITS,
        hook_s: float = 30.0,
        pacer: Pacer | None = None,
        turns: DeviceTurns | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`hook_s`: seconds that one pre or post action may take."""
        self._plant = plant
        self._live = live
        self._access = access
        self._clock = clock
        self._machines = machines
        self._kept = kept
        self._limits = limits
        self._hook_s = hook_s
        self._sleep = sleep
        self.pacer = pacer or Pacer()
        self._turns = turns or DeviceTurns()
        self._driver = MachineDriver(self.pacer, limits)

    # -- for Actions

    async def run(
        self,
        device_id: str,
        method: str,
        arguments: Sequence[Scalar],
        data: MethodData,
        line: MethodLine,
        desk: Desk,
    ) -> Finished | Aborted | Failed:
        """Run a METHOD alone on its device and settle what it assigned.

        Raises:
            BusyError: the device did not become free in time.
            IntegrationError: the METHOD's text cannot run (MethodError), or there is no such device.
        """
        async with self._turns.of(device_id):
            machine = self._machines(self._logic(device_id), method, data, arguments, self._limits, None)
            ended = await self._driver.drive(machine, desk)
            tell_log(data, device_id, method)
            if isinstance(ended, Finished):
                code = await line.commit(ended.commit)
                if not status.is_good(code):
                    return Failed(f"values were not taken: {status.name_of(code)}", None)
            return ended

    def data_of(
        self, device_id: str, *, offline: bool, base: ValueSource | None = None, languages: Sequence[str] = ()
    ) -> MethodData:
        """An empty data set over the device's values, or over those given."""
        under = base if base is not None else self._live.values(device_id)
        return MethodData(self._logic(device_id), under, self._clock, offline=offline, languages=languages)

    def line_of(self, device_id: str, data: MethodData, caller: Caller) -> MethodLine:
        """What carries out the communications of a METHOD with that data set."""
        return MethodLine(self._access, self._kept, self._logic(device_id), data, device_id, caller)

    def _logic(self, device_id: str) -> TypeLogic:
        logic: TypeLogic | None = self._plant.device(device_id).device_type.logic
        if logic is None:
            raise IntegrationError(f"{device_id} has no EDD", status_code=status.BAD_NOT_SUPPORTED)
        return logic

    # -- around reads, writes and edits

    async def run_hooks(
        self,
        device_id: str,
        parameter: str,
        kind: str,
        value: Scalar | None,
        values: ValueSource | None,
        caller: Caller,
        *,
        offline: bool = False,
        assign: Callable[[str, Scalar], None] | None = None,
    ) -> HookOutcome:
        """Run the actions of one kind; the first that aborts or fails ends it.

        Args:
            value: the value under processing (igetval … isetval).
            values: what the actions read; the device's values when None.
            assign: takes what the actions assigned to other parameters, once they all ended well. Without it the
                METHOD's own policy counts (discard_on_exit, save_on_exit, send_on_exit).
        """
        device = self._plant.devices.get(DeviceId(device_id))
        logic: TypeLogic | None = device.device_type.logic if device is not None else None
        if logic is None:
            return HookOutcome(status.GOOD, value)
        under = values if values is not None else self._live.values(device_id)
        try:
            calls = logic.actions(parameter, kind, under)
        except EvaluationError:
            # Whether something must be done cannot be told: doing nothing might be wrong.
            return HookOutcome(status.BAD_INVALID_STATE, value)
        if not calls:
            return HookOutcome(status.GOOD, value)
        return await self._run_calls(device_id, logic, calls, parameter, value, under, caller, offline, assign)

    async def _run_calls(
        self,
        device_id: str,
        logic: TypeLogic,
        calls: Sequence[ActionCall],
        parameter: str,
        value: Scalar | None,
        under: ValueSource,
        caller: Caller,
        offline: bool = False,
        assign: Callable[[str, Scalar], None] | None = None,
    ) -> HookOutcome:
        """Run actions one after the other; `parameter` is "" where none is under processing."""
        this = ActionValue(parameter, value) if parameter else None
        shown = {parameter: value} if value is not None else {}
        data = MethodData(logic, under, self._clock, offline=offline, shown=shown)
        line = self.line_of(device_id, data, caller)
        desk = _HookDesk(line, self._sleep)
        code = status.GOOD
        try:
            async with self._turns.of(device_id):
                for call in calls:
                    what = call.definition if call.definition is not None else call.method or ""
                    arguments = [logic.evaluate(argument, data) for argument in call.arguments]
                    machine = self._machines(logic, what, data, arguments, self._limits, this)
                    ended = await self._driver.drive(machine, desk, seconds=self._hook_s)
                    tell_log(data, device_id, call.method or "action")
                    if not isinstance(ended, Finished):
                        return HookOutcome(status.BAD_INVALID_STATE, value, tuple(desk.messages))
                    if this is not None:
                        _settle_this(this, data)
                    if assign is None:
                        code = await line.commit(ended.commit)
                        if not status.is_good(code):
                            break
        except EvaluationError:
            code = status.BAD_INVALID_STATE  # an argument of an action has no value
        except IntegrationError as error:
            code = error.status
        if assign is not None and status.is_good(code):
            for name, assigned in data.pending.items():
                assign(name, assigned)
        return HookOutcome(code, this.value if this is not None else None, tuple(desk.messages))

    async def before_write(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> tuple[StatusCode, Scalar]:
        """PRE_WRITE_ACTIONS; see `WriteHooks`."""
        outcome = await self.run_hooks(device_id, parameter, "PRE_WRITE_ACTIONS", value, None, caller)
        return outcome.status, value if outcome.value is None else outcome.value

    async def after_write(self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller) -> StatusCode:
        """POST_WRITE_ACTIONS, then what a REFRESH or UNIT relation makes stale is read anew; see `WriteHooks`."""
        outcome = await self.run_hooks(device_id, parameter, "POST_WRITE_ACTIONS", value, None, caller)
        device = self._plant.devices.get(device_id)
        logic: TypeLogic | None = device.device_type.logic if device is not None else None
        if logic is not None and logic.dependants(parameter):
            await self._access.refresh(device_id, caller)
        return status.GOOD if outcome.status == status.GOOD else status.GOOD_POST_ACTION_FAILED

    async def before_read(self, device_id: str, names: Iterable[str], caller: Caller) -> StatusCode:
        """PRE_READ_ACTIONS of all these parameters."""
        for name in names:
            outcome = await self.run_hooks(device_id, name, "PRE_READ_ACTIONS", None, None, caller)
            if not status.is_good(outcome.status):
                return outcome.status
        return status.GOOD

    async def after_command(self, device_id: str, methods: Sequence[str], caller: Caller) -> StatusCode:
        """POST_RQSTRECEIVE_ACTIONS of a TRANSACTION."""
        calls = [ActionCall(method) for method in methods]
        under = self._live.values(device_id)
        return (await self._run_calls(device_id, self._logic(device_id), calls, "", None, under, caller)).status

    async def around_transfer(self, device_id: str, kind: str, caller: Caller) -> StatusCode:
        """Run the actions of a transfer's MENU on the device's own values; Good, or why the transfer is off."""
        device = self._plant.devices.get(DeviceId(device_id))
        logic: TypeLogic | None = device.device_type.logic if device is not None else None
        if logic is None:
            return status.GOOD
        under = self._live.values(device_id)
        try:
            calls = logic.transfer_actions(kind, under)
        except EvaluationError:
            return status.BAD_INVALID_STATE
        return (
            (await self._run_calls(device_id, logic, calls, "", None, under, caller)).status if calls else status.GOOD
        )

    async def after_read(
        self, device_id: str, found: Mapping[str, tuple[Scalar | None, StatusCode]], caller: Caller
    ) -> dict[str, tuple[Scalar | None, StatusCode]]:
        """POST_READ_ACTIONS: they may change what was read, or refuse it."""
        result = dict(found)
        for name, (value, code) in found.items():
            if value is None or status.is_bad(code):
                continue
            outcome = await self.run_hooks(device_id, name, "POST_READ_ACTIONS", value, None, caller)
            good = status.is_good(outcome.status)
            result[name] = (outcome.value if good else value, code if good else outcome.status)
        return result


def _settle_this(this: ActionValue, data: MethodData) -> None:
    """What the next action finds as the value under processing; assigning by name is as good as isetval."""
    if this.name in data.pending:
        this.value = data.pending.pop(this.name)
    if this.value is not None:
        data.received[this.name] = this.value


def tell_log(data: MethodData, device_id: str, method: str) -> None:
    """Bring LOG_MESSAGE entries of a METHOD to the server's log."""
    for priority, text in data.log_entries:
        log.info("method_message", device=device_id, method=method, priority=priority, text=text)
    if data.log_left_out:
        log.info("method_messages_left_out", device=device_id, method=method, count=data.log_left_out)
    data.log_entries.clear()
    data.log_left_out = 0


class _HookDesk:
    """Nobody is there: messages are kept, anything that needs an answer aborts."""

    abort_wanted = False

    def __init__(self, line: MethodLine, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._line = line
        self._sleep = sleep
        self.messages: list[Texts] = []

    async def dialog(self, request: Dialog, refreshed: Callable[[], Request | None]) -> Answer:
        if not isinstance(request, Inform):
            return Cancelled()
        if len(self.messages) < MESSAGES:
            self.messages.append(request.prompt)
        return Ok()

    async def delay(self, request: Delay) -> Answer:
        await self._sleep(request.seconds)
        return Ok()

    async def communicate(self, request: Communication) -> Answer:
        return await self._line.carry_out(request)
