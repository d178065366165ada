"""Every (state, event) pair of a dialog, and what each kind of question offers."""

from __future__ import annotations

import pytest

from server.alarms.dialogs import DialogEvent, DialogState, follow
from server.core.texts import Texts
from server.core.values import Scalar
from server.fdi.actions.options import options_of
from server.fdi.methods.requests import (
    Acknowledge,
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
from server.model.device_type import ParameterSpec
from tests.kit.plant import parameter

# By hand from OPC 10000-9, 5.6: ask, respond, end. None: the event does not apply.
EXPECTED = {
    DialogState.INACTIVE: (DialogState.ACTIVE, None, None),
    DialogState.ACTIVE: (DialogState.ACTIVE, DialogState.INACTIVE, DialogState.INACTIVE),
}
WORDS = Texts.of("Which?")


@pytest.mark.parametrize("state", list(DialogState))
@pytest.mark.parametrize("event", list(DialogEvent))
def test_dialog_pair(state: DialogState, event: DialogEvent) -> None:
    assert follow(state, event) == EXPECTED[state][list(DialogEvent).index(event)]


class Values:
    def spec(self, name: str) -> ParameterSpec | None:
        return parameter(name) if name != "gone" else None

    def value(self, name: str) -> Scalar | None:
        return {"known": 4.5}.get(name)


@pytest.mark.parametrize(
    ("request_", "texts", "answers", "ok", "default"),
    [
        (Acknowledge(WORDS), ["OK", "Cancel"], [Ok(), Cancelled()], 0, 0),
        (
            Select(WORDS, (Texts.of("a"), Texts.of("b"))),
            ["a", "b", "Cancel"],
            [Choice(0), Choice(1), Cancelled()],
            -1,
            0,
        ),
        (ShowMenu("m", ()), ["OK", "Cancel"], [Choice(0), Cancelled()], 0, 0),
        (ShowMenu("m", (Texts.of("Go"),)), ["Go", "Cancel"], [Choice(0), Cancelled()], -1, 0),
        (InputParameter(WORDS, "known"), ["OK", "Cancel"], [Value(4.5), Cancelled()], 0, 0),
        (InputParameter(WORDS, "unknown"), ["Cancel"], [Cancelled()], -1, -1),
        (InputParameter(WORDS, "gone"), ["Cancel"], [Cancelled()], -1, -1),
        (InputLocal(WORDS, "n", "long", 7), ["OK", "Cancel"], [Value(7), Cancelled()], 0, 0),
    ],
)
def test_options(request_: Dialog, texts: list[str], answers: list[object], ok: int, default: int) -> None:
    found = options_of(request_, Values())
    assert [text.default for text in found.texts] == texts
    assert list(found.answers) == answers
    assert (found.ok, found.default, found.cancel) == (ok, default, len(texts) - 1)
