"""The OPC UA room: shows the plant to clients and carries their wishes into the pipeline. Sink of values and alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog
from asyncua import ua
from asyncua.server.address_space import NodeData

from server.core import status
from server.core.clock import Clock
from server.core.errors import IntegrationError
from server.core.values import (
    AlarmEvent,
    Caller,
    ChangeKind,
    Command,
    CommandResult,
    DeviceId,
    Measurement,
    ModelChange,
    PointUpdate,
    Scalar,
)
from server.model.device_type import DeviceType
from server.model.plant import Plant
from server.opcua.attributes import Reader
from server.opcua.conditions import AlarmStates, ConditionNodes, LazyNodes, Refresh
from server.opcua.datavalues import fits, from_variant, stack_status
from server.opcua.device_nodes import DeviceNodes
from server.opcua.endpoint import FieldEndpoint, make_endpoint
from server.opcua.events import EventBus
from server.opcua.history import History, RawReader
from server.opcua.identity import SignIn, Verify
from server.opcua.load_nodes import LoadNodes
from server.opcua.methods import Methods
from server.opcua.names import LOAD_URI, PLANT_URI, TYPES_URI
from server.opcua.nodesets import NodeSetFile
from server.opcua.nodesets.install import install, uris
from server.opcua.rights import Rights
from server.opcua.session import FieldSession
from server.opcua.space import SERVER, WRITE, A, Space
from server.opcua.status_nodes import StatusNodes
from server.opcua.subscriptions import monitored_items
from server.opcua.test_nodes import TEST, TestNodes
from server.opcua.type_nodes import add_type, remove_type, type_id
from server.opcua.values import PointNode, Values, put
from server.opcua.views import Views
from server.security.pki import CertificateFolder
from server.settings import OpcUaSettings

log = structlog.get_logger("fieldloom.opcua")
STATUS_PERIOD_S = 1.0
GET_MONITORED_ITEMS = ua.NodeId(ua.ObjectIds.Server_GetMonitoredItems)
Write = tuple[ua.NodeId, ua.DataValue]


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

    async def acknowledge(
        self, condition_id: str, event_id: bytes | None, comment: str, caller: Caller
    ) -> AlarmEvent: ...

    async def comment(self, condition_id: str, event_id: bytes | None, comment: str, caller: Caller) -> AlarmEvent: ...

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
        nodesets: Sequence[NodeSetFile],
        verify: Verify,
        clock: Clock,
        page_rows: int = 10_000,
    ) -> None:
        self._settings = settings
        self._plant = plant
        self._certificates = certificates
        self._namespaces = namespaces
        self._nodesets = nodesets
        self._verify = verify
        self._clock = clock
        self._page_rows = page_rows
        self._indexes: dict[str, int] = {}
        self._shown_types: dict[str, int] = {}  # type id -> namespace index, to remove what was shown
        self.url = ""

    async def prepare(
        self, pipeline: FieldPipeline, reader: RawReader, counters: Callable[[], Mapping[str, int | float]]
    ) -> None:
        """Build everything that does not depend on devices. Blocking parts run in a thread."""
        self._server: FieldEndpoint = await make_endpoint(
            self._settings,
            self._certificates,
            self._namespaces.application_uri(),
            SignIn(self._verify, self._clock),
            self._clock,
        )
        stack = self._server.stack
        stack.services = self
        for wanted in (PLANT_URI, TYPES_URI, *uris(self._nodesets)):
            self._namespaces.add_namespace(wanted)
        if self._settings.load_nodes:
            self._namespaces.add_namespace(LOAD_URI)
        self._indexes.update({name: index for index, name in enumerate(self._namespaces.namespaces())})
        lazy = LazyNodes(stack.aspace._nodes, self._indexes[PLANT_URI])
        stack.aspace._nodes = lazy
        self._space = Space(stack.aspace, self._indexes)
        await self._write_namespace_array()
        await asyncio.to_thread(install, self._space, self._nodesets)
        self._views = stack.view_service = Views(stack.aspace, self._space)
        self._rights = Rights(self._plant, self._indexes[PLANT_URI])
        self._reader = Reader(self._space, self._rights, self._clock)
        self._values = Values(self._space)
        self._pipeline = pipeline
        self._counters = counters
        self._bus = EventBus(stack.subscription_service, self._clock)
        self._conditions = ConditionNodes(self._space, self._plant, pipeline.alarms)
        lazy.make = self._conditions.materialise
        self._methods = Methods(
            self._space,
            self._plant,
            pipeline,
            self._rights,
            Refresh(self._bus, self._conditions, pipeline.alarms),
            self._bus,
        )
        self._history = History(self._space, self._values, reader, self._page_rows)
        self._devices = DeviceNodes(self._space, self._plant.layout)
        self._devices.add_frame()
        self._status = StatusNodes(self._space)
        self._status.add_frame()
        await self._open_nodes(pipeline)

    async def _open_nodes(self, pipeline: FieldPipeline) -> None:
        """Test and load nodes, when the settings ask for them."""
        self._tests: TestNodes | None = None
        self._load: LoadNodes | None = None
        if self._settings.test_nodes:
            self._tests = TestNodes(self._space, self._bus, self._clock, self._methods, pipeline.offer)
            self._tests.add(self._values)
            self._rights.open_nodes.add((self._indexes[PLANT_URI], TEST))
        if self._settings.load_nodes:
            self._load = LoadNodes(
                self._space, self._settings.load_nodes, self._settings.load_period_ms, self._clock, self._methods
            )
            await asyncio.to_thread(self._load.add)
            self._rights.open_namespaces.add(self._indexes[LOAD_URI])

    async def start(self) -> None:
        """Listen.

        Raises:
            InUseError: the port is taken.
        """
        self.url, self.port = await self._server.start()

    async def run(self) -> None:
        """Counters every second, test events, load nodes; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_status())
            if self._tests is not None:
                group.create_task(self._tests.run())
            if self._load is not None:
                group.create_task(self._load.run(self._put))

    async def _run_status(self) -> None:
        while True:
            await self._put(self._status.counters(self._counters(), self._clock.now()))
            await asyncio.sleep(STATUS_PERIOD_S)

    async def stop(self) -> None:
        """Close every session and the port."""
        if hasattr(self, "_server"):
            await self._server.stop()

    # -- sink

    async def model_changed(self, change: ModelChange) -> None:
        """Show or remove a type or a device; clients hear of it by a GeneralModelChangeEvent."""
        kind = change.kind
        if change.type_id == TEST:
            return
        if kind is ChangeKind.TYPE_ADDED:
            node_id = await self._add_type(self._plant.types[change.type_id])
            await self._bus.model_changed(node_id, ua.NodeId(), added=True)
        elif kind is ChangeKind.TYPE_REMOVED:
            index = self._shown_types.pop(change.type_id, None)
            if index is not None:
                remove_type(self._space, index, change.type_id)
                self._status.remove_package(change.type_id)
                await self._bus.model_changed(ua.NodeId(change.type_id, index), ua.NodeId(), added=False)
        elif change.device_id is not None:
            await self._device_changed(change.device_id, added=kind is ChangeKind.DEVICE_ADDED)

    async def _add_type(self, device_type: DeviceType) -> ua.NodeId:
        uri = device_type.namespace_uri
        if uri not in self._indexes:
            self._indexes[uri] = await asyncio.to_thread(self._namespaces.add_namespace, uri)
            await self._write_namespace_array()
        node_id = type_id(self._space, device_type)
        if node_id in self._space:
            remove_type(self._space, node_id.NamespaceIndex, device_type.type_id)
        add_type(self._space, device_type)
        self._shown_types[device_type.type_id] = node_id.NamespaceIndex
        self._status.add_package(device_type)
        return node_id

    async def _device_changed(self, device_id: DeviceId, *, added: bool) -> None:
        node_id = self._space.id(PLANT_URI, device_id)
        if added:
            device = self._plant.devices[device_id]
            self._devices.add(device)
            self._values.add_device(device)
            await self._bus.model_changed(node_id, type_id(self._space, device.device_type), added=True)
        else:
            gone = self._devices.remove(device_id)
            self._values.remove_device(device_id)
            self._conditions.forget(device_id)
            await self._tell_gone(gone)
            await self._bus.model_changed(node_id, ua.NodeId(), added=False)

    async def publish(self, updates: Sequence[PointUpdate]) -> None:
        """Show values. Late ones only go to history."""
        await self._values.publish(updates)

    async def _put(self, writes: Sequence[Write]) -> None:
        """Write values and run the subscriptions on them: the one way values get into nodes."""
        nodes = self._space.aspace
        for node_id, value in writes:
            node = nodes.get(node_id)
            if node is not None:
                await put(node.attributes[A.Value], value)

    async def alarms_changed(self, events: Sequence[AlarmEvent]) -> None:
        """Bring instances in step and send the condition events."""
        for event in events:
            if event.device_id == TEST and self._tests is None:
                continue
            fields = self._conditions.fields_of(event)
            await self._put(self._conditions.changed(event, fields))
            condition = self._conditions.node_id(event)
            await self._bus.send(fields, self._conditions.notifiers(event), condition)

    # -- services

    def read(self, params: ua.ReadParameters, session: FieldSession) -> list[ua.DataValue]:
        """Read."""
        return self._reader.read(params, session)

    def references(self, wanted: ua.BrowseDescription, locales: list[str]) -> ua.BrowseResult:
        """Browse of one node, whole."""
        return self._views.references(wanted, locales)

    async def write(self, request: ua.WriteValue, caller: Caller) -> ua.StatusCode:
        """One Write operation. A parameter's value goes to its device; nothing changes here before the echo."""
        code = self._check_write(request, caller)
        if code == status.GOOD:
            for door in (self._tests, self._load):
                if door is not None and door.owns(request.NodeId):
                    return stack_status(await door.write(request, self._put))
            point = self._values.of_node(request.NodeId)
            code = await self._write_point(point, request, caller) if point is not None else status.BAD_NOT_WRITABLE
        return stack_status(code)

    def _check_write(self, request: ua.WriteValue, caller: Caller) -> int:
        """Good, or why nobody, or not this caller, may write there (OPC 10000-4, 5.11.4)."""
        node = self._space.aspace.get(request.NodeId)
        if node is None:
            return status.BAD_NODE_ID_UNKNOWN
        if request.AttributeId not in node.attributes:
            return int(ua.StatusCodes.BadAttributeIdInvalid)
        access = node.attributes.get(A.AccessLevel)
        if request.AttributeId != A.Value or access is None or not access.value.Value.Value & WRITE:
            return status.BAD_NOT_WRITABLE
        return status.GOOD if self._rights.may_write(request.NodeId, caller) else status.BAD_USER_ACCESS_DENIED

    async def _write_point(self, point: PointNode, request: ua.WriteValue, caller: Caller) -> int:
        value = request.Value
        if (value.StatusCode is not None and value.StatusCode.value) or value.ServerTimestamp:
            # Status and times are the device's to tell. A SourceTimestamp is let pass: widespread clients send one with
            # every Write and mean nothing by it; what is shown afterwards carries the time of the device's echo.
            return int(ua.StatusCodes.BadWriteNotSupported)
        if request.IndexRange:
            return int(ua.StatusCodes.BadIndexRangeNoData)  # every parameter is a scalar
        scalar = from_variant(value.Value) if fits(value.Value, point.data_type) else None
        if scalar is None:
            return status.BAD_TYPE_MISMATCH
        try:
            result = await self._pipeline.write_parameter(DeviceId(point.device_id), point.parameter, scalar, caller)
        except IntegrationError as error:
            return error.status
        return result.status

    async def call(self, request: ua.CallMethodRequest, caller: Caller, session: FieldSession) -> ua.CallMethodResult:
        """One Call operation."""
        if request.MethodId == GET_MONITORED_ITEMS and request.ObjectId == SERVER:
            inputs = list(request.InputArguments or [])
            return monitored_items(session.subscription_service, session.session_id, inputs)
        subscriptions = session.subscription_service.subscriptions

        def owns(subscription_id: int) -> bool:
            found = subscriptions.get(subscription_id)
            return found is not None and found.session_id == session.session_id

        return await self._methods.call(request, caller, owns)

    async def history_read(self, params: ua.HistoryReadParameters, session: FieldSession) -> list[ua.HistoryReadResult]:
        """HistoryRead."""
        return await self._history.read(params, session)

    def session_closed(self, session: FieldSession) -> None:
        """A session went with all that was kept for it."""
        self._history.forget(session)

    @property
    def sessions(self) -> int:
        """Sessions open now."""
        return self._server.stack.session_count() if hasattr(self, "_server") else 0

    async def _write_namespace_array(self) -> None:
        names = await asyncio.to_thread(self._namespaces.namespaces)
        node_id = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)
        value = ua.DataValue(ua.Variant(names, ua.VariantType.String, is_array=True))
        await put(self._server.stack.aspace[node_id].attributes[A.Value], value)

    async def _tell_gone(self, gone: Sequence[NodeData]) -> None:
        """Whoever monitors a removed node hears that it is not there any more."""
        unknown = ua.DataValue(ua.Variant(None, ua.VariantType.Null), stack_status(status.BAD_NODE_ID_UNKNOWN))
        for node in gone:
            for held in node.attributes.values():
                if held.datachange_callbacks:
                    await put(held, unknown)
