"""Whether two trees say the same: positions, file names and source texts do not count."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

_LEFT_OUT: Final = frozenset({"position", "file", "sources", "warnings", "dictionary"})


def same(one: object, other: object) -> bool:
    """Whether two nodes, or tuples or mappings of them, are alike; needs no recursion, so depth is no matter."""
    pending: list[tuple[object, object]] = [(one, other)]
    while pending:
        left, right = pending.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, tuple) and isinstance(right, tuple):
            if len(left) != len(right):
                return False
            pending.extend(zip(left, right, strict=True))
        elif isinstance(left, Mapping) and isinstance(right, Mapping):
            if list(left) != list(right):
                return False
            pending.extend((left[key], right[key]) for key in left)
        elif dataclasses.is_dataclass(left) and not isinstance(left, type):
            names = [field.name for field in dataclasses.fields(left) if field.name not in _LEFT_OUT]
            pending.extend((getattr(left, name), getattr(right, name)) for name in names)
        elif left != right:
            return False
    return True
