"""What a companion specification with behaviour is given to bind itself to the room; one `bind` a file beside this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from server.alarms.metrics import AlarmMetrics
from server.alarms.performance import Snapshot
from server.core.clock import Clock
from server.core.values import DeviceId, PointUpdate
from server.model.device import Device
from server.model.device_type import DeviceType, SpecChange
from server.model.plant import Plant
from server.opcua.conditions import ConditionNodes
from server.opcua.device_nodes import DeviceNodes
from server.opcua.events import EventBus
from server.opcua.hot_update import DeviceUpdate
from server.opcua.method_calls import DirectMethods, MethodHandlers
from server.opcua.nodes.on_demand import OnDemand
from server.opcua.refresh import Refresh
from server.opcua.roles import Rights
from server.opcua.services.attribute import AttributeService
from server.opcua.services.audit_events import AuditEvents
from server.opcua.services.engine import SubscriptionEngine
from server.opcua.services.private_nodes import PrivateNodes
from server.opcua.services.session_table import SessionTable
from server.opcua.space import Space
from server.opcua.specs.parts import DeviceParts
from server.opcua.values import Values
from server.opcua.write_door import DeviceDoor


@dataclass(slots=True)
class Binding:
    """The parts of the room that companion specifications use, and what they add to it."""

    space: Space
    rights: Rights
    clock: Clock
    plant: Plant
    pipeline: Any
    values: Values
    door: DeviceDoor
    engine: SubscriptionEngine
    bus: EventBus
    audit: AuditEvents
    sessions: SessionTable
    handlers: MethodHandlers
    direct: DirectMethods
    on_demand: OnDemand
    devices: DeviceNodes
    conditions: ConditionNodes
    refresh: Refresh
    attributes: AttributeService
    private: PrivateNodes
    parts: DeviceParts
    performance: Callable[[], Snapshot] | None = None
    """How the alarm system performs now; None: nobody counts."""
    metrics: AlarmMetrics | None = None
    """What AlarmMetricsType tells; None: nobody counts."""
    network: Callable[[], tuple[bool, str]] = lambda: (False, "")
    """(connected, address) of the broker that devices are reached by."""
    spec_sinks: list[Callable[[Sequence[SpecChange]], None]] = field(default_factory=list)
    """Called when parameters of devices mean something else."""
    condition_sinks: list[Callable[[Sequence[DeviceId]], None]] = field(default_factory=list)
    """Called when rules gave devices other conditions."""
    point_sinks: list[Callable[[Sequence[PointUpdate]], None]] = field(default_factory=list)
    """Called with the values that have just been shown, late ones included."""
    type_parts: list[Callable[[DeviceType, ua.NodeId], None]] = field(default_factory=list)
    """What companion specifications add to every device type, called with its ObjectType when the rest is there."""
    twin_parts: list[Callable[[Device, ua.NodeId], None]] = field(default_factory=list)
    """What companion specifications add to `<device>/Online` and `<device>/Offline`, called with the Object made."""
    tasks: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Coroutines that run while the server serves."""
    device_gone: list[Callable[[str], None]] = field(default_factory=list)
    """Called with the id of a device that was removed or replaced."""
    device_changed: list[Callable[[DeviceUpdate], None]] = field(default_factory=list)
    """Called for a device whose type has another version now, when its own nodes are in step: parts that depend on
    parameters, METHODs or menus follow."""
    ticks: list[Callable[[], None]] = field(default_factory=list)
    """Called every second."""
