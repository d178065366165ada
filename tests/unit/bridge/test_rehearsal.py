"""A dry run tells what messages would become, in the words of live traffic, and does nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.rehearsal import rehearse
from server.core.binding import CommandBinding, DeviceBinding, ParameterBinding, RowBinding
from server.core.errors import ConfigurationError
from server.core.rehearsal import Problem
from server.core.values import RawMessage

PUMP = DeviceBinding(
    type_id="pump",
    codec="pointer_json",
    rows=(
        RowBinding("pumps/{device}/raw", (ParameterBinding("level", "/level", "float", unit="%", unit_pointer="/u"),)),
        RowBinding("pumps/{device}/log", count_only=True),
    ),
    command_topic="pumps/{device}/command",
    response_topic="pumps/{device}/response",
    commands=(CommandBinding("trip", "Trip"),),
)


def told(topic: str, payload: bytes) -> tuple[str, int, list[str]]:
    (entry,) = rehearse(PUMP, [RawMessage(topic, payload, 0)])
    return entry.pattern, len(entry.measurements), [problem.reason for problem in entry.problems]


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("pumps/p-1/raw", b'{"level": 1}', ("pumps/{device}/raw", 1, [])),
        ("pumps/p-1/raw", b'{"level": "x"}', ("pumps/{device}/raw", 0, ["wrong_type"])),
        ("pumps/p-1/raw", b"x", ("pumps/{device}/raw", 0, ["not_json"])),
        ("pumps/p-1/raw", b"{}", ("pumps/{device}/raw", 0, [])),
        ("pumps/p-1/log", b"x", ("pumps/{device}/log", 0, [])),
        ("pumps/p-1/response", b"{}", ("pumps/{device}/response", 0, ["answer_of_a_command"])),
        ("valves/v-1/raw", b"{}", ("", 0, ["unknown_topic"])),
    ],
)
def test_each_message_is_told_on_its_own(topic: str, payload: bytes, expected: tuple[str, int, list[str]]) -> None:
    assert told(topic, payload) == expected


def test_what_is_counted_is_told() -> None:
    sent = [b'{"level": 1, "u": "l"}', b"{}"]
    first, second = rehearse(PUMP, [RawMessage("pumps/p-1/raw", payload, 0) for payload in sent])
    assert (first.unit_mismatches, second.without_values) == (1, 1)
    (log,) = rehearse(PUMP, [RawMessage("pumps/p-1/log", b"", 0)])
    assert log.counted_only


def test_a_problem_names_its_place_and_what_was_expected() -> None:
    (entry,) = rehearse(PUMP, [RawMessage("pumps/p-1/raw", b'{"level": true}', 0)])
    assert entry.problems == (Problem("wrong_type", "/level", "a number"),)


@pytest.mark.parametrize("wrong", [{"codec": "none"}, {"response_topic": "a/#"}])
def test_a_binding_that_cannot_work_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        rehearse(replace(PUMP, **wrong), [])
