"""Judges every value once and keeps the state of every condition. Pure: no I/O, times come with the updates."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from server.alarms.actions import COMMENT_LIMIT, Actions
from server.alarms.condition import Condition
from server.alarms.condition_set import ConditionSet, ConditionSets, by_package
from server.alarms.judgement import Judgement
from server.alarms.life import Life
from server.alarms.priority import SEVERITIES
from server.alarms.shelving import MAX_TIME_SHELVED_S
from server.alarms.standing import Standing, condition_id, ended, initial
from server.alarms.timers import Timers
from server.core import status
from server.core.alarm_actions import AlarmAction, Verb
from server.core.clock import TimeUs
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
        self._timers: Timers[Standing] = Timers()
        self._life = Life(
            self._timers,
            event_id,
            branches=branches,
            max_time_shelved_s=max_time_shelved_s,
            severities=severities,
        )
        self._actions = Actions(self._life)
        self._judged = Judgement(plant, self._life, self._timers)

    @property
    def failures(self) -> int:
        """See `AlarmJudge.failures`."""
        return self._judged.failures

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
        standings = self._judged.standing.get(device.device_id, {})
        for condition in difference.gone:
            standing = standings.pop(condition.name, None)
            if standing is not None:
                self._end(standing, why, now, events)
        judged = list(difference.judged)
        for condition in (*difference.kept, *difference.judged):
            standing = standings.get(condition.name)
            if standing is not None and self._life.respecified(standing, condition, now, events):
                judged.append(condition)
        for condition in (*difference.kept, *difference.judged):
            if condition.spec.suppression or condition.name in standings:
                self._judged.look_at_groups(condition, device, now, events)
        for condition in judged:
            self._judged.judge_now(condition, device, now, now, events)
        return events

    def _leave(self, device_id: DeviceId, now: TimeUs) -> list[AlarmEvent]:
        """End what stands for a device that goes; if it comes back, its values are judged anew."""
        events: list[AlarmEvent] = []
        self._sets.forget(device_id)
        for standing in self._judged.standing.pop(device_id, {}).values():
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
                self._judged.look_at_groups(condition, device, update.server_time, events)
        for update, device, found in work:
            if update.kind is UpdateKind.LIVE:
                for condition in found.by_parameter.get(update.parameter, ()):
                    self._judged.judge(condition, device, update, events)
            else:
                self._judged.weigh(found, device, update, events)
        return events

    # -- time

    def tick(self, now: TimeUs) -> list[AlarmEvent]:
        """See `AlarmJudge.tick`."""
        events: list[AlarmEvent] = []
        for standing, kind, due in self._timers.take(now):
            self._judged.fire(standing, kind, due, now, events)
        return events

    # -- operators

    def act(self, action: AlarmAction, user: str, now: TimeUs) -> list[AlarmEvent]:
        """See `AlarmJudge.act`."""
        found = self._declared(action.condition_id)
        if found is None:
            raise NotFoundError(f"no alarm {action.condition_id!r}", status_code=status.BAD_NODE_ID_UNKNOWN)
        condition, device = found
        standing = self._judged.of(device.device_id, condition.name)
        made = standing is None
        if standing is None:
            standing = self._judged.stand(condition, device)
        try:
            events = self._actions.act(standing, action, user, now)
        except BaseException:
            if made:
                del self._judged.standing[device.device_id][condition.name]
            raise
        if action.verb is Verb.ENABLE:
            self._judged.judge_now(condition, device, now, now, events)
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
        for standings in self._judged.standing.values():
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
        standing = self._judged.of(device.device_id, condition.name)
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
        standing = self._judged.of(DeviceId(device_id), name)
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
            self._judged.standing.setdefault(event.device_id, {})[event.name] = standing
            self._life.restored(standing)
            retained += event.retain
        # Their order is that of the alarms they were, whatever was said of them since.
        for event in sorted(branches, key=lambda event: (event.active_time or event.time, event.branch_id)):
            of = self._judged.of(event.device_id, event.name)
            if of is not None:
                of.branches.append(event)
                retained += event.retain
        return retained

    def reconcile(self, now: TimeUs) -> list[AlarmEvent]:
        """After `restore`: what states show otherwise than their conditions are declared now."""
        events: list[AlarmEvent] = []
        for device_id, standings in self._judged.standing.items():
            device = self._plant.devices[device_id]
            for standing in standings.values():
                self._life.respecified(standing, standing.condition, now, events)
                self._judged.look_at_groups(standing.condition, device, now, events)
        return events
