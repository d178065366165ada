"""HistoryRead of raw values: pages, order, continuation points and who owns them, what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core.clock import from_datetime
from tests.kit.opcua import OpcUaRig, running

S = ua.StatusCodes
PATH = "pump-1/ParameterSet/temperature"
START = datetime(2026, 1, 1, tzinfo=UTC)
COUNT = 25
NO_TIME = ua.get_win_epoch()


def at(number: int) -> datetime:
    return START + timedelta(seconds=number)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, page_rows=10) as rig:
        for number in range(COUNT):
            rig.history.put("pump-1", "temperature", from_datetime(at(number)), float(number))
        yield rig


async def history(
    client: Client,
    node_id: ua.NodeId,
    point: bytes | None = None,
    *,
    release: bool = False,
    stamps: ua.TimestampsToReturn = ua.TimestampsToReturn.Both,
    **details: Any,
) -> ua.HistoryReadResult:
    params = ua.HistoryReadParameters(
        HistoryReadDetails=ua.ReadRawModifiedDetails(IsReadModified=False, ReturnBounds=False),
        TimestampsToReturn=stamps,
        ReleaseContinuationPoints=release,
        NodesToRead=[ua.HistoryReadValueId(NodeId=node_id, ContinuationPoint=point)],
    )
    for name, value in details.items():
        setattr(params.HistoryReadDetails, name, value)
    return (await client.uaclient.history_read(params))[0]


def numbers(result: ua.HistoryReadResult) -> list[float]:
    return [value.Value.Value for value in result.HistoryData.DataValues]


async def pages(client: Client, node_id: ua.NodeId, **details: Any) -> list[list[float]]:
    result = await history(client, node_id, **details)
    found = [numbers(result)]
    while result.ContinuationPoint:
        result = await history(client, node_id, result.ContinuationPoint, **details)
        found.append(numbers(result))
    return found


async def test_pages_bring_everything_once_in_order(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        found = await pages(client, rig.node(PATH), StartTime=at(0), EndTime=at(COUNT))
        backward = await pages(client, rig.node(PATH), StartTime=at(COUNT), EndTime=at(-1))
    assert [len(page) for page in found] == [10, 10, 5]
    assert list(chain(*found)) == [float(number) for number in range(COUNT)]
    assert list(chain(*backward)) == [float(number) for number in reversed(range(COUNT))]


async def test_the_end_is_not_included(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        result = await history(client, rig.node(PATH), StartTime=at(3), EndTime=at(6))
    assert numbers(result) == [3.0, 4.0, 5.0]


async def test_a_count_is_the_size_of_a_page(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        result = await history(client, rig.node(PATH), StartTime=at(0), EndTime=at(COUNT), NumValuesPerNode=4)
    assert numbers(result) == [0.0, 1.0, 2.0, 3.0]
    assert result.ContinuationPoint


async def test_bounds_that_are_missing_are_said(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        result = await history(client, rig.node(PATH), StartTime=at(-5), EndTime=at(2), ReturnBounds=True)
    codes = [value.StatusCode.value for value in result.HistoryData.DataValues]
    assert codes == [S.BadBoundNotFound, S.Good, S.Good, S.Good]


@pytest.mark.parametrize(
    ("stamps", "source", "server"),
    [
        (ua.TimestampsToReturn.Source, True, False),
        (ua.TimestampsToReturn.Server, False, True),
        (ua.TimestampsToReturn.Both, True, True),
    ],
)
async def test_time_stamps_are_those_asked_for(
    rig: OpcUaRig, stamps: ua.TimestampsToReturn, source: bool, server: bool
) -> None:
    async with rig.client() as client:
        result = await history(client, rig.node(PATH), StartTime=at(0), EndTime=at(1), stamps=stamps)
    (value,) = result.HistoryData.DataValues
    assert (value.SourceTimestamp is not None, value.ServerTimestamp is not None) == (source, server)


async def test_no_data_in_a_range_is_good(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        result = await history(client, rig.node(PATH), StartTime=at(-100), EndTime=at(-50))
    assert result.StatusCode.value == S.GoodNoData


async def test_neither_time_stamp_is_refused(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        with pytest.raises(ua.uaerrors.BadTimestampsToReturnInvalid):
            await history(client, rig.node(PATH), StartTime=at(0), EndTime=at(1), stamps=ua.TimestampsToReturn.Neither)


@pytest.mark.parametrize(
    ("path", "details", "code"),
    [
        (PATH, {"StartTime": at(0), "EndTime": NO_TIME}, S.BadInvalidArgument),
        (PATH, {"StartTime": NO_TIME, "EndTime": NO_TIME, "NumValuesPerNode": 5}, S.BadInvalidArgument),
        ("nothing", {"StartTime": at(0), "EndTime": at(1)}, S.BadNodeIdUnknown),
        ("pump-1", {"StartTime": at(0), "EndTime": at(1)}, S.BadHistoryOperationUnsupported),
        ("pump-1/SerialNumber", {"StartTime": at(0), "EndTime": at(1)}, S.BadHistoryOperationUnsupported),
    ],
)
async def test_what_cannot_be_read_is_refused(rig: OpcUaRig, path: str, details: dict[str, Any], code: int) -> None:
    async with rig.client() as client:
        assert (await history(client, rig.node(path), **details)).StatusCode.value == code


async def test_points_are_used_once_released_and_nobody_elses(rig: OpcUaRig) -> None:
    node_id = rig.node(PATH)
    times = {"StartTime": at(0), "EndTime": at(COUNT)}
    async with rig.client() as client, rig.client() as stranger:
        point = (await history(client, node_id, **times)).ContinuationPoint
        foreign = await history(stranger, node_id, point, **times)
        other_node = await history(client, rig.node("pump-1/ParameterSet/note"), point, **times)
        assert foreign.StatusCode.value == S.BadContinuationPointInvalid
        assert other_node.StatusCode.value == S.BadContinuationPointInvalid
        point = (await history(client, node_id, **times)).ContinuationPoint
        assert (await history(client, node_id, point, **times)).StatusCode.value == S.Good
        assert (await history(client, node_id, point, **times)).StatusCode.value == S.BadContinuationPointInvalid
        point = (await history(client, node_id, **times)).ContinuationPoint
        assert (await history(client, node_id, point, release=True, **times)).StatusCode.value == S.Good
        assert (await history(client, node_id, point, **times)).StatusCode.value == S.BadContinuationPointInvalid


async def test_points_held_open_are_bounded(rig: OpcUaRig) -> None:
    node_id = rig.node(PATH)
    times = {"StartTime": at(0), "EndTime": at(COUNT)}
    async with rig.client() as client:
        first = (await history(client, node_id, **times)).ContinuationPoint
        for _ in range(100):
            last = (await history(client, node_id, **times)).ContinuationPoint
        assert (await history(client, node_id, first, **times)).StatusCode.value == S.BadContinuationPointInvalid
        assert (await history(client, node_id, last, **times)).StatusCode.value == S.Good


async def test_what_is_recorded_says_so(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        node = client.get_node(rig.node(PATH))
        access = (await node.read_attribute(ua.AttributeIds.AccessLevel)).Value.Value
        historizing = (await node.read_attribute(ua.AttributeIds.Historizing)).Value.Value
    assert access & 4
    assert historizing is True
