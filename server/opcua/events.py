"""Events: fields by browse path, delivered to every notifier above their source, filtered as the client asked."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace
from asyncua.server.subscription_service import SubscriptionService

from server.core.clock import Clock, to_datetime
from server.opcua.space import HAS_SUBTYPE, SERVER

V = ua.VariantType
_NULL = ua.Variant(None, V.Null)
Fields = Mapping[str, ua.Variant]


class ServerEvent:
    """One event as one notifier emits it. Field names are browse paths joined by '/' ("AckedState/Id")."""

    def __init__(self, fields: Fields, emitting_node: ua.NodeId, condition_id: ua.NodeId | None = None) -> None:
        self.fields = fields
        self.emitting_node = emitting_node
        self.condition_id = condition_id

    def value(self, path: str) -> Any:
        """The plain value of a field; None when the event has no such field."""
        field = self.fields.get(path)
        return field.Value if field is not None else None

    def to_event_fields(self, select_clauses: Iterable[ua.SimpleAttributeOperand]) -> list[ua.Variant]:
        """One Variant per select clause; null for what this event does not have (OPC 10000-4, 7.22.3)."""
        return [self.select(clause) for clause in select_clauses]

    def select(self, clause: ua.SimpleAttributeOperand) -> ua.Variant:
        """The value that one operand names. An empty path with NodeId is the ConditionId (OPC 10000-9, 5.5.2.13)."""
        if not clause.BrowsePath:
            if clause.AttributeId == ua.AttributeIds.NodeId and self.condition_id is not None:
                return ua.Variant(self.condition_id, V.NodeId)
            return _NULL
        if clause.AttributeId != ua.AttributeIds.Value:
            return _NULL
        return self.fields.get("/".join(part.Name or "" for part in clause.BrowsePath), _NULL)


class FilterEvaluator:
    """The where clause of an EventFilter over a ServerEvent; takes the place of the stack's own evaluator."""

    def __init__(self, _logger: Any, aspace: AddressSpace, where: ua.ContentFilter) -> None:
        self._aspace = aspace
        self._elements = list(where.Elements or []) if where is not None else []

    def eval(self, event: ServerEvent) -> bool:
        """True when the event passes. What cannot be decided (null operands, wrong types) does not pass."""
        if not self._elements:
            return True
        return self._element(0, event, 0) is True

    def _element(self, index: int, event: ServerEvent, depth: int) -> Any:
        if index >= len(self._elements) or depth > len(self._elements):
            return None
        element = self._elements[index]
        operands = element.FilterOperands or []
        operator = element.FilterOperator
        if operator == ua.FilterOperator.OfType:
            return self._of_type(event, self._operand(operands[0], event, depth))
        values = [self._operand(operand, event, depth) for operand in operands]
        return _decide(operator, values)

    def _operand(self, operand: Any, event: ServerEvent, depth: int) -> Any:
        if isinstance(operand, ua.LiteralOperand):
            return operand.Value.Value if operand.Value is not None else None
        if isinstance(operand, ua.ElementOperand):
            return self._element(operand.Index, event, depth + 1)
        if isinstance(operand, ua.SimpleAttributeOperand):
            return event.select(operand).Value
        return None

    def _of_type(self, event: ServerEvent, wanted: Any) -> bool:
        current = event.value("EventType")
        for _ in range(32):
            if current is None or current == wanted:
                return current is not None
            node = self._aspace.get(current)
            above = (
                [r.NodeId for r in node.references if r.ReferenceTypeId == HAS_SUBTYPE and not r.IsForward]
                if node
                else []
            )
            current = above[0] if above else None
        return False


def _decide(operator: ua.FilterOperator, values: list[Any]) -> Any:
    operators = ua.FilterOperator
    first = values[0] if values else None
    second = values[1] if len(values) > 1 else None
    if operator == operators.IsNull:
        return first is None
    if operator == operators.And:
        return None if None in (first, second) and False not in (first, second) else bool(first and second)
    if operator == operators.Or:
        return None if None in (first, second) and True not in (first, second) else bool(first or second)
    if operator == operators.Not:
        return None if first is None else not first
    if operator == operators.InList:
        return first is not None and first in values[1:]
    if first is None or any(value is None for value in values):
        return None
    try:
        if operator == operators.Equals:
            return bool(first == second)
        if operator == operators.GreaterThan:
            return bool(first > second)
        if operator == operators.LessThan:
            return bool(first < second)
        if operator == operators.GreaterThanOrEqual:
            return bool(first >= second)
        if operator == operators.LessThanOrEqual:
            return bool(first <= second)
        if operator == operators.Between:
            return bool(second <= first <= values[2])
        if operator == operators.Like:
            return re.fullmatch(_like(str(second)), _plain(first), re.DOTALL) is not None
    except (TypeError, IndexError, re.error):
        return None
    return None


_OPERANDS = {
    ua.FilterOperator.Equals: (2, 2),
    ua.FilterOperator.IsNull: (1, 1),
    ua.FilterOperator.GreaterThan: (2, 2),
    ua.FilterOperator.LessThan: (2, 2),
    ua.FilterOperator.GreaterThanOrEqual: (2, 2),
    ua.FilterOperator.LessThanOrEqual: (2, 2),
    ua.FilterOperator.Like: (2, 2),
    ua.FilterOperator.Not: (1, 1),
    ua.FilterOperator.Between: (3, 3),
    ua.FilterOperator.InList: (2, 1_000),
    ua.FilterOperator.And: (2, 2),
    ua.FilterOperator.Or: (2, 2),
    ua.FilterOperator.OfType: (1, 1),
}
ELEMENT_LIMIT = 100


def check_filter(wanted: ua.EventFilter) -> ua.EventFilterResult | None:
    """None for a filter that will be obeyed, else what is wrong with which element (OPC 10000-4, 7.22.3)."""
    elements = list(wanted.WhereClause.Elements or [])
    codes = [_element_code(index, element, len(elements)) for index, element in enumerate(elements)]
    selects = wanted.SelectClauses or []
    if selects and len(elements) <= ELEMENT_LIMIT and not any(codes):
        return None
    result = ua.EventFilterResult()
    result.SelectClauseResults = [ua.StatusCode() for _ in selects]
    result.WhereClauseResult.ElementResults = [
        ua.ContentFilterElementResult(
            StatusCode=ua.StatusCode(code),
            OperandStatusCodes=[ua.StatusCode(code) for _ in element.FilterOperands or []],
        )
        for code, element in zip(codes, elements, strict=True)
    ]
    return result


def _element_code(index: int, element: ua.ContentFilterElement, count: int) -> int:
    codes = ua.StatusCodes
    bounds = _OPERANDS.get(element.FilterOperator)
    if bounds is None:
        return int(codes.BadFilterOperatorUnsupported)
    operands = element.FilterOperands or []
    if not bounds[0] <= len(operands) <= bounds[1]:
        return int(codes.BadFilterOperandCountMismatch)
    for operand in operands:
        if isinstance(operand, ua.ElementOperand):
            # Elements refer forward only: no filter can run in circles.
            if not index < operand.Index < count:
                return int(codes.BadFilterOperandInvalid)
        elif not isinstance(operand, ua.LiteralOperand | ua.SimpleAttributeOperand):
            return int(codes.BadFilterOperandInvalid)
    return 0


def _plain(value: Any) -> str:
    return value.Text or "" if isinstance(value, ua.LocalizedText) else str(value)


def _like(pattern: str) -> str:
    """The regular expression of a Like pattern: % _ [] [^] and \\ as escape (OPC 10000-4, 7.7.3)."""
    found: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "%":
            found.append(".*")
        elif character == "_":
            found.append(".")
        elif character == "\\" and position < len(pattern):
            found.append(re.escape(pattern[position]))
            position += 1
        elif character == "[" and "]" in pattern[position:]:
            end = pattern.index("]", position)
            inner = pattern[position:end].replace("\\", "\\\\")
            found.append(f"[{inner}]")
            position = end + 1
        else:
            found.append(re.escape(character))
    return "".join(found)


class EventBus:
    """Sends events to the subscriptions of every notifier on the way up to Server."""

    def __init__(self, subscriptions: SubscriptionService, clock: Clock) -> None:
        self._subscriptions = subscriptions
        self._clock = clock

    async def send(self, fields: Fields, notifiers: Iterable[ua.NodeId], condition_id: ua.NodeId | None = None) -> None:
        """Deliver to all subscriptions, once for each notifier that is monitored."""
        events = [ServerEvent(fields, node, condition_id) for node in notifiers]
        for subscription in list(self._subscriptions.subscriptions.values()):
            for event in events:
                await subscription.monitored_item_srv.trigger_event(event)

    async def send_to(
        self,
        subscription_id: int,
        fields: Fields,
        notifiers: Iterable[ua.NodeId],
        condition_id: ua.NodeId | None = None,
        item_id: int | None = None,
    ) -> None:
        """Deliver to one subscription, or one monitored item of it."""
        subscription = self._subscriptions.subscriptions.get(subscription_id)
        if subscription is None:
            return
        service = subscription.monitored_item_srv
        for node in notifiers:
            items = service._monitored_events.get(node, [])
            if item_id is None or item_id in items:
                await service.trigger_event(ServerEvent(fields, node, condition_id), item_id)

    def monitored(self, subscription_id: int) -> list[ua.NodeId]:
        """The notifiers that a subscription listens to."""
        subscription = self._subscriptions.subscriptions.get(subscription_id)
        return list(subscription.monitored_item_srv._monitored_events) if subscription is not None else []

    def has_item(self, subscription_id: int, item_id: int) -> bool:
        """True when the monitored item is one of that subscription's event items."""
        subscription = self._subscriptions.subscriptions.get(subscription_id)
        return subscription is not None and item_id in subscription.monitored_item_srv._monitored_items

    def base_fields(
        self, event_type: int, source: ua.NodeId, source_name: str, message: str, severity: int
    ) -> dict[str, ua.Variant]:
        """The fields of BaseEventType, with a new EventId and the time now."""
        now = to_datetime(self._clock.now())
        return {
            "EventId": ua.Variant(uuid.uuid4().bytes, V.ByteString),
            "EventType": ua.Variant(ua.NodeId(event_type), V.NodeId),
            "SourceNode": ua.Variant(source, V.NodeId),
            "SourceName": ua.Variant(source_name, V.String),
            "Time": ua.Variant(now, V.DateTime),
            "ReceiveTime": ua.Variant(now, V.DateTime),
            "Message": ua.Variant(ua.LocalizedText(message, "en"), V.LocalizedText),
            "Severity": ua.Variant(severity, V.UInt16),
        }

    async def model_changed(self, node_id: ua.NodeId, type_id: ua.NodeId, *, added: bool) -> None:
        """A GeneralModelChangeEvent of the Server object (OPC 10000-3, 9.32; verbs of OPC 10000-5)."""
        change = ua.ModelChangeStructureDataType(Affected=node_id, AffectedType=type_id, Verb=1 if added else 2)
        word = "added" if added else "removed"
        fields = self.base_fields(
            ua.ObjectIds.GeneralModelChangeEventType, SERVER, "Server", f"{node_id.Identifier} was {word}", 100
        )
        fields["Changes"] = ua.Variant([change], V.ExtensionObject, is_array=True)
        await self.send(fields, [SERVER])
