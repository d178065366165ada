"""Users who sign in without a password: by their certificate (X.509) or by a token of an issuer (JWT).

Both come from a TOML file that an administrator writes; every mistake in it ends the start.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server.core.clock import SECOND, Clock, to_datetime
from server.core.errors import ConfigurationError
from server.opcua.transport.security import usable_key
from server.security.access import ROLES
from server.security.users import RESERVED_USERS

ALGORITHMS = ("RS256", "HS256")
SECRET_BYTES = 32
"""Least length of an HS256 secret."""
TOKEN_LIMIT = 8_192
"""Bytes of a token taken."""
LEEWAY_S = 30
"""An issuer's clock may differ by so many seconds."""
USER_LIMIT = 128
"""Characters of a user name that a token gives."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class UserCertificates(Protocol):
    """Who signs in by certificate."""

    def user(self, certificate: x509.Certificate) -> tuple[str, str] | None:
        """(user, role) of a certificate, None when it is not accepted. The signature of the token was checked."""


class TokenVerifier(Protocol):
    """Who signs in by an issued token."""

    def user(self, token: bytes) -> tuple[str, str] | None:
        """(user, role) of a token, None when it is not accepted. May be called in a thread."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of JSON Web Tokens, as its `[[issuers]]` table in the file names it."""

    issuer: str
    algorithm: str
    key: Any  # RSA public key or bytes
    audience: str
    user_claim: str
    role_claim: str
    roles: Mapping[str, str]  # value of the role claim -> role; empty: the claim names our roles itself


class CertificateUsers:
    """Certificates listed by SHA-256 thumbprint: being listed is the trust, as with a trusted self-signed one."""

    def __init__(self, users: Mapping[str, tuple[str, str]], clock: Clock) -> None:
        self._users = users
        self._clock = clock

    def user(self, certificate: x509.Certificate) -> tuple[str, str] | None:
        """(user, role) of a listed certificate that is valid now and has an RSA key of 2048 to 4096 bit."""
        der = certificate.public_bytes(serialization.Encoding.DER)
        found = self._users.get(hashlib.sha256(der).hexdigest())
        now = to_datetime(self._clock.now())
        if found is None or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return None
        return found if usable_key(certificate) else None


class IssuedTokens:
    """JSON Web Tokens (OPC 10000-6, 6.5.3), signed by one of our issuers for us."""

    def __init__(self, issuers: Mapping[str, Issuer], clock: Clock) -> None:
        self._issuers = issuers
        self._clock = clock

    def user(self, token: bytes) -> tuple[str, str] | None:
        """(user, role) of a token of a known issuer, meant for us and valid now."""
        if len(token) > TOKEN_LIMIT:
            return None
        try:
            # Only to find the key: nothing else of it is used before the signature holds.
            named = jwt.decode(token, options={"verify_signature": False}).get("iss")
            issuer = self._issuers.get(named) if isinstance(named, str) else None
            if issuer is None:
                return None
            claims = jwt.decode(
                token,
                issuer.key,
                algorithms=[issuer.algorithm],
                audience=issuer.audience,
                issuer=issuer.issuer,
                # The times are judged below, by the clock we are given.
                options={
                    "require": ["exp", "iss", "aud", issuer.user_claim],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        return self._accepted(claims, issuer)

    def _accepted(self, claims: Mapping[str, Any], issuer: Issuer) -> tuple[str, str] | None:
        now = self._clock.now() / SECOND
        ends, begins = claims["exp"], claims.get("nbf", 0)
        if not all(isinstance(moment, int | float) and not isinstance(moment, bool) for moment in (ends, begins)):
            return None
        if not begins - LEEWAY_S <= now < ends + LEEWAY_S:
            return None
        user, named = claims[issuer.user_claim], claims.get(issuer.role_claim)
        if not isinstance(user, str) or not isinstance(named, str):
            return None
        role = issuer.roles.get(named) if issuer.roles else named
        if not 0 < len(user) <= USER_LIMIT or not user.isprintable() or user in RESERVED_USERS or role not in ROLES:
            return None
        return user, role


def certificate_users(path: Path, clock: Clock) -> CertificateUsers:
    """The users of `opcua.user_certificates_file`: `[users.NAME]` with `sha256` (hex) and `role`.

    Raises:
        ConfigurationError: all that is wrong with the file.
    """
    problems: list[str] = []
    found: dict[str, tuple[str, str]] = {}
    for name, row in _tables(path, "users", dict, problems).items():
        place = f"{path}: users.{name}"
        if not isinstance(row, dict) or set(row) != {"sha256", "role"}:
            problems.append(f"{place}: needs sha256 and role, nothing else")
            continue
        print_ = str(row["sha256"]).replace(":", "").lower()
        if not _SHA256.fullmatch(print_):
            problems.append(f"{place}: sha256 must be the 64 hex digits of the certificate's SHA-256 thumbprint")
        if row["role"] not in ROLES:
            problems.append(f"{place}: role must be one of {', '.join(ROLES)}")
        if name in RESERVED_USERS or not name.isprintable():
            problems.append(f"{place}: not a name for a user")
        if print_ in found:
            problems.append(f"{place}: the same certificate as {found[print_][0]}")
        found[print_] = (name, str(row["role"]))
    if problems:
        raise ConfigurationError(problems, what="user certificates")
    return CertificateUsers(found, clock)


def issued_tokens(path: Path, application_uri: str, clock: Clock) -> IssuedTokens:
    """The issuers of `opcua.jwt_keys_file`: `[[issuers]]` with `issuer`, `algorithm` and `key_file`.

    `key_file`, relative to the file itself, is a PEM public key (RS256) or a secret (HS256). Optional: `audience`
    (our application URI), `user_claim` ("sub"), `role_claim` ("role"), `roles` (value of the claim = role).

    Raises:
        ConfigurationError: all that is wrong with the file.
    """
    problems: list[str] = []
    found: dict[str, Issuer] = {}
    for index, row in enumerate(_tables(path, "issuers", list, problems)):
        place = f"{path}: issuers[{index}]"
        try:
            issuer = _issuer(row, path, application_uri)
        except (OSError, ValueError) as error:
            problems.append(f"{place}: {error}")
            continue
        if issuer.issuer in found:
            problems.append(f"{place}: {issuer.issuer} is listed already")
        found[issuer.issuer] = issuer
    if problems:
        raise ConfigurationError(problems, what="issued tokens")
    return IssuedTokens(found, clock)


def _issuer(row: Any, path: Path, application_uri: str) -> Issuer:
    texts = ("issuer", "algorithm", "key_file", "audience", "user_claim", "role_claim")
    if not isinstance(row, dict) or not set(row) <= {*texts, "roles"}:
        raise ValueError(f"may have {', '.join(texts)} and roles only")
    if missing := [name for name in texts[:3] if not row.get(name)]:
        raise ValueError(f"needs {', '.join(missing)}")
    if any(not isinstance(row.get(name, ""), str) for name in texts):
        raise ValueError(f"{', '.join(texts)} must be texts")
    roles = row.get("roles", {})
    if not isinstance(roles, dict) or any(role not in ROLES for role in roles.values()):
        raise ValueError(f"roles must give one of {', '.join(ROLES)} for each value of the claim")
    if row["algorithm"] not in ALGORITHMS:
        raise ValueError(f"algorithm must be {' or '.join(ALGORITHMS)}")
    return Issuer(
        issuer=row["issuer"],
        algorithm=row["algorithm"],
        key=_key(path.parent / row["key_file"], row["algorithm"]),
        audience=row.get("audience") or application_uri,
        user_claim=row.get("user_claim") or "sub",
        role_claim=row.get("role_claim") or "role",
        roles=roles,
    )


def _key(path: Path, algorithm: str) -> Any:
    content = path.read_bytes()
    if algorithm == "HS256":
        secret = content.strip()
        if len(secret) < SECRET_BYTES:
            raise ValueError(f"{path}: a secret needs at least {SECRET_BYTES} bytes")
        if secret.startswith(b"-----"):
            raise ValueError(f"{path}: a PEM file is no secret; HS256 needs a random one")
        return secret
    key = serialization.load_pem_public_key(content)
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise ValueError(f"{path}: needs an RSA public key of at least 2048 bit")
    return key


def _tables(path: Path, name: str, kind: type, problems: list[str]) -> Any:
    """The tables of one name, all that a file may have."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: {error}")
        return kind()
    found = content.get(name)
    if set(content) != {name} or not isinstance(found, kind) or not found:
        problems.append(f"{path}: needs tables called {name}, and nothing else")
        return kind()
    return found
