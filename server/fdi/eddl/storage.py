"""LIST, FILE, BLOB and TEMPLATE in the static view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.fdi.eddl.texts import Assigned, Described, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class EddList(Described):
    """A LIST of `element`s; `count` is None when only the device knows how many there are."""

    element: str | None = None
    capacity: int | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddFile(Described):
    """A FILE: members the host keeps for each device."""

    members: Mapping[str, Member] = field(default_factory=dict)
    readable: bool = True
    writable: bool = True
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddBlob(Described):
    """A BLOB: octets nobody interprets."""

    readable: bool = True
    writable: bool = True
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EddTemplate(Described):
    """A TEMPLATE: preset values by reference."""

    default_values: tuple[Assigned, ...] = ()
