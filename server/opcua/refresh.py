"""ConditionRefresh and ConditionRefresh2: what is retained, told again to one subscription (OPC 10000-9, 5.5.7, 5.5.8).

Nothing is queued: the next event is made when a Publish has room for it, so that ten thousand retained conditions take
no more memory than one, and a client that reads slowly holds up only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from asyncua import ua

from server.core.values import AlarmEvent
from server.opcua.conditions import ConditionNodes
from server.opcua.event_filter import Event
from server.opcua.events import EventBus
from server.opcua.nodes.keys import key_of
from server.opcua.services.event_item import EventItem
from server.opcua.services.subscription import Subscription
from server.opcua.space import SERVER

SCAN = 100
"""Conditions that one step looks at before others get their turn."""
_SERVER = key_of(SERVER)
_S = ua.StatusCodes


Wanted = Callable[[EventItem], Event | None]
"""Makes one event of a refresh for an item; None when nobody has to see it any more, or the item does not hear it."""


class Retained(Protocol):
    """What a refresh tells."""

    def retained(self) -> list[AlarmEvent]: ...

    def state(self, condition_id: str) -> AlarmEvent | None: ...

    def branches(self, condition_id: str) -> list[AlarmEvent]: ...


class Refresh:
    """Starts refreshes; one at a time in a subscription."""

    def __init__(self, bus: EventBus, nodes: ConditionNodes, alarms: Retained) -> None:
        self._bus = bus
        self._nodes = nodes
        self._alarms = alarms
        self.more: list[Callable[[], Iterable[Wanted]]] = []
        """Who else has conditions (dialogs): what is retained now, each made when its turn comes."""

    def start(self, subscription: Subscription, item_id: int | None = None) -> int:
        """RefreshStart, every retained condition and branch with its own EventId, RefreshEnd: to all event items of a
        subscription, or to one. Returns the StatusCode of the call.
        """
        items = [item for item in subscription.items.values() if isinstance(item, EventItem)]
        if any(item.refresh is not None for item in items):
            return int(_S.BadRefreshInProgress)
        if item_id is not None:
            items = [item for item in items if item.item_id == item_id]
            if not items:
                return int(_S.BadMonitoredItemIdInvalid)
        wanted: list[Wanted] = [
            partial(self.event, event.condition_id, event.branch_id) for event in self._alarms.retained()
        ]
        for others in self.more:
            wanted += others()
        for item in items:
            item.start_refresh(Run(self, wanted))
        return 0

    def mark(self, event_type: int) -> Event:
        """RefreshStart or RefreshEnd."""
        name = "started" if event_type == ua.ObjectIds.RefreshStartEventType else "ended"
        return Event(self._bus.base_fields(event_type, _SERVER, "Server", f"Refresh {name}", 100))

    def event(self, condition_id: str, branch_id: str, item: EventItem) -> Event | None:
        """A condition or branch as it is now; None when nobody has to see it any more, or the item does not hear it."""
        if not branch_id:
            found = self._alarms.state(condition_id)
        else:
            found = next((each for each in self._alarms.branches(condition_id) if each.branch_id == branch_id), None)
        if found is None or not found.retain:
            return None  # its last event came by itself
        if item.key != _SERVER and item.key not in self._nodes.notifiers(found):
            return None
        return Event(self._nodes.fields_of(found), self._nodes.key(found))


class Run:
    """One refresh of one item."""

    def __init__(self, refresh: Refresh, wanted: Iterable[Wanted]) -> None:
        self._refresh = refresh
        self._wanted = iter(wanted)
        self._started = False
        self.over = False

    def next(self, item: EventItem) -> bytes | None:
        """The next EventFields for the item, encoded; None when there is none yet (or no more: `over`)."""
        if self.over:
            return None
        if not self._started:
            self._started = True
            return self._mark(item, ua.ObjectIds.RefreshStartEventType)
        for _ in range(SCAN):
            wanted = next(self._wanted, None)
            if wanted is None:
                self.over = True
                return self._mark(item, ua.ObjectIds.RefreshEndEventType)
            event = wanted(item)
            fields = event.for_filter(item.plan) if event is not None else None
            if fields is not None:
                return fields
        return None

    def _mark(self, item: EventItem, event_type: int) -> bytes:
        # Whatever the where clause says: without them a client cannot tell what the events between are.
        return item.plan.fields(self._refresh.mark(event_type))
