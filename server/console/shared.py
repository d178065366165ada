"""Equal questions that are asked while one of them is being answered share its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from starlette.responses import Response

from server.console import shapes


class SharedAnswers:
    """Answers under way, by question. Nothing is kept after it was given: a later question is answered anew."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[bytes]] = {}

    async def json(self, question: Hashable, answer: Callable[[], Awaitable[object]]) -> Response:
        """The answer as JSON. Errors are shared too; who goes away does not take it from the others."""
        task = self._under_way.get(question)
        if task is None:
            task = asyncio.get_running_loop().create_task(_encoded(answer), name="shared answer")
            self._under_way[question] = task
            task.add_done_callback(lambda done: self._ended(question, done))
        content = await asyncio.shield(task)
        return Response(content, media_type="application/json")

    def _ended(self, question: Hashable, task: asyncio.Task[bytes]) -> None:
        del self._under_way[question]
        if not task.cancelled():
            task.exception()  # looked at even when everybody who asked has gone


async def _encoded(answer: Callable[[], Awaitable[object]]) -> bytes:
    return shapes.encoded(await answer())
