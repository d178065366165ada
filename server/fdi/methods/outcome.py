"""Where a METHOD stands after a slice of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from server.core.values import Scalar
from server.fdi.eddl.nodes import Position
from server.fdi.methods.requests import Request


class Commit(StrEnum):
    """What becomes of assigned values that were not sent or saved when the METHOD ends."""

    DISCARD = "discard"  # the default, and always after an abort
    SAVE = "save"  # kept in the host
    SEND = "send"  # sent to the device


@dataclass(frozen=True, slots=True)
class Running:
    """The slice is used up; call `run` again."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing goes on before `resume` with an answer to the request, or `user_abort`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Finished:
    """The METHOD ran to its end; `outputs` are its in/out parameters by name."""

    value: Scalar | None
    commit: Commit
    outputs: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aborted:
    """Ended by the user, by itself or by a communication status; its abort methods have run."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Ended by a fault of the METHOD, such as a division by zero or "budget: steps"; its abort methods have run."""

    reason: str
    position: Position | None


Outcome: TypeAlias = Running | Waiting | Finished | Aborted | Failed
