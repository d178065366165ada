"""Prometheus text from the server's own counters, and how HTTP requests went."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

PREFIX = "fieldloom_"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_UNFIT = re.compile(r"[^a-zA-Z0-9_]")
# A name with one of these words goes up and down; every other one only counts up.
_GAUGES = frozenset({"age", "connected", "depth", "devices", "lag", "open", "pending", "points", "queue", "s", "spool"})
_GAUGES |= {"alarms", "sessions", "subscribers", "types", "waiting"}


def is_gauge(name: str) -> bool:
    """True for what can fall again."""
    return not _GAUGES.isdisjoint(name.split("_"))


class _Counters(Collector):
    def __init__(self, read: Callable[[], Mapping[str, int | float]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for name, value in sorted(self._read().items()):
            if not math.isfinite(value):
                continue
            shown = PREFIX + _UNFIT.sub("_", name)
            text = name.replace("_", " ")
            if is_gauge(name):
                yield GaugeMetricFamily(shown, text, value=value)
            else:
                yield CounterMetricFamily(shown, text, value=value)


class Metrics:
    """One registry per app."""

    def __init__(self, read: Callable[[], Mapping[str, int | float]]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Counters(read))
        self._requests = Counter(
            PREFIX + "http_requests", "HTTP requests", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            PREFIX + "http_request_seconds",
            "Seconds until an answer began",
            ("route",),
            buckets=BUCKETS_S,
            registry=self._registry,
        )

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. Routes are templates and unknown methods one name, so the number of series is bounded."""
        known = method if method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH") else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)
