"""What a METHOD asks of its device or of the host, carried out; every request gets an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from server.core import status
from server.core.errors import IntegrationError
from server.core.status import StatusCode
from server.core.values import Caller, Scalar
from server.fdi.access import communication_of, plain_code
from server.fdi.actions.data import MethodData
from server.fdi.logic.type_logic import TypeLogic, ValueSource
from server.fdi.methods.outcome import Commit
from server.fdi.methods.requests import (
    Answer,
    Cancelled,
    CommandDone,
    Communication,
    ReadValue,
    SaveValues,
    SendAll,
    SendCommand,
    SendValue,
)


class Access(Protocol):
    """The part of `DeviceAccess` that METHODs use."""

    async def write(self, device_id: str, name: str, value: Scalar, caller: Caller) -> StatusCode: ...

    async def keep_local(self, device_id: str, name: str, value: Scalar) -> StatusCode: ...

    async def read(
        self, device_id: str, names: Iterable[str], caller: Caller
    ) -> dict[str, tuple[Scalar | None, StatusCode]]: ...

    async def refresh(self, device_id: str, caller: Caller) -> StatusCode: ...

    async def send_command(
        self,
        device_id: str,
        number: int | None,
        transaction: int | None,
        values: ValueSource,
        caller: Caller,
        *,
        name: str = "",
    ) -> CommandDone: ...


class Kept(Protocol):
    """The offline data set."""

    async def set_offline(self, device_id: str, values: Mapping[str, Scalar | None]) -> None: ...


class MethodLine:
    """Carries out the communications of one run."""

    def __init__(
        self, access: Access, kept: Kept | None, logic: TypeLogic, data: MethodData, device_id: str, caller: Caller
    ) -> None:
        self._access = access
        self._kept = kept
        self._logic = logic
        self._data = data
        self._device_id = device_id
        self._caller = caller

    async def carry_out(self, request: Communication) -> Answer:
        """The answer to one request of the METHOD."""
        try:
            if isinstance(request, SendCommand):
                return await self._command(request)
            if isinstance(request, ReadValue):
                return await self._read(request.name)
            if isinstance(request, SendValue):
                pending = {name: self._data.pending[name] for name in (request.name,) if name in self._data.pending}
                return await self._send(pending)
            if isinstance(request, SendAll):
                return await self._send(dict(self._data.pending))
            if isinstance(request, SaveValues):
                return await self._save(dict(self._data.pending))
        except IntegrationError as error:
            return communication_of(error.status) or CommandDone(code=plain_code(error.status))
        return Cancelled()  # block transfers: MQTT devices have none

    async def commit(self, policy: Commit) -> StatusCode:
        """What becomes of the values that are still assigned when the METHOD has ended well.

        LOCAL parameters live in the server: they keep what the METHOD gave them whatever the policy is.
        """
        pending = dict(self._data.pending)
        local = {name: value for name, value in pending.items() if self._is_local(name)}
        others = {name: value for name, value in pending.items() if name not in local}
        code = await self._keep(local)
        try:
            if policy is Commit.SEND and others:
                code = await self._send_in_order(others)
            elif policy is Commit.SAVE and others:
                await self._save(others)
        except IntegrationError as error:
            code = error.status
        self._data.settled(pending)
        return code

    def _is_local(self, name: str) -> bool:
        spec = self._logic.parameters.get(name)
        return spec is not None and spec.local

    def _is_writable(self, name: str) -> bool:
        spec = self._data.spec(name)
        return spec is not None and spec.writable and spec.valid

    async def _command(self, request: SendCommand) -> CommandDone:
        if self._data.offline:
            return CommandDone(comm_error=1, no_device=True)
        done = await self._access.send_command(
            self._device_id, request.number, request.transaction, self._data, self._caller, name=request.name
        )
        self._data.answered(done.values)
        return done

    async def _read(self, name: str) -> CommandDone:
        if self._data.offline:
            return CommandDone(comm_error=1, no_device=True)
        value, code = (await self._access.read(self._device_id, (name,), self._caller))[name]
        if value is None or status.is_bad(code):
            return communication_of(code) or CommandDone(code=plain_code(code) or 1)
        self._data.answered({name: value})
        return CommandDone(values={name: value})

    async def _send(self, values: Mapping[str, Scalar]) -> CommandDone:
        if self._data.offline:
            return await self._save(values)
        code = await self._send_in_order(values)
        return communication_of(code) or CommandDone(code=plain_code(code))

    async def _send_in_order(self, values: Mapping[str, Scalar]) -> StatusCode:
        """Dominant ones before their dependants; the first that is refused ends it."""
        order = {name: index for index, name in enumerate(self._logic.download_order())}
        for name in sorted(values, key=lambda entry: order.get(entry, len(order))):
            if self._is_local(name):
                code = await self._access.keep_local(self._device_id, name, values[name])
            else:
                code = await self._access.write(self._device_id, name, values[name], self._caller)
            if not status.is_good(code):
                return code
            self._data.settled((name,))
        return status.GOOD

    async def _keep(self, values: Mapping[str, Scalar]) -> StatusCode:
        worst = status.GOOD
        for name, value in values.items():
            code = await self._access.keep_local(self._device_id, name, value)
            worst = worst if status.is_good(code) else code
        return worst

    async def _save(self, values: Mapping[str, Scalar]) -> CommandDone:
        """Into the offline data set; LOCAL ones where they live. What nobody may write is not kept there."""
        local = {name: value for name, value in values.items() if self._is_local(name)}
        code = await self._keep(local)
        others = {name: value for name, value in values.items() if name not in local and self._is_writable(name)}
        if others and self._kept is not None:
            await self._kept.set_offline(self._device_id, others)
        if len(local) + len(others) < len(values):
            code = status.BAD_NOT_WRITABLE
        self._data.settled(values)
        return CommandDone(code=plain_code(code))
