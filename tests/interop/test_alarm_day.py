"""The scripted day of alarms, written by hand beforehand, in node-opcua's alarm client and in asyncua's: equal logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.alarm_script import differences
from tests.kit.alarm_clients import asyncua_client, node_client
from tests.kit.alarm_day import USERS, day_room, lines_expected, run_day, script

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
        shown = await client.ask("alarms")
    _compare(log)
    # Its own alarm list agrees: nothing is retained at the end of the day.
    assert standing == {condition.partition(";s=")[2] for condition, _, retain in shown if retain}


def _compare(log: list[str]) -> None:
    print("\n".join(log))
    found = differences(lines_expected(DAY), log)
    assert not found, "\n".join(found)
