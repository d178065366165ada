"""Which binding a topic belongs to. Found once per topic, then remembered in a bounded table."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from bridge.topics import TOPIC_LIMIT, TopicPattern
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


class Router:
    """All bindings of the plant."""

    def __init__(self, bindings: Iterable[DeviceBinding] = ()) -> None:
        self._patterns: list[tuple[TopicPattern, Kind, DeviceBinding, RowBinding | None]] = []
        self._known: OrderedDict[str, Route | None] = OrderedDict()
        self.unknown: Counter[str] = Counter()
        self.unknown_messages = 0
        self.replace(bindings)

    def replace(self, bindings: Iterable[DeviceBinding]) -> None:
        """Take another set of bindings; what was remembered is forgotten."""
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
        if topic in self._known:
            self._known.move_to_end(topic)
            found = self._known[topic]
        else:
            found = self._find(topic)
            self._known[topic] = found
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        if found is None:
            self.unknown_messages += 1
            if topic in self.unknown or len(self.unknown) < UNKNOWN_KEPT:
                self.unknown[topic[:TOPIC_LIMIT]] += 1
        return found

    def _find(self, topic: str) -> Route | None:
        for pattern, kind, binding, row in self._patterns:
            parts = pattern.match(topic)
            if parts is not None:
                return Route(kind, binding, row, parts, _device_id(binding, parts))
        return None


def _device_id(binding: DeviceBinding, parts: Mapping[str, str]) -> str:
    try:
        return binding.device_id.format(**parts)
    except KeyError:
        return ""
