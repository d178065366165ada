"""The shift and reduce steps over the grammar's tables, one token at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.fdi.eddl.tokens import Token

END = "$END"


class UnexpectedError(Exception):
    """A token the grammar does not take here; `expected` are the terminals it would take."""

    def __init__(self, kind: str, expected: frozenset[str]) -> None:
        super().__init__(kind)
        self.kind = kind
        self.expected = expected


class Machine:
    """One run over a start rule. `stack` holds the open states."""

    __slots__ = ("_callbacks", "_end", "_values", "stack", "states")

    def __init__(self, engine: Any, start: str) -> None:
        table = engine.parse_table
        self.states: Mapping[int, Mapping[str, Any]] = table.states
        self.stack: list[int] = [table.start_states[start]]
        self._end = table.end_states[start]
        self._callbacks = engine.callbacks  # what builds the tree, by rule
        self._values: list[Any] = []

    def feed(self, token: Token) -> None:
        """Reduce what is complete, then take the token. Raises UnexpectedError."""
        kind = token.type
        stack, states = self.stack, self.states
        while True:
            row = states[stack[-1]]
            step = row.get(kind)
            if step is None:
                raise UnexpectedError(kind, frozenset(word for word in row if word.isupper()))
            target = step[1]
            if target.__class__ is int:
                stack.append(target)
                self._values.append(token)
                return
            self._reduce(target)

    def finish(self) -> Any:
        """The tree, when nothing is missing. Raises UnexpectedError."""
        while self.stack[-1] != self._end:
            row = self.states[self.stack[-1]]
            step = row.get(END)
            if step is None:
                raise UnexpectedError(END, frozenset(word for word in row if word.isupper()))
            self._reduce(step[1])
        return self._values[-1]

    def _reduce(self, rule: Any) -> None:
        stack, values = self.stack, self._values
        size = len(rule.expansion)
        if size:
            children = values[-size:]
            del stack[-size:]
            del values[-size:]
        else:
            children = []
        values.append(self._callbacks[rule](children))
        stack.append(self.states[stack[-1]][rule.origin.name][1])

    def takes(self, terminal: str) -> bool:
        """Whether the terminal would be taken: merged states may list one that fails after reductions."""
        states = self.states
        stack = list(self.stack)
        while True:
            step = states[stack[-1]].get(terminal)
            if step is None:
                return False
            rule = step[1]
            if rule.__class__ is int:
                return True
            if rule.expansion:
                del stack[-len(rule.expansion) :]
            stack.append(states[stack[-1]][rule.origin.name][1])
