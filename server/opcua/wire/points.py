"""A value in its encoded form: made once a change, joined into every answer (OPC 10000-6, 5.2.2.17)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.opcua.wire.items import Item

VALUE, STATUS, SOURCE, SERVER_TIME = 1, 2, 4, 8
"""Bits of the encoding byte of a DataValue."""
SOURCE_ONLY, SERVER_ONLY, BOTH, NEITHER = 0, 1, 2, 3
"""TimestampsToReturn."""

_TIME = struct.Struct("<q")
_STATUS = struct.Struct("<I")
_I32 = struct.Struct("<i")
PACKERS: dict[int, Callable[..., bytes]] = {
    1: struct.Struct("<B?").pack,
    2: struct.Struct("<Bb").pack,
    3: struct.Struct("<BB").pack,
    4: struct.Struct("<Bh").pack,
    5: struct.Struct("<BH").pack,
    6: struct.Struct("<Bi").pack,
    7: struct.Struct("<BI").pack,
    8: struct.Struct("<Bq").pack,
    9: struct.Struct("<BQ").pack,
    10: struct.Struct("<Bf").pack,
    11: struct.Struct("<Bd").pack,
    13: struct.Struct("<Bq").pack,
    19: struct.Struct("<BI").pack,
}
"""Scalars of fixed size by built-in type, as (type, value) -> Variant; a DateTime is given in ticks."""


def variant(kind: int, value: Any) -> bytes:
    """A scalar Variant of a fixed-size type, a String (12) or a ByteString (15).

    Raises:
        struct.error: the value is outside the type's range.
    """
    packer = PACKERS.get(kind)
    if packer is not None:
        return packer(kind, value)
    content = value.encode() if kind == 12 else value
    return bytes((kind,)) + _I32.pack(len(content)) + content


class Point:
    """One value with status and times, encoded. `body` is Variant and StatusCode as they stand on the wire.

    `flags` tells which of both the body has. `source` and `server` are ticks; a `server` of 0 means that the value is
    as of the moment it is read. `live`, when there is one, brings the point up to date before each reading.
    """

    __slots__ = ("__weakref__", "body", "flags", "items", "live", "server", "source", "wire")

    def __init__(self) -> None:
        self.flags = 0
        self.body = b""
        self.source = 0
        self.server = 0
        self.wire = b""  # whole DataValue with both times; empty when it cannot be kept (`server` 0, or `live`)
        self.items: list[Item] | None = None
        self.live: Callable[[], None] | None = None

    def put(self, flags: int, body: bytes, source: int, server: int) -> None:
        """Replace the value; monitored items hear of it. `flags` has VALUE and STATUS only."""
        changed = flags != self.flags or body != self.body
        self.flags = flags
        self.body = body
        self.source = source
        self.server = server
        if server and self.live is None:
            if source:
                self.wire = bytes((flags | 12,)) + body + _TIME.pack(source) + _TIME.pack(server)
            else:
                self.wire = bytes((flags | 8,)) + body + _TIME.pack(server)
        else:
            self.wire = b""
        items = self.items
        if items is not None:
            for item in items:
                if not item.dirty and (changed or item.timestamps):
                    item.touch(server)

    def put_scalar(self, kind: int, value: Any, status: int, source: int, server: int) -> None:
        """Replace the value by a scalar (see `variant`); None is no value.

        Raises:
            struct.error: the value is outside the type's range; nothing has changed then.
        """
        flags, body = (0, b"") if value is None else (VALUE, variant(kind, value))
        if status:
            flags |= STATUS
            body += _STATUS.pack(status)
        self.put(flags, body, source, server)

    def encoded(self, which: int, now: int) -> bytes:
        """The DataValue with exactly the times asked for; `now` stands in for a missing server time."""
        if self.live is not None:
            self.live()
        elif which == BOTH and self.wire:
            return self.wire
        flags, tail = self.flags, b""
        if self.source and which in (SOURCE_ONLY, BOTH):
            flags |= SOURCE
            tail = _TIME.pack(self.source)
        if which in (SERVER_ONLY, BOTH):
            server = self.server or now
            if server:
                flags |= SERVER_TIME
                tail += _TIME.pack(server)
        return bytes((flags,)) + self.body + tail

    @property
    def status(self) -> int:
        """The StatusCode."""
        return int(_STATUS.unpack_from(self.body, len(self.body) - 4)[0]) if self.flags & STATUS else 0

    @property
    def variant(self) -> bytes:
        """The encoded Variant, b"" for none."""
        if not self.flags & VALUE:
            return b""
        return self.body[:-4] if self.flags & STATUS else self.body


def join_values(points: Sequence[Point], which: int, now: int) -> bytes:
    """The DataValues of many points one after the other."""
    if which == BOTH:
        return b"".join([point.wire or point.encoded(BOTH, now) for point in points])
    return b"".join([point.encoded(which, now) for point in points])


def put_scalars(points: Sequence[Point], kind: int, values: Sequence[Any], source: int, server: int) -> None:
    """Good scalars of one fixed-size type, all of the same times: as many `put_scalar` in one call."""
    pack = PACKERS[kind]
    tail = _TIME.pack(source) + _TIME.pack(server)
    for point, value in zip(points, values, strict=True):
        body = pack(kind, value)
        changed = body != point.body or point.flags != VALUE
        point.flags = VALUE
        point.body = body
        point.source = source
        point.server = server
        point.wire = b"\x0d" + body + tail
        items = point.items
        if items is not None:
            for item in items:
                if not item.dirty and (changed or item.timestamps):
                    item.touch(server)


def with_status_bits(wire: bytes, bits: int) -> bytes:
    """An encoded DataValue with bits set in its StatusCode (OPC 10000-4, 7.39.1); times and value stay."""
    flags = wire[0]
    times = 8 * bool(flags & SOURCE) + 8 * bool(flags & SERVER_TIME)
    end = len(wire) - times
    if flags & STATUS:
        status = _STATUS.unpack_from(wire, end - 4)[0]
        return wire[: end - 4] + _STATUS.pack(status | bits) + wire[end:]
    return bytes((flags | STATUS,)) + wire[1:end] + _STATUS.pack(bits) + wire[end:]
