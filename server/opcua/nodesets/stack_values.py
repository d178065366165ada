"""Initial values and definitions of NodeSet files in the stack's own classes."""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from asyncua import ua

from server.opcua.nodesets.build import node_key
from server.opcua.nodesets.model import UA_URI, Body, Definition, FieldDef, Name, NodeKey, Structure, Text, Value
from server.opcua.nodesets.values import ValueFormatError, boolean

ToNodeId = Callable[[NodeKey], ua.NodeId]
ToClass = Callable[[NodeKey], type | None]
"""From an encoding id of a loaded file to the class made for its structure."""

_EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)  # the wire's zero; earlier dates stand for "none"


class StackValues:
    """Turns the plain values of files into the stack's; namespaces by one table, structures of files by `to_class`."""

    def __init__(self, to_node_id: ToNodeId, index: Callable[[str], int], to_class: ToClass) -> None:
        self._to_node_id = to_node_id
        self._index = index
        self._to_class = to_class

    def variant(self, value: Value) -> ua.Variant:
        """The Variant of an initial value. Raises ValueFormatError when a structure's type is nowhere defined."""
        items = [self._item(item, value.type) for item in value.items]
        variant_type = ua.VariantType[value.type]
        return ua.Variant(items if value.array else items[0], variant_type, is_array=value.array)

    def _item(self, item: Any, kind: str) -> Any:
        if isinstance(item, Structure):
            return self._structure(item)
        if isinstance(item, NodeKey):
            return self._to_node_id(item)
        if isinstance(item, Name):
            return ua.QualifiedName(item.text, self._index(item.uri))
        if isinstance(item, Text):
            return ua.LocalizedText(item.text, item.locale or None)
        if kind == "DateTime":
            return _date(str(item))
        if kind == "Guid":
            return uuid.UUID(str(item))
        if kind == "XmlElement":
            return ua.XmlElement(str(item))
        return ua.StatusCode(item) if kind == "StatusCode" else item

    def _structure(self, item: Structure) -> Any:
        made = _base_class(item.type_id) if item.type_id.uri == UA_URI else self._to_class(item.type_id)
        if made is None:
            raise ValueFormatError(f"the value is a structure encoded as {item.type_id}, which no loaded model defines")
        return self._filled(made, item.body)

    def _filled(self, made: type, body: Body) -> Any:
        target = made()
        hints = field_types(made)
        for child in body.children:
            if child.name not in hints:
                raise ValueFormatError(f"{made.__name__} has no field {child.name}")
            setattr(target, child.name, self._field(hints[child.name], child))
        return target

    def _field(self, hint: Any, body: Body) -> Any:
        if typing.get_origin(hint) is list:
            inner = typing.get_args(hint)[0]
            return [self._field(inner, child) for child in body.children]
        made = _without_none(hint)
        leaves = {child.name: child.text for child in body.children}
        if issubclass(made, ua.NodeId):
            return self._to_node_id(node_key(leaves.get("Identifier", "i=0")))
        if issubclass(made, ua.QualifiedName):
            return ua.QualifiedName(leaves.get("Name", ""), self._index(leaves.get("NamespaceIndex", UA_URI)))
        if issubclass(made, ua.LocalizedText):
            return ua.LocalizedText(leaves.get("Text") or None, leaves.get("Locale") or None)
        if dataclasses.is_dataclass(made) and made is not ua.StatusCode:
            return self._filled(made, body)
        return _leaf(made, body.text)


def _leaf(made: type, text: str) -> Any:
    try:
        if made is bool or made.__name__ == "Boolean":
            return boolean(text)
        if issubclass(made, IntEnum):
            # XML writes enumerations as Name_number.
            return made(int(text.rpartition("_")[2]))
        if issubclass(made, bytes):
            return base64.b64decode("".join(text.split()), validate=True)
        if issubclass(made, datetime):
            return _date(text)
        if issubclass(made, int | float | str | uuid.UUID):
            return made(text)
    except ValueError as error:
        raise ValueFormatError(f"'{text[:40]}' is not a {made.__name__}: {error}") from None
    raise ValueFormatError(f"fields of type {made.__name__} are not supported in initial values")


def _date(text: str) -> datetime:
    moment = datetime.fromisoformat(text) if text else _EARLIEST
    return max(_EARLIEST, moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _base_class(encoding: NodeKey) -> type | None:
    name = ua.ObjectIdNames.get(int(encoding.identifier[2:]), "") if encoding.identifier[:2] == "i=" else ""
    found = getattr(ua, name.partition("_Encoding_")[0], None) if "_Encoding_" in name else None
    return found if isinstance(found, type) else None


def field_types(made: type) -> dict[str, Any]:
    """The resolved type of every field of one of the stack's structures."""
    return typing.get_type_hints(made, {**vars(ua), "ua": ua, "typing": typing, **_dependencies(made)})


def _dependencies(made: type) -> dict[str, Any]:
    # Classes made from definitions name the structures they contain by private aliases among their attributes.
    return {name: value for name, value in vars(made).items() if name.startswith("_dep_") or name == "__SELF__"}


def _without_none(hint: Any) -> type:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return hint if isinstance(hint, type) else object


def type_definition(
    definition: Definition,
    fields: tuple[FieldDef, ...],
    encoding: ua.NodeId,
    supertype: ua.NodeId,
    to_node_id: ToNodeId,
) -> Any:
    """The DataTypeDefinition attribute of a DataType node (OPC 10000-3); `fields` begin with the inherited ones."""
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
    elif any(item.optional for item in fields):
        made.StructureType = ua.StructureType.StructureWithOptionalFields
    elif any(item.allow_subtypes for item in fields):
        made.StructureType = ua.StructureType.StructureWithSubtypedValues
    else:
        made.StructureType = ua.StructureType.Structure
    made.Fields = [
        ua.StructureField(
            Name=item.name,
            DataType=to_node_id(item.data_type),
            ValueRank=item.value_rank,
            ArrayDimensions=list(item.array_dimensions),
            IsOptional=item.optional or item.allow_subtypes,
        )
        for item in fields
    ]
    return made
