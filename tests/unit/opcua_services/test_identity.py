"""Identity tokens of ActivateSession: anonymous, user name and X.509 (OPC 10000-4, 7.41)."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.clock import ManualClock
from server.core.errors import ConfigurationError
from server.opcua.identity import decrypt_secret
from server.opcua.tokens import CertificateUsers, certificate_users
from server.opcua.transport.security import POLICIES
from tests.kit.sessions import (
    AES256,
    BASIC,
    SERVER_URI,
    START,
    Client,
    RefusedError,
    SessionRig,
    encrypted,
    pair,
)


async def created(rig: SessionRig, channel: Any = None) -> Client:
    client = rig.client(channel)
    await client.create()
    return client


# -- anonymous


@pytest.mark.parametrize("token", [None, ua.AnonymousIdentityToken("anonymous"), ua.AnonymousIdentityToken()])
async def test_no_token_means_anonymous(token: Any) -> None:
    rig = SessionRig()
    await rig.active(token)
    (session,) = rig.table
    assert (session.caller.user, session.caller.role, session.token_kind) == ("anonymous", "anonymous", "Anonymous")


async def test_anonymous_is_refused_where_it_is_not_offered() -> None:
    rig = SessionRig(allow_anonymous=False)
    with pytest.raises(RefusedError, match="BadIdentityTokenRejected"):
        await rig.active()
    await rig.signed_in("olga")


@pytest.mark.parametrize(
    ("token", "name"),
    [
        (ua.AnonymousIdentityToken("other"), "BadIdentityTokenInvalid"),
        (ua.UserNameIdentityToken("anonymous", "olga"), "BadIdentityTokenInvalid"),
        (ua.UserNameIdentityToken(), "BadIdentityTokenInvalid"),
        (ua.X509IdentityToken("certificate_basic256sha256", b""), "BadIdentityTokenRejected"),  # not offered
        (ua.IssuedIdentityToken("jwt_basic256sha256", b""), "BadIdentityTokenRejected"),
        (ua.ExtensionObject(ua.NodeId(99_999), b"abc"), "BadIdentityTokenInvalid"),
        (ua.Argument(), "BadIdentityTokenInvalid"),
    ],
)
async def test_what_is_not_offered_is_no_identity(token: Any, name: str) -> None:
    with pytest.raises(RefusedError, match=name):
        await SessionRig().active(token)


# -- user names


@pytest.mark.parametrize("policy", [None, *POLICIES])
async def test_a_password_signs_in_on_every_channel(policy: str | None) -> None:
    rig = SessionRig()
    await rig.signed_in("olga", rig.channel(policy) if policy else rig.open_channel())
    (session,) = rig.table
    assert (session.caller.user, session.caller.role, session.token_kind) == ("olga", "operator", "UserName")


@pytest.mark.parametrize(("user", "password"), [("olga", "wrong"), ("nobody", "turn"), ("", ""), ("olga", "\x00")])
async def test_unknown_and_wrong_get_the_same_answer(user: str, password: str) -> None:
    client = await created(rig := SessionRig())
    with pytest.raises(RefusedError, match="BadIdentityTokenRejected"):
        await client.activate(client.password(user, password))
    assert rig.asked == [user]


@pytest.mark.parametrize(
    "flaw",
    [
        "clear",
        "algorithm",
        "other policy",
        "foreign nonce",
        "no nonce",
        "size too small",
        "size a lie",
        "cut",
        "bits",
        "empty",
        "not text",
        "too much",
    ],
)
async def test_a_secret_is_encrypted_for_this_session(flaw: str) -> None:
    # 7.41.2.2: the secret is followed by the last server nonce; 7.41.4: clear passwords only without a policy.
    rig = SessionRig()
    client = await created(rig, rig.open_channel())
    token = client.password("olga", "turn")
    good = token.Password
    if flaw == "clear":
        token.Password, token.EncryptionAlgorithm = b"turn", None
    elif flaw == "algorithm":
        token.EncryptionAlgorithm = POLICIES[AES256].encryption_uri
    elif flaw == "other policy":
        token.PolicyId = "username_aes256_sha256_rsapss"
    elif flaw == "not text":
        token.Password = encrypted(BASIC, b"\xff\xfe", client.nonce)
    elif flaw == "too much":
        token.Password = encrypted(BASIC, b"x" * 5_000, client.nonce)
    else:
        token.Password = {
            "foreign nonce": encrypted(BASIC, b"turn", bytes(32)),
            "no nonce": encrypted(BASIC, b"turn", b""),
            "size too small": encrypted(BASIC, b"turn", client.nonce, size=3),
            "size a lie": encrypted(BASIC, b"turn", client.nonce, size=4_000_000_000),
            "cut": good[:-1],
            "bits": bytes([good[0] ^ 1]) + good[1:],
            "empty": b"",
        }[flaw]
    with pytest.raises(RefusedError, match="BadIdentityTokenInvalid"):
        await client.activate(token)
    assert rig.asked == []
    await client.activate(client.password("olga", "turn"))  # control


async def test_a_password_longer_than_one_cipher_block_is_read() -> None:
    long = "ж" * 700
    rig = SessionRig(verify=lambda user, password: "viewer" if (user, password) == ("lena", long) else None)
    client = await created(rig)
    await client.activate(client.password("lena", long))


async def test_who_guesses_is_not_heard_for_a_minute() -> None:
    rig = SessionRig(attempts=3)
    client = await created(rig)
    for _ in range(3):
        with pytest.raises(RefusedError, match="BadIdentityTokenRejected"):
            await client.activate(client.password("olga", "wrong"))
    # The right password is not even looked at: who guesses does not learn that he was right.
    with pytest.raises(RefusedError, match="BadIdentityTokenRejected"):
        await client.activate(client.password("olga", "turn"))
    assert rig.asked == ["olga"] * 3
    elsewhere = await created(rig, rig.channel(address="10.0.0.7"))
    await elsewhere.activate(elsewhere.password("adam", "rule"))  # another user from another address
    rig.clock.advance(61)
    client = await created(rig)
    await client.activate(client.password("olga", "turn"))


async def test_a_burst_of_guesses_is_stopped_like_a_row_of_them() -> None:
    rig = SessionRig(attempts=3)
    clients = [await created(rig) for _ in range(20)]
    guesses = [client.activate(client.password("olga", f"guess {at}")) for at, client in enumerate(clients)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert all(isinstance(result, RefusedError) for result in results)
    assert len(rig.asked) <= 4  # two are verified at the same time


async def test_many_users_sign_in_at_once_from_one_address() -> None:
    rig = SessionRig(attempts=3)
    await asyncio.gather(*(rig.signed_in("olga") for _ in range(20)))
    assert len(rig.table) == 20


async def test_the_loop_goes_on_while_a_password_is_verified() -> None:
    thread: list[int] = []
    rig = SessionRig(verify=lambda *_: thread.append(threading.get_ident()) or "viewer")  # type: ignore[func-returns-value]
    await rig.signed_in("olga")
    assert thread != [threading.get_ident()]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600), st.integers(-3, 3))
def test_only_secrets_with_our_nonce_open(secret: bytes, more: int) -> None:
    key, nonce = pair("server", SERVER_URI).key, bytes(range(32))
    sealed = encrypted(BASIC, secret, nonce, size=max(len(secret) + len(nonce) + more, 0))
    assert decrypt_secret(sealed, BASIC, key, nonce, 4096) == (None if more else secret)
    assert decrypt_secret(sealed, BASIC, key, bytes(32), 4096) is None


# -- certificates


def listed(rig_clock: Any, *names: str) -> CertificateUsers:
    prints = {hashlib.sha256(pair(name).der).hexdigest(): (name, "operator") for name in names}
    return CertificateUsers(prints, rig_clock)


def certificate_rig(*names: str) -> SessionRig:
    rig = SessionRig(certificates=(late := Late()))
    late.users = listed(rig.clock, *names)
    return rig


class Late:
    """Users that are known after the rig's clock is made."""

    users: CertificateUsers

    def user(self, certificate: Any) -> tuple[str, str] | None:
        return self.users.user(certificate)


async def certificate_token(client: Client, name: str, policy: str = BASIC, **flaws: Any) -> None:
    data = flaws.get("data", client.channel.own_certificate + client.nonce)
    signer = pair(flaws.get("signer", name))
    signature = ua.SignatureData(POLICIES[policy].signature_uri, POLICIES[policy].sign(signer.key, data))
    token = ua.X509IdentityToken(f"certificate_{policy.rsplit('#')[1].lower()}", flaws.get("der", pair(name).der))
    await client.activate(token, UserTokenSignature=flaws.get("signature", signature))


@pytest.mark.parametrize("policy", [None, *POLICIES])
async def test_a_listed_certificate_signs_in(policy: str | None) -> None:
    rig = certificate_rig("carl")
    client = await created(rig, rig.channel(policy) if policy else rig.open_channel())
    await certificate_token(client, "carl", policy or BASIC)
    (session,) = rig.table
    assert (session.caller.user, session.caller.role, session.token_kind) == ("carl", "operator", "Certificate")


@pytest.mark.parametrize(
    ("flaws", "name"),
    [
        ({"signer": "stranger"}, "BadUserSignatureInvalid"),
        ({"data": b"something else"}, "BadUserSignatureInvalid"),
        ({"signature": ua.SignatureData()}, "BadUserSignatureInvalid"),
        ({"der": b""}, "BadIdentityTokenInvalid"),
        ({"der": b"0" * 900}, "BadIdentityTokenInvalid"),
        ({"der": pair("small", bits=1024).der}, "BadIdentityTokenRejected"),
        ({"der": pair("stranger").der, "signer": "stranger"}, "BadIdentityTokenRejected"),
    ],
)
async def test_a_certificate_proves_its_key_and_is_listed(flaws: dict[str, Any], name: str) -> None:
    rig = certificate_rig("carl")
    client = await created(rig)
    with pytest.raises(RefusedError, match=name):
        await certificate_token(client, "carl", **flaws)
    await certificate_token(client, "carl")  # control


async def test_a_certificate_signs_in_while_it_is_valid() -> None:
    rig = certificate_rig("carl")
    rig.clock.advance(datetime.timedelta(days=31).total_seconds())
    with pytest.raises(RefusedError, match="BadIdentityTokenRejected"):
        await certificate_token(await created(rig), "carl")


def test_the_file_of_certificates_is_read_whole_or_every_mistake_is_told(tmp_path: Path) -> None:
    clock = ManualClock(START)
    path = tmp_path / "users.toml"
    thumbprint = hashlib.sha256(pair("carl").der).hexdigest()
    colons = ":".join(thumbprint[at : at + 2].upper() for at in range(0, 64, 2))
    path.write_text(f'[users.carl]\nsha256 = "{colons}"\nrole = "operator"\n')
    assert certificate_users(path, clock).user(pair("carl").certificate) == ("carl", "operator")
    path.write_text(
        '[users.carl]\nsha256 = "12"\nrole = "king"\n[users.anonymous]\n'
        f'sha256 = "{thumbprint}"\nrole = "admin"\n[users.x]\nrole = "admin"\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        certificate_users(path, clock)
    assert len(caught.value.problems) == 4
    for content in ("", "[other]", "users = 1", "broken ["):
        path.write_text(content)
        with pytest.raises(ConfigurationError):
            certificate_users(path, clock)
    with pytest.raises(ConfigurationError):
        certificate_users(tmp_path / "absent.toml", clock)
