"""ConditionRefresh and earlier events (OPC 10000-9, 5.5.7 and 5.5.8; OPC 10000-11, ReadEventDetails)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from server.core.clock import to_datetime
from server.core.values import Caller
from server.database.site import SiteDatabase
from tests.kit.alarm_room import Listener, PlantClock, call, every_kind, listening, operand
from tests.kit.opcua import OpcUaRig, running

IDS = ua.ObjectIds
S = ua.StatusCodes
V = ua.VariantType
START, END = ua.NodeId(IDS.RefreshStartEventType), ua.NodeId(IDS.RefreshEndEventType)
PATHS = ("", "EventId", "EventType", "Message", "BranchId", "Time", "ConditionName")
REFRESH, REFRESH2 = IDS.ConditionType_ConditionRefresh, IDS.ConditionType_ConditionRefresh2
TYPE = ua.NodeId(IDS.ConditionType)
OLGA = Caller("olga", "operator", "http", "127.0.0.1")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    site = SiteDatabase(tmp_path / "site.db")
    devices = [f"pump-{number}" for number in range(1, 201)]
    async with running(tmp_path, types=[every_kind()], devices=devices, clock=PlantClock(), site=site) as rig:
        yield rig
    site.close()


async def offer(rig: OpcUaRig, device: str = "pump-1", **values: Any) -> None:
    """New values, a second later."""
    assert isinstance(rig.clock, PlantClock)
    rig.clock.advance(1)
    await rig.live(device, **values)


def number(value: int) -> ua.Variant:
    return ua.Variant(value, V.UInt32)


async def refreshed(listener: Listener) -> list[dict[str, Any]]:
    """Everything up to RefreshEnd."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["EventType"] != END:
        found += await listener.take()
    return found


async def test_refresh_tells_what_is_retained_with_its_own_event_ids(rig: OpcUaRig) -> None:
    # One of them with a branch; one that is over and acknowledged is not told.
    for value in (85.0, 50.0, 95.0):
        await offer(rig, level=value)
    await offer(rig, "pump-2", temperature=90.0)
    await offer(rig, "pump-3", temperature=90.0)
    async with rig.client("olga") as client, listening(client, paths=PATHS) as (listener, subscription, _):
        assert await call(client, TYPE, REFRESH, number(subscription.subscription_id)) == S.Good
        first, *events, last = await refreshed(listener)
    assert (first["EventType"], last["EventType"]) == (START, END)
    retained = rig.pipeline.alarms.retained()
    assert [event["EventId"] for event in events] == [event.event_id for event in retained]
    assert sorted(bool(event.branch_id) for event in retained) == [False, False, False, True]


async def test_a_small_queue_loses_nothing_of_a_refresh(rig: OpcUaRig) -> None:
    for count in range(1, 201):
        await rig.live(f"pump-{count}", temperature=90.0)
    async with rig.client("olga") as client, listening(client, paths=PATHS) as (listener, subscription, item):
        request = ua.MonitoredItemModifyRequest(
            MonitoredItemId=item,
            RequestedParameters=ua.MonitoringParameters(ClientHandle=7, QueueSize=1, Filter=select(*PATHS)),
        )
        params = ua.ModifyMonitoredItemsParameters(SubscriptionId=subscription.subscription_id, ItemsToModify=[request])
        (modified,) = await client.uaclient.modify_monitored_items(params)
        modified.StatusCode.check()
        assert await call(client, TYPE, REFRESH, number(subscription.subscription_id)) == S.Good
        assert await call(client, TYPE, REFRESH, number(subscription.subscription_id)) == S.BadRefreshInProgress
        _, *events, _ = await refreshed(listener)
        again = await call(client, TYPE, REFRESH, number(subscription.subscription_id))
        await refreshed(listener)
    assert len({event[""].Identifier for event in events}) == 200
    assert again == S.Good  # the first one is over


def select(*paths: str) -> ua.EventFilter:
    return ua.EventFilter(SelectClauses=[operand(path) for path in paths])


async def test_what_happens_meanwhile_comes_before_the_rest_and_is_not_told_as_it_was(rig: OpcUaRig) -> None:
    for count in range(1, 201):
        await rig.live(f"pump-{count}", temperature=90.0)
    async with rig.client("olga") as client, listening(client, paths=PATHS) as (listener, subscription, _):
        await call(client, TYPE, REFRESH, number(subscription.subscription_id))
        await offer(rig, "pump-200", temperature=50.0)
        await rig.pipeline.acknowledge("pump-200/Alarms/temperature", None, "", OLGA)
        events = await refreshed(listener)
        states: dict[str, bytes] = {}
        for event in events:
            if event[""] is not None:
                states[event[""].Identifier] = event["EventId"]
    last = rig.pipeline.alarms.state("pump-200/Alarms/temperature")
    assert last is not None
    # Whatever came in which order, the last thing told of it is how it is now.
    assert states["pump-200/Alarms/temperature"] == last.event_id
    assert not last.retain


async def test_refresh_reaches_only_the_subscription_or_item_that_asked(rig: OpcUaRig) -> None:
    await offer(rig, temperature=90.0)
    async with (
        rig.client("olga") as client,
        listening(client, paths=PATHS) as (mine, subscription, item),
        listening(client, paths=PATHS) as (other, _, _),
    ):
        only = number(subscription.subscription_id), number(item)
        assert await call(client, TYPE, REFRESH2, *only) == S.Good
        assert len(await refreshed(mine)) == 3
        await offer(rig, temperature=120.0)
        (event,) = await other.take()
    assert "high-high" in event["Message"].Text  # nothing of the refresh came before it


async def test_an_item_that_does_not_report_holds_up_no_refresh(rig: OpcUaRig) -> None:
    await offer(rig, temperature=90.0)
    async with rig.client("olga") as client, listening(client, paths=PATHS) as (listener, subscription, item):
        wanted = number(subscription.subscription_id)
        for mode in (ua.MonitoringMode.Sampling, ua.MonitoringMode.Disabled):
            parameters = ua.SetMonitoringModeParameters(subscription.subscription_id, mode, [item])
            assert [code.name for code in await client.uaclient.set_monitoring_mode(parameters)] == ["Good"]
            for _ in range(2):
                assert await call(client, TYPE, REFRESH, wanted) == S.Good
        parameters.MonitoringMode = ua.MonitoringMode.Reporting
        await client.uaclient.set_monitoring_mode(parameters)
        assert await call(client, TYPE, REFRESH, wanted) == S.Good
        assert len(await refreshed(listener)) == 3


async def test_a_refresh_ends_when_its_item_stops_to_report(rig: OpcUaRig) -> None:
    for count in range(1, 201):
        await rig.live(f"pump-{count}", temperature=90.0)
    async with rig.client("olga") as client, listening(client, paths=PATHS) as (listener, subscription, item):
        wanted = number(subscription.subscription_id)
        await call(client, TYPE, REFRESH, wanted)
        parameters = ua.SetMonitoringModeParameters(subscription.subscription_id, ua.MonitoringMode.Sampling, [item])
        await client.uaclient.set_monitoring_mode(parameters)
        parameters.MonitoringMode = ua.MonitoringMode.Reporting
        await client.uaclient.set_monitoring_mode(parameters)
        assert await call(client, TYPE, REFRESH, wanted) == S.Good
        events = await refreshed(listener)
        while sum(event["EventType"] == END for event in events) == 0 or len(events) < 202:
            events += await refreshed(listener)
    assert sum(event["EventType"] == START for event in events) in (1, 2)


async def test_refresh_obeys_the_filter_but_always_tells_where_it_begins_and_ends(rig: OpcUaRig) -> None:
    await offer(rig, temperature=90.0)
    await offer(rig, "pump-2", state=2)
    trips = ua.ContentFilterElement(
        FilterOperator=ua.FilterOperator.OfType,
        FilterOperands=[ua.LiteralOperand(ua.Variant(ua.NodeId(IDS.TripAlarmType), V.NodeId))],
    )
    async with (
        rig.client("olga") as client,
        listening(client, paths=PATHS, where=[trips]) as (listener, subscription, _),
    ):
        await call(client, TYPE, REFRESH, number(subscription.subscription_id))
        events = await refreshed(listener)
    assert [event["ConditionName"] for event in events] == [None, "Trip", None]


async def test_what_cannot_be_refreshed_is_refused(rig: OpcUaRig) -> None:
    async with (
        rig.client("olga") as client,
        rig.client("emma") as other,
        listening(client, paths=PATHS) as (_, subscription, _),
        listening(other, paths=PATHS) as (_, foreign, _),
    ):
        mine = number(subscription.subscription_id)
        codes = [
            await call(client, TYPE, REFRESH, number(1)),
            await call(client, TYPE, REFRESH, number(foreign.subscription_id)),
            await call(client, TYPE, REFRESH2, mine, number(999)),
        ]
    assert codes == [S.BadSubscriptionIdInvalid, S.BadSubscriptionIdInvalid, S.BadMonitoredItemIdInvalid]


async def test_a_refresh_ends_with_its_item(rig: OpcUaRig) -> None:
    for count in range(1, 201):
        await rig.live(f"pump-{count}", temperature=90.0)
    async with rig.client("olga") as client, listening(client, paths=PATHS) as (_, subscription, item):
        await call(client, TYPE, REFRESH, number(subscription.subscription_id))
        await subscription.unsubscribe(item)
        await asyncio.gather(*(rig.live(f"pump-{count}", temperature=120.0) for count in range(1, 20)))
        code = await call(client, TYPE, REFRESH, number(subscription.subscription_id))
    assert code == S.Good


# -- earlier events


async def read_events(
    client: Client,
    rig: OpcUaRig,
    path: str,
    start: datetime | None,
    end: datetime | None,
    count: int = 0,
    point: bytes | None = None,
    wanted: ua.EventFilter | None = None,
    release: bool = False,
) -> ua.HistoryReadResult:
    details = ua.ReadEventDetails(
        NumValuesPerNode=count,
        StartTime=start or datetime(1601, 1, 1),
        EndTime=end or datetime(1601, 1, 1),
        Filter=wanted or select("EventId", "ConditionName", "Message", "Time", ""),
    )
    node_id = ua.NodeId(IDS.Server) if path == "Server" else rig.node(path)
    params = ua.HistoryReadParameters(
        HistoryReadDetails=details,
        TimestampsToReturn=ua.TimestampsToReturn.Source,
        ReleaseContinuationPoints=release,
        NodesToRead=[ua.HistoryReadValueId(NodeId=node_id, ContinuationPoint=point)],
    )
    (result,) = await client.uaclient.history_read(params)
    return result


def names(result: ua.HistoryReadResult) -> list[str]:
    return [event.EventFields[1].Value for event in result.HistoryData.Events]


async def some_events(rig: OpcUaRig) -> tuple[datetime, datetime]:
    """Six events: temperature of pump-1 and pump-2, each active, high-high, cleared."""
    begin = to_datetime(rig.clock.now())
    for device in ("pump-1", "pump-2"):
        for value in (90.0, 120.0, 50.0):
            await offer(rig, device, temperature=value)
    return begin, to_datetime(rig.clock.now()) + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("path", "count"), [("Server", 6), ("Plant", 6), ("Plant/hall", 6), ("pump-1", 3), ("pump-3", 0)]
)
async def test_every_notifier_has_the_events_below_it(rig: OpcUaRig, path: str, count: int) -> None:
    begin, end = await some_events(rig)
    async with rig.client("olga") as client:
        result = await read_events(client, rig, path, begin, end)
        notifier = await client.get_node(rig.node("pump-1")).read_event_notifier()
    assert result.StatusCode.value == (S.Good if count else S.GoodNoData)
    assert len(result.HistoryData.Events) == count
    assert ua.EventNotifier.HistoryRead in notifier


async def test_earlier_events_are_those_that_were_sent(rig: OpcUaRig) -> None:
    paths = ("EventId", "ConditionName", "Message", "Time", "")
    async with rig.client("olga") as client, listening(client, paths=paths) as (listener, _, _):
        begin, end = await some_events(rig)
        live = await listener.take(6)
        result = await read_events(client, rig, "Server", begin, end)
    kept = [dict(zip(paths, (f.Value for f in event.EventFields), strict=True)) for event in result.HistoryData.Events]
    assert kept == live


async def test_pages_together_are_the_whole_in_both_directions(rig: OpcUaRig) -> None:
    begin, end = await some_events(rig)
    async with rig.client("olga") as client:
        whole = await read_events(client, rig, "Server", begin, end)
        backward = await read_events(client, rig, "Server", end, begin)
        pages: list[bytes] = []
        point: bytes | None = None
        while True:
            page = await read_events(client, rig, "Server", begin, end, count=4, point=point)
            pages += [event.EventFields[0].Value for event in page.HistoryData.Events]
            point = page.ContinuationPoint
            if not point:
                break
        used = await read_events(client, rig, "Server", begin, end, count=4, point=bytes(16))
        first = await read_events(client, rig, "Server", begin, end, count=2)
        released = await read_events(client, rig, "Server", begin, end, point=first.ContinuationPoint, release=True)
        gone = await read_events(client, rig, "Server", begin, end, point=first.ContinuationPoint)
    ids = [event.EventFields[0].Value for event in whole.HistoryData.Events]
    assert pages == ids
    assert [event.EventFields[0].Value for event in backward.HistoryData.Events] == ids[::-1]
    assert used.StatusCode.value == S.BadContinuationPointInvalid
    assert (released.StatusCode.value, gone.StatusCode.value) == (S.Good, S.BadContinuationPointInvalid)


async def test_start_belongs_to_the_answer_and_end_does_not(rig: OpcUaRig) -> None:
    await some_events(rig)
    async with rig.client("olga") as client:
        everything = await read_events(client, rig, "pump-1", datetime(2000, 1, 1), datetime(2100, 1, 1))
        times = [event.EventFields[3].Value for event in everything.HistoryData.Events]
        forward = await read_events(client, rig, "pump-1", times[0], times[2])
        backward = await read_events(client, rig, "pump-1", times[2], times[0])
        from_start = await read_events(client, rig, "pump-1", times[1], None, count=1)
        to_end = await read_events(client, rig, "pump-1", None, times[1], count=1)
        too_little = await read_events(client, rig, "pump-1", times[1], None)

    def of(result: ua.HistoryReadResult) -> list[datetime]:
        return [event.EventFields[3].Value for event in result.HistoryData.Events]

    assert of(forward) == times[:2]
    assert of(backward) == [times[2], times[1]]
    assert of(from_start) == of(to_end) == [times[1]]
    assert too_little.StatusCode.value == S.BadInvalidArgument


async def test_the_where_clause_counts_for_earlier_events_too(rig: OpcUaRig) -> None:
    begin, end = await some_events(rig)
    wanted = select("EventId", "ConditionName", "Severity")
    wanted.WhereClause = ua.ContentFilter(
        [
            ua.ContentFilterElement(
                FilterOperator=ua.FilterOperator.GreaterThan,
                FilterOperands=[operand("Severity"), ua.LiteralOperand(ua.Variant(700, V.UInt16))],
            )
        ]
    )
    async with rig.client("olga") as client:
        result = await read_events(client, rig, "Server", begin, end, wanted=wanted)
        refused = await read_events(client, rig, "Server", begin, end, wanted=ua.EventFilter())
    assert [event.EventFields[2].Value for event in result.HistoryData.Events] == [800] * 4
    assert refused.StatusCode.value == S.BadEventFilterInvalid


async def test_a_server_without_a_journal_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, types=[replace(every_kind(), alarms=())]) as rig, rig.client("olga") as client:
        capability = client.get_node(ua.NodeId(IDS.HistoryServerCapabilities_AccessHistoryEventsCapability))
        told = await capability.read_value()
        with pytest.raises(ua.UaStatusCodeError) as caught:
            await read_events(client, rig, "Server", datetime(2000, 1, 1), datetime(2100, 1, 1))
    assert (told, caught.value.code) == (False, S.BadHistoryOperationUnsupported)
