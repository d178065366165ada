"""A device and its type as nodes: what stands where, what it shows at first, who may call, and that it leaves whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asyncua import ua

from server.core import status
from server.core.values import DeviceId
from server.model.device import Device
from server.model.device_type import MethodSpec
from server.model.layout import PlantLayout
from server.opcua.device_nodes import DeviceNodes
from server.opcua.names import DI_URI, PLANT_URI
from server.opcua.nodes.base import Base
from server.opcua.nodes.values import data_value, variant_of
from server.opcua.roles import CALL, MODE_SIGN, ROLE_NAMES, WRITE
from server.opcua.space import OBJECTS, ORGANIZES, Space
from server.opcua.status_nodes import StatusNodes
from server.opcua.type_nodes import add_type, remove_type
from server.opcua.wire import to_ticks
from tests.kit.plant import pump_type

PUMP = replace(
    pump_type(),
    methods=(
        MethodSpec(name="Trip", command="trip"),
        MethodSpec(name="Tune", command="tune", role="engineer"),
        MethodSpec(name="Wipe", command="wipe", role="admin"),
        MethodSpec(name="Odd", command="odd", role="janitor"),
    ),
)


@pytest.fixture
def space(base: Base, indexes: dict[str, int]) -> Space:
    space = Space(base.store, {**indexes, PUMP.namespace_uri: len(indexes)})
    add_type(space, PUMP)
    return space


@pytest.fixture
def devices(space: Space) -> DeviceNodes:
    made = DeviceNodes(space, PlantLayout())
    made.add_frame()
    return made


def add(devices: DeviceNodes) -> None:
    devices.add(Device(DeviceId("pump-1"), PUMP, ("Site", "Hall"), 0))


def names(space: Space, path: str) -> list[str]:
    """BrowseNames of what a node refers to by forward hierarchical references, in order."""
    store = space.store
    hierarchical = store.below(33)
    node = space.node(space.id(PLANT_URI, path))
    return [
        store[target].name.Name if store.peek(target) else str(target)
        for code, target in node.pairs()
        if code % 2 == 0 and store.reference_type(code) in hierarchical
    ]


def test_a_device_has_its_parts_in_order(space: Space, devices: DeviceNodes) -> None:
    add(devices)
    assert names(space, "pump-1")[:2] == ["ParameterSet", "MethodSet"]
    assert names(space, "pump-1/ParameterSet") == list(PUMP.parameters)
    assert names(space, "pump-1/MethodSet") == ["Trip", "Tune", "Wipe", "Odd"]
    # The nameplate hangs below the device and is organized by its Identification group (OPC 10000-100, 5.5.2).
    plate = names(space, "pump-1/Identification")
    assert plate[:3] == ["Manufacturer", "Model", "HardwareRevision"]
    assert set(plate) <= set(names(space, "pump-1"))
    assert names(space, "Plant/Site/Hall") == ["pump-1", "pump-1"]  # Organizes and HasNotifier
    assert "Plant" in [space.store[key].name.Name for key in space.store.targets(85, ORGANIZES.Identifier)]
    assert space.id(PLANT_URI, "Plant/Site") in space
    assert OBJECTS in space


def test_a_parameter_waits_for_its_first_value(space: Space, devices: DeviceNodes) -> None:
    # OPC 10000-4, 7.39.2: no value yet is Bad_WaitingForInitialData, never a made-up zero.
    add(devices)
    shown = space.value(space.id(PLANT_URI, "pump-1/ParameterSet/temperature"))
    assert shown.StatusCode is not None
    assert shown.StatusCode.value == status.BAD_WAITING_FOR_INITIAL_DATA
    assert shown.Value == ua.Variant(None, ua.VariantType.Null)
    range_ = variant_of(space.point(space.id(PLANT_URI, "pump-1/ParameterSet/temperature/EURange"))).Value
    assert (range_.Low, range_.High) == (0.0, 150.0)
    declared = space.value(space.id(PUMP.namespace_uri, "pump/ParameterSet/temperature"))
    assert declared.StatusCode is not None
    assert declared.StatusCode.value == 0


@pytest.mark.parametrize(
    ("role", "callable_methods"),
    [
        ("anonymous", set()),
        ("viewer", set()),
        ("operator", {"Trip"}),
        ("engineer", {"Trip", "Tune"}),
        ("admin", {"Trip", "Tune", "Wipe", "Odd"}),
    ],
)
def test_the_package_says_who_may_call(
    space: Space, devices: DeviceNodes, role: str, callable_methods: set[str]
) -> None:
    add(devices)
    audience = space.rights.audience(ROLE_NAMES[role], MODE_SIGN)
    methods = {
        name: space.node(space.id(PLANT_URI, f"pump-1/MethodSet/{name}")) for name in ("Trip", "Tune", "Wipe", "Odd")
    }
    assert {name for name, node in methods.items() if audience.has(node, CALL)} == callable_methods
    limit = space.node(space.id(PLANT_URI, "pump-1/ParameterSet/limit_high"))
    assert audience.has(limit, WRITE) == (role in ("operator", "engineer", "admin"))


def test_a_device_and_a_type_leave_nothing_behind(space: Space, devices: DeviceNodes) -> None:
    store = space.store
    devices.folder(("Site", "Hall"))
    before = {node.key: sorted(map(str, node.pairs())) for node in store.nodes()}
    add(devices)
    assert len(store) > len(before)
    devices.remove("pump-1")
    assert {node.key: sorted(map(str, node.pairs())) for node in store.nodes()} == before
    assert devices.remove("pump-1") == []
    remove_type(space, space.indexes[PUMP.namespace_uri], "pump")
    assert not [
        node.key for node in store.nodes() if isinstance(node.key, tuple) and str(node.key[1]).startswith("pump")
    ]
    assert space.id(DI_URI, 1002) in space


def test_counters_get_a_node_when_first_seen_and_change_without_touching_the_structure(
    space: Space, devices: DeviceNodes
) -> None:
    nodes = StatusNodes(space)
    nodes.add_frame()
    nodes.counters({"messages": 1, "load": 0.5}, 1_000_000)
    version = space.store.version
    nodes.counters({"messages": 2, "load": 0.75}, 2_000_000)
    assert space.store.version == version
    point = space.point(space.id(PLANT_URI, "Fieldloom/Pipeline/messages"))
    assert data_value(point).Value == ua.Variant(2, ua.VariantType.Int64)
    assert (point.source, point.server) == (to_ticks(2_000_000), to_ticks(2_000_000))
    load = space.point(space.id(PLANT_URI, "Fieldloom/Pipeline/load"))
    assert variant_of(load) == ua.Variant(0.75, ua.VariantType.Double)
