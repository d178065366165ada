"""Events from the journal, page by page (OPC 10000-11, ReadEventDetails): a door behind HistoryRead.

Selected and filtered by the same plans as live events. Events that are not of conditions are kept when a client entered
them (`event_changes`), else not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asyncua import ua

from server.core import status
from server.core.clock import TimeUs
from server.core.values import AlarmEvent, EnteredEvent
from server.opcua.conditions import ConditionNodes
from server.opcua.datavalues import stack_status
from server.opcua.event_filter import Event, EventPlan, EventTypes
from server.opcua.history import request_time
from server.opcua.history_points import HistoryPoints, session_of
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.node import VARIABLE, Node
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import decode_variant
from server.opcua.services.context import Request, Session
from server.opcua.services.fault import ServiceFault
from server.opcua.space import SERVER, Space
from server.pipeline.ports import EventEntry, EventJournal

ROWS = 1_000
"""Journal entries read at once, off the event loop."""
LOOKED_AT = 10_000
"""Journal entries that one page looks at; where a filter passes few of them, the client goes on with its point."""
_S = ua.StatusCodes
_SERVER = key_of(SERVER)


@dataclass(frozen=True, slots=True)
class _Question:
    """What a continuation point stands for."""

    notifier: Key
    device_id: str | None
    plan: EventPlan
    start: TimeUs | None  # of the journal: start <= time < end
    end: TimeUs | None
    backward: bool
    limit: int
    after: tuple[TimeUs, int] | None = None


class EventHistory:
    """ReadEventDetails at Server and at every notifier of the plant."""

    def __init__(
        self,
        journal: EventJournal,
        nodes: ConditionNodes,
        space: Space,
        store: NodeStore,
        *,
        page_rows: int,
        points: HistoryPoints,
    ) -> None:
        self._journal = journal
        self._nodes = nodes
        self._space = space
        self._store = store
        self._types = EventTypes(store)
        self._page_rows = page_rows
        self._points = points

    def release(self, session: Session, point: bytes) -> bool:
        """Give a continuation point back; False when it is none of this session's."""
        return self._points.release(session, point)

    async def read(
        self, request: Request, node: Node, wanted: ua.HistoryReadValueId, params: ua.HistoryReadParameters
    ) -> ua.HistoryReadResult:
        """One notifier's page.

        Raises:
            ServiceFault: the operation's result.
        """
        require_notifier(node)
        session = session_of(request)
        if not wanted.ContinuationPoint:
            question = self._first(node, params.HistoryReadDetails)
        else:
            question = self._points.resume(
                session, wanted.ContinuationPoint, _Question, lambda known: known.notifier == node.key
            )
        events, after = await self._page(question)
        token = self._points.keep(session, replace(question, after=after)) if after is not None else None
        code = status.GOOD if events or after is not None else _S.GoodNoData
        return ua.HistoryReadResult(
            StatusCode=stack_status(code), ContinuationPoint=token, HistoryData=ua.HistoryEvent(Events=events)
        )

    def _first(self, node: Node, details: ua.ReadEventDetails) -> _Question:
        if not isinstance(details.Filter, ua.EventFilter) or not details.Filter.SelectClauses:
            raise ServiceFault(_S.BadEventFilterInvalid)
        obeyed, _ = self._types.check(details.Filter)
        if not obeyed:
            raise ServiceFault(_S.BadEventFilterInvalid)
        start, end = request_time(details.StartTime), request_time(details.EndTime)
        count = int(details.NumValuesPerNode or 0)
        # Two of start, end and count have to be given (OPC 10000-11, 6.5.2).
        if (start is None) + (end is None) + (count == 0) > 1:
            raise ServiceFault(_S.BadInvalidArgument)
        backward = start is None or (end is not None and start > end)
        if backward:
            # The time a client starts from belongs to what it gets, the one it ends at does not.
            newest, oldest = (end, None) if start is None else (start, end)
            start = None if oldest is None else oldest + 1
            end = None if newest is None else newest + 1
        limit = min(self._page_rows, count) if count else self._page_rows
        return _Question(
            node.key,
            self._device(node.key),
            EventPlan(details.Filter, self._store, self._types),
            start,
            end,
            backward,
            limit,
        )

    def _device(self, key: Key) -> str | None:
        """The device that a notifier is, whose entries the journal can look up."""
        name = notifier_name(self._space, key)
        return None if not name or name == "Plant" or name.startswith("Plant/") else name

    async def _page(self, question: _Question) -> tuple[list[ua.HistoryEventFieldList], tuple[TimeUs, int] | None]:
        """The events of a page, and where the next one goes on; None when there is no more."""
        found: list[ua.HistoryEventFieldList] = []
        after, looked_at = question.after, 0
        while looked_at < LOOKED_AT:
            rows = await asyncio.to_thread(self._rows, question, after)
            for row in rows:
                after = row.place
                fields = self._fields(question, row.event)
                if fields is not None:
                    found.append(ua.HistoryEventFieldList(EventFields=fields))
                    if len(found) >= question.limit:
                        return found, after
            looked_at += len(rows)
            if len(rows) < ROWS:
                return found, None
        return found, after

    def _rows(self, question: _Question, after: tuple[TimeUs, int] | None) -> Sequence[EventEntry]:
        return self._journal.event_page(
            start=question.start,
            end=question.end,
            limit=ROWS,
            device_id=question.device_id,
            after=after,
            backward=question.backward,
        )

    def _fields(self, question: _Question, kept: AlarmEvent | EnteredEvent) -> list[ua.Variant] | None:
        key = question.notifier
        if isinstance(kept, EnteredEvent):
            if key not in self._nodes.notifiers_above(kept.notifier):
                return None
            event = Event({path: decode_variant(value) for path, value in kept.fields.items()})
            return question.plan.values(event) if question.plan.passes(event) else None
        if key != _SERVER and question.device_id is None and key not in self._nodes.notifiers(kept):
            return None
        event = Event(self._nodes.fields_of(kept), self._nodes.key(kept))
        return question.plan.values(event) if question.plan.passes(event) else None


def require_notifier(node: Node) -> None:
    """Raises ServiceFault: BadHistoryOperationUnsupported: a Variable's history has no events."""
    if node.shape.node_class == VARIABLE:
        raise ServiceFault(_S.BadHistoryOperationUnsupported)


def notifier_name(space: Space, key: Key) -> str:
    """The identifier of a device or place of the plant; "" for the Server and everything else."""
    if isinstance(key, tuple) and key[0] == space.indexes[PLANT_URI] and isinstance(key[1], str):
        return key[1]
    return ""
