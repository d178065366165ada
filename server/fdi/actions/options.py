"""A dialog of a METHOD as a choice among options, for doors that know no FDI documents.

Whatever asks for a value offers OK only where a value is proposed, which OK takes as it is; other values are entered
through RespondAction.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.core.texts import NO_TEXT, Texts
from server.core.values import Scalar
from server.fdi.actions.dialogs import DialogValues
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

OK_TEXT = Texts.of("OK", ru="ОК")
CANCEL_TEXT = Texts.of("Cancel", ru="Отмена")
NONE = -1


@dataclass(frozen=True, slots=True)
class Options:
    """What may be answered; places count from 0, -1 means none. Cancel is the last option and ends the METHOD."""

    prompt: Texts
    texts: tuple[Texts, ...]
    answers: tuple[Answer, ...]
    ok: int
    default: int

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
        proposed = _proposed(request, values)
        if proposed is None:
            return _options(prompt, (), (), ok=NONE)
        return _options(prompt, (OK_TEXT,), (Value(proposed),), ok=0)
    return _options(prompt, (OK_TEXT,), (Ok(),), ok=0)


def _proposed(request: InputParameter | InputLocal, values: DialogValues) -> Scalar | None:
    if isinstance(request, InputLocal):
        return request.initial
    spec = values.spec(request.parameter)
    return values.value(request.parameter) if spec is not None and spec.valid else None


def _options(prompt: Texts, texts: tuple[Texts, ...], answers: tuple[Answer, ...], *, ok: int) -> Options:
    return Options(prompt, (*texts, CANCEL_TEXT), (*answers, Cancelled()), ok, default=0 if texts else NONE)
