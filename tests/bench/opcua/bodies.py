"""Request bodies of the load generator, made with struct alone: encoded once, patched per request.

Load nodes, the same on every server: folder i=1 with method i=5, folders i=100… of 100 variables i=10000….
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Sequence

LOAD_URI = "urn:fieldloom:load"
ROOT, METHOD, FIRST_FOLDER, FIRST_NODE, PER_FOLDER = 1, 5, 100, 10_000, 100
READ, WRITE, BROWSE, CALL, PUBLISH = 631, 673, 527, 712, 826
CREATE_SUBSCRIPTION, CREATE_ITEMS = 787, 751
NULL = b"\xff\xff\xff\xff"
VALUE = 13
BOTH = 2
REPORTING = 2
EPOCH_TICKS = 116_444_736_000_000_000  # 1601 to 1970, in 100 ns
_STAMP = struct.Struct("<qI")
_DOUBLE = struct.Struct("<d")


def node_id(number: int, index: int) -> bytes:
    """A numeric NodeId in its shortest encoding (OPC 10000-6 5.2.2.9)."""
    if index == 0 and number < 256:
        return struct.pack("<BB", 0, number)
    if number < 65_536:
        return struct.pack("<BBH", 1, index, number)
    return struct.pack("<BHI", 2, index, number)


def value_id(number: int, index: int) -> bytes:
    """A ReadValueId of the Value."""
    return node_id(number, index) + struct.pack("<I", VALUE) + NULL + b"\x00\x00" + NULL


class Bodies:
    """Bodies of one kind for one session; each request carries its own time and handle."""

    def __init__(self, type_id: int, token: bytes, tails: Iterable[bytes], timeout_ms: int = 30_000) -> None:
        head = struct.pack("<BBH", 1, 0, type_id) + token
        self._at = len(head)
        rest = bytes(_STAMP.size) + struct.pack("<I", 0) + NULL + struct.pack("<I", timeout_ms) + b"\x00\x00\x00"
        self._bodies = itertools.cycle([bytearray(head + rest + tail) for tail in tails])
        self.response = type_id + 3  # the response's encoding id follows the request's at this distance

    def next(self, ticks: int, handle: int) -> bytearray:
        """The next body; valid until the same tail comes again."""
        body = next(self._bodies)
        _STAMP.pack_into(body, self._at, ticks, handle)
        return body


class Doubles(Bodies):
    """Bodies whose doubles are new in every request, so that no server can answer from a remembered body."""

    def __init__(self, type_id: int, token: bytes, tails: Sequence[tuple[bytes, Sequence[int]]]) -> None:
        super().__init__(type_id, token, [tail for tail, _ in tails])
        start = self._at + _STAMP.size + 4 + 4 + 4 + 3
        self._places = itertools.cycle([[start + place for place in places] for _, places in tails])
        self._value = 0.0

    def next(self, ticks: int, handle: int) -> bytearray:
        body = super().next(ticks, handle)
        self._value = value = self._value + 1.0
        pack = _DOUBLE.pack_into
        for place in next(self._places):
            pack(body, place, value)
        return body


def _spread(count: int, nodes: int, requests: int) -> list[list[int]]:
    """Node numbers of some requests: each reads `count` neighbours, the requests lie evenly over all nodes."""
    step = max(1, (nodes - count) // max(1, requests - 1)) if nodes > count else 1
    return [
        [FIRST_NODE + (first * step + offset) % nodes for offset in range(count)]
        for first in range(requests)
    ]  # fmt: skip


def reads(token: bytes, index: int, count: int, nodes: int) -> Bodies:
    """Read of the Value of `count` nodes, both timestamps; several different requests in turn."""
    head = struct.pack("<dIi", 0.0, BOTH, count)
    requests = {1: 100, 100: 50}.get(count, 10)
    tails = [head + b"".join(value_id(n, index) for n in numbers) for numbers in _spread(count, nodes, requests)]
    return Bodies(READ, token, tails)


def writes(token: bytes, index: int, count: int, nodes: int) -> Doubles:
    """Write of the Value of `count` nodes, new values each time."""
    tails = []
    for numbers in _spread(count, nodes, 100 if count == 1 else 50):
        tail, places = bytearray(struct.pack("<i", count)), []
        for number in numbers:
            tail += node_id(number, index) + struct.pack("<I", VALUE) + NULL + b"\x01\x0b"
            places.append(len(tail))
            tail += bytes(8)
        tails.append((bytes(tail), places))
    return Doubles(WRITE, token, tails)


def calls(token: bytes, index: int) -> Doubles:
    """Call of the method that gives its Double back, another Double each time."""
    tail = struct.pack("<i", 1) + node_id(ROOT, index) + node_id(METHOD, index) + struct.pack("<iB", 1, 11)
    return Doubles(CALL, token, [(tail + bytes(8), [len(tail)])])


def browses(token: bytes, index: int, nodes: int) -> Bodies:
    """Browse of the hierarchical children of one folder (100 variables), all fields; the folders in turn."""
    head = struct.pack("<2sqIIi", b"\x00\x00", 0, 0, 0, 1)
    folders = range(FIRST_FOLDER, FIRST_FOLDER + min(nodes // PER_FOLDER, 100))
    return Bodies(
        BROWSE,
        token,
        [head + node_id(folder, index) + struct.pack("<I2sBII", 0, b"\x00\x21", 1, 0, 63) for folder in folders],
    )


def subscription(token: bytes, publishing_ms: float) -> Bodies:
    """CreateSubscription: no limit of notifications a message, enabled."""
    tail = struct.pack("<dIIIBB", publishing_ms, 3_000, 100, 0, 1, 0)
    return Bodies(CREATE_SUBSCRIPTION, token, [tail])


def items(
    token: bytes, index: int, subscription_id: int, numbers: Sequence[int], first_handle: int, sampling_ms: float
) -> Bodies:
    """CreateMonitoredItems for the Values of some nodes: queue of 10, oldest dropped first."""
    tail = bytearray(struct.pack("<IIi", subscription_id, BOTH, len(numbers)))
    for handle, number in enumerate(numbers, first_handle):
        tail += value_id(number, index)
        tail += struct.pack("<IId3sIB", REPORTING, handle, sampling_ms, b"\x00\x00\x00", 10, 1)
    return Bodies(CREATE_ITEMS, token, [bytes(tail)])


def publish(token: bytes, acknowledged: tuple[int, int] | None) -> Bodies:
    """Publish, acknowledging (subscription, sequence number) if given; it may wait for long."""
    tail = struct.pack("<i", 0) if acknowledged is None else struct.pack("<iII", 1, *acknowledged)
    return Bodies(PUBLISH, token, [tail], timeout_ms=600_000)
