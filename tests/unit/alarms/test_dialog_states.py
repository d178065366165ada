"""Every (state, event) pair of a dialog, and what each kind of question offers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.alarms.dialogs import DialogEvent, DialogState, follow
from server.core.texts import Texts
from server.core.values import Scalar
from server.fdi.actions.options import options_of, still_taken
from server.fdi.methods.requests import (
    Acknowledge,
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
from server.model.device_type import DataType, EnumValue, ParameterSpec
from tests.kit.plant import parameter

# By hand from OPC 10000-9, 5.6: ask, respond, end. None: the event does not apply.
EXPECTED = {
    DialogState.INACTIVE: (DialogState.ACTIVE, None, None),
    DialogState.ACTIVE: (DialogState.ACTIVE, DialogState.INACTIVE, DialogState.INACTIVE),
}
WORDS = Texts.of("Which?", ru="Какой?")


@pytest.mark.parametrize("state", list(DialogState))
@pytest.mark.parametrize("event", list(DialogEvent))
def test_dialog_pair(state: DialogState, event: DialogEvent) -> None:
    assert follow(state, event) == EXPECTED[state][list(DialogEvent).index(event)]


LIMIT = parameter("limit", ranges=((0.0, 100.0),), unit_symbol="%")
MODE = parameter("mode", DataType.BYTE, enum_values=(EnumValue(1, Texts.of("On", ru="Вкл")),))
SPECS = {
    "limit": LIMIT,
    "beyond": LIMIT,
    "unknown": LIMIT,
    "mode": MODE,
    "hidden": replace(LIMIT, valid=False),
    "secret": parameter("secret", DataType.STRING, edd_type="PASSWORD"),
    "long": parameter("long", DataType.STRING),
    "day": parameter("day", DataType.DATETIME),
}
VALUES: dict[str, Scalar] = {
    "limit": 40.0,
    "beyond": 100.5,
    "mode": 1,
    "hidden": 4.5,
    "gone": 1.0,
    "secret": "pass",
    "long": "x" * 201,
    "day": 1_767_225_600_000_000,  # 2026-01-01
}


class Values:
    def spec(self, name: str) -> ParameterSpec | None:
        return SPECS.get(name)

    def value(self, name: str) -> Scalar | None:
        return VALUES.get(name)


@pytest.mark.parametrize(
    ("request_", "texts", "answers", "ok"),
    [
        (Acknowledge(WORDS), ["OK", "Cancel"], [Ok(), Cancelled()], 0),
        # A METHOD names no default among its own options.
        (Select(WORDS, (Texts.of("a"), Texts.of("b"))), ["a", "b", "Cancel"], [Choice(0), Choice(1), Cancelled()], -1),
        (ShowMenu("m", ()), ["OK", "Cancel"], [Choice(0), Cancelled()], 0),
        (ShowMenu("m", (Texts.of("Go"),)), ["Go", "Cancel"], [Choice(0), Cancelled()], -1),
        (InputParameter(WORDS, "limit"), ["OK", "Cancel"], [Value(40.0), Cancelled()], 0),
        (InputLocal(WORDS, "n", "long", 7), ["OK", "Cancel"], [Value(7), Cancelled()], 0),
    ],
)
def test_options(request_: Dialog, texts: list[str], answers: list[object], ok: int) -> None:
    found = options_of(request_, Values())
    assert [text.default for text in found.texts] == texts
    assert list(found.answers) == answers
    assert (found.ok, found.default, found.cancel) == (ok, ok, len(texts) - 1)


@pytest.mark.parametrize("name", ["unknown", "gone", "hidden", "beyond", "secret", "long"])
def test_without_a_value_that_may_be_proposed_there_is_only_cancel(name: str) -> None:
    # Never known, no parameter, invalid, out of range, a password, longer than anybody reads.
    found = options_of(InputParameter(WORDS, name), Values())
    assert ([text.default for text in found.texts], list(found.answers)) == (["Cancel"], [Cancelled()])
    assert (found.ok, found.default, found.cancel, found.prompt) == (-1, -1, 0, WORDS)


@pytest.mark.parametrize(
    ("request_", "prompt"),
    [
        (InputParameter(WORDS, "limit"), {"en": "Which? [40.0 %]", "ru": "Какой? [40.0 %]"}),
        (InputParameter(WORDS, "mode"), {"en": "Which? [On]", "ru": "Какой? [Вкл]"}),
        (
            InputParameter(WORDS, "day"),
            {"en": "Which? [2026-01-01T00:00:00.000000Z]", "ru": "Какой? [2026-01-01T00:00:00.000000Z]"},
        ),
        (InputLocal(WORDS, "n", "long", 7), {"en": "Which? [7]", "ru": "Какой? [7]"}),
        (InputLocal(Texts(), "n", "long", 7), {"en": "[7]"}),
    ],
)
def test_the_prompt_shows_what_ok_would_take(request_: Dialog, prompt: dict[str, str]) -> None:
    assert dict(options_of(request_, Values()).prompt.by_language) == prompt


@pytest.mark.parametrize(
    ("request_", "answer", "taken"),
    [
        (InputParameter(WORDS, "limit"), Value(100.0), True),
        (InputParameter(WORDS, "limit"), Value(100.5), False),
        (InputParameter(WORDS, "hidden"), Value(4.5), False),
        (InputParameter(WORDS, "gone"), Value(4.5), False),
        (InputParameter(WORDS, "gone"), Cancelled(), True),
        (InputLocal(WORDS, "n", "long", 7), Value(7), True),
        (Acknowledge(WORDS), Ok(), True),
    ],
)
def test_an_option_counts_while_its_value_is_one_of_the_parameter(
    request_: Dialog, answer: Answer, taken: bool
) -> None:
    assert still_taken(request_, answer, Values()) is taken
