"""Raw and modified values of the historian, page by page (OPC 10000-11, 6.5.3): the door behind HistoryRead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from asyncua import ua

from server.core import status
from server.core.clock import TimeUs, from_datetime
from server.history.store import ModifiedPage, Page, StoredValue
from server.model.device_type import DataType
from server.opcua.datavalues import moment, stack_status, to_variant
from server.opcua.history_points import HistoryPoints, session_of
from server.opcua.history_room import fitting, fitting_modified, room_of
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

    async def read_modified(
        self,
        device_id: str,
        parameter: str,
        start: TimeUs | None,
        end: TimeUs | None,
        limit: int,
        *,
        resume: tuple[TimeUs, int] | None = None,
    ) -> ModifiedPage: ...


@dataclass(frozen=True, slots=True)
class _Question:
    """What a continuation point stands for: the request, and where its next page starts."""

    point: PointNode
    start: TimeUs | None
    end: TimeUs | None
    bounds: bool
    limit: int
    modified: bool
    resume: TimeUs | None = None  # of raw values
    resume_modified: tuple[TimeUs, int] | None = None


class RawHistory:
    """ReadRawModifiedDetails: what is stored, or what is not current any more."""

    def __init__(self, values: Values, reader: RawReader, page_rows: int, points: HistoryPoints) -> None:
        self._values = values
        self._reader = reader
        self._page_rows = page_rows
        self._points = points

    def release(self, session: Session, point: bytes) -> bool:
        """Give a continuation point back; False when it is none of this session's."""
        return self._points.release(session, point)

    async def read(
        self, request: Request, node: Node, wanted: ua.HistoryReadValueId, params: ua.HistoryReadParameters
    ) -> ua.HistoryReadResult:
        """One node's page.

        Raises:
            ServiceFault: the operation's result.
        """
        session = session_of(request)
        if not wanted.ContinuationPoint:
            question = self._first(node, wanted, params.HistoryReadDetails)
        else:
            question = self._points.resume(
                session, wanted.ContinuationPoint, _Question, lambda known: known.point.key == node.key
            )
        # NumValuesPerNode is the size of a page: the client gets the rest by its continuation point.
        page = self._modified_page if question.modified else self._page
        room = room_of(request, len(params.NodesToRead))
        data, more = await page(question, params.TimestampsToReturn, room)
        token = self._points.keep(session, more) if more is not None else None
        code = status.GOOD if data.DataValues else _S.GoodNoData
        return ua.HistoryReadResult(StatusCode=stack_status(code), ContinuationPoint=token, HistoryData=data)

    def _first(self, node: Node, wanted: ua.HistoryReadValueId, details: ua.ReadRawModifiedDetails) -> _Question:
        point = point_of(self._values, node, wanted)
        start, end = request_time(details.StartTime), request_time(details.EndTime)
        count = int(details.NumValuesPerNode or 0)
        # Two of start, end and count have to be given (OPC 10000-11, 6.5.3.2).
        if (start is None) + (end is None) + (count == 0) > 1:
            raise ServiceFault(_S.BadInvalidArgument)
        if details.IsReadModified and details.ReturnBounds:
            raise ServiceFault(_S.BadInvalidArgument)  # 6.5.3.3: there are no bounds of what is not current
        limit = min(self._page_rows, count) if count else self._page_rows
        return _Question(point, start, end, bool(details.ReturnBounds), limit, bool(details.IsReadModified))

    async def _page(
        self, question: _Question, stamps: ua.TimestampsToReturn, room: int | None
    ) -> tuple[ua.HistoryData, _Question | None]:
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
        found, resume = page.values, page.next_time
        if room is not None and (fits := fitting(found, room)) < len(found):
            found, resume = found[:fits], found[fits].source_time
        values = [shown_value(value, point.data_type, stamps) for value in found]
        return ua.HistoryData(DataValues=values), None if resume is None else replace(question, resume=resume)

    async def _modified_page(
        self, question: _Question, stamps: ua.TimestampsToReturn, room: int | None
    ) -> tuple[ua.HistoryModifiedData, _Question | None]:
        point = question.point
        page = await self._reader.read_modified(
            point.device_id,
            point.parameter,
            question.start,
            question.end,
            question.limit,
            resume=question.resume_modified,
        )
        found, resume = page.values, page.resume
        fits = fitting_modified((each.value for each in found), (each.user for each in found), room)
        if fits < len(found):
            resume = found[fits].value.source_time, found[fits].entry
            found = found[:fits]
        data = ua.HistoryModifiedData(
            DataValues=[shown_value(each.value, point.data_type, stamps) for each in found],
            ModificationInfos=[
                ua.ModificationInfo(
                    ModificationTime=moment(each.modified_at),
                    UpdateType=ua.HistoryUpdateType(int(each.how)),
                    UserName=each.user or None,
                )
                for each in found
            ],
        )
        return data, None if resume is None else replace(question, resume_modified=resume)


def point_of(values: Values, node: Node, wanted: ua.HistoryReadValueId) -> PointNode:
    """The point whose history a Variable has.

    Raises:
        ServiceFault: BadHistoryOperationUnsupported (it has none), BadIndexRangeNoData, BadDataEncodingInvalid.
    """
    point = values.of_key(node.key)
    if point is None:
        raise ServiceFault(_S.BadHistoryOperationUnsupported)
    if wanted.IndexRange:
        raise ServiceFault(_S.BadIndexRangeNoData)  # everything recorded is a scalar
    if wanted.DataEncoding is not None and wanted.DataEncoding.Name:
        raise ServiceFault(_S.BadDataEncodingInvalid)  # no value is a structure
    return point


def shown_value(value: StoredValue, data_type: DataType, which: ua.TimestampsToReturn) -> ua.DataValue:
    """A stored value as clients get it, with these time stamps."""
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
