"""Edit contexts as nodes (IEC 62769-5, EditContextType): services of every device, Variables of registered parameters.

`<device>/EditContext/<context>/Online|Offline/<parameter>` is there for the session that registered it, and for nobody
else, until the context is discarded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from asyncua import ua

from server.core import status
from server.core.errors import NotFoundError, RemoteError
from server.core.values import DeviceId
from server.fdi.edit_context import OK
from server.fdi.edit_values import Side
from server.model.device import Device
from server.opcua.datavalues import fits, from_variant, stack_status
from server.opcua.names import FDI5_URI, PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.roles import ENGINEERS_CALL
from server.opcua.services.context import Request, Session
from server.opcua.space import HAS_COMPONENT
from server.opcua.specs.binding import Binding
from server.opcua.specs.calls import allow, answer, caller_of, device_of, session_of, structure, text_of
from server.opcua.specs.context_menus import ContextMenus
from server.opcua.specs.context_nodes import ContextNodes
from server.opcua.specs.parts import Part
from server.opcua.specs.registration import MENU, Registration
from server.opcua.specs.runtime import Runtime
from server.opcua.specs.structures import ApplyResult, RegisteredNode, RegisterNodesResult, TransferIncident

EDIT_CONTEXT = "EditContext"
EDIT_CONTEXT_TYPE = 54
GET, BY_ID, BY_PATH, APPLY, RESET, DISCARD = 55, 58, 61, 64, 67, 70
REGISTRATIONS = 2_000
"""Entries of one registration; more of them are to come in several calls."""
METHODS = (GET, BY_ID, BY_PATH, APPLY, RESET, DISCARD)


def bind(binding: Binding, fdi: Runtime) -> None:
    """Edit contexts of every device from now on; engineers use them."""
    EditContextServices(binding, fdi)


class EditContextServices:
    """The Methods of EditContextType, and who may write the Variables of contexts."""

    def __init__(self, binding: Binding, fdi: Runtime) -> None:
        self._space = space = binding.space
        self._plant = binding.plant
        self._contexts = fdi.contexts
        self._audit = binding.audit
        self._nodes = ContextNodes(binding, fdi.contexts)
        self._registration = Registration(space, binding.plant, binding.on_demand)
        self._menus = ContextMenus(binding, fdi, self._nodes)
        handlers = binding.handlers.typed
        for method, handler in (
            (GET, self._get),
            (BY_ID, self._by_id),
            (BY_PATH, self._by_path),
            (APPLY, self._apply),
            (RESET, self._reset),
            (DISCARD, self._discard),
        ):
            handlers[key_of(space.id(FDI5_URI, method))] = handler
        allow(space, FDI5_URI, METHODS, ENGINEERS_CALL)
        kind = space.id(FDI5_URI, EDIT_CONTEXT_TYPE)
        name = space.name(FDI5_URI, EDIT_CONTEXT)
        binding.parts.add(Part(EDIT_CONTEXT, name, lambda _device: kind, self._build))
        binding.door.by_caller.append(self)

    def _build(self, _device: Device, root: ua.NodeId) -> None:
        for method in METHODS:
            self._space.link(root, HAS_COMPONENT, self._space.id(FDI5_URI, method), inverse=False)

    def _device(self, object_key: Key) -> DeviceId:
        return device_of(self._space, self._plant, object_key, EDIT_CONTEXT)[0]

    def _own(self, object_key: Key, context_id: str) -> str:
        """A context of the device that the call names; "" stands for one that nobody has."""
        device_id = self._device(object_key)
        try:
            return context_id if self._contexts.device_of(context_id) == device_id else ""
        except NotFoundError:
            return ""

    # -- Methods

    def _get(self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]) -> ua.CallMethodResult:
        device_id, mode = self._device(object_key), arguments[1].Value
        context_id, code = self._contexts.get(device_id, text_of(arguments[0]), int(mode or 0), caller_of(request))
        return answer(context_id, code, inputs=2)

    def _by_id(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        device_id = self._device(object_key)
        wanted = _entries(arguments[1])
        names = [self._registration.by_id(device_id, entry.Path) for entry in wanted]
        return self._register(request, object_key, text_of(arguments[0]), wanted, names)

    def _by_path(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        device_id, audience = self._device(object_key), session_of(request).audience
        wanted = _entries(arguments[1])
        names = [self._registration.by_path(device_id, entry.Path, audience) for entry in wanted]
        return self._register(request, object_key, text_of(arguments[0]), wanted, names)

    def _register(
        self, request: Request, object_key: Key, context_id: str, wanted: Sequence[Any], names: Sequence[str]
    ) -> ua.CallMethodResult:
        session = session_of(request)
        context_id = self._own(object_key, context_id)
        code = self._contexts.check(context_id, session.caller)
        if code != OK:
            return answer(structure(RegisterNodesResult(Status=code)), inputs=2)
        # MENUs need no registration of their own: there are no more of them than the EDD has.
        parameters = [name for name in names if not name.startswith(MENU)]
        codes = iter(self._contexts.register(context_id, parameters, session.caller))
        rows = []
        for entry, name in zip(wanted, names, strict=True):
            flags = int(entry.SelectionFlags)
            if name.startswith(MENU):
                rows.append(self._registered_menu(session, context_id, name.removeprefix(MENU), flags))
            else:
                rows.append(self._registered(session, context_id, name, next(codes), flags))
        return answer(structure(RegisterNodesResult(Status=OK, RegisteredNodes=rows)), inputs=2)

    def _registered(self, session: Session, context_id: str, name: str, code: int, flags: int) -> RegisteredNode:
        row = RegisteredNode(NodeStatus=code)
        if code != OK:
            return row
        device_id = self._contexts.device_of(context_id)
        for bit, side in ((0, Side.ONLINE), (2, Side.OFFLINE)):
            # The bits stand in the order of the fields of RegisteredNode.
            if flags >> bit & 1:
                made = self._nodes.add(session, context_id, side, name)
                setattr(row, f"{side.value}ContextNodeId", made)
            if flags >> bit & 2:
                node_id = self._space.id(PLANT_URI, f"{device_id}/{side.value}/ParameterSet/{name}")
                setattr(row, f"{side.value}DeviceNodeId", node_id)
        return row

    def _registered_menu(self, session: Session, context_id: str, menu: str, flags: int) -> RegisteredNode:
        row = RegisteredNode(NodeStatus=OK)
        for bit, side in ((0, Side.ONLINE), (2, Side.OFFLINE)):
            if flags >> bit & 1:
                setattr(row, f"{side.value}ContextNodeId", self._menus.add(session, context_id, side, menu))
        return row

    async def _apply(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        caller, device_id = caller_of(request), self._device(object_key)
        context_id = self._own(object_key, text_of(arguments[0]))
        outcome = await self._contexts.apply(context_id, caller)
        incidents = [
            TransferIncident(
                ContextNodeId=self._nodes.id(device_id, context_id, incident.side, incident.name),
                StatusCode=stack_status(incident.status),
            )
            for incident in outcome.incidents
        ]
        detail = ", ".join(f"{one.name} {status.name_of(one.status)}" for one in outcome.incidents)
        told = f"refused ({outcome.status})" if outcome.status else "Good"
        self._audit.note(caller, "apply", device_id, told, detail)
        return answer(structure(ApplyResult(Status=outcome.status, TransferIncidents=incidents)), inputs=1)

    def _reset(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        context_id = self._own(object_key, text_of(arguments[0]))
        return answer(self._contexts.reset(context_id, caller_of(request)), inputs=1)

    def _discard(
        self, request: Request, object_key: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        context_id = self._own(object_key, text_of(arguments[0]))
        return answer(self._contexts.discard(context_id, caller_of(request)), inputs=1)

    # -- writes

    def owns(self, key: Key) -> bool:
        """True for Variables of contexts."""
        return key in self._nodes.shown

    def write(self, key: Key, value: ua.DataValue, request: Request) -> Awaitable[int] | int:
        """A client's Write, after the checks of the Attribute service: it edits, nothing is sent."""
        shown = self._nodes.shown[key]
        scalar = from_variant(value.Value) if fits(value.Value, shown.data_type) else None
        if scalar is None:
            return status.BAD_TYPE_MISMATCH
        return self._contexts.write(shown.context_id, shown.side, shown.name, scalar, caller_of(request))


def _entries(argument: ua.Variant) -> list[Any]:
    """NodesToRegister. Raises RemoteError: there are too many."""
    wanted = argument.Value or []
    if len(wanted) > REGISTRATIONS:
        raise RemoteError(f"more than {REGISTRATIONS} nodes", status_code=int(ua.StatusCodes.BadTooManyOperations))
    return list(wanted)
