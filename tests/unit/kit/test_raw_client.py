"""The raw client itself: it can do what a decent client does, so what it does wrong is on purpose."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)
from asyncua.ua.ua_binary import struct_to_binary

from tests.kit.opcua import Identity, OpcUaRig, make_identity, running
from tests.kit.raw import (
    EndedError,
    ForgedError,
    RawChannel,
    RawConnection,
    RawSession,
    RefusedError,
    ServiceFaultError,
    endpoints_of,
    read_request,
)

MODES = (ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt)
POLICIES = (SecurityPolicyBasic256Sha256, SecurityPolicyAes128Sha256RsaOaep, SecurityPolicyAes256Sha256RsaPss)
STATE = ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path) as rig:
        yield rig


def trusted(tmp_path: Path, bits: int = 2048) -> Identity:
    identity = make_identity(tmp_path / "client", bits=bits)
    (tmp_path / "certs/trusted/certs/client.der").write_bytes(identity.der)
    return identity


async def test_an_anonymous_session_without_security_reads(rig: OpcUaRig) -> None:
    async with await RawChannel.open(rig.server.url) as channel:
        session = await RawSession.create(channel)
        assert [value.Value.Value for value in await session.read(STATE, STATE)] == [0, 0]
        await session.close()
        with pytest.raises(ServiceFaultError):
            await session.read(STATE)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", POLICIES)
async def test_a_user_signs_in_under_every_policy(rig: OpcUaRig, tmp_path: Path, policy: Any, mode: Any) -> None:
    identity = trusted(tmp_path)
    async with await RawChannel.open(rig.server.url, policy, mode, identity) as channel:
        session = await RawSession.create(channel, user="olga", password="turn")
        assert (await session.read(STATE))[0].Value.Value == 0


async def test_a_wrong_password_is_a_service_fault(rig: OpcUaRig, tmp_path: Path) -> None:
    async with await RawChannel.open(
        rig.server.url, SecurityPolicyBasic256Sha256, identity=trusted(tmp_path)
    ) as channel:
        with pytest.raises(ServiceFaultError) as refused:
            await RawSession.create(channel, user="olga", password="wrong")
        assert refused.value.code in (ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadIdentityTokenRejected)


# OPC 10000-6 6.7.2.5: keys above 2048 bits use a second padding byte.
async def test_keys_above_2048_bits_pad_with_two_bytes(rig: OpcUaRig, tmp_path: Path) -> None:
    identity = trusted(tmp_path, bits=3072)
    async with await RawChannel.open(rig.server.url, SecurityPolicyBasic256Sha256, identity=identity) as channel:
        session = await RawSession.create(channel)
        assert (await session.read(STATE))[0].Value.Value == 0


@pytest.mark.parametrize("policy", [None, SecurityPolicyBasic256Sha256])
async def test_a_renewed_channel_goes_on_under_its_new_token(rig: OpcUaRig, tmp_path: Path, policy: Any) -> None:
    identity = trusted(tmp_path)
    async with await RawChannel.open(rig.server.url, policy, identity=identity) as channel:
        session = await RawSession.create(channel)
        old = channel.token_id
        await channel.issue(renew=True)
        assert channel.token_id != old
        assert (await session.read(STATE))[0].Value.Value == 0


async def test_answers_are_taken_by_request_id_in_any_order(rig: OpcUaRig) -> None:
    async with await RawChannel.open(rig.server.url) as channel:
        session = await RawSession.create(channel)
        sent = [await session.post(read_request(*[STATE] * count)) for count in (1, 2, 3)]
        counts = [len((await session.answer(request_id)).Results) for request_id in reversed(sent)]
        assert counts == [3, 2, 1]


@pytest.mark.parametrize("policy", [None, SecurityPolicyBasic256Sha256])
async def test_a_request_in_chosen_chunks_is_one_request(rig: OpcUaRig, tmp_path: Path, policy: Any) -> None:
    identity = trusted(tmp_path)
    async with await RawChannel.open(rig.server.url, policy, identity=identity) as channel:
        session = await RawSession.create(channel)
        request_id = await session.post(read_request(*[STATE] * 50), sizes=[1, 10, 100, 200])
        assert len((await session.answer(request_id)).Results) == 50


async def test_an_answer_in_many_chunks_is_put_together(rig: OpcUaRig) -> None:
    async with await RawChannel.open(rig.server.url, receive_buffer=8192) as channel:
        session = await RawSession.create(channel)
        name = ua.NodeId(ua.ObjectIds.Server_ServerStatus_BuildInfo)
        assert len(await session.read(*[name] * 500)) == 500


async def test_what_the_server_says_with_err_is_told(rig: OpcUaRig) -> None:
    connection = await RawConnection.open(rig.server.url)
    try:
        await connection.send(b"HELF" + struct.pack("<I", 8 + 20) + bytes(20))
        with pytest.raises((RefusedError, EndedError)):
            await connection.expect()
    finally:
        await connection.close()


async def test_a_frame_can_be_tampered_with_on_its_way_out(rig: OpcUaRig, tmp_path: Path) -> None:
    identity = trusted(tmp_path)
    async with await RawChannel.open(rig.server.url, SecurityPolicyBasic256Sha256, MODES[0], identity) as channel:
        session = await RawSession.create(channel)
        right = channel.chunk(struct_to_binary(read_request(STATE)), 99)
        channel.sequence -= 1
        wrong = channel.chunk(
            struct_to_binary(read_request(STATE)), 99, tamper=lambda frame: frame[:-1] + bytes([frame[-1] ^ 1])
        )
        assert len(right) == len(wrong)
        assert hashlib.sha256(right).digest() != hashlib.sha256(wrong).digest()
        assert session.token


async def test_an_answer_that_does_not_verify_is_refused(rig: OpcUaRig, tmp_path: Path) -> None:
    identity = trusted(tmp_path)
    async with await RawChannel.open(rig.server.url, SecurityPolicyBasic256Sha256, identity=identity) as channel:
        keys = channel.keys[channel.token_id]
        channel.keys[channel.token_id + 1] = keys
        with pytest.raises(ForgedError):
            keys.open(b"MSGF" + bytes(12), bytes(96))


async def test_endpoints_are_found_without_a_session(rig: OpcUaRig) -> None:
    assert {endpoint.SecurityPolicyUri for endpoint in await endpoints_of(rig.server.url)} >= {
        policy.URI for policy in POLICIES
    }
