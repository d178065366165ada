"""Health with dependencies, and metrics: open to everybody, without names or values of the plant."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from server.console.auth import Console
from server.console.metrics import Metrics

router = APIRouter(tags=["operation"])


@router.get("/health")
async def health(context: Console, response: Response) -> dict[str, Any]:
    """`ok` and the state of each dependency; 503 when one is not ok."""
    found = {name: dict(facts) for name, facts in context.health().items()}
    well = all(facts.get("ok") for facts in found.values())
    response.status_code = 200 if well else 503
    return {"status": "ok" if well else "degraded", "ok": well, "dependencies": found}


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Counters and gauges in the Prometheus text format."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type=CONTENT_TYPE_LATEST)
