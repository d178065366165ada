"""Clients with monitored items on the load nodes: every counter value must come, once, and soon."""

from __future__ import annotations

import math
import selectors
import time
from typing import Any

from tests.bench.opcua import bodies
from tests.bench.opcua.figures import Figures, Window
from tests.bench.opcua.link import BrokenError, Link, ticks
from tests.bench.opcua.notifications import Counters, take

BATCH = 1_000  # items a CreateMonitoredItems request
OUTSTANDING = 20  # Publish requests a client keeps at the server, or as many as it allows
FIRST_S = 60.0  # every item has its first value within this
WARM_S = 3.0
SILENT_S = 30.0  # longest wait for anything from the server while values change


class Subscriber:
    """One client: its own connection, session and subscription."""

    def __init__(self, spec: dict[str, Any], first: int) -> None:
        self.link = Link(spec["url"])
        try:
            self.link.session()
            index, token = self.link.index(), self.link.token
            made = self.link.one(bodies.subscription(token, spec["publishing_ms"]))
            self.subscription_id = made.Parameters.SubscriptionId
            self.revised_ms = made.Parameters.RevisedPublishingInterval
            count = spec["items"]
            self.counters = Counters(count)
            self.sampling_ms = 0.0
            for start in range(0, count, BATCH):
                handles = range(start, min(start + BATCH, count))
                numbers = [bodies.FIRST_NODE + (first + handle) % spec["nodes"] for handle in handles]
                request = bodies.items(token, index, self.subscription_id, numbers, start, spec["sampling_ms"])
                for result in self.link.one(request).Results:
                    if result.StatusCode.value or result.RevisedQueueSize < 10:
                        raise BrokenError(f"item refused: {result}")
                    self.sampling_ms = result.RevisedSamplingInterval
        except BaseException:
            self.link.close()
            raise

    def publish(self, acknowledged: tuple[int, int] | None = None) -> bytes:
        """A Publish request as a frame."""
        made = bodies.publish(self.link.token, acknowledged)
        return self.link.frame(made.next(ticks(), self.link.request_id + 1))

    def begin(self) -> None:
        """Send the first Publish requests."""
        self.link.socket.sendall(b"".join(self.publish() for _ in range(OUTSTANDING)))

    def take(self, latencies: dict[float, int] | None) -> None:
        """Take one receive; each response is acknowledged with the next Publish request."""
        frames = []
        for chunk in self.link.arrived():
            message = self.link.message(chunk)
            if message is None:
                continue
            now = ticks()
            taken = take(message[1], self.counters)
            if taken is None:
                continue  # one less outstanding from now on
            subscription_id, sequence, data = taken
            frames.append(self.publish((subscription_id, sequence) if data else None))
            if latencies is not None:
                for stamp, count in self.counters.ages.items():
                    age = (now - stamp) // 10_000
                    latencies[age] = latencies.get(age, 0) + count
        if frames:
            self.link.socket.sendall(b"".join(frames))


def subscriptions(spec: dict[str, Any]) -> Figures:
    """`clients` x `items` at the server; the window is a whole number of update periods.

    It begins and ends half a period after a notification, so that no update is cut in two.
    """
    clients: list[Subscriber] = []
    selector = selectors.DefaultSelector()
    try:
        # One by one, so that what was made before a failure is closed.
        clients.extend(Subscriber(spec, number * spec["items"]) for number in range(spec["clients"]))
        for client in clients:
            selector.register(client.link.socket, selectors.EVENT_READ, client)
            client.begin()
        quiet = spec["quiet"]

        def turn(until: float, latencies: dict[float, int] | None) -> bool:
            """Take what comes first before the time; False when nothing did."""
            ready = selector.select(max(0.0, until - time.perf_counter()))
            for key, _ in ready:
                key.data.take(latencies)
            return bool(ready)

        limit = time.perf_counter() + FIRST_S
        while not all(client.counters.seen for client in clients):
            if not turn(limit, None):
                raise BrokenError("not every item had a first value")
        period_s = max(spec["period_ms"], spec["publishing_ms"]) / 1000
        settle = time.perf_counter() + (WARM_S if quiet else max(WARM_S, 2 * period_s))
        while time.perf_counter() < settle:
            turn(settle, None)
        if not quiet:
            if not turn(time.perf_counter() + SILENT_S, None):
                raise BrokenError("nothing came")
            middle = time.perf_counter() + spec["period_ms"] / 2000
            while time.perf_counter() < middle:
                turn(middle, None)
        periods = 1 if quiet else max(5, math.ceil(spec["seconds"] / period_s))
        before = [(c.counters.notifications, c.counters.lost, c.counters.repeated) for c in clients]
        latencies: dict[float, int] = {}
        window = Window(spec["pid"])
        end = time.perf_counter() + (max(5.0, spec["seconds"]) if quiet else periods * period_s)
        while time.perf_counter() < end:
            turn(end, latencies)
        figures = window.figures(0, latencies)
        for client, (notifications, lost, repeated) in zip(clients, before, strict=True):
            figures.units += client.counters.notifications - notifications
            figures.lost += client.counters.lost - lost
            figures.faults += client.counters.repeated - repeated
        expected = (
            0 if quiet else round(spec["clients"] * spec["items"] * periods * period_s * 1000 / spec["period_ms"])
        )
        figures.note = f"sampling {clients[0].sampling_ms:g}, publishing {clients[0].revised_ms:g} ms"
        if expected:
            figures.note += f"; {figures.units / expected:.1%} of the updates came in the window"
        return figures
    finally:
        selector.close()
        for client in clients:
            client.link.leave()
        for client in clients:
            client.link.close()
