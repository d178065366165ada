"""What every attribute of a node is, as one audience sees it (OPC 10000-3, 5.2 to 5.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncua import ua

from server.opcua.nodes.keys import node_id_of
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
)
from server.opcua.roles import (
    CALL,
    DELETE_HISTORY,
    INSERT_HISTORY,
    MODIFY_HISTORY,
    READ,
    READ_HISTORY,
    WRITE,
    WRITE_ATTRIBUTE,
    WRITE_HISTORIZING,
    WRITE_ROLE_PERMISSIONS,
    Audience,
    Permissions,
    Rights,
)

_V = ua.VariantType
_BASE = frozenset(
    int(attribute)
    for attribute in (
        A.NodeId,
        A.NodeClass,
        A.BrowseName,
        A.DisplayName,
        A.Description,
        A.WriteMask,
        A.UserWriteMask,
        A.RolePermissions,
        A.UserRolePermissions,
        A.AccessRestrictions,
    )
)
_TYPED_VALUE = frozenset(int(attribute) for attribute in (A.Value, A.DataType, A.ValueRank, A.ArrayDimensions))
ATTRIBUTES: dict[int, frozenset[int]] = {
    OBJECT: _BASE | {int(A.EventNotifier)},
    VARIABLE: _BASE
    | _TYPED_VALUE
    | {
        int(A.AccessLevel),
        int(A.UserAccessLevel),
        int(A.MinimumSamplingInterval),
        int(A.Historizing),
        int(A.AccessLevelEx),
    },
    METHOD: _BASE | {int(A.Executable), int(A.UserExecutable)},
    OBJECT_TYPE: _BASE | {int(A.IsAbstract)},
    VARIABLE_TYPE: _BASE | _TYPED_VALUE | {int(A.IsAbstract)},
    REFERENCE_TYPE: _BASE | {int(A.IsAbstract), int(A.Symmetric), int(A.InverseName)},
    DATA_TYPE: _BASE | {int(A.IsAbstract), int(A.DataTypeDefinition)},
    VIEW: _BASE | {int(A.ContainsNoLoops), int(A.EventNotifier)},
}
"""Attributes of each NodeClass, those that a node may leave out included."""

ACCESS_READ, ACCESS_WRITE, ACCESS_HISTORY_READ, ACCESS_HISTORY_WRITE = 1, 2, 4, 8
"""Bits of AccessLevel (OPC 10000-3, 8.57)."""
_STATUS_WRITE, _TIMESTAMP_WRITE = 0x20, 0x40

WRITE_MASK: dict[int, int] = {
    int(A.AccessLevel): 1 << 0,
    int(A.ArrayDimensions): 1 << 1,
    int(A.BrowseName): 1 << 2,
    int(A.ContainsNoLoops): 1 << 3,
    int(A.DataType): 1 << 4,
    int(A.Description): 1 << 5,
    int(A.DisplayName): 1 << 6,
    int(A.EventNotifier): 1 << 7,
    int(A.Executable): 1 << 8,
    int(A.Historizing): 1 << 9,
    int(A.InverseName): 1 << 10,
    int(A.IsAbstract): 1 << 11,
    int(A.MinimumSamplingInterval): 1 << 12,
    int(A.NodeClass): 1 << 13,
    int(A.NodeId): 1 << 14,
    int(A.Symmetric): 1 << 15,
    int(A.UserAccessLevel): 1 << 16,
    int(A.UserExecutable): 1 << 17,
    int(A.UserWriteMask): 1 << 18,
    int(A.ValueRank): 1 << 19,
    int(A.WriteMask): 1 << 20,
    int(A.DataTypeDefinition): 1 << 22,
    int(A.RolePermissions): 1 << 23,
    int(A.AccessRestrictions): 1 << 24,
    int(A.AccessLevelEx): 1 << 25,
}
"""Bit of WriteMask by attribute (OPC 10000-3, 8.60)."""
WRITE_PERMISSION: dict[int, int] = {
    int(A.Historizing): WRITE_HISTORIZING,
    int(A.RolePermissions): WRITE_ROLE_PERMISSIONS,
}
"""Permission that a Write needs, where it is not WRITE_ATTRIBUTE."""


def extra_of(node: Node, attribute: int) -> ua.Variant | None:
    """An attribute that few nodes have."""
    return node.extra.get(attribute) if node.extra is not None else None


def array_dimensions(node: Node) -> list[int] | None:
    """ArrayDimensions; a fixed rank without any means lengths without limits."""
    given = extra_of(node, A.ArrayDimensions)
    if given is not None and given.Value:
        return list(given.Value)
    rank = node.shape.rank
    return [0] * rank if rank >= 1 else None


def user_access(node: Node, audience: Audience) -> int:
    """UserAccessLevel: AccessLevel without what the roles do not allow."""
    access = node.shape.access
    bits = audience.bits(node)
    if not bits & READ:
        access &= ~ACCESS_READ
    if not bits & WRITE:
        access &= ~(ACCESS_WRITE | _STATUS_WRITE | _TIMESTAMP_WRITE)
    if not bits & READ_HISTORY:
        access &= ~ACCESS_HISTORY_READ
    if not bits & (INSERT_HISTORY | MODIFY_HISTORY | DELETE_HISTORY):
        access &= ~ACCESS_HISTORY_WRITE
    return access


def user_write_mask(node: Node, audience: Audience) -> int:
    """UserWriteMask: WriteMask without what the roles do not allow."""
    mask = node.shape.write_mask
    if not mask:
        return 0
    bits = audience.bits(node)
    seen = 0
    for attribute, bit in WRITE_MASK.items():
        if mask & bit and bits & WRITE_PERMISSION.get(attribute, WRITE_ATTRIBUTE):
            seen |= bit
    return seen


def _permissions(rows: Permissions) -> ua.Variant:
    return ua.Variant(
        [ua.RolePermissionType(node_id_of(role), ua.PermissionType(bits)) for role, bits in rows],
        _V.ExtensionObject,
        is_array=True,
    )


_CONSTANT: dict[int, tuple[ua.VariantType, Callable[[Node], Any]]] = {
    int(A.NodeId): (_V.NodeId, lambda node: node.id),
    int(A.NodeClass): (_V.Int32, lambda node: node.shape.node_class),
    int(A.BrowseName): (_V.QualifiedName, lambda node: node.name),
    int(A.DisplayName): (_V.LocalizedText, lambda node: node.display_name),
    int(A.Description): (_V.LocalizedText, lambda node: node.description),
    int(A.WriteMask): (_V.UInt32, lambda node: node.shape.write_mask),
    int(A.IsAbstract): (_V.Boolean, lambda node: node.shape.abstract),
    int(A.Symmetric): (_V.Boolean, lambda node: node.shape.symmetric),
    int(A.ContainsNoLoops): (_V.Boolean, lambda node: node.shape.no_loops),
    int(A.EventNotifier): (_V.Byte, lambda node: node.shape.notifier),
    int(A.DataType): (_V.NodeId, lambda node: node_id_of(node.shape.data_type or 0)),
    int(A.ValueRank): (_V.Int32, lambda node: node.shape.rank),
    int(A.AccessLevel): (_V.Byte, lambda node: node.shape.access),
    int(A.AccessLevelEx): (_V.UInt32, lambda node: node.shape.access | node.shape.access_ex),
    int(A.MinimumSamplingInterval): (_V.Double, lambda node: node.shape.min_sampling),
    int(A.Historizing): (_V.Boolean, lambda node: node.shape.historizing),
    int(A.Executable): (_V.Boolean, lambda node: node.shape.executable),
}
"""The same for everybody; None from the function: this node leaves it out."""


def _seen(node: Node, attribute: int, rights: Rights, audience: Audience) -> ua.Variant | None:
    """Attributes that depend on who looks, on a namespace's defaults, or on others."""
    if attribute == A.UserWriteMask:
        return ua.Variant(user_write_mask(node, audience), _V.UInt32)
    if attribute == A.UserAccessLevel:
        return ua.Variant(user_access(node, audience), _V.Byte)
    if attribute == A.UserExecutable:
        return ua.Variant(node.shape.executable and audience.has(node, CALL), _V.Boolean)
    if attribute == A.RolePermissions:
        return _permissions(rights.permissions(node))
    if attribute == A.UserRolePermissions:
        return _permissions(tuple(row for row in rights.permissions(node) if row[0] in audience.roles))
    if attribute == A.AccessRestrictions:
        return ua.Variant(rights.restrictions(node), _V.UInt16)
    if attribute == A.ArrayDimensions:
        found = array_dimensions(node)
        return None if found is None else ua.Variant(found, _V.UInt32, is_array=True)
    return extra_of(node, attribute)


def attribute_value(node: Node, attribute: int, rights: Rights, audience: Audience) -> ua.Variant | None:
    """An attribute other than Value; None when the NodeClass has it not, or this node leaves it out."""
    if attribute not in ATTRIBUTES.get(node.shape.node_class, ()):
        return None
    constant = _CONSTANT.get(attribute)
    if constant is not None:
        kind, get = constant
        value = get(node)
        return None if value is None else ua.Variant(value, kind)
    return _seen(node, attribute, rights, audience)
