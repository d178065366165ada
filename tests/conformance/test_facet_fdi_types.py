"""What a package adds to its ObjectType: plug-ins, files, dictionary entries (IEC 62769-5)."""

from __future__ import annotations

import pytest
from asyncua import ua

from tests.kit.asking import I, Subscriber, browse, name_of, read, value
from tests.kit.facets import Room
from tests.kit.fdi import DI, FDI5, PLUG_IN, equipped_type, services
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOM = {"fdi": services(), "types": (equipped_type(),)}
TYPES = "urn:fieldloom:types"


def _id(room: Room, path: str) -> ua.NodeId:
    return room.rig.node(path, equipped_type().namespace_uri)


async def _names(session: RawSession, node: ua.NodeId, **more: object) -> dict[str, ua.ReferenceDescription]:
    found = await browse(session, node, **more)
    return {row.BrowseName.Name: row for row in found.References}


async def test_a_group_organizes_the_plug_ins_that_its_menu_starts(room: Room, session: RawSession) -> None:
    for group in (room.rig.node("pump-1/Diagnostics"), _id(room, "pump/Diagnostics")):
        rows = [row for row in (await browse(session, group)).References if row.TypeDefinition.Identifier == 2]
        assert [row.TypeDefinition.NamespaceIndex for row in rows] == [room.index(FDI5)] * 2
        assert {row.ReferenceTypeId for row in rows} == {ua.NodeId(I.Organizes)}
        assert rows[0].DisplayName.Text == "Trend"


async def test_a_plug_in_tells_what_a_client_chooses_by(room: Room, session: RawSession) -> None:
    # IEC 62769-5: one node per variant; the client takes the one for its platform.
    found = []
    for number in (0, 1):
        node = _id(room, f"pump/UIPlugIns/7d1c2f0a/{number}")
        rows = await _names(session, node, ReferenceTypeId=ua.NodeId(I.HasProperty))
        assert {row.BrowseName.NamespaceIndex for row in rows.values()} == {room.index(FDI5)}
        found.append({name: await value(session, row.NodeId) for name, row in rows.items()})
        assert found[-1]["Style"] == 2
    assert [entry["PlatformId"] for entry in found] == ["Workstation", "Mobile"]
    assert [entry["CpuInformation"] for entry in found] == ["any", "arm64"]
    assert found[0] | {"Style": 0} == {
        "UIPVariantVersion": "1.2",
        "FDITechnologyVersion": "1.2.0",
        "RuntimeId": "HTML5",
        "CpuInformation": "any",
        "PlatformId": "Workstation",
        "Style": 0,
        "StartElementName": "Main",
    }
    assert await value(session, _id(room, "pump/UIPlugIns/7d1c2f0a/0/Documentation/manual.txt")) == b"read me"


async def test_a_plug_in_is_an_array_of_octets_read_whole_or_in_pieces(room: Room, session: RawSession) -> None:
    # OPC 10000-4, 7.27: a last piece is as long as what is left; behind it there is nothing.
    node = _id(room, "pump/UIPlugIns/7d1c2f0a/0")
    assert bytes(await value(session, node)) == PLUG_IN
    pieces = []
    step = 100_000
    for begin in range(0, len(PLUG_IN), step):
        piece = await read(session, node, index_range=f"{begin}:{begin + step - 1}")
        assert (name_of(piece.StatusCode), piece.Value.VariantType) == ("Good", ua.VariantType.Byte)
        pieces.append(bytes(piece.Value.Value))
    assert b"".join(pieces) == PLUG_IN
    assert (await read(session, node, index_range="7")).Value.Value == [7]
    beyond = await read(session, node, index_range=f"{len(PLUG_IN)}:{len(PLUG_IN) + 9}")
    assert name_of(beyond.StatusCode) == "BadIndexRangeNoData"
    assert name_of((await read(session, node, index_range="0:9,0:9")).StatusCode) == "BadIndexRangeNoData"
    assert name_of((await read(session, node, index_range="9:0")).StatusCode) == "BadIndexRangeInvalid"


async def test_a_piece_of_a_plug_in_can_be_monitored(room: Room, session: RawSession) -> None:
    subscriber = await Subscriber.create(session)
    await subscriber.watch(_id(room, "pump/UIPlugIns/7d1c2f0a/0"), index_range="0:3")
    await subscriber.close()


async def test_files_of_the_package_hang_below_the_type(room: Room, session: RawSession) -> None:
    # OPC 10000-100, ISupportInfoType: the folders have names of DI.
    rows = await _names(session, _id(room, "pump"))
    for folder, file, content in (
        ("ProtocolSupport", "mqtt.toml", b"[topics]"),
        ("ImageSet", "pump.png", b"\x89PNG"),
        ("Documentation", "manual.txt", b"read me"),
    ):
        assert rows[folder].BrowseName.NamespaceIndex == room.index(DI)
        assert await value(session, _id(room, f"pump/{folder}/{file}")) == content


async def test_parameters_refer_to_the_entries_of_their_classes(room: Room, session: RawSession) -> None:
    # IEC 62769-5, EddlDictionary: below the server's Dictionaries, one entry a CLASS that all authors use alike.
    dictionaries = await _names(session, ua.NodeId(17594))
    entries = await _names(session, dictionaries["EddlDictionary"].NodeId)
    words = await _names(session, entries["ParameterClass"].NodeId)
    assert {"ALARM", "DIAGNOSTIC", "OPERATE"} <= words.keys()
    assert words["ALARM"].TypeDefinition == ua.NodeId(1041, room.index(TYPES))
    for name, classes in (("temperature", {"DYNAMIC", "INPUT"}), ("limit_high", {"ALARM"}), ("note", set())):
        found = await _names(session, _id(room, f"pump/ParameterSet/{name}"), ReferenceTypeId=ua.NodeId(17597))
        assert found.keys() == classes
