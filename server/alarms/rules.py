"""What packages declare and rules change, put together: the alarms that each device has."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.alarms.rule import Rule
from server.core.values import DeviceId
from server.model.alarm_declaration import spec_of
from server.model.alarm_kinds import mistakes
from server.model.alarm_spec import AlarmSpec
from server.model.device import Device
from server.model.device_type import DeviceType
from server.model.plant import Plant

MISTAKES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule would do, or does."""

    devices: tuple[str, ...]  # that it is for
    problems: tuple[str, ...]  # why it does nothing to some of them, by device type


class AlarmRules:
    """All rules of the site, in the order of their ids: of two that change the same alarm the later one wins."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._rules: dict[str, Rule] = {}
        self._sets: dict[tuple[int, tuple[str, ...]], tuple[DeviceType, tuple[AlarmSpec, ...]]] = {}
        self._fitting: dict[DeviceId, _Fitting] = {}
        self._same: dict[tuple[str, ...], tuple[str, ...]] = {}  # one tuple for all devices that have these rules

    @property
    def all(self) -> tuple[Rule, ...]:
        """Every rule by its id."""
        return tuple(self._rules.values())

    def get(self, rule_id: str) -> Rule | None:
        """One rule."""
        return self._rules.get(rule_id)

    def load(self, rules: Sequence[Rule]) -> None:
        """Take the rules of an earlier run."""
        self._rules = {rule.rule_id: rule for rule in sorted(rules, key=lambda rule: rule.rule_id)}
        self._sets.clear()
        self._fitting.clear()
        self._same.clear()

    def put(self, rule: Rule) -> list[DeviceId]:
        """Take a rule, or another version of one; the devices whose alarms may be others now."""
        before = self._rules.get(rule.rule_id)
        self._replace({**self._rules, rule.rule_id: rule}, rule.rule_id)
        return [each.device_id for each in self._meant(*(one for one in (before, rule) if one is not None))]

    def remove(self, rule_id: str) -> list[DeviceId]:
        """Let a rule go; the devices whose alarms may be others now."""
        before = self._rules.get(rule_id)
        self._replace({name: rule for name, rule in self._rules.items() if name != rule_id}, rule_id)
        return [each.device_id for each in self._meant(before)] if before is not None else []

    def _replace(self, rules: Mapping[str, Rule], changed: str) -> None:
        self._rules = dict(sorted(rules.items()))
        self._sets.clear()
        self._same.clear()
        rule = self._rules.get(changed)
        for device_id, known in self._fitting.items():
            device = self._plant.devices.get(device_id)
            fits = rule is not None and rule.enabled and device is not None and rule.match.fits(device)
            if fits != (changed in known.ids):
                ids = [each for each in known.ids if each != changed]
                if fits:
                    insort(ids, changed)
                known.ids = tuple(ids)
            known.ids = self._same.setdefault(known.ids, known.ids)

    def _ids(self, device: Device) -> tuple[str, ...]:
        """The rules that are on and for this device, by their ids."""
        known = self._fitting.get(device.device_id)
        if known is None or known.device_type is not device.device_type or known.place != device.path:
            # What thousands of rules say of thousands of devices is looked at once, not at every question.
            ids = tuple(rule.rule_id for rule in self._rules.values() if rule.enabled and rule.match.fits(device))
            shared = self._same.setdefault(ids, ids)
            known = self._fitting[device.device_id] = _Fitting(device.device_type, device.path, shared)
        return known.ids

    def _meant(self, *rules: Rule) -> list[Device]:
        wanted = [rule for rule in rules if rule.enabled]
        return [each for each in self._plant.devices.values() if any(rule.match.fits(each) for rule in wanted)]

    # -- what comes of them

    def specs_of(self, device: Device) -> Sequence[AlarmSpec]:
        """The alarms of a device; the same tuple for devices of one type that the same rules are for."""
        device_type = device.device_type
        if not self._rules:
            return device_type.alarms
        ids = self._ids(device)
        if not ids:
            return device_type.alarms
        key = id(device_type), ids
        known = self._sets.get(key)
        if known is None:
            self._forget_types()
            # The type is kept beside, so that its identity is not given to another.
            known = self._sets[key] = (device_type, self._made(device_type, ids))
        return known[1]

    def _forget_types(self) -> None:
        """Drop what was made for types that no device has any more."""
        used = {id(device.device_type) for device in self._plant.devices.values()}
        self._sets = {key: made for key, made in self._sets.items() if key[0] in used}
        self._fitting = {name: known for name, known in self._fitting.items() if name in self._plant.devices}

    def _made(self, device_type: DeviceType, ids: tuple[str, ...]) -> tuple[AlarmSpec, ...]:
        found = {spec.name: spec for spec in device_type.alarms}
        for rule_id in ids:
            rule = self._rules[rule_id]
            if not _problems(rule, device_type, found):
                _apply(rule, found)
        return tuple(found.values())

    def effect(self, rule: Rule) -> Effect:
        """What a rule does to the devices there are now, with all the other rules as they are."""
        return self._effects([rule])[rule.rule_id]

    def effects(self) -> Mapping[str, Effect]:
        """What every rule does, by its id; each device is looked at once."""
        return self._effects(self._rules.values())

    def _effects(self, rules: Iterable[Rule]) -> dict[str, Effect]:
        asked = {rule.rule_id: rule for rule in rules}
        devices: dict[str, list[str]] = {rule_id: [] for rule_id in asked}
        problems: dict[str, dict[str, None]] = {rule_id: {} for rule_id in asked}
        types: dict[str, set[int]] = {rule_id: set() for rule_id in asked}
        absent: dict[str, dict[str, None]] = {rule_id: {} for rule_id in asked}
        useful: set[str] = set()
        in_force = {rule_id for rule_id, rule in asked.items() if rule.enabled and self._rules.get(rule_id) is rule}
        others = {rule_id: rule for rule_id, rule in asked.items() if rule_id not in in_force}
        looked: dict[tuple[int, tuple[str, ...], tuple[str, ...]], set[str]] = {}
        for device in sorted(self._plant.devices.values(), key=lambda each: each.device_id):
            known = self._ids(device) if self._rules else ()
            fitting = (
                *(rule_id for rule_id in known if rule_id in in_force),
                *(rule_id for rule_id, rule in others.items() if rule.match.fits(device)),
            )
            key = id(device.device_type), known, fitting
            if fitting and key not in looked:
                for rule_id in fitting:
                    types[rule_id].add(id(device.device_type))
                told = _Told(problems, absent, useful)
                self._walk(device.device_type, known, {rule_id: asked[rule_id] for rule_id in fitting}, told)
                looked[key] = told.lacking
            for rule_id in fitting:
                if rule_id not in looked[key]:
                    devices[rule_id].append(device.device_id)
        for rule_id, rule in asked.items():
            if rule_id not in useful:
                problems[rule_id].update(absent[rule_id])
            self._look_at_types(rule, types[rule_id], problems[rule_id])
        return {
            rule_id: Effect(tuple(devices[rule_id]), tuple(problems[rule_id])[:MISTAKES_SHOWN]) for rule_id in asked
        }

    def _walk(
        self,
        device_type: DeviceType,
        ids: tuple[str, ...],
        asked: Mapping[str, Rule],
        told: _Told,
    ) -> None:
        """Apply rules in their order, and note of those asked for what keeps them from it."""
        found = {spec.name: spec for spec in device_type.alarms}
        last = max(asked)
        for rule_id in sorted({*ids[: bisect_left(ids, last)], *asked}):
            rule = asked.get(rule_id)
            wrong = _problems(rule or self._rules[rule_id], device_type, found)
            if rule is not None:
                lacks = bool(wrong) and _lacks(rule, found) and device_type.type_id not in rule.match.types
                where = told.absent if lacks else told.problems
                if lacks:
                    told.lacking.add(rule_id)
                where[rule_id].update((f"{device_type.type_id}: {sentence}", None) for sentence in wrong)
                if not wrong:
                    told.useful.add(rule_id)
            if not wrong and (rule is None or rule.enabled):
                _apply(rule or self._rules[rule_id], found)

    def _look_at_types(self, rule: Rule, seen: set[int], problems: dict[str, None]) -> None:
        """A type that has no such device yet is looked at, too, when the rule names it."""
        for type_id in rule.match.types:
            device_type = self._plant.types.get(type_id)
            if device_type is None:
                problems[f"match.types: there is no device type {type_id!r}"] = None
            elif id(device_type) not in seen:
                found = {spec.name: spec for spec in device_type.alarms}
                problems.update((f"{type_id}: {sentence}", None) for sentence in _problems(rule, device_type, found))


@dataclass(slots=True)
class _Fitting:
    """The rules that are for a device, as long as it is of this type and stands there."""

    device_type: DeviceType
    place: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """What is found out of rules, by their ids."""

    problems: Mapping[str, dict[str, None]]
    absent: Mapping[str, dict[str, None]]  # nothing to be changed there: a mistake only where nobody has that alarm
    useful: set[str]  # rules that do something to at least one device
    lacking: set[str] = field(default_factory=set)  # rules that pass over the type that is looked at


def _lacks(rule: Rule, found: Mapping[str, AlarmSpec]) -> bool:
    return not rule.alarm.kind and rule.alarm.name not in found


def _problems(rule: Rule, device_type: DeviceType, found: Mapping[str, AlarmSpec]) -> list[str]:
    """Why a rule makes no sense for a type, given the alarms it has by then."""
    declaration = rule.alarm
    base = found.get(declaration.name)
    if _lacks(rule, found):
        return [f"there is no alarm {declaration.name!r} to change; a new one needs a kind and an input"]
    if declaration.remove:
        return []
    return mistakes(spec_of(declaration, base), device_type.parameters)


def _apply(rule: Rule, found: dict[str, AlarmSpec]) -> None:
    declaration = rule.alarm
    if declaration.remove:
        found.pop(declaration.name, None)
    else:
        base = found.get(declaration.name)
        found[declaration.name] = spec_of(declaration, base, rule=rule.rule_id)
