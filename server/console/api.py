"""The HTTP application: routes, limits, problem documents, documents of the API, and the console's pages."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from server.console import docs, problems
from server.console.context import ConsoleContext
from server.console.limits import BodyLimit, Headers, Measured
from server.console.metrics import Metrics
from server.console.pages import mount
from server.console.routes import (
    alarm_records,
    alarm_rules,
    alarms,
    devices,
    drafts,
    events,
    export,
    health,
    history,
    notifications,
    packages,
    series,
    sessions,
    sources,
)

DESCRIPTION = (
    "Devices, alarms, history and packages of this plant. Sign in at `/api/login`; send the token as "
    "`Authorization: Bearer`. Errors are problem documents (RFC 9457)."
)


def create_app(context: ConsoleContext, *, pages: bool = True) -> FastAPI:
    """The application over a context; without `pages` the API alone."""
    app = FastAPI(
        title="Fieldloom", version=version("fieldloom"), description=DESCRIPTION, docs_url=None, redoc_url=None
    )
    app.state.console = context
    app.state.metrics = Metrics(context.metrics)
    for resource in (
        sessions,
        devices,
        history,
        series,
        export,
        alarm_records,
        alarms,
        alarm_rules,
        notifications,
        packages,
        drafts,
        events,
        sources,
        health,
    ):
        app.include_router(resource.router)
    docs.install(app)
    problems.install(app)
    app.router.routes.append(_Unclaimed(app, pages=pages))
    if pages:
        mount.mount(app, context)
    app.add_middleware(
        BodyLimit, body_bytes=context.settings.body_limit_bytes, upload_bytes=context.settings.upload_limit_bytes
    )
    app.add_middleware(Headers)
    app.add_middleware(Measured, told=app.state.metrics.request_ended)
    return app


class _Unclaimed(BaseRoute):
    """Paths that no route took: answered here as 404 or 405, so that the console's framework sees only its own.

    It would build a page for each, which costs memory for a minute.
    """

    path = "unclaimed"  # what the request metrics call them

    def __init__(self, app: FastAPI, *, pages: bool) -> None:
        self._app = app
        self._pages = pages

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope.get("path", "")
        mine = not (self._pages and mount.is_page_path(path))
        return (Match.FULL if mine and scope["type"] in ("http", "websocket") else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        others = [route for route in self._app.router.routes if route is not self]
        for route in others:
            if route.matches(dict(scope))[0] is Match.PARTIAL:
                raise HTTPException(405, f"{scope['method']} is not possible here")
        raise HTTPException(404, "nothing here; /docs lists what there is")
