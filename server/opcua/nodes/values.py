"""Values between their encoded form in Points and the stack's objects: the slow path's codec (OPC 10000-6, 5.2.2)."""

from __future__ import annotations

import struct
from datetime import datetime
from typing import NamedTuple

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary, variant_to_binary
from asyncua.ua.uatypes import datetime_to_win_epoch, win_epoch_to_datetime

from server.opcua.datavalues import stack_status
from server.opcua.wire import Point

VALUE, STATUS, SOURCE, SERVER, SOURCE_PICO, SERVER_PICO = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
"""Bits of the encoding byte of a DataValue (OPC 10000-6, 5.2.2.17)."""

_STATUS = struct.Struct("<I")
_TIME = struct.Struct("<q")
_PICO = struct.Struct("<H")
_NULL = b"\x00"


class ValueEncodingError(ValueError):
    """A value that its type cannot carry."""


def to_ticks_of(moment: datetime | None) -> int:
    """Ticks of a time; 0 for none. The stack's times have whole microseconds, so the last digit is always 0."""
    return 0 if moment is None else datetime_to_win_epoch(moment)


def from_ticks(ticks: int) -> datetime | None:
    """The time of ticks, UTC, cut to microseconds; None for 0."""
    return win_epoch_to_datetime(ticks) if ticks else None


def encode_variant(value: ua.Variant) -> bytes:
    """A Variant as it stands on the wire.

    Raises:
        ValueEncodingError: the value is none of its type.
    """
    try:
        return bytes(variant_to_binary(value))
    except (ua.UaError, struct.error, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ValueEncodingError(str(error)) from error


def decode_variant(data: bytes) -> ua.Variant:
    """The Variant of its encoded form; nothing encoded is a null one."""
    return variant_from_binary(Buffer(data)) if data else ua.Variant(None, ua.VariantType.Null)


def _body(value: ua.DataValue) -> tuple[int, bytes]:
    """VALUE and STATUS bits, and both encoded. A null scalar and a Good status are left out."""
    flags, body = 0, b""
    if value.Value is not None:
        body = encode_variant(value.Value)
        if body == _NULL:
            body = b""
        else:
            flags = VALUE
    code = value.StatusCode.value if value.StatusCode is not None else 0
    if code:
        flags |= STATUS
        body += _STATUS.pack(code)
    return flags, body


def put_data_value(point: Point, value: ua.DataValue) -> None:
    """Replace a Point's value; picoseconds are dropped, no ServerTimestamp means "as of the reading".

    Raises:
        ValueEncodingError: the value is none of its type; nothing has changed then.
    """
    flags, body = _body(value)
    point.put(flags, body, to_ticks_of(value.SourceTimestamp), to_ticks_of(value.ServerTimestamp))


class Encoded(NamedTuple):
    """A value made ready once for many Points, as `Point.put` takes it."""

    flags: int = 0
    body: bytes = b""
    source: int = 0
    server: int = 0


def encoded(value: ua.DataValue) -> Encoded:
    """A DataValue made ready for Points. Raises ValueEncodingError."""
    return Encoded(*_body(value), to_ticks_of(value.SourceTimestamp), to_ticks_of(value.ServerTimestamp))


def new_point(value: ua.DataValue | Encoded) -> Point:
    """A Point that holds a value from the start. Raises ValueEncodingError."""
    point = Point()
    point.put(*(value if isinstance(value, Encoded) else encoded(value)))
    return point


def variant_of(point: Point) -> ua.Variant:
    """The value of a Point."""
    if point.live is not None:
        point.live()
    return decode_variant(point.variant)


def data_value(point: Point) -> ua.DataValue:
    """Value, StatusCode and times of a Point; times that it has not are None."""
    if point.live is not None:
        point.live()
    return ua.DataValue(
        decode_variant(point.variant),
        stack_status(point.status),
        SourceTimestamp=from_ticks(point.source),
        ServerTimestamp=from_ticks(point.server),
    )


def encode_data_value(value: ua.DataValue) -> bytes:
    """A whole DataValue in the order of OPC 10000-6, 5.2.2.17; picoseconds only beside their time.

    Raises:
        ValueEncodingError: the value is none of its type.
    """
    flags, body = _body(value)
    parts = [body]
    for moment, pico, time_bit, pico_bit in (
        (value.SourceTimestamp, value.SourcePicoseconds, SOURCE, SOURCE_PICO),
        (value.ServerTimestamp, value.ServerPicoseconds, SERVER, SERVER_PICO),
    ):
        ticks = to_ticks_of(moment)
        if not ticks:
            continue
        flags |= time_bit
        parts.append(_TIME.pack(ticks))
        if pico:
            flags |= pico_bit
            parts.append(_PICO.pack(pico))
    return bytes((flags,)) + b"".join(parts)
