"""Alarms declared by COLLECTIONs of the EDD.

`alarm_*` with MEMBERS INPUT and some of HIGH_HIGH, HIGH, LOW, LOW_LOW is an exclusive limit alarm; `trip_*` with INPUT
and TRIPPED is a trip alarm (docs/decisions has the reasons for this convention).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from server.core.texts import Texts
from server.fdi.eddl.model import EddCollection, EddModel
from server.fdi.errors import PackageError
from server.fdi.parameters import texts_of
from server.fdi.references import variable_of
from server.model.alarm_spec import AlarmSpec, exclusive_limit, trip
from server.model.device_type import DataType, ParameterSpec

_LIMITS = ("HIGH_HIGH", "HIGH", "LOW", "LOW_LOW")  # from the greatest to the least


class AlarmReader:
    """Reads the alarm collections of one EDD."""

    def __init__(
        self, edd: EddModel, parameters: Mapping[str, ParameterSpec], hidden: Mapping[str, ParameterSpec], part: str
    ) -> None:
        self._edd = edd
        self._parameters = parameters
        self._hidden = hidden
        self._part = part
        self.warnings: list[str] = []

    def read(self) -> tuple[AlarmSpec, ...]:
        """Every alarm collection: `alarm_*` first, then `trip_*`, the first of them called Trip.

        Raises:
            PackageError: a member missing, unknown or unfit.
        """
        found: dict[str, AlarmSpec] = {}
        for collection in self._named("alarm_"):
            spec = self._limit_alarm(collection)
            if spec.name in found:
                raise self._refuse(collection, f"{spec.parameter} has two limit alarms")
            found[spec.name] = spec
        trips = [
            self._trip_alarm(collection, f"Trip_{collection.name.removeprefix('trip_')}" if number else "Trip")
            for number, collection in enumerate(self._named("trip_"))
        ]
        return (*found.values(), *trips)

    def _named(self, prefix: str) -> list[EddCollection]:
        return [
            entry
            for entry in self._edd.collections.values()
            if entry.kind == "COLLECTION" and entry.name.startswith(prefix)
        ]

    def _refuse(self, collection: EddCollection, reason: str) -> PackageError:
        line = collection.position.line if collection.position else 0
        return PackageError(f"COLLECTION {collection.name}: {reason}", part=self._part, line=line, rule="edd.alarm")

    def _member(self, collection: EddCollection, name: str) -> ParameterSpec:
        member = collection.members.get(name)
        if member is None:
            raise self._refuse(collection, f"has no member {name}")
        variable = variable_of(self._edd, member.target)
        spec = self._parameters.get(variable or "") or self._hidden.get(variable or "")
        if spec is None:
            raise self._refuse(collection, f"{name}: {member.target} is no parameter")
        return spec

    def _check_members(self, collection: EddCollection, known: tuple[str, ...]) -> None:
        for name in collection.members:
            if name not in known:
                raise self._refuse(collection, f"member {name} means nothing here; known: {', '.join(known)}")

    def _limit_alarm(self, collection: EddCollection) -> AlarmSpec:
        self._check_members(collection, ("INPUT", *_LIMITS))
        measured = self._member(collection, "INPUT")
        if measured.private or not measured.data_type.numeric:
            raise self._refuse(collection, f"INPUT {measured.name} must be a number that is not PRIVATE")
        limits: dict[str, str | float] = {}
        values: list[tuple[str, float]] = []
        for name in _LIMITS:
            if name not in collection.members:
                continue
            spec = self._member(collection, name)
            default = spec.default_value
            if not spec.data_type.numeric:
                raise self._refuse(collection, f"{name} {spec.name} must be a number")
            if spec.unit_symbol != measured.unit_symbol:
                self.warnings.append(
                    f"{collection.name}: {name} is in {spec.unit_symbol or 'no unit'}, "
                    f"its input in {measured.unit_symbol or 'no unit'}"
                )
            if isinstance(default, int | float):
                values.append((name, float(default)))
            if not spec.private:
                limits[name] = spec.name
                if default is None:
                    self.warnings.append(f"{spec.name} has no DEFAULT_VALUE: judged once the device reports it")
            elif isinstance(default, int | float):
                limits[name] = float(default)
            else:
                raise self._refuse(collection, f"{name} {spec.name} is PRIVATE and has no DEFAULT_VALUE")
        if not limits:
            raise self._refuse(collection, f"names none of {', '.join(_LIMITS)}")
        for (upper, high), (lower, low) in pairwise(values):
            if high < low:
                raise self._refuse(collection, f"{upper} ({high:g}) lies below {lower} ({low:g})")
        return exclusive_limit(
            parameter=measured.name,
            label=texts_of(collection.label) or measured.label,
            high_high=limits.get("HIGH_HIGH"),
            high=limits.get("HIGH"),
            low=limits.get("LOW"),
            low_low=limits.get("LOW_LOW"),
        )

    def _trip_alarm(self, collection: EddCollection, name: str) -> AlarmSpec:
        self._check_members(collection, ("INPUT", "TRIPPED"))
        state = self._member(collection, "INPUT")
        tripped = self._member(collection, "TRIPPED").default_value
        if state.private or not (state.data_type.integer or state.data_type is DataType.BOOLEAN):
            raise self._refuse(collection, f"INPUT {state.name} must be an enumeration, a whole number or a Boolean")
        if isinstance(tripped, bool) or not isinstance(tripped, int):
            raise self._refuse(collection, "TRIPPED must have a whole number as DEFAULT_VALUE")
        if state.enum_values and tripped not in {entry.value for entry in state.enum_values}:
            raise self._refuse(collection, f"TRIPPED is {tripped}, which {state.name} never is")
        return trip(
            name=name,
            parameter=state.name,
            tripped_value=tripped,
            label=texts_of(collection.label) or Texts.of(name, ru="Срабатывание защиты"),
        )
