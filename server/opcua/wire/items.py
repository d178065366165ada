"""Monitored items of values: sampled on change, queued encoded, taken joined (OPC 10000-4, 5.13 and 7.21)."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack

from server.opcua.wire.points import BOTH, LISTED, STATUS, VALUE, Point, with_status_bits
from server.opcua.wire.values import apart

DISABLED, SAMPLING, REPORTING = 0, 1, 2
"""MonitoringMode."""
ON_STATUS, ON_STATUS_VALUE, ON_STATUS_VALUE_TIME = 0, 1, 2
"""DataChangeTrigger."""
OVERFLOW_BITS = 0x480
"""InfoType DataValue with Overflow (OPC 10000-4, 7.39.1)."""
NO_LIMIT = 1 << 62
NOT_LISTED, TRIGGERED = 0, 2
"""Whether and why an item stands in its subscription's list, with LISTED."""

_U32 = struct.Struct("<I")


class Group:
    """Items that are sampled together. Only those that were touched since the last tick cost anything."""

    __slots__ = ("dirty", "polled")

    def __init__(self) -> None:
        self.dirty: list[Item] = []
        self.polled: list[Item] = []  # items of points that nobody tells of changes

    def tick(self, now: int) -> None:
        """Take the samples of this moment; `now` in ticks. When one raises, the others are taken all the same."""
        dirty, self.dirty = self.dirty, []
        rest = iter(dirty)
        try:
            self._sample(rest, now)
        finally:
            late = [*rest, *self.polled]
            if late:
                with ExitStack() as stack:  # calls them all, and the one pushed last first
                    for item in reversed(late):
                        item.dirty = False
                        stack.callback(item.sample, now)

    def _sample(self, dirty: Iterator[Item], now: int) -> None:
        for item in dirty:
            item.dirty = False
            if item._plain:
                # `sample` and `queue_up` of the common item, written out: half the cost of calling them.
                point = item.point
                wire = point.wire
                if wire and item.held is None:
                    head = point._head
                    if head != item._last:
                        item._last = head
                        item.held = wire
                        if not item.listed:
                            item.listed = LISTED
                            item.ready.items.append(item)
                    continue
            item.sample(now)


class Ready:
    """What one subscription has to send: items with queued values, in the order in which they became ready."""

    __slots__ = ("items", "overflows", "stale")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.overflows = 0  # queue overflows so far
        self.stale = 0  # deleted items among `items`

    def take(self, limit: int, most: int = 0) -> tuple[bytes, int, bool]:
        """(MonitoredItemNotifications joined, how many, whether more is waiting); a limit of 0 is none.

        All but the first fit into `most` bytes together; 0 is no such limit.
        """
        parts: list[bytes] = []
        size = 0
        most = most or NO_LIMIT
        append = parts.append
        items = self.items
        room = limit or -1
        for number, item in enumerate(items):
            held = item.held
            if held is not None and (item.mode == REPORTING or item.listed == TRIGGERED):
                size += 4 + len(held)
                if not room or (size > most and parts):
                    self.items = items[number:]
                    return b"".join(parts), len(parts) // 2, True
                room -= 1
                append(item.handle)
                append(held)
                if item.queue is None:
                    item.held = None
                else:
                    room, size = item._take_queue(parts, room, size, most)
                    if item.held is not None:
                        self.items = items[number:]
                        return b"".join(parts), len(parts) // 2, True
            item.listed = NOT_LISTED
        self.items = []
        self.stale = 0
        return b"".join(parts), len(parts) // 2, False

    def pending(self) -> bool:
        """True when `take` would bring something."""
        return any(
            item.held is not None and (item.mode == REPORTING or item.listed == TRIGGERED) for item in self.items
        )

    def deleted(self) -> None:
        """One of `items` was deleted; the list is cleaned when most of it is of that kind."""
        self.stale += 1
        if self.stale * 2 > len(self.items):
            self.items = [item for item in self.items if item.held is not None or item.mode != DISABLED]
            self.stale = 0


class Item:
    """One monitored item of a point's value.

    `attach` lets it hear of changes, `detach` ends that. A `group` samples it at its ticks; without one every change is
    a sample. `links` are the items that it triggers. A new item and one that was disabled report what they sample
    first; their owner calls `sample` for it. A detached item may be given another `point`.
    """

    # held is the oldest value that waits, queue has those behind it; a queue that is emptied in time is never made.
    # _plain: reports every change of status or value with both times, and triggers nothing.
    __slots__ = (
        "_bits",
        "_group",
        "_last",
        "_last_source",
        "_links",
        "_plain",
        "_which",
        "deadband",
        "dirty",
        "discard_oldest",
        "handle",
        "held",
        "listed",
        "mode",
        "point",
        "queue",
        "ready",
        "size",
        "timestamps",
        "trigger",
    )

    def __init__(self, point: Point, ready: Ready, handle: int, which: int) -> None:
        self.point = point
        self.ready = ready
        self.handle = _U32.pack(handle)
        self.mode = DISABLED
        self.dirty = False  # its group knows of it
        self.listed = NOT_LISTED
        self.held: bytes | None = None
        self.queue: deque[bytes] | None = None
        self.size = 1
        self.discard_oldest = True
        self.trigger = ON_STATUS_VALUE
        self.timestamps = False  # a new SourceTimestamp is news
        self.deadband = -1.0  # absolute, in the value's unit; negative: none
        self._which = which
        self._group: Group | None = None
        self._links: list[Item] | None = None
        self._bits = 0  # set in the StatusCode of the next value
        self._last = b""  # head of the value queued last; empty: none yet
        self._last_source = 0
        self._plain = False

    # -- settings

    def _plan(self) -> None:
        self._plain = (
            self.mode == REPORTING
            and self.trigger == ON_STATUS_VALUE
            and self.deadband < 0
            and self._which == BOTH
            and self._links is None
            and not self._bits
        )

    @property
    def group(self) -> Group | None:
        """What samples it."""
        return self._group

    @group.setter
    def group(self, group: Group | None) -> None:
        old, self._group = self._group, group
        if self.dirty and old is not group:
            if old is not None and self in old.dirty:
                old.dirty.remove(self)
            if group is not None:
                group.dirty.append(self)
            else:
                self.dirty = False
                self.sample(self.point.server)

    @property
    def which(self) -> int:
        """TimestampsToReturn."""
        return self._which

    @which.setter
    def which(self, which: int) -> None:
        self._which = which
        self._plan()

    @property
    def links(self) -> list[Item] | None:
        """The items that it triggers."""
        return self._links

    @links.setter
    def links(self, links: list[Item] | None) -> None:
        self._links = links
        self._plan()

    def set_handle(self, handle: int) -> None:
        """The client's handle, in force for what is queued too."""
        self.handle = _U32.pack(handle)

    def set_queue(self, size: int, discard_oldest: bool) -> None:
        """Queue size and discard policy. What no longer fits is dropped as if it had never fitted.

        Raises:
            ValueError: a size below 1.
        """
        if size < 1:
            raise ValueError(f"queue of {size}")
        waiting = self.waiting()
        self.size = size
        self.discard_oldest = discard_oldest
        if len(waiting) <= size:
            return
        self.ready.overflows += len(waiting) - size
        if discard_oldest or size == 1:
            waiting = waiting[-size:]
            marked = 0
        else:
            waiting = [*waiting[: size - 1], waiting[-1]]
            marked = -1
        if size > 1:
            waiting[marked] = with_status_bits(waiting[marked], OVERFLOW_BITS)
        self.held = waiting[0]
        self.queue = deque(waiting[1:]) if size > 1 else None

    def set_filter(self, trigger: int, deadband: float) -> None:
        """DataChangeTrigger and absolute deadband (negative: none), which lets no SourceTimestamp trigger."""
        self.trigger = trigger
        self.timestamps = trigger == ON_STATUS_VALUE_TIME and deadband < 0
        self.deadband = deadband
        self._plan()

    def set_mode(self, mode: int) -> None:
        """MonitoringMode. Disabled forgets what was sampled and queued."""
        self.mode = mode
        if mode == DISABLED:
            self.held = None
            self.queue = None
            self._last = b""
            self._bits = 0
        elif mode == REPORTING and self.held is not None:
            self._list(LISTED)
        self._plan()

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
        return self.held is not None

    def waiting(self) -> list[bytes]:
        """What is queued, oldest first."""
        if self.held is None:
            return []
        return [self.held] if self.queue is None else [self.held, *self.queue]

    def touch(self, now: int) -> None:
        """The point changed."""
        if self._group is None:
            self.sample(now)
        elif not self.dirty:
            self.dirty = True
            self._group.dirty.append(self)

    def mark(self, bits: int, now: int) -> None:
        """Report the present value once more, with bits set in its StatusCode (SemanticsChanged)."""
        if self.mode != DISABLED:
            self._bits |= bits
            self.sample(now)

    def resend(self, now: int) -> None:
        """Report the present value once more; nothing when values wait already, or when it is not reporting."""
        if self.mode == REPORTING and self.held is None:
            self._last = b""
            self.sample(now)

    def sample(self, now: int) -> None:
        """Look at the point; queue its value when the filter passes it. `now` in ticks."""
        if self.mode == DISABLED:
            return
        point = self.point
        if point._live is not None:
            point._live()
        head = point._head
        if self._last and not self._bits and not self._passes(head):
            return
        self._last = head
        if self.timestamps:
            self._last_source = point.source
        wire = point.current(self._which, now)
        if self._bits:
            wire = with_status_bits(wire, self._bits)
            self._bits = 0
            self._plan()
        self.queue_up(wire)

    def _passes(self, head: bytes) -> bool:
        """The filter (OPC 10000-4, 7.10 and 7.22.2); the deadband is measured from the value queued last."""
        last = self._last
        if head == last:
            return self.timestamps and self.point.source != self._last_source
        if self.deadband < 0 and self.trigger != ON_STATUS:
            return True
        new, status = (head[1:-4], head[-4:]) if head[0] & STATUS else (head[1:], b"")
        old, last_status = (last[1:-4], last[-4:]) if last[0] & STATUS else (last[1:], b"")
        if status != last_status:
            return True
        if self.trigger == ON_STATUS:
            return False
        return not (head[0] & last[0] & VALUE) or apart(new, old, self.deadband)

    def queue_up(self, wire: bytes) -> None:
        """Queue an encoded DataValue; fires the triggers."""
        if self.held is None or self.size == 1:
            self.held = wire
        else:
            self._enqueue(wire)
        if self.mode == REPORTING and not self.listed:
            self.listed = LISTED
            self.ready.items.append(self)
        if self._links is not None:
            # A linked item is sent with what it has when the subscription is: its own sample may come a moment later.
            for linked in self._links:
                if linked.mode == SAMPLING:
                    linked._list(TRIGGERED)

    def _enqueue(self, wire: bytes) -> None:
        """Queue behind others; the overflow bit goes where the gap is (OPC 10000-4, 5.13.1.5)."""
        queue = self.queue
        if queue is None:
            queue = self.queue = deque()
        if len(queue) + 1 < self.size:
            queue.append(wire)
            return
        self.ready.overflows += 1
        if self.discard_oldest:
            queue.append(wire)
            self.held = with_status_bits(queue.popleft(), OVERFLOW_BITS)
        else:
            queue[-1] = with_status_bits(wire, OVERFLOW_BITS)

    def _take_queue(self, parts: list[bytes], room: int, size: int, most: int) -> tuple[int, int]:
        """Move what stands behind `held` to `parts`, `room` values at most, while `size` stays within `most`.

        The next one, if any, becomes `held`. Returns what is left of the room, and the size.
        """
        queue, handle = self.queue, self.handle
        self.held = None
        while queue:
            wire = queue.popleft()
            size += 4 + len(wire)
            if not room or size > most:
                self.held = wire
                break
            room -= 1
            parts += (handle, wire)
        return room, size

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
        self._links = None
        if self.listed:
            self.ready.deleted()
        group, self._group = self._group, None
        if group is not None and self in group.polled:
            group.polled.remove(self)
