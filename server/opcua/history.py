"""HistoryRead of raw values (OPC 10000-11, 6.5.3) over the historian, page by page."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError

from server.core import status
from server.core.clock import TimeUs, from_datetime
from server.core.errors import IntegrationError
from server.core.values import DeviceId
from server.history.store import Page, StoredValue
from server.model.device_type import DataType
from server.model.plant import Plant
from server.opcua.datavalues import moment, stack_status, to_variant
from server.opcua.names import PARAMETER_SET, PLANT_URI, place_of
from server.opcua.parameter_nodes import recorded
from server.opcua.space import Space

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
    ) -> Page: ...


@dataclass(frozen=True, slots=True)
class _Series:
    device_id: str
    parameter: str
    data_type: DataType


@dataclass(frozen=True, slots=True)
class _Point:
    """What a continuation point stands for."""

    series: _Series
    start: TimeUs | None
    end: TimeUs | None
    bounds: bool
    left: int  # values still wanted; 0: all


@dataclass(slots=True)
class _SessionPoints:
    points: OrderedDict[bytes, _Point] = field(default_factory=OrderedDict)


class History:
    """HistoryRead for all sessions."""

    def __init__(self, space: Space, plant: Plant, reader: RawReader, page_rows: int) -> None:
        self._space = space
        self._plant = plant
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
        if node.ContinuationPoint:
            point = held.pop(bytes(node.ContinuationPoint), None)
            if point is None:
                raise ServiceError(ua.StatusCodes.BadContinuationPointInvalid)
            if params.ReleaseContinuationPoints:
                return ua.HistoryReadResult()
        else:
            if params.ReleaseContinuationPoints:
                return ua.HistoryReadResult()
            point = self._first(node, details)
        return await self._page(point, params, held)

    def _first(self, node: ua.HistoryReadValueId, details: ua.ReadRawModifiedDetails) -> _Point:
        series = self._series(node.NodeId)
        start, end = _time(details.StartTime), _time(details.EndTime)
        count = int(details.NumValuesPerNode or 0)
        # Two of start, end and count have to be given (OPC 10000-11, 6.5.3.2).
        if (start is None) + (end is None) + (count == 0) > 1:
            raise ServiceError(ua.StatusCodes.BadHistoryOperationInvalid)
        return _Point(series, start, end, bool(details.ReturnBounds), count)

    def _series(self, node_id: ua.NodeId) -> _Series:
        place = place_of(node_id, self._space.indexes[PLANT_URI])
        if place is not None and (place.device_id, place.part, place.name) == ("Test", "History", ""):
            place = place_of(ua.NodeId(f"Test/{PARAMETER_SET}/History", node_id.NamespaceIndex), node_id.NamespaceIndex)
        if node_id not in self._space and place is None:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        if place is None or place.part != PARAMETER_SET or place.rest:
            known = node_id in self._space
            raise ServiceError(
                ua.StatusCodes.BadHistoryOperationUnsupported if known else ua.StatusCodes.BadNodeIdUnknown
            )
        device = self._plant.devices.get(DeviceId(place.device_id))
        spec = device.device_type.parameters.get(place.name) if device is not None else None
        if spec is None:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        if not recorded(spec) or not spec.readable:
            raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)
        return _Series(place.device_id, place.name, spec.data_type)

    async def _page(
        self, point: _Point, params: ua.HistoryReadParameters, held: OrderedDict[bytes, _Point]
    ) -> ua.HistoryReadResult:
        limit = min(self._page_rows, point.left) if point.left else self._page_rows
        page = await self._reader.read_raw(
            point.series.device_id, point.series.parameter, point.start, point.end, limit, bounds=point.bounds
        )
        # NumValuesPerNode is the size of a page: the client gets the rest by its continuation point.
        token = None
        if page.next_time is not None:
            if len(held) >= POINTS_PER_SESSION:
                held.popitem(last=False)
            token = secrets.token_bytes(16)
            held[token] = _following(point, page.next_time)
        values = [self._value(value, point.series.data_type, params.TimestampsToReturn) for value in page.values]
        code = status.GOOD if values else ua.StatusCodes.GoodNoData
        return ua.HistoryReadResult(
            StatusCode=stack_status(code), ContinuationPoint=token, HistoryData=ua.HistoryData(DataValues=values)
        )

    def _value(self, value: StoredValue, data_type: DataType, which: ua.TimestampsToReturn) -> ua.DataValue:
        source = which in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
        server = which in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)
        return ua.DataValue(
            to_variant(value.value, data_type),
            stack_status(value.status),
            SourceTimestamp=moment(value.source_time) if source else None,
            ServerTimestamp=moment(value.server_time) if server else None,
        )


def _following(point: _Point, next_time: TimeUs) -> _Point:
    """Where the next page starts: the same question from the next value on, which the page includes."""
    if point.start is None:
        # Only an end was given: on backwards, as far as there is anything.
        return _Point(point.series, next_time, 0, False, point.left)
    return _Point(point.series, next_time, point.end, point.bounds, point.left)


def _time(value: object) -> TimeUs | None:
    """A request's time; null and the earliest times of the wire mean none."""
    if not isinstance(value, datetime) or value.year <= _EARLIEST_YEAR:
        return None
    return from_datetime(value if value.tzinfo else value.replace(tzinfo=UTC))
