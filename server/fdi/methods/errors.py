"""How METHODs go wrong: in their text, while they run, past a budget, or because they ask for it."""

from __future__ import annotations

from server.core.errors import RemoteError
from server.fdi.eddl.nodes import Position


class MethodError(RemoteError):
    """A METHOD whose text cannot run; `rule` is a short stable word, `more` the problems after the first."""

    def __init__(self, position: Position, rule: str, text: str) -> None:
        super().__init__(f"{position.file}:{position.line}:{position.column}: {text} [{rule}]")
        self.position = position
        self.rule = rule
        self.reason = text
        self.more: tuple[MethodError, ...] = ()

    def all(self) -> tuple[MethodError, ...]:
        """This problem and those after it."""
        return (self, *self.more)

    def again(self) -> MethodError:
        """The same problems without the traces of those who were told before."""
        copy = MethodError(self.position, self.rule, self.reason)
        copy.more = tuple(entry.again() for entry in self.more)
        return copy


class AbortError(Exception):
    """The METHOD ends here and its abort methods run; the message is for the user, "" for none."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BudgetError(Exception):
    """The METHOD used more of something than it may."""

    def __init__(self, what: str) -> None:
        super().__init__(f"budget: {what}")
