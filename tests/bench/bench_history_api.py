"""HTTP over a large history: `python -m tests.bench.bench_history_api [--points 10000000] [--store postgres]`.

The product runs in a process of its own; its history is written through the store before it starts. 100 users
ask at once, each again a second after its last answer, from this process, on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
from sqlalchemy.engine import URL, make_url

from server.core.clock import SECOND, SystemClock, TimeUs, to_iso
from server.history.store import HistoryRow, HistoryStore
from server.history.stores.postgres import PostgresStore
from server.history.stores.sqlite import SqliteStore
from server.history.tiers import DAY
from tests.kit.mosquitto import mosquitto
from tests.kit.postgres import PostgresServer
from tests.kit.product import Product, launch
from tests.kit.publisher import Publisher
from tests.kit.until import until

ENGINES = [f"gpu-{number}" for number in range(1, 17)]
PARAMETERS = ("power_kw", "temp_exhaust", "vibration", "gas_pressure")
USERS = 100
SECONDS = 20.0


def fill(store: HistoryStore, points: int, end: TimeUs) -> TimeUs:
    """So many points of all engines up to now, evenly over two days; returns where they begin."""
    series = len(ENGINES) * len(PARAMETERS)
    steps = points // series
    period = max(2 * DAY // steps, 1000)
    noise = random.Random(1)
    levels = [round(noise.gauss(500, 90), 1) for _ in range(997)]
    per_batch = max(20_000 // series, 1)
    started = time.perf_counter()
    for first in range(0, steps, per_batch):
        store.write(
            [
                HistoryRow(engine, parameter, at, at + 5_000, levels[(step * 7 + number) % 997], 0)
                for step in range(first, min(first + per_batch, steps))
                for at in [end - (steps - step) * period]
                for number, engine in enumerate(ENGINES)
                for parameter in PARAMETERS
            ]
        )
    taken = time.perf_counter() - started
    print(
        f"{steps * series} points every {period / SECOND:.2f} s written in {taken:.0f} s ({points / taken:.0f}/s)",
        flush=True,
    )
    started = time.perf_counter()
    while store.maintain(end).more:
        pass
    print(f"figures and packing in {time.perf_counter() - started:.0f} s", flush=True)
    return end - steps * period


def quantile(values: list[float], part: float) -> float:
    """The value below which `part` of the sorted values lie."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else float("nan")


class Asker:
    """One kept connection. Of its own: a whole HTTP client takes more of the machine than the server it asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"

    @classmethod
    async def connect(cls, url: str, token: str) -> Asker:
        """Open it."""
        host = url.removeprefix("http://").rstrip("/")
        name, _, port = host.partition(":")
        return cls(*await asyncio.open_connection(name, int(port)), host, token)

    async def get(self, path: str) -> tuple[int, int]:
        """(status, bytes of the body)."""
        self._writer.write(f"GET {path}{self._head}".encode("ascii"))
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        await self._reader.readexactly(length)
        return int(head.split(" ", 2)[1]), length

    async def close(self) -> None:
        """Close it."""
        self._writer.close()
        await self._writer.wait_closed()


async def load(server: Product, path: Callable[[], str]) -> str:
    """100 users for a while; how long their answers took."""
    taken: list[float] = []
    errors = 0
    until_s = time.monotonic() + SECONDS
    size = 0
    async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as http:
        answer = await http.post("/api/login", json={"user": "operator", "password": server.password("operator")})
        answer.raise_for_status()
        token = answer.json()["token"]

    async def user(number: int) -> None:
        nonlocal errors, size
        await asyncio.sleep(number / USERS)
        asker = await Asker.connect(server.http_url, token)
        try:
            while time.monotonic() < until_s:
                begun = time.perf_counter()
                code, size = await asker.get(path())
                errors += code != 200
                taken.append((time.perf_counter() - begun) * 1000)
                await asyncio.sleep(1)
        finally:
            await asker.close()

    await asyncio.gather(*(user(number) for number in range(USERS)))
    taken.sort()
    return (
        f"{len(taken)} answers ({len(taken) / SECONDS:.0f}/s, {size} bytes), p50 {quantile(taken, 0.5):.0f} ms, "
        f"p95 {quantile(taken, 0.95):.0f} ms, p99 {quantile(taken, 0.99):.0f} ms, {errors} errors"
    )


async def measure(folder: Path, url: URL | None, end: TimeUs) -> None:
    """Start the product over the filled store and ask."""
    async with mosquitto(folder / "broker") as broker:
        env = {"FIELDLOOM_MQTT__URL": broker.url}
        if url is not None:
            env["FIELDLOOM_HISTORY__URL"] = url.render_as_string(hide_password=False)
        server = await launch(folder, "run", (), env)
        try:
            async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as http:
                answer = await http.post(
                    "/api/login", json={"user": "operator", "password": server.password("operator")}
                )
                http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
                with Publisher(broker.url) as publisher:
                    now = datetime.now(UTC).isoformat()

                    async def there() -> bool:
                        for engine in ENGINES:
                            message = {"engine_id": engine, "model": "J420", "time": now, "power_kw": 500.0}
                            publisher.send(f"engines/{engine}/telemetry", json.dumps(message))
                        return (await http.get(f"/api/devices/{ENGINES[-1]}")).status_code == 200

                    await until(there, "the engines", within_s=30)
                place = (await http.get(f"/api/devices/{ENGINES[0]}")).json()["path"]
            facility = quote(place[0] if isinstance(place, list) else str(place).split("/")[0])
            chance = random.Random(2)
            day = f"start={to_iso(end - DAY)}&end={to_iso(end)}"

            def series() -> str:
                return f"device={chance.choice(ENGINES)}&parameter={chance.choice(PARAMETERS[:1])}"

            print(
                "one day of one series, 5 min:",
                await load(server, lambda: f"/api/compare?{series()}&{day}&interval_s=300"),
            )
            print(
                "one day of one series, 1 min:",
                await load(server, lambda: f"/api/compare?{series()}&{day}&interval_s=60"),
            )
            raw = f"history/power_kw?{day}&limit=1000"
            print(
                "raw, 1000 values of a day:", await load(server, lambda: f"/api/devices/{chance.choice(ENGINES)}/{raw}")
            )
            print("KPI of a facility, 24 h:", await load(server, lambda: f"/api/v1/facilities/{facility}/kpi?hours=24"))
        finally:
            await server.stop()


def main() -> None:
    """Fill, start, ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="history-api") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        server = PostgresServer(folder) if options.store == "postgres" else None
        try:
            url = make_url(server.new_database()) if server else None
            store = PostgresStore(url) if url is not None else SqliteStore(folder / "data" / "history.db")
            end = SystemClock().now()
            fill(store, options.points, end)
            store.close()
            asyncio.run(measure(folder, url, end))
        finally:
            if server is not None:
                server.remove()


if __name__ == "__main__":
    main()
