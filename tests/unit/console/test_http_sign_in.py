"""Signing in over HTTP: cookie and token, forged requests, brakes, accounts that change meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from server.console.auth import COOKIE
from server.core.clock import ManualClock
from tests.kit.http import PASSWORDS, Site, make_site

TRIP = "/api/devices/pump-1/commands/trip"


@pytest.fixture
async def site(clock: ManualClock, tmp_path: Path) -> Site:
    site = await make_site(clock, tmp_path, login_attempts=3)
    await site.feed(temperature=20.0)
    return site


def credentials(user: str = "operator", password: str = "") -> dict[str, str]:
    return {"user": user, "password": password or PASSWORDS[user]}


async def test_the_right_password_gives_a_token_and_a_cookie_no_script_can_read(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post("/api/login", json=credentials())
        body = answer.json()
        assert answer.status_code == 200
        assert (body["user"], body["role"]) == ("operator", "operator")
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith(COOKIE)
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await client.get("/api/me")).json()["role"] == "operator"
    async with site.client(headers={"Authorization": f"Bearer {body['token']}"}) as client:
        assert (await client.get("/api/devices")).status_code == 200


async def test_a_cookie_alone_changes_nothing_the_second_secret_does(site: Site) -> None:
    async with site.client() as client:
        csrf = (await client.post("/api/login", json=credentials())).json()["csrf_token"]
        for headers in (
            {},
            {"X-CSRF-Token": "guess"},
            {"Origin": "http://evil.test"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            answer = await client.post(TRIP, headers=headers)
            assert (answer.status_code, site.sender.sent) == (403, [])
        assert (await client.post(TRIP, headers={"X-CSRF-Token": csrf})).status_code == 200
        assert len(site.sender.sent) == 1


async def test_the_second_secret_of_another_sign_in_is_worth_nothing(site: Site) -> None:
    other = site.context.sessions.open("admin", "admin", "http", "127.0.0.1")
    async with site.client() as client:
        await client.post("/api/login", json=credentials())
        assert (await client.post(TRIP, headers={"X-CSRF-Token": other.csrf})).status_code == 403


async def test_a_foreign_page_cannot_sign_anybody_in(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post("/api/login", json=credentials(), headers={"Origin": "http://evil.test"})
        assert answer.status_code == 403
        assert not client.cookies


async def test_signing_out_ends_token_and_cookie(site: Site) -> None:
    async with site.client() as client:
        body = (await client.post("/api/login", json=credentials())).json()
        assert (await client.post("/api/logout", headers={"X-CSRF-Token": body["csrf_token"]})).status_code == 204
        assert not client.cookies
        bearer = {"Authorization": f"Bearer {body['token']}"}
        assert (await client.get("/api/me", headers=bearer)).status_code == 401


async def test_wrong_user_and_wrong_password_read_the_same_and_are_on_record(site: Site) -> None:
    async with site.client() as client:
        wrong = await client.post("/api/login", json=credentials(password="wrong"))
        unknown = await client.post("/api/login", json={"user": "nobody", "password": "wrong"})
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
    assert wrong.status_code == 401
    assert [(record[1], record[7]) for record in site.records.audits] == [
        ("operator", "BadUserAccessDenied"),
        ("nobody", "BadUserAccessDenied"),
    ]
    assert "wrong" not in repr(site.records.audits)


async def test_guessing_has_to_wait_even_with_the_right_password(site: Site, clock: ManualClock) -> None:
    async with site.client() as client:
        for _ in range(3):
            assert (await client.post("/api/login", json=credentials(password="wrong"))).status_code == 401
        braked = await client.post("/api/login", json=credentials())
        assert braked.status_code == 429
        assert braked.headers["retry-after"] == "60"
        clock.advance(60)
        assert (await client.post("/api/login", json=credentials())).status_code == 200


async def test_a_sign_in_ends_after_its_time(site: Site, clock: ManualClock) -> None:
    async with site.signed_in("viewer") as client:
        clock.advance(3_599)
        assert (await client.get("/api/me")).status_code == 200
        clock.advance(1)
        assert (await client.get("/api/me")).status_code == 401


@pytest.mark.parametrize("change", [{"locked": True}, {"role": "viewer"}])
async def test_a_locked_or_lowered_account_loses_its_open_sign_in(
    site: Site, clock: ManualClock, change: dict[str, object]
) -> None:
    async with site.signed_in("operator") as client:
        assert (await client.get("/api/me")).status_code == 200
        site.accounts.rows["operator"] = replace(site.accounts.rows["operator"], **change)  # type: ignore[arg-type]
        clock.advance(3)
        assert (await client.post(TRIP)).status_code == 401
    assert site.sender.sent == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"user": "operator"}',
        b'{"user": 1, "password": 2}',
        b'{"user": {}, "password": []}',
        b'{"user": "operator", "password": "x", "role": "admin"}',
        b'{"user": "operator", "password": "' + b"x" * 100_000 + b'"}',
        b"\xff\xfe{}",
        b"[" * 50_000,
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_hostile_sign_in_is_told_what_is_wrong_and_its_words_are_not_repeated(site: Site, body: bytes) -> None:
    async with site.client() as client:
        answer = await client.post("/api/login", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "xxxx" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_password_that_is_no_text_is_wrong_and_no_failure_of_ours(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post(
            "/api/login",
            content=rb'{"user": "operator", "password": "\ud800"}',
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code in (401, 422)
