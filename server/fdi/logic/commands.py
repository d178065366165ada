"""Which COMMAND has a number, and which one reads or writes a parameter (eddl.md, section 5.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from server.fdi.eddl.commands import DataItem, EddCommand, EddTransaction
from server.fdi.eddl.expressions import Index, Integer
from server.fdi.eddl.model import EddModel
from server.fdi.references import variables_of

CARRIED: Final = 200_000
"""Parameters in the messages of all COMMANDs of an EDD that are looked at."""


class Commands:
    """All COMMANDs of an EDD by number and by what they carry."""

    def __init__(self, model: EddModel) -> None:
        self._model = model
        self._left = CARRIED
        self._numbered: dict[int, EddCommand] = {}
        self._reads: dict[str, tuple[int, EddCommand]] = {}
        self._writes: dict[str, tuple[int, EddCommand]] = {}
        for command in model.commands.values():
            if command.number is not None:
                self._numbered.setdefault(command.number, command)
            if command.operation == "READ":
                self._offer(self._reads, command, (entry.reply for entry in command.transactions))
            elif command.operation == "WRITE":
                self._offer(self._writes, command, (entry.request for entry in command.transactions))

    def _offer(
        self, table: dict[str, tuple[int, EddCommand]], command: EddCommand, messages: Iterable[Sequence[DataItem]]
    ) -> None:
        """A command with constant indexes and the fewest INDEX items is preferred, then the first."""
        for message in messages:
            cost = sum(entry.index for entry in message)
            for entry in message:
                if entry.reference is None or entry.target is None or entry.info:
                    continue
                steps = [step.value for step in entry.reference.steps if isinstance(step, Index)]
                if not all(isinstance(step, Integer) for step in steps):
                    continue
                for name in variables_of(self._model, entry.target):
                    self._left -= 1
                    if self._left < 0:
                        return
                    if name not in table or cost < table[name][0]:
                        table[name] = (cost, command)

    def numbered(self, number: int) -> EddCommand | None:
        """The first COMMAND of a NUMBER."""
        return self._numbered.get(number)

    def reading(self, parameter: str) -> EddCommand | None:
        """The COMMAND whose REPLY brings a parameter."""
        found = self._reads.get(parameter)
        return found[1] if found is not None else None

    def writing(self, parameter: str) -> EddCommand | None:
        """The COMMAND whose REQUEST carries a parameter."""
        found = self._writes.get(parameter)
        return found[1] if found is not None else None


def transaction_of(command: EddCommand, number: int = 0) -> EddTransaction | None:
    """The transaction of a number; a COMMAND with one alone has it under every number."""
    for entry in command.transactions:
        if entry.number == number:
            return entry
    return command.transactions[0] if len(command.transactions) == 1 else None
