"""The subscription engine: owns all subscriptions, their timers and sampling groups, and answers their services."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from weakref import WeakSet

from asyncua import ua

from server.core.clock import Clock
from server.opcua.datavalues import stack_status
from server.opcua.events import EventBus
from server.opcua.nodes.keys import Key
from server.opcua.nodes.store import NodeStore
from server.opcua.roles import Rights
from server.opcua.services.context import Request, Session
from server.opcua.services.dispatch import Dispatcher
from server.opcua.services.durable import MS_PER_HOUR, SubscriptionMethods
from server.opcua.services.event_item import EventItem
from server.opcua.services.fault import ServiceFault
from server.opcua.services.limits import OperationLimits, require_count
from server.opcua.services.monitored_item import DataItem
from server.opcua.services.monitoring import MonitoredItemService
from server.opcua.services.publish import PublishService
from server.opcua.services.republish import RepublishService
from server.opcua.services.sampling import AttributeReader, SamplingGroups
from server.opcua.services.schedule import Scheduler
from server.opcua.services.semantics import Semantics
from server.opcua.services.subscription import Owner, Subscription
from server.opcua.services.subscription_limits import SubscriptionLimits
from server.opcua.services.transfer import TransferService
from server.opcua.services.triggering import TriggeringService
from server.opcua.wire import Point, to_ticks

_S = ua.StatusCodes
SPREAD_MS = 20
"""So many ms a first cycle may be late, when others of the same interval have the same moment."""


class SubscriptionEngine:
    """The Subscription service set, and what all its parts share."""

    def __init__(
        self,
        store: NodeStore,
        rights: Rights,
        clock: Clock,
        limits: SubscriptionLimits,
        read: AttributeReader,
        bus: EventBus,
        *,
        operations: OperationLimits | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        self.store = store
        self.rights = rights
        self.limits = limits
        self.operations = operations or OperationLimits()
        self.read = read
        self.bus = bus
        self.scheduler = Scheduler(clock) if scheduler is None else scheduler
        self.subscriptions: dict[int, Subscription] = {}
        self.groups = SamplingGroups(self.scheduler, self.ticks)
        self.semantics = Semantics(store, bus.semantic_changed)
        self.publishing = PublishService(self)
        self.monitoring = MonitoredItemService(self)
        self.methods = SubscriptionMethods(self)
        self._services = (
            self.publishing,
            self.monitoring,
            TriggeringService(self),
            TransferService(self),
            RepublishService(self),
        )
        self._clock = clock
        self._sessions: WeakSet[Session] = WeakSet()
        self._refusals: dict[int, Point] = {}
        self._phases: dict[float, set[int]] = {}
        self._next_id = secrets.randbelow(1 << 30) + 1
        self.retained_bytes = 0
        self.cumulated = 0
        """CumulatedSubscriptionCount of ServerDiagnosticsSummary."""

    def register(self, dispatcher: Dispatcher) -> None:
        """Answer the Subscription and MonitoredItem service sets."""
        for service in self._services:
            service.register(dispatcher)
        dispatcher.register("CreateSubscription", self._create)
        dispatcher.register("ModifySubscription", self._modify)
        dispatcher.register("SetPublishingMode", self._set_publishing_mode)
        dispatcher.register("DeleteSubscriptions", self._delete)

    def ticks(self) -> int:
        """Now, as the wire has it."""
        return to_ticks(self._clock.now())

    # -- services

    def _create(self, request: Request, params: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResponse:
        session = request.session
        if session is None:
            raise ServiceFault(_S.BadSessionIdInvalid)
        limits = self.limits
        if (
            len(self.subscriptions) >= limits.subscriptions
            or len(session.subscriptions) >= limits.subscriptions_per_session
        ):
            raise ServiceFault(_S.BadTooManySubscriptions)
        subscription = Subscription(self, self._take_id(), session)
        subscription.priority = params.Priority
        subscription.publishing_enabled = bool(params.PublishingEnabled)
        self._revise(subscription, params)
        self.subscriptions[subscription.subscription_id] = subscription
        session.subscriptions[subscription.subscription_id] = subscription
        self.cumulated += 1
        self.watch_session(session)
        self._start(subscription)
        response = ua.CreateSubscriptionResponse()
        response.Parameters.SubscriptionId = subscription.subscription_id
        _tell(response.Parameters, subscription)
        return response

    def _modify(self, request: Request, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResponse:
        subscription = self.owned(request, params.SubscriptionId)
        subscription.modify_count += 1
        before, priority = subscription.publishing_interval_ms, subscription.priority
        subscription.priority = params.Priority
        self._revise(subscription, params)
        if subscription.publishing_interval_ms != before or subscription.priority != priority:
            if subscription.publishing_interval_ms != before:
                self._move_items(subscription)
            self._stop_timer(subscription, before)
            self._start(subscription)
        response = ua.ModifySubscriptionResponse()
        _tell(response.Parameters, subscription)
        return response

    def _set_publishing_mode(
        self, request: Request, params: ua.SetPublishingModeParameters
    ) -> ua.SetPublishingModeResponse:
        require_count(params.SubscriptionIds, self.operations.monitored_items)
        response = ua.SetPublishingModeResponse()
        for subscription_id in params.SubscriptionIds:
            subscription = self._find(request, subscription_id)
            if subscription is not None:
                enabled = bool(params.PublishingEnabled)
                subscription.enable_count += enabled
                subscription.disable_count += not enabled
                subscription.publishing_enabled = enabled
                subscription.touched()
            response.Parameters.Results.append(
                stack_status(0 if subscription is not None else _S.BadSubscriptionIdInvalid)
            )
        return response

    def _delete(self, request: Request, params: ua.DeleteSubscriptionsParameters) -> ua.DeleteSubscriptionsResponse:
        require_count(params.SubscriptionIds, self.operations.monitored_items)
        response = ua.DeleteSubscriptionsResponse()
        for subscription_id in params.SubscriptionIds:
            subscription = self._find(request, subscription_id)
            if subscription is not None:
                self._end(subscription)
            response.Results.append(stack_status(0 if subscription is not None else _S.BadSubscriptionIdInvalid))
        if request.session is not None:
            self.publishing.settle_empty(request.session)
        return response

    def _revise(
        self, subscription: Subscription, params: ua.CreateSubscriptionParameters | ua.ModifySubscriptionParameters
    ) -> None:
        limits = self.limits
        interval = limits.publishing_interval(params.RequestedPublishingInterval)
        subscription.publishing_interval_ms = interval
        subscription.keep_alive_count, subscription.lifetime_count = limits.counts(
            interval,
            params.RequestedMaxKeepAliveCount,
            params.RequestedLifetimeCount,
            subscription.durable_hours * MS_PER_HOUR,
        )
        subscription.max_notifications = min(
            params.MaxNotificationsPerPublish or limits.notifications, limits.notifications
        )

    def _take_id(self) -> int:
        while True:
            subscription_id = self._next_id
            self._next_id = subscription_id + 1 if subscription_id < 0xFFFFFFFF else 1
            if subscription_id not in self.subscriptions:
                return subscription_id

    # -- what services ask

    def _find(self, request: Request, subscription_id: int) -> Subscription | None:
        return request.session.subscriptions.get(subscription_id) if request.session is not None else None

    def owned(self, request: Request, subscription_id: int) -> Subscription:
        """A subscription of the request's own session, whose lifetime begins again.

        Raises:
            ServiceFault: BadSubscriptionIdInvalid.
        """
        subscription = self._find(request, subscription_id)
        if subscription is None:
            raise ServiceFault(_S.BadSubscriptionIdInvalid)
        subscription.current_lifetime = 0
        if subscription.audience is not subscription.last_session.audience:
            self.judge(subscription)
        return subscription

    def refusal(self, code: int) -> Point:
        """A Point that has only a StatusCode, as of the moment it is read."""
        point = self._refusals.get(code)
        if point is None:
            point = self._refusals[code] = Point()
            point.put_scalar(1, None, code, 0, 0)
        return point

    def sessions(self) -> Iterator[Session]:
        """Sessions that have or had subscriptions."""
        return iter(list(self._sessions))

    def watch_session(self, session: Session) -> None:
        """Hear of a session's end."""
        if session not in self._sessions:
            self._sessions.add(session)
            session.on_close.append(self.session_closed)

    def cancel_publish(self, session: Session, handle: int) -> int:
        """Answer waiting Publish requests of this handle BadRequestCancelledByClient; how many."""
        return self.publishing.cancel(session, handle)

    # -- timers

    def _start(self, subscription: Subscription) -> None:
        """The first cycle ends one publishing interval from now."""
        interval_s = subscription.publishing_interval_ms / 1000
        first = self.scheduler.now() + interval_s
        subscription.phase = self._phase(subscription.publishing_interval_ms, first)
        first += (subscription.phase - int(first * 1000)) % int(subscription.publishing_interval_ms) / 1000
        subscription.timer = self.scheduler.every(
            interval_s, subscription.cycle, first=first, priority=subscription.priority
        )

    def _phase(self, interval_ms: float, first: float) -> int:
        """A free ms within the interval, so that subscriptions with the same interval take turns."""
        taken = self._phases.setdefault(interval_ms, set())
        whole = int(interval_ms)
        wanted = int(first * 1000)
        for late in range(min(SPREAD_MS, whole)):
            phase = (wanted + late) % whole
            if phase not in taken:
                taken.add(phase)
                return phase
        return wanted % whole

    def _stop_timer(self, subscription: Subscription, interval_ms: float) -> None:
        if subscription.timer is not None:
            self.scheduler.cancel(subscription.timer)
            subscription.timer = None
        phases = self._phases.get(interval_ms)
        if phases is not None:
            phases.discard(subscription.phase)
            if not phases:
                del self._phases[interval_ms]

    def _move_items(self, subscription: Subscription) -> None:
        """Items keep their sampling interval (7.21): those that no longer sample with the cycle get another group."""
        subscription.group.tick(self.ticks())
        for item in subscription.items.values():
            if isinstance(item, DataItem) and (
                item.group is subscription.group or item.sampling_ms == subscription.publishing_interval_ms
            ):
                item.place()

    def before_cycle(self, subscription: Subscription) -> None:
        """What is looked at before a subscription samples and publishes."""
        self.semantics.look(self.ticks())
        session = subscription.session
        if session is not None and session.audience is not subscription.audience:
            self.judge(subscription)

    # -- ends

    def expire(self, subscription: Subscription) -> None:
        """The lifetime is over: the subscription goes, its session is told when it can be (5.14.1.1)."""
        session = subscription.session
        sequence = subscription.next_sequence
        self._end(subscription)
        if session is not None:
            self.publishing.last_words(session, subscription.subscription_id, sequence, int(_S.BadTimeout))

    def _end(self, subscription: Subscription) -> None:
        subscription.closed = True
        subscription.late = False
        self._stop_timer(subscription, subscription.publishing_interval_ms)
        self.subscriptions.pop(subscription.subscription_id, None)
        if subscription.session is not None:
            subscription.session.subscriptions.pop(subscription.subscription_id, None)
        self.monitoring.drop_all(subscription)
        subscription.forget_sent()
        subscription.event_ready.clear()
        subscription.linked_events.clear()

    def session_closed(self, session: Session, delete: bool) -> None:
        """A session ended. Its subscriptions go with it, or wait for another session to take them over."""
        for subscription in list(session.subscriptions.values()):
            if delete:
                self._end(subscription)
            else:
                subscription.owner = Owner(session)
                subscription.session = None
                subscription.late = False
        session.subscriptions.clear()
        self.publishing.refuse_all(session, int(_S.BadSessionClosed))
        session.publish = None
        self._sessions.discard(session)

    def identity_changed(self, session: Session) -> None:
        """Another user has the session: what is queued must not reach him before it is judged."""
        for subscription in session.subscriptions.values():
            if subscription.audience is not session.audience:
                self.judge(subscription)

    def hand_over(self, subscription: Subscription, session: Session) -> None:
        """Give a subscription to another session; the old one is told GoodSubscriptionTransferred."""
        old = subscription.session
        if old is not None:
            del old.subscriptions[subscription.subscription_id]
        subscription.session = subscription.last_session = session
        subscription.owner = Owner(session)
        subscription.late = False
        session.subscriptions[subscription.subscription_id] = subscription
        self.watch_session(session)
        self.judge(subscription)
        if old is not None:
            self.publishing.last_words(
                old,
                subscription.subscription_id,
                subscription.next_sequence,
                int(_S.GoodSubscriptionTransferred),
            )

    async def stop(self) -> None:
        """End all subscriptions without a word."""
        for subscription in list(self.subscriptions.values()):
            self._end(subscription)
        self.scheduler.stop()

    # -- what happens to items

    def resend(self, subscription: Subscription) -> None:
        """Report the present value of every reporting data item that has nothing queued."""
        for item in subscription.items.values():
            if isinstance(item, DataItem):
                item.resend()

    def judge(self, subscription: Subscription) -> None:
        """The session's user changed: what it may not read reports why, what it may read again its value."""
        before, subscription.audience = subscription.audience, subscription.last_session.audience
        self.bus.audience_changed()
        for item in subscription.items.values():
            if isinstance(item, EventItem):
                item.judge(before)
            elif item.source is None and item.refused != _S.BadNodeIdUnknown:
                item.judge(self.monitoring.value_code(subscription.audience, item.node))

    def nodes_changed(self, access: Iterable[Key], properties: Iterable[Key]) -> None:
        """AccessLevel of nodes is another (what may not be read reports BadNotReadable, what may again its value);
        or Properties of nodes came or went, so that others are watched.
        """
        watched = self.monitoring.watched
        judged, looked_at = ({key for key in keys if key in watched} for keys in (access, properties))
        if not judged and not looked_at:
            return
        for subscription in self.subscriptions.values():
            for item in subscription.items.values():
                if not isinstance(item, DataItem) or item.source is not None or item.refused == _S.BadNodeIdUnknown:
                    continue
                if item.key in looked_at:
                    self.semantics.rewatch(item, self.ticks())
                if item.key in judged:
                    item.judge(self.monitoring.value_code(subscription.audience, item.node))

    def node_removed(self, keys: Iterable[Key]) -> None:
        """Nodes are gone: their items report BadNodeIdUnknown."""
        gone = {key for key in keys if key in self.monitoring.watched}
        if not gone:
            return
        for subscription in self.subscriptions.values():
            for item in subscription.items.values():
                if item.key not in gone:
                    continue
                if isinstance(item, EventItem):
                    self.bus.detach(item)
                else:
                    self.semantics.forget(item)
                    item.judge(int(_S.BadNodeIdUnknown))


def _tell(result: ua.CreateSubscriptionResult | ua.ModifySubscriptionResult, subscription: Subscription) -> None:
    result.RevisedPublishingInterval = subscription.publishing_interval_ms
    result.RevisedLifetimeCount = subscription.lifetime_count
    result.RevisedMaxKeepAliveCount = subscription.keep_alive_count
