"""What one kind of condition has to say: its level for a value, its severity and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from server.core.values import Scalar
from server.model.device import Device, Point


class Condition(Protocol):
    """One kind of condition on one input parameter. Stateless: the engine keeps the states.

    Equal conditions judge by the same rules: what compares unequal is judged anew when its package is updated.
    """

    kind: str  # AlarmEvent.kind
    name: str  # ConditionName and last part of its id
    input_parameter: str

    def depends_on(self) -> frozenset[str]:
        """Parameters whose change asks for a new judgement: the input and the limits."""

    def judged(self, device: Device) -> Point | None:
        """The point whose value is judged; None when there is none."""

    def level(self, device: Device, value: Scalar) -> str:
        """ "" when normal, else the name of the active level."""

    def worse(self, new: str, old: str) -> bool:
        """True when going from level `old` to `new` asks for a new acknowledgement."""

    def severity(self, level: str) -> int:
        """1 … 1000 for a level; of the last active level while returned."""

    def limits(self, device: Device) -> Mapping[str, float]:
        """Limits as they are judged now."""

    def message(self, device: Device, value: Scalar | None, level: str) -> str:
        """One sentence for the operator, in English."""
