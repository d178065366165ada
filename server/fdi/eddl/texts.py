"""What every construct of the static view has: a name, texts by language, and where it depends on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from server.fdi.eddl.nodes import Position

Texts: TypeAlias = Mapping[str, str]  # text by language code, `en` first where there is one
NO_TEXT: Texts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of MEMBERS, ELEMENTS or PARAMETERS: the reference it stands for, as written."""

    target: str
    label: Texts = field(default_factory=lambda: NO_TEXT)
    help: Texts = field(default_factory=lambda: NO_TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Name and texts of a construct; `conditional` names the attributes that depend on the device."""

    name: str
    label: Texts = field(default_factory=lambda: NO_TEXT)
    help: Texts = field(default_factory=lambda: NO_TEXT)
    conditional: frozenset[str] = frozenset()
    position: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Assigned:
    """An entry such as `set_flow = 2.5`: the reference as written, and the value where it is constant."""

    target: str
    value: int | float | str | None
