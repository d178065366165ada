"""What a load measures: CPU of the server per unit of work, rate, latency, loss."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil


@dataclass
class Figures:
    """One run of one scenario on one server."""

    units: int = 0  # requests, sessions or notifications inside the window
    wall_s: float = 0.0
    server_cpu_s: float = 0.0
    client_cpu_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    lost: int = 0  # counter values that never came
    faults: int = 0  # answers with a Bad service result, or none at all
    rss_mb: float = 0.0
    note: str = ""


def server_cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, user and system, without its children."""
    spent = psutil.Process(pid).cpu_times()
    return float(spent.user + spent.system)


def quantile(counted: dict[float, int], part: float) -> float:
    """The value below which `part` of all lie; `counted` says how often each came."""
    total = sum(counted.values())
    seen = 0
    for value in sorted(counted):
        seen += counted[value]
        if seen > part * total:
            return value
    return max(counted, default=0.0)


class Window:
    """From `__init__` to `figures`: what the server and this process spent."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu = server_cpu_s(pid)
        self._own = time.process_time()
        self._began = time.perf_counter()

    def figures(self, units: int, latencies_ms: dict[float, int]) -> Figures:
        """The figures so far."""
        return Figures(
            units=units,
            wall_s=time.perf_counter() - self._began,
            server_cpu_s=server_cpu_s(self._pid) - self._cpu,
            client_cpu_s=time.process_time() - self._own,
            p50_ms=quantile(latencies_ms, 0.5),
            p99_ms=quantile(latencies_ms, 0.99),
            rss_mb=psutil.Process(self._pid).memory_info().rss / 1e6,
        )
