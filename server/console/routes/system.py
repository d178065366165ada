"""Health and metrics: open to whoever watches the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from server.console.auth import Console, current_session, token_of
from server.console.metrics import HttpMetrics

router = APIRouter(tags=["system"])


@router.get("/health", responses={503: {"description": "A dependency is away; which one stands in the answer"}})
async def health(request: Request, response: Response, context: Console) -> dict[str, Any]:
    """Whether everything works: 200, or 503 with the dependency that does not.

    Facts beside `ok` (addresses, backlogs) are shown to those who signed in.
    """
    found = context.health()
    well = all(bool(entry.get("ok")) for entry in found.values())
    if not well:
        response.status_code = 503
    trusted = await current_session(context, token_of(request)) is not None
    return {
        "status": "ok" if well else "degraded",
        "dependencies": {name: _shown(entry, trusted) for name, entry in found.items()},
    }


def _shown(entry: Mapping[str, object], trusted: bool) -> dict[str, object]:
    return dict(entry) if trusted else {"ok": bool(entry.get("ok"))}


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, context: Console) -> Response:
    """Counters and gauges in the text format of Prometheus."""
    http: HttpMetrics = request.app.state.http_metrics
    return Response(http.render(context.metrics()), media_type=http.media_type)
