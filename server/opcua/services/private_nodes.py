"""Nodes that one session alone sees: it gets a role of its own, and the nodes grant rights to no other role."""

from __future__ import annotations

from server.opcua.nodes.keys import Key
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import Permissions, Rights
from server.opcua.services.context import Session
from server.opcua.services.session_table import SessionTable

PREFIX = "Fieldloom/Session/"
"""Of the roles' identifiers; the SessionId follows."""


class PrivateNodes:
    """Roles of single sessions, made for those that ask and forgotten with them."""

    def __init__(self, rights: Rights, store: NodeStore, sessions: SessionTable, namespace: int) -> None:
        self._rights = rights
        self._store = store
        self._sessions = sessions
        self._namespace = namespace
        self._roles: set[Key] = set()
        sessions.on_closed.append(self._closed)

    def permissions(self, session: Session, bits: int) -> Permissions:
        """RolePermissions that give these PermissionType bits to one session and nothing to anybody else.

        They end when the session ends or gets another user.
        """
        role = self._role(session)
        if role not in session.own_roles:
            self._roles.add(role)
            session.own_roles |= {role}
            self._sessions.judge_roles(session)
        return ((role, bits),)

    def of_session(self, identifier: str) -> Session | None:
        """The session that a Caller names; None when it has ended."""
        return next((one for one in self._sessions if str(one.session_id.Identifier) == identifier), None)

    def _role(self, session: Session) -> Key:
        return self._namespace, f"{PREFIX}{session.session_id.Identifier}"

    def _closed(self, session: Session, _how: str) -> None:
        role = self._role(session)
        if role not in self._roles:
            return
        self._roles.discard(role)
        self._rights.forget(role)
        self._store.forget_shapes(
            lambda shape: shape.permissions is not None and any(row[0] == role for row in shape.permissions)
        )
