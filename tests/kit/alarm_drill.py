"""kill -9 at random points of a day of alarms, again and again; after each restart the server is what the model says.

The product runs as its users start it, values come over Mosquitto, operators act over HTTP. One alarm with every part
of its life comes from a rule of the site. What was answered must be there; what was not answered is there whole or not
at all. Seeded: the same seed gives the same steps and moments of the kills, as far as the machine allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from server.core.clock import SystemClock, TimeUs, to_iso
from simulator.alarm_script import words
from tests.kit.alarm_model import Model, Refused, Traits
from tests.kit.mosquitto import mosquitto
from tests.kit.product import Product, launch
from tests.kit.publisher import Publisher

DEVICE, TOPIC, CONDITION = "gpu-9", "engines/gpu-9/telemetry", "gpu-9/Alarms/drill"
TRAITS = Traits(confirm=True, latch=True, audible=True, branches=2)
RULE = {
    "match": {"devices": [DEVICE]},
    "alarm": {
        "name": "drill",
        "kind": "exclusive_limit",
        "input": "power_kw",
        "sources": {"HighHigh": 90, "High": 80},
        "confirm": True,
        "latch": True,
        "branches": 2,
        "audible": "horn",
    },
}
LEVELS = {"": 50.0, "High": 85.0, "HighHigh": 95.0}
VERBS = (
    *("acknowledge", "confirm", "comment") * 4,
    *("reset", "silence", "shelve", "shelve-once", "unshelve"),
    *("suppress", "unsuppress", "remove-from-service", "place-in-service", "disable", "enable", "enable"),
)
SHELVED = {"Unshelved": "", "TimedShelved": "timed", "OneShotShelved": "once"}
SETTLE_S = 20.0


@dataclass
class Report:
    """What a drill saw."""

    kills: int = 0
    in_flight: int = 0  # kills that met an unanswered action
    carried_out: int = 0  # of these, found done after the restart
    values: int = 0
    actions: int = 0
    acknowledgements: int = 0
    events: int = 0
    event_ids: int = 0
    restart_s: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        slowest = max(self.restart_s, default=0.0)
        return (
            f"{self.kills} kills, {self.values} values, {self.actions} actions of which {self.acknowledgements} "
            f"acknowledgements; {self.in_flight} actions unanswered at a kill, {self.carried_out} of them carried out; "
            f"{self.events} events, {self.event_ids} EventIds, slowest restart {slowest:.1f} s; "
            "after each restart state and journal equal the model"
        )


@dataclass
class Step:
    """One step of the day."""

    level: str | None = None
    verb: str = ""

    def apply(self, model: Model) -> str:
        """Let the model do it; its answer."""
        if self.level is not None:
            model.set(self.level, 0.0)
            return "Good"
        try:
            model.act(self.verb, 0.0, None, 3_600.0)
        except Refused as refused:
            return str(refused)
        return "Good"


def facts_of(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """What `words` needs, of an alarm as HTTP shows it."""
    return {
        "active": alarm["active"],
        "level": alarm["limit_state"],
        "acked": alarm["acked"],
        "confirmed": alarm["confirmed"],
        "retain": alarm["retain"],
        "severity": alarm["severity"],
        "enabled": alarm["enabled"],
        "shelving": SHELVED[alarm["shelving"]],
        "suppressed": alarm["suppressed"],
        "out_of_service": alarm["out_of_service"],
        "latched": alarm["latched"],
        "silenced": alarm["silenced"],
        "first": False,
        "re_alarms": alarm["re_alarms"],
        "bad": False,  # of a device that is silent over a restart
        "branch": alarm["branch_id"],
    }


class Drill:
    """One site over all its restarts."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._clock = SystemClock()
        self.model = Model(TRAITS)
        self.report = Report()
        self._pending: Step | None = None
        self._last_time: TimeUs = 0

    async def run(self, kills: int) -> Report:
        """The whole drill."""
        async with mosquitto(self._folder / "broker", persistence=True) as broker:
            env = {"FIELDLOOM_MQTT__URL": broker.url, "FIELDLOOM_MQTT__CLIENT_ID": "drill"}
            with Publisher(broker.url) as publisher:
                self._publisher = publisher
                server = await launch(self._folder, "run", (), env)
                try:
                    await self._begin(server)
                    for _ in range(kills):
                        await self._until_killed(server)
                        started = time.monotonic()
                        server = await launch(self._folder, "run", (), env)
                        self.report.restart_s.append(time.monotonic() - started)
                        self.report.kills += 1
                        await self._settle(server)
                finally:
                    await server.stop()
        return self.report

    @staticmethod
    @contextlib.asynccontextmanager
    async def _http(server: Product) -> Any:
        headers = {"Authorization": f"Bearer {server.token}"}
        async with httpx.AsyncClient(base_url=server.http_url, headers=headers, timeout=10) as client:
            yield client

    async def _begin(self, server: Product) -> None:
        async with self._http(server) as client:
            (await client.put("/api/alarm-rules/drill", json=RULE)).raise_for_status()
            await self._value(client, "")

    async def _until_killed(self, server: Product) -> None:
        """Steps one after the other until the server is gone."""

        async def later(delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            await server.kill()

        killer = asyncio.create_task(later(self._random.uniform(0.0, 1.2)))
        try:
            async with self._http(server) as client:
                while not killer.done():
                    self._pending = self._step()
                    await self._do(client, self._pending)
                    self._pending = None
        except (httpx.TransportError, TimeoutError):
            pass
        finally:
            await killer

    def _step(self) -> Step:
        if self._random.random() < 0.4:
            self.report.values += 1
            return Step(level=self._random.choice(list(LEVELS)))
        self.report.actions += 1
        return Step(verb=self._random.choice(VERBS))

    async def _do(self, client: httpx.AsyncClient, step: Step) -> None:
        if step.level is not None:
            await self._value(client, step.level)
            step.apply(self.model)
            return
        answer = await self._act(client, step.verb)
        expected = step.apply(self.model)
        assert answer == expected, f"{step.verb}: {answer}, the model says {expected}"
        self.report.acknowledgements += step.verb == "acknowledge" and answer == "Good"

    async def _act(self, client: httpx.AsyncClient, verb: str) -> str:
        body: dict[str, Any] = {"comment": "said"} if verb == "comment" else {}
        if verb == "shelve":
            body["duration_s"] = 3_600.0
        answer = await client.post(f"/api/alarms/{CONDITION}/{verb}", json=body)
        return "Good" if answer.status_code == 200 else str(answer.json()["status_code"])

    async def _value(self, client: httpx.AsyncClient, level: str) -> None:
        """Publish a value and wait until the server shows it."""
        self._last_time = max(self._clock.now() // 1000 * 1000, self._last_time + 1000)
        text = to_iso(self._last_time)
        message = {"engine_id": DEVICE, "model": "J420", "time": text, "power_kw": LEVELS[level]}
        self._publisher.send(TOPIC, json.dumps(message))
        async with asyncio.timeout(SETTLE_S):
            while True:
                answer = await client.get(f"/api/devices/{DEVICE}/values/power_kw")
                if answer.status_code == 200 and answer.json()["source_time"] == text:
                    return
                await asyncio.sleep(0.005)

    async def _settle(self, server: Product) -> None:
        """What the server is after a restart against what it must be."""
        step, self._pending = self._pending, None
        async with self._http(server) as client:
            if step is not None and step.verb:
                self.report.in_flight += 1
                done = copy.deepcopy(self.model)
                step.apply(done)
                found = await self._journal(client)
                if len(found) != len(self.model.told):
                    self.model = done
                    self.report.carried_out += 1
            elif step is not None:
                # The broker delivers it for certain, if it has not been judged already.
                step.apply(self.model)
            await self._value(client, self.model.value)
            found = await self._journal(client)
            expected = [words(facts | {"first": False}) for facts in self.model.told]
            assert [words(facts_of(event)) for event in found] == expected
            ids = [event["event_id"] for event in found]
            assert len(set(ids)) == len(ids), "an EventId was used twice"
            self.report.events, self.report.event_ids = len(found), len(set(ids))
            state = (await client.get(f"/api/alarms/{CONDITION}")).json()
            model = self.model
            assert words(facts_of(state)) == words(model.facts(model.now) | {"retain": model.retain})
            standing = (await client.get("/api/alarms", params={"device": DEVICE})).json()
            branches = [each for each in standing if each["branch_id"]]
            assert len(branches) == (len(model.branches) if model.enabled else 0)

    async def _journal(self, client: httpx.AsyncClient) -> list[dict[str, Any]]:
        """Every event of the alarm but those of its input's quality, oldest first."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"condition": CONDITION, "oldest_first": True, "limit": 1_000}
        while True:
            page = (await client.get("/api/alarms/journal", params=query)).json()
            found += [event for event in page["events"] if event["cause"] != "quality changed"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]
