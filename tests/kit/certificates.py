"""Self-signed application certificates for tests."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from server.security.pki import OwnCertificate


def self_signed(name: str, uri: str, around: datetime.datetime, bits: int = 2048) -> OwnCertificate:
    """A new key and its certificate for an ApplicationUri, valid from a day before a moment to thirty days after it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(around - datetime.timedelta(days=1))
        .not_valid_after(around + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return OwnCertificate(certificate, key, certificate.public_bytes(serialization.Encoding.DER))
