"""Channels over real sockets: opening, renewal, replay, tampering, and messages in many chunks."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from asyncua import ua

from server.core.clock import ManualClock
from server.opcua.transport.channel import SecureChannel
from server.opcua.transport.framing import ResponseTooLargeError
from server.opcua.transport.limits import TransportLimits
from server.opcua.transport.security import MODE_ENCRYPT, MODE_NONE, MODE_SIGN, POLICY_NONE, AsymmetricKeys
from tests.kit.transport import (
    BASIC256SHA256,
    ECHO,
    ENDPOINTS,
    SECURED,
    RawClient,
    Remembering,
    TransportRig,
    hello,
    listening,
    pair,
    until,
)

S = ua.StatusCodes
ALL = pytest.mark.parametrize(("uri", "mode"), ENDPOINTS)
KINDS = pytest.mark.parametrize(
    ("uri", "mode"), [(POLICY_NONE, MODE_NONE), (BASIC256SHA256, MODE_SIGN), (BASIC256SHA256, MODE_ENCRYPT)]
)


@pytest.fixture
async def rig() -> AsyncIterator[TransportRig]:
    async with listening() as rig:
        yield rig


async def opened(rig: TransportRig, uri: str = POLICY_NONE, mode: int = 1, **greeting: int) -> RawClient:
    client = await rig.raw()
    await client.greet(**greeting)
    await client.open(uri, mode)
    return client


# -- HEL


async def test_buffers_are_at_most_what_both_sides_offer(rig: TransportRig) -> None:
    client = await rig.raw()
    assert await client.greet(receive=9000, send=10_000) == (0, 10_000, 9000, 16 * 1024 * 1024, 4096)
    await client.close()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", S.BadTcpMessageTypeInvalid),
        (bytes(8), S.BadTcpMessageTypeInvalid),
        (b"HELF\xff\xff\xff\xff", S.BadTcpMessageTooLarge),
        (hello(b"x" * 4097), S.BadTcpEndpointUrlInvalid),
        (hello() + hello(), S.BadTcpMessageTypeInvalid),
        (b"MSGF" + struct.pack("<I", 24) + bytes(16), S.BadTcpMessageTypeInvalid),
        (b"OPNF" + struct.pack("<I", 32) + bytes(24), S.BadTcpMessageTypeInvalid),
        (hello() + b"MSGF" + struct.pack("<I", 24) + bytes(16), S.BadTcpSecureChannelUnknown),
        (hello() + b"CLOF" + struct.pack("<I", 24) + bytes(16), S.BadTcpSecureChannelUnknown),
        (hello() + b"OPNF" + struct.pack("<I", 32) + bytes(24), S.BadSecurityPolicyRejected),
        (hello(send=8192) + b"MSGF" + struct.pack("<I", 8193), S.BadTcpMessageTooLarge),
    ],
)
async def test_what_breaks_the_rules_gets_an_err_and_the_end(rig: TransportRig, said: bytes, code: int) -> None:
    client = await rig.raw()
    client.writer.write(said)
    if said.startswith(hello()[:4]) and len(said) > 40 and code != S.BadTcpEndpointUrlInvalid:
        assert (await client.read())[0] == b"ACKF"
    assert await client.error() == code
    await client.close()


async def test_an_err_is_seen_though_more_bytes_were_under_way(rig: TransportRig) -> None:
    # A socket closed over unread bytes is reset, which would swallow the ERR.
    client = await rig.raw()
    client.writer.write(b"rubbish!" * 100_000)
    assert await client.error() == S.BadTcpMessageTypeInvalid
    await client.close()


@KINDS
async def test_bytes_may_come_one_by_one(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode)
    for byte in client.chunk(b"slowly") + client.chunk(b"and again"):
        client.writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert [await client.answer(), await client.answer()] == [(2, b"slowly"), (3, b"and again")]
    await client.close()


# -- opening


@ALL
async def test_every_endpoint_opens_and_carries_messages(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode)
    for body in (ECHO, b"", bytes(1000)):
        assert await client.echo(body) == body
    (channel, renewed), *_ = rig.receiver.opened
    assert (channel.policy_uri, channel.mode, channel.address, renewed) == (uri, mode, "127.0.0.1", False)
    secured = uri != POLICY_NONE
    assert channel.peer_certificate == channel.peer_chain == (pair("client").der if secured else None)
    assert client.received == [1, 2, 3, 4]  # our numbers go up by one, the OPN included
    await client.close()
    await until(lambda: rig.receiver.closed == [channel])
    assert not channel.opened


async def test_a_channel_without_security_is_always_open_for_discovery() -> None:
    async with listening(endpoints=SECURED) as rig:
        client = await opened(rig)
        assert await client.echo(ECHO) == ECHO
        await client.close()


async def test_the_least_message_size_of_a_client_holds_a_service_fault(rig: TransportRig) -> None:
    # A fault that could not be sent either would leave the request without any answer.
    client = await opened(rig, size=1)
    assert await client.echo(bytes(8000)) == bytes(8000)
    await client.close()


@pytest.mark.parametrize(
    ("uri", "mode", "code"),
    [
        ("http://opcfoundation.org/UA/SecurityPolicy#Basic128Rsa15", 3, S.BadSecurityPolicyRejected),
        ("", 1, S.BadSecurityPolicyRejected),
        (POLICY_NONE, MODE_SIGN, S.BadSecurityModeRejected),
        (POLICY_NONE, 0, S.BadSecurityModeRejected),
        (POLICY_NONE, 99, S.BadSecurityModeRejected),
        (BASIC256SHA256, MODE_NONE, S.BadSecurityModeRejected),
        (BASIC256SHA256, MODE_SIGN, S.BadSecurityModeRejected),
        (SECURED[-1][0], MODE_ENCRYPT, S.BadSecurityPolicyRejected),
    ],
)
async def test_what_is_not_offered_is_rejected(uri: str, mode: int, code: int) -> None:
    async with listening(endpoints=[(BASIC256SHA256, MODE_ENCRYPT)]) as rig:
        client = await rig.raw()
        await client.greet()
        if uri in (POLICY_NONE, BASIC256SHA256, SECURED[-1][0]):
            client.writer.write(client.opening(uri, mode))
        else:
            rest = bytes(4) + struct.pack("<i", len(uri)) + uri.encode() + struct.pack("<ii", -1, -1) + bytes(50)
            client.writer.write(b"OPNF" + struct.pack("<I", 8 + len(rest)) + rest)
        assert await client.error() == code
        assert [entry[1] for entry in rig.receiver.refused] == [code]
        await client.close()


async def test_an_untrusted_certificate_looks_like_a_broken_one_but_is_audited_as_it_is(rig: TransportRig) -> None:
    rig.trust.refused[pair("client").der] = S.BadCertificateUntrusted
    client = await rig.raw()
    await client.greet()
    client.writer.write(client.opening(BASIC256SHA256, MODE_SIGN))
    assert await client.error() == S.BadSecurityChecksFailed
    ((address, code, _reason, certificate, uri),) = rig.receiver.refused
    assert (address, code) == ("127.0.0.1", S.BadCertificateUntrusted)
    assert (certificate, uri) == (pair("client").der, BASIC256SHA256)
    await client.close()


@pytest.mark.parametrize(
    "flaw", ["key too small", "other key", "other server", "rubbish certificate", "huge certificate"]
)
async def test_a_flawed_opn_is_one_and_the_same_refusal(rig: TransportRig, flaw: str) -> None:
    client = await rig.raw()
    await client.greet()
    chunk = client.opening(BASIC256SHA256, MODE_SIGN)
    mine = pair("client").der
    if flaw == "key too small":
        chunk = client.opening(BASIC256SHA256, MODE_SIGN, pair("client", 1024))
    elif flaw == "other key":  # somebody presents a trusted certificate without having its key
        other = pair("stranger").der
        chunk = chunk.replace(struct.pack("<i", len(mine)) + mine, struct.pack("<i", len(other)) + other)
        chunk = chunk[:4] + struct.pack("<I", len(chunk)) + chunk[8:]
    elif flaw == "other server":
        client.server = pair("stranger")
        chunk = client.opening(BASIC256SHA256, MODE_SIGN)
    else:
        other = bytes(len(mine)) if flaw == "rubbish certificate" else mine * 30
        chunk = chunk.replace(struct.pack("<i", len(mine)) + mine, struct.pack("<i", len(other)) + other)
        chunk = chunk[:4] + struct.pack("<I", len(chunk)) + chunk[8:]
    client.writer.write(chunk)
    assert await client.error() == S.BadSecurityChecksFailed
    if flaw == "key too small":
        assert rig.receiver.refused[0][1] == S.BadCertificatePolicyCheckFailed
    await client.close()


@pytest.mark.parametrize("nonce", [b"", bytes(16), bytes(33)])
async def test_a_nonce_of_the_wrong_length_is_refused(rig: TransportRig, nonce: bytes) -> None:
    client = await rig.raw()
    await client.greet()
    client.writer.write(client.opening(BASIC256SHA256, MODE_SIGN, nonce=nonce))
    assert await client.error() == S.BadNonceInvalid
    await client.close()


# -- renewal


@KINDS
async def test_the_old_token_is_good_until_the_new_one_is_used(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode)
    channel_id, old_token, old_keys = client.channel_id, client.token_id, client.symmetric
    client.writer.write(client.opening(uri, mode, request_type=1))
    await client.take_opening()
    new_token, new_keys = client.token_id, client.symmetric
    assert (client.channel_id, new_token != old_token) == (channel_id, True)
    assert [renewed for _, renewed in rig.receiver.opened] == [False, True]
    client.token_id, client.symmetric = old_token, old_keys
    assert await client.echo(b"old") == b"old"  # and is answered under the old one: `answer` checks
    client.token_id, client.symmetric = new_token, new_keys
    assert await client.echo(b"new") == b"new"
    client.token_id, client.symmetric = old_token, old_keys
    client.writer.write(client.chunk(b"old again"))
    assert await client.error() == S.BadSecureChannelTokenUnknown
    assert [body for _, body in rig.receiver.messages] == [b"old", b"new"]
    await client.close()


@KINDS
async def test_a_token_that_was_never_issued_is_refused(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode)
    client.token_id += 1
    client.writer.write(client.chunk(b"body"))
    assert await client.error() == S.BadSecureChannelTokenUnknown
    await client.close()


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        ("channel", S.BadTcpSecureChannelUnknown),
        ("certificate", S.BadSecurityChecksFailed),
        ("policy", S.BadSecurityChecksFailed),
        ("mode", S.BadSecurityModeRejected),
        ("issue", S.BadRequestTypeInvalid),
        ("nonce", S.BadNonceInvalid),
        ("trust", S.BadSecurityChecksFailed),
        ("sequence", S.BadSequenceNumberInvalid),
    ],
)
async def test_a_renewal_must_fit_its_channel(rig: TransportRig, flaw: str, code: int) -> None:
    other = await opened(rig)
    client = await opened(rig, BASIC256SHA256, MODE_SIGN)
    uri, mode, identity, channel_id, request_type, nonce = BASIC256SHA256, MODE_SIGN, pair("client"), None, 1, None
    if flaw == "channel":
        channel_id = other.channel_id
    elif flaw == "certificate":
        identity = pair("stranger")
    elif flaw == "policy":
        uri = SECURED[-1][0]
    elif flaw == "mode":
        mode = MODE_ENCRYPT
    elif flaw == "issue":
        request_type = 0
    elif flaw == "nonce":
        nonce = client.nonce
    elif flaw == "sequence":
        client.sequence += 1
    else:
        rig.trust.refused[pair("client").der] = S.BadCertificateRevoked
    client.writer.write(
        client.opening(uri, mode, identity, request_type=request_type, nonce=nonce, channel_id=channel_id)
    )
    assert await client.error() == code
    assert len(rig.receiver.refused) == 1
    assert await other.echo(b"the other goes on") == b"the other goes on"
    await client.close()
    await other.close()


async def test_a_renewal_of_nothing_is_refused(rig: TransportRig) -> None:
    for channel_id, code in ((0, S.BadRequestTypeInvalid), (5, S.BadTcpSecureChannelUnknown)):
        client = await rig.raw()
        await client.greet()
        client.writer.write(client.opening(request_type=1, channel_id=channel_id))
        assert await client.error() == code
        await client.close()


async def test_many_renewals_without_a_message_keep_the_newest_token_good(rig: TransportRig) -> None:
    client = await opened(rig, BASIC256SHA256, MODE_ENCRYPT)
    for _ in range(8):
        await client.open(BASIC256SHA256, MODE_ENCRYPT, request_type=1)
    assert await client.echo(b"body") == b"body"
    await client.close()


async def test_a_channel_that_is_not_renewed_ends_a_quarter_after_its_lifetime() -> None:
    clock = ManualClock()
    async with listening(clock=clock) as rig:
        client = await opened(rig)
        rig.receiver.opened[0][0].activated = True
        assert client.lifetime == 60_000
        clock.advance(74)
        rig.listener.sweep()
        assert await client.echo(b"late") == b"late"
        clock.advance(2)
        rig.listener.sweep()
        assert await client.error() == S.BadSecureChannelClosed
        await client.close()


async def test_an_old_token_ends_with_its_time_even_if_the_new_one_is_not_used() -> None:
    clock = ManualClock()
    async with listening(clock=clock) as rig:
        client = await opened(rig)
        rig.receiver.opened[0][0].activated = True
        old = client.token_id
        clock.advance(50)
        await client.open(request_type=1)
        clock.advance(26)
        rig.listener.sweep()
        client.token_id = old
        client.writer.write(client.chunk(b"too late"))
        assert await client.error() == S.BadSecureChannelTokenUnknown
        await client.close()


# -- replay and tampering


@KINDS
@pytest.mark.parametrize("step", [-1, 1, 1000])
async def test_a_repeat_or_a_jump_ends_the_connection(rig: TransportRig, uri: str, mode: int, step: int) -> None:
    client = await opened(rig, uri, mode)
    assert await client.echo(b"good") == b"good"
    client.sequence += step
    client.writer.write(client.chunk(b"bad"))
    assert await client.error() == S.BadSequenceNumberInvalid
    assert [body for _, body in rig.receiver.messages] == [b"good"]
    await client.close()


@KINDS
async def test_a_recorded_message_is_refused(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode)
    chunk = client.chunk(b"pay")
    client.writer.write(chunk)
    await client.answer()
    client.writer.write(chunk)
    assert await client.error() == S.BadSequenceNumberInvalid
    assert len(rig.receiver.messages) == 1
    await client.close()


async def test_a_message_recorded_on_another_channel_is_refused(rig: TransportRig) -> None:
    one = await opened(rig, BASIC256SHA256, MODE_SIGN)
    two = await opened(rig, BASIC256SHA256, MODE_SIGN)
    chunk = one.chunk(b"pay")
    two.writer.write(chunk)
    assert await two.error() == S.BadTcpSecureChannelUnknown
    # With the number of the right channel its signature is wrong.
    three = await opened(rig, BASIC256SHA256, MODE_SIGN)
    three.writer.write(chunk[:8] + struct.pack("<I", three.channel_id) + chunk[12:])
    assert await three.error() == S.BadSecurityChecksFailed
    assert rig.receiver.messages == []
    for client in (one, two, three):
        await client.close()


@pytest.mark.parametrize("mode", [MODE_SIGN, MODE_ENCRYPT])
@pytest.mark.parametrize("kind", [b"MSGF", b"CLOF", b"MSGA"])
async def test_a_tampered_chunk_ends_the_connection_and_is_audited(rig: TransportRig, mode: int, kind: bytes) -> None:
    client = await opened(rig, BASIC256SHA256, mode)
    chunk = bytearray(client.chunk(b"body", kind))
    chunk[30] ^= 1
    client.writer.write(bytes(chunk))
    assert await client.error() == S.BadSecurityChecksFailed
    ((_, code, reason, certificate, uri),) = rig.receiver.refused
    assert (code, reason) == (S.BadSecurityChecksFailed, "the signature of a message is wrong")
    assert (certificate, uri) == (pair("client").der, BASIC256SHA256)
    assert rig.receiver.messages == []
    assert len(rig.receiver.closed) == 1
    await client.close()


async def test_a_message_in_clear_on_a_secured_channel_is_refused(rig: TransportRig) -> None:
    client = await opened(rig, BASIC256SHA256, MODE_ENCRYPT)
    client.symmetric = None
    client.writer.write(client.chunk(bytes(56)))
    assert await client.error() == S.BadSecurityChecksFailed
    await client.close()


# -- chunks


@KINDS
async def test_requests_and_answers_in_many_chunks(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode, receive=8192)
    body = bytes(range(256)) * 200
    client.request_id += 1
    for start in range(0, len(body) - 1000, 1000):
        client.writer.write(client.chunk(body[start : start + 1000], b"MSGC", client.request_id))
    client.writer.write(client.chunk(body[start + 1000 :], b"MSGF", client.request_id))
    request_id, answer = await client.answer()
    assert (request_id, answer) == (client.request_id, body)
    assert client.received == list(range(1, len(client.received) + 1))
    assert len(client.received) == 1 + -(-len(body) // (8192 - 24 - (0 if uri == POLICY_NONE else 33)))
    await client.close()


@KINDS
async def test_interleaved_messages_are_told_apart(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode)
    parts = [(b"a1", b"MSGC", 10), (b"b1", b"MSGC", 11), (b"whole", b"MSGF", 12), (b"a2", b"MSGF", 10)]
    for body, kind, request_id in [*parts, (b"b2", b"MSGF", 11)]:
        client.writer.write(client.chunk(body, kind, request_id))
    await until(lambda: len(rig.receiver.messages) == 3)
    assert rig.receiver.messages == [(12, b"whole"), (10, b"a1a2"), (11, b"b1b2")]
    await client.close()


@KINDS
async def test_an_abort_drops_its_message_only_and_counts(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode)
    client.writer.write(client.chunk(b"a", b"MSGC", 10))
    client.writer.write(client.chunk(b"b", b"MSGC", 11))
    client.writer.write(client.chunk(struct.pack("<Ii", S.BadResponseTooLarge, -1), b"MSGA", 10))
    client.writer.write(client.chunk(b"c", b"MSGF", 11))
    assert await client.answer() == (11, b"bc")
    client.writer.write(client.chunk(bytes(8), b"MSGA", 99))  # of a message that nobody knows
    assert await client.echo(b"on") == b"on"
    assert rig.listener.budget.used == 0
    await client.close()


class Judging(Remembering):
    """Answers with so many bytes as the request asks for; keeps what send() refused."""

    def message(self, channel: SecureChannel, request_id: int, body: bytes) -> None:
        try:
            channel.send(request_id, bytes(struct.unpack("<I", body)[0]))
        except ResponseTooLargeError:
            channel.send(request_id, b"too large")


@KINDS
@pytest.mark.parametrize(("size", "chunks"), [(10_000, 0), (0, 2)])
async def test_a_response_larger_than_the_client_takes_costs_no_sequence_number(
    uri: str, mode: int, size: int, chunks: int
) -> None:
    async with listening(receiver=Judging()) as rig:
        client = await opened(rig, uri, mode, receive=8192, size=size, chunks=chunks)
        assert rig.receiver.opened[0][0].max_response_bytes == size
        assert await client.echo(struct.pack("<I", 10_000)) == bytes(10_000)
        assert await client.echo(struct.pack("<I", 20_000)) == b"too large"
        assert await client.echo(struct.pack("<I", 5)) == bytes(5)
        assert client.received == list(range(1, len(client.received) + 1))
        await client.close()


# -- closing


@KINDS
async def test_clo_ends_the_connection_without_a_word(rig: TransportRig, uri: str, mode: int) -> None:
    client = await opened(rig, uri, mode)
    client.writer.write(client.chunk(b"body") + client.chunk(b"", b"CLOF") + client.chunk(b"never seen"))
    assert await client.answer() == (2, b"body")
    assert await client.ended()
    assert len(rig.receiver.messages) == len(rig.receiver.closed) == 1
    await client.close()


async def test_stopping_ends_all_connections_and_says_so() -> None:
    async with listening() as rig:
        client = await opened(rig)
        silent = await rig.raw()
        await rig.listener.stop()
        assert await client.error() == S.BadServerHalted
        assert rig.listener.connection_count == 0
        assert len(rig.receiver.closed) == 1
        await client.close()
        await silent.close()


async def test_a_closed_channel_swallows_what_is_sent(rig: TransportRig) -> None:
    client = await opened(rig)
    channel = rig.receiver.opened[0][0]
    channel.close(S.BadSecureChannelClosed, "by the layer above")
    channel.send(1, b"nobody hears")
    channel.send(1, bytes(100_000))
    assert await client.error() == S.BadSecureChannelClosed
    await client.close()


async def test_signatures_for_sessions(rig: TransportRig) -> None:
    client = await opened(rig, BASIC256SHA256, MODE_SIGN)
    channel = rig.receiver.opened[0][0]
    uri, signature = channel.signature_uri, channel.sign_with_own_key(b"data")
    assert uri == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    assert isinstance(client.asymmetric, AsymmetricKeys)
    assert client.asymmetric.verify(b"data", signature)
    assert channel.verify_with_peer_key(b"data", client.asymmetric.sign(b"data"))
    assert not channel.verify_with_peer_key(b"data", signature)
    assert channel.own_certificate == rig.own.der
    plain = await opened(rig)
    assert rig.receiver.opened[1][0].sign_with_own_key(b"data") == b""
    await client.close()
    await plain.close()


async def test_channel_ids_differ_and_limits_can_be_set() -> None:
    async with listening(TransportLimits(max_lifetime_ms=20_000)) as rig:
        clients = [await opened(rig) for _ in range(3)]
        assert len({client.channel_id for client in clients}) == 3
        assert {client.lifetime for client in clients} == {20_000}
        for client in clients:
            await client.close()
