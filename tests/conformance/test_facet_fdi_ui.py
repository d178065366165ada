"""User interface descriptions over the wire (IEC 62769-5, UIDescriptionType; IEC 62769-2, UID documents)."""

from __future__ import annotations

import pytest
from asyncua import ua
from lxml import etree

from server.opcua.specs.structures import RegistrationParameters
from tests.kit.asking import A, Subscriber, browse, item, name_of, plain, read, value, write
from tests.kit.facets import Room
from tests.kit.fdi import DI, FDI5, acting_type, call_of, outputs, services, user_of
from tests.kit.opcua import PASSWORDS
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
EDD = """
VARIABLE spare { LABEL "Spare"; TYPE DOUBLE; VALIDITY IF (mode == 1) { TRUE; } ELSE { FALSE; } }
MENU device_root_menu { LABEL "Root"; ITEMS { main } }
MENU main { LABEL "|en|Main|ru|Главное"; STYLE WINDOW; ITEMS { level, limit, spare, greet, inner } }
MENU inner { LABEL "Inner"; STYLE WINDOW; ITEMS { note } }
METHOD greet { LABEL "Greet"; DEFINITION { ACKNOWLEDGE("Hello"); } }
"""
ROOM = {"fdi": services(), "types": (acting_type(EDD),), "devices": ("pump-1", "pump-2", "pump-3")}
NS = "{http://fdi-cooperation.com/2010/client}"


def _element(room: Room, device: str = "pump-1", path: str = "main") -> ua.NodeId:
    return room.rig.node(f"{device}/{path}/UIElement")


def _names(document: str, kind: str) -> list[str]:
    return [str(found.get("Name")) for found in etree.fromstring(document.encode()).iter(f"{NS}{kind}")]


async def test_a_group_has_the_description_of_its_menu(room: Room, session: RawSession) -> None:
    # OPC 10000-100: UIElement of FunctionalGroupType; IEC 62769-5: UIDescriptionType, a String.
    found = await browse(session, room.rig.node("pump-1/main"))
    (element,) = [row for row in found.References if row.BrowseName.Name == "UIElement"]
    assert element.BrowseName.NamespaceIndex == room.index(DI)
    assert element.TypeDefinition == ua.NodeId(1, room.index(FDI5))
    assert element.NodeId == _element(room)
    back = await browse(session, element.NodeId, BrowseDirection=ua.BrowseDirection.Inverse)
    assert [row.NodeId for row in back.References] == [room.rig.node("pump-1/main")]
    kind = await read(session, element.NodeId, A.DataType)
    assert kind.Value.Value == ua.NodeId(ua.ObjectIds.String)


async def test_the_description_leads_to_nodes_that_are_there(room: Room, session: RawSession) -> None:
    await room.rig.live("pump-1", level=1.0, limit=2.0, mode=1)
    document = await value(session, _element(room))
    paths = [str(found.get("Path")) for found in etree.fromstring(document.encode()).iter() if found.get("Path")]
    assert len(paths) >= 5
    for path in paths:
        uri, _, identifier = path.removeprefix("nsu=").partition(";s=")
        known = await read(session, ua.NodeId(identifier, room.index(uri)), A.BrowseName)
        assert name_of(known.StatusCode) == "Good", path


async def test_each_session_reads_its_language(room: Room, session: RawSession, operator: RawSession) -> None:
    await operator.activate(user="olga", password=PASSWORDS["olga"][1], locales=("ru",))
    assert "Главное" in await value(operator, _element(room))
    assert "Main" in await value(session, _element(room))
    assert "Предел" in await value(operator, _element(room))


async def test_a_condition_that_turns_is_a_data_change(room: Room, session: RawSession) -> None:
    # IEC 62769-5: the value changes when an evaluated condition changes.
    await room.rig.live("pump-2", level=1.0, limit=2.0, mode=1)
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(item(_element(room, "pump-2")))
    assert name_of(made.StatusCode) == "Good"
    (first,) = await subscriber.collect(1)
    assert "spare" in str(first[1].Value.Value)
    await room.rig.live("pump-2", level=3.0)
    await subscriber.quiet()
    await room.rig.live("pump-2", mode=0)
    (second,) = await subscriber.collect(1)
    assert "spare" not in str(second[1].Value.Value)
    await subscriber.close()


async def test_what_is_no_group_has_no_description(room: Room, session: RawSession) -> None:
    for path in ("pump-1/nothing", "pump-1/ParameterSet", "pump-9/main", "pump-1"):
        found = await read(session, room.rig.node(f"{path}/UIElement"))
        assert name_of(found.StatusCode) == "BadNodeIdUnknown"


async def test_a_description_in_an_edit_context_shows_the_edited_values(room: Room, operator: RawSession) -> None:
    # IEC 62769-3, 5.6.8: what an edit hides in its context stays shown outside of it.
    await room.rig.live("pump-3", level=1.0, limit=2.0, mode=1)
    async with user_of(room, "emma") as engineer:
        assert outputs(await call_of(room, engineer, "pump-3/Lock", 6393, "")) == [0]
        modal = ua.Variant(1, ua.VariantType.Int32)
        context, code = outputs(await call_of(room, engineer, "pump-3/EditContext", 55, "", modal, uri=FDI5))
        assert code == 0
        paths = [room.rig.node("pump-3/ParameterSet/mode"), _element(room, "pump-3")]
        paths += [room.rig.node("pump-3/ParameterSet/menu:main"), room.rig.node("pump-2/main/UIElement")]
        rows = [
            RegistrationParameters(
                ua.RelativePath([ua.RelativePathElement(TargetName=ua.QualifiedName(path.to_string(), 0))]), 0b1111
            )
            for path in paths
        ]
        wanted = ua.Variant(rows, ua.VariantType.ExtensionObject, is_array=True)
        (answer,) = outputs(await call_of(room, engineer, "pump-3/EditContext", 58, context, wanted, uri=FDI5))
        assert [row.NodeStatus for row in answer.RegisteredNodes] == [0, 0, -3, -3]
        mode, description = answer.RegisteredNodes[:2]
        subscriber = await Subscriber.create(engineer)
        (made,) = await subscriber.add(item(description.OnlineContextNodeId))
        assert name_of(made.StatusCode) == "Good"
        (first,) = await subscriber.collect(1)
        assert "spare" in str(first[1].Value.Value)
        assert await write(engineer, mode.OnlineContextNodeId, plain(0, ua.VariantType.Byte)) == "Good"
        (second,) = await subscriber.collect(1)
        assert "spare" not in str(second[1].Value.Value)
        assert "spare" in await value(engineer, description.OfflineContextNodeId)
        assert "spare" in await value(engineer, _element(room, "pump-3"))
        hidden = await read(operator, description.OnlineContextNodeId)
        assert name_of(hidden.StatusCode) == "BadUserAccessDenied"
        assert outputs(await call_of(room, engineer, "pump-3/EditContext", 70, context, uri=FDI5)) == [0]
        (gone,) = await subscriber.collect(1)
        assert name_of(gone[1].StatusCode) == "BadNodeIdUnknown"
        assert name_of((await read(engineer, description.OfflineContextNodeId)).StatusCode) == "BadNodeIdUnknown"
        await subscriber.close()
