"""HistoryRead and HistoryUpdate: what every kind of history has in common (OPC 10000-4, 5.11.3 and 5.11.5).

A door answers for one class of HistoryReadDetails or HistoryUpdateDetails; the rest is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from asyncua import ua

from server.core.errors import IntegrationError
from server.core.status import name_of
from server.core.values import Caller
from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import key_of
from server.opcua.nodes.node import OBJECT, VARIABLE, VIEW, Node
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import READ_HISTORY
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.limits import OperationLimits, require_count

_S = ua.StatusCodes
_ACCESS_HISTORY_READ, _ACCESS_HISTORY_WRITE = 4, 8
_NOTIFIER_HISTORY_READ, _NOTIFIER_HISTORY_WRITE = 4, 8
VALUES = 100_000
"""Values that one answer may have: some 2 s of encoding."""


_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def _told(details: Any, result: ua.HistoryUpdateResult) -> str:
    """What was asked for, in one line of the audit trail."""
    kind = type(details).__name__.removesuffix("Details")
    how = getattr(details, "PerformInsertReplace", None)
    words = [kind, how.name] if isinstance(how, ua.PerformUpdateType) else [kind]
    if isinstance(details, ua.DeleteRawModifiedDetails):
        words += [
            f"{details.StartTime:{_MOMENT}} to {details.EndTime:{_MOMENT}}",
            *(["modified"] if details.IsDeleteModified else []),
        ]
    if isinstance(details, ua.DeleteEventDetails):
        words.append(", ".join(bytes(each or b"").hex() for each in (details.EventIds or [])[:10]))
    codes = result.OperationResults or []
    if codes:
        words.append(f"{sum(not code.is_bad() for code in codes)} of {len(codes)} done")
    return " ".join(words)


def _size(data: Any) -> int:
    """Values in one result; an event counts as many as it has fields."""
    events = getattr(data, "Events", None) or ()
    return len(getattr(data, "DataValues", None) or ()) + sum(len(event.EventFields) for event in events)


class HistoryReader(Protocol):
    """Reads one kind of history."""

    async def read(
        self, request: Request, node: Node, wanted: ua.HistoryReadValueId, params: ua.HistoryReadParameters
    ) -> ua.HistoryReadResult:
        """One node's page.

        Raises:
            ServiceFault: the operation's result.
        """

    def release(self, session: Session, point: bytes) -> bool:
        """Give a continuation point back; False when it is none of this session's."""


@dataclass(frozen=True, slots=True)
class HistoryOutcome:
    """What an update did, and what stood there before: some of it, for the audit event."""

    result: ua.HistoryUpdateResult
    old: Sequence[Any] = ()


class HistoryUpdater(Protocol):
    """Changes one kind of history."""

    def permission(self, details: Any) -> int:
        """The bits of PermissionType that a caller needs for this change."""

    async def update(self, request: Request, node: Node, details: Any) -> HistoryOutcome:
        """One node's changes."""


class HistoryAudit(Protocol):
    """Where updates of history leave their events."""

    def history_updated(self, request: Request, details: Any, code: int, old: Sequence[Any]) -> None: ...

    def note(self, caller: Caller, action: str, target: str, outcome: str, detail: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class HistoryDoors:
    """What this server can do with history, by class of the details."""

    readers: Mapping[type, HistoryReader]
    updaters: Mapping[type, HistoryUpdater]


class HistoryService:
    """The two history services of the Attribute service set."""

    def __init__(self, store: NodeStore, limits: OperationLimits, doors: HistoryDoors, audit: HistoryAudit) -> None:
        self._store = store
        self._limits = limits
        self._doors = doors
        self._audit = audit

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer HistoryRead and HistoryUpdate."""
        dispatcher.register("HistoryRead", self._read)
        dispatcher.register("HistoryUpdate", self._update)

    # -- HistoryRead

    def _read(self, request: Request, params: ua.HistoryReadParameters) -> Awaitable[ua.HistoryReadResponse]:
        require_count(params.NodesToRead, self._limits.history_read)
        if params.TimestampsToReturn not in tuple(ua.TimestampsToReturn)[:3]:
            raise ServiceFault(_S.BadTimestampsToReturnInvalid)
        reader = self._doors.readers.get(type(params.HistoryReadDetails))
        if reader is None:
            raise ServiceFault(_S.BadHistoryOperationUnsupported)
        return self._read_all(request, params, reader)

    async def _read_all(
        self, request: Request, params: ua.HistoryReadParameters, reader: HistoryReader
    ) -> ua.HistoryReadResponse:
        response = ua.HistoryReadResponse()
        left = VALUES
        for wanted in params.NodesToRead:
            result = await self._read_one(request, wanted, params, reader)
            left -= _size(result.HistoryData)
            if left < 0:
                # Thousands of full pages would fill the memory before any limit of a message is met.
                raise ServiceFault(_S.BadResponseTooLarge)
            response.Results.append(result)
        return response

    async def _read_one(
        self,
        request: Request,
        wanted: ua.HistoryReadValueId,
        params: ua.HistoryReadParameters,
        reader: HistoryReader,
    ) -> ua.HistoryReadResult:
        session = request.session
        try:
            node = self._node(request, wanted.NodeId, READ_HISTORY)
            if params.ReleaseContinuationPoints:
                known = session is not None and reader.release(session, bytes(wanted.ContinuationPoint or b""))
                return ua.HistoryReadResult(StatusCode=stack_status(0 if known else _S.BadContinuationPointInvalid))
            if not self._has_history(node, _ACCESS_HISTORY_READ, _NOTIFIER_HISTORY_READ):
                raise ServiceFault(_S.BadHistoryOperationUnsupported)
            return await reader.read(request, node, wanted, params)
        except ServiceFault as fault:
            return ua.HistoryReadResult(StatusCode=stack_status(fault.code))
        except IntegrationError:
            return ua.HistoryReadResult(StatusCode=stack_status(_S.BadResourceUnavailable))

    def _node(self, request: Request, node_id: ua.NodeId, permission: int) -> Node:
        node = self._store.get(key_of(node_id))
        session = request.session
        if node is None or session is None:
            raise ServiceFault(_S.BadNodeIdUnknown)
        if session.audience.insecure(node):
            raise ServiceFault(_S.BadSecurityModeInsufficient)
        if not session.audience.has(node, permission):
            raise ServiceFault(_S.BadUserAccessDenied)
        return node

    def _has_history(self, node: Node, access: int, notifier: int) -> bool:
        shape = node.shape
        if shape.node_class == VARIABLE:
            return bool(shape.access & access)
        return shape.node_class in (OBJECT, VIEW) and bool(shape.notifier & notifier)

    # -- HistoryUpdate

    def _update(self, request: Request, params: ua.HistoryUpdateParameters) -> Awaitable[ua.HistoryUpdateResponse]:
        require_count(params.HistoryUpdateDetails, self._limits.history_update)
        return self._update_all(request, params.HistoryUpdateDetails)

    async def _update_all(self, request: Request, wanted: Sequence[Any]) -> ua.HistoryUpdateResponse:
        response = ua.HistoryUpdateResponse()
        response.Results = [await self._update_one(request, details) for details in wanted]
        return response

    async def _update_one(self, request: Request, details: Any) -> ua.HistoryUpdateResult:
        outcome = await self._judge_update(request, details)
        result = outcome.result
        code = int(result.StatusCode.value)
        self._audit.history_updated(request, details, code, outcome.old)
        if request.session is not None:
            node_id = getattr(details, "NodeId", None)
            target = str(node_id.Identifier) if isinstance(node_id, ua.NodeId) else "?"
            self._audit.note(request.session.caller, "change history", target, name_of(code), _told(details, result))
        return result

    async def _judge_update(self, request: Request, details: Any) -> HistoryOutcome:
        try:
            node_id = getattr(details, "NodeId", None)
            if not isinstance(node_id, ua.NodeId):
                raise ServiceFault(_S.BadHistoryOperationInvalid)
            updater = self._doors.updaters.get(type(details))
            node = self._node(request, node_id, 0)
            if updater is None or not self._has_history(node, _ACCESS_HISTORY_WRITE, _NOTIFIER_HISTORY_WRITE):
                raise ServiceFault(_S.BadHistoryOperationUnsupported)
            self._node(request, node_id, updater.permission(details))
            return await updater.update(request, node, details)
        except ServiceFault as fault:
            return HistoryOutcome(ua.HistoryUpdateResult(StatusCode=stack_status(fault.code)))
        except IntegrationError:
            return HistoryOutcome(ua.HistoryUpdateResult(StatusCode=stack_status(_S.BadResourceUnavailable)))
