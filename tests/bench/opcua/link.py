"""A blocking OPC UA client connection: frames, channel and session, with as little work per message as Python allows.

Messages that are set up once go through asyncua's codec; what is measured is packed and unpacked here.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary, struct_from_binary, struct_to_binary
from cryptography.hazmat.primitives import serialization

from tests.bench.opcua.bodies import EPOCH_TICKS, LOAD_URI, Bodies
from tests.kit.raw_keys import NONE_URI, Asymmetric, Plain, Symmetric, sign_as

CLIENT_URI = "urn:test:client"
SECURE_URI = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"
WAIT_S = 60.0
BUFFER = 65_535
RECEIVE = 1 << 20
_FRAME = struct.Struct("<4sIIIII")
_SIZE = struct.Struct("<I")


class BrokenError(Exception):
    """The server answered what it should not, or not at all."""


@dataclass
class Pair:
    """The client's certificate and key."""

    der: bytes
    key: Any

    @classmethod
    def load(cls, certificate: str, key: str) -> Pair:
        """From a DER certificate and a PEM key file."""
        return cls(
            Path(certificate).read_bytes(), serialization.load_pem_private_key(Path(key).read_bytes(), password=None)
        )


def ticks() -> int:
    """Now as OPC UA counts it: 100 ns since 1601."""
    return time.time_ns() // 100 + EPOCH_TICKS


class Link:
    """One connection with its channel and session; `token` is the encoded authentication token."""

    def __init__(self, url: str, pair: Pair | None = None, server_certificate: bytes = b"") -> None:
        self.url = url
        self.pair = pair
        self.uri = SECURE_URI if pair else NONE_URI
        self.mode = ua.MessageSecurityMode.SignAndEncrypt if pair else ua.MessageSecurityMode.None_
        self.server_certificate = server_certificate
        self.channel_id = self.token_id = self.sequence = self.request_id = 0
        self.keys: Plain = Plain()
        self.token = b"\x00\x00"
        self._rest = b""
        self._leaving = 0  # request id of CloseSession
        self._parts: dict[int, bytearray] = {}
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self.socket = socket.create_connection((parts.hostname, parts.port), WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._hello()
            self._open()
        except BaseException:
            self.socket.close()
            raise

    def _hello(self) -> None:
        name = self.url.encode()
        body = struct.pack("<5Ii", 0, BUFFER, BUFFER, 0, 0, len(name)) + name
        self.socket.sendall(struct.pack("<4sI", b"HELF", 8 + len(body)) + body)
        if self._frame()[:4] != b"ACKF":
            raise BrokenError("no ACK")

    def _frame(self) -> bytes:
        while True:
            if len(self._rest) >= 8:
                (size,) = _SIZE.unpack_from(self._rest, 4)
                if len(self._rest) >= size:
                    frame, self._rest = self._rest[:size], self._rest[size:]
                    if frame[:3] == b"ERR":
                        raise BrokenError(f"ERR 0x{_SIZE.unpack_from(frame, 8)[0]:08x}")
                    return frame
            data = self.socket.recv(RECEIVE)
            if not data:
                raise BrokenError("the server closed the connection")
            self._rest += data

    def _open(self) -> None:
        secured = self.pair is not None
        nonce = os.urandom(32) if secured else b""
        request = ua.OpenSecureChannelRequest()
        request.Parameters = ua.OpenSecureChannelParameters(
            0, ua.SecurityTokenRequestType.Issue, self.mode, nonce, 3_600_000
        )
        keys: Plain = Plain()
        certificate = thumbprint = b"\xff\xff\xff\xff"
        if self.pair is not None:
            keys = Asymmetric(self.uri, self.pair, self.server_certificate)
            certificate = struct.pack("<i", len(self.pair.der)) + self.pair.der
            thumbprint = struct.pack("<i", 20) + hashlib.sha1(self.server_certificate).digest()
        uri = self.uri.encode()
        head = struct.pack("<4sIIi", b"OPNF", 0, 0, len(uri)) + uri + certificate + thumbprint
        self.sequence += 1
        self.request_id += 1
        body = struct.pack("<II", self.sequence, self.request_id) + struct_to_binary(request)
        self.socket.sendall(keys.secure(head, body))
        frame = self._frame()
        at = 12
        for _ in range(3):
            (length,) = struct.unpack_from("<i", frame, at)
            at += 4 + max(length, 0)
        result = _decoded(keys.open(frame[:at], frame[at:])[8:]).Parameters
        self.channel_id, self.token_id = result.SecurityToken.ChannelId, result.SecurityToken.TokenId
        if secured:
            self.keys = Symmetric(self.uri, nonce, result.ServerNonce, encrypted=True)

    def frame(self, body: bytes | bytearray, kind: bytes = b"MSGF") -> bytes:
        """A request with the next sequence number and request id."""
        self.sequence += 1
        self.request_id += 1
        if self.pair is None:
            return _FRAME.pack(
                kind, 24 + len(body), self.channel_id, self.token_id, self.sequence, self.request_id
            ) + body  # fmt: skip
        head = struct.pack("<4sIII", kind, 0, self.channel_id, self.token_id)
        return self.keys.secure(head, struct.pack("<II", self.sequence, self.request_id) + body)

    def arrived(self) -> Iterator[bytes]:
        """The whole chunks of one receive; raises BrokenError when the server closed or sent ERR."""
        data = self.socket.recv(RECEIVE)
        if not data:
            raise BrokenError("the server closed the connection")
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= 8:
            (size,) = _SIZE.unpack_from(data, at + 4)
            if end - at < size:
                break
            if data[at : at + 3] == b"ERR":
                raise BrokenError(f"ERR 0x{_SIZE.unpack_from(data, at + 8)[0]:08x}")
            yield data[at : at + size]
            at += size
        self._rest = data[at:]

    def message(self, chunk: bytes) -> tuple[int, bytes] | None:
        """Request id and body when the chunk ends a message."""
        plain = chunk[16:] if self.pair is None else self.keys.open(chunk[:16], chunk[16:])
        (request_id,) = _SIZE.unpack_from(plain, 4)
        flag = chunk[3:4]
        if flag == b"F" and request_id not in self._parts:
            return request_id, plain[8:]
        self._parts.setdefault(request_id, bytearray()).extend(plain[8:])
        if flag == b"C":
            return None
        if flag == b"A":
            raise BrokenError("the server gave a message up")
        return request_id, bytes(self._parts.pop(request_id))

    def request(self, body: bytes | bytearray) -> bytes:
        """One request and its answer, with nothing else under way."""
        self.socket.sendall(self.frame(body))
        while True:
            found = self.message(self._frame())
            if found is not None:
                return found[1]

    def one(self, bodies: Bodies) -> Any:
        """One request of this kind, its answer decoded; raises BrokenError unless the service result is Good."""
        return _decoded(self.request(bodies.next(ticks(), 1)))

    def call(self, request: Any) -> Any:
        """One typed request and its response."""
        request.RequestHeader.AuthenticationToken = nodeid_from_binary(Buffer(self.token))
        return _decoded(self.request(struct_to_binary(request)))

    def session(self) -> None:
        """CreateSession and ActivateSession, anonymous."""
        nonce = os.urandom(32)
        create = ua.CreateSessionRequest()
        create.Parameters = ua.CreateSessionParameters(
            ua.ApplicationDescription(
                ApplicationUri=CLIENT_URI,
                ApplicationName=ua.LocalizedText("bench"),
                ApplicationType=ua.ApplicationType.Client,
            ),
            None,
            self.url,
            "bench",
            nonce,
            self.pair.der if self.pair else None,
            600_000.0,
            0,
        )
        created = self.call(create).Parameters
        self.token = nodeid_to_binary(created.AuthenticationToken)
        activate = ua.ActivateSessionRequest()
        for endpoint in created.ServerEndpoints:
            if endpoint.SecurityPolicyUri == self.uri and endpoint.SecurityMode == self.mode:
                for offered in endpoint.UserIdentityTokens:
                    if offered.TokenType == ua.UserTokenType.Anonymous:
                        activate.Parameters.UserIdentityToken = ua.AnonymousIdentityToken(offered.PolicyId)
        if self.pair is not None:
            activate.Parameters.ClientSignature = sign_as(
                self.pair, self.uri, self.server_certificate + created.ServerNonce
            )
        self.call(activate)

    def index(self) -> int:
        """Index of the load nodes' namespace."""
        request = ua.ReadRequest()
        request.Parameters.NodesToRead = [
            ua.ReadValueId(ua.NodeId(ua.ObjectIds.Server_NamespaceArray), ua.AttributeIds.Value)
        ]
        return int(self.call(request).Results[0].Value.Value.index(LOAD_URI))

    def leave(self) -> None:
        """Send CloseSession, which ends the subscriptions too; `close` takes its answer."""
        request = ua.CloseSessionRequest()
        request.RequestHeader.AuthenticationToken = nodeid_from_binary(Buffer(self.token))
        request.DeleteSubscriptions = True
        self.socket.sendall(self.frame(struct_to_binary(request)))
        self._leaving = self.request_id

    def close(self) -> None:
        """CloseSession if there is a session, CLO, the connection; answers still on their way are dropped."""
        try:
            if self.token != b"\x00\x00":
                if not self._leaving:
                    self.leave()
                while True:
                    found = self.message(self._frame())
                    if found is not None and found[0] == self._leaving:
                        break
            self.socket.sendall(self.frame(struct_to_binary(ua.CloseSecureChannelRequest()), b"CLOF"))
        finally:
            self.socket.close()


def _decoded(body: bytes) -> Any:
    response = struct_from_binary(ua.extension_objects_by_typeid[nodeid_from_binary(Buffer(body))], Buffer(body))
    result = response.ResponseHeader.ServiceResult
    if result.value:
        raise BrokenError(f"{type(response).__name__} {result.name}")
    return response


def certificate_of(url: str) -> bytes:
    """The server's certificate from GetEndpoints."""
    link = Link(url)
    try:
        request = ua.GetEndpointsRequest()
        request.Parameters.EndpointUrl = url
        return bytes(next(e.ServerCertificate for e in link.call(request).Endpoints if e.ServerCertificate))
    finally:
        link.close()
