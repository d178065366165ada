"""A value in its encoded form: made once a change, joined into every answer (OPC 10000-6, 5.2.2.17)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from server.opcua.wire.values import canonical, pack, rows, variant

if TYPE_CHECKING:
    from server.opcua.wire.items import Item

VALUE, STATUS, SOURCE, SERVER_TIME = 1, 2, 4, 8
"""Bits of the encoding byte of a DataValue."""
SOURCE_ONLY, SERVER_ONLY, BOTH, NEITHER = 0, 1, 2, 3
"""TimestampsToReturn."""

LISTED = 1
"""An item stands in its subscription's list, because it reports; see `items`."""
JOINED_BYTES = 32 << 20
"""Values that take more together are not joined: a short Read may name a long value ten thousand times."""

_TIME = struct.Struct("<q")
_TIMES = struct.Struct("<qq")
_STATUS = struct.Struct("<I")
_GOOD = bytes(4)
_FEW = 6
"""Below it rows cost more than they spare."""
_ENCODING = tuple(bytes((flags,)) for flags in range(16))


class Point:
    """One value with status and times, encoded. `body` is Variant and StatusCode as they stand on the wire.

    `flags` tells which of both the body has. `source` and `server` are ticks; a `server` of 0 means that the value is
    as of the moment it is read. `live`, when there is one, brings the point up to date (by `put`) before each reading;
    such a point tells its items of nothing, they have to be polled.
    """

    # _head: flags and body in the form in which equal values are equal bytes; what items compare.
    # wire: whole DataValue with both times; empty when it cannot be kept (no server time, or live).
    # _rest: (body, source, server) of a point without wire.
    __slots__ = ("_head", "_live", "_rest", "items", "wire")

    def __init__(self) -> None:
        self._head = b"\x00"
        self.wire = b""
        self._rest: tuple[bytes, int, int] | None = None
        self.items: list[Item] | None = None
        self._live: Callable[[], None] | None = None

    @property
    def live(self) -> Callable[[], None] | None:
        """What brings the point up to date."""
        return self._live

    @live.setter
    def live(self, live: Callable[[], None] | None) -> None:
        flags, body, source, server = self.flags, self.body, self.source, self.server
        self._live = live
        self._keep(flags, body, source, server)

    def put(self, flags: int, body: bytes, source: int, server: int) -> None:
        """Replace the value; monitored items hear of it. `flags` has VALUE and STATUS only.

        A Good status is left out.

        Raises:
            ValueError: other flags, or no room for a status in the body; nothing has changed then.
        """
        if flags & STATUS:
            if len(body) < 4 or flags > 3:
                raise ValueError(f"flags {flags} with a body of {len(body)} bytes")
            if body[-4:] == _GOOD:
                flags ^= STATUS
                body = body[:-4]
        elif flags not in (0, VALUE):
            raise ValueError(f"flags {flags}")
        head = canonical(flags, body)
        changed = head != self._head
        self._head = head
        self._keep(flags, body, source, server)
        if self.items is not None and self._live is None:
            for item in self.items:
                if not item.dirty and (changed or item.timestamps):
                    item.touch(server)

    def _keep(self, flags: int, body: bytes, source: int, server: int) -> None:
        if not server or self._live is not None:
            self.wire = b""
            self._rest = (body, source, server)
            return
        self._rest = None
        if source:
            self.wire = _ENCODING[flags | 12] + body + _TIMES.pack(source, server)
        else:
            self.wire = _ENCODING[flags | 8] + body + _TIME.pack(server)

    def put_scalar(self, kind: int, value: Any, status: int, source: int, server: int) -> None:
        """Replace the value by a scalar (see `variant`); None is no value.

        Raises:
            struct.error: the value is not one of the type's; nothing has changed then.
        """
        flags, body = (0, b"") if value is None else (VALUE, variant(kind, value))
        if status:
            flags |= STATUS
            body += _STATUS.pack(status)
        self.put(flags, body, source, server)

    def encoded(self, which: int, now: int) -> bytes:
        """The DataValue with exactly the times asked for; `now` stands in for a missing server time."""
        if self._live is not None:
            self._live()
        return self.current(which, now)

    def current(self, which: int, now: int) -> bytes:
        """As `encoded`, but of the value as it stands: `live` is not asked."""
        if which == BOTH and self.wire:
            return self.wire
        flags, tail = self.flags, b""
        source = self.source
        if source and which in (SOURCE_ONLY, BOTH):
            flags |= SOURCE
            tail = _TIME.pack(source)
        if which in (SERVER_ONLY, BOTH):
            server = self.server or now
            if server:
                flags |= SERVER_TIME
                tail += _TIME.pack(server)
        return _ENCODING[flags] + self.body + tail

    @property
    def flags(self) -> int:
        """VALUE and STATUS, as far as the body has them."""
        return self._head[0]

    @property
    def body(self) -> bytes:
        """The encoded Variant and StatusCode."""
        wire = self.wire
        if wire:
            return wire[1 : -16 if wire[0] & SOURCE else -8]
        return self._rest[0] if self._rest is not None else b""

    @property
    def source(self) -> int:
        """SourceTimestamp in ticks, 0 for none."""
        wire = self.wire
        if wire:
            return int(_TIME.unpack_from(wire, len(wire) - 16)[0]) if wire[0] & SOURCE else 0
        return self._rest[1] if self._rest is not None else 0

    @property
    def server(self) -> int:
        """ServerTimestamp in ticks, 0 for the moment of reading."""
        wire = self.wire
        if wire:
            return int(_TIME.unpack_from(wire, len(wire) - 8)[0])
        return self._rest[2] if self._rest is not None else 0

    @property
    def status(self) -> int:
        """The StatusCode."""
        head = self._head
        return int(_STATUS.unpack_from(head, len(head) - 4)[0]) if head[0] & STATUS else 0

    @property
    def variant(self) -> bytes:
        """The encoded Variant, b"" for none."""
        flags = self._head[0]
        if not flags & VALUE:
            return b""
        return self.body[:-4] if flags & STATUS else self.body


def join_values(points: Sequence[Point], which: int, now: int) -> bytes:
    """The DataValues of many points one after the other.

    Raises:
        OverflowError: they take more than JOINED_BYTES.
    """
    parts = [point.wire for point in points]
    if which != BOTH or b"" in parts:
        left = JOINED_BYTES
        for number, point in enumerate(points):
            # Made one by one, so that no more of them is made than may be sent.
            parts[number] = part = point.encoded(which, now)
            left -= len(part)
            if left < 0:
                break
    if sum(map(len, parts)) > JOINED_BYTES:
        raise OverflowError(f"the values take more than {JOINED_BYTES} bytes")
    return b"".join(parts)


def put_scalars(points: Sequence[Point], kind: int, values: Sequence[Any], source: int, server: int) -> None:
    """Good scalars of one fixed-size type, all of the same times: as many `put_scalar` in one call.

    Raises:
        struct.error: a value is not one of the type's; nothing has changed then.
        ValueError: not as many values as points, or no fixed-size type; likewise.
    """
    if len(points) != len(values):
        raise ValueError(f"{len(values)} values for {len(points)} points")
    packed = pack(kind, values)
    if packed is None or not source or not server or len(points) < _FEW:  # a NaN among them, a time missing
        for point, body in zip(points, [variant(kind, value) for value in values], strict=True):
            point.put(VALUE, body, source, server)
        return
    for point, (head, wire) in zip(points, rows(kind, packed, _TIMES.pack(source, server)), strict=True):
        if point._live is not None:
            point.put(VALUE, head[1:], source, server)
            continue
        changed = head != point._head
        point._head = head
        point.wire = wire
        items = point.items
        if items is not None:
            for item in items:
                if not item.dirty and (changed or item.timestamps):
                    group = item._group
                    if group is None:
                        if item._plain and item.held is None:
                            # `sample` of the common item, as in `Group.tick`.
                            if head != item._last:
                                item._last = head
                                item.held = wire
                                if not item.listed:
                                    item.listed = LISTED
                                    item.ready.items.append(item)
                        else:
                            item.sample(server)
                    else:
                        item.dirty = True
                        group.dirty.append(item)


def with_status_bits(wire: bytes, bits: int) -> bytes:
    """An encoded DataValue with bits set in its StatusCode (OPC 10000-4, 7.39.1); times and value stay.

    An empty one has none.
    """
    if not wire:
        return wire
    flags = wire[0]
    times = 8 * bool(flags & SOURCE) + 8 * bool(flags & SERVER_TIME)
    end = len(wire) - times
    if flags & STATUS:
        status = _STATUS.unpack_from(wire, end - 4)[0]
        return wire[: end - 4] + _STATUS.pack(status | bits) + wire[end:]
    return bytes((flags | STATUS,)) + wire[1:end] + _STATUS.pack(bits) + wire[end:]
