"""The address space: nodes by key, references by code, one version number that every cached plan is tied to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from asyncua import ua

from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import Node, Shape

HAS_SUBTYPE_KEY = 45
HAS_TYPE_DEFINITION_KEY = 40
HAS_MODELLING_RULE_KEY = 37
INDEXED_FROM = 32
"""References of one node from which on a set tells whether one exists already."""


def _nothing(_key: Key) -> bool:
    return False


class NodeStore:
    """All nodes. Structure changes through these methods only; they raise `version`. Values change through Points."""

    def __init__(self) -> None:
        self._nodes: dict[Key, Node] = {}
        self._codes: dict[Key, int] = {}  # reference type -> even code; the inverse is code + 1
        self._types: list[Key] = []  # code // 2 -> reference type
        self._shapes: dict[Shape, Shape] = {}
        self._indexes: dict[Key, set[tuple[int, Key]]] = {}
        self._below: dict[Key, frozenset[Key]] = {}
        self.make: Callable[[Key], bool] = _nothing
        """Asked for a key that is not there; True when it made the node (conditions are made when looked at)."""
        self.version = 1
        """Raised by every change of nodes, references or attributes other than Value."""
        self.writes = 0
        """Raised by every Write of a client that stored values at once, in nodes whose shape is `direct`."""

    # -- nodes

    def get(self, key: Key) -> Node | None:
        """The node, or None."""
        node = self._nodes.get(key)
        if node is None and not isinstance(key, int) and self.make(key):
            node = self._nodes.get(key)
        return node

    def peek(self, key: Key) -> Node | None:
        """The node when it is made already."""
        return self._nodes.get(key)

    def find(self, node_id: ua.NodeId) -> Node | None:
        """The node of a NodeId, or None."""
        return self.get(key_of(node_id))

    def __getitem__(self, key: Key) -> Node:
        node = self.get(key)
        if node is None:
            raise KeyError(key)
        return node

    def __contains__(self, key: Key) -> bool:
        return self.get(key) is not None

    def __len__(self) -> int:
        return len(self._nodes)

    def nodes(self) -> Iterator[Node]:
        """Every node that is made."""
        return iter(self._nodes.values())

    def add(self, node: Node) -> Node:
        """Take a node in; one with the same key is replaced."""
        self._nodes[node.key] = node
        self.version += 1
        return node

    def shape(self, shape: Shape) -> Shape:
        """The one object for all nodes of this shape."""
        return self._shapes.setdefault(shape, shape)

    def reshape(self, node: Node, **changes: Any) -> None:
        """Change attributes of one node."""
        node.shape = self.shape(node.shape._replace(**changes))
        self.version += 1

    def changed(self) -> None:
        """An attribute outside the shape was changed."""
        self.version += 1

    def forget_shapes(self, gone: Callable[[Shape], bool]) -> None:
        """Drop shapes that no node has any more."""
        self._shapes = {shape: shape for shape in self._shapes if not gone(shape)}

    def shapes(self) -> Iterator[Shape]:
        """Every shape that was asked for."""
        return iter(self._shapes)

    # -- references

    def reference_types(self) -> list[Key]:
        """The reference types in the order of their codes."""
        return list(self._types)

    def code(self, reference_type: Key) -> int:
        """The code of a reference type's forward direction; + 1 is its inverse."""
        code = self._codes.get(reference_type)
        if code is None:
            code = self._codes[reference_type] = len(self._types) * 2
            self._types.append(reference_type)
        return code

    def reference_type(self, code: int) -> Key:
        """The reference type of a code of either direction."""
        return self._types[code >> 1]

    def link(self, source: Key, reference_type: Key, target: Key, *, inverse: bool = True) -> None:
        """A reference and, unless told otherwise, its inverse. The caller knows that it is new.

        Raises:
            KeyError: the source (or, for the inverse, the target) does not exist.
        """
        code = self.code(reference_type)
        self._append(self[source], code, target)
        if inverse:
            self._append(self[target], code + 1, source)

    def announce(self, source: Key, reference_type: Key, target: Key) -> None:
        """A forward reference to a node that is made only when somebody looks at it."""
        self._append(self[source], self.code(reference_type), target)

    def back(self, source: Key, reference_type: Key, target: Key) -> None:
        """The inverse reference alone: `target` gets one back to `source`."""
        self._append(self[target], self.code(reference_type) + 1, source)

    def linked(self, source: Key, reference_type: Key, target: Key, *, forward: bool = True) -> bool:
        """True when the reference exists on the source's side."""
        code = self.code(reference_type) + (not forward)
        return (code, target) in self._index(self[source])

    def unlink(self, source: Key, reference_type: Key, target: Key, *, forward: bool = True) -> bool:
        """Take one direction of a reference away; False when it was not there."""
        code = self.code(reference_type) + (not forward)
        node = self._nodes.get(source)
        if node is None or (code, target) not in self._index(node):
            return False
        self._keep(node, lambda entry: entry != (code, target))
        return True

    def _append(self, node: Node, code: int, target: Key) -> None:
        refs = node.refs
        if isinstance(refs, list):
            refs.append(code)
            refs.append(target)
        elif len(refs) < 8:
            node.refs = (*refs, code, target)
        else:
            node.refs = [*refs, code, target]
        index = self._indexes.get(node.key)
        if index is not None:
            index.add((code, target))
        if self._below and self._types[code >> 1] == HAS_SUBTYPE_KEY:
            self._below.clear()
        self.version += 1

    def _index(self, node: Node) -> Iterable[tuple[int, Key]]:
        if len(node.refs) < 2 * INDEXED_FROM:
            return list(node.pairs())
        index = self._indexes.get(node.key)
        if index is None:
            index = self._indexes[node.key] = set(node.pairs())
        return index

    def _keep(self, node: Node, wanted: Callable[[tuple[int, Key]], bool]) -> None:
        self._below.clear()
        kept = [part for entry in node.pairs() if wanted(entry) for part in entry]
        node.refs = kept if len(kept) > 8 else tuple(kept)
        self._indexes.pop(node.key, None)
        self.version += 1

    def remove(self, keys: Iterable[Key]) -> list[Node]:
        """Take nodes out, and every reference that their neighbours have to them; returns what went."""
        gone = {key for key in keys if key in self._nodes}
        nodes = [self._nodes[key] for key in gone]
        neighbours = {target for node in nodes for _code, target in node.pairs()} - gone
        for key in neighbours:
            node = self._nodes.get(key)
            if node is not None:
                self._keep(node, lambda entry: entry[1] not in gone)
        for key in gone:
            del self._nodes[key]
            self._indexes.pop(key, None)
        self._below.clear()
        self.version += 1
        return nodes

    # -- what references mean

    def targets(self, key: Key, reference_type: Key, *, forward: bool = True) -> list[Key]:
        """The other ends of a node's references of exactly one type."""
        code = self._codes.get(reference_type)
        node = self._nodes.get(key)
        if code is None or node is None:
            return []
        code += not forward
        return [target for found, target in node.pairs() if found == code]

    def type_definition(self, node: Node) -> Key:
        """The type of an Object or Variable; 0 for other nodes."""
        code = self._codes.get(HAS_TYPE_DEFINITION_KEY)
        return next((target for found, target in node.pairs() if found == code), 0)

    def below(self, type_key: Key) -> frozenset[Key]:
        """A type and all its subtypes; remembered until a HasSubtype reference or a node goes."""
        found = self._below.get(type_key)
        if found is None:
            everything = {type_key}
            waiting = [type_key]
            while waiting:
                for target in self.targets(waiting.pop(), HAS_SUBTYPE_KEY):
                    if target not in everything:
                        everything.add(target)
                        waiting.append(target)
            found = self._below[type_key] = frozenset(everything)
        return found

    def is_a(self, type_key: Key, ancestor: Key) -> bool:
        """True when a type is the ancestor or one of its subtypes."""
        seen = 0
        current: Key | None = type_key
        while current is not None and seen < 64:
            if current == ancestor:
                return True
            above = self.targets(current, HAS_SUBTYPE_KEY, forward=False)
            current = above[0] if above else None
            seen += 1
        return False
