"""What the server does with a package's signature state: the site's policy and the certificates it trusts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509

from server.core.clock import Clock, SystemClock
from server.core.errors import ConfigurationError
from server.fdi.errors import PackageError
from server.fdi.signature.chain import UNREADABLE, check_readable
from server.fdi.signature.names import MAX_CERTIFICATE_BYTES
from server.fdi.signature.result import SignatureReport, SignatureState
from server.fdi.signature.verifying import Trust
from server.fdi.xml_reader import XmlLimits
from server.settings import Settings

CERTIFICATE_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})
MAX_TRUSTED = 200
"""Certificates of the trust folder at most."""


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Which signature states a package may have.

    Attributes:
        clock: asked when a signature is judged.
        certificates: trusted authorities, signers and time stamp authorities.
        allow_unsigned: take packages without signature.
        allow_untrusted: take packages whose signer is not trusted.
        allow_builtin_unsigned: take unsigned and untrusted packages of the folder that the site's owner fills.
        accept_sha1: read signatures made with SHA-1.
    """

    clock: Clock = field(default_factory=SystemClock)
    certificates: tuple[x509.Certificate, ...] = ()
    allow_unsigned: bool = False
    allow_untrusted: bool = False
    allow_builtin_unsigned: bool = True
    accept_sha1: bool = False

    @property
    def builtin(self) -> TrustPolicy:
        """The policy for packages of the built-in folder: whose signature nobody knows counts like none."""
        if not self.allow_builtin_unsigned:
            return self
        return replace(self, allow_unsigned=True, allow_untrusted=True)

    def trust(self, xml: XmlLimits) -> Trust:
        """What signatures are verified against now."""
        return Trust(self.clock.now(), self.certificates, self.accept_sha1, xml)


def policy_of(settings: Settings, clock: Clock) -> TrustPolicy:
    """The policy in force.

    Raises:
        ConfigurationError: a file of the trust folder is no certificate; every such file is listed.
    """
    packages = settings.packages
    return TrustPolicy(
        clock=clock,
        certificates=trusted_certificates(packages.trust_dir),
        allow_unsigned=packages.unsigned == "allow",
        allow_untrusted=packages.untrusted == "allow",
        allow_builtin_unsigned=packages.builtin_unsigned == "allow",
        accept_sha1=packages.accept_sha1,
    )


def judge(report: SignatureReport, policy: TrustPolicy) -> PackageError | None:
    """Why a package of this state is refused, or None. Invalid and PartiallySigned always are."""
    state = report.state
    if state in (SignatureState.VALID, SignatureState.VALID_WITH_WARNINGS):
        return None
    if state is SignatureState.UNSIGNED:
        if policy.allow_unsigned:
            return None
        reason = f"{report.reason}; unsigned packages are refused here (setting packages.unsigned)"
        return PackageError(reason, rule=report.rule)
    if state is SignatureState.UNTRUSTED and policy.allow_untrusted:
        return None
    part = report.best.part if report.best else ""
    return PackageError(f"signature {state}: {report.reason}", part=part, rule=report.rule)


def trusted_certificates(folder: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a folder, by file name; PEM files may hold several. An absent folder holds none.

    Raises:
        ConfigurationError: every file that is no certificate, or too many of them.
    """
    found: list[x509.Certificate] = []
    problems: list[str] = []
    if not folder.is_dir():
        return ()
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in CERTIFICATE_SUFFIXES or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                data = file.read(MAX_CERTIFICATE_BYTES * 16)
            if b"-----BEGIN" in data:
                found += x509.load_pem_x509_certificates(data)
            else:
                found.append(x509.load_der_x509_certificate(data))
            for certificate in found:
                check_readable(certificate)
        except (OSError, *UNREADABLE) as error:
            problems.append(f"{path}: not a certificate: {error}")
    if len(found) > MAX_TRUSTED:
        problems.append(f"{folder}: {len(found)} certificates, at most {MAX_TRUSTED}")
    if problems:
        raise ConfigurationError(problems, what="trusted package signers")
    return tuple(found)
