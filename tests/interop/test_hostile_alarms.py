"""The alarm side of the product under hostile and careless hands: each is refused or harmless, nobody else waits."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.core.clock import SystemClock, to_iso
from server.database.rule_store import RuleRow
from server.database.site import SiteDatabase
from tests.interop.test_hot_update import first, second
from tests.kit.packages import NAMESPACE
from tests.kit.product import Product, launch, product
from tests.kit.publisher import Publisher
from tests.kit.until import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]
JSON = {"Content-Type": "application/json"}
TANK_PACKAGE = uuid.uuid5(NAMESPACE, "tank")
TANKS = {"match": {"types": ["tank"]}}
NEW = {"name": "x", "kind": "exclusive_limit", "input": "level", "sources": {"High": 90}}
RULES, DEVICES = 1_000, 300


@asynccontextmanager
async def caller(server: Product, role: str = "engineer") -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as client:
        answer = await client.post("/api/login", json={"user": role, "password": server.password(role)})
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield client


class Tank:
    """One device that goes on publishing; what it says must come through after everything."""

    def __init__(self, publisher: Publisher, client: httpx.AsyncClient, device: str = "tank-0") -> None:
        self._publisher = publisher
        self._client = client
        self.device = device
        self._level = itertools.cycle([10.0, 95.0, 20.0, 99.0])

    async def lives(self) -> None:
        """One more value arrives."""
        sent = 0.0

        async def shown() -> bool:
            nonlocal sent
            # Lost are messages that come before the server has subscribed.
            sent = next(self._level)
            now = to_iso(SystemClock().now())
            message = {"time": now, "level": sent, "count": 3, "state": 1}
            self._publisher.send(f"tanks/{self.device}/telemetry", json.dumps(message))
            answer = await self._client.get(f"/api/devices/{self.device}")
            if answer.status_code != 200:
                return False
            values = {each["parameter"]: each["value"] for each in answer.json()["values"]}
            return bool(values["level"] in (10.0, 95.0, 20.0, 99.0) and values["level"] == sent)

        await until(shown, "one more value", within_s=20)


def hostile_rules() -> list[tuple[str, str]]:
    """(what, body) as it goes over the wire."""

    def rule(**more: Any) -> str:
        return json.dumps({**TANKS, "alarm": {**NEW, **more}})

    return [
        ("half a character", rule(label="\ud800")),
        ("half a character in a key", '{"alarm": {"name": "x", "\\ud800": 1}}'),
        ("not a number", rule(sources={"High": float("nan")})),
        ("beyond a Double", rule().replace("90", "1e400")),
        ("thousands of digits", rule().replace("90", "9" * 4_000)),
        ("too many digits", rule().replace("90", "9" * 5_000)),
        ("the ends of a Double", rule(sources={"High": 1e308, "Low": -1e308}, deadband=1e308)),
        ("shelved for ever", rule(max_time_shelved_s=1e300)),
        ("a time beyond all calendars", rule(kind="discrepancy", sources={"Target": 1, "ExpectedTime": 1e308})),
        ("any time that a device says", rule(kind="discrepancy", sources={"Target": 1, "ExpectedTime": "level"})),
        ("every bit", rule(kind="instrument_diagnostic", input="count", sources={"Mask": 2**62})),
        ("deep", '{"alarm": {"name": ' + "[" * 900 + "]" * 900 + "}}"),
        ("deeper", '{"alarm": ' + "[" * 100_000),
        ("large", rule(label="x" * 70_000)),
        ("a long label", rule(label="x" * 60_000)),
        ("control characters", rule(label="a\0\x1b[31m\r\nBcc: all@example.org")),
        ("slow patterns", json.dumps({"match": {"devices": ["*a" * 63 + "b"] * 400}, "alarm": NEW})),
        ("odd patterns", json.dumps({"match": {"devices": ["[z-a]*", "[!]", "[", "[]", "[a-]"]}, "alarm": NEW})),
        ("no object", "[]"),
        ("nothing", ""),
    ]


async def test_no_rule_stops_the_product_and_packages_may_go_under_them(tmp_path: Path) -> None:
    server = await launch(tmp_path, "run", (), {})
    try:
        with Publisher(server.mqtt_url) as publisher:
            async with caller(server) as client:
                headers = {"Content-Type": "application/octet-stream"}
                answer = await client.post("/api/packages", content=first(), headers=headers)
                assert answer.status_code < 300, answer.text
                tank = Tank(publisher, client)
                await tank.lives()
                taken = []
                for what, body in hostile_rules():
                    answer = await client.put("/api/alarm-rules/x", content=body, headers=JSON)
                    print(what, answer.status_code, answer.text[:120])
                    assert answer.status_code in (200, 400, 413, 422), what
                    assert len(answer.content) < 100_000, what
                    taken += [what] * (answer.status_code == 200)
                    await tank.lives()
                    for path in ("/api/alarms?all=true", "/api/alarm-rules", "/api/alarms/rationalization.csv"):
                        assert (await client.get(path)).status_code == 200, (what, path)
                    for action in ("shelve-once", "comment", "unshelve"):
                        content = json.dumps({"comment": "a\0\r\nb"})
                        acted = await client.post(
                            f"/api/alarms/tank-0/Alarms/x/{action}", content=content, headers=JSON
                        )
                        assert acted.status_code < 500, (what, action, acted.text)
                assert taken == [
                    "the ends of a Double",
                    "any time that a device says",
                    "every bit",
                    "control characters",
                    "odd patterns",
                ]
                # A rule on `count`, which the next version of the package does not have.
                bits = {
                    **TANKS,
                    "alarm": {**NEW, "kind": "instrument_diagnostic", "input": "count", "sources": {"Mask": 1}},
                }
                assert (await client.put("/api/alarm-rules/x", json=bits)).status_code == 200
                await tank.lives()
                assert (await client.post("/api/alarms/tank-0/Alarms/x/shelve-once")).status_code == 200
                answer = await client.post("/api/packages", content=second(), headers=headers)
                assert answer.status_code < 300, answer.text
                rule = (await client.get("/api/alarm-rules/x")).json()
                assert rule["problems"] == ["tank: input 'count' is no parameter"]
                assert (await client.get("/api/alarms/tank-0/Alarms/x")).status_code == 404
                (newest,) = (await client.get("/api/alarms/journal?condition=tank-0/Alarms/x&limit=1")).json()["events"]
                assert (newest["cause"], newest["retain"]) == ("ended", False)
                await tank.lives()
                await server.kill()
        server = await launch(tmp_path, "run", (), {})
        with Publisher(server.mqtt_url) as publisher:
            async with caller(server) as client:
                await Tank(publisher, client).lives()
                answer = await client.post(f"/api/packages/{TANK_PACKAGE}/rollback")
                assert answer.status_code == 200, answer.text
                await Tank(publisher, client).lives()
                assert (await client.get("/api/alarm-rules/x")).json()["problems"] == []
                alarm = (await client.get("/api/alarms/tank-0/Alarms/x")).json()
                assert (alarm["active"], alarm["shelving"]) == (True, "Unshelved")
                for _ in range(2):
                    await client.delete(f"/api/packages/{TANK_PACKAGE}")
                rule = (await client.get("/api/alarm-rules/x")).json()
                assert rule["problems"] == ["match.types: there is no device type 'tank'"]
                assert (await client.delete("/api/alarm-rules/x")).status_code == 204
                assert (await client.get("/health")).json()["ok"]
        assert await server.stop() == 0
        assert "Traceback" not in server.log.read_text()
    finally:
        await server.stop()


def full_site(folder: Path) -> None:
    """A data folder of a site with as many rules as there may be, each for every engine."""
    data = folder / "data"
    data.mkdir(parents=True)
    site = SiteDatabase(data / "site.db")
    now = SystemClock().now()
    site.save_devices([(f"gpu-{n}", "gas_engine", ("unassigned",), now, {}) for n in range(DEVICES)])
    for n in range(RULES):
        alarm = {"name": f"x{n % 20}", "kind": "exclusive_limit", "input": "power_kw", "sources": {"High": 1_000 + n}}
        body = {"match": {"devices": ["gpu-*"], "types": ["gas_engine"]}, "alarm": alarm}
        site.save_alarm_rule(RuleRow(f"r{n:04}", json.dumps(body), now, "olga"))
    site.close()


async def test_a_thousand_rules_hold_up_nobody(tmp_path: Path) -> None:
    full_site(tmp_path)
    async with product(tmp_path) as server, caller(server, "operator") as client, caller(server, "viewer") as viewer:
        longest = 0.0
        stop = asyncio.Event()

        async def bystander() -> None:
            nonlocal longest
            while not stop.is_set():
                began = time.monotonic()
                assert (await viewer.get("/api/devices/gpu-0")).status_code == 200
                longest = max(longest, time.monotonic() - began)
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            group.create_task(bystander())
            began = time.monotonic()
            rules = (await viewer.get("/api/alarm-rules")).json()
            listed_s = time.monotonic() - began
            assert [len(rule["devices"]) for rule in rules] == [DEVICES] * RULES
            body = {**rules[7]["body"], "note": "changed"}
            began = time.monotonic()
            answer = await client.put("/api/alarm-rules/r0007", json=body, headers={"If-Match": rules[7]["etag"]})
            put_s = time.monotonic() - began
            assert answer.status_code == 200, answer.text
            stale = await client.put("/api/alarm-rules/r0007", json=body, headers={"If-Match": rules[7]["etag"]})
            assert stale.status_code == 412
            more = await client.put("/api/alarm-rules/one_more", json=body)
            assert more.status_code == 503
            assert (await viewer.get("/api/alarms/rationalization.csv")).status_code == 200
            stop.set()
        print(f"list {listed_s:.2f} s, put {put_s:.2f} s, longest wait of a bystander {longest:.2f} s")
        assert listed_s < 20
        assert put_s < 10
        assert longest < 10


async def test_two_editors_at_once_lose_nothing_unseen(tmp_path: Path) -> None:
    async with product(tmp_path) as server, caller(server, "operator") as one, caller(server) as other:
        body: dict[str, Any] = {"match": {"devices": ["nobody"]}, "alarm": NEW}
        tag = (await one.put("/api/alarm-rules/x", json={**body, "note": "0"})).headers["etag"]
        for turn in range(10):
            bodies = [{**body, "note": f"{turn} {who}"} for who in "ab"]
            answers = await asyncio.gather(
                *(
                    client.put("/api/alarm-rules/x", json=each, headers={"If-Match": tag})
                    for client, each in zip((one, other), bodies, strict=True)
                )
            )
            assert sorted(answer.status_code for answer in answers) == [200, 412]
            won = next(index for index, answer in enumerate(answers) if answer.status_code == 200)
            tag = answers[won].headers["etag"]
            kept = await one.get("/api/alarm-rules/x")
            assert (kept.headers["etag"], kept.json()["body"]) == (tag, bodies[won])
        made = await asyncio.gather(
            *(client.put("/api/alarm-rules/new", json=body, headers={"If-None-Match": "*"}) for client in (one, other))
        )
        assert Counter(answer.status_code for answer in made) == {200: 1, 412: 1}


async def test_what_operators_send_is_refused_or_harmless(tmp_path: Path) -> None:
    async with product(tmp_path) as server, caller(server) as client:
        alarm = "fieldloom-server/Alarms/Disk"
        names = [each["id"] for each in (await client.get("/api/alarms?all=true")).json()]
        alarm = next((name for name in names if name.startswith("fieldloom")), alarm)
        bodies = [
            "null", "", "[]", "{", '{"comment": "\\ud800"}', '{"\\ud800": 1}', '{"event_id": "zz"}', '{"event_id": ""}',
            '{"event_id": "%s"}' % ("0" * 65), '{"event_id": "\\ud800"}', '{"event_id": "\\u0660\\u0660"}',
            '{"comment": "%s"}' % ("x" * 1_001), '{"comment": "%s"}' % ("x" * 900_000), '{"duration_s": NaN}',
            '{"duration_s": 1e400}', '{"duration_s": -1}', '{"comment":' + "[" * 5_000,
        ]  # fmt: skip
        actions = (
            "acknowledge",
            "confirm",
            "comment",
            "shelve",
            "unshelve",
            "suppress",
            "silence",
            "reset",
            "bogus",
            "%00",
        )
        for action, body in itertools.product(actions, bodies):
            answer = await client.post(f"/api/alarms/{alarm}/{action}", content=body, headers=JSON)
            assert answer.status_code < 500, (action, body[:40], answer.text)
        for body in (
            '{"action": "comment", "alarms": [{"id": "\\ud800"}], "comment": "x"}',
            '{"action": "comment", "alarms": []}',
            '{"action": "bogus", "alarms": [{"id": "x"}]}',
            json.dumps({"action": "comment", "alarms": [{"id": "x"}] * 1_001}),
            json.dumps({"action": "comment", "alarms": [{"id": each} for each in ("", "/Alarms/", "a/Alarms/", "\0")]}),
        ):
            answer = await client.post("/api/alarms/actions", content=body, headers=JSON)
            assert answer.status_code < 500, (body[:40], answer.text)
        for query in (
            "cursor=1", "cursor=-1.1", "cursor=1.1.1", "cursor=%ff", "cursor=1.%00", "cursor=%D9%A1.1",
            "cursor=" + "9" * 1_000, "cursor=999999999999999999.999999999999999999", "cursor=" + "9" * 20 + ".1",
            "start=0001-01-01T00:00:00Z", "start=9999-12-31T23:59:59Z", "start=nan", "start=1e400", "end=0000",
            "start=2026-01-01T00:00:00%2B99:99", "limit=0", "limit=1001", "device=%00", "condition='%20or%201=1--",
        ):  # fmt: skip
            answer = await client.get(f"/api/alarms/journal?{query}")
            assert answer.status_code in (200, 422), (query, answer.text)
            assert answer.status_code == 422 or answer.json()["next"] is None
        for path in ("x/test", "%ff/test", "x" * 33 + "/retry", "%2e%2e/retry"):
            assert (await client.post(f"/api/notifications/{path}")).status_code in (404, 405, 422)
        for rule_id in ("%00", "%ff", "a%20b", "x" * 65, "..%2f", "%D0%B0", "r%0a"):
            answer = await client.put(f"/api/alarm-rules/{rule_id}", json={"alarm": NEW})
            assert answer.status_code in (404, 405, 422), rule_id
        assert (await client.get("/health")).json()["ok"]
        assert await server.stop() == 0
        assert "Traceback" not in server.log.read_text()
