"""What every test gets: a hand-moved clock, loopback only, and a check that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator

import pytest

from server.core.clock import ManualClock

# Threads that libraries keep for the life of a process; they hold no test's resources.
POOL_PREFIXES = (
    "asyncio_",
    "ThreadPoolExecutor",
    "AnyIO",
    "pymongo",
    "Thread-auto_read",
    "execnet",
    "pytest_timeout",
    "tqdm",
)
SETTLE_S = 5.0


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's environment must not change what a test sees."""
    for name in list(os.environ):
        if name.startswith("FIELDLOOM_") and name != "FIELDLOOM_ORACLE_DIR":
            monkeypatch.delenv(name)


def _alive(before: set[int]) -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.ident not in before and thread.is_alive() and not thread.name.startswith(POOL_PREFIXES)
    ]


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """A test that leaves a thread running fails."""
    before = {thread.ident for thread in threading.enumerate() if thread.ident is not None}
    yield
    deadline = time.monotonic() + SETTLE_S
    while (left := _alive(before)) and time.monotonic() < deadline:
        for thread in threading.enumerate():
            if thread.name in left:
                thread.join(0.05)
    if left:
        pytest.fail(f"threads left behind: {', '.join(left)}")


@pytest.fixture(autouse=True)
async def no_tasks_left() -> object:
    """A test that leaves a task running fails."""
    yield
    mine = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not mine and not task.done()]
    if left:
        # One turn for what was cancelled a moment ago.
        await asyncio.wait(left, timeout=1.0)
        left = [task for task in left if not task.done()]
    if left:
        pytest.fail(f"tasks left behind: {left}")
