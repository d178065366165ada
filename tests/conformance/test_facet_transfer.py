"""Republish and TransferSubscriptions (OPC 10000-4, 5.14.6 and 5.14.7): nothing is lost, nothing goes to strangers."""

from __future__ import annotations

import pytest
from asyncua import ua

from tests.kit.asking import (
    I,
    Subscriber,
    ask,
    contents,
    fault,
    get,
    item,
    names,
    status_changes,
    write,
)
from tests.kit.facets import Room
from tests.kit.raw import RawSession

pytestmark = pytest.mark.asyncio(loop_scope="module")
SERVER = ua.NodeId(I.Server)


def _number(number: int) -> ua.Variant:
    return ua.Variant(number, ua.VariantType.UInt32)


async def test_messages_stay_until_acknowledged_and_are_sent_again(room: Room, session: RawSession) -> None:
    # 5.14.5 and 5.14.6: availableSequenceNumbers, results per acknowledgement, Republish of the same message.
    subscriber = await Subscriber.create(session)
    node = room.test("Static/Double")
    await subscriber.add(item(node))
    first = await subscriber.publish()
    while not first.NotificationMessage.NotificationData:
        first = await subscriber.publish()
    subscriber.acks = []
    number = first.NotificationMessage.SequenceNumber
    assert number in first.AvailableSequenceNumbers
    again = await session.call(ask("Republish", SubscriptionId=subscriber.id, RetransmitSequenceNumber=number))
    assert again.NotificationMessage == first.NotificationMessage
    subscriber.acks = [
        ua.SubscriptionAcknowledgement(subscriber.id, number),
        ua.SubscriptionAcknowledgement(subscriber.id, number + 100),
        ua.SubscriptionAcknowledgement(subscriber.id + 1_000, 1),
    ]
    second = await subscriber.publish()
    assert names(second.Results) == ["Good", "BadSequenceNumberUnknown", "BadSubscriptionIdInvalid"]
    assert number not in (second.AvailableSequenceNumbers or [])
    code = await fault(session, "Republish", SubscriptionId=subscriber.id, RetransmitSequenceNumber=number)
    assert code == "BadMessageNotAvailable"
    code = await fault(session, "Republish", SubscriptionId=subscriber.id + 1_000, RetransmitSequenceNumber=1)
    assert code == "BadSubscriptionIdInvalid"
    await subscriber.close()


async def test_a_transferred_subscription_sends_its_values_and_tells_the_old_session(room: Room) -> None:
    # 5.14.7: same user; sendInitialValues; the old session gets GoodSubscriptionTransferred.
    node = room.test("ReadOnly")
    async with await room.secure() as channel, await room.secure() as second:
        old = await room.session(channel, "olga")
        new = await room.session(second, "olga")
        subscriber = await Subscriber.create(old)
        await subscriber.watch(node)
        waiting = await old.post(ask("Publish"))
        answer = await get(
            new, "TransferSubscriptions", SubscriptionIds=[subscriber.id, 4_000_000], SendInitialValues=True
        )
        assert names(result.StatusCode for result in answer.Results) == ["Good", "BadSubscriptionIdInvalid"]
        said: list[str] = []
        while not said:
            said = status_changes((await old.answer(waiting)).Parameters.NotificationMessage)
            waiting = await old.post(ask("Publish")) if not said else 0
        assert said == ["GoodSubscriptionTransferred"]
        moved = Subscriber(new, subscriber.created)
        assert contents(await moved.collect(1)) == [42.0]
        await moved.close()
        await old.close()
        await new.close()


async def test_a_strangers_subscription_is_not_transferred(room: Room, session: RawSession) -> None:
    # 5.14.7.1: another user, or anonymous users without a signed channel: BadUserAccessDenied.
    async with await room.secure() as channel:
        olga = await room.session(channel, "olga")
        vera = await room.session(channel, "vera")
        hers = await Subscriber.create(olga, keep_alive=1_000)
        nobodys = await Subscriber.create(session, keep_alive=1_000)
        async with await room.channel() as plain_channel:
            anonymous = await room.session(plain_channel)
            for thief, wanted in ((vera, hers), (anonymous, hers), (anonymous, nobodys), (vera, nobodys)):
                answer = await get(thief, "TransferSubscriptions", SubscriptionIds=[wanted.id], SendInitialValues=False)
                assert names(result.StatusCode for result in answer.Results) == ["BadUserAccessDenied"]
            await anonymous.close()
        await hers.close()  # still where they were
        await nobodys.close()
        await vera.close()
        await olga.close()


async def test_a_foreign_subscription_is_not_found_by_others(room: Room, session: RawSession) -> None:
    # 5.14: services of another session find no such subscription of theirs.
    subscriber = await Subscriber.create(session, keep_alive=1_000)
    async with await room.channel() as channel:
        other = await room.session(channel)
        answer = await get(other, "DeleteSubscriptions", SubscriptionIds=[subscriber.id])
        assert names(answer.Results) == ["BadSubscriptionIdInvalid"]
        code = await fault(other, "ModifySubscription", SubscriptionId=subscriber.id)
        assert code == "BadSubscriptionIdInvalid"
        await other.close()
    await subscriber.close()


async def test_a_lost_connection_loses_no_message(room: Room) -> None:
    # 6.7 and 5.14.6: the session moves to a new channel; what was sent and not acknowledged comes by Republish, what
    # happened meanwhile by Publish.
    node = room.test("Static/Double")
    first = await room.secure()
    session = await room.session(first, "olga")
    await write(session, node, 1.0)
    subscriber = await Subscriber.create(session)
    await subscriber.add(item(node, queue=10))
    sent = await subscriber.message()
    waiting = await session.post(ask("Publish"))
    first.connection.abort()
    await first.connection.close()
    async with await room.secure() as second:
        await session.activate(channel=second, user="olga", password="turn")
        assert waiting
        again = await session.call(
            ask("Republish", SubscriptionId=subscriber.id, RetransmitSequenceNumber=sent.SequenceNumber)
        )
        assert again.NotificationMessage == sent
        for number in (2.0, 3.0):
            await write(session, node, number)
        assert contents(await subscriber.collect(2)) == [2.0, 3.0]
        await session.close()


async def test_what_was_not_acknowledged_goes_with_a_transfer(room: Room) -> None:
    # 5.14.7.2: availableSequenceNumbers of the TransferResult can be asked for in the new session.
    async with await room.secure() as channel:
        old = await room.session(channel, "olga")
        new = await room.session(channel, "olga")
        subscriber = await Subscriber.create(old)
        await subscriber.add(item(room.test("ReadOnly")))
        sent = await subscriber.message()
        answer = await get(new, "TransferSubscriptions", SubscriptionIds=[subscriber.id], SendInitialValues=False)
        (result,) = answer.Results
        assert list(result.AvailableSequenceNumbers) == [sent.SequenceNumber]
        again = await new.call(
            ask("Republish", SubscriptionId=subscriber.id, RetransmitSequenceNumber=sent.SequenceNumber)
        )
        assert again.NotificationMessage == sent
        moved = Subscriber(new, subscriber.created)
        await moved.quiet()  # no initial values were asked for
        await moved.close()
        await old.close()
        await new.close()
