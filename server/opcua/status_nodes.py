"""Objects/Fieldloom: what the server says about itself: pipeline counters and installed packages."""

from __future__ import annotations

from collections.abc import Mapping

from asyncua import ua

from server.core.clock import TimeUs
from server.core.texts import Texts
from server.model.device_type import DeviceType
from server.opcua.datavalues import moment, stack_status
from server.opcua.names import PLANT_URI, TYPES_URI
from server.opcua.space import OBJECTS, ORGANIZES, Space, data_value
from server.opcua.type_nodes import type_id

ROOT = "Fieldloom"
PIPELINE = "Fieldloom/Pipeline"
PACKAGES = "Fieldloom/Packages"
_DOUBLE = ua.NodeId(ua.ObjectIds.Double)
_INT64 = ua.NodeId(ua.ObjectIds.Int64)


class StatusNodes:
    """Builds the folder and gives the writes of each second."""

    def __init__(self, space: Space) -> None:
        self._space = space

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

    def counters(self, values: Mapping[str, int | float], now: TimeUs) -> list[tuple[ua.NodeId, ua.DataValue]]:
        """Writes for the counters; a counter seen for the first time gets its node."""
        writes = []
        for name, value in values.items():
            node_id = self._space.id(PLANT_URI, f"{PIPELINE}/{name}")
            kind = ua.VariantType.Double if isinstance(value, float) else ua.VariantType.Int64
            shown = ua.DataValue(
                ua.Variant(value, kind),
                stack_status(0),
                SourceTimestamp=moment(now),
                ServerTimestamp=moment(now),
            )
            if node_id not in self._space:
                parent = self._space.id(PLANT_URI, PIPELINE)
                data_type = _DOUBLE if isinstance(value, float) else _INT64
                self._space.variable(node_id, self._space.name(PLANT_URI, name), shown, data_type, parent=parent)
            else:
                writes.append((node_id, shown))
        return writes

    def add_package(self, device_type: DeviceType) -> None:
        """One installed package with its id, version and type."""
        space = self._space
        path = f"{PACKAGES}/{device_type.type_id}"
        node_id = space.id(PLANT_URI, path)
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
            ("PackageId", device_type.package_id, ua.VariantType.String),
            ("Version", device_type.version, ua.VariantType.String),
            ("DeviceTypeId", type_id(space, device_type), ua.VariantType.NodeId),
        )
        for name, value, kind in rows:
            space.property(
                space.id(PLANT_URI, f"{path}/{name}"),
                space.name(TYPES_URI, name),
                data_value(value, kind),
                ua.NodeId(kind.value),
                parent=node_id,
            )

    def remove_package(self, type_name: str) -> None:
        """Take a package's entry out."""
        path = f"{PACKAGES}/{type_name}"
        node_id = self._space.id(PLANT_URI, path)
        if node_id in self._space:
            self._space.remove(self._space.subtree(node_id, f"{path}/"))
