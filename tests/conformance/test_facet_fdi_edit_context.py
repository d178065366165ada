"""Edit contexts over the wire (IEC 62769-3, 5.6; IEC 62769-5, EditContextType)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncua import ua

from server.opcua.specs.structures import RegistrationParameters
from tests.kit.asking import (
    A,
    Subscriber,
    browse,
    contents,
    item,
    name_of,
    plain,
    read,
    value,
    write,
)
from tests.kit.facets import Room
from tests.kit.fdi import DI, FDI5, call_of, editable_type, outputs, services, user_of
from tests.kit.opcua import PASSWORDS
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOM = {"fdi": services(), "types": (editable_type(),), "devices": ("pump-1", "pump-2")}
GET, BY_ID, BY_PATH, APPLY, RESET, DISCARD = 55, 58, 61, 64, 67, 70
ALL = 0b1111
MODAL = ua.Variant(1, ua.VariantType.Int32)
GOOD_EDITED, BAD_EDITED_OUT_OF_RANGE = 0x00DC0000, 0x81190000


@asynccontextmanager
async def _engineer(room: Room, device: str = "pump-1") -> AsyncIterator[RawSession]:
    """An engineer who has locked the device, which has just reported."""
    room.rig.sender.outcome = "done"
    room.rig.sender.values = lambda _name, params: {str(params["name"]): params["value"]}  # type: ignore[dict-item]
    await room.rig.live(device, low=10.0, high=90.0, unit=0, span=100.0, mode=1, extra="x", pressure=1.0)
    async with user_of(room, "emma") as session:
        assert outputs(await call_of(room, session, f"{device}/Lock", 6393, "")) == [0]
        yield session
        await call_of(room, session, f"{device}/Lock", 6398)


async def _get(room: Room, session: RawSession, parent: str = "", device: str = "pump-1") -> str:
    context, code = outputs(await call_of(room, session, f"{device}/EditContext", GET, parent, MODAL, uri=FDI5))
    assert code == 0
    return str(context)


def _by_id(room: Room, *names: str, flags: int = ALL, device: str = "pump-1") -> ua.Variant:
    rows = [
        RegistrationParameters(
            ua.RelativePath(
                [
                    ua.RelativePathElement(
                        TargetName=ua.QualifiedName(room.rig.node(f"{device}/ParameterSet/{name}").to_string(), 0)
                    )
                ]
            ),
            flags,
        )
        for name in names
    ]
    return ua.Variant(rows, ua.VariantType.ExtensionObject, is_array=True)


async def _register(room: Room, session: RawSession, context: str, *names: str, **more: Any) -> Sequence[Any]:
    device = more.get("device", "pump-1")
    result = await call_of(
        room, session, f"{device}/EditContext", BY_ID, context, _by_id(room, *names, **more), uri=FDI5
    )
    (answer,) = outputs(result)
    assert answer.Status == 0
    return list(answer.RegisteredNodes)


async def _apply(room: Room, session: RawSession, context: str) -> Any:
    (answer,) = outputs(await call_of(room, session, "pump-1/EditContext", APPLY, context, uri=FDI5))
    return answer


async def test_the_service_object_uses_the_methods_of_its_type(room: Room, operator: RawSession) -> None:
    found = await browse(operator, room.rig.node("pump-1/EditContext"))
    methods = [row.NodeId for row in found.References if row.NodeClass == ua.NodeClass.Method]
    assert methods == [ua.NodeId(number, room.index(FDI5)) for number in (GET, BY_ID, BY_PATH, APPLY, RESET, DISCARD)]


async def test_only_engineers_with_the_lock_get_a_context(room: Room, operator: RawSession) -> None:
    refused = await call_of(room, operator, "pump-1/EditContext", GET, "", MODAL, uri=FDI5)
    assert name_of(refused.StatusCode) == "BadUserAccessDenied"
    async with user_of(room, "emma") as engineer:
        result = await call_of(room, engineer, "pump-1/EditContext", GET, "", MODAL, uri=FDI5)
        assert outputs(result) == ["", -1]
    async with _engineer(room) as engineer:
        assert await _get(room, engineer)
        strange = await call_of(room, engineer, "pump-1/EditContext", GET, "no such parent", MODAL, uri=FDI5)
        assert outputs(strange) == ["", -2]


async def test_the_flags_choose_which_nodes_a_registration_gives(room: Room, operator: RawSession) -> None:
    # IEC 62769-5, RegistrationParameters: one bit for each node, in the order of the fields of RegisteredNode.
    fields = ("OnlineContextNodeId", "OnlineDeviceNodeId", "OfflineContextNodeId", "OfflineDeviceNodeId")
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        base = f"pump-1/EditContext/{context}"
        expected = (
            f"{base}/Online/low",
            "pump-1/Online/ParameterSet/low",
            f"{base}/Offline/low",
            "pump-1/Offline/ParameterSet/low",
        )
        for bits in range(16):
            (row,) = await _register(room, engineer, context, "low", flags=bits)
            assert row.NodeStatus == 0
            for bit, (name, path) in enumerate(zip(fields, expected, strict=True)):
                wanted = room.rig.node(path) if bits >> bit & 1 else ua.NodeId()
                assert getattr(row, name) == wanted, (bits, name)


async def test_paths_of_names_lead_to_parameters_too(room: Room, operator: RawSession) -> None:
    package = room.index(editable_type().namespace_uri)

    def path(*steps: ua.QualifiedName) -> ua.RelativePath:
        return ua.RelativePath([ua.RelativePathElement(IsInverse=False, TargetName=step) for step in steps])

    sets = ua.QualifiedName("ParameterSet", room.index(DI))
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        rows = [
            RegistrationParameters(path(sets, ua.QualifiedName("high", package)), 1),
            RegistrationParameters(
                path(ua.QualifiedName("Online", room.index(DI)), sets, ua.QualifiedName("low", package)), 1
            ),
            RegistrationParameters(path(sets, ua.QualifiedName("high", 0)), 1),
            RegistrationParameters(path(sets), 1),
            RegistrationParameters(ua.RelativePath([]), 1),
        ]
        wanted = ua.Variant(rows, ua.VariantType.ExtensionObject, is_array=True)
        result = await call_of(room, engineer, "pump-1/EditContext", BY_PATH, context, wanted, uri=FDI5)
        (answer,) = outputs(result)
        assert [row.NodeStatus for row in answer.RegisteredNodes] == [0, 0, -3, -3, -3]
        assert answer.RegisteredNodes[0].OnlineContextNodeId == room.rig.node(
            f"pump-1/EditContext/{context}/Online/high"
        )
        assert await value(engineer, answer.RegisteredNodes[1].OnlineContextNodeId) == 10.0


@pytest.mark.parametrize(
    "target",
    [
        "",
        "no node id",
        "i=85",
        "ns=2;s=pump-2/ParameterSet/low",
        "ns=2;s=pump-1/ParameterSet/nothing",
        "ns=99;s=x",
        "s=" + "x" * 5_000,
    ],
    ids=["empty", "text", "number", "other device", "no parameter", "no namespace", "long"],
)
async def test_what_is_no_parameter_of_the_device_is_not_registered(
    room: Room, operator: RawSession, target: str
) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        element = ua.RelativePathElement(TargetName=ua.QualifiedName(target, 0))
        rows = [RegistrationParameters(ua.RelativePath([element]), ALL)]
        wanted = ua.Variant(rows, ua.VariantType.ExtensionObject, is_array=True)
        result = await call_of(room, engineer, "pump-1/EditContext", BY_ID, context, wanted, uri=FDI5)
        (answer,) = outputs(result)
        assert [row.NodeStatus for row in answer.RegisteredNodes] == [-3]


async def test_an_edit_shows_in_the_context_and_nowhere_else(room: Room, operator: RawSession) -> None:
    # IEC 62769-3, 5.8.4: writing to an edit context sends nothing; Good_Edited marks the value.
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "high")
        sent = len(room.rig.sender.sent)
        subscriber = await Subscriber.create(engineer)
        await subscriber.watch(row.OnlineContextNodeId)
        assert await write(engineer, row.OnlineContextNodeId, 70.0) == "Good"
        (change,) = await subscriber.collect(1)
        assert (change[1].StatusCode.value, change[1].Value.Value) == (GOOD_EDITED, 70.0)
        assert await value(engineer, row.OnlineDeviceNodeId) == 90.0
        assert await value(engineer, row.OfflineContextNodeId) == 90.0
        assert len(room.rig.sender.sent) == sent
        assert outputs(await call_of(room, engineer, "pump-1/EditContext", RESET, context, uri=FDI5)) == [0]
        (change,) = await subscriber.collect(1)
        assert (change[1].StatusCode.value, change[1].Value.Value) == (0, 90.0)
        await subscriber.close()


async def test_what_is_not_edited_follows_the_device(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "pressure")
        subscriber = await Subscriber.create(engineer)
        await subscriber.watch(row.OnlineContextNodeId)
        await room.rig.live("pump-1", pressure=2.5)
        assert contents(await subscriber.collect(1)) == [2.5]
        assert await write(engineer, row.OnlineContextNodeId, 1.0) == "BadNotWritable"
        await subscriber.close()


async def test_dependent_values_turn_when_a_dominant_one_is_edited(room: Room, operator: RawSession) -> None:
    # IEC 62769-3, 5.6.6; the codes are those of OPC 10000-8 for edited and dependent values.
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        unit, span = await _register(room, engineer, context, "unit", "span")
        subscriber = await Subscriber.create(engineer)
        await subscriber.watch(span.OnlineContextNodeId)
        assert await write(engineer, unit.OnlineContextNodeId, plain(1, ua.VariantType.Byte)) == "Good"
        (change,) = await subscriber.collect(1)
        assert change[1].StatusCode.value in (0x80E10000, 0x40DE0000)
        shown = await read(engineer, unit.OnlineContextNodeId)
        assert (shown.StatusCode.value, shown.Value.Value) == (GOOD_EDITED, 1)
        await subscriber.close()


async def test_the_range_follows_the_edited_values(room: Room, operator: RawSession) -> None:
    # EURange of `high` begins at `low`, as the context has it; outside of the context nothing changes.
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        low, high = await _register(room, engineer, context, "low", "high")
        ranges = [
            ua.NodeId(f"{node.Identifier}/EURange", node.NamespaceIndex)
            for node in (high.OnlineContextNodeId, high.OfflineContextNodeId, room.rig.node("pump-1/ParameterSet/high"))
        ]
        before = [(await value(engineer, node)).Low for node in ranges]
        assert await write(engineer, low.OnlineContextNodeId, 25.0) == "Good"
        assert [(await value(engineer, node)).Low for node in ranges] == [25.0, *before[1:]]
        assert name_of((await read(operator, ranges[0])).StatusCode) == "BadUserAccessDenied"


async def test_another_user_of_the_session_has_no_part_in_its_contexts(room: Room, operator: RawSession) -> None:
    # ActivateSession may bring another user (OPC 10000-4, 5.7.3): lock and context were the former one's.
    await room.rig.live("pump-1", low=10.0, high=90.0, span=100.0)
    async with user_of(room, "emma") as session:
        assert outputs(await call_of(room, session, "pump-1/Lock", 6393, "")) == [0]
        context = await _get(room, session)
        (row,) = await _register(room, session, context, "high")
        assert await value(session, row.OnlineContextNodeId) == 90.0
        await session.activate(user="ada", password=PASSWORDS["ada"][1])
        assert name_of((await read(session, row.OnlineContextNodeId)).StatusCode) == "BadNodeIdUnknown"
        assert await value(session, room.rig.node("pump-1/Lock/Locked")) is False
        assert (await _apply(room, session, context)).Status == -2


async def test_a_value_out_of_range_is_kept_and_marked_and_left_out_by_apply(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "high")
        assert await write(engineer, row.OnlineContextNodeId, 500.0) == "Good"
        shown = await read(engineer, row.OnlineContextNodeId)
        assert (shown.StatusCode.value, shown.Value.Value) == (BAD_EDITED_OUT_OF_RANGE, 500.0)
        sent = len(room.rig.sender.sent)
        answer = await _apply(room, engineer, context)
        assert answer.Status == -4
        assert [(one.ContextNodeId, name_of(one.StatusCode)) for one in answer.TransferIncidents] == [
            (row.OnlineContextNodeId, "BadOutOfRange")
        ]
        assert len(room.rig.sender.sent) == sent
        assert await write(engineer, row.OnlineContextNodeId, plain("no", ua.VariantType.String)) == "BadTypeMismatch"


async def test_apply_brings_edits_to_the_device_and_its_echo_to_everybody(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "span")
        leading = room.rig.node("pump-1/ParameterSet/span")
        subscriber = await Subscriber.create(operator)
        await subscriber.watch(leading)
        assert await write(engineer, row.OnlineContextNodeId, 250.0) == "Good"
        answer = await _apply(room, engineer, context)
        assert (answer.Status, answer.TransferIncidents) == (0, [])
        assert room.rig.sender.sent[-1] == ("pump-1", "set_threshold", {"name": "span", "value": 250.0})
        assert contents(await subscriber.collect(1)) == [250.0]
        shown = await read(engineer, row.OnlineContextNodeId)
        assert (shown.StatusCode.value, shown.Value.Value) == (0, 250.0)
        await subscriber.close()


async def test_offline_edits_are_applied_to_the_configuration(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "span")
        sent = len(room.rig.sender.sent)
        assert await write(engineer, row.OfflineContextNodeId, 333.0) == "Good"
        assert (await _apply(room, engineer, context)).Status == 0
        found = await read(engineer, row.OfflineDeviceNodeId)
        assert (found.StatusCode.value, found.Value.Value) == (GOOD_EDITED, 333.0)
        assert len(room.rig.sender.sent) == sent


async def test_what_the_device_refuses_is_an_incident_and_stays_edited(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "span")
        assert await write(engineer, row.OnlineContextNodeId, 260.0) == "Good"
        room.rig.sender.outcome = "rejected"
        answer = await _apply(room, engineer, context)
        room.rig.sender.outcome = "done"
        assert answer.Status == -4
        assert [name_of(one.StatusCode) for one in answer.TransferIncidents] == ["BadInvalidState"]
        assert (await read(engineer, row.OnlineContextNodeId)).Value.Value == 260.0


async def test_a_nested_context_is_applied_to_its_parent(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        outer = await _get(room, engineer)
        inner = await _get(room, engineer, outer)
        (outside,) = await _register(room, engineer, outer, "span")
        (inside,) = await _register(room, engineer, inner, "span")
        assert await write(engineer, inside.OnlineContextNodeId, 270.0) == "Good"
        assert (await read(engineer, outside.OnlineContextNodeId)).StatusCode.value == 0
        assert (await _apply(room, engineer, outer)).Status == -5
        assert (await _apply(room, engineer, inner)).Status == 0
        found = await read(engineer, outside.OnlineContextNodeId)
        assert (found.StatusCode.value, found.Value.Value) == (GOOD_EDITED, 270.0)


async def test_a_discarded_context_leaves_no_nodes(room: Room, operator: RawSession) -> None:
    # Its monitored items say so once.
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "span")
        subscriber = await Subscriber.create(engineer)
        await subscriber.watch(row.OnlineContextNodeId)
        assert outputs(await call_of(room, engineer, "pump-1/EditContext", DISCARD, context, uri=FDI5)) == [0]
        (change,) = await subscriber.collect(1)
        assert name_of(change[1].StatusCode) == "BadNodeIdUnknown"
        await subscriber.quiet()
        for node in (row.OnlineContextNodeId, row.OfflineContextNodeId):
            assert name_of((await read(engineer, node)).StatusCode) == "BadNodeIdUnknown"
        assert outputs(await call_of(room, engineer, "pump-1/EditContext", DISCARD, context, uri=FDI5)) == [-2]
        assert (await _apply(room, engineer, context)).Status == -2
        rest = await browse(engineer, room.rig.node("pump-1/EditContext"))
        assert context not in {row.BrowseName.Name for row in rest.References}
        await subscriber.close()


async def test_a_broken_lock_discards_the_contexts(room: Room, admin: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "span")
        assert outputs(await call_of(room, admin, "pump-1/Lock", 6400)) == [0]
        assert name_of((await read(engineer, row.OnlineContextNodeId)).StatusCode) == "BadNodeIdUnknown"
        assert name_of((await read(admin, row.OnlineContextNodeId)).StatusCode) == "BadNodeIdUnknown"


async def test_nobody_else_sees_the_nodes_of_a_context(room: Room, operator: RawSession, admin: RawSession) -> None:
    # IEC 62769-3: a context belongs to the client that made it; the right role is not enough.
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        (row,) = await _register(room, engineer, context, "high")
        node = row.OnlineContextNodeId
        assert await value(engineer, node) == 90.0
        unseen = (node, room.rig.node(f"{node.Identifier}/EURange"), room.rig.node(f"pump-1/EditContext/{context}"))
        async with user_of(room, "emma") as second:
            for session in (operator, admin, second):
                for hidden in unseen[:2]:
                    assert name_of((await read(session, hidden)).StatusCode) == "BadUserAccessDenied"
                assert name_of((await browse(session, unseen[2])).StatusCode) == "BadUserAccessDenied"
                assert name_of((await read(session, node, A.DisplayName)).StatusCode) == "BadUserAccessDenied"
                assert await write(session, node, 50.0) in ("BadUserAccessDenied",)
                listed = await browse(session, room.rig.node("pump-1/EditContext"))
                assert context not in {entry.BrowseName.Name for entry in listed.References}
                subscriber = await Subscriber.create(session)
                (made,) = await subscriber.add(item(node))
                assert name_of(made.StatusCode) == "BadUserAccessDenied"
                await subscriber.close()
            for method in (APPLY, RESET, DISCARD):
                result = await call_of(room, second, "pump-1/EditContext", method, context, uri=FDI5)
                answered = outputs(result)[0]
                assert (answered.Status if method == APPLY else answered) == -2
        listed = await browse(engineer, room.rig.node("pump-1/EditContext"))
        assert context in {entry.BrowseName.Name for entry in listed.References}


async def test_a_context_is_used_at_its_device_only(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        assert outputs(await call_of(room, engineer, "pump-2/EditContext", RESET, context, uri=FDI5)) == [-2]


async def test_a_context_ends_with_its_session_and_leaves_nothing_behind(room: Room, operator: RawSession) -> None:
    before = len(room.rig.server._made.space.store)
    await room.rig.live("pump-1", low=10.0, high=90.0, span=100.0)
    async with user_of(room, "emma") as engineer:
        assert outputs(await call_of(room, engineer, "pump-1/Lock", 6393, "")) == [0]
        context = await _get(room, engineer)
        await _register(room, engineer, context, "low", "high", "span")
        assert len(room.rig.server._made.space.store) > before
        await engineer.close()
    space = room.rig.server._made.space
    assert len(space.store) <= before
    mine = [shape for shape in space.store.shapes() if any("Session" in str(row) for row in shape.permissions or ())]
    assert mine == []


async def test_too_many_registrations_at_once_are_refused(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        many = _by_id(room, *["low"] * 2_001)
        result = await call_of(room, engineer, "pump-1/EditContext", BY_ID, context, many, uri=FDI5)
        assert name_of(result.StatusCode) == "BadTooManyOperations"
        assert (await _register(room, engineer, context, *["low"] * 2_000))[-1].NodeStatus == 0


async def test_unknown_structures_are_a_type_mismatch(room: Room, operator: RawSession) -> None:
    async with _engineer(room) as engineer:
        context = await _get(room, engineer)
        wrong = ua.Variant([ua.Range(0.0, 1.0)], ua.VariantType.ExtensionObject, is_array=True)
        result = await call_of(room, engineer, "pump-1/EditContext", BY_ID, context, wrong, uri=FDI5)
        assert name_of(result.StatusCode) == "BadInvalidArgument"
        nothing = ua.Variant([], ua.VariantType.ExtensionObject, is_array=True)
        (answer,) = outputs(await call_of(room, engineer, "pump-1/EditContext", BY_ID, context, nothing, uri=FDI5))
        assert (answer.Status, list(answer.RegisteredNodes)) == (0, [])
