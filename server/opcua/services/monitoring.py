"""The MonitoredItem service set: create, modify, mode, delete (OPC 10000-4, 5.13)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.ua.ua_binary import extensionobject_from_binary, extensionobject_to_binary

from server.opcua.datavalues import stack_status
from server.opcua.event_filter import EventPlan
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import OBJECT, VARIABLE, VARIABLE_TYPE, VIEW, Node
from server.opcua.roles import READ, RECEIVE_EVENTS, Audience
from server.opcua.services.context import Request
from server.opcua.services.dispatch import BROKEN as NO_STRUCTURE
from server.opcua.services.dispatch import NOT_MINE, Dispatcher
from server.opcua.services.event_item import EventItem
from server.opcua.services.fault import ServiceFault
from server.opcua.services.guard import BoundedBuffer
from server.opcua.services.monitored_item import (
    ABSOLUTE,
    NO_DEADBAND,
    PERCENT,
    PLAIN_FILTER,
    REPORTING,
    DataFilter,
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
_LAST_ATTRIBUTE = 27
_DATA_FILTER = b"\x01\x00\xd4\x02\x01\x10\x00\x00\x00"  # DataChangeFilter_Encoding_DefaultBinary (724), 16 bytes
_DATA_FILTER_BODY = struct.Struct("<IId")
_NUMBER, _BASE_DATA_TYPE = 26, 24
FILTERS = 256
"""Parsed filters that are remembered."""
FILTER_BYTES = 16 * 1024
"""Longer ones are not."""
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


class _RefusedError(Exception):
    """The operation result of one item."""

    def __init__(self, code: int, filter_result: bytes = b"") -> None:
        super().__init__(f"0x{int(code):08X}")
        self.code = int(code)
        self.filter_result = filter_result


class MonitoredItemService:
    """Makes and changes the items of subscriptions."""

    def __init__(self, engine: SubscriptionEngine) -> None:
        self._engine = engine
        self._plans: dict[bytes, tuple[bool, EventPlan | None, bytes]] = {}
        self.count = 0
        """Monitored items of all subscriptions."""
        self.watched: dict[Key, int] = {}
        """How many of them look at each node."""

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
        return results([self._create(subscription, wanted, which) for wanted in items])

    def modify(self, request: Request) -> bytes | None:
        """ModifyMonitoredItems, likewise."""
        try:
            subscription_id, which, count = read_head(request.body, request.at, LEAST_MODIFY_BYTES)
            subscription = self._owned(request, subscription_id, which, count)
            items = read_modify(request.body, request.at, count)
        except BROKEN:
            return None
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
        self._forget(item)
        return True

    def drop_all(self, subscription: Subscription) -> None:
        """Delete all items of a subscription that ends."""
        items, subscription.items = subscription.items, {}
        for item in items.values():
            self._forget(item)

    def _keep(self, subscription: Subscription, item: DataItem | EventItem) -> None:
        subscription.items[item.item_id] = item
        self.count += 1
        self.watched[item.key] = self.watched.get(item.key, 0) + 1

    def _forget(self, item: DataItem | EventItem) -> None:
        item.drop()
        self.count -= 1
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
                raise _RefusedError(_S.BadTooManyMonitoredItems)
            node = engine.store.get(wanted.key)
            if node is None:
                raise _RefusedError(_S.BadNodeIdUnknown)
            if wanted.mode > REPORTING:
                raise _RefusedError(_S.BadMonitoringModeInvalid)
            if wanted.attribute == _EVENT_NOTIFIER:
                return self._create_events(subscription, node, wanted)
            return self._create_data(subscription, node, wanted, which)
        except _RefusedError as refused:
            return created(refused.code, 0, 0.0, 0, refused.filter_result)

    def _create_data(self, subscription: Subscription, node: Node, wanted: Wanted, which: int) -> bytes:
        source = None
        point = node.point
        if wanted.attribute == _VALUE and wanted.index_range is None and wanted.encoding is None and point is not None:
            code = self.value_code(subscription.audience, node)
            if code:
                raise _RefusedError(code)
        else:
            source = self._source(subscription, node, wanted)
        chosen = PLAIN_FILTER if not wanted.filter else self._data_filter(node, wanted.attribute, wanted.filter)
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
        sampling, size = self._revised(subscription, item, wanted.sampling, wanted.queue)
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
            raise _RefusedError(_S.BadAttributeIdInvalid)
        if wanted.index_range is not None and parse_range(wanted.index_range) is None:
            raise _RefusedError(_S.BadIndexRangeInvalid)
        source = Source(self._engine.read, subscription, node, wanted.attribute, wanted.index_range, wanted.encoding)
        code = source.refresh()
        if code in _NO_ITEM_CODES:
            raise _RefusedError(code)
        return source

    def _create_events(self, subscription: Subscription, node: Node, wanted: Wanted) -> bytes:
        engine = self._engine
        shape = node.shape
        if shape.node_class not in (OBJECT, VIEW):
            raise _RefusedError(_S.BadAttributeIdInvalid)
        if not shape.notifier & _EVENTS_BIT:
            raise _RefusedError(_S.BadNotSupported)
        audience = subscription.audience
        if not audience.has(node, RECEIVE_EVENTS):
            raise _RefusedError(_S.BadUserAccessDenied)
        if audience.insecure(node):
            raise _RefusedError(_S.BadSecurityModeInsufficient)
        plan, filter_result = self._event_plan(wanted.filter)
        item = EventItem(engine.bus, subscription, self._next_id(subscription), node, plan)
        item.set_handle(wanted.handle)
        size = self._event_queue(subscription, wanted.queue)
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
                raise _RefusedError(_S.BadMonitoredItemIdInvalid)
            if isinstance(item, EventItem):
                return self._modify_events(subscription, item, wanted)
            chosen = PLAIN_FILTER
            if wanted.filter:
                chosen = self._data_filter(item.node, item.attribute, wanted.filter)
            sampling, size = self._revised(subscription, item, wanted.sampling, wanted.queue)
            item.client_handle = wanted.handle
            item.item.set_handle(wanted.handle)
            item.item.which = which
            item.set_parameters(sampling, size, wanted.discard_oldest, chosen)
            return modified(0, sampling, size, b"")
        except _RefusedError as refused:
            return modified(refused.code, 0.0, 0, refused.filter_result)

    def _modify_events(self, subscription: Subscription, item: EventItem, wanted: Modified) -> bytes:
        plan, filter_result = self._event_plan(wanted.filter)
        item.plan = plan
        item.set_handle(wanted.handle)
        size = self._event_queue(subscription, wanted.queue)
        item.set_queue(size, wanted.discard_oldest)
        return modified(0, 0.0, size, filter_result)

    # -- revised settings

    def _revised(self, subscription: Subscription, item: DataItem, sampling: float, queue: int) -> tuple[float, int]:
        """(sampling interval, queue size) (7.21)."""
        limits = self._engine.limits
        least = item.node.shape.min_sampling
        interval = subscription.publishing_interval_ms
        if sampling < 0 or math.isnan(sampling):
            revised = interval
        elif sampling == 0 and not item.polled:
            revised = 0.0
        elif sampling == interval:
            revised = sampling
        else:
            revised = limits.sampling_interval(sampling)
        if item.attribute == _VALUE and least > revised:
            revised = limits.sampling_interval(least)
        return revised, self._queue(subscription, queue, limits.queue_size)

    def _event_queue(self, subscription: Subscription, asked: int) -> int:
        """Queue size of events: 0 is the default, which is all we keep (7.21, queueSize)."""
        limits = self._engine.limits
        return self._queue(subscription, asked or limits.event_queue_size, limits.event_queue_size)

    def _queue(self, subscription: Subscription, asked: int, most: int) -> int:
        if subscription.durable_hours:
            most = max(most, self._engine.limits.durable_queue_size)
        return min(asked, most) or 1

    # -- filters

    def _data_filter(self, node: Node, attribute: int, encoded: bytes) -> DataFilter:
        """The DataChangeFilter of an item on this attribute (7.22.2)."""
        if encoded[: len(_DATA_FILTER)] == _DATA_FILTER and len(encoded) == len(_DATA_FILTER) + 16:
            trigger, kind, deadband = _DATA_FILTER_BODY.unpack_from(encoded, len(_DATA_FILTER))
            if attribute != _VALUE:
                raise _RefusedError(_S.BadFilterNotAllowed)
        else:
            found = _decoded(encoded)
            if not isinstance(found, ua.DataChangeFilter):
                known = isinstance(found, ua.EventFilter)
                raise _RefusedError(_S.BadFilterNotAllowed if known else _S.BadMonitoredItemFilterUnsupported)
            if attribute != _VALUE:
                raise _RefusedError(_S.BadFilterNotAllowed)
            trigger, kind, deadband = int(found.Trigger), int(found.DeadbandType), float(found.DeadbandValue)
        if trigger > 2:
            raise _RefusedError(_S.BadMonitoredItemFilterInvalid)
        if kind == NO_DEADBAND:
            return DataFilter(trigger)
        if kind not in (ABSOLUTE, PERCENT):
            raise _RefusedError(_S.BadDeadbandFilterInvalid)
        if not self._numeric(node):
            raise _RefusedError(_S.BadFilterNotAllowed)
        if not 0 <= deadband < math.inf or (kind == PERCENT and deadband > 100):
            raise _RefusedError(_S.BadDeadbandFilterInvalid)
        if kind == PERCENT and self._engine.semantics.span(node) is None:
            raise _RefusedError(_S.BadMonitoredItemFilterUnsupported)
        return DataFilter(trigger, kind, deadband)

    def _numeric(self, node: Node) -> bool:
        data_type = node.shape.data_type
        if data_type is None:
            return False
        if data_type == _BASE_DATA_TYPE:
            held = node.point.variant[:1] if node.point is not None else b""
            return bool(held) and 2 <= held[0] & 0x3F <= 11
        return self._engine.store.is_a(data_type, _NUMBER)

    def _event_plan(self, encoded: bytes) -> tuple[EventPlan, bytes]:
        """The plan of an EventFilter, shared by all items with the same bytes, and its FilterResult if it has one."""
        known = self._plans.get(encoded)
        if known is None:
            wanted = _decoded(encoded) if encoded else None
            if not isinstance(wanted, ua.EventFilter):
                raise _RefusedError(_S.BadEventFilterInvalid)
            obeyed, result = self._engine.event_types.check(wanted)
            known = (
                obeyed,
                EventPlan(wanted, self._engine.store) if obeyed else None,
                b"" if result is None else bytes(extensionobject_to_binary(result)),
            )
            if len(encoded) <= FILTER_BYTES:
                if len(self._plans) >= FILTERS:
                    del self._plans[next(iter(self._plans))]
                self._plans[encoded] = known
        _obeyed, plan, filter_result = known
        if plan is None:
            raise _RefusedError(_S.BadEventFilterInvalid, filter_result)
        return plan, filter_result


def _decoded(encoded: bytes) -> Any:
    """The structure of an encoded filter; None when it is none."""
    try:
        return extensionobject_from_binary(BoundedBuffer(encoded))
    except NO_STRUCTURE:
        return None
    except RecursionError:
        return None


def _unreadable(_request: Request, _params: object) -> None:
    """What the byte-level handler leaves over is no such request.

    Raises:
        ServiceFault: BadDecodingError.
    """
    raise ServiceFault(_S.BadDecodingError)
