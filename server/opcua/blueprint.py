"""A device or type as nodes on paper, and what differs between two versions of it. Touches nothing that is served.

Builders run against an empty store that stands in for everything around; so whatever they make, now or later, is
compared without being listed anywhere. Devices are drawn once a type, under an id that no device can have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from asyncua import ua

from server.core.values import DeviceId
from server.model.device import Device
from server.model.device_type import DeviceType
from server.model.layout import PlantLayout
from server.opcua.device_nodes import DeviceNodes
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import OBJECT, VARIABLE, Node, Shape
from server.opcua.nodes.store import NodeStore
from server.opcua.space import Space
from server.opcua.type_nodes import add_type

ANY_DEVICE = "~"
"""Stands for the device id in keys; no device can be called so."""
NODE_ADDED, NODE_DELETED, REFERENCE_ADDED, REFERENCE_DELETED, DATA_TYPE_CHANGED = 1, 2, 4, 8, 16
"""Verb of ModelChangeStructureDataType (OPC 10000-5, 12.16)."""
HAS_PROPERTY = 46
UNKNOWN_NAMESPACE = 65_000
"""Index on paper of a namespace that is not in use yet."""

Pair = tuple[Key, bool, Key]
"""(reference type, forward, other end) of one reference on the side of one node."""


class PaperStore(NodeStore):
    """A store in which everything that nobody drew is there as a stand-in."""

    def __init__(self) -> None:
        super().__init__()
        self.around: set[Key] = set()

    def __getitem__(self, key: Key) -> Node:
        node = self.peek(key)
        if node is None:
            self.around.add(key)
            node = self.add(Node(key, self.shape(Shape(OBJECT)), ua.QualifiedName("")))
        return node

    def get(self, key: Key) -> Node | None:
        return None if key in self.around else self.peek(key)

    def pairs_of(self, key: Key) -> dict[Pair, None]:
        """Every reference on the side of a node, in order."""
        node = self.peek(key)
        if node is None:
            return {}
        return {(self.reference_type(code), not code & 1, target): None for code, target in node.pairs()}

    def drawn(self) -> Iterator[Node]:
        """The nodes themselves."""
        return (node for node in self.nodes() if node.key not in self.around)


@dataclass(slots=True)
class Difference:
    """From one version to the other, in keys of the paper; whoever carries it out maps them."""

    removed: list[Key] = field(default_factory=list)
    added: list[Node] = field(default_factory=list)
    changed: list[tuple[Node, Node]] = field(default_factory=list)  # (old, new) of a node that stays
    unlinked: list[tuple[Key, Pair]] = field(default_factory=list)
    linked: list[tuple[Key, Pair]] = field(default_factory=list)
    announced_gone: list[Key] = field(default_factory=list)  # what is made on demand and no longer announced
    model_changes: list[tuple[Key, Key, int]] = field(default_factory=list)  # (node, type definition, Verb)

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.changed or self.unlinked or self.linked)


def _paper(space: Space, device_type: DeviceType) -> Space:
    paper = Space(PaperStore(), {device_type.namespace_uri: UNKNOWN_NAMESPACE, **space.indexes})
    paper.deadbands = space.deadbands
    return paper


def type_on_paper(room: Space, device_type: DeviceType) -> Space:
    """The type with its members, as it would be in a room. Raises ValueEncodingError."""
    space = _paper(room, device_type)
    add_type(space, device_type)
    return space


def device_on_paper(room: Space, layout: PlantLayout, device_type: DeviceType) -> Space:
    """Any device of a type that has said nothing yet, as it would be in a room. Raises ValueEncodingError."""
    space = _paper(room, device_type)
    DeviceNodes(space, layout).add(Device(DeviceId(ANY_DEVICE), device_type, (ANY_DEVICE,), 0))
    return space


def difference(before: Space, after: Space) -> Difference:
    """What has to happen to nodes drawn as `before` to become as `after`."""
    old, new = _store(before), _store(after)
    found = Difference()
    was = {node.key: node for node in old.drawn()}
    will = {node.key: node for node in new.drawn()}
    for key, node in was.items():
        if key not in will:
            found.removed.append(key)
            _tell(found, old, node, NODE_DELETED)
    for key, node in will.items():
        previous = was.get(key)
        if previous is None:
            found.added.append(node)
            _tell(found, new, node, NODE_ADDED)
        elif _other_kind(previous, node):
            # Another data type under a known NodeId: what clients hold of the old one must not seem to go on.
            found.removed.append(key)
            found.added.append(node)
            _tell(found, new, node, NODE_ADDED | NODE_DELETED | DATA_TYPE_CHANGED)
        elif not _alike(previous, node):
            found.changed.append((previous, node))
    _references(found, old, new, set(found.removed), {node.key for node in found.added})
    return found


def _store(space: Space) -> PaperStore:
    if not isinstance(space.store, PaperStore):
        raise TypeError("not on paper")
    return space.store


def _other_kind(old: Node, new: Node) -> bool:
    before, after = old.shape, new.shape
    return before.node_class != after.node_class or (
        before.node_class == VARIABLE and (before.data_type, before.rank) != (after.data_type, after.rank)
    )


def _alike(old: Node, new: Node) -> bool:
    return (
        old.shape == new.shape
        and old.name == new.name
        and old.display == new.display
        and old.description == new.description
        and old.extra == new.extra
        and not value_differs(old, new)
    )


def value_differs(old: Node, new: Node) -> bool:
    """True when both versions were drawn with different values."""
    if old.point is None or new.point is None:
        return old.point is not new.point
    return (old.point.flags, old.point.body) != (new.point.flags, new.point.body)


def _references(found: Difference, old: PaperStore, new: PaperStore, removed: set[Key], added: set[Key]) -> None:
    kept = {node.key: None for store in (old, new) for node in store.nodes()}
    targets = {target for node in new.nodes() for _, forward, target in new.pairs_of(node.key) if forward}
    for key in kept:
        before, after = old.pairs_of(key), new.pairs_of(key)
        verb = 0
        if key not in removed:
            for pair in before:
                if pair not in after and pair[2] not in removed:
                    found.unlinked.append((key, pair))
                    announced = pair[1] and pair[2] not in old.around and old.peek(pair[2]) is None
                    if announced and new.peek(pair[2]) is None and pair[2] not in targets:
                        found.announced_gone.append(pair[2])
                if pair not in after and pair[1] and pair[0] != HAS_PROPERTY:
                    verb |= REFERENCE_DELETED
        for pair in after:
            if key in added or pair not in before or pair[2] in added:
                found.linked.append((key, pair))
            if pair not in before and pair[1] and pair[0] != HAS_PROPERTY:
                verb |= REFERENCE_ADDED
        if verb and key not in added and key not in removed:
            _tell(found, new if new.peek(key) is not None else old, new.peek(key) or old[key], verb)
    found.announced_gone = list(dict.fromkeys(found.announced_gone))


def _tell(found: Difference, store: PaperStore, node: Node, verb: int) -> None:
    """Note a change for the ModelChangeEvent. Properties belong to their node (OPC 10000-3, 9.32.1)."""
    if verb & (NODE_ADDED | NODE_DELETED) and any(
        reference == HAS_PROPERTY and not forward for reference, forward, _ in store.pairs_of(node.key)
    ):
        return
    found.model_changes.append((node.key, store.type_definition(node), verb))
