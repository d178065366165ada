"""Read and Write: attributes, index ranges, encodings, time stamps, types (OPC 10000-4, 5.11; OPC 10000-3, 5.6.2).

The complete way, through the stack's codec. Byte-level plans may answer plain requests before it, with the same bytes.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

from asyncua import ua

from server.core.clock import Clock
from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key
from server.opcua.nodes.node import VARIABLE, A, Node
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import (
    ValueEncodingError,
    data_value,
    encode_data_value,
    encoded,
    from_ticks,
    variant_of,
)
from server.opcua.roles import BROWSE, READ, READ_ROLE_PERMISSIONS, WRITE, Rights
from server.opcua.services.attribute_write import write_attribute
from server.opcua.services.attributes_of import (
    ACCESS_READ,
    ACCESS_WRITE,
    ATTRIBUTES,
    array_dimensions,
    attribute_value,
)
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher, request_number
from server.opcua.services.fault import ServiceFault
from server.opcua.services.lanes import Lanes
from server.opcua.services.limits import OperationLimits, require_count
from server.opcua.services.numeric_range import RangeError, cut, octets, parse_range, replaced
from server.opcua.services.queue_bytes import bound_queues
from server.opcua.services.type_check import fitted
from server.opcua.wire import Point, to_ticks
from server.opcua.wire.points import JOINED_BYTES

_S = ua.StatusCodes
_VALUE = int(A.Value)
_SOURCE_ONLY, _SERVER_ONLY, _BOTH, _NEITHER = 0, 1, 2, 3
_STRUCTURE: Key = 22
_COUNT = struct.Struct("<i")
_NO_DIAGNOSTICS = b"\x00\x00\x00\x00"
_TEXTS = frozenset((int(A.DisplayName), int(A.Description), int(A.InverseName)))
READ_RESPONSE = request_number("ReadResponse")


@dataclasses.dataclass(slots=True)
class ReadParameters:
    """Parameters of Read, with TimestampsToReturn as any number: an unknown one has a StatusCode of its own."""

    MaxAge: ua.Double = 0.0
    TimestampsToReturn: ua.Int32 = 0
    NodesToRead: list[ua.ReadValueId] = dataclasses.field(default_factory=list)


class Translator(Protocol):
    """What of the address space knows other languages."""

    def translated(self, shown: ua.LocalizedText, locales: Iterable[str]) -> ua.LocalizedText: ...


PersonalReader = Callable[[Session, Node], ua.DataValue]
"""The value of a Variable without a Point, made for the session that reads it."""


class WriteDoor(Protocol):
    """Where a checked Write of Value goes when the value belongs to a device. It answers the operation result."""

    def write(self, node: Node, value: ua.DataValue, request: Request) -> Awaitable[int] | int: ...


class WriteAudit(Protocol):
    """Who is told of every Write (OPC 10000-5, 6.4.14)."""

    @property
    def wanted(self) -> bool: ...

    def written(
        self,
        request: Request,
        node: Node,
        attribute: int,
        index_range: str | None,
        old: ua.Variant | None,
        new: ua.DataValue,
        code: int,
    ) -> None: ...


def bad(code: int) -> ua.DataValue:
    """A DataValue that carries only why there is no value."""
    return ua.DataValue(ua.Variant(None, ua.VariantType.Null), stack_status(code))


def _session_of(request: Request) -> Session:
    if request.session is None:
        raise ServiceFault(_S.BadSessionIdInvalid)
    return request.session


def lane_of(key: Key) -> object:
    """What a device's nodes have in common: the first part of their identifier."""
    if isinstance(key, int) or not isinstance(key[1], str):
        return key
    return key[0], key[1].split("/", 1)[0]


class AttributeService:
    """The Attribute service set, without history."""

    def __init__(
        self,
        store: NodeStore,
        rights: Rights,
        space: Translator,
        clock: Clock,
        limits: OperationLimits,
        door: WriteDoor,
        audit: WriteAudit,
    ) -> None:
        self._store = store
        self._rights = rights
        self._space = space
        self._clock = clock
        self._limits = limits
        self._door = door
        self._audit = audit
        self.personal: dict[Key, PersonalReader] = {}
        """Variables that show each session something else: texts in its language. They have no Point."""

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer Read and Write."""
        dispatcher.register("Read", partial(self._read, dispatcher), parameters=ReadParameters)
        dispatcher.register("Write", self._write)

    # -- Read

    def _read(self, dispatcher: Dispatcher, request: Request, params: ReadParameters) -> None:
        """Answers by itself: a DataValue of ours has the standard's order and leaves a Good status out."""
        require_count(params.NodesToRead, self._limits.read)
        if not params.MaxAge >= 0:  # NaN is not either
            raise ServiceFault(_S.BadMaxAgeInvalid)
        which = params.TimestampsToReturn
        if not _SOURCE_ONLY <= which <= _NEITHER:
            raise ServiceFault(_S.BadTimestampsToReturnInvalid)
        session = _session_of(request)
        parts = [dispatcher.header(READ_RESPONSE, request), _COUNT.pack(len(params.NodesToRead))]
        left = JOINED_BYTES
        for wanted in params.NodesToRead:
            node = self._store.find(wanted.NodeId)
            if node is None:
                found = self._stamped(bad(_S.BadNodeIdUnknown), which)
            else:
                found = self.read_one(session, node, wanted.AttributeId, wanted.IndexRange, wanted.DataEncoding, which)
            parts.append(self._encoded(found))
            left -= len(parts[-1])
            if left < 0:
                raise ServiceFault(_S.BadResponseTooLarge)
        parts.append(_NO_DIAGNOSTICS)
        dispatcher.respond_bytes(request, b"".join(parts))

    def _encoded(self, found: ua.DataValue) -> bytes:
        try:
            return encode_data_value(found)
        except ValueEncodingError:
            return encode_data_value(bad(_S.BadEncodingError))

    def read_one(
        self,
        session: Session,
        node: Node,
        attribute: int,
        index_range: str | None,
        encoding: ua.QualifiedName | None,
        which: int,
    ) -> ua.DataValue:
        """One attribute as a session may see it, with exactly the time stamps asked for; StatusCode is always set."""
        part = _octets(node, index_range) if index_range and attribute == _VALUE else None
        found = self._found(session, node, attribute, part)
        if encoding is not None and encoding.Name and not found.StatusCode.is_bad():
            code = self._encoding(node, attribute, found.Value, encoding)
            if code:
                found = bad(code)
        if index_range and part is None:
            found = self._part(found, index_range)
        return self._stamped(found, which)

    def _found(self, session: Session, node: Node, attribute: int, part: ua.Variant | None) -> ua.DataValue:
        if attribute == _VALUE:
            return self._value(node, session, part)
        audience = session.audience
        value = attribute_value(node, attribute, self._rights, audience)
        if value is None:
            return bad(_S.BadAttributeIdInvalid)
        if not audience.has(node, READ_ROLE_PERMISSIONS if attribute == A.RolePermissions else BROWSE):
            return bad(_S.BadUserAccessDenied)
        if audience.insecure(node, browse=True):
            return bad(_S.BadSecurityModeInsufficient)
        if attribute in _TEXTS and session.locales:
            value = ua.Variant(self._space.translated(value.Value, session.locales), ua.VariantType.LocalizedText)
        return ua.DataValue(value)

    def _value(self, node: Node, session: Session, part: ua.Variant | None) -> ua.DataValue:
        shape, audience = node.shape, session.audience
        if _VALUE not in ATTRIBUTES.get(shape.node_class, ()):
            return bad(_S.BadAttributeIdInvalid)
        if shape.node_class == VARIABLE:
            if not shape.access & ACCESS_READ:
                return bad(_S.BadNotReadable)
        elif node.point is None:
            return bad(_S.BadAttributeIdInvalid)
        if not audience.has(node, READ):
            return bad(_S.BadUserAccessDenied)
        if audience.insecure(node):
            return bad(_S.BadSecurityModeInsufficient)
        if node.point is not None:
            return data_value(node.point) if part is None else _with_times(node.point, part)
        personal = self.personal.get(node.key)
        return personal(session, node) if personal is not None else ua.DataValue(ua.Variant())

    def _encoding(self, node: Node, attribute: int, value: ua.Variant, encoding: ua.QualifiedName) -> int:
        if attribute != _VALUE:
            return int(_S.BadDataEncodingInvalid)
        if value.VariantType != ua.VariantType.ExtensionObject:
            data_type = node.shape.data_type
            if value.Value is not None or data_type is None or not self._store.is_a(data_type, _STRUCTURE):
                return int(_S.BadDataEncodingInvalid)
        known = encoding.Name == "Default Binary" and encoding.NamespaceIndex == 0
        return 0 if known else int(_S.BadDataEncodingUnsupported)

    def _part(self, found: ua.DataValue, index_range: str) -> ua.DataValue:
        ranges = parse_range(index_range)
        if ranges is None:
            return bad(_S.BadIndexRangeInvalid)
        if found.StatusCode.is_bad():
            return found
        part = cut(found.Value, ranges)
        return bad(_S.BadIndexRangeNoData) if part is None else dataclasses.replace(found, Value=part)

    def _stamped(self, found: ua.DataValue, which: int) -> ua.DataValue:
        """Only Value has a source time; what has no server time is as of now."""
        source = found.SourceTimestamp if which in (_SOURCE_ONLY, _BOTH) else None
        server = None
        if which in (_SERVER_ONLY, _BOTH):
            server = found.ServerTimestamp or from_ticks(to_ticks(self._clock.now()))
        return ua.DataValue(found.Value, found.StatusCode, SourceTimestamp=source, ServerTimestamp=server)

    # -- Write

    def _write(self, request: Request, params: ua.WriteParameters) -> ua.WriteResponse | Lanes:
        """An answer at once, or an awaitable of it when a device is asked."""
        require_count(params.NodesToWrite, self._limits.write)
        results = [0] * len(params.NodesToWrite)

        def answer() -> ua.WriteResponse:
            return ua.WriteResponse(Results=[stack_status(code) for code in results])

        lanes = Lanes(answer)
        for index, wanted in enumerate(params.NodesToWrite):
            try:
                node = self._store.find(wanted.NodeId)
            except ServiceFault as fault:  # it cannot be made now; others may be written already
                results[index] = fault.code
                continue
            if node is None:
                results[index] = int(_S.BadNodeIdUnknown)
                continue
            old = self._old(node, wanted.AttributeId) if self._audit.wanted else None
            tell = partial(self._tell, request, results, index, node, wanted, old)
            outcome = self._write_one(request, node, wanted)
            if isinstance(outcome, int):
                tell(outcome)
            else:
                lanes.add(lane_of(node.key), partial(self._door.write, node, outcome, request), tell)
        return lanes if lanes else answer()

    def _tell(
        self,
        request: Request,
        results: list[int],
        index: int,
        node: Node,
        wanted: ua.WriteValue,
        old: ua.Variant | None,
        code: int,
    ) -> None:
        results[index] = code
        if self._audit.wanted:
            self._audit.written(request, node, wanted.AttributeId, wanted.IndexRange or None, old, wanted.Value, code)

    def _old(self, node: Node, attribute: int) -> ua.Variant | None:
        if attribute == _VALUE:
            return variant_of(node.point) if node.point is not None else None
        return attribute_value(node, attribute, self._rights, self._rights.audience((), 1))

    def _write_one(self, request: Request, node: Node, wanted: ua.WriteValue) -> int | ua.DataValue:
        """The operation result, or the value that a device is to be asked to take."""
        audience = _session_of(request).audience
        attribute = wanted.AttributeId
        if attribute != _VALUE:
            if attribute_value(node, attribute, self._rights, audience) is None and not _may_be_set(node, attribute):
                return int(_S.BadAttributeIdInvalid)
            if wanted.IndexRange:
                return int(_S.BadWriteNotSupported)
            return write_attribute(self._store, node, attribute, wanted.Value, audience)
        shape = node.shape
        if _VALUE not in ATTRIBUTES.get(shape.node_class, ()):
            return int(_S.BadAttributeIdInvalid)
        if shape.node_class != VARIABLE or not shape.access & ACCESS_WRITE:
            return int(_S.BadNotWritable)
        if not audience.has(node, WRITE):
            return int(_S.BadUserAccessDenied)
        if audience.insecure(node):
            return int(_S.BadSecurityModeInsufficient)
        return self._write_value(node, wanted)

    def _write_value(self, node: Node, wanted: ua.WriteValue) -> int | ua.DataValue:
        given = wanted.Value
        code = given.StatusCode.value if given.StatusCode is not None else 0
        if not node.shape.direct and (code or given.ServerTimestamp is not None):
            # Status and times are the device's to tell. A SourceTimestamp is let pass: widespread clients send one with
            # every Write and mean nothing by it; what is shown afterwards carries the time of the device's echo.
            return int(_S.BadWriteNotSupported)
        shape = node.shape
        if wanted.IndexRange:
            ranges = parse_range(wanted.IndexRange)
            if ranges is None:
                return int(_S.BadIndexRangeInvalid)
            try:
                value = replaced(
                    variant_of(node.point) if node.point is not None else ua.Variant(), given.Value, ranges
                )
            except RangeError as error:
                return error.code
        elif given.Value.Value is None and given.Value.VariantType == ua.VariantType.Null and code & 0x80000000:
            value = given.Value  # a Bad value may be none at all
        else:
            value = fitted(self._store, shape.data_type, shape.rank, array_dimensions(node), given.Value)
            if value is None:
                return int(_S.BadTypeMismatch)
        whole = dataclasses.replace(given, Value=value)
        return self._store_value(node, whole) if shape.direct else whole

    def _store_value(self, node: Node, value: ua.DataValue) -> int:
        """A plain Write sets Good and now; given status and times are kept."""
        try:
            flags, body, source, server = encoded(value)
        except ValueEncodingError:
            return int(_S.BadTypeMismatch)
        now = to_ticks(self._clock.now())
        if node.point is None:
            node.point = Point()
        self._store.writes += 1
        node.point.put(flags, body, source or now, server or now)
        bound_queues(node.point, len(body))
        return 0


def _octets(node: Node, index_range: str) -> ua.Variant | None:
    """What a range names of an array of Byte; None: it has to be looked at in the ordinary way."""
    point = node.point
    if point is None or point.live is not None or point.status:
        return None
    ranges = parse_range(index_range)
    return octets(point.variant, ranges) if ranges is not None else None


def _with_times(point: Point, part: ua.Variant) -> ua.DataValue:
    return ua.DataValue(
        part, stack_status(0), SourceTimestamp=from_ticks(point.source), ServerTimestamp=from_ticks(point.server)
    )


def _may_be_set(node: Node, attribute: int) -> bool:
    """An attribute that this node leaves out now, and that a Write could bring."""
    return (
        attribute != _VALUE and bool(node.shape.write_mask) and attribute in ATTRIBUTES.get(node.shape.node_class, ())
    )
