"""Alarms under load: 10 000 conditions, 1 000 transitions a second to 10 clients; refresh of 10 000 retained ones.

python -m tests.bench.bench_alarms [--seconds 60] [--rate 1000] [--clients 10] [--conditions 10000]

The product in a process of its own with its embedded broker; values come over MQTT, events go out over OPC UA with the
fields that alarm clients select. Publisher and clients share the machine with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import selectors
import struct
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_to_binary

from server.core.clock import SystemClock, to_iso
from tests.bench.opcua import bodies
from tests.bench.opcua.figures import quantile
from tests.bench.opcua.link import Link, ticks
from tests.bench.opcua.notifications import HEADER
from tests.conformance.test_facet_alarm_clients import CLAUSES
from tests.kit.product import Product, launch
from tests.kit.publisher import Publisher

IDS = ua.ObjectIds
HANDLE = 0xA5C3F00D
"""ClientHandle of the event items: what the events of a message are counted by."""
MARK = struct.pack("<I", HANDLE)
OUTSTANDING = 10
TICK_S = 0.05
GATHER_S = 15.0
_STAMP = struct.Struct("<BqB")


def filter_of() -> ua.EventFilter:
    """The clauses of an alarm client, Time and EventType first: they stand at fixed places of each event."""
    paths = [(IDS.BaseEventType, "Time"), (IDS.BaseEventType, "EventType"), *CLAUSES]
    selects = [
        ua.SimpleAttributeOperand(
            ua.NodeId(kind),
            [ua.QualifiedName(part) for part in path.split("/")] if path else [],
            ua.AttributeIds.Value if path else ua.AttributeIds.NodeId,
            None,
        )
        for kind, path in paths
    ]
    return ua.EventFilter(selects, ua.ContentFilter([]))


@dataclass
class Window:
    """What one client has seen."""

    events: int = 0
    ages_ms: dict[float, int] = field(default_factory=dict)
    ended: float = 0.0  # when RefreshEnd came


class Listener:
    """One client with an event item on Server."""

    def __init__(self, url: str) -> None:
        self.link = Link(url)
        self.link.session()
        made = self.link.one(bodies.subscription(self.link.token, 100.0))
        self.subscription_id = made.Parameters.SubscriptionId
        request = ua.CreateMonitoredItemsRequest()
        item = ua.MonitoredItemCreateRequest(
            ua.ReadValueId(ua.NodeId(IDS.Server), ua.AttributeIds.EventNotifier),
            ua.MonitoringMode.Reporting,
            ua.MonitoringParameters(HANDLE, 0.0, filter_of(), 10_000, True),
        )
        request.Parameters = ua.CreateMonitoredItemsParameters(self.subscription_id, ua.TimestampsToReturn.Both, [item])
        self.link.call(request).Results[0].StatusCode.check()
        self.window = Window()

    def _publish(self, acknowledged: tuple[int, int] | None = None) -> bytes:
        made = bodies.publish(self.link.token, acknowledged)
        return self.link.frame(made.next(ticks(), self.link.request_id + 1))

    def begin(self) -> None:
        """Send the first Publish requests."""
        self.link.socket.sendall(b"".join(self._publish() for _ in range(OUTSTANDING)))

    def take(self) -> None:
        """Take one receive, count its events, ask for more."""
        frames = []
        for chunk in self.link.arrived():
            message = self.link.message(chunk)
            if message is None or struct.unpack_from("<H", message[1], 2)[0] != bodies.PUBLISH + 3:
                continue
            body = message[1]
            (fault,) = struct.unpack_from("<I", body, 16)
            if fault:
                continue
            subscription_id, available = struct.unpack_from("<Ii", body, HEADER)
            (sequence,) = struct.unpack_from("<I", body, HEADER + 8 + 4 * max(available, 0) + 1)
            frames.append(self._publish((subscription_id, sequence) if self._count(body) else None))
        if frames:
            self.link.socket.sendall(b"".join(frames))

    def _count(self, body: bytes) -> int:
        now, found, at = ticks(), 0, body.find(MARK)
        ages = self.window.ages_ms
        while at >= 0:
            kind, stamp, _ = _STAMP.unpack_from(body, at + 8)
            if kind == 13:  # a DateTime: this is an event, not a number that looks like the handle
                found += 1
                age = float((now - stamp) // 10_000)
                ages[age] = ages.get(age, 0) + 1
                event_type = body[at + 17 : at + 23]
                if event_type == _REFRESH_END:
                    self.window.ended = time.perf_counter()
            at = body.find(MARK, at + 16)
        self.window.events += found
        return found


_REFRESH_END = b"\x11\x01\x00" + struct.pack("<H", IDS.RefreshEndEventType) + b"\x0f"
"""A NodeId in a Variant, four-byte form, and the first byte of the EventId behind it."""


def clients(url: str, count: int, orders: Any, answers: Any) -> None:
    """The clients' process: "reset", "report", "end" come over a pipe."""
    listeners = [Listener(url) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for listener in listeners:
        selector.register(listener.link.socket, selectors.EVENT_READ, listener)
        listener.begin()
    answers.send("up")
    while True:
        for key, _ in selector.select(0.02):
            key.data.take()
        if orders.poll():
            order = orders.recv()
            if order == "end":
                break
            if order == "report":
                answers.send([listener.window for listener in listeners])
            else:
                for listener in listeners:
                    listener.window = Window()
                answers.send("reset")
    for listener in listeners:
        listener.link.leave()
    for listener in listeners:
        listener.link.close()
    answers.send("gone")


def feed(url: str, engines: int, rate: int, seconds: float, answers: Any) -> None:
    """The plant's process: every engine's exhaust goes over its limit and back in turn, `rate` messages a second."""
    clock = SystemClock()
    hot = [False] * engines
    sent = 0
    with Publisher(url) as publisher:
        begun = time.perf_counter()
        while (elapsed := time.perf_counter() - begun) < seconds:
            due = round(elapsed * rate)
            now = to_iso(clock.now() // 1000 * 1000)
            while sent < due:
                number = sent % engines
                hot[number] = not hot[number]
                publisher.send(*message(number, now, temp_exhaust=505 if hot[number] else 450), wait=False)
                sent += 1
            time.sleep(TICK_S)
        publisher.send(*message(0, to_iso(clock.now() // 1000 * 1000), gas_pressure=2.0))
    answers.send(sent)


def message(number: int, now: str, **values: float) -> tuple[str, str]:
    """Topic and payload of one engine."""
    return f"engines/load-{number}/telemetry", json.dumps(
        {"engine_id": f"load-{number}", "model": "J420", "time": now, **values}
    )


class Bench:
    """One run."""

    def __init__(self, server: Product, http: httpx.AsyncClient, options: argparse.Namespace) -> None:
        self._server = server
        self._http = http
        self._options = options
        self._process = psutil.Process(server.process.pid)
        self._context = multiprocessing.get_context("spawn")

    def _rss(self) -> float:
        return float(self._process.memory_info().rss) / 2**20

    async def _metric(self, name: str) -> float:
        text = (await self._http.get("/metrics")).text
        return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(f"fieldloom_{name} ")))

    async def _devices(self) -> int:
        """Make the devices; how many."""
        with Publisher(self._server.mqtt_url) as publisher:
            now = to_iso(SystemClock().now() // 1000 * 1000)
            publisher.send(*message(0, now, temp_exhaust=450, vibration=5, status=1, diagnostics=0))
            per_device = 0
            while not per_device:
                alarms = (await self._http.get("/api/alarms", params={"all": True, "device": "load-0"})).json()
                per_device = len(alarms)
            count = -(-self._options.conditions // per_device)
            for number in range(count):
                now = to_iso(SystemClock().now() // 1000 * 1000)
                publisher.send(
                    *message(number, now, temp_exhaust=450, vibration=5, status=1, diagnostics=0),
                    wait=number == count - 1,
                )
        await self._until(lambda devices: devices >= count, "devices")
        print(
            f"{count} engines, {per_device} conditions each: {count * per_device} conditions; RSS {self._rss():.0f} MiB"
        )
        return count

    async def _until(self, enough: Any, metric: str) -> None:
        async with asyncio.timeout(120):
            while not enough(await self._metric(metric)):
                await asyncio.sleep(0.2)

    async def run(self) -> None:
        """Devices, load, refresh."""
        options = self._options
        engines = await self._devices()
        orders, theirs = self._context.Pipe()
        mine, answers = self._context.Pipe()
        listening = self._context.Process(
            target=clients, args=(self._server.opcua_url, options.clients, theirs, answers)
        )
        listening.start()
        try:
            await asyncio.to_thread(mine.recv)
            await self._load(engines, orders, mine)
            await self._refresh(engines, orders, mine)
        finally:
            orders.send("end")
            await asyncio.to_thread(listening.join, 20)
            if listening.is_alive():
                listening.kill()

    async def _load(self, engines: int, orders: Any, mine: Any) -> None:
        options = self._options
        orders.send("reset")
        await asyncio.to_thread(mine.recv)
        before = await self._metric("alarm_events_total")
        sent_here, sent_there = self._context.Pipe()
        cpu, begun, peak = sum(self._process.cpu_times()[:2]), time.perf_counter(), self._rss()
        feeding = self._context.Process(
            target=feed, args=(self._server.mqtt_url, engines, options.rate, options.seconds, sent_there)
        )
        feeding.start()
        while feeding.is_alive():
            peak = max(peak, self._rss())
            await asyncio.sleep(0.25)
        elapsed = time.perf_counter() - begun
        cpu = sum(self._process.cpu_times()[:2]) - cpu
        sent = sent_here.recv()
        end = time.perf_counter() + GATHER_S
        while True:
            orders.send("report")
            windows = await asyncio.to_thread(mine.recv)
            happened = round(await self._metric("alarm_events_total") - before)
            if (happened >= sent and all(window.events >= happened for window in windows)) or time.perf_counter() > end:
                break
            await asyncio.sleep(0.5)
        ages: dict[float, int] = {}
        for window in windows:
            for age, count in window.ages_ms.items():
                ages[age] = ages.get(age, 0) + count
        delivered = sum(window.events for window in windows)
        lost = sum(happened - window.events for window in windows)
        print(
            f"load: {sent} values in {elapsed:.1f} s ({sent / options.seconds:.0f}/s), {happened} transitions; to "
            f"{len(windows)} clients {delivered} events, lost {lost}; latency from the value's time to the client p50 "
            f"{quantile(ages, 0.5):.0f}, p99 {quantile(ages, 0.99):.0f}, max {max(ages):.0f} ms; server "
            f"{100 * cpu / elapsed:.0f} % of a core; RSS {self._rss():.0f} MiB, peak {peak:.0f}"
        )

    async def _refresh(self, engines: int, orders: Any, mine: Any) -> None:
        with Publisher(self._server.mqtt_url) as publisher:
            for number in range(engines):
                now = to_iso(SystemClock().now() // 1000 * 1000)
                values = {"temp_exhaust": 600, "vibration": 40, "status": 2, "diagnostics": 15}
                publisher.send(*message(number, now, **values), wait=number == engines - 1)
        await asyncio.sleep(10)
        retained = await self._metric("alarms_standing")
        print(f"{retained:.0f} alarms standing; RSS {self._rss():.0f} MiB")
        listener = Listener(self._server.opcua_url)
        listener.begin()
        before = peak = self._rss()
        cpu, begun = sum(self._process.cpu_times()[:2]), time.perf_counter()
        call = ua.CallMethodRequest(
            ua.NodeId(IDS.ConditionType),
            ua.NodeId(IDS.ConditionType_ConditionRefresh),
            [ua.Variant(listener.subscription_id, ua.VariantType.UInt32)],
        )
        request = ua.CallRequest()
        request.Parameters = ua.CallParameters([call])
        # The call comes from the session of the subscription, between its Publish requests.
        request.RequestHeader.AuthenticationToken = nodeid_from_binary(Buffer(listener.link.token))
        listener.link.socket.sendall(listener.link.frame(struct_to_binary(request)))

        def until_ended() -> None:
            nonlocal peak
            while not listener.window.ended and time.perf_counter() - begun < 60:
                listener.take()
                peak = max(peak, self._rss())

        await asyncio.to_thread(until_ended)
        cpu = sum(self._process.cpu_times()[:2]) - cpu
        print(
            f"refresh: {listener.window.events - 2} conditions in {listener.window.ended - begun:.2f} s, server CPU "
            f"{cpu:.2f} s, RSS {before:.0f} MiB before, {peak:.0f} at most"
        )
        listener.link.close()


async def run(options: argparse.Namespace) -> None:
    """Start the product, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="bench-alarms") as folder:
        env = {
            "FIELDLOOM_OPCUA__ALLOW_NONE": "true",
            "FIELDLOOM_PIPELINE__MAX_DEVICES": "5000",
        }
        server = await launch(Path(folder), "run", (), env)
        try:
            headers = {"Authorization": f"Bearer {server.token}"}
            async with httpx.AsyncClient(base_url=server.http_url, headers=headers, timeout=30) as http:
                await Bench(server, http, options).run()
        finally:
            await server.stop()


def main(arguments: list[str] | None = None) -> None:
    """Run it and print its figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--conditions", type=int, default=10_000)
    asyncio.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
