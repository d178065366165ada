"""The FDI server's inside: locks, business logic, offline data sets, edit contexts, transfers and Actions, wired.

A sink of values and model changes beside the address space; the doors (OPC UA, HTTP) use its parts by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from server.core.clock import Clock
from server.core.errors import IntegrationError
from server.core.values import ChangeKind, DeviceId, ModelChange, PointUpdate
from server.fdi.access import DeviceAccess, Flow
from server.fdi.actions.runner import ActionRunner
from server.fdi.actions.service import ActionLimits, ActionService
from server.fdi.configuration import Configuration, Records
from server.fdi.edit_context import EditContexts
from server.fdi.logic.live import LiveLogic
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.checking import check_methods
from server.fdi.methods.limits import MethodLimits
from server.fdi.transfer import TransferService
from server.model.device_type import DeviceType, SpecChange
from server.model.lock import NETWORK, Locks
from server.model.plant import Plant
from server.pipeline.ports import WriteHooks
from server.security.audit import AuditTrail, AuditWriter
from server.settings import FdiSettings

log = structlog.get_logger("fieldloom.fdi")
FLUSH_S = 1.0


class HookedFlow(Flow, Protocol):
    """The pipeline: what reaches devices, with a place for what an EDD does around writes."""

    def hook(self, hooks: WriteHooks) -> None: ...

    async def respecified(self, look: Callable[[], Sequence[SpecChange]]) -> None: ...


class FdiRuntime:
    """One per server: `attach` it to the pipeline, `load` before devices come back, then `run` until `stop`."""

    access: DeviceAccess
    runner: ActionRunner
    contexts: EditContexts
    transfers: TransferService
    actions: ActionService

    def __init__(self, plant: Plant, clock: Clock, settings: FdiSettings, records: Records, audit: AuditWriter) -> None:
        self._plant = plant
        self._clock = clock
        self._settings = settings
        self._trail = AuditTrail(audit, clock)
        self.locks = Locks(clock, settings.lock_timeout_s, self._lockable)
        self.configuration = Configuration(records, plant, guard=self.locks, trail=self._trail)
        self.live = LiveLogic(plant, self.configuration.local)
        self._newcomers: set[DeviceId] = set()  # whose LOCAL parameters have no value yet
        self._with_locals: set[DeviceId] = set()  # devices that have LOCAL parameters
        self._stopped = asyncio.Event()

    def _lockable(self, scope: str) -> bool:
        return scope == NETWORK or scope in self._plant.devices

    def attach(self, pipeline: HookedFlow) -> None:
        """Make what reaches devices; called once, before the first device comes."""
        self._pipeline = pipeline
        clock, plant, settings = self._clock, self._plant, self._settings
        self.access = DeviceAccess(pipeline, plant, self.live, clock, local=self.configuration)
        self.runner = ActionRunner(
            plant,
            self.live,
            self.access,
            clock,
            kept=self.configuration,
            limits=MethodLimits(steps=settings.method_steps, seconds=settings.method_s),
            hook_s=settings.hook_s,
        )
        self.access.hooks = self.runner
        self.access.hidden_changed = self._hidden_changed
        pipeline.hook(self.runner)
        self.contexts = EditContexts(
            plant, self.locks, self.configuration, self.live, self.access, self.runner, clock, settings
        )
        self.transfers = TransferService(
            plant,
            self.locks,
            self.configuration,
            self.access,
            clock,
            actions=self.runner,
            result_s=settings.transfer_result_s,
        )
        self.actions = ActionService(
            plant,
            self.locks,
            self.runner,
            offline=self.configuration,
            trail=self._trail,
            limits=ActionLimits(
                per_device=settings.actions_per_device,
                at_once=settings.actions,
                result_s=settings.action_result_s,
            ),
        )

    async def _hidden_changed(self, device_id: str, name: str) -> None:
        """A PRIVATE value that the server keeps: others may mean something else by it."""
        await self._pipeline.respecified(lambda: self.live.changed(device_id, [name]))

    # -- life

    async def load(self) -> None:
        """Read what earlier runs kept."""
        await self.configuration.load()

    async def settle(self) -> None:
        """Give the LOCAL parameters of devices that have just come their first values."""
        while self._newcomers:
            device_id = self._newcomers.pop()
            if device_id not in self._plant.devices:
                continue
            first = self.configuration.local_measurement(device_id, self._clock.now())
            if first is None:
                continue
            try:
                await self._pipeline.offer([first])
            except IntegrationError as error:
                log.error("local_values_not_shown", device=device_id, reason=error.text)

    async def run(self) -> None:
        """Serve until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.actions.run())
            flushing = group.create_task(self._run_flush())
            transfers = group.create_task(self.transfers.run())
            await self._stopped.wait()
            await self.actions.stop()
            flushing.cancel()
            transfers.cancel()

    async def _run_flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self.locks.tick()
            self.contexts.tick()
            await self.settle()
            await self._flush()

    async def _flush(self) -> None:
        try:
            await self.configuration.flush()
        except IntegrationError as error:
            log.error("device_values_not_kept", reason=error.text)  # tried again with the next round

    async def stop(self) -> None:
        """End what runs; everything acknowledged is on disk when this returns."""
        self._stopped.set()
        if hasattr(self, "transfers"):
            await self.transfers.stop()
        await self._flush()

    def session_closed(self, session: str) -> None:
        """An OPC UA Session has ended: its locks, edit contexts and Actions end with it."""
        self.actions.session_closed(session)
        self.locks.session_closed(session)

    # -- sink

    async def prepare_type(self, device_type: DeviceType) -> None:
        """Compile the METHODs beside the loop; what cannot run is known then too and fails when it is asked for."""
        if isinstance(device_type.logic, TypeLogic):
            await asyncio.to_thread(check_methods, device_type.logic)

    async def model_changed(self, change: ModelChange) -> None:
        """A type or device came, changed or went."""
        self.configuration.model_changed(change)
        self.contexts.model_changed(change)
        self.transfers.model_changed(change)
        if change.device_id is not None and change.kind in (ChangeKind.DEVICE_ADDED, ChangeKind.DEVICE_CHANGED):
            device = self._plant.devices[change.device_id]
            own = [point for point in device.points.values() if point.spec.local]
            if own:
                self._with_locals.add(device.device_id)
            else:
                self._with_locals.discard(device.device_id)
            if any(not point.source_time for point in own):
                self._newcomers.add(device.device_id)
        elif change.device_id is not None and change.kind is ChangeKind.DEVICE_REMOVED:
            self._with_locals.discard(change.device_id)
            self.locks.removed(change.device_id)

    async def publish(self, updates: Sequence[PointUpdate]) -> None:
        """Values that were accepted: edit contexts show them where nothing is edited; LOCAL ones are kept."""
        self.contexts.values_changed(updates)
        if self._with_locals:
            self.configuration.values_changed([each for each in updates if each.device_id in self._with_locals])
            await self._flush()  # a Write to one of them is answered after this: it is on disk then

    async def specs_changed(self, changes: Sequence[SpecChange]) -> None:
        """Edit contexts evaluate attributes themselves, for their own values."""
