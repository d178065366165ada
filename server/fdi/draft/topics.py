"""Which level of a topic names the device, and which topics carry the same kind of message."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.core.values import RawMessage
from server.fdi.draft.limits import DraftLimits
from server.fdi.draft.names import words
from server.fdi.draft.places import Path, leaves
from server.fdi.draft.sample import ContentError, Refusals, Sample, entries

TOPIC_LENGTH = 1_024
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
PART = re.compile(r"\{([a-z][a-z0-9_]*)\}")
ID_WORDS = frozenset(
    {
        "asset", "device", "id", "identifier", "machine", "name", "sensor", "serial", "unit", "uid", "uuid",
    }
)  # fmt: skip
"""A key whose last word is one of these may say which device a message is of."""
KIND_WORDS = frozenset(
    {
        "alarm", "alarms", "alert", "alerts", "command", "config", "data", "diagnostics", "event", "events", "info",
        "log", "logs", "measurement", "measurements", "metric", "metrics", "processed", "raw", "reading",
        "readings", "response", "state", "status", "telemetry", "trend", "trends", "value", "values",
    }
)  # fmt: skip
"""Last levels that say what a message is about, not whose it is."""
PLACE_NAMES = ("site", "area", "line", "cell")
SHAPE_PLACES = 100
"""Leaf paths that count when two topics are compared."""
SHAPE_MESSAGES = 20
ALIKE = 0.5
"""Share of common leaf paths from which on two topics carry the same kind of message."""


@dataclass(slots=True)
class Topic:
    """One topic with its messages."""

    text: str
    levels: list[str]
    messages: list[RawMessage] = field(default_factory=list)
    shape: set[int] = field(default_factory=set)  # hashes of leaf paths
    same: Counter[tuple[Path, int]] = field(default_factory=Counter)  # how often a text at a path was a level
    ids: dict[Path, Counter[str]] = field(default_factory=dict)  # texts at places that are named like ids
    objects: int = 0
    rows: bool = False


@dataclass(slots=True)
class Kind:
    """Topics of one pattern."""

    pattern: str
    device: Path = ()  # where the message names the device, () when only the topic does
    rows: bool = False
    messages: list[RawMessage] = field(default_factory=list)
    parts: Mapping[int, str] = field(default_factory=dict)  # level -> name

    @property
    def subject(self) -> tuple[str, ...]:
        """What the levels behind the device say beyond the kind of message: `inlet` in `pumps/{device}/inlet/raw`."""
        levels = self.pattern.split("/")
        behind = levels[max(self.parts, default=len(levels)) + 1 :]
        return tuple(level for level in behind if level.lower() not in KIND_WORDS and not PART.fullmatch(level))

    def device_of(self, topic: str, entry: Mapping[str, Any], template: str) -> str:
        """The device of one object, "" when it does not say."""
        if not self.parts:
            told: Any = entry
            for step in self.device:
                told = told.get(step, {}) if isinstance(told, dict) else {}
            return told if isinstance(told, str) else ""
        levels = topic.split("/")
        return PART.sub(lambda found: levels[next(i for i, n in self.parts.items() if n == found.group(1))], template)


@dataclass(slots=True)
class Kinds:
    """All of them, and how a device id is made of named levels."""

    device_id: str = "{device}"
    kinds: list[Kind] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def filter_of(topic: str) -> str:
    """The MQTT filter of what the user named: `{device}` stands for one level.

    Raises:
        ValueError: no topic filter.
    """
    levels = topic.split("/")
    names = [found.group(1) for level in levels if (found := PART.fullmatch(level))]
    plain = ["+" if PART.fullmatch(level) else level for level in levels]
    wrong = (
        not topic
        or len(topic) > TOPIC_LENGTH
        or topic.startswith("$share/")
        or any(len(level) > 1 and set(level) & set("+#") for level in plain)
        or any(set(level) & set("{}\0") for level in plain)
        or "#" in plain[:-1]
        or len(set(names)) != len(names)
    )
    if wrong:
        raise ValueError(f"{topic[:200]!r} is no topic filter such as iot/+/raw, iot/{{device}}/raw or iot/#")
    return "/".join(plain)


def matches(topic: str, wanted: str) -> bool:
    """True when an MQTT filter takes a topic."""
    given, levels = topic.split("/"), wanted.split("/")
    if levels[-1] == "#":
        levels.pop()
        if len(given) < len(levels):
            return False
        given = given[: len(levels)]
    return len(given) == len(levels) and all(w in ("+", g) for g, w in zip(given, levels, strict=True))


def find_kinds(sample: Sample, asked: Sequence[str], refusals: Refusals) -> Kinds:
    """The kinds of messages in a sample; `asked` is what the user listened to, named levels in braces included."""
    groups: dict[tuple[str, int], list[Topic]] = defaultdict(list)
    for topic in _topics(sample, refusals):
        named = next((text for text in asked if PART.search(text) and matches(topic.text, filter_of(text))), "")
        groups[named, len(topic.levels)].append(topic)
    solved = [_Group(topics, named, asked).solve() for (named, _), topics in groups.items()]
    solved = [entry for entry in solved if entry.kinds]
    solved.sort(key=lambda entry: -sum(len(kind.messages) for kind in entry.kinds))
    result = Kinds()
    if not solved:
        return result
    result.device_id = solved[0].device_id
    shapes: set[str] = set()
    for entry in solved:
        result.notes += [note for note in entry.notes if note not in result.notes]
        for kind in entry.kinds:
            shape = PART.sub("+", kind.pattern)
            if kind.parts and entry.device_id != result.device_id:
                refusals.add("device ids made in another way than most", kind.pattern, len(kind.messages))
            elif shape in shapes:
                refusals.add("topics of the same form as others", kind.pattern, len(kind.messages))
            else:
                shapes.add(shape)
                result.kinds.append(kind)
    result.kinds.sort(key=lambda kind: -len(kind.messages))
    for kind in result.kinds[sample.limits.kinds :]:
        refusals.add("more kinds of messages than the limit", kind.pattern, len(kind.messages))
    del result.kinds[sample.limits.kinds :]
    return result


def _topics(sample: Sample, refusals: Refusals) -> Iterator[Topic]:
    limits = sample.limits
    found: dict[str, Topic] = {}
    for message in sample.messages:
        levels = message.topic.split("/")
        if not _usable(message.topic, levels):
            refusals.add("topics that no package can name", message.topic)
            continue
        try:
            objects, rows = entries(message, limits)
        except ContentError as error:
            refusals.add(str(error), message.topic)
            continue
        topic = found.setdefault(message.topic, Topic(message.topic, levels))
        topic.messages.append(message)
        topic.rows = topic.rows or rows
        for entry in objects:
            _look(topic, entry, limits)
    yield from found.values()


def _usable(text: str, levels: list[str]) -> bool:
    return (
        len(text) <= TOPIC_LENGTH
        and text.isprintable()
        and not text.startswith("$")
        and all(level and not set(level) & set("+#{}") for level in levels)
    )


def _look(topic: Topic, entry: Mapping[str, Any], limits: DraftLimits) -> None:
    topic.objects += 1
    quiet = Refusals(0)  # what is left out here is counted when the places are looked at
    for path, value in leaves(entry, limits, quiet, topic.text):
        if len(topic.messages) <= SHAPE_MESSAGES and len(topic.shape) < SHAPE_PLACES:
            topic.shape.add(hash(path))
        if isinstance(value, str) and len(path) <= 3 and NAME.fullmatch(value):
            if value in topic.levels and len(topic.same) < limits.values:
                topic.same[path, topic.levels.index(value)] += 1
            last = words(path[-1])
            if last and last[-1] in ID_WORDS and (path in topic.ids or len(topic.ids) < 8):
                texts = topic.ids.setdefault(path, Counter())
                if value in texts or len(texts) < limits.devices:
                    texts[value] += 1


def _alike(one: Topic, other: Topic) -> bool:
    return len(one.shape & other.shape) >= ALIKE * len(one.shape | other.shape)


class _Group:
    """Topics of the same number of levels."""

    def __init__(self, topics: list[Topic], named: str, asked: Sequence[str]) -> None:
        self._topics = topics
        self._named = named
        self._asked = [text.split("/") for text in asked]
        self._values = [set(level) for level in zip(*(topic.levels for topic in topics), strict=True)]
        self._notes: list[str] = []

    def solve(self) -> Kinds:
        if self._named:
            parts = {
                number: found.group(1)
                for number, level in enumerate(self._named.split("/"))
                if (found := PART.fullmatch(level))
            }
            device = next((number for number, name in parts.items() if name == "device"), max(parts))
        else:
            scores = [self._score(number) for number in range(len(self._values))]
            device = max(range(len(scores)), key=lambda number: (scores[number], number))
            inside = self._told_inside(scores[device])
            if inside:
                return self._shared(inside)
            if scores[device] <= 0:
                device = self._guess()
            parts = self._parts(device)
        return self._kinds(device, parts)

    def _score(self, level: int) -> int:
        values = self._values[level]
        told = all(any(number == level for _, number in topic.same) for topic in self._topics)
        plain = [value.lower() for value in values]
        score = 0
        if told:
            score += 4
        if self._varies(level):
            score += 2
        if all(any(letter.isdigit() for letter in value) and not re.fullmatch(r"v\d+", value) for value in plain):
            score += 3
        if any(len(asked) > level and asked[level] == "+" for asked in self._asked):
            score += 1
        if all(value in KIND_WORDS for value in plain):
            score -= 3
        return score

    def _varies(self, level: int, device: int = -1) -> bool:
        """Whether topics that differ in this level, and at most in the device's, carry the same kind of message."""
        if len(self._values[level]) < 2:
            return False
        first: dict[tuple[str, ...], Topic] = {}
        for topic in self._topics:
            rest = tuple(text for number, text in enumerate(topic.levels) if number not in (level, device))
            other = first.setdefault(rest, topic)
            if other.levels[level] != topic.levels[level] and _alike(other, topic):
                return True
        return False

    def _guess(self) -> int:
        """Nothing tells: the level before the last, as most do it."""
        count = len(self._values)
        level = max(0, count - 2)
        self._notes.append(
            f"nothing shows which topic level names the device; level {level + 1} is taken: name it with {{device}}"
        )
        return level

    def _told_inside(self, score: int) -> Path:
        """Where the messages name devices that the topic does not."""
        paths = set.intersection(*(set(topic.ids) for topic in self._topics))
        for path in sorted(paths, key=len):
            told = all(topic.ids[path].total() == topic.objects for topic in self._topics)
            in_topic = any(place == path for topic in self._topics for place, _ in topic.same)
            several = any(1 < len(topic.ids[path]) <= topic.objects / 2 for topic in self._topics)
            if told and not in_topic and (several or score <= 0):
                return path
        return ()

    def _shared(self, device: Path) -> Kinds:
        return Kinds(
            kinds=[
                Kind(topic.text, device, topic.rows, topic.messages, {})
                for topic in sorted(self._topics, key=lambda entry: -len(entry.messages))
            ]
        )

    def _parts(self, device: int) -> dict[int, str]:
        """Levels before the device that differ are places it stands at; those behind it are kinds of messages."""
        parts = {}
        names = iter(PLACE_NAMES)
        for level in range(device):
            if self._varies(level, device) and not self._values[level] <= KIND_WORDS:
                parts[level] = next(names, f"level{level + 1}")
        return {**parts, device: "device"}

    def _kinds(self, device: int, parts: dict[int, str]) -> Kinds:
        usable = [topic for topic in self._topics if all(NAME.fullmatch(topic.levels[level]) for level in parts)]
        lost = [topic for topic in self._topics if topic not in usable] if len(usable) < len(self._topics) else []
        for topic in lost[:5]:
            self._notes.append(f"{topic.text}: a named level holds other characters than letters, digits, . _ and -")
        places: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        before = [level for level in parts if level != device]
        for topic in usable:
            places[topic.levels[device]].add(tuple(topic.levels[level] for level in before))
        template = f"{{{parts[device]}}}"
        if any(len(found) > 1 for found in places.values()) and before:
            template = self._separator(usable, before).join(f"{{{parts[level]}}}" for level in (*before, device))
        kinds: dict[str, Kind] = {}
        told = self._told_by_both(usable, device) if template == f"{{{parts[device]}}}" else ()
        for topic in usable:
            pattern = "/".join(
                f"{{{parts[number]}}}" if number in parts else level for number, level in enumerate(topic.levels)
            )
            kind = kinds.setdefault(pattern, Kind(pattern, told, parts=parts))
            kind.messages += topic.messages
            kind.rows = kind.rows or topic.rows
        return Kinds(template, list(kinds.values()), self._notes)

    def _told_by_both(self, topics: Sequence[Topic], device: int) -> Path:
        """Where every message repeats the device's level."""
        for path, level in topics[0].same if topics else ():
            if level == device and all(topic.same[path, device] == topic.objects for topic in topics):
                return path
        return ()

    @staticmethod
    def _separator(topics: Iterable[Topic], before: Sequence[int]) -> str:
        used = {letter for topic in topics for level in before for letter in topic.levels[level]}
        return next((sign for sign in (".", "-", "_") if sign not in used), ".")
