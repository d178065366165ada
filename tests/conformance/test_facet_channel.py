"""TCP and SecureChannel (OPC 10000-6, 6.7 and 7.1; OPC 10000-4, 5.6) on the running room."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)
from asyncua.ua.ua_binary import struct_to_binary

from tests.kit.asking import I, name_of, value
from tests.kit.facets import Room
from tests.kit.opcua import make_identity
from tests.kit.raw import EndedError, RawChannel, RawConnection, RefusedError, hello, read_request

pytestmark = pytest.mark.asyncio(loop_scope="module")
POLICIES = (SecurityPolicyBasic256Sha256, SecurityPolicyAes128Sha256RsaOaep, SecurityPolicyAes256Sha256RsaPss)
STATE = ua.NodeId(I.Server_ServerStatus_State)
Mode = ua.MessageSecurityMode


async def _refused(connection: RawConnection) -> str:
    """The name of the ERR with which the server closes."""
    return name_of(await connection.refused())


@pytest.mark.parametrize("version", [0, 1, 4_000_000_000])
async def test_any_protocol_version_is_accepted_and_buffers_shrink_to_the_clients(room: Room, version: int) -> None:
    # OPC 10000-6, 7.1.2.3 and 7.1.2.4: never more than the client offered, never under 8192.
    for offered in (8_192, 20_000):
        connection = await RawConnection.open(room.url)
        ack = await connection.hello(version=version, receive_buffer=offered, send_buffer=offered)
        assert 8_192 <= ack.receive_buffer <= offered
        assert 8_192 <= ack.send_buffer <= offered
        await connection.close()


async def test_an_endless_url_is_refused(room: Room) -> None:
    # OPC 10000-6, 7.1.2.3: endpointUrl of at most 4096 bytes.
    connection = await RawConnection.open(room.url)
    await connection.send(hello("opc.tcp://" + "x" * 4_100))
    assert await _refused(connection) == "BadTcpEndpointUrlInvalid"
    await connection.close()


@pytest.mark.parametrize("case", ["opn first", "second hello", "unknown type"])
async def test_messages_out_of_place_end_the_connection_with_a_reason(room: Room, case: str) -> None:
    # OPC 10000-6, 7.1.2: ERR BadTcpMessageTypeInvalid, then the connection closes.
    connection = await RawConnection.open(room.url)
    if case != "opn first":
        await connection.hello()
    wrong = {"opn first": b"OPNF", "second hello": b"", "unknown type": b"XYZF"}[case]
    await connection.send(hello(room.url) if not wrong else wrong + struct.pack("<I", 16) + bytes(8))
    assert await _refused(connection) == "BadTcpMessageTypeInvalid"
    await connection.close()


async def test_a_chunk_beyond_the_buffer_is_too_large(room: Room) -> None:
    connection = await RawConnection.open(room.url)
    ack = await connection.hello(send_buffer=8_192)
    await connection.send(b"MSGF" + struct.pack("<I", ack.receive_buffer + 1) + bytes(64))
    assert await _refused(connection) == "BadTcpMessageTooLarge"
    await connection.close()


async def test_chunks_are_put_together_and_an_abort_drops_one_message(room: Room) -> None:
    # OPC 10000-6, 6.7.2: the abort chunk counts in the sequence; the next request is answered.
    async with await room.channel() as channel:
        session = await room.session(channel)
        request = read_request(*[STATE] * 50)
        request.RequestHeader.AuthenticationToken = session.token
        body = struct_to_binary(request)
        answer = channel.decoded(await channel.receive(await channel.send_request(body, sizes=[1, 7, 100, 300])))
        assert len(answer.Results) == 50
        channel.request_id += 1
        await channel.connection.send(channel.chunk(body[:60], channel.request_id, b"C"))
        reason = struct.pack("<Ii", ua.StatusCodes.BadRequestInterrupted, -1)
        await channel.connection.send(channel.chunk(reason, channel.request_id, b"A"))
        assert await value(session, STATE) == 0
        await session.close()


async def test_our_chunks_fit_the_clients_buffer(room: Room) -> None:
    # OPC 10000-6, 6.7.2: the kit fails on a gap in our sequence numbers.
    async with await room.channel(receive_buffer=8_192) as channel:
        session = await room.session(channel)
        request = read_request(*[ua.NodeId(I.Server_ServerStatus)] * 200)
        request_id = await session.post(request)
        sizes = []
        while True:
            frame = await channel.connection.expect()
            sizes.append(len(frame.raw))
            if frame.flag == b"F":
                break
        assert len(sizes) > 3 and max(sizes) <= 8_192 and request_id
        channel.server_sequence = None
        await session.close()


@pytest.mark.parametrize("step", [0, 2, 100])
async def test_a_repeat_or_jump_of_the_sequence_ends_the_channel(room: Room, step: int) -> None:
    # OPC 10000-6, 6.7.2.4: sequence numbers go up by one.
    async with await room.channel() as channel:
        session = await room.session(channel)
        assert await value(session, STATE) == 0
        await session.post(read_request(STATE), sequence=channel.sequence + step)
        code = await _refused(channel.connection)
        assert code in ("BadSequenceNumberInvalid", "BadSecurityChecksFailed")


async def test_unknown_channels_and_tokens_end_the_connection(room: Room) -> None:
    # OPC 10000-6, 7.1.5: BadTcpSecureChannelUnknown, BadSecureChannelTokenUnknown.
    for wrong, expected in (
        ({"channel_id": 4_000_000_000}, "BadTcpSecureChannelUnknown"),
        ({"token_id": 4_000_000_000}, "BadSecureChannelTokenUnknown"),
    ):
        async with await room.channel() as channel:
            session = await room.session(channel)
            await session.post(read_request(STATE), **wrong)
            assert await _refused(channel.connection) == expected


@pytest.mark.parametrize("lifetime", [0, 1, 2**32 - 1])
async def test_the_lifetime_is_revised(room: Room, lifetime: int) -> None:
    # OPC 10000-4, 5.6.2.2: never 0, never endless.
    async with await room.channel(lifetime_ms=lifetime) as channel:
        assert 1_000 <= channel.lifetime_ms <= 24 * 3_600_000


@pytest.mark.parametrize("policy", [None, *POLICIES])
async def test_renewal_keeps_the_channel_and_the_old_token_until_the_new_one_is_used(room: Room, policy: Any) -> None:
    # OPC 10000-4, 5.6.2.1 and OPC 10000-6, 6.7.3.
    async with await room.channel(policy) as channel:
        session = await room.session(channel)
        before, old = channel.channel_id, channel.token_id
        await channel.issue(renew=True)
        new = channel.token_id
        assert channel.channel_id == before and new != old
        channel.token_id = old
        assert await value(session, STATE) == 0
        channel.token_id = new
        assert await value(session, STATE) == 0
        channel.token_id = old
        await session.post(read_request(STATE))
        assert await _refused(channel.connection) == "BadSecureChannelTokenUnknown"


async def test_another_channels_id_is_not_renewed(room: Room) -> None:
    async with await room.secure() as mine, await room.secure() as other:
        theirs = other.channel_id
        with pytest.raises((RefusedError, EndedError)):
            await mine.issue(renew=True, channel_id=theirs)
        session = await room.session(other)
        assert await value(session, STATE) == 0  # who was meant notices nothing
        await session.close()


@pytest.mark.parametrize("mode", [Mode.Sign, Mode.SignAndEncrypt])
@pytest.mark.parametrize("policy", POLICIES)
async def test_a_changed_byte_ends_the_channel(room: Room, policy: Any, mode: ua.MessageSecurityMode) -> None:
    # OPC 10000-6, 6.7.4: the outside only learns BadSecurityChecksFailed.
    async with await room.channel(policy, mode) as channel:
        session = await room.session(channel)
        await session.post(read_request(STATE), tamper=lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))
        assert await _refused(channel.connection) == "BadSecurityChecksFailed"


async def test_policies_and_modes_that_are_not_offered_are_rejected(room: Room) -> None:
    # OPC 10000-4, 5.6.2.3: deprecated policies are not offered.
    for uri in ("Basic128Rsa15", "Basic256", "Nonsense"):
        connection = await RawConnection.open(room.url)
        channel = RawChannel(connection, await connection.hello())
        request = ua.OpenSecureChannelRequest()
        request.Parameters.SecurityMode = Mode.None_
        policy = f"http://opcfoundation.org/UA/SecurityPolicy#{uri}"
        await connection.send(channel.opn(request, policy_uri=policy))
        assert await _refused(connection) == "BadSecurityPolicyRejected"
        await connection.close()
    for policy_class, mode in ((SecurityPolicyBasic256Sha256, Mode.None_), (None, Mode.Sign)):
        with pytest.raises(RefusedError) as caught:
            await room.channel(policy_class, mode)
        assert name_of(caught.value.code) == "BadSecurityModeRejected"


async def test_an_untrusted_client_learns_nothing_and_is_listed(room: Room) -> None:
    # OPC 10000-4, 6.1.3: BadSecurityChecksFailed to the outside; the certificate waits in the rejected list.
    stranger = make_identity(room.folder / "stranger", "stranger", uri="urn:stranger")
    with pytest.raises(RefusedError) as caught:
        await RawChannel.open(room.url, SecurityPolicyBasic256Sha256, identity=stranger)
    assert name_of(caught.value.code) == "BadSecurityChecksFailed"
    rejected = [file.read_bytes() for file in (room.folder / "certs/rejected").rglob("*") if file.is_file()]
    assert stranger.der in rejected


async def test_closing_the_channel_closes_the_connection_without_an_answer(room: Room) -> None:
    # OPC 10000-6, 7.1.4 (CLO).
    channel = await room.channel()
    body = struct_to_binary(ua.CloseSecureChannelRequest())
    channel.request_id += 1
    await channel.connection.send(channel.chunk(body, channel.request_id, kind=b"CLO"))
    assert await channel.connection.refused() == 0
    await channel.connection.close()
