"""The state of one condition: its current event, branches, timers, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from server.alarms.condition import Condition
from server.alarms.priority import priority_of
from server.alarms.states import State, state_of
from server.core import status
from server.core.clock import TimeUs
from server.core.values import AlarmEvent, Scalar
from server.model.device import Device

EARLIER_LIMIT = 32
"""EventIds of one state that still count beside the newest; the oldest go."""


@dataclass(slots=True)
class Pending:
    """A transition that waits for its delay."""

    level: str  # "" waits to become inactive
    time: TimeUs  # what its event will say: source time of the beginning and the delay


class Standing:
    """One condition of one device that has left its initial state, or that remembers something."""

    __slots__ = ("branches", "condition", "condition_id", "due", "event", "memory", "pending")

    def __init__(self, condition: Condition, event: AlarmEvent) -> None:
        self.condition = condition
        self.condition_id = event.condition_id
        self.event = event
        self.branches: list[AlarmEvent] = []  # oldest first
        self.memory: dict[str, float] = {}  # the condition's own
        self.pending: Pending | None = None
        self.due: dict[str, TimeUs] = {}  # timers by kind

    @property
    def state(self) -> State:
        """Where the current state stands in the life cycle."""
        event = self.event
        return state_of(active=event.active, acked=event.acked, confirmed=event.confirmed)

    def named(self, event_id: bytes | None) -> AlarmEvent | None:
        """The current state or branch that an EventId names; None names the current one, unknown ones nothing."""
        if event_id is None:
            return self.event
        if not event_id:
            return None
        for event in (self.event, *self.branches):
            if event_id == event.event_id or event_id in event.earlier_ids:
                return event
        return None


def condition_id(device_id: str, name: str) -> str:
    """The id of a condition, which is also its NodeId's string."""
    return f"{device_id}/Alarms/{name}"


def severity_of(condition: Condition, level: str, severities: Mapping[str, int]) -> tuple[int, str]:
    """(Severity, priority) of a level: as its rationalization says, else as the level has it."""
    priority = condition.spec.rationale.priority
    if priority:
        return severities[priority], priority
    severity = condition.severity(level)
    return severity, priority_of(severity)


def initial(condition: Condition, device: Device, severities: Mapping[str, int]) -> AlarmEvent:
    """A condition that nothing has happened to."""
    point = condition.judged(device)
    value: Scalar | None = point.value if point is not None else None
    spec = condition.spec
    severity, priority = severity_of(condition, "", severities)
    return AlarmEvent(
        condition_id=condition_id(device.device_id, condition.name),
        device_id=device.device_id,
        name=condition.name,
        kind=condition.kind,
        event_id=b"",
        time=device.created_at,
        receive_time=device.created_at,
        message="",
        severity=severity,
        active=False,
        acked=True,
        retain=False,
        enabled=spec.life.enabled,
        quality=point.status if point is not None else status.BAD_WAITING_FOR_INITIAL_DATA,
        value=value,
        input_parameter=condition.input_parameter,
        limits=dict(condition.limits(device)),
        has_confirm=spec.life.confirm,
        has_silence=bool(spec.audible),
        has_latch=spec.life.latch,
        priority=priority,
        condition_class=condition_class(condition),
    )


def condition_class(condition: Condition) -> str:
    """The ConditionClass that a condition belongs to."""
    return condition.spec.rationale.condition_class or condition.condition_class


FLAGS = ("enabled", "active", "acked", "confirmed", "latched")
"""What decides Retain of a current state, besides its branches."""


def is_retained(enabled: bool, active: bool, acked: bool, confirmed: bool, latched: bool, *, branches: bool) -> bool:
    """Retain: somebody must still see this state, or a branch beside it (OPC 10000-9, 5.5.2)."""
    return enabled and (active or not acked or not confirmed or latched or branches)


def is_branch_retained(event: AlarmEvent) -> bool:
    """Retain of a branch: it still has to be acknowledged or confirmed."""
    return event.enabled and (not event.acked or not event.confirmed)


def earlier(event: AlarmEvent) -> tuple[bytes, ...]:
    """The EventIds that go on naming a state after one more event of it."""
    if not event.event_id:
        return ()
    return (*event.earlier_ids, event.event_id)[-EARLIER_LIMIT:]


def ended(event: AlarmEvent, why: str, event_id: bytes, now: TimeUs) -> AlarmEvent:
    """The last event of a condition that no longer exists: nobody has to see or acknowledge it any more."""
    return replace(
        event,
        event_id=event_id,
        time=now,
        receive_time=now,
        message=f"{event.device_id}: {event.name} {why}",
        active=False,
        acked=True,
        confirmed=True,
        latched=False,
        retain=False,
        enabled=False,
        limit_state="",
        first_in_group=False,
        earlier_ids=(),
        cause="ended",
        user="",
    )
