"""Query service set: not offered (OPC 10000-4 v1.05 §5.10). Clients hear so instead of a decoding error."""

from __future__ import annotations

from typing import Any, NoReturn

from asyncua import ua

from server.opcua.services.context import Request
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.fault import ServiceFault


class QueryService:
    """QueryFirst and QueryNext answer BadServiceUnsupported, as the ServerCapabilities tell."""

    def register(self, dispatcher: Dispatcher) -> None:
        """Refuse QueryFirst and QueryNext."""
        dispatcher.register("QueryFirst", self.refuse)
        dispatcher.register("QueryNext", self.refuse)

    def refuse(self, _request: Request, _params: Any) -> NoReturn:
        """Raise ServiceFault BadServiceUnsupported."""
        raise ServiceFault(ua.StatusCodes.BadServiceUnsupported)
