"""Writes of values that are not ours to change: a parameter goes to its device, and only the echo changes the node."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from asyncua import ua

from server.core import status
from server.core.errors import IntegrationError
from server.core.values import Caller, CommandResult, DeviceId, Scalar
from server.opcua.datavalues import fits, from_variant
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import Node
from server.opcua.services.context import Request
from server.opcua.values import PointNode, Values


class ParameterWrites(Protocol):
    """What of the pipeline writes need."""

    async def write_parameter(
        self, device_id: DeviceId, parameter: str, value: Scalar, caller: Caller
    ) -> CommandResult: ...


class OwnValues(Protocol):
    """Variables of ours that act on what is written: flags of the Server object, the built-in test device."""

    def owns(self, key: Key) -> bool: ...

    def write(self, key: Key, value: ua.DataValue) -> Awaitable[int] | int: ...


class CallerValues(Protocol):
    """Variables whose Write depends on who writes: offline data sets, edit contexts."""

    def owns(self, key: Key) -> bool: ...

    def write(self, key: Key, value: ua.DataValue, request: Request) -> Awaitable[int] | int: ...


class DeviceDoor:
    """Where the Attribute service hands Value writes of device Variables to, after all of its checks."""

    def __init__(self, values: Values, writes: ParameterWrites) -> None:
        self._values = values
        self._writes = writes
        self.own: list[OwnValues] = []
        self.by_caller: list[CallerValues] = []

    def write(self, node: Node, value: ua.DataValue, request: Request) -> Awaitable[int] | int:
        """The StatusCode of one Write, when the device has answered."""
        for own in self.own:
            if own.owns(node.key):
                return own.write(node.key, value)
        for values in self.by_caller:
            if values.owns(node.key):
                return values.write(node.key, value, request)
        point = self._values.of_key(node.key)
        if point is None or request.session is None:
            return status.BAD_NOT_WRITABLE
        if (value.StatusCode is not None and value.StatusCode.value) or value.ServerTimestamp:
            # Status and times are the device's to tell. A SourceTimestamp is let pass: widespread clients send one with
            # every Write and mean nothing by it; what is shown afterwards carries the time of the device's echo.
            return int(ua.StatusCodes.BadWriteNotSupported)
        scalar = from_variant(value.Value) if fits(value.Value, point.data_type) else None
        if scalar is None:
            return status.BAD_TYPE_MISMATCH
        return self._send(point, scalar, request.session.caller)

    async def _send(self, point: PointNode, scalar: Scalar, caller: Caller) -> int:
        try:
            result = await self._writes.write_parameter(DeviceId(point.device_id), point.parameter, scalar, caller)
        except IntegrationError as error:
            return error.status
        return result.status
