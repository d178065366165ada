"""User Token facets: user name, X.509 and issued (JWT) identity tokens (OPC 10000-4, 7.41; OPC 10000-6, 6.5.3)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import jwt
import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)

from tests.kit.asking import A, name_of, read
from tests.kit.facets import Room
from tests.kit.opcua import APPLICATION_URI, Identity, make_identity, running
from tests.kit.raw import RawSession, ServiceFaultError, endpoints_of
from tests.kit.raw_keys import NONE_URI

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "0123456789abcdef0123456789abcdef"
REFUSED = {"BadIdentityTokenRejected", "BadIdentityTokenInvalid", "BadUserAccessDenied", "BadUserSignatureInvalid"}
POLICIES = (None, SecurityPolicyBasic256Sha256, SecurityPolicyAes128Sha256RsaOaep, SecurityPolicyAes256Sha256RsaPss)


@cache
def person() -> Identity:
    """The certificate of a user."""
    return make_identity(Path(mkdtemp(prefix="person")), "ivan")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    """A room that takes certificates and tokens too."""
    folder = tmp_path_factory.mktemp("room")
    print_ = hashlib.sha256(person().der).hexdigest()
    (folder / "users.toml").write_text(f'[users.ivan]\nsha256 = "{print_}"\nrole = "operator"\n')
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "keys.toml").write_text('[[issuers]]\nissuer = "urn:local"\nalgorithm = "HS256"\nkey_file = "secret"\n')
    async with running(folder, user_certificates_file=folder / "users.toml", jwt_keys_file=folder / "keys.toml") as rig:
        yield Room(rig, folder)


def token(**changes: Any) -> bytes:
    """A token of the issuer that the room knows."""
    claims = {"iss": "urn:local", "aud": APPLICATION_URI, "sub": "wera", "role": "operator",
              "exp": int(time.time()) + 600}  # fmt: skip
    return jwt.encode({**claims, **changes}, SECRET, algorithm="HS256").encode()


async def _may_trip(room: Room, session: RawSession) -> bool:
    trip = room.rig.node("pump-1/MethodSet/Trip")
    return bool((await read(session, trip, A.UserExecutable)).Value.Value)


async def _refused(session: RawSession, request: Any) -> str:
    with pytest.raises(ServiceFaultError) as caught:
        await session.channel.call(request)
    return name_of(caught.value.code)


async def test_every_endpoint_offers_the_tokens_with_an_encrypting_policy(room: Room) -> None:
    # OPC 10000-4, 7.42: what is secret is encrypted also where the channel is not.
    for endpoint in await endpoints_of(room.url):
        kinds = {policy.TokenType: policy for policy in endpoint.UserIdentityTokens}
        assert set(kinds) == set(ua.UserTokenType)
        for kind, policy in kinds.items():
            securing = policy.SecurityPolicyUri or endpoint.SecurityPolicyUri
            assert kind == ua.UserTokenType.Anonymous or securing != NONE_URI
        issued = kinds[ua.UserTokenType.IssuedToken]
        assert issued.IssuedTokenType == "http://opcfoundation.org/UA/UserToken#JWT"


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_user_name_brings_its_role_under_every_policy(room: Room, policy: Any) -> None:
    async with await room.channel(policy) as channel:
        session = await room.session(channel)
        assert not await _may_trip(room, session)
        await session.activate(user="olga", password="turn")
        assert await _may_trip(room, session)
        await session.close()


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_certificate_signs_its_user_in_under_every_policy(room: Room, policy: Any) -> None:
    async with await room.channel(policy) as channel:
        session = await room.session(channel, certificate=person())
        assert await _may_trip(room, session)
        await session.close()


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_issued_token_signs_its_user_in_under_every_policy(room: Room, policy: Any) -> None:
    async with await room.channel(policy) as channel:
        session = await room.session(channel, issued=token())
        assert await _may_trip(room, session)
        await session.close()


async def test_a_certificate_without_its_key_signs_nobody_in(room: Room) -> None:
    # OPC 10000-4, 5.7.3.3: the user's signature over server certificate and nonce, BadUserSignatureInvalid.
    thief = make_identity(room.folder / "thief", "thief")
    async with await room.secure() as channel:
        session = await room.session(channel, activate=False)
        request = session.activation(certificate=person())
        other = session.activation(certificate=thief)
        request.Parameters.UserTokenSignature = other.Parameters.UserTokenSignature
        assert await _refused(session, request) == "BadUserSignatureInvalid"
        assert await _refused(session, session.activation(certificate=thief)) in REFUSED
        await session.activate(certificate=person())
        await session.close()


@pytest.mark.parametrize(
    "changes", [{"exp": 1}, {"iss": "urn:other"}, {"aud": "urn:other"}, {"role": "nothing"}], ids=str
)
async def test_tokens_that_are_not_for_us_or_over_are_refused(room: Room, changes: dict[str, Any]) -> None:
    # OPC 10000-6, 6.5.3.
    async with await room.secure() as channel:
        session = await room.session(channel, activate=False)
        assert await _refused(session, session.activation(issued=token(**changes))) in REFUSED
        await session.activate(issued=token())
        await session.close()


async def test_a_token_signed_by_another_is_refused(room: Room) -> None:
    forged = jwt.encode(
        {"iss": "urn:local", "aud": APPLICATION_URI, "sub": "x", "role": "admin", "exp": int(time.time()) + 600},
        "f" * 32,
        algorithm="HS256",
    )
    async with await room.secure() as channel:
        session = await room.session(channel, activate=False)
        assert await _refused(session, session.activation(issued=forged.encode())) in REFUSED
        await session.activate(issued=token())
        await session.close()
