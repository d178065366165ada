"""Topology, communication server, direct access and audit messages over the wire (IEC 62769-5, IEC 62769-7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from asyncua import ua

from tests.kit.asking import INVERSE, A, Subscriber, browse, event_rows, invoke, item, name_of, value
from tests.kit.facets import Room
from tests.kit.fdi import DI, FDI5, call_of, outputs, services, user_of
from tests.kit.raw import RawSession
from tests.kit.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
FDI7, TYPES = "http://fdi-cooperation.com/OPCUA/FDI7/", "urn:fieldloom:types"
BROKER: dict[str, Any] = {"state": (True, "127.0.0.1:1883")}
TRAIL: list[tuple[Any, ...]] = []


def _audit(*row: Any) -> None:
    TRAIL.append(row)


ROOM = {
    "fdi": services(timeout_s=30.0),
    "devices": ("pump-1", "pump-2"),
    "network": lambda: BROKER["state"],
    "audit": _audit,
}
SERVER, DEVICE, NETWORK = "Network/CommunicationServer", "Network/MQTT/Server", "Network/MQTT"
SERVICE = f"{DEVICE}/ServiceProvider"
INITIALIZE, RESET, SCAN, RESET_SCAN, CONNECT, TRANSFER, DISCONNECT = 75, 77, 157, 159, 2200, 2203, 300
A_METHOD_EVENT = ua.ObjectIds.AuditUpdateMethodEventType
TRIP = '<sendData Header="trip" RequestData=""/>'


def octets(content: bytes) -> ua.Variant:
    return ua.Variant(content, ua.VariantType.ByteString)


def no_types() -> ua.Variant:
    return ua.Variant([], ua.VariantType.ExtensionObject, is_array=True)


async def recorded(fact: Callable[[tuple[Any, ...]], Any], wanted: list[Any]) -> None:
    """Records of the audit trail are written aside: wait for these."""

    async def there() -> bool:
        return [found for row in TRAIL if (found := fact(row)) is not None] == wanted

    await until(there, f"{wanted} in {TRAIL}", 10.0)


async def names_below(room: Room, session: RawSession, path: str) -> dict[str, ua.ReferenceDescription]:
    found = await browse(session, room.rig.node(path))
    return {row.BrowseName.Name: row for row in found.References}


# -- topology


async def test_online_access_follows_the_broker(room: Room, session: RawSession) -> None:
    # OPC 10000-100: OnlineAccess tells whether online access is possible at all.
    online = ua.NodeId(6095, room.index(DI))
    assert await value(session, online) is True
    for connected in (False, True):
        BROKER["state"] = (connected, "127.0.0.1:1883")

        async def shown(expected: bool = connected) -> bool:
            return await value(session, online) is expected

        await until(shown, f"OnlineAccess {connected}", 10.0)


async def test_a_device_reaches_its_network_and_the_network_its_devices(room: Room, session: RawSession) -> None:
    connects_to = ua.NodeId(6030, room.index(DI))
    network = await browse(session, room.rig.node(NETWORK), ReferenceTypeId=connects_to)
    points = {row.NodeId for row in network.References}
    assert points == {room.rig.node(f"{name}/ConnectionPoint") for name in ("pump-1", "pump-2", DEVICE)}
    for point in points:
        back = await browse(session, point, ReferenceTypeId=connects_to)
        assert [row.NodeId for row in back.References] == [room.rig.node(NETWORK)]
        (other,) = (await browse(session, point, ReferenceTypeId=connects_to, BrowseDirection=INVERSE)).References
        assert other.NodeId == room.rig.node(NETWORK)


async def test_a_connection_point_tells_address_and_protocol(room: Room, session: RawSession) -> None:
    # di.md, section 7: NetworkAddress organizes the address parameters; at least one profile.
    below = await names_below(room, session, "pump-1/ConnectionPoint")
    assert below["MqttProtocol"].TypeDefinition == ua.NodeId(1001, room.index(TYPES))
    assert await value(session, below["Address"].NodeId) == b"pump-1"
    assert await value(session, below["ProtocolIdentifier"].NodeId) == "mqtt_json"
    group = await names_below(room, session, "pump-1/ConnectionPoint/NetworkAddress")
    assert {"Address", "ProtocolIdentifier"} <= set(group)


# -- communication server


async def test_the_communication_server_stands_in_the_topology(room: Room, session: RawSession) -> None:
    fdi7 = room.index(FDI7)
    topology = await browse(session, ua.NodeId(6094, room.index(DI)))
    (server,) = [row for row in topology.References if row.BrowseName.Name == "CommunicationServer"]
    assert server.TypeDefinition == ua.NodeId(11, fdi7)
    below = await names_below(room, session, SERVER)
    assert {"MethodSet", "SubDevices", "Manufacturer", "Model", "SerialNumber", "RevisionCounter"} <= set(below)
    (device,) = [
        row for row in (await browse(session, below["SubDevices"].NodeId)).References if row.BrowseName.Name == "Server"
    ]
    assert (device.NodeId, device.TypeDefinition) == (room.rig.node(DEVICE), ua.NodeId(1913, fdi7))
    parts = await names_below(room, session, DEVICE)
    assert await value(session, parts["ProtocolIdentifier"].NodeId) == "mqtt_json"
    assert await value(session, parts["ListOfCommunicationProfiles"].NodeId) == ["mqtt_json"]
    assert parts["ServiceProvider"].TypeDefinition == ua.NodeId(2133, fdi7)
    assert parts["ServiceProvider"].BrowseName.NamespaceIndex == fdi7
    assert await value(session, room.rig.node(f"{DEVICE}/ConnectionPoint/Address")) == b"127.0.0.1:1883"


async def test_the_services_in_their_order(room: Room, operator: RawSession) -> None:
    # The order of practice: Initialize, Scan, Connect, Transfer, Disconnect.
    await room.rig.live("pump-1", temperature=20.0)
    room.rig.sender.values = lambda _name, _params: {"state": 2}
    assert outputs(await call_of(room, operator, f"{SERVER}/MethodSet", INITIALIZE, uri=FDI7)) == [0]
    scan, code = outputs(await call_of(room, operator, f"{DEVICE}/MethodSet", SCAN, uri=FDI7))
    assert code == 0
    addresses = [bytes.fromhex(each.attrib["Address"]) for each in ElementTree.fromstring(scan.Value)]
    assert {b"pump-1", b"pump-2"} <= set(addresses)
    assert outputs(await call_of(room, operator, DEVICE, RESET_SCAN, uri=FDI7)) == [0]
    relation = octets(b"relation 1")
    assert outputs(await call_of(room, operator, SERVICE, CONNECT, relation, octets(b"pump-1"), uri=FDI7)) == [0]
    transfer = (relation, "trip", octets(b""), no_types(), no_types())
    data, codes, error = outputs(await call_of(room, operator, f"{SERVICE}/MethodSet", TRANSFER, *transfer, uri=FDI7))
    assert (data, codes, error) == (b'{"state":2}', bytes(4), 0)
    assert room.rig.sender.sent[-1] == ("pump-1", "trip", {})
    assert outputs(await call_of(room, operator, SERVICE, DISCONNECT, relation, uri=FDI7)) == [0]
    assert outputs(await call_of(room, operator, SERVICE, TRANSFER, *transfer, uri=FDI7))[2] == -7


async def test_data_types_of_a_request_are_taken(room: Room, operator: RawSession) -> None:
    from server.opcua.specs.structures import EddDataTypeInfo

    types = ua.Variant([EddDataTypeInfo(13, 8)], ua.VariantType.ExtensionObject, is_array=True)
    relation = octets(b"typed")
    await room.rig.live("pump-1", temperature=20.0)
    await call_of(room, operator, SERVICE, CONNECT, relation, octets(b"pump-1"), uri=FDI7)
    result = await call_of(room, operator, SERVICE, TRANSFER, relation, "trip", octets(b""), types, types, uri=FDI7)
    assert outputs(result)[2] == 0


async def test_somebody_elses_lock_and_missing_rights_are_told(room: Room, operator: RawSession) -> None:
    await room.rig.live("pump-1", temperature=20.0)
    relation = octets(b"locked")
    transfer = (relation, "trip", octets(b""), no_types(), no_types())
    await call_of(room, operator, SERVICE, CONNECT, relation, octets(b"pump-1"), uri=FDI7)
    async with user_of(room, "emma") as engineer:
        assert outputs(await call_of(room, engineer, "pump-1/Lock", 6393, "mine")) == [0]
        refused = await call_of(room, operator, SERVICE, TRANSFER, *transfer, uri=FDI7)
        assert name_of(refused.StatusCode) == "BadLocked"
    async with user_of(room, "vera") as viewer:
        denied = await call_of(room, viewer, SERVICE, CONNECT, relation, octets(b"pump-1"), uri=FDI7)
        assert name_of(denied.StatusCode) == "BadUserAccessDenied"
    denied = await call_of(room, operator, SERVER, RESET, uri=FDI7)
    assert name_of(denied.StatusCode) == "BadUserAccessDenied"


async def test_relations_end_with_their_session(room: Room, operator: RawSession, admin: RawSession) -> None:
    await room.rig.live("pump-1", temperature=20.0)
    relation = octets(b"mine")
    async with user_of(room, "emma") as engineer:
        made = await call_of(room, engineer, SERVICE, CONNECT, relation, octets(b"pump-1"), uri=FDI7)
        assert outputs(made) == [0]
    assert outputs(await call_of(room, operator, SERVICE, DISCONNECT, relation, uri=FDI7)) == [-7]
    assert outputs(await call_of(room, admin, SERVER, RESET, uri=FDI7)) == [0]


# -- direct access


async def test_direct_access_from_begin_to_end(room: Room) -> None:
    path = "pump-2/DirectDeviceAccess"
    await room.rig.live("pump-2", temperature=20.0)
    room.rig.sender.values = lambda _name, _params: {"state": 2}
    async with user_of(room, "emma") as engineer:
        assert outputs(await call_of(room, engineer, path, 83, "plug-in", uri=FDI5)) == [-1]  # not locked
        await call_of(room, engineer, "pump-2/Lock", 6393, "service")
        assert outputs(await call_of(room, engineer, path, 83, "plug-in", uri=FDI5)) == [0]
        # The published signature lists ReceiveData as an input; it is ignored.
        assert outputs(await call_of(room, engineer, path, 86, TRIP, "", uri=FDI5)) == [0]
        document, code = outputs(await call_of(room, engineer, path, 1045, TRIP, uri=TYPES))
        assert code == 0
        assert bytes.fromhex(ElementTree.fromstring(document).attrib["ResponseData"]) == b'{"state":2}'
        keep = ua.Variant(True, ua.VariantType.Boolean)
        assert outputs(await call_of(room, engineer, path, 89, keep, uri=FDI5)) == [0]
        assert outputs(await call_of(room, engineer, path, 86, TRIP, "", uri=FDI5)) == [-4]
    wanted = [("direct access", "refused (-1)"), ("direct access", "Good"), ("end direct access", "Good")]
    await recorded(lambda row: (row[5], row[7]) if "direct" in row[5] else None, wanted)


async def test_direct_access_is_an_object_of_the_standards_type(room: Room, operator: RawSession) -> None:
    below = await names_below(room, operator, "pump-1")
    access = below["DirectDeviceAccess"]
    assert access.BrowseName.NamespaceIndex == room.index(FDI5)
    assert access.TypeDefinition == ua.NodeId(1044, room.index(TYPES))
    above = await browse(operator, access.TypeDefinition, ReferenceTypeId=ua.NodeId(45), BrowseDirection=INVERSE)
    assert [row.NodeId for row in above.References] == [ua.NodeId(82, room.index(FDI5))]
    denied = await call_of(room, operator, "pump-1/DirectDeviceAccess", 83, "", uri=FDI5)
    assert name_of(denied.StatusCode) == "BadUserAccessDenied"


# -- server


async def test_the_server_tells_its_fdi_version(room: Room, session: RawSession) -> None:
    below = {row.BrowseName.Name: row for row in (await browse(session, ua.NodeId(2253))).References}
    assert below["FDIServerVersion"].BrowseName.NamespaceIndex == room.index(FDI5)
    assert await value(session, below["FDIServerVersion"].NodeId) == "1.2.0"


async def test_an_engineers_message_reaches_the_audit_trail(room: Room, operator: RawSession) -> None:
    server, method = ua.NodeId(2253), ua.NodeId(92, room.index(FDI5))
    async with user_of(room, "emma") as engineer:
        text = ua.Variant("Replaced the seal", ua.VariantType.String)
        assert name_of((await invoke(engineer, server, method, text)).StatusCode) == "Good"
        for wrong in ("", "  ", "x" * 1_001):
            refused = await invoke(engineer, server, method, ua.Variant(wrong, ua.VariantType.String))
            assert name_of(refused.StatusCode) == "BadInvalidArgument"
            assert [name_of(code) for code in refused.InputArgumentResults] == ["BadOutOfRange"]
    denied = await invoke(operator, server, method, text)
    assert name_of(denied.StatusCode) == "BadUserAccessDenied"
    wanted = [("emma", "Server", "Replaced the seal")]
    await recorded(lambda row: (row[1], row[6], row[8]) if row[5] == "message" and row[1] == "emma" else None, wanted)


async def test_the_audit_event_of_a_message_carries_it(room: Room, admin: RawSession) -> None:
    # IEC 62769-5: a message added to the audit trail is an AuditUpdateMethodEvent of the call.
    fields = [
        ua.SimpleAttributeOperand(ua.NodeId(A_METHOD_EVENT), [ua.QualifiedName(name, 0)], A.Value)
        for name in ("EventType", "MethodId", "InputArguments")
    ]
    subscriber = await Subscriber.create(admin)
    select = ua.EventFilter(fields, ua.ContentFilter([]))
    await subscriber.add(item(ua.NodeId(2253), attribute=A.EventNotifier, filter=select, queue=100))
    method = ua.NodeId(92, room.index(FDI5))
    await invoke(admin, ua.NodeId(2253), method, ua.Variant("Seal replaced", ua.VariantType.String))
    seen: list[tuple[Any, ...]] = []
    while not seen:
        rows = [row for _, row in event_rows(await subscriber.message())]
        seen = [tuple(row) for row in rows if row[1] == method]
    ((kind, _, inputs),) = seen
    assert kind == ua.NodeId(A_METHOD_EVENT)
    assert [getattr(each, "Value", each) for each in inputs] == ["Seal replaced"]
    await subscriber.close()
