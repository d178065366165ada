"""What surrounds every request: size limits before anything is read, security headers after, counts and times."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.console.problems import problem

UPLOAD_PATH = "/api/packages"

API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# The console's framework compiles templates in the browser; everything it loads comes from here.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)


class _BodyTooLargeError(Exception):
    pass


class BodyLimit:
    """Refuses bodies beyond their limit with 413, by their announced length or as they arrive."""

    def __init__(self, app: ASGIApp, *, body_bytes: int, upload_bytes: int) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = scope["method"] == "POST" and scope["path"] == UPLOAD_PATH
        limit = self._upload_bytes if upload else self._body_bytes
        refusal = problem(413, f"the request body is larger than {limit} bytes")
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced[:20]) > limit:
            await refusal(scope, receive, send)
            return
        taken = 0
        exceeded = answered = False

        async def counted() -> Message:
            nonlocal taken, exceeded
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    exceeded = True
                    raise _BodyTooLargeError
            return message

        async def answer(message: Message) -> None:
            nonlocal answered
            if exceeded and not answered:
                return  # whatever the route makes of the broken body, the refusal below is the answer
            answered = True
            await send(message)

        try:
            await self._app(scope, counted, answer)
        except _BodyTooLargeError:
            pass
        if exceeded and not answered:
            await refusal(scope, receive, send)


class Headers:
    """Security headers on every answer; what a page may load is from here only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        page = not scope["path"].startswith(("/api/", "/health", "/metrics", "/openapi"))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else API_POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("X-Frame-Options", "DENY")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
                if not page:
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, answer)


class Measured:
    """Tells how each request ended: method, route, status, seconds."""

    def __init__(self, app: ASGIApp, *, told: Callable[[str, str, int, float], None]) -> None:
        self._app = app
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                page = scope["path"].startswith("/_nicegui")
                route = "console" if page else getattr(scope.get("route"), "path", "") or "console"
                self._told(scope["method"], route, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, answer)
