"""What happens to a condition, as events: transitions, suppression, shelving that ends, re-alarms, quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from server.alarms import shelving
from server.alarms.condition import Condition
from server.alarms.condition_set import group_ids
from server.alarms.shelving import Shelving
from server.alarms.standing import (
    FLAGS,
    Standing,
    condition_class,
    earlier,
    is_branch_retained,
    is_retained,
    severity_of,
)
from server.alarms.states import Event, State, follow, is_acked, is_active, is_confirmed
from server.alarms.timers import Timers
from server.core.clock import SECOND, TimeUs
from server.core.status import StatusCode
from server.core.values import AlarmEvent, Scalar
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device

DELAY, AGAIN, SHELVING, RE_ALARM = "delay", "judge again", "shelving", "re-alarm"
"""Kinds of timers."""
OPERATOR = "operator"
"""In `suppressed_by`: somebody suppressed it by hand."""
ANNUNCIATING = frozenset({Event.ACTIVATE, Event.ESCALATE, Event.RE_ALARM})


class Life:
    """Carries out what was decided; every method appends what it made to `events`."""

    def __init__(
        self,
        timers: Timers[Standing],
        event_id: Callable[[], bytes],
        *,
        branches: int,
        max_time_shelved_s: float,
        severities: Mapping[str, int],
    ) -> None:
        self._timers = timers
        self.event_id = event_id
        self._branches = branches
        self._max_time_shelved_s = max_time_shelved_s
        self.severities = severities
        self.active_in: Counter[str] = Counter()  # active conditions by alarm group

    def max_time_shelved_s(self, spec: AlarmSpec | None) -> float:
        """Greatest ShelvingTime of an alarm: its own, or the site's."""
        own = spec.life.max_time_shelved_s if spec is not None else None
        return self._max_time_shelved_s if own is None else own

    # -- the life cycle

    def transition(
        self,
        standing: Standing,
        what: Event,
        device: Device,
        level: str,
        times: tuple[TimeUs, TimeUs],
        value: Scalar | None,
        quality: StatusCode,
        events: list[AlarmEvent],
    ) -> None:
        """Let the value's judgement take effect; `times`: (Time, ReceiveTime)."""
        following = follow(standing.state, what)
        if following is None:
            return
        before, condition = standing.event, standing.condition
        time, received = times
        if what is Event.ACTIVATE and standing.state in (State.RETURNED, State.RETURNED_UNCONFIRMED):
            self._branch(standing, time, received, events)
        changes: dict[str, Any] = {
            "message": condition.message(device, value, level),
            "limit_state": level,
            "level_time": time,
            "value": value,
            "quality": quality,
            "limits": dict(condition.limits(device)),
            "active": is_active(following),
            "acked": is_acked(following),
            "confirmed": is_confirmed(following),
        }
        if not changes["acked"]:
            changes["acked_time"] = None
        severity, changes["priority"] = severity_of(condition, level or before.limit_state, self.severities)
        if severity != before.severity:
            changes |= {"severity": severity, "last_severity": before.severity, "severity_time": received}
        if quality != before.quality:
            changes["quality_time"] = received
        if what is Event.ACTIVATE:
            changes |= self._activation(standing, time, received)
        elif what is Event.CLEAR:
            changes["inactive_time"] = time
            self._timers.cancel(standing, RE_ALARM)
        if what in ANNUNCIATING:
            changes["silenced"] = False
            changes["annunciated"] = received
            self._arm_re_alarm(standing, received)
        self._put(standing, events, time, received, "transition", changes, named_by=())
        if what is Event.CLEAR and follow_shelving(standing.event, shelving.Event.CLEAR) is not None:
            self.unshelve(standing, time, received, events)

    def _activation(self, standing: Standing, time: TimeUs, received: TimeUs) -> dict[str, Any]:
        spec = standing.condition.spec
        groups = group_ids(standing.event.device_id, spec)
        first = spec.first_in_group and bool(groups) and not any(self.active_in[group] for group in groups)
        changes: dict[str, Any] = {"active_time": time, "re_alarms": 0, "first_in_group": first}
        if spec.life.latch:
            changes |= {"latched": True, "latched_time": received}
        return changes

    def _count(self, standing: Standing, step: int, spec: AlarmSpec | None = None) -> None:
        for group in group_ids(standing.event.device_id, spec or standing.condition.spec):
            self.active_in[group] += step

    def _arm_re_alarm(self, standing: Standing, annunciated: TimeUs) -> None:
        period_s = standing.condition.spec.life.re_alarm_s
        if period_s > 0:
            self._timers.set(standing, RE_ALARM, annunciated + round(period_s * SECOND))

    def _resume_re_alarm(self, standing: Standing) -> None:
        """Count on from when it was annunciated last, whoever ran or whatever was declared then."""
        since = standing.event.annunciated or standing.event.active_time
        if standing.event.active and since is not None:
            self._arm_re_alarm(standing, since)

    def _branch(self, standing: Standing, time: TimeUs, received: TimeUs, events: list[AlarmEvent]) -> None:
        """Keep the state that was not acknowledged or confirmed yet beside the one to come (OPC 10000-9, 5.5.2)."""
        own = standing.condition.spec.life.branches
        if len(standing.branches) >= (self._branches if own is None else own):
            return
        before, event_id = standing.event, self.event_id()
        branch = replace(
            before,
            event_id=event_id,
            branch_id=event_id.hex(),
            time=time,
            receive_time=received,
            retain=True,
            cause="branched",
            user="",
            earlier_ids=earlier(before),
        )
        standing.branches.append(branch)
        events.append(branch)

    def re_alarm(self, standing: Standing, due: TimeUs, now: TimeUs, events: list[AlarmEvent]) -> None:
        """Annunciate again what has been active for long; what is not to be shown only starts its time anew."""
        event = standing.event
        following = follow(standing.state, Event.RE_ALARM)
        if following is None:
            return
        # Periods that went by unseen (the server was down, or late) are one re-alarm, not one each.
        period = max(round(standing.condition.spec.life.re_alarm_s * SECOND), 1)
        last = due + max(now - due, 0) // period * period
        self._arm_re_alarm(standing, last)
        if not event.enabled or event.suppressed_or_shelved:
            standing.event = replace(event, annunciated=last)
            return
        changes = {
            "acked": is_acked(following),
            "confirmed": is_confirmed(following),
            "acked_time": None,
            "silenced": False,
            "annunciated": last,
            "re_alarms": event.re_alarms + 1,
        }
        self._put(standing, events, due, now, "re-alarmed", changes, named_by=())

    # -- what goes beside it

    def quality(self, standing: Standing, quality: StatusCode, now: TimeUs, events: list[AlarmEvent]) -> None:
        """The input is of another quality now; told while somebody must see the condition."""
        event = standing.event
        if quality == event.quality:
            return
        if event.retain:
            self.put(standing, events, now, "quality changed", {"quality": quality, "quality_time": now})
        else:
            standing.event = replace(event, quality=quality, quality_time=now)

    def suppress(
        self, standing: Standing, by: tuple[str, ...], now: TimeUs, events: list[AlarmEvent], **more: Any
    ) -> None:
        """Suppress or unsuppress by design: `by` names all who want it suppressed."""
        event = standing.event
        if by == event.suppressed_by:
            return
        changes: dict[str, Any] = {"suppressed_by": by, "suppressed": bool(by), **more}
        if bool(by) != event.suppressed:
            changes["suppressed_time"] = now
            if event.enabled:
                self.put(standing, events, now, "suppressed" if by else "unsuppressed", changes)
                return
        standing.event = replace(event, **changes)

    def shelve(
        self, standing: Standing, state: Shelving, ends: TimeUs, now: TimeUs, events: list[AlarmEvent], **more: Any
    ) -> None:
        """Shelve it until a time at most."""
        self._timers.set(standing, SHELVING, ends)
        changes = {"shelving": state.value, "shelved_time": now, "unshelve_time": ends, **more}
        self.put(standing, events, now, "shelved", changes)

    def unshelve(
        self, standing: Standing, time: TimeUs, received: TimeUs, events: list[AlarmEvent], **more: Any
    ) -> None:
        """End its shelving."""
        self._timers.cancel(standing, SHELVING)
        changes = {"shelving": Shelving.UNSHELVED.value, "shelved_time": time, "unshelve_time": None, **more}
        if standing.event.enabled:
            self._put(standing, events, time, received, "unshelved", changes, named_by=earlier(standing.event))
        else:
            standing.event = replace(standing.event, **changes)

    # -- events

    def put(
        self, standing: Standing, events: list[AlarmEvent], now: TimeUs, cause: str, changes: Mapping[str, Any]
    ) -> None:
        """An event of the current state that stays what it is: its EventIds go on naming it."""
        self._put(standing, events, now, now, cause, changes, named_by=earlier(standing.event))

    def _put(
        self,
        standing: Standing,
        events: list[AlarmEvent],
        time: TimeUs,
        received: TimeUs,
        cause: str,
        changes: Mapping[str, Any],
        *,
        named_by: tuple[bytes, ...],
    ) -> None:
        before = standing.event

        def after(name: str) -> Any:
            return changes[name] if name in changes else getattr(before, name)

        retain = is_retained(*map(after, FLAGS), branches=bool(standing.branches))
        # A disabled condition keeps what it is: it may be enabled again while it is active.
        first = after("first_in_group") and (retain or not after("enabled"))
        rest = {"user": "", **changes, "retain": retain, "first_in_group": first}
        event = replace(
            before,
            event_id=self.event_id(),
            time=time,
            receive_time=received,
            cause=cause,
            earlier_ids=named_by,
            **rest,
        )
        standing.event = event
        events.append(event)
        step = is_counted(event) - is_counted(before)
        if step:
            self._count(standing, step)

    def renew(
        self, standing: Standing, events: list[AlarmEvent], now: TimeUs, cause: str, changes: Mapping[str, Any]
    ) -> None:
        """An event after which only its own EventId names the state: Acknowledge, Confirm."""
        self._put(standing, events, now, now, cause, changes, named_by=())

    def put_branch(
        self,
        standing: Standing,
        branch: AlarmEvent,
        events: list[AlarmEvent],
        now: TimeUs,
        cause: str,
        changes: Mapping[str, Any],
        *,
        named_by: tuple[bytes, ...],
    ) -> None:
        """An event of a branch; one that nobody has to see any more is over, and may have been the last."""
        event = replace(
            branch,
            event_id=self.event_id(),
            time=now,
            receive_time=now,
            cause=cause,
            earlier_ids=named_by,
            **{"user": "", **changes},
        )
        retain = is_branch_retained(event)
        first = event.first_in_group and (retain or not event.enabled)
        event = replace(event, retain=retain, first_in_group=first)
        place = standing.branches.index(branch)
        if event.enabled and not event.retain:
            del standing.branches[place]
        else:
            standing.branches[place] = event
        events.append(event)
        if event.enabled and not standing.branches:
            current = standing.event
            flags = (getattr(current, name) for name in FLAGS)
            if current.retain and not is_retained(*flags, branches=False):
                self.put(standing, events, now, "transition", {})

    # -- declarations

    def enable(self, standing: Standing, on: bool, now: TimeUs, events: list[AlarmEvent], **more: Any) -> None:
        """Enable or disable it with its branches; what waited for its delay is off."""
        changes = {"enabled": on, "enabled_time": now}
        cause = "enabled" if on else "disabled"
        standing.pending = None
        self._timers.cancel(standing, DELAY)
        self.put(standing, events, now, cause, changes | more)
        for branch in tuple(standing.branches):
            self.put_branch(standing, branch, events, now, cause, changes, named_by=earlier(branch))

    def respecified(self, standing: Standing, condition: Condition, now: TimeUs, events: list[AlarmEvent]) -> bool:
        """Take over what is declared now of input, life, groups and rationale; an event when that shows.

        True when it was enabled by that and has to be judged.
        """
        spec = condition.spec
        before, standing.condition = standing.condition.spec, condition
        on = spec.life.enabled
        switched = before.life.enabled != on != standing.event.enabled
        if switched:
            self.enable(standing, on, now, events)
        event = standing.event
        if is_counted(event) and before.groups != spec.groups:
            self._count(standing, -1, before)
            self._count(standing, 1)
        if before.life.re_alarm_s != spec.life.re_alarm_s:
            self._timers.cancel(standing, RE_ALARM)
            self._resume_re_alarm(standing)
        if event.input_parameter != condition.input_parameter:
            # What was remembered, and what waits, is of another value.
            standing.memory = {}
            self.give_up_delay(standing)
            self._timers.cancel(standing, AGAIN)
        severity, priority = severity_of(condition, event.limit_state, self.severities)
        changes: dict[str, Any] = {
            "has_confirm": spec.life.confirm,
            "confirmed": event.confirmed or not spec.life.confirm,
            "has_latch": spec.life.latch,
            "latched": event.latched and spec.life.latch,
            "has_silence": bool(spec.audible),
            "silenced": event.silenced and bool(spec.audible),
            "condition_class": condition_class(condition),
            "input_parameter": condition.input_parameter,
        }
        # What is over keeps the severity of what it was, unless the declaration gives every level the same.
        if event.active or spec.rationale.priority:
            changes["priority"] = priority
        if severity != event.severity and (event.active or spec.rationale.priority):
            changes |= {"severity": severity, "last_severity": event.severity, "severity_time": now}
        if any(getattr(event, name) != value for name, value in changes.items()):
            if event.retain:
                self.put(standing, events, now, "transition", changes)
            else:
                standing.event = replace(event, **changes)
        for branch in tuple(standing.branches):
            if branch.has_confirm != spec.life.confirm:
                # Else one that waits for Confirm would wait for ever.
                asked = {"has_confirm": spec.life.confirm, "confirmed": branch.confirmed or not spec.life.confirm}
                self.put_branch(standing, branch, events, now, "transition", asked, named_by=earlier(branch))
        return switched and on

    def give_up_delay(self, standing: Standing) -> None:
        """What waited for its delay is off: the value went back, or is not known any more."""
        if standing.pending is not None:
            standing.pending = None
            self._timers.cancel(standing, DELAY)

    def restored(self, standing: Standing) -> None:
        """Timers and counts of a state that came back."""
        event = standing.event
        if is_counted(event):
            self._count(standing, 1)
        self._resume_re_alarm(standing)
        if event.shelving != Shelving.UNSHELVED.value and event.unshelve_time is not None:
            self._timers.set(standing, SHELVING, event.unshelve_time)

    def gone(self, standing: Standing) -> None:
        """The condition no longer exists."""
        self._timers.stop(standing)
        if is_counted(standing.event):
            self._count(standing, -1)


def is_counted(event: AlarmEvent) -> bool:
    """Whether an alarm counts among the active ones of its groups: one that is disabled is not there."""
    return event.active and event.enabled


def follow_shelving(event: AlarmEvent, what: shelving.Event) -> Shelving | None:
    """What shelving becomes by an event, None when it stays."""
    return shelving.follow(Shelving(event.shelving), what)
