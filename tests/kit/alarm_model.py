"""A simple model of one limit alarm, written from OPC 10000-9 and ISA-18.2 alone: what it is, and what it tells.

It shares nothing with the engine but the words of a log line (`simulator.alarm_script.words`). Times in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SEVERITY = {"": 500, "High": 500, "HighHigh": 800}


@dataclass(frozen=True)
class Traits:
    """How the alarm is declared."""

    confirm: bool = False
    latch: bool = False
    audible: bool = False
    branches: int = 0
    on_delay: float = 0.0
    off_delay: float = 0.0
    re_alarm: float = 0.0


@dataclass
class Part:
    """The current state, or a branch."""

    active: bool = False
    level: str = ""
    acked: bool = True
    confirmed: bool = True
    severity: int = 500
    latched: bool = False
    silenced: bool = False
    re_alarms: int = 0
    shelving: str = ""
    suppressed: bool = False
    out_of_service: bool = False
    bad: bool = False
    branch: str = ""
    names: set[int] = field(default_factory=set)  # numbers of the events that name it

    @property
    def done(self) -> bool:
        return self.acked and self.confirmed


class Refused(Exception):  # noqa: N818  # an answer, not a failure
    """What the caller is answered."""


class Model:
    """One alarm, judged by the level of its value."""

    def __init__(self, traits: Traits) -> None:
        self.traits = traits
        self.now = Part()
        self.branches: list[Part] = []
        self.enabled = True
        self.value: str | None = ""  # None: lost
        self.told: list[dict[str, Any]] = []  # everything told so far
        self._pending: tuple[str, float] | None = None  # (level to come, when)
        self._kept_bad: bool | None = None  # as it was told last
        self._shelved_until: float | None = None
        self._asks_at: float | None = None
        self._asked_at = 0.0

    @property
    def retain(self) -> bool:
        now = self.now
        return self.enabled and (now.active or not now.done or now.latched or bool(self.branches))

    def parts(self) -> list[Part]:
        return [self.now, *self.branches]

    # -- telling

    def _tell(self, part: Part, *, anew: bool = False) -> None:
        """One event; `anew`: from here on only it names the state."""
        retain = self.retain if part is self.now else self.enabled and not part.done
        if anew:
            part.names = set()
        if part is self.now:
            self._kept_bad = part.bad
        part.names.add(len(self.told))
        self.told.append(self.facts(part) | {"retain": retain})

    def facts(self, part: Part) -> dict[str, Any]:
        return {
            "active": part.active,
            "level": part.level,
            "acked": part.acked,
            "confirmed": part.confirmed,
            "severity": part.severity,
            "enabled": self.enabled,
            "shelving": part.shelving,
            "suppressed": part.suppressed,
            "out_of_service": part.out_of_service,
            "latched": part.latched,
            "silenced": part.silenced,
            "first": False,
            "re_alarms": part.re_alarms,
            "bad": part.bad,
            "branch": part.branch,
        }

    # -- values and time

    def lose(self) -> None:
        """The value is not known any more: nothing begins or ends by that."""
        self.value = self._pending = None
        self._sense(True)

    def _sense(self, bad: bool) -> None:
        if self.now.bad != bad:
            self.now.bad = bad
            if self.retain:
                self._tell(self.now)

    def set(self, level: str, time: float) -> None:
        """A value of this level."""
        self.value = level
        if not self.enabled:
            return
        self._judge(level, time)
        self._sense(False)

    def _judge(self, level: str, time: float) -> None:
        now = self.now
        if bool(level) != now.active:
            delay = self.traits.on_delay if level else self.traits.off_delay
            if delay == 0:
                self._pending = None
                self._switch(level, time)
            elif self._pending is None:
                self._pending = (level, time + delay)
            else:
                self._pending = (level, self._pending[1])
            return
        self._pending = None
        if level in ("", now.level):
            return
        now.level, now.severity, now.bad = level, SEVERITY[level], False
        if level == "HighHigh":
            self._ask_again(time)
        self._tell(now, anew=True)

    def _switch(self, level: str, time: float) -> None:
        now = self.now
        if level:
            if not now.done and len(self.branches) < self.traits.branches:
                branch = Part(**{**vars(now), "branch": str(len(self.told)), "names": set(now.names)})
                self.branches.append(branch)
                self._tell(branch)
            now.active, now.level, now.severity, now.re_alarms = True, level, SEVERITY[level], 0
            now.bad = False
            now.latched = now.latched or self.traits.latch
            self._ask_again(time)
            self._tell(now, anew=True)
            return
        now.active, now.level, now.bad = False, "", False
        self._asks_at = None
        self._tell(now, anew=True)
        if now.shelving == "once":
            self._unshelve()

    def _ask_again(self, time: float) -> None:
        """A new reason to look."""
        self.now.acked, self.now.confirmed, self.now.silenced = False, True, False
        self._count_from(time)

    def _count_from(self, time: float) -> None:
        """When operators were told last; the next re-alarm counts from it."""
        self._asked_at = time
        self._asks_at = time + self.traits.re_alarm if self.traits.re_alarm else None

    def _unshelve(self) -> None:
        self.now.shelving, self._shelved_until = "", None
        if self.enabled:
            self._tell(self.now)

    def tick(self, time: float) -> None:
        """Let time pass until `time`."""
        while True:
            due = [(when, what) for when, what in self._due() if when <= time]
            if not due:
                return
            when, what = min(due)
            if what == "delay":
                assert self._pending is not None
                level, self._pending = self._pending[0], None
                self._switch(level, when)
                if level:
                    self._count_from(time)
            elif what == "shelving":
                self._unshelve()
            else:
                # Periods that nobody saw go by (a restart) ask once, not once each.
                self._count_from(when + (time - when) // self.traits.re_alarm * self.traits.re_alarm)
                now = self.now
                if self.enabled and not (now.shelving or now.suppressed or now.out_of_service):
                    now.acked, now.confirmed, now.silenced = False, True, False
                    now.re_alarms += 1
                    self._tell(now, anew=True)

    def _due(self) -> Iterator[tuple[float, str]]:
        if self._pending is not None:
            yield self._pending[1], "delay"
        if self._shelved_until is not None:
            yield self._shelved_until, "shelving"
        if self._asks_at is not None:
            yield self._asks_at, "re-alarm"

    def restart(self) -> None:
        """The server ends and starts again: what waited for its delay is judged anew by the next value."""
        self._pending = None
        if self._kept_bad is not None:
            self.now.bad = self._kept_bad  # until the next value says how it is

    # -- operators

    def act(self, verb: str, time: float, named: int | None, seconds: float = 0.0) -> None:
        """An action; `named`: the number of the event that the caller saw, None means the current state."""
        if verb in ("enable", "disable"):
            self._able(verb == "enable", time)
            return
        if not self.enabled:
            raise Refused("BadConditionDisabled")
        now = self.now
        if verb in ("acknowledge", "confirm", "comment"):
            self._of_state(verb, named)
        elif verb in ("shelve", "shelve-once"):
            wanted = "timed" if verb == "shelve" else "once"
            if now.shelving == wanted:
                raise Refused("BadConditionAlreadyShelved")
            if wanted == "timed" and not 0 < seconds <= 28_800:
                raise Refused("BadShelvingTimeOutOfRange")
            now.shelving = wanted
            self._shelved_until = time + (seconds if wanted == "timed" else 28_800.0)
            self._tell(now)
        elif verb == "unshelve":
            if not now.shelving:
                raise Refused("BadConditionNotShelved")
            self._unshelve()
        elif verb in ("suppress", "unsuppress"):
            now.suppressed = self._turned(now.suppressed, verb == "suppress")
            self._tell(now)
        elif verb in ("remove-from-service", "place-in-service"):
            now.out_of_service = self._turned(now.out_of_service, verb == "remove-from-service")
            self._tell(now)
        elif verb == "silence":
            if not self.traits.audible:
                raise Refused("BadMethodInvalid")
            if not now.active or now.silenced:
                raise Refused("BadInvalidState")
            now.silenced = True
            self._tell(now)
        else:
            if not self.traits.latch:
                raise Refused("BadMethodInvalid")
            if not now.latched or now.active or not now.done:
                raise Refused("BadInvalidState")
            now.latched = False
            self._tell(now)

    @staticmethod
    def _turned(is_on: bool, wanted: bool) -> bool:
        if is_on == wanted:
            raise Refused("BadInvalidState")
        return wanted

    def _able(self, enabled: bool, time: float) -> None:
        if enabled == self.enabled:
            raise Refused("BadConditionAlreadyEnabled" if enabled else "BadConditionAlreadyDisabled")
        self.enabled = enabled
        self._pending = None
        self._tell(self.now)
        for part in tuple(self.branches):
            self._end_or_tell(part)
        if enabled and self.value is None:
            self._sense(True)
        elif enabled and self.value is not None:
            self.set(self.value, time)

    def _end_or_tell(self, part: Part, *, anew: bool = False) -> None:
        """An event of a branch; one that nobody has to see is over, and may have been what kept the alarm in sight."""
        was_retained = self.retain
        if self.enabled and part.done:
            self.branches.remove(part)
        self._tell(part, anew=anew)
        if was_retained and not self.retain:
            self._tell(self.now)

    def respecify(self, traits: Traits) -> None:
        """A rule declares it otherwise."""
        before, self.traits, now, was_retained = self.traits, traits, self.now, self.retain
        if before.re_alarm != traits.re_alarm:
            self._asks_at = None
            if now.active:
                self._count_from(self._asked_at)
        now.confirmed = now.confirmed or not traits.confirm
        now.latched = now.latched and traits.latch
        now.silenced = now.silenced and traits.audible
        shown = ("confirm", "latch", "audible")
        if was_retained and any(getattr(before, name) != getattr(traits, name) for name in shown):
            self._tell(now)
        if before.confirm != traits.confirm:
            for part in tuple(self.branches):
                part.confirmed = part.confirmed or not traits.confirm
                self._end_or_tell(part)

    def _of_state(self, verb: str, named: int | None) -> None:
        if verb == "confirm" and not self.traits.confirm:
            raise Refused("BadMethodInvalid")
        part = self.now
        if named is not None:
            found = [each for each in self.parts() if named in each.names]
            if not found:
                raise Refused("BadEventIdUnknown")
            part = found[0]
        if verb == "acknowledge":
            if part.acked:
                raise Refused("BadConditionBranchAlreadyAcked")
            part.acked, part.confirmed = True, not self.traits.confirm
        elif verb == "confirm":
            if part.confirmed:
                raise Refused("BadConditionBranchAlreadyConfirmed")
            part.confirmed = True
        if part is self.now:
            self._tell(part, anew=verb != "comment")
        else:
            self._end_or_tell(part, anew=verb != "comment")
