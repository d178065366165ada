"""Filters of data items, and what values mean (OPC 10000-4, 7.22.2 and 7.39; OPC 10000-8, 5.2 and 6.2)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from asyncua import ua

from server.opcua.nodes.values import put_data_value
from tests.kit.monitoring import change, code, delete, good, one, subscribed
from tests.kit.subscriptions import SubscriptionRig, item, message

S = ua.StatusCodes
V = ua.VariantType
SEMANTICS_CHANGED = 0x4000


@pytest.fixture
def rig() -> SubscriptionRig:
    return SubscriptionRig()


def test_status_trigger(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    client.monitor(number, item(node.key, filter=change(0)))
    rig.put(node, 1.0)
    rig.put(node, 2.0, status=0x40000000)
    assert [(value, status) for _h, value, status in message(rig, client)] == [(0.0, 0), (2.0, 0x40000000)]


def test_status_value_is_the_default_trigger(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    client.monitor(number, item(node.key), item(node.key, 2, filter=change(2)))
    rig.run(10)
    rig.put(node, 0.0)  # the time alone
    rig.put(node, 0.0, status=0x40000000)  # the status alone
    got = message(rig, client)
    assert [(v, s) for h, v, s in got if h == 1] == [(0.0, 0), (0.0, 0x40000000)]
    assert [(v, s) for h, v, s in got if h == 2] == [(0.0, 0), (0.0, 0), (0.0, 0x40000000)]


def test_absolute_deadband_is_measured_from_what_was_reported(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 0.0)
    client.monitor(number, item(node.key, queue=100, filter=change(1, 1, 1.0)))
    for value in (0.6, 1.0, 1.1, 2.0, 0.2, 0.1, 0.0):
        rig.put(node, value)
    assert [value for _h, value, _s in message(rig, client)] == [0.0, 1.1, 0.0]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (change(1, 1, -1.0), S.BadDeadbandFilterInvalid),
        (change(1, 1, math.nan), S.BadDeadbandFilterInvalid),
        (change(1, 2, 100.1), S.BadDeadbandFilterInvalid),
        (change(1, 2, 10.0), S.BadMonitoredItemFilterUnsupported),  # no EURange
    ],
)
def test_deadbands_that_make_no_sense(rig: SubscriptionRig, wanted: Any, expected: int) -> None:
    client, number = subscribed(rig)
    assert code(one(client, number, item(rig.variable(1).key, filter=wanted))) == expected


def test_deadbands_are_for_numbers(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    text = rig.variable(1, "x", V.String)
    assert code(one(client, number, item(text.key, filter=change(1, 1, 1.0)))) == S.BadFilterNotAllowed
    assert code(one(client, number, item(text.key, filter=change(1)))) == 0


def analog(rig: SubscriptionRig, low: float = 0.0, high: float = 200.0) -> tuple[Any, Any]:
    node = rig.variable(1, 0.0)
    wide = rig.property(node, "EURange", ua.Variant(ua.Range(low, high), V.ExtensionObject))
    return node, wide


def test_percent_deadband_follows_the_range(rig: SubscriptionRig) -> None:
    """OPC 10000-8, 6.2: percent of EURange; a new range holds from then on, and sets the SemanticsChanged bit."""
    client, number = subscribed(rig)
    node, wide = analog(rig)
    good(one(client, number, item(node.key, queue=100, filter=change(1, 2, 10.0))))
    for value in (15.0, 20.0, 21.0):
        rig.put(node, value)
    assert [value for _h, value, _s in message(rig, client)] == [0.0, 21.0]
    put_data_value(rig.point(wide), ua.DataValue(ua.Variant(ua.Range(0.0, 20.0), V.ExtensionObject)))
    assert message(rig, client) == [(1, 21.0, SEMANTICS_CHANGED)]
    rig.put(node, 22.9)
    rig.put(node, 23.1)
    assert message(rig, client) == [(1, 23.1, 0)]


def test_engineering_units_set_the_bit_once(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node = rig.variable(1, 1.0)
    unit = rig.property(node, "EngineeringUnits", ua.Variant(ua.EUInformation("", 1), V.ExtensionObject))
    client.monitor(number, item(node.key), item(node.key, 2, mode=1))
    assert message(rig, client) == [(1, 1.0, 0)]
    put_data_value(rig.point(unit), ua.DataValue(ua.Variant(ua.EUInformation("", 2), V.ExtensionObject)))
    assert message(rig, client) == [(1, 1.0, SEMANTICS_CHANGED)]
    rig.put(node, 2.0)
    assert message(rig, client) == [(1, 2.0, 0)]
    assert delete(client, number, 1, 2) == [0, 0]
    assert rig.point(unit).items is None


def test_a_node_that_came_back_is_watched_anew_though_items_of_the_former_one_are_left(rig: SubscriptionRig) -> None:
    client, number = subscribed(rig)
    node, wide = analog(rig)
    good(one(client, number, item(node.key)))
    rig.store.remove([node.key, wide.key])
    rig.engine.node_removed([node.key, wide.key])
    node, wide = analog(rig)
    good(one(client, number, item(node.key, 2)))
    message(rig, client)
    put_data_value(rig.point(wide), ua.DataValue(ua.Variant(ua.Range(0.0, 20.0), V.ExtensionObject)))
    assert message(rig, client) == [(2, 0.0, SEMANTICS_CHANGED)]
