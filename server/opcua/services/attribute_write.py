"""Write of attributes other than Value: WriteMask, permissions, types (OPC 10000-4, 5.11.4; OPC 10000-3, 5.2.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncua import ua

from server.opcua.nodes.keys import key_of
from server.opcua.nodes.node import A, Node
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import ALL_PERMISSIONS, WRITE_ATTRIBUTE, Audience
from server.opcua.services.attributes_of import WRITE_MASK, WRITE_PERMISSION

_S = ua.StatusCodes
_V = ua.VariantType
_RESHAPED: dict[int, tuple[ua.VariantType, str]] = {
    int(A.IsAbstract): (_V.Boolean, "abstract"),
    int(A.Symmetric): (_V.Boolean, "symmetric"),
    int(A.ContainsNoLoops): (_V.Boolean, "no_loops"),
    int(A.EventNotifier): (_V.Byte, "notifier"),
    int(A.AccessLevel): (_V.Byte, "access"),
    int(A.MinimumSamplingInterval): (_V.Double, "min_sampling"),
    int(A.Historizing): (_V.Boolean, "historizing"),
    int(A.Executable): (_V.Boolean, "executable"),
    int(A.AccessRestrictions): (_V.UInt16, "restrictions"),
}
"""Type and field of the Shape of each attribute that is a plain scalar there."""
_RESTRICTIONS = 0x0F


def write_attribute(store: NodeStore, node: Node, attribute: int, value: ua.DataValue, audience: Audience) -> int:
    """Check and store; returns the operation result. The node has the attribute."""
    if not node.shape.write_mask & WRITE_MASK.get(attribute, 0):
        return int(_S.BadNotWritable)
    if not audience.has(node, WRITE_PERMISSION.get(attribute, WRITE_ATTRIBUTE)):
        return int(_S.BadUserAccessDenied)
    if audience.insecure(node):
        return int(_S.BadSecurityModeInsufficient)
    if (value.StatusCode is not None and value.StatusCode.value) or value.ServerTimestamp is not None:
        return int(_S.BadWriteNotSupported)
    return _stored(store, node, attribute, value.Value)


def _stored(store: NodeStore, node: Node, attribute: int, value: ua.Variant) -> int:
    reshaped = _RESHAPED.get(attribute)
    if reshaped is not None:
        kind, field = reshaped
        if value.VariantType != kind or value.is_array:
            return int(_S.BadTypeMismatch)
        if attribute == A.AccessRestrictions and value.Value & ~_RESTRICTIONS:
            return int(_S.BadOutOfRange)
        store.reshape(node, **{field: value.Value})
        return 0
    setter = _SET.get(attribute)
    return int(_S.BadWriteNotSupported) if setter is None else setter(store, node, value)


def _display(store: NodeStore, node: Node, value: ua.Variant) -> int:
    if value.VariantType != _V.LocalizedText or value.is_array:
        return int(_S.BadTypeMismatch)
    node.display = value.Value
    store.changed()
    return 0


def _description(store: NodeStore, node: Node, value: ua.Variant) -> int:
    if value.VariantType != _V.LocalizedText or value.is_array:
        return int(_S.BadTypeMismatch)
    node.description = value.Value
    store.changed()
    return 0


def _inverse_name(store: NodeStore, node: Node, value: ua.Variant) -> int:
    if value.VariantType != _V.LocalizedText or value.is_array:
        return int(_S.BadTypeMismatch)
    node.extra = {**(node.extra or {}), int(A.InverseName): value}
    store.changed()
    return 0


def _role_permissions(store: NodeStore, node: Node, value: ua.Variant) -> int:
    """Null brings the namespace's defaults back."""
    if value.VariantType == _V.Null or (value.is_array and value.Value is None):
        store.reshape(node, permissions=None)
        return 0
    rows: Any = value.Value
    if value.VariantType != _V.ExtensionObject or not value.is_array or value.Dimensions is not None:
        return int(_S.BadTypeMismatch)
    if not all(isinstance(row, ua.RolePermissionType) for row in rows):
        return int(_S.BadTypeMismatch)
    merged: dict[Any, int] = {}
    for row in rows:
        bits = int(row.Permissions)
        if bits & ~ALL_PERMISSIONS:
            return int(_S.BadOutOfRange)
        role = key_of(row.RoleId)
        merged[role] = merged.get(role, 0) | bits
    store.reshape(node, permissions=tuple(sorted(merged.items(), key=lambda row: (str(type(row[0])), row[0]))))
    return 0


_SET: dict[int, Callable[[NodeStore, Node, ua.Variant], int]] = {
    int(A.DisplayName): _display,
    int(A.Description): _description,
    int(A.InverseName): _inverse_name,
    int(A.RolePermissions): _role_permissions,
}
