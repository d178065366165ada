"""Which words are keywords, and the look-ahead that tells each from an ordinary name of the same spelling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from server.fdi.eddl.shape import CTYPES, UNPAIRED
from server.fdi.eddl.tokens import Token

# Constructs of EDDL; also where reading goes on after an error.
KINDS = frozenset(
    {
        "VARIABLE", "ARRAY", "ITEM_ARRAY", "COLLECTION", "RECORD", "COMMAND", "MENU", "METHOD",
        "RESPONSE_CODES", "EDIT_DISPLAY", "CHART", "SOURCE", "AXIS", "GRAPH", "WAVEFORM", "GRID", "IMAGE",
        "FILE", "LIST", "BLOB", "TEMPLATE", "PLUGIN", "COMPONENT", "COMPONENT_FOLDER", "COMPONENT_REFERENCE",
        "COMPONENT_RELATION", "INTERFACE", "BLOCK", "BLOCK_A", "BLOCK_B", "VARIABLE_LIST", "PROGRAM",
        "DOMAIN", "CONNECTION", "MODULE", "UNIT", "REFRESH", "WRITE_AS_ONE",
    }
)  # fmt: skip


class Place(NamedTuple):
    """A word among the tokens; `partner` gives the closing bracket of every opening one."""

    tokens: Sequence[Token]
    partner: Sequence[int]
    at: int

    def next(self, steps: int = 1) -> str:
        """The type of the token that many steps on."""
        return self.tokens[self.at + steps].type if self.at + steps < len(self.tokens) else "$END"


# Whether what follows the word lets it be the keyword.
LookAhead = Callable[[Place], bool]


def _always(_: Place) -> bool:
    return True


def _before(*types: str) -> LookAhead:
    def check(place: Place) -> bool:
        return place.next() in types

    return check


def _conditional(place: Place) -> bool:
    """`IF ( … ) {`; without the brace it is a name with something in brackets."""
    if place.next() != "LPAR":
        return False
    closing = place.partner[place.at + 1]
    return closing == UNPAIRED or place._replace(at=closing).next() == "LBRACE"


def _else(place: Place) -> bool:
    return place.next() == "LBRACE" or (place.next() == "NAME" and place.tokens[place.at + 1].text in ("IF", "SELECT"))


def _relation(place: Place) -> bool:
    return place.next() == "NAME" and place.next(2) == "LBRACE"


def _of(place: Place) -> bool:
    return place.next() == "NAME" and place.next(2) == "NAME"


_modifier = _before("NAME", "LBRACE", "INT", "FLOAT", "STRING", "LSQB", "SIGN")

KEYWORDS: Mapping[str, tuple[str, LookAhead]] = {
    "IF": ("IF", _conditional),
    "SELECT": ("SELECT", _conditional),
    "ELSE": ("_ELSE", _else),
    "CASE": ("CASE", _always),
    "DEFAULT": ("DEFAULT", _before("COLON")),
    "TYPE": ("TYPE", _before("NAME")),
    "TRANSACTION": ("TRANSACTION", _before("LBRACE", "INT", "NAME", "LPAR")),
    "DEFINITION": ("DEFINITION", _before("LBRACE")),
    "ADD": ("MODIFIER", _modifier),
    "REDEFINE": ("MODIFIER", _modifier),
    "DELETE": ("DELETE", _modifier),
    "UNIT": ("RELATION", _relation),
    "REFRESH": ("RELATION", _relation),
    "WRITE_AS_ONE": ("WRITE_AS_ONE", _relation),
    "RESPONSE_CODES": ("CODE_TABLE", _relation),
    "IMPORT": ("IMPORT", _before("NAME")),
    "REDEFINITIONS": ("_REDEFINITIONS", _before("LBRACE")),
    "LIKE": ("_LIKE", _before("NAME")),
    "OF": ("_OF", _of),
    "if": ("C_IF", _always),
    "else": ("_C_ELSE", _always),
    "while": ("C_WHILE", _always),
    "do": ("C_DO", _always),
    "for": ("C_FOR", _always),
    "switch": ("C_SWITCH", _always),
    "case": ("C_CASE", _always),
    "default": ("C_DEFAULT", _always),
    "break": ("C_JUMP", _always),
    "continue": ("C_JUMP", _always),
    "return": ("C_RETURN", _always),
    **dict.fromkeys(CTYPES, ("CTYPE", _always)),
}


def starts_construct(tokens: Sequence[Token], at: int) -> bool:
    """Whether a construct seems to begin here: a kind first on its line, a name, and what may follow a name."""
    token = tokens[at]
    if (
        token.text not in KINDS
        or token.type not in ("NAME", "RELATION", "WRITE_AS_ONE", "CODE_TABLE")
        or (at and tokens[at - 1].line == token.line)
    ):
        return False
    place = Place(tokens, (), at)
    if place.next() != "NAME" and place.next() != "_OF":
        return False
    if tokens[at + 1].text == "OF" and _of(place._replace(at=at + 1)):
        return True
    return place.next(2) in ("LBRACE", "LPAR")
