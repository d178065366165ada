"""Notification channels whose other side is slow, endless, rude or nowhere: each try ends, nobody else waits for it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.core.clock import SystemClock
from server.core.errors import ConfigurationError
from server.database import outbox_store
from server.database.outbox_store import OutboxRow
from server.database.site import SiteDatabase
from server.notify.courier import sender_of
from server.notify.message import SendError, message_of, to_text, trial_event
from tests.kit.product import launch
from tests.kit.until import until
from tests.unit.notify.test_notify_messages import MESSAGE, channel

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]
PATIENCE_S = 0.2
WAITING = 10_000
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def side(talk: Talk) -> AsyncIterator[tuple[int, list[int]]]:
    """A server that treats its visitors so; (port, one entry a visitor)."""
    visits: list[int] = []
    working: set[asyncio.Task[None]] = set()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)
        task = asyncio.current_task()
        assert task is not None
        working.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            working.discard(task)
            writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], visits
    finally:
        server.close()
        for task in tuple(working):
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await server.wait_closed()


def repeating(text: bytes, pause_s: float = 0.0, first: bytes = b"") -> Talk:
    """Says one thing again and again, whatever it is told."""

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(text)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return talk


def smtp_side(*, quit_says: bytes = b"221 bye\r\n", data_says: bytes = b"250 taken\r\n") -> Talk:
    """An SMTP server; what it is to say empty it says by closing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                answer = data_says
            else:
                answer = quit_says if verb == b"QUIT" else b"250 fine\r\n"
            if not answer:
                return
            writer.write(answer)

    return talk


async def tried(kind: str, port: int, **more: Any) -> SendError | None:
    """One try; it must be over long before anybody gets tired."""
    settings = {
        "email": {"port": port, "security": "none"},
        "webhook": {"url": f"http://127.0.0.1:{port}/hook"},
        "syslog": {"port": port, "transport": "tcp"},
    }
    sender = sender_of(channel(kind, timeout_s=PATIENCE_S, **{**settings[kind], **more}), SystemClock())
    began = time.monotonic()
    try:
        async with asyncio.timeout(20):
            await sender.send([MESSAGE])
    except SendError as error:
        return error
    finally:
        assert time.monotonic() - began < 10
    return None


@pytest.mark.parametrize(
    ("kind", "talk"),
    [
        ("email", repeating(b"2", 0.05)),  # a greeting letter by letter, each in time
        ("email", repeating(b"220-still greeting\r\n", 0.05)),
        ("email", repeating(b"220-still greeting\r\n" * 1_000)),
        ("email", repeating(b"x" * 100_000)),
        ("webhook", repeating(b"X-Header: more\r\n", 0.05, b"HTTP/1.1 200 OK\r\n")),
        ("webhook", repeating(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01)),
        ("webhook", repeating(b"no HTTP at all\r\n")),
        ("webhook", repeating(b"", 0.05)),
    ],
)
async def test_a_side_that_never_ends_is_left(kind: str, talk: Talk) -> None:
    async with side(talk) as (port, _):
        failed = await tried(kind, port)
    assert failed is not None
    assert not failed.permanent
    assert str(port) in str(failed)


async def test_an_answer_without_end_is_taken_by_its_head() -> None:
    async with side(repeating(b"x" * 10_000, 0.0, b"HTTP/1.1 200 OK\r\n\r\n")) as (port, _):
        assert await tried("webhook", port) is None


async def test_redirects_are_not_followed() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 307 Again\r\nLocation: /hook\r\nContent-Length: 0\r\n\r\n")

    async with side(talk) as (port, visits):
        failed = await tried("webhook", port)
    assert failed is not None
    assert not failed.permanent
    assert len(visits) == 1


@pytest.mark.parametrize("answer", [b"421 too busy to say good-bye\r\n", b"500 what?\r\n", b""])
async def test_a_mail_that_was_taken_is_sent_whatever_comes_after_it(answer: bytes) -> None:
    async with side(smtp_side(quit_says=answer)) as (port, _):
        assert await tried("email", port) is None


async def test_a_mail_that_nobody_said_was_taken_is_tried_again() -> None:
    async with side(smtp_side(data_says=b"")) as (port, _):
        failed = await tried("email", port)
    assert failed is not None
    assert not failed.permanent


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", "\u2603" * 64])
@pytest.mark.parametrize(("kind", "key"), [("email", "host"), ("syslog", "host"), ("webhook", "url")])
async def test_a_host_that_can_be_none_is_a_failed_try(kind: str, key: str, host: str) -> None:
    failed = None
    try:
        failed = await tried(kind, 1, **{key: f"http://{host}/" if key == "url" else host})
    except ConfigurationError:
        return  # or said before the start
    assert failed is not None
    assert not failed.permanent


async def test_an_authority_that_is_not_there_is_a_failed_try(tmp_path: Path) -> None:
    for kind in ("email", "webhook", "syslog"):
        more: dict[str, Any] = {"security": "tls"} if kind == "email" else {}
        more |= {"transport": "tls"} if kind == "syslog" else {}
        failed = await tried(kind, 1, ca_file=tmp_path / "nothing.pem", **more)
        assert failed is not None
        assert not failed.permanent


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("email", {"sender": "plant"}),
        ("email", {"sender": ""}),
        ("email", {"sender": "plant@example.org\r\nBcc: all@example.org"}),
        ("email", {"recipients": ["duty@example.org", "Duty <duty@example.org>"]}),
        ("webhook", {"url": "http://["}),
        ("webhook", {"url": "http://:80/"}),
        ("webhook", {"url": "https://host:99999/"}),
    ],
)
def test_addresses_that_are_none_are_told_before_the_start(kind: str, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        sender_of(channel(kind, **more), SystemClock())
    assert "notify.channels: duty" in refused.value.text


async def test_what_waits_for_a_slow_side_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    site = SiteDatabase(data / "site.db")
    now = SystemClock().now()
    rows = []
    for _ in range(WAITING):
        message = message_of("duty", trial_event(now, os.urandom(16), "olga"), None, None)
        rows.append(OutboxRow(message.message_id, "duty", to_text(message), now))
    with site.transaction() as connection:
        outbox_store.add(connection, rows)
    site.close()
    async with side(repeating(b"2", 0.2)) as (port, visits):
        duty = {
            "kind": "email",
            "name": "duty",
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "sender": "plant@example.org",
            "recipients": ["duty@example.org"],
            "timeout_s": 60,
        }
        env = {"FIELDLOOM_NOTIFY__CHANNELS": json.dumps([duty])}
        server = await launch(tmp_path, "run", (), env)
        try:

            async def visited() -> bool:
                return bool(visits)

            await until(visited, "the first try")
            headers = {"Authorization": f"Bearer {server.token}"}
            async with httpx.AsyncClient(base_url=server.http_url, headers=headers) as client:
                (told,) = (await client.get("/api/notifications")).json()
            assert told["waiting"] == WAITING
            began = time.monotonic()
            assert await server.stop() == 0
            assert time.monotonic() - began < 15
        finally:
            await server.stop()
    site = SiteDatabase(data / "site.db")
    with site.transaction() as connection:
        assert outbox_store.counts(connection) == {("duty", "waiting"): WAITING}
    site.close()
