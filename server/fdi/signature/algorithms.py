"""The algorithms a signature may use. What is not listed here is refused by name before anything is computed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from server.fdi.signature.result import invalid

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16_384
SHA1 = "sha1"
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    SHA1: hashes.SHA1(),  # noqa: S303  (read only when a setting says so)
}

DIGEST_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_DIGESTS = {
    DIGEST_SHA256: "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
    "http://www.w3.org/2000/09/xmldsig#sha1": SHA1,
}

_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_SIGNATURES = {
    _MORE + "rsa-sha256": ("RSA", "sha256"),
    _MORE + "rsa-sha384": ("RSA", "sha384"),
    _MORE + "rsa-sha512": ("RSA", "sha512"),
    _MORE + "ecdsa-sha256": ("ECDSA", "sha256"),
    _MORE + "ecdsa-sha384": ("ECDSA", "sha384"),
    _MORE + "ecdsa-sha512": ("ECDSA", "sha512"),
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1": ("RSA", SHA1),
}
_CURVES = {"secp256r1": ("P-256", "sha256"), "secp384r1": ("P-384", "sha384")}


@dataclass(frozen=True, slots=True)
class SignatureMethod:
    """How SignedInfo was signed."""

    kind: str  # "RSA" (PKCS #1 v1.5) or "ECDSA"
    hash: str  # key of HASHES


@dataclass(frozen=True, slots=True)
class Canonicalization:
    """Which canonical form bytes are made in."""

    exclusive: bool
    comments: bool


C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_CANONICALIZATIONS = {
    C14N: Canonicalization(exclusive=False, comments=False),
    C14N + "#WithComments": Canonicalization(exclusive=False, comments=True),
    _EXCLUSIVE: Canonicalization(exclusive=True, comments=False),
    _EXCLUSIVE + "WithComments": Canonicalization(exclusive=True, comments=True),
}
INCLUSIVE = _CANONICALIZATIONS[C14N]

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def shown(uri: str) -> str:
    """An identifier from a stranger, short and printable."""
    return ascii(uri)[1:-1][:120]


def digest_named(uri: str, *, accept_sha1: bool) -> str:
    """The hash of a DigestMethod. Raises SignatureError."""
    name = _DIGESTS.get(uri)
    if name is None:
        raise invalid("signature.digest-method", f"digest algorithm {shown(uri)} is not allowed")
    return checked_hash(name, "signature.digest-method", accept_sha1=accept_sha1)


def signature_named(uri: str, *, accept_sha1: bool) -> SignatureMethod:
    """What a SignatureMethod means. Raises SignatureError."""
    found = _SIGNATURES.get(uri)
    if found is None:
        raise invalid("signature.method", f"signature algorithm {shown(uri)} is not allowed")
    checked_hash(found[1], "signature.method", accept_sha1=accept_sha1)
    return SignatureMethod(*found)


def canonicalization_named(uri: str) -> Canonicalization:
    """What a canonicalisation method means. Raises SignatureError."""
    found = _CANONICALIZATIONS.get(uri)
    if found is None:
        raise invalid("signature.canonicalization", f"canonicalisation {shown(uri)} is not allowed")
    return found


def is_canonicalization(uri: str) -> bool:
    """True for an allowed canonicalisation."""
    return uri in _CANONICALIZATIONS


def checked_hash(name: str, rule: str, *, accept_sha1: bool) -> str:
    """The name of an allowed hash. Raises SignatureError for SHA-1 unless the settings accept it."""
    if name == SHA1 and not accept_sha1:
        raise invalid(rule, "SHA-1 is not allowed (setting packages.accept_sha1)")
    return name


def digest(name: str, data: bytes) -> bytes:
    """The hash of bytes."""
    return hashlib.new(name, data, usedforsecurity=name != SHA1).digest()


def checked_key(key: object) -> PublicKey:
    """A public key of a kind and strength that may sign packages. Raises SignatureError."""
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise invalid(
                "signature.key", f"an RSA key of {key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are allowed"
            )
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise invalid("signature.key", f"an elliptic curve key on {key.curve.name}; P-256 and P-384 are allowed")
        return key
    raise invalid("signature.key", f"a key of the kind {type(key).__name__}; RSA and ECDSA are allowed")


def key_name(key: PublicKey) -> str:
    """A key for people: "RSA 3072", "ECDSA P-256"."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return f"ECDSA {_CURVES.get(key.curve.name, (key.curve.name, ''))[0]}"


def hash_name(name: str) -> str:
    """A hash for people: "SHA-256"."""
    return f"SHA-{name.removeprefix('sha')}"


def fits(key: PublicKey, method: SignatureMethod) -> bool:
    """True when a key is of the kind that a signature method needs."""
    return isinstance(key, rsa.RSAPublicKey) == (method.kind == "RSA")


def verifies(key: PublicKey, method: SignatureMethod, value: bytes, data: bytes) -> bool:
    """True when `value` is this key's signature over the data; of ECDSA, r and s side by side (XML Signature)."""
    algorithm = HASHES[method.hash]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            if method.kind != "RSA":
                return False
            key.verify(value, data, padding.PKCS1v15(), algorithm)
            return True
        size = (key.curve.key_size + 7) // 8
        if method.kind != "ECDSA" or len(value) != 2 * size:
            return False
        pair = encode_dss_signature(int.from_bytes(value[:size]), int.from_bytes(value[size:]))
        key.verify(pair, data, ec.ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True


def method_for(key: PublicKey) -> str:
    """The signature method that this server signs with: RSA with SHA-256, ECDSA with the hash of its curve's size."""
    if isinstance(key, rsa.RSAPublicKey):
        return _MORE + "rsa-sha256"
    return f"{_MORE}ecdsa-{_CURVES[key.curve.name][1]}"


def sign(key: PrivateKey, uri: str, data: bytes) -> bytes:
    """The signature value of the data under one of the methods above."""
    algorithm = HASHES[_SIGNATURES[uri][1]]
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), algorithm)
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(algorithm)))
    return r.to_bytes(size) + s.to_bytes(size)
