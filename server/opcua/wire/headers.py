"""Request and response headers at byte level (OPC 10000-4, 7.32 and 7.33)."""

from __future__ import annotations

import struct

from server.opcua.nodes.keys import NodeIdError, read_key

_REST = struct.Struct("<qIIiI3s")
"""timestamp, requestHandle, returnDiagnostics, length of auditEntryId, timeoutHint, no additional header."""
_I32 = struct.Struct("<i")
_RESPONSE = struct.Struct("<HHqIIQ")
_NO_DETAIL = int.from_bytes(b"\x00" + b"\xff\xff\xff\xff" + b"\x00\x00\x00", "little")
"""No diagnostics, no string table, no additional header."""
_PLAIN_TAIL = b"\xff\xff\xff\xff"
TOKEN_BYTES = 39
"""Our AuthenticationTokens: a ByteString NodeId of 32 bytes."""
FAULT = 397
"""ServiceFault_Encoding_DefaultBinary."""


class HeaderError(ValueError):
    """Bytes that are no request header."""


def request_type(body: bytes) -> int:
    """The number of the request's encoding in namespace 0; 0 when it is another kind of NodeId.

    Raises:
        HeaderError: not even a NodeId.
    """
    if len(body) >= 4 and body[0] == 1:
        return body[2] | body[3] << 8 if body[1] == 0 else 0
    try:
        key, _ = read_key(body, 0)
    except NodeIdError as error:
        raise HeaderError(str(error)) from None
    return key if isinstance(key, int) and key < 1 << 32 else 0


def read_header(body: bytes) -> tuple[bytes, int, int, int]:
    """(AuthenticationToken as it stands, requestHandle, timeoutHint in ms, offset behind the header).

    Raises:
        HeaderError: the message ends inside its header or breaks its grammar.
    """
    try:
        begin = 4 if body[0] == 1 else read_key(body, 0)[1]
        if body[begin] == 5 and body[begin + 3 : begin + 7] == b"\x20\x00\x00\x00":
            end = begin + TOKEN_BYTES
        else:
            end = read_key(body, begin)[1]
        token = body[begin:end]
        _time, handle, _diagnostics, size, timeout, extra = _REST.unpack_from(body, end)
        if size <= 0 and extra == b"\x00\x00\x00":
            return token, handle, timeout, end + 27
        at = end + 20 + max(size, 0)
        timeout = _I32.unpack_from(body, at)[0]
        at += 4
        if body[at : at + 3] == b"\x00\x00\x00":
            return token, handle, timeout, at + 3
        at = read_key(body, at)[1]
        kind = body[at]
        at += 1
        if kind in (1, 2):
            at += 4 + max(_I32.unpack_from(body, at)[0], 0)
        elif kind != 0:
            raise HeaderError(f"additional header with encoding {kind}")
        if at > len(body):
            raise HeaderError("ends inside its header")
        return token, handle, timeout, at
    except (IndexError, struct.error, NodeIdError) as error:
        raise HeaderError(str(error)) from None


AUDIT_ENTRY_BYTES = 1024
"""Of a client's auditEntryId; what is longer is cut."""


def audit_entry(body: bytes) -> str | None:
    """The auditEntryId of a request header that `read_header` has taken; None when there is none."""
    at = 4 if body[0] == 1 else read_key(body, 0)[1]
    at = read_key(body, at)[1] + 16
    size = int(_I32.unpack_from(body, at)[0])
    if size < 0:
        return None
    return body[at + 4 : at + 4 + min(size, AUDIT_ENTRY_BYTES)].decode("utf-8", "replace")


def response_header(number: int, handle: int, now: int, result: int = 0) -> bytes:
    """TypeId and ResponseHeader; `number` of the response's encoding in namespace 0, `now` in ticks."""
    return _RESPONSE.pack(1, number, now, handle, result, _NO_DETAIL)


def service_fault(handle: int, code: int, now: int) -> bytes:
    """A whole ServiceFault message body."""
    return response_header(FAULT, handle, now, code)
