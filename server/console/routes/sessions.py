"""Sign in, sign out, who am I."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from server.console.auth import COOKIE, Console, SignedIn, address_of, same_origin, token_of
from server.console.problems import ProblemError
from server.core.clock import to_iso
from server.core.values import Caller
from server.security.audit import AuditTrail
from server.security.users import MAX_PASSWORD

router = APIRouter(prefix="/api", tags=["sign-in"])
SECOND_US = 1_000_000


class Credentials(BaseModel):
    """An account's name and password."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(min_length=1, max_length=128, validation_alias=AliasChoices("user", "username"))
    password: str = Field(min_length=1, max_length=MAX_PASSWORD)


@router.post("/login")
async def login(credentials: Credentials, request: Request, response: Response, context: Console) -> dict[str, Any]:
    """Sign in: sets the session cookie and returns the same token for `Authorization: Bearer`.

    401 for a wrong user or password; 429 with Retry-After after too many failures of one user or address.
    """
    if request.headers.get("origin") and not same_origin(request):
        raise ProblemError(403, "sign in from this site's own page")
    address = address_of(request)
    throttle = context.sessions.throttle
    trail = AuditTrail(context.audit, context.clock)
    stranger = Caller(credentials.user, "anonymous", "http", address)
    wait_s = throttle.wait_s(credentials.user, address)
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise ProblemError(
            429, f"too many failed sign-ins; try again in {seconds} s", {"Retry-After": str(seconds)}, wait_s=seconds
        )
    throttle.begin(credentials.user, address)
    role = await asyncio.to_thread(context.accounts.verify, credentials.user, credentials.password)
    if role is None:
        await trail.write(stranger, "sign in", credentials.user, "BadUserAccessDenied")
        raise ProblemError(401, "wrong user or password, or the account is locked", {"WWW-Authenticate": "Bearer"})
    throttle.succeeded(credentials.user, address)
    session = context.sessions.open(credentials.user, role, "http", address)
    caller = Caller(session.user, role, "http", address, session.session_id)
    await trail.write(caller, "sign in", session.user, "Good")
    lifetime = context.settings.session_s
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=lifetime,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return {
        "token": session.token,
        "token_type": "bearer",
        "user": session.user,
        "role": role,
        "csrf_token": session.csrf,
        "expires_at": to_iso(context.clock.now() + lifetime * SECOND_US),
    }


@router.post("/logout", status_code=204)
async def logout(request: Request, response: Response, context: Console, caller: SignedIn) -> None:
    """Sign out: the token is worth nothing from now on."""
    context.sessions.close(token_of(request))
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    await AuditTrail(context.audit, context.clock).write(caller, "sign out", caller.user, "Good")


@router.get("/me")
async def me(request: Request, context: Console, caller: SignedIn) -> dict[str, Any]:
    """User and role of this sign-in, and the secret that cookie-signed requests send as X-CSRF-Token."""
    session = context.sessions.find(token_of(request))
    return {"user": caller.user, "role": caller.role, "csrf_token": session.csrf if session is not None else ""}
