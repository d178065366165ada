"""What a session may write and call, as the User… attributes show it and as Write and Call judge it."""

from __future__ import annotations

from typing import Any

from asyncua import ua

from server.core.values import Caller, DeviceId
from server.model.plant import Plant
from server.opcua.names import METHOD_SET, PARAMETER_SET, place_of
from server.opcua.space import WRITE, A
from server.security.access import LEAST_ROLE, Right, has_role


class Rights:
    """The rules; `open_nodes` and `open_namespaces` are the test and load nodes, which anybody may use."""

    def __init__(self, plant: Plant, plant_index: int) -> None:
        self._plant = plant
        self._plant_index = plant_index
        self.open_nodes: set[tuple[int, str]] = set()  # (namespace index, first part of the identifier)
        self.open_namespaces: set[int] = set()

    def open(self, node_id: ua.NodeId) -> bool:
        """True for test and load nodes."""
        if node_id.NamespaceIndex in self.open_namespaces:
            return True
        identifier = node_id.Identifier
        first = identifier.split("/", 1)[0] if isinstance(identifier, str) else ""
        return (node_id.NamespaceIndex, first) in self.open_nodes

    def may_write(self, node_id: ua.NodeId, caller: Caller) -> bool:
        """True when the role suffices for a Write to this node."""
        if self.open(node_id):
            return True
        place = place_of(node_id, self._plant_index)
        return place is not None and place.part == PARAMETER_SET and has_role(caller.role, LEAST_ROLE[Right.WRITE])

    def may_call(self, node_id: ua.NodeId, caller: Caller) -> bool:
        """True when the role suffices for a Call of this method."""
        if self.open(node_id) or node_id.NamespaceIndex == 0:
            return True
        place = place_of(node_id, self._plant_index)
        if place is None or place.part != METHOD_SET:
            return True
        device = self._plant.devices.get(DeviceId(place.device_id))
        methods = device.device_type.methods if device is not None else ()
        least = next((method.role for method in methods if method.name == place.name), "operator")
        return has_role(caller.role, LEAST_ROLE[Right.COMMAND]) and has_role(caller.role, least)

    def seen(self, node: Any, attribute: Any, found: ua.DataValue, caller: Caller) -> ua.DataValue:
        """UserAccessLevel and UserExecutable for one caller: never more than AccessLevel and Executable."""
        value = found.Value.Value if found.Value is not None else 0
        if attribute == A.UserExecutable:
            allowed = bool(value) and self.may_call(node.nodeid, caller)
            return found if allowed == value else ua.DataValue(ua.Variant(allowed, ua.VariantType.Boolean))
        if not value & WRITE or self.may_write(node.nodeid, caller):
            return found
        return ua.DataValue(ua.Variant(value & ~WRITE, ua.VariantType.Byte))
