"""Where references lead while a device is running: fixed names, or names that an index chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from server.fdi.eddl.expressions import Expression, Index, Integer, Member, Reference
from server.fdi.eddl.model import EddModel
from server.fdi.eddl.nodes import Construct
from server.fdi.logic.context import Context, Dependency, Key, Run, UnknownValueError, number
from server.fdi.logic.errors import EvaluationError
from server.fdi.parameters import MAX_PARAMETERS
from server.fdi.references import item_of

ATTRIBUTES: Final = frozenset(
    {"LABEL", "HELP", "MIN_VALUE", "MAX_VALUE", "DEFAULT_VALUE", "INITIAL_VALUE", "CONSTANT_UNIT", "SCALING_FACTOR"}
    | {"VALIDITY", "VISIBILITY", "COUNT", "CAPACITY", "NUMBER_OF_ELEMENTS", "VIEW_MIN", "VIEW_MAX", "VARIABLE_STATUS"}
)
_TABLES: Final = frozenset({"PARAM", "LOCAL", "PARAM_LIST", "LOCAL_PARAM_LIST", "CHARACTERISTICS", "BLOCK", "SELF"})
"""Roots of the tables of the instance itself: what follows is a name of this EDD."""
STEPS: Final = 16
"""Members and indexes after one name."""
CHOICES: Final = 1_000_000
"""Names that indexes of one EDD may choose from, all sets together."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reference leads: one name, or with `pick` one of `names`; with `attribute` to that attribute there."""

    names: tuple[str, ...]
    path: Key  # the name of the set when there is a `pick`
    pick: Run | None = None
    attribute: str = ""


class Places:
    """References of one EDD. What indexes choose from is kept once per array."""

    def __init__(self, model: EddModel) -> None:
        self._model = model
        self._tables: dict[str, dict[int, str]] = {}
        self._members: dict[str, dict[str, str]] = {}
        self._chosen: dict[Key, tuple[str, ...]] = {}
        self._left = CHOICES
        self.sets: dict[Key, tuple[Dependency, ...]] = {}
        """What a result that read one of a set depends on."""
        self.array_of: dict[str, tuple[str, int]] = {}
        """Array and index of every element of a value array."""
        for array in model.arrays.values():
            if array.kind == "value":
                for index, name in self.elements(array.name).items():
                    self.array_of[name] = (array.name, index)

    def construct(self, name: str) -> Construct | None:
        """The construct an item is made from: for an element of a value array that of the element type."""
        element = self.array_of.get(name)
        if element is not None:
            name = self._model.arrays[element[0]].element or ""
        found = self._model.constructs.get(name)
        return found if isinstance(found, Construct) else None

    def elements(self, array: str) -> Mapping[int, str]:
        """Items by index of an array of either sort."""
        table = self._tables.get(array)
        if table is None:
            found = self._model.arrays.get(array)
            if found is None:
                table = {}
            elif found.kind == "value":
                count = min(found.count or 0, MAX_PARAMETERS) if found.element in self._model.variables else 0
                table = {index: f"{array}_{index}" for index in range(count)}
            else:
                walked = {index: item_of(self._model, entry.target) for index, entry in found.elements.items()}
                table = {index: item for index, item in walked.items() if item is not None}
            self._tables[array] = table
        return table

    def members(self, collection: str) -> Mapping[str, str]:
        """Items by member name of a COLLECTION or RECORD."""
        table = self._members.get(collection)
        if table is None:
            found = self._model.collections.get(collection)
            walked = (
                {name: item_of(self._model, entry.target) for name, entry in found.members.items()} if found else {}
            )
            table = self._members[collection] = {name: item for name, item in walked.items() if item is not None}
        return table

    def of(self, reference: Reference, compiled: Callable[[Expression], Run]) -> Place:
        """Follow a reference; `compiled` makes an index ready to run. Raises EvaluationError when it leads nowhere."""
        name, steps = reference.name, list(reference.steps)
        if len(steps) > STEPS:
            raise EvaluationError(f"a reference of more than {STEPS} steps")
        if name in _TABLES and name not in self._model.constructs and steps and isinstance(steps[0], Member):
            name = steps.pop(0).name  # type: ignore[union-attr]  # a Member, as just seen
        if name not in self._model.constructs and name not in self.array_of:
            raise EvaluationError(f"{name} is nothing that has a value")
        place = Place((name,), (name,))
        while steps:
            step = steps.pop(0)
            if isinstance(step, Index):
                place = self._indexed(place, step, compiled)
            elif all(step.name in self.members(item) for item in place.names):
                place = self._mapped(place, step.name, {item: self.members(item)[step.name] for item in place.names})
            elif step.name.rstrip("0123456789") in ATTRIBUTES:
                return self._attribute(place, step.name, steps)
            else:
                raise EvaluationError(f"{reference.name}: there is no {step.name}")
        return place

    def _attribute(self, place: Place, name: str, rest: list[Member | Index]) -> Place:
        if rest and isinstance(rest[0], Index) and isinstance(rest[0].value, Integer):
            name += str(rest.pop(0).value.value)  # type: ignore[union-attr]  # an Integer, as just seen
        if rest:
            raise EvaluationError(f"nothing can follow {name}")
        path = (*place.path, name) if place.pick is not None else place.path
        if place.pick is not None and path not in self.sets:
            self._spend(len(place.names))
            self.sets[path] = tuple((item, name) for item in place.names)
        return Place(place.names, path, place.pick, name)

    def _indexed(self, place: Place, step: Index, compiled: Callable[[Expression], Run]) -> Place:
        if isinstance(step.value, Integer):
            index = step.value.value
            tables = {item: self.elements(item) for item in place.names}
            if not all(index in table for table in tables.values()):
                raise EvaluationError(f"{place.path[0]} has no element {index}")
            return self._mapped(place, f"[{index}]", {item: table[index] for item, table in tables.items()})
        at = compiled(step.value)
        path = (*place.path, "[]")
        names = self._chosen.get(path)
        if names is None:
            names = tuple(name for item in place.names for name in self.elements(item).values())
            self._spend(len(names))
            self.sets[path] = self._chosen[path] = names
        only, elements = place.names[0], self.elements
        before = place.pick

        def pick(context: Context) -> str:
            array = only if before is None else before(context)
            index = number(at(context)).value
            found = elements(array).get(int(index)) if index == index and abs(index) < 2**63 else None
            if found is None:
                raise UnknownValueError(f"{array} has no element {index}")
            return found

        return Place(names, path, pick)

    def _mapped(self, place: Place, step: str, table: Mapping[str, str]) -> Place:
        if place.pick is None:
            target = table[place.names[0]]
            return Place((target,), (target,))
        path = (*place.path, step)
        if path not in self.sets:
            self._spend(len(table))
            self.sets[path] = tuple(table.values())
        pick = place.pick
        return Place(tuple(table.values()), path, lambda context: table[pick(context)])

    def _spend(self, names: int) -> None:
        self._left -= names
        if self._left < 0:
            raise EvaluationError(f"indexes choose from more than {CHOICES} names")
