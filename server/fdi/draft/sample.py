"""The messages that a draft is made of: taken in while there is room, decoded as often as somebody looks at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from server.core.values import RawMessage
from server.fdi.draft.limits import DEFAULT_LIMITS, DraftLimits

MESSAGE_BYTES = 200
"""What a message takes besides topic and payload, roughly."""
_DECODER = msgspec.json.Decoder()


class Refusals:
    """What cannot be used: how often for each reason, with a few topics as examples."""

    def __init__(self, listed: int) -> None:
        self._listed = listed
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def add(self, reason: str, example: str, count: int = 1) -> None:
        """Count one; the example is cut to 200 printable characters."""
        self.counts[reason] += count
        shown = "".join(letter if letter.isprintable() else "?" for letter in example[:200])
        known = self.examples.setdefault(reason, [])
        if shown not in known and len(known) < self._listed:
            known.append(shown)


class Sample:
    """Messages in order of receipt, within the limits."""

    def __init__(self, limits: DraftLimits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.messages: list[RawMessage] = []
        self.heard = 0
        self.bytes = 0
        self.topics: set[str] = set()
        self.refusals = Refusals(limits.listed)

    @property
    def full(self) -> bool:
        """True once nothing more is taken."""
        return len(self.messages) >= self.limits.messages or self.bytes >= self.limits.sample_bytes

    def take(self, messages: Iterable[RawMessage]) -> bool:
        """Take messages in; False when there is no room for further ones."""
        for message in messages:
            if self.full:
                return False
            self.heard += 1
            if len(message.payload) > self.limits.payload_bytes:
                self.refusals.add("payload larger than the limit", message.topic)
            elif message.topic not in self.topics and len(self.topics) >= self.limits.topics:
                self.refusals.add("more topics than the limit", message.topic)
            else:
                self.topics.add(message.topic)
                self.messages.append(message)
                self.bytes += len(message.payload) + len(message.topic) + MESSAGE_BYTES
        return not self.full

    def snapshot(self) -> Sample:
        """What is there now, to be looked at while more comes in."""
        copied = Sample(self.limits)
        copied.messages = list(self.messages)
        copied.heard, copied.bytes, copied.topics = self.heard, self.bytes, set(self.topics)
        copied.refusals.counts = self.refusals.counts.copy()
        copied.refusals.examples = {reason: list(known) for reason, known in self.refusals.examples.items()}
        return copied


class ContentError(ValueError):
    """A payload that no draft can be made of; its text is the reason."""


def entries(message: RawMessage, limits: DraftLimits) -> tuple[list[dict[str, Any]], bool]:
    """The objects of a payload and whether it is an array of them.

    Raises:
        ContentError: no JSON, too deep, or neither an object nor an array of objects.
    """
    try:
        content = _DECODER.decode(message.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ContentError("no JSON in UTF-8") from None
    if _deeper_than(content, limits.depth):
        raise ContentError("nested deeper than the limit")
    if isinstance(content, dict):
        return [content], False
    if isinstance(content, list) and content:
        rows = _rows(content, limits)
        if rows:
            return rows, True
    raise ContentError("neither an object nor an array of objects")


def _rows(content: list[Any], limits: DraftLimits) -> list[dict[str, Any]]:
    return [entry for entry in content[: limits.rows] if isinstance(entry, dict)]


def decoded(messages: Iterable[RawMessage], limits: DraftLimits) -> Iterator[tuple[RawMessage, dict[str, Any]]]:
    """Every object of messages that `entries` has taken before: their depth is known to be fine."""
    for message in messages:
        content = _DECODER.decode(message.payload)
        for entry in [content] if isinstance(content, dict) else _rows(content, limits):
            yield message, entry


def _deeper_than(content: Any, depth: int) -> bool:
    layer = [content] if isinstance(content, dict | list) else []
    for _ in range(depth):
        if not layer:
            return False
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(layer)
