"""Whether the METHODs of a package's EDDs can run: looked at when a package is built, checked or uploaded."""

from __future__ import annotations

from collections.abc import Iterable

from server.fdi.errors import Finding, PackageError, Severity
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.checking import check_methods
from server.model.device_type import DeviceType

ONLY_ODD = "method-prompt"
"""The one rule of METHODs whose breach leaves them running."""


def method_findings(device_types: Iterable[DeviceType]) -> list[Finding]:
    """What keeps METHODs from running, the first problem of each, and prompts that name nothing."""
    return [
        Finding(
            severity=Severity.WARNING if problem.rule == ONLY_ODD else Severity.ERROR,
            rule=f"edd.{problem.rule}",
            text=f"{device_type.type_id}: {problem.text}",
            part=problem.file,
            line=problem.line,
            column=problem.column,
        )
        for device_type in device_types
        if isinstance(device_type.logic, TypeLogic)
        for problem in check_methods(device_type.logic)
    ]


def require_methods(device_types: Iterable[DeviceType]) -> None:
    """Raise PackageError when a METHOD cannot run; the flow of a package never starts with half of it missing."""
    errors = [finding for finding in method_findings(device_types) if finding.severity is Severity.ERROR]
    if errors:
        first, more = errors[0], len(errors) - 1
        raise PackageError(
            f"{first.text}{f' (and {more} more)' if more else ''}",
            part=first.part,
            line=first.line,
            rule=first.rule,
            findings=errors,
        )
