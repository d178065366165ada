"""Actions over the wire (IEC 62769-5, ActionServiceType; IEC 62769-2, values and responses of Actions)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncua import ua

from tests.kit.asking import Subscriber, browse, item, name_of, read, value
from tests.kit.facets import Room
from tests.kit.fdi import FDI5, acting_type, call_of, outputs, services, user_of
from tests.kit.opcua import PASSWORDS
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOM = {"fdi": services(), "types": (acting_type(),), "devices": ("pump-1", "pump-2")}
INVOKE, RESPOND, ABORT = 22, 25, 28
ACKNOWLEDGED = '<AcknowledgementResponse xmlns="http://fdi-cooperation.com/2010/client"/>'
TYPES = "urn:fieldloom:types"


async def _live(room: Room, device: str = "pump-1", **values: float) -> None:
    await room.rig.live(device, **{"level": 10.0, "limit": 40.0, "mode": 1, **values})


@asynccontextmanager
async def _locked(room: Room, user: str = "emma", device: str = "pump-1") -> AsyncIterator[RawSession]:
    """A user who has locked the device, which has just reported."""
    await _live(room, device)
    async with user_of(room, user) as session:
        assert outputs(await call_of(room, session, f"{device}/Lock", 6393, "")) == [0]
        yield session


async def _invoke(
    room: Room, session: RawSession, name: str, arguments: str = "", at: str = "pump-1/ActionSet"
) -> tuple[ua.NodeId, int]:
    node, code = outputs(await call_of(room, session, at, INVOKE, name, arguments, uri=FDI5))
    return node, code


async def _respond(room: Room, session: RawSession, node: ua.NodeId, xml: str = ACKNOWLEDGED) -> int:
    argument = ua.Variant(node, ua.VariantType.NodeId)
    (code,) = outputs(await call_of(room, session, "pump-1/ActionSet", RESPOND, argument, xml, uri=FDI5))
    return int(code)


async def _abort(room: Room, session: RawSession, node: ua.NodeId) -> int:
    argument = ua.Variant(node, ua.VariantType.NodeId)
    (code,) = outputs(await call_of(room, session, "pump-1/ActionSet", ABORT, argument, uri=FDI5))
    return int(code)


def _state(xml: Any) -> str:
    found = re.search(r'State="(\w+)"', str(xml))
    return found[1] if found else str(xml)


async def _until(subscriber: Subscriber, state: str) -> str:
    """The first value of an Action in this state."""
    while True:
        for _handle, change in await subscriber.collect(1):
            if _state(change.Value.Value) == state:
                return str(change.Value.Value)


async def _watched(session: RawSession, node: ua.NodeId) -> Subscriber:
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(item(node, queue=50))
    assert name_of(made.StatusCode) == "Good"
    return subscriber


async def test_an_action_set_offers_the_actions_of_its_data_set(room: Room, operator: RawSession) -> None:
    # ACCESS of the METHOD chooses; without it the Action is offered everywhere.
    offered = {}
    for at in ("pump-1/ActionSet", "pump-1/Online/ActionSet", "pump-1/Offline/ActionSet"):
        found = await browse(operator, room.rig.node(at))
        rows = [row for row in found.References if row.TypeDefinition == ua.NodeId(1040, room.index(TYPES))]
        offered[at] = {row.BrowseName.Name for row in rows}
        methods = {row.NodeId for row in found.References if row.NodeClass == ua.NodeClass.Method}
        assert methods == {ua.NodeId(number, room.index(FDI5)) for number in (INVOKE, RESPOND, ABORT)}
    assert offered == {
        "pump-1/ActionSet": {"greet", "start", "forever"},
        "pump-1/Online/ActionSet": {"greet", "start", "forever"},
        "pump-1/Offline/ActionSet": {"greet", "prepare", "forever"},
    }


async def test_the_objects_of_actions_are_those_of_the_type(room: Room, operator: RawSession) -> None:
    uri = acting_type().namespace_uri
    at_type = await browse(operator, room.rig.node("pump/ActionSet", uri))
    (greet,) = [row for row in at_type.References if row.BrowseName.Name == "greet"]
    assert greet.DisplayName.Text == "Greet"
    at_device = await browse(operator, room.rig.node("pump-1/ActionSet"))
    assert greet.NodeId in {row.NodeId for row in at_device.References}


async def test_an_action_asks_and_ends_with_the_answer(room: Room, operator: RawSession) -> None:
    # IEC 62769-5: every change of state is a DataChange of the Variable that InvokeAction names.
    async with _locked(room) as engineer:
        node, code = await _invoke(room, engineer, "greet")
        assert code == 0
        subscriber = await _watched(engineer, node)
        asked = await _until(subscriber, "WaitingForResponse")
        assert "Limit is  40.0" in asked
        assert await _respond(room, engineer, node) == 0
        await _until(subscriber, "Completed")
        # The value is kept for a while, then the node goes and says so.
        (change,) = await subscriber.collect(1)
        assert name_of(change[1].StatusCode) == "BadNodeIdUnknown"
        await subscriber.close()


async def test_an_action_reaches_the_device(room: Room, operator: RawSession) -> None:
    async with _locked(room) as engineer:
        node, code = await _invoke(room, engineer, "start")
        assert code == 0
        subscriber = await _watched(engineer, node)
        await _until(subscriber, "WaitingForResponse")
        sent = len(room.rig.sender.sent)
        assert await _respond(room, engineer, node) == 0
        await _until(subscriber, "Completed")
        assert room.rig.sender.sent[sent:] == [("pump-1", "start", {"limit": 40.0})]
        await subscriber.close()


async def test_an_offline_action_changes_the_configuration(room: Room, operator: RawSession) -> None:
    async with _locked(room) as engineer:
        node, code = await _invoke(room, engineer, "prepare", at="pump-1/Offline/ActionSet")
        assert code == 0
        subscriber = await _watched(engineer, node)
        await _until(subscriber, "Completed")
        assert await value(engineer, room.rig.node("pump-1/ParameterSet/limit")) == 40.0
        found = await read(engineer, room.rig.node("pump-1/Offline/ParameterSet/limit"))
        assert (found.StatusCode.value, found.Value.Value) == (0x00DC0000, 33.0)
        await subscriber.close()


async def test_what_cannot_be_invoked_says_why(room: Room, operator: RawSession) -> None:
    async with user_of(room, "emma") as engineer:
        await _live(room)
        assert await _invoke(room, engineer, "greet") == (ua.NodeId(), -1)
    async with _locked(room) as engineer:
        assert await _invoke(room, engineer, "nothing") == (ua.NodeId(), -2)
        assert await _invoke(room, engineer, "prepare") == (ua.NodeId(), -2)
        assert await _invoke(room, engineer, "greet", "<no arguments") == (ua.NodeId(), -3)


async def test_roles_choose_what_one_may_invoke(room: Room, session: RawSession) -> None:
    # Operators run METHODs of CLASS OPERATE, engineers all.
    anonymous = await call_of(room, session, "pump-1/ActionSet", INVOKE, "greet", "", uri=FDI5)
    assert name_of(anonymous.StatusCode) == "BadUserAccessDenied"
    async with _locked(room, "olga") as operator:
        node, code = await _invoke(room, operator, "greet")
        assert code == 0
        assert await _abort(room, operator, node) == 0
        refused = await call_of(room, operator, "pump-1/ActionSet", INVOKE, "start", "", uri=FDI5)
        assert name_of(refused.StatusCode) == "BadUserAccessDenied"
    async with user_of(room, "vera") as viewer:
        refused = await call_of(room, viewer, "pump-1/ActionSet", INVOKE, "greet", "", uri=FDI5)
        assert name_of(refused.StatusCode) == "BadUserAccessDenied"


async def test_an_aborted_action_says_so(room: Room, operator: RawSession) -> None:
    async with _locked(room) as engineer:
        node, _ = await _invoke(room, engineer, "forever")
        subscriber = await _watched(engineer, node)
        assert await _abort(room, engineer, node) == 0
        await _until(subscriber, "Aborted")
        assert await _abort(room, engineer, node) in (-5, -2)
        await subscriber.close()


async def test_a_wrong_answer_changes_nothing(room: Room, operator: RawSession) -> None:
    async with _locked(room) as engineer:
        node, _ = await _invoke(room, engineer, "greet")
        subscriber = await _watched(engineer, node)
        await _until(subscriber, "WaitingForResponse")
        for wrong in ("", "<x/>", "no xml", ACKNOWLEDGED.replace("Acknowledgement", "Selection")):
            assert await _respond(room, engineer, node, wrong) == -3
        assert await _respond(room, engineer, ua.NodeId("pump-1/ActionSet/else", room.index())) == -2
        assert await _respond(room, engineer, room.rig.node("pump-2/ActionSet")) == -2
        assert await _respond(room, engineer, node) == 0
        await _until(subscriber, "Completed")
        await subscriber.close()


async def test_only_the_session_that_invoked_sees_an_action(
    room: Room, operator: RawSession, admin: RawSession
) -> None:
    async with _locked(room) as engineer:
        node, _ = await _invoke(room, engineer, "forever")
        async with user_of(room, "emma") as second:
            for other in (operator, admin, second):
                assert name_of((await read(other, node)).StatusCode) == "BadUserAccessDenied"
            assert await _respond(room, second, node) == -2
            assert await _abort(room, second, node) == -2
            listed = await browse(second, room.rig.node("pump-1/ActionSet"))
            assert node not in {row.NodeId for row in listed.References}
        assert await _abort(room, engineer, node) == 0


async def test_texts_are_in_the_language_of_the_session(room: Room, operator: RawSession) -> None:
    async with _locked(room) as session:
        await session.activate(user="emma", password=PASSWORDS["emma"][1], locales=("ru",))
        node, _ = await _invoke(room, session, "greet")
        subscriber = await _watched(session, node)
        assert "Предел  40.0" in await _until(subscriber, "WaitingForResponse")
        assert await _abort(room, session, node) == 0
        await subscriber.close()


async def test_actions_end_with_the_session(room: Room, operator: RawSession) -> None:
    await _live(room)
    async with user_of(room, "emma") as engineer:
        assert outputs(await call_of(room, engineer, "pump-1/Lock", 6393, "")) == [0]
        node, _ = await _invoke(room, engineer, "forever")
        await engineer.close()
    async with _locked(room) as engineer:
        found = await read(engineer, node)
        assert name_of(found.StatusCode) in ("BadNodeIdUnknown", "BadUserAccessDenied")
        assert await _abort(room, engineer, node) == -2
