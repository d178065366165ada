"""Which binding a topic belongs to. Found once per topic, then remembered in a bounded table."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from bridge.topics import TOPIC_LIMIT, TopicPattern, join_id, names_in
from server.core.binding import DeviceBinding, RowBinding

REMEMBERED = 20_000
UNKNOWN_KEPT = 100


class Kind(Enum):
    """What a message is."""

    ROW = "row"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Route:
    """Where one topic leads."""

    kind: Kind
    binding: DeviceBinding
    row: RowBinding | None
    parts: Mapping[str, str]
    device_id: str  # built from the topic's parts; "" when the topic does not say
    ambiguous: bool = False  # the topic's parts would make an id that another topic makes too
    others: tuple[Route, ...] = ()  # further types that share the topic: what the device says of itself decides


class Router:
    """All bindings of the plant."""

    def __init__(self, bindings: Iterable[DeviceBinding] = ()) -> None:
        self._patterns: list[tuple[TopicPattern, Kind, DeviceBinding, RowBinding | None]] = []
        self._known: OrderedDict[str, Route] = OrderedDict()
        self.unknown: Counter[str] = Counter()
        self.unknown_messages = 0
        self.replace(bindings)

    def replace(self, bindings: Iterable[DeviceBinding]) -> None:
        """Take another set of bindings; what was remembered is forgotten.

        Raises:
            ValueError: a topic that is none; the bindings so far stay.
        """
        patterns: list[tuple[TopicPattern, Kind, DeviceBinding, RowBinding | None]] = []
        for binding in bindings:
            patterns += [(TopicPattern.of(row.topic), Kind.ROW, binding, row) for row in binding.rows if row.topic]
            if binding.response_topic:
                patterns.append((TopicPattern.of(binding.response_topic), Kind.RESPONSE, binding, None))
        self._patterns = sorted(patterns, key=lambda entry: entry[0].specificity)
        self._known.clear()

    def filters(self) -> list[str]:
        """The MQTT filters to subscribe, each once."""
        return list(dict.fromkeys(pattern.filter for pattern, *_ in self._patterns))

    def route(self, topic: str) -> Route | None:
        """Where a topic leads; None counts it among the unknown."""
        found = self._known.get(topic)
        if found is not None:
            self._known.move_to_end(topic)
            return found
        found = self._find(topic)
        if found is None:
            # Not remembered: a flood of made-up topics must not push the real ones out.
            self.unknown_messages += 1
            shown = topic[:TOPIC_LIMIT]
            if shown in self.unknown or len(self.unknown) < UNKNOWN_KEPT:
                self.unknown[shown] += 1
            return None
        self._known[topic] = found
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    def _find(self, topic: str) -> Route | None:
        found: list[Route] = []
        best: tuple[tuple[int, ...], Kind] | None = None
        for pattern, kind, binding, row in self._patterns:
            if best is not None and (pattern.specificity, kind) != best:
                continue
            parts = pattern.match(topic)
            if parts is not None:
                best = pattern.specificity, kind
                device_id = join_id(binding.device_id, parts)
                told = all(name in parts for name in names_in(binding.device_id))
                found.append(Route(kind, binding, row, parts, device_id, ambiguous=told and not device_id))
        return replace(found[0], others=tuple(found[1:])) if found else None
