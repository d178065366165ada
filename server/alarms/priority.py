"""The four priorities of ISA-18.2 and the Severity that each is published with (OPC 10000-9, 5.5.2; 1 … 1000)."""

from __future__ import annotations

from collections.abc import Mapping

PRIORITIES = ("critical", "high", "medium", "low")
SEVERITIES: Mapping[str, int] = {"critical": 900, "high": 700, "medium": 500, "low": 300}
"""Severity of an alarm that was given a priority; a site may choose other numbers within the bands."""
BANDS: tuple[tuple[int, str], ...] = ((801, "critical"), (601, "high"), (401, "medium"), (1, "low"))
"""(least Severity, priority)."""


def priority_of(severity: int) -> str:
    """The priority whose band holds a Severity."""
    return next((name for least, name in BANDS if severity >= least), "low")
