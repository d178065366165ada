"""View service set (OPC 10000-4, 5.9) and what it says of the address space."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from asyncua import ua

from tests.kit.asking import (
    ALL_FIELDS,
    EITHER,
    FORWARD,
    INVERSE,
    I,
    browse,
    description,
    element,
    fault,
    get,
    name_of,
    names,
    next_page,
    translate,
    value,
    write,
)
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
SERVER, OBJECTS, ROOT = ua.NodeId(I.Server), ua.NodeId(I.ObjectsFolder), ua.NodeId(I.RootFolder)
NOWHERE = ua.NodeId("nowhere", 2)


@pytest_asyncio.fixture(loop_scope="module")
async def statics(room: Room) -> AsyncIterator[ua.NodeId]:
    """A folder of nineteen Variables."""
    yield room.test("Static")


def _ids(result: ua.BrowseResult) -> list[str]:
    return [reference.NodeId.to_string() for reference in result.References or []]


async def test_directions_are_told_apart(session: RawSession) -> None:
    # 5.9.2.2: Forward, Inverse and Both; isForward says which one each reference is.
    forward = await browse(session, OBJECTS, BrowseDirection=FORWARD)
    inverse = await browse(session, OBJECTS, BrowseDirection=INVERSE)
    both = await browse(session, OBJECTS, BrowseDirection=EITHER)
    assert forward.References and all(found.IsForward for found in forward.References)
    assert _ids(inverse) == [ROOT.to_string()]
    assert not inverse.References[0].IsForward
    assert sorted(_ids(both)) == sorted(_ids(forward) + _ids(inverse))


async def test_reference_types_filter_with_and_without_subtypes(session: RawSession) -> None:
    # 5.9.2.2: a null referenceTypeId is every reference; includeSubtypes FALSE is that one type alone.
    def kinds(result: ua.BrowseResult) -> set[int]:
        return {found.ReferenceTypeId.Identifier for found in result.References or []}

    everything = kinds(await browse(session, SERVER))
    assert {I.HasComponent, I.HasProperty, I.HasTypeDefinition} <= everything
    aggregates = ua.NodeId(I.Aggregates)
    assert kinds(await browse(session, SERVER, ReferenceTypeId=aggregates)) >= {I.HasComponent, I.HasProperty}
    assert not kinds(await browse(session, SERVER, ReferenceTypeId=aggregates, IncludeSubtypes=False))
    only = await browse(session, SERVER, ReferenceTypeId=ua.NodeId(I.HasProperty), IncludeSubtypes=False)
    assert kinds(only) == {I.HasProperty}


async def test_node_classes_filter_and_zero_is_all(session: RawSession) -> None:
    # 5.9.2.2: bits of nodeClassMask; 0 is every class.
    everything = await browse(session, SERVER)
    for mask in (1, 2, 4, 8, 1 | 4):
        found = await browse(session, SERVER, NodeClassMask=mask)
        expected = [known.NodeId for known in everything.References if known.NodeClass & mask]
        assert [reference.NodeId for reference in found.References or []] == expected
    assert {found.NodeClass for found in everything.References} >= {ua.NodeClass.Object, ua.NodeClass.Method}


async def test_fields_that_are_not_asked_for_stay_null(session: RawSession) -> None:
    # 5.9.2.2: resultMask 1 ReferenceType, 2 IsForward, 4 NodeClass, 8 BrowseName, 16 DisplayName, 32 TypeDefinition.
    full = (await browse(session, SERVER, ResultMask=ALL_FIELDS)).References[0]
    empty = (await browse(session, SERVER, ResultMask=0)).References[0]
    assert empty.NodeId == full.NodeId
    fields = ("ReferenceTypeId", "IsForward", "NodeClass", "BrowseName", "DisplayName", "TypeDefinition")
    for number, name in enumerate(fields):
        part = (await browse(session, SERVER, ResultMask=1 << number)).References[0]
        assert getattr(part, name) == getattr(full, name)
        for other in fields:
            if other != name:
                assert getattr(part, other) == getattr(empty, other), (name, other)
    assert not empty.IsForward and not empty.BrowseName.Name and not empty.DisplayName.Text and not empty.NodeClass


async def test_what_is_wrong_is_said_for_each_operation(session: RawSession) -> None:
    # 5.9.2.4, table of operation results.
    answer = await get(
        session,
        "Browse",
        NodesToBrowse=[
            description(NOWHERE),
            description(SERVER, ReferenceTypeId=OBJECTS),
            description(SERVER, ReferenceTypeId=NOWHERE),
            description(SERVER),
        ],
    )
    assert names(result.StatusCode for result in answer.Results) == [
        "BadNodeIdUnknown",
        "BadReferenceTypeIdInvalid",
        "BadReferenceTypeIdInvalid",
        "Good",
    ]


async def test_an_unknown_view_is_refused(session: RawSession) -> None:
    # 5.9.2.3: BadViewIdUnknown; a null view is the whole address space.
    view = ua.ViewDescription(NOWHERE)
    assert await fault(session, "Browse", View=view, NodesToBrowse=[description(SERVER)]) == "BadViewIdUnknown"


@pytest.mark.parametrize("most", [1, 2, 7, 18, 19, 20])
async def test_pages_together_are_the_whole_without_doubles(session: RawSession, statics: ua.NodeId, most: int) -> None:
    # 5.9.2.1 and 5.9.3: no page is larger than asked; the last one has no continuation point.
    whole = await browse(session, statics)
    assert len(whole.References) > 18 and not whole.ContinuationPoint
    pages = [await browse(session, statics, most)]
    while pages[-1].ContinuationPoint:
        pages.append(await next_page(session, pages[-1].ContinuationPoint))
    assert all(0 < len(page.References) <= most for page in pages)
    assert [found for page in pages for found in _ids(page)] == _ids(whole)


async def test_used_released_and_foreign_points_are_invalid(
    room: Room, session: RawSession, statics: ua.NodeId
) -> None:
    # 5.9.3: a point is good for one BrowseNext, of its own session only; releasing it brings no references.
    point = (await browse(session, statics, 5)).ContinuationPoint
    async with await room.channel() as channel:
        other = await room.session(channel)
        assert name_of((await next_page(other, point)).StatusCode) == "BadContinuationPointInvalid"
        await other.close()
    second = await next_page(session, point)
    assert name_of(second.StatusCode) == "Good"  # the stranger's try took nothing from its owner
    if second.ContinuationPoint != point:
        assert name_of((await next_page(session, point)).StatusCode) == "BadContinuationPointInvalid"
    released = await next_page(session, second.ContinuationPoint, release=True)
    assert name_of(released.StatusCode) == "Good" and not released.References and not released.ContinuationPoint
    after = await next_page(session, second.ContinuationPoint)
    assert name_of(after.StatusCode) == "BadContinuationPointInvalid"


async def test_points_are_as_many_as_published_and_then_refused(session: RawSession, statics: ua.NodeId) -> None:
    # 5.9.2.1 and OPC 10000-5, 6.3.2: at least five at once; beyond the published number BadNoContinuationPoints.
    most = await value(session, I.Server_ServerCapabilities_MaxBrowseContinuationPoints)
    assert most >= 5
    answer = await get(
        session,
        "Browse",
        RequestedMaxReferencesPerNode=1,
        NodesToBrowse=[description(statics) for _ in range(most + 1)],
    )
    assert names(result.StatusCode for result in answer.Results) == ["Good"] * most + ["BadNoContinuationPoints"]
    points = [result.ContinuationPoint for result in answer.Results[:most]]
    assert len(set(points)) == most
    await get(session, "BrowseNext", ReleaseContinuationPoints=True, ContinuationPoints=points)
    assert (await browse(session, statics, 1)).ContinuationPoint  # released ones are free again


async def test_every_reference_has_its_inverse(session: RawSession) -> None:
    # OPC 10000-3, 5.3: what can be followed one way is there the other way too (type definitions may leave it out).
    for found in (await browse(session, SERVER)).References:
        if found.ReferenceTypeId.Identifier == I.HasTypeDefinition:
            continue
        back = await browse(session, found.NodeId, BrowseDirection=INVERSE, ReferenceTypeId=found.ReferenceTypeId)
        assert SERVER.to_string() in _ids(back), found


async def test_a_path_leads_to_its_target(session: RawSession) -> None:
    # 5.9.4.2: remainingPathIndex is the largest UInt32 when the whole path was followed.
    result = await translate(session, ROOT, "Objects", "Server", "ServerStatus", "State")
    assert name_of(result.StatusCode) == "Good"
    (target,) = result.Targets
    assert target.TargetId.Identifier == I.Server_ServerStatus_State
    assert target.RemainingPathIndex == 0xFFFFFFFF


async def test_paths_go_backwards_and_by_subtypes(session: RawSession) -> None:
    # 5.9.4.2: isInverse and includeSubtypes of each element.
    up = element("Objects", I.Organizes, inverse=True)
    result = await translate(session, SERVER, up, "Server")
    assert [target.TargetId.Identifier for target in result.Targets] == [I.Server]
    by_subtype = await translate(session, SERVER, element("ServerStatus", I.Aggregates))
    assert len(by_subtype.Targets) == 1
    alone = await translate(session, SERVER, element("ServerStatus", I.Aggregates, subtypes=False))
    assert name_of(alone.StatusCode) == "BadNoMatch"


async def test_paths_that_lead_nowhere_say_why(session: RawSession) -> None:
    # 5.9.4.4, table of operation results.
    assert name_of((await translate(session, ROOT, "Objects", "Nothing")).StatusCode) == "BadNoMatch"
    assert name_of((await translate(session, NOWHERE, "Objects")).StatusCode) == "BadNodeIdUnknown"
    assert name_of((await translate(session, ROOT)).StatusCode) == "BadNothingToDo"
    no_name = await translate(session, ROOT, element(ua.QualifiedName(None, 0)))
    assert name_of(no_name.StatusCode) == "BadBrowseNameInvalid"


async def test_registered_nodes_are_read_and_written(room: Room, session: RawSession) -> None:
    # 5.9.5: the ids that come back can be used like the node's own, until they are unregistered.
    node = room.test("Static/Double")
    answer = await get(session, "RegisterNodes", NodesToRegister=[node, room.test("ReadOnly")])
    alias, other = answer.RegisteredNodeIds
    assert await write(session, alias, 17.25) == "Good"
    assert await value(session, node) == 17.25
    assert await value(session, other) == 42.0
    await session.call(_unregister(alias, other))
    assert await value(session, node) == 17.25


def _unregister(*nodes: ua.NodeId) -> ua.UnregisterNodesRequest:
    request = ua.UnregisterNodesRequest()
    request.Parameters.NodesToUnregister = list(nodes)
    return request


async def test_registering_needs_no_existing_node(session: RawSession) -> None:
    # 5.9.5.2: RegisterNodes does not say whether a node exists; using the id does.
    answer = await get(session, "RegisterNodes", NodesToRegister=[NOWHERE])
    (alias,) = answer.RegisteredNodeIds
    assert name_of((await session.read(alias))[0].StatusCode) == "BadNodeIdUnknown"


async def test_an_object_is_no_view(session: RawSession) -> None:
    # 5.9.2.3: a ViewId that names a node of another class is unknown as a View.
    view = ua.ViewDescription(OBJECTS)
    assert await fault(session, "Browse", View=view, NodesToBrowse=[description(SERVER)]) == "BadViewIdUnknown"


async def test_many_paths_are_followed_in_one_call(session: RawSession) -> None:
    # 5.9.4: results in the order of the paths.
    good = ua.BrowsePath(ROOT, ua.RelativePath([element("Objects")]))
    bad = ua.BrowsePath(ROOT, ua.RelativePath([element("Nothing")]))
    answer = await get(session, "TranslateBrowsePathsToNodeIds", BrowsePaths=[good, bad] * 50)
    assert names(result.StatusCode for result in answer.Results) == ["Good", "BadNoMatch"] * 50


async def test_points_die_with_their_session(room: Room, statics: ua.NodeId) -> None:
    # 5.9.2.1: a closed session frees its points, and no other session can go on with them.
    async with await room.channel() as channel:
        first = await room.session(channel)
        point = (await browse(first, statics, 1)).ContinuationPoint
        await first.close()
        second = await room.session(channel)
        assert name_of((await next_page(second, point)).StatusCode) == "BadContinuationPointInvalid"
        await second.close()
