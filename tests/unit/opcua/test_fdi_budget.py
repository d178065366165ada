"""What reading makes the server build is bounded in time: one client cannot keep all others waiting."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncua import Client, ua

from server.core.clock import ManualClock
from server.opcua.specs.budget import Budget
from tests.kit.fdi import services
from tests.kit.opcua import running


def test_a_budget_is_there_again_in_the_next_period() -> None:
    clock = ManualClock()
    budget = Budget(clock, 1e-9)
    assert not budget.exhausted
    with budget.charged():
        sum(range(1_000))
    assert budget.exhausted
    clock.advance(0.9)
    assert budget.exhausted
    clock.advance(0.2)
    assert not budget.exhausted


def test_work_that_fails_is_counted_too() -> None:
    budget = Budget(ManualClock(), 1e-9)
    with pytest.raises(KeyError), budget.charged():
        raise KeyError
    assert budget.exhausted


async def _value(client: Client, node: ua.NodeId) -> object:
    return (await client.get_node(node).read_data_value(raise_on_bad_status=False)).Value.Value


async def test_parts_beyond_the_budget_are_made_later(tmp_path: Path) -> None:
    async with running(tmp_path, devices=("pump-1", "pump-2"), fdi=services()) as rig, rig.client() as client:
        clock = ManualClock()
        rig.server._made.binding.parts._budget = Budget(clock, 1e-9)
        first, second = (rig.node(f"{device}/Offline/ParameterSet/limit_high") for device in ("pump-1", "pump-2"))
        assert await _value(client, first) == 80.0
        with pytest.raises(ua.uaerrors.BadTooManyOperations):
            await _value(client, second)
        assert await _value(client, first) == 80.0  # what is there costs nothing
        clock.advance(1.0)
        assert await _value(client, second) == 80.0


async def test_what_waits_for_the_budget_spoils_nothing_else_in_its_request(tmp_path: Path) -> None:
    # Items, Writes and Calls of the same request that were carried out must not be lost in a service fault.
    async with running(tmp_path, devices=("pump-1", "pump-2"), fdi=services()) as rig, rig.client() as client:
        assert await _value(client, rig.node("pump-1/Offline/ParameterSet/limit_high")) == 80.0
        parts = rig.server._made.binding.parts
        parts._budget = Budget(ManualClock(), 0.0)
        nodes = [rig.node(f"{device}/Offline/ParameterSet/limit_high") for device in ("pump-1", "pump-2")]
        subscription = await client.create_subscription(100_000, _Ignoring())
        made = await subscription.subscribe_data_change([client.get_node(node) for node in nodes])
        assert isinstance(made[0], int)
        assert made[1].value == ua.StatusCodes.BadTooManyOperations
        values = [ua.DataValue(ua.Variant(70.0, ua.VariantType.Double))] * 2
        codes = await client.uaclient.write_attributes(nodes, values, ua.AttributeIds.Value)
        assert [code.value for code in codes] == [
            ua.StatusCodes.BadUserAccessDenied,
            ua.StatusCodes.BadTooManyOperations,
        ]
        method = ua.NodeId(6393, rig.namespaces.names.index("http://opcfoundation.org/UA/DI/"))
        calls = [
            ua.CallMethodRequest(rig.node(f"{device}/Lock"), method, [ua.Variant("", ua.VariantType.String)])
            for device in ("pump-2", "pump-9")
        ]
        results = await client.uaclient.call(calls)
        assert [result.StatusCode.value for result in results] == [
            ua.StatusCodes.BadTooManyOperations,
            ua.StatusCodes.BadNodeIdUnknown,
        ]
        await subscription.delete()


class _Ignoring:
    """A subscriber that only looks at what the services answer."""

    def datachange_notification(self, node: object, value: object, data: object) -> None:
        pass
