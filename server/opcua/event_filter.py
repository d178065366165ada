"""EventFilter: checked once, then selecting and judging events (OPC 10000-4, 7.7 and 7.22.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from asyncua import ua

from server.opcua.event_operators import decide
from server.opcua.nodes.keys import Key, key_of, node_id_of
from server.opcua.nodes.store import NodeStore
from server.opcua.nodes.values import ValueEncodingError, encode_variant
from server.opcua.services.numeric_range import cut, parse_range

_S = ua.StatusCodes
V = ua.VariantType
A = ua.AttributeIds
F = ua.FilterOperator
Fields = Mapping[str, ua.Variant]
"""Fields of an event by browse path, its names joined by '/' ("AckedState/Id")."""

BASE_EVENT_TYPE = 2041
ELEMENT_LIMIT = 100
"""Elements of a where clause (MaxWhereClauseParameters)."""
SELECT_LIMIT = 1_000
"""Select clauses (MaxSelectClauseParameters)."""
_NULL = ua.Variant(None, V.Null)
_NULL_BYTES = b"\x00"
_OPERANDS = {
    F.Equals: (2, 2),
    F.IsNull: (1, 1),
    F.GreaterThan: (2, 2),
    F.LessThan: (2, 2),
    F.GreaterThanOrEqual: (2, 2),
    F.LessThanOrEqual: (2, 2),
    F.Like: (2, 2),
    F.Not: (1, 1),
    F.Between: (3, 3),
    F.InList: (2, 1_000),
    F.And: (2, 2),
    F.Or: (2, 2),
    F.Cast: (2, 2),
    F.OfType: (1, 1),
    F.BitwiseAnd: (2, 2),
    F.BitwiseOr: (2, 2),
}


class Event:
    """One event on its way to the items that monitor its notifiers; what was encoded once serves every filter."""

    __slots__ = ("_encoded", "_results", "condition", "fields", "type_key")

    def __init__(self, fields: Fields, condition: Key | None = None) -> None:
        self.fields = fields
        self.condition = condition
        event_type = fields.get("EventType")
        identifier = event_type.Value if event_type is not None else None
        self.type_key: Key = key_of(identifier) if isinstance(identifier, ua.NodeId) else BASE_EVENT_TYPE
        self._encoded: dict[str, bytes] = {}
        self._results: dict[EventPlan, bytes | None] = {}

    def value(self, clause: Clause) -> ua.Variant:
        """What a select clause or operand names; null for what the event does not have."""
        if clause.is_node_id:
            return self._node_id(clause.path)
        found = self.fields.get(clause.path, _NULL)
        return (cut(found, clause.index_range) or _NULL) if clause.index_range is not None else found

    def _node_id(self, path: str) -> ua.Variant:
        """NodeId of the condition, or of an Object below it; null for an event without that."""
        if self.condition is None or (path and f"{path}/CurrentState" not in self.fields):
            return _NULL
        node_id = node_id_of(self.condition)
        if path:
            node_id = ua.NodeId(f"{node_id.Identifier}/{path}", node_id.NamespaceIndex)
        return ua.Variant(node_id, V.NodeId)

    def encoded(self, clause: Clause) -> bytes:
        """The same, encoded; a value that its type cannot carry is null."""
        if clause.broken:
            return _NULL_BYTES
        if clause.index_range is not None or clause.is_node_id:
            return _encode(self.value(clause))
        found = self._encoded.get(clause.path)
        if found is None:
            variant = self.fields.get(clause.path)
            found = self._encoded[clause.path] = _NULL_BYTES if variant is None else _encode(variant)
        return found

    def for_filter(self, plan: EventPlan) -> bytes | None:
        """The EventFields that a filter selects, encoded; None when it does not pass the event."""
        if plan not in self._results:
            self._results[plan] = plan.fields(self) if plan.passes(self) else None
        return self._results[plan]


def _encode(variant: ua.Variant) -> bytes:
    try:
        return encode_variant(variant)
    except ValueEncodingError:
        return _NULL_BYTES


class Clause:
    """A SimpleAttributeOperand, ready to be looked up."""

    __slots__ = ("broken", "index_range", "is_node_id", "path", "type_key")

    def __init__(self, operand: ua.SimpleAttributeOperand, *, meant: bool = True) -> None:
        """`meant`: no name of its path is one of another namespace."""
        names = operand.BrowsePath or []
        type_key = key_of(operand.TypeDefinitionId)
        self.type_key = type_key if type_key and type_key != BASE_EVENT_TYPE else None
        """The event type that it is restricted to."""
        # An empty path with NodeId is the ConditionId (OPC 10000-9, 5.5.2.13); a path leads to an Object below it.
        self.is_node_id = operand.AttributeId == A.NodeId
        known = bool(names) and operand.AttributeId in (A.Value, A.NodeId)
        self.path = "/".join(part.Name or "" for part in names) if known else ""
        self.index_range = parse_range(operand.IndexRange) if operand.IndexRange else None
        self.broken = not meant or (bool(operand.IndexRange) and self.index_range is None)


class EventPlan:
    """A filter that was accepted. Items with the same filter share one plan, and with it the encoded fields."""

    __slots__ = ("_clauses", "_elements", "_fitting", "_head", "_operands", "_store", "_typed", "_version")

    def __init__(self, wanted: ua.EventFilter, store: NodeStore, types: EventTypes | None = None) -> None:
        """`types`: what tells fields of different namespaces from each other."""
        self._store = store

        def clause(operand: ua.SimpleAttributeOperand) -> Clause:
            return Clause(operand, meant=types is None or not types.is_of_another_namespace(operand))

        self._clauses = [clause(operand) for operand in wanted.SelectClauses or []]
        self._typed = any(each.type_key is not None for each in self._clauses)
        self._fitting: dict[Key, list[bool]] = {}  # by event type, as of `_version`: which clauses are meant for it
        self._version = 0
        self._head = struct.pack("<i", len(self._clauses))
        self._elements = list(wanted.WhereClause.Elements or [])
        self._operands = [
            [
                clause(operand) if isinstance(operand, ua.SimpleAttributeOperand) else operand
                for operand in element.FilterOperands or []
            ]
            for element in self._elements
        ]

    def fields(self, event: Event) -> bytes:
        """The selected fields as an array of Variants."""
        if not self._typed:
            return self._head + b"".join([event.encoded(clause) for clause in self._clauses])
        fits = self._fits(event.type_key)
        return self._head + b"".join(
            [event.encoded(clause) if fit else _NULL_BYTES for clause, fit in zip(self._clauses, fits, strict=True)]
        )

    def values(self, event: Event) -> list[ua.Variant]:
        """The selected fields; null for one that is broken, or meant for other types of events."""
        return [
            event.value(clause) if fit and not clause.broken else _NULL
            for clause, fit in zip(self._clauses, self._fits(event.type_key), strict=True)
        ]

    def _fits(self, event_type: Key) -> list[bool]:
        """Which select clauses an event of a type answers: those of that type and of what it is derived from."""
        if self._version != self._store.version:
            self._version = self._store.version
            self._fitting = {}
        found = self._fitting.get(event_type)
        if found is None:
            found = self._fitting[event_type] = [self._is_for(clause, event_type) for clause in self._clauses]
        return found

    def _is_for(self, clause: Clause, event_type: Key) -> bool:
        return clause.type_key is None or self._store.is_a(event_type, clause.type_key)

    def passes(self, event: Event) -> bool:
        """True when the event passes the where clause. What cannot be decided (null, wrong types) does not pass."""
        return not self._elements or self._element(0, event, {}) is True

    def _element(self, index: int, event: Event, known: dict[int, Any]) -> Any:
        # Elements refer forward only and each is decided once: the work is bounded by their number.
        if index not in known:
            operator = self._elements[index].FilterOperator
            operands = self._operands[index]
            values = [self._operand(operand, event, known) for operand in operands]
            if operator == F.OfType:
                wanted = values[0]
                known[index] = isinstance(wanted, ua.NodeId) and self._store.is_a(event.type_key, key_of(wanted))
            else:
                known[index] = decide(operator, values)
        return known[index]

    def _operand(self, operand: Any, event: Event, known: dict[int, Any]) -> Any:
        if isinstance(operand, Clause):
            meant = not operand.broken and self._is_for(operand, event.type_key)
            return event.value(operand).Value if meant else None
        if isinstance(operand, ua.ElementOperand):
            return self._element(operand.Index, event, known)
        return operand.Value.Value if operand.Value is not None else None


class EventTypes:
    """Which fields the event types of the address space have."""

    def __init__(self, store: NodeStore) -> None:
        self._store = store
        self._first: dict[str, set[tuple[Key, int]]] = {}  # the event types' own fields by name, as of `_version`
        self._version = 0

    def has_field(self, operand: ua.SimpleAttributeOperand) -> bool:
        """True when some event type has this field."""
        return self._has(operand, strict=True)

    def is_of_another_namespace(self, operand: ua.SimpleAttributeOperand) -> bool:
        """True when types have such a field only under a name of another namespace: then it is another field."""
        if not operand.BrowsePath:
            return False
        return self._has(operand, strict=False) and not self._has(operand, strict=True)

    def _has(self, operand: ua.SimpleAttributeOperand, *, strict: bool) -> bool:
        store = self._store
        if self._version != store.version:
            # Once for all clauses: a filter may name a thousand fields, and there are hundreds of types.
            self._version = store.version
            self._first = {}
            for event_type in store.below(BASE_EVENT_TYPE):
                for child, name, index in self._fields(event_type):
                    self._first.setdefault(name, set()).add((child, index))
        first, *rest = operand.BrowsePath
        level = {
            child
            for child, index in self._first.get(first.Name or "", ())
            if not strict or index == first.NamespaceIndex
        }
        for part in rest:
            level = {
                child
                for parent in level
                for child, name, index in self._fields(parent)
                if name == part.Name and (not strict or index == part.NamespaceIndex)
            }
        return bool(level)

    def _fields(self, key: Key) -> Iterator[tuple[Key, str, int]]:
        store = self._store
        for reference in (46, 47, 49):  # HasProperty, HasComponent, HasOrderedComponent
            for child in store.targets(key, reference):
                node = store.peek(child)
                if node is not None and node.name.Name:
                    yield child, node.name.Name, node.name.NamespaceIndex

    def check(self, wanted: ua.EventFilter) -> tuple[bool, ua.EventFilterResult | None]:
        """(whether the filter is obeyed, what is wrong with which clause or element or None)."""
        elements = list(wanted.WhereClause.Elements or []) if wanted.WhereClause is not None else []
        selects = wanted.SelectClauses or []
        if not selects or len(selects) > SELECT_LIMIT or len(elements) > ELEMENT_LIMIT:
            return False, ua.EventFilterResult()
        select_codes = [self._select_code(clause) for clause in selects]
        element_results = [_element_result(index, element, len(elements)) for index, element in enumerate(elements)]
        wrong = any(result.StatusCode.value for result in element_results)
        if not wrong and not any(select_codes):
            return True, None
        result = ua.EventFilterResult()
        result.SelectClauseResults = [ua.StatusCode(code) for code in select_codes]
        result.WhereClauseResult.ElementResults = element_results
        return not wrong and not all(select_codes), result

    def _select_code(self, operand: ua.SimpleAttributeOperand) -> int:
        if operand.IndexRange and parse_range(operand.IndexRange) is None:
            return int(_S.BadIndexRangeInvalid)
        type_key = key_of(operand.TypeDefinitionId)
        if type_key and not self._store.is_a(type_key, BASE_EVENT_TYPE):
            known = type_key in self._store
            return int(_S.BadTypeDefinitionInvalid if known else _S.BadNodeIdUnknown)
        if not operand.BrowsePath:
            return 0 if operand.AttributeId == A.NodeId else int(_S.BadAttributeIdInvalid)
        if operand.AttributeId not in (A.Value, A.NodeId):
            return int(_S.BadAttributeIdInvalid)
        return 0 if self.has_field(operand) else int(_S.BadNodeIdUnknown)


def _element_result(index: int, element: ua.ContentFilterElement, count: int) -> ua.ContentFilterElementResult:
    operands = element.FilterOperands or []
    codes = [_operand_code(index, operand, count) for operand in operands]
    bounds = _OPERANDS.get(element.FilterOperator)
    if bounds is None:
        code = int(_S.BadFilterOperatorUnsupported)
    elif not bounds[0] <= len(operands) <= bounds[1]:
        code = int(_S.BadFilterOperandCountMismatch)
    else:
        code = int(_S.BadFilterOperandInvalid) if any(codes) else 0
    return ua.ContentFilterElementResult(
        StatusCode=ua.StatusCode(code), OperandStatusCodes=[ua.StatusCode(each) for each in codes]
    )


def _operand_code(index: int, operand: Any, count: int) -> int:
    """Elements refer forward only: no filter can run in circles."""
    if isinstance(operand, ua.ElementOperand):
        return 0 if index < operand.Index < count else int(_S.BadFilterOperandInvalid)
    if isinstance(operand, ua.SimpleAttributeOperand):
        return int(_S.BadIndexRangeInvalid) if operand.IndexRange and parse_range(operand.IndexRange) is None else 0
    return 0 if isinstance(operand, ua.LiteralOperand) else int(_S.BadFilterOperandInvalid)
