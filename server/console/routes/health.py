"""Health with dependencies, and metrics: open to everybody, without names or values of the plant."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from server.console.auth import Console, current_session, token_of
from server.console.metrics import Metrics

router = APIRouter(tags=["operation"])


@router.get("/health")
async def health(request: Request, response: Response, context: Console) -> dict[str, Any]:
    """`ok` and each dependency; 503 when one is not ok. Facts beside `ok` are shown to those who signed in."""
    found = context.health()
    well = all(facts.get("ok") for facts in found.values())
    response.status_code = 200 if well else 503
    trusted = await current_session(context, token_of(request)) is not None
    shown = {name: dict(facts) if trusted else {"ok": bool(facts.get("ok"))} for name, facts in found.items()}
    return {"status": "ok" if well else "degraded", "ok": well, "dependencies": shown}


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Counters and gauges in the Prometheus text format."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type=CONTENT_TYPE_LATEST)
