"""Instructions being put together: labels for places not known yet, and the source place of each instruction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from server.fdi.eddl.nodes import Position
from server.fdi.methods.errors import MethodError
from server.fdi.methods.program import Instruction

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine

MAX_INSTRUCTIONS = 50_000  # of one METHOD


class Label:
    """A place in the code, known once it is reached."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = 0


class Code:
    """The code of one METHOD under construction."""

    def __init__(self) -> None:
        self._entries: list[Instruction | _Deferred] = []
        self._positions: list[Position] = []

    def emit(self, instruction: Instruction, position: Position) -> None:
        self._add(instruction, position)

    def branch(self, make: Callable[[int], Instruction], label: Label, position: Position) -> None:
        """A jump to a label, which may come later."""
        self._add(_Deferred(lambda: make(label.at)), position)

    def dispatch(self, cases: Mapping[int, Label], otherwise: Label, position: Position) -> None:
        """A jump by the value on top."""
        self._add(_Deferred(lambda: _dispatch({value: to.at for value, to in cases.items()}, otherwise.at)), position)

    def place(self, label: Label) -> None:
        """The label stands here."""
        label.at = len(self._entries)

    def finished(self) -> tuple[tuple[Instruction, ...], tuple[Position, ...]]:
        code = tuple(entry.build() if isinstance(entry, _Deferred) else entry for entry in self._entries)
        return code, tuple(self._positions)

    def _add(self, entry: Instruction | _Deferred, position: Position) -> None:
        if len(self._entries) >= MAX_INSTRUCTIONS:
            raise MethodError(position, "method-size", f"a METHOD of more than {MAX_INSTRUCTIONS} instructions")
        self._entries.append(entry)
        self._positions.append(position)


class _Deferred:
    """An instruction that can be made once all labels are placed."""

    __slots__ = ("build",)

    def __init__(self, build: Callable[[], Instruction]) -> None:
        self.build = build


def jump(target: int) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        return target

    return run


def jump_false(target: int) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int | None:
        return None if stack.pop() else target

    return run


def jump_true(target: int) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int | None:
        return target if stack.pop() else None

    return run


def _dispatch(targets: Mapping[int, int], otherwise: int) -> Instruction:
    def run(stack: list[Any], slots: list[Any], machine: Machine) -> int:
        return targets.get(stack.pop(), otherwise)

    return run
