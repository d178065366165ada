"""The operators of a ContentFilter over plain values; None is "cannot be decided" (OPC 10000-4, 7.7.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from asyncua import ua

F = ua.FilterOperator
PATTERN_LIMIT, TEXT_LIMIT = 256, 2_000
"""Characters of a Like pattern and of what it is compared with; with more it cannot be decided."""


def decide(operator: ua.FilterOperator, values: Sequence[Any]) -> Any:
    """True, False or None; for Cast and the bitwise operators the value."""
    if operator == F.IsNull:
        return values[0] is None
    if operator in (F.And, F.Or):
        return _and_or(values[0], values[1], decisive=operator == F.Or)
    if operator == F.Not:
        return not values[0] if isinstance(values[0], bool) else None
    if operator == F.InList:
        return values[0] is not None and any(_equal(values[0], value) for value in values[1:])
    if any(value is None for value in values):
        return None
    function = _FUNCTIONS.get(operator)
    if function is None:
        return None
    try:
        return function(*values)
    except (TypeError, ValueError, OverflowError, re.error):
        return None


def _and_or(first: object, second: object, *, decisive: bool) -> bool | None:
    """Three-valued logic: the decisive value wins over null (OPC 10000-4, tables of 7.7.3)."""
    if first is decisive or second is decisive:
        return decisive
    return (not decisive) if isinstance(first, bool) and isinstance(second, bool) else None


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, ua.LocalizedText) and isinstance(second, str):
        return bool(first.Text == second)
    if isinstance(second, ua.LocalizedText) and isinstance(first, str):
        return bool(second.Text == first)
    return bool(first == second)


def _between(value: Any, low: Any, high: Any) -> bool:
    return bool(low <= value <= high)


def _like(value: Any, pattern: Any) -> bool:
    text = value.Text or "" if isinstance(value, ua.LocalizedText) else value
    if not isinstance(text, str) or not isinstance(pattern, str):
        raise TypeError("Like compares texts")
    if len(pattern) > PATTERN_LIMIT or len(text) > TEXT_LIMIT:
        raise ValueError("too long to be compared for every event")
    return like(text, pattern)


def _tokens(pattern: str) -> list[tuple[str, str]]:
    """(kind, characters) of a Like pattern: "%" any run, "_" any one, "in"/"out" a set, "is" one character."""
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character in "%_":
            found.append((character, ""))
        elif character == "\\" and position < len(pattern):
            found.append(("is", pattern[position]))
            position += 1
        elif character == "[" and "]" in pattern[position + 1 :]:
            end = pattern.index("]", position + 1)
            inner = pattern[position:end]
            found.append(("out", inner[1:]) if inner.startswith("^") else ("in", inner))
            position = end + 1
        else:
            found.append(("is", character))
    return found


def _expression(kind: str, members: str) -> str:
    """One token other than % as a regular expression for one character."""
    if kind == "_":
        return "."
    if kind == "is":
        return re.escape(members)
    inner = ""
    position = 0
    while position < len(members):
        ranged = position + 2 < len(members) and members[position + 1] == "-"
        low, high = members[position], members[position + 2 if ranged else position]
        if low <= high:
            inner += f"{re.escape(low)}-{re.escape(high)}"
        position += 3 if ranged else 1
    if not inner:
        return "(?!)" if kind == "in" else "."
    return f"[{'' if kind == 'in' else '^'}{inner}]"


@lru_cache(maxsize=256)
def _segments(pattern: str) -> tuple[tuple[re.Pattern[str], int], ...]:
    """What stands between the % of a pattern, and how many characters it takes. Nothing in it repeats."""
    parts: list[list[str]] = [[]]
    for kind, members in _tokens(pattern):
        if kind == "%":
            parts.append([])
        else:
            parts[-1].append(_expression(kind, members))
    return tuple((re.compile("".join(part), re.DOTALL), len(part)) for part in parts)


def like(text: str, pattern: str) -> bool:
    """True when a text matches a pattern of % _ [] [^] and \\ as escape.

    Each segment is taken where it comes first: the work is bounded by text times pattern whatever a client asks for.
    """
    (first, _size), *others = _segments(pattern)
    if not others:
        return first.fullmatch(text) is not None
    *between, (last, size) = others
    found = first.match(text)
    for segment, _size in between:
        if found is None:
            return False
        found = segment.search(text, found.end())
    # The last one can only stand at the very end.
    begin = len(text) - size
    return found is not None and begin >= found.end() and last.fullmatch(text, begin) is not None


def _cast(value: Any, target: Any) -> Any:
    """Scalars of the built-in types that Part 4 converts into each other; None for others."""
    if not isinstance(target, ua.NodeId) or target.NamespaceIndex != 0:
        return None
    kind = target.Identifier
    if kind == 1:
        return _boolean(value)
    if kind in _INTEGERS:
        number = int(value) if isinstance(value, str) else round(value)
        low, high = _INTEGERS[kind]
        return number if low <= number <= high else None
    if kind in (10, 11):
        return float(value)
    if kind == 12:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, ua.LocalizedText):
            return value.Text
        return str(value) if isinstance(value, int | float | str) else None
    return None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
    return bool(value) if isinstance(value, bool | int | float) else None


_INTEGERS = {
    2: (-(1 << 7), (1 << 7) - 1),
    3: (0, (1 << 8) - 1),
    4: (-(1 << 15), (1 << 15) - 1),
    5: (0, (1 << 16) - 1),
    6: (-(1 << 31), (1 << 31) - 1),
    7: (0, (1 << 32) - 1),
    8: (-(1 << 63), (1 << 63) - 1),
    9: (0, (1 << 64) - 1),
}
"""Ranges of the integer types by the number of the data type."""


def _greater(first: Any, second: Any) -> bool:
    return bool(first > second)


def _less(first: Any, second: Any) -> bool:
    return bool(first < second)


def _at_least(first: Any, second: Any) -> bool:
    return bool(first >= second)


def _at_most(first: Any, second: Any) -> bool:
    return bool(first <= second)


def _bit_and(first: Any, second: Any) -> Any:
    return first & second


def _bit_or(first: Any, second: Any) -> Any:
    return first | second


_FUNCTIONS: dict[ua.FilterOperator, Callable[..., Any]] = {
    F.Equals: _equal,
    F.GreaterThan: _greater,
    F.LessThan: _less,
    F.GreaterThanOrEqual: _at_least,
    F.LessThanOrEqual: _at_most,
    F.Between: _between,
    F.Like: _like,
    F.Cast: _cast,
    F.BitwiseAnd: _bit_and,
    F.BitwiseOr: _bit_or,
}
