"""Conditions of every kind against the types of OPC 10000-9: fields, instances, and the chain of events to Server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core.clock import ManualClock
from tests.kit.alarm_room import PlantClock, every_kind, listening
from tests.kit.opcua import OpcUaRig, running

IDS = ua.ObjectIds
A = ua.AttributeIds
HEALTH = ("Failure", "CheckFunction", "OffSpec", "MaintenanceRequired")
KINDS = tuple(spec.name for spec in every_kind().alarms) + HEALTH


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, types=[every_kind()], clock=PlantClock()) as rig:
        yield rig


def advance(rig: OpcUaRig, seconds: float) -> None:
    """Move the clock of the plant on."""
    assert isinstance(rig.clock, ManualClock)
    rig.clock.advance(seconds)


async def active(rig: OpcUaRig) -> None:
    """Make every condition active."""
    quiet = {"temperature": 50.0, "state": 1, "level": 50.0, "flow": 50.0, "pressure": 50.0, "mode": 1, "wear": 0.0}
    await rig.live(**quiet, speed=0.0, torque=0.0, valve=1, link=1, position=5.0, target=5.0, faults=0)
    advance(rig, 1)
    await rig.live(temperature=120.0, state=2, level=95.0, flow=5.0, pressure=70.0, speed=10.0, torque=10.0, link=0)
    await rig.live(valve=2, position=0.0, target=5.0, valid_until=rig.clock.now() + 60_000_000, faults=127, wear=1.0)
    advance(rig, 6)
    await rig.pipeline.tick()


async def declared(client: Client, type_id: ua.NodeId) -> dict[str, tuple[bool, ua.NodeId]]:
    """Path -> (mandatory, DataType) of every Variable that a type and its supertypes declare, two levels deep."""
    found: dict[str, tuple[bool, ua.NodeId]] = {}

    async def walk(node: Any, prefix: str, depth: int) -> None:
        for child in await node.get_children(
            refs=IDS.Aggregates, nodeclassmask=ua.NodeClass.Variable | ua.NodeClass.Object
        ):
            rules = await child.get_referenced_nodes(refs=IDS.HasModellingRule)
            mandatory = any(rule.nodeid.Identifier == IDS.ModellingRule_Mandatory for rule in rules)
            name = prefix + (await child.read_browse_name()).Name
            if await child.read_node_class() == ua.NodeClass.Variable:
                found.setdefault(name, (mandatory, await child.read_data_type()))
            if depth:
                await walk(child, f"{name}/", depth - 1)

    current: Any = client.get_node(type_id)
    while current.nodeid != ua.NodeId(IDS.BaseObjectType):
        await walk(current, "", 1)
        (current,) = await current.get_referenced_nodes(refs=IDS.HasSubtype, direction=ua.BrowseDirection.Inverse)
    return found


@pytest.mark.parametrize("name", KINDS)
async def test_every_mandatory_field_of_its_type_is_there_with_its_data_type(rig: OpcUaRig, name: str) -> None:
    await active(rig)
    async with rig.client("olga") as client:
        condition = client.get_node(rig.node(f"pump-1/Alarms/{name}"))
        types = await condition.read_type_definition()
        wanted = await declared(client, types)
        missing, other = [], []
        for path, (mandatory, data_type) in wanted.items():
            node = client.get_node(rig.node(f"pump-1/Alarms/{name}/{path}"))
            try:
                shown = await node.read_data_type()
            except ua.uaerrors.BadNodeIdUnknown:
                parent = path.rpartition("/")[0]
                if mandatory and (not parent or wanted.get(parent, (True,))[0]):
                    missing.append(path)
                continue
            if shown != data_type:
                other.append((path, shown, data_type))
    assert (missing, other) == ([], [])


@pytest.mark.parametrize("name", KINDS)
async def test_the_instance_shows_its_last_event_field_by_field(rig: OpcUaRig, name: str) -> None:
    state = rig.pipeline.alarms.state(f"pump-1/Alarms/{name}")
    async with rig.client("olga") as client:
        before = await client.get_node(rig.node(f"pump-1/Alarms/{name}/ActiveState/Id")).read_value()
        await active(rig)
        state = rig.pipeline.alarms.state(f"pump-1/Alarms/{name}")
        assert state is not None
        fields = rig.server._room.conditions.fields_of(state)  # type: ignore[union-attr]
        nodes = [(path, client.get_node(rig.node(f"{state.condition_id}/{path}"))) for path in fields]
        values = await client.read_values([node for _, node in nodes])
    assert before is False
    assert state.active
    differing = [
        (path, value, fields[path].Value)
        for (path, _), value in zip(nodes, values, strict=True)
        if value != fields[path].Value
    ]
    assert differing == []


async def test_the_chain_of_events_leads_from_server_to_every_condition(rig: OpcUaRig) -> None:
    # Server -HasNotifier-> Plant -> folders -> device -HasEventSource-> source -HasCondition-> condition (4.7).
    async with rig.client() as client:
        seen: set[ua.NodeId] = set()
        conditions: set[str] = set()

        async def walk(node: Any) -> None:
            if node.nodeid in seen:
                return
            seen.add(node.nodeid)
            for below in await node.get_referenced_nodes(refs=IDS.HasEventSource, includesubtypes=True):
                await walk(below)
            for condition in await node.get_referenced_nodes(refs=IDS.HasCondition):
                conditions.add(condition.nodeid.Identifier)

        await walk(client.get_node(ua.NodeId(IDS.Server)))
    assert conditions == {f"pump-1/Alarms/{name}" for name in KINDS}


async def test_groups_have_their_members(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client:

        async def members(path: str, reference: int) -> set[str]:
            node = client.get_node(rig.node(path))
            return {found.nodeid.Identifier for found in await node.get_referenced_nodes(refs=reference)}

        hydraulics = await members("pump-1/AlarmGroups/hydraulics", IDS.AlarmGroupMember)
        idle = await members("pump-1/AlarmSuppressionGroups/idle", IDS.AlarmSuppressionGroupMember)
        kind = await client.get_node(rig.node("pump-1/AlarmGroups/hydraulics")).read_type_definition()
        label = await client.get_node(rig.node("pump-1/AlarmSuppressionGroups/idle")).read_display_name()
        request = ua.CallMethodRequest(
            rig.node("pump-1/Alarms/exclusive_limit"), ua.NodeId(IDS.AlarmConditionType_GetGroupMemberships), []
        )
        (groups,) = await client.uaclient.call([request])
    assert hydraulics == {"pump-1/Alarms/exclusive_limit", "pump-1/Alarms/non_exclusive_limit"}
    assert idle == {"pump-1/ParameterSet/mode"}
    assert (kind.Identifier, label.Text) == (IDS.AlarmGroupType, "Pump is idle")
    assert [node.Identifier for node in groups.OutputArguments[0].Value] == [
        "pump-1/AlarmGroups/hydraulics",
        "Fieldloom/AlarmGroups/all pumps",
    ]


async def test_levels_limits_and_states_of_a_non_exclusive_limit(rig: OpcUaRig) -> None:
    paths = ("ConditionName", "HighHighState/Id", "LowState/Id", "LowLowState/Id", "LowLimit", "Severity", "Message")
    async with rig.client("olga") as client, listening(client, paths=paths) as (listener, _, _):
        await rig.live(flow=50.0, mode=1)
        advance(rig, 1)
        await rig.live(flow=5.0)
        (event,) = await listener.take()
    assert event["ConditionName"] == "non_exclusive_limit"
    assert (event["HighHighState/Id"], event["LowState/Id"], event["LowLowState/Id"]) == (False, True, True)
    assert (event["LowLimit"], event["Severity"]) == (20.0, 800)


async def test_alarms_are_called_as_the_package_labels_them(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        children = await client.get_node(rig.node("pump-1/Alarms")).get_children_descriptions()
        names = {child.NodeId.Identifier: child.DisplayName.Text for child in children}
        made = await client.get_node(rig.node("pump-1/Alarms/Trip")).read_display_name()
    assert names["pump-1/Alarms/Trip"] == made.Text == "Pump tripped"
    assert names["pump-1/Alarms/exclusive_limit"] == "exclusive limit"
