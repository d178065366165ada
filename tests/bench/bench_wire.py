"""The wire: points and monitored items, the compiled twin against the Python one in the same run.

Run: `python -m tests.bench.bench_wire`. Prints the best of many short rounds, in CPU time of one process.
"""

from __future__ import annotations

import gc
import statistics
import struct
import time
from collections.abc import Callable
from typing import Any

from server.opcua.wire.items import REPORTING
from server.opcua.wire.points import BOTH
from tests.kit.twins import PURE, TYPED

COUNT = 10_000
FAN = 20
ROUNDS = 30
NOW = 133_500_000_000_000_000
_WRITE = struct.Struct(f"<{COUNT}d")


def monitored(twin: Any, items_per_point: int, queue: int) -> tuple[list[Any], Any, list[Any]]:
    """COUNT // items_per_point points, their group, and what each of the subscriptions has ready."""
    points = [twin.Point() for _ in range(COUNT // items_per_point)]
    twin.put_scalars(points, 11, [0.0] * len(points), NOW, NOW)
    group = twin.Group()
    readies = [twin.Ready() for _ in range(items_per_point)]
    for ready in readies:
        for handle, point in enumerate(points):
            item = twin.Item(point, ready, handle, BOTH)
            item.group = group
            item.set_queue(queue, True)
            item.set_mode(REPORTING)
            item.attach()
            item.sample(NOW)
        ready.take(0)
    return points, group, readies


def notifications(twin: Any, items_per_point: int, queue: int, changes: int = 1) -> float:
    """Microseconds per notification from the value to the joined bytes; `changes` are queued before each taking."""
    points, group, readies = monitored(twin, items_per_point, queue)
    best = []
    for turn in range(ROUNDS):
        values = [[float(turn * changes + change + n) for n in range(len(points))] for change in range(1, changes + 1)]
        begin = time.process_time_ns()
        for change in range(changes):
            moment = NOW + turn * changes + change
            twin.put_scalars(points, 11, values[change], moment, moment)
            group.tick(moment)
        taken = sum(drained(ready) for ready in readies)
        best.append((time.process_time_ns() - begin) / taken / 1000)
        assert taken == COUNT * changes
    return min(best)


def drained(ready: Any) -> int:
    """How many notifications were taken, a thousand a message."""
    count, more = 0, True
    while more:
        _data, taken, more = ready.take(1000)
        count += taken
    return count


def quiet(twin: Any) -> float:
    """The same values again: microseconds per value for nothing to be sent."""
    points, group, readies = monitored(twin, 1, 1)
    values = [0.0] * COUNT
    best = []
    for turn in range(ROUNDS):
        begin = time.process_time_ns()
        twin.put_scalars(points, 11, values, NOW + turn, NOW + turn)
        group.tick(NOW)
        best.append((time.process_time_ns() - begin) / COUNT / 1000)
        assert not readies[0].items
    return min(best)


def reads(twin: Any) -> float:
    """Microseconds per value of a Read of a thousand."""
    points = monitored(twin, 1, 1)[0][:1000]
    best = []
    for _ in range(ROUNDS):
        begin = time.process_time_ns()
        for _ in range(10):
            twin.join_values(points, BOTH, NOW)
        best.append((time.process_time_ns() - begin) / 10_000 / 1000)
    return min(best)


def writes(twin: Any) -> float:
    """Microseconds per value of a batch from decoded bytes to points that nobody monitors."""
    points = [twin.Point() for _ in range(COUNT)]
    best = []
    for turn in range(ROUNDS):
        body = _WRITE.pack(*[float(turn + n) for n in range(COUNT)])
        begin = time.process_time_ns()
        twin.put_scalars(points, 11, _WRITE.unpack(body), NOW + turn, NOW + turn)
        best.append((time.process_time_ns() - begin) / COUNT / 1000)
    return min(best)


def collection(twin: Any) -> float:
    """Microseconds that a full garbage collection spends on each of 100 000 points."""
    gc.collect()
    gc.freeze()
    points = [twin.Point() for _ in range(100_000)]
    twin.put_scalars(points, 11, [float(n) for n in range(len(points))], NOW, NOW)
    gc.collect()
    times = []
    for _ in range(5):
        begin = time.process_time_ns()
        gc.collect()
        times.append((time.process_time_ns() - begin) / len(points) / 1000)
    gc.unfreeze()
    return statistics.median(times)


SCENARIOS: tuple[tuple[str, Callable[[Any], float]], ...] = (
    ("notification, queue 1", lambda twin: notifications(twin, 1, 1)),
    ("notification, queue 10", lambda twin: notifications(twin, 1, 10)),
    ("notification, 5 queued", lambda twin: notifications(twin, 1, 10, 5)),
    (f"notification, {FAN} subscriptions", lambda twin: notifications(twin, FAN, 1)),
    ("same value again, monitored", quiet),
    ("value read, 1000 at once", reads),
    ("value written, a batch", writes),
    ("point in a full collection", collection),
)


def main() -> None:
    """Print the table."""
    print(f"{'us of CPU per':34}{'pure':>8}{'typed':>8}{'ratio':>8}")
    for name, scenario in SCENARIOS:
        pure = scenario(PURE)
        if TYPED is None:
            print(f"{name:34}{pure:8.3f}{'-':>8}{'-':>8}")
            continue
        typed = scenario(TYPED)
        print(f"{name:34}{pure:8.3f}{typed:8.3f}{pure / typed:7.1f}x")


if __name__ == "__main__":
    main()
