"""The demo plant with a thousand looms at 1 Hz: device time to OPC UA notification, CPU and memory of the server.

Simulator, broker and the one subscriber share the machine with the server; the clock is the same for all of them.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from asyncua import Client, ua

from tests.kit.product import Product, built, launch
from tests.kit.until import until

LOOMS = 1_000
WARM_UP_S = 15.0
MEASURED_S = 20.0
APPEAR_S = 60.0
PUBLISHING_MS = 100


class Watcher:
    """Takes notifications and keeps how old their values were."""

    def __init__(self) -> None:
        self.on = False
        self.ages_ms: list[float] = []
        self.nodes: set[str] = set()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """Called by the client for each value."""
        if not self.on:
            return
        source = data.monitored_item.Value.SourceTimestamp
        if source is not None:
            age = datetime.now(UTC) - source.replace(tzinfo=UTC)
            self.ages_ms.append(age.total_seconds() * 1000)
            self.nodes.add(node.nodeid.Identifier)


def quantile(values: list[float], part: float) -> float:
    """The value below which `part` of the sorted values lie."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else float("nan")


async def counters(http: httpx.AsyncClient) -> dict[str, float]:
    """The server's counters by their own names."""
    text = (await http.get("/metrics")).text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("fieldloom_") and "{" not in line)
    return {name.removeprefix("fieldloom_").removesuffix("_total"): float(value) for name, value in pairs}


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds of one process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(server: Product) -> None:
    """Subscribe, wait, count, print."""
    process = psutil.Process(server.process.pid)
    children = process.children(recursive=True)
    watcher = Watcher()
    async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as http, Client(server.opcua_url, 60) as client:
        index = await client.get_namespace_index("urn:fieldloom:plant")
        names = [f"loom-{number:02d}/ParameterSet/bbw_value" for number in range(1, LOOMS + 1)]
        nodes = [client.get_node(ua.NodeId(name, index)) for name in names]
        began = time.monotonic()

        async def appeared() -> bool:
            found = await client.read_attributes(nodes)
            return all(value.StatusCode is None or not value.StatusCode.is_bad() for value in found)

        await until(appeared, f"{LOOMS} looms", within_s=APPEAR_S)
        print(f"{LOOMS} looms in the address space  {time.monotonic() - began:.1f} s after the client connected")
        subscription = await client.create_subscription(PUBLISHING_MS, watcher)
        await subscription.subscribe_data_change(nodes, queuesize=10)
        await asyncio.sleep(WARM_UP_S)
        before, used, simulated = await counters(http), cpu_s(process), [cpu_s(child) for child in children]
        own = time.process_time()
        began = time.monotonic()
        watcher.on = True
        await asyncio.sleep(MEASURED_S)
        watcher.on = False
        took = time.monotonic() - began
        used, own = cpu_s(process) - used, time.process_time() - own
        simulated = [cpu_s(child) - old for child, old in zip(children, simulated, strict=True)]
        after = await counters(http)
        memory = process.memory_info().rss / 2**20
        ages = sorted(watcher.ages_ms)
        await subscription.delete()
    print(f"devices                         {after['devices']:.0f}")
    print(f"values taken in                 {(after['values'] - before['values']) / took:.0f} /s")
    print(f"notifications                   {len(ages)} of {len(watcher.nodes)} nodes ({len(ages) / took:.0f} /s)")
    print(f"device time to notification     p50 {quantile(ages, 0.5):.0f} ms, p99 {quantile(ages, 0.99):.0f} ms, "
          f"max {ages[-1] if ages else float('nan'):.0f} ms (publishing interval {PUBLISHING_MS} ms)")  # fmt: skip
    print(f"CPU of the server               {100 * used / took:.0f} % of one core")
    print(f"CPU of its children (simulator) {100 * sum(simulated) / took:.0f} % of one core")
    print(f"CPU of the subscriber           {100 * own / took:.0f} % of one core")
    print(f"RSS of the server               {memory:.0f} MiB")
    print(f"cores, load of the machine      {os.cpu_count()}, {os.getloadavg()[0]:.1f}")


async def bench() -> None:
    """One product for the whole measurement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built(folder)
        began = time.monotonic()
        options = ("--devices", "demo", "--devices", f"loom={LOOMS}")
        server = await launch(folder, "demo", options, {"FIELDLOOM_OPCUA__ALLOW_NONE": "true"})
        try:
            print(f"start to banner                 {time.monotonic() - began:.1f} s")
            await measure(server)
        finally:
            await server.stop()


def main() -> None:
    """Print the figures."""
    asyncio.run(bench())


if __name__ == "__main__":
    main()
