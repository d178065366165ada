"""Sessions of ours over the stack's: who the caller is, what he may do, and where writes, calls and history go."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from struct import unpack_from
from typing import Any, Protocol

import structlog
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from asyncua.crypto.permission_rules import PermissionRuleset, User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

from server.core.values import Caller

log = structlog.get_logger("fieldloom.opcua")

ANONYMOUS = "anonymous"
_REFUSED_SERVICES = frozenset(
    ua.NodeId(number)
    for number in (
        ua.ObjectIds.AddNodesRequest_Encoding_DefaultBinary,
        ua.ObjectIds.AddReferencesRequest_Encoding_DefaultBinary,
        ua.ObjectIds.DeleteNodesRequest_Encoding_DefaultBinary,
        ua.ObjectIds.DeleteReferencesRequest_Encoding_DefaultBinary,
    )
)


@dataclass
class FieldUser(User):  # type: ignore[misc]
    """The stack's user with our role; the stack's own role only opens the door to its services."""

    field_role: str = ANONYMOUS


class Rules(PermissionRuleset):  # type: ignore[misc]
    """Services that nobody has over the wire; all finer rights are checked where the action happens."""

    def check_validity(self, user: User, action_type_id: ua.NodeId, body: object) -> bool:
        return action_type_id not in _REFUSED_SERVICES


class Verify(Protocol):
    """Role of a user with this password, or None."""

    def __call__(self, user: str, password: str) -> str | None: ...


class UserDoor:
    """What the stack calls its user manager: tokens to users."""

    def __init__(self, verify: Verify, *, allow_anonymous: bool) -> None:
        self._verify = verify
        self._allow_anonymous = allow_anonymous

    def get_user(
        self, iserver: InternalServer, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> FieldUser | None:
        if username is None:
            return FieldUser(UserRole.Anonymous, ANONYMOUS) if self._allow_anonymous else None
        role = self._verify(username, password or "")
        if role is None:
            log.warning("sign-in refused", user=username[:64], door="opcua")
            return None
        return FieldUser(UserRole.User, username, role)


class Services(Protocol):
    """What sessions hand requests to."""

    async def write(self, request: ua.WriteValue, caller: Caller) -> ua.StatusCode: ...

    async def call(
        self, request: ua.CallMethodRequest, caller: Caller, session: FieldSession
    ) -> ua.CallMethodResult: ...

    async def history_read(
        self, params: ua.HistoryReadParameters, session: FieldSession
    ) -> list[ua.HistoryReadResult]: ...

    def session_closed(self, session: FieldSession) -> None: ...


class FieldServer(InternalServer):  # type: ignore[misc]
    """The stack's inner server with our sessions and our way to open a password."""

    services: Services

    def create_session(self, name: str, user: User | None = None, external: bool = False) -> InternalSession:
        made = FieldSession if external else InternalSession
        return made(self, self.aspace, self.subscription_service, name, user=user or User(), external=external)

    def decrypt_user_token(self, isession: InternalSession, token: ua.UserNameIdentityToken) -> tuple[str, str]:
        """User and password of a token (OPC 10000-4, 7.40.2.2): always encrypted, always with this session's nonce."""
        algorithm = token.EncryptionAlgorithm
        decrypt = {
            "http://www.w3.org/2001/04/xmlenc#rsa-oaep": uacrypto.decrypt_rsa_oaep,
            "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256": uacrypto.decrypt_rsa_oaep_sha256,
        }.get(algorithm or "")
        if decrypt is None or self.private_key is None:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        try:
            secret = decrypt(self.private_key, token.Password)
            (length,) = unpack_from("<I", secret)
        except Exception:  # noqa: BLE001
            # Whatever is wrong with the secret, the answer is the same: nothing to learn from it.
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected) from None
        body = secret[4 : 4 + length]
        nonce = isession.nonce or b""
        if len(body) != length or len(nonce) < 32 or not body.endswith(nonce):
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        try:
            return token.UserName or "", body[: -len(nonce)].decode("utf-8")
        except UnicodeDecodeError:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected) from None


class FieldSession(InternalSession):  # type: ignore[misc]
    """A client's session."""

    def __init__(self, *args: Any, **options: Any) -> None:
        external = options.get("external", False)
        super().__init__(*args, **{**options, "external": False})
        # The stack counts its tokens up; a token must not be guessed (OPC 10000-4, 5.6.2).
        self.auth_token = ua.NodeId(secrets.token_bytes(32), 0, ua.NodeIdType.ByteString)
        self.external = external
        if external:
            self.iserver.register_external_session(self)

    @property
    def caller(self) -> Caller:
        """Who this session acts for."""
        user = self.user
        role = user.field_role if isinstance(user, FieldUser) else ANONYMOUS
        return Caller(user=user.name or ANONYMOUS, role=role, door="opcua", session=str(self.session_id.Identifier))

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        if not params.NodesToWrite:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        return [await self.iserver.services.write(request, self.caller) for request in params.NodesToWrite]

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        if not params:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        return [await self.iserver.services.call(request, self.caller, self) for request in params]

    async def history_read(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        return await self.iserver.services.history_read(params, self)

    async def history_update(self, params: ua.HistoryUpdateParameters) -> list[ua.HistoryUpdateResult]:
        raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)

    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        raise ServiceError(ua.StatusCodes.BadServiceUnsupported)

    async def close_session(self, delete_subs: bool = True) -> None:
        self.iserver.services.session_closed(self)
        await super().close_session(delete_subs)
