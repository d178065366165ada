"""Who asks: bearer token or cookie, forged requests refused, rights checked per route."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from server.console.context import ConsoleContext
from server.console.problems import ProblemError
from server.core.errors import DeniedError
from server.core.status import name_of
from server.core.values import Caller
from server.security.access import Right, require
from server.security.audit import AuditTrail
from server.security.sessions import UNENDING_DOOR, Session

COOKIE = "fieldloom_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN_LIMIT = 256  # characters; ours have 43
SIGN_IN_FIRST = "sign in first: POST /api/login"


def console(request: Request) -> ConsoleContext:
    """The context of this app."""
    context: ConsoleContext = request.app.state.console
    return context


Console = Annotated[ConsoleContext, Depends(console)]


def address_of(request: Request) -> str:
    """The peer's address as the socket tells it; no header is believed."""
    return request.client.host if request.client is not None else ""


def bearer_token(request: Request) -> str:
    """The token of the Authorization header, "" without one."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip()[:TOKEN_LIMIT] if kind.lower() == "bearer" else ""


def token_of(request: Request) -> str:
    """Bearer token, else the cookie's."""
    return bearer_token(request) or request.cookies.get(COOKIE, "")[:TOKEN_LIMIT]


async def current_session(context: ConsoleContext, token: str) -> Session | None:
    """The sign-in behind a token, None once it or its account has ended; the role is the account's of now."""
    session = context.sessions.find(token) if token else None
    if session is None or session.door == UNENDING_DOOR:
        return session
    accounts = context.accounts
    role = (
        accounts.role_of(session.user)
        if accounts.roles_fresh
        else await asyncio.to_thread(accounts.role_of, session.user)
    )
    if role != session.role:
        # Locked, gone or given another role: what was signed in for no longer holds.
        context.sessions.close(token)
        return None
    return session


def caller_of(session: Session, address: str) -> Caller:
    """The caller that every other room sees."""
    return Caller(
        session.user, session.role, "cli" if session.door == UNENDING_DOOR else "http", address, session.session_id
    )


def same_origin(request: Request) -> bool:
    """True when the browser says that this site's own page sent the request."""
    if request.headers.get("sec-fetch-site") == "same-origin":
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def refuse_forged(request: Request, session: Session | None) -> None:
    """Pass safe methods, bearer tokens, our own pages and callers that know the sign-in's second secret.

    Raises:
        ProblemError: 403; a foreign page may have made the browser send its cookie.
    """
    if request.method in SAFE_METHODS or bearer_token(request):
        return
    sent = request.headers.get(CSRF_HEADER, "")
    if session is not None and sent and hmac.compare_digest(sent.encode(), session.csrf.encode()):
        return
    if same_origin(request):
        return
    raise ProblemError(403, "a request signed in by cookie needs the X-CSRF-Token header that /api/login gave")


async def signed_in(request: Request, context: Console) -> Caller:
    """The caller, whoever it is, once signed in.

    Raises:
        ProblemError: 401 without a sign-in, 403 for a forged request.
    """
    session = await current_session(context, token_of(request))
    if session is None:
        raise ProblemError(401, SIGN_IN_FIRST, {"WWW-Authenticate": "Bearer"})
    refuse_forged(request, session)
    return caller_of(session, address_of(request))


SignedIn = Annotated[Caller, Depends(signed_in)]


def allowed(right: Right) -> Callable[[Request, ConsoleContext], Awaitable[Caller]]:
    """A dependency that passes callers with this right; who tries to change something without it is on record."""

    async def check(request: Request, context: Console) -> Caller:
        caller = await signed_in(request, context)
        try:
            require(caller, right, right.value)
        except DeniedError as error:
            if request.method not in SAFE_METHODS:
                trail = AuditTrail(context.audit, context.clock)
                await trail.write(caller, right.value, request.url.path, name_of(error.status), error.text)
            raise
        return caller

    return check


READER = [Depends(allowed(Right.READ))]  # for routes that need not know who reads
Acknowledger = Annotated[Caller, Depends(allowed(Right.ACKNOWLEDGE))]
RuleMaker = Annotated[Caller, Depends(allowed(Right.ALARM_RULES))]
AlarmManager = Annotated[Caller, Depends(allowed(Right.MANAGE_ALARMS))]
Commander = Annotated[Caller, Depends(allowed(Right.COMMAND))]
Writer = Annotated[Caller, Depends(allowed(Right.WRITE))]
PackageKeeper = Annotated[Caller, Depends(allowed(Right.PACKAGES))]
