"""Annotations of recorded values (OPC 10000-11, 5.1 and 6.5.6): the Property, and the doors that read it.

Every recorded Variable announces its Annotations; the node is made when somebody looks at it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from asyncua import ua

from server.core import status
from server.core.clock import TimeUs
from server.history.store import Annotation
from server.opcua.datavalues import moment, stack_status
from server.opcua.history import RawHistory, request_time
from server.opcua.history_nodes import ANNOTATIONS
from server.opcua.history_points import HistoryPoints, session_of
from server.opcua.history_room import room_of
from server.opcua.names import PLANT_URI
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.node import VARIABLE, Node
from server.opcua.nodes.on_demand import Announcement
from server.opcua.nodes.values import Encoded
from server.opcua.services.context import Request, Session
from server.opcua.services.fault import ServiceFault
from server.opcua.space import HAS_PROPERTY, HISTORY_READ, HISTORY_WRITE, PROPERTY_TYPE, Space
from server.opcua.values import PointNode, Values

_SUFFIX = f"/{ANNOTATIONS}"
_NAME = ua.QualifiedName(ANNOTATIONS, 0)
_S = ua.StatusCodes
_AT_ONCE = 1_000
_EARLIEST, _LATEST = -(2**61), 2**61
_AROUND = 96  # bytes of one answered annotation but for its texts


class AnnotationNodes:
    """Makes the Annotations of recorded Variables; a maker, see `nodes.on_demand`."""

    def __init__(self, space: Space, values: Values) -> None:
        self._space = space
        self._values = values

    def announced(self, key: Key) -> Announcement | None:
        """What Browse shows of Annotations that are not made."""
        return (_NAME, VARIABLE, key_of(PROPERTY_TYPE)) if self.annotated(key) is not None else None

    def make(self, key: Key) -> bool:
        """Make the Annotations with this key; False when no recorded Variable has them."""
        point = self.annotated(key)
        if point is None or self._space.store.peek(key) is not None:
            return False
        self._space.variable(
            node_id_of(key),
            _NAME,
            Encoded(),
            ua.NodeId(ua.ObjectIds.Annotation),
            type_definition=PROPERTY_TYPE,
            access=HISTORY_READ | HISTORY_WRITE,
            historizing=True,
        )
        self._space.store.back(point.key, key_of(HAS_PROPERTY), key)
        return True

    def annotated(self, key: Key) -> PointNode | None:
        """The point whose Annotations have this key."""
        if isinstance(key, int) or key[0] != self._space.indexes[PLANT_URI] or not isinstance(key[1], str):
            return None
        if not key[1].endswith(_SUFFIX):
            return None
        point = self._values.of_key((key[0], key[1].removesuffix(_SUFFIX)))
        node = self._space.store.peek(point.key) if point is not None else None
        return point if node is not None and node.shape.access & HISTORY_READ else None

    def point_of(self, node: Node) -> PointNode:
        """The point that Annotations, or the Variable that has them, belong to.

        Raises:
            ServiceFault: BadHistoryOperationUnsupported: neither of them.
        """
        point = self.annotated(node.key) or self._values.of_key(node.key)
        if point is None:
            raise ServiceFault(_S.BadHistoryOperationUnsupported)
        return point


class AnnotationReader(Protocol):
    """The historian, off the event loop."""

    async def annotations(
        self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, limit: int, *, after: int = 0
    ) -> list[Annotation]: ...


Place = tuple[TimeUs, TimeUs, str]


@dataclass(frozen=True, slots=True)
class _Question:
    """A read of annotations and where its next page starts."""

    node: Key
    point: PointNode
    low: TimeUs  # low <= time < high
    high: TimeUs
    backward: bool
    limit: int
    resume: Place | None = None


class RawOrAnnotations:
    """ReadRawModifiedDetails: of a Variable its values, of its Annotations what people noted."""

    def __init__(
        self, raw: RawHistory, nodes: AnnotationNodes, reader: AnnotationReader, page_rows: int, points: HistoryPoints
    ) -> None:
        self._raw = raw
        self._nodes = nodes
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
        point = self._nodes.annotated(node.key)
        if point is None:
            return await self._raw.read(request, node, wanted, params)
        session = session_of(request)
        if wanted.ContinuationPoint:
            question = self._points.resume(
                session, wanted.ContinuationPoint, _Question, lambda known: known.node == node.key
            )
        else:
            question = self._first(node, point, wanted, params.HistoryReadDetails)
        found = await (self._backward if question.backward else self._forward)(question)
        fits = min(question.limit, _fitting(found, room_of(request, len(params.NodesToRead))))
        token = None
        if len(found) > fits:
            token = self._points.keep(session, replace(question, resume=_place(found[fits])))
        shown = [_shown(each, params.TimestampsToReturn) for each in found[:fits]]
        code = status.GOOD if shown else _S.GoodNoData
        return ua.HistoryReadResult(
            StatusCode=stack_status(code), ContinuationPoint=token, HistoryData=ua.HistoryData(DataValues=shown)
        )

    def _first(
        self, node: Node, point: PointNode, wanted: ua.HistoryReadValueId, details: ua.ReadRawModifiedDetails
    ) -> _Question:
        _require_plain(wanted)
        if details.IsReadModified:
            raise ServiceFault(_S.BadHistoryOperationUnsupported)  # what was noted earlier is not kept
        start, end = request_time(details.StartTime), request_time(details.EndTime)
        count = int(details.NumValuesPerNode or 0)
        # Two of start, end and count have to be given (OPC 10000-11, 6.5.3.2).
        if (start is None) + (end is None) + (count == 0) > 1:
            raise ServiceFault(_S.BadInvalidArgument)
        limit = min(self._page_rows, count) if count else self._page_rows
        backward = start is None or (end is not None and start > end)
        if backward:
            newest, oldest = (end, None) if start is None else (start, end)
            low = _EARLIEST if oldest is None else oldest + 1
            high = _LATEST if newest is None else newest + 1
        else:
            low = _EARLIEST if start is None else start
            high = _LATEST if end is None else max(end, low + 1)  # start = end: what is at that time
        return _Question(node.key, point, low, high, backward, limit)

    async def _forward(self, question: _Question) -> list[Annotation]:
        """One more than a page, oldest first."""
        resume = question.resume
        low, after = question.low if resume is None else resume[0], 0
        found: list[Annotation] = []
        while len(found) <= question.limit:
            rows = await self._rows(question.point, low, question.high, after)
            found += [each for each in rows if resume is None or _place(each) >= resume]
            after += len(rows)
            if len(rows) < _AT_ONCE:
                break
        return found[: question.limit + 1]

    async def _backward(self, question: _Question) -> list[Annotation]:
        """One more than a page, newest first: the stores list forwards, so the last ones are kept on the way."""
        resume, after = question.resume, 0
        high = question.high if resume is None else resume[0] + 1
        last: deque[Annotation] = deque(maxlen=question.limit + 1)
        while True:
            rows = await self._rows(question.point, question.low, high, after)
            last.extend(each for each in rows if resume is None or _place(each) <= resume)
            after += len(rows)
            if len(rows) < _AT_ONCE:
                return list(reversed(last))

    async def _rows(self, point: PointNode, low: TimeUs, high: TimeUs, after: int) -> list[Annotation]:
        return await self._reader.annotations(point.device_id, point.parameter, low, high, _AT_ONCE, after=after)


class AnnotationsAtTimes:
    """ReadAnnotationDataDetails: what was noted on values at given times (OPC 10000-11, 6.5.6)."""

    def __init__(self, nodes: AnnotationNodes, reader: AnnotationReader, page_rows: int, points: HistoryPoints) -> None:
        self._nodes = nodes
        self._reader = reader
        self._most = page_rows
        self._points = points

    def release(self, session: Session, point: bytes) -> bool:
        """Give a continuation point back; False when it is none of this session's."""
        return self._points.release(session, point)

    async def read(
        self, request: Request, node: Node, wanted: ua.HistoryReadValueId, params: ua.HistoryReadParameters
    ) -> ua.HistoryReadResult:
        """The annotations at each time in order; a time without one has a null value that is GoodNoData.

        Raises:
            ServiceFault: the operation's result.
        """
        if wanted.ContinuationPoint:
            raise ServiceFault(_S.BadContinuationPointInvalid)  # all times are answered at once
        point = self._nodes.point_of(node)
        _require_plain(wanted)
        times = [request_time(each) for each in params.HistoryReadDetails.ReqTimes or []]
        if not times:
            raise ServiceFault(_S.BadNothingToDo)
        if len(times) > self._most:
            raise ServiceFault(_S.BadTooManyOperations)
        shown: list[ua.DataValue] = []
        for time in times:
            if time is None:
                raise ServiceFault(_S.BadInvalidTimestampArgument)
            left = self._most + 1 - len(shown)
            found = await self._reader.annotations(point.device_id, point.parameter, time, time + 1, left)
            shown += [_shown(each, params.TimestampsToReturn) for each in found] or [_nothing(time)]
            if len(shown) > self._most:
                raise ServiceFault(_S.BadResponseTooLarge)
        return ua.HistoryReadResult(StatusCode=stack_status(status.GOOD), HistoryData=ua.HistoryData(DataValues=shown))


def _place(annotation: Annotation) -> Place:
    return annotation.time, annotation.annotated_at, annotation.user


def _require_plain(wanted: ua.HistoryReadValueId) -> None:
    if wanted.IndexRange:
        raise ServiceFault(_S.BadIndexRangeNoData)  # an annotation is a scalar
    encoding = wanted.DataEncoding
    if encoding is not None and encoding.Name:
        if encoding.NamespaceIndex == 0 and encoding.Name == "Default Binary":
            return
        known = encoding.NamespaceIndex == 0 and encoding.Name in ("Default XML", "Default JSON")
        raise ServiceFault(_S.BadDataEncodingUnsupported if known else _S.BadDataEncodingInvalid)


def _fitting(found: Sequence[Annotation], room: int | None) -> int:
    """How many fit into the answer; at least one, which is then for the client to refuse."""
    used = 0
    for count, each in enumerate(found):
        used += _AROUND + len(each.message.encode()) + len(each.user.encode())
        if room is not None and used > room and count:
            return count
    return len(found)


def _shown(annotation: Annotation, which: ua.TimestampsToReturn) -> ua.DataValue:
    content = ua.Annotation(annotation.message, annotation.user or None, moment(annotation.annotated_at))
    source = which in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
    server = which in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)
    return ua.DataValue(
        ua.Variant(content, ua.VariantType.ExtensionObject),
        stack_status(status.GOOD),
        SourceTimestamp=moment(annotation.time) if source else None,
        ServerTimestamp=moment(annotation.annotated_at) if server else None,
    )


def _nothing(time: TimeUs) -> ua.DataValue:
    return ua.DataValue(
        ua.Variant(None, ua.VariantType.Null), stack_status(_S.GoodNoData), SourceTimestamp=moment(time)
    )
