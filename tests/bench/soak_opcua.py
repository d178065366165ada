"""Soak run: many sessions with monitored items come and go for long; memory, descriptors and loop lag must not grow.

python -m tests.bench.soak_opcua --minutes 60 --sessions 50 --items 500
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
from asyncua import ua

from tests.bench.opcua.figures import server_cpu_s
from tests.bench.opcua.link import BrokenError
from tests.bench.soak.member import SoakLink
from tests.kit.product import ROOT, Product, launch

SAMPLE_S = 10.0
WARM_PART = 6  # the first sixth of a run is not judged
_I = ua.ObjectIds
SUMMARY = {
    "sessions": _I.Server_ServerDiagnostics_ServerDiagnosticsSummary_CurrentSessionCount,
    "subscriptions": _I.Server_ServerDiagnostics_ServerDiagnosticsSummary_CurrentSubscriptionCount,
    "sessions_timed_out": _I.Server_ServerDiagnostics_ServerDiagnosticsSummary_SessionTimeoutCount,
    "rejected_requests": _I.Server_ServerDiagnostics_ServerDiagnosticsSummary_RejectedRequestsCount,
}
DETAILS = _I.Server_ServerDiagnostics_SubscriptionDiagnosticsArray


class Diagnostics:
    """An administrator's own connection, read every sample."""

    def __init__(self, product: Product) -> None:
        self._link = SoakLink(product.opcua_url)
        self._link.sign_in("admin", product.password("admin"), timeout_ms=600_000)

    def read(self) -> dict[str, int]:
        """Counts of the server itself; `items` over all subscriptions."""
        request = ua.ReadRequest()
        nodes = [*SUMMARY.values(), DETAILS]
        request.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId(node), ua.AttributeIds.Value) for node in nodes]
        *counts, details = self._link.call(request).Results
        found = {name: int(result.Value.Value) for name, result in zip(SUMMARY, counts, strict=True)}
        subscriptions = details.Value.Value or []
        found["items"] = sum(entry.MonitoredItemCount for entry in subscriptions)
        found["unacknowledged"] = sum(entry.UnacknowledgedMessageCount for entry in subscriptions)
        return found

    def close(self) -> None:
        """Leave."""
        self._link.close()


def slope(samples: list[dict[str, Any]], name: str) -> float:
    """Least-squares slope of a figure, per hour."""
    times = [sample["at_s"] / 3600 for sample in samples]
    values = [float(sample[name]) for sample in samples]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    return sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True)) / spread


def summary(samples: list[dict[str, Any]], clients: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table, over what was sampled after the warm-up."""
    judged = samples[len(samples) // WARM_PART :]
    first, last = judged[0], judged[-1]
    hours = (last["at_s"] - first["at_s"]) / 3600
    lags = sorted(sample["loop_lag_s"] * 1000 for sample in judged)
    ages = sorted(sample["age_p99_ms"] for sample in judged)
    cores = (last["cpu_s"] - first["cpu_s"]) / (hours * 3600)

    def span(name: str) -> str:
        values = [sample[name] for sample in judged]
        return f"{min(values):,.0f} to {max(values):,.0f}"

    return [
        ("run, judged part", f"{samples[-1]['at_s'] / 60:.0f} min, {hours * 60:.0f} min"),
        ("RSS, first and last sample judged", f"{first['rss_mib']:.1f} and {last['rss_mib']:.1f} MiB"),
        ("RSS slope", f"{slope(judged, 'rss_mib'):+.2f} MiB/h"),
        ("file descriptors", span("fds")),
        ("file descriptor slope", f"{slope(judged, 'fds'):+.2f} /h"),
        ("threads", span("threads")),
        ("CPU of the server", f"{cores:.1%} of a core"),
        ("loop lag, worst of each 10 s: median, p99, max",
         f"{lags[len(lags) // 2]:.0f}, {lags[int(len(lags) * 0.99)]:.0f}, {lags[-1]:.0f} ms"),
        ("sessions", span("sessions")),
        ("subscriptions", span("subscriptions")),
        ("monitored items", span("items")),
        ("notifications", f"{clients['notifications']:,}"),
        ("age of a notified value, p99 of each 10 s: median, worst", f"{ages[len(ages) // 2]:.0f}, {ages[-1]:.0f} ms"),
        ("values lost, repeated; sequence gaps",
         f"{clients['lost']}, {clients['repeated']}; {clients['sequence_gaps']}"),
        ("sessions opened, closed, vanished", f"{clients['opened']}, {clients['closed']}, {clients['vanished']}"),
        ("subscriptions transferred, sessions moved", f"{clients['transferred']}, {clients['moved']}"),
        ("client errors", str(len(clients["errors"]))),
    ]  # fmt: skip


def markdown(rows: list[tuple[str, str]]) -> str:
    """The table."""
    return "\n".join(["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


async def sample(product: Product, diagnostics: Diagnostics, http: httpx.AsyncClient) -> dict[str, Any]:
    """One look at the server."""
    process = psutil.Process(product.process.pid)
    found: dict[str, Any] = {
        "rss_mib": process.memory_info().rss / 2**20,
        "fds": process.num_fds(),
        "threads": process.num_threads(),
        "cpu_s": server_cpu_s(product.process.pid),
    }
    text = (await http.get("/metrics")).text
    found["loop_lag_s"] = next(
        float(line.split()[1]) for line in text.splitlines() if line.startswith("fieldloom_loop_lag_s ")
    )
    return found | await asyncio.to_thread(diagnostics.read)


async def soak(options: argparse.Namespace, folder: Path) -> None:
    """Start server and clients, sample until they end, say what was found."""
    environment = {
        "FIELDLOOM_OPCUA__ALLOW_NONE": "true",
        "FIELDLOOM_OPCUA__TEST_NODES": "true",
        "FIELDLOOM_OPCUA__LOAD_NODES": str(options.nodes),
        "FIELDLOOM_OPCUA__LOAD_PERIOD_MS": "1000",
    }
    product = await launch(folder, "run", (), environment)
    try:
        load = {
            "url": product.opcua_url,
            "items": options.items,
            "nodes": options.nodes,
            "publishing_ms": options.publishing_ms,
            "user": "operator",
            "password": product.password("operator"),
        }
        asked = {
            "load": load,
            "sessions": options.sessions,
            "seconds": options.minutes * 60,
            "churn_s": options.churn_s,
        }
        clients = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bench.soak.clients",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert clients.stdin is not None and clients.stdout is not None
        clients.stdin.write(json.dumps(asked).encode())
        clients.stdin.close()
        try:
            await watch(product, clients.stdout, options)
            await clients.wait()
        finally:
            if clients.returncode is None:
                clients.kill()
                await clients.wait()
    finally:
        await product.stop()
    told = [line for line in product.log.read_text().splitlines() if '"error"' in line or "Traceback" in line]
    print(f"errors in the server's log: {len(told)}", *told[:20], sep="\n")


async def watch(product: Product, reports: asyncio.StreamReader, options: argparse.Namespace) -> None:
    """Sample with each report of the clients, which come every ten seconds, and keep the file up to date."""
    samples: list[dict[str, Any]] = []
    told: dict[str, Any] = {"errors": []}
    begun = time.monotonic()
    diagnostics = Diagnostics(product)
    try:
        async with httpx.AsyncClient(base_url=product.http_url) as http:
            while line := await reports.readline():
                told = json.loads(line)
                try:
                    found = await sample(product, diagnostics, http)
                except (BrokenError, OSError, httpx.HTTPError) as error:
                    print(f"no sample: {type(error).__name__}: {error}", flush=True)
                    continue
                found["at_s"] = time.monotonic() - begun
                found |= {name: told[name] for name in ("age_p99_ms", "age_max_ms", "members", "client_cpu_s")}
                samples.append(found)
                progress(found, told)
                if len(samples) < 2:
                    continue
                content = {"summary": summary(samples, told), "clients": told, "samples": samples}
                options.out.write_text(json.dumps(content, indent=1))
    finally:
        diagnostics.close()
    print(markdown(summary(samples, told)), *told["errors"], sep="\n", flush=True)


def progress(found: dict[str, Any], told: dict[str, Any]) -> None:
    """One line."""
    print(
        f"{found['at_s']:6.0f} s  rss {found['rss_mib']:6.1f} MiB  fds {found['fds']:3}  threads {found['threads']}  "
        f"cpu {found['cpu_s']:6.1f} s  lag {found['loop_lag_s'] * 1000:4.0f} ms  sessions {found['sessions']}  "
        f"subscriptions {found['subscriptions']}  items {found['items']}  age p99 {told['age_p99_ms']:.0f} ms  "
        f"lost {told['lost']}  gaps {told['sequence_gaps']}  errors {len(told['errors'])}  "
        f"client cpu {told['client_cpu_s']:.1f} s",
        flush=True,
    )


def main() -> None:
    """`python -m tests.bench.soak_opcua`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--items", type=int, default=500, help="items a session")
    parser.add_argument("--nodes", type=int, default=10_000, help="load nodes")
    parser.add_argument("--publishing-ms", type=float, default=1000.0)
    parser.add_argument("--churn-s", type=float, default=4.0, help="one client goes and another comes every so often")
    parser.add_argument("--out", type=Path, default=Path("soak.json"), help="all samples, as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        asyncio.run(soak(options, Path(folder)))


if __name__ == "__main__":
    main()
