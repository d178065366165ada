"""XAdES properties of a signature (ETSI EN 319 132): when its maker says it was made, with which certificate, and what
certifies that time. Nothing else of XAdES is read."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from server.core.clock import TimeUs, from_iso
from server.fdi.signature import names
from server.fdi.signature.algorithms import (
    INCLUSIVE,
    Canonicalization,
    canonicalization_named,
    digest,
    digest_named,
)
from server.fdi.signature.canonical import Element
from server.fdi.signature.chain import der
from server.fdi.signature.reading import XmlSignature, children, decoded, only, optional, text_of
from server.fdi.signature.result import invalid


@dataclass(frozen=True, slots=True)
class CertificateDigest:
    """Which certificate the signer used."""

    hash: str
    value: bytes

    def names(self, certificate: x509.Certificate) -> bool:
        """True for the certificate meant."""
        return digest(self.hash, der(certificate)) == self.value


@dataclass(frozen=True, slots=True)
class StampedToken:
    """A time-stamp token over the canonical SignatureValue."""

    token: bytes
    canonicalization: Canonicalization


@dataclass(frozen=True, slots=True)
class Properties:
    """What XAdES says of a signature."""

    signing_time: TimeUs | None = None
    certificate: CertificateDigest | None = None
    stamps: tuple[StampedToken, ...] = ()


MAX_STAMPS = 4


def read_properties(signature: XmlSignature, *, accept_sha1: bool) -> Properties:
    """The properties of a signature; signing time and certificate only from what SignedInfo covers.

    Raises:
        SignatureError: malformed, or an algorithm that is not allowed.
    """
    signing_time: TimeUs | None = None
    certificate: CertificateDigest | None = None
    if signature.signed_properties is not None:
        found = optional(signature.signed_properties, "SignedSignatureProperties", names.XADES)
        if found is not None:
            signing_time = _time(optional(found, "SigningTime", names.XADES))
            certificate = _certificate(found, accept_sha1=accept_sha1)
    if signing_time is None:
        signing_time = _package_time(signature.package_object)
    return Properties(signing_time, certificate, _stamps(signature.unsigned_properties))


def _time(element: Element | None) -> TimeUs | None:
    if element is None:
        return None
    try:
        return from_iso(text_of(element))
    except (ValueError, OverflowError):
        raise invalid("signature.structure", f"line {element.sourceline}: not a time with a zone") from None


def _package_time(package_object: Element) -> TimeUs | None:
    """The SignatureTime of ISO/IEC 29500-2, or None; its coarse forms without a zone are not used."""
    for properties in children(package_object, "SignatureProperties"):
        for entry in children(properties, "SignatureProperty"):
            for time in children(entry, "SignatureTime", names.MDSSI):
                value = optional(time, "Value", names.MDSSI)
                if value is not None and "T" in text_of(value):
                    return _time(value)
    return None


def _certificate(properties: Element, *, accept_sha1: bool) -> CertificateDigest | None:
    for name in ("SigningCertificateV2", "SigningCertificate"):
        element = optional(properties, name, names.XADES)
        if element is None:
            continue
        # The first is the signer's; others would name the path, which is built from the certificates themselves.
        cert = next(children(element, "Cert", names.XADES), None)
        if cert is None:
            raise invalid("signature.structure", f"line {element.sourceline}: no Cert")
        hashed = only(cert, "CertDigest", names.XADES)
        method = digest_named(str(only(hashed, "DigestMethod").get("Algorithm", "")), accept_sha1=accept_sha1)
        return CertificateDigest(method, decoded(only(hashed, "DigestValue"), 64))
    return None


def _stamps(unsigned: Element | None) -> tuple[StampedToken, ...]:
    if unsigned is None:
        return ()
    properties = optional(unsigned, "UnsignedSignatureProperties", names.XADES)
    if properties is None:
        return ()
    result = []
    for stamp in children(properties, "SignatureTimeStamp", names.XADES):
        method = optional(stamp, "CanonicalizationMethod")
        form = canonicalization_named(str(method.get("Algorithm", ""))) if method is not None else INCLUSIVE
        for token in children(stamp, "EncapsulatedTimeStamp", names.XADES):
            result.append(StampedToken(decoded(token, names.MAX_TOKEN_BYTES), form))
            if len(result) > MAX_STAMPS:
                raise invalid("signature.limit", f"more than {MAX_STAMPS} time stamps")
    return tuple(result)
