"""NodeManagement service set (OPC 10000-4, 5.8) as the rights allow it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from asyncua import ua

from tests.kit.asking import INVERSE, A, I, browse, get, name_of, names, read, value, write
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOWHERE = ua.NodeId("nowhere", 2)
OBJECTS = ua.NodeId(I.ObjectsFolder)


def _expanded(node: ua.NodeId) -> ua.ExpandedNodeId:
    return ua.ExpandedNodeId(node.Identifier, node.NamespaceIndex)


def _object_attributes(text: str) -> ua.ObjectAttributes:
    return ua.ObjectAttributes(
        SpecifiedAttributes=int(ua.NodeAttributesMask.DisplayName), DisplayName=ua.LocalizedText(text, "en")
    )


def _folder(room: Room, name: str, **changes: Any) -> ua.AddNodesItem:
    item = ua.AddNodesItem(
        ParentNodeId=_expanded(OBJECTS),
        ReferenceTypeId=ua.NodeId(I.Organizes),
        RequestedNewNodeId=ua.ExpandedNodeId(),
        BrowseName=ua.QualifiedName(name, room.index()),
        NodeClass=ua.NodeClass.Object,
        NodeAttributes=_object_attributes(name),
        TypeDefinition=_expanded(ua.NodeId(I.FolderType)),
    )
    for key, content in changes.items():
        setattr(item, key, content)
    return item


def _variable(room: Room, parent: ua.NodeId, name: str) -> ua.AddNodesItem:
    mask = ua.NodeAttributesMask
    attributes = ua.VariableAttributes(
        SpecifiedAttributes=int(mask.DisplayName | mask.Value | mask.DataType | mask.AccessLevel | mask.ValueRank),
        DisplayName=ua.LocalizedText(name, "en"),
        Value=ua.Variant(1.5, ua.VariantType.Double),
        DataType=ua.NodeId(I.Double),
        ValueRank=-1,
        AccessLevel=3,
    )
    return ua.AddNodesItem(
        ParentNodeId=_expanded(parent),
        ReferenceTypeId=ua.NodeId(I.HasComponent),
        RequestedNewNodeId=ua.ExpandedNodeId(),
        BrowseName=ua.QualifiedName(name, room.index()),
        NodeClass=ua.NodeClass.Variable,
        NodeAttributes=attributes,
        TypeDefinition=_expanded(ua.NodeId(I.BaseDataVariableType)),
    )


async def _added(session: RawSession, *items: ua.AddNodesItem) -> list[ua.AddNodesResult]:
    return list((await get(session, "AddNodes", NodesToAdd=list(items))).Results)


async def _deleted(session: RawSession, *nodes: ua.NodeId) -> list[str]:
    wanted = [ua.DeleteNodesItem(node, True) for node in nodes]
    return names((await get(session, "DeleteNodes", NodesToDelete=wanted)).Results)


def _reference(source: ua.NodeId, target: ua.NodeId, **changes: Any) -> ua.AddReferencesItem:
    item = ua.AddReferencesItem(
        SourceNodeId=source,
        ReferenceTypeId=ua.NodeId(I.Organizes),
        IsForward=True,
        TargetNodeId=_expanded(target),
        TargetNodeClass=ua.NodeClass.Object,
    )
    for key, content in changes.items():
        setattr(item, key, content)
    return item


async def test_nodes_are_added_used_and_deleted(room: Room, admin: RawSession) -> None:
    # 5.8.2 and 5.8.4: what was added is browsed, read and written like any other node, and gone once deleted.
    (made,) = await _added(admin, _folder(room, f"Folder {uuid.uuid4()}"))
    assert name_of(made.StatusCode) == "Good"
    folder = made.AddedNodeId
    (inner,) = await _added(admin, _variable(room, folder, "Level"))
    assert name_of(inner.StatusCode) == "Good"
    assert folder in [found.NodeId for found in (await browse(admin, OBJECTS)).References]
    assert [found.NodeId for found in (await browse(admin, inner.AddedNodeId, BrowseDirection=INVERSE)).References] == [
        folder
    ]
    assert await value(admin, inner.AddedNodeId) == 1.5
    assert await write(admin, inner.AddedNodeId, 2.5) == "Good"
    assert await value(admin, inner.AddedNodeId) == 2.5
    assert await _deleted(admin, folder, folder) == ["Good", "BadNodeIdUnknown"]
    for node in (folder, inner.AddedNodeId):
        assert name_of((await read(admin, node, A.NodeClass)).StatusCode) == "BadNodeIdUnknown"


async def test_what_cannot_be_added_says_why(room: Room, admin: RawSession) -> None:
    # 5.8.2.4, operation results; the good one between them is added.
    unknown = _expanded(NOWHERE)
    name = f"Folder {uuid.uuid4()}"
    items = [
        _folder(room, "a", ParentNodeId=unknown),
        _folder(room, "b", ReferenceTypeId=NOWHERE),
        _folder(room, "c", TypeDefinition=unknown),
        _folder(room, name),
        _folder(room, name),
        _folder(room, "d", BrowseName=ua.QualifiedName(None, 0)),
        _folder(room, "e", RequestedNewNodeId=_expanded(room.test("ReadOnly"))),
        _folder(room, "f", ReferenceTypeId=ua.NodeId(I.HasTypeDefinition)),
    ]
    results = await _added(admin, *items)
    assert names(result.StatusCode for result in results) == [
        "BadParentNodeIdInvalid",
        "BadReferenceTypeIdInvalid",
        "BadTypeDefinitionInvalid",
        "Good",
        "BadBrowseNameDuplicated",
        "BadBrowseNameInvalid",
        "BadNodeIdExists",
        "BadReferenceNotAllowed",
    ]
    assert await _deleted(admin, results[3].AddedNodeId) == ["Good"]


async def test_references_are_added_and_deleted_both_ways(room: Room, admin: RawSession) -> None:
    # 5.8.3 and 5.8.5.
    first, second = (
        result.AddedNodeId
        for result in await _added(admin, *[_folder(room, f"Folder {uuid.uuid4()}") for _ in range(2)])
    )
    answer = await get(
        admin,
        "AddReferences",
        ReferencesToAdd=[
            _reference(first, second),
            _reference(first, second),
            _reference(NOWHERE, second),
            _reference(first, NOWHERE),
            _reference(first, second, TargetNodeClass=ua.NodeClass.Variable),
            _reference(first, second, TargetServerUri="urn:other"),
        ],
    )
    assert names(answer.Results) == [
        "Good",
        "BadDuplicateReferenceNotAllowed",
        "BadSourceNodeIdInvalid",
        "BadTargetNodeIdInvalid",
        "BadNodeClassInvalid",
        "BadServerUriInvalid",
    ]
    assert second in [found.NodeId for found in (await browse(admin, first)).References]
    back = await browse(admin, second, BrowseDirection=INVERSE)
    assert first in [found.NodeId for found in back.References]
    gone = ua.DeleteReferencesItem(first, ua.NodeId(I.Organizes), True, _expanded(second), True)
    answer = await get(admin, "DeleteReferences", ReferencesToDelete=[gone, gone])
    results = answer.Results
    assert names(results)[0] == "Good" and names(results)[1].startswith("Bad")
    assert second not in [found.NodeId for found in (await browse(admin, first)).References]
    back = await browse(admin, second, BrowseDirection=INVERSE)
    assert first not in [found.NodeId for found in back.References]
    assert await _deleted(admin, first, second) == ["Good", "Good"]


async def test_only_who_may_changes_the_address_space(
    room: Room, session: RawSession, operator: RawSession, admin: RawSession
) -> None:
    # OPC 10000-3, 4.9: permissions AddNode, DeleteNode, AddReference, RemoveReference.
    (made,) = await _added(admin, _folder(room, f"Folder {uuid.uuid4()}"))
    for who in (session, operator):
        (denied,) = await _added(who, _folder(room, f"Folder {uuid.uuid4()}"))
        assert name_of(denied.StatusCode) == "BadUserAccessDenied"
        assert await _deleted(who, made.AddedNodeId) == ["BadUserAccessDenied"]
    assert await _deleted(admin, made.AddedNodeId) == ["Good"]


async def test_nodes_of_the_server_stay(room: Room, admin: RawSession) -> None:
    # 5.8.4.4: BadNoDeleteRights; nobody saws off Server.
    for node in (ua.NodeId(I.Server), OBJECTS, room.test("ReadOnly"), room.rig.node("pump-1")):
        (code,) = await _deleted(admin, node)
        assert code in ("BadNoDeleteRights", "BadUserAccessDenied")
        assert name_of((await read(admin, node, A.NodeClass)).StatusCode) == "Good"
