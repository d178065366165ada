"""Method calls of clients: device commands, acknowledge, comment, refresh, test methods; one result per call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from asyncua import ua

from server.core import status
from server.core.errors import IntegrationError
from server.core.values import AlarmEvent, Caller, Command, CommandResult, DeviceId, Scalar
from server.model.device_type import DataType, MethodSpec
from server.model.plant import Plant
from server.opcua.conditions import Refresh
from server.opcua.datavalues import fits, from_variant, stack_status
from server.opcua.events import EventBus
from server.opcua.names import ALARMS, METHOD_SET, PLANT_URI, Place, place_of
from server.opcua.rights import Rights
from server.opcua.space import Space

Handler = Callable[[list[ua.Variant], Caller], Awaitable[ua.CallMethodResult]]


class Commands(Protocol):
    """What of the pipeline methods need."""

    async def submit(self, command: Command) -> CommandResult: ...

    async def acknowledge(
        self, condition_id: str, event_id: bytes | None, comment: str, caller: Caller
    ) -> AlarmEvent: ...

    async def comment(self, condition_id: str, event_id: bytes | None, comment: str, caller: Caller) -> AlarmEvent: ...


def _result(code: int, outputs: list[ua.Variant] | None = None, arguments: tuple[int, ...] = ()) -> ua.CallMethodResult:
    return ua.CallMethodResult(
        StatusCode=stack_status(code),
        InputArgumentResults=[stack_status(argument) for argument in arguments],
        OutputArguments=outputs or [],
    )


def check_count(given: int, wanted: int) -> int:
    """BadArgumentsMissing, BadTooManyArguments or Good (OPC 10000-4, 5.12.2)."""
    if given < wanted:
        return status.BAD_ARGUMENTS_MISSING
    return status.BAD_TOO_MANY_ARGUMENTS if given > wanted else status.GOOD


def check_types(arguments: list[ua.Variant], types: tuple[DataType, ...]) -> tuple[int, ...]:
    """One StatusCode per argument: Good or BadTypeMismatch."""
    return tuple(
        status.GOOD if fits(argument, wanted) else status.BAD_TYPE_MISMATCH
        for argument, wanted in zip(arguments, types, strict=True)
    )


class Methods:
    """Finds what a call means and carries it out."""

    def __init__(
        self, space: Space, plant: Plant, commands: Commands, rights: Rights, refresh: Refresh, bus: EventBus
    ) -> None:
        self._space = space
        self._plant = plant
        self._commands = commands
        self._rights = rights
        self._refresh = refresh
        self._bus = bus
        self.own: dict[tuple[ua.NodeId, ua.NodeId], Handler] = {}  # (object, method) of test and load nodes

    async def call(
        self, request: ua.CallMethodRequest, caller: Caller, sub_owner: Callable[[int], bool]
    ) -> ua.CallMethodResult:
        """One call; every outcome is a CallMethodResult."""
        arguments = list(request.InputArguments or [])
        object_id, method_id = request.ObjectId, request.MethodId
        own = self.own.get((object_id, method_id))
        if own is not None:
            return await own(arguments, caller)
        if object_id not in self._space:
            return _result(status.BAD_NODE_ID_UNKNOWN)
        if method_id not in self._space:
            return _result(status.BAD_METHOD_INVALID)
        if method_id.NamespaceIndex == 0:
            return await self._standard(object_id, method_id, arguments, caller, sub_owner)
        return await self._device(object_id, method_id, arguments, caller)

    # -- devices

    async def _device(
        self, object_id: ua.NodeId, method_id: ua.NodeId, arguments: list[ua.Variant], caller: Caller
    ) -> ua.CallMethodResult:
        plant_index = self._space.indexes[PLANT_URI]
        place = place_of(object_id, plant_index)
        if place is None or place.part not in ("", METHOD_SET) or place.name:
            return _result(status.BAD_METHOD_INVALID)
        device = self._plant.devices.get(DeviceId(place.device_id))
        if device is None:
            return _result(status.BAD_NODE_ID_UNKNOWN)
        name = str(method_id.Identifier).rsplit("/", 1)[-1]
        expected = {
            self._space.id(PLANT_URI, f"{place.device_id}/{METHOD_SET}/{name}"),
            self._space.id(device.device_type.namespace_uri, f"{device.device_type.type_id}/{METHOD_SET}/{name}"),
        }
        spec = next((method for method in device.device_type.methods if method.name == name), None)
        if spec is None or method_id not in expected:
            return _result(status.BAD_METHOD_INVALID)
        # The same check stands in the pipeline; here it spares strangers the details of the arguments.
        if not self._rights.may_call(self._space.id(PLANT_URI, f"{place.device_id}/{METHOD_SET}/{name}"), caller):
            return _result(status.BAD_USER_ACCESS_DENIED)
        count = check_count(len(arguments), len(spec.inputs))
        if count != status.GOOD:
            return _result(count)
        types = check_types(arguments, tuple(argument.data_type for argument in spec.inputs))
        if any(code != status.GOOD for code in types):
            return _result(status.BAD_INVALID_ARGUMENT, arguments=types)
        params: dict[str, Scalar] = {}
        for param, argument in zip(spec.params, arguments, strict=True):
            value = from_variant(argument)
            params[param] = "" if value is None else value
        try:
            result = await self._commands.submit(Command(device.device_id, spec.command, params, caller))
        except IntegrationError as error:
            return _result(error.status)
        outputs = _outputs(spec, result) if result.ok else []
        return _result(result.status, outputs, result.argument_status or tuple(status.GOOD for _ in arguments))

    # -- conditions and server

    async def _standard(
        self,
        object_id: ua.NodeId,
        method_id: ua.NodeId,
        arguments: list[ua.Variant],
        caller: Caller,
        sub_owner: Callable[[int], bool],
    ) -> ua.CallMethodResult:
        ids = ua.ObjectIds
        number = method_id.Identifier
        if number in (ids.ConditionType_ConditionRefresh, ids.ConditionType_ConditionRefresh2):
            return await self._condition_refresh(number == ids.ConditionType_ConditionRefresh2, arguments, sub_owner)
        place = place_of(object_id, self._space.indexes[PLANT_URI])
        if number in (ids.AcknowledgeableConditionType_Acknowledge, ids.ConditionType_AddComment):
            if place is None or place.part != ALARMS or not place.name or place.rest:
                return _result(status.BAD_NODE_ID_UNKNOWN if place else ua.StatusCodes.BadNodeIdInvalid)
            return await self._remark(place, number == ids.ConditionType_AddComment, arguments, caller)
        return _result(status.BAD_METHOD_INVALID)

    async def _condition_refresh(
        self, second: bool, arguments: list[ua.Variant], sub_owner: Callable[[int], bool]
    ) -> ua.CallMethodResult:
        wanted = (DataType.UINT32, DataType.UINT32) if second else (DataType.UINT32,)
        count = check_count(len(arguments), len(wanted))
        if count != status.GOOD:
            return _result(count)
        types = check_types(arguments, wanted)
        if any(code != status.GOOD for code in types):
            return _result(status.BAD_INVALID_ARGUMENT, arguments=types)
        subscription_id = int(arguments[0].Value)
        item_id = int(arguments[1].Value) if second else None
        if not sub_owner(subscription_id):
            return _result(ua.StatusCodes.BadSubscriptionIdInvalid)
        if item_id is not None and not self._bus.has_item(subscription_id, item_id):
            return _result(ua.StatusCodes.BadMonitoredItemIdInvalid)
        await self._refresh.run(subscription_id, item_id)
        return _result(status.GOOD, arguments=types)

    async def _remark(
        self, place: Place, comment_only: bool, arguments: list[ua.Variant], caller: Caller
    ) -> ua.CallMethodResult:
        count = check_count(len(arguments), 2)
        if count != status.GOOD:
            return _result(count)
        event_id, comment = arguments
        codes = (
            status.GOOD if event_id.VariantType == ua.VariantType.ByteString else status.BAD_TYPE_MISMATCH,
            status.GOOD
            if comment.VariantType in (ua.VariantType.LocalizedText, ua.VariantType.Null)
            else status.BAD_TYPE_MISMATCH,
        )
        if any(code != status.GOOD for code in codes):
            return _result(status.BAD_INVALID_ARGUMENT, arguments=codes)
        words = comment.Value.Text or "" if isinstance(comment.Value, ua.LocalizedText) else ""
        action = self._commands.comment if comment_only else self._commands.acknowledge
        try:
            await action(f"{place.device_id}/{ALARMS}/{place.name}", bytes(event_id.Value or b""), words, caller)
        except IntegrationError as error:
            return _result(error.status)
        return _result(status.GOOD, arguments=codes)


def _outputs(spec: MethodSpec, result: CommandResult) -> list[ua.Variant]:
    if not spec.outputs:
        return []
    # The one answer there is: the device's values as JSON.
    report = msgspec.json.encode(dict(result.values)).decode("utf-8")
    return [ua.Variant(report, ua.VariantType.String)]
