"""Who may use which route: every route by name, every role."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import compile_path

from server.core.clock import ManualClock
from server.security.access import ROLES
from tests.kit.http import PACKAGE, Site, make_site

RULE = {"match": {"types": ["pump"]}, "alarm": {"name": "temperature", "on_delay_s": 2.0}}
# method, path, body, least role; "" = open to everybody
ROUTES: list[tuple[str, str, object, str]] = [
    ("GET", "/health", None, ""),
    ("GET", "/metrics", None, ""),
    ("GET", "/docs", None, ""),
    ("GET", "/openapi.json", None, ""),
    ("GET", "/api/me", None, "viewer"),
    ("POST", "/api/logout", None, "viewer"),
    ("GET", "/api/devices", None, "viewer"),
    ("GET", "/api/devices/pump-1", None, "viewer"),
    ("GET", "/api/devices/pump-1/values", None, "viewer"),
    ("GET", "/api/devices/pump-1/values/temperature", None, "viewer"),
    ("PUT", "/api/devices/pump-1/values/limit_high", {"value": 70.0}, "operator"),
    ("POST", "/api/devices/pump-1/commands/trip", {"params": {}}, "operator"),
    ("GET", "/api/devices/pump-1/type", None, "viewer"),
    ("PUT", "/api/devices/pump-1/type", {"type_id": "pump"}, "engineer"),
    ("DELETE", "/api/devices/pump-1/type", None, "engineer"),
    ("GET", "/api/devices/pump-1/history/temperature", None, "viewer"),
    ("GET", "/api/devices/pump-1/aggregates/temperature", None, "viewer"),
    ("GET", "/api/devices/pump-1/chart/temperature", None, "viewer"),
    ("GET", "/api/devices/pump-1/correlation?x=temperature&y=state", None, "viewer"),
    ("GET", "/api/devices/pump-1/export", None, "viewer"),
    ("GET", "/api/compare?device=pump-1&parameter=temperature", None, "viewer"),
    ("GET", "/api/v1/facilities/hall/kpi", None, "viewer"),
    ("GET", "/api/v1/facilities/hall/timeseries?parameter=temperature", None, "viewer"),
    ("GET", "/api/alarms", None, "viewer"),
    ("GET", "/api/alarms/pump-1/Alarms/temperature", None, "viewer"),
    ("POST", "/api/alarms/pump-1/Alarms/temperature/acknowledge", {"comment": "seen"}, "operator"),
    ("POST", "/api/alarms/pump-1/Alarms/temperature/comment", {"comment": "seen"}, "operator"),
    ("POST", "/api/alarms/pump-1/Alarms/temperature/shelve", {"duration_s": 60}, "operator"),
    ("GET", "/api/alarms/performance", None, "viewer"),
    ("GET", "/api/alarms/journal", None, "viewer"),
    ("GET", "/api/alarms/rationalization", None, "viewer"),
    ("GET", "/api/alarms/rationalization.csv", None, "viewer"),
    (
        "POST",
        "/api/alarms/actions",
        {"action": "comment", "alarms": [{"id": "pump-1/Alarms/temperature"}], "comment": "seen"},
        "operator",
    ),
    ("GET", "/api/alarm-rules", None, "viewer"),
    ("POST", "/api/alarm-rules/r1/check", RULE, "operator"),
    ("PUT", "/api/alarm-rules/r1", RULE, "operator"),
    ("GET", "/api/alarm-rules/r1", None, "viewer"),
    ("DELETE", "/api/alarm-rules/r1", None, "operator"),
    ("GET", "/api/notifications", None, "engineer"),
    ("POST", "/api/notifications/duty/test", None, "engineer"),
    ("POST", "/api/notifications/duty/retry", None, "engineer"),
    ("GET", "/api/packages", None, "viewer"),
    ("GET", "/api/packages/pump", None, "viewer"),
    ("GET", "/api/packages/pump/documents/manual.html", None, "viewer"),
    ("POST", "/api/packages", PACKAGE, "engineer"),
    ("POST", "/api/packages/pump/rollback", None, "engineer"),
    ("DELETE", "/api/packages/pump", None, "engineer"),
    ("POST", "/api/drafts", {"topics": ["a"]}, "engineer"),
    ("GET", "/api/drafts", None, "engineer"),
    ("POST", "/api/drafts/dry-run", {"draft": "ab"}, "engineer"),
    ("GET", "/api/drafts/ab", None, "engineer"),
    ("GET", "/api/drafts/ab/source", None, "engineer"),
    ("POST", "/api/drafts/ab/stop", None, "engineer"),
    ("DELETE", "/api/drafts/ab", None, "engineer"),
    ("GET", "/api/status", None, "viewer"),
    ("GET", "/api/history/pump-1", None, "viewer"),
    ("GET", "/api/v1/looms", None, "viewer"),
    ("GET", "/api/v1/looms/loom-1", None, "viewer"),
    ("GET", "/api/v1/looms/loom-1/measurements", None, "viewer"),
    ("GET", "/api/v1/alerts", None, "viewer"),
    ("POST", "/api/v1/alerts/pump-1/Alarms/temperature/acknowledge", None, "operator"),
    ("GET", "/api/v1/facilities", None, "viewer"),
    ("GET", "/api/v1/facilities/unassigned/assets", None, "viewer"),
]
ELSEWHERE = {("POST", "/api/login"), ("GET", "/api/events")}  # the sign-in and the stream have files of their own


async def _site(clock: ManualClock, folder: Path) -> Site:
    site = await make_site(clock, folder)
    await site.feed(temperature=90.0)
    site.packages.installed["pump"] = PACKAGE
    return site


async def _ask(site: Site, role: str, method: str, path: str, body: object) -> int:
    async with site.signed_in(role) as client:
        if isinstance(body, bytes):
            headers = {"Content-Type": "application/octet-stream"}
            return (await client.request(method, path, content=body, headers=headers)).status_code
        return (await client.request(method, path, json=body)).status_code


@pytest.mark.parametrize("role", ["anonymous", *ROLES])
async def test_each_role_reaches_exactly_its_routes(clock: ManualClock, tmp_path: Path, role: str) -> None:
    for method, path, body, least in ROUTES:
        site = await _site(clock, tmp_path)
        code = await _ask(site, role, method, path, body)
        if not least or (role != "anonymous" and ROLES.index(role) >= ROLES.index(least)):
            assert code not in (401, 403), f"{role} may not {method} {path}: {code}"
        else:
            assert code == (401 if role == "anonymous" else 403), f"{role} {method} {path}: {code}"


async def test_a_refused_request_changes_nothing_and_is_on_record(clock: ManualClock, tmp_path: Path) -> None:
    site = await _site(clock, tmp_path)
    audits = len(site.records.audits)
    assert await _ask(site, "viewer", "POST", "/api/devices/pump-1/commands/trip", {}) == 403
    assert await _ask(site, "operator", "DELETE", "/api/packages/pump", None) == 403
    assert await _ask(site, "anonymous", "POST", "/api/packages", PACKAGE) == 401
    assert site.sender.sent == []
    assert list(site.packages.installed) == ["pump"]
    refused = site.records.audits[audits:]
    assert [(record[1], record[7]) for record in refused] == [
        ("viewer", "BadUserAccessDenied"),
        ("operator", "BadUserAccessDenied"),
    ]


async def test_no_route_is_missing_from_the_matrix(clock: ManualClock, tmp_path: Path) -> None:
    site = await _site(clock, tmp_path)
    document = site.app.openapi()
    served = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    } - ELSEWHERE
    missing = {
        (method, pattern)
        for method, pattern in served
        if not any(method == asked and _like(pattern).fullmatch(path.partition("?")[0]) for asked, path, _, _ in ROUTES)
    }
    assert missing == set()


def _like(pattern: str) -> re.Pattern[str]:
    return compile_path(pattern.replace("{condition_id}", "{condition_id:path}"))[0]


@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\x7f", "a b c", "' OR 1=1 --"])
async def test_a_made_up_token_is_nobody(clock: ManualClock, tmp_path: Path, token: str) -> None:
    site = await _site(clock, tmp_path)
    async with site.client(headers={"Authorization": f"Bearer {token}"}) as client:
        answer = await client.get("/api/devices")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
