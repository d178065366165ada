"""The data sets beside the leading instance: `<device>/Online` is the device, `<device>/Offline` its configuration.

Online follows the last reported values and answers BadNotConnected while the device is away. Offline shows what is
configured (GoodEdited where that differs from the device), and keeps what is
written to it. Both are made when looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence

from asyncua import ua

from server.core import status
from server.core.errors import IntegrationError
from server.core.values import Caller, DeviceId, PointUpdate, Scalar, UpdateKind
from server.model.device import Device
from server.model.device_type import ParameterSpec, SpecChange
from server.opcua.datavalues import fits, from_variant
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import DI_URI, PARAMETER_SET, PLANT_URI
from server.opcua.nodes.keys import Key
from server.opcua.parameter_nodes import add_parameter
from server.opcua.services.context import Request
from server.opcua.space import HAS_PROPERTY, HISTORY_READ, HISTORY_WRITE
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import OFFLINE, ONLINE, caller_of
from server.opcua.specs.parts import Part
from server.opcua.specs.runtime import Runtime
from server.opcua.type_nodes import BASE_OBJECT, type_id
from server.opcua.values import PointNode

IS_ONLINE = 6031
NAMEPLATE = (
    "Manufacturer",
    "Model",
    "HardwareRevision",
    "SoftwareRevision",
    "DeviceRevision",
    "DeviceManual",
    "SerialNumber",
    "RevisionCounter",
)
"""Mandatory Properties of DI's DeviceType: those of the leading instance stand for all its data sets."""


def bind(binding: Binding, fdi: Runtime) -> None:
    """Online and Offline below every device from now on."""
    Twins(binding, fdi)


class _Set:
    """The Variables of one data set of one device."""

    __slots__ = ("device", "nodes", "silent")

    def __init__(self, device: Device) -> None:
        self.device = device
        self.nodes: dict[str, PointNode] = {}
        self.silent: bool | None = None  # as shown; None: not shown yet


class Twins:
    """Makes both data sets, keeps their values current and takes their Writes."""

    def __init__(self, binding: Binding, fdi: Runtime) -> None:
        self._space = space = binding.space
        self._pipeline = binding.pipeline
        self._values = binding.values
        self._clock = binding.clock
        self._configuration = fdi.configuration
        self._online: dict[str, _Set] = {}
        self._offline: dict[str, _Set] = {}
        self._by_key: dict[Key, PointNode] = {}
        self._parts = binding.twin_parts
        is_online = space.id(DI_URI, IS_ONLINE)
        binding.parts.add(Part(ONLINE, space.name(DI_URI, ONLINE), self._type, self._build_online, is_online))
        binding.parts.add(Part(OFFLINE, space.name(PLANT_URI, OFFLINE), self._type, self._build_offline))
        binding.point_sinks.append(self.updated)
        binding.spec_sinks.append(self.respecified)
        binding.ticks.append(self.tick)
        binding.device_gone.append(self._forget)
        binding.device_changed.append(self._follow)
        binding.door.by_caller.append(self)
        self._configuration.on_changed.append(self.configured)

    def _type(self, device: Device) -> ua.NodeId:
        return type_id(self._space, device.device_type)

    # -- nodes

    def _build_online(self, device: Device, root: ua.NodeId) -> None:
        made = self._online[device.device_id] = self._build(device, root)
        self._show_online(made)

    def _build_offline(self, device: Device, root: ua.NodeId) -> None:
        made = self._offline[device.device_id] = self._build(device, root)
        for name in made.nodes:
            self._show_offline(made, name)

    def _build(self, device: Device, root: ua.NodeId) -> _Set:
        space, made = self._space, _Set(device)
        for name in NAMEPLATE:
            space.link(root, HAS_PROPERTY, space.id(PLANT_URI, f"{device.device_id}/{name}"))
        holder = ua.NodeId(f"{root.Identifier}/{PARAMETER_SET}", root.NamespaceIndex)
        space.object(holder, space.name(DI_URI, PARAMETER_SET), BASE_OBJECT, parent=root)
        for name, point in device.points.items():
            node_id = ua.NodeId(f"{holder.Identifier}/{name}", holder.NamespaceIndex)
            spec = point.spec
            add_parameter(space, spec, node_id, device.device_type.namespace_uri, holder)
            node = space.node(node_id)
            # History is recorded once, at the leading instance.
            space.store.reshape(node, access=node.shape.access & ~(HISTORY_READ | HISTORY_WRITE), historizing=False)
            self._take_in(made, name, node_id, spec)
        for part in self._parts:
            part(device, root)
        return made

    def _take_in(self, made: _Set, name: str, node_id: ua.NodeId, spec: ParameterSpec) -> None:
        space = self._space
        node = space.node(node_id)
        shown = PointNode(node.key, made.device.device_id, name, spec.data_type, space.point(node_id))
        shown.spec = spec
        if spec.enum_values and not spec.bit_enumerated:
            shown.text = space.point(ua.NodeId(f"{node_id.Identifier}/ValueAsText", node_id.NamespaceIndex))
        made.nodes[name] = self._by_key[shown.key] = shown

    def _follow(self, update: DeviceUpdate) -> None:
        """Another version of the device's type: the data sets that are made change as the leading instance did."""
        device = update.device
        for sets, place in ((self._online, ONLINE), (self._offline, OFFLINE)):
            made = sets.get(device.device_id)
            if made is None:
                continue
            shown = {name: node.spec for name, node in made.nodes.items() if node.spec is not None}
            update.follow(place, shown)
            made.device = device
            for node in made.nodes.values():
                del self._by_key[node.key]
            made.nodes.clear()
            for name, point in device.points.items():
                path = f"{device.device_id}/{place}/{PARAMETER_SET}/{name}"
                self._take_in(made, name, self._space.id(PLANT_URI, path), point.spec)
            if place == ONLINE:
                self._show_online(made)
            else:
                for name in made.nodes:
                    self._show_offline(made, name)

    def _forget(self, device_id: str) -> None:
        for sets in (self._online, self._offline):
            gone = sets.pop(device_id, None)
            for node in gone.nodes.values() if gone is not None else ():
                del self._by_key[node.key]

    # -- values

    def updated(self, updates: Sequence[PointUpdate]) -> None:
        """Values that the leading instances show now."""
        if not self._by_key:
            return
        for update in updates:
            if update.kind is UpdateKind.LATE:
                continue
            online = self._online.get(update.device_id)
            if online is not None:
                self._online_updated(online, update)
            offline = self._offline.get(update.device_id)
            if offline is not None and update.parameter in offline.nodes:
                self._show_offline(offline, update.parameter)

    def _online_updated(self, online: _Set, update: PointUpdate) -> None:
        if online.device.silent != online.silent:
            self._show_online(online)
        elif not online.silent:
            node = online.nodes.get(update.parameter)
            if node is not None:
                self._values.show(node, update.value, update.status, update.source_time, update.server_time)

    def respecified(self, changes: Sequence[SpecChange]) -> None:
        """Parameters mean something else now; their attributes follow elsewhere."""
        for change in changes:
            for sets, show in ((self._online, self._show_online_value), (self._offline, self._show_offline)):
                found = sets.get(change.device_id)
                node = found.nodes.get(change.parameter) if found is not None else None
                if found is not None and node is not None:
                    node.spec = change.new
                    show(found, change.parameter)

    def tick(self) -> None:
        """Devices fall silent without a word about values that do not change by themselves."""
        for online in self._online.values():
            if online.device.silent != online.silent:
                self._show_online(online)

    def _show_online(self, online: _Set) -> None:
        online.silent = online.device.silent
        for name in online.nodes:
            self._show_online_value(online, name)

    def _show_online_value(self, online: _Set, name: str) -> None:
        node, point, now = online.nodes[name], online.device.points[name], self._clock.now()
        if online.silent:
            self._values.show(node, None, status.BAD_NOT_CONNECTED, point.source_time, now)
        else:
            self._values.show(node, point.value, point.status, point.source_time, point.server_time or now)

    def configured(self, device_id: str, names: Iterable[str]) -> None:
        """The configuration of a device has other values now."""
        offline = self._offline.get(device_id)
        for name in names if offline is not None else ():
            if name in offline.nodes:  # type: ignore[union-attr]
                self._show_offline(offline, name)  # type: ignore[arg-type]

    def _show_offline(self, offline: _Set, name: str) -> None:
        found = self._configuration.view(offline.device.device_id, name)
        self._values.show(offline.nodes[name], found.value, found.status, found.source_time, self._clock.now())

    # -- writes

    def owns(self, key: Key) -> bool:
        """True for Variables of data sets."""
        return key in self._by_key

    def write(self, key: Key, value: ua.DataValue, request: Request) -> Awaitable[int] | int:
        """A client's Write, after the checks of the Attribute service."""
        node = self._by_key[key]
        scalar = from_variant(value.Value) if fits(value.Value, node.data_type) else None
        if scalar is None:
            return status.BAD_TYPE_MISMATCH
        online = self._online.get(node.device_id)
        if online is not None and online.nodes.get(node.parameter) is node:
            return self._to_device(online.device, node.parameter, scalar, caller_of(request))
        return self._to_configuration(node, scalar, caller_of(request))

    async def _to_device(self, device: Device, name: str, value: Scalar, caller: Caller) -> int:
        if device.silent:
            return status.BAD_NOT_CONNECTED
        try:
            result = await self._pipeline.write_parameter(DeviceId(device.device_id), name, value, caller)
        except IntegrationError as error:
            return error.status
        return int(result.status)

    async def _to_configuration(self, node: PointNode, value: Scalar, caller: Caller) -> int:
        try:
            return int(await self._configuration.write(node.device_id, node.parameter, value, caller))
        except IntegrationError as error:
            return error.status
