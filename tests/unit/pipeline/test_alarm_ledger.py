"""Alarm events while nothing can be stored: shown, kept later in their order, bounded."""

from __future__ import annotations

from collections.abc import Sequence

from server.alarms.engine import AlarmEngine
from server.core.clock import ManualClock
from server.core.errors import IntegrationError
from server.core.values import AlarmEvent
from server.model.plant import Plant
from server.pipeline import Pipeline
from server.pipeline.ledger import AlarmLedger
from tests.kit.plant import measured, pump_type
from tests.kit.sinks import RememberedHistory, RememberedPoints, RememberedSender


class Disk:
    """Takes events unless it is full."""

    def __init__(self) -> None:
        self.full = False
        self.kept: list[AlarmEvent] = []

    def save(self, events: Sequence[AlarmEvent]) -> None:
        if self.full:
            raise IntegrationError("no space left")
        self.kept += events


async def test_an_alarm_is_shown_though_it_cannot_be_kept_and_kept_when_it_can(clock: ManualClock) -> None:
    disk, points = Disk(), RememberedPoints()
    points.save_alarms = disk.save  # type: ignore[method-assign]
    pipeline = Pipeline(
        plant=Plant(),
        clock=clock,
        points=[points],
        alarms=AlarmEngine(Plant()),
        alarm_sinks=[points],
        history=RememberedHistory(),
        feeds=[],
        sender=RememberedSender(),
        records=points,
    )
    pipeline.alarms = AlarmEngine(pipeline.plant)
    await pipeline.install(pump_type())
    disk.full = True
    for temperature in (90.0, 110.0):
        clock.advance(1)
        await pipeline.offer([measured(clock.now(), temperature=temperature)])
    assert [event.limit_state for event in points.events] == ["High", "HighHigh"]
    assert disk.kept == []
    assert pipeline.counters()["alarm_events_not_kept"] == 2
    disk.full = False
    await pipeline.tick()
    assert disk.kept == points.events
    assert pipeline.counters()["alarm_events_not_kept"] == 0


async def test_events_that_wait_are_kept_before_newer_ones_and_bounded(clock: ManualClock) -> None:
    disk = Disk()
    ledger = AlarmLedger(disk.save, most=3)
    plant = Plant()
    engine = AlarmEngine(plant)
    list(plant.replacing(pump_type()).steps())

    def event(temperature: float) -> list[AlarmEvent]:
        clock.advance(1)
        return engine.judge(plant.apply(measured(clock.now(), temperature=temperature), clock.now()).updates)

    disk.full = True
    told = [*event(90.0), *event(110.0), *event(20.0), *event(90.0)]
    for each in told:
        assert not await ledger.keep([each])
    assert (ledger.owed, ledger.lost) == (3, 1)
    await ledger.settle()
    assert ledger.owed == 3
    disk.full = False
    last = event(20.0)
    assert not await ledger.keep(last)  # it stands behind those that wait
    assert disk.kept == []
    await ledger.settle()
    assert disk.kept == [*told[2:], *last]
    assert (ledger.owed, ledger.lost) == (0, 2)
