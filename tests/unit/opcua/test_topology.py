"""Connection points: made when looked at, gone with their device, addressed as the package says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import Client, ua

from server.core.binding import DeviceBinding, RowBinding
from server.opcua.specs.topology import topic_of
from tests.kit.opcua import OpcUaRig, machine_type, running

DI, TYPES = "http://opcfoundation.org/UA/DI/", "urn:fieldloom:types"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    machine = machine_type()
    rows = (RowBinding(topic="pumps/{device}/telemetry"),)
    told = replace(machine, binding=replace(machine.binding, rows=rows))
    async with running(tmp_path, types=[told], devices=["pump-1", "pump-2"]) as rig:
        yield rig


async def points(rig: OpcUaRig, client: Client) -> set[ua.NodeId]:
    network = client.get_node(rig.node("Network/MQTT"))
    found = await network.get_references(ua.NodeId(6030, rig.namespaces.names.index(DI)))
    return {row.NodeId for row in found}


async def test_the_topic_is_one_of_the_address_parameters(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        group = client.get_node(rig.node("pump-1/ConnectionPoint/NetworkAddress"))
        found = {(await each.read_browse_name()).Name: each for each in await group.get_children()}
        assert set(found) == {"Address", "ProtocolIdentifier", "Topic"}
        assert await found["Topic"].read_value() == "pumps/pump-1/telemetry"
        assert (await found["Topic"].read_browse_name()).NamespaceIndex == rig.namespaces.names.index(TYPES)


async def test_the_network_lists_connection_points_under_their_devices_names(rig: OpcUaRig) -> None:
    # Hundreds of equal names are of no use; looked at or not, the name is the same.
    async with rig.client() as client:
        network = client.get_node(rig.node("Network/MQTT"))

        async def names() -> set[str | None]:
            found = await network.get_references(ua.NodeId(6030, rig.namespaces.names.index(DI)))
            return {row.DisplayName.Text for row in found}

        expected = {"pump-1 (MQTT)", "pump-2 (MQTT)"}
        assert await names() == expected
        display = await client.get_node(rig.node("pump-1/ConnectionPoint")).read_display_name()
        assert display.Text == "pump-1 (MQTT)"
        assert await names() == expected


async def test_another_version_of_a_package_may_listen_elsewhere(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        topic = client.get_node(rig.node("pump-1/ConnectionPoint/Topic"))
        assert await topic.read_value() == "pumps/pump-1/telemetry"
        old = rig.plant.types["pump"]
        rows = (RowBinding(topic="site/pumps/{device}"),)
        await rig.pipeline.install(replace(old, version="2.0.0", binding=replace(old.binding, rows=rows)))
        assert await topic.read_value() == "site/pumps/pump-1"


async def test_devices_that_go_leave_no_reference_whether_looked_at_or_not(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        assert await points(rig, client) == {rig.node(f"{name}/ConnectionPoint") for name in ("pump-1", "pump-2")}
        await client.get_node(rig.node("pump-1/ConnectionPoint")).read_browse_name()  # made now
        await rig.pipeline.uninstall("pump")
        assert await points(rig, client) == set()


@pytest.mark.parametrize(
    ("template", "device_id", "topic", "expected"),
    [
        ("{device}", "gpu-1", "engines/{device}/telemetry", "engines/gpu-1/telemetry"),
        (
            "{facility}.{asset}",
            "alpha.turbine-a",
            "plant/{facility}/{asset}/readings",
            "plant/alpha/turbine-a/readings",
        ),
        ("{facility}.{asset}", "alone", "plant/{facility}/{asset}/readings", "plant/+/+/readings"),
        ("{device}", "gpu-1", "site/{other}/{device}", "site/+/gpu-1"),
    ],
    ids=["device", "two-parts", "other-shape", "unknown-part"],
)
def test_topics_are_filled_with_what_the_id_tells(template: str, device_id: str, topic: str, expected: str) -> None:
    binding = DeviceBinding(type_id="t", codec="pointer_json", rows=(RowBinding(topic=topic),), device_id=template)
    assert topic_of(binding, device_id) == expected


def test_a_further_sensor_of_a_device_shares_its_topic() -> None:
    # The id may be that of a device with a dot in it, or of a device and its sensor: nobody can tell.
    row = RowBinding(topic="looms/{device}/raw", sensor_pointer="/sensor_id")
    binding = DeviceBinding(type_id="t", codec="pointer_json", rows=(row,))
    assert [topic_of(binding, name) for name in ("loom-01", "loom-01.bbw-2")] == ["looms/loom-01/raw", "looms/+/raw"]
