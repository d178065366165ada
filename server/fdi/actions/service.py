"""Actions over any door: invoke, respond, abort, and the value that tells how each stands (IEC 62769-5, Actions).

The numbers answered are negative like every status of DI; the standard's own are not known.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import structlog

from server.core import status
from server.core.errors import IntegrationError
from server.core.status import StatusCode, name_of
from server.core.texts import Texts
from server.core.values import Caller, DeviceId, Scalar
from server.fdi.actions.action import Action
from server.fdi.actions.arguments import WrongArgumentsError, read_arguments
from server.fdi.actions.communication import MethodLine
from server.fdi.actions.data import MethodData
from server.fdi.actions.dialogs import WrongResponseError, action_document, read_response
from server.fdi.actions.driver import Desk
from server.fdi.actions.options import Options, options_of, still_taken
from server.fdi.actions.pacing import Pacer
from server.fdi.actions.waiting import pause
from server.fdi.client_xml import Element
from server.fdi.eddl.model import EddMethod
from server.fdi.logic.type_logic import TypeLogic, ValueSource
from server.fdi.methods.outcome import Aborted, Failed, Finished
from server.fdi.uid import ui_element
from server.fdi.uid_scope import Target, relative_path
from server.model.device import Device
from server.model.lock import LockOwner, owner_of
from server.model.plant import Plant
from server.security.access import require_role
from server.security.audit import AuditTrail

log = structlog.get_logger("fieldloom.fdi")

OK = 0
E_NOT_LOCKED = -1
E_UNKNOWN_ACTION = -2
E_INVALID_ARGUMENTS = -3
E_NOT_ONLINE = -4
E_INVALID_STATE = -5

LOCK_KEPT_S = 10.0
"""Seconds for which nobody gets the lock that an Action has lost while its abort methods bring the device back."""
LOCK_ENDED = {
    "session closed": "the session ended",
    "time-out": "the lock ran out",
    "removed": "the device was removed",
}
"""What users read of why a lock ended; every other reason is "the lock ended"."""
OPERATOR_CLASS = "OPERATE"
"""METHODs of this CLASS are for operators; all others need an engineer."""


class LockBook(Protocol):
    """Who holds which lock."""

    on_released: list[Callable[[str, LockOwner, str], None]]

    def owns(self, scope: str, owner: LockOwner) -> bool: ...

    def touch(self, scope: str, owner: LockOwner) -> None: ...

    def busy(self, scope: str) -> AbstractContextManager[None]: ...


class Runner(Protocol):
    """What runs METHODs: `ActionRunner`."""

    pacer: Pacer

    async def run(
        self, device_id: str, method: str, arguments: Sequence[Scalar], data: MethodData, line: MethodLine, desk: Desk
    ) -> Finished | Aborted | Failed: ...

    def data_of(
        self, device_id: str, *, offline: bool, base: ValueSource | None = None, languages: Sequence[str] = ()
    ) -> MethodData: ...

    def line_of(self, device_id: str, data: MethodData, caller: Caller) -> MethodLine: ...


class OfflineSets(Protocol):
    """The offline data sets."""

    def values(self, device_id: str) -> ValueSource: ...


@dataclass(frozen=True, slots=True)
class ActionLimits:
    """Bounds of the service; each is a setting."""

    per_device: int = 4  # running on one device, those that wait for their turn included
    at_once: int = 64  # running on the server
    kept: int = 1_000  # running and ended ones whose value is still there
    result_s: float = 30.0  # an ended Action's value is kept so long


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a running Action."""

    device_id: str
    name: str  # of the METHOD
    label: Texts
    request_id: int
    options: Options


class ActionService:
    """All Actions of the server. `run` must be running for `invoke` to start one."""

    def __init__(
        self,
        plant: Plant,
        locks: LockBook,
        runner: Runner,
        *,
        offline: OfflineSets | None = None,
        trail: AuditTrail | None = None,
        limits: ActionLimits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._plant = plant
        self._locks = locks
        self._runner = runner
        self._offline = offline
        self._trail = trail
        self._limits = limits or ActionLimits()
        self._sleep = sleep
        self._actions: dict[str, Action] = {}
        self._kept: dict[str, tuple[ExitStack, asyncio.TimerHandle]] = {}  # Actions that lost their lock
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()
        self.targets: Callable[[str], Target] = lambda _device_id: relative_path
        """Where clients find what a menu of a device shows; a door puts its own addresses here."""
        self.on_changed: list[Callable[[str], None]] = []
        """The value of the Action of this id is another one."""
        self.on_gone: list[Callable[[str], None]] = []
        """The Action of this id and its value are no longer there."""
        locks.on_released.append(self._released)

    # -- life

    async def run(self) -> None:
        """Own the running Actions until `stop`; they are aborted then, abort methods included."""
        self._stop.clear()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await self._stop.wait()
                for action in self._running():
                    action.abort("the server stops", deserted=True)
        finally:
            self._group = None

    async def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    # -- the three Methods

    def invoke(
        self,
        device_id: str,
        name: str,
        arguments_xml: str,
        caller: Caller,
        *,
        online: bool,
        locales: Sequence[str] = (),
    ) -> tuple[str, int]:
        """InvokeAction: (id of the Action, 0), or ("", an error number). It runs when this returns.

        Args:
            online: the ActionSet of a device that is connected, not of the offline data set.
            locales: the caller's, best first, for texts that the METHOD itself puts together.

        Raises:
            DeniedError: the caller's role may not run this METHOD.
        """
        device = self._plant.devices.get(DeviceId(device_id))
        method = _offered(device, name, online=online)
        if device is None or method is None:
            return "", E_UNKNOWN_ACTION
        role = "operator" if OPERATOR_CLASS in method.classes else "engineer"
        require_role(caller, role, f"run {name} of {device_id}")
        action_id, error = self._start(device, method, arguments_xml, caller, online, locales)
        if error == OK:
            self._locks.touch(device_id, owner_of(caller))
        return action_id, error

    def _start(
        self,
        device: Device,
        method: EddMethod,
        arguments_xml: str,
        caller: Caller,
        online: bool,
        locales: Sequence[str],
    ) -> tuple[str, int]:
        if not self._locks.owns(device.device_id, owner_of(caller)):
            return "", E_NOT_LOCKED
        try:
            arguments = read_arguments(arguments_xml, method.parameters)
        except WrongArgumentsError:
            return "", E_INVALID_ARGUMENTS
        if method.access == "ONLINE" and device.silent:
            return "", E_NOT_ONLINE
        base = self._offline.values(device.device_id) if not online and self._offline is not None else None
        data = self._runner.data_of(device.device_id, offline=not online, base=base, languages=locales)
        logic: TypeLogic = device.device_type.logic
        busy = sum(1 for action in self._running() if action.device_id == device.device_id)
        if (
            not logic.method_valid(method.name, data)
            or self._group is None
            or self._stop.is_set()
            or busy >= self._limits.per_device
            or sum(1 for _ in self._running()) >= self._limits.at_once
            or len(self._actions) >= self._limits.kept
        ):
            return "", E_INVALID_STATE
        line = self._runner.line_of(device.device_id, data, caller)
        label = next(
            (spec.label for spec in device.device_type.actions if spec.name == method.name), Texts(dict(method.label))
        )
        action = Action(
            secrets.token_hex(16), device.device_id, method.name, label, caller, data, line, self._changed, self._sleep
        )
        self._actions[action.action_id] = action
        self._group.create_task(self._carry_out(action, arguments), name=f"action {method.name}")
        return action.action_id, OK

    def respond(self, action_id: str, xml: str, caller: Caller) -> int:
        """RespondAction: 0, or why the answer does not count; a wrong one changes nothing."""
        refused = self.may_answer(action_id, caller)
        if refused != OK:
            return refused
        action = self._actions[action_id]
        waiting = action.waiting_for
        if waiting is None:
            return E_INVALID_STATE
        self._locks.touch(action.device_id, owner_of(caller))
        try:
            answer = read_response(xml, *waiting, action.data)
        except WrongResponseError:
            return E_INVALID_ARGUMENTS
        return OK if action.answer(answer) else E_INVALID_STATE

    def may_answer(self, action_id: str, caller: Caller) -> int:
        """0 when the caller may answer what the Action asks, else -2 (not his) or -1 (without the lock)."""
        action = self._mine(action_id, caller)
        if action is None:
            return E_UNKNOWN_ACTION
        return OK if self._locks.owns(action.device_id, owner_of(caller)) else E_NOT_LOCKED

    def asked(self, action_id: str) -> Asked | None:
        """What an Action waits for, as a choice among options; None when it waits for nothing."""
        action = self._actions.get(action_id)
        waiting = action.waiting_for if action is not None else None
        if action is None or waiting is None:
            return None
        return Asked(action.device_id, action.name, action.label, waiting[1], options_of(waiting[0], action.data))

    def choose(self, action_id: str, asked: Asked, option: int, caller: Caller) -> int:
        """Answer by an option of a question as it was shown: 0, or why that does not count; see `respond`.

        The option means what it meant then: what the device reports meanwhile makes no OK of a Cancel.
        """
        refused = self.may_answer(action_id, caller)
        if refused != OK:
            return refused
        action = self._actions[action_id]
        waiting = action.waiting_for
        if waiting is None or waiting[1] != asked.request_id:
            return E_INVALID_STATE
        self._locks.touch(action.device_id, owner_of(caller))
        answers = asked.options.answers
        if not 0 <= option < len(answers) or not still_taken(waiting[0], answers[option], action.data):
            return E_INVALID_ARGUMENTS
        return OK if action.answer(answers[option]) else E_INVALID_STATE

    def abort(self, action_id: str, caller: Caller) -> int:
        """AbortAction: 0, or -2 (not his), -5 (it has ended or is ending)."""
        action = self._mine(action_id, caller)
        if action is None:
            return E_UNKNOWN_ACTION
        self._locks.touch(action.device_id, owner_of(caller))
        return OK if action.abort() else E_INVALID_STATE

    # -- questions

    def value(self, action_id: str, locales: Sequence[str] = ()) -> str:
        """The Action's value, an XML document in the reader's languages; "" when it is not there."""
        action = self._actions.get(action_id)
        if action is None:
            return ""

        def menu(name: str, wanted: Sequence[str]) -> Element | None:
            device = self._plant.devices.get(DeviceId(action.device_id))
            logic: TypeLogic | None = device.device_type.logic if device is not None else None
            if logic is None or name not in logic.model.menus:
                return None  # another version of the type has taken over, one without that MENU
            return ui_element(logic, name, action.data, wanted, self.targets(action.device_id))

        return action_document(action.shown, locales, action.data, menu)

    def owner(self, action_id: str) -> LockOwner | None:
        """Who invoked it: only he may see, answer and abort it. None when it is not there."""
        action = self._actions.get(action_id)
        return owner_of(action.caller) if action is not None else None

    def device_of(self, action_id: str) -> str | None:
        """The device it runs on; None when it is not there."""
        action = self._actions.get(action_id)
        return action.device_id if action is not None else None

    def _mine(self, action_id: str, caller: Caller) -> Action | None:
        action = self._actions.get(action_id)
        return action if action is not None and owner_of(action.caller) == owner_of(caller) else None

    def _running(self) -> list[Action]:
        return [action for action in self._actions.values() if not action.state.ended]

    # -- what ends Actions from outside

    def session_closed(self, session: str) -> None:
        """Its Session has ended: nobody can answer any more."""
        for action in self._running():
            if action.caller.session == session:
                self._keep_lock(action)
                action.abort("the session ended", deserted=True)

    def _released(self, _scope: str, owner: LockOwner, reason: str) -> None:
        """A lock is lost. A network's lock counts for every device, so each of the owner's Actions is looked at."""
        for action in self._running():
            if owner_of(action.caller) == owner and not self._locks.owns(action.device_id, owner):
                self._keep_lock(action)
                action.abort(LOCK_ENDED.get(reason, "the lock ended"))

    def _keep_lock(self, action: Action) -> None:
        """Somebody else's lock would forbid what the abort methods write."""
        if action.action_id not in self._kept:
            held = ExitStack()
            held.enter_context(self._locks.busy(action.device_id))
            timer = asyncio.get_running_loop().call_later(LOCK_KEPT_S, self._let_go, action.action_id)
            self._kept[action.action_id] = (held, timer)

    def _let_go(self, action_id: str) -> None:
        held, timer = self._kept.pop(action_id, (None, None))
        if held is not None and timer is not None:
            timer.cancel()
            held.close()

    # -- one Action

    def _changed(self, action: Action) -> None:
        begin = perf_counter()
        for told in self.on_changed:
            told(action.action_id)
        self._runner.pacer.charge(perf_counter() - begin)

    async def _carry_out(self, action: Action, arguments: Sequence[Scalar]) -> None:
        try:
            outcome = await self._outcome(action, arguments)
            action.ended(outcome)
            self._let_go(action.action_id)
            good = isinstance(outcome, Finished)
            try:
                await self._audit(action, "action ended", status.GOOD if good else status.BAD_INVALID_STATE)
            except IntegrationError as error:
                log.error("action_end_not_recorded", action=action.name, device=action.device_id, reason=error.text)
            await pause(self._limits.result_s, self._stop, self._sleep)
        finally:
            del self._actions[action.action_id]
            self._let_go(action.action_id)
            for told in self.on_gone:
                told(action.action_id)

    async def _outcome(self, action: Action, arguments: Sequence[Scalar]) -> Finished | Aborted | Failed:
        """The end of the METHOD. A fault that nobody foresaw, also in showing what it asks, ends this Action only."""
        work = asyncio.create_task(self._run(action, arguments), name=f"METHOD {action.name}")
        try:
            await asyncio.wait([work])
        finally:
            if work.cancel():
                await asyncio.gather(work, return_exceptions=True)
        error = work.exception()
        if error is None:
            return work.result()
        context = {"message": f"Action {action.name} of {action.device_id} broke", "exception": error, "task": work}
        work.get_loop().call_exception_handler(context)
        return Failed("internal fault", None)

    async def _run(self, action: Action, arguments: Sequence[Scalar]) -> Finished | Aborted | Failed:
        try:
            await self._audit(action, "invoke", status.GOOD)  # what cannot be recorded is not begun
            return await self._runner.run(action.device_id, action.name, arguments, action.data, action.line, action)
        except IntegrationError as error:
            return Failed(error.text, None)

    async def _audit(self, action: Action, what: str, code: StatusCode) -> None:
        if self._trail is not None:
            state, error = action.state.value, action.error
            # "Aborted by the user" rather than "Aborted: aborted by the user".
            own = f"{state} ".lower()
            detail = state + error[len(own) - 1 :] if error.startswith(own) else f"{state}: {error}" if error else state
            target = f"{action.device_id}/ActionSet/{action.name}"
            await self._trail.write(action.caller, what, target, name_of(code), detail)


def _offered(device: Device | None, name: str, *, online: bool) -> EddMethod | None:
    """The METHOD of an Action that this data set offers; None when there is none of that name."""
    if device is None or device.device_type.logic is None:
        return None
    logic: TypeLogic = device.device_type.logic
    if not any(spec.name == name for spec in device.device_type.actions):
        return None
    method = logic.model.methods.get(name)
    if method is None or method.access == ("OFFLINE" if online else "ONLINE"):
        return None
    return method
