"""What AlarmMetricsType tells, by hand-counted events; and over the wire, with Reset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import ua

from server.alarms.metrics import AlarmMetrics
from server.alarms.watch import PerformanceWatch
from server.core.clock import SECOND
from server.core.values import AlarmEvent
from tests.kit.alarm_room import PlantClock, call
from tests.kit.opcua import running
from tests.unit.notify.test_notify_messages import EVENT

IDS = ua.ObjectIds
START = EVENT.time


def at(seconds: float, name: str = "a", *, active: bool, acked: bool = True, **more: object) -> AlarmEvent:
    moment = START + round(seconds * SECOND)
    usual = {"cause": "transition", "time": moment, "receive_time": moment, "active_time": moment if active else None}
    return replace(EVENT, condition_id=f"pump-1/Alarms/{name}", active=active, acked=acked, **{**usual, **more})  # type: ignore[arg-type]


def test_counts_durations_and_rates() -> None:
    metrics = AlarmMetrics(START)
    metrics.observe(
        [
            at(0, active=True, acked=False),
            at(10, active=True, acked=False),  # a worse level: no new alarm
            at(30, active=True, acked=True, cause="acknowledged"),
            at(100, active=False),
            at(110, "b", active=True, acked=False),
            at(120, active=True, acked=False, re_alarms=3, cause="transition"),
        ]
    )
    found = metrics.read(START + 300 * SECOND)
    assert (found.count, found.most_re_alarms) == (3, 3)
    assert (found.longest_active_s, found.longest_unacked_s) == (190.0, 190.0)  # b, still standing
    assert (found.current_rate, found.highest_rate, found.average_rate) == (3.0, 3.0, 3.0)
    later = metrics.read(START + 3_000 * SECOND)
    assert (later.current_rate, later.highest_rate, later.average_rate) == (0.0, 3.0, 0.6)


def test_branches_and_actions_are_no_alarms() -> None:
    metrics = AlarmMetrics(START)
    metrics.observe([at(0, active=True, branch_id="b"), at(1, active=False, cause="suppressed")])
    assert metrics.read(START + SECOND).count == 0


def test_reset_begins_anew_and_keeps_what_stands() -> None:
    metrics = AlarmMetrics(START)
    metrics.observe([at(0, active=True, acked=False)])
    metrics.reset(START + 100 * SECOND)
    metrics.observe([at(101, active=True, acked=False)])  # a worse level of the one that stands
    found = metrics.read(START + 110 * SECOND)
    assert (found.count, found.start, found.longest_active_s) == (0, START + 100 * SECOND, 10.0)


def test_what_stood_before_a_start_is_not_counted() -> None:
    metrics = AlarmMetrics(START)
    metrics.seed([at(-50, active=True, acked=False)])
    found = metrics.read(START)
    assert (found.count, found.longest_active_s) == (0, 50.0)


@pytest.mark.timeout(60)
async def test_clients_read_and_engineers_reset_them(tmp_path: Path) -> None:
    clock = PlantClock()
    async with running(tmp_path, clock=clock, performance=PerformanceWatch(clock)) as rig:
        root = rig.node("Fieldloom/AlarmPerformance/AlarmMetrics")
        clock.advance(1)
        await rig.live(temperature=90.0)
        for tick in rig.server._made.binding.ticks:
            tick()
        count = rig.node("Fieldloom/AlarmPerformance/AlarmMetrics/AlarmCount")
        async with rig.client("olga") as client:
            assert (await client.get_node(root).read_type_definition()) == ua.NodeId(IDS.AlarmMetricsType)
            assert await client.get_node(count).read_value() == 1
            refused = await call(client, root, IDS.AlarmMetricsType_Reset)
            assert refused == ua.StatusCodes.BadUserAccessDenied
        async with rig.client("emma") as client:
            assert await call(client, root, IDS.AlarmMetricsType_Reset) == ua.StatusCodes.Good
            assert await client.get_node(count).read_value() == 0
            elsewhere = await call(client, rig.node("pump-1"), IDS.AlarmMetricsType_Reset)
            assert elsewhere != ua.StatusCodes.Good
