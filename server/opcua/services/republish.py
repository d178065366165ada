"""Republish: a message that was sent and not acknowledged, once more (OPC 10000-4, 5.14.6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asyncua import ua

from server.opcua.services.context import Request
from server.opcua.services.dispatch import Dispatcher, request_number
from server.opcua.services.fault import ServiceFault

if TYPE_CHECKING:
    from server.opcua.services.engine import SubscriptionEngine

_S = ua.StatusCodes
REPUBLISH_RESPONSE = request_number("RepublishResponse")


class RepublishService:
    """Answers with the bytes that were kept."""

    def __init__(self, engine: SubscriptionEngine) -> None:
        self._engine = engine

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer Republish."""
        dispatcher.register("Republish", partial(self._republish, dispatcher))

    def _republish(self, dispatcher: Dispatcher, request: Request, params: ua.RepublishParameters) -> None:
        subscription = self._engine.owned(request, params.SubscriptionId)
        subscription.republish_request_count += 1
        subscription.republish_message_request_count += 1
        notification = subscription.sent.get(params.RetransmitSequenceNumber)
        if notification is None:
            raise ServiceFault(_S.BadMessageNotAvailable)
        subscription.republish_message_count += 1
        dispatcher.respond_bytes(request, dispatcher.header(REPUBLISH_RESPONSE, request) + notification)
