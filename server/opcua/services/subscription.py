"""One subscription: its publishing cycle after the state table of OPC 10000-4, 5.14.1.2, and its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asyncua import ua

from server.opcua.roles import Audience
from server.opcua.services.context import Session
from server.opcua.services.notification import data_notification, event_notification, message, sequence_list
from server.opcua.services.sampling import SamplingGroup
from server.opcua.services.subscription_limits import SubscriptionLimits
from server.opcua.wire import Item, Ready

if TYPE_CHECKING:
    from server.opcua.services.event_item import EventItem
    from server.opcua.services.monitored_item import DataItem
    from server.opcua.services.publish import PublishService, Waiting
    from server.opcua.services.schedule import Timer

_S = ua.StatusCodes
LAST_SEQUENCE = 0xFFFFFFFF
"""After it comes 1 (OPC 10000-4, 7.9)."""


REFRESH_PART = 100
"""Events of a ConditionRefresh in one message: each is made when it is sent, and others wait meanwhile."""


class Host(Protocol):
    """What a subscription asks of its engine."""

    limits: SubscriptionLimits
    publishing: PublishService
    retained_bytes: int  # of the messages that all subscriptions keep for Republish

    def ticks(self) -> int: ...

    def before_cycle(self, subscription: Subscription) -> None: ...

    def expire(self, subscription: Subscription) -> None: ...


class Owner:
    """Whose a subscription is: what TransferSubscriptions compares (OPC 10000-4, 5.14.7.1)."""

    __slots__ = ("application_uri", "certificate", "kind", "secured", "user")

    def __init__(self, session: Session) -> None:
        self.user = session.caller.user
        self.kind = session.token_kind
        self.certificate = session.certificate
        self.application_uri = session.application_uri
        self.secured = session.audience.mode > 1


class Subscription:
    """Plain attributes; those named like the fields of SubscriptionDiagnosticsDataType mean the same.

    `current_keep_alive` counts publishing cycles without a notification, `current_lifetime` those without a Publish
    request. Both states LATE and KEEPALIVE of the table follow from them and `late`.
    """

    def __init__(self, host: Host, subscription_id: int, session: Session) -> None:
        self._host = host
        self.subscription_id = subscription_id
        self.session: Session | None = session
        self.last_session = session  # asks for what is polled while nobody owns the subscription
        self.owner = Owner(session)
        self.audience: Audience = session.audience  # the one that the items were last judged by
        self.priority = 0
        self.publishing_interval_ms = 0.0
        self.keep_alive_count = 1
        self.lifetime_count = 3
        self.max_notifications = 0
        self.publishing_enabled = True
        self.durable_hours = 0  # 0: not durable
        self.timer: Timer | None = None
        self.phase = 0

        self.items: dict[int, DataItem | EventItem] = {}
        self.next_item_id = 1
        self.ready = Ready()
        self.event_ready: list[EventItem] = []
        self.group = SamplingGroup()  # sampled right before publishing
        self.event_links = Ready()  # event items that a data item triggered
        self.linked_events: dict[Item, EventItem] = {}
        self.link_count = 0
        self.queue_slots = 0  # queue sizes of all items together

        self.next_sequence = 1
        self.sent: dict[int, bytes] = {}  # NotificationMessages by sequence number, until they are acknowledged
        self.sent_bytes = 0
        self.message_sent = False
        self.late = False
        self.late_since = 0.0
        self.closed = False

        self.current_keep_alive = 0
        self.current_lifetime = 0
        self.modify_count = 0
        self.enable_count = 0
        self.disable_count = 0
        self.republish_request_count = 0
        self.republish_message_request_count = 0
        self.republish_message_count = 0
        self.transfer_request_count = 0
        self.transferred_to_alt_client_count = 0
        self.transferred_to_same_client_count = 0
        self.publish_request_count = 0
        self.data_change_notifications_count = 0
        self.event_notifications_count = 0
        self.notifications_count = 0
        self.late_publish_request_count = 0
        self.discarded_message_count = 0
        self.disabled_item_count = 0
        self.event_queue_overflow_count = 0

    @property
    def monitoring_queue_overflow_count(self) -> int:
        """Overflows of data queues so far."""
        return self.ready.overflows

    @property
    def unacknowledged_message_count(self) -> int:
        """Messages that Republish could send."""
        return len(self.sent)

    def touched(self) -> None:
        """A service named the subscription: its lifetime begins again."""
        self.current_lifetime = 0

    # -- the publishing cycle

    def cycle(self) -> None:
        """The publishing interval has passed."""
        host = self._host
        host.before_cycle(self)
        if self.closed:
            return
        self.group.tick(host.ticks())
        session = self.session
        publishing = host.publishing
        available = session is not None and publishing.available(session)
        if session is not None and (available or publishing.waits(session)):
            # A client that reads too slowly has asked all the same: the transport ends it, not this counter.
            self.current_lifetime = 0
        else:
            self.current_lifetime += 1
            if self.current_lifetime >= self.lifetime_count:
                host.expire(self)
                return
        if self.late:
            if available:
                self.publish_late()
            return
        if self.publishing_enabled and self.has_notifications():
            self._send_or_wait(available)
            return
        self.current_keep_alive += 1
        if not self.message_sent or self.current_keep_alive >= self.keep_alive_count:
            self._send_or_wait(available)

    def has_notifications(self) -> bool:
        """True when something is there to be sent."""
        if self.event_links.items:
            self._fire_event_links()
        if self.event_ready and any(item.reportable() for item in self.event_ready):
            return True
        return self.ready.pending()

    def publish_late(self) -> None:
        """A Publish request came while the subscription was late."""
        self.late = False
        self._send_or_wait(True)

    def _send_or_wait(self, available: bool) -> None:
        """Send with the Publish requests that wait, or be late until one comes."""
        session = self.session
        publishing = self._host.publishing
        while session is not None and available:
            entry = publishing.take(session)
            if entry is None:
                break
            if not self._send(entry):
                return
            available = publishing.available(session)
        if not self.late:
            self.late = True
            self.late_since = self.timer.due if self.timer is not None else 0.0
            self.late_publish_request_count += 1

    def _send(self, entry: Waiting) -> bool:
        """Answer one Publish request; True when more is waiting."""
        host = self._host
        now = host.ticks()
        parts, more = self._collect() if self.publishing_enabled else ([], False)
        self.message_sent = True
        self.current_keep_alive = 0
        self.current_lifetime = 0
        self.publish_request_count += 1
        notification = message(self.next_sequence, now, parts)
        if parts:
            self._keep(self.take_sequence(), notification)
        host.publishing.answer(entry, self.subscription_id, sequence_list(self.sent), more, notification)
        return more

    def take_sequence(self) -> int:
        """The next sequence number, used up."""
        sequence = self.next_sequence
        self.next_sequence = sequence + 1 if sequence < LAST_SEQUENCE else 1
        return sequence

    def _keep(self, sequence: int, notification: bytes) -> None:
        limits = self._host.limits
        self.sent[sequence] = notification
        self._count(len(notification))
        while self.sent and (
            len(self.sent) > limits.retransmission_messages
            or (self.sent_bytes > limits.retransmission_bytes and len(self.sent) > 1)
            or self._host.retained_bytes > limits.retransmission_bytes_of_all
        ):
            oldest = next(iter(self.sent))
            self._count(-len(self.sent.pop(oldest)))
            self.discarded_message_count += 1

    def _count(self, more: int) -> None:
        self.sent_bytes += more
        self._host.retained_bytes += more

    def forget_sent(self) -> None:
        """Republish has nothing any more: the subscription ends."""
        self.sent.clear()
        self._count(-self.sent_bytes)

    # -- notifications

    def _collect(self) -> tuple[list[bytes], bool]:
        """Notifications of one message as ExtensionObjects, and whether more is waiting."""
        if self.event_links.items:
            self._fire_event_links()
        left = self.max_notifications
        parts: list[bytes] = []
        room = self._message_room()
        if self.ready.items:
            data, count = self._take_data(left, room)
            if count:
                parts.append(data_notification(data, count))
                self.data_change_notifications_count += count
                self.notifications_count += count
                left -= count
                room -= len(data)
        if self.event_ready and left > 0 and room > 0:
            events, count = self._take_events(left, room)
            if count:
                parts.append(event_notification(events, count))
                self.event_notifications_count += count
                self.notifications_count += count
        return parts, self.has_notifications()

    def _message_room(self) -> int:
        room = self._host.limits.message_bytes
        session = self.session
        if session is not None:
            if session.max_response_bytes:
                room = min(room, session.max_response_bytes - 1024)
            if session.channel is not None and session.channel.max_response_bytes:
                room = min(room, session.channel.max_response_bytes - 1024)
        return max(room, 1)

    def _take_data(self, limit: int, room: int) -> tuple[bytes, int]:
        """Data notifications: up to `limit`, and `room` bytes unless the first has more."""
        data, count, _more = self.ready.take(limit, room)
        return data, count

    def _take_events(self, limit: int, room: int) -> tuple[bytes, int]:
        """Event notifications: up to `limit`, and about `room` bytes."""
        parts: list[bytes] = []
        count = size = refreshed = 0
        unfinished: list[EventItem] = []
        for number, item in enumerate(self.event_ready):
            while item.reportable():
                if count >= limit or size >= room or refreshed >= REFRESH_PART:
                    self.event_ready[:number] = unfinished
                    return b"".join(parts), count
                refreshed += item.refresh is not None
                event = item.take()
                parts.append(item.wire_handle)
                parts.append(event)
                size += len(event) + 4
                count += 1
            item.triggered = False
            item.listed = item.refresh is not None
            if item.listed:
                unfinished.append(item)
        self.event_ready[:] = unfinished
        return b"".join(parts), count

    def _fire_event_links(self) -> None:
        """Data items triggered event items: their queues are reported once."""
        self.event_links.take(0)
        for proxy, item in self.linked_events.items():
            if not proxy.has_values():
                proxy.queue_up(b"")
                item.trigger_now()

    # -- acknowledgements

    def acknowledge(self, sequence: int) -> int:
        """Forget a message; returns the operation's StatusCode."""
        notification = self.sent.pop(sequence, None)
        if notification is None:
            return int(_S.BadSequenceNumberUnknown)
        self._count(-len(notification))
        return 0
