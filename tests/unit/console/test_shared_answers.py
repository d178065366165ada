"""Equal questions share one answer while it is made; nothing is kept, nobody takes it from others."""

from __future__ import annotations

import asyncio

import pytest

from server.console import shapes
from server.console.shared import SharedAnswers
from server.core.errors import NotFoundError


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = asyncio.Event()

    async def __call__(self) -> object:
        self.calls += 1
        number = self.calls
        await self.go.wait()
        if number > 10:
            raise NotFoundError("gone")
        return {"call": number}


async def begun(slow: Slow, calls: int) -> None:
    while slow.calls < calls:
        await asyncio.sleep(0)


async def test_questions_asked_together_are_answered_once_and_later_ones_anew() -> None:
    answers, slow = SharedAnswers(), Slow()
    asking = [asyncio.create_task(answers.json("a", slow)) for _ in range(5)]
    other = asyncio.create_task(answers.json("b", slow))
    await begun(slow, 2)
    slow.go.set()
    assert {bytes((await each).body) for each in asking} == {b'{"call":1}'}
    assert (await other).body == b'{"call":2}'
    assert (await answers.json("a", slow)).body == b'{"call":3}'


async def test_who_goes_away_does_not_take_the_answer_from_the_others() -> None:
    answers, slow = SharedAnswers(), Slow()
    first = asyncio.create_task(answers.json("a", slow))
    second = asyncio.create_task(answers.json("a", slow))
    await begun(slow, 1)
    first.cancel()
    slow.go.set()
    assert (await second).body == b'{"call":1}'
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_errors_are_shared_and_not_kept() -> None:
    answers, slow = SharedAnswers(), Slow()
    slow.go.set()
    slow.calls = 10
    asking = [asyncio.create_task(answers.json("a", slow)) for _ in range(2)]
    for each in asking:
        with pytest.raises(NotFoundError):
            await each
    assert slow.calls == 11
    slow.calls = 0
    assert (await answers.json("a", slow)).status_code == 200


def test_a_lone_surrogate_of_a_device_is_still_json() -> None:
    assert shapes.encoded({"value": "a\ud800", "number": 1.5}) == b'{"value": "a\\ud800", "number": 1.5}'
