"""Parsed NodeSets into the node store: nodes first, then references, both directions, each once."""

from __future__ import annotations

from collections.abc import Iterable

from asyncua import ua

from server.opcua.nodes.keys import key_of
from server.opcua.nodes.node import A, Shape
from server.opcua.nodes.node import Node as StoreNode
from server.opcua.nodes.values import ValueEncodingError, new_point
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
    Text,
    at,
)
from server.opcua.nodesets.stack_values import StackValues
from server.opcua.nodesets.values import ValueFormatError
from server.opcua.space import Space

PARENTLESS = {
    "http://fdi-cooperation.com/OPCUA/FDI5/": ("i=92", "i=182", "i=183"),
}
"""Nodes that the official files place under no parent. They are loaded as they stand: reachable by their NodeId,
browsed by nobody, until a feature gives them their place."""

_V = ua.VariantType
_LOW_BYTE = 0xFF


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
        space.store.add(node)
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

    def nodes(self) -> list[StoreNode]:
        made = []
        problems = []
        for file in self._files:
            for node in file.nodes:
                try:
                    made.append(self._node(node))
                except (ValueFormatError, ValueEncodingError) as problem:
                    problems.append(at(file.path, node.line, f"{node.node_id}: {problem}"))
        if problems:
            raise NodeSetError(problems)
        return made

    def link(self) -> None:
        # Type definitions first: another stack's table describes the target of every other reference by it.
        edges = sorted(self._edges, key=lambda edge: edge[1] != HAS_TYPE_DEFINITION)
        coming = {node.node_id for file in self._files for node in file.nodes}
        store = self._space.store
        for source, kind, target in edges:
            edge = (key_of(self.id(source)), key_of(self.id(kind)), key_of(self.id(target)))
            # Files may repeat a reference between nodes that were there before.
            if source in coming or target in coming or not store.linked(*edge):
                # Types and modelling rules do not list all that use them: nobody wants to browse thousands.
                store.link(*edge, inverse=kind not in (HAS_TYPE_DEFINITION, HAS_MODELLING_RULE))

    def _node(self, node: Node) -> StoreNode:
        name = ua.QualifiedName(node.browse_name.text, self._index(node.browse_name.uri))
        made = StoreNode(key_of(self.id(node.node_id)), self._space.store.shape(self._shape(node)), name)
        display = node.display_name[0]
        if display.locale or display.text != name.Name:
            made.display = _text(display)
        if node.description:
            made.description = _text(node.description[0])
        extra: dict[int, ua.Variant] = {}
        if node.inverse_name:
            extra[A.InverseName] = ua.Variant(_text(node.inverse_name[0]), _V.LocalizedText)
        if node.data_type is not None:
            if node.array_dimensions:
                extra[A.ArrayDimensions] = ua.Variant(list(node.array_dimensions), _V.UInt32, is_array=True)
            value = self._values.variant(node.value) if node.value is not None else ua.Variant(None, _V.Null)
            if node.value is not None or node.node_class is NodeClass.VARIABLE:
                made.point = new_point(ua.DataValue(value))
        if node.node_class is NodeClass.DATA_TYPE and node.definition is not None:
            definition = self._data_types.definition(node.node_id)
            extra[A.DataTypeDefinition] = ua.Variant(definition, _V.ExtensionObject)
        made.extra = extra or None
        return made

    def _shape(self, node: Node) -> Shape:
        return Shape(
            int(node.node_class),
            data_type=key_of(self.id(node.data_type)) if node.data_type is not None else None,
            rank=node.value_rank,
            access=node.access_level & _LOW_BYTE,
            access_ex=node.access_level & ~_LOW_BYTE,
            historizing=node.historizing,
            min_sampling=node.minimum_sampling_interval,
            notifier=node.event_notifier,
            executable=node.executable,
            abstract=node.is_abstract,
            symmetric=node.symmetric,
            no_loops=node.contains_no_loops if node.node_class is NodeClass.VIEW else True,
            write_mask=node.write_mask,
        )


def _text(text: Text) -> ua.LocalizedText:
    return ua.LocalizedText(text.text, text.locale or None)


def uris(files: Iterable[NodeSetFile]) -> list[str]:
    """Every namespace that the files use, in order of appearance, without the base one."""
    found: dict[str, None] = {}
    for file in files:
        for uri in (file.model_uri, *file.namespace_uris):
            if uri != UA_URI:
                found[uri] = None
    return list(found)
