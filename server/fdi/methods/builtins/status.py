"""Builtins for reactions to the outcome of communications, and for its texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from server.core.texts import Texts
from server.fdi.logic.numbers import Kind
from server.fdi.methods.builtins.table import (
    BI_ERROR,
    BI_SUCCESS,
    BLTIN_BAD_ID,
    BLTIN_NO_LANGUAGE_STRING,
    Arg,
    Builtin,
    builtin,
)
from server.fdi.methods.builtins.texts import into_buffer
from server.fdi.methods.constants import CONSTANTS
from server.fdi.methods.machine import Machine, Suspend
from server.fdi.methods.program import Site
from server.fdi.methods.prompts import parameter_text
from server.fdi.methods.reactions import Reaction, Reactions
from server.fdi.methods.requests import Acknowledge, ReadValue, SendCommand, SendValue

FAMILY: Final = "status"
Change = Callable[[Reactions, Reaction, int, int], None]

COMM_TEXTS: Final[Mapping[int, Texts]] = {
    0: Texts.of("No communication error", ru="Ошибок связи нет"),
    1: Texts.of("The device does not answer", ru="Устройство не отвечает"),
}
_BUILTIN_TEXTS: Final[Mapping[int, Texts]] = {
    value: Texts.of(name.removeprefix("BLTIN_").replace("_", " ").capitalize())
    for name, value in CONSTANTS.items()
    if name.startswith("BLTIN_") and isinstance(value, int)
}


# ---- reactions


def _no_device(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.no_device = reaction


def _comm_error(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.comm_error = reaction


def _all_comm(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.comm_error = reaction
    reactions.set_bits(reactions.comm_status, 0xFF, reaction)


def _comm_status(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.set_bits(reactions.comm_status, argument, reaction)


def _all_device_status(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.set_bits(reactions.device_status, 0xFF, reaction)


def _device_status(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.set_bits(reactions.device_status, argument, reaction)


def _all_codes(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.set_all_response_codes(reaction)


def _code(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.set_code(argument, reaction)


def _all_data(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.set_all_data(reaction)


def _data(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
    reactions.set_data(argument, bit, reaction)


_PLAIN: Final[Mapping[str, tuple[Change, int]]] = {
    "NO_DEVICE": (_no_device, 0),
    "COMM_ERROR": (_comm_error, 0),
    "ALL_COMM_STATUS": (_all_comm, 0),
    "COMM_STATUS": (_comm_status, 1),
    "ALL_DEVICE_STATUS": (_all_device_status, 0),
    "DEVICE_STATUS": (_device_status, 1),
    "ALL_RESPONSE_CODES": (_all_codes, 0),
    "RESPONSE_CODE": (_code, 1),
}
_TRANSMITTER: Final[Mapping[str, tuple[Change, int]]] = {**_PLAIN, "ALL_DATA": (_all_data, 0), "DATA": (_data, 2)}
_FOUNDATION: Final[Mapping[str, tuple[Change, int]]] = {
    "all_comm_errors": (_all_comm, 0),
    "all_response_codes": (_all_codes, 0),
    "comm_error": (_comm_error, 1),
    "response_code": (_code, 1),
}
_WORDS: Final = {"ABORT_ON_": Reaction.ABORT, "RETRY_ON_": Reaction.RETRY, "IGNORE_": Reaction.IGNORE}
_FOUNDATION_WORDS: Final = {
    "abort_on_": Reaction.ABORT,
    "retry_on_": Reaction.RETRY,
    "fail_on_": Reaction.IGNORE,
}


def _reaction(change: Change, reaction: Reaction, *, transmitter: bool = False) -> Callable[..., int]:
    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
        reactions = machine.transmitter if transmitter else machine.reactions
        first, second = (*arguments, 0, 0)[:2]
        change(reactions, reaction, first, second)
        return BI_SUCCESS

    return run


def _family(
    prefix: str,
    words: Mapping[str, Reaction],
    table: Mapping[str, tuple[Change, int]],
    *,
    transmitter: bool = False,
    retries: bool = False,
) -> dict[str, Builtin]:
    """Builtins for every pair of a reaction and what it is about. Repetition without SET_… means one."""
    found: dict[str, Builtin] = {}
    for word, reaction in words.items():
        for about, (change, count) in table.items():
            form = (Arg.INT,) * count
            act = _counted(change) if retries and reaction is Reaction.RETRY else change
            found[f"{prefix}{word}{about}"] = builtin(
                FAMILY, Kind.INT32, _reaction(act, reaction, transmitter=transmitter), *form
            )
    return found


def _counted(change: Change) -> Change:
    """FOUNDATION has no builtin for the number of repetitions: it is one unless set."""

    def run(reactions: Reactions, reaction: Reaction, argument: int, bit: int) -> None:
        change(reactions, reaction, argument, bit)
        reactions.retries = reactions.retries or 1

    return run


def _set_retries(transmitter: bool) -> Callable[..., int]:
    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
        (machine.transmitter if transmitter else machine.reactions).retries = max(0, arguments[0])
        return BI_SUCCESS

    return run


# ---- texts


def _code_string(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`get_rspcode_string(command, code, buffer, length)`"""
    return _put(machine, machine.code_text(SendCommand(arguments[0]), arguments[1]), arguments[2:])


def _put(machine: Machine, text: str, buffer: Sequence[Any], nothing: int = BI_ERROR) -> int:
    if not text:
        return nothing
    return into_buffer(machine, buffer[0], text, buffer[1] if len(buffer) > 1 else None)


def _value_text(machine: Machine, name: str, value: int) -> str:
    """The text of an enumerator, or of all bits set."""
    spec = machine.spec(name)
    if spec is None:
        return ""
    if spec.bit_enumerated:
        return "; ".join(machine.chosen(entry.text) for entry in spec.enum_values if value & entry.value)
    return next((machine.chosen(entry.text) for entry in spec.enum_values if entry.value == value), "")


def _enum_string(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`get_enum_string(variable, value, buffer [, length])`"""
    return _put(machine, _value_text(machine, arguments[0], arguments[1]), arguments[2:])


def _status_string(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`get_status_string(id, member, value, buffer, length)`"""
    name = machine.library.names.member_of(arguments[0], arguments[1])
    if name is None:
        return BLTIN_BAD_ID
    return _put(machine, _value_text(machine, name, arguments[2]), arguments[3:], BLTIN_NO_LANGUAGE_STRING)


def _response_code(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`get_response_code(&code, &id, &member)`: of the last communication"""
    request = machine.last_request
    name = request.name if isinstance(request, ReadValue | SendValue) else ""
    for place, value in zip(arguments, (machine.last.code, machine.library.names.item_id(name), 0), strict=False):
        if place is not None:
            place.set(machine, value)
    return BI_SUCCESS


def _response_code_string(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    """`get_response_code_string(id, member, code, buffer, length)`"""
    return _put(machine, _any_code_text(machine, arguments[2]), arguments[3:], BLTIN_NO_LANGUAGE_STRING)


def _any_code_text(machine: Machine, code: int) -> str:
    """The text of a response code: of the last communication's COMMAND, else of a shared table."""
    text = machine.code_text(machine.last_request, code)
    if text:
        return text
    for table in machine.library.model.response_codes.values():
        for entry in table.codes:
            if entry.value == code:
                return machine.chosen(Texts(entry.text))
    return ""


def _comm_error_number(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    return machine.last.comm_error or int(machine.last.no_device)


def _comm_text(machine: Machine, error: int) -> str:
    return machine.chosen(COMM_TEXTS[1 if error else 0])


def _comm_error_string(machine: Machine, arguments: Sequence[Any], site: Site) -> int:
    return _put(machine, _comm_text(machine, arguments[0]), arguments[1:])


def _shown(text: Callable[[Machine, Sequence[Any]], str]) -> Callable[..., Suspend]:
    """A text the user has to read."""

    def run(machine: Machine, arguments: Sequence[Any], site: Site) -> Suspend:
        prompt = Texts({machine.language: machine.new_text(text(machine, arguments))})
        return Suspend(Acknowledge(prompt), lambda _machine, _answer: BI_SUCCESS)

    return run


def _display_comm_error(machine: Machine, arguments: Sequence[Any]) -> str:
    return _comm_text(machine, arguments[0])


def _display_response_code(machine: Machine, arguments: Sequence[Any]) -> str:
    return _any_code_text(machine, arguments[-1]) or str(arguments[-1])


def _display_builtin_error(machine: Machine, arguments: Sequence[Any]) -> str:
    found = _BUILTIN_TEXTS.get(arguments[0])
    return machine.chosen(found) if found is not None else str(arguments[0])


def _display_response_status(machine: Machine, arguments: Sequence[Any]) -> str:
    return machine.code_text(SendCommand(arguments[0]), arguments[1]) or str(arguments[1])


def _display_xmtr_status(machine: Machine, arguments: Sequence[Any]) -> str:
    name, value = arguments
    label = parameter_text(machine, name, "L", machine.language)
    return f"{label}: {_value_text(machine, name, value) or value}"


BUILTINS: Final[Mapping[str, Builtin]] = {
    **_family("", _WORDS, _PLAIN),
    **_family("XMTR_", _WORDS, _TRANSMITTER, transmitter=True),
    **_family("", _FOUNDATION_WORDS, _FOUNDATION, retries=True),
    "SET_NUMBER_OF_RETRIES": builtin(FAMILY, Kind.INT32, _set_retries(False), Arg.INT),
    "XMTR_SET_NUMBER_OF_RETRIES": builtin(FAMILY, Kind.INT32, _set_retries(True), Arg.INT),
    "get_status_code_string": builtin(FAMILY, Kind.INT32, _enum_string, Arg.ITEM, Arg.WIDE, Arg.OUT, Arg.INT, least=3),
    "get_enum_string": builtin(FAMILY, Kind.INT32, _enum_string, Arg.ITEM, Arg.WIDE, Arg.OUT, Arg.INT, least=3),
    "get_rspcode_string": builtin(FAMILY, Kind.INT32, _code_string, Arg.INT, Arg.INT, Arg.OUT, Arg.INT, least=3),
    "rspcode_string": builtin(FAMILY, Kind.INT32, _code_string, Arg.INT, Arg.INT, Arg.OUT, Arg.INT, least=3),
    "get_status_string": builtin(
        FAMILY, Kind.INT32, _status_string, Arg.ITEM, Arg.MEMBER, Arg.WIDE, Arg.OUT, Arg.INT, least=4
    ),
    "get_response_code": builtin(FAMILY, Kind.INT32, _response_code, Arg.OUT, Arg.OUT, Arg.OUT, least=1),
    "get_response_code_string": builtin(
        FAMILY, Kind.INT32, _response_code_string, Arg.ITEM, Arg.MEMBER, Arg.INT, Arg.OUT, Arg.INT, least=4
    ),
    "get_comm_error": builtin(FAMILY, Kind.INT32, _comm_error_number),
    "get_comm_error_string": builtin(FAMILY, Kind.INT32, _comm_error_string, Arg.INT, Arg.OUT, Arg.INT, least=2),
    "display_comm_error": builtin(FAMILY, Kind.INT32, _shown(_display_comm_error), Arg.INT),
    "display_response_code": builtin(FAMILY, Kind.INT32, _shown(_display_response_code), Arg.ITEM, Arg.MEMBER, Arg.INT),
    "display_builtin_error": builtin(FAMILY, Kind.INT32, _shown(_display_builtin_error), Arg.INT),
    "display_response_status": builtin(FAMILY, Kind.INT32, _shown(_display_response_status), Arg.INT, Arg.INT),
    "display_xmtr_status": builtin(FAMILY, Kind.INT32, _shown(_display_xmtr_status), Arg.ITEM, Arg.WIDE),
}
