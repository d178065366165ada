"""Writes that wait for devices: several devices at the same time, each in the order of the request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable
from typing import Any

from server.core.errors import IntegrationError

Outcome = Awaitable[int] | int
Begin = Callable[[], Outcome]
Tell = Callable[[int], None]


class Held(Coroutine[Any, Any, Any]):
    """A coroutine with the awaitable that it was given: thrown away unawaited, it takes that one with it."""

    def __init__(self, work: Coroutine[Any, Any, Any], given: Awaitable[Any]) -> None:
        self._work = work
        self._given = given

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work.__await__()

    def send(self, value: Any) -> Any:
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()
        if asyncio.iscoroutine(self._given):
            self._given.close()


class Lanes(Coroutine[Any, Any, Any]):
    """Awaitable of the answer that `answer` makes when every lane is through.

    A coroutine of its own kind, so that one that is thrown away unawaited takes the devices' coroutines with it.
    """

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer
        self._lanes: dict[Hashable, list[tuple[Outcome | None, Begin | None, Tell]]] = {}
        self._inner: Coroutine[Any, Any, Any] | None = None

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def add(self, lane: Hashable, begin: Begin, tell: Tell) -> None:
        """Start an operation, or queue it behind the one that its device is busy with. `tell` gets its StatusCode."""
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append((None, begin, tell))
            return
        try:
            outcome = begin()
        except IntegrationError as error:
            outcome = error.status
        if isinstance(outcome, int):
            tell(outcome)
        else:
            self._lanes[lane] = [(outcome, None, tell)]

    async def _run(self) -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes.values():
                    group.create_task(self._drive(lane))
        finally:
            self._drop()
        return self._answer()

    async def _drive(self, lane: list[tuple[Outcome | None, Begin | None, Tell]]) -> None:
        for started, begin, tell in lane:
            try:
                outcome = begin() if begin is not None else started
                code = outcome if isinstance(outcome, int) else await outcome  # type: ignore[misc]
            except IntegrationError as error:
                code = error.status
            tell(code)

    def _drop(self) -> None:
        for lane in self._lanes.values():
            started = lane[0][0]
            if asyncio.iscoroutine(started):
                started.close()

    # -- Coroutine

    def _work(self) -> Coroutine[Any, Any, Any]:
        if self._inner is None:
            self._inner = self._run()
        return self._inner

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work().__await__()

    def send(self, value: Any) -> Any:
        return self._work().send(value)

    def throw(self, *error: Any) -> Any:
        return self._work().throw(*error)

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()
        self._drop()
