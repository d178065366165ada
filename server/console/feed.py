"""Latest values, alarm events and model changes for browsers: shared by all, so that a slow one costs nothing.

In: batches of the flow. Out: what changed since a subscriber last looked. Values skip to the newest of each point;
events wait in one bounded ring. Nothing here ever blocks the flow.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from server.console import shapes
from server.core.errors import RemoteError
from server.core.status import BAD_RESOURCE_UNAVAILABLE, name_of
from server.core.values import AlarmEvent, ChangeKind, DeviceId, ModelChange, PointUpdate, UpdateKind

EVENTS_KEPT = 10_000
SUBSCRIBERS_LIMIT = 500


class _Latest:
    """The newest update of one point; made into JSON once, whoever reads it."""

    __slots__ = ("_json", "sequence", "update")

    def __init__(self, sequence: int, update: PointUpdate) -> None:
        self.sequence = sequence
        self.update = update
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        if self._json is None:
            update = self.update
            self._json = msgspec.json.encode(
                {
                    "device_id": update.device_id,
                    "parameter": update.parameter,
                    "value": shapes.scalar(update.value),
                    "status": name_of(update.status),
                    "source_time": shapes.moment(update.source_time),
                }
            )
        return self._json


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An alarm or model change as the stream sends it."""

    sequence: int
    name: str  # "alarm" or "model"
    device_id: str  # "" when it concerns a whole type
    json: bytes


@dataclass(slots=True)
class Changes:
    """What is new for one subscriber."""

    values: list[bytes] = field(default_factory=list)  # oldest first
    events: list[FeedEvent] = field(default_factory=list)
    gap: bool = False  # events left the ring before they were read: look at the state anew


class Feed:
    """The flow's last sink, for values, alarms and model changes alike."""

    def __init__(self, *, events_kept: int = EVENTS_KEPT, subscribers: int = SUBSCRIBERS_LIMIT) -> None:
        self.run_id = secrets.token_hex(4)  # sequence numbers mean something within one run only
        self._sequence = 0
        self._latest: OrderedDict[tuple[str, str], _Latest] = OrderedDict()  # least recently changed first
        self._events: deque[FeedEvent] = deque(maxlen=events_kept)
        self._last_dropped = 0  # sequence number of the newest event no longer in the ring
        self._subscribers: set[Subscription] = set()
        self._limit = subscribers
        self._closed = False
        self._values = 0
        self._gaps = 0

    # -- in

    def offer(self, updates: Sequence[PointUpdate]) -> None:
        """Take a batch; late values are history's alone."""
        if not updates:
            return
        latest = self._latest
        for update in updates:
            if update.kind is UpdateKind.LATE:
                continue
            self._sequence += 1
            key = (update.device_id, update.parameter)
            latest[key] = _Latest(self._sequence, update)
            latest.move_to_end(key)
            self._values += 1
        self._wake()

    async def alarms_changed(self, events: Sequence[AlarmEvent]) -> None:
        for event in events:
            self._add("alarm", event.device_id, msgspec.json.encode(shapes.alarm(event)))
        self._wake()

    async def conditions_changed(self, device_ids: Sequence[DeviceId]) -> None:
        """Readers ask for conditions anew with the model event of each device."""
        for device_id in device_ids:
            self._add("model", device_id, msgspec.json.encode({"change": "conditions", "device_id": device_id}))
        self._wake()

    def model_changed(self, change: ModelChange) -> None:
        if change.kind is ChangeKind.DEVICE_REMOVED:
            for key in [key for key in self._latest if key[0] == change.device_id]:
                del self._latest[key]
        for parameter in change.removed:
            self._latest.pop((change.device_id or "", parameter), None)
        body = {"change": change.kind.value, "type": change.type_id, "device_id": change.device_id}
        self._add("model", change.device_id or "", msgspec.json.encode(body))
        self._wake()

    def _add(self, name: str, device_id: str, body: bytes) -> None:
        self._sequence += 1
        if len(self._events) == self._events.maxlen:
            self._last_dropped = self._events[0].sequence
        self._events.append(FeedEvent(self._sequence, name, device_id, body))

    def _wake(self) -> None:
        for subscriber in self._subscribers:
            subscriber.changed.set()

    # -- out

    @property
    def sequence(self) -> int:
        """Number of the newest change."""
        return self._sequence

    def require_room(self) -> None:
        """Pass while a further subscriber is welcome.

        Raises:
            RemoteError: too many streams are open, or the server stops.
        """
        if self._closed or len(self._subscribers) >= self._limit:
            reason = "the server is stopping" if self._closed else f"{self._limit} streams are open already"
            raise RemoteError(f"no further stream: {reason}", status_code=BAD_RESOURCE_UNAVAILABLE)

    @contextmanager
    def subscribe(self, since: int | None = None) -> Iterator[Subscription]:
        """Look at changes after `since` (None: from now on).

        Raises:
            RemoteError: too many streams are open, or the server stops.
        """
        self.require_room()
        subscription = Subscription(self, self._sequence if since is None else min(since, self._sequence))
        self._subscribers.add(subscription)
        try:
            yield subscription
        finally:
            self._subscribers.discard(subscription)

    def since(self, sequence: int, devices: frozenset[str] | None = None) -> Changes:
        """Everything after a number, values at their newest; of some devices only when named."""
        found = Changes(gap=sequence < self._last_dropped)
        self._gaps += found.gap
        for latest in reversed(self._latest.values()):
            if latest.sequence <= sequence:
                break
            if devices is None or latest.update.device_id in devices:
                found.values.append(latest.json)
        found.values.reverse()
        for event in reversed(self._events):
            if event.sequence <= sequence:
                break
            if devices is None or not event.device_id or event.device_id in devices:
                found.events.append(event)
        found.events.reverse()
        return found

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """End every stream; further ones are refused."""
        self._closed = True
        self._wake()

    def counters(self) -> dict[str, int]:
        """What passed, for nodes and metrics."""
        return {
            "feed_values": self._values,
            "feed_points": len(self._latest),
            "feed_subscribers": len(self._subscribers),
            "feed_gaps": self._gaps,
        }


class Subscription:
    """One reader's place in the feed."""

    def __init__(self, feed: Feed, sequence: int) -> None:
        self._feed = feed
        self.sequence = sequence
        self.changed = asyncio.Event()
        if sequence < feed.sequence:
            self.changed.set()

    def take(self, devices: frozenset[str] | None = None) -> Changes:
        """What is new since the last call."""
        self.changed.clear()
        found = self._feed.since(self.sequence, devices)
        self.sequence = self._feed.sequence
        return found
