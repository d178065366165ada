"""NodeIds of our instances are strings built from the path, by these functions only (never from display names)."""

from __future__ import annotations

from dataclasses import dataclass

from asyncua import ua

PLANT_URI = "urn:fieldloom:plant"
TYPES_URI = "urn:fieldloom:types"
LOAD_URI = "urn:fieldloom:load"
DI_URI = "http://opcfoundation.org/UA/DI/"
FDI5_URI = "http://fdi-cooperation.com/OPCUA/FDI5/"
FDI7_URI = "http://fdi-cooperation.com/OPCUA/FDI7/"
PARAMETER_SET = "ParameterSet"
METHOD_SET = "MethodSet"
ALARMS = "Alarms"
HEALTH_ALARMS = "DeviceHealthAlarms"


def parameter_path(device_id: str, parameter: str) -> str:
    """Identifier of a parameter's Variable; those of the test device stand directly below it."""
    if device_id == "Test":
        return f"Test/{parameter}"
    return f"{device_id}/{PARAMETER_SET}/{parameter}"


def method_path(device_id: str, method: str) -> str:
    """Identifier of a Method."""
    return f"{device_id}/{METHOD_SET}/{method}"


def folder_path(*parts: str) -> str:
    """Identifier of a folder below Objects/Plant."""
    return "/".join(("Plant", *parts))


@dataclass(frozen=True, slots=True)
class Place:
    """A NodeId of ours taken apart: device, set, name and what follows."""

    device_id: str
    part: str  # "ParameterSet", "MethodSet", "Alarms", "" for the device itself
    name: str = ""
    rest: str = ""


def place_of(node_id: ua.NodeId, plant_index: int) -> Place | None:
    """What a NodeId names, or None when it is not one of a device."""
    identifier = node_id.Identifier
    if node_id.NamespaceIndex != plant_index or not isinstance(identifier, str):
        return None
    parts = identifier.split("/", 3)
    return Place(*parts) if len(parts) > 1 else Place(identifier, "")
