"""The base namespace from the stack's standard address space data, put right where the data is wrong.

Slow (about a second): run once, kept by the snapshot from then on.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncua import ua

from server.opcua.light_stack import complete
from server.opcua.nodes.definitions import define
from server.opcua.nodes.keys import NULL_KEY, Key, key_of
from server.opcua.nodes.node import (
    METHOD,
    OBJECT,
    REFERENCE_TYPE,
    VARIABLE,
    VARIABLE_TYPE,
    A,
    Node,
    Shape,
)
from server.opcua.nodes.store import HAS_MODELLING_RULE_KEY, HAS_TYPE_DEFINITION_KEY, NodeStore
from server.opcua.nodes.values import new_point

_READ = 1
_HAS_COMPONENT = 47
_MODELLING_RULES_FOLDER = 2996
MODELLING_RULES: tuple[Key, ...] = (78, 80, 11508, 11510)
"""Mandatory, Optional and their placeholders: listed below ServerCapabilities, where the data lists none."""
_BASE_DATA_TYPE: Key = 24
_ANY_DATA_TYPE: frozenset[Key] = frozenset(
    (
        62, 63, 68, 2102, 2103, 2129, 2137, 2365, 2372, 2379, 2387, 2388, 2756, 2763, 2777, 2778, 3720, 3724,
        3746, 3750, 3754, 9002, 11487, 11562, 12021, 12029, 12047, 12057, 12068, 12502, 14418, 14595, 15014,
        15038, 15040, 15392, 15393, 15490, 16309, 17503, 17576, 17579, 17582, 17632, 17706, 17710, 18077, 19306,
        19821, 19823, 21097, 23844, 23999, 24019, 25684, 32433,
    )
)  # fmt: skip
"""Variables and VariableTypes without a DataType in the standard's NodeSet: BaseDataType. The data says String."""
_TYPE_ATTRIBUTES = (
    ua.ObjectTypeAttributes,
    ua.VariableTypeAttributes,
    ua.ReferenceTypeAttributes,
    ua.DataTypeAttributes,
)
_WITHOUT_INVERSE = (HAS_TYPE_DEFINITION_KEY, HAS_MODELLING_RULE_KEY)


class _Collected:
    """Takes what the stack's generated code adds, as it comes."""

    def __init__(self) -> None:
        self.nodes: list[ua.AddNodesItem] = []
        self.references: list[ua.AddReferencesItem] = []

    def add_nodes(self, items: list[ua.AddNodesItem]) -> None:
        self.nodes += items

    def add_references(self, items: list[ua.AddReferencesItem]) -> None:
        self.references += items


def standard_store() -> NodeStore:
    """A store with every node of namespace 0: all attributes, each reference once forward and once inverse.

    Types and modelling rules do not list what uses them: nobody wants to browse thousands.
    """
    # Nine megabytes of generated code: not for those who have a snapshot.
    complete()
    from asyncua.server.standard_address_space.standard_address_space_services import (
        create_standard_address_space_Services as fill,
    )

    collected = _Collected()
    with _concrete_unless_told():
        fill(collected)
    store = NodeStore()
    for item in collected.nodes:
        store.add(_node(store, item))
    for source, kind, target in _edges(collected):
        store.link(source, kind, target, inverse=kind not in _WITHOUT_INVERSE)
    for rule in MODELLING_RULES:
        store.link(_MODELLING_RULES_FOLDER, _HAS_COMPONENT, rule)
    define(store)
    return store


@contextmanager
def _concrete_unless_told() -> Iterator[None]:
    """The data names only what is abstract, but the stack's attribute classes take what is not named for abstract."""
    before = [(kind, kind.__init__.__defaults__) for kind in _TYPE_ATTRIBUTES]
    try:
        for kind, defaults in before:
            names = [
                each.name for each in inspect.signature(kind).parameters.values() if each.default is not each.empty
            ]
            kind.__init__.__defaults__ = tuple(
                False if name == "IsAbstract" else default for name, default in zip(names, defaults, strict=True)
            )
        yield
    finally:
        for kind, defaults in before:
            kind.__init__.__defaults__ = defaults


def _edges(collected: _Collected) -> dict[tuple[Key, Key, Key], None]:
    """(source, type, target) of every reference once, type definitions and parents first."""
    edges: dict[tuple[Key, Key, Key], None] = {}
    for item in collected.nodes:
        key, parent, kind = (
            key_of(node_id) for node_id in (item.RequestedNewNodeId, item.ParentNodeId, item.ReferenceTypeId)
        )
        type_definition = key_of(item.TypeDefinition)
        if type_definition != NULL_KEY:
            edges[key, HAS_TYPE_DEFINITION_KEY, type_definition] = None
        if parent != NULL_KEY:
            edges[parent, kind, key] = None
    for reference in collected.references:
        near, kind, far = (
            key_of(node_id) for node_id in (reference.SourceNodeId, reference.ReferenceTypeId, reference.TargetNodeId)
        )
        edges[(near, kind, far) if reference.IsForward else (far, kind, near)] = None
    return edges


def _node(store: NodeStore, item: ua.AddNodesItem) -> Node:
    attributes = item.NodeAttributes
    node_class = int(item.NodeClass)
    shape = _shape(node_class, attributes)
    key = key_of(item.RequestedNewNodeId)
    if key in _ANY_DATA_TYPE:
        shape = shape._replace(data_type=_BASE_DATA_TYPE)
    made = Node(key, store.shape(shape), item.BrowseName)
    display = attributes.DisplayName
    if display.Locale or display.Text != item.BrowseName.Name:
        made.display = display
    if attributes.Description.Text:
        made.description = attributes.Description
    extra: dict[int, ua.Variant] = {}
    if node_class == REFERENCE_TYPE and attributes.InverseName.Text:
        extra[A.InverseName] = ua.Variant(attributes.InverseName, ua.VariantType.LocalizedText)
    if node_class in (VARIABLE, VARIABLE_TYPE):
        if attributes.ArrayDimensions:
            extra[A.ArrayDimensions] = ua.Variant(attributes.ArrayDimensions, ua.VariantType.UInt32, is_array=True)
        value = _value(attributes.Value)
        # A type without a value has no Value attribute; a Variable always has one, be it null.
        if node_class == VARIABLE or value.Value is not None:
            made.point = new_point(ua.DataValue(value))
    made.extra = extra or None
    return made


def _value(value: Any) -> ua.Variant:
    if isinstance(value, ua.Variant):
        return value
    # The generated code gives the texts of enumerations as a bare list.
    return ua.Variant(value, ua.VariantType.LocalizedText, is_array=True)


def _shape(node_class: int, attributes: Any) -> Shape:
    typed = node_class in (VARIABLE, VARIABLE_TYPE)
    return Shape(
        node_class,
        data_type=key_of(attributes.DataType) if typed else None,
        rank=int(attributes.ValueRank) if typed else -1,
        # Some declarations are writable in the data; nobody here writes to a declaration.
        access=_READ,
        min_sampling=float(attributes.MinimumSamplingInterval) if node_class == VARIABLE else 0.0,
        notifier=int(attributes.EventNotifier) if node_class == OBJECT else 0,
        executable=bool(attributes.Executable) if node_class == METHOD else True,
        abstract=bool(getattr(attributes, "IsAbstract", False)),
        # The data says that every reference type is symmetric: only those without an inverse name are.
        symmetric=node_class == REFERENCE_TYPE and not attributes.InverseName.Text,
        write_mask=int(attributes.WriteMask),
    )
