"""How many values of a page fit into the answer that the client takes; the rest comes by continuation point."""

from __future__ import annotations

from collections.abc import Iterable

from server.history.store import StoredValue
from server.opcua.services.context import Request

_AROUND = 4_096  # header, results, what frames each node's answer
_VALUE = 31  # the largest DataValue of a number: mask, Variant, StatusCode, both time stamps
_MODIFIED = 64  # ModificationInfo but for the name


def room_of(request: Request, nodes: int) -> int | None:
    """Bytes for the values of one of so many nodes; None: the client sets no bound."""
    session, channel = request.session, request.channel
    bounds = [channel.max_response_bytes, session.max_response_bytes if session is not None else 0]
    least = min((bound for bound in bounds if bound), default=0)
    return max(least - _AROUND, 0) // max(nodes, 1) if least else None


def fitting(values: Iterable[StoredValue], room: int | None, more_each: int = 0) -> int:
    """How many of these values, from the first on, fit; at least one, which is then for the client to refuse."""
    count, used = 0, 0
    for value in values:
        text = value.value
        used += _VALUE + more_each
        if isinstance(text, str):
            used += len(text.encode("utf-8", "surrogatepass"))
        elif isinstance(text, bytes):
            used += len(text)
        if room is not None and used > room and count:
            break
        count += 1
    return count


def fitting_modified(values: Iterable[StoredValue], names: Iterable[str], room: int | None) -> int:
    """The same of modified values with the users who changed them."""
    longest = max((len(name.encode("utf-8", "surrogatepass")) for name in names), default=0)
    return fitting(values, room, _MODIFIED + longest)
