"""AlarmEvent to JSON text and back. Unknown keys of a newer program are skipped, missing ones take their default."""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from typing import Any

from server.core.values import AlarmEvent, Scalar

_FIELDS = frozenset(field.name for field in fields(AlarmEvent))


def _tagged(value: Scalar | None) -> list[object] | None:
    # JSON knows neither bytes nor infinity, and True == 1: the type goes along.
    if value is None:
        return None
    if isinstance(value, bytes):
        return ["bytes", base64.b64encode(value).decode("ascii")]
    if isinstance(value, float):
        return ["float", repr(value)]
    return [type(value).__name__, value]


def _untagged(pair: Any) -> Scalar | None:
    if pair is None:
        return None
    kind, value = pair
    if kind == "bytes":
        return base64.b64decode(value)
    if kind == "float":
        return float(value)
    plain: Scalar = value
    return plain


def to_text(event: AlarmEvent) -> str:
    """One JSON object, ASCII only (a lone surrogate in a comment stays an escape)."""
    body: dict[str, object] = {name: getattr(event, name) for name in _FIELDS}
    body["event_id"] = event.event_id.hex()
    body["value"] = _tagged(event.value)
    body["limits"] = {name: repr(float(limit)) for name, limit in event.limits.items()}
    return json.dumps(body, sort_keys=True)


def from_text(text: str) -> AlarmEvent:
    """The event that `to_text` wrote."""
    body = {name: value for name, value in json.loads(text).items() if name in _FIELDS}
    body["event_id"] = bytes.fromhex(body["event_id"])
    body["value"] = _untagged(body.get("value"))
    body["limits"] = {name: float(limit) for name, limit in body.get("limits", {}).items()}
    return AlarmEvent(**body)
