"""What operators do, carried out on one condition (OPC 10000-9, 5.5 to 5.8). Raises what the caller is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.alarms import shelving
from server.alarms.life import OPERATOR, Life
from server.alarms.shelving import Shelving
from server.alarms.standing import Standing, earlier
from server.alarms.states import Event, State, follow, is_acked, is_confirmed, state_of
from server.alarms.switches import switch
from server.core import status
from server.core.alarm_actions import AlarmAction, Verb
from server.core.clock import SECOND, TimeUs
from server.core.errors import RemoteError
from server.core.values import AlarmEvent

COMMENT_LIMIT = 1_024
"""Characters of a comment; the rest is cut off."""


class Actions:
    """Every verb."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._by_verb: dict[Verb, Callable[[Standing, AlarmAction, dict[str, Any], TimeUs, list[AlarmEvent]], None]] = {
            Verb.ACKNOWLEDGE: self._acknowledge,
            Verb.CONFIRM: self._confirm,
            Verb.COMMENT: self._comment,
            Verb.ENABLE: self._able,
            Verb.DISABLE: self._able,
            Verb.TIMED_SHELVE: self._shelve,
            Verb.ONE_SHOT_SHELVE: self._shelve,
            Verb.UNSHELVE: self._unshelve,
            Verb.SUPPRESS: self._suppress,
            Verb.UNSUPPRESS: self._suppress,
            Verb.REMOVE_FROM_SERVICE: self._service,
            Verb.PLACE_IN_SERVICE: self._service,
            Verb.SILENCE: self._silence,
            Verb.RESET: self._reset,
        }

    def act(self, standing: Standing, action: AlarmAction, user: str, now: TimeUs) -> list[AlarmEvent]:
        """The events of an action, the one that answers it first."""
        if not standing.event.enabled and action.verb not in (Verb.ENABLE, Verb.DISABLE):
            raise RemoteError(f"{action.condition_id} is disabled", status_code=status.BAD_CONDITION_DISABLED)
        said: dict[str, Any] = {"user": user}
        if action.comment is not None:
            said |= {"comment": action.comment[:COMMENT_LIMIT], "comment_time": now, "comment_user": user}
        events: list[AlarmEvent] = []
        self._by_verb[action.verb](standing, action, said, now, events)
        return events

    # -- of one state

    def _named(self, standing: Standing, action: AlarmAction) -> AlarmEvent:
        found = standing.named(action.event_id)
        if found is None:
            raise RemoteError(
                f"{action.condition_id} has changed since that event; look at its newest one",
                status_code=status.BAD_EVENT_ID_UNKNOWN,
            )
        return found

    def _acknowledge(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        event = self._named(standing, action)
        what = Event.ACKNOWLEDGE_FIRST if event.has_confirm else Event.ACKNOWLEDGE
        following = follow(_state(event), what)
        if following is None:
            raise RemoteError(
                f"{action.condition_id} is already acknowledged", status_code=status.BAD_CONDITION_BRANCH_ALREADY_ACKED
            )
        said |= {"acked": is_acked(following), "confirmed": is_confirmed(following), "acked_time": now}
        self._change(standing, event, events, now, "acknowledged", said)

    def _confirm(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        if not standing.event.has_confirm:
            raise _has_no(action, "ConfirmedState")
        event = self._named(standing, action)
        following = follow(_state(event), Event.CONFIRM)
        if following is None:
            raise RemoteError(
                f"{action.condition_id} has nothing to confirm",
                status_code=status.BAD_CONDITION_BRANCH_ALREADY_CONFIRMED,
            )
        said |= {"confirmed": is_confirmed(following), "confirmed_time": now}
        self._change(standing, event, events, now, "confirmed", said)

    def _comment(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        event = self._named(standing, action)
        if event.branch_id:
            self._life.put_branch(standing, event, events, now, "commented", said, named_by=earlier(event))
        else:
            self._life.put(standing, events, now, "commented", said)

    def _change(
        self,
        standing: Standing,
        event: AlarmEvent,
        events: list[AlarmEvent],
        now: TimeUs,
        cause: str,
        changes: dict[str, Any],
    ) -> None:
        if event.branch_id:
            self._life.put_branch(standing, event, events, now, cause, changes, named_by=())
        else:
            self._life.renew(standing, events, now, cause, changes)

    # -- of the condition

    def _able(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        on = switch(action.verb, standing.event.enabled, action.condition_id)
        self._life.enable(standing, on, now, events, **said)

    def _shelve(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        most_s = self._life.max_time_shelved_s(standing.condition.spec)
        timed = action.verb is Verb.TIMED_SHELVE
        state = shelving.require(
            Shelving(standing.event.shelving),
            shelving.Event.TIMED_SHELVE if timed else shelving.Event.ONE_SHOT_SHELVE,
        )
        seconds = shelving.require_time(action.shelve_s, most_s) if timed else most_s
        self._life.shelve(standing, state, now + max(round(seconds * SECOND), 1), now, events, **said)

    def _unshelve(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        shelving.require(Shelving(standing.event.shelving), shelving.Event.UNSHELVE)
        self._life.unshelve(standing, now, now, events, **said)

    def _suppress(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        by = set(standing.event.suppressed_by)
        if switch(action.verb, OPERATOR in by, action.condition_id):
            by.add(OPERATOR)
        else:
            by.discard(OPERATOR)
        self._life.suppress(standing, tuple(sorted(by)), now, events, **said)
        if not events:
            # A group suppresses it too, so that nothing shows; the caller is answered with an event all the same.
            self._life.put(standing, events, now, "suppressed" if OPERATOR in by else "unsuppressed", said)

    def _service(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        out = switch(action.verb, standing.event.out_of_service, action.condition_id)
        cause = "removed from service" if out else "placed in service"
        self._life.put(standing, events, now, cause, {"out_of_service": out, "out_of_service_time": now} | said)

    def _silence(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        event = standing.event
        if not event.has_silence:
            raise _has_no(action, "SilenceState")
        if not event.active:
            raise RemoteError(f"{action.condition_id} is not active", status_code=status.BAD_INVALID_STATE)
        silenced = switch(action.verb, event.silenced, action.condition_id)
        self._life.put(standing, events, now, "silenced", {"silenced": silenced, "silenced_time": now} | said)

    def _reset(
        self, standing: Standing, action: AlarmAction, said: dict[str, Any], now: TimeUs, events: list[AlarmEvent]
    ) -> None:
        event = standing.event
        if not event.has_latch:
            raise _has_no(action, "LatchedState")
        latched = switch(action.verb, event.latched, action.condition_id)
        if event.active or not event.acked or not event.confirmed:
            raise RemoteError(
                f"{action.condition_id} is still active or has to be acknowledged first",
                status_code=status.BAD_INVALID_STATE,
            )
        self._life.put(standing, events, now, "reset", {"latched": latched, "latched_time": now} | said)


def _state(event: AlarmEvent) -> State:
    return state_of(active=event.active, acked=event.acked, confirmed=event.confirmed)


def _has_no(action: AlarmAction, what: str) -> RemoteError:
    return RemoteError(f"{action.condition_id} has no {what}", status_code=status.BAD_METHOD_INVALID)
