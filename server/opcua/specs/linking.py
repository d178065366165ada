"""References that are made again with every version of a type: each once, in both directions."""

from __future__ import annotations

from asyncua import ua

from server.opcua.nodes.keys import key_of
from server.opcua.space import Space


def link_once(space: Space, source: ua.NodeId, reference: ua.NodeId, target: ua.NodeId) -> None:
    """A reference and its inverse, unless they are there. Raises KeyError: one of the nodes is not."""
    if not space.store.linked(key_of(source), key_of(reference), key_of(target)):
        space.link(source, reference, target)


def unlink(space: Space, source: ua.NodeId, reference: ua.NodeId, target: ua.NodeId) -> None:
    """Take a reference and its inverse away, as far as they are there."""
    space.store.unlink(key_of(source), key_of(reference), key_of(target))
    space.store.unlink(key_of(target), key_of(reference), key_of(source), forward=False)
