"""Objects/Fieldloom: what the server says about itself: pipeline counters and installed packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asyncua import ua

from server.core.clock import TimeUs
from server.core.texts import Texts
from server.model.device_type import DeviceType
from server.opcua.names import PLANT_URI, TYPES_URI
from server.opcua.nodes.keys import key_of
from server.opcua.nodes.node import Node
from server.opcua.nodes.values import Encoded, put_data_value
from server.opcua.space import HAS_COMPONENT, OBJECTS, ORGANIZES, Space, data_value
from server.opcua.type_nodes import type_id
from server.opcua.wire import Point, to_ticks

ROOT = "Fieldloom"
PIPELINE = "Fieldloom/Pipeline"
PACKAGES = "Fieldloom/Packages"
_V = ua.VariantType
_DOUBLE = ua.VariantType.Double.value
_INT64 = ua.VariantType.Int64.value


class StatusNodes:
    """Builds the folder and shows the counters of each second."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._points: dict[str, Point] = {}  # by counter

    def add_frame(self) -> None:
        """The folder and its two parts."""
        space = self._space
        root = space.id(PLANT_URI, ROOT)
        space.object(
            root,
            space.name(PLANT_URI, ROOT),
            ua.NodeId(ua.ObjectIds.FolderType),
            parent=OBJECTS,
            reference=ORGANIZES,
            display=Texts.of("Fieldloom"),
        )
        space.object(
            space.id(PLANT_URI, PIPELINE), space.name(PLANT_URI, "Pipeline"), space.id(TYPES_URI, 1010), parent=root
        )
        space.object(
            space.id(PLANT_URI, PACKAGES), space.name(PLANT_URI, "Packages"), space.id(TYPES_URI, 1011), parent=root
        )

    def counters(self, values: Mapping[str, int | float], now: TimeUs) -> None:
        """Show the counters; one seen for the first time gets its node."""
        ticks = to_ticks(now)
        for name, value in values.items():
            kind = _DOUBLE if isinstance(value, float) else _INT64
            point = self._points.get(name)
            if point is None:
                node = self._space.variable(
                    self._space.id(PLANT_URI, f"{PIPELINE}/{name}"),
                    self._space.name(PLANT_URI, name),
                    Encoded(),
                    ua.NodeId(kind),
                    parent=self._space.id(PLANT_URI, PIPELINE),
                )
                point = self._points[name] = node.point or Point()
            point.put_scalar(kind, value, 0, ticks, ticks)

    def add_package(self, device_type: DeviceType) -> None:
        """One installed package: id, version in use, type, and how far its signature is believed."""
        space = self._space
        path = f"{PACKAGES}/{device_type.type_id}"
        node_id = space.id(PLANT_URI, path)
        package = space.id(PLANT_URI, f"{path}/PackageId")
        facts = (
            ("Version", device_type.version),
            ("SignatureState", device_type.signature),
            ("Signer", device_type.signer),
        )
        if package in space and space.value(package).Value.Value == device_type.package_id:
            for name, text in facts:
                put_data_value(space.point(space.id(PLANT_URI, f"{path}/{name}")), data_value(text, _V.String))
            space.rename(node_id, device_type.label)
            return
        if node_id in space:
            self.remove_package(device_type.type_id)
        space.object(
            node_id,
            space.name(PLANT_URI, device_type.type_id),
            space.id(TYPES_URI, 1012),
            parent=space.id(PLANT_URI, PACKAGES),
            display=device_type.label,
        )
        rows = (
            ("PackageId", device_type.package_id, _V.String, -1),
            *((name, text, _V.String, -1) for name, text in facts),
            ("DeviceTypeId", type_id(space, device_type), _V.NodeId, -1),
            ("OtherVersions", [], _V.String, 1),
        )
        for name, value, kind, rank in rows:
            space.property(
                space.id(PLANT_URI, f"{path}/{name}"),
                space.name(TYPES_URI, name),
                data_value(value, kind, is_array=rank == 1),
                ua.NodeId(kind.value),
                parent=node_id,
                rank=rank,
            )

    def other_versions(self, types: Sequence[DeviceType]) -> None:
        """Tell of each package which versions are installed and not in use, in their order."""
        space = self._space
        found: dict[str, list[str]] = {}
        for device_type in types:
            found.setdefault(device_type.type_id, []).append(device_type.version)
        for entry in space.store.targets(key_of(space.id(PLANT_URI, PACKAGES)), key_of(HAS_COMPONENT)):
            name = space.store[entry].name.Name
            point = space.point(space.id(PLANT_URI, f"{PACKAGES}/{name}/OtherVersions"))
            put_data_value(point, data_value(found.get(name, []), _V.String, is_array=True))

    def remove_package(self, type_name: str) -> list[Node]:
        """Take a package's entry out; returns what went."""
        path = f"{PACKAGES}/{type_name}"
        node_id = self._space.id(PLANT_URI, path)
        return self._space.remove(self._space.subtree(node_id, f"{path}/")) if node_id in self._space else []
