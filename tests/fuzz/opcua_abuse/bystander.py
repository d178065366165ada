"""A decent client in a process of its own: reads and subscribes while others misbehave, and says how it fared.

In: the endpoint's URL as argument; on stdin a line for each report wanted. Out: a line of JSON for each.
"""

from __future__ import annotations

import json
import selectors
import struct
import sys
import time

from tests.bench.opcua import bodies
from tests.bench.opcua.link import Link, ticks
from tests.bench.opcua.notifications import Counters, take

READ_EVERY_S = 0.02
ITEMS = 100
PUBLISHING_MS = 100.0
OUTSTANDING = 5


class Bystander:
    """One session: a value read every 20 ms, a subscription of 100 values that all change every second."""

    def __init__(self, url: str) -> None:
        self.link = link = Link(url)
        link.session()
        index = link.index()
        self.reads = bodies.reads(link.token, index, 1, ITEMS)
        made = link.one(bodies.subscription(link.token, PUBLISHING_MS))
        numbers = [bodies.FIRST_NODE + number for number in range(ITEMS)]
        link.one(bodies.items(link.token, index, made.Parameters.SubscriptionId, numbers, 0, 0.0))
        self.counters = Counters(ITEMS)
        self.begin()

    def begin(self) -> None:
        """Forget what was measured."""
        self.read_id = 0
        self.sent_at = 0.0
        self.due = time.monotonic()
        self.latencies: list[float] = []
        self.ages: list[float] = []
        self.before = self.counters.notifications, self.counters.lost

    def publish(self, count: int = 1) -> None:
        """Ask for notifications."""
        for _ in range(count):
            made = bodies.publish(self.link.token, None)
            self.link.socket.sendall(self.link.frame(made.next(ticks(), self.link.request_id + 1)))

    def read(self) -> None:
        """Send the next Read."""
        self.link.socket.sendall(self.link.frame(self.reads.next(ticks(), 1)))
        self.read_id = self.link.request_id
        self.sent_at = time.monotonic()

    def receive(self) -> None:
        """Take what came."""
        for chunk in self.link.arrived():
            message = self.link.message(chunk)
            if message is None:
                continue
            request_id, body = message
            if request_id == self.read_id:
                (code,) = struct.unpack_from("<I", body, 16)
                if code:
                    raise RuntimeError(f"Read answered 0x{code:08x}")
                self.latencies.append(time.monotonic() - self.sent_at)
                self.read_id = 0
                self.due = max(self.sent_at + READ_EVERY_S, time.monotonic())
            else:
                now = ticks()
                take(body, self.counters)
                self.ages += [(now - stamp) / 1e7 for stamp in self.counters.ages]
                self.publish()

    def report(self) -> dict[str, float]:
        """What happened since `begin`; an answer still out counts with its time so far."""
        pending = [time.monotonic() - self.sent_at] if self.read_id else []
        latencies = sorted(self.latencies + pending) or [0.0]
        return {
            "reads": len(self.latencies),
            "p50_ms": latencies[len(latencies) // 2] * 1000,
            "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
            "max_ms": latencies[-1] * 1000,
            "age_max_ms": max(self.ages, default=0.0) * 1000,
            "notifications": self.counters.notifications - self.before[0],
            "lost": self.counters.lost - self.before[1],
        }


def main() -> None:
    """Serve until stdin ends."""
    bystander = Bystander(sys.argv[1])
    bystander.publish(OUTSTANDING)
    with selectors.DefaultSelector() as selector:
        selector.register(bystander.link.socket, selectors.EVENT_READ, bystander.receive)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("{}", flush=True)
        while True:
            if not bystander.read_id and time.monotonic() >= bystander.due:
                bystander.read()
            for key, _ in selector.select(0.1 if bystander.read_id else max(0.0, bystander.due - time.monotonic())):
                if key.data is not None:
                    key.data()
                elif not sys.stdin.readline():
                    bystander.link.close()
                    return
                else:
                    print(json.dumps(bystander.report()), flush=True)
                    waits = bystander.read_id, bystander.sent_at
                    bystander.begin()
                    bystander.read_id, bystander.sent_at = waits


if __name__ == "__main__":
    main()
