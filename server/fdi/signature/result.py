"""What was found out about a package's signatures: one state for each and one for the package."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from server.core.clock import TimeUs


class SignatureState(StrEnum):
    """How far a signature can be believed."""

    UNSIGNED = "Unsigned"
    VALID = "Valid"
    VALID_WITH_WARNINGS = "ValidWithWarnings"  # valid now, but nobody trusted certifies when it was made
    UNTRUSTED = "Untrusted"  # mathematically right, but no path to a trusted certificate
    INVALID = "Invalid"  # digest, structure or algorithm
    PARTIALLY_SIGNED = "PartiallySigned"  # right, but something in the package is not covered


class SignatureError(Exception):
    """One signature is not good; `state` says in which way, `rule` is a short stable name."""

    def __init__(self, state: SignatureState, rule: str, reason: str) -> None:
        super().__init__(f"{reason} [{rule}]")
        self.state = state
        self.rule = rule
        self.reason = reason


def invalid(rule: str, reason: str) -> SignatureError:
    """The error of a signature whose structure, algorithm or digest is wrong."""
    return SignatureError(SignatureState.INVALID, rule, reason)


def untrusted(rule: str, reason: str) -> SignatureError:
    """The error of a signature whose signer is not trusted."""
    return SignatureError(SignatureState.UNTRUSTED, rule, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureResult:
    """One signature."""

    part: str  # name of the signature part
    state: SignatureState
    rule: str = ""  # what is broken or weak; "" when Valid
    reason: str = ""
    signer: str = ""  # common name of the signer's certificate
    issuer: str = ""
    thumbprint: str = ""  # SHA-256 of the signer's certificate, hex
    signing_time: TimeUs | None = None  # as the signer claims
    time_stamp: TimeUs | None = None  # as a trusted time stamp authority certifies
    algorithm: str = ""  # "RSA 3072 SHA-256"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """All signatures of a package.

    The package is Invalid when any signature is; otherwise it is what the best of them is.
    """

    state: SignatureState = SignatureState.UNSIGNED
    rule: str = "signature.unsigned"
    reason: str = "the package carries no signature"
    signatures: tuple[SignatureResult, ...] = ()

    @property
    def best(self) -> SignatureResult | None:
        """The signature that decides the state."""
        return next((entry for entry in self.signatures if entry.state is self.state), None)


UNSIGNED = SignatureReport()

_BEST_FIRST = (
    SignatureState.VALID,
    SignatureState.VALID_WITH_WARNINGS,
    SignatureState.UNTRUSTED,
    SignatureState.PARTIALLY_SIGNED,
)


def summed_up(results: tuple[SignatureResult, ...]) -> SignatureReport:
    """The report over one or more signatures."""
    for state in (SignatureState.INVALID, *_BEST_FIRST):
        for entry in results:
            if entry.state is state:
                return SignatureReport(state=state, rule=entry.rule, reason=entry.reason, signatures=results)
    return UNSIGNED
