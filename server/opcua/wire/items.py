"""Monitored items of values: sampled when something changed, queued encoded, taken joined (OPC 10000-4, 5.13 and 7.21)."""

from __future__ import annotations

import struct
from collections import deque

from server.opcua.wire.points import STATUS, VALUE, Point, with_status_bits

DISABLED, SAMPLING, REPORTING = 0, 1, 2
"""MonitoringMode."""
ON_STATUS, ON_STATUS_VALUE, ON_STATUS_VALUE_TIME = 0, 1, 2
"""DataChangeTrigger."""
OVERFLOW_BITS = 0x480
"""InfoType DataValue with Overflow (OPC 10000-4, 7.39.1)."""

_FORMATS = {2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
_U32 = struct.Struct("<I")


def numbers(body: bytes) -> tuple[float, ...] | None:
    """The numbers of an encoded numeric Variant, scalar or array; None for other types."""
    if not body:
        return None
    letter = _FORMATS.get(body[0] & 0x3F)
    if letter is None:
        return None
    try:
        if body[0] & 0x80:
            count = struct.unpack_from("<i", body, 1)[0]
            return struct.unpack_from(f"<{max(count, 0)}{letter}", body, 5)
        return struct.unpack_from(f"<{letter}", body, 1)
    except struct.error:
        return None


class Group:
    """Items that are sampled together. Only those that were touched since the last tick cost anything."""

    __slots__ = ("dirty", "polled")

    def __init__(self) -> None:
        self.dirty: list[Item] = []
        self.polled: list[Item] = []  # items of points that nobody tells of changes

    def tick(self, now: int) -> None:
        """Take the samples of this moment; `now` in ticks."""
        if self.dirty:
            dirty, self.dirty = self.dirty, []
            for item in dirty:
                item.dirty = False
                item.sample(now)
        for item in self.polled:
            item.sample(now)


class Ready:
    """What one subscription has to send: items with queued values, in the order in which they became ready."""

    __slots__ = ("items", "overflows")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.overflows = 0  # queue overflows so far

    def take(self, limit: int) -> tuple[bytes, int, bool]:
        """(MonitoredItemNotifications joined, how many, whether more is waiting); a limit of 0 is none."""
        parts: list[bytes] = []
        count = 0
        items = self.items
        for number, item in enumerate(items):
            if item.mode != REPORTING and item.listed != 2:
                item.listed = 0
                continue
            handle = item.handle
            if item.queue is None:
                if limit and count >= limit:
                    self.items = items[number:]
                    return b"".join(parts), count, True
                if item.held is not None:
                    parts.append(handle)
                    parts.append(item.held)
                    item.held = None
                    count += 1
            else:
                queue = item.queue
                while queue:
                    if limit and count >= limit:
                        self.items = items[number:]
                        return b"".join(parts), count, True
                    parts.append(handle)
                    parts.append(queue.popleft())
                    count += 1
            item.listed = 0
        self.items = []
        return b"".join(parts), count, False


class Item:
    """One monitored item of a point's value.

    `attach` lets it hear of changes, `detach` ends that. A `group` samples it at its ticks; without one every change is a
    sample. `links` are the items that it triggers.
    """

    __slots__ = (
        "__weakref__",
        "bits",
        "deadband",
        "dirty",
        "discard_oldest",
        "group",
        "handle",
        "held",
        "last_body",
        "last_flags",
        "last_source",
        "links",
        "listed",
        "mode",
        "point",
        "queue",
        "ready",
        "size",
        "timestamps",
        "trigger",
        "which",
    )

    def __init__(self, point: Point, ready: Ready, handle: int, which: int) -> None:
        self.point = point
        self.ready = ready
        self.handle = _U32.pack(handle)
        self.which = which
        self.mode = DISABLED
        self.group: Group | None = None
        self.dirty = False
        self.listed = 0  # 1: reporting, 2: triggered
        self.held: bytes | None = None  # the queue of size 1
        self.queue: deque[bytes] | None = None
        self.size = 1
        self.discard_oldest = True
        self.trigger = ON_STATUS_VALUE
        self.timestamps = False
        self.deadband = -1.0  # absolute, in the value's unit; negative: none
        self.bits = 0  # set in the StatusCode of the next value
        self.links: list[Item] | None = None
        self.last_flags = -1  # -1: nothing was sampled yet
        self.last_body = b""
        self.last_source = 0

    # -- settings

    def set_handle(self, handle: int) -> None:
        """The client's handle, in force for what is queued too."""
        self.handle = _U32.pack(handle)

    def set_queue(self, size: int, discard_oldest: bool) -> None:
        """Queue size (at least 1) and discard policy; what no longer fits goes from the end the policy names."""
        waiting = self.waiting()
        self.size = size
        self.discard_oldest = discard_oldest
        if len(waiting) > size:
            waiting = waiting[-size:] if discard_oldest else waiting[:size]
        if size == 1:
            self.queue = None
            self.held = waiting[0] if waiting else None
        else:
            self.queue = deque(waiting)
            self.held = None

    def set_filter(self, trigger: int, deadband: float) -> None:
        """DataChangeTrigger and absolute deadband (negative: none)."""
        self.trigger = trigger
        self.timestamps = trigger == ON_STATUS_VALUE_TIME
        self.deadband = deadband

    def set_mode(self, mode: int) -> None:
        """MonitoringMode. Disabled forgets what was sampled and queued."""
        self.mode = mode
        if mode == DISABLED:
            self.held = None
            if self.queue is not None:
                self.queue.clear()
            self.last_flags = -1
            self.bits = 0
        elif mode == REPORTING and self.has_values():
            self._list(1)

    def attach(self) -> None:
        """Hear of the point's changes from now on."""
        items = self.point.items
        if items is None:
            self.point.items = [self]
        elif self not in items:
            items.append(self)

    def detach(self) -> None:
        """Hear of them no longer."""
        items = self.point.items
        if items is not None and self in items:
            items.remove(self)
            if not items:
                self.point.items = None

    # -- values

    def has_values(self) -> bool:
        """True when something is queued."""
        return self.held is not None or bool(self.queue)

    def waiting(self) -> list[bytes]:
        """What is queued, oldest first."""
        if self.queue is not None:
            return list(self.queue)
        return [self.held] if self.held is not None else []

    def touch(self, now: int) -> None:
        """The point changed."""
        group = self.group
        if group is None:
            self.sample(now)
        else:
            self.dirty = True
            group.dirty.append(self)

    def mark(self, bits: int, now: int) -> None:
        """Report the present value once more, with bits set in its StatusCode (SemanticsChanged)."""
        if self.mode != DISABLED:
            self.bits |= bits
            self.sample(now)

    def sample(self, now: int) -> None:
        """Look at the point; queue its value when the filter passes it. `now` in ticks."""
        if self.mode == DISABLED:
            return
        point = self.point
        if point.live is not None:
            point.live()
        flags, body, source = point.flags, point.body, point.source
        if self.last_flags >= 0 and not self.bits:
            if flags == self.last_flags and body == self.last_body:
                if not self.timestamps or source == self.last_source:
                    return
            elif (self.deadband >= 0 or self.trigger == ON_STATUS) and not self._passes(flags, body, source):
                return
        self.last_flags, self.last_body, self.last_source = flags, body, source
        wire = point.encoded(self.which, now)
        if self.bits:
            wire = with_status_bits(wire, self.bits)
            self.bits = 0
        self.queue_up(wire)

    def _passes(self, flags: int, body: bytes, source: int) -> bool:
        """The filter for a value or status other than the last one (OPC 10000-4, 7.22.2)."""
        status = body[-4:] if flags & STATUS else b""
        last_status = self.last_body[-4:] if self.last_flags & STATUS else b""
        if status != last_status:
            return True
        if self.trigger == ON_STATUS:
            return False
        if self.timestamps and source != self.last_source:
            return True
        if self.deadband < 0:
            return True
        new = numbers(body if flags & VALUE else b"")
        old = numbers(self.last_body if self.last_flags & VALUE else b"")
        if new is None or old is None or len(new) != len(old):
            return True
        # NaN compares false both ways: a value that becomes or ceases to be NaN is always news.
        limit = self.deadband
        return any(not abs(a - b) <= limit for a, b in zip(new, old, strict=True))

    def queue_up(self, wire: bytes) -> None:
        """Queue an encoded DataValue; fires the triggers."""
        queue = self.queue
        if queue is None:
            self.held = wire
        elif len(queue) < self.size:
            queue.append(wire)
        else:
            self.ready.overflows += 1
            if self.discard_oldest:
                queue.popleft()
                queue.append(wire)
                queue[0] = with_status_bits(queue[0], OVERFLOW_BITS)
            else:
                queue[-1] = with_status_bits(wire, OVERFLOW_BITS)
        if self.mode == REPORTING and not self.listed:
            self.listed = 1
            self.ready.items.append(self)
        if self.links is not None:
            for linked in self.links:
                if linked.mode == SAMPLING and linked.has_values():
                    linked._list(2)

    def _list(self, why: int) -> None:
        if self.listed:
            self.listed = max(self.listed, why)
        else:
            self.listed = why
            self.ready.items.append(self)

    def drop(self) -> None:
        """Forget everything: the item is deleted."""
        self.set_mode(DISABLED)
        self.detach()
        self.links = None
        group = self.group
        if group is not None:
            if self.dirty and self in group.dirty:
                group.dirty.remove(self)
            if self in group.polled:
                group.polled.remove(self)
        self.group = None
        self.dirty = False
