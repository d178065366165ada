"""The endpoint: security policies, what the server says it is, limits, the listening socket."""

from __future__ import annotations

import asyncio
import math
from importlib.metadata import version
from typing import Any

from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.crypto.security_policies import SecurityPolicyFactory
from asyncua.server.history import HistoryManager
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

from server.core.clock import Clock, to_datetime
from server.core.errors import InUseError
from server.opcua.identity import AES128, AES256, BASIC, NONE, SignIn, token_policies
from server.opcua.listener import Listener
from server.opcua.session import FieldSession, Services
from server.opcua.space import A
from server.opcua.subscriptions import Subscriptions
from server.security.pki import CertificateFolder
from server.settings import OpcUaSettings

PATH = "/fieldloom"
PRODUCT_URI = "urn:fieldloom:server"
TRANSPORT = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
BUFFER_BYTES = 65_535
MESSAGE_BYTES = 16 * 1024 * 1024
OPERATIONS = 10_000
"""Elements of one request; published under OperationLimits."""
SESSION_TIMEOUT_MS = (10_000, 3_600_000)
HANDSHAKE_S = 30.0
_SIGN, _ENCRYPT = ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt
SECURED = (
    (BASIC, _SIGN, 50),
    (BASIC, _ENCRYPT, 70),
    (AES128, _SIGN, 55),
    (AES128, _ENCRYPT, 75),
    (AES256, _SIGN, 60),
    (AES256, _ENCRYPT, 80),
)
"""Policy, mode, SecurityLevel."""
_OPEN = (NONE, ua.MessageSecurityMode.None_, 0)


class Stack(InternalServer):  # type: ignore[misc]
    """The stack's inner server with our sessions, subscriptions, sign-in and limits."""

    services: Services
    isession: Any
    time_task: Any

    def __init__(self, settings: OpcUaSettings, certificates: CertificateFolder, sign_in: SignIn) -> None:
        super().__init__()
        self.certificates = certificates
        self.sign_in = sign_in
        self.allow_none = settings.allow_none
        self.allow_anonymous = settings.allow_anonymous
        self.max_sessions = settings.max_sessions
        self.max_operations = OPERATIONS
        self.max_message_size = MESSAGE_BYTES
        self.min_session_timeout_ms, self.max_session_timeout_ms = SESSION_TIMEOUT_MS
        self.max_pending_activation_seconds = HANDSHAKE_S
        self.max_connections = settings.max_sessions * 2 + 10
        self.subscription_service = Subscriptions(self.aspace, self)
        self.history_manager = HistoryManager(self)
        self.isession = InternalSession(
            self, self.aspace, self.subscription_service, "Internal", user=self.isession.user
        )
        # The device's time and ours are both set where a value is made.
        self.aspace.force_server_timestamp = False

    def create_session(self, name: Any, user: Any = None, external: bool = False) -> InternalSession:
        return FieldSession(self, name, external=external)

    async def stop(self) -> None:
        """Stop the clock at once (the stack waits for its next second), then the rest."""
        if self.time_task is not None:
            self.time_task.cancel()
            await asyncio.gather(self.time_task, return_exceptions=True)
            self.time_task = None
        await super().stop()

    def session_count(self) -> int:
        """Clients' sessions, activated or not."""
        return len(self._external_sessions)

    async def get_endpoints(self, params: Any = None, sockname: Any = None) -> list[ua.EndpointDescription]:
        """GetEndpoints; a transport that is not ours has no endpoints (OPC 10000-4, 5.5.4)."""
        if params is not None and params.ProfileUris and TRANSPORT not in params.ProfileUris:
            return []
        return await super().get_endpoints(params, sockname)  # type: ignore[no-any-return]

    def find_servers(self, params: ua.FindServersParameters, sockname: Any = None) -> list[ua.ApplicationDescription]:
        """FindServers: ourselves, unless other servers are asked for."""
        if params.ServerUris and self.endpoints[0].Server.ApplicationUri not in params.ServerUris:
            return []
        whole = ua.FindServersParameters(EndpointUrl=params.EndpointUrl)
        return super().find_servers(whole, sockname)  # type: ignore[no-any-return]


class FieldEndpoint:
    """One listening endpoint over the stack."""

    def __init__(self, settings: OpcUaSettings, stack: Stack, policies: list[SecurityPolicyFactory]) -> None:
        self.stack = stack
        self._settings = settings
        self._policies = policies
        self._listener: Listener | None = None

    async def start(self) -> tuple[str, int]:
        """Listen; returns the endpoint's URL and port.

        Raises:
            InUseError: the port is taken.
        """
        limits = TransportLimits(
            max_recv_buffer=BUFFER_BYTES,
            max_send_buffer=BUFFER_BYTES,
            max_chunk_count=math.ceil(MESSAGE_BYTES / BUFFER_BYTES),
            max_message_size=MESSAGE_BYTES,
        )
        listener = Listener(self.stack, self._settings.host, self._settings.port, limits)
        listener.set_policies(self._policies)
        try:
            await listener.start()
        except OSError as error:
            raise InUseError(
                f"OPC UA: port {self._settings.port} on {self._settings.host}: {error.strerror}; "
                "choose another with FIELDLOOM_OPCUA__PORT"
            ) from None
        self._listener = listener
        url = f"opc.tcp://{self._settings.advertised_host or self._settings.host}:{listener.port}{PATH}"
        for endpoint in self.stack.endpoints:
            endpoint.EndpointUrl = url
            endpoint.Server.DiscoveryUrls = [url]
        await self.stack.start()
        return url, listener.port

    async def stop(self) -> None:
        """Close every session and the port."""
        for session in list(self.stack._external_sessions.values()):
            await session.close_session(True)
        if self._listener is not None:
            await self._listener.stop()
            await self.stack.stop()
        else:
            self.stack.method_service.stop()


async def make_endpoint(
    settings: OpcUaSettings, certificates: CertificateFolder, uri: str, sign_in: SignIn, clock: Clock
) -> FieldEndpoint:
    """The stack with the standard address space, our certificate and our endpoints; not yet listening."""
    stack = Stack(settings, certificates, sign_in)
    await stack.init()
    hosts = list(dict.fromkeys(host for host in (settings.advertised_host, settings.host, "localhost") if host))
    own = await asyncio.to_thread(certificates.own, uri, hosts)
    stack.certificate, stack.private_key = own.certificate, own.key
    application = ua.ApplicationDescription(
        ApplicationUri=uri,
        ProductUri=PRODUCT_URI,
        ApplicationName=ua.LocalizedText("Fieldloom", "en"),
        ApplicationType=ua.ApplicationType.Server,
    )
    factories = []
    for policy, mode, level in (*SECURED, _OPEN) if settings.allow_none else SECURED:
        stack.add_endpoint(
            ua.EndpointDescription(
                Server=application,
                ServerCertificate=own.der,
                SecurityMode=mode,
                SecurityPolicyUri=policy.URI,
                UserIdentityTokens=token_policies(policy, anonymous=settings.allow_anonymous),
                TransportProfileUri=TRANSPORT,
                SecurityLevel=level,
            )
        )
        factories.append(SecurityPolicyFactory(policy, mode, own.certificate, own.key))
    _describe(stack, uri, clock)
    return FieldEndpoint(settings, stack, factories)


def _describe(stack: Stack, uri: str, clock: Clock) -> None:
    """ServerArray, BuildInfo, limits: what the Server object says about us, true to the settings."""

    def put(number: int, value: Any, kind: ua.VariantType, *, array: bool = False) -> None:
        node = stack.aspace.get(ua.NodeId(number))
        if node is not None:
            node.attributes[A.Value].value = ua.DataValue(ua.Variant(value, kind, is_array=array))

    ids, kinds = ua.ObjectIds, ua.VariantType
    info = ua.BuildInfo(
        ProductUri=PRODUCT_URI,
        ManufacturerName="Fieldloom",
        ProductName="Fieldloom",
        SoftwareVersion=version("fieldloom"),
        BuildNumber=version("fieldloom"),
        BuildDate=to_datetime(clock.now()),
    )
    state = ua.ServerStatusDataType(
        StartTime=to_datetime(clock.now()), CurrentTime=to_datetime(clock.now()), BuildInfo=info
    )
    put(ids.Server_ServerArray, [uri], kinds.String, array=True)
    put(ids.Server_ServiceLevel, 255, kinds.Byte)
    put(ids.Server_ServerStatus, state, kinds.ExtensionObject)
    put(ids.Server_ServerStatus_BuildInfo, info, kinds.ExtensionObject)
    for name, kind in (
        ("ProductUri", kinds.String),
        ("ManufacturerName", kinds.String),
        ("ProductName", kinds.String),
        ("SoftwareVersion", kinds.String),
        ("BuildNumber", kinds.String),
        ("BuildDate", kinds.DateTime),
    ):
        put(getattr(ids, f"Server_ServerStatus_BuildInfo_{name}"), getattr(info, name), kind)
    put(ids.Server_ServerCapabilities_LocaleIdArray, ["en", "ru"], kinds.String, array=True)
    put(ids.Server_ServerCapabilities_MaxBrowseContinuationPoints, 20, kinds.UInt16)
    put(ids.Server_ServerCapabilities_MaxQueryContinuationPoints, 0, kinds.UInt16)
    put(ids.Server_ServerCapabilities_MaxHistoryContinuationPoints, 100, kinds.UInt16)
    put(ids.Server_ServerCapabilities_MinSupportedSampleRate, 50.0, kinds.Double)
    put(ids.Server_ServerCapabilities_ServerProfileArray, [], kinds.String, array=True)
    put(ids.Server_Auditing, False, kinds.Boolean)
    put(ids.Server_ServerDiagnostics_EnabledFlag, False, kinds.Boolean)
    # What we do not offer is published as such.
    for name in ("NodeManagement", "HistoryUpdateData", "HistoryUpdateEvents", "HistoryReadEvents"):
        put(getattr(ids, f"Server_ServerCapabilities_OperationLimits_MaxNodesPer{name}"), 0, kinds.UInt32)
