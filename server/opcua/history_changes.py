"""Changes of recorded values (OPC 10000-11, 6.8): the doors behind HistoryUpdate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from asyncua import ua

from server.core import status
from server.core.clock import Clock, TimeUs, from_datetime
from server.core.status import StatusCode
from server.core.values import Scalar
from server.history.store import Change, StoredValue
from server.history.values import storable
from server.model.device_type import DataType
from server.opcua.datavalues import VARIANT, stack_status
from server.opcua.history import RawReader, request_time, shown_value
from server.opcua.nodes.node import Node
from server.opcua.roles import DELETE_HISTORY, INSERT_HISTORY, MODIFY_HISTORY
from server.opcua.services.context import Request
from server.opcua.services.fault import ServiceFault
from server.opcua.services.history import HistoryOutcome
from server.opcua.services.history_audit import SHOWN
from server.opcua.values import PointNode, Values

_S = ua.StatusCodes
MOST = 10_000
"""Values or times of one operation."""
HOW = {
    ua.PerformUpdateType.Insert: (Change.INSERT, INSERT_HISTORY),
    ua.PerformUpdateType.Replace: (Change.REPLACE, MODIFY_HISTORY),
    ua.PerformUpdateType.Update: (Change.UPDATE, INSERT_HISTORY | MODIFY_HISTORY),
}
"""What is meant, and the permissions it takes."""


class Changer(RawReader, Protocol):
    """The historian, off the event loop."""

    async def change(
        self, device_id: str, parameter: str, values: Sequence[StoredValue], how: Change, user: str, now: TimeUs
    ) -> list[StatusCode]: ...

    async def delete(
        self, device_id: str, parameter: str, start: TimeUs, end: TimeUs, user: str, now: TimeUs
    ) -> int: ...

    async def delete_times(
        self, device_id: str, parameter: str, times: Sequence[TimeUs], user: str, now: TimeUs
    ) -> list[bool]: ...

    async def delete_modified(self, device_id: str, parameter: str, start: TimeUs, end: TimeUs) -> int: ...

    async def some(self, device_id: str, parameter: str, times: Sequence[TimeUs], limit: int) -> list[StoredValue]: ...


class _Door:
    def __init__(self, values: Values, changer: Changer, clock: Clock) -> None:
        self._values = values
        self._changer = changer
        self._clock = clock

    def _point(self, node: Node) -> PointNode:
        point = self._values.of_key(node.key)
        if point is None:
            raise ServiceFault(_S.BadHistoryOperationUnsupported)
        return point

    @staticmethod
    def _user(request: Request) -> str:
        return request.session.caller.user if request.session is not None else ""


class UpdateData(_Door):
    """UpdateDataDetails: insert, replace, update."""

    def permission(self, details: Any) -> int:
        """The bits that a caller needs."""
        return HOW.get(details.PerformInsertReplace, (Change.UPDATE, INSERT_HISTORY | MODIFY_HISTORY))[1]

    async def update(self, request: Request, node: Node, details: ua.UpdateDataDetails) -> HistoryOutcome:
        """One node's values; each has its own result."""
        how, _ = HOW.get(details.PerformInsertReplace, (None, 0))
        if how is None:
            raise ServiceFault(_S.BadHistoryOperationInvalid)
        point, now = self._point(node), self._clock.now()
        wanted = list(details.UpdateValues or [])
        require_some(len(wanted))
        codes: list[int] = [0] * len(wanted)
        values: list[StoredValue] = []
        places: list[int] = []
        for place, each in enumerate(wanted):
            value, codes[place] = _stored(each, point.data_type, now)
            if value is not None:
                values.append(value)
                places.append(place)
        old: list[StoredValue] = []
        if values:
            times = [value.source_time for value in values[:SHOWN]]
            if how is not Change.INSERT:
                old = await self._changer.some(point.device_id, point.parameter, times, SHOWN)
            found = await self._changer.change(point.device_id, point.parameter, values, how, self._user(request), now)
            for place, code in zip(places, found, strict=True):
                codes[place] = code
        return HistoryOutcome(_result(codes), _shown(old, point))


class DeleteRaw(_Door):
    """DeleteRawModifiedDetails: a range of values, or of modified ones."""

    def permission(self, details: Any) -> int:
        """The bits that a caller needs."""
        return DELETE_HISTORY

    async def update(self, request: Request, node: Node, details: ua.DeleteRawModifiedDetails) -> HistoryOutcome:
        """One node's range, the end left out."""
        point = self._point(node)
        start, end = request_time(details.StartTime), request_time(details.EndTime)
        if start is None or end is None:
            raise ServiceFault(_S.BadInvalidTimestampArgument)
        old: Sequence[StoredValue] = ()
        if details.IsDeleteModified:
            count = await self._changer.delete_modified(point.device_id, point.parameter, start, end)
        else:
            now, user = self._clock.now(), self._user(request)
            old = (await self._changer.read_raw(point.device_id, point.parameter, start, end, SHOWN)).values
            count = await self._changer.delete(point.device_id, point.parameter, start, end, user, now)
        result = ua.HistoryUpdateResult(StatusCode=stack_status(status.GOOD if count else _S.BadNoData))
        return HistoryOutcome(result, _shown(old, point))


class DeleteAtTimes(_Door):
    """DeleteAtTimeDetails: values at given times."""

    def permission(self, details: Any) -> int:
        """The bits that a caller needs."""
        return DELETE_HISTORY

    async def update(self, request: Request, node: Node, details: ua.DeleteAtTimeDetails) -> HistoryOutcome:
        """One node's times; each has its own result."""
        point = self._point(node)
        times = [request_time(each) for each in details.ReqTimes or []]
        require_some(len(times))
        known = [each for each in times if each is not None]
        old = await self._changer.some(point.device_id, point.parameter, known[:SHOWN], SHOWN)
        found = iter(
            await self._changer.delete_times(
                point.device_id, point.parameter, known, self._user(request), self._clock.now()
            )
        )
        result = _result(
            [
                int(_S.BadInvalidTimestampArgument)
                if each is None
                else (status.GOOD if next(found) else status.BAD_NO_ENTRY_EXISTS)
                for each in times
            ]
        )
        return HistoryOutcome(result, _shown(old, point))


def require_some(count: int) -> None:
    """Raises ServiceFault: there is nothing to do, or too much."""
    if not count:
        raise ServiceFault(_S.BadNothingToDo)
    if count > MOST:
        raise ServiceFault(_S.BadTooManyOperations)


def _result(codes: Sequence[int]) -> ua.HistoryUpdateResult:
    return ua.HistoryUpdateResult(
        StatusCode=stack_status(status.GOOD), OperationResults=[stack_status(code) for code in codes]
    )


def _shown(values: Sequence[StoredValue], point: PointNode) -> list[ua.DataValue]:
    return [shown_value(value, point.data_type, ua.TimestampsToReturn.Both) for value in values[:SHOWN]]


def _stored(given: ua.DataValue, data_type: DataType, now: TimeUs) -> tuple[StoredValue | None, int]:
    """A value to be stored, or why it cannot be."""
    time = given.SourceTimestamp
    if not isinstance(time, datetime):
        return None, int(_S.BadInvalidTimestamp)
    at = from_datetime(time if time.tzinfo else time.replace(tzinfo=UTC))
    variant = given.Value
    code = int(given.StatusCode.value) if given.StatusCode is not None else status.GOOD
    if variant is None or variant.Value is None:
        return (StoredValue(at, now, None, code), 0) if status.is_bad(code) else (None, int(_S.BadTypeMismatch))
    if variant.is_array or variant.VariantType is not VARIANT[data_type]:
        return None, int(_S.BadTypeMismatch)
    value: Scalar = variant.Value
    if isinstance(variant.Value, datetime):
        value = from_datetime(variant.Value if variant.Value.tzinfo else variant.Value.replace(tzinfo=UTC))
    if storable(value, code) != (value, code):
        return None, int(_S.BadOutOfRange)  # too long a text, too large a number
    seen = given.ServerTimestamp
    server = from_datetime(seen if seen.tzinfo else seen.replace(tzinfo=UTC)) if isinstance(seen, datetime) else now
    return StoredValue(at, server, value, code), 0
