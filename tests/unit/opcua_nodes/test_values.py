"""DataValues between Points and the stack's objects: nothing is lost, and the bytes are the standard's."""

from __future__ import annotations

import math
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, variant_to_binary
from hypothesis import given
from hypothesis import strategies as st

from server.opcua.nodes.values import (
    ValueEncodingError,
    data_value,
    decode_variant,
    encode_data_value,
    encode_variant,
    from_ticks,
    new_point,
    put_data_value,
    to_ticks_of,
    variant_of,
)
from server.opcua.wire import Point

V = ua.VariantType
TIME = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)


def whole(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


SCALARS: dict[ua.VariantType, st.SearchStrategy[Any]] = {
    V.Boolean: st.booleans(),
    V.SByte: whole(-(2**7), 2**7 - 1),
    V.Byte: whole(0, 2**8 - 1),
    V.Int16: whole(-(2**15), 2**15 - 1),
    V.UInt16: whole(0, 2**16 - 1),
    V.Int32: whole(-(2**31), 2**31 - 1),
    V.UInt32: whole(0, 2**32 - 1),
    V.Int64: whole(-(2**63), 2**63 - 1),
    V.UInt64: whole(0, 2**64 - 1),
    V.Float: st.floats(width=32, allow_nan=False),
    V.Double: st.floats(allow_nan=False),
    V.String: st.text(max_size=40),
    V.ByteString: st.binary(max_size=40),
    V.Guid: st.uuids(),
    V.DateTime: st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    V.NodeId: st.builds(ua.NodeId, whole(0, 2**32 - 1), whole(0, 2**16 - 1)),
    V.QualifiedName: st.builds(ua.QualifiedName, st.text(max_size=10), whole(0, 99)),
    V.LocalizedText: st.builds(ua.LocalizedText, st.text(max_size=10), st.sampled_from(["en", "ru", None])),
    V.StatusCode: st.builds(ua.StatusCode, whole(0, 2**32 - 1)),
}


@st.composite
def variants(draw: st.DrawFn) -> ua.Variant:
    kind = draw(st.sampled_from(list(SCALARS)))
    if draw(st.booleans()):
        return ua.Variant(draw(SCALARS[kind]), kind)
    return ua.Variant(draw(st.lists(SCALARS[kind], max_size=5)), kind, is_array=True)


TIMES = st.none() | st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@st.composite
def data_values(draw: st.DrawFn) -> ua.DataValue:
    return ua.DataValue(
        draw(variants()),
        ua.StatusCode(draw(st.sampled_from([0, 0x40000000, 0x80000000, 0x80320000, 0x480]))),
        SourceTimestamp=draw(TIMES),
        ServerTimestamp=draw(TIMES),
    )


@given(variants())
def test_a_variant_travels_as_the_stack_sends_it(variant: ua.Variant) -> None:
    wire = encode_variant(variant)
    assert wire == variant_to_binary(variant)
    assert decode_variant(wire) == variant


@given(data_values())
def test_a_data_value_survives_the_point_and_the_stack_reads_it_back(value: ua.DataValue) -> None:
    point = new_point(value)
    assert data_value(point) == value
    assert variant_of(point) == value.Value
    wire = encode_data_value(value)
    assert struct_from_binary(ua.DataValue, Buffer(wire)) == value
    # The slow path's bytes are the fast path's, for every choice of times.
    assert point.encoded(2, 0) == wire
    assert encode_data_value(data_value(point)) == wire


def test_fields_stand_in_the_order_of_the_standard() -> None:
    # OPC 10000-6, 5.2.2.17: value, status, source time, source picoseconds, server time, server picoseconds.
    value = ua.DataValue(
        ua.Variant(7, V.Int32),
        ua.StatusCode(0x80000000),
        SourceTimestamp=TIME,
        ServerTimestamp=TIME + timedelta(seconds=1),
        SourcePicoseconds=11,
        ServerPicoseconds=12,
    )
    ticks = to_ticks_of(TIME)
    assert encode_data_value(value) == struct.pack(
        "<BBiIqHqH", 0x3F, 6, 7, 0x80000000, ticks, 11, ticks + 10_000_000, 12
    )


def test_good_and_null_are_left_out() -> None:
    assert encode_data_value(ua.DataValue(ua.Variant(True, V.Boolean))) == b"\x01\x01\x01"
    assert encode_data_value(ua.DataValue(ua.Variant(None, V.Null))) == b"\x00"
    assert encode_data_value(ua.DataValue()) == b"\x00"
    # A null array is a value: its type is told.
    assert encode_data_value(ua.DataValue(ua.Variant(None, V.Int32, is_array=True)))[0] == 1


def test_picoseconds_without_their_time_are_left_out() -> None:
    value = ua.DataValue(ua.Variant(1, V.Byte), SourcePicoseconds=5, ServerPicoseconds=6)
    assert encode_data_value(value) == b"\x01\x03\x01"


def test_a_value_that_its_type_cannot_carry_changes_nothing() -> None:
    point = new_point(ua.DataValue(ua.Variant(1, V.Byte), SourceTimestamp=TIME))
    before = (point.flags, point.body, point.source)
    for wrong in (ua.Variant(300, V.Byte), ua.Variant("x", V.Int32), ua.Variant([1, "x"], V.Int32, is_array=True)):
        with pytest.raises(ValueEncodingError):
            put_data_value(point, ua.DataValue(wrong))
    assert (point.flags, point.body, point.source) == before


def test_times_that_are_none_and_the_ends_of_time() -> None:
    assert to_ticks_of(None) == 0
    assert from_ticks(0) is None
    assert to_ticks_of(datetime(1970, 1, 1, tzinfo=UTC)) == 116_444_736_000_000_000
    assert from_ticks(to_ticks_of(TIME)) == TIME
    # OPC 10000-6, 5.2.2.5: before 1601 is 0, from the end of 9999 on the largest number.
    assert to_ticks_of(datetime(1500, 1, 1, tzinfo=UTC)) == 0
    assert to_ticks_of(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == 2**63 - 1


def test_a_structure_of_an_unknown_type_comes_out_as_it_went_in() -> None:
    unknown = ua.ExtensionObject(ua.NodeId(4711, 9), b"\x01\x02\x03")
    wire = encode_variant(ua.Variant(unknown, V.ExtensionObject))
    assert encode_variant(decode_variant(wire)) == wire


def test_a_matrix_keeps_its_dimensions() -> None:
    matrix = ua.Variant([[1, 2, 3], [4, 5, 6]], V.Int32, Dimensions=[2, 3])
    assert decode_variant(encode_variant(matrix)) == matrix


def test_not_a_number_and_guids_stay_what_they_are() -> None:
    assert math.isnan(decode_variant(encode_variant(ua.Variant(math.nan, V.Double))).Value)
    guid = uuid.uuid4()
    assert decode_variant(encode_variant(ua.Variant(guid, V.Guid))).Value == guid


def test_a_live_point_is_brought_up_to_date_before_it_is_read() -> None:
    point = Point()
    count = iter(range(1, 10))
    point.live = lambda: point.put_scalar(6, next(count), 0, 5, 5)
    assert variant_of(point).Value == 1
    assert data_value(point).Value.Value == 2
