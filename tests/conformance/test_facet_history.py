"""Historical access by a foreign client: processed, at time, modified, changes, what nodes say of it (Part 11, 13)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core import status
from server.core.clock import from_datetime
from server.settings import DeadbandSettings
from tests.kit.opcua import OpcUaRig, running
from tests.kit.until import until

S = ua.StatusCodes
V = ua.VariantType
IDS = ua.ObjectIds
PATH, STATE, NOTE = (f"pump-1/ParameterSet/{name}" for name in ("temperature", "state", "note"))
START = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
CODES = {40: status.BAD_SENSOR_FAILURE, 70: status.UNCERTAIN_LAST_USABLE_VALUE}
SUB_NORMAL = S.UncertainDataSubNormal
CALCULATED, INTERPOLATED, PARTIAL = 0x401, 0x402, 0x404


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    # The series of tests/unit/history/aggregates/test_aggregate_tables.py, whose tables were calculated by hand.
    async with running(tmp_path, page_rows=10) as rig:
        for time in TIMES:
            rig.history.put("pump-1", "temperature", from_datetime(at(time)), float(time), CODES.get(time, 0))
        for time, value in ((0, 0), (10, 1), (30, 2), (60, 0)):
            rig.history.put("pump-1", "state", from_datetime(at(time)), value)
        for time, text in ((0, "a"), (30, "b")):
            rig.history.put("pump-1", "note", from_datetime(at(time)), text)
        yield rig


async def read(
    client: Client,
    details: Any,
    *nodes: ua.NodeId,
    point: bytes | None = None,
    release: bool = False,
    stamps: ua.TimestampsToReturn = ua.TimestampsToReturn.Source,
    encoding: ua.QualifiedName | None = None,
    index_range: str | None = None,
) -> list[ua.HistoryReadResult]:
    wanted = [
        ua.HistoryReadValueId(
            NodeId=node,
            ContinuationPoint=point,
            DataEncoding=encoding or ua.QualifiedName(),
            IndexRange=index_range,
        )
        for node in nodes
    ]
    params = ua.HistoryReadParameters(
        HistoryReadDetails=details,
        TimestampsToReturn=stamps,
        ReleaseContinuationPoints=release,
        NodesToRead=wanted,
    )
    return await client.uaclient.history_read(params)


def processed(
    *names: str,
    start: float = 0,
    end: float = 100,
    interval_s: float = 20,
    configuration: ua.AggregateConfiguration | None = None,
) -> ua.ReadProcessedDetails:
    return ua.ReadProcessedDetails(
        StartTime=at(start),
        EndTime=at(end),
        ProcessingInterval=interval_s * 1000,
        AggregateType=[ua.NodeId(getattr(IDS, f"AggregateFunction_{name}")) for name in names],
        AggregateConfiguration=configuration or ua.AggregateConfiguration(UseServerCapabilitiesDefaults=True),
    )


def raw(start: float = 0, end: float = 100, *, modified: bool = False, count: int = 0) -> ua.ReadRawModifiedDetails:
    return ua.ReadRawModifiedDetails(
        IsReadModified=modified,
        StartTime=at(start),
        EndTime=at(end),
        NumValuesPerNode=count,
        ReturnBounds=False,
    )


def rows(result: ua.HistoryReadResult) -> list[tuple[float, Any, int]]:
    """(seconds, value, StatusCode) of each value."""
    return [
        (
            (value.SourceTimestamp.replace(tzinfo=UTC) - START).total_seconds(),
            value.Value.Value if value.Value is not None else None,
            value.StatusCode.value,
        )
        for value in result.HistoryData.DataValues
    ]


# -- processed


async def test_a_processed_read_gives_the_tables_that_were_calculated_by_hand(rig: OpcUaRig) -> None:
    node = rig.node(PATH)
    async with rig.client() as client:
        average, weighted, most = await read(
            client, processed("Average", "TimeAverage", "MaximumActualTime"), node, node, node
        )
    assert rows(average) == [
        (0, 10.0, CALCULATED),
        (20, 25.0, CALCULATED),
        (40, 50.0, SUB_NORMAL | CALCULATED),
        (60, 60.0, SUB_NORMAL | CALCULATED),
        (80, 85.0, CALCULATED),
    ]
    assert rows(weighted) == [
        (0, 15.0, CALCULATED | PARTIAL),
        (20, 30.0, SUB_NORMAL | CALCULATED),
        (40, 50.0, SUB_NORMAL | CALCULATED),
        (60, 70.0, SUB_NORMAL | CALCULATED),
        (80, 87.5, SUB_NORMAL | CALCULATED | PARTIAL),
    ]
    assert rows(most) == [
        (10, 10.0, PARTIAL),
        (30, 30.0, 0),
        (50, 50.0, SUB_NORMAL | CALCULATED),
        (60, 60.0, SUB_NORMAL | CALCULATED),
        (90, 90.0, PARTIAL),
    ]


async def test_results_have_the_data_types_of_their_aggregates(rig: OpcUaRig) -> None:
    expected = {
        (PATH, "Average"): (V.Double, 340.0 / 7),  # of the seven Good ones
        (PATH, "Count"): (V.Int32, 7),
        (PATH, "Minimum"): (V.Double, 10.0),
        (PATH, "WorstQuality"): (V.StatusCode, ua.StatusCode(status.BAD_SENSOR_FAILURE)),
        (STATE, "DurationInStateZero"): (V.Double, 50_000.0),
        (STATE, "NumberOfTransitions"): (V.Int32, 4),
        (STATE, "Maximum"): (V.Byte, 2),
        (STATE, "Delta"): (V.Byte, 0),
        (NOTE, "Start"): (V.String, "a"),
        (NOTE, "Interpolative"): (V.String, "a"),
        (NOTE, "PercentGood"): (V.Double, 100.0),
    }
    nodes = [rig.node(path) for path, _ in expected]
    details = processed(*(name for _, name in expected), interval_s=0)
    details.AggregateConfiguration = ua.AggregateConfiguration(
        UseServerCapabilitiesDefaults=False, TreatUncertainAsBad=True, PercentDataBad=100, PercentDataGood=0
    )
    async with rig.client() as client:
        results = await read(client, details, *nodes)
    found = [result.HistoryData.DataValues[0].Value for result in results]
    assert [(value.VariantType, value.Value) for value in found] == list(expected.values())


async def test_a_difference_that_its_type_cannot_hold_is_a_double(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        (result,) = await read(client, processed("Delta", start=30, end=70, interval_s=0), rig.node(STATE))
    (value,) = result.HistoryData.DataValues
    assert (value.Value.VariantType, value.Value.Value) == (V.Double, -2.0)


@pytest.mark.parametrize(("start", "end"), [(0, 100), (100, 0)])
async def test_pages_of_a_processed_read_are_the_whole(rig: OpcUaRig, start: float, end: float) -> None:
    node, details = rig.node(PATH), processed("TimeAverage", start=start, end=end, interval_s=3)
    async with rig.client() as client:
        found: list[tuple[float, Any, int]] = []
        point, pages = None, 0
        while pages == 0 or point:
            (result,) = await read(client, details, node, point=point)
            assert len(rows(result)) <= 10
            found += rows(result)
            point, pages = result.ContinuationPoint, pages + 1
        assert pages == 4
        step = 3 if end > start else -3
        assert [time for time, _, _ in found] == list(range(start, end, step))  # type: ignore[arg-type]
        for time, value, code in found:
            last = min(time + 3, 100) if step > 0 else max(time - 3, 0)
            ((_, alone, alone_code),) = rows(
                (await read(client, processed("TimeAverage", start=time, end=last, interval_s=0), node))[0]
            )
            assert value == pytest.approx(alone)
            # Only the one that the end of the request cuts is Partial for that.
            assert code & ~PARTIAL == alone_code & ~PARTIAL


@pytest.mark.parametrize(
    ("path", "details", "code"),
    [
        (PATH, processed("Average", start=5, end=5), S.BadInvalidArgument),
        (PATH, processed("Average", interval_s=-1), S.BadInvalidArgument),
        (PATH, processed("Average", interval_s=float("nan")), S.BadInvalidArgument),
        (NOTE, processed("Average"), S.BadAggregateNotSupported),
        (PATH, processed("Average", "Average"), S.BadAggregateListMismatch),
        (PATH, processed(), S.BadAggregateListMismatch),
        ("pump-1", processed("Average"), S.BadHistoryOperationUnsupported),
        ("nothing", processed("Average"), S.BadNodeIdUnknown),
    ],
)
async def test_what_cannot_be_processed_is_refused(
    rig: OpcUaRig, path: str, details: ua.ReadProcessedDetails, code: int
) -> None:
    async with rig.client() as client:
        (result,) = await read(client, details, rig.node(path))
        assert result.StatusCode.value == code
        details.StartTime = ua.get_win_epoch()
        if code == S.BadInvalidArgument:
            (result,) = await read(client, details, rig.node(path))
            assert result.StatusCode.value == code


@pytest.mark.parametrize(("bad", "good"), [(101, 100), (100, 101), (40, 59)])
async def test_percentages_that_make_no_sense_are_refused(rig: OpcUaRig, bad: int, good: int) -> None:
    configuration = ua.AggregateConfiguration(
        UseServerCapabilitiesDefaults=False,
        TreatUncertainAsBad=True,
        PercentDataBad=bad,
        PercentDataGood=good,
        UseSlopedExtrapolation=False,
    )
    async with rig.client() as client:
        (result,) = await read(client, processed("Average", configuration=configuration), rig.node(PATH))
    assert result.StatusCode.value == S.BadAggregateConfigurationRejected


async def test_points_are_of_their_kind_of_read(rig: OpcUaRig) -> None:
    node = rig.node(PATH)
    stored = raw(count=3)
    async with rig.client() as client:
        (first,) = await read(client, processed("Average", interval_s=1), node)
        (mixed,) = await read(client, stored, node, point=first.ContinuationPoint)
        assert mixed.StatusCode.value == S.BadContinuationPointInvalid
        (first,) = await read(client, stored, node)
        (mixed,) = await read(client, processed("Average"), node, point=first.ContinuationPoint)
        assert mixed.StatusCode.value == S.BadContinuationPointInvalid
        (first,) = await read(client, processed("Average", interval_s=1), node)
        (released,) = await read(client, processed("Average"), node, point=first.ContinuationPoint, release=True)
        assert released.StatusCode.value == S.Good
        (gone,) = await read(client, processed("Average"), node, point=first.ContinuationPoint)
        assert gone.StatusCode.value == S.BadContinuationPointInvalid


# -- at time


async def test_values_at_given_times(rig: OpcUaRig) -> None:
    wanted = ua.ReadAtTimeDetails(ReqTimes=[at(each) for each in (20, 25, 5, 45, 95)], UseSimpleBounds=False)
    async with rig.client() as client:
        (sloped,) = await read(client, wanted, rig.node(PATH))
        (stepped,) = await read(client, wanted, rig.node(STATE))
        wanted.UseSimpleBounds = True
        (simple,) = await read(client, wanted, rig.node(PATH))
    assert rows(sloped) == [
        (20, 20.0, 0),
        (25, 25.0, INTERPOLATED),
        (5, None, S.BadNoData),
        (45, 45.0, SUB_NORMAL | INTERPOLATED),  # between 30 and 50: 40 is Bad
        (95, 90.0, SUB_NORMAL | INTERPOLATED),
    ]
    assert [value for _, value, _ in rows(stepped)] == [1, 1, 0, 2, 0]
    assert rows(simple) == [
        (20, 20.0, 0),
        (25, 25.0, INTERPOLATED),
        (5, None, S.BadNoData),
        (45, None, S.BadNoData),  # right before it stands a Bad value
        (95, None, S.BadNoData),
    ]


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ([], S.BadNothingToDo),
        ([at(0)] * 11, S.BadTooManyOperations),
        ([ua.get_win_epoch()], S.BadInvalidTimestampArgument),
    ],
)
async def test_times_that_cannot_be_asked_for(rig: OpcUaRig, times: list[datetime], code: int) -> None:
    async with rig.client() as client:
        (result,) = await read(client, ua.ReadAtTimeDetails(ReqTimes=times), rig.node(PATH))
    assert result.StatusCode.value == code


@pytest.mark.parametrize(
    "details",
    [
        raw(),
        raw(modified=True),
        ua.ReadAtTimeDetails(ReqTimes=[at(0)]),
        processed("Average"),
    ],
)
async def test_scalars_have_no_range_and_no_encoding_of_their_own(rig: OpcUaRig, details: Any) -> None:
    async with rig.client() as client:
        (ranged,) = await read(client, details, rig.node(PATH), index_range="0:1")
        (encoded,) = await read(client, details, rig.node(PATH), encoding=ua.QualifiedName("Default Binary"))
    assert ranged.StatusCode.value == S.BadIndexRangeNoData
    assert encoded.StatusCode.value == S.BadDataEncodingInvalid


# -- changes


def data_value(seconds: float, value: Any, kind: ua.VariantType = V.Double, code: int = 0) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, kind), ua.StatusCode(code), SourceTimestamp=at(seconds))


def change(node: ua.NodeId, how: str, *values: ua.DataValue) -> ua.UpdateDataDetails:
    return ua.UpdateDataDetails(NodeId=node, PerformInsertReplace=ua.PerformUpdateType[how], UpdateValues=list(values))


async def update(client: Client, *details: Any) -> list[tuple[int, list[int]]]:
    """(StatusCode, those of its operations) of each."""
    params = ua.HistoryUpdateParameters(HistoryUpdateDetails=list(details))
    request = ua.HistoryUpdateRequest(Parameters=params)
    data = await client.uaclient.protocol.send_request(request)
    response = ua.ua_binary.struct_from_binary(ua.HistoryUpdateResponse, data)
    response.ResponseHeader.ServiceResult.check()
    return [
        (result.StatusCode.value, [code.value for code in result.OperationResults or []]) for result in response.Results
    ]


async def test_values_are_inserted_replaced_and_deleted_and_what_went_is_modified(rig: OpcUaRig) -> None:
    node = rig.node(PATH)
    stored, modified = raw(end=60), raw(modified=True)
    async with rig.client("emma") as client:
        assert await update(client, change(node, "Insert", data_value(15, 15.5), data_value(20, 1.0))) == [
            (0, [S.GoodEntryInserted, S.BadEntryExists])
        ]
        assert await update(client, change(node, "Replace", data_value(20, 21.0), data_value(21, 1.0))) == [
            (0, [S.GoodEntryReplaced, S.BadNoEntryExists])
        ]
        assert await update(client, change(node, "Update", data_value(20, 22.0), data_value(25, 25.5))) == [
            (0, [S.GoodEntryReplaced, S.GoodEntryInserted])
        ]
        gone = ua.DeleteRawModifiedDetails(NodeId=node, IsDeleteModified=False, StartTime=at(30), EndTime=at(50))
        assert await update(client, gone) == [(0, [])]
        assert await update(client, gone) == [(S.BadNoData, [])]
        times = ua.DeleteAtTimeDetails(NodeId=node, ReqTimes=[at(10), at(11)])
        assert await update(client, times) == [(0, [S.Good, S.BadNoEntryExists])]
        (result,) = await read(client, stored, node)
        assert [(time, value) for time, value, _ in rows(result)] == [(15, 15.5), (20, 22.0), (25, 25.5), (50, 50.0)]
        (result,) = await read(client, modified, node)
        assert isinstance(result.HistoryData, ua.HistoryModifiedData)
        infos = [(info.UpdateType.name, info.UserName) for info in result.HistoryData.ModificationInfos]
        assert list(zip([(time, value) for time, value, _ in rows(result)], infos, strict=True)) == [
            ((10, 10.0), ("Delete", "emma")),
            ((20, 21.0), ("Update", "emma")),
            ((20, 20.0), ("Replace", "emma")),
            ((30, 30.0), ("Delete", "emma")),
            ((40, None), ("Delete", "emma")),
        ]
        forget = ua.DeleteRawModifiedDetails(NodeId=node, IsDeleteModified=True, StartTime=at(0), EndTime=at(25))
        assert await update(client, forget) == [(0, [])]
        (result,) = await read(client, modified, node)
        assert [time for time, _, _ in rows(result)] == [30, 40]


async def test_changes_and_refusals_are_on_the_audit_trail(tmp_path: Path) -> None:
    kept: list[tuple[Any, ...]] = []
    async with running(tmp_path, audit=lambda *record: kept.append(record)) as rig:
        node = rig.node(PATH)
        rig.history.put("pump-1", "temperature", from_datetime(at(20)), 20.0)
        span = ua.DeleteRawModifiedDetails(NodeId=node, IsDeleteModified=False, StartTime=at(0), EndTime=at(25))
        async with rig.client("emma") as client:
            await update(client, change(node, "Insert", data_value(1, 1.0), data_value(20, 2.0)))
        async with rig.client("olga") as client:
            await update(client, span)

        async def both() -> list[tuple[Any, ...]]:
            found = [record for record in kept if record[5] == "change history"]
            return found if len(found) == 2 else []

        found = await until(both, "two records")
    assert [(record[1], record[6], record[7], record[8]) for record in found] == [
        ("emma", PATH, "Good", "UpdateData Insert 1 of 2 done"),
        ("olga", PATH, "BadUserAccessDenied", "DeleteRawModified 2026-01-01T00:00:00Z to 2026-01-01T00:00:25Z"),
    ]


async def test_modified_values_come_by_pages(rig: OpcUaRig) -> None:
    node = rig.node(PATH)
    modified = raw(modified=True, count=2)
    async with rig.client("emma") as client:
        for step in range(3):
            await update(client, change(node, "Update", data_value(20, 100.0 + step), data_value(30, 200.0 + step)))
        found: list[tuple[float, Any, int]] = []
        point = None
        while not found or point:
            (result,) = await read(client, modified, node, point=point)
            found += rows(result)
            point = result.ContinuationPoint
    assert [(time, value) for time, value, _ in found] == [
        (20, 101.0),
        (20, 100.0),
        (20, 20.0),
        (30, 201.0),
        (30, 200.0),
        (30, 30.0),
    ]


async def test_bounds_of_modified_values_are_refused(rig: OpcUaRig) -> None:
    details = ua.ReadRawModifiedDetails(IsReadModified=True, StartTime=at(0), EndTime=at(9), ReturnBounds=True)
    async with rig.client() as client:
        (result,) = await read(client, details, rig.node(PATH))
    assert result.StatusCode.value == S.BadInvalidArgument


@pytest.mark.parametrize("user", ["", "olga"])
async def test_only_engineers_change_what_was_recorded(rig: OpcUaRig, user: str) -> None:
    node = rig.node(PATH)
    wanted = (
        change(node, "Insert", data_value(1, 1.0)),
        ua.DeleteRawModifiedDetails(NodeId=node, StartTime=at(0), EndTime=at(99)),
        ua.DeleteAtTimeDetails(NodeId=node, ReqTimes=[at(10)]),
    )
    async with rig.client(user) as client:
        assert [code for code, _ in await update(client, *wanted)] == [S.BadUserAccessDenied] * 3
        variable = client.get_node(node)
        allowed = await variable.read_attribute(ua.AttributeIds.UserAccessLevel)
        assert allowed.Value.Value & 12 == 4
    async with rig.client("emma") as client:
        allowed = await client.get_node(node).read_attribute(ua.AttributeIds.UserAccessLevel)
        assert allowed.Value.Value & 12 == 12
    assert len(rig.history.store.fetch("pump-1", "temperature", None, None, 99)) == len(TIMES)


async def test_values_that_cannot_be_stored_are_refused_one_by_one(rig: OpcUaRig) -> None:
    node = rig.node(PATH)
    timeless = ua.DataValue(ua.Variant(1.0, V.Double))
    async with rig.client("emma") as client:
        found = await update(
            client,
            change(
                node,
                "Insert",
                data_value(1, "text", V.String),
                data_value(2, [1.0], V.Double),
                timeless,
                data_value(3, None, V.Null),
                data_value(4, None, V.Null, status.BAD_SENSOR_FAILURE),
                data_value(5, 5.0),
            ),
            change(node, "Insert"),
            ua.DeleteAtTimeDetails(NodeId=node, ReqTimes=[]),
            ua.DeleteRawModifiedDetails(NodeId=node, StartTime=at(0), EndTime=ua.get_win_epoch()),
            change(rig.node("pump-1"), "Insert", data_value(1, 1.0)),
            change(rig.node("nothing"), "Insert", data_value(1, 1.0)),
        )
    assert found[0] == (
        0,
        [
            S.BadTypeMismatch,
            S.BadTypeMismatch,
            S.BadInvalidTimestamp,
            S.BadTypeMismatch,
            S.GoodEntryInserted,
            S.GoodEntryInserted,
        ],
    )
    assert [code for code, _ in found[1:]] == [
        S.BadNothingToDo,
        S.BadNothingToDo,
        S.BadInvalidTimestampArgument,
        S.BadHistoryOperationUnsupported,
        S.BadNodeIdUnknown,
    ]


# -- nodes


async def test_a_variable_says_how_its_history_is_configured(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        for path, stepped in ((PATH, False), (STATE, True), (NOTE, True)):
            variable = client.get_node(rig.node(path))
            (configuration,) = await variable.get_referenced_nodes(IDS.HasHistoricalConfiguration)
            assert (await configuration.read_browse_name()).Name == "HA Configuration"
            assert (await configuration.read_type_definition()).Identifier == IDS.HistoricalDataConfigurationType
            assert await (await configuration.get_child("0:Stepped")).read_value() is stepped
            aggregates = await configuration.get_child("0:AggregateConfiguration")
            found = {
                name: await (await aggregates.get_child(f"0:{name}")).read_value()
                for name in ("TreatUncertainAsBad", "PercentDataBad", "PercentDataGood", "UseSlopedExtrapolation")
            }
            assert list(found.values()) == [True, 100, 100, False]


async def test_a_configuration_says_where_the_archive_begins_and_what_is_left_out(tmp_path: Path) -> None:
    started: list[int] = []
    deadband = DeadbandSettings(exception=0.5, compression=0.25, longest_s=60)
    async with (
        running(
            tmp_path, deadbands={"pump/temperature": deadband}, archive_from=lambda: started[-1] if started else None
        ) as rig,
        rig.client() as client,
    ):
        found = {}
        for path in (PATH, STATE):
            variable = client.get_node(rig.node(path))
            (configuration,) = await variable.get_referenced_nodes(IDS.HasHistoricalConfiguration)
            found[path] = {(await each.read_browse_name()).Name: each for each in await configuration.get_children()}
        assert await found[PATH]["ExceptionDeviation"].read_value() == 0.5
        assert await found[PATH]["ExceptionDeviationFormat"].read_value() == 0
        assert await found[PATH]["MaxTimeInterval"].read_value() == 60_000
        assert "ExceptionDeviation" not in found[STATE]
        start = found[STATE]["StartOfArchive"]
        assert (await start.read_value()).year == 1601, "there is no archive yet"
        started.append(from_datetime(START))

        async def is_shown() -> bool:
            return await start.read_value() == START

        await until(is_shown, "the start of the archive")
        for names in found.values():
            for name in ("StartOfArchive", "StartOfOnlineArchive"):
                assert await names[name].read_value() == START


async def test_the_aggregates_there_are_can_be_browsed(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        for folder in (
            IDS.Server_ServerCapabilities_AggregateFunctions,
            IDS.HistoryServerCapabilities_AggregateFunctions,
        ):
            children = await client.get_node(ua.NodeId(folder)).get_children()
            found = {child.nodeid.Identifier: (await child.read_browse_name()).Name for child in children}
            assert len(found) == 37
            assert found[IDS.AggregateFunction_TimeAverage2] == "TimeAverage2"
        # Whatever is listed can be asked for.
        for number, name in found.items():
            details = processed("Average", interval_s=0)
            details.AggregateType = [ua.NodeId(number)]
            (result,) = await read(client, details, rig.node(STATE))
            assert result.StatusCode.is_good(), name
