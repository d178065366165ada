"""Publish and Republish: bytes, acknowledgements, the queue of requests (OPC 10000-4, 5.14.5 and 5.14.6)."""

from __future__ import annotations

import struct

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from server.opcua.services.subscription_limits import SubscriptionLimits
from tests.kit.service_space import answer_of, result_of
from tests.kit.subscriptions import Client, SubscriptionRig, changes, events, item, statuses

S = ua.StatusCodes


@pytest.fixture
def rig() -> SubscriptionRig:
    return SubscriptionRig()


def republish(client: Client, subscription_id: int, sequence: int) -> ua.RepublishResponse:
    request = ua.RepublishRequest()
    request.Parameters = ua.RepublishParameters(subscription_id, sequence)
    return client.ask(request)


def same_bytes(body: bytes) -> None:
    """The stack's codec writes a message body the same way, when it is told to leave a Good status out."""
    answer = answer_of(body)
    for part in answer.Parameters.NotificationMessage.NotificationData:
        for each in getattr(part, "MonitoredItems", ()):
            value = each.Value
            each.Value = ua.DataValue(
                value.Value,
                value.StatusCode if value.StatusCode.value else None,
                SourceTimestamp=value.SourceTimestamp,
                ServerTimestamp=value.ServerTimestamp,
            )
    assert struct_to_binary(answer) == body


def test_messages_are_what_the_stacks_codec_writes(rig: SubscriptionRig) -> None:
    """OPC 10000-6, 5.2.2.15 and 5.2.6: data, events, status change and keep-alive, with acknowledgements."""
    node = rig.variable(1, 1.5)
    text = rig.variable(2, "Tür", ua.VariantType.String)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    wanted = ua.EventFilter()
    wanted.SelectClauses = [
        ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName(name)], 13) for name in ("Message", "Severity")
    ]
    client.monitor(number, item(node.key, 4), item(text.key, 5), item(2253, 6, attribute=12, filter=wanted))
    rig.bus.send(rig.bus.base_fields(2041, 2253, "Server", "hello", 500), [2253])
    requests = [client.publish(), client.publish((number, 1), (number, 9), (7, 1)), client.publish()]
    rig.run(100)
    first = client.published(requests[0])
    assert changes(first) == [(4, 1.5, 0), (5, "Tür", 0)]
    assert events(first) == [(6, [ua.LocalizedText("hello", "en"), 500])]
    rig.run(1000)
    second = client.published(requests[1])
    assert not second.NotificationMessage.NotificationData
    assert [code.value for code in second.Results] == [
        S.BadSequenceNumberUnknown,  # not sent yet when it was acknowledged
        S.BadSequenceNumberUnknown,
        S.BadSubscriptionIdInvalid,
    ]
    rig.engine.expire(rig.engine.subscriptions[number])
    assert statuses(client.published(requests[2])) == [S.BadTimeout]
    for each in requests:
        body = client.raw(each)
        assert body is not None
        same_bytes(body)


def test_acknowledged_messages_are_gone(rig: SubscriptionRig) -> None:
    node = rig.variable(1, 0.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(node.key))
    available = []
    for value in (1.0, 2.0, 3.0):
        rig.put(node, value)
        request = client.publish()
        rig.run(100)
        available.append(list(client.published(request).AvailableSequenceNumbers))
    assert available == [[1], [1, 2], [1, 2, 3]]
    request = client.publish((number, 2), (number, 2))
    rig.put(node, 4.0)
    rig.run(100)
    answer = client.published(request)
    assert [code.value for code in answer.Results] == [0, S.BadSequenceNumberUnknown]
    assert list(answer.AvailableSequenceNumbers) == [1, 3, 4]
    assert result_of(republish(client, number, 2)) == S.BadMessageNotAvailable
    again = republish(client, number, 3).NotificationMessage
    assert again.SequenceNumber == 3
    assert again.NotificationData[0].MonitoredItems[0].Value.Value.Value == 3.0
    assert result_of(republish(client, 0, 3)) == S.BadSubscriptionIdInvalid
    subscription = rig.engine.subscriptions[number]
    assert (subscription.republish_request_count, subscription.republish_message_count) == (2, 1)


def test_the_retransmission_queue_is_bounded_in_messages() -> None:
    rig = SubscriptionRig(SubscriptionLimits(retransmission_messages=3))
    node = rig.variable(1, 0.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(node.key))
    for value in range(1, 6):
        rig.put(node, float(value))
        request = client.publish()
        rig.run(100)
    assert list(client.published(request).AvailableSequenceNumbers) == [3, 4, 5]
    assert rig.engine.subscriptions[number].discarded_message_count == 2
    assert result_of(republish(client, number, 2)) == S.BadMessageNotAvailable


def test_the_retransmission_queue_is_bounded_in_bytes() -> None:
    rig = SubscriptionRig(SubscriptionLimits(retransmission_bytes=1_000))
    node = rig.variable(1, b"", ua.VariantType.ByteString)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(node.key))
    for value in range(1, 6):
        rig.put(node, bytes([value]) * 400, kind=15)
        request = client.publish()
        rig.run(100)
    assert list(client.published(request).AvailableSequenceNumbers) == [4, 5]
    assert rig.engine.subscriptions[number].sent_bytes <= 1_000


def test_large_values_are_cut_into_messages_that_the_client_takes() -> None:
    """The client's MaxMessageSize is kept by sending less at a time (moreNotifications), not by failing."""
    rig = SubscriptionRig()
    nodes = [rig.variable(number, bytes(1_000), ua.VariantType.ByteString) for number in range(200)]
    client = rig.client()
    client.line.max_response_bytes = 40_000
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, *(item(node.key, handle) for handle, node in enumerate(nodes)))
    requests = [client.publish() for _ in range(20)]
    rig.run(100)
    handles: list[int] = []
    for each in requests:
        body = client.raw(each)
        if body is not None:
            assert len(body) <= 40_000
            handles += [handle for handle, _value, _code in changes(client.published(each))]
    assert handles == list(range(200))


def test_no_subscription(rig: SubscriptionRig) -> None:
    """At once, and for what waits when the last subscription goes."""
    client = rig.client()
    assert result_of(client.answer(client.publish())) == S.BadNoSubscription
    number = client.subscribe(100).SubscriptionId
    waiting = [client.publish(), client.publish()]
    request = ua.DeleteSubscriptionsRequest()
    request.Parameters.SubscriptionIds = [number]
    client.ask(request)
    assert [result_of(client.answer(each)) for each in waiting] == [S.BadNoSubscription] * 2


def test_the_oldest_request_makes_room() -> None:
    """5.14.5.3: BadTooManyPublishRequests goes to the oldest."""
    rig = SubscriptionRig(SubscriptionLimits(publish_requests=5))
    client = rig.client()
    client.subscribe(1000)
    requests = [client.publish() for _ in range(7)]
    answers = [client.answer(each) for each in requests]
    assert [result_of(each) for each in answers[:2]] == [S.BadTooManyPublishRequests] * 2
    assert answers[2:] == [None] * 5


def test_requests_are_answered_in_their_order(rig: SubscriptionRig) -> None:
    client = rig.client()
    client.subscribe(100, keep_alive=1)
    requests = [client.publish() for _ in range(3)]
    rig.run(300)
    client.line.sent = [each for each in client.line.sent if each[0] in requests]
    assert [sent for sent, _body in client.line.sent] == requests


def test_the_timeout_hint_ends_the_waiting(rig: SubscriptionRig) -> None:
    """OPC 10000-4, 7.33: nobody waits any more behind the TimeoutHint."""
    client = rig.client()
    client.subscribe(60_000)
    late, soon, never = client.publish(timeout_ms=900), client.publish(timeout_ms=300), client.publish()
    rig.run(290)
    assert client.answer(soon) is None
    rig.run(20)
    assert result_of(client.answer(soon)) == S.BadTimeout
    assert client.answer(late) is None
    rig.run(600)
    assert result_of(client.answer(late)) == S.BadTimeout
    assert client.answer(never) is None


def test_cancelled_requests_are_answered(rig: SubscriptionRig) -> None:
    """OPC 10000-4, 5.7.5."""
    client = rig.client()
    client.subscribe(1000)
    first, second = client.publish(), client.publish()
    assert rig.engine.cancel_publish(client.session, first) == 1  # the kit's handles are its request ids
    assert result_of(client.answer(first)) == S.BadRequestCancelledByClient
    assert client.answer(second) is None
    assert rig.engine.cancel_publish(client.session, first) == 0


def test_requests_of_a_closed_channel_are_forgotten(rig: SubscriptionRig) -> None:
    client = rig.client()
    node = rig.variable(1, 1.0)
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(node.key))
    client.publish()
    client.line.sent.clear()
    rig.dispatcher.channel_closed(client.line)
    client.session.channel = None
    rig.run(150)
    assert client.line.sent == []
    assert rig.engine.subscriptions[number].late
    # the session goes on with a new channel, and has lost nothing
    again = rig.client()
    client.line = again.line
    client.session.channel = again.line
    assert changes(client.published(client.publish())) == [(1, 1.0, 0)]


def test_requests_of_the_former_channel_get_no_messages(rig: SubscriptionRig) -> None:
    """5.7.3.1: after a session moved, what its former channel asked for is not answered there with data."""
    client = rig.client()
    former = client.line
    client.subscribe(100)
    left = client.publish()
    client.line = rig.client().line
    client.session.channel = client.line
    rig.engine.publishing.session_moved(client.session)
    request = client.publish()
    rig.run(100)
    assert client.published(request) is not None
    (refused,) = [body for sent, body in former.sent if sent == left]
    assert result_of(answer_of(refused)) == S.BadSecureChannelClosed


def test_a_client_that_reads_too_slowly_is_not_sent_more(rig: SubscriptionRig) -> None:
    """Messages wait as queued values, not as bytes in the send buffer; nothing is lost."""
    client = rig.client()
    node = rig.variable(1, 1.0)
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(node.key))
    request = client.publish()
    client.line.congested = True
    rig.run(300)
    assert client.published(request) is None
    client.line.congested = False
    rig.put(node, 2.0)
    rig.run(100)
    assert [value for _handle, value, _status in changes(client.published(request))] == [1.0, 2.0]


def test_a_client_that_reads_too_slowly_keeps_its_subscription(rig: SubscriptionRig) -> None:
    """It has asked: the lifetime counts cycles without a Publish request (OPC 10000-4, 5.14.1.1)."""
    client, gone = rig.client(), rig.client()
    number = client.subscribe(100, keep_alive=1, lifetime=3).SubscriptionId
    other = gone.subscribe(100, keep_alive=1, lifetime=3).SubscriptionId
    client.publish()
    client.line.congested = True
    rig.run(2_000)
    assert number in rig.engine.subscriptions
    assert other not in rig.engine.subscriptions


def test_a_closed_session_answers_what_waits(rig: SubscriptionRig) -> None:
    client = rig.client()
    client.subscribe(1000)
    request = client.publish()
    rig.engine.session_closed(client.session, True)
    assert result_of(client.answer(request)) == S.BadSessionClosed
    assert not rig.engine.subscriptions
    assert len(rig.scheduler) == 0


@pytest.mark.parametrize(
    "parameters",
    [
        b"",
        b"\x01\x00",
        struct.pack("<i", 1),
        struct.pack("<iII", 2, 1, 1),
        struct.pack("<iIIB", 1, 1, 1, 0),
        struct.pack("<i", 0) + b"\x00",
        struct.pack("<i", 0x7FFFFFFF),
    ],
)
def test_broken_bytes_are_refused_and_cost_nothing(rig: SubscriptionRig, parameters: bytes) -> None:
    client = rig.client()
    client.subscribe(100)
    assert result_of(client.answer(client.post_bytes("Publish", parameters))) == S.BadDecodingError
    # control: the session goes on
    request = client.publish()
    rig.run(100)
    assert client.published(request) is not None


def test_all_subscriptions_share_what_may_be_kept_for_republish() -> None:
    """Many clients that acknowledge nothing must not fill the memory; what is not kept is counted."""
    rig = SubscriptionRig(SubscriptionLimits(retransmission_bytes_of_all=3_000))
    node = rig.variable(1, "", ua.VariantType.String)
    client = rig.client()
    numbers = [client.subscribe(100).SubscriptionId for _ in range(3)]
    for number in numbers:
        client.monitor(number, item(node.key))
    for text in "abcdef":
        rig.put(node, text * 900, kind=12)
        for _ in numbers:
            client.publish()
        rig.run(100)
    kept = [rig.engine.subscriptions[number] for number in numbers]
    assert rig.engine.retained_bytes == sum(each.sent_bytes for each in kept) <= 3_000
    for each in kept:
        assert len(each.sent) + each.discarded_message_count == each.next_sequence - 1 >= 5
    for each in kept:
        rig.engine._end(each)
    assert rig.engine.retained_bytes == 0
