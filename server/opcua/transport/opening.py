"""OPN: who may open or renew a secure channel (OPC 10000-4 5.6.2, 10000-6 6.7.2 and 6.7.4)."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog
from asyncua import ua
from cryptography.hazmat.primitives.serialization import Encoding

from server.core.clock import Clock, TimeUs
from server.opcua.transport.channel import SecureChannel
from server.opcua.transport.framing import HEADER, Opening, TransportError, parse_opening, security_error
from server.opcua.transport.limits import TransportLimits
from server.opcua.transport.security import (
    MODE_NONE,
    NONCE_BYTES,
    POLICIES,
    POLICY_NONE,
    UNREADABLE,
    AsymmetricKeys,
    SymmetricKeys,
    open_none,
    usable_key,
)
from server.security.pki import CertificateRefusedError, OwnCertificate, split_chain

if TYPE_CHECKING:
    from server.opcua.transport.connection import Connection

log = structlog.get_logger("fieldloom.opcua")

_S = ua.StatusCodes
ISSUE, RENEW = 0, 1
_REQUEST_ID = bytes((1, 0)) + ua.ObjectIds.OpenSecureChannelRequest_Encoding_DefaultBinary.to_bytes(2, "little")
_RESPONSE_ID = bytes((1, 0)) + ua.ObjectIds.OpenSecureChannelResponse_Encoding_DefaultBinary.to_bytes(2, "little")
_HEADER = struct.Struct("<qII")
_NUMBERS = struct.Struct("<III")
_UINT32 = struct.Struct("<I")
_INT32 = struct.Struct("<i")
# Timestamp, request handle, Good, no diagnostics, no string table, no additional header; then the protocol version,
# the security token and the length of the nonce.
_RESPONSE = struct.Struct("<qIIBi3xIIIqIi")
_FILETIME_EPOCH = 116_444_736_000_000_000
_NODE_ID_BYTES = {0: 2, 1: 4, 2: 7, 4: 19}


class Certificates(Protocol):
    """The trust list (`server.security.pki.CertificateFolder`)."""

    def check(self, chain: bytes) -> Any:
        """Raises CertificateRefusedError unless the chain may connect."""


class OpenRequest(NamedTuple):
    """What an OpenSecureChannelRequest asks for."""

    handle: int
    request_type: int
    mode: int
    nonce: bytes
    lifetime_ms: int


class Opener:
    """Opens and renews channels for all connections of a listener."""

    def __init__(
        self,
        endpoints: Iterable[tuple[str, int]],
        certificates: Certificates,
        own: OwnCertificate,
        limits: TransportLimits,
        clock: Clock,
        admit: Callable[[str], bool],
    ) -> None:
        """`endpoints` are pairs of policy URI and mode; `admit` says whether an address may have one more channel."""
        self._offered = {(uri, int(mode)) for uri, mode in endpoints} | {(POLICY_NONE, MODE_NONE)}
        self._uris = {uri for uri, _mode in self._offered}
        self._certificates = certificates
        self._own = own
        self._limits = limits
        self._clock = clock
        self._admit = admit
        # A channel id of a former run must not fit a channel of this one.
        self._last_id = secrets.randbelow(1 << 31)

    def open(
        self, connection: Connection, opening: Opening, data: bytes, start: int, stop: int
    ) -> tuple[SecureChannel, bytes]:
        """The new or renewed channel of the OPN in data[start:stop], and the answer.

        Raises:
            TransportError: the OPN is refused.
        """
        channel = connection.channel
        self._check_target(channel, opening)
        if opening.policy_uri == POLICY_NONE:
            keys, leaf = None, None
            content = data[opening.start : stop]
        else:
            keys, leaf = self._keys(channel, opening)
            content = keys.open(data, start, opening.start, stop, opening.thumbprint)
            self._check_trust(opening.certificate)
        if len(content) < 8:
            raise TransportError(_S.BadDecodingError, "the OPN has no sequence header")
        sequence, request_id = HEADER.unpack_from(content)
        if channel is not None:
            channel.check_sequence(sequence)
        request = parse_request(content[8:])
        self._check_request(channel, opening.policy_uri, request)
        if channel is None:
            channel = self._new_channel(connection, opening, request.mode, keys, leaf, sequence)
        return channel, self._issue(channel, request, request_id)

    def _check_target(self, channel: SecureChannel | None, opening: Opening) -> None:
        if opening.channel_id != (channel.channel_id if channel else 0):
            raise TransportError(_S.BadTcpSecureChannelUnknown, "unknown secure channel")
        if opening.policy_uri not in self._uris:
            raise TransportError(_S.BadSecurityPolicyRejected, "the security policy is not offered")
        if channel is not None and opening.policy_uri != channel.policy_uri:
            raise security_error("the renewal has another security policy")

    def _keys(self, channel: SecureChannel | None, opening: Opening) -> tuple[AsymmetricKeys, bytes]:
        try:
            certificate = split_chain(opening.certificate)[0]
            der = certificate.public_bytes(Encoding.DER)
        except CertificateRefusedError as error:
            raise security_error(error.text, error.status) from None
        if channel is not None:
            if channel.keys is None or der != channel.peer_certificate:
                raise security_error("the renewal has another certificate")
            return channel.keys, der
        if not usable_key(certificate):
            self._check_trust(opening.certificate)
            raise security_error("the certificate's key does not fit the policy", _S.BadCertificatePolicyCheckFailed)
        return AsymmetricKeys(POLICIES[opening.policy_uri], self._own, certificate, der), der

    def _check_trust(self, chain: bytes) -> None:
        # After the signature: what lands among the rejected certificates was presented by the owner of its key.
        try:
            self._certificates.check(chain)
        except CertificateRefusedError as error:
            raise security_error(error.text, error.status) from None
        except UNREADABLE as error:
            raise security_error(f"a certificate cannot be read: {error}", _S.BadCertificateInvalid) from None

    def _check_request(self, channel: SecureChannel | None, uri: str, request: OpenRequest) -> None:
        if request.request_type != (ISSUE if channel is None else RENEW):
            raise TransportError(_S.BadRequestTypeInvalid, "a channel is issued once, then renewed")
        if (uri, request.mode) not in self._offered or (channel is not None and request.mode != channel.mode):
            raise TransportError(_S.BadSecurityModeRejected, "the security mode is not offered for the policy")
        if uri == POLICY_NONE:
            return
        if len(request.nonce) != NONCE_BYTES or (channel is not None and request.nonce == channel.client_nonce):
            raise TransportError(_S.BadNonceInvalid, f"a new nonce of {NONCE_BYTES} bytes is needed")

    def _new_channel(
        self,
        connection: Connection,
        opening: Opening,
        mode: int,
        keys: AsymmetricKeys | None,
        leaf: bytes | None,
        sequence: int,
    ) -> SecureChannel:
        if not self._admit(connection.address):
            raise TransportError(_S.BadTcpNotEnoughResources, "too many secure channels from this address")
        self._last_id = self._last_id % 0xFFFFFFFF + 1
        return SecureChannel(
            connection,
            self._last_id,
            opening.policy_uri,
            mode,
            keys,
            self._own.der,
            leaf,
            opening.certificate if leaf is not None else None,
            connection.hello_of_client,
            sequence,
        )

    def _issue(self, channel: SecureChannel, request: OpenRequest, request_id: int) -> bytes:
        lifetime_ms = self._limits.revised_lifetime_ms(request.lifetime_ms)
        nonce, symmetric = b"", None
        if channel.keys is not None:
            nonce = secrets.token_bytes(NONCE_BYTES)
            symmetric = SymmetricKeys(channel.keys.policy, channel.mode, request.nonce, nonce)
        token_id = channel.issue(symmetric, lifetime_ms, request.nonce, self._clock.monotonic())
        body = build_response(channel.channel_id, token_id, lifetime_ms, nonce, request.handle, self._clock.now())
        if channel.keys is None:
            return open_none(channel.channel_id, channel.take_sequence(), request_id, body)
        return channel.keys.seal(channel.channel_id, channel.take_sequence(), request_id, body)


def opening_of(data: bytes, start: int, stop: int, limits: TransportLimits) -> Opening:
    """The clear part of an OPN; see `framing.parse_opening`."""
    return parse_opening(data, start, stop, limits.max_certificate_bytes)


def parse_request(body: bytes) -> OpenRequest:
    """The fields of an OpenSecureChannelRequest.

    By hand: the request header may carry any structure, and nobody is known yet whose structures we would decode.

    Raises:
        TransportError: it is another message or does not hold what it says.
    """
    try:
        if body[:4] != _REQUEST_ID:
            raise ValueError("not an OpenSecureChannelRequest")
        position = _skip_node_id(body, 4)
        _time, handle, _diagnostics = _HEADER.unpack_from(body, position)
        _entry, position = _byte_string(body, position + _HEADER.size)
        position = _skip_node_id(body, position + 4)
        encoding = body[position]
        position += 1
        if encoding:
            _additional, position = _byte_string(body, position)
        _version, request_type, mode = _NUMBERS.unpack_from(body, position)
        nonce, position = _byte_string(body, position + _NUMBERS.size)
        (lifetime_ms,) = _UINT32.unpack_from(body, position)
    except (ValueError, KeyError, IndexError, struct.error):
        raise TransportError(_S.BadDecodingError, "the OPN cannot be decoded") from None
    return OpenRequest(handle, request_type, mode, nonce, lifetime_ms)


def build_response(channel_id: int, token_id: int, lifetime_ms: int, nonce: bytes, handle: int, now: TimeUs) -> bytes:
    """An OpenSecureChannelResponse."""
    ticks = now * 10 + _FILETIME_EPOCH
    numbers = (ticks, handle, 0, 0, -1, 0, channel_id, token_id, ticks, lifetime_ms, len(nonce) or -1)
    return bytes(_RESPONSE_ID) + _RESPONSE.pack(*numbers) + nonce


def _skip_node_id(body: bytes, position: int) -> int:
    kind = body[position]
    if kind in (3, 5):
        _text, end = _byte_string(body, position + 3)
        return end
    return position + _NODE_ID_BYTES[kind]


def _byte_string(body: bytes, position: int) -> tuple[bytes, int]:
    (size,) = _INT32.unpack_from(body, position)
    position += 4
    if size < 0:
        return b"", position
    if position + size > len(body):
        raise ValueError("cut off")
    return body[position : position + size], position + size
