"""Syslog messages (RFC 5424) over UDP (RFC 5426), TCP with octet counting (RFC 6587) or TLS (RFC 5425)."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence

from server.core.clock import to_iso
from server.notify.message import Message, SendError
from server.settings.notify import SyslogChannel

LEVELS = {"critical": 2, "high": 3, "medium": 4, "low": 5}
"""Severity of syslog by priority, while an alarm is active; 6, informational, for everything else."""
UDP_BYTES = 2_048
"""What every receiver should take in one datagram (RFC 5426, 3.2)."""


class Syslog:
    """One channel."""

    at_once = 100
    together = False

    def __init__(self, settings: SyslogChannel, host: str | None = None) -> None:
        self._settings = settings
        self._host = _ascii(host or socket.gethostname(), 255)

    async def send(self, messages: Sequence[Message]) -> str:
        """Hand messages over; raises SendError. UDP tells nobody whether they arrived."""
        lines = [self.line(message) for message in messages]
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                if self._settings.transport == "udp":
                    await self._datagrams(lines)
                else:
                    await self._stream(lines)
        except (OSError, ssl.SSLError, UnicodeError) as error:
            place = f"{self._settings.host}:{self._settings.port}"
            raise SendError(f"{place}: {error or type(error).__name__}") from error
        return ""

    async def _datagrams(self, lines: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._settings.host, self._settings.port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as out:
            out.setblocking(False)
            for line in lines:
                await loop.sock_sendto(out, line[:UDP_BYTES], address)

    async def _stream(self, lines: Sequence[bytes]) -> None:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file) if settings.transport == "tls" else None
        _, writer = await asyncio.open_connection(settings.host, settings.port, ssl=context)
        try:
            writer.write(b"".join(b"%d %b" % (len(line), line) for line in lines))
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except BaseException:
            writer.transport.abort()
            raise

    def line(self, message: Message) -> bytes:
        """One message."""
        event, settings = message.event, self._settings
        level = LEVELS.get(event.priority, 5) if event.active else 6
        data = {
            "id": event.condition_id,
            "event": event.event_id.hex(),
            "device": event.device_id,
            "severity": str(event.severity),
            "priority": event.priority,
            "class": event.condition_class,
            "active": str(event.active).lower(),
            "acked": str(event.acked).lower(),
            "cause": event.cause,
            "user": event.user or event.comment_user,
        }
        told = " ".join(f'{name}="{_escaped(value)}"' for name, value in data.items() if value)
        head = (
            f"<{settings.facility * 8 + level}>1 {to_iso(event.receive_time)} {self._host} fieldloom {os.getpid()} "
            f"ALARM [alarm@{settings.enterprise} {told}] "
        )
        text = "".join(character if character.isprintable() else " " for character in event.message)
        return head.encode("utf-8", "replace") + b"\xef\xbb\xbf" + text.encode("utf-8", "replace")


def _ascii(text: str, most: int) -> str:
    found = "".join(character for character in text if "!" <= character <= "~")[:most]
    return found or "-"


def _escaped(value: str) -> str:
    """A PARAM-VALUE (RFC 5424, 6.3.3)."""
    plain = "".join(character if character.isprintable() else " " for character in value)
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
