"""Roles and permissions: who may do what with a node (OPC 10000-3, 4.9 and 5.2.9; OPC 10000-18, 4.3).

Every session has a set of roles; every node (or its namespace) says which permissions each role has. One `Audience`
stands for all sessions with the same roles and the same kind of channel, so that cached plans serve many sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.opcua.nodes.keys import Key, namespace_of
from server.opcua.nodes.node import Node

ANONYMOUS, AUTHENTICATED_USER = 15644, 15656
OBSERVER, OPERATOR, ENGINEER, SUPERVISOR = 15668, 15680, 16036, 15692
CONFIGURE_ADMIN, SECURITY_ADMIN = 15716, 15704
"""NodeIds of the well-known roles in namespace 0."""

BROWSE, READ_ROLE_PERMISSIONS, WRITE_ATTRIBUTE, WRITE_ROLE_PERMISSIONS, WRITE_HISTORIZING = 1, 2, 4, 8, 16
READ, WRITE, READ_HISTORY, INSERT_HISTORY, MODIFY_HISTORY, DELETE_HISTORY = 32, 64, 128, 256, 512, 1024
RECEIVE_EVENTS, CALL, ADD_REFERENCE, REMOVE_REFERENCE, DELETE_NODE, ADD_NODE = 2048, 4096, 8192, 16384, 32768, 65536
"""Bits of PermissionType (OPC 10000-3, 8.55)."""
ALL_PERMISSIONS = 0x1FFFF
SEE = BROWSE | READ | READ_HISTORY | RECEIVE_EVENTS
"""What everybody may who may look at all."""

SIGNING_REQUIRED, ENCRYPTION_REQUIRED, SESSION_REQUIRED, RESTRICT_BROWSE = 1, 2, 4, 8
"""Bits of AccessRestrictionType (OPC 10000-3, 8.56)."""
MODE_NONE, MODE_SIGN, MODE_SIGN_AND_ENCRYPT = 1, 2, 3
"""MessageSecurityMode."""

Permissions = tuple[tuple[Key, int], ...]

_ADMIN = ALL_PERMISSIONS


def permissions(
    *,
    everybody: int = SEE,
    operator: int = 0,
    engineer: int = 0,
    admin: int = _ADMIN,
) -> Permissions:
    """A RolePermissions value: each higher role has what the ones below it have."""
    rows = {
        ANONYMOUS: everybody,
        AUTHENTICATED_USER: everybody,
        OBSERVER: everybody,
        OPERATOR: everybody | operator,
        SUPERVISOR: everybody | operator,
        ENGINEER: everybody | operator | engineer | READ_ROLE_PERMISSIONS,
        CONFIGURE_ADMIN: everybody | operator | engineer | admin,
        SECURITY_ADMIN: everybody | operator | engineer | admin,
    }
    return tuple(sorted(rows.items()))


CHANGE_HISTORY = INSERT_HISTORY | MODIFY_HISTORY | DELETE_HISTORY
DEFAULT = permissions(operator=CALL | WRITE, engineer=CHANGE_HISTORY)
"""Nodes that say nothing else: everybody looks, operators write and call what is writable and executable, engineers
also change what was recorded.
"""
OPEN = permissions(everybody=SEE | WRITE | CALL)
"""Test and load nodes: open to everybody."""
ENGINEERS_CALL = permissions(operator=WRITE, engineer=CALL)
"""Methods that a package gives to engineers."""
ADMINS_CALL = permissions(operator=WRITE)
"""Methods that a package gives to administrators."""
SECRET = permissions(everybody=BROWSE, admin=_ADMIN)
"""What only administrators read, such as security diagnostics."""

ROLE_NAMES: Mapping[str, tuple[Key, ...]] = {
    "anonymous": (ANONYMOUS,),
    "viewer": (ANONYMOUS, AUTHENTICATED_USER, OBSERVER),
    "operator": (ANONYMOUS, AUTHENTICATED_USER, OBSERVER, OPERATOR),
    "engineer": (ANONYMOUS, AUTHENTICATED_USER, OBSERVER, OPERATOR, ENGINEER),
    "admin": (
        ANONYMOUS,
        AUTHENTICATED_USER,
        OBSERVER,
        OPERATOR,
        ENGINEER,
        SUPERVISOR,
        CONFIGURE_ADMIN,
        SECURITY_ADMIN,
    ),
}
"""The well-known roles of an account's role; an unknown one is anonymous."""


@dataclass(slots=True)
class NamespaceDefaults:
    """DefaultRolePermissions and DefaultAccessRestrictions of a namespace (OPC 10000-5, 6.3.14)."""

    permissions: Permissions = DEFAULT
    restrictions: int = 0


class Rights:
    """The defaults of every namespace, and the audiences that look at the nodes."""

    def __init__(self) -> None:
        self.namespaces: dict[int, NamespaceDefaults] = {}
        self._audiences: dict[tuple[frozenset[Key], int], Audience] = {}

    def defaults(self, namespace: int) -> NamespaceDefaults:
        """The defaults of a namespace; made when it has none yet."""
        found = self.namespaces.get(namespace)
        if found is None:
            found = self.namespaces[namespace] = NamespaceDefaults()
        return found

    def permissions(self, node: Node) -> Permissions:
        """RolePermissions in force for a node."""
        own = node.shape.permissions
        return own if own is not None else self.defaults(namespace_of(node.key)).permissions

    def restrictions(self, node: Node) -> int:
        """AccessRestrictions in force for a node."""
        own = node.shape.restrictions
        return own if own is not None else self.defaults(namespace_of(node.key)).restrictions

    def audience(self, roles: Iterable[Key], mode: int) -> Audience:
        """The one Audience of these roles over a channel of this MessageSecurityMode."""
        key = (frozenset(roles), mode)
        found = self._audiences.get(key)
        if found is None:
            found = self._audiences[key] = Audience(self, key[0], mode)
        return found

    def forget(self, role: Key) -> None:
        """A role that nobody has any more: audiences with it, and what others remember of its nodes, go."""
        self._audiences = {key: one for key, one in self._audiences.items() if role not in key[0]}
        for audience in self._audiences.values():
            audience.forget(role)


class Audience:
    """All sessions with the same roles on the same kind of channel. Keep and compare by identity."""

    __slots__ = ("_bits", "_rights", "mode", "roles")

    def __init__(self, rights: Rights, roles: frozenset[Key], mode: int) -> None:
        self._rights = rights
        self.roles = roles
        self.mode = mode
        self._bits: dict[Permissions, int] = {}

    def bits(self, node: Node) -> int:
        """PermissionType bits for a node: what any of the roles has."""
        return self.bits_of(self._rights.permissions(node))

    def bits_of(self, rows: Permissions) -> int:
        """PermissionType bits under given RolePermissions."""
        found = self._bits.get(rows)
        if found is None:
            found = 0
            for role, bits in rows:
                if role in self.roles:
                    found |= bits
            self._bits[rows] = found
        return found

    def forget(self, role: Key) -> None:
        """Drop what is remembered of RolePermissions that name a role."""
        for rows in [rows for rows in self._bits if any(row[0] == role for row in rows)]:
            del self._bits[rows]

    def has(self, node: Node, permission: int) -> bool:
        """True when all the bits are granted. AccessRestrictions are another question: `insecure`."""
        return self.bits(node) & permission == permission

    def insecure(self, node: Node, *, browse: bool = False) -> bool:
        """True when the channel does not reach the node's AccessRestrictions: BadSecurityModeInsufficient."""
        wanted = self._rights.restrictions(node)
        if not wanted or (browse and not wanted & RESTRICT_BROWSE):
            return False
        if wanted & ENCRYPTION_REQUIRED and self.mode != MODE_SIGN_AND_ENCRYPT:
            return True
        return bool(wanted & SIGNING_REQUIRED) and self.mode == MODE_NONE

    @property
    def administers(self) -> bool:
        """True for those who may see security matters and audit events."""
        return SECURITY_ADMIN in self.roles
