"""Write: rights, types, ranges, status, times, devices, attributes (OPC 10000-4 v1.05 §5.11.4; OPC 10000-3 §5.6.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from server.core.clock import to_datetime
from server.core.errors import RemoteError
from server.opcua.nodes.node import OBJECT, VARIABLE_TYPE, A
from server.opcua.roles import (
    ANONYMOUS,
    BROWSE,
    ENCRYPTION_REQUIRED,
    MODE_SIGN,
    READ,
    WRITE_ATTRIBUTE,
    WRITE_HISTORIZING,
    WRITE_ROLE_PERMISSIONS,
)
from server.opcua.services.attribute import AttributeService
from server.opcua.services.limits import OperationLimits
from tests.kit.service_room import (
    NS,
    Device,
    Listening,
    RefusedError,
    Room,
    Untranslated,
    good,
    status_codes,
    write_request,
    write_value,
)

S = ua.StatusCodes
V = ua.VariantType
KEY = NS << 32 | 1
MOMENT = datetime(2024, 5, 17, 12, 0, tzinfo=UTC)


class Bench(Room):
    """A room with the Attribute service."""

    def __init__(self, role: str = "operator", mode: int = 3) -> None:
        super().__init__(role, mode)
        self.device = Device()
        self.audit = Listening()
        service = AttributeService(
            self.store,
            self.rights,
            Untranslated(),
            self.clock,
            OperationLimits(write=100),
            self.device,
            self.audit,
        )
        service.register(self.dispatcher)

    def put(self, key: Any, value: Any, index_range: str | None = None, attribute: int = 13) -> int:
        """The result of one Write."""
        (code,) = self.write(write_value(key, value, index_range, attribute))
        return code


def double(value: Any = 2.5) -> ua.Variant:
    return ua.Variant(value, V.Double)


def test_a_plain_write_sets_good_and_now() -> None:
    room = Bench()
    room.variable(KEY, double(1.0), status=S.Uncertain)
    assert room.put(KEY, double(2.5)) == S.Good
    found = room.read_value(KEY, which=2)
    now = to_datetime(room.clock.now())
    assert (found.Value.Value, found.StatusCode.value) == (2.5, S.Good)
    assert (found.SourceTimestamp, found.ServerTimestamp) == (now, now)


def test_written_status_and_times_are_read_back() -> None:
    room = Bench()
    room.variable(KEY, double(1.0))
    later = MOMENT.replace(hour=13)
    value = ua.DataValue(
        double(), ua.StatusCode(S.UncertainInitialValue), SourceTimestamp=MOMENT, ServerTimestamp=later
    )
    assert room.put(KEY, value) == S.Good
    found = room.read_value(KEY, which=2)
    assert found.StatusCode.value == S.UncertainInitialValue
    assert (found.SourceTimestamp, found.ServerTimestamp) == (MOMENT, later)


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ({"access": 1}, S.BadNotWritable),
        ({"permissions": ((ANONYMOUS, BROWSE | READ),)}, S.BadUserAccessDenied),
        ({"restrictions": ENCRYPTION_REQUIRED}, S.BadSecurityModeInsufficient),
        ({"access": 1, "permissions": ((ANONYMOUS, BROWSE),)}, S.BadNotWritable),
    ],
)
def test_who_may_not_write_changes_nothing(shape: dict[str, Any], code: int) -> None:
    room = Bench(mode=MODE_SIGN)
    node = room.variable(KEY, double(1.0), **shape)
    assert node.point is not None
    before = node.point.variant
    assert room.put(KEY, double()) == code
    assert node.point.variant == before


def test_nodes_without_a_value_are_told_apart() -> None:
    room = Bench()
    room.add(KEY, "Object", node_class=OBJECT)
    room.add(KEY + 1, "Type", node_class=VARIABLE_TYPE)
    assert room.put(KEY, double()) == S.BadAttributeIdInvalid
    assert room.put(KEY + 1, double()) == S.BadNotWritable
    assert room.put(KEY + 9, double()) == S.BadNodeIdUnknown
    assert room.put(KEY, double(), attribute=99) == S.BadAttributeIdInvalid


# A value by DataType: (DataType, Variant, fits). Built-in types exactly; abstract ones by what is below them.
TYPES: list[tuple[int, ua.Variant, bool]] = [
    (11, double(), True),
    (11, ua.Variant(1.0, V.Float), False),
    (11, ua.Variant(1, V.Int32), False),
    (11, ua.Variant(), False),
    (10, double(), False),
    (1, ua.Variant(True, V.Boolean), True),
    (6, ua.Variant(True, V.Boolean), False),
    (12, ua.Variant("a", V.String), True),
    (12, ua.Variant(None, V.String), True),
    (12, ua.Variant(b"a", V.ByteString), False),
    (13, ua.Variant(MOMENT, V.DateTime), True),
    (24, ua.Variant("a", V.String), True),
    (24, ua.Variant(), True),
    (26, ua.Variant(1, V.Byte), True),
    (26, double(), True),
    (26, ua.Variant("1", V.String), False),
    (27, ua.Variant(1, V.Int64), True),
    (27, ua.Variant(1, V.UInt16), False),
    (28, ua.Variant(1, V.UInt16), True),
    (28, double(), False),
    (29, ua.Variant(1, V.Int32), True),
    (29, ua.Variant(1, V.UInt32), False),
    (290, double(), True),
    (290, ua.Variant(1.0, V.Float), False),
    (852, ua.Variant(1, V.Int32), True),
    (852, ua.Variant(1, V.Byte), False),
    (22, ua.Variant(ua.Argument(), V.ExtensionObject), True),
    (296, ua.Variant(ua.Argument(), V.ExtensionObject), True),
    (296, ua.Variant(ua.EUInformation(), V.ExtensionObject), False),
    (296, ua.Variant(ua.ExtensionObject(ua.NodeId(5001, NS), b"\x01"), V.ExtensionObject), False),
    (296, ua.Variant(ua.ExtensionObject(), V.ExtensionObject), True),
    (296, double(), False),
]


@pytest.mark.parametrize(("data_type", "value", "fits"), TYPES)
def test_a_value_must_be_of_the_data_type(data_type: int, value: ua.Variant, fits: bool) -> None:
    room = Bench()
    room.data_type(290, 11)  # Duration
    room.data_type(852, 29)  # ServerState
    room.data_type(296, 22)  # Argument
    room.data_type(887, 22)  # EUInformation
    node = room.variable(KEY, None, data_type=data_type)
    assert node.point is not None
    assert room.put(KEY, value) == (S.Good if fits else S.BadTypeMismatch)
    if not fits:
        assert node.point.variant == b""


def test_a_structure_of_a_subtype_fits() -> None:
    room = Bench()
    room.data_type(NS << 32 | 100, 22)
    room.data_type(296, NS << 32 | 100)
    room.variable(KEY, None, data_type=NS << 32 | 100)
    assert room.put(KEY, ua.Variant(ua.Argument(), V.ExtensionObject)) == S.Good


def test_an_encoded_structure_is_known_by_its_encoding_node() -> None:
    room = Bench()
    mine, encoding = NS << 32 | 100, NS << 32 | 5001
    room.data_type(mine, 22)
    room.add(encoding, "Default Binary", node_class=OBJECT)
    room.store.link(mine, 38, encoding)
    room.variable(KEY, None, data_type=mine)
    assert room.put(KEY, ua.Variant(ua.ExtensionObject(ua.NodeId(5001, NS), b"\x01"), V.ExtensionObject)) == S.Good
    assert room.read_value(KEY).Value.Value.Body == b"\x01"


@pytest.mark.parametrize(
    ("rank", "scalar", "array", "matrix"),
    [
        (-3, True, True, False),
        (-2, True, True, True),
        (-1, True, False, False),
        (0, False, True, True),
        (1, False, True, False),
        (2, False, False, True),
        (3, False, False, False),
    ],
)
def test_a_value_must_be_of_the_rank(rank: int, scalar: bool, array: bool, matrix: bool) -> None:
    room = Bench()
    room.variable(KEY, None, rank=rank)
    for value, fits in ((2.5, scalar), ([2.5], array), ([[1.0], [2.0]], matrix)):
        assert room.put(KEY, double(value)) == (S.Good if fits else S.BadTypeMismatch), value
        if fits:
            assert room.read_value(KEY).Value.Value == value


def test_array_dimensions_bound_the_lengths() -> None:
    room = Bench()
    room.variable(KEY, None, rank=1, dimensions=[3])
    room.variable(KEY + 1, None, rank=2, dimensions=[2, 0])
    assert room.put(KEY, double([1.0, 2.0, 3.0])) == S.Good
    assert room.put(KEY, double([1.0, 2.0, 3.0, 4.0])) == S.BadTypeMismatch
    assert room.put(KEY + 1, double([[1.0] * 9] * 2)) == S.Good
    assert room.put(KEY + 1, double([[1.0]] * 3)) == S.BadTypeMismatch


def test_a_byte_string_is_taken_for_an_array_of_bytes() -> None:
    room = Bench()
    room.variable(KEY, None, data_type=3, rank=1)
    assert room.put(KEY, ua.Variant(b"\x01\x02", V.ByteString)) == S.Good
    found = room.read_value(KEY).Value
    assert (found.VariantType, found.Value) == (V.Byte, [1, 2])
    # The other way round it is another type.
    room.variable(KEY + 1, None, data_type=15)
    assert room.put(KEY + 1, ua.Variant([1, 2], V.Byte)) == S.BadTypeMismatch


def test_numbers_of_an_abstract_type_may_come_as_variants() -> None:
    room = Bench()
    room.variable(KEY, None, data_type=26, rank=1)
    mixed = [ua.Variant(1, V.Byte), ua.Variant(2.0, V.Double)]
    assert room.put(KEY, ua.Variant(mixed, V.Variant, is_array=True)) == S.Good
    wrong = [ua.Variant("1", V.String)]
    assert room.put(KEY, ua.Variant(wrong, V.Variant, is_array=True)) == S.BadTypeMismatch


def test_a_bad_value_may_be_none() -> None:
    room = Bench()
    room.variable(KEY, double(1.0))
    assert room.put(KEY, ua.DataValue(ua.Variant(), ua.StatusCode(S.BadSensorFailure))) == S.Good
    found = room.read_value(KEY)
    assert (found.Value.Value, found.StatusCode.value) == (None, S.BadSensorFailure)


@pytest.mark.parametrize(
    ("index_range", "value", "code", "whole"),
    [
        ("1:2", [8.0, 9.0], S.Good, [0.0, 8.0, 9.0]),
        ("1", [8.0], S.Good, [0.0, 8.0, 2.0]),
        ("1:2", [8.0], S.BadIndexRangeDataMismatch, None),
        ("2:3", [8.0, 9.0], S.BadIndexRangeNoData, None),
        ("x", [8.0], S.BadIndexRangeInvalid, None),
        ("1", 8.0, S.BadTypeMismatch, None),
    ],
)
def test_a_range_changes_just_these_elements(index_range: str, value: Any, code: int, whole: Any) -> None:
    room = Bench()
    room.variable(KEY, double([0.0, 1.0, 2.0]), rank=1)
    assert room.put(KEY, double(value), index_range) == code
    assert room.read_value(KEY).Value.Value == (whole or [0.0, 1.0, 2.0])


def test_operations_on_one_node_go_in_the_order_of_the_request() -> None:
    room = Bench()
    room.variable(KEY, double([0.0, 0.0]), rank=1)
    codes = room.write(
        write_value(KEY, double([1.0, 2.0])),
        write_value(KEY, double([9.0]), "0"),
        write_value(KEY, ua.Variant("x", V.String)),
    )
    assert codes == [S.Good, S.Good, S.BadTypeMismatch]
    assert room.read_value(KEY).Value.Value == [9.0, 2.0]


def test_nothing_and_too_much_to_write_are_service_results() -> None:
    room = Bench()
    for count, code in ((0, S.BadNothingToDo), (101, S.BadTooManyOperations)):
        with pytest.raises(RefusedError) as refused:
            room.write(*[write_value(KEY, double())] * count)
        assert refused.value.code == code


# -- devices


def test_a_devices_value_goes_through_its_door_and_does_not_change_before() -> None:
    room = Bench()
    node = room.variable(KEY, double(1.0), direct=False)
    assert room.put(KEY, ua.DataValue(double(), SourceTimestamp=MOMENT)) == S.Good
    assert room.device.asked == [(node.key, 2.5)]
    assert room.read_value(KEY).Value.Value == 1.0
    room.device.code = S.BadDeviceFailure
    assert room.put(KEY, double()) == S.BadDeviceFailure


@pytest.mark.parametrize(
    "more", [{"StatusCode_": ua.StatusCode(S.Uncertain)}, {"StatusCode_": None, "ServerTimestamp": MOMENT}]
)
def test_status_and_server_time_of_a_device_are_its_own(more: dict[str, Any]) -> None:
    room = Bench()
    room.variable(KEY, double(1.0), direct=False)
    value = ua.DataValue(double(), more.pop("StatusCode_"), **more)
    assert room.put(KEY, value) == S.BadWriteNotSupported
    assert room.device.asked == []


@pytest.mark.parametrize(
    ("value", "index_range", "code"),
    [
        (ua.Variant(1, V.Int32), None, S.BadTypeMismatch),
        (ua.Variant([1.0], V.Double), "0", S.BadIndexRangeNoData),
        (ua.Variant([1.0], V.Double), "no", S.BadIndexRangeInvalid),
    ],
)
def test_a_device_is_not_asked_for_what_cannot_be(value: ua.Variant, index_range: str | None, code: int) -> None:
    room = Bench()
    room.variable(KEY, double(1.0), direct=False)
    assert room.put(KEY, value, index_range) == code
    assert room.device.asked == []


async def answered(room: Bench) -> list[int]:
    for _ in range(20):
        if room.channel.sent:
            break
        await asyncio.sleep(0)
    (answer,) = room.channel.sent
    return status_codes(good(answer))


async def test_devices_are_asked_at_the_same_time_and_each_in_order() -> None:
    room = Bench()
    gates = {name: asyncio.Event() for name in ("a", "b")}
    order: list[str] = []

    def later(name: str, part: str, code: int) -> Any:
        async def answer() -> int:
            order.append(f"{name}{part} begins")
            await gates[name].wait()
            order.append(f"{name}{part} ends")
            return code

        return answer

    wanted = []
    for name, part, code in (("a", "1", 0), ("b", "1", S.BadTimeout), ("a", "2", S.BadDeviceFailure)):
        key = (NS, f"{name}/ParameterSet/{part}")
        room.variable(key, double(0.0), direct=False)
        room.device.later[key] = later(name, part, code)
        wanted.append(write_value(key, double()))
    room.variable(KEY, double(0.0))
    room.dispatcher.message(room.channel, 1, write_request([*wanted, write_value(KEY, double())]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert room.channel.sent == []
    assert order == ["a1 begins", "b1 begins"]
    gates["b"].set()
    gates["a"].set()
    assert await answered(room) == [S.Good, S.BadTimeout, S.BadDeviceFailure, S.Good]
    assert order.index("a1 ends") < order.index("a2 begins")


async def test_a_device_that_fails_gives_its_own_result() -> None:
    room = Bench()

    async def fails() -> int:
        raise RemoteError("away", status_code=S.BadNoCommunication)

    room.variable(KEY, double(0.0), direct=False)
    room.device.later[KEY] = fails
    room.dispatcher.message(room.channel, 1, write_request([write_value(KEY, double())]))
    assert await answered(room) == [S.BadNoCommunication]


async def test_a_write_that_is_cancelled_before_it_began_leaves_nothing() -> None:
    room = Bench()
    made: list[Coroutine[Any, Any, int]] = []

    def begin() -> Coroutine[Any, Any, int]:
        async def answer() -> int:
            return 0

        made.append(answer())
        return made[-1]

    room.variable(KEY, double(0.0), direct=False)
    room.device.later[KEY] = begin
    room.dispatcher.message(room.channel, 1, write_request([write_value(KEY, double())]))
    ((request,),) = room.session.pending.values()
    assert request.cancel is not None
    request.cancel()
    await room.dispatcher.stop()
    assert made[0].cr_frame is None  # closed: nobody warns that it was never awaited
    assert room.channel.sent == []


# -- other attributes

EVERYTHING = (1 << 26) - 1
TEXT = ua.Variant(ua.LocalizedText("Pressure", "en"), V.LocalizedText)


def open_node(room: Bench, bits: int, mask: int = EVERYTHING) -> Any:
    return room.variable(KEY, double(1.0), write_mask=mask, permissions=((ANONYMOUS, bits | BROWSE | READ),))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (A.DisplayName, TEXT),
        (A.Description, TEXT),
        (A.AccessRestrictions, ua.Variant(1, V.UInt16)),
        (A.MinimumSamplingInterval, ua.Variant(50.0, V.Double)),
        (A.AccessLevel, ua.Variant(1, V.Byte)),
    ],
)
def test_an_attribute_is_written_where_mask_and_permission_allow(name: ua.AttributeIds, value: ua.Variant) -> None:
    room = Bench()
    open_node(room, WRITE_ATTRIBUTE)
    version = room.store.version
    assert room.put(KEY, value, attribute=name) == S.Good
    assert room.store.version > version
    (found,) = room.read(ua.ReadValueId(ua.NodeId(1, NS), name))
    assert found.Value == value
    open_node(room, WRITE_ATTRIBUTE, mask=0)
    assert room.put(KEY, value, attribute=name) == (
        S.BadAttributeIdInvalid if name == A.Description else S.BadNotWritable
    )
    open_node(room, 0)
    assert room.put(KEY, value, attribute=name) == S.BadUserAccessDenied


def test_historizing_and_role_permissions_have_permissions_of_their_own() -> None:
    room = Bench()
    yes = ua.Variant(True, V.Boolean)
    rows = ua.Variant(
        [ua.RolePermissionType(ua.NodeId(ANONYMOUS), ua.PermissionType(BROWSE))], V.ExtensionObject, is_array=True
    )
    open_node(room, WRITE_ATTRIBUTE)
    assert room.put(KEY, yes, attribute=A.Historizing) == S.BadUserAccessDenied
    assert room.put(KEY, rows, attribute=A.RolePermissions) == S.BadUserAccessDenied
    node = open_node(room, WRITE_HISTORIZING | WRITE_ROLE_PERMISSIONS)
    assert room.put(KEY, yes, attribute=A.Historizing) == S.Good
    assert node.shape.historizing is True
    assert room.put(KEY, rows, attribute=A.RolePermissions) == S.Good
    assert node.shape.permissions == ((ANONYMOUS, BROWSE),)
    assert room.read_value(KEY).StatusCode.value == S.BadUserAccessDenied


def test_null_role_permissions_bring_the_defaults_back() -> None:
    room = Bench()
    node = open_node(room, WRITE_ROLE_PERMISSIONS)
    null = ua.Variant(None, V.ExtensionObject, is_array=True)
    assert room.put(KEY, null, attribute=A.RolePermissions) == S.Good
    assert node.shape.permissions is None


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (A.DisplayName, ua.Variant("Pressure", V.String), S.BadTypeMismatch),
        (A.DisplayName, ua.DataValue(TEXT, ua.StatusCode(S.Uncertain)), S.BadWriteNotSupported),
        (A.DisplayName, ua.DataValue(TEXT, None, ServerTimestamp=MOMENT), S.BadWriteNotSupported),
        (A.Historizing, ua.Variant([True], V.Boolean), S.BadTypeMismatch),
        (A.AccessRestrictions, ua.Variant(0x100, V.UInt16), S.BadOutOfRange),
        (A.RolePermissions, ua.Variant([ua.Argument()], V.ExtensionObject), S.BadTypeMismatch),
        (A.NodeId, ua.Variant(ua.NodeId(5), V.NodeId), S.BadWriteNotSupported),
        (A.EventNotifier, ua.Variant(1, V.Byte), S.BadAttributeIdInvalid),
    ],
)
def test_a_wrong_attribute_value_changes_nothing(name: ua.AttributeIds, value: Any, code: int) -> None:
    room = Bench()
    node = open_node(room, WRITE_ATTRIBUTE | WRITE_HISTORIZING | WRITE_ROLE_PERMISSIONS)
    shape = node.shape
    assert room.put(KEY, value, attribute=name) == code
    assert (node.shape, node.display) == (shape, None)


# -- audit


def test_the_audit_hears_of_what_was_written_and_refused() -> None:
    room = Bench()
    node = room.variable(KEY, double(1.0))
    room.put(KEY, double(2.0))
    assert room.audit.writes == []  # nobody listens
    room.audit.wanted = True
    room.put(KEY, double(3.0))
    room.put(KEY, ua.Variant("x", V.String), "1")
    (first, second) = room.audit.writes
    assert (first[0], first[1], first[2], first[3].Value, first[4].Value.Value, first[5]) == (
        node,
        13,
        None,
        2.0,
        3.0,
        0,
    )
    assert (second[2], second[3].Value, second[5]) == ("1", 3.0, S.BadIndexRangeNoData)
