"""LogAuditTrailMessage (IEC 62769-5): a client adds a sentence to the site's audit trail.

The AuditUpdateMethodEvent of the call carries it too, as every call's event carries its arguments.
"""

from __future__ import annotations

from typing import Any

from asyncua import ua

from server.core import status
from server.opcua.method_calls import result
from server.opcua.names import FDI5_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.roles import ENGINEERS_CALL
from server.opcua.services.context import Request
from server.opcua.space import HAS_COMPONENT, SERVER
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import allow, caller_of, text_of
from server.security.audit import DETAIL_LIMIT

LOG_AUDIT_TRAIL_MESSAGE = 92


def bind(binding: Binding, _fdi: Any) -> None:
    """A Method of Server from now on; engineers call it."""
    AuditMessages(binding)


class AuditMessages:
    """What the Method does."""

    def __init__(self, binding: Binding) -> None:
        space = binding.space
        self._audit = binding.audit
        method = space.id(FDI5_URI, LOG_AUDIT_TRAIL_MESSAGE)
        space.link(SERVER, HAS_COMPONENT, method)
        allow(space, FDI5_URI, (LOG_AUDIT_TRAIL_MESSAGE,), ENGINEERS_CALL)
        binding.handlers.typed[key_of(method)] = self._log

    def _log(self, request: Request, _object: Key, _method: Key, inputs: list[ua.Variant]) -> ua.CallMethodResult:
        """A message that would be cut is refused: an audit trail keeps sentences whole."""
        message = text_of(inputs[0])
        if not message.strip() or len(message) > DETAIL_LIMIT:
            return result(status.BAD_INVALID_ARGUMENT, arguments=(status.BAD_OUT_OF_RANGE,))
        self._audit.note(caller_of(request), "message", "Server", "Good", message)
        return result(status.GOOD, arguments=(status.GOOD,))
