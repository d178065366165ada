"""One request of the generic protocol: a command of `mqtt.toml` by name with JSON data, the answer as JSON.

It takes the way of every command, so rights, locks, audit and time-outs are those of the plant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from server.core import status
from server.core.errors import NotFoundError
from server.core.values import Caller, Command, CommandResult, DeviceId, Scalar
from server.fdi.communication_literals import INVALID_REQUEST, NO_ANSWER, SERVICE_OK
from server.model.plant import Plant

DATA_BYTES = 65_536
"""Request data at most."""
_MEMBERS = 64
_NO_ANSWER = frozenset({status.BAD_TIMEOUT, status.BAD_NO_COMMUNICATION, status.BAD_NOT_CONNECTED})
_REFUSED = frozenset(
    {
        status.BAD_METHOD_INVALID,
        status.BAD_ARGUMENTS_MISSING,
        status.BAD_TOO_MANY_ARGUMENTS,
        status.BAD_INVALID_ARGUMENT,
    }
)
_DATA = msgspec.json.Decoder(dict[str, bool | int | float | str])


class Commands(Protocol):
    """What of the pipeline is needed."""

    async def submit(self, command: Command) -> CommandResult: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    error: int  # ServiceError
    data: bytes = b""  # JSON object of the values that the device told
    codes: bytes = b""  # StatusCode of the command, 4 bytes, most significant first


async def exchange(
    commands: Commands, plant: Plant, device_id: str, header: str, data: bytes, caller: Caller
) -> Answer:
    """Send one request and wait for its answer.

    Raises:
        DeniedError, LockedError: the caller may not.
        NotFoundError: the device has gone.
    """
    device = plant.devices.get(DeviceId(device_id))
    if device is None:
        raise NotFoundError(f"no device {device_id!r}", status_code=status.BAD_NODE_ID_UNKNOWN)
    params = read_data(data)
    if params is None or device.device_type.binding.command(header) is None:
        return Answer(INVALID_REQUEST)
    result = await commands.submit(Command(device.device_id, header, params, caller))
    if result.status in _REFUSED:
        return Answer(INVALID_REQUEST, codes=_codes(result.status))
    if result.status in _NO_ANSWER:
        return Answer(NO_ANSWER, codes=_codes(result.status))
    return Answer(SERVICE_OK, msgspec.json.encode(dict(result.values)), _codes(result.status))


def read_data(data: bytes) -> Mapping[str, Scalar] | None:
    """The members of a JSON object of plain values; none at all for no data; None when it is something else."""
    if not data:
        return {}
    if len(data) > DATA_BYTES:
        return None
    try:
        found = _DATA.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if len(found) <= _MEMBERS else None


def _codes(code: int) -> bytes:
    return code.to_bytes(4, "big")
