"""Instructions for texts written in several languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from server.core.texts import Texts
from server.fdi.methods.arithmetic import push
from server.fdi.methods.program import Instruction

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine


def load_text(languages: Mapping[str, str]) -> Instruction:
    """The text in the user's language, else English, else the first (eddl.md, 1.2)."""
    texts = Texts(dict(languages))
    if len(languages) <= 1:
        return push(texts.default)

    def run(stack: list[Any], slots: list[Any], machine: Machine) -> None:
        stack.append(machine.chosen(texts))

    return run
