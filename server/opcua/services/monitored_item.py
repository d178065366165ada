"""One monitored item of a value or another attribute: what it looks at, when it is sampled, what it reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from asyncua import ua

from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import Node
from server.opcua.services.sampling import SamplingGroup, Source
from server.opcua.wire import Item, Point

if TYPE_CHECKING:
    from server.opcua.services.engine import SubscriptionEngine
    from server.opcua.services.subscription import Subscription

DISABLED, SAMPLING, REPORTING = 0, 1, 2
"""MonitoringMode."""
NO_DEADBAND, ABSOLUTE, PERCENT = 0, 1, 2
"""DeadbandType."""


DIRTY_SEARCHED = 1_000
"""Touched items of a group that are searched for one of them."""


class DataFilter(NamedTuple):
    """A DataChangeFilter; `deadband` in the value's unit or in percent of EURange."""

    trigger: int = 1
    kind: int = NO_DEADBAND
    deadband: float = 0.0


PLAIN_FILTER = DataFilter()
_SECRETS = (ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadSecurityModeInsufficient)


class DataItem:
    """A monitored item of the subscription engine, around the wire's Item that does the sampling and queueing."""

    __slots__ = (
        "attribute",
        "client_handle",
        "encoding",
        "engine",
        "filter",
        "group",
        "index_range",
        "item",
        "item_id",
        "key",
        "links",
        "mode",
        "node",
        "refused",
        "sampling_ms",
        "size",
        "source",
        "subscription",
        "triggered_by",
    )

    def __init__(
        self,
        engine: SubscriptionEngine,
        subscription: Subscription,
        item_id: int,
        node: Node,
        attribute: int,
        index_range: str | None,
        encoding: ua.QualifiedName | None,
        source: Source | None,
        client_handle: int,
        which: int,
    ) -> None:
        self.engine = engine
        self.subscription = subscription
        self.item_id = item_id
        self.node = node
        self.key: Key = node.key
        self.attribute = attribute
        self.index_range = index_range
        self.encoding = encoding
        self.source = source  # None: the item hears of changes of the node's own Point
        self.client_handle = client_handle
        self.mode = DISABLED
        self.sampling_ms = 0.0
        self.size = 1
        self.filter = PLAIN_FILTER
        self.group: SamplingGroup | None = None  # None: every change is a sample
        self.refused = 0  # StatusCode that stands in for the value: node gone, no right to read
        self.triggered_by: set[int] | None = None  # items that report this one
        self.links: dict[int, None] | None = None  # items that this one reports
        self.item = Item(self._point(), subscription.ready, client_handle, which)

    def _point(self) -> Point:
        if self.source is not None:
            return self.source.point
        point = self.node.point
        return point if point is not None else self.engine.refusal(int(ua.StatusCodes.BadNotReadable))

    @property
    def polled(self) -> bool:
        """True when nobody tells of changes."""
        return self.source is not None or self.item.point.live is not None

    # -- settings

    def set_parameters(self, sampling_ms: float, size: int, discard_oldest: bool, wanted: DataFilter) -> None:
        """Revised MonitoringParameters but the client's handle."""
        self.size = size
        self.item.set_queue(size, discard_oldest)
        if wanted is not self.filter:
            self.filter = wanted
            self.item.set_filter(wanted.trigger, self._deadband(wanted))
        if sampling_ms != self.sampling_ms or self.group is None:
            self.sampling_ms = sampling_ms
            if self.mode != DISABLED:
                self.place()

    def _deadband(self, wanted: DataFilter) -> float:
        if wanted.kind == ABSOLUTE:
            return wanted.deadband
        if wanted.kind == PERCENT:
            span = self.engine.semantics.span(self.node)
            return wanted.deadband / 100 * span if span is not None else -1.0
        return -1.0

    def range_changed(self) -> None:
        """EURange has another value: a percent deadband follows (OPC 10000-8, 6.2)."""
        if self.filter.kind == PERCENT:
            self.item.set_filter(self.filter.trigger, self._deadband(self.filter))

    def place(self) -> None:
        """Join the group that samples at the item's interval."""
        interval = self.sampling_ms
        if self.mode == DISABLED or self.refused or (interval == 0 and not self.polled):
            self._leave()
            self._settle()
            self.item.group = None
            return
        subscription = self.subscription
        group: SamplingGroup = (
            subscription.group
            if interval == subscription.publishing_interval_ms
            else self.engine.groups.join(max(interval, self.engine.limits.min_sampling_ms))
        )
        self._leave()
        self.group = group
        self._settle()
        self.item.group = group.group
        if self.source is not None:
            group.sources[self.source] = None
        elif self.item.point.live is not None:
            group.live[self.item] = None

    def _settle(self) -> None:
        """Taking one touched item out of many takes long: they are sampled first."""
        group = self.item.group
        if self.item.dirty and group is not None and len(group.dirty) > DIRTY_SEARCHED:
            group.tick(self.engine.ticks())

    def _leave(self) -> None:
        """Out of the group; the wire's item stays in it until it has another."""
        group = self.group
        if group is None:
            return
        if self.source is not None:
            group.sources.pop(self.source, None)
        group.live.pop(self.item, None)
        self.group = None
        self.engine.groups.leave(group)

    def set_mode(self, mode: int) -> None:
        """MonitoringMode; an item that begins to sample takes its first sample at once."""
        before, self.mode = self.mode, mode
        if mode == before:
            return
        subscription = self.subscription
        if mode == DISABLED:
            self.item.detach()
            self.item.set_mode(DISABLED)
            self.place()
            subscription.disabled_item_count += 1
            return
        self.item.set_mode(mode)
        if before == DISABLED:
            if self.item_id in subscription.items:
                subscription.disabled_item_count -= 1
            self.place()
            self._listen()

    def _listen(self) -> None:
        if not self.refused:
            if self.source is not None:
                self.source.refresh()
            self.item.attach()
        self.item.sample(self.engine.ticks())

    # -- what happens to it

    def judge(self, code: int) -> None:
        """Report a StatusCode in place of the value from now on; 0: the value again."""
        if code == self.refused:
            return
        self.refused = code
        item = self.item
        item.detach()
        if code in _SECRETS:
            item.set_mode(DISABLED)  # what is queued was sampled for somebody else
            item.set_mode(self.mode)
        item.point = self.engine.refusal(code) if code else self._point()
        self.place()
        if self.mode != DISABLED:
            self._listen()

    def resend(self) -> None:
        """Report the present value once more, unless one is waiting (OPC 10000-5, 9.2)."""
        self.item.resend(self.engine.ticks())

    def drop(self) -> None:
        """The item is deleted."""
        self._leave()
        self.item.drop()
        if self.mode == DISABLED:
            self.subscription.disabled_item_count -= 1
        self.mode = DISABLED
        self.engine.semantics.forget(self)
