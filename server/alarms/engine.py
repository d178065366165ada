"""Judges every value once and keeps the state of every condition. Pure: no I/O, times come with the updates."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from server.alarms.condition import Condition, Look
from server.alarms.conditions.device_health import health_alarms
from server.alarms.conditions.exclusive_limit import ExclusiveLimit
from server.alarms.conditions.trip import Trip
from server.alarms.states import Event, State, follow, is_acked, is_active, is_retained, state_of
from server.core import status
from server.core.alarm_actions import AlarmAction, Verb
from server.core.clock import TimeUs
from server.core.errors import NotFoundError, RemoteError
from server.core.values import AlarmEvent, ChangeKind, DeviceId, ModelChange, PointUpdate, Scalar, UpdateKind
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device
from server.model.device_type import DeviceType, ParameterSpec
from server.model.plant import Plant

COMMENT_LIMIT = 1_024
NOT_JUDGED = "is no longer judged by the device type's new version"
DEVICE_GONE = "has ended: the device was removed"


def new_event_id() -> bytes:
    """16 random bytes: unique across restarts."""
    return uuid.uuid4().bytes


def by_package(device: Device) -> Sequence[AlarmSpec]:
    """What the package declares, with nothing changed by rules."""
    return device.device_type.alarms


@dataclass(slots=True)
class _Standing:
    """One condition that has left its initial state at least once."""

    event: AlarmEvent
    state: State
    valid_ids: set[bytes] = field(default_factory=set)  # EventIds since the last transition: these may be acknowledged


@dataclass(frozen=True, slots=True)
class _Difference:
    """What another version of a type does to the conditions of each device."""

    gone: tuple[Condition, ...]
    judged: tuple[Condition, ...]  # new ones, and those whose rules are other ones now


class AlarmEngine:
    """All conditions of the plant."""

    def __init__(
        self,
        plant: Plant,
        *,
        declared: Callable[[Device], Sequence[AlarmSpec]] = by_package,
        event_id: Callable[[], bytes] = new_event_id,
    ) -> None:
        """`declared`: the alarms of a device as packages and rules declare them; those of its health come besides."""
        self._declared = declared
        self._plant = plant
        self._event_id = event_id
        self._types: dict[str, DeviceType] = {}
        self._of_type: dict[str, tuple[Condition, ...]] = {}
        self._differences: dict[str, _Difference] = {}  # per type, against its version before
        self._by_parameter: dict[str, dict[str, tuple[Condition, ...]]] = {}
        self._standing: dict[str, _Standing] = {}

    # -- model

    def model_changed(self, change: ModelChange, now: TimeUs = 0) -> list[AlarmEvent]:
        """Learn the conditions of a type. When another version takes over, conditions that are gone end, those that are
        new or judge by other rules are judged on the present value, and all others stay as they are. Those of a device
        that goes end.
        """
        kind, type_id = change.kind, change.type_id
        if kind is ChangeKind.TYPE_ADDED:
            self._learn(self._plant.types[type_id])
        elif kind is ChangeKind.TYPE_CHANGED:
            before = self._types[type_id], self._of_type[type_id]
            self._learn(self._plant.types[type_id])
            self._differences[type_id] = self._compare(*before)
        elif kind is ChangeKind.TYPE_REMOVED:
            for known in (self._of_type, self._by_parameter, self._types, self._differences):
                known.pop(type_id, None)
        elif kind is ChangeKind.DEVICE_CHANGED and change.device_id is not None:
            return self._follow(self._plant.devices[change.device_id], now)
        elif kind is ChangeKind.DEVICE_REMOVED and change.device_id is not None:
            return self._leave(change.device_id, type_id, now)
        return []

    def _compare(self, before: DeviceType, conditions: Sequence[Condition]) -> _Difference:
        old = {condition.name: condition for condition in conditions}
        after = self._types[before.type_id]
        new = {condition.name: condition for condition in self._of_type[before.type_id]}
        other = {name for name, condition in new.items() if name in old and old[name].kind != condition.kind}
        gone = tuple(condition for name, condition in old.items() if name not in new or name in other)
        judged = tuple(
            condition
            for name, condition in new.items()
            if condition != old.get(name)
            or any(_spec(before, parameter) != _spec(after, parameter) for parameter in condition.depends_on())
        )
        return _Difference(gone, judged)

    def _follow(self, device: Device, now: TimeUs) -> list[AlarmEvent]:
        """Bring the conditions of a device in step with another version of its type."""
        difference = self._differences.get(device.device_type.type_id)
        if difference is None:
            return []
        events = []
        for condition in difference.gone:
            standing = self._standing.pop(condition_id(device.device_id, condition.name), None)
            if standing is not None and standing.event.retain:
                events.append(self._ended(standing.event, NOT_JUDGED, now))
        for condition in difference.judged:
            point = condition.judged(device)
            if point is None or point.source_time == 0:
                continue
            update = PointUpdate(device.device_id, condition.input_parameter, point.value, point.status, now, now)
            event = self._judge(condition, device, update)
            if event is not None:
                events.append(event)
        return events

    def _leave(self, device_id: DeviceId, type_id: str, now: TimeUs) -> list[AlarmEvent]:
        """End what stands for a device that goes; if it comes back, its values are judged anew."""
        names = (condition_id(device_id, condition.name) for condition in self.conditions_of(type_id))
        gone = [self._standing.pop(name).event for name in names if name in self._standing]
        return [self._ended(event, DEVICE_GONE, now) for event in gone if event.retain]

    def _ended(self, last: AlarmEvent, why: str, now: TimeUs) -> AlarmEvent:
        """A condition that no longer exists: nobody has to see or acknowledge it any more."""
        return replace(
            last,
            event_id=self._event_id(),
            time=now,
            receive_time=now,
            message=f"{last.device_id}: {last.name} {why}",
            active=False,
            acked=True,
            retain=False,
            enabled=False,
            limit_state="",
            last_severity=last.severity,
            cause="transition",
        )

    def _learn(self, device_type: DeviceType) -> None:
        makers: dict[str, Callable[[AlarmSpec], Condition]] = {"exclusive_limit": ExclusiveLimit, "trip": Trip}
        conditions: list[Condition] = [makers[spec.kind](spec) for spec in device_type.alarms]
        conditions += health_alarms(device_type.health)
        index: dict[str, list[Condition]] = {}
        for condition in conditions:
            for parameter in condition.depends_on():
                index.setdefault(parameter, []).append(condition)
        self._types[device_type.type_id] = device_type
        self._of_type[device_type.type_id] = tuple(conditions)
        self._by_parameter[device_type.type_id] = {name: tuple(found) for name, found in index.items()}

    def conditions_of(self, type_id: str) -> Sequence[Condition]:
        """The conditions that every device of a type has."""
        return self._of_type.get(type_id, ())

    def condition_ids(self, device_id: str) -> list[str]:
        device = self._plant.devices.get(DeviceId(device_id))
        if device is None:
            return []
        return [condition_id(device_id, c.name) for c in self.conditions_of(device.device_type.type_id)]

    def redeclared(self, device_ids: Sequence[DeviceId], now: TimeUs) -> list[AlarmEvent]:
        """See `AlarmJudge.redeclared`."""
        return []

    # -- values

    def judge(self, updates: Sequence[PointUpdate]) -> list[AlarmEvent]:
        """Transitions that these updates cause.

        Late, stale and Bad values are not judged; retained ones never activate.
        """
        events: list[AlarmEvent] = []
        for update in updates:
            if update.kind is not UpdateKind.LIVE:
                continue
            device = self._plant.devices.get(update.device_id)
            if device is None:
                continue
            index = self._by_parameter.get(device.device_type.type_id)
            if not index:
                continue
            for condition in index.get(update.parameter, ()):
                event = self._judge(condition, device, update)
                if event is not None:
                    events.append(event)
        return events

    def _judge(self, condition: Condition, device: Device, update: PointUpdate) -> AlarmEvent | None:
        point = condition.judged(device)
        if point is None or point.value is None or status.is_bad(point.status):
            return None
        identity = condition_id(device.device_id, condition.name)
        standing = self._standing.get(identity)
        before_level = standing.event.limit_state if standing is not None else ""
        level = condition.level(Look(device, point.value, update.source_time, before_level))
        if standing is None and not level:
            return None
        state = standing.state if standing is not None else State.NORMAL
        old_level = standing.event.limit_state if standing is not None else ""
        event = _what_happened(condition, state, old_level, level)
        if event is None or (event is Event.ACTIVATE and update.retained):
            return None
        following = follow(state, event)
        if following is None:
            return None
        before = standing.event if standing is not None else None
        severity = condition.severity(level or old_level)
        shown = AlarmEvent(
            condition_id=identity,
            device_id=device.device_id,
            name=condition.name,
            kind=condition.kind,
            event_id=self._event_id(),
            time=update.source_time,
            receive_time=update.server_time,
            message=condition.message(device, point.value, level),
            severity=severity,
            active=is_active(following),
            acked=is_acked(following),
            retain=is_retained(following),
            limit_state=level,
            active_time=update.source_time if event is Event.ACTIVATE or before is None else before.active_time,
            acked_time=before.acked_time if before is not None and is_acked(following) else None,
            comment=before.comment if before is not None else "",
            comment_user=before.comment_user if before is not None else "",
            quality=point.status,
            last_severity=before.severity if before is not None else 0,
            value=point.value,
            input_parameter=condition.input_parameter,
            limits=dict(condition.limits(device)),
        )
        self._standing[identity] = _Standing(shown, following, {shown.event_id})
        return shown

    # -- operators

    def acknowledge(
        self, condition_id: str, event_id: bytes | None, comment: str, user: str, now: TimeUs
    ) -> AlarmEvent:
        """Acknowledge (OPC 10000-9, 5.7.3); see `AlarmJudge.acknowledge`."""
        standing = self._find(condition_id, event_id)
        following = follow(standing.state, Event.ACKNOWLEDGE)
        if following is None:
            raise RemoteError(
                f"{condition_id} is already acknowledged", status_code=status.BAD_CONDITION_BRANCH_ALREADY_ACKED
            )
        event = replace(
            standing.event,
            event_id=self._event_id(),
            time=now,
            receive_time=now,
            acked=is_acked(following),
            active=is_active(following),
            retain=is_retained(following),
            acked_time=now,
            last_severity=standing.event.severity,
            comment=comment[:COMMENT_LIMIT] or standing.event.comment,
            comment_user=user,
            cause="acknowledged",
        )
        self._standing[condition_id] = _Standing(event, following, {event.event_id})
        return event

    def comment(self, condition_id: str, event_id: bytes | None, comment: str, user: str, now: TimeUs) -> AlarmEvent:
        """AddComment (OPC 10000-9, 5.5.6): an event of its own, the state stays."""
        standing = self._find(condition_id, event_id)
        event = replace(
            standing.event,
            event_id=self._event_id(),
            time=now,
            receive_time=now,
            last_severity=standing.event.severity,
            comment=comment[:COMMENT_LIMIT],
            comment_user=user,
            cause="commented",
        )
        standing.event = event
        standing.valid_ids.add(event.event_id)
        return event

    def _find(self, condition_id: str, event_id: bytes | None) -> _Standing:
        standing = self._standing.get(condition_id)
        if standing is None:
            if self.state(condition_id) is None:
                raise NotFoundError(f"no alarm {condition_id!r}", status_code=status.BAD_NODE_ID_UNKNOWN)
            raise RemoteError(f"{condition_id} has no event to refer to", status_code=status.BAD_EVENT_ID_UNKNOWN)
        if event_id is not None and event_id not in standing.valid_ids:
            raise RemoteError(
                f"{condition_id} has changed since that event; look at its newest one",
                status_code=status.BAD_EVENT_ID_UNKNOWN,
            )
        return standing

    def act(self, action: AlarmAction, user: str, now: TimeUs) -> list[AlarmEvent]:
        """See `AlarmJudge.act`."""
        if action.verb is Verb.ACKNOWLEDGE:
            return [self.acknowledge(action.condition_id, action.event_id, action.comment or "", user, now)]
        if action.verb is Verb.COMMENT:
            return [self.comment(action.condition_id, action.event_id, action.comment or "", user, now)]
        raise RemoteError(f"{action.condition_id} knows no {action.verb.value}", status_code=status.BAD_METHOD_INVALID)

    def tick(self, now: TimeUs) -> list[AlarmEvent]:
        """See `AlarmJudge.tick`."""
        return []

    def branches(self, condition_id: str) -> list[AlarmEvent]:
        """See `AlarmJudge.branches`."""
        return []

    def spec(self, condition_id: str) -> AlarmSpec | None:
        """See `AlarmJudge.spec`."""
        device_id, _, name = condition_id.partition("/Alarms/")
        device = self._plant.devices.get(DeviceId(device_id))
        if device is None:
            return None
        return next((c.spec for c in self.conditions_of(device.device_type.type_id) if c.name == name), None)

    def groups(self) -> dict[str, list[str]]:
        """See `AlarmJudge.groups`."""
        return {}

    # -- what is known

    def retained(self) -> list[AlarmEvent]:
        """Every condition with Retain, oldest first."""
        found = [standing.event for standing in self._standing.values() if standing.event.retain]
        return sorted(found, key=lambda event: (event.time, event.condition_id))

    def state(self, condition_id: str) -> AlarmEvent | None:
        """The last event of a condition, or its initial state; None: no such condition."""
        standing = self._standing.get(condition_id)
        if standing is not None:
            return standing.event
        device_id, _, name = condition_id.partition("/Alarms/")
        device = self._plant.devices.get(DeviceId(device_id))
        if device is None:
            return None
        for condition in self.conditions_of(device.device_type.type_id):
            if condition.name == name:
                return _initial(condition, device)
        return None

    def lost(self, events: Iterable[AlarmEvent], now: TimeUs) -> list[AlarmEvent]:
        """The ends of states of an earlier run that nobody could ever clear: `restore` leaves their conditions out."""
        return [
            self._ended(event, NOT_JUDGED if event.device_id in self._plant.devices else DEVICE_GONE, now)
            for event in events
            if event.retain and not self._exists(event)
        ]

    def _exists(self, event: AlarmEvent) -> bool:
        return event.condition_id in self.condition_ids(event.device_id)

    def restore(self, events: Iterable[AlarmEvent]) -> int:
        """Take back the states of an earlier run; returns how many are retained.

        Left out are conditions of devices that are gone, and those that a device no longer has: packages were changed
        or removed while no server ran.
        """
        retained = 0
        for event in events:
            if not self._exists(event):
                continue
            state = state_of(active=event.active, acked=event.acked)
            self._standing[event.condition_id] = _Standing(event, state, {event.event_id})
            retained += event.retain
        return retained


def condition_id(device_id: str, name: str) -> str:
    """The id of a condition, which is also its NodeId's string."""
    return f"{device_id}/Alarms/{name}"


def _spec(device_type: DeviceType, name: str) -> ParameterSpec | None:
    return device_type.parameters.get(name) or device_type.hidden.get(name)


def _what_happened(condition: Condition, state: State, old_level: str, level: str) -> Event | None:
    if not is_active(state):
        return Event.ACTIVATE if level else None
    if not level:
        return Event.CLEAR
    if level == old_level:
        return None
    return Event.ESCALATE if condition.worse(level, old_level) else Event.EASE


def _initial(condition: Condition, device: Device) -> AlarmEvent:
    point = condition.judged(device)
    value: Scalar | None = point.value if point is not None else None
    return AlarmEvent(
        condition_id=condition_id(device.device_id, condition.name),
        device_id=device.device_id,
        name=condition.name,
        kind=condition.kind,
        event_id=b"",
        time=device.created_at,
        receive_time=device.created_at,
        message="",
        severity=condition.severity(""),
        active=False,
        acked=True,
        retain=False,
        quality=point.status if point is not None else status.BAD_WAITING_FOR_INITIAL_DATA,
        value=value,
        input_parameter=condition.input_parameter,
        limits=dict(condition.limits(device)),
    )
