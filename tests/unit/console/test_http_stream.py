"""The live stream: a snapshot, then what changes; and the feed behind it, which never waits for anybody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.console.feed import Feed
from server.console.server import ConsoleServer
from server.core import status
from server.core.clock import ManualClock
from server.core.errors import RemoteError
from server.core.values import DeviceId, PointUpdate, UpdateKind
from tests.kit.http import Site, make_site


class Events:
    """A reader of server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def next(self) -> tuple[str, Any]:
        """(name, data) of the next event."""
        name, data = "", ""
        async with asyncio.timeout(10):
            async for line in self._lines:
                key, _, text = line.partition(": ")
                if key == "id":
                    self.last_id = text
                elif key == "event":
                    name = text
                elif key == "data":
                    data += text
                elif not line and name:
                    return name, json.loads(data)
        raise AssertionError("the stream ended")


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    return await make_site(clock, tmp_path)


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[ConsoleServer]:
    server = ConsoleServer(site.app, "127.0.0.1", 0)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def stream(site: Site, server: ConsoleServer, query: str = "", **headers: str) -> AsyncIterator[Events]:
    token = site.context.sessions.open("viewer", "viewer", "http", "127.0.0.1").token
    sent = {"Authorization": f"Bearer {token}", **headers}
    async with (
        httpx.AsyncClient(base_url=server.url, headers=sent, trust_env=False) as client,
        client.stream("GET", f"/api/events{query}") as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)


async def test_a_stream_starts_with_what_is_and_goes_on_with_what_changes(site: Site) -> None:
    await site.feed(temperature=90.0)
    async with serving(site) as server, stream(site, server) as events:
        name, snapshot = await events.next()
        assert (name, snapshot["devices"]) == ("snapshot", ["pump-1"])
        assert [alarm["id"] for alarm in snapshot["alarms"]] == ["pump-1/Alarms/temperature"]
        name, values = await events.next()
        assert name == "values"
        assert {value["parameter"]: value["value"] for value in values}["temperature"] == 90.0
        await site.feed(temperature=50.0, ago_s=-1)
        name, alarm = await events.next()
        assert (name, alarm["active"], alarm["acked"]) == ("alarm", False, False)
        name, values = await events.next()
        assert [(value["parameter"], value["value"], value["status"]) for value in values] == [
            ("temperature", 50.0, "Good")
        ]


async def test_a_stream_of_one_device_says_nothing_of_the_others(site: Site) -> None:
    await site.feed(device="pump-1", temperature=20.0)
    await site.feed(device="pump-2", temperature=20.0)
    async with serving(site) as server, stream(site, server, "?device=pump-2") as events:
        assert (await events.next())[1]["devices"] == ["pump-2"]
        assert {value["device_id"] for value in (await events.next())[1]} == {"pump-2"}
        await site.feed(device="pump-1", temperature=95.0, ago_s=-1)
        await site.feed(device="pump-2", temperature=21.0, ago_s=-1)
        name, values = await events.next()
        assert (name, [(value["device_id"], value["value"]) for value in values]) == ("values", [("pump-2", 21.0)])


async def test_a_client_that_comes_back_gets_what_it_missed_and_no_snapshot(site: Site) -> None:
    await site.feed(temperature=20.0)
    async with serving(site) as server:
        async with stream(site, server) as events:
            await events.next()
            await events.next()
        await site.feed(temperature=21.0, ago_s=-1)
        await site.feed(temperature=22.0, ago_s=-2)
        async with stream(site, server, **{"Last-Event-ID": events.last_id}) as again:
            name, values = await again.next()
            assert (name, [value["value"] for value in values]) == ("values", [22.0])
        async with stream(site, server, **{"Last-Event-ID": "ffffffff-3"}) as stranger:
            assert (await stranger.next())[0] == "snapshot"


async def test_signing_out_ends_the_stream(site: Site) -> None:
    await site.feed(temperature=20.0)
    async with serving(site) as server, stream(site, server) as events:
        await events.next()
        await events.next()
        site.context.sessions.close_user("viewer")
        await site.feed(temperature=21.0, ago_s=-1)
        assert await events.next() == ("end", {"reason": "signed out"})


async def test_the_server_stops_at_once_though_streams_are_open(site: Site) -> None:
    await site.feed(temperature=20.0)
    async with serving(site) as server, stream(site, server) as events:
        await events.next()
        await events.next()
        async with asyncio.timeout(5):
            stopping = asyncio.create_task(server.stop())
            assert (await events.next())[0] == "end"
            await events.response.aclose()
            await stopping
    assert site.context.feed.counters()["feed_subscribers"] == 0


async def test_a_stream_that_nobody_reads_leaves_no_place_taken(site: Site) -> None:
    async with site.signed_in("viewer") as client:
        site.context.feed.close()
        answer = await client.get("/api/events")
    assert answer.status_code == 503
    assert site.context.feed.counters()["feed_subscribers"] == 0


# -- the feed itself


def update(parameter: str, value: float, kind: UpdateKind = UpdateKind.LIVE) -> PointUpdate:
    return PointUpdate(DeviceId("pump-1"), parameter, value, status.GOOD, 1, 1, kind)


async def test_a_slow_reader_skips_to_the_newest_value_of_each_point() -> None:
    feed = Feed()
    with feed.subscribe() as reader:
        for number in range(10_000):
            feed.offer([update("a", float(number)), update("b", -float(number))])
        changes = reader.take()
        assert [json.loads(value)["value"] for value in changes.values] == [9_999.0, -9_999.0]
        assert reader.take().values == []
        feed.offer([update("a", 1.0)])
        assert [json.loads(value)["parameter"] for value in reader.take().values] == ["a"]
    assert feed.counters()["feed_points"] == 2


async def test_late_values_are_historys_alone() -> None:
    feed = Feed()
    with feed.subscribe() as reader:
        feed.offer([update("a", 1.0, UpdateKind.LATE)])
        assert reader.take().values == []


async def test_a_reader_that_missed_events_is_told_to_look_anew(site: Site) -> None:
    feed = Feed(events_kept=3)
    with feed.subscribe() as reader:
        await site.feed(temperature=90.0)
        (event,) = site.pipeline.alarms.retained()
        for _ in range(3):
            await feed.alarms_changed([event])
        assert not reader.take().gap
        for _ in range(5):
            await feed.alarms_changed([event])
        changes = reader.take()
        assert (changes.gap, len(changes.events)) == (True, 3)
        assert feed.counters()["feed_gaps"] == 1


async def test_streams_are_bounded_in_number() -> None:
    feed = Feed(subscribers=2)
    further = feed.subscribe()
    with feed.subscribe(), feed.subscribe(), pytest.raises(RemoteError, match="2 streams are open"):
        further.__enter__()
    with feed.subscribe():
        pass


async def test_a_device_that_is_gone_leaves_nothing_behind(site: Site) -> None:
    await site.feed(temperature=20.0)
    assert site.context.feed.counters()["feed_points"] > 0
    await site.pipeline.uninstall("pump")
    assert site.context.feed.counters()["feed_points"] == 0
