"""Continuation points of HistoryRead: a session's own, used once, bounded (OPC 10000-4, 7.9; OPC 10000-11, 6.3)."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Any

from server.opcua.services.context import Session

TOKEN_BYTES = 16


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

    def take(self, session: Session, point: bytes) -> object:
        """What a point stands for, None for one that is none of this session's; it is used up by that."""
        return self._held(session).pop(bytes(point), None)

    def release(self, session: Session, point: bytes) -> bool:
        """Give a point back; False when it is none of this session's."""
        return self._held(session).pop(bytes(point), None) is not None
