"""RFC 3161 tokens: what makes one believable, and every way in which one can lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.clock import to_datetime
from server.fdi.signature import der
from server.fdi.signature.names import MAX_TOKEN_BYTES
from server.fdi.signature.result import SignatureError, SignatureState
from server.fdi.signature.timestamp import check_token, read_token
from tests.kit.signing import (
    CODE,
    DAY,
    NOW,
    STAMPING,
    Identity,
    certify,
    ec_key,
    integer,
    oid,
    root,
    rsa_key,
    stamper,
    tlv,
    token,
)

# The library warns of certificates that are odd (a serial number of 0, say); they are refused or judged all the same.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

AT = datetime(2026, 1, 5, 8, 0, 0, tzinfo=UTC)
MESSAGE = b"<SignatureValue>...</SignatureValue>"


def check(data: bytes, message: bytes = MESSAGE, trusted: Identity | None = None) -> datetime:
    return check_token(data, message, [(trusted or root()).certificate], [], accept_sha1=False)


def refused(data: bytes, message: bytes = MESSAGE, trusted: Identity | None = None) -> str:
    with pytest.raises(SignatureError) as caught:
        check(data, message, trusted)
    assert (caught.value.state, caught.value.rule) == (SignatureState.UNTRUSTED, "signature.time-stamp")
    return caught.value.reason


def test_a_good_token_gives_its_time() -> None:
    assert check(token(MESSAGE, stamper(), AT)) == AT
    curved = certify("Curved Clock", ec_key("clock"), issuer=root(), usages=STAMPING, critical_usage=True)
    assert check(token(MESSAGE, curved, AT)) == AT


def test_the_authority_may_be_named_without_being_carried() -> None:
    assert check(token(MESSAGE, stamper(), AT, certificates=[]), trusted=stamper()) == AT
    assert "does not carry" in refused(token(MESSAGE, stamper(), AT, certificates=[]))


def test_another_message() -> None:
    assert "another signature" in refused(token(MESSAGE, stamper(), AT), b"something else")


def test_a_changed_content() -> None:
    data = token(MESSAGE, stamper(), AT)
    assert "content of the time stamp was changed" in refused(data.replace(b"20260105080000Z", b"20260105080001Z"))


def test_a_digest_of_something_else() -> None:
    assert "content of the time stamp was changed" in refused(token(MESSAGE, stamper(), AT, digest=bytes(32)))


def test_signed_as_something_else() -> None:
    # The signer signed this content as plain data, not as a time stamp.
    assert "signed as something else" in refused(
        token(MESSAGE, stamper(), AT, content_type=oid("1.2.840.113549.1.7.1"))
    )


def test_a_wrong_signature() -> None:
    data = bytearray(token(MESSAGE, stamper(), AT))
    data[-1] ^= 1
    assert "signature of the time stamp is wrong" in refused(bytes(data))


def test_an_authority_nobody_trusts() -> None:
    other = certify("Own Clock", rsa_key("own clock"), usages=STAMPING, critical_usage=True)
    assert "not trusted" in refused(token(MESSAGE, other, AT))


def test_a_certificate_for_another_purpose() -> None:
    code = certify("Code Clock", rsa_key("code clock"), issuer=root(), usages=CODE)
    assert "not a certificate for time stamping" in refused(token(MESSAGE, code, AT))


def test_a_time_outside_the_authoritys_certificate() -> None:
    assert "was valid until" in refused(token(MESSAGE, stamper(), AT + timedelta(days=800)))
    assert "is valid from" in refused(token(MESSAGE, stamper(), AT - timedelta(days=800)))


def test_a_named_certificate_that_is_another() -> None:
    other = certify("Test Clock", rsa_key("clock two"), issuer=root(), usages=STAMPING, critical_usage=True, serial=9)
    assert "does not carry" in refused(token(MESSAGE, stamper(), AT, named=other, certificates=[stamper(), other]))


def test_a_token_is_limited_in_size() -> None:
    assert "more than" in refused(tlv(0x04, bytes(MAX_TOKEN_BYTES)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",
        tlv(0x30, oid("1.2.840.113549.1.7.1"), tlv(0xA0, tlv(0x30))),
        tlv(0x30, oid("1.2.840.113549.1.7.2"), tlv(0xA0, tlv(0x30))),
        tlv(0x30, oid("1.2.840.113549.1.7.2")),
        b"\x30\x84\xff\xff\xff\xff",
        b"\x1f\x81\x01\x00",
    ],
)
def test_what_is_no_token(data: bytes) -> None:
    assert "cannot be read" in refused(data)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(SignatureError):
        read_token(data)


GOOD = token(MESSAGE, stamper(), to_datetime(NOW) - DAY)


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_token_with_bytes_changed_never_gives_another_time(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for place, value in changes:
        data[place] = value
    try:
        time = check(bytes(data))
    except SignatureError:
        return
    # What is not signed (the order of certificates, say) may change; what is certified may not.
    assert time == to_datetime(NOW) - DAY


def test_a_signed_attribute_without_value() -> None:
    attribute = tlv(0x30, oid("1.2.840.113549.1.9.3"), tlv(0x31, oid("1.2.840.113549.1.9.16.1.4")))
    data = token(MESSAGE, stamper(), AT)
    assert attribute in data
    # The set of values becomes part of nothing: same length, other structure.
    broken = data.replace(attribute, tlv(0x30, tlv(0x06, attribute[4:])))
    assert len(broken) == len(data)
    assert "cannot be read" in refused(broken)


def test_der_values() -> None:
    # ITU-T X.690: 8.19 (object identifiers), 8.3 (integers).
    assert der.read(bytes.fromhex("06062a864886f70d")).oid == "1.2.840.113549"
    assert der.read(bytes.fromhex("0603883703")).oid == "2.999.3"
    assert der.read(integer(128)).integer == 128
    assert der.read(bytes.fromhex("0201ff")).integer == -1
    for broken in ("0600", "060180", "0200", "0203"):
        with pytest.raises(der.DerError):
            value = der.read(bytes.fromhex(broken))
            assert value.oid if broken.startswith("06") else value.integer is None
