"""One monitored item of events: a queue of encoded EventFields (OPC 10000-4, 5.13.1.5 and 7.22.3)."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Protocol

from server.opcua.event_filter import Event, EventPlan
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import Node
from server.opcua.roles import RECEIVE_EVENTS, Audience
from server.opcua.services.monitored_item import DISABLED, REPORTING, SAMPLING
from server.opcua.wire import Item, Point, Ready
from server.opcua.wire.points import NEITHER

if TYPE_CHECKING:
    from server.opcua.events import EventBus
    from server.opcua.services.subscription import Subscription

_U32 = struct.Struct("<I")


class RefreshRun(Protocol):
    """A ConditionRefresh of one item."""

    over: bool

    def next(self, item: EventItem) -> bytes | None: ...


class EventItem:
    """A monitored item on EventNotifier."""

    __slots__ = (
        "_trigger",
        "attribute",
        "bus",
        "client_handle",
        "discard_oldest",
        "item_id",
        "key",
        "links",
        "listed",
        "mode",
        "node",
        "overflowed",
        "plan",
        "proxy",
        "queue",
        "refresh",
        "refreshed",
        "sampling_ms",
        "size",
        "subscription",
        "triggered",
        "triggered_by",
        "wire_handle",
    )

    def __init__(self, bus: EventBus, subscription: Subscription, item_id: int, node: Node, plan: EventPlan) -> None:
        self.bus = bus
        self.subscription = subscription
        self.item_id = item_id
        self.node = node
        self.key: Key = node.key
        self.attribute = 12  # EventNotifier
        self.plan = plan
        self.mode = DISABLED
        self.sampling_ms = 0.0
        self.client_handle = 0
        self.wire_handle = b""
        self.size = 1
        self.discard_oldest = True
        self.queue: deque[bytes] = deque()
        self.overflowed = b""  # the EventQueueOverflowEvent that waits, at the end that the queue discards from
        self.listed = False  # in the subscription's list of event items with something to report
        self.triggered = False
        self.triggered_by: set[int] | None = None  # items that report this one
        self.links: dict[int, None] | None = None  # items that this one reports
        self._trigger: Item | None = None  # carries the links to the items that events of this one report
        self.refresh: RefreshRun | None = None  # what is told again, made as there is room for it
        self.refreshed: bytes | None = None  # the next of it
        self.proxy: Item | None = None  # stands for this item among the links of data items

    def set_handle(self, handle: int) -> None:
        """The client's handle, in force for what is queued too."""
        self.client_handle = handle
        self.wire_handle = _U32.pack(handle)

    def set_queue(self, size: int, discard_oldest: bool) -> None:
        """Queue size and discard policy; what no longer fits is discarded."""
        self.size = size
        self.discard_oldest = discard_oldest
        dropped = len(self.queue) > size
        while len(self.queue) > size:
            self._drop_one()
        if dropped:
            self._overflow()

    def set_mode(self, mode: int) -> None:
        """MonitoringMode; Disabled forgets what is queued."""
        before, self.mode = self.mode, mode
        if before == mode:
            return
        counted = self.item_id in self.subscription.items
        if mode == DISABLED:
            self.bus.detach(self)
            self.queue.clear()
            self.overflowed = b""
            self._end_refresh()
            self.subscription.disabled_item_count += 1
            return
        if mode != REPORTING:
            # Nothing takes it any more: kept, it would hold up every later refresh of the subscription.
            self._end_refresh()
        if before == DISABLED:
            self.bus.attach(self)
            if counted:
                self.subscription.disabled_item_count -= 1
        if mode == REPORTING and self.queue:
            self._list()

    def judge(self, before: Audience) -> None:
        """The owner's user changed: what was queued for one who may see more is forgotten."""
        if not self.may_receive(audit=before.administers):
            self.queue.clear()
            self.overflowed = b""

    def may_receive(self, audit: bool) -> bool:
        """True when the owner may receive events of the notifier, and audit events if it is one."""
        audience = self.subscription.last_session.audience
        if audit and not audience.administers:
            return False
        return audience.has(self.node, RECEIVE_EVENTS) and not audience.insecure(self.node)

    # -- events

    def offer(self, event: Event) -> None:
        """An event came; queue its fields when the filter passes it."""
        fields = event.for_filter(self.plan)
        if fields is None:
            return
        if len(self.queue) >= self.size:
            self._drop_one()
            self._overflow()
        self.queue.append(fields)
        if self.mode == REPORTING:
            self._list()
        if self._trigger is not None:
            self._trigger.queue_up(b"")

    def _drop_one(self) -> None:
        if self.discard_oldest:
            self.queue.popleft()
        else:
            self.queue.pop()

    def _overflow(self) -> None:
        self.subscription.event_queue_overflow_count += 1
        if not self.overflowed:
            # Beside the queue, never discarded, and whatever the where clause says (OPC 10000-4, 7.22.3).
            self.overflowed = self.plan.fields(self.bus.overflow_event())

    def reportable(self) -> bool:
        """True when something would be sent now."""
        if self.mode != REPORTING and not self.triggered:
            return False
        return bool(self.queue or self.overflowed) or self._has_refreshed()

    def take(self) -> bytes:
        """The next EventFields, encoded."""
        if self.overflowed and (self.discard_oldest or not self.queue):
            event, self.overflowed = self.overflowed, b""
            return event
        if not self.queue and self.refreshed is not None:
            event, self.refreshed = self.refreshed, None
            return event
        return self.queue.popleft()

    # -- refresh

    def start_refresh(self, run: RefreshRun) -> None:
        """Report a refresh after what is queued, event by event; what happens meanwhile goes before the rest of it.

        An item that does not report is told nothing: who lets it report later asks again.
        """
        if self.mode == REPORTING:
            self.refresh = run
            self._list()

    def _has_refreshed(self) -> bool:
        """True when an event of a refresh is ready."""
        run = self.refresh
        if run is None:
            return False
        if self.refreshed is None:
            if run.over:
                self._end_refresh()
                return False
            self.refreshed = run.next(self)
        return self.refreshed is not None

    def _end_refresh(self) -> None:
        self.refresh = None
        self.refreshed = None

    def trigger_now(self) -> None:
        """An item that links to this one reported: the queue is sent once."""
        if self.mode == SAMPLING and self.queue:
            self.triggered = True
            self._list()

    def _list(self) -> None:
        if not self.listed:
            self.listed = True
            self.subscription.event_ready.append(self)

    # -- triggering

    def set_links(self, links: list[Item] | None) -> None:
        """The wire items that an event of this one triggers."""
        if links is None:
            self._trigger = None
            return
        if self._trigger is None:
            self._trigger = _silent(self.subscription.ready)
        self._trigger.links = links

    def link_proxy(self) -> Item:
        """What triggering data items link to: it always holds a value, so that its being taken tells of the trigger."""
        if self.proxy is None:
            self.proxy = _silent(self.subscription.event_links)
            self.proxy.queue_up(b"")
            self.subscription.linked_events[self.proxy] = self
        return self.proxy

    def drop(self) -> None:
        """The item is deleted."""
        if self.mode != DISABLED:
            self.bus.detach(self)
        else:
            self.subscription.disabled_item_count -= 1
        self.mode = DISABLED
        self.queue.clear()
        self.overflowed = b""
        self._end_refresh()
        self._trigger = None
        if self.proxy is not None:
            self.subscription.linked_events.pop(self.proxy, None)
            self.proxy = None


def _silent(ready: Ready) -> Item:
    """A wire item that queues and triggers but is not reported by itself."""
    item = Item(Point(), ready, 0, NEITHER)
    item.set_mode(SAMPLING)
    return item
