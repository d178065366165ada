"""Live values: the one place where a PointUpdate becomes an encoded value and reaches monitored items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asyncua import ua

from server.core import status
from server.core.values import PointUpdate, UpdateKind
from server.model.device import Device
from server.model.device import Point as LivePoint
from server.model.device_type import DataType, DeviceType, ParameterSpec
from server.opcua.datavalues import show
from server.opcua.names import PLANT_URI, parameter_path
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.values import encode_variant
from server.opcua.parameter_nodes import value_text
from server.opcua.space import Space
from server.opcua.wire import Point, to_ticks

TEXTS = 10_000
"""ValueAsText that are kept encoded: a device may send numbers that its enumeration does not name."""


class PointNode:
    """The Variable of one point."""

    __slots__ = ("data_type", "device_id", "key", "parameter", "point", "spec", "text")

    def __init__(self, key: Key, device_id: str, parameter: str, data_type: DataType, point: Point) -> None:
        self.key = key
        self.device_id = device_id
        self.parameter = parameter
        self.data_type = data_type
        self.point = point
        self.spec: ParameterSpec | None = None
        self.text: Point | None = None  # ValueAsText of an enumeration


class Values:
    """All points that have a Variable."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._points: dict[tuple[str, str], PointNode] = {}
        self._by_key: dict[Key, PointNode] = {}
        self._texts: dict[tuple[int, object], tuple[ParameterSpec, bytes]] = {}
        """(id of the specification, value) -> that specification, encoded ValueAsText."""

    def add_device(self, device: Device) -> None:
        """Take in the Variables of a device that has just been built, with what it has already said."""
        for name, spec in device.device_type.parameters.items():
            self._take_in(device, name, spec)

    def _take_in(self, device: Device, name: str, spec: ParameterSpec) -> None:
        node_id = self._space.id(PLANT_URI, parameter_path(device.device_id, name))
        node = self.add(node_id, device.device_id, name, spec.data_type)
        node.spec = spec
        node.text = self._text_of(node, spec)
        live = device.points[name]
        if live.source_time:
            self.show(node, live.value, live.status, live.source_time, live.server_time)

    def _text_of(self, node: PointNode, spec: ParameterSpec) -> Point | None:
        """ValueAsText of an enumeration."""
        if not spec.enum_values or spec.bit_enumerated:
            return None
        return self._space.point(
            self._space.id(PLANT_URI, f"{parameter_path(node.device_id, node.parameter)}/ValueAsText")
        )

    def specs(self, device_type: DeviceType, device_id: str) -> dict[str, ParameterSpec]:
        """What a device's Variables say of the parameters of its type now."""
        nodes = ((name, self._points.get((device_id, name))) for name in device_type.parameters)
        return {name: node.spec for name, node in nodes if node is not None and node.spec is not None}

    def change_device(self, device: Device, removed: Iterable[str]) -> None:
        """Another version of a device's type is built: what came is taken in, what went forgotten, the rest goes on."""
        device_id = device.device_id
        for name in removed:
            node = self._points.pop((device_id, name), None)
            if node is not None:
                del self._by_key[node.key]
        for name, live in device.points.items():
            node = self._points.get((device_id, name))
            if node is None or node.point is not self._space.store[node.key].point:
                self._take_in(device, name, live.spec)
            elif node.spec is not live.spec:
                same = node.spec == live.spec
                node.spec, node.text = live.spec, self._text_of(node, live.spec)
                if not same and live.source_time:
                    self._show_text(node, live.value, live.status, live.source_time, live.server_time)

    def add(self, node_id: ua.NodeId, device_id: str, parameter: str, data_type: DataType) -> PointNode:
        """Let updates of a point reach a Variable."""
        key = key_of(node_id)
        node = PointNode(key, device_id, parameter, data_type, self._space.point(node_id))
        self._points[device_id, parameter] = self._by_key[key] = node
        return node

    def remove_device(self, device_id: str) -> None:
        """Forget a device."""
        for key in [key for key in self._points if key[0] == device_id]:
            node = self._points.pop(key)
            del self._by_key[node.key]
            if node.spec is not None:
                self._texts = {entry: body for entry, body in self._texts.items() if entry[0] != id(node.spec)}

    def of_key(self, key: Key) -> PointNode | None:
        """The point that a Variable shows."""
        return self._by_key.get(key)

    def forget_texts(self, device_type: DeviceType) -> None:
        """Texts of a version that is replaced are not shown again."""
        gone = {id(spec) for spec in device_type.parameters.values()}
        self._texts = {entry: found for entry, found in self._texts.items() if entry[0] not in gone}

    def publish(self, updates: Sequence[PointUpdate]) -> None:
        """Show values in their order. Late ones are for history only."""
        points = self._points
        for update in updates:
            if update.kind is UpdateKind.LATE:
                continue
            node = points.get((update.device_id, update.parameter))
            if node is None:
                continue
            self.show(node, update.value, update.status, update.source_time, update.server_time)

    def respecify(self, live: LivePoint, device_id: str, parameter: str) -> None:
        """A parameter means something else now: its present value may have another text."""
        node = self._points.get((device_id, parameter))
        if node is not None and node.spec is not None:
            node.spec = live.spec
            self._show_text(node, live.value, live.status, live.source_time, live.server_time)

    def show(self, node: PointNode, value: object, code: int, source_time: int, server_time: int) -> None:
        """Put a value into a Variable, and its text into ValueAsText."""
        show(node.point, value, node.data_type, code, source_time, server_time)  # type: ignore[arg-type]
        self._show_text(node, value, code, source_time, server_time)

    def _show_text(self, node: PointNode, value: object, code: int, source_time: int, server_time: int) -> None:
        spec = node.spec
        if node.text is None or spec is None:
            return
        shown = None if status.is_bad(code) else value
        entry = (id(spec), shown)
        found = self._texts.get(entry)
        if found is None or found[0] is not spec:
            found = spec, encode_variant(ua.Variant(value_text(spec, shown), ua.VariantType.LocalizedText))
            if shown is None or len(self._texts) < TEXTS:
                self._texts[entry] = found
        node.text.put(1, found[1], to_ticks(source_time), to_ticks(server_time))
