"""Connection and secure channel on bare frames: every field of a message can be set wrong, answers taken in any order.

It uses asyncua's types, codec and crypto primitives, none of its client. Waiting for an answer ends after WAIT_S.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

from tests.kit.opcua import Identity
from tests.kit.raw_keys import NONE_URI, Asymmetric, Plain, Symmetric

WAIT_S = 10.0
BUFFER = 65_535
Mode = ua.MessageSecurityMode
Tamper = Callable[[bytes], bytes]
_UNPREFIXED = struct.Struct("<3scI")


class ServiceFaultError(Exception):
    """A response whose service result is Bad, ServiceFault or not."""

    def __init__(self, code: int, response: Any = None) -> None:
        super().__init__(ua.StatusCode(code).name)
        self.code = code
        self.response = response


class RefusedError(Exception):
    """The server sent ERR."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{ua.StatusCode(code).name}: {reason}")
        self.code = code
        self.reason = reason


class EndedError(Exception):
    """The server closed the connection."""


class OutOfOrderError(Exception):
    """The server's sequence numbers do not go up by one (OPC 10000-6 6.7.2.4)."""


@dataclass(frozen=True)
class Frame:
    """One message chunk as it came: `kind` HEL, ACK, ERR, OPN, MSG, CLO; `flag` F, C or A."""

    kind: bytes
    flag: bytes
    raw: bytes


@dataclass(frozen=True)
class Ack:
    """What the server answered to HEL; sizes in bytes."""

    version: int
    receive_buffer: int
    send_buffer: int
    max_message: int
    max_chunks: int


def text(value: str | None) -> bytes:
    """A String (or ByteString of UTF-8) as encoded."""
    if value is None:
        return b"\xff\xff\xff\xff"
    data = value.encode()
    return struct.pack("<i", len(data)) + data


def blob(value: bytes | None) -> bytes:
    """A ByteString as encoded."""
    return b"\xff\xff\xff\xff" if value is None else struct.pack("<i", len(value)) + value


class RawConnection:
    """One TCP connection."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.url = url
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str, local: str | None = None) -> RawConnection:
        """Connect to an opc.tcp URL; `local` is a loopback address to come from."""
        parts = urlsplit(url)
        assert parts.hostname and parts.port, url
        async with asyncio.timeout(WAIT_S):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port, local_addr=(local, 0) if local else None
            )
        return cls(url, reader, writer)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; raises EndedError when the server has gone."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(WAIT_S):
                await self._writer.drain()
        except ConnectionError:
            raise EndedError from None

    async def frame(self, wait_s: float = WAIT_S) -> Frame:
        """The next frame, ERR included; raises EndedError, TimeoutError."""
        try:
            async with asyncio.timeout(wait_s):
                head = await self._reader.readexactly(_UNPREFIXED.size)
                kind, flag, size = _UNPREFIXED.unpack(head)
                return Frame(kind, flag, head + await self._reader.readexactly(size - len(head)))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EndedError from None

    async def expect(self, wait_s: float = WAIT_S) -> Frame:
        """The next frame; raises RefusedError for ERR."""
        frame = await self.frame(wait_s)
        if frame.kind == b"ERR":
            code, length = struct.unpack_from("<Ii", frame.raw, 8)
            raise RefusedError(code, frame.raw[16 : 16 + max(length, 0)].decode())
        return frame

    async def refused(self, wait_s: float = WAIT_S) -> int:
        """The code of the ERR the server closes with, 0 when it closes without one; other frames are passed over."""
        code = 0
        while True:
            try:
                await self.expect(wait_s)
            except RefusedError as error:
                code = error.code
            except EndedError:
                return code

    async def hello(
        self,
        *,
        version: int = 0,
        receive_buffer: int = BUFFER,
        send_buffer: int = BUFFER,
        max_message: int = 0,
        max_chunks: int = 0,
        url: str | None = None,
    ) -> Ack:
        """HEL and its ACK; raises RefusedError."""
        await self.send(hello(url if url is not None else self.url, version, receive_buffer, send_buffer, max_message,
                              max_chunks))  # fmt: skip
        frame = await self.expect()
        assert frame.kind == b"ACK", frame
        return Ack(*struct.unpack("<5I", frame.raw[8:]))

    def end_of_stream(self) -> None:
        """Close our sending half."""
        self._writer.write_eof()

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close; safe to call again."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            pass


def hello(
    url: str,
    version: int = 0,
    receive_buffer: int = BUFFER,
    send_buffer: int = BUFFER,
    max_message: int = 0,
    max_chunks: int = 0,
) -> bytes:
    """A HEL message."""
    body = struct.pack("<5I", version, receive_buffer, send_buffer, max_message, max_chunks) + text(url)
    return _UNPREFIXED.pack(b"HEL", b"F", 8 + len(body)) + body


@dataclass
class RawChannel:
    """A secure channel. All fields may be changed between messages; the next message is then made from them."""

    connection: RawConnection
    ack: Ack
    policy_uri: str = NONE_URI
    mode: Mode = Mode.None_
    identity: Identity | None = None
    server_certificate: bytes = b""
    channel_id: int = 0
    token_id: int = 0
    sequence: int = 0  # of the last chunk sent
    request_id: int = 0  # of the last request sent
    handle: int = 0  # of the last typed request
    lifetime_ms: int = 0  # as revised
    server_sequence: int | None = None  # of the last chunk received
    keys: dict[int, Plain] = field(default_factory=dict)  # by token id
    _answers: dict[int, bytes] = field(default_factory=dict)
    _parts: dict[int, bytearray] = field(default_factory=dict)

    @classmethod
    async def open(
        cls,
        url: str,
        policy: Any = None,
        mode: Mode | None = None,
        identity: Identity | None = None,
        *,
        server_certificate: bytes = b"",
        lifetime_ms: int = 60_000,
        local: str | None = None,
        **hello_fields: int,
    ) -> RawChannel:
        """Connect, HEL, OPN. `policy` is an asyncua policy class; a missing server certificate is asked for first."""
        uri = policy.URI if policy is not None else NONE_URI
        if uri != NONE_URI and not server_certificate:
            server_certificate = await certificate_of(url)
        connection = await RawConnection.open(url, local)
        try:
            channel = cls(
                connection,
                await connection.hello(**hello_fields),
                uri,
                mode if mode is not None else (Mode.None_ if uri == NONE_URI else Mode.SignAndEncrypt),
                identity,
                server_certificate,
            )
            await channel.issue(lifetime_ms)
        except BaseException:
            await connection.close()
            raise
        return channel

    def opn(
        self,
        request: ua.OpenSecureChannelRequest,
        *,
        certificate: bytes | None = None,
        thumbprint: bytes | None = None,
        policy_uri: str | None = None,
        channel_id: int | None = None,
        sequence: int | None = None,
        tamper: Tamper | None = None,
    ) -> bytes:
        """An OPN frame for the next request id; what is not given is made right."""
        keys = Plain()
        if self.policy_uri != NONE_URI:
            assert self.identity is not None
            keys = Asymmetric(self.policy_uri, self.identity, self.server_certificate)
            if certificate is None:
                certificate = self.identity.der
            if thumbprint is None:
                thumbprint = hashlib.sha1(self.server_certificate).digest()
        self.request_id += 1
        head = struct.pack("<4sII", b"OPNF", 0, self.channel_id if channel_id is None else channel_id)
        head += text(policy_uri or self.policy_uri) + blob(certificate) + blob(thumbprint)
        body = struct.pack("<II", self._next(sequence), self.request_id) + struct_to_binary(request)
        return keys.secure(head, body, tamper)

    async def issue(self, lifetime_ms: int = 60_000, *, renew: bool = False, **wrong: Any) -> ua.ChannelSecurityToken:
        """Open or renew; further arguments as of `opn`. The token answered is used from then on."""
        secured = self.policy_uri != NONE_URI
        nonce = os.urandom(32) if secured else b""
        request = ua.OpenSecureChannelRequest()
        request.Parameters = ua.OpenSecureChannelParameters(
            0,
            ua.SecurityTokenRequestType.Renew if renew else ua.SecurityTokenRequestType.Issue,
            self.mode,
            nonce,
            lifetime_ms,
        )
        await self.connection.send(self.opn(request, **wrong))
        result = self.decoded(await self.receive(self.request_id)).Parameters
        token = result.SecurityToken
        if secured:
            encrypted = self.mode == Mode.SignAndEncrypt
            keys: Plain = Symmetric(self.policy_uri, nonce, result.ServerNonce, encrypted=encrypted)
        else:
            keys = Plain()
        self.channel_id, self.token_id, self.lifetime_ms = token.ChannelId, token.TokenId, token.RevisedLifetime
        self.keys[token.TokenId] = keys
        return token

    def _next(self, sequence: int | None) -> int:
        self.sequence = self.sequence + 1 if sequence is None else sequence
        return self.sequence

    def chunk(
        self,
        part: bytes,
        request_id: int,
        flag: bytes = b"F",
        kind: bytes = b"MSG",
        *,
        sequence: int | None = None,
        channel_id: int | None = None,
        token_id: int | None = None,
        tamper: Tamper | None = None,
    ) -> bytes:
        """One chunk, secured with the keys of our token whatever token id it carries."""
        head = struct.pack(
            "<3scIII",
            kind,
            flag,
            0,
            self.channel_id if channel_id is None else channel_id,
            self.token_id if token_id is None else token_id,
        )
        body = struct.pack("<II", self._next(sequence), request_id) + part
        return self.keys[self.token_id].secure(head, body, tamper)

    async def send_request(self, body: bytes, sizes: Sequence[int] | None = None, **wrong: Any) -> int:
        """Send a request, in chunks of these body sizes (the rest in a last one); returns its request id."""
        self.request_id += 1
        cuts, at = [], 0
        for size in sizes if sizes is not None else self._fitting(len(body)):
            if at + size < len(body):
                cuts.append((at, at + size))
                at += size
        frames = [self.chunk(body[first:last], self.request_id, b"C", **wrong) for first, last in cuts]
        await self.connection.send(b"".join([*frames, self.chunk(body[at:], self.request_id, **wrong)]))
        return self.request_id

    def _fitting(self, size: int) -> list[int]:
        room = self.ack.receive_buffer - 512
        return [room] * (size // room)

    async def receive(self, request_id: int | None = None, wait_s: float = WAIT_S) -> bytes:
        """The body that answers a request, whatever comes before it is kept; None: the next that is there.

        Raises RefusedError, EndedError, TimeoutError, ForgedError, OutOfOrderError.
        """
        while True:
            if request_id in self._answers:
                return self._answers.pop(request_id)
            if request_id is None and self._answers:
                return self._answers.pop(next(iter(self._answers)))
            self._take(await self.connection.expect(wait_s))

    def _take(self, frame: Frame) -> None:
        if frame.kind == b"OPN":
            at = 12
            for _ in range(3):
                (length,) = struct.unpack_from("<i", frame.raw, at)
                at += 4 + max(length, 0)
            keys: Plain = Plain()
            if self.policy_uri != NONE_URI:
                assert self.identity is not None
                keys = Asymmetric(self.policy_uri, self.identity, self.server_certificate)
        else:
            at = 16
            channel_id, token_id = struct.unpack_from("<II", frame.raw, 8)
            assert channel_id == self.channel_id, (channel_id, self.channel_id)
            keys = self.keys[token_id]
        plain = keys.open(frame.raw[:at], frame.raw[at:])
        sequence, request_id = struct.unpack_from("<II", plain)
        if self.server_sequence is not None and sequence != self.server_sequence + 1:
            raise OutOfOrderError(f"{sequence} after {self.server_sequence}")
        self.server_sequence = sequence
        if frame.flag == b"A":
            self._parts.pop(request_id, None)
            code, length = struct.unpack_from("<Ii", plain, 8)
            raise RefusedError(code, plain[16 : 16 + max(length, 0)].decode())
        self._parts.setdefault(request_id, bytearray()).extend(plain[8:])
        if frame.flag == b"F":
            self._answers[request_id] = bytes(self._parts.pop(request_id))

    async def request(self, body: bytes) -> bytes:
        """Send one request and take its answer."""
        return await self.receive(await self.send_request(body))

    async def post(self, request: Any, **wrong: Any) -> int:
        """Send a typed request without waiting; a RequestHandle of 0 is filled in. Returns the request id."""
        if not request.RequestHeader.RequestHandle:
            self.handle += 1
            request.RequestHeader.RequestHandle = self.handle
        return await self.send_request(struct_to_binary(request), **wrong)

    async def answer(self, request_id: int, wait_s: float = WAIT_S) -> Any:
        """The typed response to a request; raises ServiceFaultError for a Bad service result."""
        return self.decoded(await self.receive(request_id, wait_s))

    async def call(self, request: Any) -> Any:
        """One typed request and its response; raises ServiceFaultError."""
        return await self.answer(await self.post(request))

    @staticmethod
    def decoded(body: bytes) -> Any:
        """A response body as asyncua's type; raises ServiceFaultError for a Bad service result."""
        type_id = nodeid_from_binary(Buffer(body))
        response = struct_from_binary(ua.extension_objects_by_typeid[type_id], Buffer(body))
        code = response.ResponseHeader.ServiceResult.value
        if code & 0x80000000:
            raise ServiceFaultError(code, response)
        return response

    async def close(self) -> None:
        """CLO, then the connection."""
        try:
            self.request_id += 1
            body = struct_to_binary(ua.CloseSecureChannelRequest())
            await self.connection.send(self.chunk(body, self.request_id, kind=b"CLO"))
        except EndedError:
            pass
        await self.connection.close()

    async def __aenter__(self) -> RawChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def endpoints_of(url: str) -> list[ua.EndpointDescription]:
    """GetEndpoints over a channel of its own without security."""
    async with await RawChannel.open(url) as channel:
        request = ua.GetEndpointsRequest()
        request.Parameters.EndpointUrl = url
        return list((await channel.call(request)).Endpoints)


async def certificate_of(url: str) -> bytes:
    """The server's certificate, DER."""
    return bytes(next(e.ServerCertificate for e in await endpoints_of(url) if e.ServerCertificate))
