"""What one request and one session may ask for; told under ServerCapabilities (OPC 10000-5, 6.3.2 and 6.3.11)."""

from __future__ import annotations

from dataclasses import dataclass

from asyncua import ua

from server.opcua.services.fault import ServiceFault


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """Elements of one request at most, and what a session may hold open."""

    read: int = 10_000
    write: int = 10_000
    browse: int = 10_000
    translate: int = 10_000
    register: int = 10_000
    call: int = 1_000
    monitored_items: int = 10_000
    history_read: int = 1_000
    history_update: int = 1_000
    node_management: int = 1_000
    references: int = 10_000
    """References of one node in one answer."""
    browse_points: int = 20
    """Continuation points of Browse per session."""
    history_points: int = 100
    """Continuation points of HistoryRead per session."""


def require_count(operations: list[object] | None, most: int) -> None:
    """Refuse an empty or an oversized operation array (OPC 10000-4, 7.38).

    Raises:
        ServiceFault: BadNothingToDo or BadTooManyOperations.
    """
    if not operations:
        raise ServiceFault(ua.StatusCodes.BadNothingToDo)
    if len(operations) > most:
        raise ServiceFault(ua.StatusCodes.BadTooManyOperations)
