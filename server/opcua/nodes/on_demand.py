"""Nodes that are announced by references and made only when somebody looks at them, each kind by its own maker."""

from __future__ import annotations

from typing import Protocol

from asyncua import ua

from server.opcua.nodes.keys import Key

Announcement = tuple[ua.QualifiedName, int, Key] | tuple[ua.QualifiedName, int, Key, ua.LocalizedText]
"""(BrowseName, NodeClass, type definition) of a node that is not made yet, and its DisplayName when it is another."""


class Maker(Protocol):
    """Knows some of the nodes that are not made yet."""

    def make(self, key: Key) -> bool:
        """Make the node with this key, and what belongs to it; False when it is none of this maker's."""

    def announced(self, key: Key) -> Announcement | None:
        """What Browse shows of it without making it; None when it is none of this maker's."""


class OnDemand:
    """All makers, asked in turn."""

    def __init__(self) -> None:
        self.makers: list[Maker] = []

    def make(self, key: Key) -> bool:
        """True when a maker made the node."""
        return any(maker.make(key) for maker in self.makers)

    def announced(self, key: Key) -> Announcement | None:
        """What the first maker that knows the key says of it."""
        for maker in self.makers:
            found = maker.announced(key)
            if found is not None:
                return found
        return None
