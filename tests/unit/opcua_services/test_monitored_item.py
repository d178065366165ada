"""Monitored items of values and other attributes (OPC 10000-4, 5.13, 7.21 and 7.22; OPC 10000-8, 6.2)."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.keys import wire_of
from server.opcua.nodes.node import OBJECT
from server.opcua.roles import MODE_NONE, ROLE_NAMES, SECRET
from server.opcua.services.subscription_limits import SubscriptionLimits
from tests.kit.monitoring import change, code, delete, good, modify, one, set_mode, subscribed
from tests.kit.service_space import result_of
from tests.kit.subscriptions import SubscriptionRig, changes, item, message

S = ua.StatusCodes
V = ua.VariantType
A = ua.AttributeIds
OVERFLOW = 0x480


@pytest.fixture
def rig() -> SubscriptionRig:
    return SubscriptionRig()


# -- service results (5.13.2.3)


def test_service_results(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1)

    def create(subscription_id: int, which: int, *rows: bytes) -> int:
        head = struct.pack("<IIi", subscription_id, which, len(rows))
        return result_of(client.answer(client.post_bytes("CreateMonitoredItems", head + b"".join(rows))))

    row = wire_of(node.key) + struct.pack("<IiHiIId3sI?", 13, -1, 0, -1, 2, 1, 0.0, b"\0\0\0", 1, True)
    assert create(number, 2) == S.BadNothingToDo
    assert create(number + 1, 2, row) == S.BadSubscriptionIdInvalid
    assert create(number, 4, row) == S.BadTimestampsToReturnInvalid
    assert create(number, 2, row[:-1]) == S.BadDecodingError
    assert create(number, 2, row, row[:20]) == S.BadDecodingError
    assert create(number, 2, row) == 0  # control
    huge = struct.pack("<IIi", number, 2, 0x7FFFFFFF) + row
    assert result_of(client.answer(client.post_bytes("CreateMonitoredItems", huge))) == S.BadDecodingError


def test_one_bad_item_does_not_spoil_its_neighbours(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 3.0)
    folder = rig.space.add((2, "folder"), "folder", OBJECT)
    wrong_mode = item(node.key)
    results = client.monitor(
        number,
        item((2, "nowhere")),
        item(folder.key),
        item(node.key, attribute=99),
        item(node.key, attribute=12),
        wrong_mode,
        item(node.key, attribute=14, filter=change()),
        item(node.key, index_range="3:1"),
        item(node.key, encoding=ua.QualifiedName("Default Binary")),
        item(node.key, attribute=14, encoding=ua.QualifiedName("Default Binary")),
        item(node.key, filter=change(1, 3, 1.0)),
        item(node.key, filter=ua.EventFilter()),
        item(node.key, filter=ua.AggregateFilter()),
    )
    assert [code(each) for each in results] == [
        S.BadNodeIdUnknown,
        S.BadAttributeIdInvalid,
        S.BadAttributeIdInvalid,
        S.BadAttributeIdInvalid,
        0,
        S.BadFilterNotAllowed,
        S.BadIndexRangeInvalid,
        S.BadDataEncodingInvalid,
        S.BadDataEncodingInvalid,
        S.BadDeadbandFilterInvalid,
        S.BadFilterNotAllowed,
        S.BadMonitoredItemFilterUnsupported,
    ]
    assert message(rig, client) == [(1, 3.0, 0)]


def test_an_unknown_mode_is_an_operation_result(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 3.0)
    row = wire_of(node.key) + struct.pack("<IiHiIId3sI?", 13, -1, 0, -1, 3, 1, 0.0, b"\0\0\0", 1, True)
    head = struct.pack("<IIi", number, 2, 1)
    answer = client.answer(client.post_bytes("CreateMonitoredItems", head + row))
    assert code(answer.Results[0]) == S.BadMonitoringModeInvalid
    body = struct.pack("<IIiI", number, 3, 1, 1)
    assert result_of(client.answer(client.post_bytes("SetMonitoringMode", body))) == S.BadMonitoringModeInvalid


def test_limits_of_items() -> None:
    rig = SubscriptionRig(SubscriptionLimits(items=3, items_per_subscription=2))
    client, number = subscribed(rig)
    other = client.subscribe().SubscriptionId
    node = rig.variable(1)
    assert [code(each) for each in client.monitor(number, *[item(node.key)] * 3)] == [
        0,
        0,
        S.BadTooManyMonitoredItems,
    ]
    assert [code(each) for each in client.monitor(other, *[item(node.key)] * 2)] == [0, S.BadTooManyMonitoredItems]
    assert delete(client, number, 1) == [0]
    assert code(one(client, other, item(node.key))) == 0


def test_limits_of_one_node_and_of_all_queues() -> None:
    """Whatever a client asks for, one change costs and all queues hold so much at most."""
    rig = SubscriptionRig(SubscriptionLimits(items_per_node=2, queue_slots=250, queue_slots_per_subscription=120))
    client, number = subscribed(rig)
    other = client.subscribe().SubscriptionId
    nodes = [rig.variable(n) for n in range(5)]
    results = client.monitor(number, *[item(nodes[0].key, queue=100)] * 3)
    assert [code(each) for each in results] == [0, 0, S.BadTooManyMonitoredItems]
    assert [each.RevisedQueueSize for each in results[:2]] == [100, 20]
    assert [one(client, other, item(node.key, queue=100)).RevisedQueueSize for node in nodes[1:]] == [100, 20, 1, 1]
    # a queue that is made smaller gives its room back, and so does a deleted item
    assert modify(client, number, 1, queue=10).RevisedQueueSize == 10
    assert modify(client, number, 2, queue=1000).RevisedQueueSize == 110
    assert delete(client, number, 1, 2) == [0, 0]
    assert rig.engine.subscriptions[number].queue_slots == 0
    assert one(client, number, item(nodes[0].key, queue=500)).RevisedQueueSize == 120


# -- rights


def test_rights_are_judged_at_creation_and_when_the_user_changes(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    secret = rig.variable(1, 5.0, permissions=SECRET)
    assert code(one(client, number, item(secret.key))) == S.BadUserAccessDenied
    session = client.session
    operator = session.audience
    session.audience = rig.space.rights.audience(ROLE_NAMES["admin"], operator.mode)
    good(one(client, number, item(secret.key, 7)))
    assert message(rig, client) == [(7, 5.0, 0)]
    # the session's user changes: no value goes out any more, the reason does
    session.audience = operator
    rig.put(secret, 6.0)
    assert [status for _h, _v, status in message(rig, client)] == [S.BadUserAccessDenied]
    rig.put(secret, 7.0)
    assert message(rig, client) == []
    session.audience = rig.space.rights.audience(ROLE_NAMES["admin"], operator.mode)
    assert message(rig, client) == [(7, 7.0, 0)]


def test_unreadable_and_insecure_values(rig: SubscriptionRig) -> None:
    unreadable = rig.variable(1, access=2)
    signed = rig.variable(2, restrictions=1)
    client = rig.client(mode=MODE_NONE)
    number = client.subscribe(100).SubscriptionId
    results = client.monitor(number, item(unreadable.key), item(signed.key))
    assert [code(each) for each in results] == [S.BadNotReadable, S.BadSecurityModeInsufficient]


def test_a_removed_node_reports_that_it_is_unknown(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 1.0)
    client.monitor(number, item(node.key, 3), item(node.key, 4, attribute=4))
    assert len(message(rig, client)) == 2
    rig.store.remove([node.key])
    rig.engine.node_removed([node.key])
    got = message(rig, client)
    assert [(handle, status) for handle, _v, status in got] == [(3, S.BadNodeIdUnknown), (4, S.BadNodeIdUnknown)]
    rig.put(node, 2.0)
    assert message(rig, client) == []


# -- sampling (7.21)


@pytest.mark.parametrize(
    ("asked", "revised"),
    [
        (-1.0, 100.0),
        (-5.0, 100.0),
        (math.nan, 100.0),
        (0.0, 0.0),
        (1.0, 0.0),
        (50.0, 0.0),
        (60.0, 60.0),
        (100.0, 100.0),
        (250.0, 250.0),
        (333.0, 340.0),
        (1234.0, 1300.0),
        (1e9, 3_600_000.0),
    ],
)
def test_sampling_intervals_are_revised(rig: SubscriptionRig, asked: float, revised: float) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1)
    assert one(client, number, item(node.key, sampling=asked)).RevisedSamplingInterval == revised


def test_the_nodes_minimum_sampling_interval_holds(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, min_sampling=500.0)
    assert one(client, number, item(node.key, sampling=0.0)).RevisedSamplingInterval == 500.0


def test_no_more_values_than_the_sampling_interval_allows(rig: SubscriptionRig) -> None:
    """Sampled at 300 ms while the value changes every 50 ms; the last value is never lost."""
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    client.monitor(number, item(node.key, sampling=300.0, queue=100))
    requests = [client.publish() for _ in range(20)]
    for value in range(1, 19):
        rig.put(node, float(value))
        rig.run(50)
    rig.run(300)
    got = [value for each in requests if (found := client.published(each)) for _h, value, _s in changes(found)]
    assert got == [0.0, 6.0, 12.0, 18.0]


def test_exception_based_items_see_every_change(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    client.monitor(number, item(node.key, sampling=0.0, queue=100))
    for value in range(1, 6):
        rig.put(node, float(value))
    assert [value for _h, value, _s in message(rig, client)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_live_points_are_polled(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    point = rig.point(node)
    values = iter(range(1, 1000))
    point.live = lambda: point.put_scalar(11, float(next(values)), 0, 1, 1)
    assert one(client, number, item(node.key, sampling=0.0)).RevisedSamplingInterval == 50.0
    got = message(rig, client, 200)
    assert len(got) >= 2
    assert [value for _h, value, _s in got] == sorted(value for _h, value, _s in got)


def test_other_attributes_are_polled(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    good(one(client, number, item(node.key, attribute=int(A.DisplayName), sampling=-1.0)))
    assert message(rig, client) == [(1, ua.LocalizedText("V1"), 0)]
    node.display = ua.LocalizedText("renamed", "en")
    assert message(rig, client) == [(1, ua.LocalizedText("renamed", "en"), 0)]
    assert message(rig, client) == []


def test_index_ranges_report_no_data_until_there_is(rig: SubscriptionRig) -> None:
    """5.13.2.4: valid syntax without data makes an item that reports BadIndexRangeNoData."""
    client, number = subscribed(rig)
    node = rig.variable(1, None, V.Null, data_type=11, rank=1)
    rig.space.store.reshape(node, data_type=11)
    set_array(rig, node, [1.0, 2.0])
    good(one(client, number, item(node.key, index_range="2:3", sampling=-1.0)))
    assert message(rig, client) == [(1, None, S.BadIndexRangeNoData)]
    set_array(rig, node, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert message(rig, client) == [(1, [3.0, 4.0], 0)]
    set_array(rig, node, [9.0, 2.0, 3.0, 4.0, 5.0])
    assert message(rig, client) == []


def set_array(rig: SubscriptionRig, node: Any, values: list[float]) -> None:
    body = b"\x8b" + struct.pack(f"<i{len(values)}d", len(values), *values)
    rig.point(node).put(1, body, rig.now(), rig.now())


@pytest.mark.parametrize(("which", "source", "server"), [(0, 1, 0), (1, 0, 1), (2, 1, 1), (3, 0, 0)])
def test_timestamps_to_return(rig: SubscriptionRig, which: int, source: int, server: int) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 1.0)
    one(client, number, item(node.key), which=which)
    request = client.publish()
    rig.run(100)
    (each,) = client.published(request).NotificationMessage.NotificationData[0].MonitoredItems
    assert (each.Value.SourceTimestamp is not None, each.Value.ServerTimestamp is not None) == (source, server)


# -- queues (7.21, 5.13.1.5)


@pytest.mark.parametrize(("asked", "revised"), [(0, 1), (1, 1), (5, 5), (10**6, 1_000)])
def test_queue_sizes_are_revised(rig: SubscriptionRig, asked: int, revised: int) -> None:
    client, number = subscribed(rig)
    assert one(client, number, item(rig.variable(1).key, queue=asked)).RevisedQueueSize == revised


@pytest.mark.parametrize(
    ("oldest", "expected"),
    [
        (True, [(3.0, OVERFLOW), (4.0, 0), (5.0, 0)]),
        (False, [(0.0, 0), (1.0, 0), (5.0, OVERFLOW)]),
    ],
)
def test_full_queues(rig: SubscriptionRig, oldest: bool, expected: list[tuple[float, int]]) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    client.monitor(number, item(node.key, queue=3, oldest=oldest))
    for value in range(1, 6):
        rig.put(node, float(value))
    assert [(value, status) for _h, value, status in message(rig, client)] == expected
    assert rig.engine.subscriptions[number].monitoring_queue_overflow_count == 3


def test_a_queue_of_one_has_no_overflow_bit(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    client.monitor(number, item(node.key, queue=1))
    rig.put(node, 1.0)
    rig.put(node, 2.0)
    assert message(rig, client) == [(1, 2.0, 0)]


# -- modes (5.13.1.3), modify, delete


def test_monitoring_modes(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    item_id = good(one(client, number, item(node.key, mode=0)))
    subscription = rig.engine.subscriptions[number]
    assert subscription.disabled_item_count == 1
    rig.put(node, 1.0)
    assert message(rig, client) == []
    # Sampling: queued, not sent
    assert set_mode(client, number, 1, item_id) == [0]
    rig.put(node, 2.0)
    assert message(rig, client) == []
    # Reporting: what is queued goes out
    assert set_mode(client, number, 2, item_id, 99) == [0, S.BadMonitoredItemIdInvalid]
    assert [value for _h, value, _s in message(rig, client)] == [1.0, 2.0]
    # Disabled: nothing is sampled or kept; Reporting again begins with a first value
    rig.put(node, 3.0)
    set_mode(client, number, 0, item_id)
    rig.put(node, 4.0)
    assert message(rig, client) == []
    assert subscription.disabled_item_count == 1
    set_mode(client, number, 2, item_id)
    assert message(rig, client) == [(1, 4.0, 0)]
    assert subscription.disabled_item_count == 0


def test_modify_takes_effect_at_once(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    item_id = good(one(client, number, item(node.key, 1)))
    result = modify(client, number, item_id, handle=5, sampling=250.0, queue=2, filter=change(1, 1, 10.0))
    assert (result.RevisedSamplingInterval, result.RevisedQueueSize) == (250.0, 2)
    assert message(rig, client) == [(5, 0.0, 0)]  # with the new handle
    rig.put(node, 5.0)
    assert message(rig, client, 500) == []
    assert code(modify(client, number, 99)) == S.BadMonitoredItemIdInvalid
    assert code(modify(client, number, item_id, filter=change(1, 2, 5.0))) == S.BadMonitoredItemFilterUnsupported
    # a refused change leaves the item as it was
    rig.put(node, 11.0)
    rig.put(node, 12.0)
    assert [handle for handle, _v, _s in message(rig, client, 300)] == [5]
    modify(client, number, item_id, handle=6, sampling=0.0, queue=10)
    rig.put(node, 13.0)
    rig.put(node, 14.0)
    assert message(rig, client) == [(6, 13.0, 0), (6, 14.0, 0)]


def test_deleted_items_say_nothing(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    first, second = (good(each) for each in client.monitor(number, item(node.key, 1), item(node.key, 2)))
    assert delete(client, number, first, first) == [0, S.BadMonitoredItemIdInvalid]
    assert message(rig, client) == [(2, 0.0, 0)]
    assert delete(client, number, second) == [0]
    assert rig.point(node).items is None


def test_what_has_to_be_polled_is_sampled_the_slower_the_more_of_it_there_is(rig: SubscriptionRig) -> None:
    """OPC 10000-4, 7.21: the server revises the interval to what it can do; values it hears of cost nothing."""
    client = rig.client()
    node = rig.variable(1)
    number = client.subscribe(100).SubscriptionId
    names = client.monitor(number, *[item(node.key, 1, attribute=int(A.DisplayName), sampling=50.0)] * 400)
    assert names[0].RevisedSamplingInterval == names[50].RevisedSamplingInterval == 50.0
    assert names[399].RevisedSamplingInterval == 400.0
    assert good(one(client, number, item(node.key, sampling=50.0)))
    assert one(client, number, item(node.key, sampling=50.0)).RevisedSamplingInterval <= 50.0
    for result in names:
        rig.engine.monitoring.drop(rig.engine.subscriptions[number], result.MonitoredItemId)
    again = one(client, number, item(node.key, 1, attribute=int(A.DisplayName), sampling=50.0))
    assert again.RevisedSamplingInterval == 50.0


def test_what_is_late_for_one_user_is_not_sent_to_the_next_of_the_session(rig: SubscriptionRig) -> None:
    """A Publish may come between ActivateSession and the next publishing cycle."""
    client = rig.client(role="admin")
    node = rig.variable(1, 1.0, permissions=SECRET)
    number = client.subscribe(100).SubscriptionId
    good(one(client, number, item(node.key)))
    rig.run(300)
    assert rig.engine.subscriptions[number].late
    client.session.audience = rig.space.rights.audience(ROLE_NAMES["anonymous"], client.session.mode)
    rig.engine.identity_changed(client.session)
    assert changes(client.published(client.publish())) == [(1, None, S.BadUserAccessDenied)]
