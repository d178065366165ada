"""Direct access to devices (IEC 62769-5, DirectDeviceAccessType): one Object below every device, for engineers.

The Transfer of the published model has no output for what the device answers; `TransferEx` of our own type has.
"""

from __future__ import annotations

from asyncua import ua

from server.core.values import Caller
from server.fdi.direct_access import DirectAccess
from server.model.device import Device
from server.opcua.names import FDI5_URI, TYPES_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.roles import ENGINEERS_CALL
from server.opcua.services.context import Request
from server.opcua.space import HAS_COMPONENT
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import allow, answer, caller_of, device_of, text_of
from server.opcua.specs.parts import Part
from server.opcua.specs.runtime import Runtime

DIRECT_ACCESS = "DirectDeviceAccess"
INIT, TRANSFER, END = 83, 86, 89
DIRECT_ACCESS_TYPE, TRANSFER_EX = 1044, 1045
"""Of our own types: a subtype of DirectDeviceAccessType."""


def bind(binding: Binding, fdi: Runtime) -> None:
    """Direct access from now on."""
    DirectAccessMethods(binding, fdi)


class DirectAccessMethods:
    """The Objects and what their Methods do."""

    def __init__(self, binding: Binding, fdi: Runtime) -> None:
        self._space = space = binding.space
        self._plant = binding.plant
        self._audit = binding.audit
        self._access = DirectAccess(binding.pipeline, binding.plant, fdi.locks, fdi.access)
        kind, name = space.id(TYPES_URI, DIRECT_ACCESS_TYPE), space.name(FDI5_URI, DIRECT_ACCESS)
        typed = binding.handlers.typed
        typed[key_of(space.id(FDI5_URI, INIT))] = self._init
        typed[key_of(space.id(FDI5_URI, TRANSFER))] = self._transfer
        typed[key_of(space.id(FDI5_URI, END))] = self._end
        typed[key_of(space.id(TYPES_URI, TRANSFER_EX))] = self._transfer_ex
        allow(space, FDI5_URI, (INIT, TRANSFER, END), ENGINEERS_CALL)
        allow(space, TYPES_URI, (TRANSFER_EX,), ENGINEERS_CALL)
        binding.parts.add(Part(DIRECT_ACCESS, name, lambda _device: kind, self._build))
        binding.device_gone.append(self._access.device_gone)

    def _build(self, _device: Device, root: ua.NodeId) -> None:
        """The Methods are those of the types."""
        space = self._space
        methods = [space.id(FDI5_URI, method) for method in (INIT, TRANSFER, END)]
        for method in (*methods, space.id(TYPES_URI, TRANSFER_EX)):
            space.link(root, HAS_COMPONENT, method, inverse=False)

    def _device(self, object_key: Key) -> str:
        return str(device_of(self._space, self._plant, object_key, DIRECT_ACCESS)[0])

    def _init(self, request: Request, object_key: Key, _method: Key, inputs: list[ua.Variant]) -> ua.CallMethodResult:
        device_id, caller = self._device(object_key), caller_of(request)
        code = self._access.init(device_id, caller)
        self._note(caller, "direct access", device_id, code, text_of(inputs[0]))
        return answer(code, inputs=1)

    async def _transfer(
        self, request: Request, object_key: Key, _method: Key, inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        _, code = await self._access.transfer(self._device(object_key), text_of(inputs[0]), caller_of(request))
        return answer(code, inputs=2)

    async def _transfer_ex(
        self, request: Request, object_key: Key, _method: Key, inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        found = await self._access.transfer(self._device(object_key), text_of(inputs[0]), caller_of(request))
        return answer(*found, inputs=1)

    async def _end(
        self, request: Request, object_key: Key, _method: Key, inputs: list[ua.Variant]
    ) -> ua.CallMethodResult:
        device_id, caller = self._device(object_key), caller_of(request)
        code = await self._access.end(device_id, caller, invalidate=bool(inputs[0].Value))
        self._note(caller, "end direct access", device_id, code)
        return answer(code, inputs=1)

    def _note(self, caller: Caller, action: str, device_id: str, code: int, detail: str = "") -> None:
        self._audit.note(caller, action, device_id, "Good" if code == 0 else f"refused ({code})", detail)
