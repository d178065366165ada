"""Runs the scenarios: servers in turn within a round, round after round, so that a busy machine falls on all alike."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.bench.opcua import certificate
from tests.bench.opcua.figures import Figures, server_cpu_s
from tests.bench.opcua.link import CLIENT_URI
from tests.bench.opcua.running import STILL_MS, Asked, Server, load, start
from tests.bench.opcua.scenarios import NODES, Scenario


@dataclass
class Growth:
    """One start of one server with so many variables."""

    server: str
    nodes: int
    start: str  # "first" builds what later starts find
    ready_s: float = 0.0  # from the process's start to its first session, wall clock
    cpu_s: float = 0.0  # the same, CPU
    rss_mb: float = 0.0  # then
    read1_us: float = 0.0  # CPU, eight outstanding; 0 when not measured
    read100_us: float = 0.0
    error: str = ""


@dataclass
class Results:
    """What was found, by scenario and server, one entry a round."""

    figures: dict[tuple[str, str], list[Figures]] = field(default_factory=dict)
    errors: dict[tuple[str, str], str] = field(default_factory=dict)
    growth: list[Growth] = field(default_factory=list)


class Runner:
    """Keeps the folders and the client's certificate of one run."""

    def __init__(self, servers: Sequence[str], seconds: float, folder: Path) -> None:
        self._servers = servers
        self._seconds = seconds
        self._folder = folder
        self._certificate, self._key = certificate.make(folder / "client", CLIENT_URI)
        self._numbers = itertools.count()
        self.results = Results()

    def _asked(self, name: str, period_ms: int, nodes: int = NODES, folder: str = "") -> Asked:
        own = self._folder / (folder or f"{name}-{next(self._numbers)}")
        return Asked(nodes, period_ms, own, self._folder / "shared", self._certificate)

    def _spec(self, scenario: Scenario, nodes: int = NODES) -> dict[str, Any]:
        return {
            "nodes": nodes,
            "seconds": self._seconds,
            "certificate": str(self._certificate),
            "key": str(self._key),
            **scenario.spec,
        }

    async def round(self, scenarios: Sequence[Scenario]) -> None:
        """Every scenario once on every server."""
        for period_ms in dict.fromkeys(scenario.period_ms for scenario in scenarios):
            group = [scenario for scenario in scenarios if scenario.period_ms == period_ms]
            if period_ms == STILL_MS:
                await self._together(group)
            else:
                await self._one_by_one(group, period_ms)

    async def _together(self, group: Sequence[Scenario]) -> None:
        """Servers that nobody talks to cost next to nothing: all are up, each scenario goes round them."""
        up: dict[str, Server] = {}
        try:
            for name in self._servers:
                if (server := await self._started(group, name, STILL_MS)) is not None:
                    up[name] = server
            for scenario in group:
                for name, server in up.items():
                    await self._measure(scenario, name, server)
        finally:
            for server in up.values():
                await server.stop()

    async def _one_by_one(self, group: Sequence[Scenario], period_ms: int) -> None:
        """Load nodes that count up cost CPU: one server at a time."""
        for name in self._servers:
            server = await self._started(group, name, period_ms)
            if server is None:
                continue
            try:
                for scenario in group:
                    await self._measure(scenario, name, server)
            finally:
                await server.stop()

    async def _started(self, group: Sequence[Scenario], name: str, period_ms: int) -> Server | None:
        """A server, or None with the reason kept for each scenario: the others are measured all the same."""
        try:
            return await start(name, self._asked(name, period_ms))
        except (RuntimeError, AssertionError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            print(f"{name} did not start: {error}", flush=True)
            for scenario in group:
                self.results.errors[scenario.name, name] = lines[0]
            return None

    async def _measure(self, scenario: Scenario, name: str, server: Server) -> None:
        found = await load(server, self._spec(scenario))
        key = (scenario.name, name)
        if "error" in found:
            self.results.errors[key] = str(found["error"])
            print(f"{scenario.name:16} {name:10} failed: {found['error']}", flush=True)
            return
        figures = Figures(**found)  # type: ignore[arg-type]
        self.results.figures.setdefault(key, []).append(figures)
        cost = cost_of(scenario, figures)
        print(
            f"{scenario.name:16} {name:10} {cost:10.2f} {scenario.unit:24} {figures.units / figures.wall_s:9.0f}/s "
            f"p50 {figures.p50_ms:.2f} p99 {figures.p99_ms:.2f} ms, lost {figures.lost}, faults {figures.faults}, "
            f"server {figures.server_cpu_s / figures.wall_s:.0%}, client {figures.client_cpu_s / figures.wall_s:.0%}, "
            f"{figures.rss_mb:.0f} MB {figures.note}",
            flush=True,
        )

    async def grow(self, sizes: Sequence[int]) -> None:
        """Start each server with more and more variables; ours twice, since its second start finds its snapshot."""
        for nodes in sizes:
            for name in self._servers:
                folder = f"grow-{name}-{nodes}"
                for turn in ("first", "second") if name.startswith("ours") else ("first",):
                    row = Growth(name, nodes, turn)
                    try:
                        await self._grown(row, self._asked(name, STILL_MS, nodes, folder))
                    except (RuntimeError, AssertionError) as error:
                        row.error = str(error).strip().splitlines()[0]
                    self.results.growth.append(row)
                    print(f"grow {name:10} {nodes:7} {turn:6} {row}", flush=True)

    async def _grown(self, row: Growth, asked: Asked) -> None:
        server = await start(row.server, asked)
        try:
            found = await load(server, {"load": "first session"})
            if "error" in found:
                raise RuntimeError(str(found["error"]))
            row.ready_s = server.start_s + float(str(found["wall_s"]))
            row.cpu_s = server_cpu_s(server.pid)
            row.rss_mb = psutil.Process(server.pid).memory_info().rss / 1e6
            for work in ("read1", "read100"):
                spec = {"load": "requests", "work": work, "outstanding": 8, "secured": False, "nodes": row.nodes}
                found = await load(server, {**spec, "seconds": self._seconds})
                if "error" in found:
                    raise RuntimeError(str(found["error"]))
                figures = Figures(**found)  # type: ignore[arg-type]
                setattr(row, f"{work}_us", figures.server_cpu_s / max(1, figures.units) * 1e6)
        finally:
            await server.stop()


def cost_of(scenario: Scenario, figures: Figures) -> float:
    """CPU of the server per unit of work, in the scenario's unit."""
    work = figures.wall_s if scenario.unit == "% of a core" else max(1, figures.units)
    return figures.server_cpu_s / work * scenario.per_unit


async def run(
    servers: Sequence[str], scenarios: Sequence[Scenario], rounds: int, seconds: float, sizes: Sequence[int]
) -> Results:
    """All of it, in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        runner = Runner(servers, seconds, Path(name))
        for _ in range(rounds):
            await runner.round(scenarios)
        await runner.grow(sizes)
        return runner.results
