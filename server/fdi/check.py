"""Everything that can be said about a package, collected instead of stopping at the first mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.core.clock import to_iso
from server.fdi import literals
from server.fdi.archive import DEFAULT_LIMITS, ContainerLimits
from server.fdi.build import assemble
from server.fdi.catalog_schema import schema_findings
from server.fdi.container import Container, Part
from server.fdi.errors import Finding, PackageError, Severity
from server.fdi.package import Package, find_catalog, read_contents
from server.fdi.package_methods import method_findings
from server.fdi.signature.result import SignatureReport, SignatureResult, SignatureState
from server.fdi.signature.verifying import verify
from server.fdi.trust import TrustPolicy, judge

_WORST_FIRST = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found."""

    findings: tuple[Finding, ...]  # errors first
    signature: SignatureReport | None  # None: no container at all
    package: Package | None  # None: it is refused
    digest: str = ""
    size_bytes: int = 0

    @property
    def good(self) -> bool:
        """True when there is no error."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def spotless(self) -> bool:
        """True when there is no warning either."""
        return all(finding.severity is Severity.INFO for finding in self.findings)


def inspect(data: bytes, limits: ContainerLimits = DEFAULT_LIMITS, policy: TrustPolicy | None = None) -> CheckResult:
    """Check a package as a server with this policy would, and further: whatever can still be looked at is.

    A missing signature is a warning here whatever the policy says: packages are checked before they are signed.
    """
    policy = policy or TrustPolicy()
    try:
        container = Container.read(data, limits)
    except PackageError as error:
        return CheckResult(error.findings, None, None, size_bytes=len(data))
    report = verify(container, policy.trust(limits.xml))
    findings = [*_signature_findings(report, policy)]
    findings += _against_schema(container, limits)
    package: Package | None = None
    try:
        package = read_contents(container, limits, report)
    except PackageError as error:
        findings += error.findings
    else:
        findings += package.findings
        findings += _registrations(package)
        findings += method_findings(package)
    ordered = sorted(dict.fromkeys(findings), key=lambda finding: _WORST_FIRST[finding.severity])
    return CheckResult(tuple(ordered), report, package, container.digest, len(data))


def inspect_sources(
    files: Mapping[str, bytes], limits: ContainerLimits = DEFAULT_LIMITS, policy: TrustPolicy | None = None
) -> CheckResult:
    """Check a package by its source files, by relative path; mistakes that keep it from being built are findings."""
    try:
        data, _ = assemble(files)
    except PackageError as error:
        return CheckResult(error.findings, None, None, size_bytes=sum(map(len, files.values())))
    return inspect(data, limits, policy)


def _signature_findings(report: SignatureReport, policy: TrustPolicy) -> Iterable[Finding]:
    if report.state is SignatureState.UNSIGNED:
        refused = (
            "" if policy.allow_unsigned else ": uploads are refused unless packages.unsigned is allow (the demo does)"
        )
        yield Finding(rule=report.rule, text=report.reason + refused)
        return
    if not report.signatures:
        yield Finding(severity=Severity.ERROR, rule=report.rule, text=report.reason)
    bad = judge(report, policy) is not None
    for entry in report.signatures:
        severity = Severity.INFO if entry.state is SignatureState.VALID else Severity.WARNING
        if bad and entry.state not in (SignatureState.VALID, SignatureState.VALID_WITH_WARNINGS):
            severity = Severity.ERROR
        text = f"{entry.state}: {_who(entry)}{f': {entry.reason}' if entry.reason else ''}"
        yield Finding(severity=severity, rule=entry.rule or "signature", text=text, part=entry.part)
        for warning in entry.warnings:
            if warning != entry.reason:
                yield Finding(rule="signature", text=warning, part=entry.part)


def _who(entry: SignatureResult) -> str:
    if not entry.signer:
        return "signer unknown"
    words = [f"signed by {entry.signer} (certified by {entry.issuer})"]
    if entry.signing_time is not None:
        words.append(f"at {to_iso(entry.signing_time)}")
    if entry.time_stamp is not None:
        words.append(f"time stamp {to_iso(entry.time_stamp)}")
    return f"{' '.join(words)}, {entry.algorithm}"


def _against_schema(container: Container, limits: ContainerLimits) -> list[Finding]:
    found: list[Finding] = []
    try:
        for part in _described(container, limits):
            found += schema_findings(part.data, part=part.name, limits=limits.xml)
    except PackageError as error:
        found += error.findings
    return found


def _described(container: Container, limits: ContainerLimits) -> Iterable[Part]:
    """The parts that the schema describes."""
    catalog = find_catalog(container, limits)
    yield catalog
    for relationship in container.relationships(catalog.name):
        if relationship.type == literals.RELATIONSHIP_REGISTRATION:
            yield container.follow(relationship, source=catalog.name)


def _registrations(package: Package) -> Iterable[Finding]:
    for entry in package.registration:
        yield Finding(
            severity=Severity.INFO,
            rule="registration",
            text=f"{entry.authority or 'an unnamed authority'} states for manufacturer {entry.manufacturer}, "
            f"model {entry.device_model}: {entry.data.default}",
        )
