"""Certificate authorities, signers and time stamp authorities of the tests, and signed packages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from lxml import etree

from server.core.clock import ManualClock, TimeUs, to_datetime
from server.fdi.signature.algorithms import PrivateKey
from server.fdi.signature.signing import Signer, sign_package
from tests.kit.packages import make_package, members, repacked

NOW: TimeUs = ManualClock().now()
DAY = timedelta(days=1)
CODE = (ExtendedKeyUsageOID.CODE_SIGNING,)
DSIG = "http://www.w3.org/2000/09/xmldsig#"
SIGNATURE = "package/services/digital-signature/xml-signature/1.psdsxs"
STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key by name; made once, because making one is slow."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(name: str, curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    """An elliptic curve key by name."""
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[curve])


@dataclass(frozen=True)
class Identity:
    """A key and its certificate."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def certify(
    name: str,
    key: PrivateKey,
    *,
    issuer: Identity | None = None,
    authority: bool = False,
    path_length: int | None = None,
    usages: Sequence[ObjectIdentifier] = (),
    begins: datetime | None = None,
    ends: datetime | None = None,
    cert_sign: bool = True,
    digital_signature: bool = True,
    critical_usage: bool = False,
    serial: int | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    digest: hashes.HashAlgorithm | None = None,
) -> Identity:
    """A certificate; without an issuer it signs itself. Valid a year around the tests' now unless said otherwise."""
    now = to_datetime(NOW)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) | 1)
        .not_valid_before(begins or now - 365 * DAY)
        .not_valid_after(ends or now + 365 * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=digital_signature and not authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority and cert_sign,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=critical_usage)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    signed = builder.sign(issuer.key if issuer else key, digest or hashes.SHA256())
    return Identity(key, signed)


@cache
def root() -> Identity:
    """The authority that tests trust."""
    return certify("Test Root", rsa_key("root"), authority=True)


@cache
def middle() -> Identity:
    """An authority below the root."""
    return certify("Test Middle", rsa_key("middle"), issuer=root(), authority=True, path_length=0)


@cache
def maker() -> Identity:
    """A package maker below the middle authority."""
    return certify("Acme Packages", rsa_key("maker"), issuer=middle(), usages=CODE)


@cache
def stamper() -> Identity:
    """A time stamp authority below the root."""
    return certify("Test Clock", rsa_key("clock"), issuer=root(), usages=STAMPING, critical_usage=True)


def signed(
    data: bytes | None = None,
    *,
    by: Identity | None = None,
    chain: Sequence[Identity] | None = None,
    stamped: Identity | None = None,
    stamped_at: datetime | None = None,
    time: TimeUs = NOW,
) -> bytes:
    """A signed package; by default of the maker with the middle authority, without time stamp."""
    who = by or maker()
    others = chain if chain is not None else ([middle()] if by is None else [])
    signer = Signer(who.key, who.certificate, tuple(entry.certificate for entry in others))
    moment = stamped_at or to_datetime(time)
    stamp = (lambda message: token(message, stamped, moment)) if stamped else None
    return sign_package(data if data is not None else make_package(), signer, time=time, stamp=stamp)


# --- RFC 3161 tokens, written by hand ----------------------------------------------------------------------


def tlv(tag: int, *contents: bytes) -> bytes:
    """One DER value."""
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(size)]) + size + body


def oid(text: str) -> bytes:
    """A DER object identifier."""
    numbers = [int(part) for part in text.split(".")]
    body = bytearray()
    for number in (numbers[0] * 40 + numbers[1], *numbers[2:]):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(number & 0x7F | 0x80)
        body += bytes(reversed(groups))
    return tlv(0x06, bytes(body))


def integer(number: int) -> bytes:
    """A DER INTEGER, not negative."""
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1))


SHA256 = tlv(0x30, oid("2.16.840.1.101.3.4.2.1"))
TST_INFO = oid("1.2.840.113549.1.9.16.1.4")


def token(
    message: bytes,
    authority: Identity,
    at: datetime,
    *,
    imprint: bytes | None = None,
    content_type: bytes = TST_INFO,
    certificates: Sequence[Identity] | None = None,
    named: Identity | None = None,
    digest: bytes | None = None,
) -> bytes:
    """A time-stamp token over a message (RFC 3161, CMS of RFC 5652); the keywords make it lie."""
    info = tlv(
        0x30,
        integer(1),
        oid("1.3.6.1.4.1.57264.2"),
        tlv(0x30, SHA256, tlv(0x04, imprint if imprint is not None else hashlib.sha256(message).digest())),
        integer(4711),
        tlv(0x18, f"{at:%Y%m%d%H%M%SZ}".encode()),
    )
    ess = tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x04, hashlib.sha256((named or authority).der).digest()))))
    attributes = [
        tlv(0x30, oid("1.2.840.113549.1.9.3"), tlv(0x31, content_type)),
        tlv(0x30, oid("1.2.840.113549.1.9.4"), tlv(0x31, tlv(0x04, digest or hashlib.sha256(info).digest()))),
        tlv(0x30, oid("1.2.840.113549.1.9.16.2.47"), tlv(0x31, ess)),
    ]
    joined = b"".join(sorted(attributes))
    key = authority.key
    body = tlv(0x31, joined)
    if isinstance(key, rsa.RSAPrivateKey):
        value = key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        algorithm = tlv(0x30, oid("1.2.840.113549.1.1.11"), b"\x05\x00")
    else:
        value = key.sign(body, ec.ECDSA(hashes.SHA256()))
        algorithm = tlv(0x30, oid("1.2.840.10045.4.3.2"))
    certificate = authority.certificate
    signer = tlv(
        0x30,
        integer(1),
        tlv(0x30, certificate.issuer.public_bytes(), integer(certificate.serial_number)),
        SHA256,
        tlv(0xA0, joined),
        algorithm,
        tlv(0x04, value),
    )
    carried = certificates if certificates is not None else [authority]
    data = tlv(
        0x30,
        integer(3),
        tlv(0x31, SHA256),
        tlv(0x30, TST_INFO, tlv(0xA0, tlv(0x04, info))),
        tlv(0xA0, *(entry.der for entry in carried)),
        tlv(0x31, signer),
    )
    return tlv(0x30, oid("1.2.840.113549.1.7.2"), tlv(0xA0, data))


def canonical_subtree(element: Any) -> bytes:
    """C14N of an element, made a document of its own first."""
    alone = etree.fromstring(etree.tostring(element, with_tail=False))
    return bytes(etree.tostring(alone.getroottree(), method="c14n"))


def resigned(data: bytes, who: Identity, change: Callable[[Any], None], *, part: str = SIGNATURE) -> bytes:
    """A signed package whose signature part was changed and signed again: what a signer himself could make."""
    items = members(data)
    root = etree.fromstring(items[part])
    change(root)
    info = root.find(f"{{{DSIG}}}SignedInfo")
    by_id = {element.get("Id"): element for element in root.iter() if element.get("Id")}
    for reference in info.findall(f"{{{DSIG}}}Reference"):
        target = by_id.get(reference.get("URI", "").removeprefix("#"))
        if target is not None:
            digest = hashlib.sha256(canonical_subtree(target)).digest()
            reference.find(f"{{{DSIG}}}DigestValue").text = base64.b64encode(digest).decode()
    assert isinstance(who.key, rsa.RSAPrivateKey)
    value = who.key.sign(canonical_subtree(info), padding.PKCS1v15(), hashes.SHA256())
    root.find(f"{{{DSIG}}}SignatureValue").text = base64.b64encode(value).decode()
    items[part] = etree.tostring(root)
    return repacked(items)
