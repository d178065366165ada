"""What is measured: name, load, unit of the CPU figure, and how often the load nodes change meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.bench.opcua.running import STILL_MS

NODES = 10_000


@dataclass(frozen=True)
class Scenario:
    """One row of the table."""

    name: str
    title: str
    spec: dict[str, Any]
    period_ms: int = STILL_MS
    unit: str = "µs a request"  # of CPU; notifications: "ms a 1000"; idle and quiet: "% of a core"
    per_unit: float = 1e6


def _requests(name: str, title: str, work: str, outstanding: int = 8, *, secured: bool = False) -> Scenario:
    spec = {"load": "requests", "work": work, "outstanding": outstanding, "secured": secured}
    return Scenario(name, title, spec)


def _items(
    name: str,
    title: str,
    period_ms: int,
    publishing_ms: int,
    sampling_ms: int = 0,
    *,
    clients: int = 1,
    items: int = NODES,
    quiet: bool = False,
) -> Scenario:
    spec = {
        "load": "subscriptions",
        "clients": clients,
        "items": items,
        "period_ms": period_ms,
        "publishing_ms": publishing_ms,
        "sampling_ms": sampling_ms,
        "quiet": quiet,
    }
    if quiet:
        return Scenario(name, title, spec, period_ms, "% of a core", 100.0)
    return Scenario(name, title, spec, period_ms, "ms a 1000 notifications", 1e6)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("idle", "no client, nothing changes", {"load": "idle"}, STILL_MS, "% of a core", 100.0),
        _requests("read1_one", "read 1, one outstanding", "read1", 1),
        _requests("read1", "read 1", "read1"),
        _requests("read100", "read 100", "read100"),
        _requests("read1000", "read 1000", "read1000"),
        _requests("write1", "write 1", "write1"),
        _requests("write100", "write 100", "write100"),
        _requests("browse", "browse 100 children", "browse"),
        _requests("call_one", "call, one outstanding", "call", 1),
        _requests("call", "call", "call"),
        Scenario("session", "open, activate and close a session", {"load": "sessions"}, unit="µs a session"),
        _requests("s_read1", "signed and encrypted read 1", "read1", secured=True),
        _requests("s_read100", "signed and encrypted read 100", "read100", secured=True),
        _requests("s_read1000", "signed and encrypted read 1000", "read1000", secured=True),
        _items("smp_10k_quiet", "10 000 items sampled at 250 ms, quiet", STILL_MS, 500, 250, quiet=True),
        Scenario("idle_1s", "no client, 10 000 change at 1 s", {"load": "idle"}, 1_000, "% of a core", 100.0),
        _items("sub_10k_1s", "10 000 items changing at 1 s", 1_000, 100),
        _items("smp_10k_1s", "10 000 items sampled at 250 ms, changing at 1 s", 1_000, 500, 250),
        _items("sub_10k_200ms", "10 000 items changing at 200 ms", 200, 200),
        _items("fan_20x1k_500ms", "20 clients x 1000 items changing at 500 ms", 500, 500, clients=20, items=1_000),
    )
}
