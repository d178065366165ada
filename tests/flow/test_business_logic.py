"""From a device's value to what OPC UA clients see of its other parameters: an EDD's conditions at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.fdi.build import check_package
from server.model.device_type import DeviceType
from tests.kit.opcua import OpcUaRig, running
from tests.kit.packages import make_package
from tests.kit.plant import measured

WAIT_S = 10.0
KILOAMPERE = int.from_bytes(b"B22", "big")  # UNECE Recommendation 20
AMPERE = int.from_bytes(b"AMP", "big")
TYPES = "urn:fieldloom:types"
EDD = """
MANUFACTURER 0x7777, DEVICE_TYPE 0x0001, DEVICE_REVISION 1, DD_REVISION 1
VARIABLE unit_code { LABEL "Unit"; CLASS DEVICE; TYPE ENUMERATED { { 1, "A" }, { 2, "kA" } } }
VARIABLE mode { LABEL "Mode"; CLASS DEVICE; TYPE ENUMERATED { { 0, "Manual" }, { 1, "Automatic" } } }
VARIABLE current { LABEL "Current"; CLASS DYNAMIC; HANDLING READ; TYPE DOUBLE; }
VARIABLE limit
{
    LABEL IF (mode == 1) { "|en|Automatic limit|ru|Автоматический предел"; } ELSE { "Limit"; }
    CLASS DEVICE;
    HANDLING IF (mode == 1) { READ; } ELSE { READ & WRITE; }
    TYPE DOUBLE { MIN_VALUE 0.0; MAX_VALUE SELECT (unit_code) { CASE 2: 0.63; DEFAULT: 630.0; } }
}
VARIABLE gap
{
    LABEL "Gap"; CLASS DEVICE;
    TYPE DOUBLE { MIN_VALUE1 0.0; MAX_VALUE1 1.0; MIN_VALUE2 5.0; MAX_VALUE2 mode == 1 ? 9.0 : 7.0; SCALING_FACTOR 10; }
}
VARIABLE secret { LABEL "Secret"; CLASS DEVICE; VALIDITY IF (mode == 1) { FALSE; } ELSE { TRUE; } TYPE DOUBLE; }
VARIABLE choice { LABEL "Choice"; CLASS DEVICE;
    TYPE ENUMERATED { { 0, "none" }, IF (mode == 1) { { 1, "slow" } } ELSE { { 1, "fast" } } } }
VARIABLE plain { LABEL "Plain"; CLASS DEVICE; TYPE DOUBLE { MIN_VALUE 0; MAX_VALUE 1; } }
UNIT units { unit_code : current, limit }
"""
NAMES = ("unit_code", "mode", "current", "limit", "gap", "secret", "choice", "plain")
BINDING = """
type = "thing"
[silence]
uncertain_after_s = 60
bad_after_s = 120
[[message]]
topic = "things/{device}/telemetry"
time = "/time"
[message.parameters]
""" + "\n".join(f'{name} = "/{name}"' for name in NAMES)


def thing() -> DeviceType:
    return check_package(make_package("thing", edd=EDD, binding=BINDING)).device_types[0]


class Seen:
    """Events and values as a subscription brings them."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.values: asyncio.Queue[ua.DataValue] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event)

    def datachange_notification(self, _node: Any, _value: Any, data: Any) -> None:
        self.values.put_nowait(data.monitored_item.Value)


class Plant:
    """The running server, a client, and a device that reports."""

    def __init__(self, rig: OpcUaRig, client: Client) -> None:
        self.rig = rig
        self.client = client

    async def report(self, **values: Any) -> None:
        await self.rig.pipeline.offer([measured(self.rig.clock.now(), "thing-1", type_id="thing", **values)])

    def node(self, path: str) -> Any:
        return self.client.get_node(self.rig.node(f"thing-1/ParameterSet/{path}"))

    async def value(self, path: str) -> Any:
        return await self.node(path).read_value()

    async def read(self, path: str, attribute: ua.AttributeIds) -> ua.DataValue:
        return await self.node(path).read_attribute(attribute, raise_on_bad_status=False)

    @asynccontextmanager
    async def watching(self, *names: str) -> AsyncIterator[Seen]:
        seen = Seen()
        subscription = await self.client.create_subscription(50, seen)
        await subscription.subscribe_events(
            self.client.nodes.server, ua.ObjectIds.SemanticChangeEventType, where_clause_generation=False
        )
        for name in names:
            await subscription.subscribe_data_change(self.node(name))
            await asyncio.wait_for(seen.values.get(), WAIT_S)
        yield seen
        await subscription.delete()


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with running(tmp_path, devices=(), types=[thing()]) as rig:
        await rig.pipeline.offer([measured(rig.clock.now(), "thing-1", type_id="thing", unit_code=1, mode=0)])
        async with rig.client() as client:
            yield Plant(rig, client)


def affected(event: Any) -> list[str]:
    return sorted(str(change.Affected.Identifier).rpartition("/")[2] for change in event.Changes)


async def test_a_unit_variable_turns_range_and_unit_of_its_dependents_and_of_nothing_else(plant: Plant) -> None:
    # UNIT relation and SELECT on the same variable (eddl.md 5.4; fdi-information-model.md 6.2).
    assert (await plant.value("limit/EngineeringUnits")).UnitId == AMPERE
    assert (await plant.value("limit/EURange")).High == 630.0
    async with plant.watching() as seen:
        await plant.report(unit_code=2)
        event = await asyncio.wait_for(seen.events.get(), WAIT_S)
    assert affected(event) == ["current", "limit"]  # one event for the batch; `plain` and `gap` mean what they meant
    assert (await plant.value("current/EngineeringUnits")).UnitId == KILOAMPERE
    assert (await plant.value("limit/EngineeringUnits")).UnitId == KILOAMPERE
    assert (await plant.value("limit/EURange")).High == 0.63
    assert (await plant.value("plain/EURange")).High == 1.0


async def test_a_value_that_changes_no_meaning_causes_no_event(plant: Plant) -> None:
    async with plant.watching() as seen:
        await plant.report(current=5.0, unit_code=1)  # the unit as before
        await plant.report(unit_code=2)
        event = await asyncio.wait_for(seen.events.get(), WAIT_S)
        assert affected(event) == ["current", "limit"]
        assert seen.events.empty()


async def test_monitored_values_carry_the_semantics_changed_bit(plant: Plant) -> None:
    # OPC 10000-4, 7.39.1; one event all the same, though the watched node is known to both sides.
    await plant.report(current=5.0)
    async with plant.watching("current") as seen:
        await plant.report(unit_code=2)
        value = await asyncio.wait_for(seen.values.get(), WAIT_S)
        assert value.StatusCode.value & 0x4000
        assert affected(await asyncio.wait_for(seen.events.get(), WAIT_S)) == ["current", "limit"]
        await plant.report(unit_code=1)
        assert affected(await asyncio.wait_for(seen.events.get(), WAIT_S)) == ["current", "limit"]
        assert seen.events.empty()


async def test_label_and_rights_follow(plant: Plant) -> None:
    assert (await plant.node("limit").read_display_name()).Text == "Limit"
    assert ua.AccessLevel.CurrentWrite in await plant.node("limit").get_access_level()
    await plant.report(mode=1)
    assert (await plant.node("limit").read_display_name()).Text == "Automatic limit"
    levels = await plant.node("limit").get_access_level()
    assert ua.AccessLevel.CurrentRead in levels and ua.AccessLevel.CurrentWrite not in levels


async def test_several_ranges_and_the_scaling_factor_are_properties(plant: Plant) -> None:
    # fdi-information-model.md 6.2: the hull is EURange, the pairs stand in a Property of ours; all raw.
    names = [await child.read_browse_name() for child in await plant.node("gap").get_properties()]
    children = {name.Name: name for name in names}
    assert children["Min_Max_Values"].NamespaceIndex == plant.rig.namespaces.names.index(TYPES)
    assert [(pair.Low, pair.High) for pair in await plant.value("gap/Min_Max_Values")] == [(0.0, 1.0), (5.0, 7.0)]
    assert await plant.value("gap/ScalingFactor") == 10.0
    await plant.report(mode=1)
    assert [(pair.Low, pair.High) for pair in await plant.value("gap/Min_Max_Values")] == [(0.0, 1.0), (5.0, 9.0)]
    assert (await plant.value("gap/EURange")).High == 9.0


async def test_a_parameter_that_is_not_valid_is_neither_read_nor_written(plant: Plant) -> None:
    # eddl.md 7.2; when it is valid again the last value returns, also to who monitors it.
    await plant.report(secret=7.0)
    async with plant.watching("secret") as seen:
        await plant.report(mode=1)
        gone = await asyncio.wait_for(seen.values.get(), WAIT_S)
        assert gone.StatusCode.value & 0xFFFF0000 == ua.StatusCodes.BadNotReadable
        answer = await plant.read("secret", ua.AttributeIds.Value)
        assert answer.StatusCode.value == ua.StatusCodes.BadNotReadable
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await plant.node("secret").write_value(1.0)
        assert caught.value.code in (ua.StatusCodes.BadNotWritable, ua.StatusCodes.BadUserAccessDenied)
        await plant.report(mode=0)
        back = await asyncio.wait_for(seen.values.get(), WAIT_S)
        assert back.Value.Value == 7.0
    assert await plant.value("secret") == 7.0


async def test_enumerators_follow_and_so_does_the_text_of_the_present_value(plant: Plant) -> None:
    await plant.report(choice=1)
    assert (await plant.value("choice/ValueAsText")).Text == "fast"
    async with plant.watching() as seen:
        await plant.report(mode=1)
        assert "choice" in affected(await asyncio.wait_for(seen.events.get(), WAIT_S))
    assert [(entry.Value, entry.DisplayName.Text) for entry in await plant.value("choice/EnumValues")] == [
        (0, "none"),
        (1, "slow"),
    ]
    assert (await plant.value("choice/ValueAsText")).Text == "slow"


async def test_a_unit_that_becomes_known_appears_as_a_property_and_is_watched(tmp_path: Path) -> None:
    # Before its device has named the unit a dependent has none; its type allows one from the start (BaseAnalogType).
    async with running(tmp_path, devices=(), types=[thing()]) as rig:
        await rig.pipeline.offer([measured(rig.clock.now(), "thing-1", type_id="thing", current=1.0)])
        async with rig.client() as client:
            plant = Plant(rig, client)
            node = plant.node("current")
            names = [(await each.read_browse_name()).Name for each in await node.get_properties()]
            assert names == ["Annotations"]  # what is recorded has it
            assert (await node.read_type_definition()).Identifier == ua.ObjectIds.BaseAnalogType
            async with plant.watching("current") as seen:
                for code in (2, 1):  # it appears, then another takes its place
                    await plant.report(unit_code=code)
                    value = await asyncio.wait_for(seen.values.get(), WAIT_S)
                    assert value.StatusCode.value & 0x4000
                    assert "current" in affected(await asyncio.wait_for(seen.events.get(), WAIT_S))
            assert (await plant.value("current/EngineeringUnits")).UnitId == AMPERE
