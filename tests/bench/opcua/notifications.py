"""Publish responses taken apart with struct: client handle, counter value and SourceTimestamp of each notification."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from tests.bench.opcua.link import BrokenError

PUBLISH_RESPONSE = 829
DATA_CHANGE = 811
STATUS_CHANGE = 820
TOO_MANY = 0x80780000  # BadTooManyPublishRequests
DOUBLE = 11
HEADER = 28  # TypeId, response header without diagnostics, strings and additional header
_EXTENSION = struct.Struct("<BBHBi")


@dataclass
class Counters:
    """What came for the items of one subscription, by client handle."""

    count: int
    notifications: int = 0
    lost: int = 0
    repeated: int = 0  # a value not above the one before
    ages: dict[int, int] = field(default_factory=dict)  # SourceTimestamp -> notifications of the message at hand
    last: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last = [-1.0] * self.count

    @property
    def seen(self) -> bool:
        """True when every item has had its first value."""
        return -1.0 not in self.last


@cache
def _layout(mask: int) -> struct.Struct:
    """Handle, mask, type and value, then what the mask names (OPC 10000-6 5.2.2.17)."""
    if not mask & 0x01 or not mask & 0x04 or mask & 0xC0:
        raise BrokenError(f"DataValue with mask 0x{mask:02x}")
    fields = (("I", 0x02), ("q", 0x04), ("H", 0x10), ("q", 0x08), ("H", 0x20))
    return struct.Struct("<IBBd" + "".join(code for code, bit in fields if mask & bit))


def _notifications(body: bytes, at: int, count: int, size: int) -> Iterator[tuple[int, float, int, int]]:
    """Handle, value, SourceTimestamp and StatusCode of `count` items in `size` bytes from `at`."""
    mask = body[at + 4]
    layout = _layout(mask)
    with_status = bool(mask & 0x02)
    if count * layout.size == size:
        for fields in layout.iter_unpack(memoryview(body)[at : at + size]):
            if fields[1] != mask or fields[2] != DOUBLE:
                raise BrokenError("notifications of different shapes")
            if with_status:
                yield fields[0], fields[3], fields[5], fields[4]
            else:
                yield fields[0], fields[3], fields[4], 0
        return
    for _ in range(count):
        layout = _layout(body[at + 4])
        fields = layout.unpack_from(body, at)
        at += layout.size
        if fields[1] & 0x02:
            yield fields[0], fields[3], fields[5], fields[4]
        else:
            yield fields[0], fields[3], fields[4], 0


def take(body: bytes, counters: Counters) -> tuple[int, int, bool] | None:
    """Count a Publish response in; returns subscription id, sequence number, and whether it carried data.

    None when the server keeps no more Publish requests. Raises BrokenError for another fault, a status change or a
    Bad value.
    """
    _, _, kind = struct.unpack_from("<BBH", body)
    (result,) = struct.unpack_from("<I", body, 16)
    if result == TOO_MANY:
        return None
    if kind != PUBLISH_RESPONSE or result or body[20]:
        raise BrokenError(f"Publish answered with {kind}, 0x{result:08x}")
    subscription_id, available = struct.unpack_from("<Ii", body, HEADER)
    at = HEADER + 8 + 4 * max(available, 0) + 1
    sequence, _, parts = struct.unpack_from("<Iqi", body, at)
    at += 16
    counters.ages.clear()
    for _ in range(max(parts, 0)):
        _, _, type_id, _, size = _EXTENSION.unpack_from(body, at)
        at += _EXTENSION.size
        if type_id == STATUS_CHANGE:
            raise BrokenError("the subscription was ended")
        if type_id == DATA_CHANGE:
            (count,) = struct.unpack_from("<i", body, at)
            if count > 0:
                # The array of DiagnosticInfos that follows the items is empty: four bytes.
                _count_in(body, at + 4, count, size - 8, counters)
        at += size
    return subscription_id, sequence, bool(counters.ages)


def _count_in(body: bytes, at: int, count: int, size: int, counters: Counters) -> None:
    last, ages = counters.last, counters.ages
    lost = repeated = 0
    for handle, value, stamp, code in _notifications(body, at, count, size):
        if code & 0x80000000:
            raise BrokenError(f"item {handle} is Bad 0x{code:08x}")
        before = last[handle]
        if value != before + 1.0 and before >= 0.0:
            if value > before:
                lost += int(value - before) - 1
            else:
                repeated += 1
        last[handle] = value
        ages[stamp] = ages.get(stamp, 0) + 1
    counters.notifications += count
    counters.lost += lost
    counters.repeated += repeated
