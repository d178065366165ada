"""HistoryRead of raw values (OPC 10000-11, 6.5.3) over the historian, page by page."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError

from server.core import status
from server.core.clock import TimeUs, from_datetime
from server.core.errors import IntegrationError
from server.history.store import Page, StoredValue
from server.model.device_type import DataType
from server.opcua.datavalues import moment, stack_status, to_variant
from server.opcua.space import HISTORY_READ, A, Space
from server.opcua.values import PointNode, Values

POINTS_PER_SESSION = 100
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


@dataclass(slots=True)
class _SessionPoints:
    points: OrderedDict[bytes, _Question] = field(default_factory=OrderedDict)


class History:
    """HistoryRead for all sessions."""

    def __init__(self, space: Space, values: Values, reader: RawReader, page_rows: int) -> None:
        self._space = space
        self._values = values
        self._reader = reader
        self._page_rows = page_rows
        self._sessions: dict[object, _SessionPoints] = {}

    def forget(self, session: object) -> None:
        """A session ended: its continuation points end with it."""
        self._sessions.pop(session, None)

    async def read(self, params: ua.HistoryReadParameters, session: object) -> list[ua.HistoryReadResult]:
        """One result per node, in order."""
        if not params.NodesToRead:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        details = params.HistoryReadDetails
        if not isinstance(details, ua.ReadRawModifiedDetails):
            raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)
        if details.IsReadModified:
            raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)
        if params.TimestampsToReturn == ua.TimestampsToReturn.Neither or params.TimestampsToReturn not in list(
            ua.TimestampsToReturn
        ):
            raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
        results = []
        for node in params.NodesToRead:
            try:
                results.append(await self._node(node, details, params, session))
            except ServiceError as error:
                results.append(ua.HistoryReadResult(StatusCode=stack_status(error.code)))
            except IntegrationError:
                results.append(ua.HistoryReadResult(StatusCode=stack_status(ua.StatusCodes.BadResourceUnavailable)))
        return results

    async def _node(
        self,
        node: ua.HistoryReadValueId,
        details: ua.ReadRawModifiedDetails,
        params: ua.HistoryReadParameters,
        session: object,
    ) -> ua.HistoryReadResult:
        held = self._sessions.setdefault(session, _SessionPoints()).points
        if params.ReleaseContinuationPoints:
            known = held.pop(bytes(node.ContinuationPoint or b""), None)
            code = status.GOOD if known is not None else ua.StatusCodes.BadContinuationPointInvalid
            return ua.HistoryReadResult(StatusCode=stack_status(code))
        if not node.ContinuationPoint:
            return await self._page(self._first(node, details), params, held)
        question = held.pop(bytes(node.ContinuationPoint), None)
        if question is None or question.point.node_id != node.NodeId:
            raise ServiceError(ua.StatusCodes.BadContinuationPointInvalid)
        return await self._page(question, params, held)

    def _first(self, node: ua.HistoryReadValueId, details: ua.ReadRawModifiedDetails) -> _Question:
        point = self._point(node.NodeId)
        if node.IndexRange:
            raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)  # everything recorded is a scalar
        start, end = _time(details.StartTime), _time(details.EndTime)
        count = int(details.NumValuesPerNode or 0)
        # Two of start, end and count have to be given (OPC 10000-11, 6.5.3.2).
        if (start is None) + (end is None) + (count == 0) > 1:
            raise ServiceError(ua.StatusCodes.BadInvalidArgument)
        limit = min(self._page_rows, count) if count else self._page_rows
        return _Question(point, start, end, bool(details.ReturnBounds), limit)

    def _point(self, node_id: ua.NodeId) -> PointNode:
        node = self._space.aspace.get(node_id)
        if node is None:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        access = node.attributes.get(A.AccessLevel)
        point = self._values.of_node(node_id)
        if point is None or access is None or not access.value.Value.Value & HISTORY_READ:
            raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)
        return point

    async def _page(
        self, question: _Question, params: ua.HistoryReadParameters, held: OrderedDict[bytes, _Question]
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
            if len(held) >= POINTS_PER_SESSION:
                held.popitem(last=False)
            token = secrets.token_bytes(16)
            held[token] = replace(question, resume=page.next_time)
        values = [self._value(value, point.data_type, params.TimestampsToReturn) for value in page.values]
        code = status.GOOD if values else ua.StatusCodes.GoodNoData
        return ua.HistoryReadResult(
            StatusCode=stack_status(code), ContinuationPoint=token, HistoryData=ua.HistoryData(DataValues=values)
        )

    def _value(self, value: StoredValue, data_type: DataType, which: ua.TimestampsToReturn) -> ua.DataValue:
        source = which in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
        server = which in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)
        return ua.DataValue(
            to_variant(None if status.is_bad(value.status) else value.value, data_type),
            stack_status(value.status),
            SourceTimestamp=moment(value.source_time) if source else None,
            ServerTimestamp=moment(value.server_time) if server else None,
        )


def _time(value: object) -> TimeUs | None:
    """A request's time; null and the earliest times of the wire mean none."""
    if not isinstance(value, datetime) or value.year <= _EARLIEST_YEAR:
        return None
    return from_datetime(value if value.tzinfo else value.replace(tzinfo=UTC))
