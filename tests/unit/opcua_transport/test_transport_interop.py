"""asyncua's client, an implementation that shares no code with the transport, opens, renews and closes channels."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)

from server.opcua.transport.channel import SecureChannel
from tests.kit.transport import Remembering, TransportRig, listening, pair, until

POLICIES = (SecurityPolicyBasic256Sha256, SecurityPolicyAes128Sha256RsaOaep, SecurityPolicyAes256Sha256RsaPss)
SIGN, ENCRYPT = ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt


class Faulting(Remembering):
    """Answers every request with BadServiceUnsupported."""

    def message(self, channel: SecureChannel, request_id: int, body: bytes) -> None:
        self.messages.append((request_id, body))
        header = struct.pack("<qII", 0, 0, ua.StatusCodes.BadServiceUnsupported) + bytes(8)
        channel.send(request_id, b"\1\0" + struct.pack("<H", 397) + header)


async def opened(rig: TransportRig, policy: Any = None, mode: Any = None, bits: int = 2048) -> Client:
    client = Client(f"opc.tcp://127.0.0.1:{rig.port}", timeout=5)
    if policy is not None:
        client.security_policy = policy(
            rig.own.certificate, pair("client", bits).certificate, pair("client", bits).key, mode
        )
        client.uaclient.set_security(client.security_policy)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    return client


async def test_an_open_channel(clock: Any) -> None:
    async with listening() as rig:
        client = await opened(rig)
        (channel, renewed), *_ = rig.receiver.opened
        assert (channel.mode, channel.peer_certificate, renewed) == (1, None, False)
        await client.close_secure_channel()
        client.disconnect_socket()
        await until(lambda: rig.receiver.closed == [channel])


@pytest.mark.parametrize("bits", [(2048, 2048), (2048, 3072), (3072, 2048), (4096, 4096)])
@pytest.mark.parametrize("mode", [SIGN, ENCRYPT])
@pytest.mark.parametrize("policy", POLICIES)
async def test_secured_channels_open_renew_and_carry_messages(policy: Any, mode: Any, bits: tuple[int, int]) -> None:
    async with listening(own_bits=bits[0], receiver=Faulting()) as rig:
        client = await opened(rig, policy, mode, bits[1])
        ((channel, _),) = rig.receiver.opened
        assert (channel.policy_uri, channel.mode) == (policy.URI, mode)
        assert channel.peer_certificate == pair("client", bits[1]).der
        assert channel.signature_uri == policy.AsymmetricSignatureURI
        await client.open_secure_channel(renew=True)
        assert [renewed for _, renewed in rig.receiver.opened] == [False, True]
        # The fault arrives as what it is: the client could check and decrypt it, under the new token.
        with pytest.raises(ua.uaerrors.BadServiceUnsupported):
            await client.get_endpoints()
        assert len(rig.receiver.messages) == 1
        await client.close_secure_channel()
        client.disconnect_socket()
        await until(lambda: rig.receiver.closed == [channel])
        assert rig.receiver.refused == []
