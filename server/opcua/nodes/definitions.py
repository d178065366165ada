"""DataTypeDefinition of the base namespace's DataTypes, made from the stack's own classes and the enumerations' texts.

The stack's standard address space has none; without them a client cannot decode a structure it does not know
(OPC 10000-3, 5.8.3 and 8.47 to 8.51).
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from asyncua import ua

from server.opcua.nodes.keys import NULL_KEY, Key, node_id_of
from server.opcua.nodes.node import DATA_TYPE, A, Node
from server.opcua.nodes.store import HAS_SUBTYPE_KEY, NodeStore
from server.opcua.nodes.values import variant_of

_HAS_ENCODING, _HAS_PROPERTY = 38, 46
_STRUCTURE, _ENUMERATION, _NUMBER = 22, 29, 26
_ALIASES = {"Variant": "BaseDataType", "ExtensionObject": "Structure", "CharArray": "String"}
_NODE = (
    "NodeId:NodeId NodeClass:NodeClass BrowseName:QualifiedName DisplayName:LocalizedText Description:LocalizedText "
    "WriteMask:UInt32 UserWriteMask:UInt32 RolePermissions:RolePermissionType[] "
    "UserRolePermissions:RolePermissionType[] AccessRestrictions:UInt16 References:ReferenceNode[]"
)
_VALUE = "Value:BaseDataType DataType:NodeId ValueRank:Int32 ArrayDimensions:UInt32[]"
_ACCESS = "AccessLevel:Byte UserAccessLevel:Byte MinimumSamplingInterval:Double Historizing:Boolean"
WITHOUT_CLASS: dict[str, str] = {
    "3DFrame": "CartesianCoordinates:3DCartesianCoordinates Orientation:3DOrientation",
    "PortableNodeId": "NamespaceUri:String Identifier:NodeId",
    "ReferenceNode": "ReferenceTypeId:NodeId IsInverse:Boolean TargetId:ExpandedNodeId",
    "Node": _NODE,
    "InstanceNode": _NODE,
    "TypeNode": _NODE,
    "ObjectNode": f"{_NODE} EventNotifier:Byte",
    "ObjectTypeNode": f"{_NODE} IsAbstract:Boolean",
    "VariableNode": f"{_NODE} {_VALUE} {_ACCESS} AccessLevelEx:UInt32",
    "VariableTypeNode": f"{_NODE} {_VALUE} IsAbstract:Boolean",
    "ReferenceTypeNode": f"{_NODE} IsAbstract:Boolean Symmetric:Boolean InverseName:LocalizedText",
    "MethodNode": f"{_NODE} Executable:Boolean UserExecutable:Boolean",
    "ViewNode": f"{_NODE} ContainsNoLoops:Boolean EventNotifier:Byte",
    "DataTypeNode": f"{_NODE} IsAbstract:Boolean DataTypeDefinition:Structure",
    "VariableAttributes": "SpecifiedAttributes:UInt32 DisplayName:LocalizedText Description:LocalizedText "
    f"WriteMask:UInt32 UserWriteMask:UInt32 {_VALUE} {_ACCESS}",
}
"""Fields of structures that the stack has no class for, or one that does not say what its lists hold."""

_TYPE = re.compile(r"(?P<list>list\[)?(?P<sub>type\[)?(?:ua\.)?(?P<name>\w+)\]*(?P<optional> \| None)?")


def define(store: NodeStore) -> int:
    """Give every DataType that has a known content its definition; returns how many got one."""
    made = 0
    classes = _classes()
    names = {node.name.Name: node.key for node in store.nodes() if node.shape.node_class == DATA_TYPE and node.key != 0}
    structures, enumerations, numbers = (store.below(key) for key in (_STRUCTURE, _ENUMERATION, _NUMBER))
    for node in store.nodes():
        if node.shape.node_class != DATA_TYPE or node.key in (_STRUCTURE, _ENUMERATION):
            continue
        definition: ua.EnumDefinition | ua.StructureDefinition | None = None
        if node.key in structures:
            definition = _structure(store, node, classes.get(node.key), names)
        elif node.key in enumerations or node.key in numbers:
            definition = _numbered(store, node)
        if definition is not None:
            made += 1
            node.extra = {
                **(node.extra or {}),
                A.DataTypeDefinition: ua.Variant(definition, ua.VariantType.ExtensionObject),
            }
    return made


def _classes() -> dict[Key, type]:
    found: dict[Key, type] = {}
    for _name, made in inspect.getmembers(ua, inspect.isclass):
        data_type = getattr(made, "data_type", None)
        if dataclasses.is_dataclass(made) and isinstance(data_type, ua.NodeId) and isinstance(made, type):
            found[int(data_type.Identifier)] = made
    return found


def _numbered(store: NodeStore, node: Node) -> ua.EnumDefinition | None:
    """From EnumStrings, EnumValues or OptionSetValues; the number of an option is its bit."""
    for key in store.targets(node.key, _HAS_PROPERTY):
        child = store.peek(key)
        if child is None or child.point is None:
            continue
        entries = variant_of(child.point).Value
        if child.name.Name in ("EnumStrings", "OptionSetValues"):
            rows = [(number, text.Text, text, None) for number, text in enumerate(entries or ()) if text.Text]
        elif child.name.Name == "EnumValues":
            rows = [(entry.Value, entry.DisplayName.Text, entry.DisplayName, entry.Description) for entry in entries]
        else:
            continue
        return ua.EnumDefinition(
            [
                ua.EnumField(
                    Value=value, DisplayName=shown, Description=description or ua.LocalizedText(None), Name=name
                )
                for value, name, shown, description in rows
            ]
        )
    return None


def _fields(made: type) -> list[dataclasses.Field[Any]]:
    """The fields as the standard has them.

    The stack's messages carry the id of their encoding as a field, and wrap what follows the header in another class.
    """
    found: list[dataclasses.Field[Any]] = []
    message = made.__name__.endswith(("Request", "Response"))
    for item in dataclasses.fields(made):
        inner = getattr(ua, str(item.type).strip("'").removeprefix("ua."), None)
        if message and item.name == "Parameters" and isinstance(inner, type):
            found += _fields(inner)
        elif not (message and item.name == "TypeId"):
            found.append(item)
    return found


def _structure(store: NodeStore, node: Node, made: type | None, names: dict[str, Key]) -> ua.StructureDefinition | None:
    kind = ua.StructureType.Structure
    if node.name.Name in WITHOUT_CLASS:
        fields = [_by_hand(word, names) for word in WITHOUT_CLASS[node.name.Name].split()]
    elif made is None:
        return None
    else:
        fields = []
        for item in _fields(made):
            text = item.type if isinstance(item.type, str) else getattr(item.type, "__name__", "")
            parts = _TYPE.fullmatch(text.strip("'"))
            name = "" if parts is None else _ALIASES.get(parts["name"], parts["name"])
            if parts is None or name not in names:
                return None
            if parts["sub"]:
                kind = ua.StructureType.StructureWithSubtypedValues
            elif parts["optional"] and kind is ua.StructureType.Structure:
                kind = ua.StructureType.StructureWithOptionalFields
            # In a structure with subtyped values the flag means that subtypes are allowed (OPC 10000-3, 8.51).
            optional = bool(parts["optional"] or parts["sub"])
            fields.append(_field(item.name, names[name], is_list=bool(parts["list"]), optional=optional))
    above = store.targets(node.key, HAS_SUBTYPE_KEY, forward=False)
    encoding = next(
        (key for key in store.targets(node.key, _HAS_ENCODING) if store[key].name.Name == "Default Binary"), NULL_KEY
    )
    return ua.StructureDefinition(node_id_of(encoding), node_id_of(above[0] if above else NULL_KEY), kind, fields)


def _by_hand(word: str, names: dict[str, Key]) -> ua.StructureField:
    name, _, type_name = word.partition(":")
    return _field(name, names[type_name.removesuffix("[]")], is_list=type_name.endswith("[]"))


def _field(name: str, data_type: Key, *, is_list: bool, optional: bool = False) -> ua.StructureField:
    return ua.StructureField(
        Name=name,
        DataType=node_id_of(data_type),
        ValueRank=1 if is_list else -1,
        ArrayDimensions=[0] if is_list else [],
        IsOptional=optional,
    )
