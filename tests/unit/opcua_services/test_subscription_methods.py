"""Methods of the Server object that work on subscriptions (OPC 10000-5, 9.1 and 9.2; OPC 10000-4, 6.8)."""

from __future__ import annotations

import pytest
from asyncua import ua

from tests.kit.monitoring import good, one, subscribed
from tests.kit.subscriptions import Client, SubscriptionRig, item, message

S = ua.StatusCodes
V = ua.VariantType


@pytest.fixture
def rig() -> SubscriptionRig:
    return SubscriptionRig()


def call(rig: SubscriptionRig, client: Client, method: int, *arguments: int) -> ua.CallMethodResult:
    from server.opcua.services.context import Request

    request = Request(client.line, 1, 1, b"", 0, "Call")
    request.session = client.session
    return rig.engine.methods.handlers[method](
        request, 2253, method, [ua.Variant(each, V.UInt32) for each in arguments]
    )


def test_get_monitored_items(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    other = rig.client()
    ids = [good(each) for each in client.monitor(number, *(item(rig.variable(n).key, n * 10) for n in (1, 2)))]
    outputs = call(rig, client, 11492, number).OutputArguments
    assert [each.Value for each in outputs] == [ids, [10, 20]]
    assert call(rig, other, 11492, number).StatusCode.value == S.BadUserAccessDenied
    assert call(rig, client, 11492, 0).StatusCode.value == S.BadSubscriptionIdInvalid
    assert call(rig, client, 11492).StatusCode.value == S.BadArgumentsMissing
    assert call(rig, client, 11492, 1, 2).StatusCode.value == S.BadTooManyArguments


def test_resend_data(rig: SubscriptionRig) -> None:
    """The present value of every reporting item, unless a value is waiting."""
    client, number = subscribed(rig)
    nodes = [rig.variable(n, float(n)) for n in (1, 2, 3)]
    client.monitor(number, item(nodes[0].key, 1), item(nodes[1].key, 2, mode=1), item(nodes[2].key, 3))
    assert len(message(rig, client)) == 2
    rig.put(nodes[2], 30.0)
    assert call(rig, client, 12873, number).StatusCode.value == 0
    assert sorted(message(rig, client)) == [(1, 1.0, 0), (3, 30.0, 0)]


def test_durable_subscriptions(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig, keep_alive=1, lifetime=3)
    result = call(rig, client, 12749, number, 5)
    assert [each.Value for each in result.OutputArguments] == [5]
    assert one(client, number, item(rig.variable(1).key, queue=5_000)).RevisedQueueSize == 5_000
    assert call(rig, client, 12749, number, 6).StatusCode.value == S.BadInvalidState  # it has items
    rig.engine.session_closed(client.session, False)
    rig.run(4 * 3_600_000, step_ms=3_600_000)
    assert number in rig.engine.subscriptions
    other, again = subscribed(rig)
    result = call(rig, other, 12749, again, 0)
    assert [each.Value for each in result.OutputArguments] == [168]
