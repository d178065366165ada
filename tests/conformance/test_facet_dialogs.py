"""Questions of Actions as dialog conditions (OPC 10000-9, 5.6): fields, nodes, Respond, refresh, who may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from server.core.values import DeviceId
from tests.kit.asking import Subscriber, browse, event_rows, invoke, item, name_of, read, value
from tests.kit.facets import Room
from tests.kit.fdi import FDI5, METHODS, acting_type, call_of, outputs, services, user_of
from tests.kit.opcua import running
from tests.kit.raw import RawSession
from tests.kit.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
ASKING = """
METHOD enter { LABEL "Enter"; CLASS OPERATE;
    DEFINITION { GET_DEV_VAR_VALUE("How much?", limit); ACKNOWLEDGE("It is %[5.1f]{limit}"); } }
METHOD pick { LABEL "Pick"; CLASS OPERATE; DEFINITION { long n; n = SELECT_FROM_LIST("Which?", "Left;Right");
    if (n == 1) { ACKNOWLEDGE("Right it is"); } } }
MENU main { LABEL "|en|Main|ru|Главное"; STYLE WINDOW; ITEMS { greet, start, prepare, forever, enter, pick } }
"""
TYPE = acting_type(METHODS[: METHODS.index("MENU main")] + ASKING)
ROOM = {"fdi": services(), "types": (TYPE,), "devices": tuple(f"pump-{n}" for n in range(1, 8))}
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
    "Comment",
    "EventId",
    "Message",
    "Severity",
    "EnabledState/Id",
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


async def listener(session: RawSession, at: ua.NodeId | None = None) -> Subscriber:
    subscriber = await Subscriber.create(session)
    node = at or ua.NodeId(IDS.Server)
    (made,) = await subscriber.add(item(node, attribute=ua.AttributeIds.EventNotifier, filter=select(), queue=50))
    assert name_of(made.StatusCode) == "Good"
    return subscriber


def named(row: list[Any]) -> dict[str, Any]:
    return dict(zip(("", *PATHS), row, strict=True))


async def told(subscriber: Subscriber) -> dict[str, Any]:
    (row,) = await subscriber.events(1)
    return named(row)


async def told_twice(subscriber: Subscriber) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer and the question that follows it may come together."""
    first, second = await subscriber.events(2)
    return named(first), named(second)


@asynccontextmanager
async def asking(
    room: Room, name: str = "start", user: str = "emma", device: str = "pump-1", **values: float
) -> AsyncIterator[tuple[RawSession, ua.NodeId]]:
    """A user who has started an Action that asks, and the Action's node."""
    await room.rig.live(device, **(values or {"level": 10.0, "limit": 40.0, "mode": 1}))
    async with user_of(room, user) as session:
        assert outputs(await call_of(room, session, f"{device}/Lock", 6393, "")) == [0]
        node, code = outputs(await call_of(room, session, f"{device}/ActionSet", 22, name, "", uri=FDI5))
        assert code == 0
        yield session, node


async def respond(session: RawSession, node: ua.NodeId, option: int, comment: str | None = None) -> str:
    """Respond, or Respond2 with a comment; the name of the result."""
    inputs = [ua.Variant(option, ua.VariantType.Int32)]
    if comment is not None:
        inputs.append(ua.Variant(ua.LocalizedText(comment, "en"), ua.VariantType.LocalizedText))
    method = IDS.DialogConditionType_Respond if comment is None else IDS.DialogConditionType_Respond2
    return name_of((await invoke(session, node, ua.NodeId(method), *inputs)).StatusCode)


async def comment_on(session: RawSession, node: ua.NodeId, event_id: bytes, words: str) -> str:
    """AddComment; the name of the result."""
    inputs = ua.Variant(event_id, ua.VariantType.ByteString), ua.Variant(ua.LocalizedText(words, "en"))
    return name_of((await invoke(session, node, ua.NodeId(IDS.ConditionType_AddComment), *inputs)).StatusCode)


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
        assert await respond(engineer, node, 0) == "Good"
        over = await told(events)
        assert (over[""], over["Retain"], over["DialogState/Id"]) == (node, False, False)
        assert (over["LastResponse"], over["ClientUserId"]) == (0, "emma")
        assert await respond(engineer, node, 0) == "BadDialogNotActive"
    await events.close()


async def test_only_who_started_it_answers_and_only_with_an_option(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room) as (engineer, _), user_of(room, "ada") as admin:
        node = (await told(events))[""]
        assert await respond(session, node, 0) == "BadUserAccessDenied"
        assert await respond(admin, node, 0) == "BadUserAccessDenied"
        for option in (-1, 2, 2**31 - 1):
            assert await respond(engineer, node, option) == "BadDialogResponseInvalid"
            assert await respond(admin, node, option) == "BadUserAccessDenied"
        nobody = ua.NodeId("pump-1/Dialogs/none", node.NamespaceIndex)
        assert await respond(engineer, nobody, 0) == "BadNodeIdUnknown"
        assert await respond(engineer, node, 1) == "Good"  # Cancel: the METHOD aborts
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
        assert await respond(engineer, row[""], 1) == "Good"
        await events.close()


# -- what the type asks for


async def members(session: RawSession, node: ua.NodeId) -> dict[str, tuple[ua.NodeId, bool]]:
    """BrowseName -> (node, mandatory) of what a node is made of."""
    found = {}
    for row in (await browse(session, node, ReferenceTypeId=ua.NodeId(IDS.Aggregates))).References:
        rules = (await browse(session, row.NodeId, ReferenceTypeId=ua.NodeId(IDS.HasModellingRule))).References
        found[row.BrowseName.Name] = (row.NodeId, ua.NodeId(IDS.ModellingRule_Mandatory) in [r.NodeId for r in rules])
    return found


async def test_the_instance_has_what_its_type_makes_mandatory_and_shows_its_last_event(
    room: Room, session: RawSession
) -> None:
    events = await listener(session)
    async with asking(room) as (engineer, _):
        row = await told(events)
        own = await members(session, row[""])
        wanted: dict[str, bool] = {}
        for kind in (DIALOG, ua.NodeId(IDS.ConditionType), ua.NodeId(IDS.BaseEventType)):
            for name, (node, mandatory) in (await members(session, kind)).items():
                wanted.setdefault(name, mandatory)
                if name in own:
                    below = await members(session, own[name][0])
                    missing = {part for part, (_, must) in (await members(session, node)).items() if must} - set(below)
                    assert not missing, name
                    for attribute in (ua.AttributeIds.DataType, ua.AttributeIds.ValueRank):
                        declared = await read(session, node, attribute)
                        shown = await read(session, own[name][0], attribute)
                        assert shown.Value == declared.Value, name
        assert {name for name, mandatory in wanted.items() if mandatory} - set(own) == set()
        for path in PATHS:
            shown_at = ua.NodeId(f"{row[''].Identifier}/{path}", row[""].NamespaceIndex)
            assert await value(session, shown_at) == row[path], path
        assert await respond(engineer, row[""], 1) == "Good"
        over = await told(events)
        for path in ("EventId", "Retain", "DialogState/Id", "LastResponse"):
            shown_at = ua.NodeId(f"{row[''].Identifier}/{path}", row[""].NamespaceIndex)
            assert await value(session, shown_at) == over[path] != row[path], path
    await events.close()


async def test_its_device_the_folders_above_and_no_other_device_hear_of_it(room: Room, session: RawSession) -> None:
    events = await Subscriber.create(session)
    for handle, path in enumerate(("pump-1", "Plant/hall", "Plant", "pump-2")):
        node, attribute = room.rig.node(path), ua.AttributeIds.EventNotifier
        (made,) = await events.add(item(node, handle, attribute=attribute, filter=select(), queue=50))
        assert name_of(made.StatusCode) == "Good"

    async def heard() -> dict[int, dict[str, Any]]:
        rows: dict[int, dict[str, Any]] = {}
        while len(rows) < 3:
            rows |= {handle: named(row) for handle, row in event_rows(await events.message())}
        return rows

    async with asking(room) as (engineer, _):
        rows = await heard()
        assert set(rows) == {0, 1, 2}
        assert len({row["EventId"] for row in rows.values()}) == 1
        assert (rows[0]["Message"].Text, rows[0]["Severity"]) == ("pump-1: Start waits for an answer", 500)
        assert rows[0]["EnabledState/Id"] is True
        assert await respond(engineer, rows[0][""], 1) == "Good"
        assert {handle: row["Retain"] for handle, row in (await heard()).items()} == dict.fromkeys(range(3), False)
        await events.quiet()
    await events.close()


# -- what is asked


async def test_the_options_of_a_choice_are_those_of_the_method_and_cancel(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room, "pick") as (engineer, _):
        row = await told(events)
        assert [text.Text for text in row["ResponseOptionSet"]] == ["Left", "Right", "Cancel"]
        # The METHOD names no default, so none is claimed.
        assert (row["OkResponse"], row["CancelResponse"], row["DefaultResponse"]) == (-1, 2, -1)
        assert await respond(engineer, row[""], 1) == "Good"
        answered, following = await told_twice(events)
        assert (answered["LastResponse"], answered["Retain"]) == (1, False)
        # The next question of the same METHOD is the same condition, with nothing of the last one.
        assert (following[""], following["Prompt"].Text) == (row[""], "Right it is")
        assert (following["Retain"], following["LastResponse"], following["ClientUserId"]) == (True, -1, "")
        assert [text.Text for text in following["ResponseOptionSet"]] == ["OK", "Cancel"]
        assert await respond(engineer, row[""], 0) == "Good"
    await events.close()


async def test_ok_takes_the_value_that_was_shown_whatever_the_device_reports_since(
    room: Room, session: RawSession
) -> None:
    events = await listener(session)
    async with asking(room, "enter", device="pump-2") as (engineer, _):
        row = await told(events)
        assert row["Prompt"].Text == "How much? [40.0 %]"
        await room.rig.live("pump-2", limit=60.0)
        assert await respond(engineer, row[""], 0) == "Good"
        _, following = await told_twice(events)
        assert following["Prompt"].Text == "It is  40.0"
        assert await respond(engineer, row[""], 0) == "Good"
    await events.close()


async def test_cancel_stays_cancel_when_a_value_turns_up(room: Room, session: RawSession) -> None:
    # Without a value to propose Cancel is option 0. It must not become OK under the client's finger.
    events = await listener(session)
    async with asking(room, "enter", device="pump-3", level=10.0) as (engineer, action):
        row = await told(events)
        assert [text.Text for text in row["ResponseOptionSet"]] == ["Cancel"]
        assert (row["OkResponse"], row["CancelResponse"], row["DefaultResponse"]) == (-1, 0, -1)
        subscriber = await Subscriber.create(engineer)
        await subscriber.watch(action, queue=50)
        await room.rig.live("pump-3", limit=60.0)
        assert await respond(engineer, row[""], 0) == "Good"
        while 'State="Aborted"' not in str((await subscriber.collect(1))[-1][1].Value.Value):
            pass
        assert (await told(events))["LastResponse"] == 0
        await subscriber.close()
    await events.close()


# -- comments


async def test_respond2_and_add_comment_say_why(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room) as (engineer, _), user_of(room, "ada") as admin:
        row = await told(events)
        node = row[""]
        assert await comment_on(admin, node, row["EventId"], "mine") == "BadUserAccessDenied"
        assert await comment_on(engineer, node, b"other", "late") == "BadEventIdUnknown"
        assert await comment_on(engineer, node, row["EventId"], "asking the shift") == "Good"
        commented = await told(events)
        assert (commented["Comment"].Text, commented["ClientUserId"]) == ("asking the shift", "emma")
        assert commented["Retain"] is True and commented["EventId"] != row["EventId"]
        assert await respond(admin, node, 1, "no") == "BadUserAccessDenied"
        assert await respond(engineer, node, 7, "no") == "BadDialogResponseInvalid"
        assert await respond(engineer, node, 1, "x" * 2_000) == "Good"
        over = await told(events)
        assert (over["Comment"].Text, over["LastResponse"], over["Retain"]) == ("x" * 1_024, 1, False)
        assert await respond(engineer, node, 1, "again") == "BadDialogNotActive"
    await events.close()


async def test_a_dialog_is_enabled_and_stays_so(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room) as (engineer, _):
        node = (await told(events))[""]
        for method, code in (
            (IDS.ConditionType_Enable, "BadConditionAlreadyEnabled"),
            (IDS.ConditionType_Disable, "BadNotSupported"),
        ):
            assert name_of((await invoke(session, node, ua.NodeId(method))).StatusCode) == "BadUserAccessDenied"
            assert name_of((await invoke(engineer, node, ua.NodeId(method))).StatusCode) == code
        assert await respond(engineer, node, 1) == "Good"
    await events.close()


# -- what ends a dialog besides an answer


async def ended(room: Room, session: RawSession, how: str, device: str) -> dict[str, Any]:
    """The last event of a dialog on `device` that came to its end so; told to the folder that holds the device."""
    events = await listener(session, room.rig.node("Plant/hall"))
    fdi = room.rig.server._facts.fdi
    async with asking(room, device=device) as (engineer, action):
        node = (await told(events))[""]
        if how == "abort":
            argument = ua.Variant(action, ua.VariantType.NodeId)
            done = await call_of(room, engineer, f"{device}/ActionSet", 28, argument, uri=FDI5)
            assert outputs(done) == [0]
        elif how == "lock":
            assert outputs(await call_of(room, engineer, f"{device}/Lock", 6398)) == [0]
        elif how == "removed":
            await room.rig.pipeline.forget(DeviceId(device))
            fdi.locks.removed(device)  # as the product's runtime does when it hears of it
        else:
            await fdi.actions.stop()
        over = await told(events)
        assert over[""] == node
        assert await respond(engineer, node, 0) in ("BadDialogNotActive", "BadNodeIdUnknown")
    await events.close()
    return over


@pytest.mark.parametrize(("how", "device"), [("abort", "pump-4"), ("lock", "pump-5"), ("removed", "pump-6")])
async def test_what_ends_the_method_ends_its_dialog(room: Room, session: RawSession, how: str, device: str) -> None:
    over = await ended(room, session, how, device)
    assert (over["Retain"], over["DialogState/Id"], over["LastResponse"]) == (False, False, -1)


async def test_a_server_that_stops_leaves_no_dialog_active(tmp_path: Path) -> None:
    async with running(tmp_path, **ROOM) as rig:  # its Actions end for good
        room = Room(rig, tmp_path)
        async with await room.channel() as channel:
            session = await room.session(channel)
            over = await ended(room, session, "stop", "pump-1")
            await session.close()
    assert (over["Retain"], over["DialogState/Id"], over["LastResponse"]) == (False, False, -1)


async def test_the_node_goes_with_its_action(room: Room, session: RawSession) -> None:
    events = await listener(session)
    async with asking(room, device="pump-7") as (engineer, _):
        node = (await told(events))[""]
        assert await respond(engineer, node, 1) == "Good"

        async def gone() -> bool:
            return name_of((await read(session, node, ua.AttributeIds.NodeClass)).StatusCode) == "BadNodeIdUnknown"

        await until(gone, "the dialog's node is gone")
        below = await browse(session, room.rig.node("pump-7"), ReferenceTypeId=ua.NodeId(IDS.HasCondition))
        assert node not in {row.NodeId for row in below.References}
    await events.close()
