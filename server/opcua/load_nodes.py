"""Load nodes (off by default, loopback only): many Doubles that count up together, for measurements by clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from asyncua import ua

from server.core import status
from server.core.clock import Clock, to_datetime
from server.core.values import Caller
from server.model.device_type import DataType
from server.opcua.datavalues import stack_status
from server.opcua.methods import Methods, check_count, check_types
from server.opcua.names import LOAD_URI, PLANT_URI
from server.opcua.space import FOLDER_TYPE, READ, WRITE, A, Space

Put = Callable[[Sequence[tuple[ua.NodeId, ua.DataValue]]], Awaitable[None]]
PER_FOLDER = 100
FIRST_FOLDER = 100
FIRST_NODE = 10_000
METHOD = 5
_DOUBLE = ua.NodeId(ua.ObjectIds.Double)


class LoadNodes:
    """Folder i=1 with method i=5, folders i=100… of 100 variables i=10000… each."""

    def __init__(self, space: Space, count: int, period_ms: int, clock: Clock, methods: Methods) -> None:
        self._space = space
        self._count = count
        self._period_s = period_ms / 1000
        self._clock = clock
        self._methods = methods
        self._index = space.indexes[LOAD_URI]
        self._ids = [ua.NodeId(FIRST_NODE + number, self._index) for number in range(count)]
        self._ours = set(self._ids)

    def add(self) -> None:
        """Make the nodes."""
        space = self._space
        root = ua.NodeId(1, self._index)
        parent = space.id(PLANT_URI, "Fieldloom")
        space.object(root, space.name(LOAD_URI, "Load"), FOLDER_TYPE, parent=parent)
        method = ua.NodeId(METHOD, self._index)
        space.method(
            method,
            space.name(LOAD_URI, "Echo"),
            parent=root,
            inputs=[ua.Argument(Name="Value", DataType=_DOUBLE, ValueRank=-1)],
            outputs=[ua.Argument(Name="Same", DataType=_DOUBLE, ValueRank=-1)],
        )
        self._methods.own[(root, method)] = self._echo
        now = to_datetime(self._clock.now())
        for number, node_id in enumerate(self._ids):
            folder = ua.NodeId(FIRST_FOLDER + number // PER_FOLDER, self._index)
            if number % PER_FOLDER == 0:
                space.object(folder, space.name(LOAD_URI, f"Load{number // PER_FOLDER}"), FOLDER_TYPE, parent=root)
            value = ua.DataValue(
                ua.Variant(0.0, ua.VariantType.Double), stack_status(0), SourceTimestamp=now, ServerTimestamp=now
            )
            name = space.name(LOAD_URI, f"Value{number}")
            space.variable(node_id, name, value, _DOUBLE, parent=folder, access=READ | WRITE)

    async def _echo(self, arguments: list[ua.Variant], caller: Caller) -> ua.CallMethodResult:
        count = check_count(len(arguments), 1)
        if count != status.GOOD:
            return ua.CallMethodResult(StatusCode=stack_status(count))
        (code,) = check_types(arguments, (DataType.DOUBLE,))
        if code != status.GOOD:
            return ua.CallMethodResult(
                StatusCode=stack_status(status.BAD_INVALID_ARGUMENT), InputArgumentResults=[stack_status(code)]
            )
        return ua.CallMethodResult(
            StatusCode=stack_status(status.GOOD), InputArgumentResults=[stack_status(0)], OutputArguments=arguments
        )

    def owns(self, node_id: ua.NodeId) -> bool:
        """True for the variables here."""
        return node_id in self._ours

    async def write(self, request: ua.WriteValue, put: Put) -> int:
        """A client's Write of a Double; status and times are stored when given."""
        variant = request.Value.Value
        if variant is None or variant.VariantType != ua.VariantType.Double or variant.is_array:
            return status.BAD_TYPE_MISMATCH
        now = to_datetime(self._clock.now())
        value = ua.DataValue(
            variant,
            request.Value.StatusCode or stack_status(0),
            SourceTimestamp=request.Value.SourceTimestamp or now,
            ServerTimestamp=request.Value.ServerTimestamp or now,
        )
        await put([(request.NodeId, value)])
        return status.GOOD

    async def run(self, put: Put) -> None:
        """Count all up by one every period, at even times."""
        nodes = self._space.aspace
        due = self._clock.monotonic()
        while True:
            due += self._period_s
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
            now = to_datetime(self._clock.now())
            good = stack_status(0)
            await put(
                [
                    (
                        node_id,
                        ua.DataValue(
                            ua.Variant(
                                nodes[node_id].attributes[A.Value].value.Value.Value + 1.0, ua.VariantType.Double
                            ),
                            good,
                            SourceTimestamp=now,
                            ServerTimestamp=now,
                        ),
                    )
                    for node_id in self._ids
                ]
            )
