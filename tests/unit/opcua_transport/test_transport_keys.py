"""The keys of a channel: what they made is read, anything else looks the same from outside (OPC 10000-6 6.7)."""

from __future__ import annotations

import hmac
import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.crypto import uacrypto
from hypothesis import given, settings
from hypothesis import strategies as st

from server.opcua.transport.framing import TransportError
from server.opcua.transport.security import MODE_ENCRYPT, MODE_SIGN, POLICIES, AsymmetricKeys, SymmetricKeys, usable_key
from tests.kit.transport import BASIC256SHA256, pair

CHECKS_FAILED = ua.StatusCodes.BadSecurityChecksFailed
CLIENT_NONCE, SERVER_NONCE = bytes(range(32)), bytes(range(100, 132))


def both(uri: str, mode: int) -> tuple[SymmetricKeys, SymmetricKeys]:
    """The server's keys and the client's, which are a server's with the nonces exchanged."""
    policy = POLICIES[uri]
    return SymmetricKeys(policy, mode, CLIENT_NONCE, SERVER_NONCE), SymmetricKeys(
        policy, mode, SERVER_NONCE, CLIENT_NONCE
    )


@pytest.mark.parametrize("uri", POLICIES)
def test_an_encrypted_chunk_byte_by_byte(uri: str) -> None:
    # The expected chunk is put together here from the primitives, step by step as in 6.7.2 and 6.7.5.
    server, _ = both(uri, MODE_ENCRYPT)
    key_bytes = POLICIES[uri].key_bytes
    mac_key, key, iv = uacrypto.p_sha256(CLIENT_NONCE, SERVER_NONCE, (32, key_bytes, 16))
    for body in (b"", b"seven b", b"x" * 100):  # several: each starts at the IV again
        plain = struct.pack("<II", 5, 6) + body
        padding = -(len(plain) + 1) % 16
        plain += bytes([padding]) * (padding + 1)
        head = b"MSGF" + struct.pack("<III", 16 + len(plain) + 32, 3, 4)
        plain += hmac.digest(mac_key, head + plain, "sha256")
        expected = head + uacrypto.cipher_encrypt(uacrypto.cipher_aes_cbc(key, iv), plain)
        assert server.seal(3, 4, 5, 6, body) == expected


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.sampled_from([MODE_SIGN, MODE_ENCRYPT]))
def test_what_one_side_seals_the_other_opens(bodies: list[bytes], mode: int) -> None:
    server, client = both(BASIC256SHA256, mode)
    for number, body in enumerate(bodies):
        chunk = client.seal(1, 2, number, 9, body)
        assert struct.unpack_from("<I", chunk, 4) == (len(chunk),)
        assert server.open(b"before" + chunk + b"after", 6, 6 + len(chunk)) == struct.pack("<II", number, 9) + body


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from([MODE_SIGN, MODE_ENCRYPT]))
def test_a_changed_bit_anywhere_is_one_and_the_same_refusal(data: Any, mode: int) -> None:
    server, client = both(BASIC256SHA256, mode)
    chunk = bytearray(client.seal(1, 2, 3, 4, b"some body of a request"))
    chunk[data.draw(st.integers(0, len(chunk) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(TransportError) as caught:
        server.open(bytes(chunk), 0, len(chunk))
    assert (caught.value.code, caught.value.reason) == (CHECKS_FAILED, "security checks failed")
    # Control: one bad chunk leaves nothing behind in the cipher.
    good = client.seal(1, 2, 4, 5, b"next")
    assert server.open(good, 0, len(good))[8:] == b"next"


@settings(deadline=None)
@given(st.integers(16, 400), st.sampled_from([MODE_SIGN, MODE_ENCRYPT]))
def test_any_length_of_rubbish_is_refused(length: int, mode: int) -> None:
    server, _ = both(BASIC256SHA256, mode)
    with pytest.raises(TransportError):
        server.open(bytes(length), 0, length)


def test_a_wrong_padding_under_a_right_signature_is_refused() -> None:
    server, _ = both(BASIC256SHA256, MODE_ENCRYPT)
    mac_key, key, iv = uacrypto.p_sha256(SERVER_NONCE, CLIENT_NONCE, (32, 32, 16))
    for tail, good in ((bytes([7] * 8), True), (bytes([7] * 6 + [6, 7]), False), (bytes([255] * 8), False)):
        plain = struct.pack("<II", 1, 1) + tail
        head = b"MSGF" + struct.pack("<III", 16 + len(plain) + 32, 1, 1)
        plain += hmac.digest(mac_key, head + plain, "sha256")
        chunk = head + uacrypto.cipher_encrypt(uacrypto.cipher_aes_cbc(key, iv), plain)
        if good:
            assert server.open(chunk, 0, len(chunk)) == struct.pack("<II", 1, 1)
            continue
        with pytest.raises(TransportError) as caught:
            server.open(chunk, 0, len(chunk))
        assert caught.value.audit_reason == "the padding of a message is wrong"


@pytest.mark.parametrize("mode", [MODE_SIGN, MODE_ENCRYPT])
@pytest.mark.parametrize("buffer", [8192, 8193, 8207, 65535])
def test_the_largest_body_of_a_buffer_fits_it_and_one_more_does_not(mode: int, buffer: int) -> None:
    server, _ = both(BASIC256SHA256, mode)
    limit = server.body_limit(buffer)
    assert len(server.seal(1, 1, 1, 1, bytes(limit))) <= buffer < len(server.seal(1, 1, 1, 1, bytes(limit + 1)))


# -- OPN under RSA: client key and server key of all sizes, so that the second padding byte comes and goes

SIZES = [(2048, 2048), (2048, 3072), (3072, 2048), (4096, 4096)]


def asymmetric(uri: str, sizes: tuple[int, int]) -> tuple[AsymmetricKeys, AsymmetricKeys]:
    server, client = pair("server", sizes[0]), pair("client", sizes[1])
    policy = POLICIES[uri]
    return (
        AsymmetricKeys(policy, server, client.certificate, client.der),
        AsymmetricKeys(policy, client, server.certificate, server.der),
    )


def opened(keys: AsymmetricKeys, chunk: bytes, thumbprint: bytes, rest: int) -> bytes:
    return keys.open(chunk, 0, rest, len(chunk), thumbprint)


def rest_of(chunk: bytes) -> tuple[bytes, int]:
    position, field = 12, b""
    for _ in range(3):
        (size,) = struct.unpack_from("<i", chunk, position)
        field = chunk[position + 4 : position + 4 + size]
        position += 4 + size
    return field, position


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("uri", POLICIES)
@pytest.mark.parametrize("length", [0, 100, 132, 133, 190, 1000])
def test_an_opn_of_any_length_between_keys_of_any_size(uri: str, sizes: tuple[int, int], length: int) -> None:
    server, client = asymmetric(uri, sizes)
    chunk = client.seal(0, 1, 2, bytes(length))
    assert struct.unpack_from("<I", chunk, 4) == (len(chunk),)
    thumbprint, rest = rest_of(chunk)
    assert opened(server, chunk, thumbprint, rest) == struct.pack("<II", 1, 2) + bytes(length)


@pytest.mark.parametrize("uri", POLICIES)
def test_an_opn_that_was_tampered_with_is_refused(uri: str) -> None:
    server, client = asymmetric(uri, (2048, 2048))
    chunk = client.seal(0, 1, 2, b"body")
    thumbprint, rest = rest_of(chunk)
    for at in (9, 20, rest - 1, rest, rest + 100, len(chunk) - 1):
        changed = bytearray(chunk)
        changed[at] ^= 1
        with pytest.raises(TransportError) as caught:
            opened(server, bytes(changed), thumbprint, rest)
        assert (caught.value.code, caught.value.reason) == (CHECKS_FAILED, "security checks failed")
    for wrong in (b"", bytes(20), thumbprint[:19]):
        with pytest.raises(TransportError):
            opened(server, chunk, wrong, rest)
    with pytest.raises(TransportError):
        server.open(chunk, 0, rest, rest, thumbprint)
    with pytest.raises(TransportError):
        server.open(chunk, 0, rest, len(chunk) - 1, thumbprint)


def test_signatures_of_sessions_hold_for_their_key_and_data_only() -> None:
    server, client = asymmetric(BASIC256SHA256, (2048, 2048))
    signature = client.sign(b"data")
    assert server.verify(b"data", signature)
    assert not server.verify(b"other", signature)
    assert not server.verify(b"data", b"")
    assert not client.verify(b"data", signature)


@pytest.mark.parametrize(("bits", "good"), [(1024, False), (2048, True), (4096, True)])
def test_which_keys_fit_the_policies(bits: int, good: bool) -> None:
    assert usable_key(pair("client", bits).certificate) is good
