"""Keys, certificates and signed packages on disk, for `fieldloom package sign`."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.core.errors import ConfigurationError
from server.fdi.errors import PackageError
from server.fdi.signature.names import MAX_TOKEN_BYTES
from server.fdi.signature.signing import Signer, TimeStamper

STAMP_TIMEOUT_S = 60.0


def load_signer(key: Path, certificate: Path, chain: Sequence[Path], password_file: Path | None) -> Signer:
    """Who signs, from files.

    Raises:
        ConfigurationError: a file that is not what it should be; all of them are listed.
    """
    problems: list[str] = []
    password = None
    if password_file is not None:
        password = _bytes(password_file, problems).rstrip(b"\r\n")
    private = _key(key, password, problems)
    own = _certificates(certificate, problems)
    others = tuple(entry for path in chain for entry in _certificates(path, problems))
    if problems or private is None:
        raise ConfigurationError(problems, what="signing")
    return Signer(private, own[0], (*own[1:], *others))


def time_stamper(command: str) -> TimeStamper:
    """Asks a program for time stamps; the function raises PackageError when it gives none."""
    words = shlex.split(command)

    def stamp(message: bytes) -> bytes:
        try:
            done = subprocess.run(words, input=message, capture_output=True, timeout=STAMP_TIMEOUT_S, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise PackageError(f"no time stamp: {error}", rule="signature.time-stamp") from None
        if not 0 < len(done.stdout) <= MAX_TOKEN_BYTES:
            reason = f"no time stamp: the program wrote {len(done.stdout)} bytes"
            raise PackageError(reason, rule="signature.time-stamp")
        return done.stdout

    return stamp


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        PackageError: it cannot be written.
    """
    waiting = path.with_name(path.name + ".signing")
    try:
        with waiting.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(path)
    except OSError as error:
        waiting.unlink(missing_ok=True)
        raise PackageError(f"cannot be written: {error.strerror}", part=str(path), rule="file") from None


def _key(
    path: Path, password: bytes | None, problems: list[str]
) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None:
    data = _bytes(path, problems)
    if not data:
        return None
    try:
        found = load_pem_private_key(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        problems.append(f"{path}: not a private key that can be read: {error}")
        return None
    if not isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        problems.append(f"{path}: a key of the kind {type(found).__name__}; RSA and ECDSA are allowed")
        return None
    return found


def _certificates(path: Path, problems: list[str]) -> list[x509.Certificate]:
    data = _bytes(path, problems)
    if not data:
        return []
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        problems.append(f"{path}: not a certificate: {error}")
        return []


def _bytes(path: Path, problems: list[str]) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
        return b""
    if not data:
        problems.append(f"{path}: empty")
    return data
