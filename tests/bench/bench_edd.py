"""EDDs of growing size: parse, resolve, translate, first instance, memory, and what one changed value costs.

A tenth of the VARIABLEs have a conditional attribute. Every tenth of those hangs on one shared variable, the others
on one of their own, so that a changed value concerns one attribute, and the shared one a tenth of them.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from server.core.collector import paused
from server.core.values import DeviceId
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.parser import parse
from server.fdi.eddl.resolve import resolve
from server.fdi.groups import translate_groups
from server.fdi.logic.live import LiveLogic
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.parameters import translate_parameters
from server.model.device_type import DeviceType
from server.model.plant import Plant
from tests.kit.edd import HEADER
from tests.kit.opcua import running
from tests.kit.plant import measured, pump_type

SIZES = (500, 1_000, 2_000, 5_000)
CHANGES = 2_000
SHOWN = 300
CONDITIONS = (
    "MAX_VALUE SELECT ({s}) {{ CASE 1: 10; CASE 2: 20; DEFAULT: 30; }}",
    "MAX_VALUE {s} * 2 + 10;",
    "MIN_VALUE 0; MAX_VALUE IF ({s} > 2) {{ 100; }} ELSE {{ 200; }}",
)


def source(count: int) -> str:
    """An EDD of `count` VARIABLEs, a tenth of them with a conditional attribute."""
    parts = [HEADER, 'VARIABLE shared { LABEL "Shared"; CLASS DEVICE; TYPE INTEGER (4); }']
    for number in range(count - 1):
        name = f"value_{number}"
        body = "MIN_VALUE 0; MAX_VALUE 100;"
        if number % 10 == 9:
            selector = "shared" if number % 100 == 99 else f"value_{number - 1}"
            body = CONDITIONS[number // 10 % 3].format(s=selector)
        kind = "INTEGER (4)" if number % 10 == 8 else "DOUBLE"
        parts.append(
            f'VARIABLE {name} {{ LABEL "|en|Value {number}|ru|Значение {number}"; HELP "Number {number} of many.";'
            f' CLASS DEVICE & DYNAMIC; HANDLING READ & WRITE; CONSTANT_UNIT "bar"; TYPE {kind} {{ {body} }} }}'
        )
    for number in range(0, count - 1, 50):
        items = ", ".join(f"value_{at}" for at in range(number, min(number + 50, count - 1)))
        parts.append(f'MENU menu_{number} {{ LABEL "Menu {number}"; ITEMS {{ {items} }} }}')
    return "\n".join(parts)


@dataclass
class Row:
    """Figures of one size; milliseconds are CPU time, microseconds medians."""

    variables: int
    parse_ms: float
    resolve_ms: float
    translate_ms: float
    instance_ms: float
    type_mib: float  # model, parameters and logic
    device_mib: float  # one device without its nodes
    change_us: float  # one value that one attribute hangs on
    change_evaluations: float
    shared_us: float  # the value that every tenth condition hangs on
    shared_evaluations: float
    idle_us: float  # a value that nothing hangs on
    shown_us: float  # one value that one attribute hangs on, through the whole flow to the address space


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, and what came out; the collector pauses, as it does while a package is read."""
    gc.collect()
    with paused():
        begin = time.process_time()
        result = work()
    return (time.process_time() - begin) * 1_000, result


def grown(work: Callable[[], Any]) -> tuple[float, Any]:
    """MiB that stay, and what came out."""
    gc.collect()
    tracemalloc.start()
    result = work()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / 2**20, result


def device_type(model: EddModel) -> DeviceType:
    """A device type of that EDD; what the EDD does not say is the pump's."""
    shown, hidden = translate_parameters(model, part="device.ddl")
    groups, _ = translate_groups(model, shown, {})
    return replace(
        pump_type(),
        parameters=shown,
        hidden=hidden,
        groups=groups,
        logic=TypeLogic(model, {**shown, **hidden}),
        methods=(),
        actions=(),
        alarms=(),
    )


def change(plant: Plant, live: LiveLogic, logic: TypeLogic, name: str) -> tuple[float, float]:
    """Microseconds and evaluations of one changed value, from the plant to the new specifications."""
    costs: list[float] = []
    before = logic.evaluations
    now = plant.device("pump-1").newest
    for number in range(CHANGES):
        now += 1
        applied = plant.apply(measured(now, "pump-1", **{name: number % 4}), now)
        begin = time.perf_counter()
        live.evaluate(applied.updates)
        costs.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(costs), (logic.evaluations - before) / CHANGES


async def instance(made: DeviceType) -> tuple[float, float]:
    """Milliseconds of CPU from the first message of a device to its nodes in the address space of a running server,
    and microseconds of one value through the whole flow, attributes and Properties of what depends on it included.
    """
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), devices=(), types=(made,)) as rig:
            begin = time.process_time()
            await rig.pipeline.offer([measured(rig.clock.now(), "pump-1", shared=1)])
            first_ms = (time.process_time() - begin) * 1_000
            costs = []
            for number in range(SHOWN):
                begin = time.perf_counter()
                await rig.pipeline.offer([measured(rig.clock.now(), "pump-1", value_8=number % 4)])
                costs.append((time.perf_counter() - begin) * 1e6)
            return first_ms, statistics.median(costs)


def measure(count: int) -> Row:
    """All figures of one size."""
    text = source(count)
    parse_ms, parsed = timed(lambda: parse(text))
    resolve_ms, model = timed(lambda: resolve(parsed))
    translate_ms, made = timed(lambda: device_type(model))
    type_mib, _ = grown(lambda: device_type(resolve(parse(text))))
    instance_ms, shown_us = asyncio.run(instance(made))
    device_mib, plant = grown(lambda: _plant(made))
    live, logic = LiveLogic(plant), made.logic
    change_us, change_evaluations = change(plant, live, logic, "value_8")
    shared_us, shared_evaluations = change(plant, live, logic, "shared")
    idle_us, _ = change(plant, live, logic, "value_0")
    return Row(
        count, parse_ms, resolve_ms, translate_ms, instance_ms, type_mib, device_mib, change_us, change_evaluations,
        shared_us, shared_evaluations, idle_us, shown_us,
    )  # fmt: skip


def _plant(made: DeviceType) -> Plant:
    plant = Plant()
    plant.install(made)
    plant.restore(DeviceId("pump-1"), made.type_id, ("hall",), 0)
    return plant


def table(rows: Sequence[Row]) -> str:
    """The rows side by side, and the growth from the first to the last against that of the size."""
    first, last = rows[0], rows[-1]
    lines = [f"{'':24}" + "".join(f"{row.variables:>12}" for row in rows) + f"{'grows':>10}"]
    for field in fields(Row)[1:]:
        values = [getattr(row, field.name) for row in rows]
        ratio = f"{values[-1] / values[0]:.1f}x" if values[0] else "-"
        lines.append(f"{field.name:24}" + "".join(f"{value:>12.2f}" for value in values) + f"{ratio:>10}")
    lines.append(f"{'variables':24}" + " " * 12 * len(rows) + f"{last.variables / first.variables:>9.1f}x")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([measure(size) for size in SIZES]))
