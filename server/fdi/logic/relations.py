"""UNIT, REFRESH and WRITE_AS_ONE relations between parameters (eddl.md, section 5.4).

A relation that stands inside IF or SELECT counts in every branch: too much is read again rather than too little.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from server.fdi.eddl.model import EddModel
from server.fdi.references import variables_of

MEMBERS: Final = 200_000
"""Parameters in all relations of an EDD; further ones are left out."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation: what dominates, and what depends on it. WRITE_AS_ONE has its members in `dominants`."""

    kind: str
    name: str
    dominants: tuple[str, ...]
    dependants: tuple[str, ...]


class Relations:
    """All relations of an EDD, by the parameters in them."""

    def __init__(self, model: EddModel, parameters: Container[str]) -> None:
        self._left = MEMBERS
        self.all = tuple(
            Relation(
                entry.kind,
                entry.name,
                self._parameters(model, entry.causes, parameters),
                self._parameters(model, entry.effects, parameters),
            )
            for entry in model.relations
        )
        self._dominated: dict[str, list[Relation]] = {}
        self._dominating: dict[str, list[Relation]] = {}
        self._together: dict[str, list[Relation]] = {}
        for relation in self.all:
            if relation.kind == "WRITE_AS_ONE":
                for name in relation.dominants:
                    self._together.setdefault(name, []).append(relation)
                continue
            for name in relation.dependants:
                self._dominated.setdefault(name, []).append(relation)
            for name in relation.dominants:
                self._dominating.setdefault(name, []).append(relation)

    def _parameters(self, model: EddModel, references: Iterable[str], known: Container[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for reference in references:
            for name in islice(variables_of(model, reference), max(self._left, 0)):
                self._left -= 1
                if name in known:
                    found[name] = None
        return tuple(found)

    def unit_variable(self, name: str) -> str | None:
        """The parameter whose value names this one's unit; the first UNIT relation counts."""
        for relation in self._dominated.get(name, ()):
            if relation.kind == "UNIT" and relation.dominants and relation.dominants[0] != name:
                return relation.dominants[0]
        return None

    def with_units(self) -> frozenset[str]:
        """Every parameter that has its unit from a UNIT relation."""
        return frozenset(name for name in self._dominated if self.unit_variable(name) is not None)

    def dependants(self, name: str, kinds: Container[str] = ("UNIT", "REFRESH")) -> frozenset[str]:
        """What a parameter dominates."""
        found = self._dominating.get(name, ())
        return frozenset(
            other for relation in found if relation.kind in kinds for other in relation.dependants if other != name
        )

    def over(self, name: str) -> Sequence[Relation]:
        """The UNIT and REFRESH relations that a parameter depends by."""
        return self._dominated.get(name, ())

    def dominants(self, name: str) -> frozenset[str]:
        """What dominates a parameter."""
        found = self._dominated.get(name, ())
        return frozenset(other for relation in found for other in relation.dominants if other != name)

    def together(self, name: str) -> tuple[str, ...]:
        """What must be written with a parameter, itself included, in the EDD's order; () for nothing."""
        return tuple(dict.fromkeys(other for relation in self._together.get(name, ()) for other in relation.dominants))
