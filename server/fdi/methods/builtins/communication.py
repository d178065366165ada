"""Builtins that send and read, and keep how it went for the builtins of status texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import (
    BI_COMM_ERR,
    BI_ERROR,
    BI_NO_DEVICE,
    BI_SUCCESS,
    BLTIN_BAD_ID,
    BLTIN_FAIL_COMM_ERROR,
    BLTIN_FAIL_RESPONSE_CODE,
    Arg,
    Builtin,
    builtin,
)
from server.fdi.methods.errors import AbortError
from server.fdi.methods.machine import Machine, Suspend
from server.fdi.methods.places import ArrayPlace, CharactersPlace, Place
from server.fdi.methods.program import Site
from server.fdi.methods.reactions import Reaction, Reactions
from server.fdi.methods.requests import (
    CommandDone,
    ReadValue,
    Request,
    SaveValues,
    SendAll,
    SendCommand,
    SendValue,
)

FAMILY: Final = "communication"
MORE_STATUS: Final = 48  # HART's "read additional device status"
Then = Callable[[Machine, CommandDone], int]


def communicate(request: Request, reactions: Reactions, then: Then) -> Suspend:
    """A communication with what the METHOD wants done about its outcome; repetitions are bounded."""
    tried = 0

    def answered(machine: Machine, done: CommandDone) -> int | Suspend:
        nonlocal tried
        machine.last = done
        machine.last_request = request
        reaction = reactions.to(done)
        if reaction is Reaction.ABORT:
            raise AbortError(_reason(machine, request, done))
        if reaction is Reaction.RETRY and tried < min(reactions.retries, machine.limits.retries):
            tried += 1
            return Suspend(request, answered)
        return then(machine, done)

    return Suspend(request, answered)


def _reason(machine: Machine, request: Request, done: CommandDone) -> str:
    if done.no_device:
        return "the device is not connected"
    if done.comm_error:
        return "the device did not answer"
    text = machine.code_text(request, done.code)
    return text or f"the device answered with code {done.code}, status {done.status}"


def is_refused(machine: Machine, request: Request, code: int) -> bool:
    """Whether a response code is an error: by its type in the COMMAND's table, else any but 0."""
    if code == 0:
        return False
    found = machine.code_meaning(request, code)
    return found is None or not (found.type == "SUCCESS" or found.type.endswith("_WARNING"))


def outcome(machine: Machine, request: Request, done: CommandDone) -> int:
    """The BI_… code of an outcome."""
    if done.no_device:
        return BI_NO_DEVICE
    if done.comm_error:
        return BI_COMM_ERR
    return BI_ERROR if is_refused(machine, request, done.code) else BI_SUCCESS


def foundation_outcome(machine: Machine, request: Request, done: CommandDone) -> int:
    """The BLTIN_… code of an outcome."""
    if done.no_device or done.comm_error:
        return BLTIN_FAIL_COMM_ERROR
    return BLTIN_FAIL_RESPONSE_CODE if is_refused(machine, request, done.code) else BI_SUCCESS


def put_octets(place: Place | None, octets: Sequence[int], machine: Machine) -> None:
    """Octets into an array, as many as fit, the rest of it 0; into a plain number only the first."""
    if place is None:
        return
    if isinstance(place, ArrayPlace | CharactersPlace) and place.array.ctype.is_integer:
        data = place.array.data
        data[:] = [octets[at] if at < len(octets) else 0 for at in range(len(data))]
    else:
        place.set(machine, octets[0] if octets else 0)


def status_octets(done: CommandDone) -> list[int]:
    """Response code, communication status, device status."""
    return [done.code & 0xFF, done.comm_error & 0xFF, done.status & 0xFF]


def _send(has_transaction: bool, status_at: int | None, more_at: int | None = None) -> Callable[..., Suspend]:
    """`send_command` and its relatives: which argument is the transaction, the status, the additional status."""

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
        request = SendCommand(arguments[0], arguments[1] if has_transaction else None)

        def then(machine: Machine, done: CommandDone) -> int:
            if status_at is not None:
                put_octets(arguments[status_at], status_octets(done), machine)
            if more_at is not None and len(arguments) > more_at:
                put_octets(arguments[more_at], done.more, machine)
                if len(arguments) > more_at + 1:
                    put_octets(arguments[more_at + 1], [len(done.more)], machine)
            return outcome(machine, request, done)

        return communicate(request, machine.reactions, then)

    return run


def _named(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend | int:
    """PROFIBUS ReadCommand and WriteCommand."""
    command = machine.library.command(None, arguments[0])
    if command is None:
        return BI_ERROR
    request = SendCommand(command.number, None, arguments[0])
    return communicate(request, machine.reactions, lambda machine, done: outcome(machine, request, done))


def _more_status(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
    request = SendCommand(MORE_STATUS)

    def then(machine: Machine, done: CommandDone) -> int:
        put_octets(arguments[0], status_octets(done), machine)
        put_octets(arguments[1], done.more, machine)
        return outcome(machine, request, done)

    return communicate(request, machine.transmitter, then)


def _value(make: Callable[[str], Request]) -> Callable[..., Suspend | int]:
    """FOUNDATION read_value and send_value."""

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend | int:
        name = machine.library.names.member_of(arguments[0], arguments[1] if len(arguments) > 1 else 0)
        if name is None or not machine.library.names.is_parameter(name):
            return BLTIN_BAD_ID
        request = make(name)
        return communicate(request, machine.reactions, lambda machine, done: foundation_outcome(machine, request, done))

    return run


def _whole(request: SendAll | SaveValues) -> Callable[..., Suspend]:
    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
        return communicate(request, machine.reactions, lambda machine, done: foundation_outcome(machine, request, done))

    return run


BUILTINS: Final[Mapping[str, Builtin]] = {
    "send_command": builtin(FAMILY, Kind.INT32, _send(False, None), Arg.INT),
    "send_command_trans": builtin(FAMILY, Kind.INT32, _send(True, None), Arg.INT, Arg.INT),
    "tsend_command": builtin(FAMILY, Kind.INT32, _send(False, None), Arg.INT),
    "tsend_command_trans": builtin(FAMILY, Kind.INT32, _send(True, None), Arg.INT, Arg.INT),
    "send": builtin(FAMILY, Kind.INT32, _send(False, 1), Arg.INT, Arg.OUT),
    "send_trans": builtin(FAMILY, Kind.INT32, _send(True, 2), Arg.INT, Arg.INT, Arg.OUT),
    "ext_send_command": builtin(FAMILY, Kind.INT32, _send(False, 1, 2), Arg.INT, Arg.OUT, Arg.OUT, Arg.OUT, least=3),
    "ext_send_command_trans": builtin(
        FAMILY, Kind.INT32, _send(True, 2, 3), Arg.INT, Arg.INT, Arg.OUT, Arg.OUT, Arg.OUT, least=4
    ),
    "get_more_status": builtin(FAMILY, Kind.INT32, _more_status, Arg.OUT, Arg.OUT),
    "ReadCommand": builtin(FAMILY, Kind.INT32, _named, Arg.COMMAND),
    "WriteCommand": builtin(FAMILY, Kind.INT32, _named, Arg.COMMAND),
    "read_value": builtin(FAMILY, Kind.INT32, _value(ReadValue), Arg.ITEM, Arg.MEMBER, least=1),
    "send_value": builtin(FAMILY, Kind.INT32, _value(SendValue), Arg.ITEM, Arg.MEMBER, least=1),
    "send_all_values": builtin(FAMILY, Kind.INT32, _whole(SendAll())),
    "save_values": builtin(FAMILY, Kind.INT32, _whole(SaveValues())),
}
