"""What alarm clients such as UaExpert select, clause by clause, and what an operator does from there.

The clauses name the type that declares each field, as those clients send them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core.values import Scalar
from tests.kit.alarm_day import patient
from tests.kit.alarm_room import PlantClock
from tests.kit.opcua import OpcUaRig, running

IDS = ua.ObjectIds
BASE, CONDITION, ACKNOWLEDGEABLE, ALARM = (
    IDS.BaseEventType,
    IDS.ConditionType,
    IDS.AcknowledgeableConditionType,
    IDS.AlarmConditionType,
)
CLAUSES: tuple[tuple[int, str], ...] = (
    (BASE, "EventId"),
    (BASE, "EventType"),
    (BASE, "SourceNode"),
    (BASE, "SourceName"),
    (BASE, "Time"),
    (BASE, "ReceiveTime"),
    (BASE, "Message"),
    (BASE, "Severity"),
    (CONDITION, ""),
    (CONDITION, "ConditionName"),
    (CONDITION, "ConditionClassName"),
    (CONDITION, "BranchId"),
    (CONDITION, "Retain"),
    (CONDITION, "EnabledState/Id"),
    (ALARM, "ActiveState/Id"),
    (ALARM, "ActiveState/EffectiveDisplayName"),
    (ACKNOWLEDGEABLE, "AckedState/Id"),
    (ACKNOWLEDGEABLE, "ConfirmedState/Id"),
    (CONDITION, "Comment"),
    (CONDITION, "Quality"),
    (CONDITION, "LastSeverity"),
    (CONDITION, "ClientUserId"),
    (ALARM, "ShelvingState/CurrentState"),
    (ALARM, "SuppressedOrShelved"),
    (ALARM, "InputNode"),
)
PATHS = tuple(path for _, path in CLAUSES)
OPTIONAL = {"ConfirmedState/Id", "BranchId"}
"""Fields that are null where a condition lacks the state (ConfirmedState) or for its current state (BranchId)."""
WAKE: dict[str, Scalar] = {
    "level": 95.0,
    "flow": 95.0,
    "pressure": 70.0,
    "valve": 2,
    "link": 0,
    "faults": 1 | 4 | 8 | 16 | 32 | 64,
    "temperature": 90.0,
    "state": 2,
}


def clauses() -> list[ua.SimpleAttributeOperand]:
    return [
        ua.SimpleAttributeOperand(
            TypeDefinitionId=ua.NodeId(kind),
            BrowsePath=[ua.QualifiedName(part, 0) for part in path.split("/")] if path else [],
            AttributeId=ua.AttributeIds.Value if path else ua.AttributeIds.NodeId,
        )
        for kind, path in CLAUSES
    ]


class Window:
    """One event view of an alarm client."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._came = asyncio.Event()

    def event_notification(self, event: Any) -> None:
        raise AssertionError("rows are taken as they come in")

    def take(self, events: ua.EventNotificationList) -> list[Any]:
        for event in events.Events:
            self.rows.append(dict(zip(PATHS, (field.Value for field in event.EventFields), strict=True)))
        self._came.set()
        return []

    async def until(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            while len(self.rows) < count:
                self._came.clear()
                await self._came.wait()
        return self.rows


async def window(client: Client) -> tuple[Window, int]:
    view = Window()
    subscription = await client.create_subscription(50, view)
    subscription._explode_events = view.take
    request = ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(ua.NodeId(IDS.Server), ua.AttributeIds.EventNotifier),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=1, Filter=ua.EventFilter(SelectClauses=clauses()), QueueSize=1000
        ),
    )
    parameters = ua.CreateMonitoredItemsParameters(subscription.subscription_id, ua.TimestampsToReturn.Both, [request])
    (result,) = await client.uaclient.create_monitored_items(parameters)
    result.StatusCode.check()
    return view, subscription.subscription_id


async def refresh(client: Client, subscription_id: int) -> None:
    request = ua.CallMethodRequest(
        ua.NodeId(CONDITION),
        ua.NodeId(IDS.ConditionType_ConditionRefresh),
        [ua.Variant(subscription_id, ua.VariantType.UInt32)],
    )
    (result,) = await client.uaclient.call([request])
    result.StatusCode.check()


async def wake(rig: OpcUaRig) -> int:
    """Raise an alarm of nearly every kind; how many."""
    assert isinstance(rig.clock, PlantClock)
    for values in (
        {"speed": 1.0, "torque": 1.0, "position": 0.0, "target": 9.0},
        {"speed": 99.0, "torque": 99.0},
        WAKE,
    ):
        rig.clock.advance(1)
        await rig.live(**values)
    rig.clock.advance(5)
    await rig.pipeline.tick()
    return len(rig.pipeline.alarms.retained())


@pytest.fixture
def clock() -> PlantClock:
    return PlantClock(1_772_438_400_000_000)


async def test_every_field_is_filled_and_acknowledging_from_there_works(tmp_path: Path, clock: PlantClock) -> None:
    async with running(tmp_path, clock=clock, types=[patient()]) as rig, rig.client("olga") as client:
        view, _ = await window(client)
        standing = await wake(rig)
        assert standing >= 18
        rows = {row[""].Identifier: row for row in await view.until(standing)}
        by_id = {event.condition_id: event for event in rig.pipeline.alarms.retained()}
        assert set(rows) == set(by_id)
        for name, row in rows.items():
            empty = {path for path, value in row.items() if value is None or value == ua.NodeId()}
            assert empty <= OPTIONAL, f"{name}: {empty}"
            assert (row["ConfirmedState/Id"] is not None) == by_id[name].has_confirm
            assert row["Message"].Text == by_id[name].message
            assert row["Quality"].is_good()
        for number, (name, row) in enumerate(sorted(rows.items()), 1):
            text = ua.LocalizedText(f"seen {number}", "en")
            inputs = [
                ua.Variant(row["EventId"], ua.VariantType.ByteString),
                ua.Variant(text, ua.VariantType.LocalizedText),
            ]
            request = ua.CallMethodRequest(row[""], ua.NodeId(IDS.AcknowledgeableConditionType_Acknowledge), inputs)
            (result,) = await client.uaclient.call([request])
            assert result.StatusCode.is_good(), f"{name}: {result.StatusCode.name}"
            told = (await view.until(standing + number))[-1]
            assert told[""] == row[""]
            assert told["AckedState/Id"] is True
            assert (told["Comment"].Text, told["ClientUserId"]) == (f"seen {number}", "olga")
            assert told["Message"] == row["Message"]  # what happened is not overwritten by what was said


async def test_alarms_are_there_after_a_reconnect(tmp_path: Path, clock: PlantClock) -> None:
    async with running(tmp_path, clock=clock, types=[patient()]) as rig:
        standing = await wake(rig)
        async with rig.client("olga") as client:
            view, subscription_id = await window(client)
            await refresh(client, subscription_id)
            first = (await view.until(standing + 2))[: standing + 2]
        async with rig.client("olga") as client:
            view, subscription_id = await window(client)
            await refresh(client, subscription_id)
            again = (await view.until(standing + 2))[: standing + 2]
    kinds = [row["EventType"].Identifier for row in again]
    assert (kinds[0], kinds[-1]) == (IDS.RefreshStartEventType, IDS.RefreshEndEventType)
    assert again[1:-1] == first[1:-1]  # the very same events, EventIds and Messages
    assert {row[""].Identifier for row in again[1:-1]} == {e.condition_id for e in rig.pipeline.alarms.retained()}
