"""A dialog of a METHOD as a choice among options, for doors that know no FDI documents.

What asks for a typed value offers OK only where a value is proposed that the device would take; the prompt shows it,
and OK takes it as shown. Other values are entered through RespondAction; without a proposal there is only Cancel. A
password is never proposed.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.core import status
from server.core.clock import to_iso
from server.core.texts import NO_TEXT, Texts
from server.core.values import Scalar
from server.fdi.actions.dialogs import DialogValues
from server.fdi.client_xml import text_of
from server.fdi.methods.requests import (
    Answer,
    Cancelled,
    Choice,
    Dialog,
    InputLocal,
    InputParameter,
    Ok,
    Select,
    ShowMenu,
    Value,
)
from server.model.device_type import DataType, ParameterSpec
from server.pipeline.commands import check_value

OK_TEXT = Texts.of("OK", ru="ОК")
CANCEL_TEXT = Texts.of("Cancel", ru="Отмена")
NONE = -1
SHOWN_LIMIT = 200
"""Characters of a proposed value; a longer one is not proposed, for OK must not take what nobody could read."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be answered; places count from 0, -1 means none. Cancel is the last option and ends the METHOD."""

    prompt: Texts
    texts: tuple[Texts, ...]
    answers: tuple[Answer, ...]
    ok: int

    @property
    def default(self) -> int:
        """Place of the option that is proposed: OK; among its own options a METHOD names none."""
        return self.ok

    @property
    def cancel(self) -> int:
        """Place of the option that gives up."""
        return len(self.texts) - 1


def options_of(request: Dialog, values: DialogValues) -> Options:
    """The options of a dialog."""
    prompt = NO_TEXT if isinstance(request, ShowMenu) else request.prompt
    if isinstance(request, Select):
        return _options(prompt, request.options, tuple(Choice(n) for n in range(len(request.options))), ok=NONE)
    if isinstance(request, ShowMenu) and request.buttons:
        return _options(prompt, request.buttons, tuple(Choice(n) for n in range(len(request.buttons))), ok=NONE)
    if isinstance(request, ShowMenu):
        return _options(prompt, (OK_TEXT,), (Choice(0),), ok=0)
    if isinstance(request, InputParameter | InputLocal):
        spec = values.spec(request.parameter) if isinstance(request, InputParameter) else None
        proposed = request.initial if isinstance(request, InputLocal) else _proposed(request, spec, values)
        if proposed is None or len(_text(proposed, spec, "en")) > SHOWN_LIMIT:
            return _options(prompt, (), (), ok=NONE)
        return _options(_showing(prompt, proposed, spec), (OK_TEXT,), (Value(proposed),), ok=0)
    return _options(prompt, (OK_TEXT,), (Ok(),), ok=0)


def still_taken(request: Dialog, answer: Answer, values: DialogValues) -> bool:
    """Whether an answer that was offered fits still: a parameter's validity and ranges may be others by now."""
    if not isinstance(request, InputParameter) or not isinstance(answer, Value):
        return True
    return _takes(values.spec(request.parameter), answer.value)


def _proposed(request: InputParameter, spec: ParameterSpec | None, values: DialogValues) -> Scalar | None:
    value = values.value(request.parameter)
    if spec is None or value is None or spec.edd_type == "PASSWORD" or not _takes(spec, value):
        return None
    return value


def _takes(spec: ParameterSpec | None, value: Scalar) -> bool:
    return spec is not None and spec.valid and status.is_good(check_value(spec, value))


def _showing(prompt: Texts, value: Scalar, spec: ParameterSpec | None) -> Texts:
    languages = prompt.by_language or {"en": ""}
    return Texts({each: f"{text} [{_text(value, spec, each)}]".lstrip() for each, text in languages.items()})


def _text(value: Scalar, spec: ParameterSpec | None, language: str) -> str:
    """A proposed value as users read it."""
    if spec is None:
        return text_of(value)
    if spec.data_type is DataType.DATETIME and isinstance(value, int):
        return to_iso(value)
    for entry in spec.enum_values:
        if entry.value == value:
            return entry.text.best((language,))[1] or text_of(value)
    return f"{text_of(value)} {spec.unit_symbol or ''}".rstrip()


def _options(prompt: Texts, texts: tuple[Texts, ...], answers: tuple[Answer, ...], *, ok: int) -> Options:
    return Options(prompt, (*texts, CANCEL_TEXT), (*answers, Cancelled()), ok)
