"""What `fieldloom package check` says to people."""

from __future__ import annotations

from collections.abc import Iterator

from server.fdi.check import CheckResult
from server.fdi.errors import Severity
from server.fdi.package import Package


def report_lines(result: CheckResult, name: str, *, good: bool) -> Iterator[str]:
    """The report as lines; findings look like those of a compiler."""
    for finding in result.findings:
        place = f"{finding.place}: " if finding.place else ""
        yield f"{place}{finding.severity}: {finding.text} [{finding.rule}]"
        if finding.excerpt:
            yield f"    {finding.excerpt}"
    if result.package is not None:
        yield from _held(result.package)
    state = f", {result.signature.state}" if result.signature else ""
    counts = [sum(entry.severity is severity for entry in result.findings) for severity in Severity]
    told = f"{counts[0]} errors, {counts[1]} warnings"
    digest = f", sha256 {result.digest}" if result.digest else ""
    yield f"{name}: {'good' if good else 'not good'}, {told}{state}, {result.size_bytes} bytes{digest}"


def _held(package: Package) -> Iterator[str]:
    for device_type in package.device_types:
        alarms = len(device_type.limit_alarms) + len(device_type.trip_alarms)
        yield (
            f"{device_type.type_id}: {len(device_type.parameters)} parameters, "
            f"{len(device_type.methods)} methods, {alarms} alarms"
        )
    for uip in package.uips:
        yield f"plug-in {uip.name.default} {uip.version}: {len(uip.variants)} variants"
    if package.catalog.product_uri:
        yield f"communication server {package.catalog.product_uri}"
