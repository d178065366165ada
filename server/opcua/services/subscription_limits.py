"""How many subscriptions, items and messages there may be, and how their settings are revised (OPC 10000-4, 5.14.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

DEFAULT_KEEP_ALIVES = 10
"""MaxKeepAliveCount of who asks for 0."""
LIFETIME_PER_KEEP_ALIVE = 3
"""A subscription lives at least so many keep-alives (OPC 10000-4, 5.14.2.2)."""
_STEPS = ((100.0, 1.0), (1_000.0, 10.0), (10_000.0, 100.0), (100_000.0, 1_000.0), (math.inf, 10_000.0))


@dataclass(frozen=True, slots=True)
class SubscriptionLimits:
    """Bounds of the subscription engine; times in ms, sizes in bytes."""

    subscriptions: int = 2_000
    subscriptions_per_session: int = 100
    items: int = 500_000
    items_per_subscription: int = 100_000
    items_per_node: int = 5_000
    """Monitored items of all subscriptions on one node."""
    queue_slots: int = 5_000_000
    """Queue sizes of all items together; items made later get smaller queues."""
    queue_slots_per_subscription: int = 1_000_000
    queue_size: int = 1_000
    """Values that one data item holds at most."""
    event_queue_size: int = 1_000
    durable_queue_size: int = 10_000
    """The same for data and event items of a durable subscription."""
    publish_requests: int = 100
    """Publish requests that wait in one session."""
    notifications: int = 10_000
    """MaxNotificationsPerPublish of who asks for 0 or more."""
    message_bytes: int = 4 * 1024 * 1024
    """Notifications of one message are cut off about here."""
    retransmission_messages: int = 100
    """Messages of one subscription kept for Republish."""
    retransmission_bytes: int = 16 * 1024 * 1024
    retransmission_bytes_of_all: int = 256 * 1024 * 1024
    """Of all subscriptions together; beyond it one keeps no more than it has to send."""
    links: int = 2_000
    """Links of SetTriggering in one subscription."""
    min_publishing_ms: float = 50.0
    max_publishing_ms: float = 3_600_000.0
    min_sampling_ms: float = 50.0
    max_sampling_ms: float = 3_600_000.0
    max_lifetime_ms: float = 86_400_000.0
    max_durable_hours: int = 168

    def publishing_interval(self, asked: float) -> float:
        """The revised publishing interval; 0, negative and NaN become the shortest."""
        if not asked > self.min_publishing_ms:
            return self.min_publishing_ms
        return min(asked, self.max_publishing_ms)

    def counts(self, interval_ms: float, keep_alive: int, lifetime: int, max_lifetime_ms: float = 0) -> tuple[int, int]:
        """(MaxKeepAliveCount, LifetimeCount), revised: lifetime is at least three times keep-alive."""
        longest = max_lifetime_ms or self.max_lifetime_ms
        most = max(int(longest / interval_ms), LIFETIME_PER_KEEP_ALIVE)
        keep_alive = min(keep_alive or DEFAULT_KEEP_ALIVES, most // LIFETIME_PER_KEEP_ALIVE)
        return keep_alive, min(max(lifetime, LIFETIME_PER_KEEP_ALIVE * keep_alive), most)

    def sampling_interval(self, asked: float) -> float:
        """A supported sampling interval at or above the one asked for, which is above 0.

        Intervals are counted in steps of about a hundredth of themselves, so that items share few sampling groups.
        """
        if not asked > self.min_sampling_ms:
            return self.min_sampling_ms
        if asked >= self.max_sampling_ms:
            return self.max_sampling_ms
        step = next(step for bound, step in _STEPS if asked <= bound)
        return math.ceil(round(asked / step, 9)) * step
