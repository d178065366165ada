"""Subscriptions by the state table of OPC 10000-4, 5.14.1.2, and their revised settings (5.14.2, 5.14.3)."""

from __future__ import annotations

import math

import pytest
from asyncua import ua

from server.opcua.services.subscription_limits import SubscriptionLimits
from tests.kit.service_space import result_of
from tests.kit.subscriptions import Client, SubscriptionRig, changes, item, statuses

S = ua.StatusCodes


@pytest.fixture
def rig() -> SubscriptionRig:
    return SubscriptionRig()


def modify(client: Client, subscription_id: int, interval: float = 100.0, **more: int) -> ua.ModifySubscriptionResponse:
    request = ua.ModifySubscriptionRequest()
    request.Parameters = ua.ModifySubscriptionParameters(
        subscription_id, interval, more.get("lifetime", 100), more.get("keep_alive", 10), 0, more.get("priority", 0)
    )
    return client.ask(request)


def publishing(client: Client, enabled: bool, *subscription_ids: int) -> list[int]:
    request = ua.SetPublishingModeRequest()
    request.Parameters = ua.SetPublishingModeParameters(enabled, list(subscription_ids))
    answer = client.ask(request)
    answer.ResponseHeader.ServiceResult.check()
    return [code.value for code in answer.Parameters.Results]


def delete(client: Client, *subscription_ids: int) -> list[int]:
    request = ua.DeleteSubscriptionsRequest()
    request.Parameters.SubscriptionIds = list(subscription_ids)
    answer = client.ask(request)
    answer.ResponseHeader.ServiceResult.check()
    return [code.value for code in answer.Results]


# -- revised settings (5.14.2.2)


@pytest.mark.parametrize(
    ("asked", "revised"),
    [(0.0, 50.0), (-1.0, 50.0), (math.nan, 50.0), (49.9, 50.0), (50.0, 50.0), (333.3, 333.3), (1e300, 3_600_000.0)],
)
def test_the_publishing_interval_is_revised(rig: SubscriptionRig, asked: float, revised: float) -> None:
    client = rig.client()
    made = client.subscribe(asked)
    assert made.RevisedPublishingInterval == revised
    assert modify(client, made.SubscriptionId, asked).Parameters.RevisedPublishingInterval == revised


@pytest.mark.parametrize(
    ("keep_alive", "lifetime", "expected"),
    [(0, 0, (10, 30)), (1, 0, (1, 3)), (5, 14, (5, 15)), (5, 16, (5, 16)), (2**32 - 1, 0, (288_000, 864_000))],
)
def test_a_subscription_lives_at_least_three_keep_alives(
    rig: SubscriptionRig, keep_alive: int, lifetime: int, expected: tuple[int, int]
) -> None:
    client = rig.client()
    made = client.subscribe(100, keep_alive=keep_alive, lifetime=lifetime)
    assert (made.RevisedMaxKeepAliveCount, made.RevisedLifetimeCount) == expected
    again = modify(client, made.SubscriptionId, keep_alive=keep_alive, lifetime=lifetime).Parameters
    assert (again.RevisedMaxKeepAliveCount, again.RevisedLifetimeCount) == expected


def test_too_many_subscriptions() -> None:
    rig = SubscriptionRig(SubscriptionLimits(subscriptions=3, subscriptions_per_session=2))
    first, second = rig.client(), rig.client()
    first.subscribe()
    first.subscribe()
    assert result_of(first.ask(ua.CreateSubscriptionRequest())) == S.BadTooManySubscriptions
    second.subscribe()
    assert result_of(second.ask(ua.CreateSubscriptionRequest())) == S.BadTooManySubscriptions
    # control: a deleted one makes room
    assert delete(first, *first.session.subscriptions) == [0, 0]
    second.subscribe()


def test_foreign_and_unknown_subscriptions(rig: SubscriptionRig) -> None:
    mine, other = rig.client(), rig.client()
    number = mine.subscribe().SubscriptionId
    assert result_of(modify(other, number)) == S.BadSubscriptionIdInvalid
    assert publishing(other, True, number) == [S.BadSubscriptionIdInvalid]
    assert delete(other, number) == [S.BadSubscriptionIdInvalid]
    assert publishing(mine, True, number, 0) == [0, S.BadSubscriptionIdInvalid]
    assert result_of(mine.ask(ua.DeleteSubscriptionsRequest())) == S.BadNothingToDo
    assert result_of(mine.ask(ua.SetPublishingModeRequest())) == S.BadNothingToDo


# -- the publishing cycle (5.14.1.2)


def test_the_first_message_comes_at_the_end_of_the_first_interval(rig: SubscriptionRig) -> None:
    """Row 6: nothing was sent yet, so it is a keep-alive. It carries number 1 and does not use it up (5.14.1.1)."""
    client = rig.client()
    client.subscribe(100)
    first = client.publish()
    rig.run(90)
    assert client.published(first) is None
    rig.run(10)
    message = client.published(first).NotificationMessage
    assert message.SequenceNumber == 1
    assert not message.NotificationData


def test_keep_alives_come_after_so_many_quiet_intervals(rig: SubscriptionRig) -> None:
    """Rows 8, 14 and 15."""
    client = rig.client()
    client.subscribe(100, keep_alive=3)
    client.publish()
    rig.run(100)
    waiting = [client.publish() for _ in range(2)]
    rig.run(290)
    assert client.published(waiting[0]) is None
    rig.run(10)
    assert client.published(waiting[0]).NotificationMessage.SequenceNumber == 1
    rig.run(290)
    assert client.published(waiting[1]) is None
    rig.run(10)
    assert client.published(waiting[1]) is not None


def test_notifications_go_out_with_the_cycle_and_use_their_number_up(rig: SubscriptionRig) -> None:
    """Rows 5 and 13: from NORMAL and from KEEPALIVE."""
    node = rig.variable(1, 1.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(node.key, 7))
    numbers = []
    for value in (1.0, 2.0, 3.0):
        rig.put(node, value)
        request = client.publish()
        rig.run(300)
        message = client.published(request)
        assert changes(message) == [(7, value, 0)]
        numbers.append(message.NotificationMessage.SequenceNumber)
    assert numbers == [1, 2, 3]


def test_a_late_subscription_answers_the_next_publish_at_once(rig: SubscriptionRig) -> None:
    """Rows 7, 10 and 11: LATE until a Publish request comes, then back to NORMAL."""
    node = rig.variable(1, 1.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(node.key))
    rig.run(250)
    subscription = rig.engine.subscriptions[number]
    assert subscription.late
    assert subscription.late_publish_request_count == 1
    assert changes(client.published(client.publish())) == [(1, 1.0, 0)]
    assert not subscription.late


def test_a_late_keep_alive_is_answered_at_once_too(rig: SubscriptionRig) -> None:
    """Rows 11 and 17: LATE without notifications gives a keep-alive."""
    client = rig.client()
    client.subscribe(100)
    rig.run(150)
    message = client.published(client.publish()).NotificationMessage
    assert (message.SequenceNumber, message.NotificationData or []) == (1, [])


def test_disabled_publishing_keeps_alive_and_keeps_the_queues(rig: SubscriptionRig) -> None:
    """Publishing disabled: keep-alives only; what was queued goes out after enabling (5.14.4)."""
    node = rig.variable(1, 1.0)
    client = rig.client()
    number = client.subscribe(100, keep_alive=1, enabled=False).SubscriptionId
    client.monitor(number, item(node.key))
    requests = [client.publish() for _ in range(3)]
    rig.run(200)
    assert [changes(client.published(each)) for each in requests[:2]] == [[], []]
    rig.put(node, 2.0)
    assert publishing(client, True, number) == [0]
    rig.run(100)
    assert [value for _handle, value, _code in changes(client.published(requests[2]))] == [1.0, 2.0]
    subscription = rig.engine.subscriptions[number]
    assert (subscription.enable_count, subscription.disable_count) == (1, 0)


def test_more_notifications_take_further_requests_at_once(rig: SubscriptionRig) -> None:
    """Rows 5 and 12: maxNotificationsPerPublish is obeyed, the rest follows without waiting for the next cycle."""
    nodes = [rig.variable(number, float(number)) for number in range(5)]
    client = rig.client()
    number = client.subscribe(100, most=2).SubscriptionId
    client.monitor(number, *(item(node.key, handle) for handle, node in enumerate(nodes)))
    requests = [client.publish(), client.publish()]
    rig.run(100)
    results = [client.published(each) for each in requests]
    last = client.published(client.publish())
    assert [len(changes(each)) for each in (*results, last)] == [2, 2, 1]
    assert [each.MoreNotifications for each in (*results, last)] == [True, True, False]
    assert [each.NotificationMessage.SequenceNumber for each in (*results, last)] == [1, 2, 3]
    assert [handle for each in (*results, last) for handle, _value, _code in changes(each)] == [0, 1, 2, 3, 4]


def test_a_queue_is_cut_in_the_middle_without_loss(rig: SubscriptionRig) -> None:
    node = rig.variable(1, 0.0)
    client = rig.client()
    number = client.subscribe(100, most=3).SubscriptionId
    client.monitor(number, item(node.key, queue=100))
    for value in range(1, 8):
        rig.put(node, float(value))
    requests = [client.publish() for _ in range(4)]
    rig.run(100)
    got = [value for each in requests[:3] for _handle, value, _code in changes(client.published(each))]
    assert got == [float(value) for value in range(8)]
    assert client.published(requests[3]) is None


def test_the_higher_priority_gets_the_next_request(rig: SubscriptionRig) -> None:
    """5.14.1.1: of several late subscriptions the highest priority, then the one that waits longest."""
    client = rig.client()
    low = client.subscribe(100, priority=1).SubscriptionId
    high = client.subscribe(100, priority=200).SubscriptionId
    again = client.subscribe(100, priority=1).SubscriptionId
    rig.run(150)
    order = [client.published(client.publish()).SubscriptionId for _ in range(3)]
    assert order == [high, low, again]


def test_priority_decides_within_one_moment(rig: SubscriptionRig) -> None:
    client = rig.client()
    client.subscribe(100, priority=1)
    high = client.subscribe(100, priority=200).SubscriptionId
    request = client.publish()
    rig.run(200, step_ms=200)
    assert client.published(request).SubscriptionId == high


def test_without_publish_the_lifetime_ends(rig: SubscriptionRig) -> None:
    """Row 27: deleted after lifetime count intervals; the session is told BadTimeout when it can be."""
    node = rig.variable(1)
    client = rig.client()
    number = client.subscribe(100, keep_alive=1, lifetime=3).SubscriptionId
    client.monitor(number, item(node.key))
    rig.run(290)
    assert number in rig.engine.subscriptions
    rig.run(20)
    assert number not in rig.engine.subscriptions
    assert rig.point(node).items is None
    assert rig.engine.monitoring.count == 0
    told = client.published(client.publish())
    assert (told.SubscriptionId, statuses(told)) == (number, [S.BadTimeout])
    assert result_of(client.answer(client.publish())) == S.BadNoSubscription


@pytest.mark.parametrize("service", ["publish", "modify", "mode", "items"])
def test_services_begin_the_lifetime_again(rig: SubscriptionRig, service: str) -> None:
    """5.14.1.1: any service that names the subscription resets its lifetime counter."""
    node = rig.variable(1)
    client = rig.client()
    number = client.subscribe(100, keep_alive=1, lifetime=3).SubscriptionId
    rig.run(250)
    if service == "publish":
        client.publish()
    elif service == "modify":
        modify(client, number, keep_alive=1, lifetime=3)
    elif service == "mode":
        publishing(client, True, number)
    else:
        client.monitor(number, item(node.key))
    rig.run(200)
    assert number in rig.engine.subscriptions
    rig.run(200)
    assert number not in rig.engine.subscriptions


def test_sequence_numbers_wrap_to_one(rig: SubscriptionRig) -> None:
    """7.9: behind the last UInt32 comes 1, never 0."""
    node = rig.variable(1, 1.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(node.key))
    rig.engine.subscriptions[number].next_sequence = 2**32 - 1
    numbers = []
    for value in (1.0, 2.0):
        rig.put(node, value)
        request = client.publish()
        rig.run(100)
        numbers.append(client.published(request).NotificationMessage.SequenceNumber)
    assert numbers == [2**32 - 1, 1]


def test_modify_takes_effect_and_keeps_sampling_intervals(rig: SubscriptionRig) -> None:
    """7.21: a sampling interval does not follow the publishing interval."""
    node = rig.variable(1, 1.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    (made,) = client.monitor(number, item(node.key, sampling=-1.0))
    assert made.RevisedSamplingInterval == 100.0
    client.publish()
    rig.run(100)
    modify(client, number, 400.0)
    request = client.publish()
    for value in (2.0, 3.0, 4.0, 5.0):
        rig.put(node, value)
        rig.run(100)
    assert [value for _handle, value, _code in changes(client.published(request))] == [2.0, 3.0, 4.0, 5.0]
    assert rig.engine.subscriptions[number].modify_count == 1
    assert len(rig.engine.groups) == 1


def test_timers_of_one_interval_take_turns(rig: SubscriptionRig) -> None:
    client = rig.client()
    numbers = [client.subscribe(100).SubscriptionId for _ in range(5)]
    due = [timer.due for number in numbers if (timer := rig.engine.subscriptions[number].timer) is not None]
    assert len({round(moment * 1000) for moment in due}) == 5
    assert max(due) - min(due) < 0.02


def test_the_end_leaves_nothing(rig: SubscriptionRig) -> None:
    nodes = [rig.variable(number) for number in range(10)]
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, *(item(node.key, sampling=sampling) for node in nodes for sampling in (0.0, 70.0, -1.0)))
    assert len(rig.scheduler) == 2  # the cycle, and the shared group of 70 ms
    assert delete(client, number) == [0]
    assert len(rig.scheduler) == 0
    assert all(rig.point(node).items is None for node in nodes)
    assert rig.engine.monitoring.count == 0
