"""DeviceHealth, DeviceHealthDiagnostics and device health alarms as a client sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import Client, ua

from server.core import status
from server.core.texts import Texts
from server.core.values import DeviceId, Measurement
from server.model.device_type import DataType, DeviceType, HealthSpec
from tests.kit.opcua import OpcUaRig, machine_type, running
from tests.kit.plant import parameter

DI, FDI5 = "http://opcfoundation.org/UA/DI/", "http://fdi-cooperation.com/OPCUA/FDI5/"
BITS = (
    HealthSpec("flags", 0x01, 4, Texts.of("Oil is old")),
    HealthSpec("flags", 0x02, 3, Texts.of("Too hot")),
    HealthSpec("flags", 0x04, 2, Texts.of("Test run")),
    HealthSpec("flags", 0x08, 1, Texts.of("Motor broken")),
)
NORMAL, FAILURE, CHECK, OFF_SPEC, MAINTENANCE = range(5)


def flagged_type() -> DeviceType:
    pump = machine_type()
    flags = parameter("flags", DataType.UINT16, edd_type="BIT_ENUMERATED")
    return replace(pump, parameters={**pump.parameters, "flags": flags}, health=BITS)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, types=[flagged_type()]) as rig:
        yield rig


async def shown(rig: OpcUaRig, client: Client) -> tuple[int | None, list[str]]:
    health = await client.get_node(rig.node("pump-1/DeviceHealth")).read_data_value(False)
    reasons = await client.get_node(rig.node("pump-1/DeviceHealthDiagnostics")).read_data_value(False)
    return health.Value.Value, [text.Text for text in reasons.Value.Value or []]


async def test_the_most_severe_class_wins_and_all_reasons_are_told(rig: OpcUaRig) -> None:
    # NE 107 as fdi-information-model.md, section 13, orders it: 1 > 2 > 3 > 4 > 0.
    expected = [
        (0x00, NORMAL, []),
        (0x01, MAINTENANCE, ["Oil is old"]),
        (0x03, OFF_SPEC, ["Too hot", "Oil is old"]),
        (0x07, CHECK, ["Test run", "Too hot", "Oil is old"]),
        (0x0F, FAILURE, ["Motor broken", "Test run", "Too hot", "Oil is old"]),
        (0x00, NORMAL, []),
    ]
    async with rig.client() as client:
        for bits, health, reasons in expected:
            await rig.live(flags=bits)
            assert await shown(rig, client) == (health, reasons), hex(bits)


async def test_bits_and_quality_are_judged_together(rig: OpcUaRig) -> None:
    async def tell(code: int) -> None:
        now = rig.clock.now()
        await rig.pipeline.offer([Measurement("pump", DeviceId("pump-1"), (("temperature", 1.0, code),), now, now)])

    async with rig.client() as client:
        await rig.live(flags=0x01)
        await tell(status.BAD_SENSOR_FAILURE)
        assert await shown(rig, client) == (FAILURE, ["temperature: sensor failure", "Oil is old"])
        await tell(status.GOOD)
        assert await shown(rig, client) == (MAINTENANCE, ["Oil is old"])


async def test_diagnostics_are_the_property_of_the_standard(rig: OpcUaRig) -> None:
    fdi5 = rig.namespaces.names.index(FDI5)
    async with rig.client() as client:
        node = await client.get_node(rig.node("pump-1")).get_child(f"{fdi5}:DeviceHealthDiagnostics")
        assert await node.read_data_type() == ua.NodeId(ua.ObjectIds.LocalizedText)
        assert await node.read_value_rank() == 1
        assert await node.read_type_definition() == ua.NodeId(ua.ObjectIds.PropertyType)


async def test_alarms_stand_in_the_folder_of_di(rig: OpcUaRig) -> None:
    di = rig.namespaces.names.index(DI)
    await rig.live(flags=0x08)
    async with rig.client() as client:
        folder = await client.get_node(rig.node("pump-1")).get_child(f"{di}:DeviceHealthAlarms")
        found = {(await each.read_browse_name()).Name: each for each in await folder.get_children()}
        assert set(found) == {"Failure", "CheckFunction", "OffSpec", "MaintenanceRequired"}
        assert found["Failure"].nodeid == rig.node("pump-1/Alarms/Failure")
        kinds = {name: await node.read_type_definition() for name, node in found.items()}
        assert kinds == {
            "Failure": ua.NodeId(15292, di),
            "CheckFunction": ua.NodeId(15441, di),
            "OffSpec": ua.NodeId(15590, di),
            "MaintenanceRequired": ua.NodeId(15739, di),
        }
        active = await client.get_node(rig.node("pump-1/Alarms/Failure/ActiveState/Id")).read_value()
        assert active is True


async def test_events_name_type_severity_and_bits_and_are_acknowledged(rig: OpcUaRig) -> None:
    di = rig.namespaces.names.index(DI)
    seen: asyncio.Queue[ua.EventNotificationList] = asyncio.Queue()

    class Handler:
        def event_notification(self, event: object) -> None:
            seen.put_nowait(event)  # type: ignore[arg-type]

    async with rig.client("olga") as client:
        subscription = await client.create_subscription(50, Handler())  # type: ignore[arg-type]
        await subscription.subscribe_events(
            ua.ObjectIds.Server, evtypes=[ua.ObjectIds.AcknowledgeableConditionType], where_clause_generation=False
        )
        await rig.live(flags=0x0C)
        async with asyncio.timeout(5):
            events = [await seen.get(), await seen.get()]
        found = {event.Message.Text: event for event in events}  # type: ignore[attr-defined]
        failure = found["pump-1: failure: Motor broken"]
        assert (failure.EventType, failure.Severity) == (ua.NodeId(15292, di), 900)  # type: ignore[attr-defined]
        check = found["pump-1: function check: Test run"]
        assert (check.EventType, check.Severity) == (ua.NodeId(15441, di), 500)  # type: ignore[attr-defined]
        await client.get_node(rig.node("pump-1/Alarms/Failure")).call_method(
            ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType_Acknowledge),
            failure.EventId,  # type: ignore[attr-defined]
            ua.LocalizedText("seen"),
        )
    state = rig.pipeline.alarms.state("pump-1/Alarms/Failure")
    assert state is not None
    assert state.acked


async def test_a_version_with_other_bits_takes_over(rig: OpcUaRig) -> None:
    di = rig.namespaces.names.index(DI)
    other = (HealthSpec("flags", 0x01, FAILURE, Texts.of("Oil is gone")),)
    async with rig.client() as client:
        await rig.live(flags=0x03)
        assert await shown(rig, client) == (OFF_SPEC, ["Too hot", "Oil is old"])
        await rig.pipeline.install(replace(flagged_type(), version="2.0.0", health=other))
        assert await shown(rig, client) == (FAILURE, ["Oil is gone"])
        folder = await client.get_node(rig.node("pump-1")).get_child(f"{di}:DeviceHealthAlarms")
        assert [(await each.read_browse_name()).Name for each in await folder.get_children()] == ["Failure"]
        await rig.pipeline.install(replace(flagged_type(), version="3.0.0", health=()))
        assert await shown(rig, client) == (NORMAL, [])
