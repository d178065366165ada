"""Parsed NodeSets into the running address space: nodes first, then references, both directions, each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData

from server.opcua.nodesets.model import (
    HAS_ENCODING,
    HAS_SUBTYPE,
    HAS_TYPE_DEFINITION,
    UA_URI,
    Node,
    NodeClass,
    NodeKey,
    NodeSetError,
    NodeSetFile,
    at,
)
from server.opcua.nodesets.stack_values import type_definition, variant
from server.opcua.space import A, Space, data_value

PARENTLESS = {
    "http://fdi-cooperation.com/OPCUA/FDI5/": ("i=92", "i=182", "i=183"),
}
"""Nodes that the official files place under no parent. They are loaded as they stand: reachable by their NodeId,
browsed by nobody, until a feature gives them their place."""

_V = ua.VariantType


def install(space: Space, files: Iterable[NodeSetFile]) -> int:
    """Put files, in dependency order, into the address space; returns how many nodes came.

    Raises:
        NodeSetError: a node exists already, or a reference leads to a node that nobody has; nothing is installed then.
    """
    ordered = list(files)
    installer = _Installer(space)
    installer.check(ordered)
    for file in ordered:
        for node in file.nodes:
            installer.node(node)
    for file in ordered:
        for node in file.nodes:
            installer.references(node)
    for file in ordered:
        for node in file.nodes:
            installer.definition(node)
    return sum(len(file.nodes) for file in ordered)


class _Installer:
    def __init__(self, space: Space) -> None:
        self._space = space
        self._edges: set[tuple[ua.NodeId, ua.NodeId, ua.NodeId]] = set()

    def id(self, key: NodeKey) -> ua.NodeId:
        return ua.NodeId.from_string(f"ns={self._space.indexes[key.uri]};{key.identifier}")

    def check(self, files: list[NodeSetFile]) -> None:
        problems: list[str] = []
        coming = {node.node_id for file in files for node in file.nodes}
        for file in files:
            for node in file.nodes:
                if self.id(node.node_id) in self._space:
                    problems.append(at(file.path, node.line, f"node {node.node_id} exists already"))
                problems += [
                    at(file.path, reference.line or node.line, f"{node.node_id} refers to {key}, which does not exist")
                    for reference in node.references
                    for key in (reference.type, reference.target)
                    if key not in coming and (key.uri not in self._space.indexes or self.id(key) not in self._space)
                ]
        if problems:
            raise NodeSetError(problems)

    def node(self, node: Node) -> None:
        node_id = self.id(node.node_id)
        data = NodeData(node_id)
        display = node.display_name[0]
        put = data.attributes
        put[A.NodeId] = AttributeValue(data_value(node_id, _V.NodeId))
        put[A.NodeClass] = self._space.shared(A.NodeClass, ua.NodeClass(int(node.node_class)), _V.Int32)
        name = ua.QualifiedName(node.browse_name.text, self._space.indexes[node.browse_name.uri])
        put[A.BrowseName] = AttributeValue(data_value(name, _V.QualifiedName))
        shown = ua.LocalizedText(display.text, display.locale or None)
        put[A.DisplayName] = AttributeValue(data_value(shown, _V.LocalizedText))
        put[A.WriteMask] = self._space.shared(A.WriteMask, node.write_mask, _V.UInt32)
        put[A.UserWriteMask] = self._space.shared(A.UserWriteMask, 0, _V.UInt32)
        for attribute, value, kind in self._attributes(node):
            put[attribute] = self._space.shared(attribute, value, kind)
        if node.inverse_name:
            inverse = ua.LocalizedText(node.inverse_name[0].text, node.inverse_name[0].locale or None)
            put[A.InverseName] = AttributeValue(data_value(inverse, _V.LocalizedText))
        if node.data_type is not None:
            put[A.DataType] = self._space.shared(A.DataType, self.id(node.data_type), _V.NodeId)
            if node.array_dimensions:
                dimensions = data_value(list(node.array_dimensions), _V.UInt32, is_array=True)
                put[A.ArrayDimensions] = AttributeValue(dimensions)
            value = variant(node.value, self.id, self._space.indexes.__getitem__) if node.value is not None else None
            put[A.Value] = AttributeValue(ua.DataValue(value if value is not None else ua.Variant(None, _V.Null)))
        self._space.aspace[node_id] = data

    def _attributes(self, node: Node) -> list[tuple[ua.AttributeIds, Any, ua.VariantType]]:
        kind = node.node_class
        found: list[tuple[ua.AttributeIds, Any, ua.VariantType]] = []
        if kind in (NodeClass.OBJECT_TYPE, NodeClass.VARIABLE_TYPE, NodeClass.DATA_TYPE, NodeClass.REFERENCE_TYPE):
            found.append((A.IsAbstract, node.is_abstract, _V.Boolean))
        if kind is NodeClass.REFERENCE_TYPE:
            found.append((A.Symmetric, node.symmetric, _V.Boolean))
        if kind in (NodeClass.OBJECT, NodeClass.VIEW):
            found.append((A.EventNotifier, node.event_notifier, _V.Byte))
        if kind in (NodeClass.VARIABLE, NodeClass.VARIABLE_TYPE):
            found.append((A.ValueRank, node.value_rank, _V.Int32))
        if kind is NodeClass.VARIABLE:
            user = node.access_level if node.user_access_level is None else node.user_access_level
            found.append((A.AccessLevel, node.access_level, _V.Byte))
            found.append((A.UserAccessLevel, user, _V.Byte))
            found.append((A.Historizing, node.historizing, _V.Boolean))
            found.append((A.MinimumSamplingInterval, node.minimum_sampling_interval, _V.Double))
        if kind is NodeClass.METHOD:
            found.append((A.Executable, node.executable, _V.Boolean))
            found.append((A.UserExecutable, node.executable, _V.Boolean))
        return found

    def references(self, node: Node) -> None:
        # The type definition first: other references describe their target by it.
        for reference in sorted(node.references, key=lambda item: item.type != HAS_TYPE_DEFINITION):
            near, far = self.id(node.node_id), self.id(reference.target)
            source, target = (near, far) if reference.forward else (far, near)
            kind = self.id(reference.type)
            edge = (source, kind, target)
            if edge in self._edges or self._exists(edge):
                continue
            self._edges.add(edge)
            self._space.link(source, kind, target, inverse=reference.type != HAS_TYPE_DEFINITION)

    def _exists(self, edge: tuple[ua.NodeId, ua.NodeId, ua.NodeId]) -> bool:
        source, kind, target = edge
        references = self._space.aspace[source].references
        return any(r.NodeId == target and r.ReferenceTypeId == kind and r.IsForward for r in references)

    def definition(self, node: Node) -> None:
        if node.definition is None:
            return
        encoding = ua.NodeId()
        supertype = ua.NodeId()
        for reference in node.references:
            if reference.type == HAS_ENCODING and reference.forward:
                other = self._space.aspace[self.id(reference.target)]
                if other.attributes[A.BrowseName].value.Value.Value.Name == "Default Binary":
                    encoding = self.id(reference.target)
            if reference.type == HAS_SUBTYPE and not reference.forward:
                supertype = self.id(reference.target)
        made = type_definition(node.definition, encoding, supertype, self.id)
        data = self._space.aspace[self.id(node.node_id)]
        data.attributes[A.DataTypeDefinition] = AttributeValue(data_value(made, _V.ExtensionObject))


def uris(files: Iterable[NodeSetFile]) -> list[str]:
    """Every namespace that the files use, in order of appearance, without the base one."""
    found: dict[str, None] = {}
    for file in files:
        for uri in (file.model_uri, *file.namespace_uris):
            if uri != UA_URI:
                found[uri] = None
    return list(found)
