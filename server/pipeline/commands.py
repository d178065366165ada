"""Commands out and answers back. A command changes nothing here: its answer's values pass the normal way in."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping

from server.core import status
from server.core.binding import CommandBinding
from server.core.clock import Clock
from server.core.errors import RemoteError
from server.core.floats import single
from server.core.status import StatusCode
from server.core.values import Caller, Command, CommandResponse, CommandResult, DeviceId, Measurement, Scalar
from server.model.device import Device
from server.model.device_type import DataType, ParameterSpec
from server.model.plant import Plant
from server.pipeline.ports import CommandSender, Guard, WriteHooks
from server.security.access import Right, require, require_role

Echo = Callable[[Measurement], Awaitable[None]]
UNSOLICITED_LIMIT = 1_000
_LARGEST = sys.float_info.max  # an integer beyond it fits no numeric type either
# What a DateTime of OPC UA holds (OPC 10000-6, 5.2.2.5), in microseconds since 1970: the years 1601 to 9999.
_FIRST_US, _LAST_US = -11_644_473_600_000_000, 253_402_300_799_999_999

OUTCOMES: Mapping[str, StatusCode] = {
    "done": status.GOOD,
    "rejected": status.BAD_INVALID_STATE,
    "failed": status.BAD_DEVICE_FAILURE,
}


class CommandDesk:
    """Pending commands by id; one per server."""

    def __init__(
        self,
        plant: Plant,
        sender: CommandSender,
        clock: Clock,
        echo: Echo,
        timeout_s: float,
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard
        self.hooks: WriteHooks | None = None
        self._plant = plant
        self._sender = sender
        self._clock = clock
        self._echo = echo
        self._timeout_s = timeout_s
        self._pending: dict[str, tuple[DeviceId, asyncio.Future[CommandResponse]]] = {}
        self._unsolicited: deque[CommandResponse] = deque(maxlen=UNSOLICITED_LIMIT)
        self.counters: Counter[str] = Counter()

    async def submit(self, command: Command) -> CommandResult:
        """Send a command and wait for the device's answer.

        Raises:
            NotFoundError: no such device.
            DeniedError: the caller may not.
            LockedError: somebody else holds the device's lock.
        """
        device = self._plant.device(command.device_id)
        binding = device.device_type.binding.command(command.name)
        if binding is None:
            return CommandResult(
                status.BAD_METHOD_INVALID, f"{device.device_type.type_id} has no command {command.name}"
            )
        # The package says who may: a question such as get_diagnostics may be a viewer's, a trip never is.
        require_role(command.caller, binding.role, f"{command.name} {command.device_id}")
        # A question changes nothing: it may be asked while somebody else holds the lock (OPC 10000-100, locking).
        if self._guard is not None and binding.role != "viewer":
            self._guard.require(device.device_id, command.caller)
        wrong = check_arguments(device, binding, command.params)
        if wrong is not None:
            return wrong
        if device.silent:
            return CommandResult(status.BAD_NO_COMMUNICATION, f"{command.device_id} is silent")
        return await self._exchange(device, command)

    async def write(self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller) -> CommandResult:
        """Carry a plain Write to the device; Good when the device has confirmed it.

        Raises:
            NotFoundError: no such device.
            DeniedError: the caller may not.
            LockedError: somebody else holds the device's lock.
        """
        device = self._plant.device(device_id)
        point = device.points.get(parameter)
        spec = point.spec if point is not None else None
        if spec is None:
            return CommandResult(status.BAD_NODE_ID_UNKNOWN, f"{device_id} has no parameter {parameter}")
        carrier = next((entry for entry in device.device_type.binding.commands if entry.writes == "parameter"), None)
        carried = carrier is not None and len(carrier.arguments) == 2
        if not spec.writable or not spec.valid or not (spec.local or carried):
            return CommandResult(status.BAD_NOT_WRITABLE, f"{parameter} is not writable")
        require(caller, Right.WRITE, f"write {device_id}/{parameter}")
        if self._guard is not None:
            self._guard.require(device_id, caller)
        code = check_value(spec, value)
        if not status.is_good(code):
            return CommandResult(code, f"the value does not fit {parameter}")
        if self.hooks is None:
            return await self._carry(device, spec, value, caller)
        code, value = await self.hooks.before_write(device_id, parameter, value, caller)
        if status.is_bad(code):
            return CommandResult(code, f"{parameter}: the package's actions refused the value")
        # The actions may have changed the value; and the lock, the device or its type may be others meanwhile.
        device = self._plant.device(device_id)
        point = device.points.get(parameter)
        if point is None or not point.spec.writable or not point.spec.valid:
            return CommandResult(status.BAD_NOT_WRITABLE, f"{parameter} is not writable any more")
        if self._guard is not None:
            self._guard.require(device_id, caller)
        code = check_value(point.spec, value)
        if not status.is_good(code):
            return CommandResult(code, f"{parameter}: the package's actions made {value!r} of it, which does not fit")
        result = await self._carry(device, point.spec, value, caller)
        if result.ok:
            code = await self.hooks.after_write(device_id, parameter, value, caller)
            if code != status.GOOD:
                return CommandResult(code, "written, but an action after it failed", result.values)
        return result

    async def _carry(self, device: Device, spec: ParameterSpec, value: Scalar, caller: Caller) -> CommandResult:
        """One parameter to its device; a LOCAL one lives here and is its own echo."""
        parameter = spec.name
        if spec.local:
            now = self._clock.now()
            local = Measurement(
                type_id=device.device_type.type_id,
                device_id=device.device_id,
                values=((parameter, value, status.GOOD),),
                source_time=max(now, device.points[parameter].source_time),
                received_at=now,
                retained=True,  # says nothing about whether the device is there
            )
            await self._echo(local)
            return CommandResult(status.GOOD, values={parameter: value})
        carrier = next(entry for entry in device.device_type.binding.commands if entry.writes == "parameter")
        name, content = carrier.arguments
        result = await self.submit(
            Command(device.device_id, carrier.name, {name.param: parameter, content.param: value}, caller)
        )
        if result.status == status.BAD_INVALID_ARGUMENT:
            worst = next((code for code in result.argument_status if not status.is_good(code)), status.BAD_OUT_OF_RANGE)
            return CommandResult(worst, result.reason)
        return result

    async def _exchange(self, device: Device, command: Command) -> CommandResult:
        command_id = uuid.uuid4().hex
        answer: asyncio.Future[CommandResponse] = asyncio.get_running_loop().create_future()
        self._pending[command_id] = (device.device_id, answer)
        self.counters["sent"] += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._sender.send_command(
                    device.device_type.type_id, device.device_id, command_id, command.name, dict(command.params)
                )
                response = await answer
        except TimeoutError:
            self.counters["timed_out"] += 1
            return CommandResult(status.BAD_TIMEOUT, f"{device.device_id} did not answer within {self._timeout_s:g} s")
        except RemoteError as error:
            self.counters["not_sent"] += 1
            return CommandResult(status.BAD_NO_COMMUNICATION, error.text)
        finally:
            del self._pending[command_id]
        self.counters[response.outcome] += 1
        if response.values:
            await self._echo(self._as_measurement(device, response))
        return CommandResult(
            OUTCOMES.get(response.outcome, status.BAD_DEVICE_FAILURE), response.reason, dict(response.values)
        )

    def answered(self, response: CommandResponse) -> None:
        """Take an answer from the bridge.

        One that nobody waits for is still the device's word: its values are kept for `drain`.
        """
        waiting = self._pending.get(response.command_id)
        if waiting is None or (response.device_id is not None and response.device_id != waiting[0]):
            self.counters["unsolicited"] += 1
            if response.device_id is not None and response.outcome == "done" and response.values:
                self._unsolicited.append(response)
            return
        if not waiting[1].done():
            waiting[1].set_result(response)

    async def drain(self) -> None:
        """Pass on the values of answers that came too late or to somebody else's command."""
        while self._unsolicited:
            response = self._unsolicited.popleft()
            device = self._plant.devices.get(response.device_id) if response.device_id is not None else None
            if device is not None:
                await self._echo(self._as_measurement(device, response))

    def _as_measurement(self, device: Device, response: CommandResponse) -> Measurement:
        known = device.device_type.parameters
        return Measurement(
            type_id=device.device_type.type_id,
            device_id=device.device_id,
            values=tuple(
                (name, value, status.GOOD)
                for name, value in response.values.items()
                if name in known and status.is_good(check_value(known[name], value, ranges=False))
            ),
            source_time=self._plant.echo_time(device, response.received_at),
            received_at=response.received_at,
        )


def check_arguments(device: Device, binding: CommandBinding, params: Mapping[str, Scalar]) -> CommandResult | None:
    """None when the arguments fit the command table and, for a named parameter, its EDD; else what to answer."""
    missing = [argument.name for argument in binding.arguments if argument.param not in params]
    if missing:
        return CommandResult(status.BAD_ARGUMENTS_MISSING, f"missing: {', '.join(missing)}")
    if len(params) > len(binding.arguments):
        return CommandResult(status.BAD_TOO_MANY_ARGUMENTS, f"{binding.name} takes {len(binding.arguments)}")
    codes = [
        status.GOOD if _fits(argument.data_type, params[argument.param]) else status.BAD_TYPE_MISMATCH
        for argument in binding.arguments
    ]
    reason = "wrong argument type"
    if all(map(status.is_good, codes)) and binding.writes == "parameter":
        name, value = (params[argument.param] for argument in binding.arguments)
        point = device.points.get(str(name))
        spec = point.spec if point is not None else None
        if spec is None or not spec.writable or not spec.valid:
            codes[0], reason = status.BAD_OUT_OF_RANGE, f"no writable parameter {name!r}"
        else:
            codes[1], reason = check_value(spec, value), f"the value does not fit {name!r}"
    if all(map(status.is_good, codes)):
        return None
    return CommandResult(status.BAD_INVALID_ARGUMENT, reason, argument_status=tuple(codes))


def check_value(spec: ParameterSpec, value: Scalar, *, ranges: bool = True) -> StatusCode:
    """Good, BadTypeMismatch or BadOutOfRange for a value meant for a parameter, by its EDD ranges and enumerators."""
    if spec.data_type is DataType.BOOLEAN:
        return status.GOOD if isinstance(value, bool) else status.BAD_TYPE_MISMATCH
    if spec.data_type.numeric:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return status.BAD_TYPE_MISMATCH
        if spec.data_type.integer and not isinstance(value, int) and not float(value).is_integer():
            return status.BAD_TYPE_MISMATCH
        least, greatest = spec.data_type.limits or (-_LARGEST, _LARGEST)
        if not least <= value <= greatest:  # also true for NaN
            return status.BAD_OUT_OF_RANGE
        if ranges and spec.ranges and not _in_ranges(spec, value):
            return status.BAD_OUT_OF_RANGE
        if ranges and spec.enum_values and not spec.bit_enumerated:
            return status.GOOD if any(entry.value == value for entry in spec.enum_values) else status.BAD_OUT_OF_RANGE
        return status.GOOD
    if spec.data_type is DataType.DATETIME:
        if isinstance(value, bool) or not isinstance(value, int):
            return status.BAD_TYPE_MISMATCH
        return status.GOOD if _FIRST_US <= value <= _LAST_US else status.BAD_OUT_OF_RANGE
    wanted = bytes if spec.data_type is DataType.BYTESTRING else str
    if not isinstance(value, wanted):
        return status.BAD_TYPE_MISMATCH
    if spec.max_length is not None and len(value) > spec.max_length:
        return status.BAD_OUT_OF_RANGE
    return status.GOOD


def _in_ranges(spec: ParameterSpec, value: float) -> bool:
    """Whether a number lies in one of the pairs; a FLOAT is compared as the wire carries it, in single precision."""
    if spec.data_type is DataType.FLOAT:
        near = single(value)
        return any(single(low) <= near <= single(high) for low, high in spec.ranges)
    return any(low <= value <= high for low, high in spec.ranges)


def _fits(data_type: str, value: Scalar) -> bool:
    if data_type == "String":
        return isinstance(value, str)
    if data_type == "Boolean":
        return isinstance(value, bool)
    if data_type == "Double":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool)
