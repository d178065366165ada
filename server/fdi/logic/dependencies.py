"""Who depends on whom: from values over attributes to what must be evaluated again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from server.fdi.logic.context import Compiled, Dependency, Key

REMEMBERED: Final = 100_000
"""Items in all answers that are kept ready."""


class Dependencies:
    """The reverse graph of an EDD: values, sets that indexes choose from, attributes, and items at its end.

    Grows with the number of references, not with the number of paths: what an answer holds is followed when asked.
    """

    def __init__(
        self,
        items: Mapping[str, Iterable[Dependency]],
        compiled: Callable[[Key], Compiled | None],
        sets: Mapping[Key, tuple[Dependency, ...]],
    ) -> None:
        """`items`: what each one is made from; `sets`: what results read that chose by an index."""
        self._edges: dict[Dependency, list[Dependency]] = {}
        self._ends: dict[Dependency, list[str]] = {}
        self._answers: dict[str, frozenset[str]] = {}
        self._kept = 0
        waiting: list[Dependency] = []
        for item, reads in items.items():
            for read in reads:
                self._ends.setdefault(read, []).append(item)
                waiting.append(read)
        edges = self._edges
        seen: set[Dependency] = set()
        while waiting:
            node = waiting.pop()
            if node in seen or isinstance(node, str):
                continue
            seen.add(node)
            for read in self._reads(node, compiled, sets):
                edges.setdefault(read, []).append(node)
                waiting.append(read)
        self.roots: frozenset[str] = frozenset(
            node for table in (edges, self._ends) for node in table if isinstance(node, str)
        )

    @staticmethod
    def _reads(
        node: Key, compiled: Callable[[Key], Compiled | None], sets: Mapping[Key, tuple[Dependency, ...]]
    ) -> Iterable[Dependency]:
        if node in sets:
            return sets[node]
        found = compiled(node)
        return found.reads if found is not None else ()

    def of(self, name: str) -> frozenset[str]:
        """Every item that a value has a part in."""
        if name not in self.roots:
            return frozenset()
        answer = self._answers.get(name)
        if answer is None:
            answer = self._follow(name)
            if self._kept + len(answer) <= REMEMBERED:
                self._kept += len(answer)
                self._answers[name] = answer
        return answer

    def _follow(self, name: str) -> frozenset[str]:
        found: set[str] = set()
        seen: set[Dependency] = {name}
        waiting: list[Dependency] = [name]
        while waiting:
            node = waiting.pop()
            found.update(self._ends.get(node, ()))
            for above in self._edges.get(node, ()):
                if above not in seen:
                    seen.add(above)
                    waiting.append(above)
        return frozenset(found)
