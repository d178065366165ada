"""What is wrong with an EDD: every finding with its place, the rule it breaks and the text around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from server.core import status
from server.core.errors import RemoteError
from server.fdi.eddl.nodes import Position

EXCERPT_CHARS = 120  # of the source line shown with a problem
EXCERPT_LEAD = 60  # of them before the place, in a line that is longer


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule; `line` and `column` count from 1, `rule` is a short stable word."""

    file: str
    line: int
    column: int
    rule: str
    text: str
    excerpt: str = ""

    caret: int | None = field(default=None, compare=False)  # where in the excerpt the place is, from 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text} [{self.rule}]"

    def shown(self) -> str:
        """The problem, the source line it stands in and a caret under its place; without the source only the first."""
        if not self.excerpt:
            return str(self)
        lead = "" if self.caret is None else "\n    " + _blank(self.excerpt[: self.caret]) + "^"
        return f"{self}\n    {self.excerpt}{lead}"


def _blank(text: str) -> str:
    """Spaces as wide as the text; tabs stay, so that the caret stands right whatever their width."""
    return "".join(char if char == "\t" else " " for char in text)


class EddError(RemoteError):
    """An EDD source that cannot be used; `problems` and `warnings` list every finding in the order found."""

    status = status.BAD

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        count = len(self.problems)
        more = f" (and {count - 3} more)" if count > 3 else ""
        super().__init__("EDD refused: " + "; ".join(str(problem) for problem in self.problems[:3]) + more)


class GivenUpError(Exception):
    """The list of problems is full or a limit is crossed; what follows in the source is not looked at."""


class Findings:
    """Collects problems of one EDD and looks up the line each stands in."""

    def __init__(self, sources: Mapping[str, str], limit: int) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
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
        self.problems.append(self._problem(position, rule, text))
        if len(self.problems) >= self._limit:
            raise GivenUpError

    def warn(self, position: Position, rule: str, text: str) -> None:
        """Note something odd that does not stand in the way; past the limit further ones are left out."""
        if len(self.warnings) < self._limit:
            found = self._problem(position, rule, text)
            if found not in self.warnings:
                self.warnings.append(found)

    @property
    def no_more_warnings(self) -> bool:
        """True once the list of warnings is full."""
        return len(self.warnings) >= self._limit

    def give_up(self, position: Position, rule: str, text: str) -> NoReturn:
        """Note a problem that ends the reading. Raises GivenUpError."""
        self.add(position, rule, text)
        raise GivenUpError

    def raise_if_any(self) -> None:
        """Raise EddError with all problems noted so far."""
        if self.problems:
            raise EddError(self.problems, self.warnings)

    def _problem(self, position: Position, rule: str, text: str) -> Problem:
        file, line, column = position.file, position.line, position.column
        if file not in self._lines:
            self._lines[file] = self._sources.get(file, "").split("\n")
        lines = self._lines[file]
        whole = lines[line - 1] if 0 < line <= len(lines) else ""
        excerpt, caret = excerpt_of(whole, column)
        return Problem(file, line, column, rule, text, excerpt, caret)


def excerpt_of(line: str, column: int) -> tuple[str, int | None]:
    """What is shown of a source line around a column that counts from 1, and where in it the place is, from 0."""
    start = len(line) - len(line.lstrip())
    if column - 1 - start > EXCERPT_CHARS - EXCERPT_LEAD:
        start = column - 1 - EXCERPT_LEAD  # a long line is shown around the place
    excerpt = line[start : start + EXCERPT_CHARS].rstrip()
    caret = column - 1 - start
    return excerpt, caret if 0 <= caret <= len(excerpt) else None
