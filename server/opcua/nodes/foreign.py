"""What we build, shown through another stack's address space, and our nodes as that stack would keep them.

For comparisons only: a second implementation of the services can then be asked about the same nodes. Nothing that runs
in the product comes in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from asyncua import ua

from server.opcua.light_stack import complete
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import (
    DATA_TYPE,
    METHOD,
    OBJECT,
    OBJECT_TYPE,
    REFERENCE_TYPE,
    VARIABLE,
    VARIABLE_TYPE,
    VIEW,
    A,
    Node,
    Shape,
)
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import data_value

complete()  # the stack's server counts on whole packages
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData  # noqa: E402

V = ua.VariantType


def _attributes(node: Node) -> dict[Any, AttributeValue]:
    """The attributes of a node in the stack's form; the User… ones as for somebody who may everything."""
    shape = node.shape
    found: dict[Any, ua.Variant] = {
        A.NodeId: ua.Variant(node.id, V.NodeId),
        A.NodeClass: ua.Variant(ua.NodeClass(shape.node_class), V.Int32),
        A.BrowseName: ua.Variant(node.name, V.QualifiedName),
        A.DisplayName: ua.Variant(node.display_name, V.LocalizedText),
        A.WriteMask: ua.Variant(shape.write_mask, V.UInt32),
        A.UserWriteMask: ua.Variant(0, V.UInt32),
    }
    if node.description is not None:
        found[A.Description] = ua.Variant(node.description, V.LocalizedText)
    if shape.node_class in (OBJECT_TYPE, VARIABLE_TYPE, DATA_TYPE, REFERENCE_TYPE):
        found[A.IsAbstract] = ua.Variant(shape.abstract, V.Boolean)
    if shape.node_class == REFERENCE_TYPE:
        found[A.Symmetric] = ua.Variant(shape.symmetric, V.Boolean)
    if shape.node_class in (OBJECT, VIEW):
        found[A.EventNotifier] = ua.Variant(shape.notifier, V.Byte)
    if shape.data_type is not None:
        found[A.DataType] = ua.Variant(node_id_of(shape.data_type), V.NodeId)
        found[A.ValueRank] = ua.Variant(shape.rank, V.Int32)
    if shape.node_class == VARIABLE:
        found[A.AccessLevel] = found[A.UserAccessLevel] = ua.Variant(shape.access, V.Byte)
        found[A.Historizing] = ua.Variant(shape.historizing, V.Boolean)
        found[A.MinimumSamplingInterval] = ua.Variant(shape.min_sampling, V.Double)
    if shape.node_class == METHOD:
        found[A.Executable] = found[A.UserExecutable] = ua.Variant(shape.executable, V.Boolean)
    for attribute in node.extra or ():
        found[A(attribute)] = (node.extra or {})[attribute]
    shown = {attribute: AttributeValue(ua.DataValue(variant)) for attribute, variant in found.items()}
    if node.point is not None:
        shown[A.Value] = AttributeValue(data_value(node.point))
    elif shape.data_type is not None:
        shown[A.Value] = AttributeValue(ua.DataValue(ua.Variant(None, V.Null)))
    return shown


def _description(store: NodeStore, code: int, target: Key) -> ua.ReferenceDescription:
    """A reference as the stack keeps it; an announced target is described by its NodeId alone."""
    found = ua.ReferenceDescription(
        ReferenceTypeId=node_id_of(store.reference_type(code)), IsForward=code & 1 == 0, NodeId=node_id_of(target)
    )
    node = store.get(target)
    if node is not None:
        found.BrowseName = node.name
        found.DisplayName = node.display_name
        found.NodeClass = ua.NodeClass(node.shape.node_class)
        found.TypeDefinition = node_id_of(store.type_definition(node))
    return found


def _taken(data: NodeData, code: Any) -> Node:
    """A node of the stack as far as placing others below it needs."""

    def attribute(number: Any) -> Any:
        value = data.attributes[number].value
        return None if value is None or value.Value is None else value.Value.Value

    node = Node(key_of(data.nodeid), Shape(int(attribute(A.NodeClass))), attribute(A.BrowseName))
    node.display = attribute(A.DisplayName)
    refs: list[Any] = []
    for ref in data.references:
        refs += (code(key_of(ref.ReferenceTypeId)) + (not ref.IsForward), key_of(ref.NodeId))
    node.refs = refs
    return node


class ForeignStore(NodeStore):
    """A store whose nodes are written into the stack's address space; nodes that stand there already are seen too."""

    def __init__(self, aspace: AddressSpace) -> None:
        super().__init__()
        self.aspace = aspace

    def get(self, key: Key) -> Node | None:
        """The node, ours or one of the stack's."""
        node = self._nodes.get(key)
        if node is None:
            data = self.aspace.get(node_id_of(key))
            if data is not None:
                node = self._nodes[key] = _taken(data, self.code)
        return node

    def add(self, node: Node) -> Node:
        """Take a node in and show it."""
        super().add(node)
        data = NodeData(node.id)
        data.attributes = _attributes(node)
        self.aspace[node.id] = data
        return node

    def _append(self, node: Node, code: int, target: Key) -> None:
        super()._append(node, code, target)
        self.aspace[node.id].references.append(_description(self, code, target))

    def remove(self, keys: Iterable[Key]) -> list[Node]:
        """Take nodes out, there too."""
        nodes = super().remove(keys)
        gone = {node.id for node in nodes}
        for node_id in gone:
            del self.aspace[node_id]
        for data in self.aspace._nodes.values():
            data.references[:] = [ref for ref in data.references if ref.NodeId not in gone]
        return nodes


class StackNodes:
    """Our store in the form of the stack's node table; every look makes the node's shape anew."""

    def __init__(self, store: NodeStore) -> None:
        self._store = store

    @property
    def _nodes(self) -> list[ua.NodeId]:
        return list(self.keys())

    def keys(self) -> Iterator[ua.NodeId]:
        """Every NodeId."""
        return iter([node.id for node in self._store.nodes()])

    def __contains__(self, node_id: ua.NodeId) -> bool:
        return self._store.find(node_id) is not None

    def get(self, node_id: ua.NodeId) -> NodeData | None:
        """The node, or None."""
        node = self._store.find(node_id)
        if node is None:
            return None
        data = NodeData(node_id)
        data.attributes = _attributes(node)
        data.references = [_description(self._store, code, target) for code, target in node.pairs()]
        return data

    def __getitem__(self, node_id: ua.NodeId) -> NodeData:
        found = self.get(node_id)
        if found is None:
            raise KeyError(node_id)
        return found


def stack_nodes(store: NodeStore) -> AddressSpace | StackNodes:
    """The stack's own table when the store writes into one, else ours in its form."""
    return store.aspace if isinstance(store, ForeignStore) else StackNodes(store)
