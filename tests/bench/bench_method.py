"""METHODs beside a server: steps a second, and how late the event loop runs while hostile METHODs do their worst.

Run: `python -m tests.bench.bench_method`. Each METHOD runs as an Action until its budget ends it.
"""

from __future__ import annotations

import asyncio
import gc
import time

from lxml import etree

from server.fdi.actions.machines import make_machine
from server.fdi.actions.runner import ActionRunner
from server.fdi.actions.service import ActionLimits, ActionService
from server.fdi.methods.limits import DEFAULT_METHOD_LIMITS
from server.fdi.methods.outcome import Running
from server.model.lock import Locks, owner_of
from tests.kit.actions import ENGINEER, ScriptedAccess, ScriptedKept, Things, thing

METHODS = {
    "counting": "{ long i; i = 0; while (1) i = i + 1; }",
    "messages": '{ while (1) PUT_MESSAGE("again"); }',
    "texts": '{ DD_STRING s; s = "x"; while (1) { s = s + s; if (strlen(s) > 30000) s = "x"; } }',
    "waits": "{ while (1) DELAY_TIME(0); }",
    "commands": "{ while (1) send_command(1); }",
    "recursion": "{ recursion(); }",
    "values": "{ while (1) limit = limit + 1.0 > 100.0 ? 0.0 : limit + 1.0; }",
}
SOURCE = "".join(
    f'METHOD {name} {{ LABEL "{name}"; CLASS OPERATE; DEFINITION {body} }}\n' for name, body in METHODS.items()
)
MENU = "MENU device_root_menu { ITEMS { " + ", ".join(METHODS) + " } }"
PROBE_S = 0.001


class Lag:
    """How late a task that sleeps a millisecond again and again comes back."""

    def __init__(self) -> None:
        self.late: list[float] = []

    async def run(self) -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(PROBE_S)
            self.late.append(time.perf_counter() - begin - PROBE_S)

    def shown(self) -> str:
        found = sorted(self.late) or [0.0]
        worst, p99 = found[-1], found[int(len(found) * 0.99)]
        return (
            f"lag median {found[len(found) // 2] * 1e3:5.2f} ms, 99 % {p99 * 1e3:5.2f} ms, worst {worst * 1e3:5.2f} ms"
        )


async def hostile(names: list[str], label: str) -> None:
    """Run these METHODs at once to their ends."""
    things = Things(thing(SOURCE + MENU))
    runner = ActionRunner(things.plant, things.live, ScriptedAccess(), things.clock, kept=ScriptedKept())
    locks = Locks(things.clock)
    locks.init_lock("thing-1", "", owner_of(ENGINEER))
    service = ActionService(things.plant, locks, runner, limits=ActionLimits(per_device=16))
    running = asyncio.ensure_future(service.run())
    lag = Lag()
    probe = asyncio.ensure_future(lag.run())
    await asyncio.sleep(0.05)
    begin, cpu = time.perf_counter(), time.process_time()
    actions = {name: service.invoke("thing-1", name, "", ENGINEER, online=True)[0] for name in names}
    ended: dict[str, str] = {}
    while len(ended) < len(actions):
        await asyncio.sleep(0.01)
        for name, action in actions.items():
            root = etree.fromstring(service.value(action).encode())
            if name not in ended and root.get("State") in ("Completed", "Aborted", "Failed"):
                ended[name] = f"{root.get('State')}: {root.findtext('{*}Error')}"
    wall, used = time.perf_counter() - begin, time.process_time() - cpu
    probe.cancel()
    await service.stop()
    await running
    print(f"{label:10} {wall:7.2f} s, {used / wall:4.0%} of a core, {lag.shown()}, {ended[names[0]]}", flush=True)


def steps() -> None:
    """Steps a second without an event loop."""
    things = Things(thing(SOURCE + MENU))
    runner = ActionRunner(things.plant, things.live, ScriptedAccess(), things.clock)
    logic = things.plant.device("thing-1").device_type.logic
    for name in ("counting", "values"):
        best, worst_slice = 0.0, 0.0
        for _ in range(3):
            data = runner.data_of("thing-1", offline=False)
            machine = make_machine(logic, name, data, (), DEFAULT_METHOD_LIMITS, None)
            begin = time.process_time()
            slices = 0
            while True:
                start = time.process_time()
                if not isinstance(machine.run(DEFAULT_METHOD_LIMITS.slice_steps), Running):
                    break
                worst_slice = max(worst_slice, time.process_time() - start)
                slices += 1
            took = time.process_time() - begin
            best = max(best, slices * DEFAULT_METHOD_LIMITS.slice_steps / took)
        print(f"{name:10} {best / 1e6:5.2f} M steps/s, longest slice {worst_slice * 1e3:.2f} ms", flush=True)


async def nothing() -> None:
    """The lag of this machine without any METHOD."""
    lag = Lag()
    probe = asyncio.ensure_future(lag.run())
    await asyncio.sleep(3.0)
    probe.cancel()
    print(f"{'nothing':10}    3.00 s, {lag.shown()}", flush=True)


def main() -> None:
    """All figures."""
    steps()
    gc.collect()
    gc.freeze()  # as the server does once it is up: the EDDs are not looked at again and again
    asyncio.run(nothing())
    for name in METHODS:
        asyncio.run(hostile([name], name))


if __name__ == "__main__":
    main()
