"""What is wrong with an EDD: every finding with its place, the rule it breaks and the text around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from server.core import status
from server.core.errors import RemoteError
from server.fdi.eddl.nodes import Position

EXCERPT_CHARS = 120  # of the source line shown with a problem


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule; `line` and `column` count from 1, `rule` is a short stable word."""

    file: str
    line: int
    column: int
    rule: str
    text: str
    excerpt: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text} [{self.rule}]"


class EddError(RemoteError):
    """An EDD source that cannot be used; `problems` lists every finding in the order found."""

    status = status.BAD

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        more = f" (and {count - 3} more)" if count > 3 else ""
        super().__init__("EDD refused: " + "; ".join(str(problem) for problem in self.problems[:3]) + more)


class GivenUpError(Exception):
    """The list of problems is full or a limit is crossed; what follows in the source is not looked at."""


class Findings:
    """Collects problems of one EDD and looks up the line each stands in."""

    def __init__(self, sources: Mapping[str, str], limit: int) -> None:
        self.problems: list[Problem] = []
        self._sources = sources
        self._limit = limit
        self._lines: dict[str, list[str]] = {}

    def add(self, position: Position, rule: str, text: str) -> None:
        """Note a problem; the same rule at the same place is noted once.

        Raises GivenUpError when the list is full.
        """
        file, line, column = position.file, position.line, position.column
        for known in self.problems:
            if (known.file, known.line, known.column, known.rule, known.text) == (file, line, column, rule, text):
                return
        self.problems.append(Problem(file, line, column, rule, text, self._excerpt(file, line)))
        if len(self.problems) >= self._limit:
            raise GivenUpError

    def give_up(self, position: Position, rule: str, text: str) -> NoReturn:
        """Note a problem that ends the reading. Raises GivenUpError."""
        self.add(position, rule, text)
        raise GivenUpError

    def raise_if_any(self) -> None:
        """Raise EddError with all problems noted so far."""
        if self.problems:
            raise EddError(self.problems)

    def _excerpt(self, file: str, line: int) -> str:
        if file not in self._lines:
            self._lines[file] = self._sources.get(file, "").split("\n")
        lines = self._lines[file]
        return lines[line - 1].strip()[:EXCERPT_CHARS] if 0 < line <= len(lines) else ""
