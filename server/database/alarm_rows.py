"""AlarmEvent to JSON text and back. Unknown keys of a newer program are skipped, missing ones take their default."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields

from server.core.values import AlarmEvent
from server.database.tagged import tagged, untagged

_DEFAULTS = {field.name: field.default for field in fields(AlarmEvent)}
_SPECIAL = frozenset({"event_id", "value", "limits", "earlier_ids"})
_PLAIN = tuple((name, default) for name, default in _DEFAULTS.items() if name not in _SPECIAL)


def to_text(event: AlarmEvent) -> str:
    """One JSON object, ASCII only (a lone surrogate in a comment stays an escape); defaults are left out."""
    body: dict[str, object] = {}
    for name, default in _PLAIN:
        value = getattr(event, name)
        if default is MISSING or value != default:
            body[name] = value
    body["event_id"] = event.event_id.hex()
    body["value"] = tagged(event.value)
    if event.earlier_ids:
        body["earlier_ids"] = [earlier.hex() for earlier in event.earlier_ids]
    if event.limits:
        body["limits"] = {name: repr(float(limit)) for name, limit in event.limits.items()}
    return json.dumps(body)


def from_text(text: str) -> AlarmEvent:
    """The event that `to_text` wrote."""
    body = {name: value for name, value in json.loads(text).items() if name in _DEFAULTS}
    body["event_id"] = bytes.fromhex(body["event_id"])
    body["value"] = untagged(body.get("value"))
    body["suppressed_by"] = tuple(body.get("suppressed_by", ()))
    body["earlier_ids"] = tuple(bytes.fromhex(earlier) for earlier in body.get("earlier_ids", ()))
    body["limits"] = {name: float(limit) for name, limit in body.get("limits", {}).items()}
    return AlarmEvent(**body)
