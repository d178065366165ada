"""Counters of the whole server and times of HTTP requests, in the text format of Prometheus."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9_]")
_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class _Values:
    """The server's own figures, as they are when asked."""

    def __init__(self) -> None:
        self.values: Mapping[str, int | float] = {}

    def collect(self) -> Iterator[Metric]:
        # Our counters and gauges share one table: all are exported as gauges, whose value is just what it is.
        for name, value in sorted(self.values.items()):
            if math.isfinite(value):
                shown = _NOT_A_NAME.sub("_", name)
                yield GaugeMetricFamily(f"fieldloom_{shown}", f"Fieldloom {name.replace('_', ' ')}", value=value)

    def describe(self) -> Iterable[Metric]:
        return ()


class HttpMetrics:
    """One registry a server: tests and embedding programs may run several."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._values = _Values()
        self._registry.register(self._values)
        self._requests = Counter(
            "fieldloom_http_requests", "HTTP requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._times = Histogram(
            "fieldloom_http_request_seconds",
            "Seconds until the answer started",
            ("route",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )

    def told(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered. Routes are patterns and methods a closed set: a client cannot make new series."""
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._times.labels(route).observe(seconds)

    def render(self, values: Mapping[str, int | float]) -> bytes:
        """Everything, as text."""
        self._values.values = values
        return generate_latest(self._registry)
