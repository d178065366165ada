"""Data Access (OPC 10000-8) and Devices (OPC 10000-100): ranges, units, texts, the frame of the devices."""

from __future__ import annotations

import pytest
from asyncua import ua

from server.opcua.nodes.values import put_data_value
from tests.kit.asking import A, I, Subscriber, browse, contents, name_of, read, translate, value, write
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
DI = "http://opcfoundation.org/UA/DI/"
UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"
SEMANTICS_CHANGED = 0x4000


async def _properties(session: RawSession, node: ua.NodeId) -> dict[str, ua.NodeId]:
    found = await browse(session, node, ReferenceTypeId=ua.NodeId(I.HasProperty))
    return {reference.BrowseName.Name: reference.NodeId for reference in found.References or []}


async def _parameters(room: Room, session: RawSession, base: int) -> dict[str, ua.NodeId]:
    """Parameters of the pump whose type is `base` or a subtype of it, by name."""
    result = {}
    for reference in (await browse(session, room.rig.node("pump-1/ParameterSet"), NodeClassMask=2)).References:
        above = reference.TypeDefinition
        while above is not None and above.Identifier != base:
            up = (
                await browse(
                    session,
                    ua.NodeId(above.Identifier, above.NamespaceIndex),
                    BrowseDirection=ua.BrowseDirection.Inverse,
                    ReferenceTypeId=ua.NodeId(I.HasSubtype),
                )
            ).References
            above = up[0].NodeId if up else None
        if above is not None:
            result[reference.BrowseName.Name] = reference.NodeId
    return result


async def test_analog_items_have_a_range_and_a_unit_by_the_rule(room: Room, session: RawSession) -> None:
    # OPC 10000-8, 5.3.2.3 and 5.6.3: low < high; the unitId of a UNECE code is its characters as a number.
    analog = await _parameters(room, session, I.BaseAnalogType)
    assert analog
    for node in analog.values():
        properties = await _properties(session, node)
        limits = await value(session, properties["EURange"])
        assert limits.Low < limits.High
        if "EngineeringUnits" in properties:
            unit = await value(session, properties["EngineeringUnits"])
            assert unit.DisplayName.Text
            if unit.NamespaceUri == UNECE:
                assert unit.UnitId > 0
    celsius = await value(session, (await _properties(session, analog["temperature"]))["EngineeringUnits"])
    assert (celsius.NamespaceUri, celsius.UnitId) == (UNECE, int.from_bytes(b"CEL", "big"))


async def test_enumerated_values_show_their_texts(room: Room, session: RawSession) -> None:
    # OPC 10000-8, 5.3.3: EnumStrings, or EnumValues with ValueAsText that follows the value.
    await room.rig.live(temperature=20.0, state=2)
    discrete = await _parameters(room, session, I.DiscreteItemType)
    properties = await _properties(session, discrete["state"])
    assert {"EnumStrings"} <= set(properties) or {"EnumValues", "ValueAsText"} <= set(properties)
    if "ValueAsText" in properties:
        assert (await value(session, properties["ValueAsText"])).Text == "tripped"
        assert await value(session, discrete["state"]) == 2


async def test_a_percent_deadband_follows_the_range(room: Room, session: RawSession) -> None:
    # OPC 10000-8, 7.2: percent of EURange, 0 to 100 here.
    node = room.test("Analog")
    await write(session, node, 10.0)
    subscriber = await Subscriber.create(session)
    await subscriber.watch(node, filter=ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, 2, 5.0))
    await write(session, node, 15.0)
    await subscriber.quiet()
    await write(session, node, 15.5)
    assert contents(await subscriber.collect(1)) == [15.5]
    await subscriber.close()


async def test_a_changed_range_sets_the_semantics_bit(room: Room, session: RawSession) -> None:
    # OPC 10000-8, 5.2 and OPC 10000-4, 7.39: SemanticsChanged in the next value of who monitors it.
    node = room.test("Analog")
    subscriber = await Subscriber.create(session)
    await subscriber.watch(node)
    space = room.rig.server._made.space
    limits = (await _properties(session, node))["EURange"]
    before = await value(session, limits)
    put_data_value(space.point(limits), ua.DataValue(ua.Variant(ua.Range(0.0, 200.0))))
    try:
        ((_, found),) = await subscriber.collect(1)
        assert found.StatusCode.value & SEMANTICS_CHANGED
        await write(session, node, await value(session, node) + 1)
        ((_, found),) = await subscriber.collect(1)
        assert not found.StatusCode.value & SEMANTICS_CHANGED
    finally:
        put_data_value(space.point(limits), ua.DataValue(ua.Variant(before)))
        await subscriber.close()


async def test_the_frame_of_devices_has_the_node_ids_of_its_nodeset(room: Room, session: RawSession) -> None:
    # OPC 10000-100, 5.9 to 5.11: DeviceSet i=5001, NetworkSet i=6078, DeviceTopology i=6094 below Objects.
    index = room.index(DI)
    found = await browse(session, ua.NodeId(I.ObjectsFolder), NodeClassMask=1)
    ids = {reference.BrowseName.Name: reference.NodeId for reference in found.References}
    for name, number in (("DeviceSet", 5001), ("NetworkSet", 6078), ("DeviceTopology", 6094)):
        assert (ids[name].Identifier, ids[name].NamespaceIndex) == (number, index)


async def test_a_device_shows_nameplate_parameters_and_groups(room: Room, session: RawSession) -> None:
    # OPC 10000-100, 4.3 to 4.6: nameplate names are DI's; ParameterSet holds the parameters, groups organise them.
    index, device = room.index(DI), room.rig.node("pump-1")
    names = {r.BrowseName.Name: r for r in (await browse(session, device)).References}
    for name in ("Manufacturer", "Model", "SerialNumber", "DeviceRevision", "RevisionCounter"):
        assert names[name].BrowseName.NamespaceIndex == index
    path = [ua.QualifiedName("ParameterSet", index)]
    assert name_of((await translate(session, device, *path)).StatusCode) == "Good"
    group = (await translate(session, device, ua.QualifiedName("Identification", index))).Targets[0].TargetId
    organised = await browse(session, group, ReferenceTypeId=ua.NodeId(I.Organizes), IncludeSubtypes=True)
    assert organised.References
    health = await value(session, names["DeviceHealth"].NodeId)
    assert 0 <= health <= 4


async def test_a_silent_device_is_honest(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 7.39: no value is better than a made-up one.
    rig = room.rig
    await rig.pipeline.restore([("pump-9", "pump", ("hall",), rig.clock.now(), {})])
    found = await read(session, rig.node("pump-9/ParameterSet/temperature"))
    assert name_of(found.StatusCode) == "BadWaitingForInitialData"
    assert name_of((await read(session, rig.node("pump-9"), A.DisplayName)).StatusCode) == "Good"
