"""Judges every value once and keeps the state of every condition. Pure: no I/O, times come with the updates."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from server.alarms.actions import COMMENT_LIMIT, Actions
from server.alarms.condition import Condition, Look
from server.alarms.condition_set import ConditionSet, ConditionSets, by_package, is_suppressing
from server.alarms.life import AGAIN, DELAY, OPERATOR, RE_ALARM, SHELVING, Life
from server.alarms.priority import SEVERITIES
from server.alarms.shelving import MAX_TIME_SHELVED_S
from server.alarms.standing import Pending, Standing, condition_id, ended, initial
from server.alarms.states import Event
from server.alarms.timers import Timers
from server.core import status
from server.core.alarm_actions import AlarmAction, Verb
from server.core.clock import SECOND, TimeUs
from server.core.errors import NotFoundError
from server.core.values import AlarmEvent, ChangeKind, DeviceId, ModelChange, PointUpdate, UpdateKind
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device
from server.model.plant import Plant

__all__ = ["COMMENT_LIMIT", "AlarmEngine", "by_package", "condition_id", "new_event_id"]
NOT_JUDGED = "is no longer judged by the device type's new version"
DEVICE_GONE = "has ended: the device was removed"
RULE_GONE = "has ended: the rule that made it was changed or removed"
_MARK = "/Alarms/"


def new_event_id() -> bytes:
    """16 random bytes: unique across restarts."""
    return uuid.uuid4().bytes


class AlarmEngine:
    """All conditions of the plant. What each call means stands at `AlarmJudge` of server.pipeline.ports."""

    def __init__(
        self,
        plant: Plant,
        *,
        declared: Callable[[Device], Sequence[AlarmSpec]] = by_package,
        event_id: Callable[[], bytes] = new_event_id,
        branches: int = 0,
        max_time_shelved_s: float = MAX_TIME_SHELVED_S,
        severities: Mapping[str, int] = SEVERITIES,
    ) -> None:
        """`declared`: the alarms of a device as packages and rules declare them; those of its health come besides.
        The same sequence for devices that are declared alike. `branches`, `max_time_shelved_s`: of alarms that say
        nothing of it. `severities`: of each priority.
        """
        self._plant = plant
        self._sets = ConditionSets(declared)
        self._standing: dict[str, dict[str, Standing]] = {}  # by device, by name
        self._timers: Timers[Standing] = Timers()
        self._life = Life(
            self._timers,
            event_id,
            branches=branches,
            max_time_shelved_s=max_time_shelved_s,
            severities=severities,
        )
        self._actions = Actions(self._life, self._timers)

    # -- model

    def model_changed(self, change: ModelChange, now: TimeUs = 0) -> list[AlarmEvent]:
        """When another version of a type takes over, conditions that are gone end, those that are new or judge by other
        rules are judged on the present value, and all others stay as they are. Those of a device that goes end.
        """
        if change.device_id is None:
            if change.kind in (ChangeKind.TYPE_CHANGED, ChangeKind.TYPE_REMOVED):
                # What the update before left unused; the devices of this one still have theirs.
                self._sets.forget_unused()
            return []
        if change.kind is ChangeKind.DEVICE_REMOVED:
            return self._leave(change.device_id, now)
        device = self._plant.devices.get(change.device_id)
        if device is None:
            return []
        if change.kind is ChangeKind.DEVICE_CHANGED:
            return self._follow(device, NOT_JUDGED, now)
        self._sets.of(device)
        return []

    def redeclared(self, device_ids: Sequence[DeviceId], now: TimeUs) -> list[AlarmEvent]:
        """See `AlarmJudge.redeclared`."""
        events: list[AlarmEvent] = []
        for device_id in device_ids:
            device = self._plant.devices.get(device_id)
            if device is not None:
                events += self._follow(device, RULE_GONE, now)
        self._sets.forget_unused()
        return events

    def _follow(self, device: Device, why: str, now: TimeUs) -> list[AlarmEvent]:
        """Bring the conditions of a device in step with what is declared for it now."""
        events: list[AlarmEvent] = []
        difference = self._sets.follow(device)
        standings = self._standing.get(device.device_id, {})
        for condition in difference.gone:
            standing = standings.pop(condition.name, None)
            if standing is not None:
                self._end(standing, why, now, events)
        for condition in (*difference.kept, *difference.judged):
            standing = standings.get(condition.name)
            if standing is not None:
                self._life.respecified(standing, condition, now, events)
        for condition in (*difference.kept, *difference.judged):
            if condition.spec.suppression or condition.name in standings:
                self._look_at_groups(condition, device, now, events)
        for condition in difference.judged:
            self._judge_now(condition, device, now, events)
        return events

    def _judge_now(self, condition: Condition, device: Device, now: TimeUs, events: list[AlarmEvent]) -> None:
        point = condition.judged(device)
        if point is not None and point.source_time:
            update = PointUpdate(device.device_id, condition.input_parameter, point.value, point.status, now, now)
            self._judge(condition, device, update, events)

    def _leave(self, device_id: DeviceId, now: TimeUs) -> list[AlarmEvent]:
        """End what stands for a device that goes; if it comes back, its values are judged anew."""
        events: list[AlarmEvent] = []
        self._sets.forget(device_id)
        for standing in self._standing.pop(device_id, {}).values():
            self._end(standing, DEVICE_GONE, now, events)
        return events

    def _end(self, standing: Standing, why: str, now: TimeUs, events: list[AlarmEvent]) -> None:
        self._life.gone(standing)
        own = standing.event
        # What operators set is told and kept as ended, too: a condition of the same name begins anew.
        set_by_hand = own.suppressed_or_shelved or own.enabled != standing.condition.spec.life.enabled
        told = [
            *(branch for branch in standing.branches if branch.retain),
            *([own] if own.retain or set_by_hand else []),
        ]
        events.extend(ended(event, why, self._life.event_id(), now) for event in told)

    def specs_of(self, device: Device) -> list[AlarmSpec]:
        """How the conditions of a device are declared, those of its health last; before the engine knows it too."""
        return [condition.spec for condition in self._sets.now(device).conditions]

    def condition_ids(self, device_id: str) -> list[str]:
        """See `AlarmJudge.condition_ids`."""
        device = self._plant.devices.get(DeviceId(device_id))
        return [] if device is None else [condition_id(device_id, name) for name in self._sets.of(device).by_name]

    def spec(self, condition_id: str) -> AlarmSpec | None:
        """See `AlarmJudge.spec`."""
        found = self._declared(condition_id)
        return None if found is None else found[0].spec

    def max_time_shelved_s(self, spec: AlarmSpec | None) -> float:
        """See `AlarmJudge.max_time_shelved_s`."""
        return self._life.max_time_shelved_s(spec)

    def _declared(self, identity: str) -> tuple[Condition, Device] | None:
        device_id, mark, name = identity.partition(_MARK)
        device = self._plant.devices.get(DeviceId(device_id)) if mark else None
        if device is None:
            return None
        condition = self._sets.of(device).by_name.get(name)
        return None if condition is None else (condition, device)

    def _same(self, event: AlarmEvent) -> Condition | None:
        """The condition whose state an event of an earlier run is; one of another kind is another condition."""
        found = self._declared(event.condition_id)
        return found[0] if found is not None and found[0].kind == event.kind else None

    # -- values

    def judge(self, updates: Sequence[PointUpdate]) -> list[AlarmEvent]:
        """Transitions that these updates cause.

        Late, stale and Bad values are not judged; retained ones never activate.
        """
        events: list[AlarmEvent] = []
        plant, sets = self._plant, self._sets
        work: list[tuple[PointUpdate, Device, ConditionSet]] = []
        for update in updates:
            if update.kind is UpdateKind.LATE:
                continue
            device = plant.devices.get(update.device_id)
            if device is None:
                continue
            found = sets.of(device)
            if found.conditions:
                work.append((update, device, found))
        for update, device, found in work:
            for condition in found.suppressing.get(update.parameter, ()):
                self._look_at_groups(condition, device, update.server_time, events)
        for update, device, found in work:
            if update.kind is UpdateKind.LIVE:
                for condition in found.by_parameter.get(update.parameter, ()):
                    self._judge(condition, device, update, events)
            else:
                self._weigh(found, device, update, events)
        return events

    def _weigh(self, found: ConditionSet, device: Device, update: PointUpdate, events: list[AlarmEvent]) -> None:
        """Silence is not judged, but whoever sees a retained condition is told of its quality."""
        standings = self._standing.get(device.device_id)
        if standings:
            for condition in found.by_parameter.get(update.parameter, ()):
                standing = standings.get(condition.name)
                if standing is not None and condition.input_parameter == update.parameter:
                    self._life.quality(standing, update.status, update.server_time, events)

    def _judge(self, condition: Condition, device: Device, update: PointUpdate, events: list[AlarmEvent]) -> None:
        standings = self._standing.get(device.device_id)
        standing = standings.get(condition.name) if standings else None
        if standing is not None and standing.due:
            for kind, due in self._timers.take_of(standing, update.server_time):
                self._fire(standing, kind, due, update.server_time, events)
        point = condition.judged(device)
        if point is None or point.value is None or status.is_bad(point.status):
            if standing is not None and point is not None:
                self._life.quality(standing, point.status, update.server_time, events)
            return
        enabled = standing.event.enabled if standing is not None else condition.spec.life.enabled
        if not enabled:
            return
        before = standing.event.limit_state if standing is not None else ""
        look = Look(device, point.value, update.source_time, before)
        if standing is not None:
            look.memory = standing.memory
        level = condition.level(look)
        again = condition.again_at(look)
        if standing is None:
            if not level and not look.memory and again is None:
                return
            if level and update.retained and not look.memory and again is None:
                return
            standing = self._stand(condition, device)
            standing.memory = look.memory
        if again is None:
            self._timers.cancel(standing, AGAIN)
        else:
            self._timers.set(standing, AGAIN, again)
        self._take(standing, device, level, update, events)
        if standing.event.quality != point.status:
            self._life.quality(standing, point.status, update.server_time, events)

    def _take(
        self, standing: Standing, device: Device, level: str, update: PointUpdate, events: list[AlarmEvent]
    ) -> None:
        """Let a level take effect, at once or after its delay."""
        event, pending, life = standing.event, standing.pending, standing.condition.spec.life
        if event.active == bool(level):
            # Nothing began or ended; what waited for its delay is off.
            if pending is not None:
                standing.pending = None
                self._timers.cancel(standing, DELAY)
            if level and level != event.limit_state:
                worse = standing.condition.worse(level, event.limit_state)
                self._transition(standing, Event.ESCALATE if worse else Event.EASE, device, level, update, events)
            return
        if level and update.retained:
            return
        delay_s = life.on_delay_s if level else life.off_delay_s
        if delay_s <= 0:
            # A rule may have taken the delay away while it ran.
            standing.pending = None
            self._timers.cancel(standing, DELAY)
            self._transition(standing, Event.ACTIVATE if level else Event.CLEAR, device, level, update, events)
        elif pending is None:
            delay = round(delay_s * SECOND)
            standing.pending = Pending(level, update.source_time + delay)
            self._timers.set(standing, DELAY, update.server_time + delay)
        else:
            pending.level = level

    def _transition(
        self,
        standing: Standing,
        what: Event,
        device: Device,
        level: str,
        update: PointUpdate,
        events: list[AlarmEvent],
    ) -> None:
        point = standing.condition.judged(device)
        value, quality = (None, update.status) if point is None else (point.value, point.status)
        times = update.source_time, update.server_time
        self._life.transition(standing, what, device, level, times, value, quality, events)

    def _look_at_groups(self, condition: Condition, device: Device, now: TimeUs, events: list[AlarmEvent]) -> None:
        """Suppress or unsuppress a condition as its suppression groups say now."""
        standing = self._standing.get(device.device_id, {}).get(condition.name)
        by = {group.name for group in condition.spec.suppression if is_suppressing(group, device)}
        if standing is None:
            if not by:
                return
            standing = self._stand(condition, device)
        if OPERATOR in standing.event.suppressed_by:
            by.add(OPERATOR)
        self._life.suppress(standing, tuple(sorted(by)), now, events)

    def _stand(self, condition: Condition, device: Device) -> Standing:
        """The standing of a condition, made in its initial state when it has none."""
        of_device = self._standing.setdefault(device.device_id, {})
        found = of_device.get(condition.name)
        if found is None:
            found = of_device[condition.name] = Standing(condition, initial(condition, device, self._life.severities))
        return found

    # -- time

    def tick(self, now: TimeUs) -> list[AlarmEvent]:
        """See `AlarmJudge.tick`."""
        events: list[AlarmEvent] = []
        for standing, kind, due in self._timers.take(now):
            self._fire(standing, kind, due, now, events)
        return events

    def _fire(self, standing: Standing, kind: str, due: TimeUs, now: TimeUs, events: list[AlarmEvent]) -> None:
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
            parameter = standing.condition.input_parameter
            point = standing.condition.judged(device)
            if point is not None:
                update = PointUpdate(device.device_id, parameter, point.value, point.status, due, now)
                self._judge(standing.condition, device, update, events)

    # -- operators

    def act(self, action: AlarmAction, user: str, now: TimeUs) -> list[AlarmEvent]:
        """See `AlarmJudge.act`."""
        found = self._declared(action.condition_id)
        if found is None:
            raise NotFoundError(f"no alarm {action.condition_id!r}", status_code=status.BAD_NODE_ID_UNKNOWN)
        condition, device = found
        standing = self._standing.get(device.device_id, {}).get(condition.name)
        made = standing is None
        if standing is None:
            standing = self._stand(condition, device)
        try:
            events = self._actions.act(standing, action, user, now)
        except BaseException:
            if made:
                del self._standing[device.device_id][condition.name]
            raise
        if action.verb is Verb.ENABLE:
            self._judge_now(condition, device, now, events)
        return events

    def acknowledge(
        self, condition_id: str, event_id: bytes | None, comment: str, user: str, now: TimeUs
    ) -> AlarmEvent:
        """Acknowledge; an empty comment leaves the one there is."""
        return self.act(AlarmAction(Verb.ACKNOWLEDGE, condition_id, event_id, comment or None), user, now)[0]

    def comment(self, condition_id: str, event_id: bytes | None, comment: str, user: str, now: TimeUs) -> AlarmEvent:
        """Add a comment."""
        return self.act(AlarmAction(Verb.COMMENT, condition_id, event_id, comment), user, now)[0]

    # -- what is known

    def retained(self) -> list[AlarmEvent]:
        """See `AlarmJudge.retained`."""
        found: list[AlarmEvent] = []
        for standings in self._standing.values():
            for standing in standings.values():
                if standing.event.retain:
                    found.append(standing.event)
                    found += [branch for branch in standing.branches if branch.retain]
        return sorted(found, key=lambda event: (event.time, event.condition_id, event.branch_id))

    def state(self, condition_id: str) -> AlarmEvent | None:
        """See `AlarmJudge.state`."""
        found = self._declared(condition_id)
        if found is None:
            return None
        condition, device = found
        standing = self._standing.get(device.device_id, {}).get(condition.name)
        if standing is None:
            return initial(condition, device, self._life.severities)
        event = standing.event
        if event.retain:
            return event
        point = condition.judged(device)
        if point is None or point.status == event.quality:
            return event
        return replace(event, quality=point.status)

    def branches(self, condition_id: str) -> list[AlarmEvent]:
        """See `AlarmJudge.branches`."""
        device_id, _, name = condition_id.partition(_MARK)
        standing = self._standing.get(device_id, {}).get(name)
        return list(standing.branches) if standing is not None else []

    # -- restart

    def lost(self, events: Iterable[AlarmEvent], now: TimeUs) -> list[AlarmEvent]:
        """The ends of states of an earlier run that nobody could ever clear: `restore` leaves their conditions out."""
        return [
            ended(
                event, NOT_JUDGED if event.device_id in self._plant.devices else DEVICE_GONE, self._life.event_id(), now
            )
            for event in events
            if event.retain and self._same(event) is None
        ]

    def restore(self, events: Iterable[AlarmEvent]) -> int:
        """Take back the states and branches of an earlier run; returns how many are retained.

        Left out are conditions of devices that are gone, and those that a device no longer has: packages were changed
        or removed while no server ran.
        """
        retained = 0
        branches: list[AlarmEvent] = []
        for event in events:
            if event.branch_id:
                branches.append(event)
                continue
            condition = self._same(event)
            if condition is None:
                continue
            standing = Standing(condition, event)
            self._standing.setdefault(event.device_id, {})[event.name] = standing
            self._life.restored(standing)
            retained += event.retain
        # Their order is that of the alarms they were, whatever was said of them since.
        for event in sorted(branches, key=lambda event: (event.active_time or event.time, event.branch_id)):
            of = self._standing.get(event.device_id, {}).get(event.name)
            if of is not None:
                of.branches.append(event)
                retained += event.retain
        return retained
