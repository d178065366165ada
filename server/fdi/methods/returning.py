"""The instruction that ends a METHOD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.fdi.methods.ctype import CType
from server.fdi.methods.program import SWITCH, Instruction

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine


def give_back(has_value: bool, returns: CType | None) -> Instruction:
    """Return with the value on top; without one a METHOD with a TYPE gives zero (C leaves it open)."""
    nothing = returns.zero if returns is not None else None

    def with_value(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        machine.leave(stack.pop())
        return SWITCH

    def without(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        machine.leave(nothing)
        return SWITCH

    return with_value if has_value else without
