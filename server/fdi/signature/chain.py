"""From a signer's certificate to a trusted one: every step checked, bounded in length and in work, time passed in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from server.fdi.signature import names
from server.fdi.signature.algorithms import HASHES, PublicKey, checked_hash, checked_key
from server.fdi.signature.result import SignatureError, invalid, untrusted

CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.CertificatePolicies)
"""Extensions that may be critical. Name constraints are not among them: what they forbid is not computed here."""

_READ_LATER = tuple(
    attrgetter(name) for name in ("subject", "issuer", "not_valid_before_utc", "not_valid_after_utc", "serial_number")
)

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for certificates that are damaged."""

_T = TypeVar("_T", bound=x509.ExtensionType)


def load_der(data: bytes) -> x509.Certificate:
    """A certificate from DER. Raises SignatureError when it is none."""
    try:
        certificate = x509.load_der_x509_certificate(data)
        check_readable(certificate)
    except UNREADABLE:
        raise invalid("signature.certificate", "a certificate that cannot be read") from None
    return certificate


def check_readable(certificate: x509.Certificate) -> None:
    """Raise one of UNREADABLE unless names and times can be read; the library parses them only when asked for."""
    for read in _READ_LATER:
        read(certificate)


def der(certificate: x509.Certificate) -> bytes:
    """The bytes of a certificate."""
    return certificate.public_bytes(Encoding.DER)


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the certificate, hex."""
    return hashlib.sha256(der(certificate)).hexdigest()


def common_name(certificate: x509.Certificate, *, issuer: bool = False) -> str:
    """The common name, or the whole name when it has none."""
    try:
        name = certificate.issuer if issuer else certificate.subject
        found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
        text = str(found[0].value) if found else name.rfc4514_string()
    except ValueError:
        return "(unreadable)"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:128]


def public_key(certificate: x509.Certificate) -> PublicKey:
    """The certificate's key. Raises SignatureError: not one that may sign."""
    try:
        return checked_key(certificate.public_key())
    except UNREADABLE:
        raise invalid("signature.key", "a certificate whose key cannot be used") from None


class PathBuilder:
    """Looks for paths among certificates; one object for one signature, so that its budget covers all of them."""

    def __init__(
        self, others: Iterable[x509.Certificate], anchors: Sequence[x509.Certificate], *, accept_sha1: bool
    ) -> None:
        self._anchors = {thumbprint(entry) for entry in anchors}
        self._pool = {thumbprint(entry): entry for entry in (*anchors, *others)}
        self._sha1 = accept_sha1
        self._budget = names.MAX_PATH_CHECKS
        self._fault: SignatureError | None = None
        self._fault_depth = -1

    def find(self, leaf: x509.Certificate, *, at: datetime, usage: ObjectIdentifier) -> tuple[x509.Certificate, ...]:
        """The path from `leaf` to a trusted certificate, both included.

        Args:
            at: every certificate must be valid then.
            usage: CODE_SIGNING or TIME_STAMPING.

        Raises:
            SignatureError: Untrusted, with what came closest; Invalid for a key that may not sign at all.
        """
        public_key(leaf)
        self._fault, self._fault_depth = None, -1
        path = self._climb((leaf,), at, usage)
        if path is None:
            if self._fault is not None:
                raise self._fault
            name, issuer = common_name(leaf), common_name(leaf, issuer=True)
            if leaf.subject == leaf.issuer:
                raise untrusted("signature.self-signed", f"{name} signed itself and is not in the trust folder")
            raise untrusted("signature.chain", f"no path from {name} to a trusted certificate; its issuer is {issuer}")
        check_signer(leaf, usage)
        _check_time(leaf, at)
        return path

    def _climb(
        self, path: tuple[x509.Certificate, ...], at: datetime, usage: ObjectIdentifier
    ) -> tuple[x509.Certificate, ...] | None:
        current = path[-1]
        if thumbprint(current) in self._anchors:
            return path
        depth = len(path)
        for issuer in self._pool.values():
            if issuer.subject != current.issuer or issuer == current:
                continue
            if issuer in path:
                self._note(depth, untrusted("signature.loop", "the certificates lead in a circle"))
                continue
            if depth >= names.MAX_PATH:
                self._note(depth, untrusted("signature.chain", f"more than {names.MAX_PATH} certificates in a row"))
                return None
            if self._budget <= 0:
                self._note(depth, untrusted("signature.chain", "too many certificates to try"))
                return None
            self._budget -= 1
            try:
                self._check_step(current, issuer, below=depth - 1, at=at, usage=usage)
            except SignatureError as error:
                self._note(depth, error)
                continue
            found = self._climb((*path, issuer), at, usage)
            if found is not None:
                return found
        return None

    def _note(self, depth: int, fault: SignatureError) -> None:
        if depth > self._fault_depth:
            self._fault, self._fault_depth = fault, depth

    def _check_step(
        self,
        current: x509.Certificate,
        issuer: x509.Certificate,
        *,
        below: int,
        at: datetime,
        usage: ObjectIdentifier,
    ) -> None:
        """`issuer` may and did sign `current`; `below` counts the issuing certificates between them and the leaf."""
        name = common_name(issuer)
        try:
            public_key(issuer)
            used = current.signature_hash_algorithm
            hash_name = used.name if used else "no hash"
            if hash_name not in HASHES:
                raise untrusted("signature.chain", f"{common_name(current)} is certified with {hash_name}")
            checked_hash(hash_name, "signature.chain", accept_sha1=self._sha1)
            current.verify_directly_issued_by(issuer)
        except SignatureError as error:
            raise untrusted("signature.chain", f"{name}: {error.reason}") from None
        except (InvalidSignature, *UNREADABLE):
            raise untrusted("signature.chain", f"{common_name(current)} was not signed by {name}") from None
        _check_critical(issuer)
        constraints = _extension(issuer, x509.BasicConstraints)
        if constraints is None or not constraints.ca:
            raise untrusted("signature.issuer", f"{name} is no certificate authority")
        if constraints.path_length is not None and below > constraints.path_length:
            raise untrusted("signature.issuer", f"{name} allows {constraints.path_length} authorities below it")
        key_usage = _extension(issuer, x509.KeyUsage)
        if key_usage is not None and not key_usage.key_cert_sign:
            raise untrusted("signature.issuer", f"{name} may not sign certificates")
        extended = _extension(issuer, x509.ExtendedKeyUsage)
        if extended is not None and not {usage, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(extended):
            raise untrusted("signature.usage", f"{name} may not issue certificates for this purpose")
        _check_time(issuer, at)


def check_signer(leaf: x509.Certificate, usage: ObjectIdentifier) -> None:
    """Raise SignatureError (Untrusted) unless a certificate may be used for this."""
    name = common_name(leaf)
    _check_critical(leaf)
    key_usage = _extension(leaf, x509.KeyUsage)
    if key_usage is not None and not (key_usage.digital_signature or key_usage.content_commitment):
        raise untrusted("signature.usage", f"{name} may not sign (key usage)")
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is None or usage not in set(extended):
        purpose = "code signing" if usage == CODE_SIGNING else "time stamping"
        raise untrusted("signature.usage", f"{name} is not a certificate for {purpose}")
    if usage == TIME_STAMPING and len(set(extended)) != 1:
        # RFC 3161, 2.3: the purpose stands alone.
        raise untrusted("signature.usage", f"{name} is not a certificate for time stamping only")


def _check_time(certificate: x509.Certificate, at: datetime) -> None:
    name = common_name(certificate)
    if at < certificate.not_valid_before_utc:
        raise untrusted(
            "signature.not-yet-valid", f"{name} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        )
    if at > certificate.not_valid_after_utc:
        raise untrusted(
            "signature.expired", f"{name} was valid until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )


def _check_critical(certificate: x509.Certificate) -> None:
    try:
        found = list(certificate.extensions)
    except UNREADABLE:
        raise untrusted("signature.chain", f"{common_name(certificate)} has extensions that cannot be read") from None
    for extension in found:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            raise untrusted(
                "signature.chain",
                f"{common_name(certificate)} has the critical extension {extension.oid.dotted_string}, not known here",
            )


def _extension(certificate: x509.Certificate, kind: type[_T]) -> _T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE:
        raise untrusted("signature.chain", f"{common_name(certificate)} has extensions that cannot be read") from None
