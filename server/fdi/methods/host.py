"""What a running METHOD sees of the world: values, specifications, the time; one implementation for each data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from server.core.status import StatusCode, name_of
from server.core.values import Scalar
from server.model.device_type import ParameterSpec


class ValueRefusedError(Exception):
    """A value that a parameter does not take."""

    def __init__(self, status: StatusCode) -> None:
        super().__init__(name_of(status))
        self.status = status


class Host(Protocol):
    """Values by EDD identifier (`<array>_<n>` for an array's element); nothing here waits or takes long."""

    @property
    def offline(self) -> bool:
        """Whether the METHOD works on the offline data set, without a device (`isOffline`)."""

    def value(self, name: str) -> Scalar | None:
        """The value in the METHOD's data set: what it assigned, else the data set's own; None while unknown."""

    def assign(self, name: str, value: Scalar) -> None:
        """Keep a value in the METHOD's data set. Raises ValueRefusedError."""

    def spec(self, name: str) -> ParameterSpec | None:
        """The effective specification now, PRIVATE parameters included; None when there is no such parameter."""

    def log(self, priority: int, text: str) -> None:
        """Take one entry of LOG_MESSAGE."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""


@dataclass(slots=True)
class ActionValue:
    """The value being processed by a pre or post action: what igetval reads and isetval changes."""

    name: str  # of the VARIABLE
    value: Scalar | None
    changed: bool = False  # whether the action set it
