"""The OPC UA room: shows the plant to clients and carries their wishes into the pipeline. Sink of values and alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from server.alarms.metrics import AlarmMetrics
from server.alarms.performance import Snapshot
from server.core.alarm_actions import AlarmAction
from server.core.clock import Clock, TimeUs
from server.core.errors import InUseError, RemoteError
from server.core.values import (
    AlarmEvent,
    Caller,
    Command,
    CommandResult,
    DeviceId,
    Measurement,
    ModelChange,
    PointUpdate,
    Scalar,
)
from server.model.device_type import DeviceType, SpecChange
from server.model.plant import Plant
from server.opcua.assembly import Facts, Historian, Room, assemble
from server.opcua.conditions import AlarmStates
from server.opcua.history_nodes import show_archive
from server.opcua.identity import Verify
from server.opcua.model_changes import ModelChanges
from server.opcua.nodes.values import ValueEncodingError
from server.opcua.test_nodes import TEST
from server.opcua.wire import TWIN
from server.pipeline.ports import EventJournal
from server.security.audit import AuditWriter
from server.security.pki import CertificateFolder
from server.settings import DeadbandSettings, LimitSettings, OpcUaSettings

log = structlog.get_logger("fieldloom.opcua")
STATUS_PERIOD_S = 1.0


class Namespaces(Protocol):
    """The persisted order of namespaces."""

    def application_uri(self) -> str: ...

    def namespaces(self) -> list[str]: ...

    def add_namespace(self, uri: str) -> int: ...


class FieldPipeline(Protocol):
    """What of the pipeline this room needs."""

    @property
    def alarms(self) -> AlarmStates: ...

    async def offer(self, measurements: Sequence[Measurement]) -> object: ...

    async def submit(self, command: Command) -> CommandResult: ...

    async def write_parameter(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> CommandResult: ...

    async def alarm_action(self, action: AlarmAction, caller: Caller) -> AlarmEvent: ...

    def counters(self) -> Mapping[str, int | float]: ...


class OpcUaServer:
    """One endpoint: `prepare` before the first model change, `start` to listen, `run` while it serves, `stop`."""

    def __init__(
        self,
        settings: OpcUaSettings,
        *,
        plant: Plant,
        certificates: CertificateFolder,
        namespaces: Namespaces,
        nodesets: Path,
        verify: Verify,
        clock: Clock,
        page_rows: int = 10_000,
        limits: LimitSettings | None = None,
        cache: Path | None = None,
        audit: AuditWriter | None = None,
        role_of: Callable[[str], str | None] | None = None,
        fdi: Any = None,
        network: Callable[[], tuple[bool, str]] = lambda: (False, ""),
        journal: EventJournal | None = None,
        performance: Callable[[], Snapshot] | None = None,
        metrics: AlarmMetrics | None = None,
        deadbands: Mapping[str, DeadbandSettings] | None = None,
        archive_from: Callable[[], TimeUs | None] = lambda: None,
    ) -> None:
        """`nodesets`: a folder of NodeSet2 files. `cache`: one for the snapshot of the standard address space and these
        files; None builds them anew each time. `role_of`: the role an account has now, None when it is locked or gone;
        asked every second for the users of open sessions. `fdi`: the FDI runtime; None shows devices without it.
        `network`: whether the broker is connected, and its address. `journal`: earlier events; None: none are kept.
        `performance`: how the alarm system performs now. `metrics`: what AlarmMetricsType tells.
        `deadbands`: what history leaves out of "type/parameter". `archive_from`: where raw history begins.
        """
        self._facts = Facts(
            settings=settings,
            limits=limits or LimitSettings(),
            plant=plant,
            certificates=certificates,
            nodesets=nodesets,
            verify=verify,
            clock=clock,
            page_rows=page_rows,
            cache=cache,
            audit=audit,
            fdi=fdi,
            network=network,
            journal=journal,
            performance=performance,
            metrics=metrics,
            deadbands=deadbands or {},
        )
        self._archive_from = archive_from
        self._settings = settings
        self._plant = plant
        self._namespaces = namespaces
        self._clock = clock
        self._role_of = role_of
        self._room: Room | None = None
        self.url = ""
        self.port = 0

    async def prepare(
        self, pipeline: FieldPipeline, reader: Historian, counters: Callable[[], Mapping[str, int | float]]
    ) -> None:
        """Build everything that does not depend on devices. Blocking parts run in a thread."""
        self._room = await assemble(self._facts, self._namespaces, pipeline, reader)
        self._space = self._room.space
        self._model = ModelChanges(self._room, self._plant, self._namespaces)
        self._counters = counters
        log.info("address_space", nodes=len(self._room.space.store), wire=TWIN)

    @property
    def _made(self) -> Room:
        if self._room is None:
            raise RuntimeError("prepare first")
        return self._room

    async def start(self) -> None:
        """Listen.

        Raises:
            InUseError: the port is taken.
        """
        room = self._made
        try:
            self.port = await room.listener.start(self._settings.host, self._settings.port)
        except OSError as error:
            raise InUseError(
                f"OPC UA: port {self._settings.port} on {self._settings.host}: {error.strerror}; "
                "choose another with FIELDLOOM_OPCUA__PORT"
            ) from None
        room.endpoints.port = self.port
        self.url = room.endpoints.url()

    async def run(self) -> None:
        """Counters every second, session time-outs, test events, load nodes; until cancelled."""
        room = self._made
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_status())
            if room.tests is not None:
                group.create_task(room.tests.run())
            if room.load is not None:
                group.create_task(room.load.run())
            if room.trail is not None:
                group.create_task(room.trail.run())
            for task in room.binding.tasks:
                group.create_task(_task(task))

    async def _run_status(self) -> None:
        room = self._made
        archive_from: TimeUs | None = None
        while True:
            room.status.counters(self._counters(), self._clock.now())
            if (start := self._archive_from()) != archive_from:
                show_archive(room.space, start)
                archive_from = start
            room.sessions.sweep()
            for tick in room.binding.ticks:
                tick()
            users = room.sessions.accounts()
            if users and self._role_of is not None:
                room.sessions.judge_accounts(await asyncio.to_thread(_roles, users, self._role_of))
            await asyncio.sleep(STATUS_PERIOD_S)

    async def stop(self) -> None:
        """Close every session and the port."""
        if self._room is not None:
            await self._room.stop()

    # -- sink

    async def prepare_type(self, device_type: DeviceType) -> None:
        """Find out what showing a type takes, before anything is touched.

        Raises:
            RemoteError: something in it is not of its type.
        """
        try:
            await self._model.prepare(device_type)
        except ValueEncodingError as error:
            raise RemoteError(f"type {device_type.type_id} cannot be shown: {error}") from error

    async def show_others(self, types: Sequence[DeviceType]) -> None:
        """Show the types of installed versions that are not in use beside those that are."""
        await self._model.show_others(types)

    async def model_changed(self, change: ModelChange) -> None:
        """Show, change or remove a type or a device; clients hear of it by a GeneralModelChangeEvent."""
        if change.type_id != TEST:
            await self._model.changed(change)

    async def publish(self, updates: Sequence[PointUpdate]) -> None:
        """Show values. Late ones only go to history."""
        self._made.values.publish(updates)
        for sink in self._made.binding.point_sinks:
            sink(updates)

    async def specs_changed(self, changes: Sequence[SpecChange]) -> None:
        """Bring attributes and properties in step with what parameters mean now."""
        for entry in self._made.spec_sinks:
            entry(changes)

    async def alarms_changed(self, events: Sequence[AlarmEvent]) -> None:
        """Bring instances in step and send the condition events."""
        room = self._made
        for event in events:
            if event.device_id == TEST and room.tests is None:
                continue
            fields = room.conditions.fields_of(event)
            room.conditions.changed(event, fields)
            room.bus.send(fields, room.conditions.notifiers(event), room.conditions.key(event))

    async def conditions_changed(self, device_ids: Sequence[DeviceId]) -> None:
        """Show the conditions that devices have now."""
        for sink in self._made.binding.condition_sinks:
            sink(device_ids)

    def set_service_level(self, level: int) -> None:
        """ServiceLevel of the Server object."""
        self._made.server_object.set_service_level(level)

    @property
    def certificate_until(self) -> TimeUs:
        """When our certificate ends."""
        return self._made.certificate_until

    @property
    def certificate(self) -> bytes:
        """Our certificate, DER."""
        return self._made.certificate

    @property
    def sessions(self) -> int:
        """Sessions open now."""
        return len(self._room.sessions) if self._room is not None else 0


async def _task(run: Callable[[], Awaitable[None]]) -> None:
    await run()


def _roles(users: Iterable[str], role_of: Callable[[str], str | None]) -> dict[str, str | None]:
    """What each account may be now. Blocks."""
    return {user: role_of(user) for user in users}
