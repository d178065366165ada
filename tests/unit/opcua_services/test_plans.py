"""Plans: what they answer themselves, what they leave to the service, and when they forget (design: same answers).

That both ways answer alike is shown by tests/fuzz/test_two_paths.py; here stands which requests go the fast way at all.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import wire_of
from server.opcua.nodes.node import OBJECT, Node
from server.opcua.roles import ENCRYPTION_REQUIRED, ROLE_NAMES, SECRET
from server.opcua.services.context import Request
from server.opcua.services.dispatch import NOT_MINE
from server.opcua.services.simple_method import SimpleMethod
from server.opcua.wire.call_plan import CallPlans
from server.opcua.wire.headers import read_header
from server.opcua.wire.plans import Kept, ReadPlans
from server.opcua.wire.write_plan import WritePlans
from tests.kit.service_room import (
    NS,
    Listening,
    Room,
    data_values,
    good,
    head,
    read_request,
    status_codes,
    value_id,
    write_request,
    write_value,
)

V = ua.VariantType
KEY = NS << 32 | 1
MOMENT = datetime(2024, 5, 17, 12, 0, tzinfo=UTC)
TICKS = 133_000_000_000_000_000
OWNER, METHOD = NS << 32 | 50, NS << 32 | 51


class Bench(Room):
    """A room with plans and nothing behind them."""

    def __init__(self, role: str = "operator", mode: int = 3) -> None:
        super().__init__(role, mode)
        self.audit = Listening()
        self.reads = ReadPlans(self.store, self.clock, 10)
        self.writes = WritePlans(self.store, self.clock, self.audit, 10)
        self.methods = {(OWNER, METHOD): SimpleMethod((11, 6), (11,), lambda number, times: (number * times,))}
        self.calls = CallPlans(self.store, self.clock, self.audit, self.methods, 10)

    def ask(self, body: bytes) -> Request:
        """A request as the dispatcher makes it."""
        request = Request(self.channel, 1, 7, body, read_header(body)[3], "")
        request.session = self.session
        return request

    def fast_read(self, *wanted: ua.ReadValueId, **more: Any) -> bytes:
        return self.reads(self.ask(read_request(wanted, **more)))

    def fast_write(self, *wanted: ua.WriteValue) -> bytes:
        return self.writes(self.ask(write_request(wanted)))

    def doubles(self, count: int) -> list[Node]:
        return [self.variable(KEY + index, double(float(index)), times=(TICKS, TICKS + 10)) for index in range(count)]


def double(value: Any = 2.5) -> ua.Variant:
    return ua.Variant(value, V.Double)


# -- Read


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_values_are_joined_with_the_times_asked_for(which: int) -> None:
    room = Bench()
    room.doubles(3)
    for _ in range(2):
        found = data_values(good(room.fast_read(*[value_id(KEY + index) for index in range(3)], which=which)))
        assert [each.Value.Value for each in found] == [0.0, 1.0, 2.0]
        assert {each.SourceTimestamp is not None for each in found} == {which in (0, 2)}
        assert {each.ServerTimestamp is not None for each in found} == {which in (1, 2)}


@pytest.mark.parametrize(
    "wanted",
    [
        value_id(KEY + 9),
        value_id(KEY, "0"),
        value_id(KEY, attribute=4),
        value_id(KEY, encoding=ua.QualifiedName("Default Binary", 0)),
        value_id(KEY + 1),
        value_id(KEY + 2),
        value_id(KEY + 3),
        value_id(OWNER),
    ],
)
def test_a_read_that_is_not_plain_is_left_to_the_service(wanted: ua.ReadValueId) -> None:
    room = Bench(mode=2)
    room.doubles(1)
    room.variable(KEY + 1, double(), access=2)
    room.variable(KEY + 2, double(), permissions=SECRET)
    room.variable(KEY + 3, double(), restrictions=ENCRYPTION_REQUIRED)
    room.add(OWNER, "Object", node_class=OBJECT)
    assert room.fast_read(value_id(KEY)) is not NOT_MINE
    assert room.fast_read(value_id(KEY), wanted) is NOT_MINE


def test_arguments_of_the_whole_read_are_judged_by_the_service() -> None:
    room = Bench()
    room.doubles(11)
    assert room.fast_read() is NOT_MINE
    assert room.fast_read(*[value_id(KEY)] * 11) is NOT_MINE
    assert room.fast_read(value_id(KEY), which=4) is NOT_MINE
    assert room.fast_read(value_id(KEY), max_age=-1.0) is NOT_MINE
    assert room.fast_read(value_id(KEY), max_age=float("nan")) is NOT_MINE
    whole = read_request([value_id(KEY)])
    assert room.reads(room.ask(whole[:-1])) is NOT_MINE
    assert room.reads(room.ask(whole + b"\x00")) is NOT_MINE


def test_a_kept_plan_serves_nobody_with_other_rights() -> None:
    room = Bench("admin")
    room.variable(KEY, double(), permissions=SECRET)
    assert room.fast_read(value_id(KEY)) is not NOT_MINE
    room.session.audience = room.rights.audience(ROLE_NAMES["operator"], 3)
    assert room.fast_read(value_id(KEY)) is NOT_MINE


def test_a_changed_address_space_ends_every_plan() -> None:
    room = Bench()
    (node,) = room.doubles(1)
    assert room.fast_read(value_id(KEY)) is not NOT_MINE
    assert room.fast_write(write_value(KEY, double())) is not NOT_MINE
    room.store.reshape(node, access=0)
    assert room.fast_read(value_id(KEY)) is NOT_MINE
    assert room.fast_write(write_value(KEY, double())) is NOT_MINE
    room.store.reshape(node, access=3)
    room.store.remove([KEY])
    assert room.fast_read(value_id(KEY)) is NOT_MINE


# -- Write


@pytest.mark.parametrize(
    ("kind", "value"),
    [(1, True), (2, -1), (3, 1), (4, -2), (5, 2), (6, -3), (7, 3), (8, -4), (9, 4), (10, 1.5), (11, 2.5)],
)
def test_numbers_of_every_type_are_stored(kind: int, value: Any) -> None:
    room = Bench()
    for index in range(3):
        room.variable(KEY + index, None, data_type=kind)
    wanted = [write_value(KEY + index, ua.Variant(value, V(kind))) for index in range(3)]
    assert status_codes(good(room.fast_write(*wanted))) == [0, 0, 0]
    for each in data_values(good(room.fast_read(*[value_id(KEY + index) for index in range(3)]))):
        assert (each.Value.VariantType, each.Value.Value) == (V(kind), value)


def test_status_and_times_are_stored_row_by_row() -> None:
    room = Bench()
    room.doubles(3)
    codes = [0, int(ua.StatusCodes.Uncertain), 0]
    wanted = [
        write_value(
            KEY + index,
            ua.DataValue(
                double(float(index)),
                ua.StatusCode(code),
                SourceTimestamp=MOMENT + timedelta(seconds=index),
                ServerTimestamp=MOMENT,
            ),
        )
        for index, code in enumerate(codes)
    ]
    assert status_codes(good(room.fast_write(*wanted))) == [0, 0, 0]
    found = data_values(good(room.fast_read(*[value_id(KEY + index) for index in range(3)], which=2)))
    assert [each.StatusCode.value for each in found] == codes
    assert [each.SourceTimestamp for each in found] == [MOMENT + timedelta(seconds=index) for index in range(3)]
    assert [each.ServerTimestamp for each in found] == [MOMENT] * 3


def test_rows_of_different_layouts_are_stored_too() -> None:
    room = Bench()
    room.doubles(1)
    room.variable((NS, "a/b"), double(0.0))
    room.variable(KEY + 5, None, data_type=3)
    codes = room.fast_write(
        write_value(KEY, double(7.0)),
        write_value((NS, "a/b"), ua.DataValue(double(8.0), SourceTimestamp=MOMENT)),
        write_value(KEY + 5, ua.Variant(9, V.Byte)),
    )
    assert status_codes(good(codes)) == [0, 0, 0]
    found = data_values(good(room.fast_read(value_id(KEY), value_id((NS, "a/b")), value_id(KEY + 5))))
    assert [each.Value.Value for each in found] == [7.0, 8.0, 9]


@pytest.mark.parametrize(
    "wanted",
    [
        write_value(KEY + 9, double()),
        write_value(KEY, ua.Variant(1, V.Int32)),
        write_value(KEY, double([1.0])),
        write_value(KEY, double(), "0"),
        write_value(KEY, double(), attribute=4),
        write_value(KEY, ua.DataValue(ua.Variant(), None)),
        write_value(KEY, ua.DataValue(double(), None, SourceTimestamp=MOMENT, SourcePicoseconds=1)),
        write_value(KEY + 1, double()),
        write_value(KEY + 2, double()),
        write_value(KEY + 3, double()),
        write_value(KEY + 4, double([1.0])),
    ],
)
def test_a_write_that_is_not_plain_changes_nothing_and_is_left_to_the_service(wanted: ua.WriteValue) -> None:
    room = Bench()
    (node,) = room.doubles(1)
    room.variable(KEY + 1, double(), access=1)
    room.variable(KEY + 2, double(), permissions=SECRET)
    room.variable(KEY + 3, double(), direct=False)
    room.variable(KEY + 4, double([1.0]), rank=1)
    assert node.point is not None
    before = node.point.encoded(2, 0)
    assert room.fast_write(write_value(KEY, double(9.0)), wanted) is NOT_MINE
    assert node.point.encoded(2, 0) == before
    assert room.fast_write(write_value(KEY, double(9.0))) is not NOT_MINE


@pytest.mark.parametrize("ticks", [-1, 2_650_467_743_990_000_000, 2**63 - 1])
def test_times_that_the_stack_cuts_are_left_to_the_service(ticks: int) -> None:
    room = Bench()
    (node,) = room.doubles(1)
    assert node.point is not None
    before = node.point.encoded(2, 0)
    row = wire_of(KEY) + struct.pack("<IiBBdq", 13, -1, 5, 11, 2.5, ticks)
    for count in (1, 2):
        body = head("Write") + struct.pack("<i", count) + row * count
        assert room.writes(room.ask(body)) is NOT_MINE
    assert node.point.encoded(2, 0) == before


def test_nothing_is_written_past_a_listening_audit() -> None:
    room = Bench()
    room.doubles(1)
    room.audit.wanted = True
    assert room.fast_write(write_value(KEY, double())) is NOT_MINE


# -- Call


def call(*arguments: bytes, owner: int = OWNER, method: int = METHOD) -> bytes:
    rows = wire_of(owner) + wire_of(method) + struct.pack("<i", len(arguments)) + b"".join(arguments)
    return head("Call") + struct.pack("<i", 1) + rows


NUMBER, TIMES = struct.pack("<Bd", 11, 2.5), struct.pack("<Bi", 6, 3)


def test_a_method_that_computes_is_called_from_bytes() -> None:
    room = Bench()
    room.method(OWNER, METHOD)
    answer = good(room.calls(room.ask(call(NUMBER, TIMES))))
    # One result: Good, no argument results, no diagnostics, one Double.
    assert answer == struct.pack("<iIiiiBdi", 1, 0, 0, 0, 1, 11, 7.5, 0)


@pytest.mark.parametrize(
    "body",
    [
        call(),
        call(NUMBER),
        call(TIMES, NUMBER),
        call(NUMBER, TIMES, TIMES),
        call(NUMBER, TIMES, method=METHOD + 1),
        call(NUMBER, TIMES, owner=OWNER + 9),
        call(NUMBER, TIMES) + b"\x00",
        call(NUMBER, TIMES)[:-1],
    ],
    ids=["none", "too few", "wrong types", "too many", "other method", "other object", "bytes behind", "cut off"],
)
def test_a_call_that_is_not_plain_is_left_to_the_service(body: bytes) -> None:
    room = Bench()
    room.method(OWNER, METHOD)
    assert room.calls(room.ask(body)) is NOT_MINE


def test_a_call_keeps_to_rights_and_audit() -> None:
    room = Bench()
    node = room.method(OWNER, METHOD)
    body = call(NUMBER, TIMES)
    assert room.calls(room.ask(body)) is not NOT_MINE
    room.store.reshape(node, executable=False)
    assert room.calls(room.ask(body)) is NOT_MINE
    room.store.reshape(node, executable=True, permissions=SECRET)
    assert room.calls(room.ask(body)) is NOT_MINE
    room.session.audience = room.rights.audience(ROLE_NAMES["admin"], 3)
    assert room.calls(room.ask(body)) is not NOT_MINE
    room.audit.wanted = True
    assert room.calls(room.ask(body)) is NOT_MINE


# -- bounds


def test_what_is_kept_stays_within_its_bytes_and_what_is_used_stays() -> None:
    kept: Kept[int] = Kept(1000)
    for number in range(1000):
        kept.put(number, number, 100)
        kept.get(0)
    assert len(kept) <= 10
    assert kept.get(0) == 0
    assert kept.get(5) is None
    kept.put("large", 1, 501)
    assert kept.get("large") is None
