"""Online and offline data sets of a device over the wire (IEC 62769-5, 5; OPC 10000-100, offline and online)."""

from __future__ import annotations

import pytest
from asyncua import ua

from server.core.clock import SECOND
from server.core.values import DeviceId
from tests.kit.asking import I, Subscriber, browse, element, name_of, read, translate, value, write
from tests.kit.facets import Room
from tests.kit.fdi import DI, call_of, outputs, services, user_of
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOM = {"fdi": services(), "devices": ("pump-1", "pump-2", "pump-3", "pump-4", "pump-5", "pump-6", "pump-7")}


def _node(room: Room, side: str, name: str, device: str = "pump-1") -> ua.NodeId:
    middle = f"{side}/" if side else ""
    return room.rig.node(f"{device}/{middle}ParameterSet/{name}")


def _echo(room: Room) -> None:
    room.rig.sender.values = lambda _name, params: {str(params["name"]): float(params["value"])}  # type: ignore[arg-type]


async def test_the_online_data_set_is_the_target_of_is_online(room: Room, session: RawSession) -> None:
    # OPC 10000-100: IsOnline leads from the offline representation to an Object named Online of the same type.
    device = await browse(session, room.rig.node("pump-1"), ReferenceTypeId=ua.NodeId(6031, room.index(DI)))
    (online,) = device.References
    assert (online.BrowseName.Name, online.BrowseName.NamespaceIndex) == ("Online", room.index(DI))
    kind = await browse(session, room.rig.node("pump-1"), ReferenceTypeId=ua.NodeId(I.HasTypeDefinition))
    for side in ("Online", "Offline"):
        twin = await browse(session, room.rig.node(f"pump-1/{side}"), ReferenceTypeId=ua.NodeId(I.HasTypeDefinition))
        assert twin.References[0].NodeId == kind.References[0].NodeId
    back = await browse(session, online.NodeId, ReferenceTypeId=ua.NodeId(6031, room.index(DI)), BrowseDirection=1)
    assert [row.NodeId for row in back.References] == [room.rig.node("pump-1")]


async def test_a_data_set_has_the_mandatory_members_of_its_type(room: Room, session: RawSession) -> None:
    found = await browse(session, room.rig.node("pump-5/Offline"))
    names = {row.BrowseName.Name for row in found.References}
    assert names >= {"ParameterSet", "Manufacturer", "Model", "SerialNumber", "RevisionCounter", "DeviceManual"}
    parameters = await browse(session, room.rig.node("pump-5/Offline/ParameterSet"))
    assert {"temperature", "state", "note", "limit_high"} <= {row.BrowseName.Name for row in parameters.References}


async def test_a_path_leads_into_a_data_set_that_nobody_has_looked_at(room: Room, session: RawSession) -> None:
    package = room.rig.plant.types["pump"].namespace_uri
    path = await translate(
        session,
        room.rig.node("pump-4"),
        element(ua.QualifiedName("Online", room.index(DI))),
        element(ua.QualifiedName("ParameterSet", room.index(DI))),
        element(ua.QualifiedName("temperature", room.index(package))),
    )
    assert name_of(path.StatusCode) == "Good"
    assert path.Targets[0].TargetId == _node(room, "Online", "temperature", "pump-4")


async def test_online_is_not_connected_until_the_device_is_heard(room: Room, session: RawSession) -> None:
    # OPC 10000-100: access to online values of a device that is not there answers BadNotConnected.
    online = _node(room, "Online", "temperature", "pump-2")
    assert name_of((await read(session, online)).StatusCode) == "BadNotConnected"
    subscriber = await Subscriber.create(session)
    await subscriber.watch(online)
    await room.rig.live("pump-2", temperature=20.5)
    (change,) = await subscriber.collect(1)
    assert (name_of(change[1].StatusCode), change[1].Value.Value) == ("Good", 20.5)
    await room.rig.live("pump-2", temperature=21.5)
    (change,) = await subscriber.collect(1)
    assert change[1].Value.Value == 21.5
    await subscriber.close()


async def test_online_is_not_connected_again_when_the_device_falls_silent(room: Room, session: RawSession) -> None:
    # The leading instance keeps a threshold as it was, the online data set says that it cannot be asked for.
    await room.rig.live("pump-3", temperature=20.5, limit_high=70.0)
    limit = _node(room, "Online", "limit_high", "pump-3")
    assert await value(session, limit) == 70.0
    subscriber = await Subscriber.create(session)
    await subscriber.watch(limit)
    device = room.rig.plant.devices[DeviceId("pump-3")]
    device.last_heard -= 100 * SECOND
    room.rig.plant.decay(room.rig.clock.now())
    (change,) = await subscriber.collect(1)
    assert name_of(change[1].StatusCode) == "BadNotConnected"
    assert await value(session, _node(room, "", "limit_high", "pump-3")) == 70.0
    await subscriber.close()


async def test_a_write_online_goes_to_the_device(room: Room, operator: RawSession) -> None:
    _echo(room)
    await room.rig.live("pump-1", temperature=20.0, limit_high=80.0)
    online = _node(room, "Online", "limit_high")
    assert await write(operator, online, 82.5) == "Good"
    assert room.rig.sender.sent[-1] == ("pump-1", "set_threshold", {"name": "limit_high", "value": 82.5})
    assert await value(operator, online) == 82.5
    assert await value(operator, _node(room, "", "limit_high")) == 82.5
    assert await write(operator, _node(room, "Online", "limit_high", "pump-5"), 82.5) == "BadNotConnected"


async def test_a_write_offline_stays_in_the_server(room: Room, operator: RawSession) -> None:
    # IEC 62769-3, offline data: nothing reaches the device; GoodEdited tells that it has something else.
    await room.rig.live("pump-6", temperature=20.0, limit_high=80.0)
    offline = _node(room, "Offline", "limit_high", "pump-6")
    assert await value(operator, offline) == 80.0
    subscriber = await Subscriber.create(operator)
    await subscriber.watch(offline)
    sent = len(room.rig.sender.sent)
    assert await write(operator, offline, 91.0) == "Good"
    (change,) = await subscriber.collect(1)
    assert (change[1].StatusCode.value, change[1].Value.Value) == (0x00DC0000, 91.0)
    assert len(room.rig.sender.sent) == sent
    assert await value(operator, _node(room, "", "limit_high", "pump-6")) == 80.0
    await room.rig.live("pump-6", limit_high=91.0)
    (change,) = await subscriber.collect(1)
    assert name_of(change[1].StatusCode) == "Good"
    assert await write(operator, offline, 1_000.0) == "BadOutOfRange"
    assert await write(operator, _node(room, "Offline", "temperature", "pump-6"), 1.0) == "BadNotWritable"
    await subscriber.close()


async def test_offline_values_begin_with_the_defaults_of_the_package(room: Room, session: RawSession) -> None:
    found = await read(session, _node(room, "Offline", "limit_high", "pump-5"))
    assert (name_of(found.StatusCode), found.Value.Value) == ("UncertainInitialValue", 80.0)
    nothing = await read(session, _node(room, "Offline", "temperature", "pump-5"))
    assert name_of(nothing.StatusCode) == "BadWaitingForInitialData"


async def test_a_lock_covers_both_data_sets(room: Room, operator: RawSession) -> None:
    await room.rig.live("pump-7", temperature=20.0, limit_high=80.0)
    async with user_of(room, "emma") as engineer:
        assert outputs(await call_of(room, engineer, "pump-7/Lock", 6393, "")) == [0]
        for side in ("Online", "Offline"):
            assert await write(operator, _node(room, side, "limit_high", "pump-7"), 75.0) == "BadLocked"
        assert await write(engineer, _node(room, "Offline", "limit_high", "pump-7"), 75.0) == "Good"
        assert outputs(await call_of(room, engineer, "pump-7/Lock", 6398)) == [0]


async def test_nobody_writes_without_signing_in(room: Room, session: RawSession) -> None:
    for side in ("Online", "Offline"):
        assert await write(session, _node(room, side, "limit_high"), 75.0) == "BadUserAccessDenied"
