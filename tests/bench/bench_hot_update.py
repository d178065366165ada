"""A package is updated while thousands of its parameters are monitored: gap of each item, CPU, lost notifications.

The server is the product in a process of its own; counting devices publish over MQTT, one client monitors everything.
Every value is the next whole number: what is missing was lost, what comes twice was doubled.
`python -m tests.bench.bench_hot_update --items 5000 --seconds 10`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from asyncua import Client, ua

from server.core.clock import SystemClock, to_iso
from tests.kit.packages import make_package
from tests.kit.product import Product, product
from tests.kit.publisher import Publisher

PARAMETERS = 20
TYPE = "counter"
SEMANTICS_CHANGED = 0x4000
TICKS = os.sysconf("SC_CLK_TCK")


def package(version: str, *, updated: bool) -> bytes:
    """Twenty counters; the update adds a parameter and changes the range of the first."""
    names = [f"v{number}" for number in range(PARAMETERS)]
    variables = [
        f'VARIABLE {name} {{ LABEL "{name}"; CLASS DYNAMIC; HANDLING READ; CONSTANT_UNIT "%";'
        f" TYPE DOUBLE {{ MIN_VALUE 0; MAX_VALUE {2_000_000 if updated and name == 'v0' else 1_000_000}; }} }}"
        for name in (*names, *(["added"] if updated else []))
    ]
    edd = "MANUFACTURER 0x7777, DEVICE_TYPE 0x0002, DEVICE_REVISION 1, DD_REVISION 1\n" + "\n".join(variables)
    rows = "\n".join(f'{name} = "/{name}"' for name in (*names, *(["added"] if updated else [])))
    binding = f"""
type = "{TYPE}"
[silence]
uncertain_after_s = 30
bad_after_s = 60
[[message]]
topic = "counters/{{device}}/telemetry"
time = "/time"
[message.parameters]
{rows}
"""
    return make_package(TYPE, version=version, edd=edd, binding=binding)


@dataclass
class Watch:
    """What one client was told, by item."""

    arrived: dict[int, list[float]] = field(default_factory=dict)
    numbers: dict[int, list[int]] = field(default_factory=dict)
    bad: int = 0
    marked: int = 0  # told once more because the meaning changed

    def notified(self, result: ua.PublishResult) -> None:
        now = time.monotonic()
        for part in result.NotificationMessage.NotificationData or ():
            for item in getattr(part, "MonitoredItems", None) or ():
                code = item.Value.StatusCode.value if item.Value.StatusCode else 0
                if code & 0x80000000 or item.Value.Value.Value is None:
                    self.bad += 1
                    continue
                number = int(item.Value.Value.Value)
                numbers = self.numbers.setdefault(item.ClientHandle, [])
                if code & SEMANTICS_CHANGED and numbers and numbers[-1] == number:
                    self.marked += 1
                    continue
                numbers.append(number)
                self.arrived.setdefault(item.ClientHandle, []).append(now)

    def lost(self) -> int:
        """Numbers missing between the first and the last of each item."""
        return sum(numbers[-1] - numbers[0] + 1 - len(set(numbers)) for numbers in self.numbers.values())

    def doubled(self) -> int:
        return sum(len(numbers) - len(set(numbers)) for numbers in self.numbers.values())

    def gaps(self, start: float, end: float) -> list[float]:
        """The longest time between two notifications of each item, of those that touch a span of time. Seconds."""
        found = []
        for times in self.arrived.values():
            pairs = [(a, b) for a, b in itertools.pairwise(times) if b >= start and a <= end]
            if pairs:
                found.append(max(b - a for a, b in pairs))
        return found


@dataclass(frozen=True)
class Figures:
    """What one run gave."""

    items: int
    notifications: int
    lost: int
    doubled: int
    marked: int
    bad: int
    update_s: float
    gaps_before: Sequence[float]
    gaps_update: Sequence[float]
    cpu_before: float  # of one core
    cpu_update: float
    added_readable: bool


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def monitored(client: Client, watch: Watch, nodes: Sequence[ua.NodeId], sampling_ms: float) -> None:
    """Monitor nodes with a queue that holds some values."""
    params = ua.CreateSubscriptionParameters(200.0, 10_000, 100, 0, True, 0)
    result = await client.uaclient.create_subscription(params, watch.notified)
    for first in range(0, len(nodes), 1_000):
        wanted = []
        for number, node in enumerate(nodes[first : first + 1_000], first):
            request = ua.MonitoredItemCreateRequest(ua.ReadValueId(node, ua.AttributeIds.Value))
            request.MonitoringMode = ua.MonitoringMode.Reporting
            request.RequestedParameters = ua.MonitoringParameters(number + 1, sampling_ms, None, 10, True)
            wanted.append(request)
        made = ua.CreateMonitoredItemsParameters(result.SubscriptionId, ua.TimestampsToReturn.Source, wanted)
        for answer in await client.uaclient.create_monitored_items(made):
            answer.StatusCode.check()


@asynccontextmanager
async def counting(url: str, devices: int, period_s: float) -> AsyncIterator[None]:
    """Devices that publish the next number in each period, spread over it."""
    clock = SystemClock()

    async def publish(publisher: Publisher) -> None:
        loop, number = asyncio.get_running_loop(), 0
        began = loop.time()
        while True:
            number += 1
            for device in range(devices):
                body: dict[str, Any] = {f"v{index}": number for index in range(PARAMETERS)}
                body |= {"added": number, "time": to_iso(clock.now())}
                publisher.send(f"counters/c{device}/telemetry", json.dumps(body), wait=False)
                if device % 25 == 24:
                    await asyncio.sleep(period_s * 25 / devices / 2)
            await asyncio.sleep(max(0.0, began + number * period_s - loop.time()))

    with Publisher(url) as publisher:
        task = asyncio.create_task(publish(publisher))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def upload(server: Product, data: bytes) -> None:
    """Install a package as an administrator would."""
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/octet-stream"}
    async with httpx.AsyncClient(base_url=server.http_url, timeout=120) as http:
        answer = await http.post("/api/packages", content=data, headers=headers)
        answer.raise_for_status()


async def measure(folder: Path, items: int, seconds: float, period_s: float, sampling_ms: float = 100.0) -> Figures:
    """One run: as many devices as give the items, some seconds, the update, as many seconds again."""
    devices = -(-items // PARAMETERS)
    env = {"FIELDLOOM_OPCUA__ALLOW_NONE": "true", "FIELDLOOM_HISTORY__COMMIT_MS": "100"}
    async with product(folder, env=env) as server:
        await upload(server, package("1.0.0", updated=False))
        async with counting(server.mqtt_url, devices, period_s):
            client = Client(server.opcua_url, timeout=60)
            await client.connect()
            try:
                return await _watched(server, client, items, devices, seconds, sampling_ms)
            finally:
                await client.disconnect()


async def _watched(
    server: Product, client: Client, items: int, devices: int, seconds: float, sampling_ms: float
) -> Figures:
    index = (await client.get_namespace_array()).index("urn:fieldloom:plant")
    nodes = [
        ua.NodeId(f"c{device}/ParameterSet/v{number}", index)
        for device in range(devices)
        for number in range(PARAMETERS)
    ][:items]
    last = client.get_node(ua.NodeId(f"c{devices - 1}/ParameterSet/v0", index))
    await _until(lambda: _readable(last))
    watch, pid = Watch(), server.process.pid
    await monitored(client, watch, nodes, sampling_ms)
    await asyncio.sleep(2.0)
    started, cpu = time.monotonic(), cpu_s(pid)
    await asyncio.sleep(seconds)
    begun, cpu_begun = time.monotonic(), cpu_s(pid)
    await upload(server, package("1.1.0", updated=True))
    done, cpu_done = time.monotonic(), cpu_s(pid)
    added = client.get_node(ua.NodeId(f"c{devices - 1}/ParameterSet/added", index))
    await _until(lambda: _readable(added))
    await asyncio.sleep(seconds)
    return Figures(
        items=len(nodes),
        notifications=sum(map(len, watch.numbers.values())),
        lost=watch.lost(),
        doubled=watch.doubled(),
        marked=watch.marked,
        bad=watch.bad,
        update_s=done - begun,
        gaps_before=watch.gaps(started, begun),
        gaps_update=watch.gaps(begun, done + 1.0),
        cpu_before=(cpu_begun - cpu) / (begun - started),
        cpu_update=(cpu_done - cpu_begun) / (done - begun),
        added_readable=True,
    )


async def _readable(node: Any) -> bool:
    value = await node.read_data_value(raise_on_bad_status=False)
    return value.StatusCode.value == 0


async def _until(check: Any, within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not await check():
            await asyncio.sleep(0.1)


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    if not ordered:
        return "-"
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    middle, most = statistics.median(ordered), ordered[-1]
    return f"median {middle * 1000:.0f} ms, 99 % {high * 1000:.0f} ms, most {most * 1000:.0f} ms"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=8.0, help="before and after the update")
    parser.add_argument("--period", type=float, default=1.0, help="seconds between two messages of a device")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), given.items, given.seconds, given.period))
    print(f"{found.items} items, {found.notifications} notifications, sampled at 100 ms, published at 200 ms")
    print(f"update answered after {found.update_s * 1000:.0f} ms")
    print(f"lost {found.lost}, doubled {found.doubled}, bad {found.bad}")
    print(f"told once more with SemanticsChanged: {found.marked}")
    print(f"longest gap of an item before: {_spread(found.gaps_before)}")
    print(f"longest gap of an item around: {_spread(found.gaps_update)}")
    print(f"CPU of the server: {found.cpu_before:.0%} before, {found.cpu_update:.0%} during the update")


if __name__ == "__main__":
    main()
