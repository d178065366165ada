"""The one scheduler of all subscriptions: drift free, by priority, nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from server.core.clock import ManualClock, SystemClock
from server.opcua.services import schedule
from server.opcua.services.schedule import Scheduler


@pytest.fixture
def scheduler(clock: ManualClock) -> Scheduler:
    return Scheduler(clock, by_hand=True)


def test_timers_run_when_they_are_due(scheduler: Scheduler, clock: ManualClock) -> None:
    ran: list[str] = []
    scheduler.every(0.1, lambda: ran.append("often"), first=0.1)
    scheduler.at(0.25, lambda: ran.append("once"))
    for _ in range(4):
        clock.advance(0.1)
        scheduler.run_due()
    assert ran == ["often", "often", "once", "often", "often"]
    assert len(scheduler) == 1


def test_a_late_call_does_not_shift_the_others(scheduler: Scheduler, clock: ManualClock) -> None:
    ran: list[float] = []
    scheduler.every(0.1, lambda: ran.append(clock.monotonic()), first=0.1)
    for moment in (0.13, 0.2, 0.55, 0.6, 0.7):
        clock.advance(moment - clock.monotonic())
        scheduler.run_due()
    # missed moments are skipped, not caught up
    assert ran == pytest.approx([0.13, 0.2, 0.55, 0.6, 0.7])


def test_priority_decides_within_a_moment(scheduler: Scheduler, clock: ManualClock) -> None:
    ran: list[int] = []
    for priority in (1, 200, 5):
        scheduler.every(1.0, lambda priority=priority: ran.append(priority), first=1.0, priority=priority)  # type: ignore[misc]
    clock.advance(1.0)
    scheduler.run_due()
    assert ran == [200, 5, 1]


def test_cancelled_timers_do_not_run_and_do_not_stay(
    scheduler: Scheduler, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "STALE_TIMERS", 10)
    ran: list[int] = []
    timers = [scheduler.at(1.0, lambda: ran.append(1)) for _ in range(100)]
    for timer in timers[:99]:
        scheduler.cancel(timer)
        scheduler.cancel(timer)
    assert len(scheduler) == 1
    assert len(scheduler._heap) < 30
    clock.advance(2.0)
    scheduler.run_due()
    assert ran == [1]
    assert len(scheduler) == 0


def test_one_that_is_cancelled_by_another_of_the_same_moment(scheduler: Scheduler, clock: ManualClock) -> None:
    ran: list[str] = []
    second = scheduler.at(1.0, lambda: ran.append("second"))
    scheduler.every(1.0, lambda: scheduler.cancel(second), first=1.0, priority=9)
    clock.advance(1.0)
    scheduler.run_due()
    assert ran == []
    assert len(scheduler) == 1


async def test_the_loop_wakes_it_up() -> None:
    scheduler = Scheduler(SystemClock())
    done = asyncio.Event()
    scheduler.every(3600.0, lambda: None, first=scheduler.now() + 3600.0)
    scheduler.at(scheduler.now() + 0.01, done.set)
    async with asyncio.timeout(5):
        await done.wait()
    scheduler.stop()
    assert len(scheduler) == 0


async def test_one_that_fails_does_not_take_the_turn_of_the_others() -> None:
    # Subscriptions of many clients share a moment: none may starve the others.
    loop = asyncio.get_running_loop()
    told: list[object] = []
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    clock = ManualClock()
    scheduler = Scheduler(clock)
    done = asyncio.Event()
    scheduler.every(1.0, lambda: 1 / 0, first=1.0, priority=1)
    scheduler.at(1.0, done.set)
    clock.advance(1.0)
    loop.call_soon(scheduler.run_due)
    async with asyncio.timeout(5):
        await done.wait()
    assert [type(error) for error in told] == [ZeroDivisionError]
    assert len(scheduler) == 1
    scheduler.stop()
