"""Nodes that clients add: made from their attributes and type, with its mandatory children; kept until restart."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import DATA_TYPE, METHOD, OBJECT, VARIABLE, A, Node, Shape
from server.opcua.nodes.store import HAS_SUBTYPE_KEY, HAS_TYPE_DEFINITION_KEY, NodeStore
from server.opcua.nodes.values import ValueEncodingError, new_point
from server.opcua.services.type_check import fitted

HAS_MODELLING_RULE_KEY, AGGREGATES_KEY, MANDATORY_KEY = 37, 44, 78
_MASK = ua.NodeAttributesMask
_BASE = int(_MASK.DisplayName | _MASK.Description | _MASK.WriteMask | _MASK.UserWriteMask)
_OBJECT_BITS = _BASE | int(_MASK.EventNotifier)
_VARIABLE_BITS = _BASE | int(
    _MASK.Value
    | _MASK.DataType
    | _MASK.ValueRank
    | _MASK.ArrayDimensions
    | _MASK.AccessLevel
    | _MASK.UserAccessLevel
    | _MASK.MinimumSamplingInterval
    | _MASK.Historizing
)
_READ_WRITE = 3
_DEEPEST = 16
"""Mandatory children below each other, and supertypes above each other, that are followed."""
_BASE_DATA_TYPE: Key = 24


class AttributesError(ValueError):
    """NodeAttributes that no such node can have."""


class AddedNodes:
    """Builds nodes of clients and knows them from the server's own."""

    def __init__(self, store: NodeStore, index: int) -> None:
        self._store = store
        self._index = index  # of the namespace in which new NodeIds are
        self.keys: set[Key] = set()

    def node(self, key: Key, node_class: int, name: ua.QualifiedName, attributes: Any, type_node: Node) -> Node:
        """A node that is not in the store yet.

        Raises:
            AttributesError: the attributes are of another NodeClass or do not fit each other.
        """
        if node_class == OBJECT:
            return self._object(key, name, attributes)
        return self._variable(key, name, attributes, type_node)

    def place(self, node: Node, type_key: Key, parent: Key, reference: Key) -> None:
        """Take a node in below its parent."""
        self._store.add(node)
        self._store.link(node.key, HAS_TYPE_DEFINITION_KEY, type_key, inverse=False)
        self._store.link(parent, reference, node.key)
        self.keys.add(node.key)

    def new_key(self) -> Key:
        """A NodeId that was never given before."""
        return self._index, uuid.uuid4()

    # -- attributes

    def _object(self, key: Key, name: ua.QualifiedName, attributes: Any) -> Node:
        given = _specified(attributes, "ObjectAttributes", _OBJECT_BITS)
        notifier = attributes.EventNotifier & 1 if given & _MASK.EventNotifier else 0
        node = Node(key, self._store.shape(Shape(OBJECT, notifier=notifier)), name)
        _describe(node, attributes, given)
        return node

    def _variable(self, key: Key, name: ua.QualifiedName, attributes: Any, type_node: Node) -> Node:
        given = _specified(attributes, "VariableAttributes", _VARIABLE_BITS)
        data_type = type_node.shape.data_type or _BASE_DATA_TYPE
        rank = type_node.shape.rank if type_node.shape.data_type else -2
        access = _READ_WRITE
        if given & _MASK.DataType:
            data_type = self._data_type(attributes.DataType, data_type)
        if given & _MASK.ValueRank:
            rank = int(attributes.ValueRank)
            if rank < -3:
                raise AttributesError(f"ValueRank {rank}")
        if given & _MASK.AccessLevel:
            access = int(attributes.AccessLevel) & _READ_WRITE
        dimensions = list(attributes.ArrayDimensions or ()) if given & _MASK.ArrayDimensions else []
        if dimensions and len(dimensions) != rank:
            raise AttributesError(f"{len(dimensions)} ArrayDimensions with ValueRank {rank}")
        value = attributes.Value if given & _MASK.Value else ua.Variant()
        if value.VariantType != ua.VariantType.Null:
            fitting = fitted(self._store, data_type, rank, dimensions, value)
            if fitting is None:
                raise AttributesError("a value of another type")
            value = fitting
        shape = Shape(VARIABLE, data_type=data_type, rank=rank, access=access, direct=True)
        node = Node(key, self._store.shape(shape), name)
        _describe(node, attributes, given)
        if dimensions:
            node.extra = {int(A.ArrayDimensions): ua.Variant(dimensions, ua.VariantType.UInt32, is_array=True)}
        try:
            node.point = new_point(ua.DataValue(value, stack_status(0)))
        except ValueEncodingError as error:
            raise AttributesError(str(error)) from None
        return node

    def _data_type(self, wanted: ua.NodeId, above: Key) -> Key:
        node = self._store.find(wanted)
        if node is None or node.shape.node_class != DATA_TYPE:
            raise AttributesError("no DataType")
        if above != _BASE_DATA_TYPE and not self._store.is_a(node.key, above):
            raise AttributesError("a DataType that the type definition does not allow")
        return node.key

    # -- children

    def declarations(self, owners: tuple[Key, ...]) -> dict[tuple[str, int], tuple[Key, Node]]:
        """Mandatory children of types and instance declarations by BrowseName: reference type and declaration.

        Those of subtypes come before what they override (OPC 10000-3, 6.3.3).
        """
        found: dict[tuple[str, int], tuple[Key, Node]] = {}
        kinds = self._store.below(AGGREGATES_KEY)
        for owner in owners:
            for current in self._upwards(owner):
                node = self._store.peek(current)
                for code, target in node.pairs() if node is not None else ():
                    kind = self._store.reference_type(code)
                    child = self._store.peek(target)
                    if code & 1 or kind not in kinds or child is None:
                        continue
                    if MANDATORY_KEY in self._store.targets(target, HAS_MODELLING_RULE_KEY):
                        found.setdefault((child.name.Name, child.name.NamespaceIndex), (kind, child))
        return found

    def _upwards(self, key: Key) -> Iterator[Key]:
        current: Key | None = key
        for _ in range(_DEEPEST):
            if not current:
                return
            yield current
            above = self._store.targets(current, HAS_SUBTYPE_KEY, forward=False)
            current = above[0] if above else None

    def children_count(self, owners: tuple[Key, ...], most: int, depth: int = 0) -> int:
        """How many nodes `grow` makes; counting ends above `most`."""
        if depth >= _DEEPEST:
            return 0
        count = 0
        for _kind, child in self.declarations(owners).values():
            if child.shape.node_class != METHOD and count <= most:
                below = (child.key, self._store.type_definition(child))
                count += 1 + self.children_count(below, most - count, depth + 1)
        return count

    def grow(self, parent: Key, owners: tuple[Key, ...], depth: int = 0) -> None:
        """The mandatory children of a new node, and theirs; Methods are shared with the type."""
        if depth >= _DEEPEST:
            return
        for kind, child in self.declarations(owners).values():
            if child.shape.node_class == METHOD:
                self._store.link(parent, kind, child.key)
                continue
            node = self._copy(child)
            type_key = self._store.type_definition(child)
            self.place(node, type_key, parent, kind)
            self.grow(node.key, (child.key, type_key), depth + 1)

    def _copy(self, declaration: Node) -> Node:
        shape = declaration.shape._replace(permissions=None, direct=declaration.shape.node_class == VARIABLE)
        node = Node(self.new_key(), self._store.shape(shape), declaration.name)
        node.display = declaration.display
        node.description = declaration.description
        node.extra = dict(declaration.extra) if declaration.extra else None
        point = declaration.point
        if shape.node_class == VARIABLE:
            node.point = new_point(ua.DataValue(ua.Variant(), stack_status(0)))
            if point is not None:
                node.point.put(point.flags, point.body, point.source, point.server)
        return node

    def below(self, key: Key) -> list[Key]:
        """A client's node and what was added below it and belongs to it."""
        kinds = self._store.below(AGGREGATES_KEY)
        found = {key: None}
        waiting = [key]
        while waiting:
            node = self._store.peek(waiting.pop())
            for code, target in node.pairs() if node is not None else ():
                forward = not code & 1
                if (
                    forward
                    and target in self.keys
                    and target not in found
                    and self._store.reference_type(code) in kinds
                ):
                    found[target] = None
                    waiting.append(target)
        return list(found)


def _specified(attributes: Any, kind: str, allowed: int) -> int:
    """Bits of the attributes that were given; a null structure gives none."""
    if attributes is None or (isinstance(attributes, ua.ExtensionObject) and attributes.TypeId.is_null()):
        return 0
    if type(attributes).__name__ != kind:
        raise AttributesError(f"not {kind}")
    given = int(attributes.SpecifiedAttributes)
    if given & ~allowed:
        raise AttributesError("attributes of another NodeClass")
    return given


def _describe(node: Node, attributes: Any, given: int) -> None:
    if given & _MASK.DisplayName and attributes.DisplayName.Text:
        node.display = attributes.DisplayName
    if given & _MASK.Description and attributes.Description.Text:
        node.description = attributes.Description
