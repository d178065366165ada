"""Subscription service set (OPC 10000-4, 5.14): publishing, keep-alives, lifetimes, priorities, methods of Server."""

from __future__ import annotations

import asyncio

import pytest
from asyncua import ua

from tests.kit.asking import (
    I,
    Subscriber,
    ask,
    contents,
    data_changes,
    fault,
    get,
    invoke,
    item,
    name_of,
    names,
    status_changes,
    value,
    write,
)
from tests.kit.facets import Room
from tests.kit.raw import RawSession, ServiceFaultError

pytestmark = pytest.mark.asyncio(loop_scope="module")
SERVER = ua.NodeId(I.Server)


def _number(number: int) -> ua.Variant:
    return ua.Variant(number, ua.VariantType.UInt32)


@pytest.mark.parametrize(
    ("interval", "keep_alive", "lifetime"),
    [(0.0, 0, 0), (-1.0, 1, 1), (1e12, 10, 5), (100.0, 2**32 - 1, 2**32 - 1), (float("nan"), 7, 10), (200.0, 4, 50)],
)
async def test_settings_are_revised_on_create_and_on_modify(
    session: RawSession, interval: float, keep_alive: int, lifetime: int
) -> None:
    # 5.14.2.2: interval above 0, keep-alive at least 1, lifetime at least three times keep-alive; also 5.14.3.
    subscriber = await Subscriber.create(session, interval=interval, keep_alive=keep_alive, lifetime=lifetime)
    modified = await get(
        session,
        "ModifySubscription",
        SubscriptionId=subscriber.id,
        RequestedPublishingInterval=interval,
        RequestedLifetimeCount=lifetime,
        RequestedMaxKeepAliveCount=keep_alive,
    )
    for revised in (subscriber.created, modified):
        assert revised.RevisedPublishingInterval >= 50
        assert revised.RevisedMaxKeepAliveCount >= 1
        assert revised.RevisedLifetimeCount >= 3 * revised.RevisedMaxKeepAliveCount
    if interval == 200.0:
        assert (modified.RevisedPublishingInterval, modified.RevisedMaxKeepAliveCount) == (200.0, 4)
        assert modified.RevisedLifetimeCount == 50
    await subscriber.close()


async def test_the_first_message_comes_after_one_interval_and_keep_alives_use_no_number(
    room: Room, session: RawSession
) -> None:
    # 5.14.1.1: an empty subscription sends a keep-alive at the end of its first interval, not after the count;
    # keep-alives carry the number of the next message, which is 1 at first.
    subscriber = await Subscriber.create(session, keep_alive=1_000_000)
    first = (await subscriber.publish()).NotificationMessage
    assert (first.SequenceNumber, first.NotificationData or []) == (1, [])
    node = room.test("Static/Double")
    await subscriber.add(item(node))
    assert (await subscriber.message()).SequenceNumber == 1
    for number in (2, 3):
        await write(session, node, 100.0 + number)
        assert (await subscriber.message()).SequenceNumber == number
    await subscriber.close()


async def test_keep_alives_come_when_there_is_nothing_to_say(session: RawSession) -> None:
    # 5.14.1.2: after MaxKeepAliveCount intervals without notifications.
    subscriber = await Subscriber.create(session, keep_alive=2)
    for _ in range(3):
        result = await subscriber.publish()
        assert not result.NotificationMessage.NotificationData and not result.AvailableSequenceNumbers
        assert result.NotificationMessage.SequenceNumber == 1
    await subscriber.close()


async def test_a_message_holds_at_most_what_was_asked_and_says_that_more_is_there(
    room: Room, session: RawSession
) -> None:
    # 5.14.2.2 and 5.14.5.2: maxNotificationsPerPublish and moreNotifications; the rest comes at once, nothing is lost.
    subscriber = await Subscriber.create(session, most=3)
    nodes = [room.test("Static/Double"), room.test("ReadOnly")]
    await subscriber.add(*[item(nodes[number % 2], number) for number in range(8)])
    sizes, handles, more = [], [], []
    while len(handles) < 8:
        result = await subscriber.publish()
        changes = data_changes(result.NotificationMessage)
        if changes:
            sizes.append(len(changes))
            more.append(result.MoreNotifications)
            handles += [handle for handle, _ in changes]
    assert sizes == [3, 3, 2]
    assert more == [True, True, False]
    assert sorted(handles) == list(range(8))
    await subscriber.close()


async def test_without_a_subscription_publish_is_answered_at_once(session: RawSession) -> None:
    # 5.14.5.3: BadNoSubscription; also for the requests that wait when the last subscription goes.
    assert await fault(session, "Publish") == "BadNoSubscription"
    subscriber = await Subscriber.create(session, interval=60_000.0)
    waiting = [await session.post(ask("Publish")) for _ in range(2)]
    await subscriber.close()
    for request_id in waiting:
        with pytest.raises(ServiceFaultError) as caught:
            await session.answer(request_id)
        assert name_of(caught.value.code) == "BadNoSubscription"


async def test_too_many_publish_requests_lose_the_oldest(session: RawSession) -> None:
    # 5.14.5.1: at least five are held; the oldest is answered BadTooManyPublishRequests when the queue is full.
    subscriber = await Subscriber.create(session, interval=3_600_000.0)
    sent = [await session.post(ask("Publish")) for _ in range(101)]
    with pytest.raises(ServiceFaultError) as caught:
        await session.answer(sent[0])
    assert name_of(caught.value.code) == "BadTooManyPublishRequests"
    await subscriber.close()
    for request_id in sent[1:]:
        with pytest.raises(ServiceFaultError) as caught:
            await session.answer(request_id)
        assert name_of(caught.value.code) == "BadNoSubscription"


async def test_disabled_publishing_sends_keep_alives_and_keeps_what_happens(room: Room, session: RawSession) -> None:
    # 5.14.4: queues fill meanwhile and are sent after enabling.
    subscriber = await Subscriber.create(session, enabled=False)
    node = room.test("Static/Double")
    await write(session, node, 0.0)
    await subscriber.add(item(node, queue=10))
    await subscriber.quiet()
    for number in (1.0, 2.0):
        await write(session, node, number)
    await subscriber.quiet()
    await subscriber.enable(True)
    assert contents(await subscriber.collect(3)) == [0.0, 1.0, 2.0]
    await subscriber.close()


async def test_publishing_mode_of_an_unknown_subscription_is_an_operation_result(session: RawSession) -> None:
    subscriber = await Subscriber.create(session)
    answer = await get(
        session, "SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[subscriber.id, 4_000_000, subscriber.id]
    )
    assert names(answer.Results) == ["Good", "BadSubscriptionIdInvalid", "Good"]
    answer = await get(session, "DeleteSubscriptions", SubscriptionIds=[4_000_000, subscriber.id, subscriber.id])
    assert names(answer.Results) == ["BadSubscriptionIdInvalid", "Good", "BadSubscriptionIdInvalid"]


async def test_a_subscription_that_nobody_publishes_ends_and_says_so(room: Room, session: RawSession) -> None:
    # 5.14.1.2: after LifetimeCount intervals without Publish; StatusChangeNotification BadTimeout when it can be sent.
    short = await Subscriber.create(session, lifetime=3, keep_alive=1)
    answer = await session.answer(await session.post(ask("Publish")))  # alive while it is asked
    assert answer.Parameters.SubscriptionId == short.id
    other = await Subscriber.create(session, interval=400.0, keep_alive=1)
    first = (await get(session, "Publish")).SubscriptionId
    while first == short.id:
        first = (await get(session, "Publish")).SubscriptionId
    # Nobody publishes now. What a stranger asks does not keep the subscription alive.
    asked = SERVER, ua.NodeId(I.Server_GetMonitoredItems), _number(short.id)
    async with await room.channel() as channel, asyncio.timeout(10):
        stranger = await room.session(channel)
        while name_of((await invoke(stranger, *asked)).StatusCode) != "BadSubscriptionIdInvalid":
            pass
        await stranger.close()
    said: list[str] = []
    for _ in range(3):
        result = await get(session, "Publish")
        said += status_changes(result.NotificationMessage) if result.SubscriptionId == short.id else []
        if said:
            break
    assert said == ["BadTimeout"]
    await other.close()


async def test_items_are_listed_with_their_handles(room: Room, session: RawSession) -> None:
    # OPC 10000-5, 9.1: GetMonitoredItems gives server and client handles; unknown subscription.
    subscriber = await Subscriber.create(session)
    made = await subscriber.add(item(room.test("ReadOnly"), 11), item(room.test("Static/Int32"), 12))
    result = await invoke(session, SERVER, ua.NodeId(I.Server_GetMonitoredItems), _number(subscriber.id))
    server_handles, client_handles = (list(output.Value) for output in result.OutputArguments)
    assert dict(zip(server_handles, client_handles, strict=True)) == {
        made[0].MonitoredItemId: 11,
        made[1].MonitoredItemId: 12,
    }
    result = await invoke(session, SERVER, ua.NodeId(I.Server_GetMonitoredItems), _number(4_000_000))
    assert name_of(result.StatusCode) == "BadSubscriptionIdInvalid"
    await subscriber.close()


async def test_data_is_sent_again_on_request(room: Room, session: RawSession) -> None:
    # OPC 10000-5, 9.2: ResendData reports every reporting item's value once more; strangers may not ask.
    subscriber = await Subscriber.create(session)
    await subscriber.watch(room.test("ReadOnly"))
    await subscriber.quiet()
    method = ua.NodeId(I.Server_ResendData)
    assert name_of((await invoke(session, SERVER, method, _number(subscriber.id))).StatusCode) == "Good"
    assert contents(await subscriber.collect(1)) == [42.0]
    await subscriber.quiet()
    async with await room.channel() as channel:
        other = await room.session(channel)
        denied = await invoke(other, SERVER, method, _number(subscriber.id))
        assert name_of(denied.StatusCode) == "BadUserAccessDenied"
        await other.close()
    await subscriber.close()


async def test_five_subscriptions_of_a_session_publish_in_order_of_priority(room: Room, session: RawSession) -> None:
    # 5.14.2.2: at least five; with few Publish requests the higher priority goes first.
    subscribers = [await Subscriber.create(session, priority=number * 10, interval=200.0) for number in range(5)]
    for subscriber in subscribers:
        await subscriber.add(item(room.test("ReadOnly")))
    found: list[int] = []
    while len(found) < 5:
        result = (await session.call(ask("Publish"))).Parameters
        if data_changes(result.NotificationMessage):
            found.append(result.SubscriptionId)
    assert sorted(found) == sorted(subscriber.id for subscriber in subscribers)
    for subscriber in subscribers:
        await subscriber.close()


async def test_five_hundred_items_of_a_subscription_report_their_first_value(room: Room, session: RawSession) -> None:
    # OPC 10000-7, Standard DataChange Subscription: 500 items.
    subscriber = await Subscriber.create(session)
    nodes = [room.test("ReadOnly"), room.test("Static/Double")]
    made = await subscriber.add(*[item(nodes[number % 2], number, queue=2) for number in range(500)])
    assert {name_of(result.StatusCode) for result in made} == {"Good"}
    assert len({result.MonitoredItemId for result in made}) == 500
    assert {handle for handle, _ in await subscriber.collect(500)} == set(range(500))
    await subscriber.close()


async def test_a_durable_subscription_is_granted_before_it_has_items(room: Room, session: RawSession) -> None:
    # OPC 10000-5, 9.3 and OPC 10000-4, 6.8: revised lifetime in hours; not for one that has items already.
    method = ua.NodeId(I.Server_SetSubscriptionDurable)
    subscriber = await Subscriber.create(session)
    result = await invoke(session, SERVER, method, _number(subscriber.id), _number(2))
    assert name_of(result.StatusCode) == "Good"
    assert result.OutputArguments[0].Value == 2
    await subscriber.close()
    late = await Subscriber.create(session)
    await late.watch(room.test("ReadOnly"))
    result = await invoke(session, SERVER, method, _number(late.id), _number(2))
    assert name_of(result.StatusCode) == "BadInvalidState"
    result = await invoke(session, SERVER, method, _number(4_000_000), _number(2))
    assert name_of(result.StatusCode) == "BadSubscriptionIdInvalid"
    await late.close()


async def test_a_late_subscription_answers_the_next_publish_at_once(room: Room, session: RawSession) -> None:
    # 5.14.1.2, state LATE: the message does not wait for another interval.
    node = room.test("Static/Double")
    await write(session, node, 1.0)
    subscriber = await Subscriber.create(session, interval=1_000.0, keep_alive=1)
    await subscriber.add(item(node, queue=10))
    other = await Subscriber.create(session, interval=1_500.0)
    while (await get(session, "Publish")).SubscriptionId != other.id:
        pass  # both have published now; the first one's next intervals pass without a Publish
    await write(session, node, 2.0)
    clock = asyncio.get_running_loop().time
    await get(session, "ModifySubscription", SubscriptionId=other.id, RequestedPublishingInterval=3_600_000.0,
              RequestedLifetimeCount=10, RequestedMaxKeepAliveCount=1)  # fmt: skip
    engine = room.rig.server._made.engine
    async with asyncio.timeout(10):
        while not engine.subscriptions[subscriber.id].late:
            await value(session, I.Server_ServiceLevel)
    started = clock()
    result = await get(session, "Publish")
    assert clock() - started < 0.9  # an interval is 1 s
    assert contents(data_changes(result.NotificationMessage)) == [2.0]
    await subscriber.close()
    await other.close()


async def test_messages_are_no_more_frequent_than_the_interval(room: Room, session: RawSession) -> None:
    # 5.14.1.1: what changes within one publishing interval comes in one message, in order.
    node = room.test("Static/Double")
    await write(session, node, 0.0)
    subscriber = await Subscriber.create(session, interval=400.0)
    await subscriber.add(item(node, queue=100))
    await subscriber.message()
    for number in range(1, 21):
        await write(session, node, float(number))
    messages = []
    found: list[float] = []
    while len(found) < 20:
        message = await subscriber.message()
        messages.append(message)
        found += contents(data_changes(message))
    assert found == [float(number) for number in range(1, 21)]
    assert len(messages) <= 2
    await subscriber.close()


async def test_a_modified_interval_counts_at_once(room: Room, session: RawSession) -> None:
    # 5.14.3.1.
    subscriber = await Subscriber.create(session, interval=3_600_000.0)
    await subscriber.add(item(room.test("ReadOnly")))
    await get(
        session,
        "ModifySubscription",
        SubscriptionId=subscriber.id,
        RequestedPublishingInterval=50.0,
        RequestedLifetimeCount=1_000,
        RequestedMaxKeepAliveCount=1,
    )
    assert contents(await subscriber.collect(1)) == [42.0]
    await subscriber.close()
