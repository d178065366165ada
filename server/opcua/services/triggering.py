"""SetTriggering: items that are reported when another one is (OPC 10000-4, 5.13.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.services.context import Request
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.event_item import EventItem
from server.opcua.services.fault import ServiceFault
from server.opcua.services.monitored_item import DataItem
from server.opcua.wire import Item

if TYPE_CHECKING:
    from server.opcua.services.engine import SubscriptionEngine
    from server.opcua.services.subscription import Subscription

_S = ua.StatusCodes


def _wire_item(item: DataItem | EventItem) -> Item:
    return item.link_proxy() if isinstance(item, EventItem) else item.item


def _apply(subscription: Subscription, trigger: DataItem | EventItem) -> None:
    """Tell the wire's item which ones it triggers."""
    linked = [_wire_item(subscription.items[item_id]) for item_id in trigger.links or ()]
    if isinstance(trigger, EventItem):
        trigger.set_links(linked or None)
    else:
        trigger.item.links = linked or None


def unlink(subscription: Subscription, item: DataItem | EventItem) -> None:
    """Take an item that will be deleted out of all links."""
    for trigger_id in item.triggered_by or ():
        trigger = subscription.items[trigger_id]
        if trigger.links is not None:
            del trigger.links[item.item_id]
            subscription.link_count -= 1
        _apply(subscription, trigger)
    for linked_id in item.links or ():
        linked = subscription.items[linked_id]
        subscription.link_count -= 1
        if linked.triggered_by is not None:
            linked.triggered_by.discard(item.item_id)
    item.triggered_by = item.links = None


class TriggeringService:
    """Links between the items of one subscription."""

    def __init__(self, engine: SubscriptionEngine) -> None:
        self._engine = engine

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer SetTriggering."""
        dispatcher.register("SetTriggering", self.set_triggering)

    def set_triggering(self, request: Request, params: ua.SetTriggeringParameters) -> ua.SetTriggeringResponse:
        """Remove links, then add links."""
        added, removed = params.LinksToAdd or [], params.LinksToRemove or []
        if not added and not removed:
            raise ServiceFault(_S.BadNothingToDo)
        if len(added) + len(removed) > self._engine.operations.monitored_items:
            raise ServiceFault(_S.BadTooManyOperations)
        subscription = self._engine.owned(request, params.SubscriptionId)
        trigger = subscription.items.get(params.TriggeringItemId)
        if trigger is None:
            raise ServiceFault(_S.BadMonitoredItemIdInvalid)
        response = ua.SetTriggeringResponse()
        response.Parameters.RemoveResults = [
            stack_status(self._remove(subscription, trigger, item_id)) for item_id in removed
        ]
        response.Parameters.AddResults = [stack_status(self._add(subscription, trigger, item_id)) for item_id in added]
        _apply(subscription, trigger)
        return response

    def _remove(self, subscription: Subscription, trigger: DataItem | EventItem, item_id: int) -> int:
        item = subscription.items.get(item_id)
        if item is None or item.triggered_by is None or trigger.links is None or item_id not in trigger.links:
            return int(_S.BadMonitoredItemIdInvalid)
        item.triggered_by.discard(trigger.item_id)
        del trigger.links[item_id]
        subscription.link_count -= 1
        return 0

    def _add(self, subscription: Subscription, trigger: DataItem | EventItem, item_id: int) -> int:
        item = subscription.items.get(item_id)
        if item is None or item is trigger:
            return int(_S.BadMonitoredItemIdInvalid)
        if trigger.links is None:
            trigger.links = {}
        if item_id not in trigger.links:
            if subscription.link_count >= self._engine.limits.links:
                return int(_S.BadResourceUnavailable)
            if item.triggered_by is None:
                item.triggered_by = set()
            item.triggered_by.add(trigger.item_id)
            trigger.links[item_id] = None
            subscription.link_count += 1
        return 0
