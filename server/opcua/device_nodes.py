"""A device as nodes: nameplate, parameters, methods, groups, alarms, its place in the plant."""

from __future__ import annotations

from collections.abc import Callable

from asyncua import ua

from server.alarms.conditions.device_health import health_alarms
from server.core.texts import Texts
from server.model.device import Device
from server.model.device_type import DeviceType
from server.model.layout import PlantLayout
from server.opcua.condition_types import DEVICE_HEALTH, condition_type
from server.opcua.datavalues import text
from server.opcua.history_nodes import announce_annotations
from server.opcua.names import (
    ALARMS,
    DI_URI,
    HEALTH_ALARMS,
    METHOD_SET,
    PARAMETER_SET,
    PLANT_URI,
    TYPES_URI,
    folder_path,
    method_path,
    parameter_path,
)
from server.opcua.nodes.node import Node
from server.opcua.parameter_nodes import add_parameter
from server.opcua.space import (
    EVENTS_AND_HISTORY,
    FOLDER_TYPE,
    HAS_CONDITION,
    HAS_EVENT_SOURCE,
    HAS_NOTIFIER,
    OBJECTS,
    ORGANIZES,
    SERVER,
    Space,
    data_value,
)
from server.opcua.type_nodes import BASE_OBJECT, FUNCTIONAL_GROUP, add_group, add_method, type_id

DEVICE_SET = 5001
NETWORK_SET = 6078
MQTT_NETWORK = "Network/MQTT"
_STRING = ua.VariantType.String
_LOCALIZED = ua.VariantType.LocalizedText


class DeviceNodes:
    """Builds and removes device subtrees."""

    def __init__(self, space: Space, layout: PlantLayout) -> None:
        self._space = space
        self._layout = layout
        self.parts: list[Callable[[Device, ua.NodeId], None]] = []
        """What companion specifications add to every device, called with its Object when the rest of it is there."""

    def add_frame(self) -> None:
        """Objects/Plant and the MQTT network: what every device hangs below."""
        space = self._space
        plant = space.id(PLANT_URI, "Plant")
        space.object(
            plant,
            space.name(PLANT_URI, "Plant"),
            FOLDER_TYPE,
            parent=OBJECTS,
            reference=ORGANIZES,
            notifier=EVENTS_AND_HISTORY,
        )
        space.link(SERVER, HAS_NOTIFIER, plant)
        network = space.id(PLANT_URI, MQTT_NETWORK)
        space.object(
            network,
            space.name(PLANT_URI, "MQTT"),
            space.id(TYPES_URI, 1002),
            parent=space.id(DI_URI, NETWORK_SET),
            reference=ORGANIZES,
            display=Texts.of("MQTT network", ru="Сеть MQTT"),
        )

    def folder(self, path: tuple[str, ...]) -> ua.NodeId:
        """The folder of a place in the plant, made with its parents when new."""
        space = self._space
        node_id = space.id(PLANT_URI, folder_path(*path))
        if node_id not in space:
            parent = self.folder(path[:-1]) if len(path) > 1 else space.id(PLANT_URI, "Plant")
            space.object(
                node_id,
                space.name(PLANT_URI, path[-1]),
                FOLDER_TYPE,
                parent=parent,
                reference=ORGANIZES,
                display=self._layout.display_name(path),
                notifier=EVENTS_AND_HISTORY,
            )
            space.link(parent, HAS_NOTIFIER, node_id)
        return node_id

    def add(self, device: Device) -> None:
        """Everything of one device."""
        space = self._space
        device_type = device.device_type
        root = space.id(PLANT_URI, device.device_id)
        space.object(
            root,
            space.name(PLANT_URI, device.device_id),
            type_id(space, device_type),
            parent=space.id(DI_URI, DEVICE_SET),
            display=device.name or device.device_id,
            description=device_type.label,
            notifier=EVENTS_AND_HISTORY,
        )
        folder = self.folder(device.path)
        space.link(folder, ORGANIZES, root)
        space.link(folder, HAS_NOTIFIER, root)
        self._parameters(device, root)
        self._methods(device, root)
        self._nameplate(device, root)
        for group in device_type.groups:
            add_group(space, group, PLANT_URI, device_type.namespace_uri, device.device_id, root)
        self._alarms(device, root)
        for part in self.parts:
            part(device, root)

    def _parameters(self, device: Device, root: ua.NodeId) -> None:
        space = self._space
        holder = space.id(PLANT_URI, f"{device.device_id}/{PARAMETER_SET}")
        space.object(holder, space.name(DI_URI, PARAMETER_SET), BASE_OBJECT, parent=root)
        for spec in device.device_type.parameters.values():
            node_id = space.id(PLANT_URI, parameter_path(device.device_id, spec.name))
            device_type = device.device_type
            add_parameter(space, spec, node_id, device_type.namespace_uri, holder, type_id=device_type.type_id)
            if space.node(node_id).shape.historizing:
                announce_annotations(space, node_id)

    def _methods(self, device: Device, root: ua.NodeId) -> None:
        methods = device.device_type.methods
        if not methods:
            return
        space = self._space
        holder = space.id(PLANT_URI, f"{device.device_id}/{METHOD_SET}")
        space.object(holder, space.name(DI_URI, METHOD_SET), BASE_OBJECT, parent=root)
        for method in methods:
            node_id = space.id(PLANT_URI, method_path(device.device_id, method.name))
            add_method(space, method, node_id, device.device_type.namespace_uri, holder)

    def _nameplate(self, device: Device, root: ua.NodeId) -> None:
        space = self._space
        facts = device.attributes
        device_type = device.device_type
        rows: list[tuple[str, object, ua.VariantType]] = [
            ("Manufacturer", text(device_type.manufacturer), _LOCALIZED),
            ("Model", text(facts["model"]) if facts.get("model") else text(device_type.model), _LOCALIZED),
            ("HardwareRevision", facts.get("hardware_revision", ""), _STRING),
            ("SoftwareRevision", facts.get("firmware", ""), _STRING),
            ("DeviceRevision", device_type.device_revision, _STRING),
            ("DeviceManual", _manual(device_type), _STRING),
            ("SerialNumber", facts.get("serial_number", ""), _STRING),
            ("RevisionCounter", -1, ua.VariantType.Int32),
            ("DeviceClass", device_type.classification, _STRING),
        ]
        group = space.id(PLANT_URI, f"{device.device_id}/Identification")
        space.object(group, space.name(DI_URI, "Identification"), space.id(DI_URI, FUNCTIONAL_GROUP), parent=root)
        for name, value, variant_type in rows:
            node_id = space.id(PLANT_URI, f"{device.device_id}/{name}")
            space.property(
                node_id,
                space.name(DI_URI, name),
                data_value(value, variant_type),
                ua.NodeId(variant_type.value),
                parent=root,
            )
            space.link(group, ORGANIZES, node_id)
        space.variable(
            space.id(PLANT_URI, f"{device.device_id}/DeviceHealth"),
            space.name(DI_URI, "DeviceHealth"),
            data_value(0, ua.VariantType.Int32),
            space.id(DI_URI, 6244),
            parent=root,
        )

    def _alarms(self, device: Device, root: ua.NodeId) -> None:
        device_type = device.device_type
        rows = [(spec.name, spec.parameter, spec.kind) for spec in device_type.alarms]
        rows += [(alarm.name, alarm.input_parameter, alarm.kind) for alarm in health_alarms(device_type.health)]
        if not rows:
            return
        space = self._space
        folder = space.id(PLANT_URI, f"{device.device_id}/{ALARMS}")
        space.object(folder, space.name(PLANT_URI, ALARMS), FOLDER_TYPE, parent=root)
        health = space.id(PLANT_URI, f"{device.device_id}/{HEALTH_ALARMS}")
        if device_type.health:
            space.object(health, space.name(DI_URI, HEALTH_ALARMS), FOLDER_TYPE, parent=root)
        sources = set()
        for name, parameter, kind in rows:
            condition = space.id(PLANT_URI, f"{device.device_id}/{ALARMS}/{name}")
            source = space.id(PLANT_URI, parameter_path(device.device_id, parameter))
            type_definition = condition_type(space.indexes, kind)
            browse_name = space.name(PLANT_URI, name)
            # The condition and its forty children are made when somebody looks: see ConditionNodes.
            space.announce(folder, ua.NodeId(ua.ObjectIds.HasComponent), condition, browse_name, type_definition)
            space.announce(source, HAS_CONDITION, condition, browse_name, type_definition)
            if kind in DEVICE_HEALTH:
                space.announce(health, ORGANIZES, condition, browse_name, type_definition)
            if source not in sources:
                sources.add(source)
                space.link(root, HAS_EVENT_SOURCE, source)

    def remove(self, device_id: str) -> list[Node]:
        """Take a device out with everything below it; returns the nodes that went."""
        root = self._space.id(PLANT_URI, device_id)
        if root not in self._space:
            return []
        return self._space.remove(self._space.subtree(root, f"{device_id}/"))


def _manual(device_type: DeviceType) -> str:
    """Where the manual is: below the type's Documentation, by file name."""
    return device_type.documents[0].name if device_type.documents else ""
