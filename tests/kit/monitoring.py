"""Monitored items as tests ask for them: created, changed and deleted one by one."""

from __future__ import annotations

from typing import Any

from asyncua import ua

from tests.kit.subscriptions import Client, SubscriptionRig


def one(client: Client, subscription_id: int, wanted: ua.MonitoredItemCreateRequest, which: int = 2) -> Any:
    (result,) = client.monitor(subscription_id, wanted, which=which)
    return result


def good(result: Any) -> int:
    assert result.StatusCode.value == 0, result.StatusCode
    return int(result.MonitoredItemId)


def code(result: Any) -> int:
    return int(result.StatusCode.value)


def change(trigger: int = 1, kind: int = 0, deadband: float = 0.0) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(ua.DataChangeTrigger(trigger), kind, deadband)


def modify(client: Client, subscription_id: int, item_id: int, which: int = 2, **more: Any) -> Any:
    request = ua.ModifyMonitoredItemsRequest()
    request.Parameters.SubscriptionId = subscription_id
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn(which)
    request.Parameters.ItemsToModify = [
        ua.MonitoredItemModifyRequest(
            item_id,
            ua.MonitoringParameters(
                more.get("handle", 1),
                more.get("sampling", 0.0),
                more.get("filter"),
                more.get("queue", 10),
                more.get("oldest", True),
            ),
        )
    ]
    answer = client.ask(request)
    answer.ResponseHeader.ServiceResult.check()
    return answer.Results[0]


def set_mode(client: Client, subscription_id: int, mode: int, *item_ids: int) -> list[int]:
    request = ua.SetMonitoringModeRequest()
    request.Parameters.SubscriptionId = subscription_id
    request.Parameters.MonitoringMode = ua.MonitoringMode(mode)
    request.Parameters.MonitoredItemIds = list(item_ids)
    answer = client.ask(request)
    answer.ResponseHeader.ServiceResult.check()
    return [each.value for each in answer.Parameters.Results]


def delete(client: Client, subscription_id: int, *item_ids: int) -> list[int]:
    request = ua.DeleteMonitoredItemsRequest()
    request.Parameters.SubscriptionId = subscription_id
    request.Parameters.MonitoredItemIds = list(item_ids)
    answer = client.ask(request)
    answer.ResponseHeader.ServiceResult.check()
    return [each.value for each in answer.Results]


def subscribed(rig: SubscriptionRig, **more: Any) -> tuple[Client, int]:
    client = rig.client()
    return client, client.subscribe(100, **more).SubscriptionId
