"""Only listed algorithms and keys of listed strength; ECDSA values as XML Signature writes them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519

from server.fdi.signature import algorithms
from server.fdi.signature.result import SignatureError, SignatureState
from tests.kit.signing import ec_key, rsa_key

MORE = "http://www.w3.org/2001/04/xmldsig-more#"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
ENC = "http://www.w3.org/2001/04/xmlenc#"


@pytest.mark.parametrize(
    ("uri", "kind", "hash_name"),
    [
        (f"{MORE}rsa-sha256", "RSA", "sha256"),
        (f"{MORE}rsa-sha384", "RSA", "sha384"),
        (f"{MORE}rsa-sha512", "RSA", "sha512"),
        (f"{MORE}ecdsa-sha256", "ECDSA", "sha256"),
        (f"{MORE}ecdsa-sha384", "ECDSA", "sha384"),
    ],
)
def test_allowed_signature_methods(uri: str, kind: str, hash_name: str) -> None:
    # RFC 4051 and XML Signature 1.1, 6.4.
    found = algorithms.signature_named(uri, accept_sha1=False)
    assert (found.kind, found.hash) == (kind, hash_name)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        f"{DSIG}dsa-sha1",
        f"{DSIG}hmac-sha1",
        f"{MORE}hmac-sha256",
        f"{MORE}rsa-md5",
        f"{MORE}ecdsa-sha1",
        f"{MORE}RSA-SHA256",
        f"{MORE}rsa-sha256 ",
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    ],
)
def test_everything_else_is_refused(uri: str) -> None:
    with pytest.raises(SignatureError) as caught:
        algorithms.signature_named(uri, accept_sha1=True)
    assert (caught.value.state, caught.value.rule) == (SignatureState.INVALID, "signature.method")


def test_sha1_needs_the_setting() -> None:
    for read in (algorithms.digest_named, algorithms.signature_named):
        uri = f"{DSIG}sha1" if read is algorithms.digest_named else f"{DSIG}rsa-sha1"
        with pytest.raises(SignatureError, match="SHA-1"):
            read(uri, accept_sha1=False)
        assert read(uri, accept_sha1=True)


@pytest.mark.parametrize(
    ("uri", "name"),
    [(f"{ENC}sha256", "sha256"), (f"{MORE}sha384", "sha384"), (f"{ENC}sha512", "sha512")],
)
def test_allowed_digests(uri: str, name: str) -> None:
    assert algorithms.digest_named(uri, accept_sha1=False) == name
    with pytest.raises(SignatureError):
        algorithms.digest_named(uri.upper(), accept_sha1=False)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (rsa_key("small", 1024), "1024 bits"),
        (rsa_key("nearly", 2040), "2040 bits"),
        (ec_key("521", "P-521"), "secp521r1"),
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
        (dsa.generate_private_key(1024), "DSA"),
    ],
    ids=["rsa-1024", "rsa-2040", "p-521", "secp256k1", "ed25519", "dsa"],
)
def test_keys_that_may_not_sign(key: object, said: str) -> None:
    with pytest.raises(SignatureError) as caught:
        algorithms.checked_key(key.public_key())  # type: ignore[attr-defined]
    assert caught.value.rule == "signature.key"
    assert said.lower() in caught.value.reason.lower()


@pytest.mark.parametrize(
    "key", [rsa_key("ok"), ec_key("256"), ec_key("384", "P-384")], ids=["rsa-2048", "p-256", "p-384"]
)
def test_what_is_signed_verifies_and_nothing_else(key: algorithms.PrivateKey) -> None:
    public = algorithms.checked_key(key.public_key())
    uri = algorithms.method_for(public)
    method = algorithms.signature_named(uri, accept_sha1=False)
    value = algorithms.sign(key, uri, b"data")
    assert algorithms.verifies(public, method, value, b"data")
    assert not algorithms.verifies(public, method, value, b"datb")
    assert not algorithms.verifies(public, method, value[:-1], b"data")
    assert not algorithms.verifies(public, method, bytes(len(value)), b"data")
    other = algorithms.SignatureMethod("ECDSA" if method.kind == "RSA" else "RSA", method.hash)
    assert not algorithms.verifies(public, other, value, b"data")
    assert not algorithms.fits(public, other)


def test_an_ecdsa_value_is_two_numbers_of_the_curves_size() -> None:
    # XML Signature 1.1, 6.4.3: r and s, each as many bytes as the curve's order, not ASN.1.
    for curve, size in (("P-256", 64), ("P-384", 96)):
        key = ec_key(f"size {curve}", curve)
        assert len(algorithms.sign(key, algorithms.method_for(key.public_key()), b"x")) == size


def test_what_a_stranger_wrote_is_shown_short_and_printable() -> None:
    assert algorithms.shown("urn:\n\x1b[31m") == "urn:\\n\\x1b[31m"
    assert len(algorithms.shown("x" * 10_000)) == 120
