"""What a builtin is: its family, what it takes and gives, and the function behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from server.fdi.methods.ctype import Shape
from server.fdi.methods.program import Site

if TYPE_CHECKING:
    from server.fdi.methods.machine import Machine

# Return codes (eddl.md, section 6).
BI_SUCCESS, BI_ERROR, BI_ABORT, BI_NO_DEVICE, BI_COMM_ERR = 0, -1, -2, -3, -4
BLTIN_VAR_NOT_FOUND, BLTIN_BAD_ID, BLTIN_WRONG_DATA_TYPE = 1802, 1803, 1805
BLTIN_BUFFER_TOO_SMALL, BLTIN_CANNOT_READ_VARIABLE, BLTIN_NO_LANGUAGE_STRING = 1808, 1809, 1811
BLTIN_FAIL_RESPONSE_CODE, BLTIN_FAIL_COMM_ERROR, BLTIN_BLOCK_NOT_FOUND = 1813, 1814, 1818


class Arg(Enum):
    """How one argument reaches the function."""

    INT = "int"  # a whole number, as long
    WIDE = "wide"  # a whole number, as long long
    REAL = "real"  # a double
    TEXT = "text"  # str
    PROMPT = "prompt"  # Texts of a literal or dictionary text, str of an expression
    ITEM = "item"  # the name of an item; "" for a number that stands for none
    METHOD = "method"  # the name of a METHOD
    MENU = "menu"  # the name of a MENU
    COMMAND = "command"  # the name of a COMMAND
    LIST = "list"  # the name of a LIST
    MEMBER = "member"  # a member's number
    DICTIONARY = "dictionary"  # Texts, or None for a text the dictionary lacks
    IDS = "ids"  # the CArray with items' numbers, None where a constant stands
    OUT = "out"  # a Place, or None where a constant stands
    LOCAL = "local"  # the Place of a local, named directly or in a string
    ANY = "any"  # a number or text
    VALUE = "value"  # the ItemPlace of an item, else a number or text


Run: TypeAlias = "Callable[[Machine, Sequence[Any], Site], Any]"


@dataclass(frozen=True, slots=True)
class Builtin:
    """`least` of the `takes` must be given; the function sees only those given."""

    family: str
    gives: Shape
    takes: tuple[Arg, ...]
    least: int
    run: Run

    @property
    def most(self) -> int:
        return len(self.takes)


def builtin(family: str, gives: Shape, run: Run, *takes: Arg, least: int | None = None) -> Builtin:
    """A builtin whose arguments must all be given unless `least` says otherwise."""
    return Builtin(family, gives, takes, len(takes) if least is None else least, run)
