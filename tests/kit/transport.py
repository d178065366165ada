"""A listener with a receiver that remembers, and a client of raw chunks that can break every rule."""

from __future__ import annotations

import asyncio
import datetime
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from cryptography.hazmat.primitives import serialization

from server.core.clock import Clock, SystemClock
from server.opcua.transport.channel import SecureChannel
from server.opcua.transport.limits import TransportLimits
from server.opcua.transport.listener import Listener
from server.opcua.transport.security import (
    MODE_ENCRYPT,
    MODE_NONE,
    MODE_SIGN,
    POLICIES,
    POLICY_NONE,
    AsymmetricKeys,
    SymmetricKeys,
)
from server.security.pki import CertificateRefusedError, OwnCertificate
from tests.kit.certificates import self_signed

SECURED = tuple((uri, mode) for uri in POLICIES for mode in (MODE_SIGN, MODE_ENCRYPT))
ENDPOINTS = ((POLICY_NONE, MODE_NONE), *SECURED)
BASIC256SHA256 = next(uri for uri in POLICIES if uri.endswith("Basic256Sha256"))
ECHO = struct.pack("<BBH", 1, 0, 631)
SETTLE_S = 10.0


@cache
def pair(name: str, bits: int = 2048) -> OwnCertificate:
    """A self-signed certificate and its key, made once a process."""
    return self_signed(name, f"urn:test:{name}", datetime.datetime.now(datetime.UTC), bits)


@cache
def files(name: str, bits: int = 2048) -> tuple[Path, Path]:
    """The same pair as files, for clients that read files."""
    mine = pair(name, bits)
    folder = Path(mkdtemp(prefix="transport"))
    (folder / "cert.der").write_bytes(mine.der)
    (folder / "key.pem").write_bytes(
        mine.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "cert.der", folder / "key.pem"


class Trust:
    """A trust list in memory; `refused` maps a certificate to the StatusCode it is refused with."""

    def __init__(self) -> None:
        self.refused: dict[bytes, int] = {}
        self.asked: list[bytes] = []

    def check(self, chain: bytes) -> None:
        self.asked.append(chain)
        if chain in self.refused:
            raise CertificateRefusedError("refused by the test", status_code=self.refused[chain])


@dataclass
class Remembering:
    """A receiver that keeps what it is told and sends every request back."""

    echo: bool = True
    messages: list[tuple[int, bytes]] = field(default_factory=list)
    opened: list[tuple[SecureChannel, bool]] = field(default_factory=list)
    refused: list[tuple[str, int, str, bytes | None, str]] = field(default_factory=list)
    closed: list[SecureChannel] = field(default_factory=list)

    def message(self, channel: SecureChannel, request_id: int, body: bytes) -> None:
        self.messages.append((request_id, body))
        if self.echo:
            channel.send(request_id, body)

    def channel_opened(self, channel: SecureChannel, renewed: bool) -> None:
        self.opened.append((channel, renewed))

    def channel_refused(self, address: str, code: int, reason: str, certificate: bytes | None, policy_uri: str) -> None:
        self.refused.append((address, code, reason, certificate, policy_uri))

    def channel_closed(self, channel: SecureChannel) -> None:
        self.closed.append(channel)


@dataclass
class TransportRig:
    """A running listener and what belongs to it."""

    listener: Listener
    receiver: Any
    trust: Trust
    port: int
    own: OwnCertificate
    clients: list[RawClient] = field(default_factory=list)

    async def raw(self) -> RawClient:
        """A connected client that has said nothing yet."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.clients.append(RawClient(reader, writer, self.own))
        return self.clients[-1]


@asynccontextmanager
async def listening(
    limits: TransportLimits | None = None,
    clock: Clock | None = None,
    endpoints: Sequence[tuple[str, int]] = ENDPOINTS,
    receiver: Any = None,
    own_bits: int = 2048,
) -> AsyncIterator[TransportRig]:
    """A listener on a free loopback port."""
    receiver = receiver or Remembering()
    trust, own = Trust(), pair("server", own_bits)
    listener = Listener(endpoints, receiver, limits or TransportLimits(), trust, own, clock or SystemClock())
    port = await listener.start("127.0.0.1", 0)
    rig = TransportRig(listener, receiver, trust, port, own)
    try:
        yield rig
    finally:
        await listener.stop()
        for client in rig.clients:
            await client.close()


async def until(condition: Any) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(SETTLE_S):
        while not condition():
            await asyncio.sleep(0)


def hello(
    url: bytes = b"opc.tcp://127.0.0.1/", receive: int = 65535, send: int = 65535, size: int = 0, chunks: int = 0
) -> bytes:
    """A HEL."""
    return b"HELF" + struct.pack("<7I", 32 + len(url), 0, receive, send, size, chunks, len(url)) + url


def open_request(
    request_type: int = 0, mode: int = 1, nonce: bytes = b"", lifetime: int = 60_000, handle: int = 7
) -> bytes:
    """An OpenSecureChannelRequest, field by field (OPC 10000-4 5.6.2, 10000-6 5.2)."""
    header = b"\0\0" + struct.pack("<qII", 0, handle, 0) + struct.pack("<i", -1) + struct.pack("<I", 0) + b"\0\0\0"
    numbers = struct.pack("<III", 0, request_type, mode)
    body = b"\1\0" + struct.pack("<H", 446) + header + numbers + struct.pack("<i", len(nonce)) + nonce
    return body + struct.pack("<I", lifetime)


class RawClient:
    """Writes and reads single chunks; its numbers can be set at will."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: OwnCertificate) -> None:
        self.reader, self.writer, self.server = reader, writer, server
        self.channel_id = self.token_id = self.sequence = 0
        self.request_id = 0
        self.policy_uri, self.mode = POLICY_NONE, 1
        self.asymmetric: AsymmetricKeys | None = None
        self.symmetric: SymmetricKeys | None = None
        self.lifetime = 0
        self.received: list[int] = []

    async def read(self) -> tuple[bytes, bytes]:
        """The next chunk: its type, and the whole of it; (b"", b"") at the end."""
        try:
            async with asyncio.timeout(SETTLE_S):
                head = await self.reader.readexactly(8)
                (size,) = struct.unpack_from("<I", head, 4)
                return head[:4], head + await self.reader.readexactly(size - 8)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b"", b""

    async def error(self) -> int:
        """The StatusCode of the ERR that comes next, after which the server says no more."""
        kind, chunk = await self.read()
        assert kind == b"ERRF", (kind, chunk)
        assert await self.read() == (b"", b"")
        return int(struct.unpack_from("<I", chunk, 8)[0])

    async def ended(self) -> bool:
        """True when the server closes without a word."""
        return await self.read() == (b"", b"")

    async def greet(self, **fields: Any) -> tuple[int, ...]:
        """HEL and ACK; the ACK's numbers."""
        self.writer.write(hello(**fields))
        kind, chunk = await self.read()
        assert kind == b"ACKF"
        return struct.unpack_from("<5I", chunk, 8)

    def opening(
        self,
        policy_uri: str = POLICY_NONE,
        mode: int = 1,
        identity: OwnCertificate | None = None,
        *,
        request_type: int = 0,
        nonce: bytes | None = None,
        lifetime: int = 60_000,
        channel_id: int | None = None,
    ) -> bytes:
        """An OPN; the nonce is kept for `take_opening`."""
        self.policy_uri, self.mode = policy_uri, mode
        self.sequence += 1
        self.request_id += 1
        channel_id = self.channel_id if channel_id is None else channel_id
        if policy_uri == POLICY_NONE:
            self.nonce = nonce or b""
            body = open_request(request_type, mode, self.nonce, lifetime)
            rest = struct.pack("<I", channel_id) + struct.pack("<i", len(policy_uri)) + policy_uri.encode()
            rest += struct.pack("<ii", -1, -1) + struct.pack("<II", self.sequence, self.request_id) + body
            return b"OPNF" + struct.pack("<I", 8 + len(rest)) + rest
        self.nonce = bytes(range(self.sequence, self.sequence + 32)) if nonce is None else nonce
        self.asymmetric = AsymmetricKeys(
            POLICIES[policy_uri], identity or pair("client"), self.server.certificate, self.server.der
        )
        body = open_request(request_type, mode, self.nonce, lifetime)
        return self.asymmetric.seal(channel_id, self.sequence, self.request_id, body)

    async def take_opening(self) -> None:
        """Read the answer to an OPN and use its token."""
        kind, chunk = await self.read()
        assert kind == b"OPNF", chunk
        position, fields = 12, []
        for _ in range(3):
            (size,) = struct.unpack_from("<i", chunk, position)
            fields.append(chunk[position + 4 : position + 4 + max(size, 0)])
            position += 4 + max(size, 0)
        content = chunk[position:]
        if self.asymmetric is not None:
            content = self.asymmetric.open(chunk, 0, position, len(chunk), fields[2])
        self.received.append(struct.unpack_from("<I", content)[0])
        body = content[8:]
        assert struct.unpack_from("<H", body, 2) == (449,)
        # Response header: time, handle, result, no diagnostics, no strings, no additional header.
        assert struct.unpack_from("<II", body, 12) == (7, 0)
        self.channel_id, self.token_id, _at, self.lifetime, size = struct.unpack_from("<IIqIi", body, 32)
        server_nonce = body[56 : 56 + size] if size > 0 else b""
        if self.asymmetric is not None:
            # A client's keys are a server's with the nonces exchanged.
            self.symmetric = SymmetricKeys(POLICIES[self.policy_uri], self.mode, server_nonce, self.nonce)

    async def open(self, policy_uri: str = POLICY_NONE, mode: int = 1, **more: Any) -> None:
        """OPN and its answer."""
        self.writer.write(self.opening(policy_uri, mode, **more))
        await self.take_opening()

    def chunk(self, body: bytes, kind: bytes = b"MSGF", request_id: int | None = None) -> bytes:
        """The next chunk of this channel."""
        self.sequence += 1
        if request_id is None:
            self.request_id += 1
            request_id = self.request_id
        number = int.from_bytes(kind, "little")
        if self.symmetric is not None:
            return self.symmetric.seal(self.channel_id, self.token_id, self.sequence, request_id, body, number)
        numbers = (24 + len(body), self.channel_id, self.token_id, self.sequence, request_id)
        return kind + struct.pack("<5I", *numbers) + body

    async def answer(self) -> tuple[int, bytes]:
        """Request id and body of the next message, all chunks together."""
        body = b""
        while True:
            kind, chunk = await self.read()
            assert kind in (b"MSGF", b"MSGC"), chunk
            channel_id, token_id = struct.unpack_from("<II", chunk, 8)
            assert (channel_id, token_id) == (self.channel_id, self.token_id)
            content = self.symmetric.open(chunk, 0, len(chunk)) if self.symmetric else chunk[16:]
            sequence, request_id = struct.unpack_from("<II", content)
            self.received.append(sequence)
            body += content[8:]
            if kind == b"MSGF":
                return request_id, body

    async def echo(self, body: bytes) -> bytes:
        """Send a request and give back the body that returns."""
        self.writer.write(self.chunk(body))
        request_id, answer = await self.answer()
        assert request_id == self.request_id
        return answer

    async def close(self) -> None:
        """Close the socket."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass
