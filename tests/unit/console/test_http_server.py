"""The HTTP server of its own: ports, start and stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from server.console.server import ConsoleServer
from server.core.clock import ManualClock
from server.core.errors import InUseError
from tests.kit.http import make_site


async def test_port_0_takes_a_free_one_and_the_url_answers(clock: ManualClock, tmp_path: Path) -> None:
    server = ConsoleServer((await make_site(clock, tmp_path)).app, "127.0.0.1", 0)
    await server.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{server.url}/health")
        assert answer.status_code == 200
        assert "server" not in answer.headers
    finally:
        await server.stop()
        await server.stop()


async def test_a_used_port_is_told_with_its_owner_and_the_setting(clock: ManualClock, tmp_path: Path) -> None:
    site = await make_site(clock, tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = ConsoleServer(site.app, "127.0.0.1", port)
        with pytest.raises(InUseError, match=f"port {port} .*process {os.getpid()}.*FIELDLOOM_HTTP__PORT"):
            await server.start()


async def test_signals_stay_with_the_process(clock: ManualClock, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = ConsoleServer((await make_site(clock, tmp_path)).app, "127.0.0.1", 0)
    await server.start()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    await server.stop()


async def test_a_client_that_says_nothing_does_not_hold_the_stop_up(clock: ManualClock, tmp_path: Path) -> None:
    server = ConsoleServer((await make_site(clock, tmp_path)).app, "127.0.0.1", 0)
    await server.start()
    host, port = server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    async with asyncio.timeout(5):
        await server.stop()
    writer.close()
