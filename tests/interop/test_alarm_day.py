"""The scripted day of alarms, written by hand beforehand, in node-opcua's alarm client and in asyncua's: equal logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.alarm_script import differences
from tests.kit.alarm_clients import asyncua_client, node_client
from tests.kit.alarm_day import USERS, day_room, lines_expected, run_day, script
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]
DAY = script("scripted_day.alarms")


async def test_asyncua_writes_the_log_that_was_written_by_hand(tmp_path: Path) -> None:
    async with day_room(tmp_path, DAY) as rig, asyncua_client(rig.server.url, USERS) as client:
        log = await run_day(rig, DAY, client)
    _compare(log)


async def test_node_opcua_writes_the_log_that_was_written_by_hand(tmp_path: Path) -> None:
    async with day_room(tmp_path, DAY) as rig, node_client(rig.server.url, USERS, tmp_path) as client:
        log = await run_day(rig, DAY, client)
        standing = {event.condition_id for event in rig.pipeline.alarms.retained()}
        await client.refresh()

        async def agrees() -> bool:
            shown = await client.ask("alarms")
            return standing == {condition.partition(";s=")[2] for condition, _, retain in shown if retain}

        # Its own alarm list has a subscription of its own, which publishes later.
        await until(agrees, "the client's own alarm list: nothing is retained at the end of the day")
    _compare(log)


def _compare(log: list[str]) -> None:
    print("\n".join(log))
    found = differences(lines_expected(DAY), log)
    assert not found, "\n".join(found)
