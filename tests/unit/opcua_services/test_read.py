"""Read: attributes, time stamps, ranges, encodings, locales, rights (OPC 10000-4 v1.05 §5.11.2; OPC 10000-3 §5)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.node import (
    DATA_TYPE,
    METHOD,
    OBJECT,
    OBJECT_TYPE,
    REFERENCE_TYPE,
    VARIABLE,
    VARIABLE_TYPE,
    VIEW,
    A,
)
from server.opcua.roles import (
    ALL_PERMISSIONS,
    ANONYMOUS,
    BROWSE,
    CONFIGURE_ADMIN,
    ENCRYPTION_REQUIRED,
    MODE_NONE,
    MODE_SIGN,
    READ,
    SECRET,
    SIGNING_REQUIRED,
    Permissions,
)
from server.opcua.services.attribute import AttributeService
from server.opcua.services.limits import OperationLimits
from tests.kit.service_room import NS, Device, Listening, RefusedError, Room, Untranslated, read_request, value_id

S = ua.StatusCodes
V = ua.VariantType
KEY = NS << 32 | 1
TICKS = 133_000_000_000_000_000
MANDATORY: dict[int, tuple[ua.AttributeIds, ...]] = {
    OBJECT: (A.EventNotifier,),
    VARIABLE: (A.Value, A.DataType, A.ValueRank, A.AccessLevel, A.UserAccessLevel, A.Historizing),
    METHOD: (A.Executable, A.UserExecutable),
    OBJECT_TYPE: (A.IsAbstract,),
    VARIABLE_TYPE: (A.DataType, A.ValueRank, A.IsAbstract),
    REFERENCE_TYPE: (A.IsAbstract, A.Symmetric),
    DATA_TYPE: (A.IsAbstract,),
    VIEW: (A.ContainsNoLoops, A.EventNotifier),
}
"""OPC 10000-3, 5.3 to 5.8: beside NodeId, NodeClass, BrowseName and DisplayName."""
OWN: dict[int, set[ua.AttributeIds]] = {
    OBJECT: {A.EventNotifier},
    VARIABLE: {
        A.Value,
        A.DataType,
        A.ValueRank,
        A.ArrayDimensions,
        A.AccessLevel,
        A.UserAccessLevel,
        A.MinimumSamplingInterval,
        A.Historizing,
        A.AccessLevelEx,
    },
    METHOD: {A.Executable, A.UserExecutable},
    OBJECT_TYPE: {A.IsAbstract},
    VARIABLE_TYPE: {A.Value, A.DataType, A.ValueRank, A.ArrayDimensions, A.IsAbstract},
    REFERENCE_TYPE: {A.IsAbstract, A.Symmetric, A.InverseName},
    DATA_TYPE: {A.IsAbstract, A.DataTypeDefinition},
    VIEW: {A.ContainsNoLoops, A.EventNotifier},
}
BASE = {
    A.NodeId,
    A.NodeClass,
    A.BrowseName,
    A.DisplayName,
    A.Description,
    A.WriteMask,
    A.UserWriteMask,
    A.RolePermissions,
    A.UserRolePermissions,
    A.AccessRestrictions,
}


def make(role: str = "operator", mode: int = 3, texts: Any = None) -> Room:
    room = Room(role, mode)
    service = AttributeService(
        room.store,
        room.rights,
        Untranslated(texts),
        room.clock,
        OperationLimits(read=100),
        Device(),
        Listening(),
    )
    service.register(room.dispatcher)
    return room


def attribute(room: Room, name: ua.AttributeIds | int, key: int = KEY) -> Any:
    (found,) = room.read(value_id(key, attribute=int(name)))
    return found


@pytest.mark.parametrize("node_class", list(MANDATORY))
def test_mandatory_attributes_are_always_there(node_class: int) -> None:
    room = make()
    room.add(KEY, "Node", node_class=node_class)
    for name in (A.NodeId, A.NodeClass, A.BrowseName, A.DisplayName, *MANDATORY[node_class]):
        found = attribute(room, name)
        assert found.StatusCode.value == S.Good, name
    assert attribute(room, A.NodeClass).Value.Value == node_class
    assert attribute(room, A.NodeId).Value.Value == ua.NodeId(1, NS)
    assert attribute(room, A.DisplayName).Value.Value.Text == "Node"


@pytest.mark.parametrize("node_class", list(OWN))
def test_attributes_of_other_node_classes_are_invalid(node_class: int) -> None:
    room = make("admin")
    room.add(KEY, "Node", node_class=node_class)
    for name in [*A, 0, 28, 99, 2**32 - 1]:
        if name not in BASE | OWN[node_class]:
            assert attribute(room, name).StatusCode.value == S.BadAttributeIdInvalid, name


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        (A.NodeClass, V.Int32, VARIABLE),
        (A.BrowseName, V.QualifiedName, ua.QualifiedName(str(KEY), NS)),
        (A.WriteMask, V.UInt32, 0x60),
        (A.UserWriteMask, V.UInt32, 0),
        (A.DataType, V.NodeId, ua.NodeId(11)),
        (A.ValueRank, V.Int32, 1),
        (A.ArrayDimensions, V.UInt32, [4]),
        (A.AccessLevel, V.Byte, 0x0F),
        (A.UserAccessLevel, V.Byte, 0x05),
        (A.AccessLevelEx, V.UInt32, 0x10F),
        (A.MinimumSamplingInterval, V.Double, 100.0),
        (A.Historizing, V.Boolean, True),
        (A.AccessRestrictions, V.UInt16, 0),
    ],
)
def test_attributes_have_their_types(name: ua.AttributeIds, kind: ua.VariantType, value: Any) -> None:
    # An observer reads and sees history, but writes neither (UserAccessLevel is never more than AccessLevel).
    room = make("viewer")
    room.variable(
        KEY,
        ua.Variant([1.0], V.Double),
        permissions=None,
        access=0x0F,
        access_ex=0x100,
        rank=1,
        dimensions=[4],
        historizing=True,
        min_sampling=100.0,
        write_mask=0x60,
    )
    found = attribute(room, name).Value
    assert (found.VariantType, found.Value) == (kind, value)


def test_user_attributes_follow_the_roles() -> None:
    for role, access, executable in (("viewer", 1, False), ("operator", 3, True)):
        room = make(role)
        room.variable(KEY, ua.Variant(1.0, V.Double), permissions=None)
        room.method(KEY + 1, KEY + 2, permissions=None)
        assert attribute(room, A.UserAccessLevel).Value.Value == access
        assert attribute(room, A.UserExecutable, KEY + 2).Value.Value is executable
        assert attribute(room, A.Executable, KEY + 2).Value.Value is True


def test_user_write_mask_leaves_out_what_the_roles_may_not_write() -> None:
    rows: Permissions = ((ANONYMOUS, BROWSE), (CONFIGURE_ADMIN, ALL_PERMISSIONS))
    for role, mask in (("operator", 0), ("admin", 0x800060)):
        room = make(role)
        room.add(KEY, "Node", node_class=OBJECT, write_mask=0x800060, permissions=rows)
        assert attribute(room, A.UserWriteMask).Value.Value == mask


def test_role_permissions_are_for_those_who_may_read_them() -> None:
    rows: Permissions = ((ANONYMOUS, BROWSE), (CONFIGURE_ADMIN, ALL_PERMISSIONS))
    room = make("operator")
    room.add(KEY, "Node", node_class=OBJECT, permissions=rows)
    assert attribute(room, A.RolePermissions).StatusCode.value == S.BadUserAccessDenied
    own = attribute(room, A.UserRolePermissions).Value.Value
    assert [(entry.RoleId.Identifier, int(entry.Permissions)) for entry in own] == [(ANONYMOUS, BROWSE)]
    room = make("admin")
    room.add(KEY, "Node", node_class=OBJECT, permissions=rows)
    everybody = attribute(room, A.RolePermissions).Value.Value
    assert [(entry.RoleId.Identifier, int(entry.Permissions)) for entry in everybody] == list(rows)


def test_rare_attributes_come_from_the_node() -> None:
    room = make()
    node = room.add(KEY, "HasPart", node_class=REFERENCE_TYPE)
    assert attribute(room, A.InverseName).StatusCode.value == S.BadAttributeIdInvalid
    node.extra = {int(A.InverseName): ua.Variant(ua.LocalizedText("PartOf", "en"), V.LocalizedText)}
    assert attribute(room, A.InverseName).Value.Value.Text == "PartOf"


def test_an_unknown_node_says_so_and_spoils_no_neighbour() -> None:
    room = make()
    room.variable(KEY, ua.Variant(1.5, V.Double))
    unknown, known = room.read(value_id(KEY + 9), value_id(KEY))
    assert unknown.StatusCode.value == S.BadNodeIdUnknown
    assert known.Value.Value == 1.5


def test_a_value_that_cannot_be_read_is_not_readable() -> None:
    room = make()
    room.variable(KEY, ua.Variant(1.5, V.Double), access=2)
    assert room.read_value(KEY).StatusCode.value == S.BadNotReadable


def test_a_value_needs_the_read_permission_and_a_node_the_browse_permission() -> None:
    room = make("operator")
    room.variable(KEY, ua.Variant(1.5, V.Double), permissions=SECRET)
    room.variable(KEY + 1, ua.Variant(1.5, V.Double), permissions=((ANONYMOUS, READ),))
    assert room.read_value(KEY).StatusCode.value == S.BadUserAccessDenied
    assert attribute(room, A.DisplayName).StatusCode.value == S.Good
    assert room.read_value(KEY + 1).StatusCode.value == S.Good
    assert attribute(room, A.DisplayName, KEY + 1).StatusCode.value == S.BadUserAccessDenied


@pytest.mark.parametrize(
    ("mode", "restrictions", "code"),
    [
        (MODE_NONE, SIGNING_REQUIRED, S.BadSecurityModeInsufficient),
        (MODE_SIGN, SIGNING_REQUIRED, S.Good),
        (MODE_SIGN, ENCRYPTION_REQUIRED, S.BadSecurityModeInsufficient),
        (3, ENCRYPTION_REQUIRED, S.Good),
    ],
)
def test_access_restrictions_ask_for_a_better_channel(mode: int, restrictions: int, code: int) -> None:
    room = make("operator", mode)
    room.variable(KEY, ua.Variant(1.5, V.Double), restrictions=restrictions)
    assert room.read_value(KEY).StatusCode.value == code


@pytest.mark.parametrize(
    ("which", "source", "server"), [(0, True, False), (1, False, True), (2, True, True), (3, False, False)]
)
def test_exactly_the_time_stamps_asked_for_come_back(which: int, source: bool, server: bool) -> None:
    room = make()
    room.variable(KEY, ua.Variant(1.5, V.Double), times=(TICKS, TICKS + 10))
    value, name = room.read(value_id(KEY), value_id(KEY, attribute=A.DisplayName), which=which)
    assert (value.SourceTimestamp is not None, value.ServerTimestamp is not None) == (source, server)
    # Only Value has a source time stamp (OPC 10000-4, 7.11.3).
    assert (name.SourceTimestamp is not None, name.ServerTimestamp is not None) == (False, server)


@pytest.mark.parametrize("which", [-1, 4, 5, 2**31 - 1])
def test_other_time_stamps_are_invalid(which: int) -> None:
    room = make()
    room.variable(KEY, ua.Variant(1.5, V.Double))
    with pytest.raises(RefusedError) as refused:
        room.read(value_id(KEY), which=which)
    assert refused.value.code == S.BadTimestampsToReturnInvalid


@pytest.mark.parametrize("max_age", [-1.0, -math.inf, math.nan])
def test_a_negative_age_is_invalid(max_age: float) -> None:
    room = make()
    room.variable(KEY, ua.Variant(1.5, V.Double))
    with pytest.raises(RefusedError) as refused:
        room.read(value_id(KEY), max_age=max_age)
    assert refused.value.code == S.BadMaxAgeInvalid
    assert room.read(value_id(KEY), max_age=math.inf)[0].Value.Value == 1.5


def test_nothing_and_too_much_to_read_are_service_results() -> None:
    room = make()
    for count, code in ((0, S.BadNothingToDo), (101, S.BadTooManyOperations)):
        with pytest.raises(RefusedError) as refused:
            room.read(*[value_id(KEY)] * count)
        assert refused.value.code == code
    assert len(room.read(*[value_id(KEY)] * 100)) == 100


@pytest.mark.parametrize(
    ("text", "code", "value"),
    [
        ("1:2", S.Good, [1.0, 2.0]),
        ("abc", S.BadIndexRangeInvalid, None),
        ("2:2", S.BadIndexRangeInvalid, None),
        ("9", S.BadIndexRangeNoData, None),
    ],
)
def test_an_index_range_reads_a_part(text: str, code: int, value: Any) -> None:
    room = make()
    room.variable(KEY, ua.Variant([0.0, 1.0, 2.0], V.Double), rank=1)
    found = room.read_value(KEY, text)
    assert (found.StatusCode.value, found.Value.Value) == (code, value)


def test_a_range_of_a_bad_value_leaves_its_status() -> None:
    room = make()
    room.variable(KEY, None, status=S.BadWaitingForInitialData)
    assert room.read_value(KEY, "0").StatusCode.value == S.BadWaitingForInitialData
    assert room.read_value(KEY, "x").StatusCode.value == S.BadIndexRangeInvalid


def test_other_attributes_have_ranges_too() -> None:
    room = make()
    room.variable(KEY, ua.Variant([1.0], V.Double), rank=2, dimensions=[4, 5])
    (found,) = room.read(value_id(KEY, "1", A.ArrayDimensions))
    assert found.Value.Value == [5]


@pytest.mark.parametrize(
    ("encoding", "name", "code"),
    [
        (ua.QualifiedName("Default Binary", 0), "structure", S.Good),
        (ua.QualifiedName("Default XML", 0), "structure", S.BadDataEncodingUnsupported),
        (ua.QualifiedName("Default Binary", 1), "structure", S.BadDataEncodingUnsupported),
        (ua.QualifiedName("Default Binary", 0), "number", S.BadDataEncodingInvalid),
        (ua.QualifiedName("Nonsense", 0), "number", S.BadDataEncodingInvalid),
        (ua.QualifiedName("Default Binary", 0), "attribute", S.BadDataEncodingInvalid),
        (ua.QualifiedName("", 3), "number", S.Good),
    ],
)
def test_encodings_are_for_structures(encoding: ua.QualifiedName, name: str, code: int) -> None:
    room = make()
    room.variable(KEY, ua.Variant(1.5, V.Double))
    room.variable(KEY + 1, ua.Variant(ua.Argument(Name="a"), V.ExtensionObject), data_type=296)
    key = KEY + 1 if name == "structure" else KEY
    wanted = value_id(key, None, A.DisplayName if name == "attribute" else A.Value, encoding)
    assert room.read(wanted)[0].StatusCode.value == code


def test_texts_come_in_the_languages_of_the_session() -> None:
    room = make(texts={"Pressure": {"ru": "Давление"}})
    node = room.variable(KEY, ua.Variant(1.5, V.Double))
    node.display = ua.LocalizedText("Pressure", "en")
    assert attribute(room, A.DisplayName).Value.Value == ua.LocalizedText("Pressure", "en")
    room.session.locales = ("de", "ru")
    assert attribute(room, A.DisplayName).Value.Value == ua.LocalizedText("Давление", "ru")


def test_a_good_status_is_not_sent() -> None:
    # OPC 10000-6, 5.2.2.17: what is left out is Good; queued values are encoded in the same way.
    room = make()
    room.variable(KEY, ua.Variant(1.5, V.Double))
    answer = room.send(read_request([value_id(KEY)]))
    assert answer[28:] == b"\x01\x00\x00\x00" + b"\x01\x0b" + b"\x00\x00\x00\x00\x00\x00\xf8\x3f" + bytes(4)


def test_a_variable_without_a_value_is_null() -> None:
    room = make()
    room.add(KEY, "Node", node_class=VARIABLE)
    found = room.read_value(KEY)
    assert (found.StatusCode.value, found.Value.Value) == (S.Good, None)
