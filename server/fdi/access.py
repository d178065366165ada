"""How an EDD's communication reaches a device: COMMANDs, reads and writes become commands of its `mqtt.toml`.

Nothing is repeated here; the flow leaves the audit records.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from server.core import status
from server.core.binding import CommandBinding
from server.core.clock import Clock
from server.core.errors import IntegrationError
from server.core.status import StatusCode
from server.core.values import Caller, Command, CommandResult, DeviceId, Measurement, Scalar
from server.fdi.eddl.commands import EddCommand, EddTransaction, ResponseCode
from server.fdi.logic.type_logic import TypeLogic, ValueSource
from server.fdi.methods.requests import CommandDone
from server.fdi.references import variables_of
from server.model.device import Device
from server.model.device_type import ParameterSpec
from server.model.plant import Plant
from server.pipeline.commands import check_value

COMMAND_PREFIX = "command_"
"""An EDD's COMMAND `command_trip` goes out as `trip` of mqtt.toml."""

# Response codes where the EDD names none of the wanted type; the numbers are those of HART's common table.
CODE_INVALID_SELECTION = 2
CODE_TOO_FEW_DATA = 5
CODE_DEVICE_ERROR = 6
CODE_ACCESS_RESTRICTED = 16
CODE_NOT_IMPLEMENTED = 64
COMM_TIMEOUT = 1
COMM_NOT_SENT = 2


class Flow(Protocol):
    """The part of the pipeline that reaches devices."""

    async def submit(self, command: Command) -> CommandResult: ...

    async def write_parameter(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> CommandResult: ...

    async def offer(self, measurements: Sequence[Measurement]) -> object: ...


class LiveValues(Protocol):
    """What is known of each device now."""

    def values(self, device_id: str) -> ValueSource: ...


class LocalStore(Protocol):
    """Keeps values of LOCAL parameters."""

    def put_local(self, device_id: str, name: str, value: Scalar) -> None: ...


class ReadHooks(Protocol):
    """PRE_READ_ACTIONS, POST_READ_ACTIONS and POST_RQSTRECEIVE_ACTIONS."""

    async def before_read(self, device_id: str, names: Iterable[str], caller: Caller) -> StatusCode:
        """Good, or why nothing is read."""

    async def after_command(self, device_id: str, methods: Sequence[str], caller: Caller) -> StatusCode:
        """Run what a TRANSACTION names in POST_RQSTRECEIVE_ACTIONS; Good, or why its answer does not count."""

    async def after_read(
        self, device_id: str, found: Mapping[str, tuple[Scalar | None, StatusCode]], caller: Caller
    ) -> dict[str, tuple[Scalar | None, StatusCode]]:
        """What was read, as the actions leave it."""


class DeviceAccess:
    """Talks to devices for METHODs, edit contexts and transfers."""

    def __init__(
        self, flow: Flow, plant: Plant, live: LiveValues, clock: Clock, *, local: LocalStore | None = None
    ) -> None:
        self._flow = flow
        self._plant = plant
        self._live = live
        self._clock = clock
        self._local = local
        self.hooks: ReadHooks | None = None
        self.hidden_changed: Callable[[str, str], Awaitable[None]] | None = None
        """Called with (device id, name) after a PRIVATE parameter that the server keeps got a value."""

    # -- parameters

    async def write(self, device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode:
        """Bring one value to the device; Good when it has confirmed it, else the reason."""
        try:
            device = self._plant.device(device_id)
            hidden = device.device_type.hidden.get(name)
            if hidden is not None:
                return await self.keep_local(device_id, name, value) if hidden.local else status.BAD_NOT_WRITABLE
            return (await self._flow.write_parameter(device.device_id, name, value, caller)).status
        except IntegrationError as error:
            return error.status

    async def keep_local(self, device_id: str, name: str, value: Scalar) -> StatusCode:
        """Give a LOCAL parameter a value, whatever its HANDLING: METHODs fill those that users only read."""
        device = self._plant.device(device_id)
        spec = device.spec(name)
        if spec is None or not spec.local:
            return status.BAD_NOT_WRITABLE
        code = check_value(spec, value)
        if not status.is_good(code):
            return code
        if self._local is not None:
            self._local.put_local(device_id, name, value)
        point = device.points.get(name)
        if point is None and self.hidden_changed is not None:
            await self.hidden_changed(device_id, name)
        if point is not None:
            now = self._clock.now()
            await self._flow.offer(
                [
                    Measurement(
                        type_id=device.device_type.type_id,
                        device_id=device.device_id,
                        values=((name, value, status.GOOD),),
                        source_time=max(now, point.source_time),
                        received_at=now,
                        retained=True,  # says nothing about whether the device is there
                    )
                ]
            )
        return status.GOOD

    async def read(
        self, device_id: str, names: Iterable[str], caller: Caller
    ) -> dict[str, tuple[Scalar | None, StatusCode]]:
        """Values as the device has them: asked anew where the package has a command that reads, else as last reported.

        Raises:
            NotFoundError: no such device.
        """
        device = self._plant.device(device_id)
        wanted = tuple(dict.fromkeys(names))
        hooks = self.hooks
        refused: dict[str, tuple[Scalar | None, StatusCode]] = {}
        if hooks is not None:
            for name in wanted:
                code = await hooks.before_read(device_id, (name,), caller)
                if status.is_bad(code):
                    refused[name] = (None, code)  # this one is not read; the others are
        if len(refused) == len(wanted):
            return refused
        told, code = await self._ask(device, caller)
        device = self._plant.device(device_id)  # another version of its type may have taken over meanwhile
        found = {name: refused.get(name) or self._shown(device, name, told, code) for name in wanted}
        return found if hooks is None else await hooks.after_read(device_id, found, caller)

    async def refresh(self, device_id: str, caller: Caller) -> StatusCode:
        """Ask the device for all it has; Good also when the package has no command for that."""
        return (await self._ask(self._plant.device(device_id), caller))[1]

    async def _ask(self, device: Device, caller: Caller) -> tuple[Mapping[str, Scalar], StatusCode]:
        if device.silent:
            return {}, status.BAD_NOT_CONNECTED
        reader = next((entry for entry in device.device_type.binding.commands if entry.reads), None)
        if reader is None:
            return {}, status.GOOD
        try:
            result = await self._flow.submit(Command(device.device_id, reader.name, {}, caller))
        except IntegrationError as error:
            return {}, error.status
        return result.values, result.status

    def _shown(
        self, device: Device, name: str, told: Mapping[str, Scalar], code: StatusCode
    ) -> tuple[Scalar | None, StatusCode]:
        point = device.points.get(name)
        spec = device.spec(name)
        if spec is None:
            return None, status.BAD_NODE_ID_UNKNOWN
        if not spec.valid:
            return None, status.BAD_NOT_READABLE
        if spec.local:
            value = self._live.values(device.device_id).value(name)
            return value, status.GOOD if value is not None else status.BAD_WAITING_FOR_INITIAL_DATA
        if point is not None:
            return point.value, point.status if status.is_good(code) else code
        if name in told and _usable(spec, told[name]):
            return told[name], status.GOOD
        value = self._live.values(device.device_id).value(name)
        return value, code if not status.is_good(code) else status.UNCERTAIN_LAST_USABLE_VALUE

    # -- commands

    async def send_command(
        self,
        device_id: str,
        number: int | None,
        transaction: int | None,
        values: ValueSource,
        caller: Caller,
        *,
        name: str = "",
    ) -> CommandDone:
        """Send an EDD's COMMAND, by its number or its name; what `values` lacks is missing in the request.

        One of OPERATION READ or WRITE that has no command of its own in mqtt.toml reads or writes its parameters.

        Raises:
            NotFoundError: no such device.
        """
        device = self._plant.device(device_id)
        logic: TypeLogic | None = device.device_type.logic
        found = None if logic is None else logic.model.commands.get(name) if name else logic.command(number or 0)
        part = found.transaction(transaction or 0) if found is not None else None
        if logic is None or found is None or part is None:
            return CommandDone(code=CODE_NOT_IMPLEMENTED)
        binding = device.device_type.binding.command(found.name.removeprefix(COMMAND_PREFIX))
        if binding is None:
            return await self._parameters(device, logic, found, part, values, caller)
        params = _params(logic, binding, part, values)
        if params is None:
            return CommandDone(code=_code(found, part, ("DATA_ENTRY_ERROR",), CODE_TOO_FEW_DATA))
        try:
            result = await self._flow.submit(Command(device.device_id, binding.name, params, caller))
        except IntegrationError as error:
            return _done(found, part, error.status, {})
        code = result.status
        if self.hooks is not None and part.actions and communication_of(code) is None:
            after = await self.hooks.after_command(device_id, part.actions, caller)
            code = after if status.is_good(code) else code
        return _done(found, part, code, result.values)

    async def _parameters(
        self,
        device: Device,
        logic: TypeLogic,
        command: EddCommand,
        part: EddTransaction,
        values: ValueSource,
        caller: Caller,
    ) -> CommandDone:
        if command.operation == "WRITE":
            for name in _names(logic, part, reply=False):
                value = values.value(name)
                if value is None:
                    return CommandDone(code=_code(command, part, ("DATA_ENTRY_ERROR",), CODE_TOO_FEW_DATA))
                code = await self.write(device.device_id, name, value, caller)
                if not status.is_good(code):
                    return _done(command, part, code, {})
            return _done(command, part, status.GOOD, {})
        if command.operation == "READ":
            told, code = await self._ask(device, caller)
            names = _names(logic, part, reply=True)
            found = {name: self._shown(device, name, told, code) for name in names}
            bad = next((one for _, one in found.values() if status.is_bad(one)), code)
            return _done(command, part, bad, {name: value for name, (value, _) in found.items() if value is not None})
        return CommandDone(code=CODE_NOT_IMPLEMENTED)


def _usable(spec: ParameterSpec, value: Scalar) -> bool:
    return status.is_good(check_value(spec, value, ranges=False))


def _names(logic: TypeLogic, part: EddTransaction, *, reply: bool) -> list[str]:
    found: list[str] = []
    for item in part.reply if reply else part.request:
        if item.target is not None:
            found += [name for name in variables_of(logic.model, item.target) if name in logic.parameters]
    return found


def _params(
    logic: TypeLogic, binding: CommandBinding, part: EddTransaction, values: ValueSource
) -> dict[str, Scalar] | None:
    """What stands in `params`: the REQUEST's parameters by name, else by their order; None when a value is missing."""
    names = _names(logic, part, reply=False)
    params: dict[str, Scalar] = {}
    for position, argument in enumerate(binding.arguments):
        name = argument.param if argument.param in names else names[position] if position < len(names) else None
        value = values.value(name) if name is not None else None
        if value is None:
            return None
        if argument.data_type == "Double" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        params[argument.param] = value
    return params


def _code(command: EddCommand, part: EddTransaction, types: Sequence[str], otherwise: int) -> int:
    """The first response code of one of these types that the EDD lists, in the order of the types."""
    codes: tuple[ResponseCode, ...] = part.response_codes or command.response_codes
    for kind in types:
        for code in codes:
            if code.type == kind:
                return code.value
    return otherwise


def _done(command: EddCommand, part: EddTransaction, code: StatusCode, values: Mapping[str, Scalar]) -> CommandDone:
    """How a communication went, in the EDD's response codes."""
    if status.is_good(code):
        return CommandDone(code=_code(command, part, ("SUCCESS",), 0), values=dict(values))
    comm = communication_of(code)
    if comm is not None:
        return comm
    if code == status.BAD_INVALID_STATE:
        return CommandDone(code=_code(command, part, ("MODE_ERROR",), CODE_ACCESS_RESTRICTED))
    if code in (status.BAD_OUT_OF_RANGE, status.BAD_INVALID_ARGUMENT, status.BAD_TYPE_MISMATCH):
        return CommandDone(code=_code(command, part, ("DATA_ENTRY_ERROR",), CODE_INVALID_SELECTION))
    if code == status.BAD_DEVICE_FAILURE:
        return CommandDone(code=_code(command, part, ("PROCESS_ERROR", "MISC_ERROR"), 1))
    return CommandDone(code=plain_code(code))


def communication_of(code: StatusCode) -> CommandDone | None:
    """The answer to a communication that did not take place; None for other StatusCodes."""
    if code in (status.BAD_NO_COMMUNICATION, status.BAD_NOT_CONNECTED):
        return CommandDone(comm_error=COMM_NOT_SENT, no_device=True)
    if code == status.BAD_TIMEOUT:
        return CommandDone(comm_error=COMM_TIMEOUT)
    return None


def plain_code(code: StatusCode) -> int:
    """The response code of a StatusCode where no COMMAND names its own."""
    if status.is_good(code):
        return 0
    if code in (status.BAD_OUT_OF_RANGE, status.BAD_INVALID_ARGUMENT, status.BAD_TYPE_MISMATCH):
        return CODE_INVALID_SELECTION
    if code in (status.BAD_INVALID_STATE, status.BAD_LOCKED, status.BAD_USER_ACCESS_DENIED, status.BAD_NOT_WRITABLE):
        return CODE_ACCESS_RESTRICTED
    if code in (status.BAD_NOT_SUPPORTED, status.BAD_METHOD_INVALID, status.BAD_NODE_ID_UNKNOWN):
        return CODE_NOT_IMPLEMENTED
    return CODE_DEVICE_ERROR
