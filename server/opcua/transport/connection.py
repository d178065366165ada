"""One TCP connection: bytes in, messages up, answers down. The common case, many small messages at once, is short."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from asyncua import ua

from server.opcua.transport.channel import SecureChannel
from server.opcua.transport.framing import (
    CHUNK,
    CHUNK_BYTES,
    CLOSE,
    HEADER,
    HEADER_BYTES,
    HELLO,
    MESSAGE,
    MESSAGE_ABORT,
    MESSAGE_PART,
    OPEN,
    Assembler,
    Hello,
    TransportError,
    build_acknowledge,
    build_error,
    check_header,
    parse_hello,
)
from server.opcua.transport.opening import opening_of

if TYPE_CHECKING:
    from server.opcua.transport.listener import Listener

log = structlog.get_logger("fieldloom.opcua")

_S = ua.StatusCodes
_FLUSH_BYTES = 128 * 1024
"""So many bytes of answers are written before the next request of the same read is looked at."""


class Connection(asyncio.Protocol):
    """One client's socket and at most one secure channel on it."""

    def __init__(self, listener: Listener) -> None:
        self.address = ""
        self.channel: SecureChannel | None = None
        self.congested = False
        """True while the client reads more slowly than we send; its requests wait meanwhile."""
        self.send_buffer = 0
        self.hello_of_client = Hello(0, 0, 0, 0, 0, "")
        self._listener = listener
        self._limits = listener.limits
        self._receiver = listener.receiver
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._receive_limit = self._limits.buffer_bytes
        self._assembler = Assembler(listener.budget, self._limits.max_chunks)
        self._greeted = False
        self._closing = False
        self._rest = bytearray()
        self._need = 0
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._batch = False
        self._flush_due = False
        self._waiting = 0  # write buffer at the last sweep: less now means that the client reads
        # Times, monotonic seconds: made, first byte of `_rest`, congested since, close begun, last message seen.
        self.made_at = listener.clock.monotonic()
        self._rest_since: float | None = None
        self._congested_since = 0.0
        self._closing_since = 0.0
        self._active_at = self.made_at
        self._active_number = -1

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, or refuse it when the listener has enough."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        transport.set_write_buffer_limits(high=self._limits.congestion_bytes)
        refusal = self._listener.admit(self)
        if refusal:
            self.end(_S.BadTcpServerTooBusy, refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: free all."""
        self._transport = None
        self._closing = True
        self._out.clear()
        self._rest.clear()
        self._assembler.clear()
        self._close_channel()
        self._listener.forget(self)

    def pause_writing(self) -> None:
        """The client is slow: no more of its requests are read."""
        self.congested = True
        self._congested_since = self._listener.clock.monotonic()
        self._waiting = 0
        if self._transport is not None and not self._closing:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up: go on with what it sent meanwhile."""
        self.congested = False
        if self._transport is None or self._closing:
            return
        self._transport.resume_reading()
        if self._rest:
            self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        """Take what came; answers made meanwhile leave in one write."""
        if self._closing:
            return
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest = bytearray()
        self._batch = True
        try:
            used = self._consume(data)
        except TransportError as error:
            self._batch = False
            self._refuse(error)
            return
        finally:
            self._batch = False
        if self._out:
            self._flush()
        if used < len(data) and not self._closing:
            if used or self._rest_since is None:
                self._rest_since = self._listener.clock.monotonic()
            self._rest = bytearray(data[used:])
        else:
            self._rest_since = None

    # -- in

    def _consume(self, data: bytes) -> int:
        """Handle the whole chunks of `data`; how many bytes that were."""
        position, end = 0, len(data)
        limit, parts, channel = self._receive_limit, self._assembler.parts, self.channel
        message = self._receiver.message
        while end - position >= HEADER_BYTES:
            if end - position < CHUNK_BYTES:
                kind, size = HEADER.unpack_from(data, position)
                check_header(kind, size, limit)
                self._need = size
                return position
            kind, size, channel_id, token_id, sequence, request_id = CHUNK.unpack_from(data, position)
            stop: int = position + size
            if kind != MESSAGE or not CHUNK_BYTES <= size <= limit:
                check_header(kind, size, limit)
            if stop > end:
                self._need = size
                return position
            if kind == MESSAGE and channel is not None and channel.plain and not parts:
                if channel_id != channel.channel_id:
                    raise TransportError(_S.BadTcpSecureChannelUnknown, "unknown secure channel")
                if token_id != channel.token_id:
                    channel.use_token(token_id)
                if sequence == channel.received + 1:
                    channel.received = sequence
                else:
                    channel.check_sequence(sequence)
                message(channel, request_id, data[position + CHUNK_BYTES : stop])
            else:
                self._other(kind, data, position, stop, channel_id, token_id)
                channel, limit = self.channel, self._receive_limit
            position = stop
            if self._closing:
                return end
            if self._out_bytes > _FLUSH_BYTES:
                self._flush()
            if self.congested:
                self._need = 0
                return position
        self._need = HEADER_BYTES
        return position

    def _other(self, kind: int, data: bytes, start: int, stop: int, channel_id: int, token_id: int) -> None:
        """Any chunk but a whole message without security."""
        if kind == HELLO:
            self._hello(data, start, stop)
            return
        if not self._greeted:
            raise TransportError(_S.BadTcpMessageTypeInvalid, "HEL must come first")
        if kind == OPEN:
            self._open(data, start, stop)
            return
        channel = self.channel
        if channel is None:
            raise TransportError(_S.BadTcpSecureChannelUnknown, "no secure channel is open")
        request_id, body = channel.open_chunk(data, start, stop, channel_id, token_id)
        if kind == CLOSE:
            self.end()
        elif kind == MESSAGE_ABORT:
            self._assembler.drop(request_id)
        else:
            limit = self._limits.max_message_bytes if channel.activated else self._limits.pending_bytes_unactivated
            if kind == MESSAGE_PART:
                now = self._listener.clock.monotonic()
                self._assembler.add(request_id, body, now, limit, trusted=channel.activated)
            else:
                self._receiver.message(channel, request_id, self._assembler.finish(request_id, body, limit))

    def _hello(self, data: bytes, start: int, stop: int) -> None:
        if self._greeted:
            raise TransportError(_S.BadTcpMessageTypeInvalid, "a second HEL")
        hello = parse_hello(data, start, stop)
        self._greeted = True
        self.hello_of_client = hello
        self.send_buffer = min(hello.receive_buffer, self._limits.buffer_bytes)
        self._receive_limit = min(hello.send_buffer, self._limits.buffer_bytes)
        limits = self._limits
        self.put(
            build_acknowledge(self._receive_limit, self.send_buffer, limits.max_message_bytes, limits.max_chunks), b""
        )

    def _open(self, data: bytes, start: int, stop: int) -> None:
        opening = opening_of(data, start, stop, self._limits)
        renewed = self.channel is not None
        try:
            channel, answer = self._listener.opener.open(self, opening, data, start, stop)
        except TransportError as error:
            self._receiver.channel_refused(
                self.address,
                error.audit_code,
                error.audit_reason,
                opening.certificate or None,
                opening.policy_uri,
            )
            error.audited = True
            raise
        self.channel = channel
        self.put(answer, b"")
        self._receiver.channel_opened(channel, renewed)

    # -- out

    def put(self, head: bytes, body: bytes) -> None:
        """Queue bytes; they leave together with what else is said in this turn of the loop."""
        self._out.append(head)
        if body:
            self._out.append(body)
        self._out_bytes += len(head) + len(body)
        if not self._batch and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush_later)

    def _flush_later(self) -> None:
        self._flush_due = False
        self._flush()

    def _flush(self) -> None:
        out, transport = self._out, self._transport
        if not out or transport is None:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._out_bytes = 0
        transport.write(data)
        if self.congested and transport.get_write_buffer_size() > self._limits.write_buffer_bytes:
            log.warning("slow_client_ended", address=self.address, waiting=transport.get_write_buffer_size())
            self.abort()

    # -- end

    def _refuse(self, error: TransportError) -> None:
        channel = self.channel
        code = ua.StatusCode(error.audit_code).name
        log.info("connection_refused", address=self.address, code=code, reason=error.audit_reason)
        if channel is not None and channel.opened and channel.secured and not error.audited:
            self._receiver.channel_refused(
                self.address, error.audit_code, error.audit_reason, channel.peer_certificate, channel.policy_uri
            )
        self.end(error.code, error.reason)

    def end(self, code: int = 0, reason: str = "", *, linger: bool = True) -> None:
        """Close after what was said before; with a code, after an ERR message too (OPC 10000-6 7.1.5).

        With `linger` the peer's remaining bytes are read and dropped until it closes too or `closing_s` is over: a
        socket closed over unread bytes is reset, and the peer may never see the ERR.
        """
        self._flush()
        transport = self._transport
        if self._closing or transport is None:
            return
        self._closing = True
        self._closing_since = self._listener.clock.monotonic()
        self._assembler.clear()
        self._rest.clear()
        if code:
            transport.write(build_error(code, reason))
        if code and linger:
            transport.resume_reading()
            transport.write_eof()
        else:
            transport.close()
        self._close_channel()

    def abort(self) -> None:
        """Cut the connection; what was not sent is lost."""
        self._closing = True
        self._closing_since = self._listener.clock.monotonic()
        if self._transport is not None:
            self._transport.abort()
        self._close_channel()

    def _close_channel(self) -> None:
        channel = self.channel
        if channel is not None and channel.opened:
            channel.opened = False
            self._receiver.channel_closed(channel)

    # -- time

    @property
    def evictable(self) -> bool:
        """True without an activated session: such a connection makes room for others (OPC 10000-4 5.6.2)."""
        return not self._closing and (self.channel is None or not self.channel.activated)

    @property
    def closing(self) -> bool:
        """True once the end has begun."""
        return self._closing

    def sweep(self, now: float, *, crowded: bool) -> None:
        """End the connection if one of its times is up."""
        limits, channel = self._limits, self.channel
        if self._closing:
            if now - self._closing_since > limits.closing_s:
                self.abort()
            return
        if channel is None:
            if now - self.made_at > limits.handshake_s:
                self.end(_S.BadTimeout, "no secure channel was opened in time")
            return
        if channel.expired(now):
            self.end(_S.BadSecureChannelClosed, "the security token was not renewed")
            return
        if self.congested and self._transport is not None:
            waiting = self._transport.get_write_buffer_size()
            if waiting < self._waiting:
                self._congested_since = now
            self._waiting = waiting
            if now - self._congested_since > limits.stalled_s:
                log.warning("stalled_client_ended", address=self.address)
                self.abort()
            return
        if any(t is not None and now - t > limits.assembly_s for t in (self._rest_since, self._assembler.oldest())):
            self.end(_S.BadTimeout, "a message was not finished in time")
            return
        if channel.received != self._active_number:
            self._active_number = channel.received
            self._active_at = now
        if not channel.activated and (
            now - self._active_at > limits.idle_channel_s or (crowded and now - self.made_at > limits.activation_s)
        ):
            self.end(_S.BadSecureChannelClosed, "no session was activated in time")
