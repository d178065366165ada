"""The MonitoredItem service set: create, modify, mode, delete (OPC 10000-4, 5.13)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import OBJECT, VARIABLE, VARIABLE_TYPE, VIEW, Node
from server.opcua.roles import READ, RECEIVE_EVENTS, Audience
from server.opcua.services.context import Request
from server.opcua.services.dispatch import NOT_MINE, Dispatcher
from server.opcua.services.event_item import EventItem
from server.opcua.services.fault import ServiceFault
from server.opcua.services.filters import Filters, RefusedError, require_few
from server.opcua.services.monitored_item import (
    PLAIN_FILTER,
    REPORTING,
    DataItem,
)
from server.opcua.services.monitoring_wire import (
    BROKEN,
    CREATE_RESPONSE,
    LEAST_BYTES,
    LEAST_MODIFY_BYTES,
    MODE_RESPONSE,
    MODIFY_RESPONSE,
    Modified,
    Wanted,
    created,
    modified,
    read_create,
    read_head,
    read_mode,
    read_modify,
    results,
)
from server.opcua.services.notification import sequence_list
from server.opcua.services.numeric_range import parse_range
from server.opcua.services.sampling import Source
from server.opcua.services.triggering import unlink

if TYPE_CHECKING:
    from server.opcua.services.engine import SubscriptionEngine
    from server.opcua.services.subscription import Subscription

_S = ua.StatusCodes
_VALUE, _EVENT_NOTIFIER = 13, 12
_CURRENT_READ = 1
_EVENTS_BIT = 1
LAST_ITEM_ID = 0xFFFFFFFF
POLLED_MS = 1.0
"""An item that has to be polled is sampled no faster than every so many ms for each that there is: a reading takes some
20 us, and all of them together shall leave most of a core to others."""
_LAST_ATTRIBUTE = 27
_NO_ITEM_CODES = frozenset(
    (
        _S.BadAttributeIdInvalid,
        _S.BadIndexRangeInvalid,
        _S.BadDataEncodingInvalid,
        _S.BadDataEncodingUnsupported,
        _S.BadUserAccessDenied,
        _S.BadSecurityModeInsufficient,
        _S.BadNotReadable,
        _S.BadNodeIdUnknown,
    )
)
"""What a first reading may say that keeps an item from being made; all else the item reports."""


class MonitoredItemService:
    """Makes and changes the items of subscriptions."""

    def __init__(self, engine: SubscriptionEngine) -> None:
        self._engine = engine
        self.filters = Filters(engine.store, engine.semantics)
        self.count = 0
        """Monitored items of all subscriptions."""
        self.watched: dict[Key, int] = {}
        """How many of them look at each node."""
        self.queue_slots = 0
        """Queue sizes of all of them together."""
        self.polled = 0
        """Those whose values nobody tells of: other attributes, parts of values, values made when they are read."""

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer the service set but SetTriggering."""

        def with_header(number: int, answer: Callable[[Request], bytes | None]) -> Callable[[Request], bytes | None]:
            def answered(request: Request) -> bytes | None:
                payload = answer(request)
                return NOT_MINE if payload is None else dispatcher.header(number, request) + payload

            return answered

        for name, number, answer in (
            ("CreateMonitoredItems", CREATE_RESPONSE, self.create),
            ("ModifyMonitoredItems", MODIFY_RESPONSE, self.modify),
            ("SetMonitoringMode", MODE_RESPONSE, self.set_mode),
        ):
            dispatcher.register(name, _unreadable)
            dispatcher.register_fast(name, with_header(number, answer))
        dispatcher.register("DeleteMonitoredItems", self.delete)

    # -- services

    def create(self, request: Request) -> bytes | None:
        """CreateMonitoredItems: the response behind its header; None for bytes that are no such request."""
        try:
            subscription_id, which, count = read_head(request.body, request.at, LEAST_BYTES)
            subscription = self._owned(request, subscription_id, which, count)
            items = read_create(request.body, request.at, count)
        except BROKEN:
            return None
        require_few(wanted.filter for wanted in items)
        return results([self._create(subscription, wanted, which) for wanted in items])

    def modify(self, request: Request) -> bytes | None:
        """ModifyMonitoredItems, likewise."""
        try:
            subscription_id, which, count = read_head(request.body, request.at, LEAST_MODIFY_BYTES)
            subscription = self._owned(request, subscription_id, which, count)
            items = read_modify(request.body, request.at, count)
        except BROKEN:
            return None
        require_few(wanted.filter for wanted in items)
        return results([self._modify(subscription, wanted, which) for wanted in items])

    def set_mode(self, request: Request) -> bytes | None:
        """SetMonitoringMode, likewise."""
        try:
            subscription_id, mode, item_ids = read_mode(request.body, request.at)
        except BROKEN:
            return None
        if mode > REPORTING:
            raise ServiceFault(_S.BadMonitoringModeInvalid)
        subscription = self._owned(request, subscription_id, 0, len(item_ids))
        codes: list[int] = []
        for item_id in item_ids:
            item = subscription.items.get(item_id)
            if item is not None:
                item.set_mode(mode)
            codes.append(0 if item is not None else int(_S.BadMonitoredItemIdInvalid))
        return sequence_list(codes) + b"\x00\x00\x00\x00"

    def delete(self, request: Request, params: Any) -> ua.DeleteMonitoredItemsResponse:
        """DeleteMonitoredItems."""
        item_ids = params.MonitoredItemIds or []
        subscription = self._owned(request, params.SubscriptionId, 0, len(item_ids))
        response = ua.DeleteMonitoredItemsResponse()
        response.Results = [
            stack_status(0 if self.drop(subscription, item_id) else _S.BadMonitoredItemIdInvalid)
            for item_id in item_ids
        ]
        return response

    def drop(self, subscription: Subscription, item_id: int) -> bool:
        """Delete one item; False when there is none."""
        item = subscription.items.get(item_id)
        if item is None:
            return False
        unlink(subscription, item)
        del subscription.items[item_id]
        self._forget(subscription, item)
        return True

    def drop_all(self, subscription: Subscription) -> None:
        """Delete all items of a subscription that ends."""
        items, subscription.items = subscription.items, {}
        for item in items.values():
            self._forget(subscription, item)

    def _keep(self, subscription: Subscription, item: DataItem | EventItem) -> None:
        subscription.items[item.item_id] = item
        self.count += 1
        self.polled += _is_polled(item)
        self.watched[item.key] = self.watched.get(item.key, 0) + 1
        self._count_slots(subscription, item.size)

    def _count_slots(self, subscription: Subscription, more: int) -> None:
        subscription.queue_slots += more
        self.queue_slots += more

    def _forget(self, subscription: Subscription, item: DataItem | EventItem) -> None:
        item.drop()
        self._count_slots(subscription, -item.size)
        self.count -= 1
        self.polled -= _is_polled(item)
        left = self.watched[item.key] - 1
        if left:
            self.watched[item.key] = left
        else:
            del self.watched[item.key]

    def _owned(self, request: Request, subscription_id: int, which: int, count: int) -> Subscription:
        """The subscription of a request, whose parameters are checked in the standard's order."""
        if not count:
            raise ServiceFault(_S.BadNothingToDo)
        if count > self._engine.operations.monitored_items:
            raise ServiceFault(_S.BadTooManyOperations)
        subscription = self._engine.owned(request, subscription_id)
        if which > 3:
            raise ServiceFault(_S.BadTimestampsToReturnInvalid)
        return subscription

    # -- create

    def _create(self, subscription: Subscription, wanted: Wanted, which: int) -> bytes:
        engine = self._engine
        try:
            if len(subscription.items) >= engine.limits.items_per_subscription or self.count >= engine.limits.items:
                raise RefusedError(_S.BadTooManyMonitoredItems)
            node = engine.store.get(wanted.key)
            if node is None:
                raise RefusedError(_S.BadNodeIdUnknown)
            if self.watched.get(node.key, 0) >= engine.limits.items_per_node:
                raise RefusedError(_S.BadTooManyMonitoredItems)
            if wanted.mode > REPORTING:
                raise RefusedError(_S.BadMonitoringModeInvalid)
            if wanted.attribute == _EVENT_NOTIFIER:
                return self._create_events(subscription, node, wanted)
            return self._create_data(subscription, node, wanted, which)
        except RefusedError as refused:
            return created(refused.code, 0, 0.0, 0, refused.filter_result)
        except ServiceFault as fault:
            return created(fault.code, 0, 0.0, 0, b"")  # its node cannot be made now; other items may be there already

    def _create_data(self, subscription: Subscription, node: Node, wanted: Wanted, which: int) -> bytes:
        source = None
        point = node.point
        if wanted.attribute == _VALUE and wanted.index_range is None and wanted.encoding is None and point is not None:
            code = self.value_code(subscription.audience, node)
            if code:
                raise RefusedError(code)
        else:
            source = self._source(subscription, node, wanted)
        chosen = PLAIN_FILTER if not wanted.filter else self.filters.data_filter(node, wanted.attribute, wanted.filter)
        item_id = self._next_id(subscription)
        item = DataItem(
            self._engine,
            subscription,
            item_id,
            node,
            wanted.attribute,
            wanted.index_range,
            wanted.encoding,
            source,
            wanted.handle,
            which,
        )
        sampling, size = self._revised(subscription, item, wanted.sampling, wanted.queue, 0)
        item.set_parameters(sampling, size, wanted.discard_oldest, chosen)
        if wanted.mode:
            item.set_mode(wanted.mode)
        else:
            subscription.disabled_item_count += 1
        if wanted.attribute == _VALUE:
            self._engine.semantics.watch(item)
        self._keep(subscription, item)
        return created(0, item_id, sampling, size, b"")

    def value_code(self, audience: Audience, node: Node) -> int:
        """Why an audience may not monitor the Value of a node; 0 when it may."""
        shape = node.shape
        if shape.node_class == VARIABLE:
            if not shape.access & _CURRENT_READ:
                return int(_S.BadNotReadable)
        elif shape.node_class != VARIABLE_TYPE:
            return int(_S.BadAttributeIdInvalid)
        if not audience.has(node, READ):
            return int(_S.BadUserAccessDenied)
        return int(_S.BadSecurityModeInsufficient) if audience.insecure(node) else 0

    def _source(self, subscription: Subscription, node: Node, wanted: Wanted) -> Source:
        if not 1 <= wanted.attribute <= _LAST_ATTRIBUTE:
            raise RefusedError(_S.BadAttributeIdInvalid)
        if wanted.index_range is not None and parse_range(wanted.index_range) is None:
            raise RefusedError(_S.BadIndexRangeInvalid)
        source = Source(self._engine.read, subscription, node, wanted.attribute, wanted.index_range, wanted.encoding)
        code = source.refresh()
        if code in _NO_ITEM_CODES:
            raise RefusedError(code)
        return source

    def _create_events(self, subscription: Subscription, node: Node, wanted: Wanted) -> bytes:
        engine = self._engine
        shape = node.shape
        if shape.node_class not in (OBJECT, VIEW):
            raise RefusedError(_S.BadAttributeIdInvalid)
        if not shape.notifier & _EVENTS_BIT:
            raise RefusedError(_S.BadNotSupported)
        audience = subscription.audience
        if not audience.has(node, RECEIVE_EVENTS):
            raise RefusedError(_S.BadUserAccessDenied)
        if audience.insecure(node):
            raise RefusedError(_S.BadSecurityModeInsufficient)
        plan, filter_result = self.filters.event_plan(wanted.filter)
        item = EventItem(engine.bus, subscription, self._next_id(subscription), node, plan)
        item.set_handle(wanted.handle)
        size = self._event_queue(subscription, wanted.queue, 0)
        item.set_queue(size, wanted.discard_oldest)
        if wanted.mode:
            item.set_mode(wanted.mode)
        else:
            subscription.disabled_item_count += 1
        self._keep(subscription, item)
        return created(0, item.item_id, 0.0, size, filter_result)

    def _next_id(self, subscription: Subscription) -> int:
        item_id = subscription.next_item_id
        while item_id in subscription.items:
            item_id = item_id + 1 if item_id < LAST_ITEM_ID else 1
        subscription.next_item_id = item_id + 1 if item_id < LAST_ITEM_ID else 1
        return item_id

    # -- modify

    def _modify(self, subscription: Subscription, wanted: Modified, which: int) -> bytes:
        item = subscription.items.get(wanted.item_id)
        try:
            if item is None:
                raise RefusedError(_S.BadMonitoredItemIdInvalid)
            if isinstance(item, EventItem):
                return self._modify_events(subscription, item, wanted)
            chosen = PLAIN_FILTER
            if wanted.filter:
                chosen = self.filters.data_filter(item.node, item.attribute, wanted.filter)
            sampling, size = self._revised(subscription, item, wanted.sampling, wanted.queue, item.size)
            self._count_slots(subscription, size - item.size)
            item.client_handle = wanted.handle
            item.item.set_handle(wanted.handle)
            item.item.which = which
            item.set_parameters(sampling, size, wanted.discard_oldest, chosen)
            return modified(0, sampling, size, b"")
        except RefusedError as refused:
            return modified(refused.code, 0.0, 0, refused.filter_result)

    def _modify_events(self, subscription: Subscription, item: EventItem, wanted: Modified) -> bytes:
        plan, filter_result = self.filters.event_plan(wanted.filter)
        item.plan = plan
        item.set_handle(wanted.handle)
        size = self._event_queue(subscription, wanted.queue, item.size)
        self._count_slots(subscription, size - item.size)
        item.set_queue(size, wanted.discard_oldest)
        return modified(0, 0.0, size, filter_result)

    # -- revised settings

    def _revised(
        self, subscription: Subscription, item: DataItem, sampling: float, queue: int, held: int
    ) -> tuple[float, int]:
        """(sampling interval, queue size) (7.21); `held` is the queue size that the item has already."""
        limits = self._engine.limits
        least = item.node.shape.min_sampling if item.attribute == _VALUE else 0.0
        if item.polled:
            least = max(least, self.polled * POLLED_MS)
        interval = subscription.publishing_interval_ms
        if sampling < 0 or math.isnan(sampling):
            revised = interval
        elif sampling <= limits.min_sampling_ms and not item.polled:
            # Every change is a sample: faster than our shortest interval, and told as 0 (7.21, samplingInterval).
            revised = 0.0
        elif sampling == interval:
            revised = sampling
        else:
            revised = limits.sampling_interval(sampling)
        if least > revised:
            revised = limits.sampling_interval(least)
        return revised, self._queue(subscription, queue, limits.queue_size, held)

    def _event_queue(self, subscription: Subscription, asked: int, held: int) -> int:
        """Queue size of events: 0 is the default, which is all we keep (7.21, queueSize)."""
        limits = self._engine.limits
        return self._queue(subscription, asked or limits.event_queue_size, limits.event_queue_size, held)

    def _queue(self, subscription: Subscription, asked: int, most: int, held: int) -> int:
        limits = self._engine.limits
        if subscription.durable_hours:
            most = max(most, limits.durable_queue_size)
        room = min(
            limits.queue_slots - self.queue_slots,
            limits.queue_slots_per_subscription - subscription.queue_slots,
        )
        return max(min(asked, most, room + held), 1)


def _is_polled(item: DataItem | EventItem) -> bool:
    """As `DataItem.polled`, whatever stands in for the value at the moment."""
    if isinstance(item, EventItem):
        return False
    point = item.node.point
    return item.source is not None or (point is not None and point.live is not None)


def _unreadable(_request: Request, _params: object) -> None:
    """What the byte-level handler leaves over is no such request.

    Raises:
        ServiceFault: BadDecodingError.
    """
    raise ServiceFault(_S.BadDecodingError)
