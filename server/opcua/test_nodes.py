"""Test nodes (off by default, loopback only): values of every type, a method, a recorded value, an alarm, events.

`Level` and `History` belong to a built-in device `Test`, so that plant, alarms and historian treat them like any other.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from server.core import status
from server.core.binding import DeviceBinding
from server.core.clock import Clock, from_datetime, to_datetime
from server.core.texts import Texts
from server.core.values import DeviceId, Measurement
from server.model.alarm_spec import exclusive_limit
from server.model.device_type import DataType, DeviceType, ParameterSpec
from server.opcua.condition_types import STANDARD
from server.opcua.datavalues import stack_status
from server.opcua.events import EventBus
from server.opcua.method_calls import DirectMethods
from server.opcua.names import ALARMS, PLANT_URI
from server.opcua.nodes.keys import Key, key_of
from server.opcua.roles import OPEN
from server.opcua.space import (
    FOLDER_TYPE,
    HAS_COMPONENT,
    HAS_CONDITION,
    HAS_EVENT_SOURCE,
    HAS_NOTIFIER,
    HISTORY_READ,
    READ,
    SERVER,
    STATUS_WRITE,
    TIMESTAMP_WRITE,
    WRITE,
    Space,
    data_value,
)
from server.opcua.values import Values

Offer = Callable[[Sequence[Measurement]], Awaitable[object]]
TEST = "Test"
EVENT_PERIOD_S = 1.0
_V = ua.VariantType
_LIMIT_DAYS = 36_500.0

STATIC: tuple[tuple[str, ua.VariantType, int, Any], ...] = (
    ("Boolean", _V.Boolean, 1, False),
    ("SByte", _V.SByte, 2, 0),
    ("Byte", _V.Byte, 3, 0),
    ("Int16", _V.Int16, 4, 0),
    ("UInt16", _V.UInt16, 5, 0),
    ("Int32", _V.Int32, 6, 0),
    ("UInt32", _V.UInt32, 7, 0),
    ("Int64", _V.Int64, 8, 0),
    ("UInt64", _V.UInt64, 9, 0),
    ("Float", _V.Float, 10, 0.0),
    ("Double", _V.Double, 11, 0.0),
    ("String", _V.String, 12, ""),
    ("DateTime", _V.DateTime, 13, datetime(2020, 1, 1, tzinfo=UTC)),
    ("Guid", _V.Guid, 14, uuid.UUID(int=0)),
    ("ByteString", _V.ByteString, 15, b""),
    ("NodeId", _V.NodeId, 17, ua.NodeId()),
    ("LocalizedText", _V.LocalizedText, 21, ua.LocalizedText("", "en")),
    ("Variant", _V.Int32, 24, 0),
    ("Argument", _V.ExtensionObject, 296, ua.Argument(Name="argument", DataType=ua.NodeId(11))),
)
"""Name, built-in type, DataType node, first value."""

TEST_TYPE = DeviceType(
    type_id=TEST,
    package_id="",
    version="1.0.0",
    namespace_uri=PLANT_URI,
    label=Texts.of("Test nodes"),
    manufacturer=Texts.of("Fieldloom"),
    model=Texts.of("Test"),
    parameters={
        name: ParameterSpec(
            name=name, label=Texts.of(name), data_type=DataType.DOUBLE, unit=None, ranges=((0.0, 100.0),), writable=True
        )
        for name in ("Level", "History")
    },
    alarms=(
        exclusive_limit(parameter="Level", label=Texts.of("Level"), high_high=90.0, high=80.0, low=20.0, low_low=10.0),
    ),
    binding=DeviceBinding(type_id=TEST, codec="", rows=(), uncertain_after_s=_LIMIT_DAYS, bad_after_s=_LIMIT_DAYS),
)
"""The type of the device behind `Level` and `History`; limits of Level: 10, 20, 80, 90."""


class TestNodes:
    """Everything below Objects/Fieldloom/Test."""

    __test__ = False  # no test class, whatever its name
    DEVICE = DeviceId(TEST)

    def __init__(self, space: Space, bus: EventBus, clock: Clock, methods: DirectMethods, offer: Offer) -> None:
        self._space = space
        self._bus = bus
        self._clock = clock
        self._methods = methods
        self._offer = offer
        self._root = space.id(PLANT_URI, TEST)
        self._devices: dict[Key, str] = {}  # Variables that the plant's device `Test` stands behind

    def add(self, values: Values) -> None:
        """Make the nodes; `Level` and `History` show what the plant says of the device `Test`."""
        space = self._space
        parent = space.id(PLANT_URI, "Fieldloom")
        space.object(self._root, space.name(PLANT_URI, TEST), FOLDER_TYPE, parent=parent, notifier=1, permissions=OPEN)
        space.link(SERVER, HAS_NOTIFIER, self._root)
        self._folder("Static")
        self._folder("StaticArray")
        for name, kind, data_type, value in STATIC:
            self._value(f"Static/{name}", name, "Static", kind, data_type, value)
            self._value(f"StaticArray/{name}", name, "StaticArray", kind, data_type, [value] * 8, rank=1)
        self._value("ReadOnly", "ReadOnly", "", _V.Double, 11, 42.0, access=READ)
        self._analog()
        self._add_method()
        self._device_nodes()
        for name, spec in TEST_TYPE.parameters.items():
            values.add(self._id(name), TEST, name, spec.data_type)
            self._devices[key_of(self._id(name))] = name

    def _id(self, path: str) -> ua.NodeId:
        return self._space.id(PLANT_URI, f"{TEST}/{path}" if path else TEST)

    def _folder(self, name: str) -> None:
        space = self._space
        space.object(self._id(name), space.name(PLANT_URI, name), FOLDER_TYPE, parent=self._root, permissions=OPEN)

    def _value(
        self,
        path: str,
        name: str,
        parent: str,
        kind: ua.VariantType,
        data_type: int,
        value: Any,
        *,
        rank: int = -1,
        access: int = READ | WRITE,
        direct: bool = True,
        type_definition: int = ua.ObjectIds.BaseDataVariableType,
    ) -> None:
        node_id = self._id(path)
        now = to_datetime(self._clock.now())
        shown = data_value(value, kind, is_array=rank == 1)
        self._space.variable(
            node_id,
            self._space.name(PLANT_URI, name),
            ua.DataValue(shown.Value, stack_status(0), SourceTimestamp=now, ServerTimestamp=now),
            ua.NodeId(data_type),
            type_definition=ua.NodeId(type_definition),
            parent=self._id(parent),
            access=access | (STATUS_WRITE | TIMESTAMP_WRITE if access & WRITE else 0),
            rank=rank,
            historizing=bool(access & HISTORY_READ),
            permissions=OPEN,
            direct=direct and bool(access & WRITE),
        )

    def _analog(self) -> None:
        self._value("Analog", "Analog", "", _V.Double, 11, 50.0, type_definition=ua.ObjectIds.AnalogItemType)
        self._space.property(
            self._id("Analog/EURange"),
            ua.QualifiedName("EURange", 0),
            data_value(ua.Range(0.0, 100.0), _V.ExtensionObject),
            ua.NodeId(ua.ObjectIds.Range),
            parent=self._id("Analog"),
        )

    def _add_method(self) -> None:
        space = self._space
        holder, method = self._id("Methods"), self._id("Methods/Add")
        base = ua.NodeId(ua.ObjectIds.BaseObjectType)
        space.object(holder, space.name(PLANT_URI, "Methods"), base, parent=self._root, permissions=OPEN)
        double = ua.NodeId(ua.ObjectIds.Double)
        space.method(
            method,
            space.name(PLANT_URI, "Add"),
            parent=holder,
            inputs=[ua.Argument(Name=name, DataType=double, ValueRank=-1) for name in ("A", "B")],
            outputs=[ua.Argument(Name="Sum", DataType=double, ValueRank=-1)],
            permissions=OPEN,
        )
        kind = int(_V.Double)
        self._methods.add(key_of(holder), key_of(method), (kind, kind), (kind,), lambda a, b: (a + b,))

    def _device_nodes(self) -> None:
        space = self._space
        for name in TEST_TYPE.parameters:
            access = READ | WRITE | (HISTORY_READ if name == "History" else 0)
            self._value(name, name, "", _V.Double, 11, 50.0, access=access, direct=False)
        folder, level = self._id(ALARMS), self._id("Level")
        space.object(folder, space.name(PLANT_URI, ALARMS), FOLDER_TYPE, parent=self._root)
        condition, name = self._id(f"{ALARMS}/Level"), space.name(PLANT_URI, "Level")
        type_definition = ua.NodeId(STANDARD["exclusive_limit"])
        space.announce(folder, HAS_COMPONENT, condition, name, type_definition)
        space.announce(level, HAS_CONDITION, condition, name, type_definition)
        space.link(self._root, HAS_EVENT_SOURCE, level)

    def owns(self, key: Key) -> bool:
        """True for the Variables whose values are the device's."""
        return key in self._devices

    async def write(self, key: Key, value: ua.DataValue) -> int:
        """A client's Write of a device's value: it takes the way of every measurement."""
        if value.Value is None or value.Value.Value is None:
            return status.BAD_TYPE_MISMATCH
        await self._offer([self._measurement(self._devices[key], value, self._clock.now())])
        return status.GOOD

    def _measurement(self, name: str, value: ua.DataValue, now: int) -> Measurement:
        source = value.SourceTimestamp
        code = value.StatusCode.value if value.StatusCode is not None else status.GOOD
        return Measurement(
            type_id=TEST,
            device_id=self.DEVICE,
            values=((name, float(value.Value.Value), code),),
            source_time=from_datetime(source.replace(tzinfo=source.tzinfo or UTC)) if source else now,
            received_at=now,
        )

    async def run(self) -> None:
        """One BaseEvent a second from Test."""
        number = 0
        root, server = key_of(self._root), key_of(SERVER)
        while True:
            number += 1
            fields = self._bus.base_fields(
                ua.ObjectIds.BaseEventType, root, TEST, f"Test event {number}", 1 + number % 1000
            )
            self._bus.send(fields, [root, server])
            await asyncio.sleep(EVENT_PERIOD_S)
