"""Who gets in: policies, certificates, users; and what happens to those who try otherwise."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)
from asyncua.crypto.uacrypto import encrypt_rsa_oaep
from cryptography import x509

from server.core.errors import InUseError
from tests.kit.opcua import CLIENT_URI, OpcUaRig, make_identity, running

SIGN, ENCRYPT = ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt
POLICIES = (SecurityPolicyBasic256Sha256, SecurityPolicyAes128Sha256RsaOaep, SecurityPolicyAes256Sha256RsaPss)
REFUSED = (ua.UaError, ConnectionError, TimeoutError, asyncio.CancelledError)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[OpcUaRig]:
    async with running(tmp_path, devices=["pump-1"]) as rig:
        yield rig


async def state(client: Client) -> object:
    return await client.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)).read_value()


@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
@pytest.mark.parametrize("policy", POLICIES)
async def test_every_policy_signs_a_user_in(rig: OpcUaRig, tmp_path: Path, policy: Any, mode: Any) -> None:
    identity = make_identity(tmp_path / "client")
    (tmp_path / "certs/trusted/certs/client.der").write_bytes(identity.der)
    async with rig.client("olga", identity=identity, policy=policy, mode=mode) as client:
        assert await state(client) == 0


async def test_an_unknown_certificate_is_refused_listed_and_trusted_without_restart(
    rig: OpcUaRig, tmp_path: Path
) -> None:
    identity = make_identity(tmp_path / "client")
    with pytest.raises(REFUSED):
        async with rig.client("olga", identity=identity):
            pass
    assert [info.thumbprint for info in rig.certificates.list_rejected()] == [identity.thumbprint]
    rig.certificates.trust(identity.thumbprint)
    async with rig.client("olga", identity=identity) as client:
        assert await state(client) == 0
    rig.certificates.reject(identity.thumbprint)
    with pytest.raises(REFUSED):
        async with rig.client("olga", identity=identity):
            pass


async def test_a_certificate_of_another_application_is_refused(rig: OpcUaRig, tmp_path: Path) -> None:
    identity = make_identity(tmp_path / "client", uri="urn:somebody:else")
    (tmp_path / "certs/trusted/certs/client.der").write_bytes(identity.der)
    client = Client(rig.server.url, timeout=5)
    client.application_uri = CLIENT_URI
    await client.set_security(SecurityPolicyBasic256Sha256, identity.certificate_file, identity.key_file)
    with pytest.raises(ua.uaerrors.BadCertificateUriInvalid):
        await client.connect()


@pytest.mark.parametrize(("user", "password"), [("olga", "wrong"), ("nobody", "turn"), ("olga", "\x00")])
async def test_wrong_names_and_passwords_get_the_same_answer(rig: OpcUaRig, user: str, password: str) -> None:
    client = Client(rig.server.url, timeout=5)
    client.set_user(user)
    client.set_password(password)
    with pytest.raises(ua.uaerrors.BadIdentityTokenRejected):
        await client.connect()


async def test_guessing_is_slowed_down(rig: OpcUaRig) -> None:
    for _ in range(10):
        client = Client(rig.server.url, timeout=5)
        client.set_user("olga")
        client.set_password("wrong")
        with pytest.raises(ua.uaerrors.BadIdentityTokenRejected):
            await client.connect()
    # The right password is not even looked at now: who guesses does not learn that he was right.
    with pytest.raises(ua.uaerrors.BadIdentityTokenRejected):
        async with rig.client("olga"):
            pass


async def test_passwords_are_encrypted_on_the_open_endpoint(rig: OpcUaRig) -> None:
    endpoints = await Client(rig.server.url).connect_and_get_server_endpoints()
    assert len({(e.SecurityPolicyUri, e.SecurityMode) for e in endpoints}) == 7
    for endpoint in endpoints:
        ids = [token.PolicyId for token in endpoint.UserIdentityTokens]
        assert len(ids) == len(set(ids))
        (named,) = [t for t in endpoint.UserIdentityTokens if t.TokenType == ua.UserTokenType.UserName]
        assert named.SecurityPolicyUri.rsplit("#", 1)[1] in (
            "Basic256Sha256",
            "Aes128_Sha256_RsaOaep",
            "Aes256_Sha256_RsaPss",
        )


async def activate(client: Client, token: ua.UserNameIdentityToken) -> None:
    params = ua.ActivateSessionParameters()
    params.LocaleIds = ["en"]
    params.UserIdentityToken = token
    await client.uaclient.activate_session(params)


def secret(certificate: bytes, password: bytes, nonce: bytes) -> bytes:
    body = struct.pack("<I", len(password) + len(nonce)) + password + nonce
    return encrypt_rsa_oaep(x509.load_der_x509_certificate(certificate).public_key(), body)


@pytest.mark.parametrize(
    "flaw", ["plain", "foreign nonce", "no nonce", "rubbish", "other policy", "lying length", "none"]
)
async def test_a_token_must_be_encrypted_for_this_session(rig: OpcUaRig, flaw: str) -> None:
    client = Client(rig.server.url, timeout=5)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    created = await client.create_session()
    token = ua.UserNameIdentityToken("username_basic256sha256", "olga")
    token.EncryptionAlgorithm = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"
    certificate, nonce = created.ServerCertificate, created.ServerNonce
    if not certificate:
        certificate = (await client.get_endpoints())[0].ServerCertificate
    token.Password = secret(certificate, b"turn", nonce)
    if flaw == "plain":
        token.Password, token.EncryptionAlgorithm = b"turn", None
    elif flaw == "foreign nonce":
        token.Password = secret(certificate, b"turn", bytes(32))
    elif flaw == "no nonce":
        token.Password = secret(certificate, b"turn", b"")
    elif flaw == "rubbish":
        token.Password = bytes(256)
    elif flaw == "other policy":
        token.PolicyId = "username_aes256_sha256_rsapss"
    elif flaw == "lying length":
        body = struct.pack("<I", 4_000_000_000) + b"turn" + nonce
        token.Password = encrypt_rsa_oaep(x509.load_der_x509_certificate(certificate).public_key(), body)
    try:
        if flaw == "none":  # control: exactly this token is good otherwise
            await activate(client, token)
        else:
            with pytest.raises(ua.uaerrors.BadIdentityTokenInvalid):
                await activate(client, token)
    finally:
        await client.close_session()
        await client.close_secure_channel()
        client.disconnect_socket()


async def test_without_the_open_endpoint_a_channel_serves_discovery_only(tmp_path: Path) -> None:
    async with running(tmp_path, devices=[], allow_none=False) as rig:
        endpoints = await Client(rig.server.url).connect_and_get_server_endpoints()
        assert len(endpoints) == 6
        with pytest.raises((ua.UaError, ConnectionError)):
            async with rig.client():
                pass


async def test_anonymous_can_be_shut_out(tmp_path: Path) -> None:
    async with running(tmp_path, devices=[], allow_anonymous=False) as rig:
        with pytest.raises(ua.UaError):
            async with rig.client():
                pass
        async with rig.client("vera") as client:  # control
            assert await state(client) == 0


async def test_a_guessed_session_token_is_worth_nothing(rig: OpcUaRig) -> None:
    async with rig.client() as client:
        client.uaclient.protocol.authentication_token = ua.NodeId(1001)
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await state(client)
        client.uaclient.protocol.authentication_token = ua.NodeId(bytes(32), 0)
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await state(client)


async def test_sessions_are_limited_and_come_free_again(tmp_path: Path) -> None:
    async with running(tmp_path, devices=[], max_sessions=2) as rig:
        async with rig.client(), rig.client():
            with pytest.raises(ua.uaerrors.BadTooManySessions):
                async with rig.client():
                    pass
        async with rig.client() as client:
            assert await state(client) == 0


@pytest.mark.parametrize(
    "content",
    [b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"HELF\xff\xff\xff\xff" + bytes(32), b"OPNF\x20\x00\x00\x00" + bytes(24)],
)
async def test_rubbish_on_the_socket_disturbs_nobody(rig: OpcUaRig, content: bytes) -> None:
    async with rig.client() as bystander:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
        writer.write(content)
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(10):
            await reader.read(1_000)
        writer.close()
        await writer.wait_closed()
        assert await state(bystander) == 0


async def test_a_port_in_use_is_said_with_what_to_do(rig: OpcUaRig, tmp_path: Path) -> None:
    with pytest.raises(InUseError, match="FIELDLOOM_OPCUA__PORT"):
        async with running(tmp_path / "second", port=rig.server.port):
            pass
