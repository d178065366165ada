"""What one kind of condition has to say: its level for a value, its severity and its words. One kind a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from server.core.clock import TimeUs
from server.core.values import Scalar
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device, Point


@dataclass(slots=True)
class Look:
    """What a condition is judged on."""

    device: Device
    value: Scalar  # of the point that `judged` found, not Bad
    time: TimeUs  # of what asks: the SourceTimestamp of the value or limit that came, else the time now
    sampled: TimeUs  # the value's SourceTimestamp
    before: str = ""  # level as it stands, "" when normal
    memory: dict[str, float] = field(default_factory=dict)
    """The condition's own between judgements, kept by the engine: a sample before, a time. Empty after a start."""


class Condition(Protocol):
    """One kind of condition on one input parameter. Stateless: the engine keeps the states.

    Equal conditions judge alike, whatever else their declarations say of their life and rationale: what compares
    unequal is judged anew when its package or a rule changes.
    """

    @property
    def kind(self) -> str:
        """AlarmEvent.kind."""

    @property
    def name(self) -> str:
        """ConditionName and last part of its id."""

    @property
    def input_parameter(self) -> str:
        """The parameter that is judged, InputNode."""

    @property
    def spec(self) -> AlarmSpec:
        """How it was declared."""

    @property
    def condition_class(self) -> str:
        """Of its kind: a name of model.alarm_spec.CLASSES."""

    @property
    def time_alone_activates(self) -> bool:
        """Whether it may become active without another value, because of what one began (`Look.memory`)."""

    def depends_on(self) -> frozenset[str]:
        """Parameters whose change asks for a new judgement: the input, the limits, whatever else it looks at."""

    def judged(self, device: Device) -> Point | None:
        """The point whose value is judged; None when there is none."""

    def level(self, look: Look) -> str:
        """ "" when normal, else the name of the active level; several names joined by ", " for non-exclusive ones."""

    def again_at(self, look: Look) -> TimeUs | None:
        """When it must be judged again though no value comes (after `level`); None: only by values."""

    def worse(self, new: str, old: str) -> bool:
        """True when going from level `old` to `new` asks for a new acknowledgement."""

    def severity(self, level: str) -> int:
        """1 … 1000 for a level; "" is the initial state's."""

    def limits(self, device: Device) -> Mapping[str, float]:
        """Numbers it judges by now, by the names of its `AlarmSpec.sources`."""

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        """One sentence for the operator, in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionKind:
    """The declaration of a file in `conditions/`, as `CONDITION`."""

    kind: str
    make: Callable[[AlarmSpec], Condition]
