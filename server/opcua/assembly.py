"""Wires the OPC UA room: address space, services, listener. Knows every part; decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from asyncua import ua

from server.alarms.metrics import AlarmMetrics
from server.alarms.performance import Snapshot
from server.core.clock import SECOND, Clock, TimeUs, from_datetime
from server.model.device_type import SpecChange
from server.model.plant import Plant
from server.opcua.annotation_changes import Annotator, UpdateAnnotations
from server.opcua.annotations import AnnotationNodes, AnnotationReader, AnnotationsAtTimes, RawOrAnnotations
from server.opcua.conditions import ConditionNodes
from server.opcua.device_nodes import DeviceNodes
from server.opcua.endpoints import PRODUCT_URI, Endpoints, own_hosts
from server.opcua.event_changes import DeleteEvents, UpdateEvents
from server.opcua.event_filter import ELEMENT_LIMIT, SELECT_LIMIT
from server.opcua.event_history import EventHistory
from server.opcua.events import EventBus
from server.opcua.history import RawHistory
from server.opcua.history_changes import Changer, DeleteAtTimes, DeleteRaw, UpdateData
from server.opcua.history_nodes import add_history_nodes
from server.opcua.history_points import HistoryPoints
from server.opcua.history_processed import HistoryAtTimes, ProcessedHistory, Processor
from server.opcua.identity import Identities, SignIn, Verify
from server.opcua.load_nodes import LoadNodes
from server.opcua.method_calls import DirectMethods, MethodHandlers
from server.opcua.names import LOAD_URI, PLANT_URI, TYPES_URI
from server.opcua.nodes.base import FILE_NAME, Base, base_nodes
from server.opcua.nodes.on_demand import OnDemand
from server.opcua.nodesets import fingerprint, load_folder
from server.opcua.profiles import server_profiles
from server.opcua.refresh import Refresh
from server.opcua.required_nodes import require_nodes
from server.opcua.roles import CALL, SEE, Rights, permissions
from server.opcua.server_object import ServerFacts, ServerObject, describe
from server.opcua.services.activation import ActivationService
from server.opcua.services.attribute import AttributeService
from server.opcua.services.audit_events import AuditEvents
from server.opcua.services.browse_cache import BrowseCache
from server.opcua.services.cancel import CancelService
from server.opcua.services.diagnostics import Diagnostics
from server.opcua.services.discovery import DiscoveryService
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.engine import SubscriptionEngine
from server.opcua.services.guard import DecodeLimits
from server.opcua.services.history import HistoryDoors, HistoryReader, HistoryService, HistoryUpdater
from server.opcua.services.limits import OperationLimits
from server.opcua.services.method import MethodService
from server.opcua.services.node_management import NodeManagementService
from server.opcua.services.private_nodes import PrivateNodes
from server.opcua.services.query import QueryService
from server.opcua.services.registered import RegisteredNodes
from server.opcua.services.session import SessionService
from server.opcua.services.session_table import SessionLimits, SessionTable
from server.opcua.services.subscription_limits import SubscriptionLimits
from server.opcua.services.translate import TranslateService
from server.opcua.services.view import ViewService
from server.opcua.sign_in_trail import SignInTrail
from server.opcua.space import EVENTS_AND_HISTORY, SERVER, Space
from server.opcua.specs.binding import Binding
from server.opcua.specs.budget import Budget
from server.opcua.specs.everything import bind
from server.opcua.specs.parts import MAKING_S, DeviceParts
from server.opcua.status_nodes import StatusNodes
from server.opcua.test_nodes import Offer, TestNodes
from server.opcua.tokens import certificate_users, issued_tokens
from server.opcua.transport.limits import TransportLimits
from server.opcua.transport.listener import Listener
from server.opcua.values import Values
from server.opcua.wire.call_plan import CallPlans
from server.opcua.wire.plans import ReadPlans
from server.opcua.wire.write_plan import WritePlans
from server.opcua.write_door import DeviceDoor
from server.pipeline.ports import EventJournal
from server.security.audit import AuditTrail, AuditWriter
from server.security.pki import CertificateFolder
from server.settings import DeadbandSettings, LimitSettings, OpcUaSettings

SERVER_PERMISSIONS = permissions(everybody=SEE | CALL)
"""Namespace 0: everybody looks and calls; what a method does is judged where it is done."""


class Namespaces(Protocol):
    """The persisted order of namespaces."""

    def application_uri(self) -> str: ...

    def namespaces(self) -> list[str]: ...

    def add_namespace(self, uri: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What the room is made from."""

    settings: OpcUaSettings
    limits: LimitSettings
    plant: Plant
    certificates: CertificateFolder
    nodesets: Path
    verify: Verify
    clock: Clock
    page_rows: int
    cache: Path | None
    audit: AuditWriter | None
    fdi: Any = None  # the FDI runtime
    network: Callable[[], tuple[bool, str]] = lambda: (False, "")
    journal: EventJournal | None = None
    performance: Callable[[], Snapshot] | None = None
    metrics: AlarmMetrics | None = None
    deadbands: Mapping[str, DeadbandSettings] = field(default_factory=dict)


@dataclass(slots=True)
class Room:
    """All parts that somebody outside of the wiring asks for."""

    indexes: dict[str, int]
    space: Space
    rights: Rights
    dispatcher: Dispatcher
    sessions: SessionTable
    endpoints: Endpoints
    listener: Listener
    engine: SubscriptionEngine
    bus: EventBus
    values: Values
    devices: DeviceNodes
    conditions: ConditionNodes
    status: StatusNodes
    server_object: ServerObject
    tests: TestNodes | None
    load: LoadNodes | None
    trail: SignInTrail | None
    binding: Binding
    certificate_until: TimeUs  # when our certificate ends
    certificate: bytes  # DER

    @property
    def spec_sinks(self) -> list[Callable[[Sequence[SpecChange]], None]]:
        """Who hears that parameters mean something else."""
        return self.binding.spec_sinks

    async def stop(self) -> None:
        """Sessions first, so that clients hear of it; then channels and the port; then what still goes on."""
        self.sessions.close_all()
        await self.listener.stop()
        await self.engine.stop()
        await self.dispatcher.stop()
        if self.trail is not None:
            await self.trail.drain()


class Historian(Processor, Changer, AnnotationReader, Annotator, Protocol):
    """What the doors to history ask for."""


async def assemble(facts: Facts, namespaces: Namespaces, pipeline: Any, reader: Historian) -> Room:
    """Everything that does not depend on devices; not yet listening.

    Raises:
        ConfigurationError: certificates, NodeSets or files of keys cannot be used.
    """
    settings, clock = facts.settings, facts.clock
    application_uri = namespaces.application_uri()
    own = await asyncio.to_thread(facts.certificates.own, application_uri, own_hosts(settings))
    base = await asyncio.to_thread(_base, facts, namespaces)
    store = base.store
    indexes = {uri: index for index, uri in enumerate(namespaces.namespaces())}
    require_nodes(store, indexes)
    rights = Rights()
    rights.defaults(0).permissions = SERVER_PERMISSIONS
    space = Space(store, indexes, rights)
    space.deadbands = facts.deadbands
    add_history_nodes(space)
    operations = _operations(facts.limits)
    conditions = ConditionNodes(space, facts.plant, pipeline.alarms, clock=clock)
    bus = EventBus(store, clock)
    trail = SignInTrail(AuditTrail(facts.audit, clock)) if facts.audit is not None else None
    audit = AuditEvents(bus, clock, application_uri, enabled=settings.auditing, trail=trail, plant=indexes[PLANT_URI])
    pipeline.on_alarm_action.append(audit.condition_changed)

    # Sessions
    users = certificate_users(settings.user_certificates_file, clock) if settings.user_certificates_file else None
    tokens = issued_tokens(settings.jwt_keys_file, application_uri, clock) if settings.jwt_keys_file else None
    endpoints = Endpoints(settings, application_uri, own.der, certificates=users is not None, issued=tokens is not None)
    sessions = SessionTable(rights, clock, _session_limits(settings))
    dispatcher = Dispatcher(
        sessions,
        clock,
        aside_limit=facts.limits.waiting_requests,
        line_limit=facts.limits.queued_requests,
        decode=_decode_limits(facts.limits),
    )
    sign_in = SignIn(facts.verify, clock, attempts=settings.login_attempts)
    identities = Identities(endpoints, own.key, sign_in, certificates=users, tokens=tokens)
    DiscoveryService(endpoints).register(dispatcher)
    SessionService(sessions, endpoints, audit, max_request_bytes=facts.limits.message_bytes).register(dispatcher)
    ActivationService(sessions, identities, audit).register(dispatcher)

    # Values and the services over nodes; conditions and the nodes of sessions are made when somebody looks at them
    values = Values(space)
    door = DeviceDoor(values, pipeline)
    attributes = AttributeService(store, rights, space, clock, operations, door, audit)
    attributes.register(dispatcher)
    # The paths over bytes look first and leave to the services what is not plain.
    dispatcher.register_fast("Read", ReadPlans(store, clock, operations.read))
    dispatcher.register_fast("Write", WritePlans(store, clock, audit, operations.write))

    on_demand = OnDemand()
    view = ViewService(store, rights, space, operations, on_demand.announced)
    view.register(dispatcher)
    BrowseCache(view, store, operations, dispatcher).register(dispatcher)
    TranslateService(store, rights, operations, on_demand.announced).register(dispatcher)
    RegisteredNodes(operations).register(dispatcher)
    QueryService().register(dispatcher)
    points, rows = HistoryPoints(operations.history_points), facts.page_rows
    annotated = AnnotationNodes(space, values)
    raw = RawHistory(values, reader, rows, points)
    readers: dict[type, HistoryReader] = {
        ua.ReadRawModifiedDetails: RawOrAnnotations(raw, annotated, reader, rows, points),
        ua.ReadAnnotationDataDetails: AnnotationsAtTimes(annotated, reader, rows, points),
        ua.ReadProcessedDetails: ProcessedHistory(values, reader, rows, points),
        ua.ReadAtTimeDetails: HistoryAtTimes(values, reader, rows, points),
    }
    updaters: dict[type, HistoryUpdater] = {
        ua.UpdateDataDetails: UpdateData(values, reader, clock),
        ua.UpdateStructureDataDetails: UpdateAnnotations(annotated, reader, clock),
        ua.DeleteRawModifiedDetails: DeleteRaw(values, reader, clock),
        ua.DeleteAtTimeDetails: DeleteAtTimes(values, reader, clock),
    }
    if facts.journal is not None:
        readers[ua.ReadEventDetails] = EventHistory(
            facts.journal,
            conditions,
            space,
            store,
            page_rows=rows,
            points=points,
        )
        lock = asyncio.Lock()
        updaters[ua.UpdateEventDetails] = UpdateEvents(facts.journal, conditions, space, lock, store=store, clock=clock)
        updaters[ua.DeleteEventDetails] = DeleteEvents(facts.journal, conditions, space, lock)
        store.reshape(space.node(SERVER), notifier=EVENTS_AND_HISTORY)
    HistoryService(store, operations, HistoryDoors(readers, updaters), audit).register(dispatcher)

    # Subscriptions, events, methods
    engine = SubscriptionEngine(
        store, rights, clock, _subscription_limits(facts.limits), attributes.read_one, bus, operations=operations
    )
    engine.register(dispatcher)
    sessions.on_identity.append(engine.identity_changed)
    sessions.on_moved.append(engine.publishing.session_moved)
    CancelService(audit, engine.cancel_publish).register(dispatcher)
    direct = DirectMethods()
    refresh = Refresh(bus, conditions, pipeline.alarms)
    handlers = MethodHandlers(space, facts.plant, pipeline, direct, refresh, engine.methods.handlers)
    MethodService(store, operations, audit, handlers).register(dispatcher)
    management = NodeManagementService(
        store,
        rights,
        operations,
        audit,
        bus,
        lambda: list(indexes),
        index=indexes[PLANT_URI],
        most=facts.limits.added_nodes,
    )
    management.on_removed.append(engine.node_removed)
    management.register(dispatcher)
    dispatcher.register_fast("Call", CallPlans(store, clock, audit, direct.known, operations.call))

    transport = _transport_limits(facts.limits)
    server_object = describe(space, rights, _server_facts(facts, application_uri, operations), clock, base.models)
    diagnostics = Diagnostics(space, sessions, dispatcher, engine, clock, enabled=settings.diagnostics)
    diagnostics.on_removed.append(engine.node_removed)
    on_demand.makers += [conditions, diagnostics, annotated]
    store.make = on_demand.make
    listener = Listener(endpoints.offered, dispatcher, transport, facts.certificates, own, clock)
    audit.register(dispatcher)
    status = StatusNodes(space)
    devices = DeviceNodes(space, facts.plant.layout)
    devices.add_frame()
    status.add_frame()
    tests, load = await _open_nodes(settings, space, bus, clock, direct, pipeline.offer, values)
    door.own = [diagnostics, tests] if tests is not None else [diagnostics]
    binding = Binding(
        space=space, rights=rights, clock=clock, plant=facts.plant, pipeline=pipeline, values=values, door=door,
        engine=engine, bus=bus, audit=audit, sessions=sessions, handlers=handlers, direct=direct, on_demand=on_demand,
        devices=devices, conditions=conditions, refresh=refresh, attributes=attributes,
        private=PrivateNodes(rights, store, sessions, indexes[PLANT_URI]),
        parts=DeviceParts(space, facts.plant, on_demand, devices, Budget(clock, MAKING_S)),
        network=facts.network,
        performance=facts.performance,
        metrics=facts.metrics,
    )  # fmt: skip
    binding.device_gone.append(binding.parts.forget)
    binding.device_changed.append(binding.parts.follow)
    bind(binding, facts.fdi)
    return Room(
        indexes, space, rights, dispatcher, sessions, endpoints, listener, engine, bus, values, devices, conditions,
        status, server_object, tests, load, trail, binding, from_datetime(own.certificate.not_valid_after_utc),
        own.der,
    )  # fmt: skip


def _base(facts: Facts, namespaces: Namespaces) -> Base:
    """Namespaces in their order, and the nodes that do not depend on devices. Blocks."""
    for uri in (PLANT_URI, TYPES_URI):
        namespaces.add_namespace(uri)
    path = facts.cache / FILE_NAME if facts.cache is not None else None
    base = base_nodes(namespaces, lambda: load_folder(facts.nodesets), fingerprint(facts.nodesets), path)
    if facts.settings.load_nodes:
        namespaces.add_namespace(LOAD_URI)
    return base


async def _open_nodes(
    settings: OpcUaSettings,
    space: Space,
    bus: EventBus,
    clock: Clock,
    methods: DirectMethods,
    offer: Offer,
    values: Values,
) -> tuple[TestNodes | None, LoadNodes | None]:
    """Test and load nodes, when the settings ask for them."""
    tests = load = None
    if settings.test_nodes:
        tests = TestNodes(space, bus, clock, methods, offer)
        tests.add(values)
    if settings.load_nodes:
        load = LoadNodes(space, settings.load_nodes, settings.load_period_ms, clock, methods)
        await asyncio.to_thread(load.add)
    return tests, load


def _operations(limits: LimitSettings) -> OperationLimits:
    most = limits.operations
    return OperationLimits(
        read=most,
        write=most,
        browse=most,
        translate=most,
        register=most,
        call=most,
        monitored_items=most,
        history_read=most,
        history_update=most,
        node_management=most,
        browse_points=limits.browse_points,
        history_points=limits.history_points,
    )


def _server_facts(facts: Facts, application_uri: str, operations: OperationLimits) -> ServerFacts:
    settings, limits = facts.settings, facts.limits
    return ServerFacts(
        application_uri=application_uri,
        product_uri=PRODUCT_URI,
        software_version=version("fieldloom"),
        build_date=int(Path(__file__).stat().st_mtime) * SECOND,
        operations=operations,
        profiles=server_profiles(settings),
        min_sampling_ms=limits.sampling_ms,
        max_sessions=settings.max_sessions,
        max_subscriptions=limits.subscriptions,
        max_subscriptions_per_session=limits.subscriptions_per_session,
        max_items=limits.items,
        max_items_per_subscription=limits.items_per_subscription,
        max_queue_size=limits.queue_size,
        max_array_length=limits.array_elements,
        max_string_length=limits.text_bytes,
        max_byte_string_length=limits.text_bytes,
        max_select_clauses=SELECT_LIMIT,
        max_where_clauses=ELEMENT_LIMIT,
        history_page_rows=facts.page_rows,
        history_events=facts.journal is not None,
        auditing=settings.auditing,
    )


def _decode_limits(limits: LimitSettings) -> DecodeLimits:
    return DecodeLimits(
        depth=limits.nesting,
        elements=limits.array_elements,
        text_bytes=limits.text_bytes,
        cost=limits.decoded_bytes,
        strangers_cost=limits.decoded_bytes_unactivated,
    )


def _session_limits(settings: OpcUaSettings) -> SessionLimits:
    return SessionLimits(
        sessions=settings.max_sessions,
        min_timeout_ms=settings.min_session_timeout_ms,
        max_timeout_ms=settings.max_session_timeout_ms,
        activation_s=settings.session_activation_s,
    )


def _subscription_limits(limits: LimitSettings) -> SubscriptionLimits:
    return SubscriptionLimits(
        subscriptions=limits.subscriptions,
        subscriptions_per_session=limits.subscriptions_per_session,
        items=limits.items,
        items_per_subscription=limits.items_per_subscription,
        items_per_node=limits.items_per_node,
        queue_slots=limits.queue_slots,
        queue_slots_per_subscription=limits.queue_slots_per_subscription,
        queue_size=limits.queue_size,
        event_queue_size=limits.queue_size,
        publish_requests=limits.publish_requests,
        retransmission_messages=limits.retransmission_messages,
        min_publishing_ms=limits.publishing_ms,
        min_sampling_ms=limits.sampling_ms,
        max_durable_hours=limits.durable_hours,
    )


def _transport_limits(limits: LimitSettings) -> TransportLimits:
    return TransportLimits(
        buffer_bytes=limits.chunk_bytes,
        max_message_bytes=limits.message_bytes,
        max_chunks=limits.chunks,
        handshake_s=limits.handshake_s,
        assembly_s=limits.assembly_s,
        idle_channel_s=limits.idle_channel_s,
        max_connections=limits.connections,
        max_connections_per_address=limits.connections_per_address,
        max_channels_per_address=limits.connections_per_address,
        pending_bytes=limits.pending_bytes,
        pending_bytes_unactivated=limits.message_bytes_unactivated,
        write_buffer_bytes=limits.unread_bytes,
    )
