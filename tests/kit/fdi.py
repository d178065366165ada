"""An FDI runtime for rooms under test: real locks, and stand-ins for the services behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from asyncua import ua

from server.core.clock import Clock
from server.core.texts import Texts
from server.core.values import Caller, Command, CommandResult, DeviceId, Measurement, ModelChange, PointUpdate, Scalar
from server.database.device_values import DeviceValueRow
from server.fdi.access import DeviceAccess
from server.fdi.actions.runner import ActionRunner
from server.fdi.actions.service import ActionLimits, ActionService
from server.fdi.build import check_package
from server.fdi.configuration import Configuration
from server.fdi.edit_context import EditContexts
from server.fdi.logic.live import LiveLogic
from server.fdi.transfer import TransferService
from server.model.device_type import Attachment, DeviceType, GroupSpec, SpecChange, UipSpec, UipVariant
from server.model.lock import Locks
from server.model.plant import Plant
from server.pipeline import Pipeline
from server.settings import FdiSettings
from tests.kit.actions import BINDING as THING_BINDING
from tests.kit.actions import HEADER as THING_HEADER
from tests.kit.actions import THING
from tests.kit.asking import invoke
from tests.kit.editing import boiler_type
from tests.kit.facets import Room
from tests.kit.opcua import machine_type
from tests.kit.packages import make_package
from tests.kit.raw import EndedError, RawSession, ServiceFaultError

DI, FDI5 = "http://opcfoundation.org/UA/DI/", "http://fdi-cooperation.com/OPCUA/FDI5/"


class MemoryRecords:
    """Rows of kept values, without a disk."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], DeviceValueRow] = {}

    def load_device_values(self) -> list[DeviceValueRow]:
        return list(self.rows.values())

    def save_device_values(self, rows: list[DeviceValueRow]) -> None:
        for row in rows:
            self.rows[row.device_id, row.kind, row.name] = row

    def delete_device_values(self, device_id: str) -> None:
        self.rows = {key: row for key, row in self.rows.items() if key[0] != device_id}


class LateFlow:
    """The pipeline, which is made after the services that use it."""

    pipeline: Pipeline

    async def submit(self, command: Command) -> CommandResult:
        return await self.pipeline.submit(command)

    async def write_parameter(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> CommandResult:
        return await self.pipeline.write_parameter(device_id, parameter, value, caller)

    async def offer(self, measurements: Sequence[Measurement]) -> object:
        return await self.pipeline.offer(measurements)


class Services:
    """What `server.opcua.specs` finds of the FDI services; a sink of values like the runtime of the product."""

    def __init__(self, plant: Plant, clock: Clock, **more: Any) -> None:
        self.flow = LateFlow()
        self.locks = Locks(clock, known=lambda device: device in plant.devices, **more)
        self.configuration = Configuration(MemoryRecords(), plant, guard=self.locks)
        self.live = LiveLogic(plant, self.configuration.local)
        self.access = DeviceAccess(self.flow, plant, self.live, clock, local=self.configuration)
        self.contexts = EditContexts(
            plant, self.locks, self.configuration, self.live, self.access, None, clock, FdiSettings()
        )
        self.transfers = TransferService(plant, self.locks, self.configuration, self.access, clock)
        self.runner = ActionRunner(plant, self.live, self.access, clock, kept=self.configuration)
        self.actions = ActionService(
            plant, self.locks, self.runner, offline=self.configuration, limits=ActionLimits(result_s=0.2)
        )
        self.closed: list[str] = []
        """Sessions whose end was told."""

    def attach(self, pipeline: Pipeline) -> None:
        self.flow.pipeline = pipeline

    async def run(self) -> None:
        """Actions run while this does."""
        await self.actions.run()

    async def stop(self) -> None:
        await self.actions.stop()
        await self.transfers.stop()

    def session_closed(self, session: str) -> None:
        self.closed.append(session)
        self.actions.session_closed(session)
        self.locks.session_closed(session)

    async def prepare_type(self, device_type: DeviceType) -> None:
        pass

    async def publish(self, updates: Sequence[PointUpdate]) -> None:
        self.contexts.values_changed(updates)
        self.configuration.values_changed(updates)

    async def model_changed(self, change: ModelChange) -> None:
        self.contexts.model_changed(change)
        self.configuration.model_changed(change)

    async def specs_changed(self, changes: Sequence[SpecChange]) -> None:
        pass


def services(**more: Any) -> Callable[[Plant, Clock], Services]:
    """Makes the runtime of a room."""
    return lambda plant, clock: Services(plant, clock, **more)


def editable_type() -> DeviceType:
    """The boiler of the editing kit as a type of the room, written over MQTT like its pumps."""
    machine = machine_type()
    return replace(boiler_type(), type_id="pump", binding=machine.binding, methods=machine.methods)


PLUG_IN = bytes(range(256)) * 1024
"""What the plug-in of `equipped_type` is: 256 KiB."""


def equipped_type() -> DeviceType:
    """The kit's machine with a plug-in, files, classes and the actions of an EDD."""
    machine = machine_type()
    variant = UipVariant("1.2", "1.2.0", "Workstation", "HTML5", "any", "uip.zip", "application/zip", PLUG_IN)
    other = UipVariant("1.2", "1.2.0", "Mobile", "HTML5", "arm64", "mobile.zip", "application/zip", b"mobile")
    manual = Attachment("manual.txt", Texts.of("Manual"), "text/plain", b"read me")
    return replace(
        machine,
        parameters={
            **machine.parameters,
            "temperature": replace(machine.parameters["temperature"], classes=frozenset({"DYNAMIC", "INPUT"})),
            "limit_high": replace(machine.parameters["limit_high"], classes=frozenset({"ALARM", "UNHEARD_OF"})),
        },
        groups=(
            GroupSpec(
                name="Diagnostics",
                label=Texts.of("Diagnostics"),
                parameters=("temperature",),
                standard=True,
                menu="diagnostic_root_menu",
                uips=("7d1c2f0a",),
                groups=(GroupSpec(name="limits", label=Texts.of("Limits"), parameters=("limit_high",), menu="limits"),),
            ),
        ),
        uips=(
            UipSpec(
                "7d1c2f0a",
                "1.2",
                Texts.of("Trend", ru="Тренд"),
                start_element="Main",
                style=2,
                variants=(variant, other),
                documents=(manual,),
            ),
        ),
        protocol_support=(Attachment("mqtt.toml", Texts.of("Binding"), "application/toml", b"[topics]"),),
        images=(Attachment("pump.png", Texts.of("Pump"), "image/png", b"\x89PNG"),),
        documents=(manual,),
    )


METHODS = """
METHOD greet { LABEL "|en|Greet|ru|Привет"; HELP "Says hello."; CLASS OPERATE;
    DEFINITION { ACKNOWLEDGE("|en|Limit is %[5.1f]{limit}|ru|Предел %[5.1f]{limit}"); } }
METHOD start { LABEL "Start"; CLASS OUTPUT; ACCESS ONLINE;
    DEFINITION { long code; ACKNOWLEDGE("Start now?"); code = send_command(1); if (code != 0) { process_abort(); } } }
METHOD prepare { LABEL "Prepare"; CLASS INPUT; ACCESS OFFLINE; DEFINITION { limit = 33.0; save_values(); } }
METHOD forever { LABEL "Forever"; CLASS OPERATE; DEFINITION { DELAY(600, "Waiting"); } }
MENU device_root_menu { LABEL "Root"; ITEMS { main } }
MENU main { LABEL "|en|Main|ru|Главное"; STYLE WINDOW; ITEMS { level, limit, greet, start, prepare, forever } }
"""


def acting_type(methods: str = METHODS) -> DeviceType:
    """A type of the room with METHODs that users start, compiled from an EDD."""
    binding = THING_BINDING.replace('type = "thing"', 'type = "pump"')
    return check_package(make_package("pump", edd=THING_HEADER + THING + methods, binding=binding)).device_types[0]


@asynccontextmanager
async def user_of(room: Room, name: str) -> AsyncIterator[RawSession]:
    """A session of one of the kit's users on a channel of its own."""
    async with await room.secure() as channel:
        session = await room.session(channel, name)
        try:
            yield session
        finally:
            try:
                await session.close()
            except (ServiceFaultError, EndedError):
                pass  # the test closed it


async def call_of(room: Room, session: RawSession, path: str, method: int, *arguments: Any, uri: str = DI) -> Any:
    """Call a companion type's Method at an Object of the plant; texts go as String."""
    inputs = [ua.Variant(entry, ua.VariantType.String) if isinstance(entry, str) else entry for entry in arguments]
    return await invoke(session, room.rig.node(path), ua.NodeId(method, room.index(uri)), *inputs)


def outputs(result: Any) -> list[Any]:
    """Plain output values of a Good call."""
    assert not result.StatusCode.value, result
    return [output.Value for output in result.OutputArguments]
