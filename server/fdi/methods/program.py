"""A compiled METHOD: instructions for the machine, and what they know about the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from server.fdi.eddl.model import EddMethod
from server.fdi.eddl.nodes import Position
from server.fdi.methods.ctype import CType

if TYPE_CHECKING:
    from server.fdi.methods.library import Library
    from server.fdi.methods.machine import Machine

Instruction: TypeAlias = Callable[[list[Any], list[Any], "Machine"], int | None]
"""Works on the stack and the locals of the active METHOD. Returns None to go on, the next place to jump to, SPENT
when it took more than one step, or SWITCH when another METHOD is active now or nothing goes on."""

SPENT: Final = -1
SWITCH: Final = -2


@dataclass(frozen=True, slots=True)
class Local:
    """A declared local or parameter: its slot, type, array lengths, and whether the slot holds a place instead."""

    slot: int
    name: str
    ctype: CType
    lengths: tuple[int, ...] | None = None  # None for a scalar, () for an array of unknown length
    by_reference: bool = False


class Scope:
    """Names visible at one point, the innermost first."""

    __slots__ = ("_names", "_outer")

    def __init__(self, outer: Scope | None = None) -> None:
        self._outer = outer
        self._names: dict[str, Local] = {}

    def declare(self, local: Local) -> bool:
        """False when this block already has the name."""
        if local.name in self._names:
            return False
        self._names[local.name] = local
        return True

    def names(self) -> Iterator[str]:
        """Every name visible, the innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope._names
            scope = scope._outer

    def find(self, name: str) -> Local | None:
        scope: Scope | None = self
        while scope is not None:
            found = scope._names.get(name)
            if found is not None:
                return found
            scope = scope._outer
        return None


@dataclass(slots=True)
class Program:
    """One METHOD or inline definition; filled once by the compiler, then shared by all machines."""

    name: str
    library: Library
    method: EddMethod | None  # None for an inline definition
    parameters: tuple[Local, ...] = ()
    returns: CType | None = None
    code: tuple[Instruction, ...] = ()
    positions: tuple[Position, ...] = ()
    slots: int = 0
    owned: tuple[int, ...] = ()  # slots whose texts and arrays count as this METHOD's memory
    warnings: list[tuple[Position, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a builtin is called: what its prompts may name."""

    name: str
    scope: Scope
    position: Position
