"""The communication server of IEC 62769-7 (FDI7) in front of the MQTT network: its device, its services, its Methods.

`Network/CommunicationServer` stands in DeviceTopology; its one communication device is `Network/MQTT/Server`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from asyncua import ua

from server.core.texts import Texts
from server.fdi.communication import CommunicationServer, scan_result
from server.fdi.communication_literals import PROTOCOL_IDENTIFIER, SERVICE_OK
from server.opcua.device_nodes import MQTT_NETWORK
from server.opcua.names import DI_URI, FDI7_URI, METHOD_SET, PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.nodes.values import put_data_value
from server.opcua.roles import ADMINS_CALL
from server.opcua.services.context import Request
from server.opcua.space import FOLDER_TYPE, HAS_COMPONENT, ORGANIZES, data_value
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import allow, answer, caller_of, text_of
from server.opcua.specs.runtime import Runtime
from server.opcua.specs.topology import CONNECTION_POINT, CONNECTS_TO, connect
from server.opcua.type_nodes import BASE_OBJECT

SERVER, DEVICE = "Network/CommunicationServer", f"{MQTT_NETWORK}/Server"
SERVICE = f"{DEVICE}/ServiceProvider"
DEVICE_TOPOLOGY = 6094
COMMUNICATION_SERVER_TYPE, GENERIC_DEVICE_TYPE, GENERIC_SERVICE_TYPE, GENERIC_CONNECTION_POINT = 11, 1913, 2133, 1742
INITIALIZE, RESET, SCAN, RESET_SCAN, CONNECT, TRANSFER, DISCONNECT = 75, 77, 157, 159, 2200, 2203, 300
_V = ua.VariantType
_NAMES = {
    SERVER: ("CommunicationServer", Texts.of("Communication server", ru="Сервер связи")),
    DEVICE: ("Server", Texts.of("MQTT communication device", ru="Устройство связи MQTT")),
    SERVICE: ("ServiceProvider", Texts.of("MQTT communication services", ru="Службы связи MQTT")),
}


def bind(binding: Binding, _fdi: Runtime) -> None:
    """The communication server from now on."""
    Communication(binding)


class Communication:
    """Its Objects and what their Methods do; administrators reset it."""

    def __init__(self, binding: Binding) -> None:
        self._space = space = binding.space
        self._state = binding.network
        self._server = server = CommunicationServer(binding.pipeline, binding.plant)
        self._objects()
        self._address = space.point(space.id(PLANT_URI, f"{DEVICE}/{CONNECTION_POINT}/Address"))
        self._shown = ""
        for method, handler in (
            (INITIALIZE, self._initialize),
            (RESET, self._reset),
            (RESET_SCAN, self._reset_scan),
            (CONNECT, self._connect),
            (DISCONNECT, self._disconnect),
        ):
            binding.handlers.typed[key_of(space.id(FDI7_URI, method))] = handler
        binding.handlers.typed[key_of(space.id(FDI7_URI, SCAN))] = self._scan
        binding.handlers.typed[key_of(space.id(FDI7_URI, TRANSFER))] = self._transfer
        allow(space, FDI7_URI, (RESET,), ADMINS_CALL)
        binding.ticks.append(self._show)
        # Whoever had the session before is gone, and his relations with him.
        binding.sessions.on_identity.append(lambda session: server.session_closed(str(session.session_id.Identifier)))
        binding.sessions.on_closed.append(
            lambda session, _how: server.session_closed(str(session.session_id.Identifier))
        )
        self._show()

    # -- nodes

    def _objects(self) -> None:
        space = self._space
        topology = space.id(DI_URI, DEVICE_TOPOLOGY)
        self._device(SERVER, COMMUNICATION_SERVER_TYPE, (INITIALIZE, RESET), topology, ORGANIZES, PLANT_URI)
        folder = space.id(PLANT_URI, f"{SERVER}/SubDevices")
        space.object(folder, space.name(FDI7_URI, "SubDevices"), FOLDER_TYPE, parent=space.id(PLANT_URI, SERVER))
        self._device(DEVICE, GENERIC_DEVICE_TYPE, (SCAN, RESET_SCAN), folder, ORGANIZES, PLANT_URI)
        device = space.id(PLANT_URI, DEVICE)
        self._property(DEVICE, FDI7_URI, "ProtocolIdentifier", PROTOCOL_IDENTIFIER, _V.String)
        self._property(DEVICE, FDI7_URI, "ListOfCommunicationProfiles", [PROTOCOL_IDENTIFIER], _V.String)
        services = (CONNECT, TRANSFER, DISCONNECT)
        self._device(SERVICE, GENERIC_SERVICE_TYPE, services, device, HAS_COMPONENT, FDI7_URI)
        point = space.id(PLANT_URI, f"{DEVICE}/{CONNECTION_POINT}")
        space.object(
            point, space.name(PLANT_URI, CONNECTION_POINT), space.id(FDI7_URI, GENERIC_CONNECTION_POINT), parent=device
        )
        connect(space, point, b"")
        network, connects_to = space.id(PLANT_URI, MQTT_NETWORK), space.id(DI_URI, CONNECTS_TO)
        space.link(network, connects_to, point)
        space.link(point, connects_to, network)

    def _device(
        self,
        path: str,
        type_number: int,
        methods: Sequence[int],
        parent: ua.NodeId,
        reference: ua.NodeId,
        names_uri: str,
    ) -> None:
        """One Object of a DeviceType: the mandatory nameplate and a MethodSet with the type's Methods."""
        space, root = self._space, self._space.id(PLANT_URI, path)
        name, label = _NAMES[path]
        space.object(
            root,
            space.name(names_uri, name),
            space.id(FDI7_URI, type_number),
            parent=parent,
            reference=reference,
            display=label,
        )
        for fact, text in (("Manufacturer", "Fieldloom"), ("Model", label.default)):
            self._property(path, DI_URI, fact, ua.LocalizedText(text, "en"), _V.LocalizedText)
        for fact in ("HardwareRevision", "SoftwareRevision", "DeviceRevision", "DeviceManual", "SerialNumber"):
            self._property(path, DI_URI, fact, "", _V.String)
        self._property(path, DI_URI, "RevisionCounter", -1, _V.Int32)
        holder = space.id(PLANT_URI, f"{path}/{METHOD_SET}")
        space.object(holder, space.name(DI_URI, METHOD_SET), BASE_OBJECT, parent=root)
        for method in methods:
            space.link(holder, HAS_COMPONENT, space.id(FDI7_URI, method), inverse=False)

    def _property(self, path: str, uri: str, name: str, value: object, kind: ua.VariantType) -> None:
        space = self._space
        space.property(
            space.id(PLANT_URI, f"{path}/{name}"),
            space.name(uri, name),
            data_value(value, kind),
            ua.NodeId(kind.value),
            parent=space.id(PLANT_URI, path),
            rank=1 if isinstance(value, list) else -1,
        )

    def _show(self) -> None:
        """The address of the network's one connection point to this server is the broker's."""
        _, broker = self._state()
        if broker != self._shown:
            self._shown = broker
            put_data_value(self._address, data_value(broker.encode(), _V.ByteString))

    # -- Methods

    def _initialize(
        self, _request: Request, _object: Key, _method: Key, _inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        return answer(self._server.initialize())

    def _reset(self, _request: Request, _object: Key, _method: Key, _inputs: list[ua.Variant]) -> ua.CallMethodResult:
        return answer(self._server.reset())

    async def _scan(
        self, _request: Request, _object: Key, _method: Key, _inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        document = await asyncio.to_thread(scan_result, self._server.found())
        return answer(ua.Variant(ua.XmlElement(document), _V.XmlElement), SERVICE_OK)

    def _reset_scan(
        self, _request: Request, _object: Key, _method: Key, _inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        return answer(SERVICE_OK)

    def _connect(self, request: Request, _object: Key, _method: Key, inputs: list[ua.Variant]) -> ua.CallMethodResult:
        relation, address = (_bytes_of(each) for each in inputs)
        return answer(self._server.connect(relation, address, caller_of(request)), inputs=2)

    def _disconnect(
        self, request: Request, _object: Key, _method: Key, inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        return answer(self._server.disconnect(_bytes_of(inputs[0]), caller_of(request)), inputs=1)

    async def _transfer(
        self, request: Request, _object: Key, _method: Key, inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        """The data types of request and response are not needed: the data are JSON."""
        relation, header, data = _bytes_of(inputs[0]), text_of(inputs[1]), _bytes_of(inputs[2])
        found = await self._server.transfer(relation, header, data, caller_of(request))
        codes = ua.Variant(found.codes, _V.ByteString)
        return answer(ua.Variant(found.data, _V.ByteString), codes, found.error, inputs=5)


def _bytes_of(argument: ua.Variant) -> bytes:
    """A ByteString argument; a null one is empty."""
    return bytes(argument.Value or b"")
