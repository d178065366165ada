"""Paths to trusted certificates: the rules of RFC 5280 that packages need, and the bounds of the search."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from server.core.clock import to_datetime
from server.fdi.signature.chain import CODE_SIGNING, TIME_STAMPING, PathBuilder, common_name, load_der
from server.fdi.signature.result import SignatureError, SignatureState
from tests.kit.signing import (
    CODE,
    DAY,
    NOW,
    STAMPING,
    Identity,
    certify,
    ec_key,
    maker,
    middle,
    root,
    rsa_key,
    stamper,
)

AT = to_datetime(NOW)


def path(
    leaf: Identity, *others: Identity, trusted: tuple[Identity, ...] | None = None, at: object = AT, sha1: bool = False
) -> list[str]:
    anchors = trusted if trusted is not None else (root(),)
    builder = PathBuilder(
        [entry.certificate for entry in others], [entry.certificate for entry in anchors], accept_sha1=sha1
    )
    usage = TIME_STAMPING if leaf is stamper() else CODE_SIGNING
    return [common_name(entry) for entry in builder.find(leaf.certificate, at=at, usage=usage)]  # type: ignore[arg-type]


def refused(leaf: Identity, *others: Identity, **details: object) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        path(leaf, *others, **details)  # type: ignore[arg-type]
    return caught.value


def test_from_maker_over_the_authority_to_the_root() -> None:
    assert path(maker(), middle()) == ["Acme Packages", "Test Middle", "Test Root"]
    assert path(stamper()) == ["Test Clock", "Test Root"]


def test_the_path_ends_at_the_first_trusted_certificate() -> None:
    # The trust folder may name an authority in the middle, or the signer himself; nothing above it is needed.
    assert path(maker(), trusted=(middle(),)) == ["Acme Packages", "Test Middle"]
    assert path(maker(), trusted=(maker(),)) == ["Acme Packages"]
    alone = certify("Alone", ec_key("alone"), usages=CODE)
    assert path(alone, trusted=(alone,)) == ["Alone"]


def test_authorities_in_the_trust_folder_help_to_build_the_path() -> None:
    assert path(maker(), trusted=(root(), middle())) == ["Acme Packages", "Test Middle"]


def test_a_namesake_does_not_stand_for_a_trusted_authority() -> None:
    # The names fit, the key does not.
    other = certify("Test Root", rsa_key("namesake"), authority=True)
    mine = certify("Copy", rsa_key("copy"), issuer=other, usages=CODE)
    error = refused(mine)
    assert (error.state, error.rule) == (SignatureState.UNTRUSTED, "signature.chain")
    assert "was not signed by Test Root" in error.reason


def test_of_two_certificates_of_an_authority_the_valid_one_counts() -> None:
    old = certify(
        "Twice", rsa_key("twice"), issuer=root(), authority=True, ends=AT - DAY, begins=AT - 9 * DAY, serial=2
    )
    new = certify("Twice", rsa_key("twice"), issuer=root(), authority=True, serial=3)
    leaf = certify("Under Twice", rsa_key("under"), issuer=new, usages=CODE)
    assert path(leaf, old, new) == ["Under Twice", "Twice", "Test Root"]
    assert refused(leaf, old).rule == "signature.expired"


@pytest.mark.parametrize(
    ("details", "rule"),
    [
        ({"authority": False}, "signature.issuer"),
        ({"cert_sign": False}, "signature.issuer"),
        ({"usages": STAMPING}, "signature.usage"),
        ({"ends": AT - DAY}, "signature.expired"),
        ({"begins": AT + DAY}, "signature.not-yet-valid"),
        ({"extra": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\0"), True)]}, "signature.chain"),
        (
            {"extra": [(x509.NameConstraints([x509.DNSName("example.com")], None), True)]},
            "signature.chain",
        ),
    ],
    ids=["no-authority", "may-not-sign", "other-purpose", "expired", "not-yet", "critical", "name-constraints"],
)
def test_an_authority_that_may_not_issue(details: dict[str, object], rule: str) -> None:
    issuer = certify("Odd Authority", rsa_key("odd authority"), issuer=root(), **{"authority": True, **details})  # type: ignore[arg-type]
    leaf = certify("Leaf", rsa_key("leaf"), issuer=issuer, usages=CODE)
    error = refused(leaf, issuer)
    assert (error.state, error.rule) == (SignatureState.UNTRUSTED, rule)


@pytest.mark.parametrize(
    ("details", "rule"),
    [
        ({"usages": ()}, "signature.usage"),
        ({"usages": STAMPING}, "signature.usage"),
        ({"digital_signature": False}, "signature.usage"),
        ({"ends": AT - DAY}, "signature.expired"),
        ({"begins": AT + DAY}, "signature.not-yet-valid"),
    ],
    ids=["no-purpose", "other-purpose", "may-not-sign", "expired", "not-yet"],
)
def test_a_signer_that_may_not_sign(details: dict[str, object], rule: str) -> None:
    leaf = certify("Leaf", rsa_key("leaf"), issuer=root(), **{"usages": CODE, **details})  # type: ignore[arg-type]
    assert refused(leaf).rule == rule


def test_the_first_and_the_last_second_of_a_certificate_count() -> None:
    leaf = certify("Edges", rsa_key("edges"), issuer=root(), usages=CODE, begins=AT, ends=AT)
    assert path(leaf) == ["Edges", "Test Root"]


def test_time_stamping_must_be_the_only_purpose() -> None:
    # RFC 3161, 2.3.
    both = certify("Both", rsa_key("both"), issuer=root(), usages=[*STAMPING, *CODE], critical_usage=True)
    builder = PathBuilder([], [root().certificate], accept_sha1=False)
    with pytest.raises(SignatureError, match="time stamping only"):
        builder.find(both.certificate, at=AT, usage=TIME_STAMPING)


def test_weak_hashes_and_keys_in_the_path_are_refused() -> None:
    below = certify("Odd Hash", rsa_key("odd hash"), issuer=root(), usages=CODE, digest=hashes.SHA224())
    assert "certified with sha224" in refused(below).reason
    weak = certify("Weak Authority", rsa_key("weak authority", 1024), issuer=root(), authority=True)
    leaf = certify("Leaf", rsa_key("leaf"), issuer=weak, usages=CODE)
    assert "1024 bits" in refused(leaf, weak).reason


def test_a_long_row_of_authorities_ends_the_search() -> None:
    row = [root()]
    for number in range(9):
        row.append(certify(f"Row {number}", rsa_key("row"), issuer=row[-1], authority=True))
    leaf = certify("Far", rsa_key("far"), issuer=row[-1], usages=CODE)
    assert "in a row" in refused(leaf, *row[1:]).reason
    near = certify("Near", rsa_key("near"), issuer=row[3], usages=CODE)
    assert len(path(near, *row[1:])) == 5


def test_a_crowd_of_namesakes_is_bounded() -> None:
    # Fourteen authorities that all certify each other: the paths are countless, the work is not.
    keys = rsa_key("crowd")
    crowd = [certify("Crowd", keys, authority=True, serial=number) for number in range(1, 15)]
    leaf = certify("Lost", rsa_key("lost"), issuer=crowd[0], usages=CODE)
    assert refused(leaf, *crowd).state is SignatureState.UNTRUSTED


def test_bytes_that_are_no_certificate() -> None:
    for data in (b"", b"\x30\x00", maker().der[:-1], maker().der + b"x"):
        with pytest.raises(SignatureError) as caught:
            load_der(data)
        assert caught.value.rule == "signature.certificate"


def test_a_certificate_whose_fields_cannot_be_read() -> None:
    # The library reads names only when they are asked for: a damaged one must not surface in the middle of a search.
    issuer = maker().certificate.issuer.public_bytes()
    name = maker().der.replace(issuer, issuer[:2] + b"\x26" + issuer[3:])
    version = maker().der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x46", 1)
    for data in (name, version):
        assert data != maker().der
        with pytest.raises(SignatureError) as caught:
            load_der(data)
        assert caught.value.rule == "signature.certificate"
