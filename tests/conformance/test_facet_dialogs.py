"""Questions of Actions as dialog conditions (OPC 10000-9, 5.6): fields, nodes, Respond, refresh, who may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncua import ua

from tests.kit.asking import Subscriber, browse, invoke, item, name_of, value
from tests.kit.facets import Room
from tests.kit.fdi import FDI5, acting_type, call_of, outputs, services, user_of
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOM = {"fdi": services(), "types": (acting_type(),), "devices": ("pump-1",)}
IDS = ua.ObjectIds
DIALOG = ua.NodeId(IDS.DialogConditionType)
PATHS = (
    "EventType",
    "SourceNode",
    "ConditionName",
    "Retain",
    "DialogState/Id",
    "Prompt",
    "ResponseOptionSet",
    "OkResponse",
    "CancelResponse",
    "DefaultResponse",
    "LastResponse",
    "ClientUserId",
)
ACKNOWLEDGED = '<AcknowledgementResponse xmlns="http://fdi-cooperation.com/2010/client"/>'


def select() -> ua.EventFilter:
    base = ua.NodeId(IDS.BaseEventType)
    clauses = [ua.SimpleAttributeOperand(ua.NodeId(IDS.ConditionType), [], ua.AttributeIds.NodeId, None)]
    for path in PATHS:
        names = [ua.QualifiedName(part) for part in path.split("/")]
        clauses.append(ua.SimpleAttributeOperand(base, names, ua.AttributeIds.Value, None))
    of_type = ua.ContentFilterElement(ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(DIALOG))])
    return ua.EventFilter(clauses, ua.ContentFilter([of_type]))


async def listener(session: RawSession) -> Subscriber:
    subscriber = await Subscriber.create(session)
    await subscriber.add(
        item(ua.NodeId(IDS.Server), attribute=ua.AttributeIds.EventNotifier, filter=select(), queue=50)
    )
    return subscriber


async def told(subscriber: Subscriber) -> dict[str, Any]:
    (row,) = await subscriber.events(1)
    return dict(zip(("", *PATHS), row, strict=True))


@asynccontextmanager
async def asking(room: Room, name: str = "start", user: str = "emma") -> AsyncIterator[tuple[RawSession, ua.NodeId]]:
    """A user who has started an Action that asks, and the Action's node."""
    await room.rig.live("pump-1", level=10.0, limit=40.0, mode=1)
    async with user_of(room, user) as session:
        assert outputs(await call_of(room, session, "pump-1/Lock", 6393, "")) == [0]
        node, code = outputs(await call_of(room, session, "pump-1/ActionSet", 22, name, "", uri=FDI5))
        assert code == 0
        yield session, node


def respond(session: RawSession, node: ua.NodeId, option: int) -> Any:
    return invoke(session, node, ua.NodeId(IDS.DialogConditionType_Respond), ua.Variant(option, ua.VariantType.Int32))


async def test_a_question_is_an_event_and_an_instance_and_its_answer_too(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room) as (engineer, _):
        row = await told(events)
        node = row[""]
        assert node.Identifier.startswith("pump-1/Dialogs/")
        assert (row["EventType"], row["SourceNode"]) == (DIALOG, room.rig.node("pump-1"))
        assert (row["ConditionName"], row["Retain"], row["DialogState/Id"]) == ("start", True, True)
        assert row["Prompt"].Text == "Start now?"
        assert [text.Text for text in row["ResponseOptionSet"]] == ["OK", "Cancel"]
        assert (row["OkResponse"], row["CancelResponse"], row["DefaultResponse"], row["LastResponse"]) == (0, 1, 0, -1)
        found = await browse(session, room.rig.node("pump-1"))
        assert any(
            one.NodeId == node and one.ReferenceTypeId.Identifier == IDS.HasCondition for one in found.References
        )
        assert await value(session, ua.NodeId(f"{node.Identifier}/DialogState/Id", node.NamespaceIndex)) is True
        assert name_of((await respond(engineer, node, 0)).StatusCode) == "Good"
        over = await told(events)
        assert (over[""], over["Retain"], over["DialogState/Id"]) == (node, False, False)
        assert (over["LastResponse"], over["ClientUserId"]) == (0, "emma")
        assert name_of((await respond(engineer, node, 0)).StatusCode) == "BadDialogNotActive"
    await events.close()


async def test_only_who_started_it_answers_and_only_with_an_option(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room) as (engineer, _), user_of(room, "ada") as admin:
        node = (await told(events))[""]
        assert name_of((await respond(session, node, 0)).StatusCode) == "BadUserAccessDenied"
        assert name_of((await respond(admin, node, 0)).StatusCode) == "BadUserAccessDenied"
        for option in (-1, 2, 2**31 - 1):
            assert name_of((await respond(engineer, node, option)).StatusCode) == "BadDialogResponseInvalid"
        nobody = ua.NodeId("pump-1/Dialogs/none", node.NamespaceIndex)
        assert name_of((await respond(engineer, nobody, 0)).StatusCode) == "BadNodeIdUnknown"
        assert name_of((await respond(engineer, node, 1)).StatusCode) == "Good"  # Cancel: the METHOD aborts
        assert (await told(events))["LastResponse"] == 1
    await events.close()


async def test_an_answer_through_the_other_door_ends_the_dialog(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room, "greet") as (engineer, action):
        node = (await told(events))[""]
        argument = ua.Variant(action, ua.VariantType.NodeId)
        answered = await call_of(room, engineer, "pump-1/ActionSet", 25, argument, ACKNOWLEDGED, uri=FDI5)
        assert outputs(answered) == [0]
        over = await told(events)
        assert (over[""], over["Retain"], over["LastResponse"]) == (node, False, -1)
    await events.close()


async def test_a_session_that_ends_takes_its_dialog_along(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room) as (engineer, _):
        node = (await told(events))[""]
        await engineer.close()
        over = await told(events)
        assert (over[""], over["Retain"]) == (node, False)
    await events.close()


async def test_refresh_tells_the_dialogs_that_are_active(room: Room, session: RawSession) -> None:
    async with asking(room) as (engineer, _):
        events = await listener(session)
        refresh = ua.Variant(events.id, ua.VariantType.UInt32)
        called = await invoke(
            session, ua.NodeId(IDS.ConditionType), ua.NodeId(IDS.ConditionType_ConditionRefresh), refresh
        )
        assert name_of(called.StatusCode) == "Good"
        rows = await events.events(3)
        begin, row, end = (dict(zip(("", *PATHS), one, strict=True)) for one in rows)
        assert begin["EventType"] == ua.NodeId(IDS.RefreshStartEventType)
        assert end["EventType"] == ua.NodeId(IDS.RefreshEndEventType)
        assert (row["ConditionName"], row["DialogState/Id"]) == ("start", True)
        assert name_of((await respond(engineer, row[""], 1)).StatusCode) == "Good"
        await events.close()
