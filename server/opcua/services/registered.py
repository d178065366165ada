"""RegisterNodes and UnregisterNodes (OPC 10000-4 v1.05 §5.9.5 and §5.9.6).

Every NodeId is as quick as any other here, so a registered one is the one that came; nothing is kept.
"""

from __future__ import annotations

from asyncua import ua

from server.opcua.services.context import Request
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.limits import OperationLimits, require_count


class RegisteredNodes:
    """Gives back what it gets; unknown NodeIds are copied too, as the standard wants."""

    def __init__(self, limits: OperationLimits) -> None:
        self._limits = limits

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer RegisterNodes and UnregisterNodes."""
        dispatcher.register("RegisterNodes", self.register_nodes)
        dispatcher.register("UnregisterNodes", self.unregister_nodes)

    def register_nodes(self, _request: Request, params: ua.RegisterNodesParameters) -> ua.RegisterNodesResponse:
        """The same NodeIds."""
        require_count(params.NodesToRegister, self._limits.register)
        response = ua.RegisterNodesResponse()
        response.Parameters.RegisteredNodeIds = list(params.NodesToRegister)
        return response

    def unregister_nodes(self, _request: Request, params: ua.UnregisterNodesParameters) -> ua.UnregisterNodesResponse:
        """Good, for known and unknown NodeIds alike."""
        require_count(params.NodesToUnregister, self._limits.register)
        return ua.UnregisterNodesResponse()
