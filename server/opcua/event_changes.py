"""Changes of recorded events (OPC 10000-11, 6.9.4 and 6.9.9): the doors behind HistoryUpdate.

An event that is entered or replaced belongs to the notifier it is changed at; it is shown there and above. One of a
condition that is replaced keeps the fields that are not named, and leaves the journal of its alarm.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from server.core import status
from server.core.clock import Clock, TimeUs, from_datetime, to_datetime
from server.core.values import AlarmEvent, EnteredEvent
from server.history.store import Change
from server.history.values import in_time
from server.opcua.conditions import ConditionNodes
from server.opcua.datavalues import stack_status
from server.opcua.event_filter import BASE_EVENT_TYPE, EventTypes
from server.opcua.event_history import notifier_name, require_notifier
from server.opcua.history_changes import HOW, require_some
from server.opcua.nodes.keys import key_of, node_id_of
from server.opcua.nodes.node import Node
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import ValueEncodingError, decode_variant, encode_variant
from server.opcua.roles import DELETE_HISTORY, INSERT_HISTORY, MODIFY_HISTORY
from server.opcua.services.context import Request
from server.opcua.services.fault import ServiceFault
from server.opcua.services.history import HistoryOutcome
from server.opcua.space import Space
from server.pipeline.ports import EventEntry, EventJournal

_S = ua.StatusCodes
_V = ua.VariantType
Fields = dict[str, ua.Variant]
EVENT_ID_BYTES = 64
EVENT_BYTES = 64 * 1024
"""One event, encoded."""
# What an event type has itself; of the rest a client says the type.
_TYPES = {
    "EventId": _V.ByteString,
    "EventType": _V.NodeId,
    "SourceNode": _V.NodeId,
    "SourceName": _V.String,
    "Time": _V.DateTime,
    "ReceiveTime": _V.DateTime,
    "Message": _V.LocalizedText,
    "Severity": _V.UInt16,
}
_DEFAULT_SEVERITY = 500


class _RefusedError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = int(code)


class _EventDoor:
    def __init__(self, journal: EventJournal, nodes: ConditionNodes, space: Space, lock: asyncio.Lock) -> None:
        """`lock`: one change at a time looks for events and puts others in their place."""
        self._journal = journal
        self._nodes = nodes
        self._space = space
        self._lock = lock

    def _is_at(self, entry: EventEntry, node: Node) -> bool:
        """True when an event is one of a notifier."""
        event = entry.event
        above = (
            self._nodes.notifiers_above(event.notifier)
            if isinstance(event, EnteredEvent)
            else self._nodes.notifiers(event)
        )
        return node.key in above

    def _fields(self, entry: EventEntry) -> Fields:
        event = entry.event
        if isinstance(event, AlarmEvent):
            return dict(self._nodes.fields_of(event))
        return {path: decode_variant(value) for path, value in event.fields.items()}


class UpdateEvents(_EventDoor):
    """UpdateEventDetails: insert, replace, update."""

    def __init__(
        self,
        journal: EventJournal,
        nodes: ConditionNodes,
        space: Space,
        lock: asyncio.Lock,
        *,
        store: NodeStore,
        clock: Clock,
    ) -> None:
        super().__init__(journal, nodes, space, lock)
        self._store = store
        self._types = EventTypes(store)
        self._clock = clock

    def permission(self, details: Any) -> int:
        """The bits that a caller needs."""
        return HOW.get(details.PerformInsertReplace, (Change.UPDATE, INSERT_HISTORY | MODIFY_HISTORY))[1]

    async def update(self, request: Request, node: Node, details: ua.UpdateEventDetails) -> HistoryOutcome:
        """The events of one notifier; each has its own result.

        Raises:
            ServiceFault: the operation's result.
        """
        require_notifier(node)
        how, _ = HOW.get(details.PerformInsertReplace, (None, 0))
        if how is None:
            raise ServiceFault(_S.BadHistoryOperationInvalid)
        paths = self._paths(details.Filter)
        wanted = list(details.EventData or [])
        require_some(len(wanted))
        judged = [self._judged(list(each.EventFields or []), paths) for each in wanted]
        async with self._lock:
            asked = [each["EventId"].Value for each in judged if isinstance(each, dict) and "EventId" in each]
            known = dict(await asyncio.to_thread(self._journal.find_events, asked))
            codes: list[int] = []
            made: dict[bytes, EnteredEvent] = {}
            gone: dict[bytes, EventEntry] = {}
            for given in judged:
                try:
                    codes.append(self._place(given, how, node, known, made, gone))
                except _RefusedError as refused:
                    codes.append(refused.code)
            if made:
                removed = [each.entry for each in gone.values()]
                await asyncio.to_thread(self._journal.change_events, removed, list(made.values()))
        old = [ua.HistoryEventFieldList(_selected(self._fields(each), paths)) for each in gone.values()]
        return HistoryOutcome(
            ua.HistoryUpdateResult(
                StatusCode=stack_status(status.GOOD), OperationResults=[stack_status(code) for code in codes]
            ),
            old,
        )

    def _paths(self, wanted: Any) -> list[str]:
        if not isinstance(wanted, ua.EventFilter) or not wanted.SelectClauses:
            raise ServiceFault(_S.BadEventFilterInvalid)
        obeyed, wrong = self._types.check(wanted)
        if not obeyed or wrong is not None or any(clause.IndexRange for clause in wanted.SelectClauses):
            raise ServiceFault(_S.BadEventFilterInvalid)
        paths = ["/".join(part.Name or "" for part in clause.BrowsePath or []) for clause in wanted.SelectClauses]
        if len(set(paths)) < len(paths) or any(
            clause.AttributeId != ua.AttributeIds.Value for clause in wanted.SelectClauses
        ):
            raise ServiceFault(_S.BadEventFilterInvalid)  # one field twice, or what is no field
        return paths

    def _judged(self, values: list[ua.Variant], paths: list[str]) -> Fields | int:
        """The fields of one event, or why they cannot be taken."""
        if len(values) != len(paths):
            return int(_S.BadInvalidArgument)
        fields = {path: value for path, value in zip(paths, values, strict=True) if value.Value is not None}
        for path, kind in _TYPES.items():
            value = fields.get(path)
            if value is not None and (value.VariantType is not kind or value.is_array):
                return int(_S.BadTypeMismatch)
        if "Severity" in fields and not 1 <= fields["Severity"].Value <= 1_000:
            return int(_S.BadOutOfRange)
        if "EventId" in fields and not 1 <= len(fields["EventId"].Value) <= EVENT_ID_BYTES:
            return int(_S.BadOutOfRange)
        if "Time" in fields and not in_time(_time(fields["Time"])):
            return int(_S.BadOutOfRange)
        if "EventType" in fields:
            key = key_of(fields["EventType"].Value)
            if key not in self._store or not self._store.is_a(key, BASE_EVENT_TYPE):
                return int(_S.BadTypeDefinitionInvalid)
        return fields

    def _place(
        self,
        given: Fields | int,
        how: Change,
        node: Node,
        known: Mapping[bytes, EventEntry],
        made: dict[bytes, EnteredEvent],
        gone: dict[bytes, EventEntry],
    ) -> int:
        """Put one event among those to be entered; its result."""
        if isinstance(given, int):
            raise _RefusedError(given)
        event_id = given["EventId"].Value if "EventId" in given else b""
        earlier = known.get(event_id)
        if event_id in made or (earlier is not None and not self._is_at(earlier, node)):
            raise _RefusedError(_S.BadEntryExists)
        if earlier is None and how is Change.REPLACE:
            raise _RefusedError(_S.BadNoEntryExists)
        if earlier is not None and how is Change.INSERT:
            raise _RefusedError(_S.BadEntryExists)
        if earlier is None:
            if "EventType" not in given or "Time" not in given:
                raise _RefusedError(_S.BadArgumentsMissing)
            event_id = event_id or secrets.token_bytes(16)
            notifier, fields = notifier_name(self._space, node.key), self._new(given, node, event_id)
        else:
            notifier = earlier.event.notifier if isinstance(earlier.event, EnteredEvent) else earlier.event.device_id
            fields = self._fields(earlier) | given
        made[event_id] = _entered(event_id, notifier, fields)
        if earlier is not None:
            gone[event_id] = earlier
        return int(status.GOOD_ENTRY_INSERTED if earlier is None else status.GOOD_ENTRY_REPLACED)

    def _new(self, given: Fields, node: Node, event_id: bytes) -> Fields:
        now = to_datetime(self._clock.now())
        return {
            "SourceNode": ua.Variant(node_id_of(node.key), _V.NodeId),
            "SourceName": ua.Variant(node.name.Name, _V.String),
            "ReceiveTime": ua.Variant(now, _V.DateTime),
            "Message": ua.Variant(ua.LocalizedText(""), _V.LocalizedText),
            "Severity": ua.Variant(_DEFAULT_SEVERITY, _V.UInt16),
            **given,
            "EventId": ua.Variant(event_id, _V.ByteString),
        }


class DeleteEvents(_EventDoor):
    """DeleteEventDetails: events by their EventIds. The state of a condition stays what it is."""

    def permission(self, details: Any) -> int:
        """The bits that a caller needs."""
        return DELETE_HISTORY

    async def update(self, request: Request, node: Node, details: ua.DeleteEventDetails) -> HistoryOutcome:
        """The events of one notifier; each has its own result."""
        require_notifier(node)
        wanted = [bytes(each or b"") for each in details.EventIds or []]
        require_some(len(wanted))
        async with self._lock:
            found = await asyncio.to_thread(self._journal.find_events, wanted)
            here = {each: entry for each, entry in found.items() if self._is_at(entry, node)}
            if here:
                await asyncio.to_thread(self._journal.change_events, [each.entry for each in here.values()], [])
        seen: set[bytes] = set()
        codes = []
        for each in wanted:
            codes.append(status.GOOD if each in here and each not in seen else status.BAD_NO_ENTRY_EXISTS)
            seen.add(each)
        old = [ua.HistoryEventFieldList(_selected(self._fields(each), list(_TYPES))) for each in here.values()]
        return HistoryOutcome(
            ua.HistoryUpdateResult(
                StatusCode=stack_status(status.GOOD), OperationResults=[stack_status(code) for code in codes]
            ),
            old,
        )


def _entered(event_id: bytes, notifier: str, fields: Fields) -> EnteredEvent:
    encoded: dict[str, bytes] = {}
    for path, value in fields.items():
        try:
            encoded[path] = encode_variant(value)
        except ValueEncodingError:
            raise _RefusedError(_S.BadTypeMismatch) from None
    if sum(map(len, encoded.values())) > EVENT_BYTES:
        raise _RefusedError(_S.BadRequestTooLarge)
    return EnteredEvent(event_id, notifier, _time(fields["Time"]), int(fields["Severity"].Value), encoded)


def _time(value: ua.Variant) -> TimeUs:
    time: datetime = value.Value
    return from_datetime(time if time.tzinfo else time.replace(tzinfo=UTC))


def _selected(fields: Fields, paths: list[str]) -> list[ua.Variant]:
    return [fields.get(path, ua.Variant()) for path in paths]
