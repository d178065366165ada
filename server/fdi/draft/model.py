"""What a draft says: messages, places and parameters as inferred, with the reasons; ready to show and to write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.fdi.draft.places import MetricList

NAME, MAKER = "New device", "Unknown manufacturer"
"""What stands for names that nobody gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What a sample cannot tell: how the package calls itself."""

    package_id: str  # a UUID
    name: str = NAME
    manufacturer: str = MAKER
    type_id: str = ""  # "" makes one of the name


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftParameter:
    """One VARIABLE of the EDD to come."""

    name: str
    label: str
    edd_type: str  # DOUBLE, UNSIGNED_INTEGER, INTEGER, ENUMERATED, BOOLEAN, ASCII, EUC
    size: int = 0  # octets of integers and enumerations, characters of texts
    unit: str = ""
    low: float | None = None  # the range: observed values widened and rounded
    high: float | None = None
    enumerators: tuple[int, ...] = ()
    observed: str = ""  # what was seen, for people
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPlace:
    """Where one parameter stands in one kind of message."""

    parameter: str
    pointer: str = ""
    unit_pointer: str = ""
    metric: str = ""  # name in the list of readings; pointer is "" then


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftMessage:
    """One [[message]] of mqtt.toml."""

    topic: str
    messages: int
    objects: int
    devices: int
    device: str = ""
    time: str = ""
    time_form: str = ""
    quality: str = ""
    rows: bool = False
    metrics: MetricList | None = None
    places: tuple[DraftPlace, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something that was left out, how often, and where for example."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftModel:
    """Everything that was learned."""

    type_id: str
    name: str
    manufacturer: str
    package_id: str
    device_id: str
    messages: tuple[DraftMessage, ...]
    parameters: tuple[DraftParameter, ...]
    heard: int
    kept: int
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]
