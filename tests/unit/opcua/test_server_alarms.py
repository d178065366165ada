"""Alarms as a client sees them: events with all fields, instances, acknowledge, comment, refresh, filters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from tests.kit.alarm_room import FIELDS, call, listening, operand
from tests.kit.opcua import OpcUaRig, running

S = ua.StatusCodes
IDS = ua.ObjectIds
V = ua.VariantType
CONDITION = "pump-1/Alarms/temperature"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, devices=["pump-1", "pump-2"]) as rig:
        await rig.live(temperature=50.0, state=1)
        yield rig


async def acknowledge(client: Client, rig: OpcUaRig, event_id: bytes, comment: str = "seen") -> int:
    return await call(
        client,
        rig.node(CONDITION),
        IDS.AcknowledgeableConditionType_Acknowledge,
        ua.Variant(event_id, V.ByteString),
        ua.Variant(ua.LocalizedText(comment, "en"), V.LocalizedText),
    )


async def test_an_alarm_is_an_event_with_every_field(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client, listening(client) as (listener, _subscription, _item):
        await rig.live(temperature=90.0)
        (event,) = await listener.take()
    assert event[""] == rig.node(CONDITION)
    assert event["EventType"] == ua.NodeId(IDS.ExclusiveLevelAlarmType)
    assert event["SourceNode"] == rig.node("pump-1")
    assert len(event["EventId"]) == 16
    assert event["ReceiveTime"] >= event["Time"]
    assert 1 <= event["Severity"] <= 1000
    assert (event["ActiveState/Id"], event["AckedState/Id"], event["Retain"]) == (True, False, True)
    assert event["LimitState/CurrentState"].Text == "High"
    assert event["HighHighLimit"] == 100.0
    assert event["InputNode"] == rig.node("pump-1/ParameterSet/temperature")
    assert event["BranchId"] is None or event["BranchId"].is_null()
    assert "pump-1" in event["Message"].Text
    missing = [name for name in FIELDS if event[name] is None and name not in ("BranchId", "ClientUserId")]
    assert missing == []


@pytest.mark.parametrize("path", ["pump-1", "Plant/hall", "Plant"])
async def test_events_are_seen_at_every_notifier_above_their_source(rig: OpcUaRig, path: str) -> None:
    async with rig.client() as client, listening(client, rig.node(path)) as (listener, _subscription, _item):
        await rig.live(temperature=90.0)
        (event,) = await listener.take()
    assert event[""] == rig.node(CONDITION)


async def test_the_instance_shows_what_its_last_event_said(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        instance = client.get_node(rig.node(CONDITION))
        active = client.get_node(rig.node(f"{CONDITION}/ActiveState/Id"))
        assert await active.read_value() is False  # control: made on demand, before any event
        await rig.live(temperature=101.0)
        assert await active.read_value() is True
        state = await client.get_node(rig.node(f"{CONDITION}/LimitState/CurrentState")).read_value()
        names = {(await child.read_browse_name()).Name for child in await instance.get_children()}
        kind = await instance.read_type_definition()
        above = {
            parent.nodeid
            for parent in await instance.get_referenced_nodes(
                refs=IDS.HasCondition, direction=ua.BrowseDirection.Inverse
            )
        }
    assert state.Text == "HighHigh"
    assert kind == ua.NodeId(IDS.ExclusiveLevelAlarmType)
    assert {"EventId", "Retain", "ActiveState", "AckedState", "LimitState", "Message"} <= names
    assert above == {rig.node("pump-1/ParameterSet/temperature")}


async def test_a_trip_is_a_trip_alarm(rig: OpcUaRig) -> None:
    async with rig.client() as client, listening(client) as (listener, _subscription, _item):
        await rig.live(state=2)
        (event,) = await listener.take()
    assert event["EventType"] == ua.NodeId(IDS.TripAlarmType)
    assert event[""] == rig.node("pump-1/Alarms/Trip")


async def test_acknowledging_is_an_event_with_user_and_comment(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client, listening(client) as (listener, _subscription, _item):
        await rig.live(temperature=90.0)
        (event,) = await listener.take()
        assert await acknowledge(client, rig, event["EventId"], "on my way") == S.Good
        (acked,) = await listener.take()
        assert await acknowledge(client, rig, acked["EventId"]) == S.BadConditionBranchAlreadyAcked
    assert (acked["AckedState/Id"], acked["ActiveState/Id"], acked["Retain"]) == (True, True, True)
    assert (acked["Comment"].Text, acked["ClientUserId"]) == ("on my way", "olga")
    assert acked["EventId"] != event["EventId"]


async def test_a_comment_is_an_event_and_changes_no_state(rig: OpcUaRig) -> None:
    async with rig.client("olga") as client, listening(client) as (listener, _subscription, _item):
        await rig.live(temperature=90.0)
        (event,) = await listener.take()
        code = await call(
            client,
            rig.node(CONDITION),
            IDS.ConditionType_AddComment,
            ua.Variant(event["EventId"], V.ByteString),
            ua.Variant(ua.LocalizedText("fan is noisy", "en"), V.LocalizedText),
        )
        (commented,) = await listener.take()
    assert code == S.Good
    assert commented["Comment"].Text == "fan is noisy"
    assert commented["AckedState/Id"] is False


async def test_a_wrong_event_id_and_a_viewer_acknowledge_nothing(rig: OpcUaRig) -> None:
    async with (
        rig.client("vera") as viewer,
        rig.client("olga") as client,
        listening(client) as (listener, _subscription, _item),
    ):
        await rig.live(temperature=90.0)
        (event,) = await listener.take()
        assert await acknowledge(client, rig, bytes(16)) == S.BadEventIdUnknown
        assert await acknowledge(viewer, rig, event["EventId"]) == S.BadUserAccessDenied
        assert await acknowledge(client, rig, event["EventId"]) == S.Good  # control


async def test_the_type_is_no_condition(rig: OpcUaRig) -> None:
    inputs = (ua.Variant(b"1", V.ByteString), ua.Variant(ua.LocalizedText("x"), V.LocalizedText))
    method = IDS.AcknowledgeableConditionType_Acknowledge
    async with rig.client("olga") as client:
        assert await call(client, ua.NodeId(IDS.AlarmConditionType), method, *inputs) == S.BadNodeIdInvalid


async def test_refresh_brings_what_is_retained_to_that_subscription_only(rig: OpcUaRig) -> None:
    await rig.live(temperature=90.0)
    await rig.live("pump-2", temperature=5.0)
    refresh = ua.NodeId(IDS.ConditionType)
    async with (
        rig.client() as client,
        rig.client() as other,
        listening(client) as (listener, subscription, item),
        listening(other) as (quiet, foreign, _item),
    ):
        number = ua.Variant(subscription.subscription_id, V.UInt32)
        assert await call(client, refresh, IDS.ConditionType_ConditionRefresh, number) == S.Good
        start, first, second, end = await listener.take(4)
        assert (
            await call(client, refresh, IDS.ConditionType_ConditionRefresh2, number, ua.Variant(item, V.UInt32))
            == S.Good
        )
        assert len(await listener.take(4)) == 4
        strange = ua.Variant(foreign.subscription_id, V.UInt32)
        assert await call(client, refresh, IDS.ConditionType_ConditionRefresh, strange) == S.BadSubscriptionIdInvalid
        wrong = ua.Variant(item + 1000, V.UInt32)
        code = await call(client, refresh, IDS.ConditionType_ConditionRefresh2, number, wrong)
        assert code == S.BadMonitoredItemIdInvalid
        assert quiet.seen == []
    assert start["EventType"] == ua.NodeId(IDS.RefreshStartEventType)
    assert {first[""], second[""]} == {rig.node(CONDITION), rig.node("pump-2/Alarms/temperature")}
    assert end["EventType"] == ua.NodeId(IDS.RefreshEndEventType)


def element(operator: ua.FilterOperator, *operands: Any) -> ua.ContentFilterElement:
    return ua.ContentFilterElement(operator, list(operands))


def literal(value: Any, kind: V) -> ua.LiteralOperand:
    return ua.LiteralOperand(ua.Variant(value, kind))


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ([element(ua.FilterOperator.OfType, literal(ua.NodeId(IDS.AlarmConditionType), V.NodeId))], True),
        ([element(ua.FilterOperator.OfType, literal(ua.NodeId(IDS.SystemEventType), V.NodeId))], False),
        ([element(ua.FilterOperator.GreaterThanOrEqual, operand("Severity"), literal(500, V.UInt16))], True),
        ([element(ua.FilterOperator.GreaterThan, operand("Severity"), literal(500, V.UInt16))], False),
        ([element(ua.FilterOperator.Like, operand("Message"), literal("%high limit%", V.String))], True),
        ([element(ua.FilterOperator.Like, operand("Message"), literal("high%", V.String))], False),
        ([element(ua.FilterOperator.Equals, operand("NoSuchField"), literal(1, V.Int32))], False),
        (
            [
                element(ua.FilterOperator.And, ua.ElementOperand(1), ua.ElementOperand(2)),
                element(ua.FilterOperator.Equals, operand("ActiveState/Id"), literal(True, V.Boolean)),
                element(ua.FilterOperator.Not, ua.ElementOperand(3)),
                element(ua.FilterOperator.IsNull, operand("Severity")),
            ],
            True,
        ),
    ],
)
async def test_where_clauses_are_obeyed(rig: OpcUaRig, where: list[ua.ContentFilterElement], passes: bool) -> None:
    async with (
        rig.client() as client,
        listening(client) as (everything, _s, _i),
        listening(client, where=where) as (listener, _s2, _i2),
    ):
        await rig.live(temperature=90.0)
        await everything.take()
        await everything_later(client)
    assert bool(listener.seen) is passes


async def everything_later(client: Client) -> None:
    """Two more publishing intervals of both subscriptions, seen by the client's own reads."""
    for _ in range(3):
        await client.get_node(ua.NodeId(IDS.Server_ServerStatus_State)).read_value()
        await asyncio.sleep(0.06)


@pytest.mark.parametrize(
    "where",
    [
        [element(ua.FilterOperator.Equals, operand("Severity"))],
        [element(ua.FilterOperator.And, ua.ElementOperand(0), ua.ElementOperand(0))],
        [element(ua.FilterOperator.Not, ua.ElementOperand(9))],
        [element(ua.FilterOperator.InView, literal(1, V.Int32))],
    ],
)
async def test_a_filter_that_cannot_be_obeyed_is_refused(rig: OpcUaRig, where: list[ua.ContentFilterElement]) -> None:
    async with rig.client() as client:
        with pytest.raises(ua.uaerrors.BadEventFilterInvalid):
            async with listening(client, where=where):
                pass


@pytest.mark.parametrize(
    ("path", "code"),
    [("pump-1/ParameterSet/temperature", S.BadAttributeIdInvalid), ("pump-1/ParameterSet", S.BadNotSupported)],
)
async def test_only_notifiers_have_events(rig: OpcUaRig, path: str, code: int) -> None:
    async with rig.client() as client:
        with pytest.raises(ua.UaStatusCodeError) as caught:
            async with listening(client, rig.node(path)):
                pass
    assert caught.value.code == code
