"""DI transfer services (OPC 10000-100, TransferServicesType): the Transfer Object of every device."""

from __future__ import annotations

from asyncua import ua

from server.core import status
from server.fdi.transfer_results import FetchOutcome
from server.model.device import Device
from server.opcua.datavalues import stack_status
from server.opcua.method_calls import result
from server.opcua.names import DI_URI, PARAMETER_SET
from server.opcua.nodes.keys import Key, key_of
from server.opcua.roles import ENGINEERS_CALL
from server.opcua.services.context import Request
from server.opcua.space import HAS_COMPONENT
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import allow, answer, caller_of, device_of, structure
from server.opcua.specs.parts import Part
from server.opcua.specs.runtime import Runtime
from server.opcua.specs.structures import (
    ParameterResultDataType,
    TransferResultDataDataType,
    TransferResultErrorDataType,
    diagnosed,
)

TRANSFER = "Transfer"
TRANSFER_SERVICES = 6526
TO_DEVICE, FROM_DEVICE, FETCH = 6527, 6529, 6531


def bind(binding: Binding, fdi: Runtime) -> None:
    """Transfers of every device from now on; engineers start them."""
    TransferMethods(binding, fdi)


class TransferMethods:
    """The Transfer Objects and what their Methods do."""

    def __init__(self, binding: Binding, fdi: Runtime) -> None:
        self._space = space = binding.space
        self._plant = binding.plant
        self._audit = binding.audit
        self._transfers = fdi.transfers
        for method, handler in ((TO_DEVICE, self._to_device), (FROM_DEVICE, self._from_device), (FETCH, self._fetch)):
            binding.handlers.typed[key_of(space.id(DI_URI, method))] = handler
        allow(space, DI_URI, (TO_DEVICE, FROM_DEVICE, FETCH), ENGINEERS_CALL)
        kind = space.id(DI_URI, TRANSFER_SERVICES)
        binding.parts.add(Part(TRANSFER, space.name(DI_URI, TRANSFER), lambda _device: kind, self._build))

    def _build(self, _device: Device, root: ua.NodeId) -> None:
        for method in (TO_DEVICE, FROM_DEVICE, FETCH):
            self._space.link(root, HAS_COMPONENT, self._space.id(DI_URI, method), inverse=False)

    def _to_device(
        self, request: Request, object_key: Key, _method: Key, _arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        device_id, _ = device_of(self._space, self._plant, object_key, TRANSFER)
        begun = self._transfers.to_device(device_id, caller_of(request))
        return self._begun(request, device_id, "transfer to device", begun)

    def _from_device(
        self, request: Request, object_key: Key, _method: Key, _arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        device_id, _ = device_of(self._space, self._plant, object_key, TRANSFER)
        begun = self._transfers.from_device(device_id, caller_of(request))
        return self._begun(request, device_id, "transfer from device", begun)

    def _begun(self, request: Request, device_id: str, action: str, begun: tuple[int, int]) -> ua.CallMethodResult:
        transfer_id, code = begun
        self._audit.note(caller_of(request), action, device_id, "Good" if code == 0 else f"refused ({code})")
        return answer(transfer_id, code)

    def _fetch(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        device_id, _ = device_of(self._space, self._plant, object_key, TRANSFER)
        transfer_id, sequence, most = (int(argument.Value) for argument in arguments[:3])
        omit_good = bool(arguments[3].Value)
        outcome = self._transfers.fetch(device_id, transfer_id, sequence, most, omit_good, caller_of(request))
        if outcome.code != status.GOOD:
            return result(outcome.code)
        return answer(structure(self._shown(self._plant.device(device_id), outcome)), inputs=4)

    def _shown(self, device: Device, outcome: FetchOutcome) -> TransferResultErrorDataType | TransferResultDataDataType:
        if outcome.error is not None:
            return TransferResultErrorDataType(Status=outcome.error, Diagnostics=diagnosed("the transfer failed"))
        space, uri = self._space, device.device_type.namespace_uri
        holder = space.name(DI_URI, PARAMETER_SET)
        return TransferResultDataDataType(
            SequenceNumber=outcome.sequence,
            EndOfResults=outcome.end,
            ParameterDefs=[
                ParameterResultDataType(
                    NodePath=[holder, space.name(uri, one.name)],
                    StatusCode=stack_status(one.status),
                    Diagnostics=diagnosed(one.text),
                )
                for one in outcome.results
            ],
        )
