"""Subscriptions and monitored items of the stack, where its own fall short: owners, event filters, queue sizes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import AddressSpace
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemData, MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService

from server.opcua.datavalues import stack_status
from server.opcua.events import FilterEvaluator, check_filter
from server.opcua.space import A

_S = ua.StatusCodes
PUBLISHING_MS = 50.0
"""Shortest publishing interval."""
KEEP_ALIVES = 3
"""A subscription lives at least so many keep-alives."""


class Items(MonitoredItemService):  # type: ignore[misc]
    """The monitored items of one subscription."""

    def _create_events_monitored_item(self, params: ua.MonitoredItemCreateRequest) -> ua.MonitoredItemCreateResult:
        result, item = self._make_monitored_item_common(params)
        node_id = params.ItemToMonitor.NodeId
        node = self.aspace.get(node_id)
        notifier = node.attributes.get(A.EventNotifier) if node is not None else None
        if node is None:
            result.StatusCode = stack_status(_S.BadNodeIdUnknown)
        elif notifier is None:
            result.StatusCode = stack_status(_S.BadAttributeIdInvalid)
        elif not notifier.value.Value.Value & 1:
            result.StatusCode = stack_status(_S.BadNotSupported)
        elif not isinstance(item.filter, ua.EventFilter):
            result.StatusCode = stack_status(_S.BadEventFilterInvalid)
        else:
            wrong = check_filter(item.filter)
            if wrong is not None:
                result.StatusCode = stack_status(_S.BadEventFilterInvalid)
                result.FilterResult = wrong
            else:
                item.where_clause_evaluator = FilterEvaluator(self.logger, self.aspace, item.filter.WhereClause)
                self._commit_monitored_item(result, item)
                self._monitored_events.setdefault(node_id, []).append(result.MonitoredItemId)
        return result

    async def _create_data_change_monitored_item(
        self, params: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        wanted = params.RequestedParameters.Filter
        if isinstance(wanted, ua.ExtensionObject) and wanted.TypeId.is_null():
            params.RequestedParameters.Filter = wanted = None
        if wanted is not None:
            code = self._check_data_filter(params.ItemToMonitor, wanted)
            if code:
                return ua.MonitoredItemCreateResult(stack_status(code))
        if params.RequestedParameters.QueueSize == 0:
            params.RequestedParameters.QueueSize = 1
        return await super()._create_data_change_monitored_item(params)

    def _check_data_filter(self, item: ua.ReadValueId, wanted: Any) -> int:
        if not isinstance(wanted, ua.DataChangeFilter):
            return int(_S.BadMonitoredItemFilterUnsupported)
        if item.AttributeId != A.Value:
            return int(_S.BadFilterNotAllowed)
        if wanted.DeadbandType == ua.DeadbandType.Percent:
            return int(_S.BadMonitoredItemFilterUnsupported)
        return 0

    def _modify_monitored_item(self, params: ua.MonitoredItemModifyRequest) -> ua.MonitoredItemModifyResult:
        item = self._monitored_items.get(params.MonitoredItemId)
        if item is None:
            return ua.MonitoredItemModifyResult(stack_status(_S.BadMonitoredItemIdInvalid))
        asked = params.RequestedParameters
        wanted = asked.Filter
        if isinstance(wanted, ua.ExtensionObject) and wanted.TypeId.is_null():
            wanted = None
        if isinstance(wanted, ua.EventFilter):
            if item.where_clause_evaluator is None:
                return ua.MonitoredItemModifyResult(stack_status(_S.BadFilterNotAllowed))
            wrong = check_filter(wanted)
            if wrong is not None:
                return ua.MonitoredItemModifyResult(stack_status(_S.BadEventFilterInvalid), FilterResult=wrong)
            item.where_clause_evaluator = FilterEvaluator(self.logger, self.aspace, wanted.WhereClause)
            item.filter = wanted
        elif wanted is not None or item.where_clause_evaluator is None:
            code = self._check_data_filter(item.read_value_id, wanted) if wanted is not None else 0
            if code:
                return ua.MonitoredItemModifyResult(stack_status(code))
            item.filter = wanted
        item.client_handle = asked.ClientHandle
        item.queue_size = self._revise_queue_size(asked.QueueSize) if asked.QueueSize else 1
        return ua.MonitoredItemModifyResult(
            RevisedSamplingInterval=self.isub.data.RevisedPublishingInterval, RevisedQueueSize=item.queue_size
        )

    async def datachange_callback(self, handle: int, value: ua.DataValue, error: Any = None) -> None:
        # The stack copies each value deeply for every item (three quarters of its CPU); DataValues are frozen.
        item = self._monitored_items[self._monitored_datachange[handle]]
        if item.mode != ua.MonitoringMode.Reporting or not _passes(item, value):
            return
        item.mvalue.current_dvalue = value  # what was reported last: deadbands are measured from it
        if item.monitored_item_id is not None:
            note = ua.MonitoredItemNotification(ClientHandle=item.client_handle, Value=value)
            await self.isub.enqueue_datachange_event(item.monitored_item_id, note, item.queue_size)

    async def _set_monitoring_mode(self, mode: ua.MonitoringMode, mid: int) -> ua.StatusCode:
        item = self._monitored_items.get(mid)
        if item is None:
            return stack_status(_S.BadMonitoredItemIdInvalid)
        begins = item.mode != ua.MonitoringMode.Reporting and mode == ua.MonitoringMode.Reporting
        item.mode = mode
        if begins and item.callback_handle is not None and item.read_value_id is not None:
            item.mvalue.current_dvalue = None
            wanted = item.read_value_id
            await self.trigger_datachange(item.callback_handle, wanted.NodeId, wanted.AttributeId)
        return stack_status(_S.Good)

    def _delete_monitored_items(self, mid: int) -> ua.StatusCode:
        item = self._monitored_items.pop(mid, None)
        if item is None:
            return stack_status(_S.BadMonitoredItemIdInvalid)
        if item.callback_handle is not None:
            self._monitored_datachange.pop(item.callback_handle, None)
            # The node may be gone already, and its table with it.
            known = self.aspace._handle_to_attribute_map.pop(item.callback_handle, None)
            node = self.aspace._nodes.get(known[0]) if known is not None else None
            if node is not None and known is not None and known[1] in node.attributes:
                node.attributes[known[1]].datachange_callbacks.pop(item.callback_handle, None)
        elif item.read_value_id is not None:
            listeners = self._monitored_events.get(item.read_value_id.NodeId, [])
            if mid in listeners:
                listeners.remove(mid)
            if not listeners:
                self._monitored_events.pop(item.read_value_id.NodeId, None)
        return stack_status(_S.Good)


def _passes(item: MonitoredItemData, value: ua.DataValue) -> bool:
    last = item.mvalue.current_dvalue
    if last is None:
        return True
    if last.StatusCode != value.StatusCode:
        return True
    trigger = item.filter.Trigger if item.filter else ua.DataChangeTrigger.StatusValue
    if trigger == ua.DataChangeTrigger.Status:
        return False
    if trigger == ua.DataChangeTrigger.StatusValueTimestamp and last.SourceTimestamp != value.SourceTimestamp:
        return True
    if last.Value == value.Value:
        return False
    if item.filter and item.filter.DeadbandType == ua.DeadbandType.Absolute:
        old = last.Value.Value if last.Value is not None else None
        new = value.Value.Value if value.Value is not None else None
        if isinstance(old, int | float) and isinstance(new, int | float):
            return bool(abs(new - old) > item.filter.DeadbandValue)
    return True


class Subscriptions(SubscriptionService):  # type: ignore[misc]
    """All subscriptions; each is touched by its owner only."""

    def __init__(self, aspace: AddressSpace, stack: Any) -> None:
        super().__init__(aspace, iserver=stack)
        self.owners: dict[int, tuple[str, bytes | None]] = {}  # user and client certificate, for transfers

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        asked = copy.copy(params)
        asked.RequestedPublishingInterval = max(params.RequestedPublishingInterval, PUBLISHING_MS)
        asked.RequestedMaxKeepAliveCount = self._clamp_keep_alive_count(params.RequestedMaxKeepAliveCount or 10)
        asked.RequestedLifetimeCount = max(
            self._clamp_lifetime_count(params.RequestedLifetimeCount), KEEP_ALIVES * asked.RequestedMaxKeepAliveCount
        )
        result = await super().create_subscription(asked, callback, session_id, request_callback)
        subscription = self.subscriptions[result.SubscriptionId]
        subscription.monitored_item_srv = Items(subscription, self.aspace)
        return result

    def owned(self, subscription_id: int, session_id: ua.NodeId) -> InternalSubscription:
        """A session's own subscription.

        Raises:
            ServiceError: BadSubscriptionIdInvalid; there is none, or it is another session's.
        """
        found = self.subscriptions.get(subscription_id)
        if found is None or found.session_id != session_id:
            raise ServiceError(_S.BadSubscriptionIdInvalid)
        return found

    def of(self, session_id: ua.NodeId) -> list[InternalSubscription]:
        """The subscriptions of a session."""
        return [sub for sub in self.subscriptions.values() if sub.session_id == session_id]


def monitored_items(service: Subscriptions, session_id: ua.NodeId, inputs: list[ua.Variant]) -> ua.CallMethodResult:
    """GetMonitoredItems of the Server object: server and client handles of a session's own subscription.

    OPC 10000-5, 9.1.
    """
    if len(inputs) != 1:
        return ua.CallMethodResult(stack_status(_S.BadTooManyArguments if inputs else _S.BadArgumentsMissing))
    (number,) = inputs
    if number.VariantType != ua.VariantType.UInt32 or isinstance(number.Value, list):
        return ua.CallMethodResult(stack_status(_S.BadInvalidArgument), [stack_status(_S.BadTypeMismatch)])
    subscription = service.subscriptions.get(number.Value)
    if subscription is None:
        return ua.CallMethodResult(stack_status(_S.BadSubscriptionIdInvalid))
    if subscription.session_id != session_id:
        return ua.CallMethodResult(stack_status(_S.BadUserAccessDenied))
    items = list(subscription.monitored_item_srv._monitored_items.values())
    handles = ([item.monitored_item_id for item in items], [item.client_handle for item in items])
    return ua.CallMethodResult(
        OutputArguments=[ua.Variant(column, ua.VariantType.UInt32, is_array=True) for column in handles]
    )
