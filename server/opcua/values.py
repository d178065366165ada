"""Live values: the one place where a PointUpdate becomes a DataValue and reaches monitored items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AttributeValue

from server.core import status
from server.core.values import PointUpdate, UpdateKind
from server.model.device import Device
from server.model.device_type import DataType, ParameterSpec
from server.opcua.datavalues import stack_status, to_data_value
from server.opcua.names import PLANT_URI, parameter_path
from server.opcua.parameter_nodes import value_text
from server.opcua.space import A, Space

NORMAL, FAILURE, OFF_SPEC = 0, 1, 3
"""DeviceHealthEnumeration of OPC 10000-100, as far as values tell it."""
_FAILED = frozenset({status.BAD_SENSOR_FAILURE, status.BAD_DEVICE_FAILURE})


class PointNode:
    """The Variable of one point."""

    __slots__ = ("data_type", "device_id", "held", "node_id", "parameter", "spec", "text")

    def __init__(
        self, node_id: ua.NodeId, device_id: str, parameter: str, data_type: DataType, held: AttributeValue
    ) -> None:
        self.node_id = node_id
        self.device_id = device_id
        self.parameter = parameter
        self.data_type = data_type
        self.held = held
        self.spec: ParameterSpec | None = None
        self.text: AttributeValue | None = None  # ValueAsText of an enumeration


class Values:
    """All points that have a Variable."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._points: dict[tuple[str, str], PointNode] = {}
        self._by_node: dict[ua.NodeId, PointNode] = {}
        self._health: dict[str, AttributeValue] = {}
        self._unwell: dict[str, dict[str, int]] = {}  # device -> parameter -> health, only those that are not well

    def add_device(self, device: Device) -> None:
        """Take in the Variables of a device that has just been built, with what it has already said."""
        nodes = self._space.aspace
        for name, spec in device.device_type.parameters.items():
            node_id = self._space.id(PLANT_URI, parameter_path(device.device_id, name))
            point = self.add(node_id, device.device_id, name, spec.data_type)
            point.spec = spec
            if spec.enum_values and not spec.bit_enumerated:
                text_id = ua.NodeId(f"{node_id.Identifier}/ValueAsText", node_id.NamespaceIndex)
                point.text = nodes[text_id].attributes[A.Value]
            live = device.points[name]
            if live.source_time:
                point.held.value = to_data_value(
                    live.value, spec.data_type, live.status, live.source_time, live.server_time
                )
                if point.text is not None:
                    point.text.value = _text(spec, point.held.value)
        health = self._space.id(PLANT_URI, f"{device.device_id}/DeviceHealth")
        self._health[device.device_id] = nodes[health].attributes[A.Value]

    def add(self, node_id: ua.NodeId, device_id: str, parameter: str, data_type: DataType) -> PointNode:
        """Let updates of a point reach a Variable."""
        held = self._space.aspace[node_id].attributes[A.Value]
        point = PointNode(node_id, device_id, parameter, data_type, held)
        self._points[device_id, parameter] = self._by_node[node_id] = point
        return point

    def remove_device(self, device_id: str) -> None:
        """Forget a device."""
        for key in [key for key in self._points if key[0] == device_id]:
            del self._by_node[self._points.pop(key).node_id]
        self._health.pop(device_id, None)
        self._unwell.pop(device_id, None)

    def of_node(self, node_id: ua.NodeId) -> PointNode | None:
        """The point that a Variable shows."""
        return self._by_node.get(node_id)

    async def publish(self, updates: Sequence[PointUpdate]) -> None:
        """Show values in their order. Late ones are for history only."""
        for update in updates:
            if update.kind is UpdateKind.LATE:
                continue
            point = self._points.get((update.device_id, update.parameter))
            if point is None:
                continue
            value = to_data_value(update.value, point.data_type, update.status, update.source_time, update.server_time)
            await put(point.held, value)
            if point.text is not None and point.spec is not None:
                await put(point.text, _text(point.spec, value))
            if not status.is_good(update.status) or update.device_id in self._unwell:
                await self._judge_health(update)

    async def _judge_health(self, update: PointUpdate) -> None:
        """DeviceHealth from the quality that the device gives its values.

        Failed sensors are FAILURE, inaccurate ones OFF_SPEC; a silent device's health is not known.
        """
        held = self._health.get(update.device_id)
        if held is None:
            return
        unwell = self._unwell.setdefault(update.device_id, {})
        base = update.status & 0xFFFF0000
        if base in _FAILED:
            unwell[update.parameter] = FAILURE
        elif base == status.UNCERTAIN_SENSOR_NOT_ACCURATE:
            unwell[update.parameter] = OFF_SPEC
        else:
            unwell.pop(update.parameter, None)
        found = set(unwell.values())
        health = FAILURE if FAILURE in found else OFF_SPEC if found else NORMAL
        code = status.BAD_NO_COMMUNICATION if base == status.BAD_NO_COMMUNICATION else status.GOOD
        if not unwell and code == status.GOOD:
            del self._unwell[update.device_id]
        shown = to_data_value(health, DataType.INT32, code, update.source_time, update.server_time)
        if held.value is None or held.value.Value != shown.Value or held.value.StatusCode != shown.StatusCode:
            await put(held, shown)


async def put(held: AttributeValue, value: ua.DataValue) -> None:
    """Replace an attribute's value and tell the monitored items."""
    held.value = value
    callbacks: dict[int, Any] = held.datachange_callbacks
    if callbacks:
        for handle, callback in list(callbacks.items()):
            await callback(handle, value)


def _text(spec: ParameterSpec, value: ua.DataValue) -> ua.DataValue:
    number = value.Value.Value if value.Value is not None else None
    return ua.DataValue(
        ua.Variant(value_text(spec, number), ua.VariantType.LocalizedText),
        value.StatusCode or stack_status(status.GOOD),
        value.SourceTimestamp,
        value.ServerTimestamp,
    )
