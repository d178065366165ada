"""Whether the METHODs of a package's EDDs can run: looked at when a package is built, checked or uploaded."""

from __future__ import annotations

from server.fdi.errors import Finding, PackageError, Severity
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.checking import check_methods
from server.fdi.package import Package

ONLY_ODD = "method-prompt"
"""The one rule of METHODs whose breach leaves them running."""


def method_findings(package: Package) -> list[Finding]:
    """What keeps METHODs from running, and prompts that name nothing, with their places in the parts of the package."""
    found: list[Finding] = []
    for device_type in package.device_types:
        if not isinstance(device_type.logic, TypeLogic):
            continue
        places = package.edd_places[device_type.type_id]
        problems, lead = check_methods(device_type.logic), f"{device_type.type_id}: "
        wrong = [problem for problem in problems if problem.rule != ONLY_ODD]
        odd = [problem for problem in problems if problem.rule == ONLY_ODD]
        found += places.findings(wrong, Severity.ERROR, lead=lead)
        found += places.findings(odd, Severity.WARNING, lead=lead)
    return found


def require_methods(package: Package) -> None:
    """Raise PackageError when a METHOD cannot run; the flow of a package never starts with half of it missing."""
    errors = [finding for finding in method_findings(package) if finding.severity is Severity.ERROR]
    if errors:
        first, more = errors[0], len(errors) - 1
        raise PackageError(
            f"{first.text}{f' (and {more} more)' if more else ''}",
            part=first.part,
            line=first.line,
            rule=first.rule,
            findings=errors,
        )
