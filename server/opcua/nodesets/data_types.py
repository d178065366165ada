"""DataType nodes of a set of files: their definitions, and the stack's classes for structures that values need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from asyncua import ua

from server.opcua.light_stack import complete
from server.opcua.nodesets.model import (
    HAS_ENCODING,
    HAS_SUBTYPE,
    UA_URI,
    Definition,
    FieldDef,
    NodeKey,
    NodeSetFile,
    base,
)
from server.opcua.nodesets.stack_values import ToNodeId, type_definition

Edge = tuple[NodeKey, NodeKey, NodeKey]
"""Source, reference type, target."""

_STRUCTURE = base(22)
_ENUMERATION = base(29)
_MAX_DEPTH = 50  # structures inside structures, and supertypes; files that nest deeper are wrong


@dataclass(frozen=True, slots=True)
class _DataType:
    name: str
    definition: Definition | None
    supertype: NodeKey
    encoding: NodeKey | None


class DataTypes:
    """Every DataType of the files by its id."""

    def __init__(self, files: Iterable[NodeSetFile], edges: Iterable[Edge], to_node_id: ToNodeId) -> None:
        nodes = {node.node_id: node for file in files for node in file.nodes}
        supertypes: dict[NodeKey, NodeKey] = {}
        encodings: dict[NodeKey, NodeKey] = {}
        self._by_encoding: dict[NodeKey, NodeKey] = {}
        for source, kind, target in edges:
            if kind == HAS_SUBTYPE:
                supertypes[target] = source
            elif kind == HAS_ENCODING:
                self._by_encoding[target] = source
                if target in nodes and nodes[target].browse_name.text == "Default Binary":
                    encodings[source] = target
        self._types: Mapping[NodeKey, _DataType] = {
            key: _DataType(node.browse_name.text, node.definition, supertypes.get(key, base(24)), encodings.get(key))
            for key, node in nodes.items()
        }
        self._to_node_id = to_node_id
        self._classes: dict[NodeKey, type] = {}

    def definition(self, key: NodeKey) -> Any | None:
        """The DataTypeDefinition attribute of a node; None when it has no definition."""
        found = self._types[key]
        if found.definition is None:
            return None
        encoding = self._to_node_id(found.encoding) if found.encoding else ua.NodeId()
        return type_definition(
            found.definition, self._fields(key), encoding, self._to_node_id(found.supertype), self._to_node_id
        )

    def class_of(self, encoding: NodeKey) -> type | None:
        """The class of the structure that an encoding id stands for, known to the stack from then on."""
        key = self._by_encoding.get(encoding)
        return self._class(key, 0) if key is not None else None

    def _fields(self, key: NodeKey, depth: int = 0) -> tuple[FieldDef, ...]:
        found = self._types.get(key)
        if found is None or found.definition is None or depth > _MAX_DEPTH:
            return ()
        return (*self._fields(found.supertype, depth + 1), *found.definition.fields)

    def _class(self, key: NodeKey, depth: int) -> type | None:
        found = self._types.get(key)
        if found is None or found.definition is None or found.encoding is None or depth > _MAX_DEPTH:
            return None
        if key in self._classes:
            return self._classes[key]
        fields = []
        for item in self._fields(key):
            plain = self._wire_type(item.data_type)
            if plain.uri != UA_URI and self._class(plain, depth + 1) is None:
                return None
            fields.append(replace(item, data_type=plain))
        node_id, encoding = self._to_node_id(key), self._to_node_id(found.encoding)
        definition = type_definition(
            found.definition, tuple(fields), encoding, self._to_node_id(found.supertype), self._to_node_id
        )
        made: type = _maker()(node_id, found.name, definition)[found.name]
        ua.register_extension_object(found.name, encoding, made, node_id)
        self._classes[key] = made
        return made

    def _wire_type(self, key: NodeKey) -> NodeKey:
        """A structure as itself; everything else as the type of the base namespace that goes over the wire."""
        at = key
        for _ in range(_MAX_DEPTH):
            if at.uri == UA_URI:
                break
            at = self._types[at].supertype
        if at == _STRUCTURE or at.uri != UA_URI:
            return key
        return base(6) if at == _ENUMERATION else at


def _maker() -> Any:
    """What makes classes of definitions; it stands in a part of the stack that a start with a snapshot does without."""
    complete()
    from asyncua.common.structures104 import make_structure

    return make_structure
