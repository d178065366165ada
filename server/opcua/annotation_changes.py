"""Notes of people on recorded values (OPC 10000-11, 6.9.3, UpdateStructureDataDetails): a door behind HistoryUpdate.

Nobody writes in another's name: the user is the session's, whatever the client claims. Who may delete history may also
remove what others noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from asyncua import ua

from server.core import status
from server.core.clock import Clock, TimeUs
from server.core.status import StatusCode
from server.history.store import Annotation, Change
from server.opcua.annotations import AnnotationNodes
from server.opcua.datavalues import stack_status
from server.opcua.history import request_time
from server.opcua.history_changes import MOST
from server.opcua.nodes.node import Node
from server.opcua.roles import DELETE_HISTORY, INSERT_HISTORY, MODIFY_HISTORY
from server.opcua.services.context import Request
from server.opcua.services.fault import ServiceFault
from server.opcua.services.history import HistoryOutcome

MESSAGE = 4_096
"""Characters of a message."""
AHEAD_US = 60_000_000
"""How far a client's clock may be ahead, in microseconds."""
_S = ua.StatusCodes
_HOW = {
    ua.PerformUpdateType.Insert: (Change.INSERT, INSERT_HISTORY),
    ua.PerformUpdateType.Replace: (Change.REPLACE, MODIFY_HISTORY),
    ua.PerformUpdateType.Update: (Change.UPDATE, INSERT_HISTORY | MODIFY_HISTORY),
    ua.PerformUpdateType.Remove: (Change.DELETE, DELETE_HISTORY),
}
_ALL = INSERT_HISTORY | MODIFY_HISTORY | DELETE_HISTORY


class Annotator(Protocol):
    """The historian, off the event loop."""

    async def annotate(
        self, device_id: str, parameter: str, annotations: Sequence[Annotation], how: Change
    ) -> list[StatusCode]: ...


class UpdateAnnotations:
    """UpdateStructureDataDetails: insert, replace, update, remove."""

    def __init__(self, nodes: AnnotationNodes, annotator: Annotator, clock: Clock) -> None:
        self._nodes = nodes
        self._annotator = annotator
        self._clock = clock

    def permission(self, details: Any) -> int:
        """The bits that a caller needs."""
        return _HOW.get(details.PerformInsertReplace, (None, _ALL))[1]

    async def update(self, request: Request, node: Node, details: ua.UpdateStructureDataDetails) -> HistoryOutcome:
        """One Variable's annotations; each has its own result.

        Raises:
            ServiceFault: the operation's result.
        """
        how, _ = _HOW.get(details.PerformInsertReplace, (None, 0))
        if how is None:
            raise ServiceFault(_S.BadHistoryOperationInvalid)
        point, wanted = self._nodes.point_of(node), list(details.UpdateValues or [])
        if not wanted:
            raise ServiceFault(_S.BadNothingToDo)
        if len(wanted) > MOST:
            raise ServiceFault(_S.BadTooManyOperations)
        user = request.session.caller.user if request.session is not None else ""
        now = self._clock.now()
        judged = [_judged(each, how, user, now) for each in wanted]
        good = [each for each in judged if isinstance(each, Annotation)]
        found = iter(await self._annotator.annotate(point.device_id, point.parameter, good, how) if good else ())
        codes = [next(found) if isinstance(each, Annotation) else each for each in judged]
        result = ua.HistoryUpdateResult(
            StatusCode=stack_status(status.GOOD), OperationResults=[stack_status(code) for code in codes]
        )
        return HistoryOutcome(result)


def _judged(given: ua.DataValue, how: Change, user: str, now: TimeUs) -> Annotation | int:
    """The annotation that is meant, or why it cannot be."""
    time = request_time(given.SourceTimestamp)
    if time is None:
        return int(_S.BadInvalidTimestamp)
    content = given.Value.Value if given.Value is not None and not given.Value.is_array else None
    if not isinstance(content, ua.Annotation):
        return int(_S.BadTypeMismatch)
    at: TimeUs | None = request_time(content.AnnotationTime) if isinstance(content.AnnotationTime, datetime) else None
    if at is None:
        if how in (Change.REPLACE, Change.DELETE):
            return int(_S.BadInvalidTimestamp)  # which one?
        at = now
    if at > now + AHEAD_US:
        return int(_S.BadInvalidTimestamp)
    claimed = content.UserName or user
    if how is Change.DELETE:
        return Annotation(time, "", claimed, at)
    if how is Change.REPLACE and claimed != user:
        return int(_S.BadUserAccessDenied)  # that would put words into another's mouth
    message = content.Message or ""
    if not message or len(message) > MESSAGE or "\0" in message:
        return int(_S.BadOutOfRange)
    return Annotation(time, message, user, at)
