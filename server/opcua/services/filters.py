"""Filters of monitored items: what is allowed where, parsed once (OPC 10000-4, 7.22; OPC 10000-8, 6.2)."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import extensionobject_from_binary, extensionobject_to_binary

from server.opcua.event_filter import EventPlan, EventTypes
from server.opcua.nodes.node import Node
from server.opcua.nodes.store import NodeStore
from server.opcua.services.dispatch import BROKEN
from server.opcua.services.fault import ServiceFault
from server.opcua.services.guard import walked
from server.opcua.services.monitored_item import ABSOLUTE, NO_DEADBAND, PERCENT, DataFilter
from server.opcua.services.semantics import Semantics
from server.opcua.services.walkers import walk_extension_object

_S = ua.StatusCodes
_VALUE = 13
_DATA_FILTER = b"\x01\x00\xd4\x02\x01\x10\x00\x00\x00"  # DataChangeFilter_Encoding_DefaultBinary (724), 16 bytes
_DATA_FILTER_BODY = struct.Struct("<IId")
_NUMBER, _BASE_DATA_TYPE = 26, 24
FILTERS = 256
"""Event filters that are remembered."""
FILTER_BYTES = 16 * 1024
"""Longer ones are not."""
DECODED_BYTES = 256 << 10
"""Filters of one request that have to be decoded, together: some 0.5 s to decode and check."""


class RefusedError(Exception):
    """The operation result of one item."""

    def __init__(self, code: int, filter_result: bytes = b"") -> None:
        super().__init__(f"0x{int(code):08X}")
        self.code = int(code)
        self.filter_result = filter_result


class Filters:
    """Checks filters; items with the same event filter share one plan."""

    def __init__(self, store: NodeStore, semantics: Semantics) -> None:
        self._store = store
        self._semantics = semantics
        self._event_types = EventTypes(store)
        self._plans: dict[bytes, tuple[EventPlan | None, bytes]] = {}
        self._judged: dict[bytes, tuple[EventPlan | None, bytes]] = {}  # those with a result, as of `_version`
        self._version = 0

    def data_filter(self, node: Node, attribute: int, encoded: bytes) -> DataFilter:
        """The DataChangeFilter of an item on this attribute (7.22.2)."""
        if encoded[: len(_DATA_FILTER)] == _DATA_FILTER and len(encoded) == len(_DATA_FILTER) + 16:
            trigger, kind, deadband = _DATA_FILTER_BODY.unpack_from(encoded, len(_DATA_FILTER))
            if attribute != _VALUE:
                raise RefusedError(_S.BadFilterNotAllowed)
        else:
            found = _decoded(encoded)
            if not isinstance(found, ua.DataChangeFilter):
                known = isinstance(found, ua.EventFilter)
                raise RefusedError(_S.BadFilterNotAllowed if known else _S.BadMonitoredItemFilterUnsupported)
            if attribute != _VALUE:
                raise RefusedError(_S.BadFilterNotAllowed)
            trigger, kind, deadband = int(found.Trigger), int(found.DeadbandType), float(found.DeadbandValue)
        if trigger > 2:
            raise RefusedError(_S.BadMonitoredItemFilterInvalid)
        if kind == NO_DEADBAND:
            return DataFilter(trigger)
        if kind not in (ABSOLUTE, PERCENT):
            raise RefusedError(_S.BadDeadbandFilterInvalid)
        if not self._numeric(node):
            raise RefusedError(_S.BadFilterNotAllowed)
        if not 0 <= deadband < math.inf or (kind == PERCENT and deadband > 100):
            raise RefusedError(_S.BadDeadbandFilterInvalid)
        if kind == PERCENT and self._semantics.span(node) is None:
            raise RefusedError(_S.BadMonitoredItemFilterUnsupported)
        return DataFilter(trigger, kind, deadband)

    def _numeric(self, node: Node) -> bool:
        data_type = node.shape.data_type
        if data_type is None:
            return False
        if data_type == _BASE_DATA_TYPE:
            held = node.point.variant[:1] if node.point is not None else b""
            return bool(held) and 2 <= held[0] & 0x3F <= 11
        return self._store.is_a(data_type, _NUMBER)

    def event_plan(self, encoded: bytes) -> tuple[EventPlan, bytes]:
        """The plan of an EventFilter, shared by all items with the same bytes, and its FilterResult if it has one."""
        if self._version != self._store.version:
            # What is unknown now an event type that is added may have.
            self._judged.clear()
            self._version = self._store.version
        known = self._plans.get(encoded) or self._judged.get(encoded)
        if known is None:
            wanted = _decoded(encoded) if encoded else None
            if not isinstance(wanted, ua.EventFilter):
                raise RefusedError(_S.BadEventFilterInvalid)
            obeyed, result = self._event_types.check(wanted)
            known = (
                EventPlan(wanted, self._store, self._event_types) if obeyed else None,
                b"" if result is None else bytes(extensionobject_to_binary(result)),
            )
            if len(encoded) <= FILTER_BYTES:
                kept = self._plans if result is None else self._judged
                if len(kept) >= FILTERS:
                    del kept[next(iter(kept))]
                kept[encoded] = known
        plan, filter_result = known
        if plan is None:
            raise RefusedError(_S.BadEventFilterInvalid, filter_result)
        return plan, filter_result


def require_few(filters: Iterable[bytes]) -> None:
    """Refuse a request whose filters would keep everybody waiting.

    Raises:
        ServiceFault: BadEncodingLimitsExceeded.
    """
    counted = Counter(filters)
    remembered = len(counted) <= FILTERS
    size = sum(
        len(each) * (1 if remembered and len(each) <= FILTER_BYTES else count) for each, count in counted.items()
    )
    if size > DECODED_BYTES:
        raise ServiceFault(_S.BadEncodingLimitsExceeded)


def _decoded(encoded: bytes) -> Any:
    """The structure of an encoded filter; None when it is none."""
    try:
        return extensionobject_from_binary(walked(walk_extension_object, encoded))
    except BROKEN:
        return None
    except RecursionError:
        return None
