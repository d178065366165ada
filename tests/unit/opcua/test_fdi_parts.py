"""Parts of devices that are made when somebody looks, and paths and NodeIds that name no part."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncua import ua

from server.opcua.nodes.keys import Key
from tests.kit.fdi import services
from tests.kit.opcua import OpcUaRig, running

PARTS = ("Lock", "Online", "Offline", "EditContext", "Transfer")


def _store(rig: OpcUaRig):  # type: ignore[no-untyped-def]
    return rig.server._made.space.store


async def test_a_device_costs_no_nodes_until_somebody_looks(tmp_path: Path) -> None:
    # 328 devices of the demo have five parts each, with some hundred nodes.
    async with running(tmp_path / "a", devices=("pump-1", "pump-2")) as plain:
        bare = len(_store(plain))
    async with running(tmp_path / "b", devices=("pump-1", "pump-2"), fdi=services()) as rig:
        store, index = _store(rig), rig.node("x").NamespaceIndex
        before = len(store)
        # The network has a lock and a communication server, types have their share; nothing of each device.
        assert before - bare < 80
        for part in PARTS:
            assert store.peek((index, f"pump-1/{part}")) is None
            assert store.get((index, f"pump-1/{part}")) is not None
        assert store.peek((index, "pump-2/Online")) is None
        made = len(store)
        for part in PARTS:
            assert store.get((index, f"pump-1/{part}")) is not None
        assert len(store) == made


@pytest.mark.parametrize(
    "identifier",
    [
        "pump-1/Lock/",
        "pump-1/Lock/Locked/more",
        "pump-1/ActionSet",
        "pump-1/Nothing",
        "pump-1//Lock",
        "/Lock",
        "pump-9/Lock",
        "Lock",
        "pump-1/Online/ParameterSet/nothing",
        "pump-1/EditContext/0123/Online/limit_high",
        "Network/MQTT/Lock/more",
        "pump-1/" + "Online/" * 2_000,
    ],
    ids=[*"abcdefghijkl"],
)
async def test_what_names_no_part_is_not_made(tmp_path: Path, identifier: str) -> None:
    async with running(tmp_path, fdi=services()) as rig:
        index = rig.node("x").NamespaceIndex
        store = _store(rig)
        for _ in range(2):
            assert store.get((index, identifier)) is None
        others: tuple[Key, ...] = ((index, b"pump-1/Lock"), index << 32 | 7, (0, "pump-1/Lock"))
        assert all(store.get(key) is None for key in others)


async def test_a_removed_device_takes_its_parts_with_it(tmp_path: Path) -> None:
    async with running(tmp_path, devices=("pump-1",), fdi=services()) as rig:
        store, index = _store(rig), rig.node("x").NamespaceIndex
        for part in PARTS:
            assert store.get((index, f"pump-1/{part}")) is not None
        await rig.pipeline.uninstall("pump")
        for part in PARTS:
            assert store.get((index, f"pump-1/{part}")) is None
        left = [
            node.key for node in store.nodes() if isinstance(node.key, tuple) and str(node.key[1]).startswith("pump-1")
        ]
        assert left == []


async def test_parts_of_a_device_are_browsed_without_being_made(tmp_path: Path) -> None:
    async with running(tmp_path, fdi=services()) as rig, rig.client() as client:
        found = await client.get_node(rig.node("pump-1")).get_references(refs=ua.ObjectIds.HierarchicalReferences)
        assert set(PARTS) <= {row.BrowseName.Name for row in found}
        index = rig.node("x").NamespaceIndex
        assert all(_store(rig).peek((index, f"pump-1/{part}")) is None for part in PARTS)


async def test_the_test_device_has_no_parts(tmp_path: Path) -> None:
    # It stands for no field device (design: nodes that are open to everybody).
    async with running(tmp_path, fdi=services(), test_nodes=True) as rig:
        index = rig.node("x").NamespaceIndex
        assert _store(rig).get((index, "Test/Static")) is not None  # control: it is there
        assert [part for part in PARTS if _store(rig).get((index, f"Test/{part}")) is not None] == []
