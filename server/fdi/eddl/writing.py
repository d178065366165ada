"""Small pieces of the tree as text again: references and conditions for messages and for the model."""

from __future__ import annotations

from server.fdi.eddl.expressions import Expression, Floating, Integer, Member, Reference, Text


def written(reference: Reference) -> str:
    """A reference as it stands in the source; an index that is no constant shows as `…`."""
    text = reference.name
    for step in reference.steps:
        text += f".{step.name}" if isinstance(step, Member) else f"[{_index(step.value)}]"
    return text


def _index(value: Expression) -> str:
    match value:
        case Integer() | Floating():
            return str(value.value)
        case Reference():
            return written(value)
        case Text():
            return '"' + value.raw + '"'
    return "…"
