"""A parameter's Variable brought in step with what the parameter means now (IEC 62769-5; OPC 10000-8, 5.3 to 5.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from asyncua import ua

from server.model.device_type import ParameterSpec
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import Node
from server.opcua.nodes.values import encoded
from server.opcua.parameter_nodes import PropertyForm, access_of, add_property, properties_of
from server.opcua.space import READ, WRITE, Space

SEMANTIC: Final = frozenset({"EURange", "EngineeringUnits", "EnumValues"})
"""Properties whose change changes what a value means: a SemanticChangeEvent tells of it."""


@dataclass(frozen=True, slots=True)
class NodeChange:
    """What became of one Variable."""

    key: Key
    semantic: bool = False  # one of SEMANTIC has another value, came or went
    properties: bool = False  # a Property came or went
    access: bool = False  # AccessLevel is another
    removed: tuple[Key, ...] = ()  # Properties that went


def update_parameter(space: Space, node_id: ua.NodeId, old: ParameterSpec, new: ParameterSpec) -> NodeChange | None:
    """DisplayName, Description, AccessLevel and Properties of a parameter's Variable; None when it is not made (yet).

    `old` is what the Variable was last brought in step with; the leading instance, Online and Offline are alike here.
    """
    node = space.store.peek(key_of(node_id))
    if node is None:
        return None
    if (old.label, old.help) != (new.label, new.help):
        space.describe(node, new.label, new.help)
    access = node.shape.access & ~(READ | WRITE) | access_of(new)
    access_changed = access != node.shape.access
    if access_changed:
        space.store.reshape(node, access=access)
    wanted = {form.name: form for form in properties_of(new)}
    before = {form.name for form in properties_of(old)}
    touched, came = set(), set()
    for name, form in wanted.items():
        shown = space.store.peek(_below(node_id, name))
        if shown is None or shown.point is None:
            add_property(space, form, encoded(form.make(new)), node_id)
            came.add(name)
        elif _put(shown, form, new):
            touched.add(name)
    # An enumeration that lists nothing at the moment keeps its list: the type of its Variable asks for one.
    gone = before - set(wanted) - {"EnumValues"}
    removed = space.remove(ua.NodeId(f"{node_id.Identifier}/{name}", node_id.NamespaceIndex) for name in sorted(gone))
    return NodeChange(
        node.key,
        semantic=bool((touched | came | gone) & SEMANTIC),
        properties=bool(came or gone),
        access=access_changed,
        removed=tuple(entry.key for entry in removed),
    )


def _below(node_id: ua.NodeId, name: str) -> Key:
    return key_of(ua.NodeId(f"{node_id.Identifier}/{name}", node_id.NamespaceIndex))


def _put(shown: Node, form: PropertyForm, spec: ParameterSpec) -> bool:
    """Whether the Property's value is another one now."""
    point, value = shown.point, encoded(form.make(spec))
    if point is None or (point.flags & 3, point.body) == (value.flags, value.body):
        return False
    point.put(*value)
    return True
