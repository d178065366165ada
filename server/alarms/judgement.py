"""Judges values: what each condition says of a sample, and what follows, at once, after a delay or by time alone."""

from __future__ import annotations

import structlog

from server.alarms.condition import Condition, Look
from server.alarms.condition_set import ConditionSet, is_suppressing
from server.alarms.life import AGAIN, DELAY, OPERATOR, RE_ALARM, SHELVING, Life
from server.alarms.standing import Pending, Standing, condition_id, initial
from server.alarms.states import Event
from server.alarms.timers import Timers
from server.core import status
from server.core.clock import SECOND, TimeUs
from server.core.status import StatusCode
from server.core.values import AlarmEvent, DeviceId, PointUpdate, Scalar
from server.model.device import Device
from server.model.plant import Plant

log = structlog.get_logger("fieldloom.alarms")


class Judgement:
    """The standings of all devices, and what values and time do to them; every method appends its events."""

    def __init__(self, plant: Plant, life: Life, timers: Timers[Standing]) -> None:
        self._plant = plant
        self._life = life
        self._timers = timers
        self.standing: dict[DeviceId, dict[str, Standing]] = {}
        """By device, by name."""
        self.failures = 0
        """Judgements that a mistake of ours or a value that nobody foresaw kept from being made."""
        self._failed: set[Condition] = set()

    def of(self, device_id: DeviceId, name: str) -> Standing | None:
        """The standing of a condition, None while it is in its initial state."""
        return self.standing.get(device_id, {}).get(name)

    def judge_now(
        self, condition: Condition, device: Device, moment: TimeUs, now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        """Judge the value there is as at a moment, though none came."""
        point = condition.judged(device)
        if point is not None and point.source_time:
            update = PointUpdate(device.device_id, "", point.value, point.status, moment, now)
            self.judge(condition, device, update, events)

    def weigh(self, found: ConditionSet, device: Device, update: PointUpdate, events: list[AlarmEvent]) -> None:
        """Silence is not judged, but whoever sees a retained condition is told of its quality."""
        standings = self.standing.get(device.device_id)
        if standings:
            for condition in found.by_parameter.get(update.parameter, ()):
                standing = standings.get(condition.name)
                if standing is not None and condition.input_parameter == update.parameter:
                    if status.is_bad(update.status):
                        self._life.give_up_delay(standing)
                    self._life.quality(standing, update.status, update.server_time, events)

    def judge(self, condition: Condition, device: Device, update: PointUpdate, events: list[AlarmEvent]) -> None:
        """Judge one condition on a value that came for it, or for one of its limits.

        Whatever goes wrong in it must not keep the others, and other devices, from being judged.
        """
        try:
            self._judge_one(condition, device, update, events)
        except Exception:  # noqa: BLE001  # told by _fail
            self._fail(condition, device.device_id)

    def _fail(self, condition: Condition, device_id: DeviceId) -> None:
        self.failures += 1
        if condition not in self._failed:
            self._failed.add(condition)
            log.exception("alarm_not_judged", condition=condition_id(device_id, condition.name))

    def _judge_one(self, condition: Condition, device: Device, update: PointUpdate, events: list[AlarmEvent]) -> None:
        standings = self.standing.get(device.device_id)
        standing = standings.get(condition.name) if standings else None
        if standing is not None and standing.due:
            for kind, due in self._timers.take_of(standing, update.server_time):
                self.fire(standing, kind, due, update.server_time, events)
        sample = _sample(condition, device, update)
        if sample is None:
            return
        value, quality, sampled = sample
        if value is None or status.is_bad(quality):
            if standing is not None:
                self._life.give_up_delay(standing)
                self._life.quality(standing, quality, update.server_time, events)
            return
        enabled = standing.event.enabled if standing is not None else condition.spec.life.enabled
        if not enabled:
            return
        before = standing.event.limit_state if standing is not None else ""
        look = Look(device, value, update.source_time, sampled, before)
        # What the broker kept may be old: it begins nothing, also not the wait for something to begin.
        old = update.retained and not before and condition.time_alone_activates
        if standing is not None:
            look.memory = dict(standing.memory) if old else standing.memory
        level = condition.level(look)
        again = condition.again_at(look)
        if standing is None:
            if old or (not level and not look.memory and again is None):
                return
            if level and update.retained and not look.memory and again is None:
                return
            standing = self.stand(condition, device)
            standing.memory = look.memory
        if again is None:
            self._timers.cancel(standing, AGAIN)
        elif not old:
            self._timers.set(standing, AGAIN, again)
        self._take(standing, device, level, update, value, quality, events)
        self._life.quality(standing, quality, update.server_time, events)

    def _take(
        self,
        standing: Standing,
        device: Device,
        level: str,
        update: PointUpdate,
        value: Scalar,
        quality: StatusCode,
        events: list[AlarmEvent],
    ) -> None:
        """Let a level take effect, at once or after its delay."""
        times = update.source_time, update.server_time
        event, pending, life = standing.event, standing.pending, standing.condition.spec.life
        if event.active == bool(level):
            # Nothing began or ended; what waited for its delay is off.
            self._life.give_up_delay(standing)
            if level and level != event.limit_state:
                worse = standing.condition.worse(level, event.limit_state)
                what = Event.ESCALATE if worse else Event.EASE
                self._life.transition(standing, what, device, level, times, value, quality, events)
            return
        if level and update.retained:
            return
        delay_s = life.on_delay_s if level else life.off_delay_s
        if delay_s <= 0:
            # A rule may have taken the delay away while it ran.
            self._life.give_up_delay(standing)
            what = Event.ACTIVATE if level else Event.CLEAR
            self._life.transition(standing, what, device, level, times, value, quality, events)
        elif pending is None:
            delay = round(delay_s * SECOND)
            standing.pending = Pending(level, update.source_time + delay)
            self._timers.set(standing, DELAY, update.server_time + delay)
        else:
            pending.level = level

    def look_at_groups(self, condition: Condition, device: Device, now: TimeUs, events: list[AlarmEvent]) -> None:
        """Suppress or unsuppress a condition as its suppression groups say now."""
        standing = self.standing.get(device.device_id, {}).get(condition.name)
        asked = {group.name: is_suppressing(group, device) for group in condition.spec.suppression}
        by = {name for name, suppressing in asked.items() if suppressing}
        if standing is None:
            if not by:
                return
            standing = self.stand(condition, device)
        by |= {name for name in standing.event.suppressed_by if name == OPERATOR or asked.get(name, False) is None}
        self._life.suppress(standing, tuple(sorted(by)), now, events)

    def stand(self, condition: Condition, device: Device) -> Standing:
        """The standing of a condition, made in its initial state when it has none."""
        of_device = self.standing.setdefault(device.device_id, {})
        found = of_device.get(condition.name)
        if found is None:
            found = of_device[condition.name] = Standing(condition, initial(condition, device, self._life.severities))
        return found

    def fire(self, standing: Standing, kind: str, due: TimeUs, now: TimeUs, events: list[AlarmEvent]) -> None:
        """What fell due."""
        try:
            self._fire_one(standing, kind, due, now, events)
        except Exception:  # noqa: BLE001  # told by _fail
            self._fail(standing.condition, standing.event.device_id)

    def _fire_one(self, standing: Standing, kind: str, due: TimeUs, now: TimeUs, events: list[AlarmEvent]) -> None:
        device = self._plant.devices.get(standing.event.device_id)
        if kind == SHELVING:
            self._life.unshelve(standing, due, now, events)
        elif kind == RE_ALARM:
            self._life.re_alarm(standing, due, now, events)
        elif device is None or not standing.event.enabled:
            return
        elif kind == DELAY and standing.pending is not None:
            pending, standing.pending = standing.pending, None
            point = standing.condition.judged(device)
            value, quality = (None, standing.event.quality) if point is None else (point.value, point.status)
            what = Event.ACTIVATE if pending.level else Event.CLEAR
            self._life.transition(standing, what, device, pending.level, (pending.time, now), value, quality, events)
        elif kind == AGAIN:
            self.judge_now(standing.condition, device, due, now, events)


def _sample(
    condition: Condition, device: Device, update: PointUpdate
) -> tuple[Scalar | None, StatusCode, TimeUs] | None:
    """(value, status, SourceTimestamp) to be judged: of the update itself where it is of the judged point.

    A batch may bring several values of one parameter, and the point has only the last of them.
    """
    point = condition.judged(device)
    if point is None:
        return None
    if point is device.points.get(update.parameter):
        return update.value, update.status, update.source_time
    return point.value, point.status, point.source_time
