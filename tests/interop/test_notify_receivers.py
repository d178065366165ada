"""Notifications over real sockets: an SMTP server, an HTTP server, syslog receivers over UDP and TCP."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP

from server.core.clock import SystemClock
from server.notify.courier import sender_of
from server.notify.message import SendError
from tests.kit.product import launch
from tests.kit.publisher import Publisher
from tests.kit.until import until
from tests.unit.notify.test_notify_messages import EVENT, MESSAGE, SECRET, channel

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.answer = "250 OK"
        self.refused: dict[str, str] = {}  # answers by recipient
        self.got: list[list[str]] = []  # recipients by mail

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.mails.append(envelope.content)
            self.got.append(list(envelope.rcpt_tos))
        return self.answer


@asynccontextmanager
async def smtp() -> AsyncIterator[tuple[Mailbox, int]]:
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box, hostname="mail"), "127.0.0.1", 0)
    try:
        yield box, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def http(codes: list[int]) -> AsyncIterator[tuple[list[tuple[dict[str, str], bytes]], int]]:
    """An HTTP server that answers these codes in turn, the last one for ever."""
    seen: list[tuple[dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        code = codes.pop(0) if len(codes) > 1 else codes[0]
        if code == 200:
            seen.append((headers, body))
        writer.write(f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield seen, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_a_mail_arrives_with_its_text() -> None:
    async with smtp() as (box, port):
        sender = sender_of(channel("email", port=port, security="none"), SystemClock())
        await sender.send([MESSAGE, MESSAGE])
    mail = message_from_bytes(box.mails[0], policy=policy.default)
    assert mail["To"] == "duty@example.org"
    assert "switch over" in mail.get_content()


@pytest.mark.parametrize(("answer", "permanent"), [("451 later", False), ("554 never", True)])
async def test_a_mail_that_is_refused_says_whether_for_good(answer: str, permanent: bool) -> None:
    async with smtp() as (box, port):
        box.answer = answer
        sender = sender_of(channel("email", port=port, security="none"), SystemClock())
        with pytest.raises(SendError) as failed:
            await sender.send([MESSAGE])
    assert failed.value.permanent is permanent


async def test_recipients_that_are_put_off_are_tried_alone_and_those_refused_for_good_are_told() -> None:
    people = ["duty@example.org", "slow@example.org", "gone@example.org"]
    async with smtp() as (box, port):
        sender = sender_of(channel("email", port=port, security="none", recipients=people), SystemClock())
        box.refused = {"slow@example.org": "451 greylisted", "gone@example.org": "550 unknown"}
        with pytest.raises(SendError, match=r"slow@example\.org: 451 greylisted") as failed:
            await sender.send([MESSAGE])
        assert not failed.value.permanent
        del box.refused["slow@example.org"]
        assert await sender.send([MESSAGE]) == ""
        assert box.got == [["duty@example.org"], ["slow@example.org"]]
        told = await sender.send([MESSAGE])  # another mail: everybody is meant again
        assert box.got[2] == ["duty@example.org", "slow@example.org"]
    assert "gone@example.org: 550 unknown" in told


@pytest.mark.parametrize("kind", ["email", "webhook", "syslog"])
async def test_a_side_that_is_not_there_is_no_end(kind: str) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    settings: dict[str, dict[str, Any]] = {
        "email": {"port": port, "security": "none"},
        "webhook": {"url": f"http://127.0.0.1:{port}/"},
        "syslog": {"port": port, "transport": "tcp"},
    }
    with pytest.raises(SendError) as failed:
        await sender_of(channel(kind, **settings[kind]), SystemClock()).send([MESSAGE])
    assert not failed.value.permanent
    assert str(port) in str(failed.value)


async def test_a_side_that_never_answers_is_left_after_its_time() -> None:
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: held.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        for kind, more in (
            ("webhook", {"url": f"http://127.0.0.1:{port}/"}),
            ("email", {"port": port, "security": "none"}),
        ):
            sender = sender_of(channel(kind, timeout_s=0.2, **more), SystemClock())
            with pytest.raises(SendError):
                await sender.send([MESSAGE])
    finally:
        for writer in held:
            writer.close()
        server.close()
        await server.wait_closed()


async def test_syslog_arrives_over_udp_and_tcp() -> None:
    loop = asyncio.get_running_loop()
    datagrams: list[bytes] = []

    class Udp(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            datagrams.append(data)

    transport, _ = await loop.create_datagram_endpoint(Udp, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    await sender_of(channel("syslog", port=port), SystemClock()).send([MESSAGE])

    async def came() -> bool:
        return bool(datagrams)

    await until(came, "a datagram")
    transport.close()
    assert EVENT.message.encode() in datagrams[0]

    stream = bytearray()
    done = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream.extend(await reader.read())
        writer.close()
        done.set()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    await sender_of(channel("syslog", port=server.sockets[0].getsockname()[1], transport="tcp"), SystemClock()).send(
        [MESSAGE, MESSAGE]
    )
    await asyncio.wait_for(done.wait(), 5)
    server.close()
    await server.wait_closed()
    size, _, rest = bytes(stream).partition(b" ")
    first, second = rest[: int(size)], rest[int(size) :]
    assert second == size + b" " + first  # octet counting, twice the same


async def test_the_product_tells_a_webhook_once_through_a_kill(tmp_path: Path) -> None:
    async with http([503, 503, 200]) as (seen, port):
        channels = [
            {
                "kind": "webhook",
                "name": "hook",
                "url": f"http://127.0.0.1:{port}/",
                "secret": SECRET,
                "devices": ["gpu-*"],
            }
        ]
        env = {"FIELDLOOM_NOTIFY__CHANNELS": json.dumps(channels), "FIELDLOOM_NOTIFY__FIRST_RETRY_S": "1.5"}
        server = await launch(tmp_path, "run", (), env)
        try:
            with Publisher(server.mqtt_url) as publisher:
                time = "2026-03-02T08:00:00.000Z"
                message = {"engine_id": "gpu-5", "model": "J420", "time": time, "temp_exhaust": 600}

                async def raised() -> bool:
                    # The same message again is no news; the first one may come before the server has subscribed.
                    publisher.send("engines/gpu-5/telemetry", json.dumps(message))
                    found = (await client.get("/api/alarms/journal", params={"device": "gpu-5"})).json()
                    return bool(found["events"])  # kept, and in the outbox with it

                headers = {"Authorization": f"Bearer {server.token}"}
                async with httpx.AsyncClient(base_url=server.http_url, headers=headers) as client:
                    await until(raised, "the alarm")
            # The first try was refused: the message is in the outbox when the server dies.
            await server.kill()
            server = await launch(tmp_path, "run", (), env)

            async def told() -> bool:
                return bool(seen)

            await until(told, "the webhook", within_s=30)
            assert await server.stop() == 0
        finally:
            await server.stop()
    ((sent, body),) = seen
    document = json.loads(body)
    assert (document["data"]["device_id"], document["data"]["level"]) == ("gpu-5", "HighHigh")
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert sent["webhook-signature"] == expected
