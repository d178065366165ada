"""Who signs in: token policies of an endpoint, the secret inside a token, the role behind a name and a password."""

from __future__ import annotations

import asyncio
import hmac
import struct
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies as policies
from asyncua.crypto import uacrypto

from server.core.clock import Clock

Verify = Callable[[str, str], str | None]
"""(user, password) -> role, or None for a wrong pair; blocks, called in a thread."""
ATTEMPTS = 10
WINDOW_S = 60.0
TRACKED = 1_000
"""Failed sign-ins of one name or one address within the window before further ones are refused unseen."""
AT_ONCE = 2
"""Passwords hashed at the same time: hashing is made to be costly."""
SECRET_LIMIT = 4_096

BASIC = policies.SecurityPolicyBasic256Sha256
AES128 = policies.SecurityPolicyAes128Sha256RsaOaep
AES256 = policies.SecurityPolicyAes256Sha256RsaPss
NONE = policies.SecurityPolicyNone
_NAMES = {BASIC: "basic256sha256", AES128: "aes128_sha256_rsaoaep", AES256: "aes256_sha256_rsapss"}
_OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"
_OAEP_SHA256 = "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256"
_ALGORITHMS = {
    BASIC: (_OAEP, uacrypto.decrypt_rsa_oaep),
    AES128: (_OAEP, uacrypto.decrypt_rsa_oaep),
    AES256: (_OAEP_SHA256, uacrypto.decrypt_rsa_oaep_sha256),
}
_REJECTED = ua.StatusCodes.BadIdentityTokenRejected
_INVALID = ua.StatusCodes.BadIdentityTokenInvalid


def password_policy(policy: type[Any]) -> type[Any]:
    """The policy that encrypts passwords on a channel: its own, on an open channel Basic256Sha256."""
    return BASIC if policy is NONE else policy


def token_policies(policy: type[Any], *, anonymous: bool) -> list[ua.UserTokenPolicy]:
    """What an endpoint accepts; a password is encrypted whatever the channel does."""
    found = []
    if anonymous:
        found.append(ua.UserTokenPolicy("anonymous", ua.UserTokenType.Anonymous))
    encrypting = password_policy(policy)
    found.append(
        ua.UserTokenPolicy(
            PolicyId=f"username_{_NAMES[encrypting]}",
            TokenType=ua.UserTokenType.UserName,
            SecurityPolicyUri=encrypting.URI,
        )
    )
    return found


def decrypt_password(token: ua.UserNameIdentityToken, policy: type[Any], key: Any, nonce: bytes) -> str:
    """The password of a UserNameIdentityToken (OPC 10000-4, 7.41.4 with the secret format of 7.41.2.2).

    Raises:
        ServiceError: BadIdentityTokenInvalid: other policy or algorithm, not encrypted, or another session's nonce.
    """
    encrypting = password_policy(policy)
    algorithm, decrypt = _ALGORITHMS[encrypting]
    if token.PolicyId != f"username_{_NAMES[encrypting]}" or token.EncryptionAlgorithm != algorithm:
        raise ServiceError(_INVALID)
    secret = token.Password
    if not isinstance(secret, bytes) or not 0 < len(secret) <= SECRET_LIMIT:
        raise ServiceError(_INVALID)
    try:
        content = decrypt(key, secret)
        size = struct.unpack_from("<I", content)[0]
        body = content[4 : 4 + size]
        if len(body) != size or size < len(nonce) or not hmac.compare_digest(body[size - len(nonce) :], nonce):
            raise ServiceError(_INVALID)
        return bytes(body[: size - len(nonce)]).decode("utf-8")
    except (ValueError, struct.error):
        raise ServiceError(_INVALID) from None


class SignIn:
    """Names and passwords to roles; the same answer for an unknown name, a wrong password and too many attempts."""

    def __init__(self, verify: Verify, clock: Clock) -> None:
        self._verify = verify
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def role(self, user: str, password: str, address: str) -> str:
        """The role of a user.

        Raises:
            ServiceError: BadIdentityTokenRejected.
        """
        keys = (f"user {user}", f"address {address}")
        if any(self._blocked(key) for key in keys):
            raise ServiceError(_REJECTED)
        async with self._slots:
            role = await asyncio.to_thread(self._verify, user, password)
        if role is None:
            for key in keys:
                self._failed(key)
            raise ServiceError(_REJECTED)
        self._failures.pop(keys[0], None)
        return role

    def _blocked(self, key: str) -> bool:
        times = self._failures.get(key)
        if times is None:
            return False
        now = self._clock.monotonic()
        while times and now - times[0] > WINDOW_S:
            times.popleft()
        if not times:
            del self._failures[key]
        return len(times) >= ATTEMPTS

    def _failed(self, key: str) -> None:
        times = self._failures.setdefault(key, deque(maxlen=ATTEMPTS))
        times.append(self._clock.monotonic())
        self._failures.move_to_end(key)
        while len(self._failures) > TRACKED:
            self._failures.popitem(last=False)
