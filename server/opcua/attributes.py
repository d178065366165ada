"""Read: which attributes, index ranges, encodings and time stamps a client gets (OPC 10000-4, 5.11.2)."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError

from server.core.clock import Clock, to_datetime
from server.opcua.datavalues import stack_status
from server.opcua.rights import Rights
from server.opcua.space import READ, A, Space

_S = ua.StatusCodes
_DIMENSION = re.compile(r"(\d{1,10})(?::(\d{1,10}))?")
_BOTH = ua.TimestampsToReturn.Both
_SEQUENCES = (list, str, bytes)


def bad(code: int) -> ua.DataValue:
    """A DataValue that carries only why there is no value."""
    return ua.DataValue(ua.Variant(None, ua.VariantType.Null), stack_status(code))


def parse_range(text: str) -> list[tuple[int, int]] | None:
    """(first, last) per dimension of a NumericRange, None for wrong syntax (OPC 10000-4, 7.27)."""
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        match = _DIMENSION.fullmatch(part)
        if match is None:
            return None
        first = int(match[1])
        last = int(match[2]) if match[2] is not None else first
        if match[2] is not None and last <= first:
            return None
        found.append((first, last))
    return found


def cut(value: Any, ranges: list[tuple[int, int]]) -> Any:
    """The part of an array, text or byte string that a range names; None when nothing of it exists."""
    first, last = ranges[0]
    if not isinstance(value, _SEQUENCES) or first >= len(value):
        return None
    part = value[first : last + 1]
    if len(ranges) == 1:
        return part
    if not isinstance(value, list) or not all(isinstance(item, _SEQUENCES) for item in part):
        return None
    inner = [cut(item, ranges[1:]) for item in part]
    return None if any(item is None for item in inner) else inner


def written_range(held: ua.Variant, given: ua.Variant, text: str) -> tuple[int, ua.Variant]:
    """The whole value after a Write of a part of it, or the StatusCode that refuses it (OPC 10000-4, 5.11.4)."""
    ranges = parse_range(text)
    if ranges is None:
        return int(_S.BadIndexRangeInvalid), held
    current: Any = held.Value
    part: Any = given.Value
    if len(ranges) > 1 or not hasattr(current, "__getitem__"):
        return int(_S.BadIndexRangeNoData), held
    first, last = ranges[0]
    if last >= len(current):
        return int(_S.BadIndexRangeNoData), held
    if given.VariantType != held.VariantType or not isinstance(part, type(current)):
        return int(_S.BadTypeMismatch), held
    if len(part) != last - first + 1:
        return int(_S.BadIndexRangeDataMismatch), held
    whole = current[:first] + part + current[last + 1 :]
    return 0, ua.Variant(whole, held.VariantType, is_array=held.is_array)


class Reader:
    """Answers Read for every session."""

    def __init__(self, space: Space, rights: Rights, clock: Clock) -> None:
        self._space = space
        self._rights = rights
        self._clock = clock

    def read(self, params: ua.ReadParameters, session: Any) -> list[ua.DataValue]:
        """One DataValue per ReadValueId, in their order.

        Raises:
            ServiceError: nothing to do, or an argument of the whole request is out of range.
        """
        if not params.NodesToRead:
            raise ServiceError(_S.BadNothingToDo)
        if len(params.NodesToRead) > session.stack.max_operations:
            raise ServiceError(_S.BadTooManyOperations)
        if params.MaxAge < 0:
            raise ServiceError(_S.BadMaxAgeInvalid)
        if params.TimestampsToReturn not in tuple(ua.TimestampsToReturn)[:4]:
            raise ServiceError(_S.BadTimestampsToReturnInvalid)
        return [self._one(wanted, params.TimestampsToReturn, session) for wanted in params.NodesToRead]

    def _one(self, wanted: ua.ReadValueId, stamps: ua.TimestampsToReturn, session: Any) -> ua.DataValue:
        found = self.value(wanted.NodeId, wanted.AttributeId, session)
        if wanted.DataEncoding.Name and found.Value is not None:
            code = self._encoding(wanted, found.Value)
            if code:
                return bad(code)
        if wanted.IndexRange:
            found = self._cut(found, wanted.IndexRange)
        return self.stamped(found, stamps, is_value=wanted.AttributeId == A.Value)

    def value(self, node_id: ua.NodeId, attribute: Any, session: Any) -> ua.DataValue:
        """One attribute as this session may see it."""
        node = self._space.aspace.get(node_id)
        if node is None:
            return bad(_S.BadNodeIdUnknown)
        held = node.attributes.get(attribute)
        if held is None:
            return self._defaulted(node, attribute)
        found: ua.DataValue = held.value_callback(node_id, attribute) if held.value_callback else held.value
        if attribute == A.Value:
            access = node.attributes.get(A.AccessLevel)
            if access is not None and not access.value.Value.Value & READ:
                return bad(_S.BadNotReadable)
        elif attribute in (A.UserAccessLevel, A.UserExecutable):
            return self._rights.seen(node, attribute, found, session.caller)
        elif attribute in (A.DisplayName, A.Description) and session.locales:
            return self._translated(found, session.locales)
        return found

    def _defaulted(self, node: Any, attribute: Any) -> ua.DataValue:
        node_class = node.attributes[A.NodeClass].value.Value.Value
        if attribute in (A.WriteMask, A.UserWriteMask):
            return ua.DataValue(ua.Variant(0, ua.VariantType.UInt32))
        if attribute == A.ValueRank and node_class in (ua.NodeClass.Variable, ua.NodeClass.VariableType):
            return ua.DataValue(ua.Variant(-1, ua.VariantType.Int32))
        if attribute in (A.AccessLevel, A.UserAccessLevel) and node_class == ua.NodeClass.Variable:
            return ua.DataValue(ua.Variant(READ, ua.VariantType.Byte))
        if attribute == A.Historizing and node_class == ua.NodeClass.Variable:
            return ua.DataValue(ua.Variant(False, ua.VariantType.Boolean))
        if attribute == A.EventNotifier and node_class in (ua.NodeClass.Object, ua.NodeClass.View):
            return ua.DataValue(ua.Variant(0, ua.VariantType.Byte))
        return bad(_S.BadAttributeIdInvalid)

    def _translated(self, found: ua.DataValue, locales: list[str]) -> ua.DataValue:
        shown = self._space.translated(found.Value.Value, locales)
        return found if shown is found.Value.Value else ua.DataValue(ua.Variant(shown, ua.VariantType.LocalizedText))

    def _encoding(self, wanted: ua.ReadValueId, value: ua.Variant) -> int:
        if wanted.AttributeId != A.Value or value.VariantType != ua.VariantType.ExtensionObject:
            return int(_S.BadDataEncodingInvalid)
        return 0 if wanted.DataEncoding.Name == "Default Binary" else int(_S.BadDataEncodingUnsupported)

    def _cut(self, found: ua.DataValue, text: str) -> ua.DataValue:
        ranges = parse_range(text)
        if ranges is None:
            return bad(_S.BadIndexRangeInvalid)
        if found.Value is None or found.StatusCode is None or not found.StatusCode.is_good():
            return found
        part = cut(found.Value.Value, ranges)
        if part is None:
            return bad(_S.BadIndexRangeNoData)
        variant = ua.Variant(part, found.Value.VariantType, is_array=isinstance(part, list))
        return dataclasses.replace(found, Value=variant)

    def stamped(self, found: ua.DataValue, stamps: ua.TimestampsToReturn, *, is_value: bool) -> ua.DataValue:
        """Exactly the time stamps asked for; a value without a server time is as of now."""
        source = found.SourceTimestamp if is_value and stamps in (ua.TimestampsToReturn.Source, _BOTH) else None
        server = None
        if stamps in (ua.TimestampsToReturn.Server, _BOTH):
            server = found.ServerTimestamp or to_datetime(self._clock.now())
        if source is found.SourceTimestamp and server is found.ServerTimestamp:
            return found
        return ua.DataValue(found.Value, found.StatusCode, SourceTimestamp=source, ServerTimestamp=server)
