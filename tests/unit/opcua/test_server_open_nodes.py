"""Test and load nodes: there only when asked for, open to anonymous clients, judged and recorded like devices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.opcua.names import LOAD_URI
from server.opcua.test_nodes import STATIC
from tests.kit.opcua import OpcUaRig, running

S = ua.StatusCodes
V = ua.VariantType
SAMPLES: dict[str, Any] = {
    "Boolean": True,
    "SByte": -128,
    "Byte": 255,
    "Int16": -32768,
    "UInt16": 65535,
    "Int32": -(2**31),
    "UInt32": 2**32 - 1,
    "Int64": -(2**63),
    "UInt64": 2**64 - 1,
    "Float": 0.5,
    "Double": -1e300,
    "String": "Ω",
    "ByteString": b"\x00\xff",
    "NodeId": ua.NodeId("x", 3),
    "LocalizedText": ua.LocalizedText("да", "ru"),
    "Argument": ua.Argument(Name="a", DataType=ua.NodeId(11)),
}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, test_nodes=True) as rig:
        yield rig


async def write(client: Client, node_id: ua.NodeId, variant: ua.Variant, index_range: str | None = None) -> int:
    item = ua.WriteValue(NodeId=node_id, AttributeId=ua.AttributeIds.Value, Value=ua.DataValue(variant))
    item.IndexRange = index_range
    return (await client.uaclient.write(ua.WriteParameters([item])))[0].value


async def test_scalars_and_arrays_of_every_type_are_written_by_anybody(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        for name, kind, _data_type, _value in STATIC:
            if name in SAMPLES:
                sample = SAMPLES[name]
                scalar, array = rig.node(f"Test/Static/{name}"), rig.node(f"Test/StaticArray/{name}")
                assert await write(client, scalar, ua.Variant(sample, kind)) == S.Good, name
                assert str(await client.get_node(scalar).read_value()) == str(sample)
                assert await write(client, array, ua.Variant([sample] * 8, kind, is_array=True)) == S.Good, name
                assert str(await client.get_node(array).read_value()) == str([sample] * 8)
                assert await write(client, scalar, ua.Variant([sample], kind, is_array=True)) == S.BadTypeMismatch
        assert await write(client, rig.node("Test/ReadOnly"), ua.Variant(1.0, V.Double)) == S.BadNotWritable


@pytest.mark.parametrize(
    ("index_range", "part", "code", "whole"),
    [
        ("1:2", [7, 8], S.Good, [0, 7, 8, 0, 0, 0, 0, 0]),
        ("7", [9], S.Good, [0, 0, 0, 0, 0, 0, 0, 9]),
        ("1:2", [7], S.BadIndexRangeDataMismatch, [0] * 8),
        ("8", [1], S.BadIndexRangeNoData, [0] * 8),
        ("x", [1], S.BadIndexRangeInvalid, [0] * 8),
    ],
)
async def test_a_part_of_an_array_is_written(
    rig: OpcUaRig, index_range: str, part: list[int], code: int, whole: list[int]
) -> None:
    node_id = rig.node("Test/StaticArray/Int32")
    async with rig.client() as client:
        assert await write(client, node_id, ua.Variant(part, V.Int32, is_array=True), index_range) == code
        assert await client.get_node(node_id).read_value() == whole


async def test_the_method_adds(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        holder = client.get_node(rig.node("Test/Methods"))
        total = await holder.call_method(rig.node("Test/Methods/Add"), ua.Variant(2.0), ua.Variant(0.5))
    assert total == 2.5


async def test_the_level_raises_the_alarm_of_the_engine(rig: OpcUaRig) -> None:
    level, active = rig.node("Test/Level"), rig.node("Test/Alarms/Level/ActiveState/Id")
    state = rig.node("Test/Alarms/Level/LimitState/CurrentState")
    async with rig.client() as client:
        for value, expected in ((50.0, ""), (85.0, "High"), (95.0, "HighHigh"), (15.0, "Low"), (5.0, "LowLow")):
            assert await write(client, level, ua.Variant(value, V.Double)) == S.Good
            assert await client.get_node(level).read_value() == value
            assert await client.get_node(active).read_value() is bool(expected)
            shown = await client.get_node(state).read_value()
            assert (shown.Text or "") == expected


async def test_the_history_node_is_recorded(rig: OpcUaRig) -> None:
    node_id = rig.node("Test/History")
    async with rig.client() as client:
        for value in (1.0, 2.0, 3.0):
            assert await write(client, node_id, ua.Variant(value, V.Double)) == S.Good
        found = await client.get_node(node_id).read_raw_history(
            datetime(2026, 1, 1, tzinfo=UTC), numvalues=10, return_bounds=False
        )
    assert [value.Value.Value for value in found] == [1.0, 2.0, 3.0]


async def test_an_event_comes_every_second(rig: OpcUaRig) -> None:
    came: asyncio.Queue[Any] = asyncio.Queue()

    class Handler:
        def event_notification(self, event: Any) -> None:
            came.put_nowait(event)

    async with rig.client() as client:
        subscription = await client.create_subscription(50, Handler())
        await subscription.subscribe_events(rig.node("Test"))
        async with asyncio.timeout(5):
            first, second = await came.get(), await came.get()
    assert 0.5 < (second.Time - first.Time).total_seconds() < 2.0
    assert first.SourceNode == rig.node("Test")


async def test_real_devices_stay_closed_beside_test_nodes(rig: OpcUaRig) -> None:
    await rig.live(temperature=1.0)
    async with rig.client() as client:
        node_id = rig.node("pump-1/ParameterSet/limit_high")
        assert await write(client, node_id, ua.Variant(1.0, V.Double)) == S.BadUserAccessDenied


async def test_without_the_setting_there_are_none(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, rig.client() as client:
        assert LOAD_URI not in await client.get_namespace_array()
        with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
            await client.get_node(rig.node("Test")).read_browse_name()


async def test_load_nodes_count_up_together(tmp_path: Path) -> None:
    async with running(tmp_path, devices=[], load_nodes=250, load_period_ms=50) as rig, rig.client() as client:
        index = rig.namespaces.names.index(LOAD_URI)
        seen: asyncio.Queue[float] = asyncio.Queue()

        class Handler:
            def datachange_notification(self, node: Any, value: float, data: Any) -> None:
                seen.put_nowait(value)

        last = client.get_node(ua.NodeId(10_249, index))
        subscription = await client.create_subscription(50, Handler())
        await subscription.subscribe_data_change(last, queuesize=100)
        async with asyncio.timeout(10):
            values = [await seen.get() for _ in range(6)]
        folders = await client.get_node(ua.NodeId(1, index)).get_children(nodeclassmask=ua.NodeClass.Object)
        assert [value - values[0] for value in values] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        assert [folder.nodeid.Identifier for folder in folders] == [100, 101, 102]
        assert await client.get_node(ua.NodeId(1, index)).call_method(ua.NodeId(5, index), ua.Variant(4.5)) == 4.5
        assert await write(client, last.nodeid, ua.Variant(1000.0, V.Double)) == S.Good
