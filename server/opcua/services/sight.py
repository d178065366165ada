"""What a session sees at the other end of a reference, without making nodes that are only announced."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from asyncua import ua

from server.opcua.nodes.keys import Key, namespace_of
from server.opcua.nodes.node import OBJECT, VARIABLE, Node
from server.opcua.nodes.on_demand import Announcement
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import BROWSE, Audience, Rights


class Seen(NamedTuple):
    """A target as far as a ReferenceDescription tells of it."""

    name: ua.QualifiedName
    display: ua.LocalizedText
    node_class: int
    type_key: Key  # 0 unless an Object or a Variable


Announced = Callable[[Key], Announcement | None]
"""What is known of a node that is made only when somebody looks at it; None for other keys."""


def nothing_announced(_key: Key) -> None:
    """For spaces without announced nodes."""
    return


class Sight:
    """Targets of references through the eyes of an audience."""

    def __init__(self, store: NodeStore, rights: Rights, announced: Announced = nothing_announced) -> None:
        self._store = store
        self._rights = rights
        self._announced = announced

    def visible(self, node: Node, audience: Audience) -> bool:
        """True when the audience may browse a node."""
        return audience.has(node, BROWSE) and not audience.insecure(node, browse=True)

    def target(self, key: Key, audience: Audience) -> Node | Seen | None:
        """The node, or what is announced of it; None when it is not there or not to be seen."""
        node = self._store.peek(key)
        if node is not None:
            return node if self.visible(node, audience) else None
        found = self._announced(key)
        if found is None:
            return None
        if not audience.bits_of(self._rights.defaults(namespace_of(key)).permissions) & BROWSE:
            return None
        name, node_class, type_key = found[:3]
        display = found[3] if len(found) == 4 else ua.LocalizedText(name.Name)
        return Seen(name, display, int(node_class), type_key)

    def seen(self, target: Node | Seen) -> Seen:
        """Name, class and type of a target."""
        if isinstance(target, Seen):
            return target
        node_class = target.shape.node_class
        typed = node_class in (OBJECT, VARIABLE)
        type_key = self._store.type_definition(target) if typed else 0
        return Seen(target.name, target.display_name, node_class, type_key)
