"""Events: fields by browse path, delivered to every notifier above their source, filtered as each client asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from asyncua import ua

from server.core.clock import Clock, to_datetime
from server.opcua.event_filter import Event, Fields
from server.opcua.nodes.keys import Key, node_id_of
from server.opcua.nodes.store import NodeStore

if TYPE_CHECKING:
    from server.opcua.services.event_item import EventItem

__all__ = ["EventBus", "Fields"]

V = ua.VariantType
SERVER: Key = 2253
AUDIT_EVENT: Key = 2052
_OVERFLOW = 3035  # EventQueueOverflowEventType


class EventBus:
    """Sends events to the event items of their notifiers. Server is a notifier of every event (OPC 10000-3, 4.7)."""

    def __init__(self, store: NodeStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._items: dict[Key, dict[EventItem, None]] = {}
        self._audit: dict[Key, bool] = {}
        self._audit_heard: tuple[int, bool] | None = None  # version of the store, `audit_wanted` then
        self.sent = 0
        """Events sent so far."""

    # -- items (services.event_item)

    def attach(self, item: EventItem) -> None:
        """Deliver to a monitored item from now on."""
        self._items.setdefault(item.key, {})[item] = None
        self._audit_heard = None

    def detach(self, item: EventItem) -> None:
        """Deliver to it no longer."""
        items = self._items.get(item.key)
        if items is not None:
            self._audit_heard = None
            items.pop(item, None)
            if not items:
                del self._items[item.key]

    def wanted(self, notifier: Key) -> bool:
        """True when somebody listens to this notifier or to Server."""
        return notifier in self._items or SERVER in self._items

    def audit_wanted(self) -> bool:
        """True when somebody listens to Server who may see audit events. Every Write asks: it is not found out anew."""
        if self._audit_heard is None or self._audit_heard[0] != self._store.version:
            found = any(item.may_receive(True) for item in self._items.get(SERVER, ()))
            self._audit_heard = self._store.version, found
        return self._audit_heard[1]

    def audience_changed(self) -> None:
        """Some of the listeners have another user."""
        self._audit_heard = None

    # -- sending

    def send(self, fields: Fields, notifiers: Iterable[Key], condition_id: Key | None = None) -> None:
        """Deliver to all event items of these notifiers and of Server, once to each."""
        self.sent += 1
        if not self._items:
            return
        event = Event(fields, condition_id)
        audit = self._is_audit(event.type_key)
        for notifier in dict.fromkeys((*notifiers, SERVER)):
            for item in list(self._items.get(notifier, ())):
                if item.may_receive(audit):
                    item.offer(event)

    def _is_audit(self, type_key: Key) -> bool:
        found = self._audit.get(type_key)
        if found is None:
            found = self._store.is_a(type_key, AUDIT_EVENT)
            if type_key in self._store:
                self._audit[type_key] = found  # a type keeps its supertypes
        return found

    # -- what events are made of

    def base_fields(
        self, event_type: int, source: Key, source_name: str, message: str, severity: int
    ) -> dict[str, ua.Variant]:
        """The fields of BaseEventType, with a new EventId and the time now; `event_type` in namespace 0."""
        now = to_datetime(self._clock.now())
        return {
            "EventId": ua.Variant(uuid.uuid4().bytes, V.ByteString),
            "EventType": ua.Variant(ua.NodeId(event_type), V.NodeId),
            "SourceNode": ua.Variant(node_id_of(source), V.NodeId),
            "SourceName": ua.Variant(source_name, V.String),
            "Time": ua.Variant(now, V.DateTime),
            "ReceiveTime": ua.Variant(now, V.DateTime),
            "Message": ua.Variant(ua.LocalizedText(message, "en"), V.LocalizedText),
            "Severity": ua.Variant(severity, V.UInt16),
        }

    def overflow_event(self) -> Event:
        """An EventQueueOverflowEvent (OPC 10000-5, 6.4.34)."""
        return Event(
            self.base_fields(
                _OVERFLOW, SERVER, "Internal/EventQueueOverflow", "Events were lost: a queue overflowed", 500
            )
        )

    def model_changed(self, node: Key, type_definition: Key, *, added: bool) -> None:
        """A GeneralModelChangeEvent of the Server object (OPC 10000-3, 9.32; verbs of OPC 10000-5)."""
        word = "added" if added else "removed"
        self.model_changes([(node, type_definition, 1 if added else 2)], f"{node_id_of(node).Identifier} was {word}")

    def model_changes(self, changes: Sequence[tuple[Key, Key, int]], message: str) -> None:
        """One GeneralModelChangeEvent for many changes: (node, type definition, Verb)."""
        fields = self.base_fields(ua.ObjectIds.GeneralModelChangeEventType, SERVER, "Server", message, 100)
        rows = [
            ua.ModelChangeStructureDataType(Affected=node_id_of(node), AffectedType=node_id_of(kind), Verb=verb)
            for node, kind, verb in changes
        ]
        fields["Changes"] = ua.Variant(rows, V.ExtensionObject, is_array=True)
        self.send(fields, (SERVER,))

    def semantic_changed(self, changes: Sequence[tuple[Key, Key]]) -> None:
        """A SemanticChangeEvent for (node, type definition) whose properties mean something else now (9.33)."""
        fields = self.base_fields(
            ua.ObjectIds.SemanticChangeEventType, SERVER, "Server", "The meaning of values changed", 100
        )
        fields["Changes"] = ua.Variant(
            [
                ua.SemanticChangeStructureDataType(Affected=node_id_of(node), AffectedType=node_id_of(type_definition))
                for node, type_definition in changes
            ],
            V.ExtensionObject,
            is_array=True,
        )
        self.send(fields, (SERVER,))
