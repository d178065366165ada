"""Nodes of one session alone: a role that nobody else has (OPC 10000-3, 4.9), gone with the session or its user."""

from __future__ import annotations

from asyncua import ua

from server.core.clock import ManualClock
from server.opcua.nodes.node import VARIABLE, Node, Shape
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import BROWSE, READ, WRITE, Rights
from server.opcua.services.context import Session
from server.opcua.services.private_nodes import PrivateNodes
from server.opcua.services.session_table import SessionLimits, SessionTable
from tests.kit.channels import FakeChannel


class Rig:
    """A session table and one private node per session."""

    def __init__(self) -> None:
        self.rights, self.store = Rights(), NodeStore()
        self.table = SessionTable(self.rights, ManualClock(), SessionLimits())
        self.private = PrivateNodes(self.rights, self.store, self.table, 2)

    def session(self, user: str = "emma", role: str = "engineer") -> Session:
        channel = FakeChannel()
        session = self.table.open(channel, 60_000)
        self.table.activate(session, channel, user, role, "UserName")
        return session

    def node(self, session: Session, name: str = "x") -> Node:
        shape = self.store.shape(Shape(VARIABLE, permissions=self.private.permissions(session, BROWSE | READ)))
        return self.store.add(Node((2, name), shape, ua.QualifiedName(name, 2)))


def test_only_its_session_has_rights_on_a_private_node() -> None:
    rig = Rig()
    mine, same_user, admin = rig.session(), rig.session(), rig.session("ada", "admin")
    node = rig.node(mine)
    assert mine.audience.has(node, BROWSE | READ)
    assert not mine.audience.has(node, WRITE)
    for other in (same_user, admin):
        assert not other.audience.bits(node)


def test_the_role_of_the_user_stays_beside_the_sessions_own() -> None:
    rig = Rig()
    session = rig.session()
    before = session.audience
    rig.private.permissions(session, READ)
    assert session.audience.roles > before.roles
    rig.private.permissions(session, READ)
    assert len(session.audience.roles) == len(before.roles) + 1


def test_another_user_of_the_session_loses_sight_of_its_nodes() -> None:
    rig = Rig()
    session = rig.session()
    node = rig.node(session)
    channel = session.channel
    assert channel is not None
    rig.table.activate(session, channel, "emma", "engineer", "UserName")  # control: the same user again
    assert session.audience.has(node, READ)
    rig.table.activate(session, channel, "ada", "admin", "UserName")
    assert not session.audience.bits(node)


def test_a_role_that_the_account_loses_takes_the_private_nodes_with_it() -> None:
    rig = Rig()
    session = rig.session()
    node = rig.node(session)
    rig.table.judge_accounts({"emma": "viewer"})
    assert session.caller.role == "viewer"
    assert not session.audience.bits(node)


def test_nothing_is_remembered_of_a_closed_session() -> None:
    # A client that opens sessions all day must not fill the server with their roles.
    rig = Rig()
    watcher = rig.session("ada", "admin")
    audiences = len(rig.rights._audiences)
    shapes = len(list(rig.store.shapes()))
    for _ in range(20):
        session = rig.session()
        node = rig.node(session)
        assert not watcher.audience.bits(node)
        rig.store.remove([node.key])
        rig.table.close(session)
    assert len(rig.rights._audiences) <= audiences + 1  # that of engineers
    assert len(list(rig.store.shapes())) == shapes
    assert not any("Session" in str(rows) for rows in watcher.audience._bits)


def test_a_session_is_found_by_the_name_that_callers_have() -> None:
    rig = Rig()
    session = rig.session()
    assert rig.private.of_session(session.caller.session) is session
    rig.table.close(session)
    assert rig.private.of_session(session.caller.session) is None
