"""Cancel: requests that still wait are answered BadRequestCancelledByClient (OPC 10000-4, 5.7.5).

Whoever lets a request wait keeps it in `session.pending` with a way to end the work: Publish requests are among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asyncua import ua

from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.fault import ServiceFault

_S = ua.StatusCodes
CancelPublish = Callable[[Session, int], int]
"""(session, requestHandle) -> how many waiting Publish requests were answered BadRequestCancelledByClient."""


class Audit(Protocol):
    """What of the audit events Cancel uses."""

    def cancelled(self, request: Request, handle: int, code: int) -> None: ...


class CancelService:
    """Cancel; a command that a device has received already goes on there, only nobody waits for it."""

    def __init__(self, audit: Audit, cancel_publish: CancelPublish | None = None) -> None:
        self._audit = audit
        self._cancel_publish = cancel_publish
        self._dispatcher: Dispatcher | None = None

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer Cancel."""
        self._dispatcher = dispatcher
        dispatcher.register("Cancel", self.cancel)

    def cancel(self, request: Request, params: ua.CancelParameters) -> ua.CancelResponse:
        """How many requests of this handle were cancelled."""
        session = request.session
        if session is None or self._dispatcher is None:
            raise ServiceFault(_S.BadSessionIdInvalid)
        count = 0
        for waiting in list(session.pending.get(params.RequestHandle, ())):
            if waiting.answered:
                continue
            self._dispatcher.fault(waiting, int(_S.BadRequestCancelledByClient))
            if waiting.cancel is not None:
                waiting.cancel()
            count += 1
        if self._cancel_publish is not None:
            count += self._cancel_publish(session, params.RequestHandle)
        self._audit.cancelled(request, int(params.RequestHandle), int(_S.Good))
        response = ua.CancelResponse()
        response.Parameters.CancelCount = count
        return response
