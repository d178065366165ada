"""Who signs in: from the identity token of ActivateSession to a user and a role (OPC 10000-4, 5.7.3 and 7.41)."""

from __future__ import annotations

import asyncio
import hmac
import struct
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from asyncua import ua
from asyncua.crypto import uacrypto
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa

from server.core.clock import Clock
from server.opcua.endpoints import Endpoints
from server.opcua.services.context import Channel
from server.opcua.services.fault import ServiceFault
from server.opcua.tokens import TOKEN_LIMIT, TokenVerifier, UserCertificates
from server.opcua.transport.security import POLICIES, usable_key
from server.security.pki import CertificateRefusedError, split_chain

Verify = Callable[[str, str], str | None]
"""(user, password) -> role, or None for a wrong pair; blocks, called in a thread."""
ATTEMPTS = 10
WINDOW_S = 60.0
TRACKED = 1_000
"""Failed sign-ins of one name or one address within the window before further ones are refused unseen."""
AT_ONCE = 2
"""Passwords hashed, and secrets decrypted, at the same time: both are costly."""
PASSWORD_LIMIT = 4_096
"""Bytes of a password."""
USER_LIMIT = 256
"""Characters of a name; a longer one is nobody's."""

_S = ua.StatusCodes
_T = ua.UserTokenType
_KINDS: dict[type, ua.UserTokenType] = {
    ua.AnonymousIdentityToken: _T.Anonymous,
    ua.UserNameIdentityToken: _T.UserName,
    ua.X509IdentityToken: _T.Certificate,
    ua.IssuedIdentityToken: _T.IssuedToken,
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A proven user."""

    user: str
    role: str
    kind: str  # UserTokenType by name: Anonymous, UserName, Certificate, IssuedToken


Waiting = Callable[[], Awaitable[Identity]]
ANONYMOUS = Identity("anonymous", "anonymous", "Anonymous")


class Passwords(Protocol):
    """Who knows the passwords."""

    async def role(self, user: str, password: str, address: str) -> str:
        """The role of a user.

        Raises:
            ServiceFault: BadIdentityTokenRejected.
        """


class SignIn:
    """Names and passwords to roles; the same answer for an unknown name, a wrong password and too many attempts."""

    def __init__(self, verify: Verify, clock: Clock, *, attempts: int = ATTEMPTS) -> None:
        self._verify = verify
        self._clock = clock
        self._attempts = attempts
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def role(self, user: str, password: str, address: str) -> str:
        """The role of a user.

        Raises:
            ServiceFault: BadIdentityTokenRejected.
        """
        keys = (f"user {user[:USER_LIMIT]}", f"address {address}")
        self._require_patience(keys)
        async with self._slots:
            # Once more: attempts sent in one burst must not all get past the first look.
            self._require_patience(keys)
            role = await asyncio.to_thread(self._verify, user, password) if len(user) <= USER_LIMIT else None
        if role is None:
            for key in keys:
                self._failed(key)
            raise ServiceFault(_S.BadIdentityTokenRejected)
        self._failures.pop(keys[0], None)
        return role

    def _require_patience(self, keys: tuple[str, ...]) -> None:
        if any(self._blocked(key) for key in keys):
            raise ServiceFault(_S.BadIdentityTokenRejected)

    def _blocked(self, key: str) -> bool:
        times = self._failures.get(key)
        if times is None:
            return False
        now = self._clock.monotonic()
        while times and now - times[0] > WINDOW_S:
            times.popleft()
        if not times:
            del self._failures[key]
        return len(times) >= self._attempts

    def _failed(self, key: str) -> None:
        times = self._failures.setdefault(key, deque(maxlen=self._attempts))
        times.append(self._clock.monotonic())
        self._failures.move_to_end(key)
        while len(self._failures) > TRACKED:
            self._failures.popitem(last=False)


class Identities:
    """Every kind of identity token that our endpoints offer."""

    def __init__(
        self,
        endpoints: Endpoints,
        key: rsa.RSAPrivateKey,
        passwords: Passwords,
        *,
        certificates: UserCertificates | None = None,
        tokens: TokenVerifier | None = None,
    ) -> None:
        """`key` is the one of our application instance certificate: secrets are encrypted for it."""
        self._endpoints = endpoints
        self._key = key
        self._passwords = passwords
        self._certificates = certificates
        self._tokens = tokens
        self._slots = asyncio.Semaphore(AT_ONCE)

    def identify(self, channel: Channel, token: Any, signature: ua.SignatureData, nonce: bytes) -> Identity | Waiting:
        """The user behind a token; what to call and await when a secret must be decrypted first. `nonce` is our last.

        Raises:
            ServiceFault: at once or when awaited: BadIdentityTokenInvalid, BadIdentityTokenRejected or
                BadUserSignatureInvalid. The reason does not tell an unknown user from a wrong secret.
        """
        if token is None or (isinstance(token, ua.ExtensionObject) and token.TypeId == ua.NodeId()):
            token = ua.AnonymousIdentityToken()
        kind = _KINDS.get(type(token))
        policy = self._policy(channel, kind, token)
        if kind == _T.Anonymous:
            return ANONYMOUS
        securing = str(policy.SecurityPolicyUri)
        if kind == _T.UserName:
            return partial(self._by_password, channel, token, securing, nonce)
        if kind == _T.IssuedToken:
            return partial(self._by_issuer, token, securing, nonce)
        return self._by_certificate(channel, token, signature, securing, nonce)

    def _policy(self, channel: Channel, kind: ua.UserTokenType | None, token: Any) -> ua.UserTokenPolicy:
        offered = self._endpoints.tokens(channel.policy_uri, channel.mode)
        if kind is None:
            raise ServiceFault(_S.BadIdentityTokenInvalid)
        found = next((policy for policy in offered if policy.TokenType == kind), None)
        if found is None:
            raise ServiceFault(_S.BadIdentityTokenRejected)
        if token.PolicyId != found.PolicyId and not (kind == _T.Anonymous and not token.PolicyId):
            raise ServiceFault(_S.BadIdentityTokenInvalid)
        return found

    async def _by_password(
        self, channel: Channel, token: ua.UserNameIdentityToken, securing: str, nonce: bytes
    ) -> Identity:
        content = await self._decrypt(token.Password, token.EncryptionAlgorithm, securing, nonce, PASSWORD_LIMIT)
        try:
            password = content.decode("utf-8")
        except UnicodeDecodeError:
            raise ServiceFault(_S.BadIdentityTokenInvalid) from None
        user = token.UserName or ""
        return Identity(user, await self._passwords.role(user, password, channel.address), "UserName")

    async def _by_issuer(self, token: ua.IssuedIdentityToken, securing: str, nonce: bytes) -> Identity:
        content = await self._decrypt(token.TokenData, token.EncryptionAlgorithm, securing, nonce, TOKEN_LIMIT)
        found = await asyncio.to_thread(self._tokens.user, content) if self._tokens is not None else None
        if found is None:
            raise ServiceFault(_S.BadIdentityTokenRejected)
        return Identity(*found, "IssuedToken")

    async def _decrypt(self, secret: Any, algorithm: str | None, securing: str, nonce: bytes, limit: int) -> bytes:
        if algorithm != POLICIES[securing].encryption_uri or not isinstance(secret, bytes):
            raise ServiceFault(_S.BadIdentityTokenInvalid)
        async with self._slots:
            content = await asyncio.to_thread(decrypt_secret, secret, securing, self._key, nonce, limit)
        if content is None:
            raise ServiceFault(_S.BadIdentityTokenInvalid)
        return content

    def _by_certificate(
        self, channel: Channel, token: ua.X509IdentityToken, signature: ua.SignatureData, securing: str, nonce: bytes
    ) -> Identity:
        policy = POLICIES[securing]
        try:
            certificate = split_chain(token.CertificateData or b"")[0]
        except CertificateRefusedError:
            raise ServiceFault(_S.BadIdentityTokenInvalid) from None
        if not usable_key(certificate):
            raise ServiceFault(_S.BadIdentityTokenRejected)
        if signature is None or signature.Algorithm != policy.signature_uri:
            raise ServiceFault(_S.BadUserSignatureInvalid)
        try:
            policy.verify(certificate, channel.own_certificate + nonce, signature.Signature or b"")
        except (InvalidSignature, uacrypto.InvalidSignature, ValueError, TypeError):
            raise ServiceFault(_S.BadUserSignatureInvalid) from None
        found = self._certificates.user(certificate) if self._certificates is not None else None
        if found is None:
            raise ServiceFault(_S.BadIdentityTokenRejected)
        return Identity(*found, "Certificate")


def decrypt_secret(secret: bytes, policy_uri: str, key: rsa.RSAPrivateKey, nonce: bytes, limit: int) -> bytes | None:
    """What a client encrypted for us together with our nonce (OPC 10000-4, 7.41.2.2), `limit` bytes at most.

    None when it is not of that form, not for our key, or made for another nonce. Blocks about a millisecond per block.
    """
    policy = POLICIES[policy_uri]
    block = key.key_size // 8
    room = block - policy.overhead_bytes
    if not secret or len(secret) % block or len(secret) // block > -(-(limit + len(nonce) + 4) // room):
        return None
    try:
        content = b"".join(policy.decrypt(key, secret[at : at + block]) for at in range(0, len(secret), block))
        size = struct.unpack_from("<I", content)[0]
    except (ValueError, struct.error):
        return None
    body = content[4 : 4 + size]
    end = size - len(nonce)
    if len(body) != size or end < 0 or end > limit or not hmac.compare_digest(body[end:], nonce):
        return None
    return body[:end]
