"""The HTTP door put together: routes, problem documents, limits, documentation, pages."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route

from server.console import docs, limits, problems
from server.console.context import ConsoleContext
from server.console.metrics import HttpMetrics
from server.console.problems import problem
from server.console.routes import alarms, devices, events, history, packages, sessions, sources, system

ROUTERS = (
    sessions.router,
    devices.router,
    history.router,
    alarms.router,
    packages.router,
    events.router,
    sources.router,
    system.router,
)
DESCRIPTION = (
    "Sign in with POST /api/login; send the token as Authorization: Bearer, or keep the cookie and repeat csrf_token "
    "as X-CSRF-Token on everything that changes something. Times are ISO 8601 in UTC, refusals are problem documents "
    "(RFC 9457), qualities are OPC UA StatusCodes by name."
)


def create_app(context: ConsoleContext, *, pages: bool = True) -> FastAPI:
    """The application on this context; without `pages` the routes alone."""
    metrics = HttpMetrics()
    app = FastAPI(
        title="Fieldloom",
        version="0.1.0",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.state.console = context
    app.state.http_metrics = metrics
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    docs.add_docs(app)
    app.add_route("/api/{path:path}", _nothing_here, methods=None, include_in_schema=False)
    app.add_middleware(
        limits.BodyLimit, body_bytes=context.settings.body_limit_bytes, upload_bytes=context.settings.upload_limit_bytes
    )
    app.add_middleware(limits.Measured, told=metrics.told)
    app.add_middleware(limits.Headers)
    return app


async def _nothing_here(request: Request) -> JSONResponse:
    """What no route takes below /api: the console's pages must not answer it."""
    known: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.endpoint is not _nothing_here:
            match, _ = route.matches(request.scope)
            if match is Match.PARTIAL:
                known |= route.methods or set()
    if known:
        allow = ", ".join(sorted(known))
        return problem(405, f"{request.method} is not possible here; {allow} is", {"Allow": allow})
    return problem(404, "no such path; /docs lists all")
