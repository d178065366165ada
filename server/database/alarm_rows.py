"""AlarmEvent to JSON text and back. Unknown keys of a newer program are skipped, missing ones take their default."""

from __future__ import annotations

import json
from dataclasses import fields

from server.core.values import AlarmEvent
from server.database.tagged import tagged, untagged

_FIELDS = frozenset(field.name for field in fields(AlarmEvent))


def to_text(event: AlarmEvent) -> str:
    """One JSON object, ASCII only (a lone surrogate in a comment stays an escape)."""
    body: dict[str, object] = {name: getattr(event, name) for name in _FIELDS}
    body["event_id"] = event.event_id.hex()
    body["earlier_ids"] = [earlier.hex() for earlier in event.earlier_ids]
    body["value"] = tagged(event.value)
    body["limits"] = {name: repr(float(limit)) for name, limit in event.limits.items()}
    return json.dumps(body, sort_keys=True)


def from_text(text: str) -> AlarmEvent:
    """The event that `to_text` wrote."""
    body = {name: value for name, value in json.loads(text).items() if name in _FIELDS}
    body["event_id"] = bytes.fromhex(body["event_id"])
    body["value"] = untagged(body.get("value"))
    body["earlier_ids"] = tuple(bytes.fromhex(earlier) for earlier in body.get("earlier_ids", ()))
    body["suppressed_by"] = tuple(body.get("suppressed_by", ()))
    body["limits"] = {name: float(limit) for name, limit in body.get("limits", {}).items()}
    return AlarmEvent(**body)
