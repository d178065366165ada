"""From a sample to a draft: kinds of messages, what each place means, and one parameter per value."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from server.core.values import RawMessage
from server.fdi.draft import names
from server.fdi.draft.limits import EPOCH_UNITS, DraftLimits
from server.fdi.draft.model import MAKER, NAME, DraftMessage, DraftModel, DraftParameter, DraftPlace, Naming, Refused
from server.fdi.draft.parameters import parameter, unit_place
from server.fdi.draft.places import ISO, Family, Path, Seen, look, metric_list
from server.fdi.draft.sample import Refusals, Sample, decoded
from server.fdi.draft.topics import Kind, find_kinds

QUALITY_WORDS = (["quality"], ["quality", "flag"])
NAMEPLATE = {
    "firmware": "firmware", "firmware version": "firmware", "fw": "firmware", "fw version": "firmware",
    "software version": "firmware", "serial": "serial_number", "serial number": "serial_number", "sn": "serial_number",
    "model": "model", "device model": "model", "device type": "device_type", "type": "device_type",
    "hardware": "hardware", "hardware version": "hardware", "vendor": "vendor", "manufacturer": "vendor",
}  # fmt: skip
"""Texts named so that never change on a device are facts of its nameplate, no parameters."""
NAMEPLATE_PARENTS = frozenset({"meta", "metadata", "nameplate"})
APART_SHOWN = 3
"""Topics named in the note about devices of different kinds."""
ALWAYS = 0.9
"""A place is the time of its message when it is one in so many of the objects; the others will be refused."""


def infer(sample: Sample, asked: Sequence[str], naming: Naming) -> DraftModel:
    """The draft of everything in the sample; takes a second for ten thousand messages. Never raises for content."""
    refusals = Refusals(sample.limits.listed)
    for reason, count in sample.refusals.counts.items():
        refusals.counts[reason] = count
        refusals.examples[reason] = list(sample.refusals.examples[reason])
    found = find_kinds(sample, asked, refusals)
    messages = [_Message(kind, found.device_id, sample.limits, refusals) for kind in found.kinds]
    table = _Parameters(sample.limits, refusals, (message.bases for message in messages))
    drafted = [message.draft(table) for message in messages]
    kept = tuple(message for message in drafted if message is not None)
    notes = [*found.notes, *_apart(messages)]
    return DraftModel(
        type_id=naming.type_id or names.type_name(naming.name),
        name=names.printable(naming.name).strip() or NAME,
        manufacturer=names.printable(naming.manufacturer).strip() or MAKER,
        package_id=naming.package_id,
        device_id=found.device_id,
        messages=kept,
        parameters=table.finished(),
        heard=sample.heard,
        kept=len(sample.messages),
        refused=tuple(
            Refused(reason=reason, count=count, examples=tuple(refusals.examples.get(reason, ())))
            for reason, count in refusals.counts.most_common()
        ),
        notes=tuple(notes),
    )


def _apart(messages: Sequence[_Message]) -> Iterator[str]:
    """One note when there are topics whose devices never send on the first one; three of them are named."""
    apart = [
        message.pattern
        for message in messages[1:]
        if message.devices and message.devices.isdisjoint(messages[0].devices)
    ]
    if apart:
        count = "1 topic has" if len(apart) == 1 else f"{len(apart)} topics have"
        more = ", …" if len(apart) > APART_SHOWN else ""
        yield (
            f"{count} no device in common with {messages[0].pattern}: {', '.join(apart[:APART_SHOWN])}{more}. "
            "If these are different kinds of devices, draft each by its own topic"
        )


@dataclass(frozen=True, slots=True)
class _Base:
    """What a place would be called, and the subject of its topic, which stands before it where names would clash."""

    name: str
    subject: str


@dataclass(slots=True)
class _Value:
    """One place that becomes, or shares, a parameter."""

    base: _Base
    label: str
    seen: Seen
    units: Counter[str]
    path: Path = ()
    unit: Path | None = None
    metric: str = ""


class _Parameters:
    """The parameters so far; the same name with the same kind of value in two kinds of messages is one parameter."""

    def __init__(self, limits: DraftLimits, refusals: Refusals, bases: Iterable[Iterable[_Base]]) -> None:
        self._limits = limits
        self._refusals = refusals
        self._entries: dict[str, tuple[str, Seen, Counter[str]]] = {}  # name -> (label, seen, units)
        self._by_base: dict[str, list[str]] = {}
        self._subjects: dict[str, set[str]] = {}
        for message in bases:
            for base in message:
                self._subjects.setdefault(base.name, set()).add(base.subject)

    def name(self, value: _Value, taken: set[str]) -> str | None:
        """The parameter of a place; None when there is no room. `taken` are those that its message has already."""
        base, seen = value.base.name, value.seen
        if len(self._subjects[base]) > 1 and value.base.subject:
            base = names.identifier((value.base.subject, base))
        for name in self._by_base.get(base, []):
            _, known, known_units = self._entries[name]
            if name not in taken and known.family is seen.family:
                known.add(seen)
                known_units.update(value.units)
                return name
        if len(self._entries) >= self._limits.parameters:
            self._refusals.add("more parameters than the limit", base)
            return None
        name, number = base, 2
        while name in self._entries:
            name, number = f"{base}_{number}", number + 1
        self._entries[name] = (value.label, dataclasses.replace(seen), Counter(value.units))
        self._by_base.setdefault(base, []).append(name)
        return name

    def finished(self) -> tuple[DraftParameter, ...]:
        made = (parameter(name, label, seen, units) for name, (label, seen, units) in self._entries.items())
        return tuple(entry for entry in made if entry is not None)


class _Message:
    """One kind of message: looked at when made, written down when everybody's names are known."""

    def __init__(self, kind: Kind, device_id: str, limits: DraftLimits, refusals: Refusals) -> None:
        self._kind = kind
        self.pattern = kind.pattern
        self._device_id = device_id
        self._limits = limits
        self._refusals = refusals
        self._notes: list[str] = []
        self.devices: set[str] = set()
        """Devices that send such messages; of very many only the first ones."""
        self._metrics = metric_list((entry for _, entry in decoded(kind.messages, limits)), limits)
        self._places = look(self._objects(), self._metrics, limits, refusals)
        self._time, self._form = self._find_time()
        self._quality = self._find_quality()
        used: set[Path] = {path for path in (self._time, self._quality, kind.device) if path}
        self._attributes = self._find_attributes(used)
        self._values = list(self._find_values(used))

    @property
    def bases(self) -> Iterator[_Base]:
        """The names that its values would have."""
        return (value.base for value in self._values)

    def draft(self, table: _Parameters) -> DraftMessage | None:
        """The message, its parameters entered into the table; None when it has no value."""
        kind = self._kind
        taken: set[str] = set()
        found: list[DraftPlace] = []
        for value in self._values:
            name = table.name(value, taken)
            if name is not None:
                taken.add(name)
                unit = names.pointer(value.unit) if value.unit else ""
                place = names.pointer(value.path)
                found.append(DraftPlace(parameter=name, pointer=place, unit_pointer=unit, metric=value.metric))
        if not found:
            self._refusals.add("messages without a value", kind.pattern, len(kind.messages))
            return None
        return DraftMessage(
            topic=kind.pattern,
            messages=len(kind.messages),
            objects=self._places.objects,
            devices=len(self.devices),
            device=names.pointer(kind.device),
            time=names.pointer(self._time),
            time_form=self._form,
            quality=names.pointer(self._quality),
            rows=kind.rows,
            metrics=self._metrics if any(place.metric for place in found) else None,
            places=tuple(found),
            attributes=self._attributes,
            notes=tuple(self._notes),
        )

    def _objects(self) -> Iterator[tuple[RawMessage, dict[str, Any], str]]:
        for message, entry in decoded(self._kind.messages, self._limits):
            device = self._kind.device_of(message.topic, entry, self._device_id)
            if len(self.devices) < self._limits.topics:
                self.devices.add(device)
            yield message, entry, device

    def _find_time(self) -> tuple[Path, str]:
        """The moment of the message: named like a time and one, nearest to the top; its form for numbers."""
        places = self._places
        for path in sorted(places.seen, key=lambda entry: (len(entry), entry)):
            seen = places.seen[path]
            if not seen.timely:
                continue
            form = next((form for form in (ISO, *EPOCH_UNITS) if seen.times[form] >= ALWAYS * places.objects), "")
            if form:
                missing = places.objects - seen.times[form]
                if missing:
                    self._notes.append(f"{missing} of {places.objects} objects have no time and will be refused")
                return path, "" if form == ISO else form
            self._notes.append(f"{names.pointer(path)} looks like a time, but is none with a zone in every message")
        return (), ""

    def _find_quality(self) -> Path:
        for path, seen in self._places.seen.items():
            if names.words(path[-1]) in QUALITY_WORDS and not seen.many and seen.families.total() == seen.count:
                values = seen.different()
                if all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2 for value in values):
                    return path
        return ()

    def _find_attributes(self, used: set[Path]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, seen in self._places.seen.items():
            if path in used or seen.family is not Family.TEXT or len(seen.families) > 1 or not seen.constant:
                continue
            said = names.words(path[-1])
            name = NAMEPLATE.get(" ".join(said), "")
            if not name and len(path) > 1 and path[-2].lower() in NAMEPLATE_PARENTS:
                name = names.identifier(path[-1:])
            if name and name not in found:
                found[name] = names.pointer(path)
                used.add(path)
        return found

    def _find_values(self, used: set[Path]) -> Iterator[_Value]:
        places = self._places
        units = {path for path in places.units if places.seen[path].family is Family.TEXT}
        for path, seen in places.seen.items():
            if path in used or path in units:
                continue
            self._complain(names.pointer(path), seen)
            if seen.family is not None:
                unit = unit_place(path, units) if seen.family is Family.NUMBER else None
                told = places.units[unit] if unit else Counter[str]()
                yield _Value(self._base(path), self._label(path), seen, told, path=path, unit=unit)
        for metric, seen in places.named.items():
            self._complain(metric, seen)
            if seen.family is not None:
                told = places.named_units.get(metric, Counter())
                yield _Value(self._base((metric,)), names.label((metric,)), seen, told, metric=metric)

    def _base(self, path: Path) -> _Base:
        subject = self._kind.subject
        return _Base(names.identifier(self._full(path)), "_".join(subject))

    def _label(self, path: Path) -> str:
        return names.label(self._full(path))

    def _full(self, path: Path) -> Path:
        """A lone `value` at the top takes the name of its topic's subject, as one further down takes its parent's."""
        alone = len(path) == 1 and "_".join(names.words(path[0])) in names.LONE
        return (*self._kind.subject, *path) if alone else path

    def _complain(self, where: str, seen: Seen) -> None:
        if seen.family is None:
            self._notes.append(f"{where}: never held a value")
            return
        others = seen.families.total() - seen.families[seen.family]
        if others:
            self._notes.append(f"{where}: {others} of {seen.count} values are no {seen.family.value}: they are refused")
        if seen.nulls:
            self._notes.append(f"{where}: {seen.nulls} of {seen.count} values are null: they are refused")
        if seen.unfit:
            self._notes.append(f"{where}: {seen.unfit} values are too long or too large")
