"""Encoded DataValues against hand calculation and the stack's codec (OPC 10000-6, 5.2.2.16 and 5.2.2.17)."""

from __future__ import annotations

import math
import struct
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from server.opcua.wire.points import BOTH, NEITHER, SERVER_ONLY, SOURCE_ONLY, with_status_bits
from server.opcua.wire.values import FORMATS, canonical, numbers
from tests.kit.twins import TYPED

BAD = 0x80310000
UNCERTAIN = 0x40900000
T1, T2 = 133_500_000_000_000_010, 133_500_000_000_000_020  # whole microseconds, as the stack has them
NAN = struct.pack("<Bd", 11, math.nan)
OTHER_NAN = b"\x0b" + bytes.fromhex("010000000000f8ff")


def stack_bytes(value: ua.Variant | None, status: int, source: int, server: int) -> bytes:
    """What the stack's codec makes of it."""

    def moment(ticks: int) -> datetime | None:
        return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10) if ticks else None

    # A null StatusCode is left out by the codec, as ours leaves out Good.
    return struct_to_binary(
        ua.DataValue(
            value,
            ua.StatusCode(status) if status else None,
            SourceTimestamp=moment(source),
            ServerTimestamp=moment(server),
        )
    )


def test_a_new_point_has_nothing(twin: Any) -> None:
    point = twin.Point()
    assert (point.flags, point.body, point.source, point.server, point.wire) == (0, b"", 0, 0, b"")
    assert point.encoded(BOTH, 0) == b"\x00"
    assert point.encoded(BOTH, T1) == b"\x08" + T1.to_bytes(8, "little")  # as of the reading


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (1, True), (2, -128), (3, 255), (4, -32768), (5, 65535), (6, -(2**31)), (7, 2**32 - 1), (8, -(2**63)),
        (9, 2**64 - 1), (10, 1.5), (11, -0.1), (12, "Привет"), (15, b"\x00\xff"), (12, ""),
        (12, "a text that is longer than what a compiled point keeps in itself"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [0, BAD, UNCERTAIN])
@pytest.mark.parametrize("source", [0, T1])
def test_scalars_are_what_the_stack_encodes(twin: Any, kind: int, value: Any, status: int, source: int) -> None:
    point = twin.Point()
    point.put_scalar(kind, value, status, source, T2)
    whole = stack_bytes(ua.Variant(value, ua.VariantType(kind)), status, source, T2)
    assert point.wire == whole == point.encoded(BOTH, 5)
    assert point.status == status
    assert whole.startswith(bytes((whole[0],)) + point.variant)
    assert (point.source, point.server) == (source, T2)
    none = stack_bytes(ua.Variant(value, ua.VariantType(kind)), status, 0, 0)
    assert point.encoded(NEITHER, 5) == none
    assert point.encoded(SOURCE_ONLY, 5) == stack_bytes(ua.Variant(value, ua.VariantType(kind)), status, source, 0)
    assert point.encoded(SERVER_ONLY, 5) == stack_bytes(ua.Variant(value, ua.VariantType(kind)), status, 0, T2)


def test_no_value_and_a_good_status_take_no_room(twin: Any) -> None:
    point = twin.Point()
    point.put_scalar(11, None, BAD, 0, T1)
    assert point.wire == b"\x0a" + BAD.to_bytes(4, "little") + T1.to_bytes(8, "little")
    assert point.variant == b""
    point.put(3, b"\x03\x07" + bytes(4), 0, T1)
    assert point.wire == b"\x09\x03\x07" + T1.to_bytes(8, "little")
    assert (point.flags, point.status) == (1, 0)


def test_a_value_without_server_time_is_as_of_the_reading(twin: Any) -> None:
    point = twin.Point()
    point.put_scalar(3, 7, 0, T1, 0)
    assert point.wire == b""
    assert point.encoded(BOTH, T2) == b"\x0d\x03\x07" + T1.to_bytes(8, "little") + T2.to_bytes(8, "little")
    assert point.encoded(SERVER_ONLY, T2) == b"\x09\x03\x07" + T2.to_bytes(8, "little")
    assert twin.join_values([point], BOTH, T2) == point.encoded(BOTH, T2)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(3, 256), (3, -1), (2, 128), (5, 70000), (6, 2**31), (7, -1), (8, 2**63), (9, -1), (9, 2**64), (10, 1e39),
     (11, "1"), (6, 1.5), (7, None), (12, b"x"), (15, "x"), (12, "\ud800"), (22, 1), (13, "now")],
)  # fmt: skip
def test_a_value_outside_its_type_is_refused_and_changes_nothing(twin: Any, kind: int, value: Any) -> None:
    point, other = twin.Point(), twin.Point()
    point.put_scalar(11, 1.0, 0, T1, T1)
    before = point.wire
    if value is not None:
        with pytest.raises(struct.error):
            point.put_scalar(kind, value, 0, T2, T2)
    if kind in FORMATS:
        good = {1: True, 10: 1.0, 11: 1.0}.get(kind, 1)
        with pytest.raises(struct.error):
            twin.put_scalars([other, point], kind, [good, value], T2, T2)
    assert point.wire == before
    assert other.wire == b""


@pytest.mark.parametrize("kind", sorted(FORMATS))
@pytest.mark.parametrize("count", [1, 5, 6, 40])
@pytest.mark.parametrize(("source", "server"), [(T1, T2), (0, T2), (T1, 0)])
def test_many_scalars_are_as_many_single_ones(twin: Any, kind: int, count: int, source: int, server: int) -> None:
    values: list[Any] = [n % 100 for n in range(count)]
    if kind in (10, 11):
        values = [n / 8 for n in range(count)]
        values[-1] = math.nan
    many, single = [twin.Point() for _ in values], [twin.Point() for _ in values]
    for _ in range(2):
        twin.put_scalars(many, kind, values, source, server)
        for point, value in zip(single, values, strict=True):
            point.put_scalar(kind, value, 0, source, server)
        assert [p.encoded(BOTH, 9) for p in many] == [p.encoded(BOTH, 9) for p in single]
        assert [p.body for p in many] == [p.body for p in single]
        values = values[::-1]


def test_as_many_values_as_points(twin: Any) -> None:
    points = [twin.Point(), twin.Point()]
    with pytest.raises(ValueError):
        twin.put_scalars(points, 11, [1.0], T1, T1)
    with pytest.raises(ValueError):
        twin.put_scalars(points, 12, ["a", "b"], T1, T1)
    with pytest.raises(ValueError):
        points[0].put(2, b"\x01", 0, 0)
    assert [p.wire for p in points] == [b"", b""]


def test_a_live_point_is_brought_up_to_date_once_a_reading(twin: Any) -> None:
    point = twin.Point()
    point.put_scalar(7, 0, 0, T1, T1)
    calls = 0

    def live() -> None:
        nonlocal calls
        calls += 1
        point.put_scalar(7, calls, 0, T1, T1)

    point.live = live
    assert point.wire == b""
    assert point.encoded(NEITHER, 0) == b"\x01\x07\x01\x00\x00\x00"
    assert twin.join_values([point, point], NEITHER, 0) == b"\x01\x07\x02\x00\x00\x00\x01\x07\x03\x00\x00\x00"
    assert twin.join_values([point], BOTH, 0)[:6] == b"\x0d\x07\x04\x00\x00\x00"
    assert calls == 4
    twin.put_scalars([point] * 8, 7, [9] * 8, T2, T2)
    assert point.wire == b""
    point.live = None
    assert point.wire == b"\x0d\x07\x09\x00\x00\x00" + T2.to_bytes(8, "little") * 2


def test_joined_values_are_the_single_ones(twin: Any) -> None:
    points = [twin.Point() for _ in range(4)]
    points[0].put_scalar(11, 2.5, 0, T1, T2)
    points[1].put_scalar(12, "long " * 50, BAD, T1, T2)
    points[2].put_scalar(11, None, BAD, 0, 0)
    for which in (SOURCE_ONLY, SERVER_ONLY, BOTH, NEITHER):
        assert twin.join_values(points, which, 77) == b"".join(p.encoded(which, 77) for p in points)
    assert twin.join_values([], BOTH, 1) == b""


def test_a_point_with_a_double_is_small(twin: Any) -> None:
    point = twin.Point()
    point.put_scalar(11, 2.5, 0, T1, T2)
    inside = [] if twin is TYPED else [point._head, point.wire]  # the compiled one has them in itself
    assert sys.getsizeof(point) + sum(map(sys.getsizeof, inside)) <= 200


@pytest.mark.parametrize("flags", range(16))
@pytest.mark.parametrize("bits", [0x480, 0x4000])
def test_status_bits_leave_value_and_times_alone(flags: int, bits: int) -> None:
    value, status, source, server = b"\x05\x01\x02", BAD.to_bytes(4, "little"), b"S" * 8, b"T" * 8
    parts = [value, status, source, server]
    wire = bytes((flags,)) + b"".join(part for bit, part in enumerate(parts) if flags >> bit & 1)
    was = BAD if flags & 2 else 0
    parts[1] = (was | bits).to_bytes(4, "little")
    expected = bytes((flags | 2,)) + b"".join(part for bit, part in enumerate(parts) if (flags | 2) >> bit & 1)
    assert with_status_bits(wire, bits) == expected


def test_numbers_of_a_variant() -> None:
    assert numbers(b"\x0b" + struct.pack("<d", 1.5)) == (1.5,)
    assert numbers(b"\x84\x02\x00\x00\x00" + struct.pack("<hh", -1, 2)) == (-1, 2)
    assert numbers(b"\x84\xff\xff\xff\xff") == ()
    assert numbers(b"\x0c\x00\x00\x00\x00") is None  # a String has none
    assert numbers(b"\x0d" + bytes(8)) is None  # nor has a DateTime a deadband


@pytest.mark.parametrize(
    "broken",
    [b"", b"\x0b", b"\x0b\x00", b"\x84", b"\x84\x01", b"\x84\x03\x00\x00\x00\x01", b"\x8b\xff\xff\xff\x7f", b"\xff"],
)
def test_broken_variants_have_no_numbers(broken: bytes) -> None:
    assert numbers(broken) is None
    assert canonical(1, broken) == b"\x01" + broken


def test_equal_values_have_one_form() -> None:
    """OPC 10000-4, 7.10: one NaN; null and empty arrays, Strings and ByteStrings are the same."""
    assert canonical(1, OTHER_NAN) == canonical(1, NAN)
    assert canonical(3, OTHER_NAN + b"abcd") == canonical(3, NAN + b"abcd")
    assert canonical(1, b"\x0c\xff\xff\xff\xff") == canonical(1, b"\x0c\x00\x00\x00\x00")
    assert canonical(1, b"\x86\xff\xff\xff\xff") == canonical(1, b"\x86\x00\x00\x00\x00")
    assert canonical(1, b"\x8b\x01\x00\x00\x00" + OTHER_NAN[1:]) == b"\x01\x8b\x01\x00\x00\x00" + NAN[1:]
    infinity = struct.pack("<Bd", 11, -math.inf)
    assert canonical(1, infinity) == b"\x01" + infinity
