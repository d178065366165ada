"""Continuation points of HistoryRead: a session's own, used once, bounded (OPC 10000-4, 7.9; OPC 10000-11, 6.3)."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from asyncua import ua

from server.opcua.services.context import Request, Session
from server.opcua.services.fault import ServiceFault

TOKEN_BYTES = 16

Q = TypeVar("Q")


class HistoryPoints:
    """What continuation points of all kinds of history stand for."""

    def __init__(self, per_session: int) -> None:
        self._per_session = per_session

    @staticmethod
    def _held(session: Session) -> OrderedDict[bytes, Any]:
        held: OrderedDict[bytes, Any] | None = session.history_points
        if held is None:
            held = session.history_points = OrderedDict()
        return held

    def keep(self, session: Session, question: object) -> bytes:
        """A new point; beyond as many as a session may have the oldest one goes."""
        held = self._held(session)
        if len(held) >= self._per_session:
            held.popitem(last=False)
        token = secrets.token_bytes(TOKEN_BYTES)
        held[token] = question
        return token

    def resume(self, session: Session, point: bytes, kind: type[Q], fits: Callable[[Q], bool]) -> Q:
        """What a point stands for; it is used up by that.

        Raises:
            ServiceFault: BadContinuationPointInvalid: none of this session's, of another kind of history or node.
        """
        found = self._held(session).pop(bytes(point), None)
        if not isinstance(found, kind) or not fits(found):
            raise ServiceFault(ua.StatusCodes.BadContinuationPointInvalid)
        return found

    def release(self, session: Session, point: bytes) -> bool:
        """Give a point back; False when it is none of this session's."""
        return self._held(session).pop(bytes(point), None) is not None


def session_of(request: Request) -> Session:
    """Whose continuation points a read uses.

    Raises:
        ServiceFault: BadSessionIdInvalid: the request has no session.
    """
    if request.session is None:
        raise ServiceFault(ua.StatusCodes.BadSessionIdInvalid)
    return request.session
