"""Browse on bytes: results that were encoded once are joined as long as the address space stays as it is."""

from __future__ import annotations

import struct
from collections import OrderedDict

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from server.opcua.nodes.keys import NodeIdError, read_key
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import Audience
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import BROKEN, NOT_MINE, Dispatcher, request_number
from server.opcua.services.fault import ServiceFault
from server.opcua.services.guard import BoundedBuffer
from server.opcua.services.limits import OperationLimits
from server.opcua.services.view import Effort, ViewService

_HEAD = struct.Struct("<H12xIi")  # ViewId in two bytes, its time and version, most references, number of nodes
_COUNT = struct.Struct("<i")
_NO_DIAGNOSTICS = b"\x00\x00\x00\x00"
_ONE = b"\x01\x00\x00\x00"
_RESPONSE = request_number("BrowseResponse")
_LEFT = b""
"""Kept in place of a result that the service must make each time: it has pages."""
_ENTRY_BYTES = 400
"""What an entry costs beside its bytes."""
ANSWER_BYTES = 32 << 20
"""An answer that is longer is not even joined."""

_Key = tuple[Audience, tuple[str, ...], int, bytes]


class BrowseCache:
    """Encoded BrowseResults by who asks, page size and encoded BrowseDescription; bounded by bytes."""

    def __init__(
        self,
        view: ViewService,
        store: NodeStore,
        limits: OperationLimits,
        dispatcher: Dispatcher,
        *,
        most_bytes: int = 32 << 20,
    ) -> None:
        self._view = view
        self._store = store
        self._limits = limits
        self._header = dispatcher.header
        self._most_bytes = most_bytes
        self._entries: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes = 0
        self._version = store.version

    def register(self, dispatcher: Dispatcher) -> None:
        """Look at Browse requests before the service does."""
        dispatcher.register_fast("Browse", self.answer)

    @property
    def kept_bytes(self) -> int:
        """Memory that the entries take, about."""
        return self._bytes

    def answer(self, request: Request) -> bytes:
        """The response body, or NOT_MINE for what is unusual: views, pages, broken bytes."""
        body, at, session = request.body, request.at, request.session
        if self._version != self._store.version:
            self._clear()
        try:
            view, most, count = _HEAD.unpack_from(body, at)
        except struct.error:
            return NOT_MINE
        if view or session is None or not 1 <= count <= self._limits.browse:
            return NOT_MINE
        at += 22
        if count == 1:
            key = (session.audience, session.locales, most, body[at:])
            found = self._entries.get(key)
            if found is None:
                found = self._made(session, key, Effort())
            else:
                self._entries.move_to_end(key)
            if found is _LEFT:
                return NOT_MINE
            return self._header(_RESPONSE, request) + _ONE + found + _NO_DIAGNOSTICS
        return self._joined(request, session, most, count, at)

    def _joined(self, request: Request, session: Session, most: int, count: int, at: int) -> bytes:
        body, entries = request.body, self._entries
        effort = Effort()
        parts = [self._header(_RESPONSE, request), _COUNT.pack(count)]
        size = 0
        for _ in range(count):
            begin = at
            try:
                at = read_key(body, read_key(body, at)[1] + 4)[1] + 9
            except NodeIdError:
                return NOT_MINE
            if at > len(body):
                return NOT_MINE
            key = (session.audience, session.locales, most, body[begin:at])
            found = entries.get(key)
            if found is None:
                found = self._made(session, key, effort)
            else:
                entries.move_to_end(key)
            if found is _LEFT:
                return NOT_MINE
            size += len(found)
            if size > ANSWER_BYTES:
                raise ServiceFault(ua.StatusCodes.BadResponseTooLarge)
            parts.append(found)
        parts.append(_NO_DIAGNOSTICS)
        return b"".join(parts)

    def _made(self, session: Session, key: _Key, effort: Effort) -> bytes:
        """Encode what the service answers, and keep it."""
        buffer = BoundedBuffer(key[3])
        try:
            wanted = struct_from_binary(ua.BrowseDescription, buffer)
        except BROKEN:
            return _LEFT
        if len(buffer):
            return _LEFT
        result = self._view.whole(session, wanted, self._view.page_size(key[2]), effort)
        encoded = _LEFT if result is None else struct_to_binary(result)
        if self._version != self._store.version:
            # Browsing made a node that was only announced.
            self._clear()
        size = len(encoded) + len(key[3]) + _ENTRY_BYTES
        if size <= self._most_bytes:
            self._entries[key] = encoded
            self._bytes += size
            while self._bytes > self._most_bytes:
                old, gone = self._entries.popitem(last=False)
                self._bytes -= len(gone) + len(old[3]) + _ENTRY_BYTES
        return encoded

    def _clear(self) -> None:
        self._entries.clear()
        self._bytes = 0
        self._version = self._store.version
