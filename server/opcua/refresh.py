"""ConditionRefresh and ConditionRefresh2: what is retained, told again to one subscription."""

from __future__ import annotations

from asyncua import ua

from server.opcua.conditions import AlarmStates, ConditionNodes
from server.opcua.events import EventBus
from server.opcua.nodes.keys import key_of
from server.opcua.space import SERVER


class Refresh:
    """ConditionRefresh and ConditionRefresh2 (OPC 10000-9, 5.5.7 and 5.5.8)."""

    def __init__(self, bus: EventBus, nodes: ConditionNodes, alarms: AlarmStates) -> None:
        self._bus = bus
        self._nodes = nodes
        self._alarms = alarms

    def run(self, subscription_id: int, item_id: int | None = None) -> None:
        """RefreshStart, every retained condition with its own EventId, RefreshEnd; only to that subscription."""
        self._mark(ua.ObjectIds.RefreshStartEventType, subscription_id, item_id)
        for event in self._alarms.retained():
            fields = self._nodes.fields_of(event)
            notifiers = self._nodes.notifiers(event)
            self._bus.send_to(subscription_id, fields, notifiers, self._nodes.key(event), item_id)
        self._mark(ua.ObjectIds.RefreshEndEventType, subscription_id, item_id)

    def _mark(self, event_type: int, subscription_id: int, item_id: int | None) -> None:
        name = "started" if event_type == ua.ObjectIds.RefreshStartEventType else "ended"
        fields = self._bus.base_fields(event_type, key_of(SERVER), "Server", f"Refresh {name}", 100)
        # Every notifier that the subscription listens to sees where its refresh starts and ends.
        self._bus.send_to(subscription_id, fields, self._bus.monitored(subscription_id), None, item_id)
