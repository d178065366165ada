"""MonitoredItem service set (OPC 10000-4, 5.13, 7.21 and 7.22): sampling, queues, filters, modes, triggering."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest
from asyncua import ua

from tests.kit.asking import (
    A,
    I,
    Subscriber,
    contents,
    data_changes,
    fault,
    get,
    item,
    name_of,
    names,
    parameters,
    plain,
    value,
    write,
)
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
M, V, T = ua.MonitoringMode, ua.VariantType, ua.DataChangeTrigger
OVERFLOW = 0x480
"""InfoType DataValue and the Overflow bit (OPC 10000-4, 7.38.1)."""
NOWHERE = ua.NodeId("nowhere", 2)


def deadband(kind: int, limit: float, trigger: ua.DataChangeTrigger = T.StatusValue) -> ua.DataChangeFilter:
    """A DataChangeFilter; kind 1 absolute, 2 percent."""
    return ua.DataChangeFilter(trigger, kind, limit)


async def _filled(
    room: Room, session: RawSession, written: list[float], **more: Any
) -> tuple[Subscriber, list[tuple[float, int]]]:
    """What an item reports of values that were written while nothing was published: (value, info bits)."""
    node = room.test("Static/Double")
    subscriber = await Subscriber.create(session, enabled=False)
    await write(session, node, written[0])
    await subscriber.add(item(node, **more))
    for number in written[1:]:
        await write(session, node, number)
    await subscriber.enable(True)
    found = data_changes(await subscriber.message())
    return subscriber, [(entry.Value.Value, entry.StatusCode.value & 0xFFFF) for _, entry in found]


async def test_the_first_value_comes_at_once(room: Room, session: RawSession) -> None:
    # 5.13.1.2: a new reporting item's value is in the next message, whatever its sampling interval.
    subscriber = await Subscriber.create(session)
    started = monotonic()
    await subscriber.add(item(room.test("ReadOnly"), sampling=3_600_000.0))
    assert contents(await subscriber.collect(1)) == [42.0]
    assert monotonic() - started < 5
    await subscriber.close()


async def test_sampling_intervals_are_revised_and_told(room: Room, session: RawSession) -> None:
    # 7.21: -1 is the publishing interval, 0 as fast as possible; queueSize 0 becomes 1.
    subscriber = await Subscriber.create(session, interval=200.0)
    node = room.test("ReadOnly")
    asked = (-1.0, 0.0, 1.0, 100.0, 1e15)
    made = await subscriber.add(*[item(node, sampling=interval, queue=0) for interval in asked])
    revised = [result.RevisedSamplingInterval for result in made]
    assert (revised[0], revised[1], revised[3]) == (200.0, 0.0, 100.0)
    assert revised[4] < 1e15
    assert {result.RevisedQueueSize for result in made} == {1}
    least = await value(session, I.Server_ServerCapabilities_MinSupportedSampleRate)
    assert all(interval == 0 or interval >= least for interval in revised)
    await subscriber.close()


async def test_no_more_values_come_than_the_sampling_interval_allows(room: Room, session: RawSession) -> None:
    # 5.13.1.2: a sampled item sees the value at its samples only.
    node = room.test("Static/Double")
    await write(session, node, 0.0)
    subscriber = await Subscriber.create(session, interval=500.0)
    await subscriber.add(item(node, 1, sampling=250.0, queue=1_000), item(node, 2, sampling=0.0, queue=1_000))
    await subscriber.collect(2)
    started = monotonic()
    for number in range(1, 101):
        await write(session, node, float(number))
    found: list[tuple[int, ua.DataValue]] = []
    while not found or contents(found)[-1] != 100.0 or len({handle for handle, _ in found}) < 2:
        found += await subscriber.collect(1)
    elapsed = monotonic() - started
    slow = [entry for handle, entry in found if handle == 1]
    fast = [entry.Value.Value for handle, entry in found if handle == 2]
    assert len(slow) <= elapsed / 0.25 + 2 < 100
    assert fast == [float(number) for number in range(1, 101)]
    await subscriber.close()


async def test_a_full_queue_drops_the_oldest_or_replaces_the_newest(room: Room, session: RawSession) -> None:
    # 5.13.1.5: discardOldest TRUE keeps the last ones, the overflow bit on the oldest kept; FALSE keeps the first
    # ones and replaces the newest, the overflow bit on it.
    written = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    subscriber, found = await _filled(room, session, written, queue=3, oldest=True)
    assert found == [(4.0, OVERFLOW), (5.0, 0), (6.0, 0)]
    await subscriber.close()
    subscriber, found = await _filled(room, session, written, queue=3, oldest=False)
    assert found == [(1.0, 0), (2.0, 0), (6.0, OVERFLOW)]
    await subscriber.close()


async def test_a_queue_of_one_or_large_enough_has_no_overflow(room: Room, session: RawSession) -> None:
    # 5.13.1.5: no bit with queue size 1; nothing is lost, in order, when the queue is large enough.
    subscriber, found = await _filled(room, session, [1.0, 2.0, 3.0], queue=1)
    assert found == [(3.0, 0)]
    await subscriber.close()
    subscriber, found = await _filled(room, session, [1.0, 2.0, 3.0, 2.0], queue=4)
    assert found == [(1.0, 0), (2.0, 0), (3.0, 0), (2.0, 0)]
    await subscriber.close()


@pytest.mark.parametrize(
    ("trigger", "reported"),
    [
        (T.Status, ["status"]),
        (T.StatusValue, ["value", "status"]),
        (T.StatusValueTimestamp, ["time", "value", "status"]),
    ],
)
async def test_triggers_report_what_their_name_says(
    room: Room, session: RawSession, trigger: ua.DataChangeTrigger, reported: list[str]
) -> None:
    # 7.22.2: STATUS, STATUS_VALUE, STATUS_VALUE_TIMESTAMP.
    node = room.test("Static/Double")

    def at(second: int, content: float, code: int = 0) -> ua.DataValue:
        moment = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
        return ua.DataValue(ua.Variant(content, V.Double), ua.StatusCode(code), SourceTimestamp=moment)

    await write(session, node, at(0, 1.0))
    subscriber = await Subscriber.create(session)
    await subscriber.watch(node, filter=ua.DataChangeFilter(trigger, 0, 0.0), queue=10)
    uncertain = ua.StatusCodes.UncertainLastUsableValue
    steps = {"time": at(1, 1.0), "value": at(1, 2.0), "status": at(1, 2.0, uncertain)}
    for name, sent in steps.items():
        assert await write(session, node, sent) == "Good"
        if name in reported:
            ((_, found),) = await subscriber.collect(1)
            assert (found.Value.Value, found.StatusCode.value) == (sent.Value.Value, sent.StatusCode.value), name
        else:
            await subscriber.quiet()
    await subscriber.close()


async def test_without_a_filter_status_and_value_count(room: Room, session: RawSession) -> None:
    # 7.22.2: STATUS_VALUE is the default; the same value again is no change.
    node = room.test("Static/Double")
    await write(session, node, 1.0)
    subscriber = await Subscriber.create(session)
    await subscriber.watch(node)
    await write(session, node, 1.0)
    await subscriber.quiet()
    uncertain = ua.DataValue(ua.Variant(1.0, V.Double), ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue))
    await write(session, node, uncertain)
    ((_, found),) = await subscriber.collect(1)
    assert name_of(found.StatusCode) == "UncertainLastUsableValue"
    await subscriber.close()


async def test_an_absolute_deadband_counts_from_the_last_reported_value(room: Room, session: RawSession) -> None:
    # 7.22.2: reported when the difference is greater than deadbandValue.
    node = room.test("Static/Double")
    await write(session, node, 10.0)
    subscriber = await Subscriber.create(session)
    await subscriber.watch(node, filter=deadband(1, 2.0), queue=10)
    for silent in (11.0, 12.0, 8.0):
        await write(session, node, silent)
    await subscriber.quiet()
    await write(session, node, 12.5)
    assert contents(await subscriber.collect(1)) == [12.5]
    await write(session, node, 10.5)
    await subscriber.quiet()
    await write(session, node, 10.25)
    assert contents(await subscriber.collect(1)) == [10.25]
    await subscriber.close()


async def test_a_deadband_of_an_array_looks_at_each_element(room: Room, session: RawSession) -> None:
    # 7.22.2: one element beyond the deadband reports the whole array.
    node = room.test("StaticArray/Double")
    await write(session, node, plain([0.0] * 8))
    subscriber = await Subscriber.create(session)
    await subscriber.watch(node, filter=deadband(1, 1.0))
    await write(session, node, plain([0.5] * 8))
    await subscriber.quiet()
    await write(session, node, plain([0.0] * 7 + [1.5]))
    ((_, found),) = await subscriber.collect(1)
    assert list(found.Value.Value) == [0.0] * 7 + [1.5]
    await subscriber.close()


async def test_a_percent_deadband_counts_of_the_range(room: Room, session: RawSession) -> None:
    # OPC 10000-8, 7.2: percent of EURange, here 0 to 100.
    node = room.test("Analog")
    await write(session, node, 50.0)
    subscriber = await Subscriber.create(session)
    await subscriber.watch(node, filter=deadband(2, 10.0), queue=10)
    for silent in (45.0, 60.0, 40.0):
        await write(session, node, silent)
    await subscriber.quiet()
    await write(session, node, 60.5)
    assert contents(await subscriber.collect(1)) == [60.5]
    await subscriber.close()


@pytest.mark.parametrize(
    ("path", "wanted", "expected"),
    [
        ("Static/String", deadband(1, 1.0), {"BadFilterNotAllowed", "BadMonitoredItemFilterUnsupported"}),
        ("Static/Boolean", deadband(1, 1.0), {"BadFilterNotAllowed", "BadMonitoredItemFilterUnsupported"}),
        ("Static/Double", deadband(2, 1.0), {"BadMonitoredItemFilterUnsupported", "BadFilterNotAllowed"}),
        ("Analog", deadband(2, 100.5), {"BadDeadbandFilterInvalid"}),
        ("Analog", deadband(2, -1.0), {"BadDeadbandFilterInvalid"}),
        ("Static/Double", deadband(1, -1.0), {"BadDeadbandFilterInvalid"}),
        ("Static/Double", deadband(3, 1.0), {"BadMonitoredItemFilterUnsupported", "BadMonitoredItemFilterInvalid",
                                              "BadDeadbandFilterInvalid"}),
    ],
)  # fmt: skip
async def test_deadbands_that_make_no_sense_are_refused(
    room: Room, session: RawSession, path: str, wanted: Any, expected: set[str]
) -> None:
    # 7.22.2 and OPC 10000-8, 7.2; an item without the filter is made beside it.
    subscriber = await Subscriber.create(session)
    refused, made = await subscriber.add(item(room.test(path), filter=wanted), item(room.test(path)))
    assert name_of(refused.StatusCode) in expected
    assert name_of(made.StatusCode) == "Good"
    await subscriber.close()


async def test_data_filters_are_for_values_only(room: Room, session: RawSession) -> None:
    # 5.13.2.4: BadFilterNotAllowed; other attributes can be monitored without one.
    subscriber = await Subscriber.create(session)
    node = room.test("ReadOnly")
    refused, made = await subscriber.add(
        item(node, attribute=A.DisplayName, filter=deadband(0, 0.0)), item(node, 5, attribute=A.DisplayName)
    )
    assert name_of(refused.StatusCode) == "BadFilterNotAllowed"
    assert name_of(made.StatusCode) == "Good"
    ((handle, found),) = await subscriber.collect(1)
    assert (handle, found.Value.Value.Text) == (5, "ReadOnly")
    await subscriber.close()


async def test_what_cannot_be_monitored_is_refused(room: Room, session: RawSession) -> None:
    # 5.13.2.4, operation results.
    subscriber = await Subscriber.create(session)
    node = room.test("StaticArray/Double")
    made = await subscriber.add(
        item(NOWHERE), item(ua.NodeId(I.Server)), item(node, attribute=99), item(node, index_range="3:1"), item(node)
    )
    assert names(result.StatusCode for result in made) == [
        "BadNodeIdUnknown",
        "BadAttributeIdInvalid",
        "BadAttributeIdInvalid",
        "BadIndexRangeInvalid",
        "Good",
    ]
    await subscriber.close()


async def test_an_item_of_a_range_reports_that_range(room: Room, session: RawSession) -> None:
    # 5.13.2.2 and 7.27: right syntax without data now is an item that reports BadIndexRangeNoData.
    node = room.test("StaticArray/Int32")
    await write(session, node, plain(list(range(8)), V.Int32))
    subscriber = await Subscriber.create(session)
    made = await subscriber.add(item(node, 1, index_range="2:3"), item(node, 2, index_range="1000"))
    assert names(result.StatusCode for result in made) == ["Good", "Good"]
    found = dict(await subscriber.collect(2))
    assert list(found[1].Value.Value) == [2, 3]
    assert name_of(found[2].StatusCode) == "BadIndexRangeNoData"
    await subscriber.close()


async def test_timestamps_are_those_asked_for(room: Room, session: RawSession) -> None:
    # 5.13.2.2: timestampsToReturn of the call.
    for which, source, server in (
        (ua.TimestampsToReturn.Source, True, False),
        (ua.TimestampsToReturn.Server, False, True),
        (ua.TimestampsToReturn.Neither, False, False),
    ):
        subscriber = await Subscriber.create(session)
        await subscriber.add(item(room.test("ReadOnly")), which=which)
        ((_, found),) = await subscriber.collect(1)
        assert ((found.SourceTimestamp is not None), (found.ServerTimestamp is not None)) == (source, server)
        await subscriber.close()


async def test_modes_sample_queue_and_report(room: Room, session: RawSession) -> None:
    # 5.13.1.3: Disabled neither samples nor reports; Sampling queues; Reporting sends.
    node = room.test("Static/Double")
    await write(session, node, 0.0)
    subscriber = await Subscriber.create(session)
    (made,) = await subscriber.add(item(node, mode=M.Disabled, queue=10))
    number = made.MonitoredItemId
    await write(session, node, 1.0)
    await subscriber.quiet()
    assert await subscriber.mode(M.Reporting, number, 4_000_000) == ["Good", "BadMonitoredItemIdInvalid"]
    assert contents(await subscriber.collect(1)) == [1.0]
    await subscriber.mode(M.Sampling, number)
    for content in (2.0, 3.0):
        await write(session, node, content)
    await subscriber.quiet()
    await subscriber.mode(M.Reporting, number)
    assert contents(await subscriber.collect(2)) == [2.0, 3.0]
    await subscriber.mode(M.Disabled, number)
    await write(session, node, 4.0)
    await subscriber.quiet()
    await subscriber.mode(M.Reporting, number)
    assert contents(await subscriber.collect(1)) == [4.0]
    await subscriber.close()


async def test_a_linked_item_is_sent_when_its_trigger_fires_and_only_then(room: Room, session: RawSession) -> None:
    # 5.13.1.6: triggering; removing the link ends it.
    trigger, linked = room.test("Static/Double"), room.test("Static/Float")
    await write(session, trigger, 0.0)
    await write(session, linked, plain(0.0, V.Float))
    subscriber = await Subscriber.create(session)
    trigger_id = await subscriber.watch(trigger, 1)
    (made,) = await subscriber.add(item(linked, 2, mode=M.Sampling))
    number = made.MonitoredItemId
    answer = await subscriber.link(trigger_id, add=[number, 4_000_000])
    assert names(answer.AddResults) == ["Good", "BadMonitoredItemIdInvalid"]
    await write(session, linked, plain(1.0, V.Float))
    await subscriber.quiet()
    await write(session, trigger, 1.0)
    assert {handle for handle, _ in await subscriber.collect(2)} == {1, 2}
    await write(session, trigger, 2.0)
    assert [handle for handle, _ in await subscriber.collect(1)] == [1]  # the linked one has nothing new
    answer = await subscriber.link(trigger_id, remove=[number, number])
    assert names(answer.RemoveResults) == ["Good", "BadMonitoredItemIdInvalid"]
    await write(session, linked, plain(2.0, V.Float))
    await write(session, trigger, 3.0)
    assert [handle for handle, _ in await subscriber.collect(1)] == [1]
    code = await fault(
        session, "SetTriggering", SubscriptionId=subscriber.id, TriggeringItemId=4_000_000, LinksToAdd=[number]
    )
    assert code == "BadMonitoredItemIdInvalid"
    await subscriber.close()


async def test_modifying_takes_effect_at_once(room: Room, session: RawSession) -> None:
    # 5.13.3: client handle, queue, filter and sampling interval.
    node = room.test("Static/Double")
    await write(session, node, 0.0)
    subscriber = await Subscriber.create(session)
    number = await subscriber.watch(node, 1)
    result = await subscriber.modify(number, 9, queue=5, filter=deadband(1, 5.0), sampling=100.0)
    assert (name_of(result.StatusCode), result.RevisedQueueSize, result.RevisedSamplingInterval) == ("Good", 5, 100.0)
    await write(session, node, 4.0)
    while data_changes((await subscriber.publish()).NotificationMessage):
        pass  # whether the new settings report the present value once more is left to the server
    await write(session, node, 20.0)
    ((handle, found),) = await subscriber.collect(1)
    assert (handle, found.Value.Value) == (9, 20.0)
    assert name_of((await subscriber.modify(4_000_000)).StatusCode) == "BadMonitoredItemIdInvalid"
    await subscriber.close()


async def test_deleted_items_are_silent(room: Room, session: RawSession) -> None:
    # 5.13.6.
    node = room.test("Static/Double")
    await write(session, node, 1.0)
    subscriber = await Subscriber.create(session)
    number = await subscriber.watch(node)
    target = {"SubscriptionId": subscriber.id, "MonitoredItemIds": [number, number]}
    assert names((await get(session, "DeleteMonitoredItems", **target)).Results) == [
        "Good",
        "BadMonitoredItemIdInvalid",
    ]
    await write(session, node, 2.0)
    await subscriber.quiet()
    await subscriber.close()


async def test_items_of_an_unknown_subscription_are_refused(room: Room, session: RawSession) -> None:
    for service, rest in (
        ("CreateMonitoredItems", {"ItemsToCreate": [item(room.test("ReadOnly"))]}),
        ("ModifyMonitoredItems", {"ItemsToModify": [ua.MonitoredItemModifyRequest(1, parameters())]}),
        ("DeleteMonitoredItems", {"MonitoredItemIds": [1]}),
        ("SetMonitoringMode", {"MonitoredItemIds": [1]}),
        ("SetTriggering", {"TriggeringItemId": 1, "LinksToAdd": [1]}),
    ):
        assert await fault(session, service, SubscriptionId=4_000_000, **rest) == "BadSubscriptionIdInvalid", service


async def test_items_that_name_no_mode_or_nothing_are_refused_one_by_one(room: Room, session: RawSession) -> None:
    # 5.13.2.4: BadMonitoringModeInvalid and BadNodeIdUnknown are operation results; the good one is made.
    subscriber = await Subscriber.create(session)
    node = room.test("ReadOnly")
    made = await subscriber.add(item(node, mode=5), item(ua.NodeId()), item(node, 3))
    codes = names(result.StatusCode for result in made)
    assert codes[0] == "BadMonitoringModeInvalid"
    assert codes[1] in ("BadNodeIdInvalid", "BadNodeIdUnknown")
    assert codes[2] == "Good"
    assert [handle for handle, _ in await subscriber.collect(1)] == [3]
    await subscriber.close()


async def test_items_share_a_node_and_go_their_own_ways(room: Room, session: RawSession) -> None:
    # 5.13.1.1: several items of one node, each with its own filter, queue and mode.
    node = room.test("Static/Double")
    await write(session, node, 0.0)
    subscriber = await Subscriber.create(session, enabled=False)
    made = await subscriber.add(
        item(node, 1, queue=10),
        item(node, 2, queue=10, filter=deadband(1, 2.0)),
        item(node, 3, queue=1),
        item(node, 4, mode=M.Disabled),
    )
    assert {name_of(result.StatusCode) for result in made} == {"Good"}
    for number in (1.0, 2.0, 3.0):
        await write(session, node, number)
    await subscriber.enable(True)
    of: dict[int, list[float]] = {}
    for handle, entry in await subscriber.collect(7):
        of.setdefault(handle, []).append(entry.Value.Value)
    assert of == {1: [0.0, 1.0, 2.0, 3.0], 2: [0.0, 3.0], 3: [3.0]}
    await subscriber.close()
