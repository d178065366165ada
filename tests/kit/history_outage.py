"""The outage of the historian's database, the server killed in the middle of it: all is there afterwards."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from server.core import status
from server.core.clock import SECOND, SystemClock, from_datetime, to_iso
from tests.kit.mosquitto import mosquitto
from tests.kit.peers import Peer, peer
from tests.kit.postgres import PostgresServer
from tests.kit.product import Product, launch
from tests.kit.publisher import Publisher
from tests.kit.until import until

PARAMETERS = ("power_kw", "temp_exhaust", "gas_consumption", "vibration", "gas_pressure", "total_hours")
ENGINES = 40
HISTORIAN = "fieldloom-server/Alarms/Historian"
BEFORE_S, AFTER_S = 5.0, 5.0


@dataclass
class Plant:
    """Engines that speak at a pace; what they said, as the broker has taken it."""

    url: str
    values_per_s: float
    sent: list[list[int]] = field(default_factory=lambda: [[] for _ in range(ENGINES)])
    stop: threading.Event = field(default_factory=threading.Event)
    worst_lag_s: float = 0.0

    def run(self) -> None:
        """Speak until told to stop; every message has a time of its own."""
        pace = len(PARAMETERS) / self.values_per_s
        with Publisher(self.url) as publisher:
            begun, number = time.monotonic(), 0
            while not self.stop.is_set():
                ahead = begun + number * pace - time.monotonic()
                if ahead > 0:
                    self.stop.wait(ahead)
                self.worst_lag_s = max(self.worst_lag_s, -ahead)
                engine = number % ENGINES
                told = self.sent[engine]
                now = SystemClock().now() // 1000 * 1000
                at = max(now, told[-1] + 1000) if told else now
                message = {"engine_id": f"gpu-{engine}", "model": "J420", "time": to_iso(at)}
                message |= {name: value_of(len(told), index) for index, name in enumerate(PARAMETERS)}
                told.append(at)
                # Every hundredth waits for the broker: what is told does not run ahead of it without bound.
                publisher.send(f"engines/gpu-{engine}/telemetry", json.dumps(message), wait=number % 100 == 0)
                number += 1
            publisher.send("drill/end", "{}")

    @property
    def values(self) -> int:
        """How many were sent so far."""
        return sum(map(len, self.sent)) * len(PARAMETERS)


def value_of(step: int, parameter: int) -> float:
    """What an engine says of a parameter at its so-manieth message."""
    return float(step % 400 + parameter) / 4


@dataclass
class Outage:
    """One drill."""

    folder: Path
    values_per_s: float
    outage_s: float
    seen: list[str] = field(default_factory=list)

    def _say(self, what: str) -> None:
        self.seen.append(what)
        print(what, flush=True)

    async def run(self) -> str:
        """The whole; raises on the first thing that is not as it should be."""
        database = PostgresServer(self.folder)
        try:
            async with mosquitto(self.folder / "broker", persistence=True) as broker:
                url = database.new_database()
                env = {
                    "FIELDLOOM_MQTT__URL": broker.url,
                    "FIELDLOOM_MQTT__CLIENT_ID": "drill",
                    "FIELDLOOM_HISTORY__URL": url,
                    "FIELDLOOM_OPCUA__ALLOW_NONE": "true",
                }
                plant = Plant(broker.url, self.values_per_s)
                server = await launch(self.folder, "run", (), env)
                try:
                    await _listening(broker.url, url)
                    server = await self._drill(database, url, env, plant, server)
                finally:
                    plant.stop.set()
                    await server.stop()
        finally:
            database.remove()
        return "\n".join(self.seen)

    async def _drill(
        self, database: PostgresServer, url: str, env: dict[str, str], plant: Plant, server: Product
    ) -> Product:
        talking = asyncio.get_running_loop().run_in_executor(None, plant.run)
        try:
            await asyncio.sleep(BEFORE_S)
            begun = time.monotonic()
            await asyncio.to_thread(database.stop)
            async with peer("asyncua", self.folder / "first") as client:
                await self._look(client, server, healthy=False)
                self._say(
                    f"database stopped: ServiceLevel below 255 and the historian's alarm at a client after "
                    f"{time.monotonic() - begun:.1f} s"
                )
            await _until_s(begun + self.outage_s / 2)
            await server.kill()
            at = plant.values
            server = await launch(self.folder, "run", (), env)
            self._say(f"killed and started again with {plant.values - at} values sent meanwhile, database away")
            await _until_s(begun + self.outage_s)
            sent = plant.values
            await asyncio.to_thread(database.start)
            back = time.monotonic()
            self._say(f"database back after {back - begun:.0f} s, {sent} values sent so far")
            await asyncio.sleep(AFTER_S)
        finally:
            plant.stop.set()
            await talking
        wanted = plant.values

        async def complete() -> bool:
            return await asyncio.to_thread(_count, url) >= wanted

        await until(complete, f"{wanted} values in the database", within_s=max(600.0, self.outage_s * 3))
        self._say(
            f"{wanted} values stored {time.monotonic() - back:.0f} s after the database was back "
            f"({AFTER_S:.0f} s of them with more coming); the plant was {plant.worst_lag_s:.1f} s late at most"
        )
        async with peer("asyncua", self.folder / "second") as client:
            await self._look(client, server, healthy=True)
        self._say("ServiceLevel 255 and no alarm of the historian again")
        self._say(await asyncio.to_thread(_compare, url, plant))
        return server

    async def _look(self, client: Peer, server: Product, *, healthy: bool) -> None:
        """Wait until an OPC UA client sees the historian as it is."""
        await client.connect(server.opcua_url, "viewer", server.password("viewer"))
        (array,) = await client.read(["i=2255"])
        index = array["value"].index("urn:fieldloom:plant")
        nodes = ["i=2267", f"ns={index};s={HISTORIAN}/ActiveState/Id"]

        async def as_it_is() -> bool:
            level, active = await client.read(nodes)
            if active["status"] != "Good":
                return False
            return bool((level["value"] == 255) is healthy and active["value"] is not healthy)

        await until(as_it_is, f"the historian {'well' if healthy else 'ill'} at a client", within_s=90)
        async with httpx.AsyncClient(
            base_url=server.http_url, headers={"Authorization": f"Bearer {server.token}"}
        ) as http:
            answer = await http.get(f"/api/alarms/{HISTORIAN}")
            assert answer.json()["active"] is not healthy


async def _listening(broker: str, url: str) -> None:
    """Wait until the server takes what is published: its subscription comes after its banner."""
    query = "SELECT 1 FROM history_series WHERE device_id = 'probe'"
    with Publisher(broker) as publisher:

        async def recorded() -> bool:
            message = {"engine_id": "probe", "model": "J420", "time": to_iso(SystemClock().now()), "power_kw": 1.0}
            await asyncio.to_thread(publisher.send, "engines/probe/telemetry", json.dumps(message))
            try:
                with _connect(url) as connection:
                    return connection.execute(query).fetchone() is not None
            except psycopg.errors.UndefinedTable:
                return False  # made with the first value

        await until(recorded, "the first value in history")


async def _until_s(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


def _connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), options="-c timezone=UTC", connect_timeout=5)


_ROWS = (
    "FROM history_points JOIN history_series USING (series_id) WHERE device_id LIKE 'gpu-%%' "
    "AND parameter = ANY(%s) AND status = 0"
)


def _count(url: str) -> int:
    try:
        with _connect(url) as connection:
            row = connection.execute(f"SELECT count(*) {_ROWS}", (list(PARAMETERS),)).fetchone()  # type: ignore[arg-type]
    except psycopg.Error:
        return 0
    return int(row[0]) if row else 0


def _compare(url: str, plant: Plant) -> str:
    markers = silent = 0
    with _connect(url) as connection:
        for engine, told in enumerate(plant.sent):
            for index, name in enumerate(PARAMETERS):
                found = connection.execute(
                    "SELECT ts, number, status FROM history_points JOIN history_series USING (series_id) "
                    "WHERE device_id = %s AND parameter = %s ORDER BY ts",
                    (f"gpu-{engine}", name),
                ).fetchall()
                values = [(from_datetime(at), number) for at, number, code in found if number is not None and code == 0]
                assert values == [(at, value_of(step, index)) for step, at in enumerate(told)], f"gpu-{engine}/{name}"
                others = [(from_datetime(at), code) for at, number, code in found if number is None or code != 0]
                lost = sum(code == status.BAD_DATA_LOST for _, code in others)
                markers += lost
                silent += len(others) - lost  # Uncertain, then Bad, after the last message
                for at, _ in others:
                    # A marker says that nothing came for a while; here every value came, sooner or later.
                    around = [each for each in told if abs(each - at) < 5 * SECOND]
                    assert not around, f"a marker between values of gpu-{engine}/{name} at {to_iso(at)}"
    return f"all values equal, in order, none twice; {markers} gap markers, {silent} rows of the silence at the end"
