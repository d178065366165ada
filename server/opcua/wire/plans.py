"""Plain Reads answered from bytes: the list of nodes is parsed once, kept by its bytes, and joined from then on.

A plan only ever says yes. Whatever it does not know to the last byte it leaves to the service, which answers the same.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from server.core.clock import Clock
from server.opcua.nodes.keys import NodeIdError, read_key
from server.opcua.nodes.node import VARIABLE
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import READ, Audience
from server.opcua.services.context import Request
from server.opcua.services.dispatch import NOT_MINE
from server.opcua.services.fault import ServiceFault
from server.opcua.wire import Point, join_values, to_ticks
from server.opcua.wire.headers import response_header

READ_RESPONSE = 634
"""ReadResponse_Encoding_DefaultBinary."""
NO_DIAGNOSTICS = b"\x00\x00\x00\x00"
"""An empty array of DiagnosticInfos, as the stack encodes it."""
VALUE_ATTRIBUTE = 13
_TOO_LARGE = 0x80B90000
"""BadResponseTooLarge."""
_READABLE = 1
_HEAD = struct.Struct("<di")  # MaxAge, TimestampsToReturn
_COUNT = struct.Struct("<i")
_READ_ROW = struct.Struct("<IiHi")  # AttributeId, IndexRange's length, DataEncoding's namespace and length
_EMPTY = (-1, 0)
"""Lengths of a String that says nothing."""
_ENTRY_BYTES = 200
"""A plan without its key and its points: dictionary entry, tuple, list."""

_ID_BYTES = (2, 4, 7)
"""Sizes of the numeric encodings of a NodeId."""

T = TypeVar("T")


def id_end(body: bytes, at: int) -> int:
    """The offset behind an encoded NodeId; of a numeric one it may lie behind the end of the body.

    Raises:
        NodeIdError, IndexError: no NodeId.
    """
    kind = body[at]
    return at + _ID_BYTES[kind] if kind < 3 else read_key(body, at)[1]


class Kept(Generic[T]):
    """What was used lately, bounded by its bytes. Two generations: a hit in the young one costs one look-up."""

    def __init__(self, most_bytes: int) -> None:
        self._half = most_bytes // 2
        self._young: dict[Hashable, tuple[T, int]] = {}
        self._old: dict[Hashable, tuple[T, int]] = {}
        self._bytes = 0

    def get(self, key: Hashable) -> T | None:
        """What is kept under a key, or None."""
        found = self._young.get(key)
        if found is not None:
            return found[0]
        found = self._old.pop(key, None)
        if found is None:
            return None
        self._take(key, found)
        return found[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep something of so many bytes; too large a thing is not kept."""
        if size <= self._half:
            self._take(key, (value, size))

    def _take(self, key: Hashable, entry: tuple[T, int]) -> None:
        if self._bytes + entry[1] > self._half:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[key] = entry
        self._bytes += entry[1]

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old, self._bytes = {}, {}, 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


class ReadPlans:
    """Fast handler of Read: Values of readable Variables, whole, in the default encoding."""

    def __init__(self, store: NodeStore, clock: Clock, most_nodes: int, most_bytes: int = 16_000_000) -> None:
        self._store = store
        self._clock = clock
        self._most_nodes = most_nodes
        self._plans: Kept[Sequence[Point]] = Kept(most_bytes)
        self._version = 0

    def __call__(self, request: Request) -> bytes:
        """The whole response body, or NOT_MINE."""
        body, at = request.body, request.at
        if len(body) < at + 16:
            return NOT_MINE
        max_age, which = _HEAD.unpack_from(body, at)
        if not max_age >= 0 or not 0 <= which <= 3:  # NaN is not >= 0 either
            return NOT_MINE
        if self._store.version != self._version:
            self._plans.clear()
            self._version = self._store.version
        region = body[at + 12 :]
        key = (request.session.audience, region)  # type: ignore[union-attr]  # the dispatcher has put it there
        points = self._plans.get(key)
        if points is None:
            points = self._plan(key[0], region)
            if points is None:
                return NOT_MINE
        now = to_ticks(self._clock.now())
        head = response_header(READ_RESPONSE, request.handle, now)
        try:
            values = join_values(points, which, now)
        except OverflowError:
            raise ServiceFault(_TOO_LARGE) from None
        return head + region[:4] + values + NO_DIAGNOSTICS

    def _plan(self, audience: Audience, region: bytes) -> Sequence[Point] | None:
        """The points that a region names; None when one of them needs a closer look."""
        count = _COUNT.unpack_from(region)[0]
        if not 1 <= count <= self._most_nodes:
            return None
        points = []
        at = 4
        try:
            for _ in range(count):
                key, at = read_key(region, at)
                attribute, range_size, _namespace, encoding_size = _READ_ROW.unpack_from(region, at)
                at += 14
                if attribute != VALUE_ATTRIBUTE or range_size not in _EMPTY or encoding_size not in _EMPTY:
                    return None
                node = self._store.get(key)
                if node is None or node.point is None:
                    return None
                shape = node.shape
                if shape.node_class != VARIABLE or not shape.access & _READABLE:
                    return None
                if not audience.has(node, READ) or audience.insecure(node):
                    return None
                points.append(node.point)
        except (NodeIdError, struct.error):
            return None
        if at != len(region):
            return None
        self._plans.put((audience, region), points, len(region) + 8 * count + _ENTRY_BYTES)
        return points
