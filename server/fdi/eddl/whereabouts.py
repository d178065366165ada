"""In which construct, and which attribute of it, a token stands: for messages about source that does not parse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from server.fdi.eddl.tokens import Token

_MODIFIERS: Final = frozenset({"ADD", "REDEFINE", "DELETE"})


def standing_in(tokens: Sequence[Token], start: int, at: int) -> str:
    """Such as `LABEL of VARIABLE x`, for the token `at` of the construct that begins at `start`; '' in its head."""
    opening = next((here for here in range(start, at) if tokens[here].text == "{"), None)
    if opening is None:
        return ""
    construct = _named(tokens[start:opening])
    attribute = _attribute(tokens, opening, at)
    return f"{attribute} of {construct}" if attribute else construct


def _named(head: Sequence[Token]) -> str:
    words = [token.text for token in head]
    while words and words[0] in _MODIFIERS:
        del words[0]
    if not words or words[0] == "IMPORT":
        return "IMPORT"
    if words[1:2] == ["LIKE"] or len(words) == 1:
        return words[0]
    name = words[3] if words[1:2] == ["OF"] and len(words) > 3 else words[1]
    return f"{words[0]} {name}"


def _attribute(tokens: Sequence[Token], opening: int, at: int) -> str:
    """The word the attribute begins with that is still open, '' between attributes."""
    depth = 0
    first: Token | None = None
    for token in tokens[opening + 1 : at]:
        if token.text == "{":
            depth += 1
        elif token.text == "}":
            depth -= 1
            if depth == 0:
                first = None
        elif depth == 0 and token.text == ";":
            first = None
        elif depth == 0 and first is None and token.text not in _MODIFIERS:
            first = token
    return first.text if first is not None else ""
