"""Roles and permissions are the same for every service (OPC 10000-3, 4.9, 5.2.9 and 5.2.11; OPC 10000-18)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asyncua import ua

from server.opcua.nodes.keys import key_of
from server.opcua.roles import ENCRYPTION_REQUIRED, SEE, permissions
from tests.kit.asking import A, I, Subscriber, browse, get, invoke, item, name_of, names, read, translate, value, write
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
FOR_ADMINISTRATORS = permissions(everybody=0)
ROLES = {"Anonymous": 15644, "AuthenticatedUser": 15656, "Observer": 15668, "Operator": 15680, "Engineer": 16036,
         "Supervisor": 15692, "ConfigureAdmin": 15716, "SecurityAdmin": 15704}  # fmt: skip


class Hidden:
    """While it lasts, one node has other RolePermissions or AccessRestrictions."""

    def __init__(self, room: Room, node: ua.NodeId, **shape: object) -> None:
        self._store = room.rig.server._made.space.store
        self._node = self._store[key_of(node)]
        self._shape = shape
        self._before = {name: getattr(self._node.shape, name) for name in shape}

    def __enter__(self) -> None:
        self._store.reshape(self._node, **self._shape)

    def __exit__(self, *_: object) -> None:
        self._store.reshape(self._node, **self._before)


async def test_well_known_roles_are_there(session: RawSession) -> None:
    # OPC 10000-18, 4.3: a RoleSet with the roles this server uses.
    found = await browse(session, ua.NodeId(I.Server_ServerCapabilities_RoleSet), NodeClassMask=1)
    shown = {reference.BrowseName.Name: reference.NodeId.Identifier for reference in found.References}
    assert shown == {name: number for name, number in ROLES.items() if name in shown}
    assert {"Anonymous", "AuthenticatedUser", "Operator", "SecurityAdmin"} <= set(shown)


async def test_a_node_that_a_role_may_not_see_is_seen_by_no_service(
    room: Room, session: RawSession, admin: RawSession
) -> None:
    # OPC 10000-3, 8.55 (Browse): not listed, not found, not read, not monitored; who may sees it as ever.
    node, folder = room.test("ReadOnly"), room.test("")
    with Hidden(room, node, permissions=FOR_ADMINISTRATORS):
        assert node not in [found.NodeId for found in (await browse(session, folder)).References]
        assert name_of((await browse(session, node)).StatusCode) == "BadUserAccessDenied"
        step = ua.QualifiedName("ReadOnly", room.index())
        assert name_of((await translate(session, folder, step)).StatusCode) == "BadNoMatch"
        for attribute in (A.Value, A.DisplayName, A.NodeClass):
            assert name_of((await read(session, node, attribute)).StatusCode) == "BadUserAccessDenied"
        subscriber = await Subscriber.create(session)
        (made,) = await subscriber.add(item(node))
        if name_of(made.StatusCode) == "Good":
            ((_, found),) = await subscriber.collect(1)
            assert name_of(found.StatusCode) == "BadUserAccessDenied"
        else:
            assert name_of(made.StatusCode) == "BadUserAccessDenied"
        await subscriber.close()
        assert node in [found.NodeId for found in (await browse(admin, folder)).References]
        assert await value(admin, node) == 42.0
    assert await value(session, node) == 42.0


async def test_each_permission_is_asked_where_it_counts(room: Room, session: RawSession, admin: RawSession) -> None:
    # OPC 10000-3, 8.55: Read, Write and Call; UserAccessLevel and UserExecutable say it beforehand.
    node = room.test("Static/Double")
    with Hidden(room, node, permissions=permissions(everybody=SEE)):
        assert await write(session, node, 1.0) == "BadUserAccessDenied"
        assert (await read(session, node, A.UserAccessLevel)).Value.Value & 2 == 0
        assert (await read(session, node, A.AccessLevel)).Value.Value & 2 == 2
        assert await write(admin, node, 1.0) == "Good"
    with Hidden(room, node, permissions=permissions(everybody=1)):
        assert name_of((await read(session, node)).StatusCode) == "BadUserAccessDenied"
        assert name_of((await read(session, node, A.DisplayName)).StatusCode) == "Good"
    method = room.test("Methods/Add")
    with Hidden(room, method, permissions=permissions(everybody=SEE)):
        result = await invoke(session, room.test("Methods"), method, 1.0, 2.0)
        assert name_of(result.StatusCode) == "BadUserAccessDenied"
        assert (await read(session, method, A.UserExecutable)).Value.Value is False
    assert name_of((await invoke(session, room.test("Methods"), method, 1.0, 2.0)).StatusCode) == "Good"


async def test_history_asks_for_its_own_permission(room: Room, session: RawSession, admin: RawSession) -> None:
    # OPC 10000-3, 8.55: ReadHistory.
    node = room.test("History")
    details = ua.ReadRawModifiedDetails(
        IsReadModified=False,
        StartTime=datetime(2026, 1, 1, tzinfo=UTC),
        EndTime=datetime(2026, 1, 2, tzinfo=UTC),
        NumValuesPerNode=0,
        ReturnBounds=False,
    )

    async def code(who: RawSession) -> str:
        answer = await get(
            who,
            "HistoryRead",
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=False,
            NodesToRead=[ua.HistoryReadValueId(node)],
        )
        return names(result.StatusCode for result in answer.Results)[0]

    assert await code(session) == "GoodNoData"
    with Hidden(room, node, permissions=permissions(everybody=SEE & ~128)):
        assert await code(session) == "BadUserAccessDenied"
        assert (await read(session, node, A.UserAccessLevel)).Value.Value & 4 == 0
        assert await code(admin) == "GoodNoData"


async def test_events_ask_for_their_own_permission(room: Room, session: RawSession) -> None:
    # OPC 10000-3, 8.55: ReceiveEvents of the notifier.
    select = ua.SimpleAttributeOperand(
        TypeDefinitionId=ua.NodeId(I.BaseEventType),
        BrowsePath=[ua.QualifiedName("SourceName", 0)],
        AttributeId=A.Value,
    )
    wanted = item(room.test(""), attribute=A.EventNotifier, filter=ua.EventFilter([select]), queue=10)
    with Hidden(room, room.test(""), permissions=permissions(everybody=SEE & ~2048)):
        subscriber = await Subscriber.create(session)
        (made,) = await subscriber.add(wanted)
        if name_of(made.StatusCode) == "Good":
            bus = room.rig.server._made.bus
            root = key_of(room.test(""))
            bus.send(bus.base_fields(I.BaseEventType, root, "hidden", "x", 1), [root])
            await subscriber.quiet()
        else:
            assert name_of(made.StatusCode) == "BadUserAccessDenied"
        await subscriber.close()


async def test_role_permissions_are_for_who_may_read_them(session: RawSession, room: Room, admin: RawSession) -> None:
    # OPC 10000-3, 5.2.9 and 5.2.10: UserRolePermissions are one's own roles'.
    node = room.test("ReadOnly")
    assert name_of((await read(session, node, A.RolePermissions)).StatusCode) == "BadUserAccessDenied"
    all_roles = (await read(admin, node, A.RolePermissions)).Value.Value
    assert ROLES["Operator"] in {row.RoleId.Identifier for row in all_roles}
    own = (await read(session, node, A.UserRolePermissions)).Value.Value
    assert {row.RoleId.Identifier for row in own} == {ROLES["Anonymous"]}


async def test_access_restrictions_need_a_secured_channel(room: Room, session: RawSession, admin: RawSession) -> None:
    # OPC 10000-3, 5.2.11 and 8.56: EncryptionRequired; BadSecurityModeInsufficient otherwise.
    node = room.test("Static/Double")
    with Hidden(room, node, restrictions=ENCRYPTION_REQUIRED):
        assert name_of((await read(session, node)).StatusCode) == "BadSecurityModeInsufficient"
        assert await write(session, node, 1.0) == "BadSecurityModeInsufficient"
        assert name_of((await read(admin, node)).StatusCode) == "Good"
        async with await room.secure(ua.MessageSecurityMode.Sign) as channel:
            signed = await room.session(channel, "ada")
            assert name_of((await read(signed, node)).StatusCode) == "BadSecurityModeInsufficient"
            await signed.close()
    assert name_of((await read(session, node)).StatusCode) == "Good"
