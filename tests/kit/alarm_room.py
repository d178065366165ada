"""Event items of one's own, Methods of conditions, and a device with an alarm of every kind, for tests of alarms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from asyncua import Client, ua
from asyncua.common.subscription import Subscription

from server.core.clock import ManualClock
from server.core.texts import Texts
from server.core.units import unit_of
from server.model.alarm_spec import AlarmSpec, Life, Rationale, SuppressionGroup, trip
from server.model.device_type import DataType, DeviceType, EnumValue, HealthSpec
from tests.kit.opcua import machine_type
from tests.kit.plant import parameter

IDS = ua.ObjectIds
FIELDS: tuple[str, ...] = (
    "EventId",
    "EventType",
    "SourceNode",
    "SourceName",
    "Time",
    "ReceiveTime",
    "Message",
    "Severity",
    "ConditionName",
    "ConditionClassId",
    "ConditionClassName",
    "BranchId",
    "Retain",
    "EnabledState",
    "EnabledState/Id",
    "ActiveState",
    "ActiveState/Id",
    "AckedState",
    "AckedState/Id",
    "Quality",
    "LastSeverity",
    "Comment",
    "ClientUserId",
    "InputNode",
)


class PlantClock(ManualClock):
    """The time of the plant is moved by hand, while subscriptions publish in real time."""

    def monotonic(self) -> float:
        return time.monotonic()


def every_kind() -> DeviceType:
    """A pump with one alarm of every kind, and with every optional part somewhere."""
    pump = machine_type()
    number = ("level", "flow", "pressure", "speed", "torque", "position", "target")
    parameters = {name: parameter(name, unit=unit_of("bar"), unit_symbol="bar") for name in number}
    parameters["setpoint"] = parameter("setpoint", dynamic=False, writable=True, default_value=50.0)
    parameters["wear"] = parameter("wear", DataType.BYTE)
    parameters["mode"] = parameter("mode", DataType.BYTE)
    parameters["valve"] = parameter("valve", DataType.BYTE)
    parameters["link"] = parameter("link", DataType.BYTE)
    parameters["valid_until"] = parameter("valid_until", DataType.DATETIME)
    parameters["faults"] = parameter(
        "faults",
        DataType.UINT16,
        enum_values=(EnumValue(1, Texts.of("sensor broken")), EnumValue(2, Texts.of("drift"))),
    )
    told = Rationale(
        priority="high",
        cause=Texts.of("pump worn", ru="износ насоса"),
        consequence=Texts.of("the line stops"),
        action=Texts.of("switch to the spare pump"),
        response_s=600.0,
    )
    four = {"HighHigh": 90.0, "High": 80.0, "Low": 20.0, "LowLow": 10.0}
    deviations = {"Setpoint": "setpoint", "High": 10.0, "Low": -10.0}
    idle = SuppressionGroup(name="idle", inputs=(("mode", 0),), label=Texts.of("Pump is idle"))

    def spec(kind: str, of: str, sources: dict[str, Any], **more: Any) -> AlarmSpec:
        return AlarmSpec(
            kind=kind, name=kind, parameter=of, label=Texts.of(kind.replace("_", " ")), sources=sources, **more
        )

    alarms = (
        *pump.alarms,
        spec(
            "exclusive_limit",
            "level",
            four,
            life=Life(confirm=True, branches=2, deadband=2.0, on_delay_s=0.0, re_alarm_s=3600.0),
            rationale=told,
            groups=("hydraulics", "/all pumps"),
            first_in_group=True,
            audible="horn",
        ),
        spec("non_exclusive_limit", "flow", four, groups=("hydraulics",), first_in_group=True, suppression=(idle,)),
        spec("exclusive_deviation", "pressure", deviations),
        spec("non_exclusive_deviation", "pressure", deviations),
        spec("exclusive_rate_of_change", "speed", {"High": 5.0}),
        spec("non_exclusive_rate_of_change", "torque", {"High": 5.0}),
        spec("discrete", "valve", {"Active": 2}, life=Life(latch=True)),
        spec("off_normal", "valve", {"Normal": 1}),
        spec("system_off_normal", "link", {"Normal": 1}),
        spec("discrepancy", "position", {"Target": "target", "ExpectedTime": 2.0, "Tolerance": 1.0}),
        spec("certificate_expiration", "valid_until", {"ExpirationLimit": 3600.0}),
        spec("instrument_diagnostic", "faults", {"Mask": 3}),
        spec("system_diagnostic", "faults", {"Mask": 4}),
        replace(
            trip(name="delayed", parameter="wear", tripped_value=1, label=Texts.of("Worn")),
            life=Life(on_delay_s=5.0, off_delay_s=3.0),
        ),
    )
    health = tuple(HealthSpec("faults", 8 << bit, bit + 1, Texts.of(f"health {bit + 1}")) for bit in range(4))
    return replace(pump, parameters={**pump.parameters, **parameters}, alarms=alarms, health=health)


def operand(path: str) -> ua.SimpleAttributeOperand:
    names = [ua.QualifiedName(part, 0) for part in path.split("/")] if path else []
    attribute = ua.AttributeIds.Value if path else ua.AttributeIds.NodeId
    kind = ua.NodeId(IDS.ConditionType if not path else IDS.BaseEventType)
    return ua.SimpleAttributeOperand(TypeDefinitionId=kind, BrowsePath=names, AttributeId=attribute)


class Listener:
    """Raw event fields of one event item, by name; "" is the ConditionId."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths
        self.seen: list[dict[str, Any]] = []
        self._came = asyncio.Event()

    def event_notification(self, event: Any) -> None:
        raise AssertionError("events are taken as they come in, before a client library names their fields")

    async def take(self, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                self._came.clear()
                await self._came.wait()
        taken, self.seen = self.seen[:count], self.seen[count:]
        return taken

    def feed(self, fields: list[ua.Variant]) -> None:
        self.seen.append(dict(zip(self.paths, (field.Value for field in fields), strict=True)))
        self._came.set()


def of_conditions() -> list[ua.ContentFilterElement]:
    """A where clause for events of conditions only: a device that falls silent is told by others."""
    kind = ua.LiteralOperand(ua.Variant(ua.NodeId(IDS.ConditionType)))
    return [ua.ContentFilterElement(ua.FilterOperator.OfType, [kind])]


@asynccontextmanager
async def listening(
    client: Client,
    node_id: ua.NodeId | None = None,
    paths: tuple[str, ...] = ("", *FIELDS, "LimitState/CurrentState", "HighHighLimit"),
    where: list[ua.ContentFilterElement] | None = None,
) -> AsyncIterator[tuple[Listener, Subscription, int]]:
    """An event item with our own select clauses, on Server unless told otherwise."""
    listener = Listener(paths)
    subscription = await client.create_subscription(50, listener)

    def notified(events: ua.EventNotificationList) -> list[Any]:
        for event in events.Events:
            listener.feed(event.EventFields)
        return []

    subscription._explode_events = notified
    wanted = ua.EventFilter(SelectClauses=[operand(path) for path in paths])
    wanted.WhereClause = ua.ContentFilter(where or [])
    request = ua.MonitoredItemCreateRequest()
    request.ItemToMonitor = ua.ReadValueId(node_id or ua.NodeId(IDS.Server), ua.AttributeIds.EventNotifier)
    request.MonitoringMode = ua.MonitoringMode.Reporting
    request.RequestedParameters = ua.MonitoringParameters(ClientHandle=7, Filter=wanted, QueueSize=1000)
    params = ua.CreateMonitoredItemsParameters(subscription.subscription_id, ua.TimestampsToReturn.Both, [request])
    (result,) = await client.uaclient.create_monitored_items(params)
    result.StatusCode.check()
    yield listener, subscription, result.MonitoredItemId


async def call(client: Client, object_id: ua.NodeId, method: int, *inputs: ua.Variant) -> int:
    request = ua.CallMethodRequest(object_id, ua.NodeId(method), list(inputs))
    return (await client.uaclient.call([request]))[0].StatusCode.value
