"""Where a broker is and how to stand with it, checked before anything connects."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class _ClosingSocket(ssl.SSLSocket):
    """Closed when the handshake fails; paho would leave it open with every try."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """Where the broker is and how to stand with it."""

    url: str  # mqtt://user:password@host:1883 or mqtts://host:8883
    client_id: str = "fieldloom"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    session_expiry_s: int = 86_400
    receive_maximum: int = 2_000
    payload_limit_bytes: int = 262_144
    keepalive_s: int = 30

    @property
    def broker(self) -> str:
        """The broker without its password, for people."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}:{self.port}"

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (8883 if parts.scheme == "mqtts" else 1883)

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context of an mqtts broker.

        Raises:
            OSError, ValueError: a file is missing or holds no certificate or key.
        """
        if urlsplit(self.url).scheme != "mqtts":
            return None
        context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _ClosingSocket
        if self.cert_file is not None:
            context.load_cert_chain(str(self.cert_file), str(self.key_file) if self.key_file else None)
        return context

    def problems(self) -> list[str]:
        """What is wrong with them, in sentences."""
        found = []
        parts = urlsplit(self.url)
        try:
            if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.port == 0:
                found.append("mqtt.url: must look like mqtt://host:1883 or mqtts://host:8883")
        except ValueError as error:
            found.append(f"mqtt.url: {error}")
        try:
            self.tls()
        except (OSError, ValueError) as error:
            files = ", ".join(str(file) for file in (self.ca_file, self.cert_file, self.key_file) if file)
            found.append(f"mqtt.ca_file, cert_file, key_file: {error} ({files})")
        return found
