"""What a Call means: device commands, conditions, the Server object's methods, test and load methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from asyncua import ua

from server.core import status
from server.core.alarm_actions import AlarmAction
from server.core.errors import IntegrationError
from server.core.values import AlarmEvent, Caller, Command, CommandResult, DeviceId, Scalar
from server.model.device_type import MethodSpec
from server.model.plant import Plant
from server.opcua.condition_methods import MEMBERSHIPS, VERBS, ConditionMethods
from server.opcua.datavalues import from_variant, stack_status
from server.opcua.names import METHOD_SET, PLANT_URI, place_of
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.refresh import Refresh
from server.opcua.services.context import Request
from server.opcua.services.simple_method import SimpleMethod
from server.opcua.space import Space

MethodHandler = Callable[[Request, Key, Key, list[ua.Variant]], ua.CallMethodResult | Awaitable[ua.CallMethodResult]]
"""(request, object, method, arguments of the right number and types) -> the result."""
_IDS = ua.ObjectIds


class Commands(Protocol):
    """What of the pipeline methods need."""

    async def submit(self, command: Command) -> CommandResult: ...

    @property
    def alarms(self) -> Any: ...

    async def alarm_action(self, action: AlarmAction, caller: Caller) -> AlarmEvent: ...


def result(code: int, outputs: list[ua.Variant] | None = None, arguments: tuple[int, ...] = ()) -> ua.CallMethodResult:
    """A CallMethodResult."""
    return ua.CallMethodResult(
        StatusCode=stack_status(code),
        InputArgumentResults=[stack_status(argument) for argument in arguments],
        OutputArguments=outputs or [],
    )


class DirectMethods:
    """The direct methods by object and method."""

    def __init__(self) -> None:
        self.known: dict[tuple[Key, Key], SimpleMethod] = {}

    def add(
        self,
        object_key: Key,
        method_key: Key,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        function: Callable[..., tuple[Any, ...]],
    ) -> None:
        """Let a function answer the calls of a method."""
        self.known[object_key, method_key] = SimpleMethod(inputs, outputs, function)


class MethodHandlers:
    """Finds what a call means."""

    def __init__(
        self,
        space: Space,
        plant: Plant,
        commands: Commands,
        direct: DirectMethods,
        refresh: Refresh,
        subscriptions: Mapping[int, MethodHandler],
    ) -> None:
        conditions = ConditionMethods(space, commands)
        self._space = space
        self._plant = plant
        self._commands = commands
        self._direct = direct
        self._refresh = refresh
        self._standard: dict[int, MethodHandler] = {
            _IDS.ConditionType_ConditionRefresh: self._condition_refresh,
            _IDS.ConditionType_ConditionRefresh2: self._condition_refresh,
            **dict.fromkeys(VERBS, conditions.act),
            MEMBERSHIPS: conditions.memberships,
            **subscriptions,
        }
        self.typed: dict[Key, MethodHandler] = {}
        """Handlers of companion types' methods, by the key of the Method at its type (or of a Method of our own)."""

    def find(self, object_key: Key, method_key: Key) -> MethodHandler | None:
        """The handler of a method of an object; None when it is not one of that object."""
        direct = self._direct.known.get((object_key, method_key))
        if direct is not None:
            return direct
        typed = self.typed.get(method_key)
        if typed is not None:
            return typed
        if isinstance(method_key, int) and method_key >> 32 == 0:
            return self._standard.get(method_key)
        return self._device if self._spec(object_key, method_key) is not None else None

    # -- devices

    def _spec(self, object_key: Key, method_key: Key) -> tuple[DeviceId, MethodSpec] | None:
        """The command that a method of a device stands for; called at the device or at its MethodSet."""
        plant_index = self._space.indexes[PLANT_URI]
        place = place_of(node_id_of(object_key), plant_index)
        if place is None or place.part not in ("", METHOD_SET) or place.name or isinstance(method_key, int):
            return None
        device = self._plant.devices.get(DeviceId(place.device_id))
        if device is None:
            return None
        name = str(method_key[1]).rsplit("/", 1)[-1]
        kind = device.device_type
        expected = (
            key_of(self._space.id(PLANT_URI, f"{place.device_id}/{METHOD_SET}/{name}")),
            key_of(self._space.id(kind.namespace_uri, f"{kind.type_id}/{METHOD_SET}/{name}")),
        )
        spec = next((method for method in kind.methods if method.name == name), None)
        return (device.device_id, spec) if spec is not None and method_key in expected else None

    async def _device(
        self, request: Request, object_key: Key, method_key: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        found = self._spec(object_key, method_key)
        session = request.session
        if found is None or session is None:
            return result(status.BAD_METHOD_INVALID)
        device_id, spec = found
        params: dict[str, Scalar] = {}
        for param, argument in zip(spec.params, arguments, strict=True):
            value = from_variant(argument)
            params[param] = "" if value is None else value
        try:
            done = await self._commands.submit(Command(device_id, spec.command, params, session.caller))
        except IntegrationError as error:
            return result(error.status)
        outputs = _outputs(spec, done) if done.ok else []
        return result(done.status, outputs, done.argument_status or tuple(status.GOOD for _ in arguments))

    # -- conditions

    def _condition_refresh(
        self, request: Request, _object: Key, _method: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        subscription_id = int(arguments[0].Value)
        item_id = int(arguments[1].Value) if len(arguments) > 1 else None
        session = request.session
        subscription = session.subscriptions.get(subscription_id) if session is not None else None
        if subscription is None:
            return result(ua.StatusCodes.BadSubscriptionIdInvalid)
        code = self._refresh.start(subscription, item_id)
        if code:
            return result(code)
        return result(status.GOOD, arguments=tuple(status.GOOD for _ in arguments))


def _outputs(spec: MethodSpec, done: CommandResult) -> list[ua.Variant]:
    if not spec.outputs:
        return []
    # The one answer there is: the device's values as JSON.
    report = msgspec.json.encode(dict(done.values)).decode("utf-8")
    return [ua.Variant(report, ua.VariantType.String)]
