"""Aggregates and values at given times (OPC 10000-11, 6.5.4 and 6.5.5; OPC 10000-13): two doors behind HistoryRead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from asyncua import ua

from server.core import status
from server.core.clock import TimeUs
from server.history.aggregates.catalogue import (
    AGGREGATES,
    ANNOTATION_COUNT,
    DOUBLE,
    DURATION,
    INT32,
    NUMBERS_ONLY,
    SOURCE,
    Aggregate,
)
from server.history.aggregates.results import DEFAULTS, Configuration, Processed, ProcessedPage
from server.model.device_type import DataType
from server.opcua.datavalues import moment, stack_status, to_variant
from server.opcua.history import point_of, request_time
from server.opcua.history_points import HistoryPoints, session_of
from server.opcua.nodes.node import Node
from server.opcua.services.context import Request, Session
from server.opcua.services.fault import ServiceFault
from server.opcua.values import PointNode, Values

_S = ua.StatusCodes
_V = ua.VariantType
_KNOWN = {**AGGREGATES, ANNOTATION_COUNT.node_id: ANNOTATION_COUNT}


class Processor(Protocol):
    """The historian, off the event loop."""

    async def process(
        self,
        place: tuple[str, str],
        aggregate: Aggregate,
        start: TimeUs,
        end: TimeUs,
        width: int,
        configuration: Configuration,
        limit: int,
    ) -> ProcessedPage: ...

    async def at_times(
        self, place: tuple[str, str], times: Sequence[TimeUs], configuration: Configuration, *, simple_bounds: bool
    ) -> list[Processed]: ...


@dataclass(frozen=True, slots=True)
class _Question:
    """A processed read and where its next page starts."""

    point: PointNode
    aggregate: Aggregate
    start: TimeUs
    end: TimeUs
    width: int
    configuration: Configuration


class ProcessedHistory:
    """ReadProcessedDetails."""

    def __init__(self, values: Values, processor: Processor, page_rows: int, points: HistoryPoints) -> None:
        self._values = values
        self._processor = processor
        self._page_rows = page_rows
        self._points = points

    def release(self, session: Session, point: bytes) -> bool:
        """Give a continuation point back; False when it is none of this session's."""
        return self._points.release(session, point)

    async def read(
        self, request: Request, node: Node, wanted: ua.HistoryReadValueId, params: ua.HistoryReadParameters
    ) -> ua.HistoryReadResult:
        """One node's page, one value an interval.

        Raises:
            ServiceFault: the operation's result.
        """
        session, details = session_of(request), params.HistoryReadDetails
        aggregates = details.AggregateType or []
        if len(aggregates) != len(params.NodesToRead):
            raise ServiceFault(_S.BadAggregateListMismatch)
        if wanted.ContinuationPoint:
            question = self._points.resume(
                session, wanted.ContinuationPoint, _Question, lambda known: known.point.key == node.key
            )
        else:
            place = next(number for number, each in enumerate(params.NodesToRead) if each is wanted)
            question = self._first(node, wanted, details, aggregates[place])
        found = await self._processor.process(
            (question.point.device_id, question.point.parameter),
            question.aggregate,
            question.start,
            question.end,
            question.width,
            question.configuration,
            self._page_rows,
        )
        more = found.next_start
        token = self._points.keep(session, replace(question, start=more)) if more is not None else None
        values = [_shown(each, question.aggregate, question.point.data_type) for each in found.values]
        return ua.HistoryReadResult(
            StatusCode=stack_status(status.GOOD), ContinuationPoint=token, HistoryData=ua.HistoryData(DataValues=values)
        )

    def _first(
        self, node: Node, wanted: ua.HistoryReadValueId, details: ua.ReadProcessedDetails, aggregate_id: ua.NodeId
    ) -> _Question:
        point = point_of(self._values, node, wanted)
        start, end = request_time(details.StartTime), request_time(details.EndTime)
        interval_ms = float(details.ProcessingInterval or 0.0)
        if start is None or end is None or start == end or not 0.0 <= interval_ms < math.inf:
            raise ServiceFault(_S.BadInvalidArgument)
        found = _KNOWN.get(aggregate_id.Identifier) if aggregate_id.NamespaceIndex == 0 else None
        if found is None or (found.node_id in NUMBERS_ONLY and not _calculable(point.data_type)):
            raise ServiceFault(_S.BadAggregateNotSupported)
        width = max(round(min(interval_ms, 1e14) * 1000), 1) if interval_ms else 0
        configuration = configuration_of(details.AggregateConfiguration, point.data_type)
        return _Question(point, found, start, end, width, configuration)


class HistoryAtTimes:
    """ReadAtTimeDetails."""

    def __init__(self, values: Values, processor: Processor, page_rows: int, points: HistoryPoints) -> None:
        self._values = values
        self._processor = processor
        self._most = page_rows
        self._points = points

    def release(self, session: Session, point: bytes) -> bool:
        """Give a continuation point back; False when it is none of this session's."""
        return self._points.release(session, point)

    async def read(
        self, request: Request, node: Node, wanted: ua.HistoryReadValueId, params: ua.HistoryReadParameters
    ) -> ua.HistoryReadResult:
        """The value at each time that was asked for, in that order.

        Raises:
            ServiceFault: the operation's result.
        """
        details = params.HistoryReadDetails
        if wanted.ContinuationPoint:
            raise ServiceFault(_S.BadContinuationPointInvalid)  # all times are answered at once
        point = point_of(self._values, node, wanted)
        times = [request_time(each) for each in details.ReqTimes or []]
        if not times:
            raise ServiceFault(_S.BadNothingToDo)
        if len(times) > self._most:
            raise ServiceFault(_S.BadTooManyOperations)
        known = [each for each in times if each is not None]
        if len(known) != len(times):
            raise ServiceFault(_S.BadInvalidTimestampArgument)
        found = await self._processor.at_times(
            (point.device_id, point.parameter),
            known,
            replace(DEFAULTS, stepped=point.data_type.stepped),
            simple_bounds=bool(details.UseSimpleBounds),
        )
        values = [_data_value(each, _of_type(each, point.data_type)) for each in found]
        return ua.HistoryReadResult(StatusCode=stack_status(status.GOOD), HistoryData=ua.HistoryData(DataValues=values))


def configuration_of(wanted: ua.AggregateConfiguration | None, data_type: DataType) -> Configuration:
    """What a request says, or the server's defaults.

    Raises:
        ServiceFault: BadAggregateConfigurationRejected: percentages that leave a gap or are none (4.2.1.2).
    """
    stepped = data_type.stepped
    if wanted is None or wanted.UseServerCapabilitiesDefaults:
        return replace(DEFAULTS, stepped=stepped)
    bad, good = int(wanted.PercentDataBad), int(wanted.PercentDataGood)
    if not (0 <= bad <= 100 and 0 <= good <= 100 and good >= 100 - bad):
        raise ServiceFault(_S.BadAggregateConfigurationRejected)
    return Configuration(bool(wanted.TreatUncertainAsBad), bad, good, bool(wanted.UseSlopedExtrapolation), stepped)


def _calculable(data_type: DataType) -> bool:
    return data_type.numeric or data_type is DataType.BOOLEAN


def _shown(found: Processed, aggregate: Aggregate, data_type: DataType) -> ua.DataValue:
    if found.value is None:
        return _data_value(found, ua.Variant(None, _V.Null))
    if aggregate.data_type == SOURCE:
        return _data_value(found, _of_type(found, data_type))
    if aggregate.data_type in (DOUBLE, DURATION):
        return _data_value(found, ua.Variant(float(found.value), _V.Double))
    if aggregate.data_type == INT32:
        return _data_value(found, ua.Variant(int(found.value), _V.Int32))
    return _data_value(found, ua.Variant(ua.StatusCode(int(found.value)), _V.StatusCode))


def _of_type(found: Processed, data_type: DataType) -> ua.Variant:
    """A result in the Variable's own DataType; what that cannot hold (a difference of unsigned numbers) is a Double."""
    value = found.value
    if isinstance(value, float) and data_type.integer:
        value = round(value) if math.isfinite(value) else value
    limits = data_type.limits
    if limits is not None and isinstance(value, int | float) and not limits[0] <= value <= limits[1]:
        return ua.Variant(float(value), _V.Double)
    return to_variant(value, data_type)


def _data_value(found: Processed, value: ua.Variant) -> ua.DataValue:
    # Aggregates have the time of their interval; a server never saw them (5.4.3.1).
    return ua.DataValue(value, stack_status(found.status), SourceTimestamp=moment(found.time))
