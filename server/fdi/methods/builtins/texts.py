"""Builtins for messages, dictionary texts and the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from server.core.texts import Texts
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import BI_ERROR, BI_SUCCESS, BLTIN_BUFFER_TOO_SMALL, Arg, Builtin, builtin
from server.fdi.methods.ctype import TEXT
from server.fdi.methods.machine import Machine
from server.fdi.methods.places import CharactersPlace, Place
from server.fdi.methods.program import Site
from server.fdi.methods.prompts import filled

FAMILY: Final = "texts"


def into_buffer(machine: Machine, place: Place | None, text: str, most: int | None) -> int:
    """A text into an array of char or a DD_STRING; BLTIN_BUFFER_TOO_SMALL when it had to be cut."""
    if place is None:
        return BI_ERROR
    if isinstance(place, CharactersPlace):
        return BI_SUCCESS if place.array.set_text(text, most) else BLTIN_BUFFER_TOO_SMALL
    cut = text if most is None or most <= 0 else text[:most]
    place.set(machine, machine.new_text(cut))
    return BI_SUCCESS if len(cut) == len(text) else BLTIN_BUFFER_TOO_SMALL


def _build(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`BUILD_MESSAGE(destination, prompt)`"""
    place, prompt = arguments
    return into_buffer(machine, place, machine.chosen(filled(machine, prompt, site)), None)


def _log(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    machine.log(arguments[0], machine.chosen(filled(machine, arguments[1], site)))
    machine.extra += 100  # an entry costs more than an instruction
    return BI_SUCCESS


def _dictionary(machine: Machine, arguments: Sequence[Any], site: Site) -> str:
    texts: Texts | None = arguments[0]
    if texts is None:
        raise EvaluationError("the dictionary has no such text")
    return machine.new_text(machine.chosen(texts))


def _dictionary_into(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`get_dictionary_string(id, buffer [, length])`"""
    texts: Texts | None = arguments[0]
    if texts is None:
        return BI_ERROR
    return into_buffer(machine, arguments[1], machine.chosen(texts), arguments[2] if len(arguments) > 2 else None)


BUILTINS: Final[Mapping[str, Builtin]] = {
    "BUILD_MESSAGE": builtin(FAMILY, Kind.INT32, _build, Arg.OUT, Arg.PROMPT),
    "LOG_MESSAGE": builtin(FAMILY, Kind.INT32, _log, Arg.INT, Arg.PROMPT),
    "dictionary_string": builtin(FAMILY, TEXT, _dictionary, Arg.DICTIONARY),
    "literal_string": builtin(FAMILY, TEXT, _dictionary, Arg.DICTIONARY),
    "get_dictionary_string": builtin(FAMILY, Kind.INT32, _dictionary_into, Arg.DICTIONARY, Arg.OUT, Arg.INT, least=2),
    "get_stddict_string": builtin(FAMILY, Kind.INT32, _dictionary_into, Arg.DICTIONARY, Arg.OUT, Arg.INT, least=2),
}
