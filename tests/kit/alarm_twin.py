"""The real engine on one limit alarm, driven like the model of alarm_model.py and telling in the same words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from server.alarms.engine import AlarmEngine
from server.core.alarm_actions import NAMES_A_STATE, AlarmAction, Verb
from server.core.clock import SECOND
from server.core.errors import RemoteError
from server.core.status import BAD_SENSOR_FAILURE, is_bad, name_of
from server.core.texts import Texts
from server.core.values import AlarmEvent, DeviceId
from server.database.alarm_store import is_over
from server.model.alarm_spec import AlarmSpec, Life
from server.model.plant import Plant
from simulator.alarm_script import words
from tests.kit.alarm_model import Traits
from tests.kit.plant import measured, pump_type

LEVEL_VALUES = {"": 50.0, "High": 85.0, "HighHigh": 95.0}
EPOCH = 1_772_438_400 * SECOND
CONDITION = "pump-1/Alarms/level"
SHELVED = {"Unshelved": "", "TimedShelved": "timed", "OneShotShelved": "once"}


def spec_of(traits: Traits) -> AlarmSpec:
    """The declaration of the model's alarm."""
    life = Life(
        confirm=traits.confirm,
        latch=traits.latch,
        branches=traits.branches,
        on_delay_s=traits.on_delay,
        off_delay_s=traits.off_delay,
        re_alarm_s=traits.re_alarm,
    )
    return AlarmSpec(
        kind="exclusive_limit",
        name="level",
        parameter="temperature",
        label=Texts.of("Level"),
        sources={"HighHigh": 90.0, "High": 80.0},
        life=life,
        audible="horn" if traits.audible else "",
    )


def facts_of(event: AlarmEvent) -> dict[str, Any]:
    """What `words` needs, of an event of the engine."""
    return {
        "active": event.active,
        "level": event.limit_state,
        "acked": event.acked,
        "confirmed": event.confirmed,
        "retain": event.retain,
        "severity": event.severity,
        "enabled": event.enabled,
        "shelving": SHELVED[event.shelving],
        "suppressed": event.suppressed,
        "out_of_service": event.out_of_service,
        "latched": event.latched,
        "silenced": event.silenced,
        "first": event.first_in_group,
        "re_alarms": event.re_alarms,
        "bad": is_bad(event.quality),
        "branch": event.branch_id,
    }


class EngineTwin:
    """One device with one alarm."""

    def __init__(self, traits: Traits) -> None:
        self._specs = [spec_of(traits)]
        self._plant = Plant()
        list(self._plant.replacing(replace(pump_type(), alarms=())).steps())
        self._begin()
        self._kept: dict[tuple[str, str], AlarmEvent] = {}
        self.told: list[str] = []
        self.event_ids: list[bytes] = []
        self.set("", 0.0)

    def _begin(self) -> None:
        self._engine = AlarmEngine(self._plant, declared=lambda device: self._specs)

    def _take(self, events: list[AlarmEvent]) -> None:
        for event in events:
            self.told.append(words(facts_of(event)))
            self.event_ids.append(event.event_id)
            key = event.condition_id, event.branch_id
            if is_over(event):
                self._kept.pop(key, None)
            else:
                self._kept[key] = event

    def set(self, level: str, time: float) -> None:
        """A value of this level."""
        now = EPOCH + round(time * SECOND)
        applied = self._plant.apply(measured(now, temperature=LEVEL_VALUES[level]), now)
        self._take(self._engine.judge(applied.updates))

    def lose(self, time: float) -> None:
        """The sensor has failed."""
        now = EPOCH + round(time * SECOND)
        lost = replace(measured(now), values=(("temperature", 0.0, BAD_SENSOR_FAILURE),))
        self._take(self._engine.judge(self._plant.apply(lost, now).updates))

    def respecify(self, traits: Traits, time: float) -> None:
        """A rule declares it otherwise."""
        self._specs = [spec_of(traits)]
        self._take(self._engine.redeclared([DeviceId("pump-1")], EPOCH + round(time * SECOND)))

    def tick(self, time: float) -> None:
        """Let time pass."""
        self._take(self._engine.tick(EPOCH + round(time * SECOND)))

    def act(self, verb: str, time: float, named: int | None, seconds: float) -> str:
        """An action; the name of the StatusCode that answers."""
        what = Verb(verb)
        event_id = self.event_ids[named] if named is not None and what in NAMES_A_STATE else None
        comment = "said" if what is Verb.COMMENT else None
        action = AlarmAction(what, CONDITION, event_id, comment, seconds if what is Verb.TIMED_SHELVE else None)
        try:
            self._take(self._engine.act(action, "olga", EPOCH + round(time * SECOND)))
        except RemoteError as error:
            return name_of(error.status)
        return "Good"

    def restart(self, time: float) -> None:
        """Another engine on what was kept."""
        self._begin()
        self._engine.restore(self._kept.values())
        self._take(self._engine.reconcile(EPOCH + round(time * SECOND)))

    def retained(self) -> list[str]:
        """Current state first, then branches in their order."""
        found = self._engine.retained()
        own = [event for event in found if not event.branch_id]
        of = [event for event in self._engine.branches(CONDITION) if event.retain]
        assert len(own) + len(of) == len(found)
        assert all(event.device_id == DeviceId("pump-1") for event in found)
        return [words(facts_of(event)) for event in (*own, *of)]
