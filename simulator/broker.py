"""Where the MQTT broker is: one URL with account and TLS in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}
FILES = ("ca", "cert", "key")


class BrokerError(Exception):
    """The broker's URL cannot be used; the text says why and never shows the password."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker and how to sign in to it."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None  # PEM files; without `ca` the system's certificate authorities are trusted
    cert: str | None = None
    key: str | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_broker(url: str, password: str | None = None) -> Broker:
    """`mqtt[s]://[user[:password]@]host[:port][?ca=FILE&cert=FILE&key=FILE]`; `password` fills in for one not there."""
    try:
        parts = urlsplit(url)
        port = parts.port
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise BrokerError("the broker's URL cannot be read; write mqtt://host:port") from error
    if parts.scheme not in PORTS:
        raise BrokerError("the broker's URL begins with mqtt:// or mqtts://")
    if not parts.hostname:
        raise BrokerError("the broker's URL names no host")
    if parts.path not in ("", "/") or parts.fragment:
        raise BrokerError("the broker's URL ends after the port; only ?ca=, cert= and key= may follow")
    tls = parts.scheme == "mqtts"
    unknown = sorted(set(query) - set(FILES))
    if unknown:
        raise BrokerError(f"the broker's URL has an unknown setting {unknown[0]!r}; there are: {', '.join(FILES)}")
    if query and not tls:
        raise BrokerError("ca, cert and key belong to mqtts:// only")
    if ("key" in query) != ("cert" in query):
        raise BrokerError("cert and key come together")
    return Broker(
        host=parts.hostname,
        port=port if port is not None else PORTS[parts.scheme],
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else password,
        ca=query.get("ca"),
        cert=query.get("cert"),
        key=query.get("key"),
    )
