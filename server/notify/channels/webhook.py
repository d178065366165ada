"""HTTP POST of one JSON document for each event, signed as Standard Webhooks describes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

from server.core.clock import SECOND, Clock
from server.core.errors import ConfigurationError
from server.notify.message import Message, SendError
from server.settings.notify import WebhookChannel

PREFIX = "whsec_"
TRY_AGAIN = frozenset({401, 403, 404, 408, 425, 429})
"""Answers below 500 that may be others once somebody has mended the receiver."""


class Webhook:
    """One channel."""

    at_once = 1
    together = False

    def __init__(
        self, settings: WebhookChannel, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Raises ConfigurationError: the secret or the address cannot be read."""
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._key = key_of(settings.secret.get_secret_value(), settings.name)
        self._url = url_of(settings.url, settings.name)

    async def send(self, messages: Sequence[Message]) -> str:
        """Post one message; raises SendError unless it is answered 2xx."""
        (message,) = messages
        body = json.dumps(message.as_json(), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        timestamp = str(self._clock.now() // SECOND)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Fieldloom",
            "webhook-id": message.key,
            "webhook-timestamp": timestamp,
        }
        if self._key:
            headers["webhook-signature"] = signature(self._key, message.key, timestamp, body)
        settings = self._settings
        try:
            verify: ssl.SSLContext | bool = (
                ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file is not None else True
            )
            # A redirect is an answer like any other: what we sign goes where the site's settings say.
            # The time is for the whole of it: a side that sends its head letter by letter has no more than others.
            async with (
                asyncio.timeout(settings.timeout_s),
                httpx.AsyncClient(verify=verify, timeout=settings.timeout_s, transport=self._transport) as client,
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                code = answer.status_code
        except (httpx.HTTPError, OSError, ssl.SSLError, UnicodeError) as error:
            raise SendError(f"{settings.url}: {error or type(error).__name__}") from error
        if not 200 <= code < 300:
            raise SendError(f"{settings.url} answered {code}", permanent=400 <= code < 500 and code not in TRY_AGAIN)
        return ""


def url_of(text: str, channel: str) -> httpx.URL:
    """The address of a receiver; raises ConfigurationError."""
    try:
        urlsplit(text)  # finds what httpx lets pass: half an IPv6 address
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if not url.host or not 0 < (url.port or 443) < 65_536:
        raise ConfigurationError([f"notify.channels: {channel}: url {text!r} cannot be read"], what="settings")
    return url


def key_of(secret: str, channel: str) -> bytes:
    """The key of a secret; raises ConfigurationError."""
    if not secret:
        return b""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ConfigurationError(
            [f"notify.channels: {channel}: secret must be {PREFIX} and base64 of 24 to 64 bytes"], what="settings"
        )
    return key


def signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """The webhook-signature header."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
