"""The scratch values of an edit context: one side of it over its parent, or over what the device or the site keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Protocol

from server.core import status
from server.core.clock import TimeUs
from server.core.status import StatusCode
from server.core.values import DeviceId, Scalar
from server.fdi import edit_states
from server.fdi.configuration import Configuration
from server.fdi.edit_states import Dominance, Event, State, ValueState, follow
from server.fdi.logic.type_logic import ValueSource
from server.fdi.rules import Rules
from server.model.device_type import ParameterSpec
from server.model.plant import Plant


class Side(Enum):
    """Which data set a value belongs to; the word stands in NodeIds."""

    ONLINE = "Online"
    OFFLINE = "Offline"


@dataclass(frozen=True, slots=True)
class Below:
    """A value as it is under the top-level context."""

    value: Scalar | None
    status: StatusCode
    source_time: TimeUs = 0
    initial: bool = False  # the EDD's default, never set


@dataclass(frozen=True, slots=True)
class ContextValue:
    """A value as a client of the context sees it; `spec` is what its parameter means there."""

    value: Scalar | None
    status: StatusCode
    spec: ParameterSpec
    source_time: TimeUs


class Live(Protocol):
    """What is known of each device now."""

    def values(self, device_id: str) -> ValueSource: ...


def same(one: Scalar | None, other: Scalar | None) -> bool:
    """True when nobody could tell both values apart: 1 and 1.0 can be, as numbers of one parameter, 1 and True not."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def below_device(plant: Plant, live: Live, configuration: Configuration, device_id: str, side: Side) -> BelowOf:
    """What lies under the contexts of a device: its reported values or its offline data set."""

    def online(name: str) -> Below:
        device = plant.devices.get(DeviceId(device_id))
        point = device.points.get(name) if device is not None else None
        if device is None or point is None:
            value = live.values(device_id).value(name) if device is not None else None
            return Below(value, status.GOOD if value is not None else status.BAD_WAITING_FOR_INITIAL_DATA)
        code = status.BAD_NOT_CONNECTED if device.silent and not point.spec.local else point.status
        return Below(point.value, code, point.source_time)

    def offline(name: str) -> Below:
        view = configuration.plain(device_id, name)
        # What is pending for the device is this data set's plain value: nobody edited it in a context.
        code = status.GOOD if view.status == status.GOOD_EDITED else view.status
        return Below(view.value, code, view.source_time, view.initial)

    return online if side is Side.ONLINE else offline


BelowOf = Callable[[str], Below]


@dataclass(frozen=True, slots=True)
class Edited:
    """The values of a context as they would be after one more edit (a `ValueSource`)."""

    values: ValueSource
    name: str
    edit: Scalar

    def value(self, name: str) -> Scalar | None:
        return self.edit if name == self.name else self.values.value(name)


class Scratch:
    """Edited values of one side of one context; the rest shows through (a `ValueSource`)."""

    def __init__(self, rules: Rules, below: BelowOf, parent: Scratch | None = None) -> None:
        self._rules = rules
        self._below = below
        self._parent = parent
        self._edits: dict[str, Scalar] = {}
        self._times: dict[str, TimeUs] = {}
        self._reach: dict[str, frozenset[str]] = {}  # edited name -> items whose attributes depend on it
        self._states: dict[str, State] = {}  # without those that are UNEDITED

    # -- reading

    @property
    def rules(self) -> Rules:
        """What the EDD says of the parameters, in the version now in force."""
        return self._rules

    @property
    def edits(self) -> Mapping[str, Scalar]:
        """Values edited here, in the order in which they were first edited."""
        return MappingProxyType(self._edits)

    def value(self, name: str) -> Scalar | None:
        """The edited value, here or in a context around it, else the one below."""
        if name in self._edits:
            return self._edits[name]
        return self._parent.value(name) if self._parent is not None else self._below(name).value

    def spec(self, name: str) -> ParameterSpec:
        """What a parameter means under the values of this context."""
        return self._rules.spec(name, self)

    def read(self, name: str) -> ContextValue:
        """A value with its StatusCode.

        Raises:
            KeyError: the type has no such parameter.
        """
        spec, below, state = self.spec(name), self._below(name), self.state(name)
        code = edit_states.code(state, below.status, initial=below.initial)
        if not spec.valid and state.dominance is Dominance.NONE:
            code = status.BAD_NOT_READABLE  # VALIDITY: for the user it does not exist now
        return ContextValue(self.value(name), code, spec, self._time(name) or below.source_time)

    def state(self, name: str) -> ValueState:
        """Where a value stands: its own edits, and what edits of others do to it."""
        own = self._states.get(name, State.UNEDITED)
        value = ValueState(State.EDITED if self._is_edited(name) else own)
        spec, content = self.spec(name), self.value(name)
        if content is not None and self._rules.check(name, content, self) == status.BAD_OUT_OF_RANGE:
            value = follow(value, Event.LEFT_RANGE)
        suffers = value.out_of_range or not spec.valid
        if any(map(self._is_edited, self._rules.dominants(name))) or (suffers and self._is_reached(name)):
            value = follow(value, Event.DOMINANT_EDITED if spec.valid else Event.DOMINANT_UNUSABLE)
        if any(map(self._is_edited, self._rules.dependants(name))):
            value = follow(value, Event.DEPENDENT_EDITED)
        return value

    def _around(self) -> Iterator[Scratch]:
        scratch: Scratch | None = self
        while scratch is not None:
            yield scratch
            scratch = scratch._parent

    def _is_edited(self, name: str) -> bool:
        return any(name in scratch._edits for scratch in self._around())

    def _time(self, name: str) -> TimeUs:
        return next((scratch._times[name] for scratch in self._around() if name in scratch._times), 0)

    def _is_reached(self, name: str) -> bool:
        return any(
            name in items for scratch in self._around() for edited, items in scratch._reach.items() if edited != name
        )

    # -- changing; each returns the names whose look may have changed

    def set(self, name: str, value: Scalar, now: TimeUs) -> frozenset[str]:
        """Edit a value; one equal to what lies under this context is no edit."""
        under = self._parent.value(name) if self._parent is not None else self._below(name).value
        if same(value, under):
            self._happen(name, Event.EDIT_BACK)
        else:
            self._happen(name, Event.EDIT)
            self._edits[name] = value
            self._times[name] = now
            self._reach[name] = self._rules.dependents((name,))
        return self.touched((name,))

    def applied(self, name: str, code: StatusCode) -> None:
        """What came of bringing a value to the device, the store or the parent context."""
        if not status.is_good(code):
            self._happen(name, Event.APPLY_FAILED)
        elif code == status.GOOD_POST_ACTION_FAILED:
            self._happen(name, Event.APPLIED_POST_FAILED)
        else:
            self._happen(name, Event.APPLIED)

    def below_changed(self, names: Iterable[str]) -> frozenset[str]:
        """What lies under the context changed: an edit that says the same is none any more."""
        names = tuple(names)
        for name in names:
            met = name in self._edits and self._parent is None and same(self._edits[name], self._below(name).value)
            self._happen(name, Event.EDIT_BACK if met else Event.DEVICE_CHANGED)
        return self.touched(names)

    def reset(self) -> frozenset[str]:
        """Throw all edits away."""
        names = tuple(self._states)
        for name in names:
            self._happen(name, Event.RESET)
        return self.touched(names)

    def rebase(self, rules: Rules, keep: Callable[[str, Scalar], bool]) -> None:
        """Another version of the type took over: edits that it cannot hold are lost."""
        self._rules = rules
        for name in tuple(self._states):
            if name in self._edits and keep(name, self._edits[name]):
                self._reach[name] = rules.dependents((name,))
            else:
                self._happen(name, Event.RESET)

    def touched(self, names: Iterable[str]) -> frozenset[str]:
        """The names themselves and the parameters that look different when these change."""
        found = set(names)
        for name in tuple(found):
            found |= self._rules.dominants(name) | self._rules.dependants(name)
        found |= self._rules.dependents(tuple(found))
        return frozenset(found & self._rules.parameters.keys())

    def _happen(self, name: str, event: Event) -> None:
        state = edit_states.TABLE[self._states.get(name, State.UNEDITED)][event]
        if state is State.UNEDITED:
            self._states.pop(name, None)
        else:
            self._states[name] = state
        if state is not State.EDITED:
            self._edits.pop(name, None)
            self._times.pop(name, None)
            self._reach.pop(name, None)
