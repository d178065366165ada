"""Issued identity tokens: JSON Web Tokens (OPC 10000-4, 7.41.6; OPC 10000-6, 6.5.3)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from asyncua import ua
from cryptography.hazmat.primitives import serialization

from server.core.clock import ManualClock
from server.core.errors import ConfigurationError
from server.opcua.tokens import IssuedTokens, issued_tokens
from server.opcua.transport.security import POLICIES
from tests.kit.sessions import BASIC, SERVER_URI, START, RefusedError, SessionRig, encrypted, pair

SECRET = "0123456789abcdef0123456789abcdef"
ISSUER = "https://login.example"


def public_pem(name: str) -> bytes:
    return (
        pair(name)
        .key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "key.pem").write_bytes(public_pem("issuer"))
    path = tmp_path / "issuers.toml"
    path.write_text(
        f'[[issuers]]\nissuer = "{ISSUER}"\nalgorithm = "RS256"\nkey_file = "key.pem"\n'
        '[[issuers]]\nissuer = "urn:local"\nalgorithm = "HS256"\nkey_file = "secret"\naudience = "plant"\n'
        'user_claim = "name"\nrole_claim = "group"\nroles = { "Shift leaders" = "operator" }\n'
    )
    return path


@pytest.fixture
def tokens(file: Path) -> IssuedTokens:
    return issued_tokens(file, SERVER_URI, ManualClock(START))


def claims(**changes: Any) -> dict[str, Any]:
    now = START // 1_000_000
    found = {"iss": ISSUER, "aud": SERVER_URI, "sub": "ivan", "role": "engineer", "exp": now + 600, "nbf": now}
    return {name: value for name, value in {**found, **changes}.items() if value is not None}


def signed(changes: Mapping[str, Any], *, name: str = "issuer") -> bytes:
    return jwt.encode(claims(**changes), pair(name).key, algorithm="RS256").encode()


def local(**changes: Any) -> bytes:
    body = {"iss": "urn:local", "aud": "plant", "name": "olga", "group": "Shift leaders", "sub": None, "role": None}
    return jwt.encode(claims(**{**body, **changes}), SECRET, algorithm="HS256").encode()


def test_good_tokens_of_both_issuers(tokens: IssuedTokens) -> None:
    assert tokens.user(signed({})) == ("ivan", "engineer")
    assert tokens.user(local()) == ("olga", "operator")
    assert tokens.user(signed({"exp": START // 1_000_000 - 10})) == ("ivan", "engineer")  # clocks differ a little


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": START // 1_000_000 - 60},
        {"exp": None},
        {"exp": "never"},
        {"exp": float("nan")},
        {"nbf": START // 1_000_000 + 60},
        {"aud": "another server"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"iss": "urn:local"},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 200},
        {"sub": "line\nbreak"},
        {"sub": "anonymous"},
        {"sub": "fieldloom"},
        {"role": "king"},
        {"role": None},
        {"role": ["admin"]},
    ],
)
def test_claims_that_do_not_hold(tokens: IssuedTokens, changes: dict[str, Any]) -> None:
    part = [
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in ({"alg": "RS256"}, claims(**changes))
    ]
    body = b".".join(part)
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(body, pair("issuer").key)
    token = body + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")
    assert tokens.user(token) is None


def test_signatures_that_do_not_hold(tokens: IssuedTokens) -> None:
    good = signed({})
    head, body, tail = good.split(b".")
    other = signed({"role": "admin"}).split(b".")[1]
    # The public key as an HMAC secret, and no signature at all: the two classic forgeries.
    pem = public_pem("issuer")
    confused = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=") + b"." + body
    forged = (
        confused
        + b"."
        + base64.urlsafe_b64encode(
            jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(confused, pem)
        ).rstrip(b"=")
    )
    unsigned = jwt.encode(claims(), None, algorithm="none").encode()  # type: ignore[arg-type]
    for token in (
        signed({}, name="stranger"),
        b".".join((head, other, tail)),
        forged,
        unsigned,
        head + b"." + body + b".",
        b"",
        b"...",
        b"\xff" * 50,
        good + b"x",
        b"a" * 9_000,
    ):
        assert tokens.user(token) is None


async def test_a_token_signs_in_and_is_encrypted_like_a_password(file: Path) -> None:
    rig = SessionRig(tokens=issued_tokens(file, SERVER_URI, ManualClock(START)))
    for channel in (rig.channel(), rig.open_channel()):
        client = rig.client(channel)
        await client.create()
        token = ua.IssuedIdentityToken("jwt_basic256sha256", EncryptionAlgorithm=POLICIES[BASIC].encryption_uri)
        token.TokenData = encrypted(BASIC, signed({}), client.nonce)
        await client.activate(token)
        assert rig.table.find(next(iter(rig.table)).token) is not None
        assert [session.caller.user for session in rig.table] == ["ivan"]
        for flaw, name in (
            ((signed({}), None), "BadIdentityTokenInvalid"),
            ((encrypted(BASIC, signed({}), bytes(32)), token.EncryptionAlgorithm), "BadIdentityTokenInvalid"),
            ((encrypted(BASIC, b"rubbish", client.nonce), token.EncryptionAlgorithm), "BadIdentityTokenRejected"),
        ):
            token.TokenData, token.EncryptionAlgorithm = flaw
            with pytest.raises(RefusedError, match=name):
                await client.activate(token)
            token.EncryptionAlgorithm = POLICIES[BASIC].encryption_uri
        await client.close()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "issuers = 1",
        "[[issuers]]",
        '[[issuers]]\nissuer = "a"\nalgorithm = "none"\nkey_file = "secret"',
        '[[issuers]]\nissuer = "a"\nalgorithm = "HS256"\nkey_file = "short"',
        '[[issuers]]\nissuer = "a"\nalgorithm = "HS256"\nkey_file = "key.pem"',
        '[[issuers]]\nissuer = "a"\nalgorithm = "RS256"\nkey_file = "secret"',
        '[[issuers]]\nissuer = "a"\nalgorithm = "RS256"\nkey_file = "absent"',
        '[[issuers]]\nissuer = "a"\nalgorithm = "RS256"\nkey_file = "key.pem"\nroles = { x = "king" }',
        '[[issuers]]\nissuer = "a"\nalgorithm = "RS256"\nkey_file = "key.pem"\nextra = 1',
        '[[issuers]]\nissuer = "a"\nalgorithm = "RS256"\nkey_file = "key.pem"\naudience = 1',
        '[[issuers]]\nissuer = "a"\nalgorithm = "RS256"\nkey_file = "key.pem"\n' * 2,
    ],
)
def test_mistakes_in_the_file_end_the_start(file: Path, content: str) -> None:
    (file.parent / "short").write_text("short")
    file.write_text(content)
    with pytest.raises(ConfigurationError):
        issued_tokens(file, SERVER_URI, ManualClock(START))
