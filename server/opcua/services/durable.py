"""Methods of the Server object that work on subscriptions (OPC 10000-5, 9.1 and 9.2; OPC 10000-4, 6.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.nodes.keys import Key
from server.opcua.services.context import Request

if TYPE_CHECKING:
    from server.opcua.services.engine import SubscriptionEngine
    from server.opcua.services.subscription import Subscription

_S = ua.StatusCodes
V = ua.VariantType
GET_MONITORED_ITEMS = (11492, 11489)
RESEND_DATA = (12873, 12871)
SET_SUBSCRIPTION_DURABLE = (12749, 12746)
"""NodeIds of the methods in namespace 0: of the Server object, of ServerType."""
MS_PER_HOUR = 3_600_000.0


class SubscriptionMethods:
    """GetMonitoredItems, ResendData and SetSubscriptionDurable, in the form that the Method service calls."""

    def __init__(self, engine: SubscriptionEngine) -> None:
        self._engine = engine
        self.handlers = {
            method_id: handler
            for method_ids, handler in (
                (GET_MONITORED_ITEMS, self.get_monitored_items),
                (RESEND_DATA, self.resend_data),
                (SET_SUBSCRIPTION_DURABLE, self.set_subscription_durable),
            )
            for method_id in method_ids
        }
        """Method handlers by the method's key."""

    def get_monitored_items(
        self, request: Request, _object_key: Key, _method_key: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        """Server and client handles of a session's own subscription."""
        found = self._own(request, arguments, (V.UInt32,))
        if isinstance(found, ua.CallMethodResult):
            return found
        items = list(found.items.values())
        handles = ([item.item_id for item in items], [item.client_handle for item in items])
        return ua.CallMethodResult(OutputArguments=[ua.Variant(column, V.UInt32, is_array=True) for column in handles])

    def resend_data(
        self, request: Request, _object_key: Key, _method_key: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        """Report the present values of all reporting data items once more."""
        found = self._own(request, arguments, (V.UInt32,))
        if isinstance(found, ua.CallMethodResult):
            return found
        self._engine.resend(found)
        return ua.CallMethodResult()

    def set_subscription_durable(
        self, request: Request, _object_key: Key, _method_key: Key, arguments: list[ua.Variant]
    ) -> ua.CallMethodResult:
        """Let a subscription without items live for hours without its client; 0 asks for the longest time."""
        found = self._own(request, arguments, (V.UInt32, V.UInt32))
        if isinstance(found, ua.CallMethodResult):
            return found
        if found.items:
            return ua.CallMethodResult(stack_status(_S.BadInvalidState))
        most = self._engine.limits.max_durable_hours
        hours = min(int(arguments[1].Value) or most, most)
        found.durable_hours = hours
        found.lifetime_count = max(found.lifetime_count, int(hours * MS_PER_HOUR / found.publishing_interval_ms))
        return ua.CallMethodResult(OutputArguments=[ua.Variant(hours, V.UInt32)])

    def _own(
        self, request: Request, arguments: list[ua.Variant], types: tuple[ua.VariantType, ...]
    ) -> Subscription | ua.CallMethodResult:
        """The subscription that the first argument names, or what is wrong with the call."""
        if len(arguments) != len(types):
            few = len(arguments) < len(types)
            return ua.CallMethodResult(stack_status(_S.BadArgumentsMissing if few else _S.BadTooManyArguments))
        codes = [
            0 if argument.VariantType == wanted and not isinstance(argument.Value, list) else _S.BadTypeMismatch
            for argument, wanted in zip(arguments, types, strict=True)
        ]
        if any(codes):
            return ua.CallMethodResult(stack_status(_S.BadInvalidArgument), [stack_status(code) for code in codes])
        subscription = self._engine.subscriptions.get(arguments[0].Value)
        if subscription is None:
            return ua.CallMethodResult(stack_status(_S.BadSubscriptionIdInvalid))
        if subscription.session is not request.session:
            return ua.CallMethodResult(stack_status(_S.BadUserAccessDenied))
        subscription.touched()
        return subscription
