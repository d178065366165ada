"""Direct device access (IEC 62769-5, DirectDeviceAccessType): raw requests of User Interface Plug-ins.

One access a device, for the owner of its lock; it ends with the lock.
"""

from __future__ import annotations

from typing import Protocol

from server.core import status
from server.core.errors import IntegrationError
from server.core.status import StatusCode
from server.core.values import Caller, DeviceId
from server.fdi.communication_literals import (
    ALREADY_OPEN,
    GENERIC_NAMESPACE,
    HEADER,
    INVALID_REQUEST,
    NO_ANSWER,
    NOT_LOCKED,
    NOT_ONLINE,
    NOT_OPEN,
    RECEIVE_DATA,
    REQUEST_DATA,
    RESPONSE_CODES,
    RESPONSE_DATA,
    SEND_DATA,
    SERVICE_ERROR,
    SERVICE_OK,
)
from server.fdi.errors import PackageError
from server.fdi.exchange import DATA_BYTES, Answer, Commands, exchange
from server.fdi.xml_reader import XmlLimits, read_xml
from server.model.lock import NETWORK, LockOwner, Locks, owner_of
from server.model.plant import Plant

LIMITS = XmlLimits(max_bytes=4 * DATA_BYTES, max_depth=8, max_elements=1_000)


class Reader(Protocol):
    """What of the access to devices is needed."""

    async def refresh(self, device_id: str, caller: Caller) -> StatusCode: ...


class DirectAccess:
    """Who has direct access to which device."""

    def __init__(self, commands: Commands, plant: Plant, locks: Locks, reader: Reader) -> None:
        self._commands = commands
        self._plant = plant
        self._locks = locks
        self._reader = reader
        self._open: dict[str, LockOwner] = {}  # by device
        locks.on_released.append(self._released)

    def init(self, device_id: str, caller: Caller) -> int:
        """InitDirectAccess: 0, NOT_LOCKED, ALREADY_OPEN or NOT_ONLINE."""
        owner = owner_of(caller)
        if not self._locks.owns(device_id, owner):
            return NOT_LOCKED
        if device_id in self._open:
            return ALREADY_OPEN
        if self._plant.device(device_id).silent:
            return NOT_ONLINE
        self._locks.touch(device_id, owner)
        self._open[device_id] = owner
        return SERVICE_OK

    async def transfer(self, device_id: str, document: str, caller: Caller) -> tuple[str, int]:
        """Transfer: (receiveData document, TransferError); the lock cannot run out meanwhile.

        Raises:
            DeniedError: the caller may not send this command.
        """
        if not self._is_open(device_id, caller):
            return "", NOT_OPEN
        request = read_send_data(document)
        if request is None:
            return "", INVALID_REQUEST
        with self._locks.busy(device_id):
            answer = await exchange(self._commands, self._plant, device_id, *request, caller)
        return receive_data(answer), answer.error

    async def end(self, device_id: str, caller: Caller, *, invalidate: bool) -> int:
        """EndDirectAccess: 0, NOT_OPEN, or NO_ANSWER when what the server knows could not be read anew."""
        if not self._is_open(device_id, caller):
            return NOT_OPEN
        del self._open[device_id]
        if not invalidate:
            return SERVICE_OK
        try:
            code = await self._reader.refresh(device_id, caller)
        except IntegrationError as error:
            code = error.status
        return NO_ANSWER if status.is_bad(code) else SERVICE_OK

    def device_gone(self, device_id: str) -> None:
        """A device was removed: nobody has access to it."""
        self._open.pop(device_id, None)

    def _is_open(self, device_id: str, caller: Caller) -> bool:
        owner = owner_of(caller)
        return self._open.get(device_id) == owner and self._locks.owns(device_id, owner)

    def _released(self, scope: str, owner: LockOwner, _reason: str) -> None:
        """A lock has ended, and with it the access that it protected."""
        if scope == NETWORK:
            self._open = {device: other for device, other in self._open.items() if other != owner}
        elif self._open.get(scope) == owner:
            del self._open[DeviceId(scope)]


def read_send_data(document: str) -> tuple[str, bytes] | None:
    """(header, data) of a `sendData` document in whatever namespace; None when it is none.

    The data types that it may list are not needed: the data are JSON.
    """
    try:
        root = read_xml(document.encode("utf-8"), part=SEND_DATA, limits=LIMITS)
        data = bytes.fromhex(root.attributes.get(REQUEST_DATA, "?"))
    except (PackageError, ValueError):
        return None
    header = root.attributes.get(HEADER, "")
    return (header, data) if root.name == SEND_DATA and header else None


def receive_data(answer: Answer) -> str:
    """The answer as a `receiveData` document."""
    return (
        f'<{RECEIVE_DATA} xmlns="{GENERIC_NAMESPACE}" {SERVICE_ERROR}="{answer.error}" '
        f'{RESPONSE_DATA}="{answer.data.hex().upper()}" {RESPONSE_CODES}="{answer.codes.hex().upper()}"/>'
    )
