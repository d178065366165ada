"""Builtins that talk to the user."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from server.core import status
from server.core.texts import Texts
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import (
    BI_ERROR,
    BI_SUCCESS,
    BLTIN_BAD_ID,
    BLTIN_WRONG_DATA_TYPE,
    Arg,
    Builtin,
    builtin,
)
from server.fdi.methods.ctype import Raw
from server.fdi.methods.machine import Machine, Suspend
from server.fdi.methods.places import CharactersPlace, Place
from server.fdi.methods.program import Site
from server.fdi.methods.prompts import filled, item_names, parameters_in
from server.fdi.methods.requests import (
    Acknowledge,
    Answer,
    Choice,
    Delay,
    Display,
    Inform,
    InputLocal,
    InputParameter,
    Request,
    Select,
    ShowMenu,
    Value,
)
from server.fdi.methods.variables import to_method

FAMILY: Final = "dialogs"
MAX_OPTIONS: Final = 1_000  # of one selection
MAX_DELAY_S: Final = 1e9  # a longer wait counts as this one, which is past any budget


def _items(machine: Machine, arguments: Sequence[Any], first: int) -> list[str]:
    """The items of `ids`, or of `ids, indices, count`, which begin at an argument."""
    rest = arguments[first:]
    indices = rest[1] if len(rest) > 1 else None
    return item_names(machine, rest[0] if rest else None, indices, rest[2] if len(rest) > 2 else None)


def _success(machine: Machine, answer: Answer) -> int:
    return BI_SUCCESS


def _message(make: Callable[[Texts], Request]) -> Callable[[Machine, Sequence[Any], Site], Suspend]:
    """`(prompt [, ids [, indices, count]])`"""

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
        return Suspend(make(filled(machine, arguments[0], site, _items(machine, arguments, 1))), _success)

    return run


def _delay(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
    seconds = arguments[0]
    wait = 0.0 if math.isnan(seconds) else min(max(0.0, seconds), MAX_DELAY_S)
    prompt = filled(machine, arguments[1], site, _items(machine, arguments, 2)) if len(arguments) > 1 else Texts()
    return Suspend(Delay(wait, prompt), _success)


def _display(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
    items = _items(machine, arguments, 1)
    names = tuple(dict.fromkeys((*parameters_in(machine, arguments[0], site, items), *filter(None, items))))

    def render() -> Request:
        return Display(filled(machine, arguments[0], site, items), names)

    return Suspend(render(), _success, render)


def _input(machine: Machine, prompt: Texts, name: str, no_item: int, refused: int) -> Suspend | int:
    if not machine.library.names.is_parameter(name):
        return no_item

    def entered(machine: Machine, answer: Answer) -> int:
        spec = machine.library.parameters.get(name)
        if not isinstance(answer, Value) or spec is None:
            return refused
        # The answer is the parameter's value, not yet what METHODs see in its place: a moment is no packed DATE.
        try:
            raw: Raw = to_method(answer.value, spec)
        except EvaluationError:
            return refused
        return BI_SUCCESS if machine.try_write(name, raw) == status.GOOD else refused

    return Suspend(InputParameter(prompt, name), entered)


def _edit_parameter(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend | int:
    """`(prompt, variable)` or `(prompt, ids, variable)`"""
    items = item_names(machine, arguments[1]) if len(arguments) > 2 else []
    return _input(machine, filled(machine, arguments[0], site, items), arguments[-1], BI_ERROR, BI_ERROR)


def _edit_device_value(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend | int:
    items = item_names(machine, *arguments[1:4])
    name = machine.library.names.member_of(arguments[4], arguments[5]) or ""
    return _input(machine, filled(machine, arguments[0], site, items), name, BLTIN_BAD_ID, BLTIN_WRONG_DATA_TYPE)


def _edit_local(refused: int) -> Callable[[Machine, Sequence[Any], Site], Suspend]:
    """`(prompt [, ids [, indices, count]], local)`"""

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
        place: Place = arguments[-1]
        prompt = filled(machine, arguments[0], site, _items(machine, arguments[:-1], 1))
        name = str(getattr(place, "name", ""))
        ctype = "char[]" if isinstance(place, CharactersPlace) else place.ctype.name

        def entered(machine: Machine, answer: Answer) -> int:
            value = answer.value if isinstance(answer, Value) else b""
            try:
                place.set(machine, value.decode("latin-1") if isinstance(value, bytes) else value)
            except EvaluationError:
                return refused
            return BI_SUCCESS

        return Suspend(InputLocal(prompt, name, ctype, place.get(machine)), entered)

    return run


def _options(machine: Machine, written: Texts | str, site: Site, items: Sequence[str] = ()) -> tuple[Texts, ...]:
    """The options between semicolons, each in every language that has it; the main language says how many."""
    texts = filled(machine, written, site, items)
    split = {language: text.split(";") for language, text in texts.by_language.items()}
    main = split[texts.best(machine.languages)[0]]
    while main and not main[-1].strip():
        main.pop()  # a semicolon at the end begins no option
    if len(main) > MAX_OPTIONS:
        raise EvaluationError(f"a selection of {len(main)} options; at most {MAX_OPTIONS}")
    return tuple(
        Texts({language: parts[at].strip() for language, parts in split.items() if at < len(parts)})
        for at in range(len(main))
    )


def _chosen(answer: Answer, count: int) -> int:
    index = answer.index if isinstance(answer, Choice) else -1
    if not 0 <= index < count:
        raise EvaluationError(f"option {index} was chosen of {count}")
    return index


def _select(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend | int:
    """`(prompt [, ids], options)`: the index from 0"""
    items = item_names(machine, arguments[1]) if len(arguments) > 2 else []
    options = _options(machine, arguments[-1], site, items)
    if not options:
        return BI_ERROR
    prompt = filled(machine, arguments[0], site, items)
    return Suspend(Select(prompt, options), lambda _, answer: _chosen(answer, len(options)))


def _select_from_menu(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend | int:
    """`(prompt, ids, indices, count, options, &selection)`: the selection counts from 1"""
    items = item_names(machine, *arguments[1:4])
    options = _options(machine, arguments[4], site, items)
    if not options:
        return BLTIN_WRONG_DATA_TYPE
    return Suspend(Select(filled(machine, arguments[0], site, items), options), _into(arguments[5], len(options), 1))


def _menu(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend | int:
    """`(menu, buttons, &selection)`: the button counts from 0"""
    buttons = _options(machine, arguments[1], site) or (Texts.of("OK"),)
    if not arguments[0]:
        return BI_ERROR
    return Suspend(ShowMenu(arguments[0], buttons), _into(arguments[2], len(buttons), 0))


def _into(place: Place | None, count: int, base: int) -> Callable[[Machine, Answer], int]:
    def then(machine: Machine, answer: Answer) -> int:
        index = _chosen(answer, count)
        if place is not None:
            place.set(machine, index + base)
        return BI_SUCCESS

    return then


_IDS: Final = (Arg.IDS, Arg.IDS, Arg.INT)

BUILTINS: Final[Mapping[str, Builtin]] = {
    "ACKNOWLEDGE": builtin(FAMILY, Kind.INT32, _message(Acknowledge), Arg.PROMPT),
    "acknowledge": builtin(FAMILY, Kind.INT32, _message(Acknowledge), Arg.PROMPT, Arg.IDS, least=1),
    "get_acknowledgement": builtin(FAMILY, Kind.INT32, _message(Acknowledge), Arg.PROMPT, *_IDS, least=1),
    "PUT_MESSAGE": builtin(FAMILY, Kind.INT32, _message(Inform), Arg.PROMPT),
    "put_message": builtin(FAMILY, Kind.INT32, _message(Inform), Arg.PROMPT, Arg.IDS, least=1),
    "display_message": builtin(FAMILY, Kind.INT32, _message(Inform), Arg.PROMPT, *_IDS, least=1),
    "DELAY": builtin(FAMILY, Kind.INT32, _delay, Arg.REAL, Arg.PROMPT),
    "delay": builtin(FAMILY, Kind.INT32, _delay, Arg.REAL, Arg.PROMPT, Arg.IDS, least=2),
    "DELAY_TIME": builtin(FAMILY, Kind.INT32, _delay, Arg.REAL),
    "delayfor": builtin(FAMILY, Kind.INT32, _delay, Arg.REAL, Arg.PROMPT, *_IDS, least=2),
    "GET_DEV_VAR_VALUE": builtin(FAMILY, Kind.INT32, _edit_parameter, Arg.PROMPT, Arg.ITEM),
    "get_dev_var_value": builtin(FAMILY, Kind.INT32, _edit_parameter, Arg.PROMPT, Arg.IDS, Arg.ITEM),
    "edit_device_value": builtin(FAMILY, Kind.INT32, _edit_device_value, Arg.PROMPT, *_IDS, Arg.ITEM, Arg.MEMBER),
    "GET_LOCAL_VAR_VALUE": builtin(FAMILY, Kind.INT32, _edit_local(BI_ERROR), Arg.PROMPT, Arg.LOCAL),
    "get_local_var_value": builtin(FAMILY, Kind.INT32, _edit_local(BI_ERROR), Arg.PROMPT, Arg.IDS, Arg.LOCAL),
    "edit_local_value": builtin(FAMILY, Kind.INT32, _edit_local(BLTIN_WRONG_DATA_TYPE), Arg.PROMPT, *_IDS, Arg.LOCAL),
    "SELECT_FROM_LIST": builtin(FAMILY, Kind.INT32, _select, Arg.PROMPT, Arg.PROMPT),
    "select_from_list": builtin(FAMILY, Kind.INT32, _select, Arg.PROMPT, Arg.IDS, Arg.PROMPT),
    "select_from_menu": builtin(FAMILY, Kind.INT32, _select_from_menu, Arg.PROMPT, *_IDS, Arg.PROMPT, Arg.OUT),
    "MenuDisplay": builtin(FAMILY, Kind.INT32, _menu, Arg.MENU, Arg.PROMPT, Arg.OUT),
    "display": builtin(FAMILY, Kind.INT32, _display, Arg.PROMPT, Arg.IDS, least=1),
    "display_dynamics": builtin(FAMILY, Kind.INT32, _display, Arg.PROMPT, *_IDS, least=1),
}
