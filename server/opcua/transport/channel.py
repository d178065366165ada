"""One secure channel: tokens, sequence numbers, and messages out (OPC 10000-4 5.6, 10000-6 6.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from asyncua import ua

from server.opcua.transport.framing import (
    CHUNK,
    CHUNK_BYTES,
    HEADER,
    LAST_BEFORE_WRAP,
    MESSAGE,
    MESSAGE_PART,
    Hello,
    ResponseTooLargeError,
    TransportError,
    follows,
    next_sequence,
)
from server.opcua.transport.limits import MIN_BUFFER_BYTES
from server.opcua.transport.security import CLEAR_BYTES, POLICY_NONE, AsymmetricKeys, SymmetricKeys

if TYPE_CHECKING:
    from server.opcua.transport.connection import Connection

_S = ua.StatusCodes

TOKENS_LIMIT = 4
"""Tokens kept at once: the one in use and renewals that the client has not used yet."""
OVERLAP = 1.25
"""A token is taken until a quarter of its lifetime after its end (OPC 10000-4 5.6.2)."""
_NO_LIMIT = 1 << 62


class Token(NamedTuple):
    """One security token; `keys` is None without security, `expires` counts the clock's monotonic seconds."""

    token_id: int
    keys: SymmetricKeys | None
    expires: float


class SecureChannel:
    """What the layer above sees of a client's channel."""

    __slots__ = (
        "_chunk_body",
        "_keys",
        "_max_chunks",
        "_next_token_id",
        "_send_buffer",
        "_sent",
        "_single_body",
        "_tokens",
        "activated",
        "address",
        "channel_id",
        "client_nonce",
        "connection",
        "keys",
        "lifetime_ms",
        "max_response_bytes",
        "mode",
        "opened",
        "own_certificate",
        "peer_certificate",
        "peer_chain",
        "plain",
        "policy_uri",
        "received",
        "token_id",
    )

    def __init__(
        self,
        connection: Connection,
        channel_id: int,
        policy_uri: str,
        mode: int,
        keys: AsymmetricKeys | None,
        own_certificate: bytes,
        peer_certificate: bytes | None,
        peer_chain: bytes | None,
        hello: Hello,
        received: int,
    ) -> None:
        self.connection = connection
        self.channel_id = channel_id
        self.policy_uri = policy_uri
        self.mode = mode
        """1 None, 2 Sign, 3 SignAndEncrypt."""
        self.keys = keys
        """None without security."""
        self.own_certificate = own_certificate
        """Our certificate, DER."""
        self.peer_certificate = peer_certificate
        """The client's leaf certificate, DER; None without security."""
        self.peer_chain = peer_chain
        """SenderCertificate as it came: the leaf and its issuers."""
        self.address = connection.address
        self.opened = True
        """False as soon as the channel is closed; what is sent then goes nowhere."""
        self.activated = False
        """Set by the layer above while a session is activated on this channel: other time-outs and limits hold then."""
        self.lifetime_ms = 0
        """Of the newest token."""
        self.max_response_bytes = max(hello.max_message, MIN_BUFFER_BYTES) if hello.max_message else 0
        """MaxMessageSize of the client's HEL, one smallest chunk at least, so that a ServiceFault fits; 0: none."""
        self.client_nonce = b""
        """Of the newest token."""
        self.plain = keys is None
        self.received = received
        """Sequence number of the last chunk that came."""
        self.token_id = 0
        """The token in use: the newest that the client has used."""
        self._tokens: list[Token] = []
        self._keys: SymmetricKeys | None = None
        self._next_token_id = 1
        self._sent = 0
        self._send_buffer = connection.send_buffer
        self._max_chunks = hello.max_chunks or _NO_LIMIT
        self._chunk_body = 0
        self._single_body = 0

    # -- for the layer above

    @property
    def secured(self) -> bool:
        """True with a policy other than None."""
        return self.policy_uri != POLICY_NONE

    @property
    def congested(self) -> bool:
        """True while the client reads more slowly than we send."""
        return self.connection.congested

    @property
    def signature_uri(self) -> str:
        """Algorithm of `sign_with_own_key`; "" without security."""
        return self.keys.policy.signature_uri if self.keys else ""

    def sign_with_own_key(self, data: bytes) -> bytes:
        """Our signature under the channel's policy, see `signature_uri`; b"" without security."""
        return self.keys.sign(data) if self.keys else b""

    def verify_with_peer_key(self, data: bytes, signature: bytes) -> bool:
        """True when the client's key signed `data`; without security there is nothing to verify."""
        return self.keys.verify(data, signature) if self.keys else True

    def send(self, request_id: int, body: bytes) -> None:
        """Queue one message for the client.

        Raises:
            ResponseTooLargeError: the client takes no message of this size; nothing was sent.
        """
        size = len(body)
        if size > self._single_body:
            self._send_parts(request_id, body)
            return
        if not self.opened:
            return
        sequence = self._sent
        sequence = self._sent = sequence + 1 if sequence <= LAST_BEFORE_WRAP else 1
        keys = self._keys
        if keys is None:
            head = CHUNK.pack(MESSAGE, CHUNK_BYTES + size, self.channel_id, self.token_id, sequence, request_id)
            self.connection.put(head, body)
        else:
            self.connection.put(keys.seal(self.channel_id, self.token_id, sequence, request_id, body), b"")

    def close(self, code: int = 0, reason: str = "") -> None:
        """End the channel and its connection, with an ERR message when a code is given."""
        self.connection.end(code, reason)

    def _send_parts(self, request_id: int, body: bytes) -> None:
        size, room = len(body), self._chunk_body
        if 0 < self.max_response_bytes < size:
            raise ResponseTooLargeError(f"{size} bytes; the client takes {self.max_response_bytes}")
        count = -(-size // room)
        if count > self._max_chunks:
            raise ResponseTooLargeError(f"{count} chunks; the client takes {self._max_chunks}")
        if not self.opened:
            return
        keys, channel_id, token_id = self._keys, self.channel_id, self.token_id
        for start in range(0, size, room):
            part = body[start : start + room]
            kind = MESSAGE_PART if start + room < size else MESSAGE
            sequence = self.take_sequence()
            if keys is None:
                head = CHUNK.pack(kind, CHUNK_BYTES + len(part), channel_id, token_id, sequence, request_id)
                self.connection.put(head, part)
            else:
                self.connection.put(keys.seal(channel_id, token_id, sequence, request_id, part, kind), b"")

    # -- for the connection

    def take_sequence(self) -> int:
        """The number of the next chunk we send."""
        self._sent = next_sequence(self._sent)
        return self._sent

    def issue(self, keys: SymmetricKeys | None, lifetime_ms: int, client_nonce: bytes, now: float) -> int:
        """A new token; the one in use stays until the client uses the new one."""
        token = Token(self._next_token_id, keys, now + lifetime_ms / 1000 * OVERLAP)
        self._next_token_id += 1
        self.lifetime_ms = lifetime_ms
        self.client_nonce = client_nonce
        self._tokens.append(token)
        if len(self._tokens) > TOKENS_LIMIT:
            del self._tokens[0]
        if len(self._tokens) == 1 or self.token_id != self._tokens[0].token_id:
            self._use(0)
        return token.token_id

    def _use(self, index: int) -> None:
        del self._tokens[:index]
        self.token_id, self._keys, _expires = self._tokens[0]
        room = self._send_buffer - CHUNK_BYTES if self._keys is None else self._keys.body_limit(self._send_buffer)
        self._chunk_body = room
        self._single_body = min(room, self.max_response_bytes or room)

    def use_token(self, token_id: int) -> None:
        """The client has used this token: older ones end now (OPC 10000-6 6.7.2.4).

        Raises:
            TransportError: it is none of the channel's.
        """
        self._use(self._index(token_id))

    def _index(self, token_id: int) -> int:
        for index, token in enumerate(self._tokens):
            if token.token_id == token_id:
                return index
        raise TransportError(_S.BadSecureChannelTokenUnknown, "unknown security token")

    def check_sequence(self, sequence: int) -> None:
        """Take the number of a chunk that came.

        Raises:
            TransportError: a repeat or a jump.
        """
        if not follows(self.received, sequence):
            raise TransportError(
                _S.BadSequenceNumberInvalid,
                "wrong sequence number",
                audit_reason=f"sequence number {sequence} after {self.received}",
            )
        self.received = sequence

    def open_chunk(self, data: bytes, start: int, stop: int, channel_id: int, token_id: int) -> tuple[int, bytes]:
        """Request id and body of a MSG or CLO chunk.

        Raises:
            TransportError: it is not of this channel, its token, or its sequence.
        """
        if channel_id != self.channel_id:
            raise TransportError(_S.BadTcpSecureChannelUnknown, "unknown secure channel")
        if token_id == self.token_id:
            keys = self._keys
            content = keys.open(data, start, stop) if keys else data[start + CLEAR_BYTES : stop]
        else:
            index = self._index(token_id)
            keys = self._tokens[index].keys
            content = keys.open(data, start, stop) if keys else data[start + CLEAR_BYTES : stop]
            self._use(index)
        sequence, request_id = HEADER.unpack_from(content)
        self.check_sequence(sequence)
        return request_id, content[8:]

    def expired(self, now: float) -> bool:
        """Forget tokens past their time; True when none is left."""
        while len(self._tokens) > 1 and self._tokens[0].expires < now:
            self._use(1)
        return self._tokens[0].expires < now
