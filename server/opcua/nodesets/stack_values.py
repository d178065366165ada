"""Initial values and definitions of NodeSet files in the stack's own classes."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from server.opcua.nodesets.build import node_key
from server.opcua.nodesets.model import Body, Definition, Name, NodeKey, Structure, Text, Value, ValueItem, base

ToNodeId = Callable[[NodeKey], ua.NodeId]
_XML_ENCODINGS = {297: ua.Argument, 7616: ua.EnumValueType, 888: ua.EUInformation, 885: ua.Range}
"""XML encoding ids of the base namespace that initial values use."""


def variant(value: Value, to_node_id: ToNodeId, index: Callable[[str], int]) -> ua.Variant | None:
    """The Variant of an initial value; None when it is a structure the stack has no class for."""
    items = [_item(item, value.type, to_node_id, index) for item in value.items]
    if any(item is None for item in items):
        return None
    variant_type = ua.VariantType[value.type] if value.type in ua.VariantType.__members__ else ua.VariantType.String
    return ua.Variant(items if value.array else items[0], variant_type, is_array=value.array)


def _item(item: ValueItem, kind: str, to_node_id: ToNodeId, index: Callable[[str], int]) -> Any:
    if isinstance(item, Structure):
        return _structure(item, to_node_id)
    if isinstance(item, NodeKey):
        return to_node_id(item)
    if isinstance(item, Name):
        return ua.QualifiedName(item.text, index(item.uri))
    if isinstance(item, Text):
        return ua.LocalizedText(item.text, item.locale or None)
    if kind == "DateTime":
        return _date(str(item))
    if kind == "Guid":
        return uuid.UUID(str(item))
    return item


def _date(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _structure(item: Structure, to_node_id: ToNodeId) -> Any:
    if item.type_id.uri != base(0).uri:
        return None
    made = _XML_ENCODINGS.get(int(item.type_id.identifier[2:]))
    if made is None:
        return None
    target: Any = made()
    for child in item.body.children:
        field = next((field for field in dataclasses.fields(made) if field.name == child.name), None)
        if field is None:
            continue
        setattr(target, field.name, _field(child, str(field.type), to_node_id))
    return target


def _field(body: Body, kind: str, to_node_id: ToNodeId) -> Any:
    inner = {child.name: child.text for child in body.children}
    if "NodeId" in kind:
        return to_node_id(node_key(inner.get("Identifier", "i=0")))
    if "LocalizedText" in kind:
        return ua.LocalizedText(inner.get("Text") or None, inner.get("Locale") or None)
    if "List" in kind or "list" in kind:
        return [int(child.text) for child in body.children]
    if "String" in kind:
        return body.text
    if "Double" in kind or "Float" in kind or "float" in kind:
        return float(body.text)
    return int(body.text)


def type_definition(definition: Definition, encoding: ua.NodeId, supertype: ua.NodeId, to_node_id: ToNodeId) -> Any:
    """The DataTypeDefinition attribute of a DataType node (OPC 10000-3, 8.48 and 8.50)."""
    if definition.is_enumeration or definition.option_set:
        return ua.EnumDefinition(
            [
                ua.EnumField(Value=item.value or 0, DisplayName=ua.LocalizedText(item.name), Name=item.name)
                for item in definition.fields
            ]
        )
    made = ua.StructureDefinition()
    made.DefaultEncodingId = encoding
    made.BaseDataType = supertype
    if definition.union:
        made.StructureType = ua.StructureType.Union
    elif any(item.optional for item in definition.fields):
        made.StructureType = ua.StructureType.StructureWithOptionalFields
    else:
        made.StructureType = ua.StructureType.Structure
    made.Fields = [
        ua.StructureField(
            Name=item.name,
            DataType=to_node_id(item.data_type),
            ValueRank=item.value_rank,
            ArrayDimensions=list(item.array_dimensions),
            IsOptional=item.optional,
        )
        for item in definition.fields
    ]
    return made
