"""Discovery services: who we are and by which endpoints we are reached (OPC 10000-4, 5.5). No session is needed.

FindServersOnNetwork, RegisterServer and RegisterServer2 are for discovery servers: here they are unknown services.
"""

from __future__ import annotations

from asyncua import ua

from server.opcua.endpoints import Endpoints
from server.opcua.services.context import Request
from server.opcua.services.dispatch import Dispatcher


class DiscoveryService:
    """FindServers and GetEndpoints."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer the discovery services."""
        dispatcher.register("FindServers", self.find_servers, needs="nothing")
        dispatcher.register("GetEndpoints", self.get_endpoints, needs="nothing")

    def find_servers(self, _request: Request, params: ua.FindServersParameters) -> ua.FindServersResponse:
        """Ourselves, unless only other servers are asked for. Our name is the same in every locale."""
        response = ua.FindServersResponse()
        if not params.ServerUris or self._endpoints.application_uri in params.ServerUris:
            response.Servers = [self._endpoints.application(params.EndpointUrl)]
        return response

    def get_endpoints(self, _request: Request, params: ua.GetEndpointsParameters) -> ua.GetEndpointsResponse:
        """Our endpoints under the host that the client knows us by."""
        response = ua.GetEndpointsResponse()
        response.Endpoints = self._endpoints.descriptions(params.EndpointUrl, params.ProfileUris)
        return response
