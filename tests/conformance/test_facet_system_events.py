"""Events that are no conditions: device failure, system (OPC 10000-5, 6.4); NodeIds of a condition's parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncua import ua

from tests.kit.alarm_room import PlantClock, listening
from tests.kit.opcua import OpcUaRig, running

IDS = ua.ObjectIds
PATHS = ("EventType", "SourceNode", "SourceName", "Message", "Severity", "ConditionName")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, clock=PlantClock()) as rig:
        yield rig


async def pass_time(rig: OpcUaRig, seconds: float) -> None:
    assert isinstance(rig.clock, PlantClock)
    rig.clock.advance(seconds)
    await rig.pipeline.tick()


async def test_a_silent_device_is_a_device_failure_and_then_a_system_event(rig: OpcUaRig) -> None:
    device = rig.node("pump-1")
    async with rig.client("vera") as client, listening(client, device, PATHS) as (listener, _, _):
        await rig.live(temperature=20.0)
        await pass_time(rig, 10)  # uncertain: not told
        await pass_time(rig, 60)
        await pass_time(rig, 60)  # still silent: told once
        (failed,) = await listener.take()
        await rig.live(temperature=20.0)
        (back,) = await listener.take()
        assert listener.seen == []
    assert (failed["EventType"], failed["SourceNode"], failed["Severity"]) == (
        ua.NodeId(IDS.DeviceFailureEventType),
        device,
        600,
    )
    assert failed["Message"].Text == "pump-1 is no longer heard"
    assert (back["EventType"], back["Message"].Text) == (ua.NodeId(IDS.SystemEventType), "pump-1 is heard again")


async def test_a_select_clause_names_the_node_of_a_part(rig: OpcUaRig) -> None:
    # OPC 10000-4, 7.7.4.5: the NodeId Attribute of Objects, by their path.
    def clause(path: str) -> ua.SimpleAttributeOperand:
        names = [ua.QualifiedName(part, 0) for part in path.split("/")] if path else []
        return ua.SimpleAttributeOperand(ua.NodeId(IDS.BaseEventType), names, ua.AttributeIds.NodeId, None)

    wanted = ua.EventFilter([clause(""), clause("ShelvingState"), clause("LimitState"), clause("Message")])
    async with rig.client("vera") as client, listening(client, paths=PATHS[:4]) as (listener, sub, item):
        request = ua.MonitoredItemModifyRequest(
            item, ua.MonitoringParameters(ClientHandle=7, Filter=wanted, QueueSize=10)
        )
        parameters = ua.ModifyMonitoredItemsParameters(sub.subscription_id, ua.TimestampsToReturn.Both, [request])
        (result,) = await client.uaclient.modify_monitored_items(parameters)
        assert result.StatusCode.is_good()
        await rig.live(temperature=90.0)
        (row,) = await listener.take()
    condition = rig.node("pump-1/Alarms/temperature")
    assert [row[path] for path in PATHS[:4]] == [
        condition,
        rig.node("pump-1/Alarms/temperature/ShelvingState"),
        rig.node("pump-1/Alarms/temperature/LimitState"),
        None,
    ]
