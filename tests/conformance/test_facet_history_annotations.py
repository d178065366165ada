"""Annotations of recorded values by a foreign client (OPC 10000-11, 5.1, 6.5.6 and 6.9.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core.clock import from_datetime
from tests.conformance.test_facet_history import (
    CALCULATED,
    IDS,
    NOTE,
    PATH,
    START,
    S,
    V,
    at,
    processed,
    raw,
    read,
    rows,
    update,
)
from tests.kit.opcua import OpcUaRig, running
from tests.kit.until import until

NOTES = f"{PATH}/Annotations"
WRITTEN = datetime(2026, 1, 2)
Row = tuple[float, str, str | None]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, page_rows=4) as rig:
        for time in (10, 20, 30):
            rig.history.put("pump-1", "temperature", from_datetime(at(time)), float(time))
        yield rig


def note(
    seconds: float, message: str | None, user: str | None = None, written: datetime | None = WRITTEN
) -> ua.DataValue:
    content = ua.Annotation(message, user, written or ua.get_win_epoch())
    return ua.DataValue(ua.Variant(content, V.ExtensionObject), SourceTimestamp=at(seconds))


def change(node: ua.NodeId, how: str, *values: ua.DataValue) -> ua.UpdateStructureDataDetails:
    return ua.UpdateStructureDataDetails(
        NodeId=node, PerformInsertReplace=ua.PerformUpdateType[how], UpdateValues=list(values)
    )


def shown(result: ua.HistoryReadResult) -> list[Row]:
    return [
        (
            (value.SourceTimestamp.replace(tzinfo=START.tzinfo) - START).total_seconds(),
            value.Value.Value.Message,
            value.Value.Value.UserName,
        )
        for value in result.HistoryData.DataValues
    ]


async def test_every_recorded_variable_has_annotations_made_when_somebody_looks(rig: OpcUaRig) -> None:
    async with rig.client("emma") as client:
        for path in (PATH, NOTE):
            key = rig.node(path).NamespaceIndex, f"{path}/Annotations"
            assert rig.server._space.store.peek(key) is None
            (found,) = [
                each
                for each in await client.get_node(rig.node(path)).get_references(IDS.HasProperty)
                if each.BrowseName == ua.QualifiedName("Annotations", 0)
            ]
            assert rig.server._space.store.peek(key) is None  # Browse alone makes nothing
            assert (found.NodeId, found.NodeClass) == (rig.node(f"{path}/Annotations"), ua.NodeClass.Variable)
            node = client.get_node(found.NodeId)
            assert await node.read_data_type() == ua.NodeId(IDS.Annotation)
            assert (await node.read_attribute(ua.AttributeIds.UserAccessLevel)).Value.Value & 12 == 12
            (parent,) = await node.get_references(IDS.HasProperty, ua.BrowseDirection.Inverse)
            assert parent.NodeId == rig.node(path)
    async with rig.client() as client:
        with pytest.raises(ua.UaStatusCodeError):
            await client.get_node(rig.node("pump-1/ParameterSet/Annotations")).read_browse_name()
        allowed = await client.get_node(rig.node(NOTES)).read_attribute(ua.AttributeIds.UserAccessLevel)
        assert allowed.Value.Value & 12 == 4


async def test_who_monitors_a_variable_does_not_make_its_annotations(rig: OpcUaRig) -> None:
    # A client that subscribes to thousands of Variables must not make the server build as many nodes.
    class Nobody:
        def datachange_notification(self, *_: Any) -> None: ...

    async with rig.client() as client:
        subscription = await client.create_subscription(100, Nobody())
        await subscription.subscribe_data_change(client.get_node(rig.node(PATH)))
        assert await client.get_node(rig.node(PATH)).read_display_name()
    assert rig.server._space.store.peek((rig.node(NOTES).NamespaceIndex, NOTES)) is None


async def test_annotations_are_inserted_replaced_updated_and_removed(rig: OpcUaRig) -> None:
    node = rig.node(NOTES)
    async with rig.client("emma") as client:
        assert await update(client, change(node, "Insert", note(10, "hot"), note(10, "again"), note(20, "x"))) == [
            (0, [S.GoodEntryInserted, S.BadEntryExists, S.GoodEntryInserted])
        ]
        assert await update(client, change(node, "Replace", note(10, "warm"), note(30, "none"))) == [
            (0, [S.GoodEntryReplaced, S.BadNoEntryExists])
        ]
        assert await update(client, change(node, "Update", note(20, "y"), note(30, "z"))) == [
            (0, [S.GoodEntryReplaced, S.GoodEntryInserted])
        ]
        assert await update(client, change(node, "Remove", note(20, None), note(21, None))) == [
            (0, [S.Good, S.BadNoEntryExists])
        ]
        (result,) = await read(client, raw(), node)
    assert shown(result) == [(10, "warm", "emma"), (30, "z", "emma")]
    assert result.HistoryData.DataValues[0].Value.Value.AnnotationTime.replace(tzinfo=None) == WRITTEN


async def test_nobody_writes_in_anothers_name(rig: OpcUaRig) -> None:
    node = rig.node(NOTES)
    async with rig.client("emma") as client:
        await update(client, change(node, "Insert", note(10, "mine", user="ada")))
    async with rig.client("ada") as client:
        (result,) = await read(client, raw(), node)
        assert shown(result) == [(10, "mine", "emma")]
        assert await update(client, change(node, "Replace", note(10, "not so", user="emma"))) == [
            (0, [S.BadUserAccessDenied])
        ]
        # Without a name it is one's own, and there is none; another's may be removed by who may delete history.
        assert await update(client, change(node, "Replace", note(10, "not so"))) == [(0, [S.BadNoEntryExists])]
        (result,) = await read(client, raw(), node)
        assert shown(result) == [(10, "mine", "emma")]


@pytest.mark.parametrize(("start", "end"), [(0, 100), (100, 0)])
@pytest.mark.parametrize("count", [0, 1, 3])
async def test_pages_are_the_whole_in_both_directions(rig: OpcUaRig, start: float, end: float, count: int) -> None:
    node = rig.node(NOTES)
    # Several at one time: a page may end between them.
    wanted = [(10 * (each // 3), f"n{each}") for each in range(10)]
    async with rig.client("emma") as client:
        notes = [note(time, text, written=WRITTEN.replace(minute=number)) for number, (time, text) in enumerate(wanted)]
        await update(client, change(node, "Insert", *notes))
        found: list[Row] = []
        point, pages = None, 0
        while pages == 0 or point:
            (result,) = await read(client, raw(start, end, count=count), node, point=point)
            assert len(shown(result)) <= (count or 4)
            found += shown(result)
            point, pages = result.ContinuationPoint, pages + 1
    expected = [(time, text, "emma") for time, text in wanted]
    if start > end:
        expected = [row for row in reversed(expected) if row[0] > 0]  # the end is left out
    assert found == expected
    assert pages == -(-len(expected) // (count or 4))


async def test_annotations_at_given_times(rig: OpcUaRig) -> None:
    async with rig.client("emma") as client:
        await update(client, change(rig.node(NOTES), "Insert", note(10, "a"), note(30, "b")))
        details = ua.ReadAnnotationDataDetails(ReqTimes=[at(30), at(20), at(10)])
        for path in (PATH, NOTES):
            (result,) = await read(client, details, rig.node(path))
            values = result.HistoryData.DataValues
            assert [each.Value.Value and each.Value.Value.Message for each in values] == ["b", None, "a"]
            assert values[1].StatusCode.value == S.GoodNoData


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # Forwards an interval has its earlier end, backwards its later one (OPC 10000-13, 5.4.2.2).
        (0, 40, [(0, 1), (10, 2), (20, 1), (30, 0)]),
        (40, 0, [(40, 1), (30, 0), (20, 1), (10, 2)]),
        (5, 25, [(5, 2), (15, 1)]),
    ],
)
async def test_annotations_are_counted_in_each_interval(
    rig: OpcUaRig, start: float, end: float, expected: list[tuple[float, int]]
) -> None:
    async with rig.client("emma") as client:
        other = WRITTEN.replace(hour=1)
        notes = (note(0, "a"), note(10, "b"), note(10, "c", written=other), note(20, "d"), note(40, "e"))
        await update(client, change(rig.node(NOTES), "Insert", *notes))
        details = processed("AnnotationCount", start=start, end=end, interval_s=10)
        (result,) = await read(client, details, rig.node(PATH))
        (texts,) = await read(client, details, rig.node(NOTE))
    assert rows(result) == [(time, count, CALCULATED) for time, count in expected]
    assert {value.Value.VariantType for value in result.HistoryData.DataValues} == {V.Int32}
    assert rows(texts) == [(time, 0, CALCULATED) for time, _ in expected]  # none is 0 and Good


@pytest.mark.parametrize(
    ("details", "path", "code"),
    [
        (ua.ReadAnnotationDataDetails(ReqTimes=[]), PATH, S.BadNothingToDo),
        (ua.ReadAnnotationDataDetails(ReqTimes=[at(0)] * 5), PATH, S.BadTooManyOperations),
        (ua.ReadAnnotationDataDetails(ReqTimes=[ua.get_win_epoch()]), PATH, S.BadInvalidTimestampArgument),
        (ua.ReadAnnotationDataDetails(ReqTimes=[at(0)]), "pump-1", S.BadHistoryOperationUnsupported),
        (ua.ReadAnnotationDataDetails(ReqTimes=[at(0)]), "pump-1/Annotations", S.BadNodeIdUnknown),
        (raw(modified=True), NOTES, S.BadHistoryOperationUnsupported),
        (ua.ReadRawModifiedDetails(IsReadModified=False, StartTime=at(0)), NOTES, S.BadInvalidArgument),
        (ua.ReadAtTimeDetails(ReqTimes=[at(0)]), NOTES, S.BadHistoryOperationUnsupported),
    ],
)
async def test_what_cannot_be_read_is_refused(rig: OpcUaRig, details: Any, path: str, code: int) -> None:
    if isinstance(details, ua.ReadRawModifiedDetails) and not details.IsReadModified:
        details.EndTime = ua.get_win_epoch()
    async with rig.client() as client:
        (result,) = await read(client, details, rig.node(path))
    assert result.StatusCode.value == code


async def test_ranges_encodings_and_points_that_do_not_fit_are_refused(rig: OpcUaRig) -> None:
    node = rig.node(NOTES)
    async with rig.client("emma") as client, rig.client() as stranger:
        await update(client, change(node, "Insert", note(10, "a"), note(20, "b")))
        (ranged,) = await read(client, raw(), node, index_range="0:1")
        assert ranged.StatusCode.value == S.BadIndexRangeNoData
        for name, code in (
            ("Default Binary", S.Good),
            ("Default XML", S.BadDataEncodingUnsupported),
            ("Nonsense", S.BadDataEncodingInvalid),
        ):
            (encoded,) = await read(client, raw(), node, encoding=ua.QualifiedName(name))
            assert encoded.StatusCode.value == code
        (first,) = await read(client, raw(count=1), node)
        for who, path, point in (
            (stranger, NOTES, first.ContinuationPoint),
            (client, f"{NOTE}/Annotations", first.ContinuationPoint),
            (client, NOTES, b"forged"),
        ):
            (result,) = await read(who, raw(count=1), rig.node(path), point=point)
            assert result.StatusCode.value == S.BadContinuationPointInvalid


async def test_annotations_that_cannot_be_kept_are_refused_one_by_one(rig: OpcUaRig) -> None:
    node = rig.node(NOTES)
    timeless = note(1, "x")
    timeless.SourceTimestamp = None
    array = ua.DataValue(ua.Variant([ua.Annotation("x")], V.ExtensionObject), SourceTimestamp=at(1))
    other = ua.DataValue(ua.Variant(ua.Range(0, 1), V.ExtensionObject), SourceTimestamp=at(1))
    bad = (
        (timeless, S.BadInvalidTimestamp),
        (array, S.BadTypeMismatch),
        (other, S.BadTypeMismatch),
        (ua.DataValue(ua.Variant(1.0, V.Double), SourceTimestamp=at(1)), S.BadTypeMismatch),
        (note(1, "x" * 4_097), S.BadOutOfRange),
        (note(1, ""), S.BadOutOfRange),
        (note(1, "a\0b"), S.BadOutOfRange),
        (note(1, "later", written=datetime(2990, 1, 1)), S.BadInvalidTimestamp),
        (note(1, "x" * 4_096), S.GoodEntryInserted),
        (note(2, "now", written=None), S.GoodEntryInserted),
    )
    async with rig.client("emma") as client:
        found = await update(
            client,
            change(node, "Insert", *(value for value, _ in bad)),
            change(node, "Insert"),
            change(node, "Replace", note(1, "which?", written=None)),
            change(rig.node("pump-1"), "Insert", note(1, "x")),
            change(rig.node("nothing/Annotations"), "Insert", note(1, "x")),
            change(node, "Insert", *[timeless] * 10_001),
            ua.DeleteRawModifiedDetails(NodeId=node, StartTime=at(0), EndTime=at(99)),
        )
    assert found[0] == (0, [code for _, code in bad])
    assert [code for code, _ in found[1:]] == [
        S.BadNothingToDo,
        S.Good,
        S.BadHistoryOperationUnsupported,
        S.BadNodeIdUnknown,
        S.BadTooManyOperations,
        S.BadHistoryOperationUnsupported,
    ]
    assert found[2][1] == [S.BadInvalidTimestamp]


async def _refused(client: Client, node: ua.NodeId) -> list[int]:
    wanted = [change(node, how, note(1, "x")) for how in ("Insert", "Replace", "Update", "Remove")]
    return [code for code, _ in await update(client, *wanted)]


async def test_only_who_changes_history_annotates_and_it_is_audited(tmp_path: Path) -> None:
    kept: list[tuple[Any, ...]] = []
    async with running(tmp_path, audit=lambda *record: kept.append(record)) as rig:
        node = rig.node(NOTES)
        for user in ("", "vera", "olga"):
            async with rig.client(user) as client:
                assert await _refused(client, node) == [S.BadUserAccessDenied] * 4
                assert await _refused(client, rig.node(PATH)) == [S.BadUserAccessDenied] * 4
        kept.clear()
        async with rig.client("emma") as client:
            await update(client, change(node, "Insert", note(1, "x")))

        async def told() -> list[tuple[Any, ...]]:
            return [record for record in kept if record[5] == "change history" and record[1] == "emma"]

        (record,) = await until(told, "the record")
    assert record[6:9] == (NOTES, "Good", "UpdateStructureData Insert 1 of 1 done")


async def test_each_kind_of_change_has_its_audit_event_bounded_in_size(rig: OpcUaRig) -> None:
    names = (
        "UpdatedNode",
        "PerformInsertReplace",
        "NewValues",
        "IsDeleteModified",
        "StartTime",
        "ReqTimes",
        "OldValues",
    )
    common = ("EventType", "Message", "Status", "ClientUserId", "SourceNode")
    # A clause without a type would be BaseEventType's, which has none of the fields.
    owners = {
        "UpdatedNode": IDS.AuditHistoryValueUpdateEventType,
        "PerformInsertReplace": IDS.AuditHistoryValueUpdateEventType,
        "NewValues": IDS.AuditHistoryValueUpdateEventType,
        "IsDeleteModified": IDS.AuditHistoryRawModifyDeleteEventType,
        "StartTime": IDS.AuditHistoryRawModifyDeleteEventType,
        "ReqTimes": IDS.AuditHistoryAtTimeDeleteEventType,
        "OldValues": IDS.AuditHistoryAtTimeDeleteEventType,
        "Status": IDS.AuditEventType,
        "ClientUserId": IDS.AuditEventType,
    }
    wanted = ua.EventFilter(
        SelectClauses=[
            ua.SimpleAttributeOperand(
                TypeDefinitionId=ua.NodeId(owners.get(name, IDS.BaseEventType)),
                BrowsePath=[ua.QualifiedName(name, 0)],
                AttributeId=ua.AttributeIds.Value,
            )
            for name in (*common, *names)
        ]
    )
    kept: list[dict[str, Any]] = []

    class Listener:
        def event_notification(self, event: Any) -> None:
            kept.append({name: getattr(event, name, None) for name in (*common, *names)})

    values = [ua.DataValue(ua.Variant(1.0, V.Double), SourceTimestamp=at(1_000 + number)) for number in range(150)]
    node, notes = rig.node(PATH), rig.node(NOTES)
    async with rig.client("ada", identity=None) as client:
        subscription = await client.create_subscription(50, Listener())
        await subscription.subscribe_events(client.get_node(ua.NodeId(IDS.Server)), evfilter=wanted)
        insert = ua.UpdateDataDetails(
            NodeId=node, PerformInsertReplace=ua.PerformUpdateType.Insert, UpdateValues=values
        )
        span = ua.DeleteRawModifiedDetails(NodeId=node, IsDeleteModified=False, StartTime=at(0), EndTime=at(15))
        await update(
            client,
            insert,
            span,
            ua.DeleteAtTimeDetails(NodeId=node, ReqTimes=[at(20)]),
            change(notes, "Insert", note(30, "x")),
        )

        async def four() -> list[dict[str, Any]]:
            found = [each for each in kept if str(each["Message"].Text).startswith("HistoryUpdate")]
            return found if len(found) == 4 else []

        inserted, deleted, times, noted = await until(four, "four audit events")
    assert inserted["EventType"] == ua.NodeId(IDS.AuditHistoryValueUpdateEventType)
    assert inserted["UpdatedNode"] == node and inserted["PerformInsertReplace"] == 1
    assert len(inserted["NewValues"]) == 100 and "100 of 150 shown" in inserted["Message"].Text
    assert deleted["EventType"] == ua.NodeId(IDS.AuditHistoryRawModifyDeleteEventType)
    assert deleted["IsDeleteModified"] is False and deleted["StartTime"] == at(0)
    assert times["EventType"] == ua.NodeId(IDS.AuditHistoryAtTimeDeleteEventType)
    assert times["ReqTimes"] == [at(20)]
    assert [(each.SourceTimestamp, each.Value.Value) for each in times["OldValues"]] == [(at(20), 20.0)]
    assert noted["EventType"] == ua.NodeId(IDS.AuditHistoryAnnotationUpdateEventType)
    assert [each["ClientUserId"] for each in (inserted, deleted, times, noted)] == ["ada"] * 4
