"""What `fieldloom package check` and `fieldloom package list` say to people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from server.fdi.check import CheckResult
from server.fdi.errors import Severity
from server.fdi.package import Package
from server.security.audit import one_line

MAKER_LIMIT = 40
"""Characters of a manufacturer's name in a list: whoever wrote it, the list keeps its lines and columns."""


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
    told = f"{counted(counts[0], 'error')}, {counted(counts[1], 'warning')}"
    digest = f", sha256 {result.digest}" if result.digest else ""
    yield f"{name}: {'good' if good else 'not good'}, {told}{state}, {result.size_bytes} bytes{digest}"


def _held(package: Package) -> Iterator[str]:
    for device_type in package.device_types:
        alarms = len(device_type.alarms)
        yield (
            f"{device_type.type_id}: {counted(len(device_type.parameters), 'parameter')}, "
            f"{counted(len(device_type.methods), 'method')}, {counted(alarms, 'alarm')}"
        )
    for uip in package.uips:
        yield f"plug-in {uip.name.default} {uip.version}: {counted(len(uip.variants), 'variant')}"
    if package.catalog.product_uri:
        yield f"communication server {package.catalog.product_uri}"


def listed(packages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line a version, in columns: mark of the one in use, device types, manufacturer, version, signature, id."""
    rows = [
        (
            "*" if entry["current"] else " ",
            ", ".join(str(item["type_id"]) for item in entry["device_types"]) or "-",
            one_line(str(entry["manufacturer"]), MAKER_LIMIT) or "-",
            str(entry["version"]),
            str(entry["signature"]["state"]),
            str(entry["package_id"]),
        )
        for entry in packages
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for mark, *cells in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield f"{mark} {'  '.join(padded)}".rstrip()


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
