"""The conditions of devices that are declared alike, with what is looked up by parameter. Devices share these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.alarms.condition import Condition
from server.alarms.conditions.device_health import health_alarms
from server.alarms.kinds import condition_of
from server.core.status import is_bad
from server.core.values import DeviceId
from server.model.alarm_spec import AlarmSpec, SuppressionGroup
from server.model.device import Device
from server.model.device_type import DeviceType, ParameterSpec

SITE = "/"
"""An alarm group whose name begins so belongs to the whole site."""


def by_package(device: Device) -> Sequence[AlarmSpec]:
    """What the package declares, with nothing changed by rules."""
    return device.device_type.alarms


class ConditionSet:
    """Conditions of one device type under one list of declarations."""

    __slots__ = ("by_name", "by_parameter", "conditions", "device_type", "specs", "suppressing")

    def __init__(self, device_type: DeviceType, specs: Sequence[AlarmSpec]) -> None:
        self.device_type = device_type
        self.specs = specs  # kept: sets are looked up by its identity
        self.conditions: tuple[Condition, ...] = (
            *(condition_of(spec) for spec in specs),
            *health_alarms(device_type.health),
        )
        self.by_name = {condition.name: condition for condition in self.conditions}
        index: dict[str, list[Condition]] = {}
        suppressing: dict[str, list[Condition]] = {}
        for condition in self.conditions:
            for parameter in condition.depends_on():
                index.setdefault(parameter, []).append(condition)
            inputs = {name for group in condition.spec.suppression for name, _ in group.inputs}
            for parameter in inputs:
                suppressing.setdefault(parameter, []).append(condition)
        self.by_parameter = {name: tuple(found) for name, found in index.items()}
        self.suppressing = {name: tuple(found) for name, found in suppressing.items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """What other declarations do to the conditions of a device."""

    gone: tuple[Condition, ...]
    judged: tuple[Condition, ...]  # new ones, and those whose rules are other ones now
    kept: tuple[Condition, ...]  # they are judged as before, whatever else is said of them now


class ConditionSets:
    """The set of each device, made once for all that are declared alike."""

    def __init__(self, declared: Callable[[Device], Sequence[AlarmSpec]]) -> None:
        self._declared = declared
        self._made: dict[tuple[int, int], ConditionSet] = {}  # by identity of type and declarations
        self._of: dict[DeviceId, ConditionSet] = {}
        self._differences: dict[tuple[int, int], tuple[ConditionSet, ConditionSet, Difference]] = {}

    def of(self, device: Device) -> ConditionSet:
        """The set in force for a device."""
        found = self._of.get(device.device_id)
        if found is None:
            found = self._of[device.device_id] = self.now(device)
        return found

    def now(self, device: Device) -> ConditionSet:
        """The set that a device would have by what is declared now."""
        return self._set(device.device_type, self._declared(device))

    def _set(self, device_type: DeviceType, specs: Sequence[AlarmSpec]) -> ConditionSet:
        key = id(device_type), id(specs)
        found = self._made.get(key)
        # A set keeps its type and declarations alive, so that their identities are not given to others.
        if found is None:
            found = self._made[key] = ConditionSet(device_type, specs)
        return found

    def follow(self, device: Device) -> Difference:
        """Take what is declared now into force for a device; what that changes."""
        new = self.now(device)
        old = self._of.get(device.device_id, new)
        self._of[device.device_id] = new
        known = self._differences.get((id(old), id(new)))
        if known is None:
            known = self._differences[id(old), id(new)] = (old, new, _compare(old, new))
        return known[2]

    def forget(self, device_id: DeviceId) -> ConditionSet | None:
        """A device went; the set it had."""
        return self._of.pop(device_id, None)

    def forget_unused(self) -> None:
        """Drop sets and differences that no device has any more."""
        used = {id(found) for found in self._of.values()}
        self._made = {key: found for key, found in self._made.items() if id(found) in used}
        self._differences = {key: known for key, known in self._differences.items() if key[1] in used}


def _compare(old: ConditionSet, new: ConditionSet) -> Difference:
    gone, judged, kept = [], [], []
    for name, condition in old.by_name.items():
        after = new.by_name.get(name)
        if after is None or after.kind != condition.kind:
            gone.append(condition)
    for name, condition in new.by_name.items():
        before = old.by_name.get(name)
        same = before is not None and condition == before
        if same and all(
            _spec(old.device_type, parameter) == _spec(new.device_type, parameter)
            for parameter in condition.depends_on()
        ):
            kept.append(condition)
        else:
            judged.append(condition)
    return Difference(tuple(gone), tuple(judged), tuple(kept))


def _spec(device_type: DeviceType, name: str) -> ParameterSpec | None:
    return device_type.parameters.get(name) or device_type.hidden.get(name)


def group_ids(device_id: str, spec: AlarmSpec) -> tuple[str, ...]:
    """Ids of the alarm groups that an alarm of a device belongs to; they are also their NodeIds' strings."""
    return tuple(
        f"Fieldloom/AlarmGroups/{name[1:]}" if name.startswith(SITE) else f"{device_id}/AlarmGroups/{name}"
        for name in spec.groups
    )


def is_suppressing(group: SuppressionGroup, device: Device) -> bool | None:
    """True while one of the group's inputs has its value; None while inputs have not been heard, as after a start."""
    unheard = False
    for name, wanted in group.inputs:
        point = device.points.get(name)
        if point is None or is_bad(point.status) or point.value is None:
            unheard = unheard or (point is not None and not point.source_time)
            continue
        if isinstance(point.value, int | float) and point.value == wanted:
            return True
    return None if unheard else False
