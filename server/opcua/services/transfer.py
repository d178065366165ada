"""TransferSubscriptions: another session of the same user takes subscriptions over (OPC 10000-4, 5.14.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua

from server.opcua.datavalues import stack_status
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.fault import ServiceFault
from server.opcua.services.subscription import Owner

if TYPE_CHECKING:
    from server.opcua.services.engine import SubscriptionEngine

_S = ua.StatusCodes
ANONYMOUS = "Anonymous"


def may_take(owner: Owner, session: Session) -> bool:
    """True when a session belongs to the owner of a subscription.

    Nobody knows anonymous users apart: they are the same only over signed channels of the same application.
    """
    other = Owner(session)
    if owner.kind != other.kind or owner.user != other.user:
        return False
    if owner.kind != ANONYMOUS:
        return True
    return (
        owner.secured
        and other.secured
        and owner.certificate is not None
        and owner.certificate == other.certificate
        and owner.application_uri == other.application_uri
    )


class TransferService:
    """Moves subscriptions between sessions."""

    def __init__(self, engine: SubscriptionEngine) -> None:
        self._engine = engine

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer TransferSubscriptions."""
        dispatcher.register("TransferSubscriptions", self.transfer)

    def transfer(
        self, request: Request, params: ua.TransferSubscriptionsParameters
    ) -> ua.TransferSubscriptionsResponse:
        """Each subscription on its own; the old session is told GoodSubscriptionTransferred."""
        session = request.session
        if session is None:
            raise ServiceFault(_S.BadSessionIdInvalid)
        if not params.SubscriptionIds:
            raise ServiceFault(_S.BadNothingToDo)
        if len(params.SubscriptionIds) > self._engine.operations.monitored_items:
            raise ServiceFault(_S.BadTooManyOperations)
        response = ua.TransferSubscriptionsResponse()
        response.Parameters.Results = [
            self._one(session, subscription_id, bool(params.SendInitialValues))
            for subscription_id in params.SubscriptionIds
        ]
        return response

    def _one(self, session: Session, subscription_id: int, send_initial_values: bool) -> ua.TransferResult:
        engine = self._engine
        result = ua.TransferResult()
        subscription = engine.subscriptions.get(subscription_id)
        if subscription is None:
            result.StatusCode = stack_status(_S.BadSubscriptionIdInvalid)
            return result
        old = subscription.session
        if old is not None:
            subscription.owner = Owner(old)  # its user may have changed since
        subscription.transfer_request_count += 1
        if not may_take(subscription.owner, session):
            result.StatusCode = stack_status(_S.BadUserAccessDenied)
            return result
        if old is not session and len(session.subscriptions) >= engine.limits.subscriptions_per_session:
            result.StatusCode = stack_status(_S.BadTooManySubscriptions)
            return result
        same_client = subscription.owner.application_uri == session.application_uri
        if same_client:
            subscription.transferred_to_same_client_count += 1
        else:
            subscription.transferred_to_alt_client_count += 1
        if old is not session:
            engine.hand_over(subscription, session)
        subscription.touched()
        if send_initial_values:
            engine.resend(subscription)
        result.AvailableSequenceNumbers = list(subscription.sent)
        return result
