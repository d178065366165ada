"""TransferSubscriptions, and subscriptions without a session (OPC 10000-4, 5.14.7 and 5.7.4)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.roles import MODE_NONE, MODE_SIGN, ROLE_NAMES, SECRET
from server.opcua.services.subscription_limits import SubscriptionLimits
from tests.kit.service_space import result_of
from tests.kit.subscriptions import Client, SubscriptionRig, changes, item, message, statuses

S = ua.StatusCodes


@pytest.fixture
def rig() -> SubscriptionRig:
    return SubscriptionRig()


def transfer(client: Client, *subscription_ids: int, initial: bool = False) -> list[Any]:
    request = ua.TransferSubscriptionsRequest()
    request.Parameters = ua.TransferSubscriptionsParameters(list(subscription_ids), initial)
    answer = client.ask(request)
    answer.ResponseHeader.ServiceResult.check()
    return list(answer.Parameters.Results)


def code(results: list[Any]) -> int:
    (result,) = results
    return int(result.StatusCode.value)


def anonymous(rig: SubscriptionRig, certificate: bytes | None, mode: int = MODE_SIGN) -> Client:
    client = rig.client("anonymous", role="anonymous", mode=mode)
    client.session.certificate = certificate
    client.session.application_uri = "urn:client"
    return client


def test_the_same_user_takes_it_over(rig: SubscriptionRig) -> None:
    node = rig.variable(1, 1.0)
    old, new = rig.client("anna"), rig.client("anna")
    number = old.subscribe(100).SubscriptionId
    old.monitor(number, item(node.key, 7))
    assert message(rig, old) == [(7, 1.0, 0)]
    waiting = [old.publish(), old.publish()]
    (result,) = transfer(new, number)
    assert (result.StatusCode.value, list(result.AvailableSequenceNumbers)) == (0, [1])
    # the old session is told, and has nothing left to wait for
    told = old.published(waiting[0])
    assert (told.SubscriptionId, statuses(told)) == (number, [S.GoodSubscriptionTransferred])
    assert result_of(old.answer(waiting[1])) == S.BadNoSubscription
    # the new one goes on where the old one was
    rig.put(node, 2.0)
    request = new.publish((number, 1))
    rig.run(100)
    got = new.published(request)
    assert changes(got) == [(7, 2.0, 0)]
    assert got.NotificationMessage.SequenceNumber == 2
    assert [each.value for each in got.Results] == [0]


def test_initial_values_are_sent_again(rig: SubscriptionRig) -> None:
    """sendInitialValues: the value of every reporting item; one that is queued stands for itself."""
    nodes = [rig.variable(number, float(number)) for number in (1, 2, 3)]
    old, new = rig.client("anna"), rig.client("anna")
    number = old.subscribe(100).SubscriptionId
    old.monitor(number, item(nodes[0].key, 1), item(nodes[1].key, 2), item(nodes[2].key, 3, mode=1))
    message(rig, old)
    rig.put(nodes[1], 20.0)
    assert code(transfer(new, number, initial=True)) == 0
    assert sorted(message(rig, new)) == [(1, 1.0, 0), (2, 20.0, 0)]


def test_strangers_are_refused(rig: SubscriptionRig) -> None:
    old, stranger = rig.client("anna"), rig.client("bert")
    number = old.subscribe(100).SubscriptionId
    assert code(transfer(stranger, number)) == S.BadUserAccessDenied
    assert code(transfer(stranger, 0)) == S.BadSubscriptionIdInvalid
    assert number in old.session.subscriptions
    request = ua.TransferSubscriptionsRequest()
    assert result_of(stranger.ask(request)) == S.BadNothingToDo


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((b"cert", MODE_SIGN), (b"cert", MODE_SIGN), 0),
        ((b"cert", MODE_SIGN), (b"other", MODE_SIGN), S.BadUserAccessDenied),
        ((b"cert", MODE_SIGN), (b"cert", MODE_NONE), S.BadUserAccessDenied),
        ((None, MODE_NONE), (None, MODE_NONE), S.BadUserAccessDenied),
    ],
)
def test_anonymous_users_are_known_by_their_application(
    rig: SubscriptionRig, first: tuple[bytes, int], second: tuple[bytes, int], expected: int
) -> None:
    old, new = anonymous(rig, *first), anonymous(rig, *second)
    number = old.subscribe(100).SubscriptionId
    assert code(transfer(new, number)) == expected


def test_a_user_name_is_not_an_anonymous_user(rig: SubscriptionRig) -> None:
    old, new = rig.client("anna"), anonymous(rig, b"cert")
    new.session.caller = old.session.caller  # the same name, another kind of token
    number = old.subscribe(100).SubscriptionId
    assert code(transfer(new, number)) == S.BadUserAccessDenied


def test_what_a_former_session_left_can_be_taken(rig: SubscriptionRig) -> None:
    """CloseSession without deleting: sampling goes on, the lifetime runs."""
    node = rig.variable(1, 1.0)
    old, new, stranger = rig.client("anna"), rig.client("anna"), rig.client("bert")
    number = old.subscribe(100, keep_alive=1, lifetime=20).SubscriptionId
    old.monitor(number, item(node.key, 7, queue=10))
    rig.engine.session_closed(old.session, False)
    rig.run(500)
    rig.put(node, 2.0)
    assert code(transfer(stranger, number)) == S.BadUserAccessDenied
    assert code(transfer(new, number)) == 0
    assert message(rig, new) == [(7, 1.0, 0), (7, 2.0, 0)]


def test_what_nobody_takes_ends(rig: SubscriptionRig) -> None:
    node = rig.variable(1, 1.0)
    old, new = rig.client("anna"), rig.client("anna")
    number = old.subscribe(100, keep_alive=1, lifetime=5).SubscriptionId
    old.monitor(number, item(node.key, 7), item(node.key, 8, attribute=4))
    rig.engine.session_closed(old.session, False)
    rig.run(600)
    assert not rig.engine.subscriptions
    assert len(rig.scheduler) == 0
    assert code(transfer(new, number)) == S.BadSubscriptionIdInvalid


def test_rights_are_those_of_the_new_session(rig: SubscriptionRig) -> None:
    secret = rig.variable(1, 1.0, permissions=SECRET)
    old, new = rig.client("anna", role="admin"), rig.client("anna", role="operator")
    number = old.subscribe(100).SubscriptionId
    old.monitor(number, item(secret.key, 7))
    assert message(rig, old) == [(7, 1.0, 0)]
    assert code(transfer(new, number, initial=True)) == 0
    assert [status for _h, _v, status in message(rig, new)] == [S.BadUserAccessDenied]
    new.session.audience = rig.space.rights.audience(ROLE_NAMES["admin"], new.session.audience.mode)
    assert message(rig, new) == [(7, 1.0, 0)]


def test_a_transfer_to_the_same_session_changes_nothing(rig: SubscriptionRig) -> None:
    client = rig.client("anna")
    number = client.subscribe(100).SubscriptionId
    assert code(transfer(client, number)) == 0
    request = client.publish()
    rig.run(100)
    assert not client.published(request).NotificationMessage.NotificationData
    assert rig.engine.subscriptions[number].transferred_to_same_client_count == 1


def test_limits_hold_for_transfers() -> None:
    rig = SubscriptionRig(SubscriptionLimits(subscriptions_per_session=1))
    old, new = rig.client("anna"), rig.client("anna")
    number = old.subscribe(100).SubscriptionId
    new.subscribe(100)
    assert code(transfer(new, number)) == S.BadTooManySubscriptions
