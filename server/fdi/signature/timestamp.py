"""RFC 3161 time-stamp tokens: what they certify, and whether somebody trusted signed it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from server.fdi.signature import der, names
from server.fdi.signature.algorithms import HASHES, checked_hash, digest
from server.fdi.signature.chain import TIME_STAMPING, PathBuilder, load_der, public_key
from server.fdi.signature.chain import der as der_of
from server.fdi.signature.result import SignatureError, untrusted

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_TST_INFO_DER = bytes.fromhex("060b2a864886f70d0109100104")
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"  # ESSCertID, SHA-1
_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
_HASHES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_RULE = "signature.time-stamp"


@dataclass(frozen=True, slots=True)
class Token:
    """A time-stamp token, read but not yet believed."""

    time: datetime
    imprint_hash: str
    imprint: bytes
    content: bytes  # DER of TSTInfo, what the authority signed the digest of
    signed_attributes: bytes  # DER of the SET
    attributes: dict[str, der.Value]  # by object identifier, the one value of each
    digest_hash: str
    signature: bytes
    serial: int
    certificates: tuple[x509.Certificate, ...]


def read_token(data: bytes) -> Token:
    """A token from DER.

    Raises:
        SignatureError: not a time-stamp token, or of a kind that is not allowed.
    """
    try:
        return _read(data)
    except (ValueError, IndexError, SignatureError) as error:
        # A DerError is a ValueError; the others are values missing where one was looked for.
        raise untrusted(_RULE, f"the time stamp cannot be read: {error}") from None


def check_token(
    data: bytes,
    message: bytes,
    anchors: Sequence[x509.Certificate],
    others: Sequence[x509.Certificate],
    *,
    accept_sha1: bool,
) -> datetime:
    """The time that a trusted authority certifies for a message.

    Args:
        message: the bytes that were stamped (for XAdES: the canonical SignatureValue element).
        anchors: trusted certificates.
        others: further certificates for the path.

    Raises:
        SignatureError: another message, a wrong signature, an authority that is not trusted.
    """
    token = read_token(data)
    for name in (token.imprint_hash, token.digest_hash):
        checked_hash(name, _RULE, accept_sha1=accept_sha1)
    if not hmac.compare_digest(digest(token.imprint_hash, message), token.imprint):
        raise untrusted(_RULE, "the time stamp was made for another signature")
    if not hmac.compare_digest(digest(token.digest_hash, token.content), _octets(token, _MESSAGE_DIGEST)):
        raise untrusted(_RULE, "the content of the time stamp was changed")
    if token.attributes[_CONTENT_TYPE].whole != _TST_INFO_DER:
        raise untrusted(_RULE, "the time stamp is signed as something else")
    authority = _authority(token, (*token.certificates, *anchors, *others))
    if not _verifies(authority, token):
        raise untrusted(_RULE, "the signature of the time stamp is wrong")
    builder = PathBuilder((*token.certificates, *others), anchors, accept_sha1=accept_sha1)
    try:
        builder.find(authority, at=token.time, usage=TIME_STAMPING)
    except SignatureError as error:
        raise untrusted(_RULE, f"the time stamp authority is not trusted: {error.reason}") from None
    return token.time


def _octets(token: Token, identifier: str) -> bytes:
    try:
        return token.attributes[identifier].expect(der.OCTET_STRING).content
    except (KeyError, der.DerError):
        raise untrusted(_RULE, "the time stamp lacks a signed attribute") from None


def _read(data: bytes) -> Token:
    if len(data) > names.MAX_TOKEN_BYTES:
        raise der.DerError(f"more than {names.MAX_TOKEN_BYTES} bytes")
    content_info = der.read(data).expect(der.SEQUENCE).children()
    if content_info[0].oid != _SIGNED_DATA:
        raise der.DerError("not CMS SignedData")
    fields = der.read(content_info[1].expect(0xA0).content).expect(der.SEQUENCE).children()
    inner = fields[2].expect(der.SEQUENCE).children()
    if inner[0].oid != _TST_INFO:
        raise der.DerError("not a TSTInfo")
    content = der.read(inner[1].expect(0xA0).content).expect(der.OCTET_STRING).content
    certificates: list[x509.Certificate] = []
    for field in fields[3:-1]:
        if field.tag == 0xA0:
            entries = field.children()
            if len(entries) > names.MAX_CERTIFICATES:
                raise der.DerError("too many certificates")
            certificates = [load_der(entry.whole) for entry in entries if entry.tag == der.SEQUENCE]
    signers = fields[-1].expect(der.SET).children()
    if len(signers) != 1:
        raise der.DerError("not exactly one signer")
    signer = signers[0].expect(der.SEQUENCE).children()
    serial = signer[1].expect(der.SEQUENCE).children()[1].integer
    signed = signer[3].expect(0xA0)
    attributes: dict[str, der.Value] = {}
    for attribute in signed.children():
        fields_of = attribute.expect(der.SEQUENCE).children()
        identifier, found = fields_of[0], fields_of[1].expect(der.SET).children()
        if len(found) != 1 or identifier.oid in attributes:
            raise der.DerError("a signed attribute without exactly one value")
        attributes[identifier.oid] = found[0]
    if not {_CONTENT_TYPE, _MESSAGE_DIGEST} <= attributes.keys():
        raise der.DerError("a signed attribute is missing")
    info = der.read(content).expect(der.SEQUENCE).children()
    imprint = info[2].expect(der.SEQUENCE).children()
    return Token(
        time=_time(info[4].expect(der.GENERALIZED_TIME).content),
        imprint_hash=_hash(imprint[0]),
        imprint=imprint[1].expect(der.OCTET_STRING).content,
        content=content,
        # RFC 5652, 5.4: what is signed is the SET, not the [0] it travels under.
        signed_attributes=bytes([der.SET]) + signed.whole[1:],
        attributes=attributes,
        digest_hash=_hash(signer[2]),
        signature=signer[5].expect(der.OCTET_STRING).content,
        serial=serial,
        certificates=tuple(certificates),
    )


def _hash(algorithm: der.Value) -> str:
    name = _HASHES.get(algorithm.expect(der.SEQUENCE).children()[0].oid)
    if name is None:
        raise der.DerError("an unknown hash")
    return name


def _time(text: bytes) -> datetime:
    try:
        plain = text.decode("ascii")
        if not plain.endswith("Z"):
            raise ValueError("no Z")
        whole, _, fraction = plain[:-1].partition(".")
        moment = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return moment.replace(microsecond=int(fraction[:6].ljust(6, "0")) if fraction else 0)
    except ValueError as error:
        raise der.DerError(f"a time that cannot be read: {error}") from None


def _authority(token: Token, candidates: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate that the signed attribute names by its hash (RFC 5816; RFC 2634 with SHA-1)."""
    named = token.attributes.get(_SIGNING_CERTIFICATE_V2)
    default = "sha256"
    if named is None:
        named, default = token.attributes.get(_SIGNING_CERTIFICATE), "sha1"
    if named is None:
        raise untrusted(_RULE, "the time stamp does not say whose it is")
    try:
        first = named.expect(der.SEQUENCE).children()[0].expect(der.SEQUENCE).children()[0]
        fields = first.expect(der.SEQUENCE).children()
        hash_name = default
        if fields[0].tag == der.SEQUENCE and default == "sha256":
            hash_name = _hash(fields[0])
            fields = fields[1:]
        wanted = fields[0].expect(der.OCTET_STRING).content
    except (der.DerError, IndexError) as error:
        raise untrusted(_RULE, f"the time stamp cannot be read: {error}") from None
    # The old attribute knows SHA-1 only; it names a certificate here, whose own signature is checked anyway.
    for certificate in candidates:
        if certificate.serial_number == token.serial and hmac.compare_digest(
            digest(hash_name, der_of(certificate)), wanted
        ):
            return certificate
    raise untrusted(_RULE, "the time stamp does not carry its authority's certificate")


def _verifies(authority: x509.Certificate, token: Token) -> bool:
    try:
        key = public_key(authority)
        algorithm = HASHES[token.digest_hash]
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(token.signature, token.signed_attributes, padding.PKCS1v15(), algorithm)
        else:
            key.verify(token.signature, token.signed_attributes, ec.ECDSA(algorithm))
    except (InvalidSignature, UnsupportedAlgorithm, SignatureError):
        return False
    return True
