"""Plain Writes carried out from bytes: numbers to Variables whose values are kept here, not in a device."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.core.clock import Clock
from server.opcua.nodes.keys import NodeIdError, read_key
from server.opcua.nodes.node import VARIABLE
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import WRITE, Audience
from server.opcua.services.context import Request
from server.opcua.services.dispatch import NOT_MINE
from server.opcua.wire import Point, put_scalars, to_ticks
from server.opcua.wire.headers import response_header
from server.opcua.wire.plans import NO_DIAGNOSTICS, VALUE_ATTRIBUTE, Kept, id_end

WRITE_RESPONSE = 676
"""WriteResponse_Encoding_DefaultBinary."""
NUMBERS = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
"""Built-in types of fixed size and their struct codes: Boolean and the numbers."""
_WRITABLE = 2
_SCALAR_RANKS = (-1, -2, -3)
_COUNT = struct.Struct("<i")
_ROW = struct.Struct("<IiBB")  # AttributeId, IndexRange's length, encoding byte of the DataValue, of the Variant
_VALUE, _STATUS, _SOURCE, _SERVER = 1, 2, 4, 8
_TIMES_END = 2_650_467_743_990_000_000
"""Ticks from which on the stack's times are cut; those of the standard end there too."""
_ENTRY_BYTES = 300


class WriteAudit(Protocol):
    """Who wants to hear of every Write."""

    @property
    def wanted(self) -> bool: ...


class Row(NamedTuple):
    """What the beginning of a WriteValue says: where its value goes and what follows."""

    point: Point
    kind: int
    mask: int
    tail: struct.Struct  # value, StatusCode, SourceTimestamp, ServerTimestamp as far as the mask has them


class Plan(NamedTuple):
    """Rows of one layout."""

    points: Sequence[Point]
    kind: int
    mask: int
    fields: int
    rows: struct.Struct
    answer: bytes


def _tail(kind: int, mask: int) -> str:
    return NUMBERS[kind] + "I" * bool(mask & _STATUS) + "q" * bool(mask & _SOURCE) + "q" * bool(mask & _SERVER)


def _answer(count: int) -> bytes:
    """What follows the ResponseHeader when all is Good."""
    return _COUNT.pack(count) + bytes(4 * count) + NO_DIAGNOSTICS


_ANSWER_OF_ONE = _answer(1)
_TAILS = {(kind, mask): struct.Struct("<" + _tail(kind, mask)) for kind in NUMBERS for mask in range(1, 16, 2)}


class WritePlans:
    """Fast handler of Write: all or nothing, so nothing has happened when it leaves a request to the service."""

    def __init__(
        self, store: NodeStore, clock: Clock, audit: WriteAudit, most_nodes: int, most_bytes: int = 16_000_000
    ) -> None:
        self._store = store
        self._clock = clock
        self._audit = audit
        self._most_nodes = most_nodes
        self._plans: Kept[Plan] = Kept(most_bytes // 2)
        self._rows: Kept[Row] = Kept(most_bytes // 2)
        self._version = 0

    def __call__(self, request: Request) -> bytes:
        """The whole response body, or NOT_MINE."""
        body, at = request.body, request.at
        if len(body) < at + 20 or self._audit.wanted:
            return NOT_MINE
        count = _COUNT.unpack_from(body, at)[0]
        if not 1 <= count <= self._most_nodes:
            return NOT_MINE
        if self._store.version != self._version:
            self._plans.clear()
            self._rows.clear()
            self._version = self._store.version
        audience = request.session.audience  # type: ignore[union-attr]  # the dispatcher has put it there
        now = to_ticks(self._clock.now())
        answer = self._alike(audience, body, at + 4, count, now) if count > 1 else None
        if answer is None:
            answer = self._one_by_one(audience, body, at + 4, count, now)
            if answer is None:
                return NOT_MINE
        self._store.writes += 1
        return response_header(WRITE_RESPONSE, request.handle, now) + answer

    # -- rows of one layout

    def _alike(self, audience: Audience, body: bytes, begin: int, count: int, now: int) -> bytes | None:
        """Rows of equal size: their columns up to the value are the plan's key."""
        size = len(body) - begin
        stride = size // count
        if stride * count != size:
            return None
        try:
            head = id_end(body, begin) - begin + 10
        except (NodeIdError, IndexError):
            return None
        if not 12 <= head < stride:
            return None
        rows = body[begin:]
        columns = b"".join([rows[column::stride] for column in range(head)])
        key = (audience, stride, head, columns)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plan(audience, rows, head, stride, count)
            if plan is None:
                return None
            self._plans.put(key, plan, 3 * len(columns) + 8 * count + _ENTRY_BYTES)
        return _carry_out(plan, rows, now)

    def _plan(self, audience: Audience, rows: bytes, head: int, stride: int, count: int) -> Plan | None:
        points = []
        first: Row | None = None
        for at in range(0, stride * count, stride):
            row = self._row(audience, rows[at : at + head])
            if row is None:
                return None
            if first is None:
                first = row
                if head + row.tail.size != stride:
                    return None
            elif row.kind != first.kind or row.mask != first.mask:
                return None
            points.append(row.point)
        if first is None:
            return None
        kind, mask = first.kind, first.mask
        code = f"{head}x{_tail(kind, mask)}"
        fields = len(_tail(kind, mask))
        return Plan(points, kind, mask, fields, struct.Struct("<" + code * count), _answer(count))

    def _row(self, audience: Audience, head: bytes) -> Row | None:
        """Every check of a Write that does not depend on the value (OPC 10000-4, 5.11.4)."""
        found = self._rows.get((audience, head))
        if found is not None:
            return found
        try:
            key, at = read_key(head, 0)
            attribute, range_size, mask, kind = _ROW.unpack_from(head, at)
        except (NodeIdError, struct.error):
            return None
        if at + 10 != len(head) or attribute != VALUE_ATTRIBUTE or range_size not in (-1, 0):
            return None
        tail = _TAILS.get((kind, mask))
        node = self._store.get(key) if tail is not None else None
        if tail is None or node is None or node.point is None:
            return None
        shape = node.shape
        if shape.node_class != VARIABLE or not shape.direct or not shape.access & _WRITABLE:
            return None
        if shape.data_type != kind or shape.rank not in _SCALAR_RANKS:
            return None
        if not audience.has(node, WRITE) or audience.insecure(node):
            return None
        row = Row(node.point, kind, mask, tail)
        self._rows.put((audience, head), row, len(head) + _ENTRY_BYTES)
        return row

    # -- rows of any layout

    def _one_by_one(self, audience: Audience, body: bytes, begin: int, count: int, now: int) -> bytes | None:
        """Rows of different sizes or types."""
        found = []
        at = begin
        try:
            for _ in range(count):
                end = id_end(body, at) + 10
                row = self._rows.get((audience, body[at:end])) or self._row(audience, body[at:end])
                if row is None:
                    return None
                fields = row.tail.unpack_from(body, end)
                at = end + row.tail.size
                times = (now, now) if row.mask == _VALUE else _times(row.mask, fields, now)
                if times is None:
                    return None
                found.append((row, fields, times))
        except (NodeIdError, IndexError, struct.error):
            return None
        if at != len(body):
            return None
        for row, fields, (source, server) in found:
            row.point.put_scalar(row.kind, fields[0], fields[1] if row.mask & _STATUS else 0, source, server)
        return _ANSWER_OF_ONE if count == 1 else _answer(count)


def _carry_out(plan: Plan, rows: bytes, now: int) -> bytes | None:
    """Store the values of rows that a plan is for; None when one of the times is out of the ordinary."""
    flat = plan.rows.unpack(rows)
    mask, step = plan.mask, plan.fields
    if mask == _VALUE:
        put_scalars(plan.points, plan.kind, flat, now, now)
        return plan.answer
    values = flat[::step]
    statuses = flat[1::step] if mask & _STATUS else ()
    at = 2 if mask & _STATUS else 1
    sources = flat[at::step] if mask & _SOURCE else (0,)
    servers = flat[step - 1 :: step] if mask & _SERVER else (0,)
    if not _ordinary(sources) or not _ordinary(servers):
        return None
    if not any(statuses) and _same(sources) and _same(servers):
        put_scalars(plan.points, plan.kind, values, _cut(sources[0]) or now, _cut(servers[0]) or now)
        return plan.answer
    count = len(values)
    for point, value, status, source, server in zip(
        plan.points,
        values,
        statuses or (0,) * count,
        sources if len(sources) == count else sources * count,
        servers if len(servers) == count else servers * count,
        strict=True,
    ):
        point.put_scalar(plan.kind, value, status, _cut(source) or now, _cut(server) or now)
    return plan.answer


def _times(mask: int, fields: Sequence[int], now: int) -> tuple[int, int] | None:
    """(source, server) ticks of one row; None when they are out of the ordinary."""
    source = fields[2 if mask & _STATUS else 1] if mask & _SOURCE else 0
    server = fields[-1] if mask & _SERVER else 0
    if not (0 <= source < _TIMES_END and 0 <= server < _TIMES_END):
        return None
    return _cut(source) or now, _cut(server) or now


def _cut(ticks: int) -> int:
    """Whole microseconds, as the stack's times have them."""
    return ticks - ticks % 10


def _ordinary(times: Sequence[int]) -> bool:
    return min(times) >= 0 and max(times) < _TIMES_END


def _same(times: Sequence[int]) -> bool:
    return times.count(times[0]) == len(times)
