"""SetTriggering: a Sampling item is sent when its trigger fires, and only then (OPC 10000-4, 5.13.5 and 5.13.1.6)."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from server.opcua.services.subscription_limits import SubscriptionLimits
from tests.kit.service_space import result_of
from tests.kit.subscriptions import Client, SubscriptionRig, changes, events, item, message, next_message

S = ua.StatusCodes


@pytest.fixture
def rig() -> SubscriptionRig:
    return SubscriptionRig()


def trigger(
    client: Client, subscription_id: int, trigger_id: int, add: tuple[int, ...] = (), remove: tuple[int, ...] = ()
) -> Any:
    request = ua.SetTriggeringRequest()
    request.Parameters = ua.SetTriggeringParameters(subscription_id, trigger_id, list(add), list(remove))
    return client.ask(request)


def codes(answer: Any) -> tuple[list[int], list[int]]:
    answer.ResponseHeader.ServiceResult.check()
    return (
        [each.value for each in answer.Parameters.AddResults or []],
        [each.value for each in answer.Parameters.RemoveResults or []],
    )


def all_events() -> ua.EventFilter:
    wanted = ua.EventFilter()
    wanted.SelectClauses = [ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName("Message")], 13)]
    return wanted


def test_a_linked_item_is_sent_when_its_trigger_fires(rig: SubscriptionRig) -> None:
    first, second = rig.variable(1, 0.0), rig.variable(2, 0.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(first.key, 1), item(second.key, 2, mode=1, queue=10))
    assert codes(trigger(client, number, 1, add=(2,))) == ([0], [])
    assert message(rig, client) == [(1, 0.0, 0)]
    rig.put(second, 5.0)
    rig.put(second, 6.0)
    assert message(rig, client) == []
    rig.put(first, 1.0)
    assert sorted(message(rig, client)) == [(1, 1.0, 0), (2, 0.0, 0), (2, 5.0, 0), (2, 6.0, 0)]
    # only once for each firing
    rig.put(second, 7.0)
    assert message(rig, client) == []
    # the link removed, the trigger does nothing any more
    assert codes(trigger(client, number, 1, remove=(2,))) == ([], [0])
    rig.put(first, 2.0)
    assert message(rig, client) == [(1, 2.0, 0)]


def test_a_trigger_that_only_samples_fires_too(rig: SubscriptionRig) -> None:
    """5.13.1.6: the triggering item's own mode may be Sampling; it is then not reported itself."""
    first, second = rig.variable(1, 0.0), rig.variable(2, 3.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(first.key, 1, mode=1), item(second.key, 2, mode=1))
    trigger(client, number, 1, add=(2,))
    rig.put(first, 1.0)
    assert message(rig, client) == [(2, 3.0, 0)]


def test_results(rig: SubscriptionRig) -> None:
    node = rig.variable(1)
    client, other = rig.client(), rig.client()
    number = client.subscribe().SubscriptionId
    other.subscribe()
    client.monitor(number, *(item(node.key, handle) for handle in range(3)))
    assert result_of(trigger(client, number, 1)) == S.BadNothingToDo
    assert result_of(trigger(client, number, 9, add=(2,))) == S.BadMonitoredItemIdInvalid
    assert result_of(trigger(other, number, 1, add=(2,))) == S.BadSubscriptionIdInvalid
    assert codes(trigger(client, number, 1, add=(2, 9, 2), remove=(3, 9))) == (
        [0, S.BadMonitoredItemIdInvalid, 0],
        [S.BadMonitoredItemIdInvalid] * 2,
    )
    # links are removed before others are added
    assert codes(trigger(client, number, 1, add=(2,), remove=(2,))) == ([0], [0])
    assert rig.engine.subscriptions[number].link_count == 1


def test_links_are_bounded() -> None:
    rig = SubscriptionRig(SubscriptionLimits(links=2))
    node = rig.variable(1)
    client = rig.client()
    number = client.subscribe().SubscriptionId
    client.monitor(number, *(item(node.key, handle) for handle in range(5)))
    assert codes(trigger(client, number, 1, add=(2, 3, 4)))[0] == [0, 0, S.BadResourceUnavailable]


def test_deleted_items_are_out_of_all_links(rig: SubscriptionRig) -> None:
    first, second = rig.variable(1, 0.0), rig.variable(2, 0.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(number, item(first.key, 1), item(second.key, 2, mode=1), item(second.key, 3, mode=1))
    trigger(client, number, 1, add=(2, 3))
    trigger(client, number, 2, add=(3,))
    subscription = rig.engine.subscriptions[number]
    assert rig.engine.monitoring.drop(subscription, 2)
    assert subscription.link_count == 1
    rig.put(first, 1.0)
    assert sorted(message(rig, client)) == [(1, 0.0, 0), (1, 1.0, 0), (3, 0.0, 0)]
    assert rig.engine.monitoring.drop(subscription, 1)
    assert subscription.link_count == 0
    assert not subscription.items[3].triggered_by


def test_events_trigger_data_and_data_triggers_events(rig: SubscriptionRig) -> None:
    node = rig.variable(1, 0.0)
    other = rig.variable(2, 0.0)
    client = rig.client()
    number = client.subscribe(100).SubscriptionId
    client.monitor(
        number,
        item(2253, 1, attribute=12, filter=all_events(), mode=1),
        item(node.key, 2, mode=1),
        item(other.key, 3),
    )
    trigger(client, number, 1, add=(2,))
    trigger(client, number, 3, add=(1,))
    assert message(rig, client) == [(3, 0.0, 0)]
    rig.bus.send(rig.bus.base_fields(2041, 2253, "Server", "one", 1), [2253])
    result = next_message(rig, client)
    assert (changes(result), events(result)) == ([(2, 0.0, 0)], [])
    rig.put(other, 1.0)
    result = next_message(rig, client)
    assert changes(result) == [(3, 1.0, 0)]
    assert [fields[0].Text for _handle, fields in events(result)] == ["one"]
    # once: what comes later waits for the next firing
    rig.bus.send(rig.bus.base_fields(2041, 2253, "Server", "two", 1), [2253])
    rig.run(100)
    rig.put(other, 2.0)
    result = next_message(rig, client)
    assert [fields[0].Text for _handle, fields in events(result)] == ["two"]
