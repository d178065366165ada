"""Recorded messages, played again in order: lines of topic, tab, payload. For tests and for looking at incidents."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from bridge.source import Deliver
from bridge.topics import TOPIC_LIMIT
from server.core.clock import Clock
from server.core.errors import ConfigurationError
from server.core.values import OutboundMessage, RawMessage

BATCH = 1_000
SENT_KEPT = 1_000


class ReplaySource:
    """A source without a network. It plays once; what is renounced is played again, as a broker would."""

    def __init__(self, lines: Iterable[str], clock: Clock, *, batch: int = BATCH) -> None:
        """Read lazily: a recording may be larger than memory. Empty lines and those that begin with # are skipped."""
        self._lines = _messages(lines)
        self._clock = clock
        self._batch = batch
        self._again: deque[RawMessage] = deque()
        self._open: dict[int, RawMessage] = {}  # handed over and not acknowledged, by number, in order
        self._numbers = 0
        self._news = asyncio.Event()
        self._ended = False
        self._running = False
        self.played = 0
        self.acknowledged = 0
        self.topics: list[str] = []
        self.sent: deque[OutboundMessage] = deque(maxlen=SENT_KEPT)
        self.finished = asyncio.Event()
        """Set while everything recorded has been handed over and acknowledged."""

    @classmethod
    def of_file(cls, file: Path, clock: Clock) -> ReplaySource:
        """A recording on disk.

        Raises:
            ConfigurationError: it cannot be read, or a line is none; every such line is named.
        """
        problems = []
        try:
            with file.open(encoding="utf-8") as opened:
                for number, line in enumerate(opened, 1):
                    if _wanted(line) and _split(line) is None:
                        problems.append(f"{file}:{number}: not a topic, a tab and a payload")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{file}: {error}")
        if problems:
            raise ConfigurationError(problems, what="recording")
        return cls(_lines_of(file), clock)

    async def run(self, deliver: Deliver) -> None:
        self._running = True
        try:
            while True:
                self._news.clear()
                batch = [self._numbered(message) for message in self._next()]
                if batch:
                    self.played += len(batch)
                    await deliver(batch)
                else:
                    self._ended = True
                    self._tell_end()
                    await self._news.wait()
        finally:
            self._running = False

    def _next(self) -> list[RawMessage]:
        if self._again:
            return [self._again.popleft() for _ in range(min(self._batch, len(self._again)))]
        now = self._clock.now()
        return [RawMessage(topic, payload, now) for topic, payload in islice(self._lines, self._batch)]

    def _numbered(self, message: RawMessage) -> RawMessage:
        self._numbers += 1
        numbered = RawMessage(message.topic, message.payload, message.received_at, token=self._numbers)
        self._open[self._numbers] = numbered
        return numbered

    def _tell_end(self) -> None:
        if self._ended and not self._open and not self._again:
            self.finished.set()
        else:
            self.finished.clear()

    def subscribe(self, topics: Sequence[str]) -> None:
        self.topics = list(topics)

    async def send(self, message: OutboundMessage) -> None:
        self.sent.append(message)

    def acknowledge(self, messages: Sequence[RawMessage]) -> None:
        for message in messages:
            # What was renounced in between has another number by now.
            if isinstance(message.token, int) and self._open.pop(message.token, None) is not None:
                self.acknowledged += 1
        self._tell_end()

    def renounce(self, reason: str) -> None:
        self._again.extendleft(reversed(self._open.values()))
        self._open.clear()
        self._tell_end()
        self._news.set()

    def health(self) -> Mapping[str, object]:
        return {
            "connected": self._running,
            "broker": "recording",
            "received": self.played,
            "acknowledged": self.acknowledged,
        }


def _wanted(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _split(line: str) -> tuple[str, bytes] | None:
    topic, tab, payload = line.rstrip("\r\n").partition("\t")
    if not tab or not 0 < len(topic) <= TOPIC_LIMIT:
        return None
    return topic, payload.encode("utf-8")


def _messages(lines: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for line in lines:
        if _wanted(line):
            found = _split(line)
            if found is None:
                raise ConfigurationError([f"{line[:80]!r} is not a topic, a tab and a payload"], what="recording")
            yield found


def _lines_of(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as opened:
        yield from opened
