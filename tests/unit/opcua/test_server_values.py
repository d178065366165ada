"""What clients read and browse: layout, identifiers, values, status, time stamps, names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncua import ua

from server.core import status
from server.core.clock import to_datetime
from server.core.values import DeviceId, Measurement
from tests.kit.opcua import OpcUaRig, running


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path) as rig:
        yield rig


async def test_a_value_carries_the_devices_time_and_status(rig: OpcUaRig) -> None:
    node_id = rig.node("pump-1/ParameterSet/temperature")
    async with rig.client() as client:
        before = await client.get_node(node_id).read_data_value(raise_on_bad_status=False)
        time = await rig.live(temperature=42.5)
        after = await client.get_node(node_id).read_data_value()
    assert before.StatusCode.value == status.BAD_WAITING_FOR_INITIAL_DATA
    assert after.Value == ua.Variant(42.5, ua.VariantType.Double)
    assert after.SourceTimestamp == to_datetime(time)


async def test_a_device_stands_in_device_set_and_in_its_place(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        di = await client.get_namespace_index("http://opcfoundation.org/UA/DI/")
        device_set = await client.nodes.objects.get_child(f"{di}:DeviceSet")
        names = {child.nodeid for child in await device_set.get_children()}
        place = {child.nodeid for child in await client.get_node(rig.node("Plant/hall")).get_children()}
    assert rig.node("pump-1") in names
    assert rig.node("pump-1") in place
