"""Browse and BrowseNext on a hand-made address space (OPC 10000-4 v1.05 §5.9.2, §5.9.3 and §7.9)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import METHOD, OBJECT, VARIABLE, VIEW
from server.opcua.roles import ENCRYPTION_REQUIRED, MODE_NONE, RESTRICT_BROWSE, permissions
from server.opcua.services.browse_cache import BrowseCache
from server.opcua.services.limits import OperationLimits
from server.opcua.services.query import QueryService
from server.opcua.services.registered import RegisteredNodes
from server.opcua.services.view import ViewService
from tests.kit.service_space import (
    AGGREGATES,
    BASE_DATA_VARIABLE_TYPE,
    FOLDER_TYPE,
    HAS_COMPONENT,
    HAS_ORDERED_COMPONENT,
    HAS_PROPERTY,
    HAS_TYPE_DEFINITION,
    HIERARCHICAL,
    OBJECTS,
    ORGANIZES,
    PROPERTY_TYPE,
    ROOT,
    VIEWS,
    ServiceRig,
    ServiceSpace,
    result_of,
    scalar,
)

S = ua.StatusCodes
PLANT: Key = (2, "plant")
SPEED: Key = (2, "plant/speed")
UNIT: Key = (2, "plant/unit")
STOP: Key = (2, "plant/stop")
LINE: Key = (2, "plant/line")
SECRET: Key = (2, "plant/secret")
CLOSED = permissions(everybody=0)


class Rig(ServiceRig):
    """The plant: a property, a variable, an ordered component, a method and something only for administrators."""

    def __init__(self, limits: OperationLimits = OperationLimits()) -> None:  # noqa: B008  (frozen)
        space = ServiceSpace()
        super().__init__(space)
        space.add(PLANT, "Plant", parent=OBJECTS, reference=ORGANIZES, type_key=FOLDER_TYPE, index=2)
        one = scalar(1.5, ua.VariantType.Double)
        space.add(SPEED, "Speed", VARIABLE, parent=PLANT, value=one, data_type=11, index=2)
        space.add(UNIT, "Unit", VARIABLE, parent=PLANT, reference=HAS_PROPERTY, type_key=PROPERTY_TYPE, index=2)
        space.add(LINE, "Line", OBJECT, parent=PLANT, reference=HAS_ORDERED_COMPONENT, index=2)
        space.add(STOP, "Stop", METHOD, parent=PLANT, index=2)
        space.add(SECRET, "Secret", VARIABLE, parent=PLANT, index=2, permissions=CLOSED)
        self.announced: dict[Key, tuple[ua.QualifiedName, int, Key]] = {}
        self.view = ViewService(space.store, space.rights, space, limits, self.announced.get)
        self.view.register(self.dispatcher)
        self.cache = BrowseCache(self.view, space.store, limits, self.dispatcher)
        RegisteredNodes(limits).register(self.dispatcher)
        QueryService().register(self.dispatcher)

    def cached(self) -> Rig:
        """The byte-level handler is in front from now on."""
        self.cache.register(self.dispatcher)
        return self


def wanted(
    node: Key = PLANT,
    direction: int = 0,
    kind: Key = 0,
    subtypes: bool = True,
    classes: int = 0,
    mask: int = 63,
) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        node_id_of(node), ua.BrowseDirection(direction), node_id_of(kind), subtypes, classes, mask
    )


def browse(*operations: ua.BrowseDescription, most: int = 0, view: Any = None) -> ua.BrowseRequest:
    request = ua.BrowseRequest()
    request.Parameters.View = view or ua.ViewDescription()
    request.Parameters.RequestedMaxReferencesPerNode = most
    request.Parameters.NodesToBrowse = list(operations)
    return request


def following(*points: bytes, release: bool = False) -> ua.BrowseNextRequest:
    request = ua.BrowseNextRequest()
    request.Parameters.ReleaseContinuationPoints = release
    request.Parameters.ContinuationPoints = list(points)
    return request


def keys(result: ua.BrowseResult) -> list[Key]:
    return [key_of(reference.NodeId) for reference in result.References]


@pytest.fixture(params=["service", "cache"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """The same answers are wanted of the service and of the cache in front of it."""
    return Rig() if request.param == "service" else Rig().cached()


@pytest.mark.parametrize(
    ("description", "found"),
    [
        (wanted(), [FOLDER_TYPE, SPEED, UNIT, LINE, STOP]),
        (wanted(direction=1), [OBJECTS]),
        (wanted(direction=2), [FOLDER_TYPE, OBJECTS, SPEED, UNIT, LINE, STOP]),
        (wanted(kind=HAS_COMPONENT, subtypes=False), [SPEED, STOP]),
        (wanted(kind=HAS_COMPONENT), [SPEED, LINE, STOP]),
        (wanted(kind=AGGREGATES), [SPEED, UNIT, LINE, STOP]),
        (wanted(kind=AGGREGATES, subtypes=False), []),
        (wanted(kind=HIERARCHICAL, direction=1), [OBJECTS]),
        (wanted(kind=HAS_TYPE_DEFINITION), [FOLDER_TYPE]),
        (wanted(classes=VARIABLE), [SPEED, UNIT]),
        (wanted(classes=METHOD | OBJECT), [LINE, STOP]),
    ],
)
def test_direction_reference_type_and_node_class_filter(
    rig: Rig, description: ua.BrowseDescription, found: list[Key]
) -> None:
    (result,) = rig.ask(rig.session(), browse(description)).Results
    assert result.StatusCode.value == S.Good
    assert sorted(map(str, keys(result))) == sorted(map(str, found))


def test_fields_that_were_not_asked_for_stay_null(rig: Rig) -> None:
    session = rig.session()
    (result,) = rig.ask(session, browse(wanted(classes=VARIABLE, kind=HAS_COMPONENT))).Results
    (whole,) = result.References
    assert whole.ReferenceTypeId == ua.NodeId(HAS_COMPONENT)
    assert whole.IsForward
    assert whole.BrowseName == ua.QualifiedName("Speed", 2)
    assert whole.DisplayName.Text == "Speed"
    assert whole.NodeClass == ua.NodeClass.Variable
    assert whole.TypeDefinition == ua.NodeId(BASE_DATA_VARIABLE_TYPE)
    (result,) = rig.ask(session, browse(wanted(classes=VARIABLE, kind=HAS_COMPONENT, mask=0))).Results
    (bare,) = result.References
    assert bare.NodeId == node_id_of(SPEED)
    assert bare.ReferenceTypeId.is_null()
    assert not bare.IsForward
    assert not bare.BrowseName.Name
    assert not bare.DisplayName.Text
    assert bare.NodeClass == ua.NodeClass.Unspecified
    assert bare.TypeDefinition.is_null()


@pytest.mark.parametrize(
    ("description", "code"),
    [
        (wanted((2, "nothing")), S.BadNodeIdUnknown),
        (wanted(direction=3), S.BadBrowseDirectionInvalid),
        (wanted(kind=OBJECTS), S.BadReferenceTypeIdInvalid),
        (wanted(kind=(2, "nothing")), S.BadReferenceTypeIdInvalid),
        (wanted(SECRET), S.BadUserAccessDenied),
    ],
)
def test_a_wrong_operation_does_not_spoil_the_others(rig: Rig, description: ua.BrowseDescription, code: int) -> None:
    first, second = rig.ask(rig.session(), browse(description, wanted())).Results
    assert first.StatusCode.value == code
    assert first.References == []
    assert len(second.References) == 5


def test_targets_that_one_may_not_see_are_left_out(rig: Rig) -> None:
    (result,) = rig.ask(rig.session("operator"), browse(wanted())).Results
    assert SECRET not in keys(result)
    (result,) = rig.ask(rig.session("admin"), browse(wanted())).Results
    assert SECRET in keys(result)


def test_restrict_browse_hides_nodes_from_open_channels(rig: Rig) -> None:
    store = rig.space.store
    store.reshape(store[SPEED], restrictions=ENCRYPTION_REQUIRED | RESTRICT_BROWSE)
    store.reshape(store[UNIT], restrictions=ENCRYPTION_REQUIRED)
    open_one, closed_one = rig.session(mode=MODE_NONE), rig.session()
    (result,) = rig.ask(open_one, browse(wanted())).Results
    assert SPEED not in keys(result)
    assert UNIT in keys(result)
    (result,) = rig.ask(open_one, browse(wanted(SPEED))).Results
    assert result.StatusCode.value == S.BadSecurityModeInsufficient
    (result,) = rig.ask(closed_one, browse(wanted())).Results
    assert SPEED in keys(result)


def test_names_come_in_the_language_of_the_session(rig: Rig) -> None:
    english, german = rig.session(), rig.session(locales=("de",))
    for session, ending in ((english, "Speed"), (german, "Speed!de"), (english, "Speed")):
        (result,) = rig.ask(session, browse(wanted(kind=HAS_COMPONENT, classes=VARIABLE))).Results
        assert result.References[0].DisplayName.Text == ending


def test_announced_nodes_are_shown_without_being_made(rig: Rig) -> None:
    key: Key = (2, "plant/alarm")
    rig.announced[key] = (ua.QualifiedName("TooFast", 2), OBJECT, FOLDER_TYPE)
    rig.space.store.announce(PLANT, HAS_COMPONENT, key)
    (result,) = rig.ask(rig.session(), browse(wanted(classes=OBJECT))).Results
    shown = {reference.BrowseName.Name: reference for reference in result.References}
    assert shown["TooFast"].TypeDefinition == ua.NodeId(FOLDER_TYPE)
    assert rig.space.store.peek(key) is None


def test_empty_and_oversized_requests_are_refused() -> None:
    rig = Rig(OperationLimits(browse=2)).cached()
    session = rig.session()
    assert result_of(rig.ask(session, browse())) == S.BadNothingToDo
    assert result_of(rig.ask(session, browse(wanted(), wanted(), wanted()))) == S.BadTooManyOperations
    assert result_of(rig.ask(session, following())) == S.BadNothingToDo


# -- pages


def folder(rig: Rig, children: int) -> Key:
    key: Key = (2, "folder")
    rig.space.add(key, "Folder", parent=OBJECTS, reference=ORGANIZES)
    for number in range(children):
        rig.space.add((2, f"folder/{number}"), f"Child{number}", VARIABLE, parent=key)
    return key


@pytest.mark.parametrize("most", [1, 3, 7, 10])
def test_pages_together_are_the_whole(rig: Rig, most: int) -> None:
    key, session = folder(rig, 10), rig.session()
    (result,) = rig.ask(session, browse(wanted(key, kind=HAS_COMPONENT), most=most)).Results
    pages = [result]
    while pages[-1].ContinuationPoint:
        assert len(pages[-1].References) == most
        (result,) = rig.ask(session, following(pages[-1].ContinuationPoint)).Parameters.Results
        pages.append(result)
    found = [each for page in pages for each in keys(page)]
    assert found == [(2, f"folder/{number}") for number in range(10)]
    assert session.browse_points in (None, {})


def test_the_server_s_own_limit_cuts_pages_too() -> None:
    rig = Rig(OperationLimits(references=4)).cached()
    key, session = folder(rig, 10), rig.session()
    for most in (0, 100):
        (result,) = rig.ask(session, browse(wanted(key, kind=HAS_COMPONENT), most=most)).Results
        assert len(result.References) == 4
        assert result.ContinuationPoint


def test_points_are_limited_and_those_given_back_are_free_again(rig: Rig) -> None:
    key, session = folder(rig, 10), rig.session()
    operations = [wanted(key, kind=HAS_COMPONENT)] * 21
    results = rig.ask(session, browse(*operations, most=3)).Results
    assert [result.StatusCode.value for result in results] == [S.Good] * 20 + [S.BadNoContinuationPoints]
    assert results[20].References == []
    points = [result.ContinuationPoint for result in results[:20]]
    assert len(set(points)) == 20
    released = rig.ask(session, following(*points, release=True)).Parameters.Results
    assert all(result.StatusCode.value == S.Good and not result.References for result in released)
    (result,) = rig.ask(session, browse(wanted(key, kind=HAS_COMPONENT), most=3)).Results
    assert result.StatusCode.value == S.Good


def test_used_released_and_foreign_points_are_invalid(rig: Rig) -> None:
    key, session = folder(rig, 10), rig.session()

    def point() -> bytes:
        (result,) = rig.ask(session, browse(wanted(key, kind=HAS_COMPONENT), most=3)).Results
        return bytes(result.ContinuationPoint)

    def code(asking: Any, given: bytes) -> int:
        (result,) = rig.ask(asking, following(given)).Parameters.Results
        return int(result.StatusCode.value)

    used, released, foreign = point(), point(), point()
    assert code(session, used) == S.Good
    assert code(session, used) == S.BadContinuationPointInvalid
    rig.ask(session, following(released, release=True))
    assert code(session, released) == S.BadContinuationPointInvalid
    assert code(rig.session(), foreign) == S.BadContinuationPointInvalid
    assert code(session, b"") == S.BadContinuationPointInvalid
    assert code(session, foreign) == S.Good


def test_changes_between_pages_neither_repeat_nor_break_them(rig: Rig) -> None:
    key, session = folder(rig, 10), rig.session()
    (first,) = rig.ask(session, browse(wanted(key, kind=HAS_COMPONENT), most=4)).Results
    rig.space.store.remove([(2, "folder/1"), (2, "folder/5")])
    rig.space.add((2, "folder/new"), "New", VARIABLE, parent=key)
    (second,) = rig.ask(session, following(first.ContinuationPoint)).Parameters.Results
    (third,) = rig.ask(session, following(second.ContinuationPoint)).Parameters.Results
    assert keys(first) + keys(second) + keys(third) == [(2, f"folder/{n}") for n in range(10) if n != 5]


def test_a_point_shows_nothing_that_was_forbidden_meanwhile(rig: Rig) -> None:
    key, session = folder(rig, 6), rig.session()
    (first,) = rig.ask(session, browse(wanted(key, kind=HAS_COMPONENT), most=4)).Results
    store = rig.space.store
    store.reshape(store[(2, "folder/4")], permissions=CLOSED)
    (second,) = rig.ask(session, following(first.ContinuationPoint)).Parameters.Results
    assert keys(second) == [(2, "folder/5")]


# -- views


def line_view(rig: Rig) -> Key:
    key: Key = (2, "view")
    rig.space.add(key, "Lines", VIEW, parent=VIEWS, reference=ORGANIZES)
    rig.space.store.link(key, ORGANIZES, PLANT)
    rig.space.add((2, "outside"), "Outside", parent=OBJECTS)
    rig.space.store.link(PLANT, HAS_TYPE_DEFINITION, ROOT, inverse=False)
    version = scalar(3, ua.VariantType.UInt32)
    rig.space.add((2, "version"), "ViewVersion", VARIABLE, parent=key, reference=HAS_PROPERTY, value=version)
    return key


def of_view(key: Key, version: int = 0, dated: bool = False) -> ua.ViewDescription:
    moment = ua.uatypes.win_epoch_to_datetime(132_000_000_000_000_000 if dated else 0)
    return ua.ViewDescription(node_id_of(key), moment, version)


def test_a_view_shows_its_members_only(rig: Rig) -> None:
    view, session = line_view(rig), rig.session()
    (result,) = rig.ask(session, browse(wanted(), view=of_view(view))).Results
    assert sorted(map(str, keys(result))) == sorted(map(str, [SPEED, UNIT, LINE, STOP]))
    (result,) = rig.ask(session, browse(wanted(direction=1), view=of_view(view))).Results
    assert keys(result) == [view]
    (result,) = rig.ask(session, browse(wanted((2, "outside")), view=of_view(view))).Results
    assert result.StatusCode.value == S.BadNodeNotInView


def test_unknown_views_and_times_are_refused(rig: Rig) -> None:
    view, session = line_view(rig), rig.session()
    for description, code in (
        (of_view((2, "nothing")), S.BadViewIdUnknown),
        (of_view(PLANT), S.BadViewIdUnknown),
        (of_view(VIEWS), S.BadViewIdUnknown),
        (of_view(view, version=4), S.BadViewVersionInvalid),
        (of_view(view, dated=True), S.BadViewTimestampInvalid),
        (of_view(view, version=3, dated=True), S.BadViewParameterMismatch),
        (of_view(view, version=3), S.Good),
    ):
        assert result_of(rig.ask(session, browse(wanted(), view=description))) == code


# -- small services


def test_registered_nodes_are_the_same_nodes(rig: Rig) -> None:
    session = rig.session()
    request = ua.RegisterNodesRequest()
    request.Parameters.NodesToRegister = [node_id_of(SPEED), node_id_of((2, "nothing"))]
    assert rig.ask(session, request).Parameters.RegisteredNodeIds == request.Parameters.NodesToRegister
    back = ua.UnregisterNodesRequest()
    back.Parameters.NodesToUnregister = request.Parameters.NodesToRegister
    assert result_of(rig.ask(session, back)) == S.Good
    assert result_of(rig.ask(session, ua.RegisterNodesRequest())) == S.BadNothingToDo
    assert result_of(rig.ask(session, ua.UnregisterNodesRequest())) == S.BadNothingToDo


def test_queries_are_not_offered(rig: Rig) -> None:
    session = rig.session()
    assert result_of(rig.ask(session, ua.QueryFirstRequest())) == S.BadServiceUnsupported
    assert result_of(rig.ask(session, ua.QueryNextRequest())) == S.BadServiceUnsupported
