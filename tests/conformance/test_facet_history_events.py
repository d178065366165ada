"""Recorded events that clients enter, replace and delete (OPC 10000-11, 6.9.4 and 6.9.9)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.database.site import SiteDatabase
from tests.kit.alarm_room import PlantClock, every_kind, operand
from tests.kit.opcua import OpcUaRig, running
from tests.kit.until import until

IDS = ua.ObjectIds
S = ua.StatusCodes
V = ua.VariantType
BASE, SYSTEM = ua.NodeId(IDS.BaseEventType), ua.NodeId(IDS.SystemEventType)
FIELDS = ("EventId", "EventType", "Time", "Severity", "Message", "SourceName")
LONG_AGO = datetime(2020, 5, 4, tzinfo=UTC)
INSERT, REPLACE, UPDATE = (ua.PerformUpdateType[name] for name in ("Insert", "Replace", "Update"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteDatabase]:
    made = SiteDatabase(tmp_path / "site.db")
    yield made
    made.close()


@pytest.fixture
async def rig(tmp_path: Path, site: SiteDatabase) -> AsyncIterator[OpcUaRig]:
    devices = ["pump-1", "pump-2"]
    async with running(tmp_path, types=[every_kind()], devices=devices, clock=PlantClock(), site=site) as rig:
        yield rig


def chosen(*paths: str) -> ua.EventFilter:
    return ua.EventFilter(SelectClauses=[operand(path) for path in paths])


def event(number: int, *, severity: int = 300, at: datetime = LONG_AGO, kind: ua.NodeId = SYSTEM) -> list[ua.Variant]:
    """The values of FIELDS but for SourceName."""
    return [
        ua.Variant(b"event-%d" % number, V.ByteString),
        ua.Variant(kind, V.NodeId),
        ua.Variant(at + timedelta(seconds=number), V.DateTime),
        ua.Variant(severity, V.UInt16),
        ua.Variant(ua.LocalizedText(f"entered {number}"), V.LocalizedText),
    ]


def changes(
    node: ua.NodeId, how: ua.PerformUpdateType, events: Sequence[list[ua.Variant]], paths: Sequence[str] = FIELDS[:5]
) -> ua.UpdateEventDetails:
    return ua.UpdateEventDetails(
        NodeId=node,
        PerformInsertReplace=how,
        Filter=chosen(*paths),
        EventData=[ua.HistoryEventFieldList(each) for each in events],
    )


async def update(client: Client, *details: Any) -> list[ua.HistoryUpdateResult]:
    results: list[ua.HistoryUpdateResult] = await client.uaclient.history_update(
        ua.HistoryUpdateParameters(HistoryUpdateDetails=list(details))
    )
    return results


def codes(result: ua.HistoryUpdateResult) -> list[int]:
    result.StatusCode.check()
    return [int(code.value) for code in result.OperationResults]


async def kept(client: Client, node: ua.NodeId, *, count: int = 0, paths: Sequence[str] = FIELDS) -> list[list[Any]]:
    """All events since long ago, by pages."""
    found: list[list[Any]] = []
    point = None
    details = ua.ReadEventDetails(
        NumValuesPerNode=count,
        StartTime=LONG_AGO,
        EndTime=datetime(2100, 1, 1, tzinfo=UTC),
        Filter=chosen(*paths),
    )
    while True:
        params = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            ReleaseContinuationPoints=False,
            NodesToRead=[ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point)],
        )
        (result,) = await client.uaclient.history_read(params)
        result.StatusCode.check()
        found += [[field.Value for field in each.EventFields] for each in result.HistoryData.Events]
        point = result.ContinuationPoint
        if not point:
            return found


async def test_events_are_entered_at_a_notifier_and_seen_there_and_above(rig: OpcUaRig) -> None:
    async with rig.client("ada", identity=None) as client:
        (result,) = await update(client, changes(rig.node("pump-1"), INSERT, [event(2), event(1), event(2)]))
        assert codes(result) == [S.GoodEntryInserted, S.GoodEntryInserted, S.BadEntryExists]
        (hall,) = await update(client, changes(rig.node("Plant/hall"), INSERT, [event(3)]))
        assert codes(hall) == [S.GoodEntryInserted]
        for path, numbers in (("pump-1", [1, 2]), ("pump-2", []), ("Plant/hall", [1, 2, 3]), ("Plant", [1, 2, 3])):
            events = await kept(client, rig.node(path), count=1)
            assert [each[0] for each in events] == [b"event-%d" % number for number in numbers]
        server = await kept(client, ua.NodeId(IDS.Server))
        assert [each[4].Text for each in server] == ["entered 1", "entered 2", "entered 3"]
        assert [each[5] for each in server] == ["pump-1", "pump-1", "hall"], "what is not said is the notifier's"


async def test_events_are_selected_and_filtered_like_all_others(rig: OpcUaRig) -> None:
    async with rig.client("ada", identity=None) as client:
        await update(client, changes(rig.node("pump-1"), INSERT, [event(1, severity=100), event(2, severity=900)]))
        details = ua.ReadEventDetails(
            StartTime=LONG_AGO, EndTime=LONG_AGO + timedelta(hours=1), Filter=chosen("EventId")
        )
        element = ua.ContentFilterElement()
        element.FilterOperator = ua.FilterOperator.GreaterThan
        element.FilterOperands = [operand("Severity"), ua.LiteralOperand(ua.Variant(500, V.UInt16))]
        details.Filter.WhereClause = ua.ContentFilter([element])
        params = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            ReleaseContinuationPoints=False,
            NodesToRead=[ua.HistoryReadValueId(NodeId=rig.node("pump-1"))],
        )
        (result,) = await client.uaclient.history_read(params)
        assert [each.EventFields[0].Value for each in result.HistoryData.Events] == [b"event-2"]


async def test_replace_and_update_change_what_is_named(rig: OpcUaRig) -> None:
    node = rig.node("pump-1")
    async with rig.client("ada", identity=None) as client:
        await update(client, changes(node, INSERT, [event(1)]))
        named = [ua.Variant(b"event-1", V.ByteString), ua.Variant(700, V.UInt16)]
        other = [ua.Variant(b"event-9", V.ByteString), ua.Variant(700, V.UInt16)]
        (result,) = await update(client, changes(node, REPLACE, [named, other], ("EventId", "Severity")))
        assert codes(result) == [S.GoodEntryReplaced, S.BadNoEntryExists]
        (result,) = await update(client, changes(node, UPDATE, [event(1, severity=800), event(2)]))
        assert codes(result) == [S.GoodEntryReplaced, S.GoodEntryInserted]
        assert [(each[0], each[3], each[4].Text) for each in await kept(client, node)] == [
            (b"event-1", 800, "entered 1"),
            (b"event-2", 300, "entered 2"),
        ]


async def test_an_event_of_a_condition_is_replaced_with_its_other_fields(rig: OpcUaRig, site: SiteDatabase) -> None:
    node = rig.node("pump-1")
    await rig.live("pump-1", temperature=90.0)
    async with rig.client("ada", identity=None) as client:
        paths = ("EventId", "Message", "Severity", "ConditionName", "ActiveState/Id")
        (before,) = await kept(client, node, paths=paths)
        assert before[4] is True
        changed = [ua.Variant(before[0], V.ByteString), ua.Variant(ua.LocalizedText("a test"), V.LocalizedText)]
        (elsewhere,) = await update(client, changes(rig.node("pump-2"), REPLACE, [changed], ("EventId", "Message")))
        assert codes(elsewhere) == [S.BadEntryExists], "it is none of that notifier's"
        (result,) = await update(client, changes(node, REPLACE, [changed], ("EventId", "Message")))
        assert codes(result) == [S.GoodEntryReplaced]
        (after,) = await kept(client, node, paths=paths)
    assert after[1].Text == "a test"
    assert [after[0], *after[2:]] == [before[0], *before[2:]]
    assert site.journal_page(limit=10) == [], "the journal of alarms has only what happened"


async def test_events_are_deleted_by_their_ids_at_their_notifier(rig: OpcUaRig) -> None:
    node = rig.node("pump-1")
    async with rig.client("ada", identity=None) as client:
        await update(client, changes(node, INSERT, [event(1), event(2)]))
        ids = [b"event-1", b"event-1", b"nothing"]
        (elsewhere,) = await update(client, ua.DeleteEventDetails(NodeId=rig.node("pump-2"), EventIds=ids[:1]))
        assert codes(elsewhere) == [S.BadNoEntryExists]
        (result,) = await update(client, ua.DeleteEventDetails(NodeId=node, EventIds=ids))
        assert codes(result) == [S.Good, S.BadNoEntryExists, S.BadNoEntryExists]
        assert [each[0] for each in await kept(client, node)] == [b"event-2"]


async def test_events_that_cannot_be_entered_are_refused_one_by_one(rig: OpcUaRig) -> None:
    node = rig.node("pump-1")
    wrong_type = event(1)
    wrong_type[3] = ua.Variant("loud", V.String)
    no_time = event(2)
    no_time[2] = ua.Variant(None, V.Null)
    no_event = event(4, kind=ua.NodeId(IDS.BaseObjectType))
    long_id = event(5)
    long_id[0] = ua.Variant(b"x" * 65, V.ByteString)
    large = event(6)
    large[4] = ua.Variant(ua.LocalizedText("x" * 70_000), V.LocalizedText)
    unnamed = event(7)
    unnamed[0] = ua.Variant(None, V.Null)
    async with rig.client("ada", identity=None) as client:
        (result,) = await update(
            client,
            changes(
                node,
                INSERT,
                [wrong_type, no_time, no_event, long_id, large, event(8)[:3], event(9, severity=0), unnamed],
            ),
        )
        assert codes(result) == [
            S.BadTypeMismatch,
            S.BadArgumentsMissing,
            S.BadTypeDefinitionInvalid,
            S.BadOutOfRange,
            S.BadRequestTooLarge,
            S.BadInvalidArgument,
            S.BadOutOfRange,
            S.GoodEntryInserted,
        ]
        ((event_id, *_),) = await kept(client, node)
        assert len(event_id) == 16, "the server gives an id where there is none"
        whole = await update(
            client,
            changes(node, INSERT, []),
            changes(node, ua.PerformUpdateType.Remove, [event(1)]),
            changes(node, INSERT, [event(1)], ("EventId", "NoSuchField")),
            changes(node, INSERT, [event(1)], ("EventId", "EventId", "Time", "Severity", "Message")),
            changes(rig.node("pump-1/ParameterSet/temperature"), INSERT, [event(1)]),
            ua.DeleteEventDetails(NodeId=node, EventIds=[]),
        )
        assert [int(each.StatusCode.value) for each in whole] == [
            S.BadNothingToDo,
            S.BadHistoryOperationInvalid,
            S.BadEventFilterInvalid,
            S.BadEventFilterInvalid,
            S.BadHistoryOperationUnsupported,
            S.BadNothingToDo,
        ]


async def test_only_who_may_change_history_changes_events(rig: OpcUaRig) -> None:
    node = rig.node("pump-1")
    async with rig.client("olga") as client:
        results = await update(
            client, changes(node, INSERT, [event(1)]), ua.DeleteEventDetails(NodeId=node, EventIds=[b"event-1"])
        )
    assert [int(each.StatusCode.value) for each in results] == [S.BadUserAccessDenied] * 2


async def test_changes_of_events_are_audited_with_what_stood_there(rig: OpcUaRig) -> None:
    owners = {
        "PerformInsertReplace": IDS.AuditHistoryEventUpdateEventType,
        "NewValues": IDS.AuditHistoryEventUpdateEventType,
        "OldValues": IDS.AuditHistoryEventUpdateEventType,
        "EventIds": IDS.AuditHistoryEventDeleteEventType,
    }
    names = ("EventType", "Message", *owners)
    wanted = ua.EventFilter(
        SelectClauses=[
            ua.SimpleAttributeOperand(
                TypeDefinitionId=ua.NodeId(owners.get(name, IDS.BaseEventType)),
                BrowsePath=[ua.QualifiedName(name, 0)],
                AttributeId=ua.AttributeIds.Value,
            )
            for name in names
        ]
    )
    heard: list[dict[str, Any]] = []

    class Listener:
        def event_notification(self, event: Any) -> None:
            heard.append({name: getattr(event, name, None) for name in names})

    node = rig.node("pump-1")
    async with rig.client("ada", identity=None) as client:
        subscription = await client.create_subscription(50, Listener())
        await subscription.subscribe_events(client.get_node(ua.NodeId(IDS.Server)), evfilter=wanted)
        await update(client, changes(node, INSERT, [event(1)]))
        await update(client, changes(node, UPDATE, [event(1, severity=999)]))
        await update(client, ua.DeleteEventDetails(NodeId=node, EventIds=[b"event-1"]))

        async def three() -> list[dict[str, Any]]:
            found = [each for each in heard if str(each["Message"].Text).startswith("HistoryUpdate")]
            return found if len(found) == 3 else []

        inserted, updated, deleted = await until(three, "three audit events")
    assert inserted["EventType"] == ua.NodeId(IDS.AuditHistoryEventUpdateEventType)
    assert inserted["PerformInsertReplace"] == 1
    assert [field.Value for field in inserted["NewValues"][0].EventFields][:1] == [b"event-1"]
    assert inserted["OldValues"] == []
    assert [field.Value for field in updated["OldValues"][0].EventFields][3] == 300
    assert deleted["EventType"] == ua.NodeId(IDS.AuditHistoryEventDeleteEventType)
    assert deleted["EventIds"] == [b"event-1"]
