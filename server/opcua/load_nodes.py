"""Load nodes (off by default, loopback only): many Doubles that count up together, for measurements by clients."""

from __future__ import annotations

import asyncio

from asyncua import ua

from server.core.clock import Clock
from server.opcua.method_calls import DirectMethods
from server.opcua.names import LOAD_URI, PLANT_URI
from server.opcua.nodes.keys import key_of
from server.opcua.roles import OPEN
from server.opcua.space import FOLDER_TYPE, READ, STATUS_WRITE, TIMESTAMP_WRITE, WRITE, Space, data_value
from server.opcua.wire import Point, put_scalars, to_ticks
from server.opcua.wire.values import numbers

PER_FOLDER = 100
FIRST_FOLDER = 100
FIRST_NODE = 10_000
METHOD = 5
_DOUBLE = ua.NodeId(ua.ObjectIds.Double)
_KIND = 11
FULL = READ | WRITE | STATUS_WRITE | TIMESTAMP_WRITE


class LoadNodes:
    """Folder i=1 with method i=5, folders i=100… of 100 variables i=10000… each."""

    def __init__(self, space: Space, count: int, period_ms: int, clock: Clock, methods: DirectMethods) -> None:
        self._space = space
        self._count = count
        self._period_s = period_ms / 1000
        self._clock = clock
        self._methods = methods
        self._index = space.indexes[LOAD_URI]
        self._points: list[Point] = []
        self._writes = 0  # of the store at the last count: a client may have written another value since
        self._values: list[float] = []

    def add(self) -> None:
        """Make the nodes."""
        space = self._space
        root = ua.NodeId(1, self._index)
        parent = space.id(PLANT_URI, "Fieldloom")
        space.object(root, space.name(LOAD_URI, "Load"), FOLDER_TYPE, parent=parent, permissions=OPEN)
        method = ua.NodeId(METHOD, self._index)
        space.method(
            method,
            space.name(LOAD_URI, "Echo"),
            parent=root,
            inputs=[ua.Argument(Name="Value", DataType=_DOUBLE, ValueRank=-1)],
            outputs=[ua.Argument(Name="Same", DataType=_DOUBLE, ValueRank=-1)],
            permissions=OPEN,
        )
        self._methods.add(key_of(root), key_of(method), (_KIND,), (_KIND,), lambda value: (value,))
        now = to_ticks(self._clock.now())
        shown = data_value(0.0, ua.VariantType.Double)
        for number in range(self._count):
            folder = ua.NodeId(FIRST_FOLDER + number // PER_FOLDER, self._index)
            if number % PER_FOLDER == 0:
                name = space.name(LOAD_URI, f"Load{number // PER_FOLDER}")
                space.object(folder, name, FOLDER_TYPE, parent=root, permissions=OPEN)
            node_id = ua.NodeId(FIRST_NODE + number, self._index)
            name = space.name(LOAD_URI, f"Value{number}")
            space.variable(node_id, name, shown, _DOUBLE, parent=folder, access=FULL, permissions=OPEN, direct=True)
            point = space.point(node_id)
            point.put_scalar(_KIND, 0.0, 0, now, now)
            self._points.append(point)
        self._values = [0.0] * self._count

    def count_up(self) -> None:
        """All up by one, at one time; a value that a client wrote is counted on from there."""
        writes = self._space.store.writes
        if writes != self._writes:
            self._writes = writes
            self._values = [_double(point) for point in self._points]
        self._values = [value + 1.0 for value in self._values]
        now = to_ticks(self._clock.now())
        put_scalars(self._points, _KIND, self._values, now, now)

    async def run(self) -> None:
        """Count all up every period, at even times."""
        due = self._clock.monotonic()
        while True:
            due += self._period_s
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
            self.count_up()


def _double(point: Point) -> float:
    """The number in a point; 0 when a client left none."""
    found = numbers(point.variant)
    return found[0] if found else 0.0
