"""The METHODs of one device type, compiled when first needed, with what their builtins look up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from weakref import WeakKeyDictionary

from server.core.texts import Texts
from server.fdi.eddl.commands import EddCommand, EddTransaction, ResponseCode
from server.fdi.eddl.spelling import meant
from server.fdi.eddl.statements import Block
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.methods.ctype import DOUBLE, FLOAT, LONG_LONG, STRING, CType
from server.fdi.methods.errors import MethodError
from server.fdi.methods.names import Names
from server.fdi.methods.program import Program

MAX_COMPARED = 20_000  # words, about a second
_ELEMENT_TYPES = {
    **dict.fromkeys(("ASCII", "PACKED_ASCII", "VISIBLE", "EUC", "PASSWORD", "BITSTRING", "OCTET"), STRING),
    "FLOAT": FLOAT,
    "DOUBLE": DOUBLE,
    "DURATION": DOUBLE,
}


class Library:
    """Shared by all devices of the type; keeps no state of any run."""

    def __init__(self, logic: TypeLogic) -> None:
        self.model = logic.model
        self.parameters = logic.parameters
        self.names = Names(logic.model, logic.parameters)
        self.programs: dict[str, Program] = {}
        self.refused: dict[str, MethodError] = {}  # METHODs that cannot run, so that nobody compiles them again
        self.instructions = 0  # of everything compiled so far
        self.blocks: dict[int, tuple[Block, Program | MethodError]] = {}  # by identity of the block, kept with it
        self._compared = 0  # words compared with wrong ones so far
        self._commands = {found.number: found for found in logic.model.commands.values() if found.number is not None}

    def meant(self, word: str, known: Iterable[str]) -> str:
        """`; did you mean …?` for the known word most like a wrong one; "" past a bound, since comparing takes long."""
        words = tuple(islice(known, MAX_COMPARED - self._compared))
        self._compared += len(words)
        return meant(word, words)

    def command(self, number: int | None, name: str = "") -> EddCommand | None:
        """The COMMAND of a number, or of a name."""
        return self.model.commands.get(name) if name else self._commands.get(number) if number is not None else None

    def response_code(self, command: EddCommand | None, transaction: int | None, code: int) -> ResponseCode | None:
        """What a response code means for a COMMAND; its transaction's codes come before its own."""
        if command is None:
            return None
        found: EddTransaction | None = command.transaction(transaction or 0)
        tables: tuple[Sequence[ResponseCode], ...] = (found.response_codes if found else (), command.response_codes)
        return next((entry for table in tables for entry in table if entry.value == code), None)

    def list_type(self, name: str) -> CType:
        """What the elements of a LIST are."""
        found = self.model.lists.get(name)
        variable = self.model.variables.get(found.element or "") if found is not None else None
        return _ELEMENT_TYPES.get(variable.edd_type if variable is not None else "", LONG_LONG)

    def text(self, name: str) -> Texts | None:
        """A text of the dictionary."""
        found = self.model.dictionary.get(name)
        return Texts(found) if found is not None else None


_LIBRARIES: WeakKeyDictionary[TypeLogic, Library] = WeakKeyDictionary()


def library_of(logic: TypeLogic) -> Library:
    """The library of a device type, made once for as long as its logic lives."""
    found = _LIBRARIES.get(logic)
    if found is None:
        found = _LIBRARIES[logic] = Library(logic)
    return found
