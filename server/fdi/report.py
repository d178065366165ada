"""Checks and signatures as plain values, for JSON on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

from server.core.clock import TimeUs, to_iso
from server.fdi.check import CheckResult
from server.fdi.package import Package
from server.fdi.registration import shown
from server.fdi.signature.result import SignatureReport


def report_of(result: CheckResult, *, good: bool) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "good": good,
        "size_bytes": result.size_bytes,
        "digest": result.digest,
        "signature": signature_of(result.signature) if result.signature else None,
        "package": _package_of(result.package) if result.package else None,
        "findings": [
            {
                "severity": str(entry.severity),
                "rule": entry.rule,
                "part": entry.part,
                "line": entry.line,
                "column": entry.column,
                "text": entry.text,
                "excerpt": entry.excerpt,
            }
            for entry in result.findings
        ],
    }


def signature_of(report: SignatureReport) -> dict[str, Any]:
    """A signature report as plain values."""
    return {
        "state": str(report.state),
        "rule": report.rule,
        "reason": report.reason,
        "signatures": [
            {
                "part": entry.part,
                "state": str(entry.state),
                "rule": entry.rule,
                "reason": entry.reason,
                "signer": entry.signer,
                "issuer": entry.issuer,
                "thumbprint": entry.thumbprint,
                "signing_time": _time(entry.signing_time),
                "time_stamp": _time(entry.time_stamp),
                "algorithm": entry.algorithm,
                "warnings": list(entry.warnings),
            }
            for entry in report.signatures
        ],
    }


def _package_of(package: Package) -> dict[str, Any]:
    return {
        "package_id": package.package_id,
        "version": package.version,
        "type": package.catalog.package_type,
        "manufacturer": package.catalog.manufacturer,
        "product_uri": package.catalog.product_uri,
        "device_types": [entry.type_id for entry in package.device_types],
        "uips": [{"id": entry.uip_id, "version": entry.version, "name": entry.name.default} for entry in package.uips],
        "registration": shown(package.registration),
    }


def _time(time: TimeUs | None) -> str | None:
    return None if time is None else to_iso(time)
