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
from server.core.values import Caller, DeviceId, Measurement
from server.model.device_type import DataType, DeviceType, LimitAlarmSpec, ParameterSpec
from server.opcua.attributes import written_range
from server.opcua.datavalues import stack_status
from server.opcua.device_nodes import CONDITION_TYPES
from server.opcua.events import EventBus
from server.opcua.methods import Methods, check_count, check_types
from server.opcua.names import ALARMS, PLANT_URI
from server.opcua.space import (
    FOLDER_TYPE,
    HAS_COMPONENT,
    HAS_CONDITION,
    HAS_EVENT_SOURCE,
    HAS_NOTIFIER,
    HISTORY_READ,
    READ,
    SERVER,
    WRITE,
    Space,
    data_value,
)
from server.opcua.values import Values

Put = Callable[[Sequence[tuple[ua.NodeId, ua.DataValue]]], Awaitable[None]]
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
    limit_alarms=(
        LimitAlarmSpec(parameter="Level", label=Texts.of("Level"), high_high=90.0, high=80.0, low=20.0, low_low=10.0),
    ),
    binding=DeviceBinding(type_id=TEST, codec="", rows=(), uncertain_after_s=_LIMIT_DAYS, bad_after_s=_LIMIT_DAYS),
)
"""The type of the device behind `Level` and `History`; limits of Level: 10, 20, 80, 90."""


class TestNodes:
    """Everything below Objects/Fieldloom/Test."""

    __test__ = False  # no test class, whatever its name
    DEVICE = DeviceId(TEST)

    def __init__(self, space: Space, bus: EventBus, clock: Clock, methods: Methods, offer: Offer) -> None:
        self._space = space
        self._bus = bus
        self._clock = clock
        self._methods = methods
        self._offer = offer
        self._root = space.id(PLANT_URI, TEST)
        self._writable: dict[ua.NodeId, tuple[ua.VariantType, bool, bool]] = {}  # type, array, any type

    def add(self, values: Values) -> None:
        """Make the nodes; `Level` and `History` show what the plant says of the device `Test`."""
        space = self._space
        parent = space.id(PLANT_URI, "Fieldloom")
        space.object(self._root, space.name(PLANT_URI, TEST), FOLDER_TYPE, parent=parent, notifier=1)
        space.link(SERVER, HAS_NOTIFIER, self._root)
        self._folder("Static")
        self._folder("StaticArray")
        for name, kind, data_type, value in STATIC:
            anything = name == "Variant"
            self._value(f"Static/{name}", name, "Static", kind, data_type, value, anything=anything)
            array = f"StaticArray/{name}"
            self._value(array, name, "StaticArray", kind, data_type, [value] * 8, anything=anything, rank=1)
        self._value("ReadOnly", "ReadOnly", "", _V.Double, 11, 42.0, access=READ)
        self._analog()
        self._add_method()
        self._device_nodes()
        for name, spec in TEST_TYPE.parameters.items():
            values.add(self._id(name), TEST, name, spec.data_type)

    def _id(self, path: str) -> ua.NodeId:
        return self._space.id(PLANT_URI, f"{TEST}/{path}" if path else TEST)

    def _folder(self, name: str) -> None:
        self._space.object(self._id(name), self._space.name(PLANT_URI, name), FOLDER_TYPE, parent=self._root)

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
        anything: bool = False,
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
            access=access,
            rank=rank,
            historizing=bool(access & HISTORY_READ),
        )
        if access & WRITE:
            self._writable[node_id] = (kind, rank == 1, anything)

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
        space.object(holder, space.name(PLANT_URI, "Methods"), base, parent=self._root)
        double = ua.NodeId(ua.ObjectIds.Double)
        space.method(
            method,
            space.name(PLANT_URI, "Add"),
            parent=holder,
            inputs=[ua.Argument(Name=name, DataType=double, ValueRank=-1) for name in ("A", "B")],
            outputs=[ua.Argument(Name="Sum", DataType=double, ValueRank=-1)],
        )
        self._methods.own[(holder, method)] = self._sum

    async def _sum(self, arguments: list[ua.Variant], caller: Caller) -> ua.CallMethodResult:
        count = check_count(len(arguments), 2)
        if count != status.GOOD:
            return ua.CallMethodResult(StatusCode=stack_status(count))
        types = check_types(arguments, (DataType.DOUBLE, DataType.DOUBLE))
        results = [stack_status(code) for code in types]
        if any(code != status.GOOD for code in types):
            return ua.CallMethodResult(
                StatusCode=stack_status(status.BAD_INVALID_ARGUMENT), InputArgumentResults=results
            )
        total = ua.Variant(float(arguments[0].Value) + float(arguments[1].Value), _V.Double)
        return ua.CallMethodResult(
            StatusCode=stack_status(status.GOOD), InputArgumentResults=results, OutputArguments=[total]
        )

    def _device_nodes(self) -> None:
        space = self._space
        for name in TEST_TYPE.parameters:
            access = READ | WRITE | (HISTORY_READ if name == "History" else 0)
            self._value(name, name, "", _V.Double, 11, 50.0, access=access)
        folder, level = self._id(ALARMS), self._id("Level")
        space.object(folder, space.name(PLANT_URI, ALARMS), FOLDER_TYPE, parent=self._root)
        condition, name = self._id(f"{ALARMS}/Level"), space.name(PLANT_URI, "Level")
        type_definition = ua.NodeId(CONDITION_TYPES["exclusive_limit"])
        space.announce(folder, HAS_COMPONENT, condition, name, type_definition)
        space.announce(level, HAS_CONDITION, condition, name, type_definition)
        space.link(self._root, HAS_EVENT_SOURCE, level)

    def owns(self, node_id: ua.NodeId) -> bool:
        """True for the writable nodes here."""
        return node_id in self._writable

    async def write(self, request: ua.WriteValue, put: Put) -> int:
        """A client's Write: type and rank must fit; status and times are stored when given."""
        kind, array, anything = self._writable[request.NodeId]
        variant = request.Value.Value
        if variant is None or variant.VariantType == _V.Null:
            return status.BAD_TYPE_MISMATCH
        if request.IndexRange:
            held = self._space.value(request.NodeId).Value
            code, variant = written_range(held, variant, request.IndexRange)
            if code:
                return code
        if not anything and (variant.VariantType != kind or bool(variant.is_array) != array):
            return status.BAD_TYPE_MISMATCH
        if kind == _V.ExtensionObject and not _arguments(variant.Value):
            return status.BAD_TYPE_MISMATCH
        name = str(request.NodeId.Identifier).removeprefix(f"{TEST}/")
        now = self._clock.now()
        if name in TEST_TYPE.parameters:
            await self._offer([self._measurement(name, request.Value, now)])
            return status.GOOD
        value = ua.DataValue(
            variant,
            request.Value.StatusCode or stack_status(0),
            SourceTimestamp=request.Value.SourceTimestamp or to_datetime(now),
            ServerTimestamp=request.Value.ServerTimestamp or to_datetime(now),
        )
        await put([(request.NodeId, value)])
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
        while True:
            number += 1
            fields = self._bus.base_fields(
                ua.ObjectIds.BaseEventType, self._root, TEST, f"Test event {number}", 1 + number % 1000
            )
            await self._bus.send(fields, [self._root, SERVER])
            await asyncio.sleep(EVENT_PERIOD_S)


def _arguments(value: Any) -> bool:
    entries = value if isinstance(value, list) else [value]
    return all(isinstance(entry, ua.uaprotocol_auto.Argument) for entry in entries)
