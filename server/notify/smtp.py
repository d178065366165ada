"""A connection to an SMTP server that does not trust it: bounded answers, and a way to end it from outside."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from typing import BinaryIO

from server.settings.notify import EmailChannel

ANSWERS_BYTES = 256 * 1024
"""All that a server may answer in one delivery."""


class _Answers:
    """What comes from the server, line by line, as far as it may go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = ANSWERS_BYTES

    def readline(self, limit: int = -1) -> bytes:
        line = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise smtplib.SMTPServerDisconnected(f"answers of more than {ANSWERS_BYTES} bytes")
        return line

    def close(self) -> None:
        self._file.close()


class _Smtp(smtplib.SMTP):
    """smtplib reads a reply of any length; this one does not."""

    sock: socket.socket | None

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Answers(self.sock.makefile("rb"))
        return super().getreply()


class Delivery:
    """One mail on its way. `run` blocks; `abandon` ends it from another thread."""

    def __init__(self, settings: EmailChannel) -> None:
        self._settings = settings
        self._sock: socket.socket | None = None
        self._abandoned = False

    def run(self, mail: EmailMessage, recipients: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Deliver to these; raises smtplib.SMTPException or OSError unless the server has taken the mail for one.

        Returns the recipients it was not taken for, with (code, text) of the answer.
        """
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file) if settings.security != "none" else None
        raw = self._sock = socket.create_connection((settings.host, settings.port), settings.timeout_s)
        server = _Smtp(timeout=settings.timeout_s)
        try:
            if self._abandoned:
                raise OSError("given up before it was connected")
            if context is not None and settings.security == "tls":
                raw = context.wrap_socket(raw, server_hostname=settings.host)
            server.sock = self._sock = raw
            self._expect(server.getreply(), 220)
            if context is not None and settings.security == "starttls":
                raw = self._sock = self._secured(server, context)
            if settings.user:
                server.login(settings.user, settings.password.get_secret_value())
            refused: dict[str, tuple[int, bytes]] = server.send_message(mail, to_addrs=list(recipients))
            self._leave(server)
            return refused
        finally:
            server.close()  # its file holds the socket open
            raw.close()

    def _secured(self, server: _Smtp, context: ssl.SSLContext) -> socket.socket:
        server.ehlo_or_helo_if_needed()
        if not server.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("STARTTLS is not offered")
        self._expect(server.docmd("STARTTLS"), 220)
        plain = server.sock
        if plain is None:
            raise smtplib.SMTPServerDisconnected("closed before STARTTLS")
        server.sock = context.wrap_socket(plain, server_hostname=self._settings.host)
        # What was said in the clear counts no more (RFC 3207, 4.2).
        server.file = None
        server.ehlo_resp = server.helo_resp = None
        server.esmtp_features = {}
        server.does_esmtp = False
        return server.sock

    @staticmethod
    def _leave(server: _Smtp) -> None:
        """Whatever comes after the mail was taken does not undo it: it must not be sent again for that."""
        try:
            server.docmd("QUIT")
        except (smtplib.SMTPException, OSError):
            pass

    @staticmethod
    def _expect(reply: tuple[int, bytes], code: int) -> None:
        if reply[0] != code:
            raise smtplib.SMTPConnectError(*reply)

    def abandon(self) -> None:
        """Let `run` end at once, if it runs."""
        self._abandoned = True
        if self._sock is not None:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except (OSError, ValueError):
                pass
