"""One node as the store keeps it: what many nodes share stands in a Shape, what is rare in `extra`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from asyncua import ua

from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.wire import Point

A = ua.AttributeIds
OBJECT, VARIABLE, METHOD, OBJECT_TYPE, VARIABLE_TYPE, REFERENCE_TYPE, DATA_TYPE, VIEW = 1, 2, 4, 8, 16, 32, 64, 128
"""NodeClass values (OPC 10000-3, 8.29)."""


class Shape(NamedTuple):
    """Attributes that thousands of nodes have in common. Interned by the store: compare and keep by identity.

    `permissions` and `restrictions` None mean the defaults of the node's namespace (OPC 10000-3, 5.2.9 and 5.2.11).
    """

    node_class: int
    data_type: Key | None = None
    rank: int = -1
    access: int = 1  # AccessLevel; AccessLevelEx has the same low byte
    access_ex: int = 0  # bits above the low byte
    historizing: bool = False
    min_sampling: float = 0.0
    notifier: int = 0
    executable: bool = True
    abstract: bool = False
    symmetric: bool = False
    no_loops: bool = True
    write_mask: int = 0
    permissions: tuple[tuple[Key, int], ...] | None = None  # (role, PermissionType bits), sorted
    restrictions: int | None = None
    direct: bool = False  # a client's Write of Value is stored at once (test and load nodes, nodes that clients added)


class Node:
    """One node. `refs` is flat: code, target, code, target …; the store tells what a code means."""

    __slots__ = ("__weakref__", "description", "display", "extra", "key", "name", "point", "refs", "shape")

    def __init__(self, key: Key, shape: Shape, name: ua.QualifiedName) -> None:
        self.key = key
        self.shape = shape
        self.name = name
        self.display: ua.LocalizedText | None = None  # None: the text of the BrowseName
        self.description: ua.LocalizedText | None = None
        self.refs: tuple[Any, ...] | list[Any] = ()
        self.point: Point | None = None  # Variables and VariableTypes with a value
        self.extra: dict[int, ua.Variant] | None = None  # InverseName, ArrayDimensions, DataTypeDefinition …

    @property
    def id(self) -> ua.NodeId:
        """The NodeId."""
        return node_id_of(self.key)

    @property
    def display_name(self) -> ua.LocalizedText:
        """DisplayName in the default language."""
        return self.display if self.display is not None else ua.LocalizedText(self.name.Name)

    def pairs(self) -> Iterator[tuple[int, Key]]:
        """(code, target) of every reference, in order of their making."""
        refs = self.refs
        return zip(refs[::2], refs[1::2], strict=True)
