"""Parsed NodeSets into the running address space: nodes first, then references, both directions, each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData

from server.opcua.nodesets.data_types import DataTypes, Edge
from server.opcua.nodesets.model import (
    HAS_MODELLING_RULE,
    HAS_TYPE_DEFINITION,
    UA_URI,
    Node,
    NodeClass,
    NodeKey,
    NodeSetError,
    NodeSetFile,
    at,
)
from server.opcua.nodesets.stack_values import StackValues
from server.opcua.nodesets.values import ValueFormatError
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
        NodeSetError: a node exists already, a reference leads to a node that nobody has, or a value cannot be
            understood; nothing is installed then.
    """
    ordered = list(files)
    installer = _Installer(space, ordered)
    installer.check()
    made = installer.nodes()
    for node in made:
        space.aspace[node.nodeid] = node
    installer.link()
    return len(made)


class _Installer:
    """Everything is made and checked before the first node enters the space."""

    def __init__(self, space: Space, files: list[NodeSetFile]) -> None:
        self._space = space
        self._files = files
        self._ids: dict[NodeKey, ua.NodeId] = {}
        self._edges: dict[Edge, None] = {}
        for file in files:
            for node in file.nodes:
                for reference in node.references:
                    near, far = node.node_id, reference.target
                    source, target = (near, far) if reference.forward else (far, near)
                    self._edges[source, reference.type, target] = None
        self._data_types = DataTypes(files, self._edges, self.id)
        self._values = StackValues(self.id, self._index, self._data_types.class_of)

    def id(self, key: NodeKey) -> ua.NodeId:
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = ua.NodeId.from_string(f"ns={self._index(key.uri)};{key.identifier}")
        return found

    def _index(self, uri: str) -> int:
        return self._space.indexes[uri]

    def check(self) -> None:
        problems: list[str] = []
        coming = {node.node_id for file in self._files for node in file.nodes}
        for file in self._files:
            problems += [
                at(file.path, 0, f"namespace {uri} has no index in this server")
                for uri in (file.model_uri, *file.namespace_uris)
                if uri not in self._space.indexes
            ]
        if problems:
            raise NodeSetError(problems)
        for file in self._files:
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

    def nodes(self) -> list[NodeData]:
        made = []
        problems = []
        for file in self._files:
            for node in file.nodes:
                try:
                    made.append(self._node(node))
                except ValueFormatError as problem:
                    problems.append(at(file.path, node.line, f"{node.node_id}: {problem}"))
        if problems:
            raise NodeSetError(problems)
        return made

    def link(self) -> None:
        # Type definitions first: every other reference describes its target by it.
        edges = sorted(self._edges, key=lambda edge: edge[1] != HAS_TYPE_DEFINITION)
        known = self._existing()
        for source, kind, target in edges:
            edge = (self.id(source), self.id(kind), self.id(target))
            if edge not in known:
                # Types and modelling rules do not list all that use them: nobody wants to browse thousands.
                self._space.link(*edge, inverse=kind not in (HAS_TYPE_DEFINITION, HAS_MODELLING_RULE))

    def _existing(self) -> set[tuple[ua.NodeId, ua.NodeId, ua.NodeId]]:
        """The references between nodes that were there before; files may repeat one."""
        coming = {node.node_id for file in self._files for node in file.nodes}
        known = set()
        for source, _kind, target in self._edges:
            if source not in coming and target not in coming:
                for reference in self._space.aspace[self.id(source)].references:
                    if reference.IsForward:
                        known.add((self.id(source), reference.ReferenceTypeId, reference.NodeId))
        return known

    def _node(self, node: Node) -> NodeData:
        node_id = self.id(node.node_id)
        data = NodeData(node_id)
        display = node.display_name[0]
        put = data.attributes
        put[A.NodeId] = AttributeValue(data_value(node_id, _V.NodeId))
        put[A.NodeClass] = self._space.shared(A.NodeClass, ua.NodeClass(int(node.node_class)), _V.Int32)
        name = ua.QualifiedName(node.browse_name.text, self._index(node.browse_name.uri))
        put[A.BrowseName] = AttributeValue(data_value(name, _V.QualifiedName))
        shown = ua.LocalizedText(display.text, display.locale or None)
        put[A.DisplayName] = AttributeValue(data_value(shown, _V.LocalizedText))
        if node.description:
            text = ua.LocalizedText(node.description[0].text, node.description[0].locale or None)
            put[A.Description] = AttributeValue(data_value(text, _V.LocalizedText))
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
            value = self._values.variant(node.value) if node.value is not None else ua.Variant(None, _V.Null)
            put[A.Value] = AttributeValue(ua.DataValue(value))
        if node.node_class is NodeClass.DATA_TYPE and node.definition is not None:
            definition = self._data_types.definition(node.node_id)
            put[A.DataTypeDefinition] = AttributeValue(data_value(definition, _V.ExtensionObject))
        return data

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


def uris(files: Iterable[NodeSetFile]) -> list[str]:
    """Every namespace that the files use, in order of appearance, without the base one."""
    found: dict[str, None] = {}
    for file in files:
        for uri in (file.model_uri, *file.namespace_uris):
            if uri != UA_URI:
                found[uri] = None
    return list(found)
