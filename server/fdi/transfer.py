"""Transfers between a device and its offline data set (OPC 10000-100): started by a call, carried out beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from server.core import status
from server.core.clock import Clock
from server.core.errors import IntegrationError
from server.core.status import StatusCode, name_of
from server.core.values import Caller, ChangeKind, DeviceId, ModelChange, Scalar
from server.fdi.configuration import Configuration
from server.fdi.edit_apply import Access, in_order
from server.fdi.rules import rules_of
from server.fdi.transfer_results import FetchOutcome, ParameterResult, TransferResults
from server.fdi.transfer_states import Event, State
from server.model.device import Device
from server.model.lock import Locks, owner_of
from server.model.plant import Plant
from server.security.access import Right, require

OK = 0
E_NOT_LOCKED = -1
E_NOT_ONLINE = -2
E_RUNNING = -3  # InitTransferStatus: another transfer of the device runs
E_NO_COMMUNICATION = -2  # TransferResultError: the device did not answer at all
E_INTERNAL = -4  # TransferResultError: the server could not go on
E_ACTION = -5  # TransferResultError: an action of the EDD before the transfer gave up
TICK_S = 1.0

_AWAY = frozenset({status.BAD_NOT_CONNECTED, status.BAD_NO_COMMUNICATION, status.BAD_TIMEOUT})


class MenuActions(Protocol):
    """What an EDD does around a transfer as a whole: the actions of its transfer MENU."""

    async def around_transfer(self, device_id: str, kind: str, caller: Caller) -> StatusCode:
        """Run the actions of one kind; Good, or why they gave up."""


@dataclass(slots=True)
class _Transfer:
    transfer_id: int
    owner: tuple[str, str]  # (ApplicationUri, user): results outlive the Session
    results: TransferResults
    ended_at: float | None = None  # monotonic seconds


class TransferService:
    """One transfer a device at a time; its results are kept until the next one, or for some minutes."""

    def __init__(
        self,
        plant: Plant,
        locks: Locks,
        configuration: Configuration,
        access: Access,
        clock: Clock,
        *,
        actions: MenuActions | None = None,
        result_s: float = 300.0,
    ) -> None:
        """`result_s`: seconds for which results can be fetched after the end."""
        self._plant = plant
        self._locks = locks
        self._configuration = configuration
        self._access = access
        self._clock = clock
        self._actions = actions
        self._result_s = result_s
        self._last_id = 0
        self._transfers: dict[str, _Transfer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_progress: list[Callable[[str, int, int], None]] = []
        """Called with device, TransferID and how far a transfer to the device has come, in percent."""

    # -- the Methods

    def to_device(self, device_id: str, caller: Caller) -> tuple[int, int]:
        """TransferToDevice: (TransferID, 0); (0, -1) without the lock, (0, -2) when the device is away, (0, -3) while
        another transfer of it runs. What was set offline goes to the device in the EDD's order.

        Raises:
            NotFoundError: no such device.
            DeniedError: the caller may not write parameters.
        """
        return self._begin(device_id, caller, upload=False)

    def from_device(self, device_id: str, caller: Caller) -> tuple[int, int]:
        """TransferFromDevice: the offline data set becomes what the device has; answers as `to_device`."""
        return self._begin(device_id, caller, upload=True)

    def fetch(
        self, device_id: str, transfer_id: int, sequence: int, most: int, omit_good: bool, caller: Caller
    ) -> FetchOutcome:
        """FetchTransferResultData: see `TransferResults.fetch`; an unknown TransferID gives BadInvalidArgument."""
        self.tick()
        transfer = self._transfers.get(device_id)
        if transfer is None or transfer.transfer_id != transfer_id:
            return FetchOutcome(status.BAD_INVALID_ARGUMENT)
        if transfer.owner != (caller.application, caller.user):
            return FetchOutcome(status.BAD_USER_ACCESS_DENIED)
        return transfer.results.fetch(sequence, most, omit_good=omit_good)

    # -- life

    async def run(self) -> None:
        """Drop what is too old, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Drop results that are too old."""
        now = self._clock.monotonic()
        for device_id, transfer in list(self._transfers.items()):
            if transfer.ended_at is not None and now - transfer.ended_at >= self._result_s:
                transfer.results.close(Event.EXPIRE)
                del self._transfers[device_id]

    async def stop(self) -> None:
        """End what still runs; values that the device did not confirm stay in the offline data set."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Return when no transfer runs."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def model_changed(self, change: ModelChange) -> None:
        """Results of a device that is gone go too; one that runs ends by itself."""
        if change.kind is ChangeKind.DEVICE_REMOVED and change.device_id not in self._plant.devices:
            transfer = self._transfers.get(change.device_id or "")
            if transfer is not None and transfer.results.state is not State.RUNNING:
                del self._transfers[change.device_id or ""]

    # -- inside

    def _begin(self, device_id: str, caller: Caller, *, upload: bool) -> tuple[int, int]:
        require(caller, Right.WRITE, f"transfer {device_id}")
        device = self._plant.device(device_id)
        owner = owner_of(caller)
        if not self._locks.owns(device_id, owner):
            return 0, E_NOT_LOCKED
        self._locks.touch(device_id, owner)
        if device.silent:
            return 0, E_NOT_ONLINE
        old = self._transfers.get(device_id)
        if old is not None and old.results.state is State.RUNNING:
            return 0, E_RUNNING
        if old is not None:
            old.results.close(Event.REPLACE)
        self._last_id += 1
        transfer = _Transfer(self._last_id, (caller.application, caller.user), TransferResults())
        self._transfers[device_id] = transfer
        # The lock is held from now on, not from when the task gets its turn.
        held = ExitStack()
        held.enter_context(self._locks.busy(device_id))
        task = asyncio.create_task(self._work(device, transfer.results, caller, upload))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, transfer, held))
        return transfer.transfer_id, OK

    def _ended(self, transfer: _Transfer, held: ExitStack, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        transfer.ended_at = self._clock.monotonic()
        if transfer.results.state is State.RUNNING:
            if task.cancelled() or task.exception() is not None:
                transfer.results.fail(E_INTERNAL)
            else:
                transfer.results.finish()
        held.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler({"message": "a transfer broke", "exception": error, "task": task})

    async def _work(self, device: Device, results: TransferResults, caller: Caller, upload: bool) -> None:
        """The transfer between the actions of its MENU. Those after it run however it ended: they bring the device back
        to a working state.
        """
        verb = "READ" if upload else "WRITE"
        if not upload and not self._configuration.offline(device.device_id):
            return
        if not status.is_good(await self._around(device.device_id, f"PRE_{verb}_ACTIONS", caller)):
            results.fail(E_ACTION)
            return
        try:
            await (self._upload if upload else self._download)(device, results, caller)
        except IntegrationError:
            # The device or the disk went away under it.
            results.fail(E_INTERNAL)
        code = await self._around(device.device_id, f"POST_{verb}_ACTIONS", caller)
        if results.last and results.state is State.RUNNING and not status.is_good(code):
            text = "an action after the transfer gave up"
            results.add(ParameterResult(results.last, status.GOOD_POST_ACTION_FAILED, text))

    async def _around(self, device_id: str, kind: str, caller: Caller) -> StatusCode:
        return status.GOOD if self._actions is None else await self._actions.around_transfer(device_id, kind, caller)

    async def _download(self, device: Device, results: TransferResults, caller: Caller) -> None:
        """Send what was set offline; the first value that the device refuses ends it, and stays set."""
        device_id = device.device_id
        rules = rules_of(device.device_type)
        values = self._configuration.values(device_id)
        # PRIVATE values that a METHOD saved are for METHODs: nothing brings them to the device by themselves.
        wanted = [name for name in self._configuration.offline(device_id) if not self._is_private(device_id, name)]
        self._tell_progress(device_id, 0)
        for group in in_order(rules, wanted):
            set_here = self._configuration.offline(device_id)
            members = [name for name in group if name in set_here or self._goes_along(device_id, name)]
            unfit = {name: code for name in members if (code := self._unfit(device_id, name)) is not None}
            for name, code in unfit.items():
                results.add(ParameterResult(name, code, "does not fit the other offline values"))
            if any(code != status.BAD_NOT_WRITABLE for code in unfit.values()):
                return
            if unfit:
                continue  # VALIDITY: it does not exist for the device now; it stays set
            for name in members:
                value = values.value(name)
                code = status.GOOD if value is None else await self._send(device_id, name, value, caller)
                results.add(ParameterResult(name, code))
                if not status.is_good(code):
                    return
            left = sum(name in self._configuration.offline(device_id) for name in wanted)
            self._tell_progress(device_id, 100 * (len(wanted) - left) // max(len(wanted), 1))

    def _tell_progress(self, device_id: str, percent: int) -> None:
        transfer = self._transfers.get(device_id)
        for listener in self.on_progress if transfer is not None else ():
            listener(device_id, transfer.transfer_id if transfer is not None else 0, percent)

    async def _send(self, device_id: DeviceId, name: str, value: Scalar, caller: Caller) -> StatusCode:
        code = await self._access.write(device_id, name, value, caller)
        if status.is_good(code) and self._configuration.offline(device_id).get(name) == value:
            await self._configuration.clear_offline(device_id, [name])
        return code

    def _goes_along(self, device_id: DeviceId, name: str) -> bool:
        """Whether a member of a WRITE_AS_ONE group that nobody set is written with the others."""
        rules = rules_of(self._plant.device(device_id).device_type)
        values = self._configuration.values(device_id)
        if name not in rules.parameters or values.value(name) is None:
            return False
        spec = rules.spec(name, values)
        return spec.writable and spec.valid

    def _is_private(self, device_id: DeviceId, name: str) -> bool:
        spec = rules_of(self._plant.device(device_id).device_type).parameters.get(name)
        return spec is not None and spec.private

    def _unfit(self, device_id: DeviceId, name: str) -> StatusCode | None:
        rules = rules_of(self._plant.device(device_id).device_type)
        values = self._configuration.values(device_id)
        value = values.value(name)
        if name not in rules.parameters or value is None:
            return status.BAD_NOT_WRITABLE
        code = rules.check(name, value, values)
        return None if status.is_good(code) else code

    async def _upload(self, device: Device, results: TransferResults, caller: Caller) -> None:
        """Read all that can be read; what the device told is no longer set otherwise offline."""
        device_id = device.device_id
        points = device.points
        wanted = [
            name
            for name in dict.fromkeys((*rules_of(device.device_type).upload_order(), *points))
            if name in points and points[name].spec.readable and points[name].spec.valid and not points[name].spec.local
        ]
        found = await self._access.read(device_id, wanted, caller)
        codes = {name: found[name][1] if name in found else status.BAD_NOT_FOUND for name in wanted}
        if codes and all(code in _AWAY for code in codes.values()):
            results.fail(E_NO_COMMUNICATION)
            return
        told = [name for name, code in codes.items() if not status.is_bad(code)]
        pending = self._configuration.offline(device_id)
        await self._configuration.clear_offline(device_id, [name for name in told if name in pending])
        for name, code in codes.items():
            results.add(ParameterResult(name, code, "" if status.is_good(code) else name_of(code)))
