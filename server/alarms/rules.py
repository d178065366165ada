"""What packages declare and rules change, put together: the alarms that each device has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

    @property
    def all(self) -> tuple[Rule, ...]:
        """Every rule by its id."""
        return tuple(self._rules.values())

    def get(self, rule_id: str) -> Rule | None:
        """One rule."""
        return self._rules.get(rule_id)

    def load(self, rules: Sequence[Rule]) -> None:
        """Take the rules of an earlier run."""
        self._replace({rule.rule_id: rule for rule in rules})

    def put(self, rule: Rule) -> list[DeviceId]:
        """Take a rule, or another version of one; the devices whose alarms may be others now."""
        before = self._rules.get(rule.rule_id)
        self._replace({**self._rules, rule.rule_id: rule})
        return [each.device_id for each in self._meant(*(one for one in (before, rule) if one is not None))]

    def remove(self, rule_id: str) -> list[DeviceId]:
        """Let a rule go; the devices whose alarms may be others now."""
        before = self._rules.get(rule_id)
        self._replace({name: rule for name, rule in self._rules.items() if name != rule_id})
        return [each.device_id for each in self._meant(before)] if before is not None else []

    def _replace(self, rules: Mapping[str, Rule]) -> None:
        self._rules = dict(sorted(rules.items()))
        self._sets.clear()

    def _meant(self, *rules: Rule) -> list[Device]:
        wanted = [rule for rule in rules if rule.enabled]
        return [each for each in self._plant.devices.values() if any(rule.match.fits(each) for rule in wanted)]

    # -- what comes of them

    def specs_of(self, device: Device) -> Sequence[AlarmSpec]:
        """The alarms of a device; the same tuple for devices of one type that the same rules are for."""
        device_type = device.device_type
        if not self._rules:
            return device_type.alarms
        ids = tuple(rule.rule_id for rule in self._rules.values() if rule.enabled and rule.match.fits(device))
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

    def _made(self, device_type: DeviceType, ids: tuple[str, ...]) -> tuple[AlarmSpec, ...]:
        found = {spec.name: spec for spec in device_type.alarms}
        for rule_id in ids:
            rule = self._rules[rule_id]
            if not _problems(rule, device_type, found):
                _apply(rule, found)
        return tuple(found.values())

    def effect(self, rule: Rule) -> Effect:
        """What a rule does to the devices there are now, with all the other rules as they are."""
        others = [each for name, each in self._rules.items() if name < rule.rule_id and each.enabled]
        devices = [each for each in self._plant.devices.values() if rule.match.fits(each)]
        problems: dict[str, None] = {}
        looked: set[tuple[int, tuple[str, ...]]] = set()
        for device in devices:
            fitting = [other for other in others if other.match.fits(device)]
            key = id(device.device_type), tuple(other.rule_id for other in fitting)
            if key in looked:
                continue
            looked.add(key)
            found = {spec.name: spec for spec in device.device_type.alarms}
            for other in fitting:
                if not _problems(other, device.device_type, found):
                    _apply(other, found)
            for sentence in _problems(rule, device.device_type, found):
                problems[f"{device.device_type.type_id}: {sentence}"] = None
        # A type that has no device yet is looked at, too, when the rule names it.
        for type_id in rule.match.types:
            device_type = self._plant.types.get(type_id)
            if device_type is None:
                problems[f"match.types: there is no device type {type_id!r}"] = None
            elif not any(device.device_type is device_type for device in devices):
                found = {spec.name: spec for spec in device_type.alarms}
                for sentence in _problems(rule, device_type, found):
                    problems[f"{type_id}: {sentence}"] = None
        return Effect(tuple(sorted(each.device_id for each in devices)), tuple(problems)[:MISTAKES_SHOWN])


def _problems(rule: Rule, device_type: DeviceType, found: Mapping[str, AlarmSpec]) -> list[str]:
    """Why a rule makes no sense for a type, given the alarms it has by then."""
    declaration = rule.alarm
    base = found.get(declaration.name)
    if not declaration.kind and base is None:
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
