"""A value with its type as JSON carries it: JSON knows neither bytes nor infinity, and to it True is 1."""

from __future__ import annotations

import base64
from typing import Any

from server.core.values import Scalar


def tagged(value: Scalar | None) -> list[object] | None:
    """`[type, value]`, or None."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return ["bytes", base64.b64encode(value).decode("ascii")]
    if isinstance(value, float):
        return ["float", repr(value)]
    return [type(value).__name__, value]


def untagged(pair: Any) -> Scalar | None:
    """The value that `tagged` wrote."""
    if pair is None:
        return None
    kind, value = pair
    if kind == "bytes":
        return base64.b64decode(value)
    if kind == "float":
        return float(value)
    plain: Scalar = value
    return plain
