"""Raw values of the historian, page by page (OPC 10000-11, 6.5.3): the door behind HistoryRead."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from asyncua import ua

from server.core import status
from server.core.clock import TimeUs, from_datetime
from server.history.store import Page, StoredValue
from server.model.device_type import DataType
from server.opcua.datavalues import moment, stack_status, to_variant
from server.opcua.nodes.keys import key_of
from server.opcua.nodes.node import Node
from server.opcua.services.context import Request, Session
from server.opcua.services.fault import ServiceFault
from server.opcua.values import PointNode, Values

_S = ua.StatusCodes
_EARLIEST_YEAR = 1900


class RawReader(Protocol):
    """The historian, off the event loop."""

    async def read_raw(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        bounds: bool = False,
        resume: TimeUs | None = None,
    ) -> Page: ...


@dataclass(frozen=True, slots=True)
class _Question:
    """What a continuation point stands for: the request, and the source time that its next page starts at."""

    point: PointNode
    start: TimeUs | None
    end: TimeUs | None
    bounds: bool
    limit: int
    resume: TimeUs | None = None


class RawHistory:
    """ReadRawModifiedDetails without modified values."""

    def __init__(self, values: Values, reader: RawReader, page_rows: int, points_per_session: int) -> None:
        self._values = values
        self._reader = reader
        self._page_rows = page_rows
        self._points_per_session = points_per_session

    def _held(self, session: Session) -> OrderedDict[bytes, _Question]:
        held: OrderedDict[bytes, _Question] | None = session.history_points
        if held is None:
            held = session.history_points = OrderedDict()
        return held

    def release(self, session: Session, point: bytes) -> bool:
        """Give a continuation point back; False when it is none of this session's."""
        return self._held(session).pop(point, None) is not None

    async def read(
        self, request: Request, node: Node, wanted: ua.HistoryReadValueId, params: ua.HistoryReadParameters
    ) -> ua.HistoryReadResult:
        """One node's page.

        Raises:
            ServiceFault: the operation's result.
        """
        session = request.session
        details = params.HistoryReadDetails
        if session is None or details.IsReadModified:
            raise ServiceFault(_S.BadHistoryOperationUnsupported)
        held = self._held(session)
        if not wanted.ContinuationPoint:
            question = self._first(node, wanted, details)
        else:
            known = held.pop(bytes(wanted.ContinuationPoint), None)
            if not isinstance(known, _Question) or known.point.key != key_of(wanted.NodeId):
                raise ServiceFault(_S.BadContinuationPointInvalid)
            question = known
        return await self._page(question, params.TimestampsToReturn, held)

    def _first(self, node: Node, wanted: ua.HistoryReadValueId, details: ua.ReadRawModifiedDetails) -> _Question:
        point = self._values.of_key(node.key)
        if point is None:
            raise ServiceFault(_S.BadHistoryOperationUnsupported)
        if wanted.IndexRange:
            raise ServiceFault(_S.BadIndexRangeNoData)  # everything recorded is a scalar
        start, end = request_time(details.StartTime), request_time(details.EndTime)
        count = int(details.NumValuesPerNode or 0)
        # Two of start, end and count have to be given (OPC 10000-11, 6.5.3.2).
        if (start is None) + (end is None) + (count == 0) > 1:
            raise ServiceFault(_S.BadInvalidArgument)
        limit = min(self._page_rows, count) if count else self._page_rows
        return _Question(point, start, end, bool(details.ReturnBounds), limit)

    async def _page(
        self, question: _Question, stamps: ua.TimestampsToReturn, held: OrderedDict[bytes, _Question]
    ) -> ua.HistoryReadResult:
        # NumValuesPerNode is the size of a page: the client gets the rest by its continuation point.
        point = question.point
        page = await self._reader.read_raw(
            point.device_id,
            point.parameter,
            question.start,
            question.end,
            question.limit,
            bounds=question.bounds,
            resume=question.resume,
        )
        token = None
        if page.next_time is not None:
            if len(held) >= self._points_per_session:
                held.popitem(last=False)
            token = secrets.token_bytes(16)
            held[token] = replace(question, resume=page.next_time)
        values = [_value(value, point.data_type, stamps) for value in page.values]
        code = status.GOOD if values else _S.GoodNoData
        return ua.HistoryReadResult(
            StatusCode=stack_status(code), ContinuationPoint=token, HistoryData=ua.HistoryData(DataValues=values)
        )


def _value(value: StoredValue, data_type: DataType, which: ua.TimestampsToReturn) -> ua.DataValue:
    source = which in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
    server = which in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)
    return ua.DataValue(
        to_variant(None if status.is_bad(value.status) else value.value, data_type),
        stack_status(value.status),
        SourceTimestamp=moment(value.source_time) if source else None,
        ServerTimestamp=moment(value.server_time) if server else None,
    )


def request_time(value: object) -> TimeUs | None:
    """A request's time; null and the earliest times of the wire mean none."""
    if not isinstance(value, datetime) or value.year <= _EARLIEST_YEAR:
        return None
    return from_datetime(value if value.tzinfo else value.replace(tzinfo=UTC))
