"""Certificates on disk: our own, those we trust, their issuers, and those refused lately (layout: certs/README.md).

Trust is read anew whenever a folder changed, so `fieldloom cert trust` works on a running server.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server.core.clock import Clock, to_datetime
from server.core.errors import ConfigurationError, NotFoundError, RemoteError
from server.security.own_certificate import KEY_BITS, make_pair

log = structlog.get_logger("fieldloom.pki")

CERTIFICATE_LIMIT = 32 * 1024
"""Bytes of one certificate file, or of a chain that a client sends."""
CHAIN_LIMIT = 8
FOLDERS = ("own/certs", "own/private", "trusted/certs", "trusted/crl", "issuers/certs", "issuers/crl", "rejected/certs")
_THUMBPRINT = re.compile(r"[0-9A-F]{40}")

BAD_CERTIFICATE_INVALID = 0x80120000
BAD_CERTIFICATE_TIME_INVALID = 0x80140000
BAD_CERTIFICATE_ISSUER_TIME_INVALID = 0x80150000
BAD_CERTIFICATE_URI_INVALID = 0x80170000
BAD_CERTIFICATE_UNTRUSTED = 0x801A0000
BAD_CERTIFICATE_REVOKED = 0x801D0000
BAD_CERTIFICATE_POLICY_CHECK_FAILED = 0x81140000
BAD_CERTIFICATE_CHAIN_INCOMPLETE = 0x810D0000


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """What an operator needs to know of one certificate before he trusts it."""

    thumbprint: str  # SHA-1, upper case hex: how OPC UA tools name certificates
    subject: str
    application_uri: str  # "" when the certificate names none
    not_before: datetime
    not_after: datetime
    path: Path


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Our certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    der: bytes


class CertificateRefusedError(RemoteError):
    """A client's certificate was not accepted; `status` says which check failed."""


def thumbprint_of(der: bytes) -> str:
    """SHA-1 of the DER form, upper case hex (OPC 10000-4, ApplicationInstanceCertificate)."""
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def application_uri_of(certificate: x509.Certificate) -> str:
    """The first URI of the subject's alternative names, or "" (OPC 10000-6, 6.2.2)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return str(uris[0]) if uris else ""


class CertificateFolder:
    """One `certs` folder; all calls may block on the disk."""

    def __init__(self, folder: Path, clock: Clock, *, rejected_limit: int = 100) -> None:
        self._folder = folder
        self._clock = clock
        self._rejected_limit = rejected_limit
        self._seen: dict[str, tuple[tuple[tuple[str, int, int], ...], tuple[x509.Certificate, ...]]] = {}
        self._revoked: tuple[tuple[tuple[str, int, int], ...], tuple[x509.CertificateRevocationList, ...]] = ((), ())

    def prepare(self) -> None:
        """Make the folders that are missing; private ones for us alone."""
        for part in FOLDERS:
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        (self._folder / "own/private").chmod(0o700)

    # -- our own

    def own(self, application_uri: str, hosts: Sequence[str]) -> OwnCertificate:
        """Our certificate; made when there is none.

        Raises:
            ConfigurationError: the files are there but do not fit each other or the application URI.
        """
        self.prepare()
        certificate_file = self._folder / "own/certs/fieldloom.der"
        key_file = self._folder / "own/private/fieldloom.pem"
        if not certificate_file.exists() and not key_file.exists():
            now = to_datetime(self._clock.now())
            make_pair(application_uri, hosts, now, certificate_file, key_file)
            log.info("own_certificate_made", file=str(certificate_file), application_uri=application_uri)
        try:
            der = certificate_file.read_bytes()
            certificate = x509.load_der_x509_certificate(der)
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                [f"{certificate_file} and {key_file}: {error}; delete both and a new pair is made"], what="certificate"
            ) from None
        if not isinstance(key, rsa.RSAPrivateKey) or certificate.public_key() != key.public_key():
            raise ConfigurationError(
                [f"{key_file}: not the key of {certificate_file}; delete both and a new pair is made"],
                what="certificate",
            )
        if application_uri_of(certificate) != application_uri:
            raise ConfigurationError(
                [
                    f"{certificate_file}: names the application {application_uri_of(certificate)!r}, but this server is"
                    f" {application_uri}; delete {certificate_file.name} and {key_file.name} and a new pair is made"
                ],
                what="certificate",
            )
        return OwnCertificate(certificate, key, der)

    # -- trust

    def check(self, chain: bytes) -> x509.Certificate:
        """The client's certificate when it may connect. One that is not trusted is kept in `rejected`.

        Checks in the order of OPC 10000-4 6.1.3: structure, chain, signature, key size, trust, validity, revocation.

        Raises:
            CertificateRefusedError: with the StatusCode of the check that failed, for the log; peers are told less.
        """
        certificates = split_chain(chain)
        try:
            self._check(certificates)
        except CertificateRefusedError as error:
            self._reject(certificates[0], error.text)
            raise
        return certificates[0]

    def _check(self, sent: Sequence[x509.Certificate]) -> None:
        leaf = sent[0]
        trusted = self._read("trusted/certs")
        path = self._path(leaf, [*sent[1:], *trusted, *self._read("issuers/certs")], trusted)
        for certificate in path:
            key = certificate.public_key()
            if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS:
                raise _refused(BAD_CERTIFICATE_POLICY_CHECK_FAILED, certificate, f"needs an RSA key of {KEY_BITS} bit")
            algorithm = certificate.signature_hash_algorithm
            if algorithm is None or algorithm.digest_size < hashes.SHA256.digest_size:
                raise _refused(BAD_CERTIFICATE_POLICY_CHECK_FAILED, certificate, "is not signed with SHA-256 or better")
        if not any(certificate in trusted for certificate in path):
            raise _refused(BAD_CERTIFICATE_UNTRUSTED, leaf, "is not trusted; see `fieldloom cert list --rejected`")
        now = to_datetime(self._clock.now())
        for certificate in path:
            if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                code = BAD_CERTIFICATE_TIME_INVALID if certificate is leaf else BAD_CERTIFICATE_ISSUER_TIME_INVALID
                raise _refused(code, certificate, "is outside its period of validity")
        for certificate, issuer in itertools.pairwise(path):
            for revocations in self._revocations():
                if revocations.issuer != issuer.subject:
                    continue
                known = revocations.get_revoked_certificate_by_serial_number(certificate.serial_number)
                if known is not None and revocations.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                    raise _refused(BAD_CERTIFICATE_REVOKED, certificate, "was revoked by its issuer")

    def _path(
        self, leaf: x509.Certificate, known: Iterable[x509.Certificate], trusted: Sequence[x509.Certificate]
    ) -> list[x509.Certificate]:
        """From the certificate to the issuer that signed itself; a leaf trusted by itself needs no known issuer."""
        candidates = list(known)
        path = [leaf]
        while path[-1].issuer != path[-1].subject:
            issuer = next((c for c in candidates if c.subject == path[-1].issuer and _signed(path[-1], c)), None)
            if issuer is None and path == [leaf] and leaf in trusted:
                return path
            if issuer is None or issuer in path or len(path) >= CHAIN_LIMIT:
                raise _refused(BAD_CERTIFICATE_CHAIN_INCOMPLETE, path[-1], "has an issuer that is not known here")
            if not _may_issue(issuer):
                raise _refused(BAD_CERTIFICATE_INVALID, issuer, "is no certificate authority")
            path.append(issuer)
        if not _signed(path[-1], path[-1]):
            raise _refused(BAD_CERTIFICATE_INVALID, path[-1], "has a signature that does not hold")
        return path

    def _read(self, part: str) -> tuple[x509.Certificate, ...]:
        """The certificates of a folder, as it stands now; files that cannot be read are skipped and logged."""
        state = _state(self._folder / part)
        known = self._seen.get(part)
        if known is not None and known[0] == state:
            return known[1]
        found: list[x509.Certificate] = []
        for name, size, _time in state:
            path = self._folder / part / name
            try:
                if size > CERTIFICATE_LIMIT:
                    raise ValueError(f"larger than {CERTIFICATE_LIMIT} bytes")
                found.append(_load(path.read_bytes()))
            except (OSError, ValueError) as error:
                log.warning("certificate_skipped", file=str(path), reason=str(error))
        self._seen[part] = (state, tuple(found))
        return tuple(found)

    def _revocations(self) -> tuple[x509.CertificateRevocationList, ...]:
        folders = [self._folder / "trusted/crl", self._folder / "issuers/crl"]
        state = tuple(entry for folder in folders for entry in _state(folder))
        if state != self._revoked[0]:
            found = []
            for folder in folders:
                for name, _size, _time in _state(folder):
                    try:
                        content = (folder / name).read_bytes()
                        pem = content.startswith(b"-----")
                        found.append(x509.load_pem_x509_crl(content) if pem else x509.load_der_x509_crl(content))
                    except (OSError, ValueError) as error:
                        log.warning("revocation_list_skipped", file=str(folder / name), reason=str(error))
            self._revoked = (state, tuple(found))
        return self._revoked[1]

    # -- review

    def _reject(self, certificate: x509.Certificate, reason: str) -> None:
        der = certificate.public_bytes(serialization.Encoding.DER)
        folder = self._folder / "rejected/certs"
        path = folder / f"{thumbprint_of(der)}.der"
        log.warning("certificate_refused", thumbprint=path.stem, reason=reason)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(der)
            kept = sorted(_state(folder), key=lambda entry: entry[2])
            for name, _size, _time in kept[: max(len(kept) - self._rejected_limit, 0)]:
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("rejected_certificate_not_kept", file=str(path), reason=str(error))

    def list_rejected(self) -> list[CertificateInfo]:
        """Certificates refused lately, by thumbprint."""
        return self._list("rejected/certs")

    def list_trusted(self) -> list[CertificateInfo]:
        """Certificates that may connect, or whose holders' certificates may."""
        return self._list("trusted/certs")

    def _list(self, part: str) -> list[CertificateInfo]:
        found = []
        for name, _size, _time in _state(self._folder / part):
            path = self._folder / part / name
            with contextlib.suppress(OSError, ValueError):
                found.append(_info(_load(path.read_bytes()), path))
        return sorted(found, key=lambda info: info.thumbprint)

    def trust(self, thumbprint: str) -> CertificateInfo:
        """Move a rejected certificate to the trusted ones; in force at once.

        Raises:
            NotFoundError: none with this thumbprint was rejected.
        """
        return self._move(thumbprint, "rejected/certs", "trusted/certs")

    def reject(self, thumbprint: str) -> CertificateInfo:
        """Trust a certificate no longer; new connections with it are refused at once.

        Raises:
            NotFoundError: none with this thumbprint is trusted.
        """
        return self._move(thumbprint, "trusted/certs", "rejected/certs")

    def _move(self, thumbprint: str, source: str, target: str) -> CertificateInfo:
        wanted = re.sub(r"[\s:]", "", thumbprint).upper()
        if not _THUMBPRINT.fullmatch(wanted):
            raise NotFoundError(f"{thumbprint!r} is no thumbprint: 40 hexadecimal digits are needed")
        for info in self._list(source):
            if info.thumbprint == wanted:
                destination = self._folder / target / f"{wanted}.der"
                destination.parent.mkdir(parents=True, exist_ok=True)
                certificate = _load(info.path.read_bytes())
                destination.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
                info.path.unlink()
                return _info(certificate, destination)
        raise NotFoundError(f"no certificate {wanted} in {self._folder / source}")


def split_chain(content: bytes) -> list[x509.Certificate]:
    """The certificates of a SenderCertificate: the leaf, then its issuers, one DER after the other.

    Raises:
        CertificateRefusedError: BadCertificateInvalid; it is too long or no certificate.
    """
    found: list[x509.Certificate] = []
    rest = content
    try:
        while rest:
            if len(content) > CERTIFICATE_LIMIT or len(found) >= CHAIN_LIMIT:
                raise ValueError("too long")
            size = _der_size(rest)
            found.append(x509.load_der_x509_certificate(rest[:size]))
            rest = rest[size:]
        if not found:
            raise ValueError("empty")
    except ValueError as error:
        raise CertificateRefusedError(f"no certificate: {error}", status_code=BAD_CERTIFICATE_INVALID) from None
    return found


def _der_size(content: bytes) -> int:
    if len(content) < 4 or content[0] != 0x30:
        raise ValueError("not DER")
    first = content[1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if not 1 <= count <= 3:
        raise ValueError("not DER")
    size = 2 + count + int.from_bytes(content[2 : 2 + count], "big")
    if size > len(content):
        raise ValueError("cut off")
    return size


def _load(content: bytes) -> x509.Certificate:
    if content.startswith(b"-----"):
        return x509.load_pem_x509_certificate(content)
    return x509.load_der_x509_certificate(content)


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """(name, size, time) of every file: what tells that a folder changed."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_file() and not entry.name.startswith("."):
                    facts = entry.stat()
                    found.append((entry.name, facts.st_size, facts.st_mtime_ns))
    return tuple(sorted(found))


def _info(certificate: x509.Certificate, path: Path) -> CertificateInfo:
    return CertificateInfo(
        thumbprint=thumbprint_of(certificate.public_bytes(serialization.Encoding.DER)),
        subject=certificate.subject.rfc4514_string(),
        application_uri=application_uri_of(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        path=path,
    )


def _refused(code: int, certificate: x509.Certificate, reason: str) -> CertificateRefusedError:
    return CertificateRefusedError(f"certificate {certificate.subject.rfc4514_string()!r} {reason}", status_code=code)


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False
