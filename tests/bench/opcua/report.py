"""The results as Markdown: medians, spread, and how much less than node-opcua each server spends."""

from __future__ import annotations

import os
import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.opcua import ours
from tests.bench.opcua.runner import Growth, Results, cost_of
from tests.bench.opcua.running import HERE
from tests.bench.opcua.scenarios import NODES, Scenario

REFERENCE = "node"


def machine() -> str:
    """Date, cores, versions."""
    model = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        if os.path.exists("/proc/cpuinfo")
        else None
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    node = shutil.which("node")
    node_version = (
        subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip() if node else "none"
    )
    package = HERE / "node_modules" / "node-opcua-server" / "package.json"
    found = re.search(r'"version": "(.*?)"', package.read_text()) if package.exists() else None
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores ({model[1] if model else platform.machine()}), "
        f"{memory:.0f} GiB; {platform.system()} {platform.release().split('-')[0]}; "
        f"CPython {platform.python_version()}; Node {node_version}; {ours.version()} "
        f"({'compiled twin built' if ours.twin_is_built() else 'pure Python'}); asyncua {version('asyncua')}; "
        f"node-opcua-server {found[1] if found else 'none'}"
    )


def number(value: float) -> str:
    """Three figures."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _head(cells: Sequence[str]) -> list[str]:
    return [_row(cells), "|---" + "|---:" * (len(cells) - 1) + "|"]


def costs(results: Results, scenarios: Sequence[Scenario], servers: Sequence[str]) -> list[str]:
    """CPU per unit of work: median (lowest to highest), how many times less than node-opcua."""
    lines = _head(["work", "CPU in", *servers])
    for scenario in scenarios:
        medians = {
            server: statistics.median(cost_of(scenario, found) for found in results.figures[scenario.name, server])
            for server in servers
            if results.figures.get((scenario.name, server))
        }
        cells = [f"{scenario.title} (`{scenario.name}`)", scenario.unit]
        for server in servers:
            if server not in medians:
                cells.append(results.errors.get((scenario.name, server), "–"))
                continue
            all_costs = [cost_of(scenario, found) for found in results.figures[scenario.name, server]]
            text = f"**{number(medians[server])}**"
            if len(all_costs) > 1:
                text += f" ({number(min(all_costs))}–{number(max(all_costs))})"
            if server != REFERENCE and REFERENCE in medians and medians[server] > 0:
                text += f" {number(medians[REFERENCE] / medians[server])}x"
            cells.append(text)
        lines.append(_row(cells))
    return lines


def behaviour(results: Results, scenarios: Sequence[Scenario], servers: Sequence[str]) -> list[str]:
    """Rate, latency, loss, memory: medians; losses and faults summed over the rounds."""
    lines = _head(["work", *servers])
    for scenario in scenarios:
        cells = [f"`{scenario.name}`"]
        for server in servers:
            found = results.figures.get((scenario.name, server), [])
            if not found:
                cells.append("–")
                continue
            rate = statistics.median(one.units / one.wall_s for one in found)
            p50 = statistics.median(one.p50_ms for one in found)
            p99 = statistics.median(one.p99_ms for one in found)
            text = f"{rate:,.0f}/s; " if rate else ""
            text += f"{number(p50)}/{number(p99)} ms; " if p99 else ""
            lost, faults = sum(one.lost for one in found), sum(one.faults for one in found)
            text += f"lost {lost}; " if scenario.spec["load"] == "subscriptions" else ""
            text += f"faults {faults}; " if faults else ""
            cells.append(f"{text}{statistics.median(one.rss_mb for one in found):.0f} MB")
        lines.append(_row(cells))
    return lines


def growth(rows: Sequence[Growth]) -> list[str]:
    """Start time and memory by number of variables, and what a variable takes between the smallest and the largest."""
    lines = _head(["server", "variables", "start", "s to first session", "CPU s", "RSS MB", "µs read 1", "µs read 100"])
    for row in sorted(rows, key=lambda row: (row.server, row.nodes, row.start)):
        cells = [row.server, f"{row.nodes:,}", row.start]
        if row.error:
            cells += [row.error, "", "", "", ""]
        else:
            cells += [number(row.ready_s), number(row.cpu_s), f"{row.rss_mb:.0f}"]
            cells += [number(row.read1_us), number(row.read100_us)]
        lines.append(_row(cells))
    lines.append("")
    for server in dict.fromkeys(row.server for row in rows):
        for start in ("first", "second"):
            good = sorted(
                (row for row in rows if row.server == server and row.start == start and not row.error),
                key=lambda row: row.nodes,
            )
            if len(good) > 1 and good[-1].nodes > good[0].nodes:
                more = good[-1].nodes - good[0].nodes
                lines.append(
                    f"- {server}, {start} start: {(good[-1].rss_mb - good[0].rss_mb) * 1000 / more:.2f} kB and "
                    f"{(good[-1].cpu_s - good[0].cpu_s) * 1e6 / more:.0f} µs of CPU a variable"
                )
    return lines


def markdown(
    results: Results, scenarios: Sequence[Scenario], servers: Sequence[str], rounds: int, seconds: float
) -> str:
    """The whole page."""
    lines = [
        "# Benchmarks",
        "",
        "OPC UA servers side by side under one load generator, on loopback. Made by `python -m tests.bench.opcua`.",
        "",
        f"{machine()}.",
        "",
        f"Servers take turns in each of {rounds} rounds of {seconds:g} s a scenario (items: a whole number of update "
        "periods, at least five).",
        f"All have {NODES:,} Doubles in folders of 100 and one method. Ours is the whole product with rights, alarms,",
        "history and audit; its cost while idle is in the first rows and is not subtracted anywhere.",
        "",
        "## CPU of the server per unit of work",
        "",
        "Median (lowest–highest), and how many times less than node-opcua. Eight requests are outstanding unless said",
        "otherwise. `% of a core` is over the whole window.",
        "",
        *costs(results, scenarios, servers),
        "",
        "## Rate, latency, loss, memory",
        "",
        "Latency is p50/p99: of a request from sending to its answer, of a notification from its SourceTimestamp to",
        "its arrival. Lost are counter values that never came.",
        "",
        *behaviour(results, scenarios, servers),
    ]
    if results.growth:
        lines += [
            "",
            "## Start and memory as the address space grows",
            "",
            "From the process's start to its first session. The second start of ours finds the snapshot of the first.",
            "",
            *growth(results.growth),
        ]
    return "\n".join(lines) + "\n"
