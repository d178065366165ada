"""The MQTT network in DI's topology (OPC 10000-100; IEC 62769-7): connection points, addresses, OnlineAccess.

Every device has a connection point, made when somebody looks at it; network and connection points refer to each other.
"""

from __future__ import annotations

import re
from typing import Any

from asyncua import ua

from server.core.binding import DeviceBinding
from server.core.texts import Texts
from server.fdi.communication_literals import PROTOCOL_IDENTIFIER
from server.model.device import Device
from server.opcua.device_nodes import MQTT_NETWORK
from server.opcua.hot_update import DeviceUpdate
from server.opcua.names import DI_URI, FDI7_URI, PLANT_URI, TYPES_URI
from server.opcua.nodes.keys import key_of
from server.opcua.nodes.values import put_data_value
from server.opcua.space import ORGANIZES, Space, data_value
from server.opcua.specs.binding import Binding
from server.opcua.specs.parts import Part
from server.opcua.type_nodes import FUNCTIONAL_GROUP

CONNECTION_POINT = "ConnectionPoint"
CONNECTS_TO, ONLINE_ACCESS = 6030, 6095
MQTT_PROTOCOL, MQTT_CONNECTION_POINT = 1001, 1003
_V = ua.VariantType
_PART = re.compile(r"\{(\w+)\}")


def bind(binding: Binding, _fdi: Any) -> None:
    """The network's protocol, and connection points from now on."""
    Topology(binding)


class Topology:
    """Connects devices with their network."""

    def __init__(self, binding: Binding) -> None:
        self._space = space = binding.space
        self._network = space.id(PLANT_URI, MQTT_NETWORK)
        self._connects_to = space.id(DI_URI, CONNECTS_TO)
        self._type = space.id(TYPES_URI, MQTT_CONNECTION_POINT)
        self._name = space.name(PLANT_URI, CONNECTION_POINT)
        self._state = binding.network
        self._online = space.point(space.id(DI_URI, ONLINE_ACCESS))
        self._shown: bool | None = None
        _profile(space, self._network)
        binding.parts.add(
            Part(CONNECTION_POINT, self._name, lambda _device: self._type, self._build, display=_connection_name)
        )
        binding.devices.parts.append(self._announce)
        binding.device_gone.append(self._forget)
        binding.device_changed.append(self._follow)
        binding.ticks.append(self._show)
        self._show()

    def _show(self) -> None:
        """OnlineAccess: devices can be reached while the broker is connected."""
        connected, _ = self._state()
        if connected is not self._shown:
            self._shown = connected
            put_data_value(self._online, data_value(connected, _V.Boolean))

    # -- devices

    def _point(self, device_id: str) -> ua.NodeId:
        return self._space.id(PLANT_URI, f"{device_id}/{CONNECTION_POINT}")

    def _announce(self, device: Device, _root: ua.NodeId) -> None:
        """The network's side of both directions: whoever walks the network meets every connection point."""
        point = self._point(device.device_id)
        self._space.announce(self._network, self._connects_to, point, self._name, self._type)
        self._space.back(point, self._connects_to, self._network)

    def _forget(self, device_id: str) -> None:
        unlink = self._space.store.unlink
        network, kind, point = map(key_of, (self._network, self._connects_to, self._point(device_id)))
        unlink(network, kind, point)
        unlink(network, kind, point, forward=False)

    def _follow(self, update: DeviceUpdate) -> None:
        """Another version of the device's type may listen elsewhere."""
        device = update.device
        topic = self._space.id(PLANT_URI, f"{device.device_id}/{CONNECTION_POINT}/Topic")
        node = self._space.store.peek(key_of(topic))
        if node is not None and node.point is not None and device.device_type.binding.rows:
            told = topic_of(device.device_type.binding, device.device_id)
            put_data_value(node.point, data_value(told, _V.String))

    def _build(self, device: Device, root: ua.NodeId) -> None:
        space = self._space
        space.back(self._network, self._connects_to, root)
        space.link(root, self._connects_to, self._network, inverse=False)  # the inverse is there already
        connect(space, root, device.device_id.encode())
        binding = device.device_type.binding
        if binding.rows:
            topic = space.property(
                ua.NodeId(f"{root.Identifier}/Topic", root.NamespaceIndex),
                space.name(TYPES_URI, "Topic"),
                data_value(topic_of(binding, device.device_id), _V.String),
                ua.NodeId(ua.ObjectIds.String),
                parent=root,
            )
            space.store.link(
                key_of(ua.NodeId(f"{root.Identifier}/NetworkAddress", root.NamespaceIndex)),
                key_of(ORGANIZES),
                topic.key,
            )


def _connection_name(device: Device) -> str:
    """The network lists the connection points of all devices: each is known by its device."""
    return f"{device.name or device.device_id} (MQTT)"


def connect(space: Space, root: ua.NodeId, address: bytes) -> None:
    """Fill a connection point: its address and protocol, and the group of both."""
    group = ua.NodeId(f"{root.Identifier}/NetworkAddress", root.NamespaceIndex)
    display = Texts.of("Network address", ru="Сетевой адрес")
    space.object(
        group, space.name(DI_URI, "NetworkAddress"), space.id(DI_URI, FUNCTIONAL_GROUP), parent=root, display=display
    )
    for name, value, kind in (
        ("Address", address, _V.ByteString),
        ("ProtocolIdentifier", PROTOCOL_IDENTIFIER, _V.String),
    ):
        node_id = ua.NodeId(f"{root.Identifier}/{name}", root.NamespaceIndex)
        space.property(node_id, space.name(FDI7_URI, name), data_value(value, kind), ua.NodeId(kind.value), parent=root)
        space.link(group, ORGANIZES, node_id)
    _profile(space, root)


def _profile(space: Space, owner: ua.NodeId) -> None:
    """What a network or connection point speaks (OPC 10000-100: at least one ProtocolType each)."""
    profile = ua.NodeId(f"{owner.Identifier}/Profile", owner.NamespaceIndex)
    space.object(profile, space.name(PLANT_URI, "MqttProtocol"), space.id(TYPES_URI, MQTT_PROTOCOL), parent=owner)
    space.property(
        ua.NodeId(f"{profile.Identifier}/ProtocolIdentifier", profile.NamespaceIndex),
        space.name(FDI7_URI, "ProtocolIdentifier"),
        data_value(PROTOCOL_IDENTIFIER, _V.String),
        ua.NodeId(ua.ObjectIds.String),
        parent=profile,
    )


def topic_of(binding: DeviceBinding, device_id: str) -> str:
    """The topic of a device's first kind of message; parts that its id does not tell for certain are `+`."""
    row = binding.rows[0]
    pattern = "".join(
        f"(?P<{part}>.+?)" if number % 2 else re.escape(part)
        for number, part in enumerate(_PART.split(binding.device_id))
    )
    # With several sensors a device id may end with that of a sensor, which no topic has.
    ambiguous = bool(row.sensor_pointer) and "." in device_id
    found = None if ambiguous else re.fullmatch(pattern, device_id)
    parts = found.groupdict() if found is not None else {}
    return _PART.sub(lambda part: parts.get(part[1], "+"), row.topic)
