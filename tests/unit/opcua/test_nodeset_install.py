"""Parsed NodeSets in the stack's address space: what a client sees, and nothing at all after a mistake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncua import Server, ua
from asyncua.common.structures104 import load_custom_struct
from asyncua.common.utils import Buffer

from server.opcua.nodesets import NodeSetError, build_all, load_folder
from server.opcua.nodesets.install import install, uris
from server.opcua.nodesets.model import UA_URI, NodeSetFile
from server.opcua.nodesets.order import BASE_MODEL, in_order
from server.opcua.nodesets.reader import read_bytes
from server.opcua.space import Space

ROOT = Path(__file__).resolve().parents[3]
DI = "http://opcfoundation.org/UA/DI/"
FDI5 = "http://fdi-cooperation.com/OPCUA/FDI5/"
NS = "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"
TYPES = 'xmlns="http://opcfoundation.org/UA/2008/02/Types.xsd"'
FIRST_INDEX = 60  # classes are known to the stack by NodeId in the whole process; nobody else uses these indexes


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.init()
    yield made
    await made.iserver.stop()


def space_of(server: Server, files: list[NodeSetFile]) -> Space:
    indexes = {uri: number for number, uri in enumerate(uris(files), start=FIRST_INDEX)}
    return Space(server.iserver.aspace, {UA_URI: 0, **indexes})


def ours(tmp_path: Path) -> list[NodeSetFile]:
    build_all(ROOT / "nodesets" / "src", tmp_path)
    return load_folder(tmp_path)


def file(nodes: str) -> NodeSetFile:
    text = (
        f'<UANodeSet xmlns="{NS}"><NamespaceUris><Uri>urn:own</Uri></NamespaceUris><Models><Model ModelUri="urn:own"/>'
        f"</Models>{nodes}</UANodeSet>"
    )
    return read_bytes(Path("own.xml"), text.encode())


# A structure with one inherited field, whose encoding is declared at the encoding alone, and a value of it.
STRUCTURES = """
<UADataType NodeId="ns=1;i=1" BrowseName="1:OwnBase"><References>
  <Reference ReferenceType="i=45" IsForward="false">i=22</Reference></References>
  <Definition Name="1:OwnBase"><Field Name="Id" DataType="i=7"/></Definition></UADataType>
<UADataType NodeId="ns=1;i=2" BrowseName="1:OwnPoint"><References>
  <Reference ReferenceType="i=45" IsForward="false">ns=1;i=1</Reference></References>
  <Definition Name="1:OwnPoint"><Field Name="X" DataType="i=11"/><Field Name="Colour" DataType="ns=1;i=5"/>
  <Field Name="Tags" DataType="i=12" ValueRank="1"/></Definition></UADataType>
<UAObject NodeId="ns=1;i=3" BrowseName="Default Binary"><References>
  <Reference ReferenceType="i=38" IsForward="false">ns=1;i=2</Reference>
  <Reference ReferenceType="i=40">i=76</Reference></References></UAObject>
<UAObject NodeId="ns=1;i=4" BrowseName="Default XML"><References>
  <Reference ReferenceType="i=38" IsForward="false">ns=1;i=2</Reference>
  <Reference ReferenceType="i=40">i=76</Reference></References></UAObject>
<UADataType NodeId="ns=1;i=5" BrowseName="1:OwnColour"><References>
  <Reference ReferenceType="i=45" IsForward="false">i=29</Reference></References>
  <Definition Name="1:OwnColour"><Field Name="RED" Value="0"/><Field Name="BLUE" Value="2"/></Definition></UADataType>
"""


def point(type_id: str) -> str:
    return f"""<UAVariable NodeId="ns=1;i=9" BrowseName="1:Origin" DataType="ns=1;i=2"><References>
  <Reference ReferenceType="i=40">i=63</Reference><Reference ReferenceType="i=35" IsForward="false">i=85</Reference>
  </References><Value><ExtensionObject {TYPES}><TypeId><Identifier>{type_id}</Identifier></TypeId><Body><OwnPoint>
  <Id>7</Id><X>1.5</X><Colour>2</Colour><Tags><String>a</String><String>b</String></Tags></OwnPoint></Body>
  </ExtensionObject></Value></UAVariable>"""


async def test_browse_tells_the_type_of_every_node(server: Server, tmp_path: Path) -> None:
    files = ours(tmp_path)
    space = space_of(server, files)
    install(space, files)
    described = {
        (entry.BrowseName.Name, entry.TypeDefinition)
        for entry in await server.get_node(space.id(DI, 1001)).get_children_descriptions()
    }
    assert ("Lock", space.id(DI, 6388)) in described
    assert ("Identification", space.id(DI, 1005)) in described
    assert ("ParameterSet", ua.NodeId(58)) in described
    own = [node for node_id, node in space.aspace._nodes.items() if node_id.NamespaceIndex >= FIRST_INDEX]
    instances = [
        entry
        for node in own
        for entry in node.references
        if entry.NodeClass in (ua.NodeClass.Object, ua.NodeClass.Variable)
    ]
    assert instances
    assert [entry for entry in instances if entry.TypeDefinition == ua.NodeId()] == []


async def test_every_reference_is_there_once(server: Server, tmp_path: Path) -> None:
    files = ours(tmp_path)
    space = space_of(server, files)
    install(space, files)
    for node_id in (space.id(DI, 5001), space.id(DI, 1002), ua.NodeId(85), ua.NodeId(58), space.id(FDI5, 37)):
        seen = [(entry.ReferenceTypeId, entry.NodeId, entry.IsForward) for entry in space.aspace[node_id].references]
        assert len(seen) == len(set(seen))


async def test_arguments_and_enumerations_reach_the_client(server: Server, tmp_path: Path) -> None:
    files = ours(tmp_path)
    space = space_of(server, files)
    install(space, files)
    arguments = await server.get_node(space.id(FDI5, 59)).read_value()
    assert [(item.Name, item.DataType, item.ValueRank) for item in arguments] == [
        ("EditContextId", ua.NodeId(12), -1),
        ("NodesToRegister", space.id(FDI5, 37), 1),
    ]
    health = await server.get_node(space.id(DI, 6244)).read_data_type_definition()
    assert [(item.Name, item.Value) for item in health.Fields][-1] == ("MAINTENANCE_REQUIRED", 4)
    names = await server.get_node(space.id(DI, 6450)).read_value()
    assert [item.Text for item in names][:2] == ["NORMAL", "FAILURE"]
    metadata = await server.get_node(space.id(DI, 15004)).read_value()
    assert (metadata.year, metadata.month, metadata.day) == (2022, 11, 3)


async def test_a_structure_can_be_used_by_its_definition(server: Server, tmp_path: Path) -> None:
    # What a client does: the class is made from the DataTypeDefinition, then values travel in the binary encoding.
    files = ours(tmp_path)
    space = space_of(server, files)
    install(space, files)
    made = await load_custom_struct(server.get_node(space.id(FDI5, 38)))
    value = made(NodeStatus=3, OnlineDeviceNodeId=ua.NodeId("x", 2))
    wire = ua.ua_binary.extensionobject_to_binary(value)
    back = ua.ua_binary.extensionobject_from_binary(Buffer(wire))
    assert (back.NodeStatus, back.OnlineDeviceNodeId) == (3, ua.NodeId("x", 2))


async def test_a_value_of_a_foreign_structure_is_decoded(server: Server) -> None:
    files = [file(STRUCTURES + point("ns=1;i=4"))]
    space = space_of(server, files)
    install(space, files)
    value = await server.get_node(space.id("urn:own", 9)).read_value()
    assert (value.Id, value.X, value.Colour, value.Tags) == (7, 1.5, 2, ["a", "b"])
    definition = await server.get_node(space.id("urn:own", 2)).read_data_type_definition()
    assert [item.Name for item in definition.Fields] == ["Id", "X", "Colour", "Tags"]
    assert definition.DefaultEncodingId == space.id("urn:own", 3)


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (STRUCTURES + point("ns=1;i=77"), "no loaded model defines"),
        (STRUCTURES + point("ns=1;i=4").replace("<X>", "<Y>").replace("</X>", "</Y>"), "has no field Y"),
        (STRUCTURES + point("ns=1;i=4").replace("1.5", "wide"), "'wide' is not a"),
    ],
)
async def test_nothing_is_installed_when_one_value_is_wrong(server: Server, nodes: str, reason: str) -> None:
    files = [file(nodes)]
    space = space_of(server, files)
    before = set(space.aspace.keys())
    links = len(space.aspace[ua.NodeId(85)].references)
    with pytest.raises(NodeSetError, match=reason):
        install(space, files)
    assert set(space.aspace.keys()) == before
    assert len(space.aspace[ua.NodeId(85)].references) == links


async def test_a_namespace_without_an_index_is_named(server: Server) -> None:
    files = [file(STRUCTURES)]
    with pytest.raises(NodeSetError, match="namespace urn:own has no index"):
        install(Space(server.iserver.aspace, {UA_URI: 0}), files)


async def test_the_base_model_is_the_one_of_the_stack(server: Server) -> None:
    version = await server.get_node(ua.NodeId(15959)).read_value()
    date = await server.get_node(ua.NodeId(15960)).read_value()
    assert (version, date.date().isoformat()) == (BASE_MODEL.version, BASE_MODEL.publication_date[:10])


def test_a_newer_base_namespace_is_asked_for() -> None:
    text = (
        f'<UANodeSet xmlns="{NS}"><NamespaceUris><Uri>urn:own</Uri></NamespaceUris><Models><Model ModelUri="urn:own">'
        f'<RequiredModel ModelUri="{UA_URI}" Version="1.99" PublicationDate="2099-01-01T00:00:00Z"/></Model></Models>'
        "</UANodeSet>"
    )
    with pytest.raises(NodeSetError, match="this server holds"):
        in_order([read_bytes(Path("own.xml"), text.encode())])
