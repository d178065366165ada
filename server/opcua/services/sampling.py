"""Sampling: groups of items with one interval, and sources that must be read because nobody tells of their changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from asyncua import ua

from server.opcua.nodes.node import Node
from server.opcua.nodes.values import ValueEncodingError, put_data_value
from server.opcua.services.context import Session
from server.opcua.services.queue_bytes import bound_queues
from server.opcua.services.schedule import Scheduler, Timer
from server.opcua.wire import Group, Item, Point
from server.opcua.wire.points import BOTH

if TYPE_CHECKING:
    from server.opcua.services.subscription import Subscription

AttributeReader = Callable[[Session, Node, int, str | None, ua.QualifiedName | None, int], ua.DataValue]
"""(session, node, attribute, index range, data encoding, TimestampsToReturn) -> what a Read would answer."""


class Source:
    """An attribute, or a part or another encoding of a value: read at each sample into a point of its own."""

    __slots__ = ("_attribute", "_encoding", "_index_range", "_node", "_read", "_subscription", "point")

    def __init__(
        self,
        read: AttributeReader,
        subscription: Subscription,
        node: Node,
        attribute: int,
        index_range: str | None,
        encoding: ua.QualifiedName | None,
    ) -> None:
        self._read = read
        self._subscription = subscription
        self._node = node
        self._attribute = attribute
        self._index_range = index_range
        self._encoding = encoding
        self.point = Point()

    def refresh(self) -> int:
        """Read; the items of the point hear of a change. Returns the StatusCode."""
        session = self._subscription.session or self._subscription.last_session
        value = self._read(session, self._node, self._attribute, self._index_range, self._encoding, BOTH)
        try:
            put_data_value(self.point, value)
            bound_queues(self.point, len(self.point.body))
        except ValueEncodingError:
            self.point.put_scalar(1, None, int(ua.StatusCodes.BadEncodingError), 0, 0)
        return self.point.status


class SamplingGroup:
    """Items sampled together, the sources that are read before, and items of points that must be asked."""

    __slots__ = ("group", "live", "sources")

    def __init__(self) -> None:
        self.group = Group()
        self.live: dict[Item, None] = {}  # not the group's own list: items must come and go in constant time
        self.sources: dict[Source, None] = {}

    def tick(self, now: int) -> None:
        """Take the samples of this moment; nothing happens when nothing changed and nothing is polled."""
        for source in list(self.sources):
            source.refresh()
        if self.group.dirty:
            self.group.tick(now)
        for item in list(self.live):
            item.sample(now)


class SharedGroup(SamplingGroup):
    """The items of all subscriptions with one sampling interval."""

    __slots__ = ("count", "interval_ms", "timer")

    def __init__(self, interval_ms: float) -> None:
        super().__init__()
        self.interval_ms = interval_ms
        self.count = 0
        self.timer: Timer | None = None


class SamplingGroups:
    """Shared groups by interval: made for their first item, gone with their last."""

    def __init__(self, scheduler: Scheduler, ticks: Callable[[], int]) -> None:
        self._scheduler = scheduler
        self._ticks = ticks
        self._groups: dict[float, SharedGroup] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def join(self, interval_ms: float) -> SharedGroup:
        """The group of an interval, for one more item."""
        found = self._groups.get(interval_ms)
        if found is None:
            found = self._groups[interval_ms] = group = SharedGroup(interval_ms)
            interval_s = interval_ms / 1000
            group.timer = self._scheduler.every(
                interval_s,
                lambda: group.tick(self._ticks()),
                first=self._scheduler.now() + interval_s,
                priority=SAMPLE_FIRST,
            )
        found.count += 1
        return found

    def leave(self, group: SamplingGroup) -> None:
        """An item is gone from its group; a subscription's own group does not mind."""
        if isinstance(group, SharedGroup):
            group.count -= 1
            if not group.count:
                del self._groups[group.interval_ms]
                if group.timer is not None:
                    self._scheduler.cancel(group.timer)


SAMPLE_FIRST = 1_000
"""Priority of sampling timers: above that of any subscription, what is due with them publishes the new samples."""
