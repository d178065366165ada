"""Bytes to chunks and chunks to messages (OPC 10000-6 6.7.2, 7.1); no I/O, no cryptography."""

from __future__ import annotations

import struct
from typing import NamedTuple

from asyncua import ua

from server.opcua.transport.limits import MIN_BUFFER_BYTES

_S = ua.StatusCodes

URL_LIMIT = 4096
POLICY_URI_LIMIT = 255
HEADER_BYTES = 8
CHUNK_BYTES = 24
"""MSG without security: message header, channel id, token id, sequence number, request id."""
CHUNK_COST = 128
"""What a kept chunk costs beside its bytes; empty chunks are not free."""


def _kind(text: bytes) -> int:
    return int.from_bytes(text, "little")


HELLO = _kind(b"HELF")
ACKNOWLEDGE = _kind(b"ACKF")
ERROR = _kind(b"ERRF")
OPEN = _kind(b"OPNF")
CLOSE = _kind(b"CLOF")
MESSAGE = _kind(b"MSGF")
MESSAGE_PART = _kind(b"MSGC")
MESSAGE_ABORT = _kind(b"MSGA")
KINDS = frozenset((HELLO, OPEN, CLOSE, MESSAGE, MESSAGE_PART, MESSAGE_ABORT))
"""Message type and chunk type, as one integer, that a client may send."""

HEADER = struct.Struct("<II")
CHUNK = struct.Struct("<IIIIII")
_HELLO = struct.Struct("<5I")
_ACKNOWLEDGE = struct.Struct("<7I")
_UINT32 = struct.Struct("<I")
_INT32 = struct.Struct("<i")

LAST_BEFORE_WRAP = 4_294_966_271
"""A sequence number may wrap once it has passed this one (OPC 10000-6 6.7.2.4)."""
FIRST_AFTER_WRAP = 1024
"""The number after a wrap is below this one."""


class TransportError(Exception):
    """The connection must end with an ERR message.

    `code` and `reason` go out; `audit_code` and `audit_reason` say what was really wrong, for us alone.
    """

    def __init__(self, code: int, reason: str, *, audit_code: int = 0, audit_reason: str = "") -> None:
        super().__init__(audit_reason or reason)
        self.code = code
        self.reason = reason
        self.audit_code = audit_code or code
        self.audit_reason = audit_reason or reason
        self.audited = False


def security_error(reason: str, audit_code: int = 0) -> TransportError:
    """BadSecurityChecksFailed: all causes look alike from outside (OPC 10000-4 6.1.3, 10000-6 6.7.6)."""
    return TransportError(
        _S.BadSecurityChecksFailed, "security checks failed", audit_code=audit_code, audit_reason=reason
    )


class ResponseTooLargeError(Exception):
    """A response exceeds what the client takes; nothing was sent (OPC 10000-6 7.1.2.3)."""


class Hello(NamedTuple):
    """The first message of a client (OPC 10000-6 7.1.2.3)."""

    version: int
    receive_buffer: int
    send_buffer: int
    max_message: int
    max_chunks: int
    endpoint_url: str


class Opening(NamedTuple):
    """The part of an OPN that is in the clear (OPC 10000-6 6.7.2.3); `start` is where the rest begins."""

    channel_id: int
    policy_uri: str
    certificate: bytes
    thumbprint: bytes
    start: int


def check_header(kind: int, size: int, limit: int) -> None:
    """Refuse a chunk by its header alone.

    Raises:
        TransportError: unknown type, or a size that no chunk may have.
    """
    if kind not in KINDS:
        raise TransportError(_S.BadTcpMessageTypeInvalid, "unknown message type")
    if size > limit:
        raise TransportError(_S.BadTcpMessageTooLarge, f"a chunk may have {limit} bytes")
    if size < (HEADER_BYTES + _HELLO.size if kind == HELLO else CHUNK_BYTES):
        raise TransportError(_S.BadTcpMessageTypeInvalid, "the chunk is shorter than its headers")


def parse_hello(data: bytes, start: int, stop: int) -> Hello:
    """The fields of a HEL whose bytes are data[start:stop].

    Raises:
        TransportError: the URL is too long or the message does not hold what it says.
    """
    version, receive, send, message, chunks = _HELLO.unpack_from(data, start + HEADER_BYTES)
    url, end = _bytes(data, start + HEADER_BYTES + _HELLO.size, stop, URL_LIMIT, _S.BadTcpEndpointUrlInvalid)
    if end != stop:
        raise TransportError(_S.BadTcpEndpointUrlInvalid, "bytes after the endpoint URL")
    try:
        text = url.decode()
    except UnicodeDecodeError:
        raise TransportError(_S.BadTcpEndpointUrlInvalid, "the endpoint URL is not UTF-8") from None
    if min(receive, send) < MIN_BUFFER_BYTES:
        raise TransportError(_S.BadTcpNotEnoughResources, f"buffers need at least {MIN_BUFFER_BYTES} bytes")
    return Hello(version, receive, send, message, chunks, text)


def build_acknowledge(receive_buffer: int, send_buffer: int, max_message: int, max_chunks: int) -> bytes:
    """An ACK, protocol version 0 (OPC 10000-6 7.1.2.4)."""
    return _ACKNOWLEDGE.pack(ACKNOWLEDGE, _ACKNOWLEDGE.size, 0, receive_buffer, send_buffer, max_message, max_chunks)


def build_error(code: int, reason: str) -> bytes:
    """An ERR (OPC 10000-6 7.1.2.5)."""
    text = reason.encode()[:URL_LIMIT]
    return HEADER.pack(ERROR, 16 + len(text)) + HEADER.pack(code, len(text)) + text


def parse_opening(data: bytes, start: int, stop: int, certificate_limit: int) -> Opening:
    """The headers of an OPN whose bytes are data[start:stop].

    Raises:
        TransportError: a field is longer than allowed or than the chunk.
    """
    (channel_id,) = _UINT32.unpack_from(data, start + HEADER_BYTES)
    code = _S.BadSecurityChecksFailed
    uri, position = _bytes(data, start + HEADER_BYTES + 4, stop, POLICY_URI_LIMIT, code)
    certificate, position = _bytes(data, position, stop, certificate_limit, code)
    thumbprint, position = _bytes(data, position, stop, 64, code)
    return Opening(channel_id, uri.decode(errors="backslashreplace"), certificate, thumbprint, position)


def _bytes(data: bytes, position: int, stop: int, limit: int, code: int) -> tuple[bytes, int]:
    """A String or ByteString as bytes (null is empty), and where the next field begins."""
    if position + 4 > stop:
        raise TransportError(code, "the message is cut off")
    (size,) = _INT32.unpack_from(data, position)
    position += 4
    if size < 0:
        return b"", position
    if size > limit or position + size > stop:
        raise TransportError(code, "a field is longer than allowed or than its message")
    return data[position : position + size], position + size


def next_sequence(last: int) -> int:
    """The number of the chunk after the one numbered `last`."""
    return last + 1 if last <= LAST_BEFORE_WRAP else 1


def follows(last: int, sequence: int) -> bool:
    """True when a peer may number the chunk after `last` so."""
    return sequence == last + 1 or (last >= LAST_BEFORE_WRAP and sequence < FIRST_AFTER_WRAP)


class ByteBudget:
    """One count of bytes that many connections share; those that are not yet trusted share half of it."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0

    def take(self, count: int, *, trusted: bool) -> bool:
        """Count so many bytes; False, and nothing counted, when they are not there."""
        if self.used + count > (self.total if trusted else self.total // 2):
            return False
        self.used += count
        return True

    def give(self, count: int) -> None:
        """Bytes that were taken are free again."""
        self.used -= count


class Assembler:
    """The unfinished messages of one connection, by request id (OPC 10000-6 6.7.3)."""

    __slots__ = ("_budget", "_cost", "_max_chunks", "held", "parts")

    def __init__(self, budget: ByteBudget, max_chunks: int) -> None:
        self._budget = budget
        self._max_chunks = max_chunks
        self._cost: dict[int, int] = {}
        self.held = 0
        self.parts: dict[int, tuple[float, list[bytes]]] = {}
        """Request id -> when its first chunk came, and the chunks."""

    def add(self, request_id: int, chunk: bytes, now: float, limit: int, *, trusted: bool) -> None:
        """Keep a chunk that others follow; `limit` holds for all unfinished messages together.

        Raises:
            TransportError: too many bytes or chunks.
        """
        _since, chunks = self.parts.setdefault(request_id, (now, []))
        if len(chunks) + 1 >= self._max_chunks or self.held + len(chunk) > limit:
            raise TransportError(_S.BadTcpMessageTooLarge, "the message has too many bytes or chunks")
        cost = len(chunk) + CHUNK_COST
        if not self._budget.take(cost, trusted=trusted):
            raise TransportError(_S.BadTcpNotEnoughResources, "too many unfinished messages")
        self._cost[request_id] = self._cost.get(request_id, 0) + cost
        self.held += len(chunk)
        chunks.append(chunk)

    def finish(self, request_id: int, chunk: bytes, limit: int) -> bytes:
        """The whole message that ends with this chunk.

        Raises:
            TransportError: it has too many bytes.
        """
        if request_id not in self.parts:
            return chunk
        if self.held + len(chunk) > limit:
            raise TransportError(_S.BadTcpMessageTooLarge, "the message has too many bytes")
        _since, chunks = self.parts[request_id]
        chunks.append(chunk)
        body = b"".join(chunks)
        self.held += len(chunk)
        self.drop(request_id)
        return body

    def drop(self, request_id: int) -> None:
        """Forget a message; an unknown one is none of our business."""
        if request_id in self.parts:
            self.held -= sum(map(len, self.parts.pop(request_id)[1]))
            self._budget.give(self._cost.pop(request_id, 0))

    def clear(self) -> None:
        """Forget all; their bytes are free again."""
        for request_id in list(self.parts):
            self.drop(request_id)

    def oldest(self) -> float | None:
        """When the oldest unfinished message began; None when there is none."""
        return min((since for since, _chunks in self.parts.values()), default=None)
